//! When a mirror wishes to be asked again.

use std::time::Duration;

use jiff::{Timestamp, fmt::rfc2822::DateTimeParser};
use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

/// `Retry-After` in seconds, or as a date (RFC 9110, 10.2.3). A date is held against the answer's own `Date`, so
/// that the difference of two clocks plays no part; without one it is no wish.
pub(crate) fn of(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(Duration::from_secs);
    }
    let wait = date(headers, RETRY_AFTER)?.duration_since(date(headers, DATE)?);
    Some(Duration::try_from(wait).unwrap_or(Duration::ZERO))
}

/// Dates of HTTP are RFC 2822's with `GMT`; the two obsolete forms are not read.
fn date(headers: &HeaderMap, name: HeaderName) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(headers.get(name)?.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_read() {
        let now = "Sun, 22 Nov 2026 10:00:00 GMT";
        for (wish, date, expected) in [
            ("0", None, Some(0)),
            (" 120 ", None, Some(120)),
            ("Sun, 22 Nov 2026 10:01:30 GMT", Some(now), Some(90)),
            ("Sun, 22 Nov 2026 09:00:00 GMT", Some(now), Some(0)),
            ("Sun, 22 Nov 2026 10:01:30 GMT", None, None),
            ("Sun, 22 Nov 2026 10:01:30 GMT", Some("today"), None),
            ("-1", Some(now), None),
            ("+5", None, None),
            ("1.5", None, None),
            ("soon", Some(now), None),
            ("", Some(now), None),
            ("99999999999999999999", None, None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, wish.parse().unwrap());
            if let Some(date) = date {
                headers.insert(DATE, date.parse().unwrap());
            }
            assert_eq!(of(&headers), expected.map(Duration::from_secs), "{wish:?} {date:?}");
        }
        assert_eq!(of(&HeaderMap::new()), None);
    }
}
