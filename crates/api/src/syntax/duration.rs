//! Durations as Kubernetes writes them.

use jiff::SignedDuration;

/// Reads `90s`, `10m`, `1h30m`: what `metav1.Duration` holds, whose longest unit is the hour. An empty text is none.
///
/// # Errors
///
/// What is wrong with the text, for [`FieldError`](crate::FieldError) details; also for negative durations.
pub fn parse_duration(text: &str) -> Result<Option<SignedDuration>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let duration: SignedDuration =
        text.parse().map_err(|_| "expected a duration such as 90s, 10m or 1h30m".to_owned())?;
    if duration.is_negative() {
        return Err("expected a duration that is not negative".to_owned());
    }
    Ok(Some(duration))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubernetes_durations_are_read_and_others_are_refused() {
        for (text, seconds) in [("90s", 90), ("10m", 600), ("1h30m", 5_400), ("720h", 2_592_000), ("0s", 0)] {
            assert_eq!(parse_duration(text).unwrap().unwrap().as_secs(), seconds, "{text}");
        }
        assert_eq!(parse_duration("").unwrap(), None);
        assert_eq!(parse_duration("1500ms").unwrap().unwrap().as_millis(), 1_500);
        for text in ["10", "x", "-5m", "1 year", "m", "99999999999999999999h"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
