//! Words that the three languages share.

use std::time::Duration;

/// The longest text of a refusal, in bytes: the API server shows it to a person.
const LONGEST: usize = 4096;

/// A duration as people say it: `2 s`, `0.25 s`.
pub(crate) fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

/// Cuts a text that is too long to be shown.
pub(crate) fn short(mut text: String) -> String {
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(short("a".repeat(LONGEST)).len(), LONGEST);
        let cut = short("ä".repeat(LONGEST));
        assert!(cut.ends_with("ä…") && cut.len() == LONGEST + '…'.len_utf8());
        assert_eq!(seconds(Duration::from_millis(250)), "0.25 s");
        assert_eq!(seconds(Duration::from_secs(2)), "2 s");
    }
}
