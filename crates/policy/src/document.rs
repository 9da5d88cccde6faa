//! The document that a policy over an attestation is given: the statement, as the Policy Controller writes it.
//!
//! It reads a statement into Go's types and writes them again: what those types do not have is dropped, what is missing
//! is there as a zero value, and every number is a 64-bit float. Policies have been written against the result.

mod number;
mod shape;

use serde_json::Value;

use shape::{Shape, fit};

/// Largest statement that is evaluated, in bytes: reading it takes some ten times as much memory.
pub const MAX_STATEMENT: usize = 16 << 20;

/// Why no document can be made of a statement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// It is larger than [`MAX_STATEMENT`].
    #[error("statement has {actual} bytes, more than the {MAX_STATEMENT} that are evaluated")]
    TooLarge {
        /// Its size, in bytes.
        actual: usize,
    },
    /// It is not JSON, or nested deeper than 128 levels.
    #[error("unmarshal in-toto statement: {0}")]
    Unreadable(String),
    /// A field is of another type than the predicate type demands.
    #[error("unmarshal in-toto statement: {field} is {actual}, expected {expected}")]
    Field {
        /// Where it stands.
        field: String,
        /// What it is.
        actual: &'static str,
        /// What it should be.
        expected: &'static str,
    },
}

/// Returns the document for a policy over `statement`. `predicate_type` is the one in the `ClusterImagePolicy`, as it
/// is written there: the aliases `link`, `slsaprovenance` and `vuln` mean predicates with a fixed form.
///
/// # Errors
///
/// Where the statement is too large, or not what it has to be.
pub fn document(predicate_type: &str, statement: &[u8]) -> Result<Vec<u8>, DocumentError> {
    if statement.len() > MAX_STATEMENT {
        return Err(DocumentError::TooLarge { actual: statement.len() });
    }
    let read: Value =
        serde_json::from_slice(statement).map_err(|error| DocumentError::Unreadable(error.to_string()))?;
    let Value::Object(mut fields) = read else {
        let actual = shape::kind(&read);
        return Err(DocumentError::Field { field: "statement".into(), actual, expected: "an object" });
    };
    let predicate = match predicate_type {
        "link" => &shape::LINK,
        "slsaprovenance" => &shape::SLSA,
        "vuln" => &shape::VULN,
        _ => &Shape::Any,
    };
    let mut out = String::with_capacity(statement.len());
    let parts = [
        ("_type", &Shape::Text),
        ("predicateType", &Shape::Text),
        ("subject", &shape::SUBJECTS),
        ("predicate", predicate),
    ];
    for (index, (name, shape)) in parts.into_iter().enumerate() {
        out.push(if index == 0 { '{' } else { ',' });
        number::text(name, &mut out);
        out.push(':');
        number::write(&fit(fields.remove(name).unwrap_or_default(), shape, name)?, &mut out);
    }
    out.push('}');
    Ok(out.into_bytes())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn statement(predicate: &str) -> String {
        format!(
            r#"{{"predicate":{predicate},"extra":1,"subject":[{{"digest":{{"sha256":"00"}},"annotations":{{}}}}],
            "predicateType":"t","_type":"https://in-toto.io/Statement/v1"}}"#
        )
    }

    fn text(predicate_type: &str, predicate: &str) -> String {
        String::from_utf8(document(predicate_type, statement(predicate).as_bytes()).unwrap()).unwrap()
    }

    fn predicate(predicate_type: &str, predicate: &str) -> Value {
        serde_json::from_str::<Value>(&text(predicate_type, predicate)).unwrap()["predicate"].clone()
    }

    #[test]
    fn the_fields_of_a_statement_stay_in_their_order_and_others_are_dropped() {
        for kind in
            ["https://example.com/check/v1", "custom", "spdx", "cyclonedx", "openvex", "slsaprovenance1"]
        {
            assert_eq!(
                text(kind, r#"{"b":[true,null],"a":"<é\n>"}"#),
                r#"{"_type":"https://in-toto.io/Statement/v1","predicateType":"t","subject":[{"name":"","digest":{"sha256":"00"}}],"predicate":{"a":"<é\n>","b":[true,null]}}"#,
                "{kind}"
            );
        }
        let bare = document("custom", b"{}").unwrap();
        assert_eq!(
            String::from_utf8(bare).unwrap(),
            r#"{"_type":"","predicateType":"","subject":null,"predicate":null}"#
        );
    }

    #[test]
    fn numbers_are_floats_written_as_go_does() {
        for (number, written) in [
            ("1", "1"),
            ("1.0", "1"),
            ("-0.5", "-0.5"),
            ("-0", "-0"),
            ("9007199254740993", "9007199254740992"),
            ("123456789012345678901", "123456789012345680000"),
            ("1e20", "100000000000000000000"),
            ("1e21", "1e+21"),
            ("1.5e300", "1.5e+300"),
            ("0.000001", "0.000001"),
            ("0.0000001", "1e-7"),
            ("1.25e-9", "1.25e-9"),
        ] {
            let expected = format!(r#""predicate":{written}}}"#);
            let found = text("custom", number);
            assert!(found.ends_with(&expected), "{number}: {found}");
        }
    }

    #[test]
    fn a_provenance_keeps_the_fields_of_its_type_only() {
        let given = r#"{"builder":{"id":"b","version":1},"buildType":"t","unknown":1,
            "invocation":{"configSource":{"uri":"u","digest":{"sha1":"d"},"entryPoint":""},"parameters":{"x":1}},
            "metadata":{"buildInvocationId":"i","buildStartedOn":"2026-01-02T03:04:05Z","completeness":{"materials":true}},
            "materials":[{"uri":"m","digest":{}}]}"#;
        assert_eq!(
            predicate("slsaprovenance", given),
            json!({
                "builder": {"id": "b"}, "buildType": "t",
                "invocation": {"configSource": {"uri": "u", "digest": {"sha1": "d"}}, "parameters": {"x": 1}},
                "metadata": {
                    "buildInvocationID": "i", "buildStartedOn": "2026-01-02T03:04:05Z",
                    "completeness": {"parameters": false, "environment": false, "materials": true},
                    "reproducible": false,
                },
                "materials": [{"uri": "m"}],
            })
        );
        assert_eq!(
            predicate("slsaprovenance", "{}"),
            json!({"builder": {"id": ""}, "buildType": "", "invocation": {"configSource": {}}})
        );
        // By its URI it is passed through, as is the newer type.
        for generic in ["https://slsa.dev/provenance/v0.2", "slsaprovenance02", "slsaprovenance1"] {
            assert_eq!(predicate(generic, "{}"), json!({}), "{generic}");
        }
    }

    #[test]
    fn a_vulnerability_report_and_a_link_have_their_zero_values() {
        assert_eq!(
            predicate("vuln", r#"{"scanner":{"uri":"s","result":{"critical":0}},"x":1}"#),
            json!({
                "invocation": {"parameters": null, "uri": "", "event_id": "", "builder.id": ""},
                "scanner": {"uri": "s", "version": "", "db": {"uri": "", "version": ""}, "result": {"critical": 0}},
                "metadata": {"scanStartedOn": "0001-01-01T00:00:00Z", "scanFinishedOn": "0001-01-01T00:00:00Z"},
            })
        );
        assert_eq!(
            predicate("link", r#"{"name":"n","command":["a"],"environment":{"e":1}}"#),
            json!({
                "_type": "", "name": "n", "materials": null, "products": null, "byproducts": null,
                "command": ["a"], "environment": {"e": 1},
            })
        );
    }

    #[test]
    fn what_is_of_another_type_is_refused_naming_the_field() {
        let refused = |kind: &str, predicate: &str| {
            document(kind, statement(predicate).as_bytes()).map(|_| ()).map_err(|error| error.to_string())
        };
        for (kind, given, field) in [
            (
                "slsaprovenance",
                r#"{"builder":{"id":3}}"#,
                "predicate.builder.id is a number, expected a string",
            ),
            ("slsaprovenance", r#"{"materials":{}}"#, "predicate.materials is an object, expected a list"),
            (
                "vuln",
                r#"{"metadata":{"scanStartedOn":"today"}}"#,
                "predicate.metadata.scanStartedOn is a string, expected a time",
            ),
            ("link", r#"{"command":[1]}"#, "predicate.command[0] is a number, expected a string"),
        ] {
            assert_eq!(refused(kind, given), Err(format!("unmarshal in-toto statement: {field}")));
            assert_eq!(refused("custom", given), Ok(()));
        }
    }

    #[test]
    fn a_statement_has_its_limits_of_size_and_depth() {
        let padded = |size: usize| {
            let text = statement("{}");
            format!("{}{text}", " ".repeat(size - text.len()))
        };
        document("custom", padded(MAX_STATEMENT).as_bytes()).unwrap();
        let error = document("custom", padded(MAX_STATEMENT + 1).as_bytes()).unwrap_err();
        assert_eq!(error, DocumentError::TooLarge { actual: MAX_STATEMENT + 1 });
        let nested = |depth: usize| statement(&format!("{}{}", "[".repeat(depth), "]".repeat(depth)));
        document("custom", nested(120).as_bytes()).unwrap();
        let error = document("custom", nested(10_000).as_bytes()).unwrap_err();
        assert!(matches!(error, DocumentError::Unreadable(_)), "{error}");
    }
}
