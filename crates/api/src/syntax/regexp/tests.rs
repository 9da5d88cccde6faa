use proptest::prelude::*;

use super::compile;

fn matches(pattern: &str, text: &str) -> bool {
    compile(pattern).unwrap_or_else(|why| panic!("{pattern}: {why}")).is_match(text)
}

#[test]
fn patterns_mean_what_they_mean_in_go() {
    let table = [
        // pattern, what matches, what does not
        (r"^\d$", "7", "\u{663}"),
        (r"^\w$", "_", "\u{e9}"),
        (r"^\s$", "\t", "\u{a0}"),
        (r"^[^\d]$", "\u{663}", "7"),
        (r"^[\W]$", "\u{e9}", "a"),
        (r"\bfoo\b", "\u{e9}foo", "afoo"),
        (r"^a\Boo$", "aoo", "boo"),
        (r"^\<a\>$", "<a>", "a"),
        (r"^a\_b$", "a_b", "ab"),
        (r"^{org}/x{2}$", "{org}/xx", "org/xx"),
        (r"^a{,2}$", "a{,2}", "aa"),
        (r"^[a[b]$", "[", "c"),
        (r"^[a&&b]$", "&", "c"),
        (r"^[]a]$", "]", "b"),
        (r"^[a-]$", "-", "b"),
        (r"^[+--]$", ",", "a"),
        (r"^[[:^alpha:]]$", "1", "a"),
        (r"^[[:alpha:]\-.]$", "-", "1"),
        (r"^[\x41-\x{43}]$", "B", "D"),
        (r"^\Qa.b\E$", "a.b", "axb"),
        (r"^\Qa.b", "a.b", "axb"),
        (r"^\101\0$", "A\0", "A"),
        (r"(?i)^abc$", "ABC", "abd"),
        (r"^(?P<1n>a)(?<m>b)(?:c)$", "abc", "ab"),
        (r"^\pL\p{Greek}$", "a\u{3b1}", "aa"),
        (r"^a+?b??$", "aa", "b"),
        (r"^.$", "\u{e9}", "\n"),
        (r"a$", "ba", "a\n"),
        (r"^\u{e9}$".replace(r"\u{e9}", "\u{e9}").leak(), "\u{e9}", "e"),
        (
            "https://github.com/stackabletech/.+/.github/workflows/build.yml@refs.+",
            "https://github.com/stackabletech/a/.github/workflows/build.yml@refs/tags/1",
            "https://github.com/other/a/.github/workflows/build.yml@refs/tags/1",
        ),
    ];
    for (pattern, yes, no) in table {
        assert!(matches(pattern, yes), "{pattern} should match {yes:?}");
        assert!(!matches(pattern, no), "{pattern} should not match {no:?}");
    }
}

#[test]
fn refusals_use_the_words_of_go() {
    let table = [
        ("****", "missing argument to repetition operator: `*`"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("(|+)", "missing argument to repetition operator: `+`"),
        ("$(", "missing closing ): `$(`"),
        ("a)", "unexpected ): `a)`"),
        ("[a", "missing closing ]: `[a`"),
        ("[", "missing closing ]: `[`"),
        ("[b-a]", "invalid character class range: `b-a`"),
        (r"\", "trailing backslash at end of expression: ``"),
        (r"\1", r"invalid escape sequence: `\1`"),
        (r"\y", r"invalid escape sequence: `\y`"),
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
        ("(?x)", "invalid or unsupported Perl syntax: `(?x`"),
        ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
        ("a{1001}", "invalid repeat count: `{1001}`"),
        ("a{2,1}", "invalid repeat count: `{2,1}`"),
    ];
    for (pattern, expected) in table {
        assert_eq!(compile(pattern).unwrap_err(), format!("error parsing regexp: {expected}"), "{pattern}");
    }
    assert!(compile("").is_ok());
}

proptest! {
    #[test]
    fn no_pattern_panics(pattern in ".{0,12}") {
        let _ = compile(&pattern);
    }

    #[test]
    fn no_pattern_of_special_characters_panics(pattern in r"[\\\[\](){}^$.?*+|:<>=,a0xQEpP&~-]{0,12}") {
        let _ = compile(&pattern);
    }
}
