//! CUE. The texts are those of `cuelang.org/go` v0.15.4, which the Policy Controller is built with.

use super::*;

fn cue(policy: &str) -> Answer {
    judge(Language::Cue, policy, &provenance())
}

fn invalid(policy: &str) -> CompileError {
    compile(Language::Cue, policy).unwrap_err()
}

#[test]
fn a_value_or_a_pattern_is_held_against_the_documents() {
    assert_eq!(cue(r#"predicate: builder: id: =~"^https://ci[.]invalid/""#), Answer::Compliant);
    assert_eq!(
        cue(r#"predicate: builder: id: =~"^https://evil[.]invalid/""#),
        refused(concat!(
            "failed to evaluate the policy with error: predicate.builder.id: invalid value ",
            r#""https://ci.invalid/builder@v1" (out of bound =~"^https://evil[.]invalid/")"#,
        )),
    );
    assert_eq!(
        cue(r#"predicate: builder: id: "https://ci.invalid/builder@v2""#),
        refused(concat!(
            "failed to evaluate the policy with error: predicate.builder.id: conflicting values ",
            r#""https://ci.invalid/builder@v1" and "https://ci.invalid/builder@v2""#,
        )),
    );
}

#[test]
fn a_field_that_is_missing_is_no_conflict() {
    assert_eq!(cue("predicate: approvals: [...string]"), Answer::Compliant);
    assert_eq!(cue("predicate: buildConfig: {steps: int}"), Answer::Compliant);
    assert_eq!(cue(""), Answer::Compliant);
}

#[test]
fn a_closed_struct_allows_no_other_field() {
    let open = "#Predicate: {builder: {id: string}, ...}\npredicate: #Predicate";
    assert_eq!(cue(open), Answer::Compliant);
    assert_eq!(
        cue("#Predicate: {builder: {id: string}}\npredicate: #Predicate"),
        refused(
            "failed to evaluate the policy with error: predicate.buildType: field not allowed (and 3 more errors)"
        ),
    );
}

#[test]
fn strings_have_bounds_and_times_are_compared() {
    let bounded = |before: &str| {
        format!(
            "import \"time\"\nbefore: time.Parse(time.RFC3339, \"{before}\")\n\
             predicate: metadata: buildStartedOn: <before"
        )
    };
    assert_eq!(cue(&bounded("2026-12-01T00:00:00Z")), Answer::Compliant);
    assert_eq!(
        cue(&bounded("2026-09-01T00:00:00Z")),
        refused(concat!(
            "failed to evaluate the policy with error: predicate.metadata.buildStartedOn: invalid value ",
            r#""2026-10-01T12:00:00Z" (out of bound <"2026-09-01T00:00:00Z")"#,
        )),
    );
    let parsed = "import \"time\"\npredicate: metadata: buildStartedOn: time.Format(time.RFC3339)";
    assert_eq!(cue(parsed), Answer::Compliant);
}

#[test]
fn lists_and_structs_have_sizes() {
    assert_eq!(cue("import \"list\"\npredicate: materials: list.MaxItems(2)"), Answer::Compliant);
    assert_eq!(
        cue("import \"list\"\npredicate: materials: list.MinItems(3)"),
        refused(concat!(
            "failed to evaluate the policy with error: predicate.materials: invalid value ",
            r#"[{uri:"git+https://git.invalid/app",digest:{sha1:"aa"}},{uri:"pkg:docker/base",digest:{sha256:"bb"}}] "#,
            "(does not satisfy list.MinItems(3)): len(list) < MinItems(3) (2 < 3)",
        )),
    );
    assert_eq!(cue("import \"struct\"\npredicate: builder: struct.MinFields(1)"), Answer::Compliant);
    assert_eq!(
        cue("import \"struct\"\npredicate: builder: struct.MaxFields(0)"),
        refused(concat!(
            "failed to evaluate the policy with error: predicate.builder: invalid value ",
            r#"{id:"https://ci.invalid/builder@v1"} (does not satisfy struct.MaxFields(0)): len(fields) > MaxFields(0) (1 > 0)"#,
        )),
    );
}

#[test]
fn a_comprehension_looks_at_what_the_policy_declares() {
    let policy = |most: u32| {
        format!(
            "predicate: {{\n  materials: [...{{...}}]\n  if len(materials) > {most} {{ builder: id: \"none\" }}\n  ...\n}}"
        )
    };
    assert_eq!(cue(&policy(2)), Answer::Compliant);
    assert_eq!(
        cue(&policy(1)),
        refused(concat!(
            "failed to evaluate the policy with error: predicate.builder.id: conflicting values ",
            r#""none" and "https://ci.invalid/builder@v1""#,
        )),
    );
}

#[test]
fn the_input_of_a_whole_policy_is_read_like_any_other() {
    let policy = r#"config: "linux/amd64": config: User: "65532""#;
    let input =
        |user: &str| json!({"authorityMatches": {}, "config": {"linux/amd64": {"config": {"User": user}}}});
    assert_eq!(judge(Language::Cue, policy, &input("65532")), Answer::Compliant);
    assert_eq!(
        judge(Language::Cue, policy, &input("65530")),
        refused(concat!(
            "failed to evaluate the policy with error: ",
            r#"config."linux/amd64".config.User: conflicting values "65530" and "65532""#,
        )),
    );
}

#[test]
fn numbers_keep_their_digits() {
    let document = json!({"count": 9_007_199_254_740_993_u64});
    assert_eq!(judge(Language::Cue, "count: 9007199254740993", &document), Answer::Compliant);
    assert!(matches!(judge(Language::Cue, "count: 9007199254740992", &document), Answer::Refused(_)));
}

#[test]
fn a_wrong_text_is_seen_without_a_document() {
    let error =
        |text: &str| CompileError::Invalid(format!("failed to compile the cue policy with error: {text}"));
    assert!(compile(Language::Cue, "a: {b: 1}").is_ok());
    assert_eq!(invalid("a: {b: 1"), error("expected '}', found 'EOF'"));
    assert_eq!(invalid("a: b"), error("a: reference \"b\" not found"));
    assert_eq!(invalid("a: 1\na: 2"), error("a: conflicting values 2 and 1"));
}

#[test]
fn a_policy_says_of_each_document_what_it_would_say_of_the_first() {
    // One evaluator, so that the same one sees all of them.
    let evaluators = evaluators(|settings| settings.cue_instances = 1);
    let policies = [
        ("a: x: 1\nb?: int", "a.x: conflicting values 2 and 1"),
        ("close({a: {x: 1}, b?: int, t?: string})", "a.x: conflicting values 1 and 2"),
        ("let one = a.x\na: {x: int, ...}\na: x: 1\nc: one", "a.x: conflicting values 2 and 1"),
    ];
    for (policy, text) in policies {
        let program = evaluators.compile(Language::Cue, policy).unwrap();
        let judge = |document: &str| program.evaluate(document.as_bytes(), LIMIT);
        for _ in 0..60 {
            assert_eq!(
                judge(r#"{"a": {"x": 1}, "t": "\u00e9\ud83d\ude00\/\""}"#),
                Answer::Compliant,
                "{policy}"
            );
            let refusal = format!("failed to evaluate the policy with error: {text}");
            assert_eq!(judge(r#"{"a": {"x": 2}}"#), refused(&refusal), "{policy}");
            assert_eq!(judge(r#"{"a": {"x": 1}, "b": -2}"#), Answer::Compliant, "{policy}");
        }
    }
}

#[test]
fn a_policy_that_is_closed_at_its_top_stays_closed() {
    let closed = |document: &str| {
        let program = compile(Language::Cue, "close({a: 1})").unwrap();
        program.evaluate(document.as_bytes(), LIMIT)
    };
    assert_eq!(closed(r#"{"a": 1}"#), Answer::Compliant);
    assert_eq!(
        closed(r#"{"a": 1, "b": 1}"#),
        refused("failed to evaluate the policy with error: b: field not allowed"),
    );
}

#[test]
fn a_document_that_contradicts_itself_is_no_document() {
    let program = compile(Language::Cue, "a: int").unwrap();
    let judge = |document: &str| program.evaluate(document.as_bytes(), LIMIT);
    assert_eq!(judge(r#"{"a": 1, "a": 1}"#), Answer::Compliant);
    assert_eq!(
        judge(r#"{"a": 1, "a": 2}"#),
        refused("failed to compile the attestation data with error: a: conflicting values 2 and 1"),
    );
}

#[test]
fn only_the_standard_library_can_be_imported() {
    assert!(compile(Language::Cue, "import \"strings\"\na: strings.MinRunes(1)").is_ok());
    let CompileError::Invalid(text) = invalid("import \"example.invalid/x\"\na: x.y") else { panic!() };
    assert!(text.contains("package \"example.invalid/x\" imported but not defined"), "{text}");
}

#[test]
fn a_document_in_cue_is_no_document() {
    let program = compile(Language::Cue, "a: string").unwrap();
    assert_eq!(program.evaluate(br#"{"a": "x"}"#, LIMIT), Answer::Compliant);
    assert_eq!(
        program.evaluate(br#"{"a": "\(b)", "b": "x"}"#, LIMIT),
        refused(
            "failed to compile the attestation data with error: the document is no JSON: line 1, column 9"
        ),
    );
}

#[test]
fn a_build_without_the_evaluator_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(CUE_FILE);
    let start = |path: Option<&std::path::Path>| {
        let settings = Settings { cue_file: path.map(Into::into), ..Settings::default() };
        Evaluators::start(settings)
    };
    let problem = |evaluators: &Evaluators| {
        let error = evaluators.compile(Language::Cue, "a: 1").unwrap_err();
        assert_eq!(Some(error.to_string().as_str()), evaluators.cue_problem());
        assert!(matches!(error, CompileError::Unavailable(_)), "{error:?}");
        assert!(evaluators.compile(Language::Cel, "true").is_ok());
        error.to_string()
    };
    assert_eq!(problem(&start(None)), "CUE is not evaluated here: no file of its evaluator is named");
    let missing = problem(&start(Some(&path)));
    assert!(missing.starts_with("CUE is not evaluated here: its evaluator is not at "), "{missing}");
    assert!(missing.contains(path.to_str().unwrap()), "{missing}");
    std::fs::write(&path, "something else").unwrap();
    let unusable = problem(&start(Some(&path)));
    assert!(unusable.contains(" cannot be used: "), "{unusable}");
}

#[test]
fn a_file_that_others_can_write_is_not_loaded() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(CUE_FILE);
    std::fs::copy(cue_file(), &path).unwrap();
    let start = |mode| {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        Evaluators::start(Settings { cue_file: Some(path.clone()), ..Settings::default() })
    };
    assert_eq!(start(0o644).cue_problem(), None);
    for mode in [0o664, 0o646] {
        let evaluators = start(mode);
        let problem = evaluators.cue_problem().unwrap();
        assert!(problem.contains("and nobody else to write it"), "{problem}");
    }
}
