//! Single steps of an admission, without a process or a network.

use std::{
    collections::BTreeMap,
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, SigningKey as _};
use serde_json::json;
use trustwright_core::Digest;
use trustwright_policy::{NoLanguages, NoReferences, Snapshot, Workload, compile, select};
use trustwright_verify::{Evidence, PublicKey, check, plain_payload};

/// How long each step is repeated.
const REPEAT: Duration = Duration::from_secs(1);
const DIGEST: Digest = Digest::from_bytes([7; 32]);

pub(crate) fn run() -> Result<()> {
    for policies in [1_000, 10_000] {
        selection(policies)?;
    }
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let key = PublicKey::from_pem(&pair.public_key_pem(), None)?;
    for (name, evidence) in [("legacy signature", legacy(&pair)?), ("bundle", bundle(&pair)?)] {
        measure(&format!("verify one {name} (ECDSA P-256)"), || {
            let signature = black_box(&evidence).clone().read()?;
            check(&signature, &DIGEST, &key)?;
            Ok(())
        })?;
    }
    Ok(())
}

fn selection(policies: usize) -> Result<()> {
    let mut snapshot = Snapshot::default();
    for index in 0..policies {
        let name = format!("policy-{index}");
        let spec = serde_json::from_value(json!({
            "images": [{"glob": format!("registry.invalid/team-{index}/**")}],
            "authorities": [{"static": {"action": "pass"}}],
        }))?;
        let policy = compile(&name, &spec, &NoReferences, &NoLanguages);
        snapshot.policies.insert(name, Arc::new(policy));
    }
    let workload = Workload { group: "", version: "v1", resource: "pods", labels: &BTreeMap::new() };
    let image = format!("registry.invalid/team-{}/app@{DIGEST}", policies / 2);
    measure(&format!("select among {policies} policies for one image"), || {
        let selected = select(&snapshot, &workload, black_box(&image));
        ensure!(selected.len() == 1, "{} policies are selected", selected.len());
        Ok(())
    })
}

/// A simple-signing payload, signed.
fn legacy(pair: &KeyPair) -> Result<Evidence> {
    let payload = plain_payload(&"registry.invalid/a/b".parse()?, &DIGEST).into_bytes();
    let signature = STANDARD.encode(pair.sign(&payload)?);
    Ok(Evidence::Legacy { payload, signature })
}

/// A Sigstore bundle around an in-toto statement, signed as DSSE has it.
fn bundle(pair: &KeyPair) -> Result<Evidence> {
    let payload_type = "application/vnd.in-toto+json";
    let payload = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "predicateType": "https://sigstore.dev/cosign/sign/v1",
        "subject": [{"digest": {"sha256": DIGEST.hex()}}],
        "predicate": {},
    })
    .to_string();
    let encoding = format!("DSSEv1 {} {payload_type} {} {payload}", payload_type.len(), payload.len());
    let signature = pair.sign(encoding.as_bytes())?;
    Ok(Evidence::Bundle(serde_json::to_vec(&json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": "h"}},
        "dsseEnvelope": {
            "payloadType": payload_type,
            "payload": STANDARD.encode(payload),
            "signatures": [{"sig": STANDARD.encode(signature)}],
        },
    }))?))
}

/// Repeats `step` for [`REPEAT`] and prints its mean time.
fn measure(name: &str, mut step: impl FnMut() -> Result<()>) -> Result<()> {
    step()?;
    let mut count = 0_u32;
    let start = Instant::now();
    while start.elapsed() < REPEAT {
        step()?;
        count += 1;
    }
    let each = start.elapsed() / count.max(1);
    super::row(name, format_args!("{:.1} µs", each.as_secs_f64() * 1e6));
    Ok(())
}
