//! Bracket expressions.

use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::Chars;

use super::{consumed, escape};

/// Names in `[:alpha:]`. The engine would read any other as a class of its letters.
const POSIX_CLASSES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
    "upper", "word", "xdigit",
];

/// Returns the meaning of the class at the beginning of `text`, and its length.
pub(super) fn translate(text: &str) -> Result<(String, usize), String> {
    let unclosed = || format!("missing closing ]: `{text}`");
    let mut out = String::from("[");
    let mut rest = text[1..].chars().peekable();
    if rest.next_if_eq(&'^').is_some() {
        out.push('^');
    }
    let mut first = true;
    loop {
        let here = &text[consumed(text, &rest)..];
        match rest.peek() {
            None => return Err(unclosed()),
            Some(']') if !first => {
                rest.next();
                out.push(']');
                return Ok((out, consumed(text, &rest)));
            }
            Some(_) => {}
        }
        first = false;
        if let Some((members, length)) = set(here)? {
            out.push_str(&members);
            rest = here[length..].chars().peekable();
            continue;
        }
        range(&mut out, &mut rest, here)
            .and_then(|complete| if complete { Ok(()) } else { Err(unclosed()) })?;
    }
}

/// Reads `[:alpha:]`, `\d` or `\p{Greek}`; `None` for a mere character.
fn set(text: &str) -> Result<Option<(String, usize)>, String> {
    if text.starts_with("[:")
        && let Some(end) = text[2..].find(":]")
    {
        let length = end + 4;
        let name = &text[2..length - 2];
        if !POSIX_CLASSES.contains(&name.strip_prefix('^').unwrap_or(name)) {
            return Err(format!("invalid character class range: `{}`", &text[..length]));
        }
        return Ok(Some((text[..length].to_owned(), length)));
    }
    let Some(letter) = text.strip_prefix('\\').and_then(|rest| rest.chars().next()) else { return Ok(None) };
    if matches!(letter, 'p' | 'P') {
        let length = escape::unicode_class(text)?;
        return Ok(Some((text[..length].to_owned(), length)));
    }
    Ok(escape::perl_class(letter).map(|members| (members.to_owned(), 2)))
}

/// Reads a character or a range of characters; `false` when the text ends before it does.
fn range(out: &mut String, rest: &mut Peekable<Chars<'_>>, here: &str) -> Result<bool, String> {
    let Some(low) = member(rest)? else { return Ok(false) };
    let mut high = low;
    let mut ahead = rest.clone();
    if ahead.next() == Some('-') && ahead.peek().is_some_and(|&next| next != ']') {
        rest.next();
        let Some(end) = member(rest)? else { return Ok(false) };
        high = end;
    }
    if high < low {
        return Err(format!("invalid character class range: `{}`", &here[..consumed(here, rest)]));
    }
    let (low, high) = (u32::from(low), u32::from(high));
    // Writing to a string does not fail.
    let _ = write!(out, r"\x{{{low:X}}}-\x{{{high:X}}}");
    Ok(true)
}

fn member(rest: &mut Peekable<Chars<'_>>) -> Result<Option<char>, String> {
    match rest.next() {
        Some('\\') => escape::character(rest).map(Some),
        other => Ok(other),
    }
}
