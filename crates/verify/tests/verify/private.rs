//! A Sigstore of our own, made for one test: certificate authority, log of certificates, Rekor v1, timestamp authority.
//!
//! What it makes is what the public services make, so that what they never do wrong can be done wrong.

mod tsa;

use std::net::IpAddr;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, OtherNameValue, PKCS_ECDSA_P256_SHA256, PublicKeyData as _, SanType,
    SerialNumber, SigningKey as _, SubjectPublicKeyInfo, date_time_ymd,
};
use serde_json::{Value, json};
use sigstore_verify::crypto::sha256;
use trustwright_trust::{TrustMaterial, from_trusted_root_json};
use trustwright_verify::{Annotations, Verifier};

pub(crate) use tsa::Tsa;

/// When everything is signed, unless it says otherwise: within a signing certificate's three days.
pub(crate) const SIGNED: &str = "2024-03-02T12:00:00Z";
/// When everything is verified: long after.
pub(crate) const LATER: &str = "2024-06-01T00:00:00Z";

const FULCIO: [u64; 8] = [1, 3, 6, 1, 4, 1, 57264, 1];
const SCT_LIST: [u64; 10] = [1, 3, 6, 1, 4, 1, 11129, 2, 4, 2];

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The services.
pub(crate) struct Private {
    ca: Authority,
    /// Logs of certificates.
    pub(crate) ct_logs: Vec<KeyPair>,
    pub(crate) log: KeyPair,
    pub(crate) tsa: Tsa,
}

struct Authority {
    key: KeyPair,
    params: CertificateParams,
    certificate: Certificate,
}

/// A signing certificate that is asked for.
pub(crate) struct Wanted {
    pub(crate) subjects: Vec<SanType>,
    /// Fulcio's extensions: last number of the OID, and the value as it stands in the extension.
    pub(crate) extensions: Vec<(u64, Vec<u8>)>,
    /// Who puts an SCT in.
    pub(crate) scts: Vec<KeyPair>,
    pub(crate) usages: Vec<ExtendedKeyUsagePurpose>,
    /// An extension with SCTs as it is to be, in place of that of [`Wanted::scts`].
    pub(crate) sct_list: Option<Vec<u8>>,
    /// First and last day of March 2024.
    pub(crate) days: (u8, u8),
    pub(crate) key: KeyPair,
}

/// A signing certificate with its key.
pub(crate) struct Signing {
    pub(crate) key: KeyPair,
    pub(crate) der: Vec<u8>,
    pub(crate) pem: String,
}

pub(crate) fn utf8(text: &str) -> Vec<u8> {
    tsa::tlv(0x0c, &[text.as_bytes()])
}

/// Another handle on the same key.
pub(crate) fn copy(key: &KeyPair) -> KeyPair {
    KeyPair::try_from(key.serialize_der()).unwrap()
}

fn new_key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()
}

impl Authority {
    fn new() -> Self {
        Self::until(2034, None)
    }

    /// An authority whose certificate ends with the year before `year`, by itself or by another.
    fn until(year: i32, issuer: Option<&Self>) -> Self {
        let key = new_key();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        let name = if issuer.is_some() { "intermediate" } else { "root" };
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.not_before = date_time_ymd(2023, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let certificate = match issuer {
            Some(issuer) => issuer.issue(&params, &key),
            None => params.self_signed(&key).unwrap(),
        };
        Self { key, params, certificate }
    }

    fn issue(&self, params: &CertificateParams, key: &KeyPair) -> Certificate {
        params.signed_by(key, &Issuer::from_params(&self.params, &self.key)).unwrap()
    }
}

impl Private {
    pub(crate) fn new() -> Self {
        Self { ca: Authority::new(), ct_logs: vec![new_key()], log: new_key(), tsa: Tsa::new() }
    }

    /// As [`Private::new`], where an authority between the root and the signer ends with the year before `year`.
    /// The root alone is trusted; also returns the certificate in between, PEM, and DER in base64.
    pub(crate) fn with_intermediate(year: i32) -> (Self, String, String) {
        let root = Authority::new();
        let between = Authority::until(year, Some(&root));
        let (pem, der) = (between.certificate.pem(), STANDARD.encode(between.certificate.der()));
        let root = root.certificate;
        let ca = Authority { certificate: root, ..between };
        (Self { ca, ..Self::new() }, pem, der)
    }

