//! `trustwright trust diff`: what became of the keys and roles between two trust roots.

mod render;

use std::collections::BTreeMap;
use std::mem;

use anyhow::ensure;
use trustwright_trust::tuf::RoleState;
use trustwright_trust::{KeyKind, KeyReport};

use super::check::{self, Checked, GivenRoot};
use super::source::{self, Source};
use super::{Diff, Output, Terms, print, remark};

/// What differs.
#[derive(Debug, Default)]
struct Difference<'a> {
    /// Keys of B that A does not have.
    added: Vec<&'a KeyReport>,
    /// Keys of A that B does not have.
    removed: Vec<&'a KeyReport>,
    /// Keys of both for which B has an end that A does not have.
    ending: Vec<[&'a KeyReport; 2]>,
    /// Keys of both of which something else differs.
    changed: Vec<[&'a KeyReport; 2]>,
    /// Roles whose version or expiry differs, or that only one of them has.
    roles: Vec<[Option<&'a RoleState>; 2]>,
}

/// Verifies both and prints what differs.
pub(super) async fn run(diff: &Diff) -> anyhow::Result<()> {
    ensure!(diff.old != "-" || diff.new != "-", "only one of the two can be read from stdin");
    let root = diff.root.as_deref().map(GivenRoot::read).transpose()?;
    let (old, new) = (source::open(&diff.old).await?, source::open(&diff.new).await?);
    let is_repository = |source: &Source| matches!(source, Source::Repository(_));
    if !is_repository(&old.1) && !is_repository(&new.1) {
        ensure!(root.is_none(), "--root: both TrustRoots bring their own root");
        ensure!(
            diff.terms.trusted_root_target.is_none(),
            "--trusted-root-target: both TrustRoots say their own"
        );
    }
    // One time for both, also where the clock is read.
    let terms = Terms { at: Some(diff.terms.now()), ..diff.terms.clone() };
    let old = check::of_source(old.0, old.1, &terms, root.as_ref()).await?;
    let new = check::of_source(new.0, new.1, &terms, root.as_ref()).await?;
    remark(&old);
    remark(&new);
    let difference = compare(&old, &new);
    print(&match diff.output {
        Output::Text => render::text(&old, &new, &difference),
        Output::Json => render::json(&old, &new, &difference),
    })?;
    ensure!(
        !diff.exit_code || is_same(&old, &new),
        "{} and {} differ in what is trusted",
        old.origin,
        new.origin
    );
    Ok(())
}

/// Returns whether the same is trusted: nothing is also the same as nothing.
fn is_same(old: &Checked, new: &Checked) -> bool {
    old.fingerprint() == new.fingerprint()
}

fn compare<'a>(old: &'a Checked, new: &'a Checked) -> Difference<'a> {
    let mut difference = Difference::default();
    let mut open = by_identity(old.keys());
    for (identity, after) in by_identity(new.keys()) {
        let before = open.remove(&identity).unwrap_or_default();
        pair(before, after, &mut difference);
    }
    for before in open.into_values() {
        pair(before, Vec::new(), &mut difference);
    }
    difference.roles = roles(old.roles(), new.roles());
    difference
}

/// What makes a key the same key: its ID, or its name where it has none.
type Identity<'a> = (KeyKind, Option<&'a str>, &'a str);

/// A source may list one key several times, with different windows.
fn by_identity(keys: &[KeyReport]) -> BTreeMap<Identity<'_>, Vec<&KeyReport>> {
    let mut all: BTreeMap<Identity<'_>, Vec<&KeyReport>> = BTreeMap::new();
    for key in keys {
        let name = if key.id.is_some() { "" } else { key.name.as_str() };
        all.entry((key.kind, key.id.as_deref(), name)).or_default().push(key);
    }
    all
}

/// Settles the entries of one key.
fn pair<'a>(mut before: Vec<&'a KeyReport>, after: Vec<&'a KeyReport>, difference: &mut Difference<'a>) {
    let mut open = Vec::new();
    for new in after {
        match before.iter().position(|old| *old == new) {
            Some(same) => drop(before.remove(same)),
            None => open.push(new),
        }
    }
    let mut before = mem::take(&mut before).into_iter();
    for new in open {
        match before.next() {
            Some(old) if new.not_after.is_some() && new.not_after != old.not_after => {
                difference.ending.push([old, new]);
            }
            Some(old) => difference.changed.push([old, new]),
            None => difference.added.push(new),
        }
    }
    difference.removed.extend(before);
}

fn roles<'a>(old: &'a [RoleState], new: &'a [RoleState]) -> Vec<[Option<&'a RoleState>; 2]> {
    let named = |roles: &'a [RoleState], name: &str| roles.iter().find(|one| one.role == name);
    let common = old.iter().map(|one| [Some(one), named(new, &one.role)]);
    let gained = new.iter().filter(|one| named(old, &one.role).is_none()).map(|one| [None, Some(one)]);
    common.chain(gained).filter(|[before, after]| before != after).collect()
}
