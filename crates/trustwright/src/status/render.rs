//! An overview for people and for programs.

use std::fmt::Write as _;

use super::overview::Overview;
use crate::trust::report::{plain, table};

/// Characters of a digest that are shown to people.
const SHORT: usize = 19;

/// Returns the overview for people.
pub(super) fn text(overview: &Overview) -> String {
    let mut out = String::new();
    let verdict = if overview.ready { "Signature checks work." } else { "Signature checks do not all work." };
    // Writing to a string does not fail.
    let _ = writeln!(out, "{verdict}");
    let word = |ready: bool| if ready { "True" } else { "False" }.to_owned();
    let short = |digest: &str| digest.chars().take(SHORT).collect::<String>();
    let rows = overview.trust_roots.iter().map(|root| {
        [
            root.name.clone(),
            word(root.ready),
            root.source.clone().unwrap_or_default(),
            root.expires.clone().unwrap_or_default(),
            root.fingerprint.as_deref().map(short).unwrap_or_default(),
            root.policies.to_string(),
            root.reason.clone(),
        ]
    });
    let header = ["TRUSTROOT", "READY", "SOURCE", "EXPIRES", "FINGERPRINT", "POLICIES", "REASON"];
    section(&mut out, header, rows.collect());
    for root in &overview.trust_roots {
        let problem = (!root.ready).then(|| root.message.clone());
        notes(&mut out, &root.name, problem.iter().chain(&root.warnings));
    }
    let rows = overview
        .policies
        .iter()
        .map(|policy| [policy.name.clone(), word(policy.ready), policy.mode.clone(), policy.reason.clone()]);
    section(&mut out, ["POLICY", "READY", "MODE", "REASON"], rows.collect());
    for policy in overview.policies.iter().filter(|policy| !policy.ready) {
        notes(&mut out, &policy.name, std::iter::once(&policy.message));
    }
    let rows = overview.dependents.iter().map(|dependent| {
        [
            dependent.workload.clone(),
            dependent.trust_root.clone(),
            dependent.fingerprint.as_deref().map(short).unwrap_or_default(),
            dependent.message.clone().unwrap_or_default(),
        ]
    });
    section(&mut out, ["DEPENDENT", "TRUSTROOT", "FINGERPRINT", "MESSAGE"], rows.collect());
    let rows = overview.replicas.iter().map(|replica| {
        let age = replica.reported_seconds_ago.map_or("never".to_owned(), |age| format!("{age}s ago"));
        [replica.name.clone(), word(replica.alive), age, short(&replica.in_force)]
    });
    section(&mut out, ["REPLICA", "ALIVE", "REPORTED", "IN FORCE"], rows.collect());
    if overview.replicas.is_empty() {
        let _ = writeln!(out, "\nNo webhook replica reports.");
    }
    let rows = overview.denials.iter().flatten().map(|denial| {
        [
            denial.time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            denial.action.clone(),
            denial.about.clone(),
            denial.reason.clone(),
        ]
    });
    section(&mut out, ["LAST DENIALS", "ACTION", "OBJECT", "REASON"], rows.collect());
    for denial in overview.denials.iter().flatten() {
        notes(&mut out, &denial.about, std::iter::once(&denial.note));
    }
    if overview.denials.is_none() {
        let _ = writeln!(out, "\nDenials are not shown: events cannot be read with these credentials.");
    }
    out
}

/// Returns the overview for programs: one object, with every field always there.
pub(super) fn json(overview: &Overview) -> String {
    // Text, numbers and lists always encode.
    let text = serde_json::to_string_pretty(overview).unwrap_or_default();
    format!("{text}\n")
}

fn section<const N: usize>(out: &mut String, header: [&str; N], rows: Vec<[String; N]>) {
    if !rows.is_empty() {
        out.push('\n');
        table(out, header, rows);
    }
}

fn notes<'n>(out: &mut String, name: &str, notes: impl Iterator<Item = &'n String>) {
    for note in notes {
        // What others wrote has no power over a terminal.
        let _ = writeln!(out, "  {name}: {}", plain(note));
    }
}
