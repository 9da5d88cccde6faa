//! Rego.

use super::*;

const NOT_COMPLIANT: &str = "policy is not compliant for query 'isCompliant = data.sigstore.isCompliant'";

fn rego(rules: &str) -> Answer {
    judge(Language::Rego, &format!("package sigstore\n{rules}"), &provenance())
}

fn invalid(module: &str) -> String {
    match compile(Language::Rego, module) {
        Err(CompileError::Invalid(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_true_is_compliant() {
    assert_eq!(
        rego(r#"isCompliant { startswith(input.predicate.builder.id, "https://ci.invalid/") }"#),
        Answer::Compliant
    );
    let rules = [
        r#"isCompliant { input.predicate.builder.id == "x" }"#,
        "default isCompliant = false",
        "isCompliant = \"true\"",
        "isCompliant = 1",
        "isCompliant = null",
        "isCompliant = {\"result\": true}",
        "compliant = true",
        "isCompliant { input.predicate.missing }",
        "isCompliant { 1 / 0 == 1 }",
    ];
    for rules in rules {
        assert_eq!(rego(rules), refused(NOT_COMPLIANT), "{rules}");
    }
}

#[test]
fn the_package_must_be_sigstore() {
    let module = |package: &str| format!("package {package}\nisCompliant = true");
    assert_eq!(judge(Language::Rego, &module("sigstore"), &provenance()), Answer::Compliant);
    assert_eq!(judge(Language::Rego, &module("signature"), &provenance()), refused(NOT_COMPLIANT));
}

#[test]
fn the_first_finding_with_a_result_decides_and_the_last_one_says_why_not() {
    let empty = "policy is not compliant for query \"isCompliant = data.sigstore.isCompliant\"";
    let cases = [
        (r#"[{"result": true}]"#, Answer::Compliant),
        (r#"[{"result": true, "warning": "", "error": "e"}]"#, Answer::Compliant),
        (r#"[{"result": true, "warning": "old"}]"#, Answer::Warned("old".into())),
        (r#"[{"result": false, "error": "a"}, {"result": true}]"#, Answer::Compliant),
        (r#"[{"result": true, "warning": "w"}, {"result": true}]"#, Answer::Warned("w".into())),
        (
            r#"[{"error": "a"}, {"result": false, "error": "b"}]"#,
            refused(&format!("{NOT_COMPLIANT} with errors: b")),
        ),
        (r#"{{"error": "b"}, {"error": "a"}}"#, refused(&format!("{NOT_COMPLIANT} with errors: b"))),
        (r#"[{"Result": true}]"#, Answer::Compliant),
        (r#"[{"result": null}]"#, refused(&format!("{NOT_COMPLIANT} with errors: "))),
        ("[{}]", refused(&format!("{NOT_COMPLIANT} with errors: "))),
        ("[]", refused(empty)),
        ("set()", refused(empty)),
    ];
    for (value, expected) in cases {
        assert_eq!(rego(&format!("isCompliant = {value}")), expected, "{value}");
    }
    let partial = |result: &str| {
        rego(&format!(
            "isCompliant[r] {{ r := {{\"result\": {result}, \"error\": sprintf(\"%d materials\", [count(input.predicate.materials)])}} }}"
        ))
    };
    assert_eq!(partial("true"), Answer::Compliant);
    assert_eq!(partial("false"), refused(&format!("{NOT_COMPLIANT} with errors: 2 materials")));
}

#[test]
fn what_is_no_finding_is_refused_and_breaks_nothing() {
    let cases = [
        ("[\"yes\"]", "an element is a string, expected an object"),
        ("[true]", "an element is a bool, expected an object"),
        ("[[{\"result\": true}]]", "an element is a array, expected an object"),
        ("{1}", "an element is a number, expected an object"),
        ("[null]", "an element is a null, expected an object"),
        (
            "[{\"result\": \"yes\"}]",
            "json: cannot unmarshal string into Go struct field CosignRuleResult.result of type bool",
        ),
        (
            "[{\"result\": true, \"warning\": 7}]",
            "json: cannot unmarshal number into Go struct field CosignRuleResult.warning of type string",
        ),
    ];
    for (value, cause) in cases {
        let expected = refused(&format!("{NOT_COMPLIANT} due to parsing errors: {cause}"));
        assert_eq!(rego(&format!("isCompliant = {value}")), expected, "{value}");
    }
}

#[test]
fn the_dialect_is_v0_unless_the_module_imports_v1() {
    let condition = r#"input.predicateType == "https://slsa.dev/provenance/v0.2""#;
    assert_eq!(rego(&format!("isCompliant {{ {condition} }}")), Answer::Compliant);
    assert_eq!(rego(&format!("import rego.v1\nisCompliant if {{ {condition} }}")), Answer::Compliant);
    assert_eq!(
        rego(&format!("import future.keywords.if\nisCompliant if {{ {condition} }}")),
        Answer::Compliant
    );
    let text = invalid(&format!("package sigstore\nimport rego.v1\nisCompliant {{ {condition} }}"));
    assert!(text.starts_with("sigstore.rego:3:"), "{text}");
}

#[test]
fn nothing_is_asked_of_the_network() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = rego(&format!(
        r#"isCompliant {{ http.send({{"method": "get", "url": "{url}"}}).status_code == 200 }}"#
    ));
    assert_eq!(answer, refused("sigstore.rego:2:24: could not find function http.send"));
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn integers_keep_their_digits() {
    let policy = "package sigstore\nisCompliant { input.count == 18446744073709551615 }";
    assert_eq!(judge(Language::Rego, policy, &json!({"count": u64::MAX})), Answer::Compliant);
    assert_eq!(judge(Language::Rego, policy, &json!({"count": u64::MAX - 1})), refused(NOT_COMPLIANT));
}

#[test]
fn a_wrong_text_is_seen_without_a_document() {
    assert_eq!(invalid("package sigstore\nisCompliant { x := }"), "sigstore.rego:2:13: expecting }");
    assert_eq!(invalid(""), "sigstore.rego:1:1: expecting `package` Missing package declaration.");
}

#[test]
fn a_rule_that_contradicts_itself_is_refused() {
    assert_eq!(rego("isCompliant = true\nisCompliant = true"), Answer::Compliant);
    let Answer::Refused(text) = rego("isCompliant = true\nisCompliant = false") else { panic!() };
    assert!(text.contains("conflict"), "{text}");
    let Answer::Refused(text) = rego("isCompliant { not isCompliant }") else { panic!() };
    assert!(text.contains("recursion"), "{text}");
}

#[test]
fn functions_with_results_without_measure_are_bounded() {
    assert_eq!(rego("isCompliant { numbers.range(1, 3) == [1, 2, 3] }"), Answer::Compliant);
    assert_eq!(rego("isCompliant { numbers.range(3, 1) == [3, 2, 1] }"), Answer::Compliant);
    assert_eq!(rego("isCompliant { numbers.range_step(1, 6, 2) == [1, 3, 5] }"), Answer::Compliant);
    assert_eq!(rego("isCompliant { numbers.range_step(1, 6, 0) }"), refused(NOT_COMPLIANT));
    assert_eq!(rego("isCompliant { bits.lsh(1, 70) == 1180591620717411303424 }"), Answer::Compliant);
    assert_eq!(rego("isCompliant { sprintf(\"%04d\", [7]) == \"0007\" }"), Answer::Compliant);
    let cases = [
        ("count(numbers.range(1, 1000000000000)) > 0", "numbers.range: at most 1000000 elements"),
        (
            "count(numbers.range_step(1, 1000000000000, 2)) > 0",
            "numbers.range_step: at most 1000000 elements",
        ),
        ("bits.lsh(1, 4294967295) > 0", "bits.lsh: at most 4096 bits"),
    ];
    for (condition, cause) in cases {
        let Answer::Refused(text) = rego(&format!("isCompliant {{ {condition} }}")) else {
            panic!("{condition}")
        };
        assert!(text.ends_with(cause), "{text}");
    }
    let text = invalid("package sigstore\nisCompliant { sprintf(\"%099999d\", [7]) != \"\" }");
    assert_eq!(text, "sprintf: the width of a format has at most 4 digits");
}
