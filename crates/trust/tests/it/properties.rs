//! What holds for every source.

use std::sync::LazyLock;

use proptest::prelude::*;
use sigstore_verify::Verifier;
use trustwright_trust::{
    LogSource, SigstoreKeysSource, from_sigstore_keys, from_trusted_root_json, to_trusted_root,
};

use crate::support::{authority, good_source, key_pem, load, log, now};

static GOOD: LazyLock<SigstoreKeysSource> = LazyLock::new(good_source);
static P521: LazyLock<String> = LazyLock::new(|| key_pem(&rcgen::PKCS_ECDSA_P521_SHA512));

/// Returns bytes that are no usable key: arbitrary ones, framed ones, a cut-off key, an unsupported one.
fn bad_pem() -> impl Strategy<Value = Vec<u8>> {
    let framed =
        (prop::sample::select(vec!["PUBLIC KEY", "RSA PUBLIC KEY", "CERTIFICATE"]), any::<Vec<u8>>())
            .prop_map(|(tag, der)| crate::support::pem(tag, &der).into_bytes());
    let cut = (1..100usize).prop_map(|at| GOOD.t_logs[0].public_key_pem[..at].to_vec());
    prop_oneof![any::<Vec<u8>>(), framed, cut, Just(P521.clone().into_bytes())]
}

fn shuffled(log_order: &[usize], source: &SigstoreKeysSource) -> Vec<LogSource> {
    log_order.iter().map(|at| source.t_logs[at % source.t_logs.len()].clone()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(pem in bad_pem(), url in ".{0,40}", json in any::<Vec<u8>>()) {
        let url = url.as_str();
        let entry = LogSource { base_url: url.to_owned(), hash_algorithm: url.to_owned(), public_key_pem: pem.clone() };
        let mut ca = authority(url, &[]);
        ca.cert_chain_pem = pem;
        let source = SigstoreKeysSource {
            certificate_authorities: vec![ca.clone()],
            timestamp_authorities: vec![ca],
            t_logs: vec![entry.clone()],
            ct_logs: vec![entry],
        };
        prop_assert!(from_sigstore_keys(&source, now()).is_err());
        prop_assert!(from_trusted_root_json(&json, now()).is_err());
    }

    #[test]
    fn one_bad_entry_leaves_the_others_as_they_were(pem in bad_pem(), kind in 0..4u8, first in any::<bool>()) {
        let good = load(&GOOD).unwrap();
        let mut source = GOOD.clone();
        let mut bad_ca = authority("https://bad.test", &[]);
        bad_ca.cert_chain_pem.clone_from(&pem);
        let mut bad_log = log("https://bad.test", "");
        bad_log.public_key_pem = pem;
        match kind {
            0 => put(&mut source.certificate_authorities, bad_ca, first),
            1 => put(&mut source.timestamp_authorities, bad_ca, first),
            2 => put(&mut source.t_logs, bad_log, first),
            _ => put(&mut source.ct_logs, bad_log, first),
        }
        let loaded = load(&source).unwrap();
        prop_assert_eq!(loaded.reports.iter().filter(|report| !report.is_usable()).count(), 1);
        prop_assert_eq!(loaded.material.fingerprint(), good.material.fingerprint());
        prop_assert_eq!(&loaded.material, &good.material);
        prop_assert!(Verifier::new(&to_trusted_root(&loaded.material).unwrap()).is_ok());
    }

    #[test]
    fn order_and_repetition_leave_the_material_as_it_is(
        order in Just((0..GOOD.t_logs.len()).collect::<Vec<_>>()).prop_shuffle(),
        repeated in prop::collection::vec(any::<usize>(), 0..4),
        again in any::<bool>(),
    ) {
        let mut source = GOOD.clone();
        source.t_logs = shuffled(&order, &GOOD);
        source.t_logs.extend(shuffled(&repeated, &GOOD));
        if again {
            source.certificate_authorities.extend(GOOD.certificate_authorities.clone());
            source.timestamp_authorities.extend(GOOD.timestamp_authorities.clone());
        }
        let (one, other) = (load(&GOOD).unwrap().material, load(&source).unwrap().material);
        prop_assert_eq!(one.fingerprint(), other.fingerprint());
        prop_assert_eq!(one, other);
    }
}

fn put<T>(list: &mut Vec<T>, entry: T, first: bool) {
    list.insert(if first { 0 } else { list.len() }, entry);
}
