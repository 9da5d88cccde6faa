//! The search for a target through the delegations.

use std::collections::BTreeSet;

use sigstore_tuf::TargetFile;

use super::client::Client;
use super::error::TufError;
use super::mirror::Mirror;

impl<M: Mirror> Client<'_, M> {
    /// Finds the role that lists `target`: depth first, in the order of the delegations, each role once, and no
    /// further after a terminating one (5.6.7). Returns `None` where no role does.
    ///
    /// A delegated role that the snapshot does not list does not exist; neither does one whose file would take a
    /// top-level role's place.
    pub(super) async fn find(&mut self, target: &str) -> Result<Option<TargetFile>, TufError> {
        let limit = self.request().limits.delegations;
        let mut visited = BTreeSet::new();
        // The next role is the last of the list.
        let mut open: Vec<(String, Option<String>)> = vec![("targets".to_owned(), None)];
        while let Some((role, delegator)) = open.pop() {
            if visited.contains(&role) {
                continue;
            }
            if visited.len() as u64 >= u64::from(limit) {
                return Err(TufError::TooManyRoles { target: target.to_owned(), limit });
            }
            if let Some(delegator) = &delegator {
                if !self.is_listed(&role) {
                    continue;
                }
                if self.targets(&role).is_some() {
                    self.check_delegated(&role, delegator)?;
                } else {
                    self.update_targets_role(&role, Some(delegator)).await?;
                }
            }
            if let Some(listed) = self.targets(&role).and_then(|targets| targets.target(target)) {
                return Ok(Some(listed.clone()));
            }
            let children = self.children(&role, target)?;
            if children.terminate {
                open.clear();
            }
            open.extend(children.names.into_iter().rev().map(|child| (child, Some(role.clone()))));
            visited.insert(role);
        }
        Ok(None)
    }

    fn children(&self, role: &str, target: &str) -> Result<Children, TufError> {
        let mut children = Children::default();
        let delegations = self.targets(role).and_then(|targets| targets.delegations.as_ref());
        for child in delegations.map(|delegations| delegations.roles.as_slice()).unwrap_or_default() {
            if takes_a_top_level_file(&child.name) {
                continue;
            }
            let now = self.request().now;
            if child.matches_path(target).map_err(|error| TufError::of(error, role, now))? {
                children.names.push(child.name.clone());
                if child.terminating {
                    children.terminate = true;
                    break;
                }
            }
        }
        Ok(children)
    }
}

/// Returns whether a delegated role of this name could have the file of a top-level role: `2.root.json` is also what
/// `2.root` is called where snapshots are not consistent.
fn takes_a_top_level_file(role: &str) -> bool {
    let numbered_root = role.strip_suffix(".root").is_some_and(|version| version.parse::<u64>().is_ok());
    numbered_root || ["root", "timestamp", "snapshot", "targets"].contains(&role)
}

/// The roles to which a role delegates a target, in its order.
#[derive(Default)]
struct Children {
    names: Vec<String>,
    /// Whether the last of them ends the search.
    terminate: bool,
}
