//! The suite's cases as they lie on disk: what its `BundleMaterials.from_dir` reads.

use std::{fs, path::PathBuf};

use trustwright_trust::{Loaded, from_trusted_root_json};
use trustwright_verify::{
    Artifact, Claim, Evidence, Facts, IdentityPattern, KeyError, Origin, PublicKey, Refusal, Request,
    Requirements, Signature, Signer, TextPattern, Verifier,
};

const SUBJECT: &str = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/\
                       workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main";
const ISSUER: &str = "https://token.actions.githubusercontent.com";

/// Later than every case.
pub(crate) const NOW: &str = "2026-08-22T00:00:00Z";

/// How the artifact is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Given {
    Digest,
    Bytes,
}

/// Why a case is refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The key is none.
    Key(KeyError),
    Evidence(Refusal),
}

pub(crate) struct Case {
    pub(crate) name: String,
    folder: PathBuf,
}

impl Case {
    pub(crate) fn all() -> Vec<Self> {
        let folder = root();
        let mut cases: Vec<_> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.file_type().unwrap().is_dir())
            .map(|entry| Self { name: entry.file_name().into_string().unwrap(), folder: entry.path() })
            .collect();
        cases.sort_by(|a, b| a.name.cmp(&b.name));
        cases
    }

    pub(crate) fn named(name: &str) -> Self {
        Self { name: name.into(), folder: root().join(name) }
    }

    pub(crate) fn bundle(&self) -> Vec<u8> {
        fs::read(self.folder.join("bundle.sigstore.json")).unwrap()
    }

    pub(crate) fn artifact(&self) -> Vec<u8> {
        fs::read(self.folder.join("artifact"))
            .unwrap_or_else(|_| fs::read(self.folder.parent().unwrap().join("a.txt")).unwrap())
    }

    pub(crate) fn loaded(&self) -> Loaded {
        let default = sigstore_verify::trust_root::SIGSTORE_PRODUCTION_TRUSTED_ROOT;
        let json = self.text("trusted_root.json").unwrap_or_else(|| default.into());
        from_trusted_root_json(json.as_bytes(), NOW.parse().unwrap()).unwrap()
    }

    pub(crate) fn verifier(&self) -> Verifier {
        Verifier::new(&self.loaded().material).unwrap()
    }

    pub(crate) fn key(&self) -> Option<Result<PublicKey, KeyError>> {
        self.text("key.pub").map(|pem| PublicKey::from_pem(&pem, None))
    }

    pub(crate) fn identity(&self) -> IdentityPattern {
        let text = |file, default: &str| {
            TextPattern::Exact(self.text(file).map_or(default.into(), |text| text.trim().into()))
        };
        IdentityPattern { issuer: text("issuer", ISSUER), subject: text("identity", SUBJECT) }
    }

    /// What the suite asks: everything that a bundle can have.
    pub(crate) fn verify(&self, given: Given) -> Result<Facts, Refused> {
        self.key().transpose().map_err(Refused::Key)?;
        self.verify_bundle(self.bundle(), Origin::File, given).map_err(Refused::Evidence)
    }

    pub(crate) fn verify_bundle(
        &self,
        bundle: Vec<u8>,
        origin: Origin,
        given: Given,
    ) -> Result<Facts, Refusal> {
        let signature = Evidence::Bundle(bundle).read_from(origin)?;
        self.verify_signature(&signature, &self.verifier(), given)
    }

    pub(crate) fn verify_signature(
        &self,
        signature: &Signature,
        verifier: &Verifier,
        given: Given,
    ) -> Result<Facts, Refusal> {
        let bytes = self.artifact();
        let artifact = match given {
            Given::Digest => Artifact::Digest(Artifact::Bytes(&bytes).digest()),
            Given::Bytes => Artifact::Bytes(&bytes),
        };
        let request = request(signature, artifact);
        if let Some(key) = self.key() {
            return verifier.verify_key(signature, &key.unwrap(), &request);
        }
        let facts = verifier.verify_certificate(signature, &request)?;
        let Signer::Certificate(identity) = &facts.signer else { panic!("{facts:?}") };
        identity.check(&[self.identity()])?;
        Ok(facts)
    }

    fn text(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.folder.join(file)).ok()
    }
}

/// The request for `artifact` with everything required that a bundle always has.
pub(crate) fn request<'a>(signature: &Signature, artifact: Artifact<'a>) -> Request<'a> {
    Request {
        artifact,
        claim: if signature.is_statement() { Claim::Attestation } else { Claim::Signature },
        requirements: Requirements { log_entry: true, timestamp: false, sct: true },
        now: NOW.parse().unwrap(),
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/sigstore-bundles")
}
