//! How deep the text of a policy nests. The parsers of Rego and CEL have limits of their own, but come to them late:
//! what nests too deeply has kept them busy for minutes by then.

/// How a language writes what brackets have no meaning in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Syntax {
    /// What a string starts and ends with, one in which a backslash escapes.
    pub(crate) quotes: &'static [char],
    /// The same where nothing escapes.
    pub(crate) raw: Option<char>,
    /// What a comment starts with.
    pub(crate) comment: &'static str,
}

/// How many brackets stand in one another at the deepest place of `text`.
pub(crate) fn nesting(text: &str, syntax: Syntax) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        rest = &rest[next.len_utf8()..];
        if rest.starts_with(syntax.comment.get(1..).unwrap_or_default()) && syntax.comment.starts_with(next) {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
        } else if syntax.raw == Some(next) {
            rest = rest.split_once(next).map_or("", |(_, after)| after);
        } else if syntax.quotes.contains(&next) {
            rest = after_string(rest, next);
        } else if matches!(next, '(' | '[' | '{') {
            depth += 1;
            deepest = deepest.max(depth);
        } else if matches!(next, ')' | ']' | '}') {
            depth = depth.saturating_sub(1);
        }
    }
    deepest
}

/// What follows the string that `text` starts in. A string ends with its line at the latest.
fn after_string(text: &str, quote: char) -> &str {
    let mut characters = text.char_indices();
    while let Some((at, next)) = characters.next() {
        if next == '\\' {
            characters.next();
        } else if next == quote || next == '\n' {
            return &text[at + next.len_utf8()..];
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGO: Syntax = Syntax { quotes: &['"'], raw: Some('`'), comment: "#" };
    const CEL: Syntax = Syntax { quotes: &['"', '\''], raw: None, comment: "//" };

    #[test]
    fn brackets_count_where_they_mean_something() {
        let cases = [
            ("", REGO, 0),
            ("a", REGO, 0),
            ("f(x)[1] { y }", REGO, 1),
            ("f(g({1: [2]}))", REGO, 4),
            (r#"x = "((((" "#, REGO, 0),
            (r#"x = "\"((" + (1)"#, REGO, 1),
            ("x = `((\\` + (1)", REGO, 1),
            ("# (((\n(1)", REGO, 1),
            ("# (((", REGO, 0),
            ("\"((", REGO, 0),
            ("'((' + (1)", CEL, 1),
            ("'((' + (1) // ((", CEL, 1),
            ("1 / (2)", CEL, 1),
            ("))) (", CEL, 1),
        ];
        for (text, syntax, expected) in cases {
            assert_eq!(nesting(text, syntax), expected, "{text}");
        }
        assert_eq!(nesting(&"[".repeat(10_000), REGO), 10_000);
    }
}
