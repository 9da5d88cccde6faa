//! The documents that policies are held against.

use serde::de::IgnoredAny;

/// How many objects and lists may stand in one another. The parsers of Rego and CEL have a limit of about this height;
/// documents in the wild have ten.
pub(crate) const DEPTH: usize = 100;

/// What is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    #[error("the document has {found} bytes, and at most {most} are read")]
    Size { found: usize, most: usize },
    #[error("the document nests objects and lists more than {DEPTH} deep")]
    Depth,
    #[error("the document is no text in UTF-8")]
    Encoding,
    #[error("the document is no JSON: line {line}, column {column}")]
    Json { line: usize, column: usize },
}

/// Reads `input` as one JSON document of at most `most` bytes. CUE reads more than JSON, and one of these documents
/// must never be more than data.
pub(crate) fn read(input: &[u8], most: usize) -> Result<&str, Problem> {
    if input.len() > most {
        return Err(Problem::Size { found: input.len(), most });
    }
    let text = std::str::from_utf8(input).map_err(|_| Problem::Encoding)?;
    if depth(text) > DEPTH {
        return Err(Problem::Depth);
    }
    serde_json::from_str::<IgnoredAny>(text)
        .map_err(|error| Problem::Json { line: error.line(), column: error.column() })?;
    Ok(text)
}

/// How deep brackets nest in a JSON text, those in strings left out.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut is_string, mut is_escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_string => is_escaped = true,
            b'"' => is_string = !is_string,
            b'{' | b'[' if !is_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !is_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_read_up_to_its_limits_and_not_beyond() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(read(br#"{"a": [1, "x"]}"#, 15), Ok(r#"{"a": [1, "x"]}"#));
        assert_eq!(read(br#"{"a": [1, "x"]}"#, 14), Err(Problem::Size { found: 15, most: 14 }));
        assert!(read(nested(DEPTH).as_bytes(), 1000).is_ok());
        assert_eq!(read(nested(DEPTH + 1).as_bytes(), 1000), Err(Problem::Depth));
        assert_eq!(read(nested(1_000_000).as_bytes(), 10_000_000), Err(Problem::Depth));
        assert_eq!(read(b"\"\xff\"", 10), Err(Problem::Encoding));
    }

    #[test]
    fn brackets_in_strings_are_no_depth() {
        let text = format!(r#"{{"a\"{}": "\\{}"}}"#, "[".repeat(200), "{".repeat(200));
        assert!(read(text.as_bytes(), 1000).is_ok());
    }

    #[test]
    fn what_cue_reads_and_json_does_not_is_refused() {
        assert!(read(br#"{"a": "b"}"#, 100).is_ok());
        for text in [
            r#"{a: "b"}"#,
            r#"{"a": "\(b)"}"#,
            r#"{"a": string}"#,
            r#"{"a": 1} // c"#,
            "",
            "{} {}",
            "import \"time\"",
        ] {
            assert!(matches!(read(text.as_bytes(), 100), Err(Problem::Json { .. })), "{text}");
        }
    }
}
