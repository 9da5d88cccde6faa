//! A difference, for people and for programs.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::{Value, json};
use trustwright_trust::KeyReport;
use trustwright_trust::tuf::RoleState;

use super::{Difference, is_same};
use crate::trust::check::Checked;
use crate::trust::report::{self, plain};

/// Returns the difference for people. Where nothing differs, that is the one line about it.
pub(super) fn text(old: &Checked, new: &Checked, difference: &Difference<'_>) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        // Writing to a string does not fail.
        let _ = writeln!(out, "{}", plain(&text));
    };
    line(format!("A:        {}", old.origin));
    line(format!("B:        {}", new.origin));
    line(format!("Time:     {}", new.now));
    let fingerprint = |checked: &Checked| {
        checked.fingerprint().map_or("none: no key can be used".to_owned(), |one| one.to_string())
    };
    if is_same(old, new) {
        line(format!("Trusted:  the same, {}", fingerprint(old)));
    } else {
        line(format!("Trusted:  {} -> {}", fingerprint(old), fingerprint(new)));
    }
    for (verb, keys) in [("added", &difference.added), ("removed", &difference.removed)] {
        for key in keys {
            line(format!("{verb:<9} {}, {}{}", name(key), window(key), problem(key)));
        }
    }
    for [before, after] in &difference.ending {
        line(format!("{:<9} {}: {}", "ending", name(after), changes(before, after)));
    }
    for [before, after] in &difference.changed {
        line(format!("{:<9} {}: {}", "changed", name(after), changes(before, after)));
    }
    let keys = [difference.added.len(), difference.removed.len()];
    if !is_same(old, new) && keys == [0, 0] && difference.ending.is_empty() && difference.changed.is_empty() {
        line(
            "changed   a certificate further up in a chain, a window within another, or the key of a log ID"
                .to_owned(),
        );
    }
    for [before, after] in &difference.roles {
        line(format!("role      {}", role(*before, *after)));
    }
    out
}

fn name(key: &KeyReport) -> String {
    let id = key.id.as_deref().map(|id| format!(" {}", report::short_id(id))).unwrap_or_default();
    let algorithm = key.algorithm.as_ref().map(|one| format!(" {one}")).unwrap_or_default();
    let name = if key.name.is_empty() { "-" } else { &key.name };
    format!("{} {name}{id}{algorithm}", key.kind)
}

fn window(key: &KeyReport) -> String {
    format!("from {} until {}", time(key.not_before), time(key.not_after))
}

fn problem(key: &KeyReport) -> String {
    key.problem().map(|problem| format!(", UNUSABLE: {problem}")).unwrap_or_default()
}

fn time(time: Option<Timestamp>) -> String {
    time.map_or("-".to_owned(), |time| time.to_string())
}

/// Says what differs between two entries of one key.
fn changes(before: &KeyReport, after: &KeyReport) -> String {
    let state =
        |key: &KeyReport| key.problem().map_or("usable".to_owned(), |problem| format!("UNUSABLE: {problem}"));
    let pairs = [
        ("name", before.name.clone(), after.name.clone()),
        ("from", time(before.not_before), time(after.not_before)),
        ("until", time(before.not_after), time(after.not_after)),
        ("state", state(before), state(after)),
    ];
    let differing = pairs.into_iter().filter(|(_, before, after)| before != after);
    differing
        .map(|(what, before, after)| format!("{what} {before} -> {after}"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn role(before: Option<&RoleState>, after: Option<&RoleState>) -> String {
    match (before, after) {
        (Some(before), Some(after)) => {
            let version = if before.version == after.version {
                format!("version {}", before.version)
            } else {
                format!("version {} -> {}", before.version, after.version)
            };
            format!("{} {version}, expires at {} -> {}", after.role, before.expires, after.expires)
        }
        (None, Some(one)) => {
            format!("{} version {}, expires at {}: only B", one.role, one.version, one.expires)
        }
        (Some(one), None) => {
            format!("{} version {}, expires at {}: only A", one.role, one.version, one.expires)
        }
        (None, None) => String::new(),
    }
}

/// Returns the difference for programs: one object, with every field always there.
pub(super) fn json(old: &Checked, new: &Checked, difference: &Difference<'_>) -> String {
    let side = |checked: &Checked| {
        json!({
            "source": {"kind": checked.origin.kind, "location": checked.origin.location},
            "fingerprint": checked.fingerprint().map(|fingerprint| fingerprint.to_string()),
        })
    };
    let keys = |keys: &[&KeyReport]| keys.iter().map(|key| report::key(key)).collect::<Vec<Value>>();
    let pairs = |pairs: &[[&KeyReport; 2]]| {
        let pair = |[before, after]: &[&KeyReport; 2]| json!({"before": report::key(before), "after": report::key(after)});
        pairs.iter().map(pair).collect::<Vec<Value>>()
    };
    let roles = difference.roles.iter().map(|[before, after]| {
        let state = |role: Option<&RoleState>| {
            role.map(|role| json!({"version": role.version, "expires": role.expires.to_string()}))
        };
        let name = before.or(*after).map(|role| role.role.as_str());
        json!({"role": name, "before": state(*before), "after": state(*after)})
    });
    let report = json!({
        "a": side(old),
        "b": side(new),
        "time": new.now.to_string(),
        "same": is_same(old, new),
        "keys": {
            "added": keys(&difference.added),
            "removed": keys(&difference.removed),
            "ending": pairs(&difference.ending),
            "changed": pairs(&difference.changed),
        },
        "metadata": roles.collect::<Vec<Value>>(),
    });
    format!("{report:#}\n")
}
