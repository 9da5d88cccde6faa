//! What people write.

use std::collections::BTreeMap;

use super::*;
use crate::dependents::names::{ON_CHANGE, TRUST_ROOTS};
use crate::dependents::wish::{SelectionError, WishError};

fn read(roots: Option<&str>, on_change: Option<&str>) -> Option<Result<Wish, wish::Refused>> {
    let annotations: BTreeMap<String, String> = [(TRUST_ROOTS, roots), (ON_CHANGE, on_change)]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
        .collect();
    Wish::read(&annotations)
}

#[test]
fn annotations_say_which_roots_and_what_to_do() {
    assert_eq!(read(Some("a, b,"), Some("restart")), Some(Ok(wish("a,b", OnChange::Restart))));
    assert_eq!(read(Some("*"), Some("annotate")), Some(Ok(wish("*", OnChange::Annotate))));
    assert_eq!(read(None, None), None);
}

#[test]
fn annotations_that_make_no_sense_say_so_where_somebody_sees_it() {
    let one = || "a".parse().unwrap();
    for (roots, on_change, error, shown) in [
        (Some("a"), Some("reboot"), WishError::OnChange("reboot".to_owned()), one()),
        (Some("a"), Some("Restart"), WishError::OnChange("Restart".to_owned()), one()),
        (Some("a"), None, WishError::NoOnChange, one()),
        (None, Some("restart"), WishError::NoRoots, Selection::All),
        (Some(" , "), Some("restart"), WishError::Roots(SelectionError::Empty), Selection::All),
        (Some("a b"), Some("restart"), WishError::Roots(SelectionError::Name("a b".into())), Selection::All),
        (Some("*,a"), Some("restart"), WishError::Roots(SelectionError::Name("*".into())), Selection::All),
        (Some("A"), Some("restart"), WishError::Roots(SelectionError::Name("A".into())), Selection::All),
    ] {
        let refused = read(roots, on_change).unwrap().unwrap_err();
        assert_eq!((refused.error, refused.roots), (error, shown), "{roots:?} {on_change:?}");
    }
}

#[test]
fn a_flag_names_an_object_its_roots_and_what_to_do() {
    let declared: Declared = "apps/deployment/web=a,b:restart".parse().unwrap();
    assert_eq!(declared.id, web());
    assert_eq!(declared.wish, wish("a,b", OnChange::Restart));
    assert_eq!(
        "apps/Deployment/web=*:annotate".parse::<Declared>().unwrap().wish,
        wish("*", OnChange::Annotate)
    );
    for (text, error) in [
        ("apps/deployment/web", DeclaredError::Form),
        ("apps/deployment/web=a", DeclaredError::Form),
        ("apps/web=a:restart", DeclaredError::Form),
        ("apps/deployment/web/x=a:restart", DeclaredError::Form),
        ("apps/job/web=a:restart", DeclaredError::Kind("job".into())),
        ("apps/deployment/=a:restart", DeclaredError::Name(String::new())),
        ("Apps/deployment/web=a:restart", DeclaredError::Name("Apps".into())),
        ("apps/deployment/web=:restart", DeclaredError::Roots(SelectionError::Empty)),
        ("apps/deployment/web=a:reboot", DeclaredError::OnChange("reboot".into())),
    ] {
        assert_eq!(text.parse::<Declared>(), Err(error), "{text}");
    }
}

#[test]
fn what_the_object_says_counts_more_than_the_flag() {
    let by_flag = wish("b", OnChange::Annotate);
    let read = |annotations| Workload::read(Kind::Deployment, &deployment(&annotations), Some(&by_flag));
    assert_eq!(read(json!({})).unwrap().wish, Ok(by_flag.clone()));
    let own = read(json!({TRUST_ROOTS: "a", ON_CHANGE: "restart"})).unwrap();
    assert_eq!(own.wish, Ok(wish("a", OnChange::Restart)));
    assert!(read(json!({TRUST_ROOTS: "a"})).unwrap().wish.is_err());
    assert_eq!(Workload::read(Kind::Deployment, &deployment(&json!({})), None), None);
}

#[test]
fn what_was_told_is_read_back_as_it_was_written() {
    let told = known(&[("a", 1), ("b.c", 2)]);
    assert_eq!(Known::parse(&told.text()), Some(told));
    for damaged in ["", "a", "a=sha256:1", "a=b", "A=sha256:0", &format!("a={},", fingerprint(1))] {
        assert_eq!(Known::parse(damaged), None, "{damaged}");
    }
}

#[test]
fn the_combined_fingerprint_is_that_of_names_and_fingerprints() {
    let combined = known(&[("a", 1), ("b", 2)]).combined();
    assert_eq!(combined, known(&[("b", 2), ("a", 1)]).combined());
    for other in [known(&[("a", 2), ("b", 1)]), known(&[("a", 1)]), known(&[("a", 1), ("c", 2)])] {
        assert_ne!(combined, other.combined());
    }
}
