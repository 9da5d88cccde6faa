//! Expiry: what is short, what is past, and what is packed in spite of it.

use crate::fixture::{IN_TIME, PUBLISHED, accepted, folder, refused, root, write};

/// A time at which the timestamp has expired, and nothing else.
const TIMESTAMP_ENDED: &str = "2026-09-01T00:00:00Z";

#[test]
#[cfg_attr(not(shared_data), ignore = "../shared/data/sigstore-tuf is not there")]
fn verify_names_every_role_that_has_less_than_asked() {
    let root = root(9);
    let with = |at, min| ["verify", PUBLISHED, "--root", &root, "--at", at, "--min", min];
    let run = accepted(&with(IN_TIME, "root=30d,timestamp=1d"));
    assert_eq!(run.out.lines().count(), 4, "{}", run.out);
    assert!(
        run.out.contains("timestamp version 762 expires at 2026-08-28T19:25:56Z, in 6d 19h\n"),
        "{}",
        run.out
    );
    assert_eq!(run.err, "");
    accepted(&with(IN_TIME, ""));

    let error =
        refused(1, &with(IN_TIME, "root=30d,timestamp=1w"), &["timestamp version 762", "less than 7d"]);
    assert!(!error.contains("root version"), "{error}");
    refused(1, &with(IN_TIME, "root=100d,timestamp=1w"), &["root version 15", "timestamp version 762"]);
    refused(
        1,
        &with(TIMESTAMP_ENDED, "root=30d"),
        &["timestamp version 762 expired at 2026-08-28T19:25:56Z"],
    );
    refused(1, &with(IN_TIME, "snapshots=1d"), &["no role \"snapshots\", only: root, timestamp, snapshot"]);
}

#[test]
#[cfg_attr(not(shared_data), ignore = "../shared/data/sigstore-tuf is not there")]
fn the_last_instant_is_past() {
    let at = |at| ["verify", PUBLISHED, "--at", at];
    accepted(&at("2026-08-28T19:25:55.999999999Z"));
    refused(1, &at("2026-08-28T19:25:56Z"), &["timestamp version 762 expired"]);
}

#[test]
#[cfg_attr(not(shared_data), ignore = "../shared/data/sigstore-tuf is not there")]
fn what_has_expired_is_packed_on_request_only() {
    let root = root(5);
    let pack = ["pack", PUBLISHED, "--root", &root, "--at", TIMESTAMP_ENDED];
    let with = |more: &[&'static str]| [&pack[..], more].concat();
    refused(1, &pack, &[PUBLISHED, "timestamp expired at 2026-08-28T19:25:56Z"]);
    refused(1, &with(&["--allow-expired", "--on-expiry", "Reject"]), &["timestamp expired", "Reject"]);
    let run = accepted(&with(&["--allow-expired"]));
    assert!(run.err.contains("timestamp expired; packed all the same"), "{}", run.err);
    // The files are those that were there in time, and so is the manifest.
    assert_eq!(run.out, accepted(&["pack", PUBLISHED, "--root", &root, "--at", IN_TIME]).out);

    let folder = folder("expired");
    let keep = write(&folder, "keep.yaml", &run.out);
    let text = accepted(&["inspect", &keep, "--at", TIMESTAMP_ENDED]).out;
    assert!(text.contains("timestamp  762      2026-08-28T19:25:56Z  EXPIRED\n"), "{text}");
    assert!(text.contains("(timestamp), which is past\n") && !text.contains("Reject"), "{text}");
    refused(1, &["verify", &keep, "--at", TIMESTAMP_ENDED], &["timestamp version 762 expired"]);

    let reject = write(&folder, "reject.yaml", run.out.replace("\nspec:\n", "\nspec:\n  onExpiry: Reject\n"));
    let text = accepted(&["inspect", &reject, "--at", TIMESTAMP_ENDED]).out;
    assert!(
        text.contains("the operator takes nothing from it: spec.onExpiry is Reject, and timestamp expired"),
        "{text}"
    );
    let text = accepted(&["inspect", &reject, "--at", IN_TIME]).out;
    assert!(!text.contains("takes nothing"), "{text}");
    let other = write(&folder, "other.yaml", run.out.replace("\nspec:\n", "\nspec:\n  onExpiry: keep\n"));
    refused(1, &["inspect", &other], &["spec.onExpiry: unsupported value \"keep\""]);
}