    /// What trusts it, as a `trusted_root.json`.
    pub(crate) fn root(&self) -> Value {
        let chain = |certificates: &[&[u8]]| {
            let raw = |der: &&[u8]| json!({ "rawBytes": STANDARD.encode(der) });
            json!({ "certificates": certificates.iter().map(raw).collect::<Vec<_>>() })
        };
        let log = |key: &KeyPair, url: &str| {
            json!({
                "baseUrl": url,
                "hashAlgorithm": "SHA2_256",
                "publicKey": { "rawBytes": STANDARD.encode(key.subject_public_key_info()) },
            })
        };
        json!({
            "certificateAuthorities": [{ "uri": "https://ca.test", "certChain": chain(&[self.ca.certificate.der()]) }],
            "ctlogs": self.ct_logs.iter().map(|key| log(key, "https://ct.test")).collect::<Vec<_>>(),
            "tlogs": [log(&self.log, "https://log.test")],
            "timestampAuthorities": [{ "uri": "https://tsa.test", "certChain": chain(&self.tsa.chain()) }],
        })
    }

    /// The certificate of the authority, in PEM.
    pub(crate) fn authority_pem(&self) -> String {
        self.ca.certificate.pem()
    }

    pub(crate) fn material(&self) -> TrustMaterial {
        material(&self.root())
    }

    pub(crate) fn verifier(&self) -> Verifier {
        Verifier::new(&self.material()).unwrap()
    }

    /// What a public instance issues: one subject, an issuer, an SCT.
    pub(crate) fn wanted(&self) -> Wanted {
        Wanted {
            subjects: vec![SanType::Rfc822Name("a@example.com".try_into().unwrap())],
            extensions: vec![(1, b"https://issuer.test".to_vec()), (8, utf8("https://issuer.test"))],
            scts: self.ct_logs.iter().map(copy).collect(),
            usages: vec![ExtendedKeyUsagePurpose::CodeSigning],
            sct_list: None,
            days: (1, 4),
            key: new_key(),
        }
    }

    pub(crate) fn signing(&self) -> Signing {
        self.issue(self.wanted())
    }

    pub(crate) fn issue(&self, wanted: Wanted) -> Signing {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = wanted.subjects;
        params.serial_number = Some(SerialNumber::from(7_u64));
        params.extended_key_usages = wanted.usages;
        params.not_before = date_time_ymd(2024, 3, wanted.days.0);
        params.not_after = date_time_ymd(2024, 3, wanted.days.1);
        for (number, value) in wanted.extensions {
            let oid: Vec<_> = FULCIO.into_iter().chain([number]).collect();
            params.custom_extensions.push(CustomExtension::from_oid_content(&oid, value));
        }
        if let Some(list) = wanted.sct_list {
            params.custom_extensions.push(CustomExtension::from_oid_content(&SCT_LIST, list));
        } else if !wanted.scts.is_empty() {
            let precertificate = self.ca.issue(&params, &wanted.key);
            let list = self.sct_list(precertificate.der(), &wanted.scts);
            params.custom_extensions.push(CustomExtension::from_oid_content(&SCT_LIST, list));
        }
        let certificate = self.ca.issue(&params, &wanted.key);
        Signing { key: wanted.key, der: certificate.der().to_vec(), pem: certificate.pem() }
    }

    /// The list of SCTs in a certificate that the first log has seen; of another certificate than it is put into.
    pub(crate) fn sct_list_of_its_own(&self) -> Vec<u8> {
        let params = CertificateParams::new(Vec::new()).unwrap();
        let certificate = self.ca.issue(&params, &new_key());
        self.sct_list(certificate.der(), &self.ct_logs.iter().take(1).map(copy).collect::<Vec<_>>())
    }

    /// A signing certificate of the authority for somebody else's key: PEM for PEM.
    pub(crate) fn certify(&self, key: &str) -> String {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        params.not_before = date_time_ymd(2024, 3, 1);
        params.not_after = date_time_ymd(2024, 3, 4);
        let key = SubjectPublicKeyInfo::from_pem(key).unwrap();
        params.signed_by(&key, &Issuer::from_params(&self.ca.params, &self.ca.key)).unwrap().pem()
    }

    /// The same services under whoever the authority issues a certificate like `params` to; and that, in PEM.
    pub(crate) fn below(&self, params: &CertificateParams) -> (Self, String) {
        let key = new_key();
        let mut params = params.clone();
        params.distinguished_name.push(DnType::CommonName, "below");
        params.not_before = date_time_ymd(2023, 1, 1);
        params.not_after = date_time_ymd(2034, 1, 1);
        let certificate = self.ca.issue(&params, &key);
        let pem = certificate.pem();
        (Self { ca: Authority { key, params, certificate }, ..Self::new() }, pem)
    }

