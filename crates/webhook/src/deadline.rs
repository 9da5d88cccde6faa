//! How long a request may take.

use std::time::Duration;

/// What the API server waits where it does not say (`timeoutSeconds` of a webhook configuration).
const DEFAULT: Duration = Duration::from_secs(10);
/// The longest `timeoutSeconds` that the API server accepts.
const LONGEST: Duration = Duration::from_secs(30);

/// The time to decide in, from the request's query: its `timeout=` (a Go duration such as `25s`) less a margin
/// of a tenth, at least half a second, for the answer to travel.
pub(crate) fn budget(query: Option<&str>) -> Duration {
    let timeout = query
        .into_iter()
        .flat_map(|query| query.split('&'))
        .find_map(|pair| pair.strip_prefix("timeout="))
        .and_then(go_duration)
        .unwrap_or(DEFAULT)
        .min(LONGEST);
    let margin = (timeout / 10).max(Duration::from_millis(500));
    timeout.saturating_sub(margin).max(timeout / 2)
}

/// Parses the durations that the API server writes: `25s`, `1m0s`, `1.5s`, `500ms`.
fn go_duration(text: &str) -> Option<Duration> {
    let mut total = 0.0;
    let mut rest = text;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let number: f64 = number.parse().ok()?;
        let (unit, after) = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)]
            .into_iter()
            .find_map(|(unit, seconds)| Some((seconds, after.strip_prefix(unit)?)))?;
        total += number * unit;
        rest = after;
    }
    Duration::try_from_secs_f64(total).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_stays_inside_what_the_api_server_waits() {
        for (query, milliseconds) in [
            (Some("timeout=25s"), 22_500),
            (Some("a=b&timeout=2s"), 1_500),
            (Some("timeout=1m0s"), 27_000),
            (Some("timeout=1.5s"), 1_000),
            (Some("timeout=600ms"), 300),
            (Some("timeout=0s"), 0),
            (None, 9_000),
            (Some("timeout="), 9_000),
            (Some("timeout=-3s"), 9_000),
            (Some("timeout=5"), 9_000),
            (Some("timeout=9999999999999999999999999h"), 9_000),
        ] {
            assert_eq!(budget(query), Duration::from_millis(milliseconds), "{query:?}");
        }
    }
}
