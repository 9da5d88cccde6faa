use proptest::prelude::*;

use super::*;
use crate::certificates::{ServingCertificate, service_dns_names};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// 2026-11-07T00:00:00Z.
const START: i64 = 1_794_009_600;

fn at(offset: i64) -> Timestamp {
    Timestamp::from_second(START + offset).unwrap()
}

fn names() -> Vec<String> {
    service_dns_names("webhook", "trustwright-system")
}

fn plan(secret: &CertificateSecret, offset: i64) -> Plan {
    decide(Some(secret), at(offset), &names(), &CertificatePolicy::default()).unwrap()
}

/// Applies the plan and returns what it was about; checks what is promised of every outcome.
fn step(secret: &mut CertificateSecret, offset: i64) -> Option<Change> {
    let change = match plan(secret, offset) {
        Plan::Keep => None,
        Plan::Write { contents, change } => {
            *secret = contents;
            Some(change)
        }
    };
    assert!(ServingCertificate::load(secret, at(offset), &names()).is_some(), "{change:?} does not serve");
    assert_eq!(plan(secret, offset), Plan::Keep, "{change:?} is not settled");
    change
}

fn fresh() -> CertificateSecret {
    let mut secret = CertificateSecret::default();
    assert_eq!(step(&mut secret, 0), Some(Change::Created));
    secret
}

fn authorities(secret: &CertificateSecret) -> usize {
    String::from_utf8_lossy(&secret.ca_cert).matches("BEGIN CERTIFICATE").count()
}

/// What the system that we replace writes: seven days, authority and certificate made together, no CA key.
fn written_by_reference(offset: i64) -> CertificateSecret {
    let week = std::time::Duration::from_hours(7 * 24);
    let policy =
        CertificatePolicy { ca_validity: week, serving_validity: week, ..CertificatePolicy::default() };
    let plan = decide(None, at(offset), &names(), &policy).unwrap();
    let Plan::Write { contents, .. } = plan else { panic!("{plan:?}") };
    CertificateSecret { ca_key: Vec::new(), ..contents }
}

#[test]
fn nothing_there_is_made_and_then_kept() {
    let mut secret = fresh();
    assert_eq!(authorities(&secret), 1);
    for offset in [0, HOUR, DAY, 19 * DAY] {
        assert_eq!(step(&mut secret, offset), None);
    }
    assert!(matches!(
        decide(None, at(0), &names(), &CertificatePolicy::default()).unwrap(),
        Plan::Write { change: Change::Created, .. }
    ));
}

#[test]
fn serving_certificate_is_renewed_after_two_thirds_under_the_same_bundle() {
    let mut secret = fresh();
    let bundle = secret.ca_cert.clone();
    assert_eq!(step(&mut secret, 20 * DAY - MINUTE), None);
    assert_eq!(step(&mut secret, 20 * DAY), Some(Change::ServingRenewed));
    assert_eq!(secret.ca_cert, bundle);
    let expires = ServingCertificate::load(&secret, at(20 * DAY), &names()).unwrap().not_after;
    assert_eq!(expires, at(50 * DAY));
}

#[test]
fn authority_is_replaced_in_two_steps() {
    let mut secret = fresh();
    let due = 365 * DAY * 2 / 3;
    assert_eq!(step(&mut secret, due - 10 * DAY), Some(Change::ServingReplaced), "it expired long ago");
    let before = secret.clone();
    assert_eq!(step(&mut secret, due), Some(Change::AuthorityAdded));
    assert_eq!(authorities(&secret), 2);
    assert!(secret.ca_cert.ends_with(&before.ca_cert), "the new one leads, the old one stays");
    assert_eq!(secret.server_cert, before.server_cert, "callers do not know the new one yet");

    assert_eq!(step(&mut secret, due + 5 * MINUTE - 1), None);
    let bundle = secret.ca_cert.clone();
    assert_eq!(step(&mut secret, due + 5 * MINUTE), Some(Change::ServingMoved));
    assert_eq!(secret.ca_cert, bundle, "replicas that still serve the old certificate are believed");

    // The old authority leaves when it has expired.
    let mut offset = due;
    while offset < 365 * DAY {
        offset += DAY;
        step(&mut secret, offset);
        assert_eq!(authorities(&secret), if offset <= 365 * DAY { 2 } else { 1 }, "day {}", offset / DAY);
    }
}

