//! Certificate authorities by their certificates alone.

use rcgen::KeyPair;
use trustwright_trust::{KeyProblem, from_certificates};

use crate::support::{intermediate, leaf, root};

#[test]
fn a_chain_is_one_authority_and_what_is_no_chain_is_several() {
    let (a, b) = (root("a"), root("b"));
    let issuing = intermediate("i", &a);
    let authorities = |pem: &[String]| {
        let material = from_certificates(pem.concat().as_bytes()).unwrap();
        assert!(material.transparency_logs().is_empty() && material.ct_logs().is_empty());
        assert!(material.timestamp_authorities().is_empty());
        material.certificate_authorities().iter().map(|one| one.chain.len()).collect::<Vec<_>>()
    };
    assert_eq!(authorities(&[a.pem()]), [1]);
    assert_eq!(authorities(&[issuing.pem(), a.pem()]), [2]);
    assert_eq!(authorities(&[issuing.pem()]), [1]);
    assert_eq!(authorities(&[a.pem(), b.pem()]), [1, 1]);
    assert_eq!(authorities(&[a.pem(), issuing.pem(), a.pem()]), [1, 1], "not in order, and one twice");
}

#[test]
fn one_certificate_that_cannot_be_used_refuses_them_all() {
    let (a, b) = (root("a"), root("b"));
    let problem = |pem: &[String]| from_certificates(pem.concat().as_bytes()).unwrap_err();
    assert_eq!(problem(&[]), KeyProblem::NoPemBlock);
    assert_eq!(problem(&[leaf("l", &a)]), KeyProblem::NotAnAuthority { position: 1 });
    assert_eq!(problem(&[b.pem(), leaf("l", &a)]), KeyProblem::NotAnAuthority { position: 2 });
    let key = KeyPair::generate().unwrap().public_key_pem();
    let expected = KeyProblem::WrongPemType { expected: "CERTIFICATE", found: "PUBLIC KEY".into() };
    assert_eq!(problem(&[a.pem(), key]), expected);
    assert!(from_certificates(format!("{}{}", a.pem(), b.pem()).as_bytes()).is_ok());
}
