//! `trustwright trust verify`: how long the roles must still be valid.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{bail, ensure};
use jiff::SignedDuration;

use super::check::Checked;

/// Least time that roles must still be valid, by name; others must not have expired.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Minimum(BTreeMap<String, SignedDuration>);

/// Reads `root=30d,timestamp=1d`. Empty text asks for nothing.
pub(super) fn parse(text: &str) -> Result<Minimum, String> {
    let mut minimum = Minimum::default();
    for item in text.split(',').filter(|_| !text.is_empty()) {
        let (role, length) = item
            .split_once('=')
            .filter(|(role, _)| !role.is_empty())
            .ok_or_else(|| format!("{item:?} is not of the form ROLE=DURATION"))?;
        let length = duration(length)
            .ok_or_else(|| format!("{length:?} is not a duration such as 30d; units are s, m, h, d and w"))?;
        if minimum.0.insert(role.to_owned(), length).is_some() {
            return Err(format!("{role} is there more than once"));
        }
    }
    Ok(minimum)
}

/// Reads one number and one unit, such as `30d`.
pub(super) fn duration(text: &str) -> Option<SignedDuration> {
    let unit = text.chars().last()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return None,
    };
    let count = &text[..text.len() - unit.len_utf8()];
    // Not what `parse` takes beyond that: a sign.
    let digits = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
    let count: i64 = digits.then(|| count.parse().ok())??;
    count.checked_mul(seconds).map(SignedDuration::from_secs)
}

/// Returns what is left of each role.
///
/// # Errors
///
/// A role has less than asked, or is not there. All such roles are named.
pub(super) fn check(checked: &Checked, minimum: &Minimum) -> anyhow::Result<String> {
    let roles = checked.roles();
    let names: Vec<_> = roles.iter().map(|role| role.role.as_str()).collect();
    for role in minimum.0.keys() {
        ensure!(
            names.contains(&role.as_str()),
            "--min: {} has no role {role:?}, only: {}",
            checked.origin,
            if names.is_empty() { "none".to_owned() } else { names.join(", ") },
        );
    }
    let mut lines = String::new();
    let mut short = Vec::new();
    for role in roles {
        let (version, expires) = (role.version, role.expires);
        let left = expires.duration_since(checked.now);
        let asked = minimum.0.get(&role.role).copied().unwrap_or_default();
        if role.is_expired(checked.now) {
            short.push(format!("{} version {version} expired at {expires}", role.role));
        } else if left < asked {
            let (left, asked) = (words(left), words(asked));
            short.push(format!(
                "{} version {version} expires at {expires}, in {left}, less than {asked}",
                role.role
            ));
        } else {
            // Writing to a string does not fail.
            let _ =
                writeln!(lines, "{} version {version} expires at {expires}, in {}", role.role, words(left));
        }
    }
    if !short.is_empty() {
        bail!("{}: {}", checked.origin, short.join("; "));
    }
    Ok(lines)
}

/// A time in its two largest units.
fn words(length: SignedDuration) -> String {
    let seconds = length.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m"),
        (0, _, 0) => format!("{hours}h"),
        (0, ..) => format!("{hours}h {minutes}m"),
        (_, 0, _) => format!("{days}d"),
        _ => format!("{days}d {hours}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_one_number_and_one_unit() {
        for (text, expected) in [
            ("30d", Some(30 * 86_400)),
            ("1w", Some(604_800)),
            ("90m", Some(5_400)),
            ("0s", Some(0)),
            ("12h", Some(43_200)),
            ("", None),
            ("d", None),
            ("30", None),
            ("-1d", None),
            ("+1d", None),
            ("1.5d", None),
            ("1d12h", None),
            ("1€", None),
            ("99999999999999999999d", None),
            ("9223372036854775807w", None),
        ] {
            assert_eq!(duration(text), expected.map(SignedDuration::from_secs), "{text:?}");
        }
    }

    #[test]
    fn each_role_is_asked_for_once() {
        assert_eq!(parse("").unwrap(), Minimum::default());
        assert_eq!(parse("root=30d,timestamp=1d").unwrap().0.len(), 2);
        for text in ["root", "=1d", "root=", "root=1d,", ",root=1d", "root=1d,root=2d", "root=soon"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_is_left_is_said_shortly() {
        for (seconds, expected) in [
            (59, "59s"),
            (60, "1m"),
            (3_600, "1h"),
            (3_660, "1h 1m"),
            (86_400, "1d"),
            (90_000, "1d 1h"),
            (2_592_000, "30d"),
        ] {
            assert_eq!(words(SignedDuration::from_secs(seconds)), expected);
        }
    }
}