#[test]
fn through_the_years_callers_always_know_the_authority_of_the_present_certificate() {
    let mut secret = fresh();
    let (mut offset, mut added) = (0, 0);
    while offset < 2 * 365 * DAY {
        for pause in [23 * HOUR, 5 * MINUTE] {
            // What callers learnt at least five minutes ago.
            let known = secret.ca_cert.clone();
            offset += pause;
            added += u32::from(step(&mut secret, offset) == Some(Change::AuthorityAdded));
            let seen = CertificateSecret { ca_cert: known, ..secret.clone() };
            assert!(ServingCertificate::load(&seen, at(offset), &names()).is_some(), "day {}", offset / DAY);
        }
    }
    assert_eq!(added, 3);
}

#[test]
fn reference_secret_is_taken_over_without_a_break() {
    let mut secret = written_by_reference(0);
    let before = secret.clone();
    assert_eq!(step(&mut secret, DAY), Some(Change::AuthorityAdded));
    assert_eq!((authorities(&secret), &secret.server_cert), (2, &before.server_cert));
    assert_eq!(step(&mut secret, DAY + 5 * MINUTE), Some(Change::ServingMoved));
    assert_eq!(step(&mut secret, 7 * DAY + 1), Some(Change::BundleCleaned));
    assert_eq!(authorities(&secret), 1);
}

#[test]
fn expired_reference_secret_is_made_anew() {
    let mut secret = written_by_reference(0);
    assert_eq!(step(&mut secret, 8 * DAY), Some(Change::Created));
    assert_eq!(authorities(&secret), 1);
}

#[test]
fn each_damage_is_repaired_and_no_more_is_replaced_than_needed() {
    let other = fresh();
    let good = fresh();
    let with = |change: fn(&mut CertificateSecret, &CertificateSecret)| {
        let mut secret = good.clone();
        change(&mut secret, &other);
        secret
    };
    for (what, mut secret, change) in [
        ("no key", with(|s, _| s.server_key.clear()), Change::ServingReplaced),
        (
            "key of another certificate",
            with(|s, o| s.server_key.clone_from(&o.server_key)),
            Change::ServingReplaced,
        ),
        ("certificate cut short", with(|s, _| s.server_cert.truncate(300)), Change::ServingReplaced),
        (
            "certificate of another authority",
            with(|s, o| {
                s.server_cert.clone_from(&o.server_cert);
                s.server_key.clone_from(&o.server_key);
            }),
            Change::ServingReplaced,
        ),
        ("no CA key", with(|s, _| s.ca_key.clear()), Change::AuthorityAdded),
        ("key of another CA", with(|s, o| s.ca_key.clone_from(&o.ca_key)), Change::AuthorityAdded),
        ("junk after the bundle", with(|s, _| s.ca_cert.extend(b"junk")), Change::BundleCleaned),
        ("no authority", with(|s, _| s.ca_cert.clear()), Change::Created),
        ("another authority", with(|s, o| s.ca_cert.clone_from(&o.ca_cert)), Change::Created),
        ("leaf as authority", with(|s, _| s.ca_cert.clone_from(&s.server_cert)), Change::Created),
    ] {
        assert_eq!(step(&mut secret, HOUR), Some(change), "{what}");
        let bundle_stays = matches!(change, Change::ServingReplaced | Change::BundleCleaned);
        assert_eq!(secret.ca_cert == good.ca_cert, bundle_stays, "{what}");
    }
    assert_eq!(step(&mut good.clone(), HOUR), None, "the undamaged neighbour");
}

