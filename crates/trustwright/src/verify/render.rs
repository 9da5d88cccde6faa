//! A report for people and for programs.

use std::fmt::Write as _;

use super::report::{
    AuthorityReport, CauseReport, EvidenceReport, ExplanationReport, PolicyReport, Report, RuleReport,
    SignerReport, VerifiedReport, admits,
};
use crate::trust::report::plain;

/// Lines of text, each as deep as it lies. What others wrote has no power over a terminal.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn add(&mut self, depth: usize, text: &str) {
        for line in text.lines() {
            // Writing to a string does not fail.
            let _ = writeln!(self.0, "{:1$}{2}", "", 2 * depth, plain(line.trim_start()));
        }
    }

    fn cause(&mut self, depth: usize, cause: &CauseReport) {
        self.add(depth, &format!("{} ({})", cause.message, cause.reason));
        if let Some(hint) = &cause.hint {
            self.add(depth, hint);
        }
    }
}

/// Returns the report for people.
pub(super) fn text(report: &Report) -> String {
    let mut lines = Lines::default();
    lines.add(0, &format!("{}: {}", report.resolved, report.outcome.sentence()));
    report.causes.iter().for_each(|cause| lines.cause(1, cause));
    for policy in &report.policies {
        policy_lines(&mut lines, policy);
    }
    lines.0
}

fn policy_lines(lines: &mut Lines, policy: &PolicyReport) {
    let PolicyReport { name, mode, decision, problems, authorities, rule } = policy;
    let said = match (admits(decision), decision.as_str()) {
        (true, "allow") => "admits it",
        (true, _) => "would refuse it, and only warns",
        (false, _) => "refuses it",
    };
    lines.0.push('\n');
    lines.add(0, &format!("ClusterImagePolicy {name} ({mode}) {said}"));
    for problem in problems {
        lines.add(1, &format!("cannot be used: {problem}"));
    }
    for authority in authorities {
        authority_lines(lines, authority);
    }
    if let Some(RuleReport { language, refused }) = rule {
        let said = if refused.is_some() { "refuses what was found" } else { "accepts what was found" };
        lines.add(1, &format!("policy in {language}: {said}"));
        if let Some(cause) = refused {
            lines.cause(2, cause);
        }
    }
}

fn authority_lines(lines: &mut Lines, authority: &AuthorityReport) {
    let AuthorityReport { name, vouches, counted, refused, explanation } = authority;
    lines.add(1, &format!("authority {name}: {}", if *vouches { "vouches" } else { "does not vouch" }));
    if let Some(cause) = refused {
        lines.cause(2, cause);
    }
    let Some(ExplanationReport { places, evidence, faults, skipped }) = explanation else {
        for verified in counted.iter().filter_map(|evidence| evidence.verified.as_ref()) {
            verified_lines(lines, 2, verified);
        }
        return;
    };
    for place in places {
        lines.add(2, &format!("looked into {place}"));
    }
    for one in evidence {
        evidence_lines(lines, one);
    }
    for fault in faults {
        lines.add(2, "what may hide evidence:");
        lines.cause(3, fault);
    }
    if *skipped > 0 {
        lines.add(2, &format!("{skipped} more not looked at: there are too many"));
    }
}

fn evidence_lines(lines: &mut Lines, evidence: &EvidenceReport) {
    let EvidenceReport { digest, place, manifest, size, listed_as, counts, verified, refused } = evidence;
    let found = manifest.as_ref().map(|manifest| format!(" (manifest {manifest})")).unwrap_or_default();
    let listed = listed_as.as_ref().map(|listed| format!(", listed as {listed}")).unwrap_or_default();
    lines.add(2, &format!("{digest}, {size} bytes{listed}"));
    lines.add(3, &format!("found in {place}{found}"));
    if let Some(verified) = verified {
        verified_lines(lines, 3, verified);
    }
    if let Some(cause) = refused {
        lines.cause(3, cause);
    }
    let verdict = match (counts, verified, refused) {
        (true, _, _) => "counts",
        (false, Some(_), _) => "verifies, and is not accepted",
        (false, None, Some(_)) => "does not count",
        (false, None, None) => "does not count: the authority asks for something else",
    };
    lines.add(3, verdict);
}

fn verified_lines(lines: &mut Lines, depth: usize, verified: &VerifiedReport) {
    let VerifiedReport { form, signer, log_entries, times, predicate_type, attestations } = verified;
    let signer = match signer {
        SignerReport::Key { key } => format!("the key {key}"),
        SignerReport::Certificate { subjects, issuer } => {
            let issuer = issuer.as_ref().map(|issuer| format!(" of issuer {issuer}")).unwrap_or_default();
            format!("subject {}{issuer}", subjects.join(", "))
        }
    };
    lines.add(depth, &format!("signed by {signer} ({form})"));
    for entry in log_entries {
        let url = if entry.url.is_empty() { "" } else { &format!(" at {}", entry.url) };
        let time = entry.integrated_time.map(|time| format!(", {time}")).unwrap_or_default();
        lines
            .add(depth, &format!("log {}{url}: entry {}{time} ({})", entry.log_id, entry.index, entry.proof));
    }
    for time in times {
        lines.add(depth, &format!("signed at {} by the word of a {}", time.time, time.source));
    }
    if let Some(predicate_type) = predicate_type {
        lines.add(depth, &format!("says {predicate_type}"));
    }
    for attestation in attestations {
        let of = attestation.language.as_ref().map(|language| format!(" by {language}")).unwrap_or_default();
        match &attestation.refused {
            None => lines.add(depth, &format!("attestation {}: accepted{of}", attestation.name)),
            Some(cause) => {
                lines.add(depth, &format!("attestation {}: refused{of}", attestation.name));
                lines.cause(depth + 1, cause);
            }
        }
    }
}

/// Returns the report for programs: one object.
pub(super) fn json(report: &Report) -> String {
    // Nothing in it can fail to be written.
    serde_json::to_string_pretty(report).map(|text| text + "\n").unwrap_or_default()
}
