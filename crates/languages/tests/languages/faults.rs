//! Policies and documents that want too much: each comes to a refusal, in its time, and what follows is judged as ever.

use std::time::Instant;

use super::*;

/// What a policy that does not end is given.
const SHORT: Duration = Duration::from_millis(300);
/// By when it must have ended, on a machine that has other things to do as well.
const SOON: Duration = Duration::from_secs(10);

fn run(language: Language, policy: &str, limit: Duration) -> Answer {
    match compile(language, policy) {
        Ok(program) => program.evaluate(provenance().to_string().as_bytes(), limit),
        // Seen when it was written.
        Err(CompileError::Invalid(text)) => Answer::Exhausted(text),
        Err(CompileError::Unavailable(text)) => panic!("{text}"),
    }
}

fn exhausted(language: Language, policy: &str, limit: Duration) -> String {
    let start = Instant::now();
    let answer = run(language, policy, limit);
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    match answer {
        Answer::Exhausted(text) => text,
        other => panic!("{other:?}"),
    }
}

/// Comprehensions over the seventh power of the length of `l`.
fn product() -> String {
    let loops: String = ["a", "b", "c", "d", "e", "f", "g"].map(|name| format!("for {name} in l ")).concat();
    format!("x: [{loops}{{a + b + c + d + e + f + g}}]\n")
}

#[test]
fn a_policy_in_cue_that_does_not_end_is_ended_and_the_next_one_is_judged() {
    let program = compile(Language::Cue, &format!("l: [...int]\n{}", product())).unwrap();
    assert_eq!(program.evaluate(br#"{"l": [1, 2]}"#, LIMIT), Answer::Compliant);
    let start = Instant::now();
    let answer = program.evaluate(br#"{"l": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}"#, SHORT);
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    let text = "failed to evaluate the policy with error: it took longer than 0.3 s";
    assert_eq!(answer, Answer::Exhausted(text.into()));
    for _ in 0..5 {
        assert_eq!(run(Language::Cue, "predicate: builder: id: string", LIMIT), Answer::Compliant);
    }
}

#[test]
fn a_policy_in_cue_that_takes_long_to_compile_is_left_to_each_evaluation() {
    let evaluators = evaluators(|settings| settings.compile_time = SHORT);
    let policy = format!("l: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\n{}", product());
    let program = evaluators.compile(Language::Cue, &policy).unwrap();
    assert!(matches!(program.evaluate(b"{}", SHORT), Answer::Exhausted(_)));
}

#[test]
fn a_policy_in_cue_that_allocates_is_ended_by_the_limit_of_memory() {
    let evaluators = evaluators(|settings| settings.cue_memory = 48 << 20);
    let judge = |policy: &str| {
        let program = evaluators.compile(Language::Cue, policy)?;
        Ok::<_, CompileError>(program.evaluate(provenance().to_string().as_bytes(), LIMIT))
    };
    let large = "import \"strings\"\na: strings.Repeat(\"x\", 100000000)";
    let Err(CompileError::Invalid(text)) = judge(large) else { panic!("{:?}", judge(large)) };
    assert!(text.ends_with("it needed more than 48 MiB of memory"), "{text}");
    assert_eq!(judge("import \"strings\"\na: strings.Repeat(\"x\", 1000)"), Ok(Answer::Compliant));
}

#[test]
fn a_policy_in_cue_that_nests_ten_thousand_deep_is_refused() {
    for (open, close) in [("{a: ", "}"), ("[", "]"), ("(", ")")] {
        let policy = |depth: usize| format!("a: {}1{}", open.repeat(depth), close.repeat(depth));
        assert_eq!(run(Language::Cue, &policy(100), LIMIT), Answer::Compliant, "{open}");
        let answer = run(Language::Cue, &policy(10_000), LIMIT);
        let Answer::Exhausted(text) = answer else { panic!("{open}: {answer:?}") };
        assert!(text.ends_with("it is nested too deeply"), "{open}: {text}");
    }
    assert_eq!(run(Language::Cue, "predicate: builder: id: string", LIMIT), Answer::Compliant);
}

#[test]
fn evaluators_of_cue_are_recycled_and_limited_in_number() {
    let evaluators = evaluators(|settings| {
        settings.cue_instances = 1;
        settings.cue_idle_memory = 0;
    });
    let program = evaluators.compile(Language::Cue, "a: string").unwrap();
    let judge = || program.evaluate(br#"{"a": "x"}"#, LIMIT);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(judge)).collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), Answer::Compliant);
        }
    });
    // While one runs for a second, there is none for another that has no time to wait.
    let policy = format!("l: [...int]\n{}", product());
    let endless = evaluators.compile(Language::Cue, &policy).unwrap();
    std::thread::scope(|scope| {
        let document = br#"{"l": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}"#;
        let running = scope.spawn(|| endless.evaluate(document, Duration::from_secs(1)));
        let busy = "failed to evaluate the policy with error: no evaluator was free for 0 s";
        while !running.is_finished() {
            if program.evaluate(br#"{"a": "x"}"#, Duration::ZERO) == Answer::Exhausted(busy.into()) {
                return;
            }
        }
        panic!("never busy");
    });
    assert_eq!(judge(), Answer::Compliant);
}

#[test]
fn names_that_every_document_brings_along_do_not_pile_up() {
    let evaluators = evaluators(|settings| {
        settings.cue_instances = 1;
        settings.cue_memory = 64 << 20;
        settings.cue_idle_memory = 40 << 20;
    });
    let program = evaluators.compile(Language::Cue, "predicate: {...}").unwrap();
    for document in 0..200 {
        let fields: serde_json::Map<_, _> =
            (0..200).map(|field| (format!("name-{document}-{field}"), json!(1))).collect();
        let document = json!({"predicate": fields}).to_string();
        assert_eq!(program.evaluate(document.as_bytes(), LIMIT), Answer::Compliant);
    }
}

#[test]
fn a_policy_in_rego_that_does_not_end_is_ended() {
    for condition in [
        "a := numbers.range(1, 1000); a[i] + a[j] + a[k] + a[l] == 0",
        "a := numbers.range(1, 1000); count([1 | a[i] + a[j] + a[k] > 0]) < 0",
        "a := numbers.range(1, 1000); every x in a { every y in a { every z in a { x + y + z > 0 } } }",
    ] {
        let policy = format!("package sigstore\nimport rego.v1\nisCompliant if {{ {condition} }}");
        let text = exhausted(Language::Rego, &policy, SHORT);
        assert_eq!(text, "it took longer than 0.3 s", "{condition}");
    }
}

#[test]
fn a_policy_in_rego_that_nests_ten_thousand_deep_is_refused() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("(", ")"), ("{1 | ", "}"), ("f(", ")")] {
        let policy = |depth: usize| {
            format!(
                "package sigstore\nx = {}1{}\nisCompliant = true",
                format!("{open}\n").repeat(depth),
                close.repeat(depth)
            )
        };
        let text = exhausted(Language::Rego, &policy(10_000), LIMIT);
        assert_eq!(text, "the module nests brackets more than 24 deep");
        // What is just within is read in time, whatever it means.
        let start = Instant::now();
        let _ = compile(Language::Rego, &policy(23));
        assert!(start.elapsed() < SOON, "{open}: {:?}", start.elapsed());
    }
    for prefix in ["-", "not "] {
        let policy =
            format!("package sigstore\nisCompliant {{ {} true }}", format!("{prefix}\n").repeat(10_000));
        assert_ne!(run(Language::Rego, &policy, LIMIT), Answer::Compliant, "{prefix}");
    }
}