#[test]
fn another_name_needs_another_certificate_under_the_same_authority() {
    let secret = fresh();
    let policy = CertificatePolicy::default();
    let names = service_dns_names("webhook", "elsewhere");
    let plan = decide(Some(&secret), at(HOUR), &names, &policy).unwrap();
    let Plan::Write { contents, change } = plan else { panic!("{plan:?}") };
    assert_eq!((change, contents.ca_cert), (Change::ServingReplaced, secret.ca_cert));
}

#[test]
fn keys_are_not_shown() {
    let secret = fresh();
    assert!(!format!("{secret:?}").contains("PRIVATE"));
}

#[test]
fn a_bundle_overfull_with_authorities_keeps_the_one_in_use() {
    // Nine authorities; the serving certificate is signed by the first.
    let mut secret = fresh();
    for round in 1..=9 {
        secret.ca_key.clear();
        assert_eq!(step(&mut secret, round), Some(Change::AuthorityAdded));
        assert!(authorities(&secret) <= MAX_AUTHORITIES);
    }
}

/// Bytes that are nothing, or pieces of valid files, cut and joined.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let (one, two) = (fresh(), fresh());
    let pieces: Vec<Vec<u8>> = [one, two]
        .into_iter()
        .flat_map(|secret| [secret.server_key, secret.server_cert, secret.ca_cert, secret.ca_key])
        .chain([b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec(), Vec::new()])
        .collect();
    let piece = (proptest::sample::select(pieces), any::<proptest::sample::Index>(), 0..4_u8).prop_map(
        |(mut piece, index, damage)| {
            if damage == 0 && !piece.is_empty() {
                let at = index.index(piece.len());
                piece[at] = piece[at].wrapping_add(1);
            } else if damage == 1 && !piece.is_empty() {
                piece.truncate(index.index(piece.len()));
            }
            piece
        },
    );
    prop_oneof![
        1 => proptest::collection::vec(any::<u8>(), 0..200),
        4 => proptest::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn whatever_the_secret_holds_the_outcome_serves(
        server_key in bytes(), server_cert in bytes(), ca_cert in bytes(), ca_key in bytes(),
        offset in -DAY..400 * DAY,
    ) {
        step(&mut CertificateSecret { server_key, server_cert, ca_cert, ca_key }, offset);
    }

    #[test]
    fn whatever_happens_to_one_key_the_outcome_serves(
        piece in bytes(), which in 0..4_u8, rotated in any::<bool>(), offset in 0..400 * DAY,
    ) {
        let mut secret = fresh();
        if rotated {
            step(&mut secret, 365 * DAY * 2 / 3);
        }
        match which {
            0 => secret.server_key = piece,
            1 => secret.server_cert = piece,
            2 => secret.ca_cert = piece,
            _ => secret.ca_key = piece,
        }
        step(&mut secret, offset);
    }

    #[test]
    fn whatever_the_policy_the_outcome_serves(
        ca in 0_u64..1_000_000, serving in 0_u64..1_000_000, propagation in 0_u64..1_000, backdate in 0_u64..1_000_000,
        offsets in proptest::collection::vec(0..100_000_i64, 1..6),
    ) {
        let seconds = std::time::Duration::from_secs;
        let policy = CertificatePolicy {
            ca_validity: seconds(ca),
            serving_validity: seconds(serving),
            propagation: seconds(propagation),
            backdate: seconds(backdate),
        };
        let (mut secret, mut now) = (CertificateSecret::default(), 0);
        for offset in offsets {
            now += offset;
            if let Plan::Write { contents, .. } = decide(Some(&secret), at(now), &names(), &policy).unwrap() {
                secret = contents;
            }
            prop_assert!(ServingCertificate::load(&secret, at(now), &names()).is_some());
            prop_assert_eq!(decide(Some(&secret), at(now), &names(), &policy).unwrap(), Plan::Keep);
        }
    }
}
