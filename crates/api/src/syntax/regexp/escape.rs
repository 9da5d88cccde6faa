//! What follows a backslash.

use std::iter::Peekable;
use std::str::Chars;

use super::consumed;

/// ASCII sets behind a letter, as members of a class.
pub(super) fn perl_class(letter: char) -> Option<&'static str> {
    match letter {
        'd' => Some("0-9"),
        'D' => Some("[^0-9]"),
        's' => Some(r"\t\n\x0C\r\x20"),
        'S' => Some(r"[^\t\n\x0C\r\x20]"),
        'w' => Some("0-9A-Za-z_"),
        'W' => Some("[^0-9A-Za-z_]"),
        _ => None,
    }
}

/// Returns the meaning of the escape at the beginning of `text`, outside a class, and its length.
pub(super) fn translate(text: &str) -> Result<(String, usize), String> {
    let Some(letter) = text[1..].chars().next() else {
        return Err("trailing backslash at end of expression: ``".to_owned());
    };
    let plain = |meaning: &str| Ok((meaning.to_owned(), 2));
    match letter {
        'A' => plain(r"\A"),
        'z' => plain(r"\z"),
        'b' => plain(r"(?-u:\b)"),
        'B' => plain(r"(?-u:\B)"),
        'Q' => {
            let quoted = &text[2..];
            let (literal, length) =
                quoted.find(r"\E").map_or((quoted, text.len()), |end| (&quoted[..end], end + 4));
            Ok((regex::escape(literal), length))
        }
        // Closes nothing; Go skips it.
        'E' => plain(""),
        'p' | 'P' => unicode_class(text).map(|length| (text[..length].to_owned(), length)),
        _ => {
            if let Some(members) = perl_class(letter) {
                return Ok((format!("[{members}]"), 2));
            }
            let mut rest = text[1..].chars().peekable();
            let c = character(&mut rest)?;
            Ok((format!(r"\x{{{:X}}}", u32::from(c)), consumed(text, &rest)))
        }
    }
}

/// Returns the length of `\pN` or `\p{Name}`.
pub(super) fn unicode_class(text: &str) -> Result<usize, String> {
    let name = &text[2..];
    let length = if name.starts_with('{') {
        name.find('}').map(|end| end + 1)
    } else {
        name.chars().next().map(char::len_utf8)
    };
    length.map(|length| length + 2).ok_or_else(|| format!("invalid character class range: `{text}`"))
}

/// Reads the one character that an escape stands for, from behind the backslash.
pub(super) fn character(rest: &mut Peekable<Chars<'_>>) -> Result<char, String> {
    let Some(letter) = rest.next() else {
        return Err("trailing backslash at end of expression: ``".to_owned());
    };
    let invalid = || format!(r"invalid escape sequence: `\{letter}`");
    match letter {
        'a' => Ok('\x07'),
        'f' => Ok('\x0C'),
        'n' => Ok('\n'),
        'r' => Ok('\r'),
        't' => Ok('\t'),
        'v' => Ok('\x0B'),
        'x' => hexadecimal(rest).ok_or_else(invalid),
        // Without a second digit, `\1` would be a reference back, which neither engine has.
        '1'..='7' if !matches!(rest.peek(), Some('0'..='7')) => Err(invalid()),
        '0'..='7' => {
            let mut value = letter.to_digit(8).unwrap_or_default();
            for _ in 0..2 {
                let Some(digit) = rest.peek().and_then(|c| c.to_digit(8)) else { break };
                value = value * 8 + digit;
                rest.next();
            }
            char::from_u32(value).ok_or_else(invalid)
        }
        other if other.is_ascii() && !other.is_ascii_alphanumeric() => Ok(other),
        _ => Err(invalid()),
    }
}

/// Reads `7F` or `{10FFFF}`.
fn hexadecimal(rest: &mut Peekable<Chars<'_>>) -> Option<char> {
    let digits: String = if rest.next_if_eq(&'{').is_some() {
        rest.by_ref().take_while(|&c| c != '}').collect()
    } else {
        rest.by_ref().take(2).collect()
    };
    let legal = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u32::from_str_radix(&digits, 16).ok().filter(|_| legal).and_then(char::from_u32)
}
