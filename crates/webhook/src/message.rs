//! Findings as people read them: the texts of the system we replace first, ours on the lines after.

use std::collections::BTreeSet;

use kube::core::admission::AdmissionResponse;
use trustwright_api::{FieldError, FieldErrors, Level};
use trustwright_core::{Finding, Reason, Verdict};

use crate::review;

/// Puts a verdict into the response.
///
/// The audit log gets the decision, the reasons and the policies, under keys that the API server puts the webhook's
/// name before; those of a plain consent say nothing that the log does not have.
pub(crate) fn respond(mut response: AdmissionResponse, verdict: &Verdict) -> AdmissionResponse {
    audit(&mut response, verdict);
    match verdict {
        Verdict::Allow => response,
        Verdict::Warn(findings) => review::warn(response, render_each(findings.iter())),
        Verdict::Deny { findings, warnings } => {
            let errors: FieldErrors = findings.iter().map(field_error).collect();
            let denied = review::deny(response, &format!("validation failed: {}", errors.render()));
            review::warn(denied, render_each(warnings))
        }
    }
}

fn audit(response: &mut AdmissionResponse, verdict: &Verdict) {
    let findings: Vec<&Finding> = match verdict {
        Verdict::Allow => return,
        Verdict::Warn(findings) => findings.iter().collect(),
        Verdict::Deny { findings, warnings } => findings.iter().chain(warnings).collect(),
    };
    let causes = findings.iter().flat_map(|finding| finding.causes.iter());
    let reasons: BTreeSet<&str> = causes.map(|cause| cause.reason.as_str()).collect();
    let policies: BTreeSet<&str> = findings.iter().filter_map(|finding| finding.policy.as_deref()).collect();
    let list = |names: BTreeSet<&str>| names.into_iter().collect::<Vec<_>>().join(",");
    let mut annotation = |key: &str, value: String| {
        if !value.is_empty() {
            response.audit_annotations.insert(key.to_owned(), value);
        }
    };
    annotation("decision", verdict.decision().as_str().to_owned());
    annotation("reasons", list(reasons));
    annotation("policies", list(policies));
}

fn render_each<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Vec<String> {
    let errors: FieldErrors = findings.into_iter().map(field_error).collect();
    errors.merged().iter().map(ToString::to_string).collect()
}

/// `failed policy: <name>: <path>`, then the image and every cause on one line, then a line per hint.
fn field_error(finding: &Finding) -> FieldError {
    let causes: Vec<_> = finding.causes.iter().collect();
    let texts: Vec<&str> = causes.iter().map(|cause| cause.text.as_str()).collect();
    let mut lines = Vec::new();
    let message = if let Some(policy) = &finding.policy {
        lines.push(format!("{} {}", finding.image, texts.join(" ")));
        format!("failed policy: {policy}")
    } else {
        if causes.iter().any(|cause| cause.reason == Reason::NoMatchingPolicy) {
            lines.push(finding.image.clone());
        }
        texts.join(" ")
    };
    for hint in causes.iter().filter_map(|cause| cause.hint.as_ref()) {
        if !lines.contains(hint) {
            lines.push(hint.clone());
        }
    }
    FieldError { message, paths: vec![finding.path.clone()], details: lines.join("\n"), level: Level::Error }
}

#[cfg(test)]
mod tests {
    use trustwright_core::{Cause, Causes, Findings};

    use super::*;

    fn finding(policy: Option<&str>, path: &str, reason: Reason, texts: &[&str]) -> Finding {
        let cause = |text: &&str| Cause {
            authority: None,
            reason,
            text: (*text).into(),
            hint: Some(format!("hint for {text}")),
        };
        Finding {
            policy: policy.map(Into::into),
            path: path.into(),
            image: "ghcr.io/a/b@sha256:00".into(),
            causes: Causes::collect(texts.iter().map(cause)).unwrap(),
        }
    }

    fn response() -> AdmissionResponse {
        let mut response = AdmissionResponse::invalid("");
        response.allowed = true;
        response.result = kube::core::Status::default();
        response
    }

    #[test]
    fn a_denial_reads_as_the_field_knows_it_and_says_more_on_the_lines_after() {
        let one = |path| finding(Some("p"), path, Reason::StaticFail, &["e1", "e2"]);
        let none =
            finding(None, "spec.containers[2].image", Reason::NoMatchingPolicy, &["no matching policies"]);
        let verdict = trustwright_core::fold([
            Verdict::deny(none),
            Verdict::deny(one("spec.containers[1].image")),
            Verdict::deny(one("spec.containers[0].image")),
        ]);
        let response = respond(response(), &verdict);
        assert!(!response.allowed);
        let mut audited: Vec<_> =
            response.audit_annotations.iter().map(|(key, value)| format!("{key}={value}")).collect();
        audited.sort();
        assert_eq!(audited, ["decision=deny", "policies=p", "reasons=no_matching_policy,static_fail"]);
        assert_eq!((response.result.code, response.result.reason.as_str()), (400, "BadRequest"));
        assert_eq!(
            response.result.message,
            "validation failed: failed policy: p: spec.containers[0].image, spec.containers[1].image\n\
             ghcr.io/a/b@sha256:00 e1 e2\nhint for e1\nhint for e2\n\
             no matching policies: spec.containers[2].image\n\
             ghcr.io/a/b@sha256:00\nhint for no matching policies"
        );
    }

    #[test]
    fn a_warning_admits_with_one_line_each() {
        let warning = finding(Some("p"), "spec.containers[0].image", Reason::StaticFail, &["e"]);
        let response = respond(response(), &Verdict::Warn(Findings::one(warning.clone())));
        assert!(response.allowed);
        let lines = ["failed policy: p: spec.containers[0].image", "ghcr.io/a/b@sha256:00 e", "hint for e"];
        assert_eq!(response.warnings.as_deref().unwrap(), lines);
        // Beside a denial it stays a warning.
        let denied = finding(Some("q"), "spec.containers[0].image", Reason::StaticFail, &["f"]);
        let verdict = trustwright_core::fold([Verdict::Warn(Findings::one(warning)), Verdict::deny(denied)]);
        let response = respond(super::tests::response(), &verdict);
        assert_eq!(response.warnings.as_deref().unwrap(), lines);
        assert!(response.result.message.starts_with("validation failed: failed policy: q: "));
        assert!(!response.result.message.contains("failed policy: p"));
    }
}
