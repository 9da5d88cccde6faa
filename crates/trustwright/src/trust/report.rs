//! `trustwright trust inspect`: what a source holds, for people and for programs.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::{Value, json};
use trustwright_trust::tuf::RoleState;
use trustwright_trust::{KeyReport, Phase};

use super::check::{Anchor, Checked};

/// Characters of a key's ID that are shown to people.
const SHORT_ID: usize = 16;

/// Returns the report for people.
pub(super) fn text(checked: &Checked) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        // Writing to a string does not fail.
        let _ = writeln!(out, "{name:<13}{}", plain(&value));
    };
    line("Source:", checked.origin.to_string());
    line("Time:", checked.now.to_string());
    if let Some(Anchor { version, given_by }) = &checked.anchor {
        let from = given_by.as_deref().unwrap_or("the source itself: trust on first use");
        line("Starts from:", format!("root version {version}, from {from}"));
    }
    line(
        "Fingerprint:",
        checked.fingerprint().map_or("none: no key can be used".into(), |one| one.to_string()),
    );
    line(
        "Expires:",
        earliest(checked).map_or("never".into(), |role| {
            let ended = if role.is_expired(checked.now) { ", which is past" } else { "" };
            format!("{} ({}){ended}", role.expires, role.role)
        }),
    );
    for note in &checked.notes {
        line("Note:", note.clone());
    }
    if !checked.roles().is_empty() {
        out.push('\n');
        let rows = checked.roles().iter().map(|role| {
            let state = if role.is_expired(checked.now) { "EXPIRED" } else { "valid" };
            [role.role.clone(), role.version.to_string(), role.expires.to_string(), state.to_owned()]
        });
        table(&mut out, ["ROLE", "VERSION", "EXPIRES", "STATE"], rows.collect());
    }
    if !checked.keys().is_empty() {
        out.push('\n');
        let header = ["KIND", "NAME", "ID", "ALGORITHM", "FROM", "UNTIL", "STATE"];
        table(&mut out, header, checked.keys().iter().map(row).collect());
    }
    out
}

fn row(key: &KeyReport) -> [String; 7] {
    let id = key.id.as_deref().map_or("-".to_owned(), short_id);
    let time = |time: Option<Timestamp>| time.map_or("-".to_owned(), |time| time.to_string());
    let state = match (key.problem(), key.phase) {
        (Some(problem), _) => format!("UNUSABLE: {problem}"),
        (None, Phase::Current) => "usable".to_owned(),
        (None, Phase::Ended) => "usable for signatures from before its end".to_owned(),
        (None, Phase::NotStarted) => "usable from its start on".to_owned(),
    };
    [
        key.kind.to_string(),
        key.name.clone(),
        id,
        key.algorithm.as_ref().map_or("-".to_owned(), ToString::to_string),
        time(key.not_before),
        time(key.not_after),
        state,
    ]
}

/// Returns as much of a key's ID as people compare.
pub(super) fn short_id(id: &str) -> String {
    id.chars().take(SHORT_ID).collect()
}

/// Writes columns as wide as they must be.
pub(crate) fn table<const N: usize>(out: &mut String, header: [&str; N], rows: Vec<[String; N]>) {
    let lines: Vec<[String; N]> = std::iter::once(header.map(str::to_owned))
        .chain(rows)
        .map(|row| row.map(|cell| if cell.is_empty() { "-".to_owned() } else { plain(&cell) }))
        .collect();
    let width =
        |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; N] = std::array::from_fn(width);
    for line in &lines {
        let cells = line.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        out.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        out.push('\n');
    }
}

/// Takes the power over a terminal from text that somebody else wrote.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

fn earliest(checked: &Checked) -> Option<&RoleState> {
    checked.roles().iter().min_by_key(|role| role.expires)
}

/// Returns a key for programs.
pub(super) fn key(key: &KeyReport) -> Value {
    json!({
        "kind": key.kind.as_str(),
        "name": key.name,
        "id": key.id,
        "algorithm": key.algorithm.as_ref().map(ToString::to_string),
        "notBefore": key.not_before.map(|time| time.to_string()),
        "notAfter": key.not_after.map(|time| time.to_string()),
        "phase": key.phase.as_str(),
        "usable": key.is_usable(),
        "reason": key.problem().map(ToString::to_string),
    })
}

/// Returns the report for programs: one object, with every field always there.
pub(super) fn json(checked: &Checked) -> String {
    let roles = checked.roles().iter().map(|role| {
        json!({
            "role": role.role,
            "version": role.version,
            "expires": role.expires.to_string(),
            "expired": role.is_expired(checked.now),
        })
    });
    let keys = checked.keys().iter().map(key);
    let report = json!({
        "source": {"kind": checked.origin.kind, "location": checked.origin.location},
        "time": checked.now.to_string(),
        "anchor": checked.anchor.as_ref().map(|anchor| json!({
            "version": anchor.version,
            "givenBy": anchor.given_by,
            "trustOnFirstUse": anchor.given_by.is_none(),
        })),
        "metadata": roles.collect::<Vec<Value>>(),
        "keys": keys.collect::<Vec<Value>>(),
        "fingerprint": checked.fingerprint().map(|fingerprint| fingerprint.to_string()),
        "expires": earliest(checked).map(|role| role.expires.to_string()),
        "notes": checked.notes,
    });
    format!("{report:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_hold_no_control_characters() {
        let mut out = String::new();
        let rows = vec![["a\u{1b}[2J".to_owned(), String::new()], ["b".to_owned(), "é".to_owned()]];
        table(&mut out, ["LONGER", "X"], rows);
        assert_eq!(out, "LONGER  X\na\u{fffd}[2J   -\nb       é\n");
    }
}
