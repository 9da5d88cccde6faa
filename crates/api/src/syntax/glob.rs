//! Whether an image pattern is legal. Matching is the policy crate's.

/// Checks an image pattern.
///
/// Two languages must both accept it: Go's `filepath.Match`, and the pattern language proper, which knows letters,
/// digits and `-_:/*.@`.
///
/// # Errors
///
/// The reason as users know it, for example `glob is invalid: invalid glob "$FOO*"`.
pub fn validate_glob(glob: &str) -> Result<(), String> {
    if !is_file_pattern(glob) {
        return Err("glob is invalid: syntax error in pattern".to_owned());
    }
    let legal = |c: char| c.is_ascii_alphanumeric() || "-_:/*.@".contains(c);
    if glob.is_empty() || !glob.chars().all(legal) {
        return Err(format!("glob is invalid: invalid glob {glob:?}"));
    }
    Ok(())
}

/// Returns whether Go's `filepath.Match` takes the pattern: every `[` is closed and not empty, and no `\` is last.
///
/// As there, the pattern is cut at each `*` outside brackets, and nothing after a cut can complete what is before.
fn is_file_pattern(pattern: &str) -> bool {
    let mut rest = pattern;
    while !rest.is_empty() {
        rest = rest.trim_start_matches('*');
        let (chunk, after) = rest.split_at(chunk_length(rest));
        if !is_chunk(chunk) {
            return false;
        }
        rest = after;
    }
    true
}

fn chunk_length(pattern: &str) -> usize {
    let mut in_range = false;
    let mut escaped = false;
    for (index, c) in pattern.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' => in_range = true,
            ']' => in_range = false,
            '*' if !in_range => return index,
            _ => {}
        }
    }
    pattern.len()
}

fn is_chunk(chunk: &str) -> bool {
    let mut rest = chunk.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' if rest.next().is_none() => return false,
            '[' => match after_range(rest.as_str()) {
                Some(after) => rest = after.chars(),
                None => return false,
            },
            _ => {}
        }
    }
    true
}

/// Returns what follows a bracket expression, given what follows its `[`.
fn after_range(text: &str) -> Option<&str> {
    let mut rest = text.strip_prefix('^').unwrap_or(text);
    let mut ranges = 0;
    loop {
        if ranges > 0
            && let Some(after) = rest.strip_prefix(']')
        {
            return Some(after);
        }
        rest = after_member(rest)?;
        if let Some(high) = rest.strip_prefix('-') {
            rest = after_member(high)?;
        }
        ranges += 1;
    }
}

/// Returns what follows one character of a bracket expression; there must be something.
fn after_member(text: &str) -> Option<&str> {
    if text.starts_with(['-', ']']) {
        return None;
    }
    let mut rest = text.strip_prefix('\\').unwrap_or(text).chars();
    rest.next()?;
    Some(rest.as_str()).filter(|rest| !rest.is_empty())
}
