//! When the other system is told to read a mirror again. Pure.
//!
//! It reads a mirror when the object changes, and otherwise once a day. So its annotation is the fingerprint of what
//! the trust root says; where that alone does not bring it in step, a time beside it is renewed at growing intervals.

use std::time::Duration;

use jiff::Timestamp;

/// Holds the fingerprint.
pub(super) const MATERIAL: &str = "trustwright.dev/material";
/// Holds when it was told again.
pub(super) const TOLD: &str = "trustwright.dev/told";
/// The wait before it is told again, the first time.
const FIRST: Duration = Duration::from_secs(30);
/// The longest wait.
const LONGEST: Duration = Duration::from_hours(1);

/// What was said about one state of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    /// UID, generation and fingerprint: what is said about one says nothing about another.
    pub(super) about: String,
    /// When.
    pub(super) at: Timestamp,
    /// How often.
    pub(super) times: u32,
    /// Why it was refused. What is refused is not tried again.
    pub(super) refused: Option<String>,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tell {
    /// Nothing.
    Nothing,
    /// Write the fingerprint.
    Material,
    /// Write the time, as the fingerprint stands there already.
    Again,
    /// Look again then.
    At(Timestamp),
}

/// Decides. `annotated` is what stands there; `lags` says that the other system takes itself to be ready with something
/// else than the trust root says. What it failed to load it tries again by itself.
pub(super) fn tell(
    annotated: Option<&str>,
    fingerprint: &str,
    lags: bool,
    told: Option<&Told>,
    now: Timestamp,
) -> Tell {
    if told.is_some_and(|told| told.refused.is_some()) {
        return Tell::Nothing;
    }
    if annotated != Some(fingerprint) {
        return Tell::Material;
    }
    if !lags {
        return Tell::Nothing;
    }
    let (since, times) = told.map_or((now, 1), |told| (told.at, told.times));
    let wait = FIRST.saturating_mul(1 << times.saturating_sub(1).min(16)).min(LONGEST);
    match since.checked_add(wait) {
        Ok(due) if due > now => Tell::At(due),
        Ok(_) | Err(_) => Tell::Again,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn told(seconds_ago: u64, times: u32) -> Told {
        let at = NOW.checked_sub(Duration::from_secs(seconds_ago)).unwrap();
        Told { about: String::new(), at, times, refused: None }
    }

    fn at(seconds: u64) -> Tell {
        Tell::At(NOW.checked_add(Duration::from_secs(seconds)).unwrap())
    }

    #[test]
    fn a_fingerprint_is_written_once() {
        assert_eq!(tell(None, "ab", false, None, NOW), Tell::Material);
        assert_eq!(tell(Some("cd"), "ab", false, Some(&told(0, 1)), NOW), Tell::Material);
        assert_eq!(tell(Some("ab"), "ab", false, None, NOW), Tell::Nothing);
    }

    #[test]
    fn who_lags_is_told_again_and_less_and_less_often() {
        assert_eq!(tell(Some("ab"), "ab", true, None, NOW), at(30));
        assert_eq!(tell(Some("ab"), "ab", true, Some(&told(10, 1)), NOW), at(20));
        assert_eq!(tell(Some("ab"), "ab", true, Some(&told(30, 1)), NOW), Tell::Again);
        assert_eq!(tell(Some("ab"), "ab", true, Some(&told(30, 2)), NOW), at(30));
        assert_eq!(tell(Some("ab"), "ab", true, Some(&told(0, 100)), NOW), at(3_600));
    }

    #[test]
    fn what_is_refused_is_not_tried_again() {
        let refused = Told { refused: Some("no".to_owned()), ..told(9_999, 1) };
        assert_eq!(tell(None, "ab", true, Some(&refused), NOW), Tell::Nothing);
        assert_eq!(tell(None, "ab", true, Some(&told(9_999, 1)), NOW), Tell::Material);
    }
}
