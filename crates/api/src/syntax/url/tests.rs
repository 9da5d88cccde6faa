use super::*;

fn parts(text: &str) -> (String, String) {
    let url = parse(text).unwrap();
    (url.scheme, url.host)
}

#[test]
fn scheme_and_host_are_found() {
    let table = [
        ("", "", ""),
        ("https://fulcio.sigstore.dev", "https", "fulcio.sigstore.dev"),
        ("HTTPS://u:p@a.b:8080/c?d#e", "https", "a.b:8080"),
        ("http://[::1]:80/", "http", "[::1]:80"),
        ("mailto:a@b", "mailto", ""),
        ("/a/b", "", ""),
        ("a/b:c", "", ""),
        ("https:/a", "https", ""),
        ("//host/x", "", "host"),
    ];
    for (text, scheme, host) in table {
        assert_eq!(parts(text), (scheme.to_owned(), host.to_owned()), "{text}");
    }
}

#[test]
fn refusals_use_the_words_of_go() {
    let table = [
        (":a", r#"parse ":a": missing protocol scheme"#),
        ("a:b:c/d", ""),
        ("1a:b", r#"parse "1a:b": first path segment in URL cannot contain colon"#),
        ("https://[", r#"parse "https://[": missing ']' in host"#),
        ("https://a:b", r#"parse "https://a:b": invalid port ":b" after host"#),
        ("https://a b", r#"parse "https://a b": invalid character " " in host name"#),
        ("https://a/%zz", r#"parse "https://a/%zz": invalid URL escape "%zz""#),
        ("https://a/%e", r#"parse "https://a/%e": invalid URL escape "%e""#),
        ("https://%41", r#"parse "https://%41": invalid URL escape "%41""#),
        ("a\nb", r#"parse "a\nb": net/url: invalid control character in URL"#),
    ];
    for (text, expected) in table {
        assert_eq!(parse(text).err().unwrap_or_default(), expected, "{text}");
    }
    assert!(parse("%\u{e9}a").is_err());
}

#[test]
fn a_request_uri_is_absolute() {
    for legal in ["https://slsa.dev/provenance/v1", "/a", "cosign.sigstore.dev:x", "urn:a"] {
        assert!(parse_request_uri(legal).is_ok(), "{legal}");
    }
    for illegal in ["", "custom2", "a/b", "cosign.sigstore.dev/attestation/v1"] {
        assert!(parse_request_uri(illegal).is_err(), "{illegal}");
    }
}
