//! Merkle inclusion proofs (RFC 9162, section 2.1).

use aws_lc_rs::digest::{self, SHA256};

/// SHA-256 of a leaf or a node.
type Hash = [u8; 32];

/// The hash of a leaf that holds `entry`.
pub(super) fn leaf(entry: &[u8]) -> Hash {
    hash(&[&[0], entry])
}

/// The root of a tree of `size` leaves, the one at `index` of which hashes to `leaf`, by the hashes beside its way up;
/// `None` where that many are not on the way.
///
/// RFC 9162, section 2.1.3.2.
pub(super) fn root<'a>(
    leaf: Hash,
    index: u64,
    size: u64,
    path: impl Iterator<Item = &'a [u8]>,
) -> Option<Hash> {
    let (mut node, mut last) = (index, size.checked_sub(1)?);
    if node > last {
        return None;
    }
    let mut root = leaf;
    for beside in path {
        if last == 0 {
            return None;
        }
        if node & 1 == 1 || node == last {
            root = hash(&[&[1], beside, &root]);
            // A last node without a neighbour moves up as it is.
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            root = hash(&[&[1], &root, beside]);
        }
        node >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(root)
}

fn hash(parts: &[&[u8]]) -> Hash {
    let mut context = digest::Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The root of a tree, and the hashes beside the way from a leaf to it, as RFC 9162 defines both (2.1.1, 2.1.3.1).
    fn tree(leaves: &[Hash]) -> Hash {
        match leaves {
            [one] => *one,
            many => {
                let (left, right) = many.split_at(many.len().next_power_of_two() / 2);
                hash(&[&[1], &tree(left), &tree(right)])
            }
        }
    }

    fn path(leaves: &[Hash], index: usize) -> Vec<Hash> {
        if leaves.len() == 1 {
            return Vec::new();
        }
        let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
        let (mut below, beside) = if index < left.len() {
            (path(left, index), tree(right))
        } else {
            (path(right, index - left.len()), tree(left))
        };
        below.push(beside);
        below
    }

    fn found(leaf: Hash, index: usize, size: usize, path: &[Hash]) -> Option<Hash> {
        let (index, size) = (u64::try_from(index).unwrap(), u64::try_from(size).unwrap());
        root(leaf, index, size, path.iter().map(<[u8; 32]>::as_slice))
    }

    #[test]
    fn every_leaf_of_every_small_tree_leads_to_its_root_and_nothing_else_does() {
        for size in 1..=33 {
            let leaves: Vec<_> = (0..size).map(|n| leaf(&[u8::try_from(n).unwrap()])).collect();
            let expected = tree(&leaves);
            for index in 0..size {
                let good = path(&leaves, index);
                assert_eq!(found(leaves[index], index, size, &good), Some(expected), "{index} of {size}");
                // Another leaf, another index, a hash too many or too few, a changed one.
                assert_ne!(found(leaf(b"other"), index, size, &good), Some(expected));
                for other in (0..=size).filter(|other| *other != index) {
                    assert_ne!(found(leaves[index], other, size, &good), Some(expected), "{other} of {size}");
                }
                let longer = [good.as_slice(), &[expected]].concat();
                assert_eq!(found(leaves[index], index, size, &longer), None, "{index} of {size}");
                for position in 0..good.len() {
                    let mut changed = good.clone();
                    changed[position][0] ^= 1;
                    assert_ne!(found(leaves[index], index, size, &changed), Some(expected));
                }
                if let Some((_, shorter)) = good.split_last() {
                    assert_eq!(found(leaves[index], index, size, shorter), None, "{index} of {size}");
                }
            }
        }
        assert_eq!(found(leaf(b""), 0, 0, &[]), None);
    }

    #[test]
    fn a_leaf_is_no_node() {
        // SHA-256 of one zero byte.
        assert_eq!(
            hex::encode(leaf(b"")),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
        );
    }
}