#[test]
fn a_long_sum_in_rego_overflows_no_stack() {
    let policy = format!("package sigstore\nx = 1{}\nisCompliant {{ x > 1 }}", "+\n1".repeat(15_000));
    let program = compile(Language::Rego, &policy).unwrap();
    assert_eq!(program.evaluate(b"{}", LIMIT), Answer::Compliant);
    // Dropped on this thread, whose stack is small.
    drop(program);
}

#[test]
fn an_expression_in_cel_that_does_not_end_is_ended() {
    let list = format!("[{}]", ["1"; 300].join(","));
    for inner in [
        "L.map(a, L.map(b, L.map(c, L.map(d, 1)))).size() > 0",
        "L.all(a, L.all(b, L.all(c, L.all(d, true))))",
        "!L.all(a, L.all(b, L.all(c, L.all(d, true)))) || true",
        "L.filter(a, L.exists_one(b, L.all(c, L.all(d, true)))) == []",
        "L.exists_one(a, L.exists_one(b, L.exists_one(c, L.exists_one(d, true)))) || true",
        "L.exists(a, L.exists(b, L.exists(c, L.exists(d, false)))) || true",
        "L.map(a, a > 0, L.map(b, L.filter(c, L.all(d, true)))).size() > 0",
    ] {
        let text = exhausted(Language::Cel, &inner.replace('L', &list), SHORT);
        assert!(text == "it took longer than 0.3 s" || text.ends_with(" steps"), "{inner}: {text}");
    }
}

