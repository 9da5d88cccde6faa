//! Regular expressions as Go's `regexp` reads them, compiled with the `regex` crate.
//!
//! Both are engines without backtracking and agree on nearly everything. Where they do not, an identity would
//! match more or less than its author meant, so the pattern is rewritten first: `\d`, `\w`, `\s` and `\b` mean
//! ASCII; `{` without a count, `\<` and `\_` are literal; `[`, `&&`, `--` and `~~` in a class are literal;
//! `\Q...\E` quotes; a count ends at 1000.

mod class;
mod escape;

use std::iter::Peekable;
use std::str::Chars;

use regex::Regex;

/// The largest count in `{n,m}`.
const MAX_COUNT: u32 = 1000;

/// Compiles a pattern. It is not anchored.
///
/// # Errors
///
/// Go's text, for example ``error parsing regexp: missing closing ): `(` ``; behind the first colon it is our
/// engine's own where Go has no equivalent.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    let prefix = |why: String| format!("error parsing regexp: {why}");
    let translated = Translation::of(pattern).map_err(prefix)?;
    Regex::new(&translated).map_err(|error| {
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default();
        prefix(last.trim_start_matches("error: ").to_owned())
    })
}

/// A pattern on its way from one dialect to the other.
struct Translation<'a> {
    rest: &'a str,
    out: String,
    depth: usize,
    /// Whether there is something that a repetition could repeat.
    repeatable: bool,
    /// Where the last repetition began, while it is the last thing read.
    repetition: Option<&'a str>,
}

impl<'a> Translation<'a> {
    fn of(pattern: &'a str) -> Result<String, String> {
        let mut translation =
            Self { rest: pattern, out: String::new(), depth: 0, repeatable: false, repetition: None };
        while let Some(c) = translation.rest.chars().next() {
            translation.step(c, pattern)?;
        }
        if translation.depth > 0 {
            return Err(format!("missing closing ): `{pattern}`"));
        }
        Ok(translation.out)
    }

    fn step(&mut self, c: char, pattern: &str) -> Result<(), String> {
        match c {
            '(' => self.open(),
            ')' => {
                self.depth = self.depth.checked_sub(1).ok_or_else(|| format!("unexpected ): `{pattern}`"))?;
                self.copy(1, true);
                Ok(())
            }
            '|' => {
                self.copy(1, false);
                Ok(())
            }
            '*' | '+' | '?' => self.repeat(1),
            '{' => {
                if let Some(length) = count_length(self.rest)? {
                    return self.repeat(length);
                }
                self.put(1, r"\{");
                Ok(())
            }
            '[' => {
                let (class, length) = class::translate(self.rest)?;
                self.put(length, &class);
                Ok(())
            }
            '\\' => {
                let (text, length) = escape::translate(self.rest)?;
                // `\Q\E` is nothing, and then there is nothing to repeat.
                if text.is_empty() {
                    self.rest = &self.rest[length..];
                } else {
                    self.put(length, &text);
                }
                Ok(())
            }
            '^' | '$' | '.' => {
                self.copy(1, true);
                Ok(())
            }
            other => {
                let mut buffer = [0; 4];
                self.put(other.len_utf8(), &regex::escape(other.encode_utf8(&mut buffer)));
                Ok(())
            }
        }
    }

    /// Copies the beginning of a group: capturing, named, or with the flags `imsU`.
    fn open(&mut self) -> Result<(), String> {
        let Some(special) = self.rest.strip_prefix("(?") else {
            self.depth += 1;
            self.copy(1, false);
            return Ok(());
        };
        let named = special.strip_prefix("P<").or_else(|| special.strip_prefix('<'));
        if let Some(name) = named {
            let end = name.find('>').ok_or_else(|| format!("invalid named capture: `{}`", self.rest))?;
            let legal = end > 0 && name[..end].bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            let length = self.rest.len() - name.len() + end + 1;
            if !legal {
                return Err(format!("invalid named capture: `{}`", &self.rest[..length]));
            }
            self.depth += 1;
            // Nobody asks for a group by its name, and Go's names may begin with a digit.
            self.rest = &self.rest[length - 1..];
            self.put(1, "(");
            self.repeatable = false;
            return Ok(());
        }
        let flags = special.trim_start_matches(|c| "imsU-".contains(c));
        let length = self.rest.len() - flags.len() + 1;
        match flags.chars().next() {
            Some(')') => self.copy(length, false),
            Some(':') => {
                self.depth += 1;
                self.copy(length, false);
            }
            Some(_) => {
                let end = length + flags.chars().next().map_or(0, char::len_utf8) - 1;
                return Err(format!("invalid or unsupported Perl syntax: `{}`", &self.rest[..end]));
            }
            None => return Err(format!("missing closing ): `{}`", self.rest)),
        }
        Ok(())
    }

    /// Copies a repetition of this length, with the `?` that makes it lazy.
    fn repeat(&mut self, length: usize) -> Result<(), String> {
        if !self.repeatable {
            return Err(format!("missing argument to repetition operator: `{}`", &self.rest[..length]));
        }
        let lazy = usize::from(self.rest[length..].starts_with('?'));
        if let Some(before) = self.repetition {
            let both = before.len() - self.rest.len() + length + lazy;
            return Err(format!("invalid nested repetition operator: `{}`", &before[..both]));
        }
        let start = self.rest;
        self.copy(length + lazy, true);
        self.repetition = Some(start);
        Ok(())
    }

    fn copy(&mut self, length: usize, repeatable: bool) {
        let (text, rest) = self.rest.split_at(length);
        self.out.push_str(text);
        (self.rest, self.repeatable, self.repetition) = (rest, repeatable, None);
    }

    fn put(&mut self, length: usize, text: &str) {
        self.out.push_str(text);
        (self.rest, self.repeatable, self.repetition) = (&self.rest[length..], true, None);
    }
}

/// Returns the length of `{n}`, `{n,}` or `{n,m}` at the beginning, or `None` where the `{` is a mere character.
fn count_length(text: &str) -> Result<Option<usize>, String> {
    let Some(end) = text.find('}') else { return Ok(None) };
    let (low, high) = text[1..end].split_once(',').unwrap_or((&text[1..end], ""));
    let is_number = |digits: &str| {
        !digits.is_empty()
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && (digits.len() == 1 || !digits.starts_with('0'))
    };
    if !is_number(low) || !(high.is_empty() || is_number(high)) {
        return Ok(None);
    }
    let number = |digits: &str| digits.parse::<u32>().ok().filter(|&count| count <= MAX_COUNT);
    let (low, high) = (number(low), if high.is_empty() { Some(MAX_COUNT) } else { number(high) });
    match (low, high) {
        (Some(low), Some(high)) if low <= high => Ok(Some(end + 1)),
        _ => Err(format!("invalid repeat count: `{}`", &text[..=end])),
    }
}

/// Returns how many bytes of `text` are read once this much is left.
fn consumed(text: &str, rest: &Peekable<Chars<'_>>) -> usize {
    text.len() - rest.clone().map(char::len_utf8).sum::<usize>()
}

#[cfg(test)]
mod tests;
