//! URLs as Go's `net/url` reads them, which is more forgiving than the URL standard of browsers.

/// The parts of a URL that somebody here asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GoUrl {
    /// Scheme in lower case; empty for a relative reference.
    pub scheme: String,
    /// Host with port, decoded, without user information; may be empty.
    pub host: String,
}

/// Reads a URL or a relative reference; a fragment is cut off. The empty text is an empty reference.
///
/// # Errors
///
/// Go's text, for example `parse "https://[": missing ']' in host`.
pub fn parse(text: &str) -> Result<GoUrl, String> {
    let (url, fragment) = text.split_once('#').unwrap_or((text, ""));
    parse_parts(url, false)
        .and_then(|parsed| check_escapes(fragment).map(|()| parsed))
        .map_err(|why| format!("parse {url:?}: {why}"))
}

/// Reads an absolute URL or an absolute path, in which `#` means nothing.
///
/// # Errors
///
/// Go's text, for example `parse "x": invalid URI for request`.
pub fn parse_request_uri(text: &str) -> Result<GoUrl, String> {
    parse_parts(text, true).map_err(|why| format!("parse {text:?}: {why}"))
}

fn parse_parts(text: &str, request: bool) -> Result<GoUrl, String> {
    if text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return Err("net/url: invalid control character in URL".to_owned());
    }
    if text.is_empty() && request {
        return Err("empty url".to_owned());
    }
    if text == "*" {
        return Ok(GoUrl::default());
    }
    let (scheme, rest) = split_scheme(text)?;
    let scheme = scheme.to_ascii_lowercase();
    let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
    if !rest.starts_with('/') {
        if !scheme.is_empty() {
            return Ok(GoUrl { scheme, host: String::new() });
        }
        if request {
            return Err("invalid URI for request".to_owned());
        }
        if rest.split('/').next().is_some_and(|segment| segment.contains(':')) {
            return Err("first path segment in URL cannot contain colon".to_owned());
        }
    }
    let authority =
        rest.strip_prefix("//").filter(|_| !scheme.is_empty() || (!request && !rest.starts_with("///")));
    let Some(authority) = authority else {
        check_escapes(rest)?;
        return Ok(GoUrl { scheme, host: String::new() });
    };
    let (authority, path) = authority.split_at(authority.find('/').unwrap_or(authority.len()));
    let host = parse_authority(authority)?;
    check_escapes(path)?;
    Ok(GoUrl { scheme, host })
}

fn split_scheme(text: &str) -> Result<(&str, &str), String> {
    for (index, c) in text.char_indices() {
        match c {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if index > 0 => {}
            ':' if index == 0 => return Err("missing protocol scheme".to_owned()),
            ':' => return Ok((&text[..index], &text[index + 1..])),
            _ => return Ok(("", text)),
        }
    }
    Ok(("", text))
}

fn parse_authority(authority: &str) -> Result<String, String> {
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let host = parse_host(host)?;
    let legal = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
    if !user.chars().all(legal) {
        return Err("net/url: invalid userinfo".to_owned());
    }
    check_escapes(user)?;
    Ok(host)
}

fn parse_host(host: &str) -> Result<String, String> {
    let port = if host.starts_with('[') {
        let end = host.rfind(']').ok_or("missing ']' in host")?;
        &host[end + 1..]
    } else {
        host.rfind(':').map_or("", |colon| &host[colon..])
    };
    let digits = port.strip_prefix(':').unwrap_or(port);
    let port_is_legal =
        port.is_empty() || (port.starts_with(':') && digits.bytes().all(|b| b.is_ascii_digit()));
    if !port_is_legal {
        return Err(format!("invalid port {port:?} after host"));
    }
    if let Some(c) = host.chars().find(|&c| !is_host_character(c)) {
        return Err(format!("invalid character {:?} in host name", c.to_string()));
    }
    decode_host(host)
}

fn is_host_character(c: char) -> bool {
    !c.is_ascii() || c.is_ascii_alphanumeric() || "-_.~!$&'()*+,;=:[]<>\"%".contains(c)
}

/// Decodes a host, in which only bytes beyond ASCII (and `%` itself) may be escaped.
fn decode_host(host: &str) -> Result<String, String> {
    check_escapes(host)?;
    let mut bytes = Vec::with_capacity(host.len());
    let mut rest = host.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        if byte == b'%' {
            let (escaped, after) = after.split_at(2);
            let text = String::from_utf8_lossy(escaped).into_owned();
            let decoded = u8::from_str_radix(&text, 16).unwrap_or_default();
            if decoded < 0x80 && decoded != b'%' {
                return Err(format!("invalid URL escape {:?}", format!("%{text}")));
            }
            bytes.push(decoded);
            rest = after;
        } else {
            bytes.push(byte);
            rest = after;
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Checks that every `%` is followed by two hexadecimal digits.
fn check_escapes(text: &str) -> Result<(), String> {
    for (index, _) in text.match_indices('%') {
        let escape: String = text[index..].chars().take(3).collect();
        if escape.len() != 3 || !escape[1..].bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(format!("invalid URL escape {escape:?}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