#[test]
fn an_expression_in_cel_that_allocates_is_ended() {
    let document = json!({"text": "x".repeat(100_000)}).to_string();
    let program = compile(Language::Cel, &format!("(text{}) != ''", " + text".repeat(200))).unwrap();
    let answer = program.evaluate(document.as_bytes(), LIMIT);
    assert_eq!(answer, Answer::Exhausted("it took more than 2000000 steps".into()));
    let program = compile(Language::Cel, "(text + text) != ''").unwrap();
    assert_eq!(program.evaluate(document.as_bytes(), LIMIT), Answer::Compliant);
}

#[test]
fn an_expression_in_cel_that_nests_ten_thousand_deep_is_refused() {
    for (open, close) in [("(", ")"), ("[", "]"), ("f(", ")")] {
        let expression = format!("{}1{}", open.repeat(4_000), close.repeat(4_000));
        let text = exhausted(Language::Cel, &expression, LIMIT);
        assert_eq!(text, "the expression nests brackets more than 64 deep");
    }
    for expression in [
        format!("1{} > 0", "+1".repeat(7_000)),
        format!("a{}", ".a".repeat(7_000)),
        format!("true{}", "?true:true".repeat(1_500)),
    ] {
        let error = compile(Language::Cel, &expression);
        assert!(matches!(error, Err(CompileError::Invalid(_))), "{error:?}");
    }
    assert_eq!(run(Language::Cel, &format!("{}true", "!".repeat(10_000)), LIMIT), Answer::Compliant);
}

#[test]
fn a_text_of_another_language_is_refused() {
    let texts = [
        (Language::Cue, "predicate: builder: id: string"),
        (Language::Rego, "package sigstore\nisCompliant { true }"),
        (Language::Cel, "has(input.predicate)"),
    ];
    for (wanted, _) in texts {
        for (written, text) in texts {
            let answer = run(wanted, text, LIMIT);
            assert_eq!(
                answer == Answer::Compliant,
                wanted == written,
                "{written:?} as {wanted:?}: {answer:?}"
            );
        }
    }
}

#[test]
fn a_document_that_is_too_large_too_deep_or_no_json_is_refused_in_every_language() {
    let policies = [
        (Language::Cue, "a: _", "failed to compile the attestation data with error: "),
        (Language::Rego, "package sigstore\nisCompliant { true }", ""),
        (Language::Cel, "true", ""),
    ];
    let large = format!("{{\"a\": \"{}\"}}", "x".repeat(50_000_000));
    let deep = |depth: usize| format!("{{\"a\": {}{}}}", "[".repeat(depth), "]".repeat(depth));
    for (language, policy, prefix) in policies {
        let program = compile(language, policy).unwrap();
        let judge = |document: &[u8]| program.evaluate(document, LIMIT);
        assert_eq!(judge(deep(99).as_bytes()), Answer::Compliant, "{language:?}");
        let expect = |document: &[u8], text: &str| {
            let start = Instant::now();
            assert_eq!(judge(document), refused(&format!("{prefix}{text}")), "{language:?}");
            assert!(start.elapsed() < SOON);
        };
        expect(large.as_bytes(), "the document has 50000009 bytes, and at most 16777216 are read");
        expect(deep(100).as_bytes(), "the document nests objects and lists more than 100 deep");
        expect(deep(100_000).as_bytes(), "the document nests objects and lists more than 100 deep");
        expect(b"", "the document is no JSON: line 1, column 0");
        expect(b"{\"a\": ", "the document is no JSON: line 1, column 6");
        expect(b"\xff\xfe", "the document is no text in UTF-8");
    }
}

#[test]
fn a_policy_that_is_too_large_is_refused_in_every_language() {
    for (language, comment) in [(Language::Cue, "//"), (Language::Rego, "#"), (Language::Cel, "//")] {
        let error = compile(language, &format!("{comment}{}", "x".repeat(512 << 10))).unwrap_err();
        let found = (512 << 10) + comment.len();
        let text = format!("the policy has {found} bytes, and at most 524288 are read");
        assert_eq!(error, CompileError::Invalid(text), "{language:?}");
    }
    let error = compile(Language::Cel, &format!("true //{}", "x".repeat(16 << 10))).unwrap_err();
    assert_eq!(
        error,
        CompileError::Invalid("the expression has 16391 bytes, and at most 16384 are read".into())
    );
}
