//! CEL.

use super::*;

fn cel(expression: &str) -> Answer {
    judge(Language::Cel, expression, &provenance())
}

#[test]
fn only_true_is_compliant() {
    assert_eq!(cel("predicateType == 'https://slsa.dev/provenance/v0.2'"), Answer::Compliant);
    let cases = [
        ("predicateType == 'https://slsa.dev/provenance/v1'", "the expression is false"),
        ("1", "the expression is a int, expected a bool"),
        ("predicate", "the expression is a map, expected a bool"),
        ("'true'", "the expression is a string, expected a bool"),
        ("null", "the expression is a null, expected a bool"),
        ("predicate.missing == 1", "No such key: missing"),
        ("missing", "Undeclared reference to 'missing'"),
        ("missing()", "Undeclared reference to 'missing'"),
        ("1 / 0 == 1", "Division by zero of Int(1)"),
        ("predicate < 1", "found no matching overload for '_<_' applied to '(map, int)'"),
    ];
    for (expression, cause) in cases {
        assert_eq!(cel(expression), refused(cause), "{expression}");
    }
}

#[test]
fn the_document_is_input_and_its_keys_are_variables() {
    assert_eq!(cel("input.predicate.builder.id == predicate.builder.id"), Answer::Compliant);
    let document = json!({"input": 1, "in": 2, "a-b": 3, "_type": 4});
    assert_eq!(
        judge(Language::Cel, "input.input == 1 && _type == 4 && input['a-b'] == 3", &document),
        Answer::Compliant
    );
    assert_eq!(judge(Language::Cel, "input == 1", &document), refused("the expression is false"));
    assert_eq!(judge(Language::Cel, "input == [1]", &json!([1])), Answer::Compliant);
}

#[test]
fn values_have_the_types_of_cel() {
    let document = json!({"i": -3, "u": u64::MAX, "f": 1.5, "l": [1, "a", null], "b": true});
    for expression in [
        "i == -3 && type(i) == int",
        "u == 18446744073709551615u && type(u) == uint",
        "f == 1.5 && type(f) == double",
        "l[0] == 1 && l[1] == 'a' && l[2] == null",
        "b",
    ] {
        assert_eq!(judge(Language::Cel, expression, &document), Answer::Compliant, "{expression}");
    }
}

#[test]
fn loops_text_and_time_are_there() {
    for expression in [
        "predicate.materials.all(m, m.uri != '')",
        "predicate.materials.exists(m, m.uri.startsWith('pkg:'))",
        "predicate.materials.exists_one(m, has(m.digest.sha1))",
        "predicate.materials.filter(m, has(m.digest.sha1)).map(m, m.digest.sha1) == ['aa']",
        "predicate.materials.map(m, has(m.digest.sha1), m.uri) == ['git+https://git.invalid/app']",
        "predicate.materials.map(m, m.uri + '!')[1] == 'pkg:docker/base!'",
        "predicate.builder.id.matches('^https://ci[.]invalid/')",
        "timestamp(predicate.metadata.buildStartedOn) < timestamp('2026-12-01T00:00:00Z')",
        "has(predicate.builder) && !has(predicate.approval)",
    ] {
        assert_eq!(cel(expression), Answer::Compliant, "{expression}");
    }
    assert_eq!(
        cel("predicate.materials.exists(m, m.uri.startsWith('npm:'))"),
        refused("the expression is false")
    );
}

#[test]
fn a_wrong_text_is_seen_without_a_document() {
    for text in [
        "",
        "1 +",
        "a b",
        "@pass(true)",
        "@sum(true)",
        "predicate: builder: id: string",
        "package sigstore\nisCompliant { true }",
    ] {
        let error = compile(Language::Cel, text).unwrap_err();
        assert!(
            matches!(&error, CompileError::Invalid(cause) if cause.starts_with("1:")),
            "{text}: {error:?}"
        );
    }
    assert!(compile(Language::Cel, "1 + 1 == 2").is_ok());
}
