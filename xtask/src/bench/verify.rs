//! Our verification of a bundle beside the library's own, on each form of a bundle.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use sigstore_verify::{
    PublicKeyVerificationPolicy, VerificationPolicy,
    types::{Bundle, DerPublicKey, Sha256Hash},
};
use trustwright_core::Digest;
use trustwright_trust::{from_trusted_root_json, to_trusted_root};
use trustwright_verify::{Artifact, Claim, Evidence, PublicKey, Request, Requirements, Verifier};

use super::table::{Limit, Table, row};

/// How long each of the two is repeated before it is the other's turn, so that both see the same machine.
const TURN: Duration = Duration::from_millis(50);
/// Turns of each.
const TURNS: u32 = 24;
/// Our time for one bundle may be this much of the library's: nine tenths of its rate.
const LIMIT: Limit = Limit { most: 1.11, unit: "times the library's" };
/// What all the bundles are over.
const ARTIFACT: &str = "sha256:a0cfc71271d6e278e57cd332ff957c3f7043fdda354c4cbb190a30d56efa01bf";
/// Later than all of them.
const NOW: &str = "2026-08-22T00:00:00Z";

/// Bundles of the public conformance suite; `fuzz/README.md` says which.
const BUNDLES: [(&str, &str); 6] = [
    ("v0.1, message, Rekor v1", include_str!("../../../fuzz/seeds/v0_1.json")),
    ("v0.3, message, Rekor v1", include_str!("../../../fuzz/seeds/message.json")),
    ("v0.3, statement, Rekor v1", include_str!("../../../fuzz/seeds/statement.json")),
    ("v0.3, message, Rekor v2, timestamp", include_str!("../../../fuzz/seeds/rekor2.json")),
    ("v0.3, statement, Rekor v2, timestamp", include_str!("../../../fuzz/seeds/rekor2_statement.json")),
    ("v0.3, message, key, Rekor v1, timestamp", include_str!("../../../fuzz/seeds/key.json")),
];
const KEY: &str = include_str!("../../../fuzz/seeds/key.pub");
const REKOR2_ROOT: &str = include_str!("../../../fuzz/seeds/rekor2_root.json");

pub(crate) fn run(table: &mut Table) -> Result<()> {
    for (name, json) in BUNDLES {
        let root = if name.contains("Rekor v2") {
            REKOR2_ROOT
        } else {
            sigstore_verify::trust_root::SIGSTORE_PRODUCTION_TRUSTED_ROOT
        };
        compare(name, json, root, table).with_context(|| name.to_owned())?;
    }
    Ok(())
}

/// Reads and verifies `json` by the library and by us, in turns.
fn compare(name: &str, json: &str, root: &str, table: &mut Table) -> Result<()> {
    let material = from_trusted_root_json(root.as_bytes(), NOW.parse()?)?.material;
    let ours = Verifier::new(&material)?;
    let library = sigstore_verify::Verifier::new(&to_trusted_root(&material)?)?;
    let digest: Digest = ARTIFACT.parse()?;
    let by_key = Bundle::from_json(json)?.signing_certificate().is_none();
    let key = PublicKey::from_pem(KEY, None)?;
    let der = DerPublicKey::from_pem(KEY)?;

    let mut by_library = || {
        let bundle = Bundle::from_json(black_box(json))?;
        let artifact = Sha256Hash::new(*digest.as_bytes());
        let found = if by_key {
            library.verify(artifact, &bundle, &PublicKeyVerificationPolicy::new(der.clone()))?
        } else {
            library.verify(artifact, &bundle, &VerificationPolicy::any_identity())?
        };
        ensure!(found.tlog_verified());
        Ok(())
    };
    let now: Timestamp = NOW.parse()?;
    let mut by_us = || {
        let signature = Evidence::Bundle(black_box(json).as_bytes().to_vec()).read()?;
        let request = Request {
            artifact: Artifact::Digest(digest),
            claim: if signature.is_statement() { Claim::Attestation } else { Claim::Signature },
            // The library looks at every timestamp; with a key we do where one is asked for.
            requirements: Requirements { log_entry: true, timestamp: by_key, sct: true },
            now,
        };
        let facts = if by_key {
            ours.verify_key(&signature, &key, &request)?
        } else {
            ours.verify_certificate(&signature, &request)?
        };
        ensure!(facts.log_entries.len() == 1);
        Ok(())
    };
    let (mut theirs, mut mine) = (Rate::default(), Rate::default());
    for _ in 0..TURNS {
        theirs.add(&mut by_library)?;
        mine.add(&mut by_us)?;
    }
    row(
        &format!("read and verify a bundle: {name}"),
        format_args!("{:.0} a second on one core, the library {:.0}", mine.a_second(), theirs.a_second()),
    );
    table.hold("  time for one", theirs.a_second() / mine.a_second(), LIMIT);
    Ok(())
}

/// How often something was done, and in which time.
#[derive(Default)]
struct Rate {
    count: u32,
    time: Duration,
}

impl Rate {
    fn add(&mut self, step: &mut impl FnMut() -> Result<()>) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < TURN {
            step()?;
            self.count += 1;
        }
        self.time += start.elapsed();
        Ok(())
    }

    fn a_second(&self) -> f64 {
        f64::from(self.count) / self.time.as_secs_f64()
    }
}
