//! From what is heard to what is done and shown.

use kube::runtime::watcher::Event;
use trustwright_api::v1alpha1::DependentStatus;

use super::*;
use crate::dependents::names::{KNOWN, ON_CHANGE, TRUST_ROOTS};
use crate::dependents::table::{Listing, Table};
use crate::dependents::watch::{Source, sources};

fn settings(declared: &[&str]) -> DependentSettings {
    DependentSettings {
        namespaces: vec!["apps".to_owned()],
        declared: declared.iter().map(|text| text.parse().unwrap()).collect(),
        ..DependentSettings::default()
    }
}

fn deployments() -> Source {
    Source { namespace: "apps".to_owned(), kind: Kind::Deployment }
}

fn named(name: &str, annotations: &Value) -> DynamicObject {
    let mut object = deployment(annotations);
    object.metadata.name = Some(name.to_owned());
    object
}

fn restarts_with_a() -> Value {
    json!({TRUST_ROOTS: "a", ON_CHANGE: "restart", KNOWN: known(&[("a", 1)]).text()})
}

/// A table that has read `objects` and nothing else.
fn table(settings: &DependentSettings, objects: &[DynamicObject]) -> Table {
    let mut table = Table::new(settings);
    for source in sources(&settings.namespaces) {
        table.take(&source, Event::Init, at(0));
        if source == deployments() {
            for object in objects {
                table.take(&source, Event::InitApply(object.clone()), at(0));
            }
        }
        table.take(&source, Event::InitDone, at(0));
    }
    table
}

fn shown(table: &Table, roots: &Roots, root: &str) -> Vec<DependentStatus> {
    table.listed(roots).unwrap().remove(root).unwrap().entries
}

#[test]
fn each_workload_is_looked_at_once_per_change() {
    let settings = settings(&[]);
    let mut table = table(&settings, &[named("web", &restarts_with_a()), named("other", &json!({}))]);
    let roots = ready(&[("a", 2)]);
    let actions = table.decide(&roots, at(0), &settings);
    assert_eq!(actions.len(), 1);
    assert_eq!((&actions[0].0, &actions[0].2), (&web(), &Action::Restart(known(&[("a", 2)]))));
    assert!(table.decide(&roots, at(1), &settings).is_empty());
    // The same object again is no news, another version of it is.
    table.take(&deployments(), Event::Apply(named("web", &restarts_with_a())), at(2));
    assert!(table.decide(&roots, at(2), &settings).is_empty());
    let mut newer = named("web", &restarts_with_a());
    newer.metadata.resource_version = Some("8".to_owned());
    table.take(&deployments(), Event::Apply(newer), at(3));
    assert_eq!(table.decide(&roots, at(3), &settings).len(), 1);
    table.take(&deployments(), Event::Delete(named("web", &restarts_with_a())), at(4));
    table.all_due(at(4));
    assert!(table.decide(&roots, at(4), &settings).is_empty());
}

#[test]
fn what_a_new_list_does_not_bring_is_gone() {
    let settings = settings(&[]);
    let mut table = table(&settings, &[named("web", &restarts_with_a()), named("api", &restarts_with_a())]);
    let roots = ready(&[("a", 1)]);
    assert_eq!(shown(&table, &roots, "a").len(), 2);
    table.take(&deployments(), Event::Init, at(1));
    table.take(&deployments(), Event::InitApply(named("api", &restarts_with_a())), at(1));
    assert_eq!(shown(&table, &roots, "a").len(), 2);
    table.take(&deployments(), Event::InitDone, at(1));
    assert_eq!(shown(&table, &roots, "a")[0].name, "api");
    assert_eq!(shown(&table, &roots, "a").len(), 1);
}