    /// RFC 6962, sections 3.2 and 3.3.
    fn sct_list(&self, precertificate: &[u8], logs: &[KeyPair]) -> Vec<u8> {
        let tbs = tsa::first_child(precertificate);
        let issuer = sha256(&self.ca.key.subject_public_key_info());
        let milliseconds = u64::try_from(at(SIGNED).as_millisecond()).unwrap().to_be_bytes();
        let u16 = |length: usize| u16::try_from(length).unwrap().to_be_bytes();
        let mut list = Vec::new();
        for log in logs {
            let mut message = vec![0, 0];
            message.extend(milliseconds);
            message.extend([0, 1]);
            message.extend(issuer.as_bytes());
            message.extend(&u32::try_from(tbs.len()).unwrap().to_be_bytes()[1..]);
            message.extend(tbs);
            message.extend([0, 0]);
            let signature = log.sign(&message).unwrap();
            let mut sct = vec![0];
            sct.extend(sha256(&log.subject_public_key_info()).as_bytes());
            sct.extend(milliseconds);
            sct.extend([0, 0, 4, 3]);
            sct.extend(u16(signature.len()));
            sct.extend(signature);
            list.extend(u16(sct.len()));
            list.extend(sct);
        }
        let list = [u16(list.len()).to_vec(), list].concat();
        tsa::tlv(0x04, &[&list])
    }

    /// The log's promise for `body`, as cosign's annotation.
    pub(crate) fn promise(&self, body: &Value) -> Value {
        let body = STANDARD.encode(serde_json::to_vec(body).unwrap());
        let id = sha256(&self.log.subject_public_key_info()).to_hex();
        let time = at(SIGNED).as_second();
        // Canonical JSON (RFC 8785) of the four fields.
        let signed = format!(r#"{{"body":"{body}","integratedTime":{time},"logID":"{id}","logIndex":11}}"#);
        json!({
            "SignedEntryTimestamp": STANDARD.encode(self.log.sign(signed.as_bytes()).unwrap()),
            "Payload": { "body": body, "integratedTime": time, "logIndex": 11, "logID": id },
        })
    }

    /// An inclusion proof for `body` in a tree of one.
    pub(crate) fn proof(&self, body: &Value) -> Value {
        self.proof_of(&serde_json::to_vec(body).unwrap())
    }

    /// An inclusion proof for an entry of these bytes in a tree of one.
    pub(crate) fn proof_of(&self, body: &[u8]) -> Value {
        let root = sha256(&[&[0], body].concat()).to_base64();
        let head = format!("log.test\n1\n{root}\n");
        let hint = &sha256(&self.log.subject_public_key_info()).as_bytes()[..4].to_vec();
        let signature = STANDARD.encode([hint.clone(), self.log.sign(head.as_bytes()).unwrap()].concat());
        json!({
            "logIndex": "0",
            "treeSize": "1",
            "rootHash": root,
            "hashes": [],
            "checkpoint": { "envelope": format!("{head}\n\u{2014} log.test {signature}\n") },
        })
    }
}

pub(crate) fn material(root: &Value) -> TrustMaterial {
    let loaded = from_trusted_root_json(root.to_string().as_bytes(), at(LATER)).unwrap();
    assert!(loaded.reports.iter().all(trustwright_trust::KeyReport::is_usable), "{:?}", loaded.reports);
    loaded.material
}

/// Every kind of subject name.
pub(crate) fn all_subjects() -> Vec<SanType> {
    vec![
        SanType::OtherName((
            FULCIO.into_iter().chain([7]).collect(),
            OtherNameValue::Utf8String("carol!example.com".into()),
        )),
        SanType::URI("https://example.com/workflow".try_into().unwrap()),
        SanType::IpAddress(IpAddr::from([10, 1, 2, 3])),
        SanType::Rfc822Name("a@example.com".try_into().unwrap()),
        SanType::Rfc822Name("b@example.com".try_into().unwrap()),
        SanType::DnsName("build.example.com".try_into().unwrap()),
    ]
}

/// A `hashedrekord` 0.0.1 entry. `verifier` is the PEM of a certificate or a key.
pub(crate) fn hashedrekord(payload: &[u8], signature: &[u8], verifier: &str) -> Value {
    json!({
        "apiVersion": "0.0.1",
        "kind": "hashedrekord",
        "spec": {
            "data": { "hash": { "algorithm": "sha256", "value": sha256(payload).to_hex() } },
            "signature": {
                "content": STANDARD.encode(signature),
                "publicKey": { "content": STANDARD.encode(verifier) },
            },
        },
    })
}

/// A `dsse` 0.0.1 entry.
pub(crate) fn dsse_entry(envelope: &[u8], payload: &[u8], signature: &[u8], verifier: &str) -> Value {
    json!({
        "apiVersion": "0.0.1",
        "kind": "dsse",
        "spec": {
            "envelopeHash": { "algorithm": "sha256", "value": sha256(envelope).to_hex() },
            "payloadHash": { "algorithm": "sha256", "value": sha256(payload).to_hex() },
            "signatures": [{ "signature": STANDARD.encode(signature), "verifier": STANDARD.encode(verifier) }],
        },
    })
}

impl Signing {
    pub(crate) fn annotations(&self, promise: Option<&Value>) -> Annotations {
        Annotations {
            certificate: Some(self.pem.clone()),
            chain: None,
            bundle: promise.map(Value::to_string),
            timestamp: None,
        }
    }
}