#[test]
fn a_refused_write_is_told_and_tried_again_later_and_later() {
    let settings = settings(&[]);
    let mut table = table(&settings, &[named("web", &restarts_with_a())]);
    let roots = ready(&[("a", 2)]);
    let (mut now, mut tries) = (0, Vec::new());
    while now < 3_600 {
        if !table.decide(&roots, at(now), &settings).is_empty() {
            tries.push(now);
            let is_news = table.failed(&web(), Some("no right".to_owned()), at(now));
            assert_eq!(is_news, tries.len() == 1);
            // An event in between brings nothing forward.
            table.all_due(at(now));
            assert!(table.decide(&roots, at(now + 1), &settings).is_empty());
        }
        now += 1;
    }
    assert_eq!(tries, [0, 5, 15, 35, 75, 155, 315, 635, 1_235, 1_835, 2_435, 3_035]);
    let entry = &shown(&table, &roots, "a")[0];
    assert_eq!((entry.reason.as_deref(), entry.message.as_deref()), (Some("Refused"), Some("no right")));
    assert_eq!(entry.fingerprint, Some(fingerprint(1)));
    table.succeeded(&web());
    assert_eq!(shown(&table, &roots, "a")[0].message, None);
}

#[test]
fn a_status_shows_who_depends_and_on_what_it_runs() {
    let settings = settings(&["apps/deployment/absent=b:annotate"]);
    let both = json!({TRUST_ROOTS: "a,b", ON_CHANGE: "annotate", KNOWN: known(&[("a", 1), ("b", 2)]).text()});
    let bad = json!({TRUST_ROOTS: "a", ON_CHANGE: "reboot"});
    let typo = json!({TRUST_ROOTS: "a,typo", ON_CHANGE: "restart", KNOWN: known(&[("a", 1)]).text()});
    let objects = vec![named("both", &both), named("bad", &bad), named("typo", &typo)];
    let mut table = table(&settings, &objects);
    let roots = ready(&[("a", 1), ("b", 2)]);
    let lines = |entries: Vec<DependentStatus>| -> Vec<String> {
        let line = |entry: &DependentStatus| {
            let fingerprint = entry.fingerprint.as_ref().map_or("-", |text| &text[text.len() - 1..]);
            let reason = entry.reason.as_deref().unwrap_or("-");
            format!("{} {} {fingerprint} {reason}", entry.name, entry.action.as_deref().unwrap_or("-"))
        };
        entries.iter().map(line).collect()
    };
    assert_eq!(
        lines(shown(&table, &roots, "a")),
        ["bad - - Invalid", "typo restart 1 Invalid", "both annotate 1 -"]
    );
    assert_eq!(lines(shown(&table, &roots, "b")), ["absent annotate - NotFound", "both annotate 2 -"]);
    table.set(&deployments(), Listing::Refused("no right".to_owned()));
    assert_eq!(lines(shown(&table, &roots, "b")), ["* - - Refused", "both annotate 2 -"]);
}

#[test]
fn nothing_is_shown_before_everything_was_listed() {
    let settings = settings(&[]);
    let mut table = Table::new(&settings);
    let roots = ready(&[("a", 1)]);
    let all: Vec<Source> = sources(&settings.namespaces).collect();
    for source in &all {
        assert_eq!(table.listed(&roots), None);
        table.take(source, Event::InitDone, at(0));
    }
    assert!(table.listed(&roots).is_some());
    assert_eq!(table.listed(&Roots { listed: false, ..roots }), None);
}

#[test]
fn a_status_has_fifty_entries_and_counts_all() {
    let settings = settings(&[]);
    let objects: Vec<_> = (0..60).map(|n| named(&format!("web-{n:02}"), &restarts_with_a())).collect();
    let mut table = table(&settings, &objects);
    let last = Id { name: "web-59".to_owned(), ..web() };
    table.failed(&last, Some("no right".to_owned()), at(0));
    let listed = table.listed(&ready(&[("a", 1)])).unwrap().remove("a").unwrap();
    assert_eq!((listed.entries.len(), listed.count), (50, 60));
    // What needs somebody comes first.
    assert_eq!((listed.entries[0].name.as_str(), listed.entries[1].name.as_str()), ("web-59", "web-00"));
}

#[test]
fn roots_that_change_all_the_time_put_nothing_off() {
    let settings = settings(&[]);
    let mut table = table(&settings, &[named("web", &restarts_with_a())]);
    assert!(table.decide(&ready(&[("a", 1)]), at(0), &settings).is_empty());
    let roots = ready(&[("a", 2)]);
    table.all_due(at(10));
    table.all_due(at(11));
    assert!(table.decide(&roots, at(9), &settings).is_empty());
    assert_eq!(table.decide(&roots, at(10), &settings).len(), 1);
}
