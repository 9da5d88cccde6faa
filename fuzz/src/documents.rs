//! Documents that are read by themselves.

use serde_json::{Value, json};
use trustwright_trust::{
    from_certificates, from_trusted_root_json,
    tuf::{Archive, Limits},
};

const DIGEST: &str = "sha256:a0cfc71271d6e278e57cd332ff957c3f7043fdda354c4cbb190a30d56efa01bf";

/// A public key in PEM, of an authority or a log.
pub(crate) mod public_key {
    use trustwright_verify::{HashAlgorithm, PublicKey};

    pub(crate) fn seeds() -> Vec<Vec<u8>> {
        let recorded: super::Value =
            serde_json::from_str(include_str!("../../crates/verify/tests/verify/data/openssl.json")).unwrap();
        let usable = ["ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa-2048", "ed25519"];
        usable.map(|name| recorded["keys"][name].as_str().unwrap().as_bytes().to_vec()).into()
    }

    pub(crate) fn accepts(data: &[u8]) -> bool {
        let text = String::from_utf8_lossy(data);
        let key = PublicKey::from_pem(&text, None);
        for hash in [HashAlgorithm::Sha224, HashAlgorithm::Sha256, HashAlgorithm::Sha512] {
            let _ = PublicKey::from_pem(&text, Some(hash));
        }
        let Ok(key) = key else { return false };
        assert!(!key.verifies(b"message", b"signature"), "a key that accepts anything");
        true
    }
}

/// Certificates of authorities in PEM (`keyless.ca-cert`).
pub(crate) mod authorities {
    pub(crate) fn seeds() -> Vec<Vec<u8>> {
        let certificate = include_str!("../../crates/api/testdata/authority-certificate.pem");
        vec![certificate.as_bytes().to_vec(), certificate.repeat(2).into_bytes()]
    }

    pub(crate) fn accepts(data: &[u8]) -> bool {
        let Ok(material) = super::from_certificates(data) else { return false };
        assert!(!material.certificate_authorities().is_empty(), "nobody, and accepted");
        true
    }
}

/// A `trusted_root.json`.
pub(crate) mod trusted_root {
    pub(crate) fn seeds() -> Vec<Vec<u8>> {
        let production = sigstore_verify::trust_root::SIGSTORE_PRODUCTION_TRUSTED_ROOT.as_bytes();
        vec![production.to_vec(), include_bytes!("../seeds/rekor2_root.json").to_vec()]
    }

    pub(crate) fn accepts(data: &[u8]) -> bool {
        let Ok(loaded) = super::from_trusted_root_json(data, jiff::Timestamp::UNIX_EPOCH) else {
            return false;
        };
        // What is usable is used: nothing in it voids the rest.
        trustwright_verify::Verifier::new(&loaded.material).unwrap();
        true
    }
}

/// A packed TUF repository (`spec.repository.mirrorFS`), and its metadata.
pub(crate) mod tuf_archive {
    use trustwright_trust::tuf::{Floor, Request, verify};

    use super::{Archive, Limits};

    const ROOT: &[u8] = br#"{"signatures":[],"signed":{"_type":"root","version":1}}"#;

    pub(crate) fn seeds() -> Vec<Vec<u8>> {
        let mut archive = Archive::default();
        archive.insert("1.root.json", ROOT);
        archive.insert("timestamp.json", &b"{}"[..]);
        archive.insert("targets/trusted_root.json", &b"{}"[..]);
        vec![archive.pack(1 << 20).unwrap()]
    }

    pub(crate) fn accepts(data: &[u8]) -> bool {
        let limits = Limits::default();
        let Ok(archive) = Archive::unpack(data, &limits) else {
            metadata(data);
            return false;
        };
        let floor = Floor::default();
        let anchor = archive.get("1.root.json").unwrap_or(ROOT).to_vec();
        let request = Request::new(&anchor, &floor, &limits, jiff::Timestamp::UNIX_EPOCH);
        assert!(verify(&request, &archive).is_err(), "nobody has signed this repository");
        true
    }

    /// The same bytes as a root of their own.
    fn metadata(data: &[u8]) {
        let (floor, limits) = (Floor::default(), Limits::default());
        let request = Request::new(data, &floor, &limits, jiff::Timestamp::UNIX_EPOCH);
        assert!(verify(&request, &Archive::default()).is_err(), "an empty repository");
    }
}

/// An image reference.
pub(crate) mod image_reference {
    use trustwright_core::{ImageRef, Repository};

    pub(crate) fn seeds() -> Vec<Vec<u8>> {
        let digest = super::DIGEST;
        ["nginx".to_owned(), format!("ghcr.io/a/b:v1@{digest}"), format!("127.0.0.1:5000/a/b-c_d@{digest}")]
            .map(String::into_bytes)
            .into()
    }

    pub(crate) fn accepts(data: &[u8]) -> bool {
        let text = String::from_utf8_lossy(data);
        let _ = text.parse::<Repository>();
        let Ok(image) = text.parse::<ImageRef>() else { return false };
        // What globs see is what registries are asked for: the name means the same image again.
        let again: ImageRef = image.name().parse().unwrap();
        assert_eq!(again.name(), image.name(), "{text:?}");
        assert_eq!((again.repository(), again.digest()), (image.repository(), image.digest()), "{text:?}");
        true
    }
}

fn descriptor() -> Value {
    json!({ "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": DIGEST, "size": 1, "annotations": { "a": "b" } })
}

/// A manifest, as a registry answers it.
pub(crate) mod registry_manifest {
    use trustwright_registry::ImageManifest;

    pub(crate) fn seeds() -> Vec<Vec<u8>> {
        let one = super::descriptor();
        let manifest = super::json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "artifactType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "config": one, "layers": [one, one], "subject": one, "annotations": null,
        });
        vec![manifest.to_string().into_bytes()]
    }

    pub(crate) fn accepts(data: &[u8]) -> bool {
        serde_json::from_slice::<ImageManifest>(data).is_ok()
    }
}

/// A list of referrers, as a registry answers it.
pub(crate) mod referrers {
    use trustwright_registry::Index;

    pub(crate) fn seeds() -> Vec<Vec<u8>> {
        let one = super::descriptor();
        let index = super::json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [one, { "mediaType": "x", "digest": "sha512:00", "size": 2 }, one],
        });
        vec![index.to_string().into_bytes()]
    }

    pub(crate) fn accepts(data: &[u8]) -> bool {
        serde_json::from_slice::<Index>(data).is_ok()
    }
}

/// A `ClusterImagePolicy`, from JSON to what a request is judged by.
pub(crate) mod cluster_image_policy {
    use trustwright_api::v1alpha1::ClusterImagePolicySpec;
    use trustwright_policy::{Check, NoLanguages, NoReferences, compile};

    pub(crate) fn seeds() -> Vec<Vec<u8>> {
        let certificate = include_str!("../../crates/api/testdata/authority-certificate.pem");
        let spec = super::json!({
            "images": [{ "glob": "ghcr.io/a/**" }],
            "match": [{ "version": "v1", "resource": "pods", "selector": { "matchLabels": { "a": "b" } } }],
            "mode": "warn",
            "authorities": [
                { "key": { "data": include_str!("../seeds/key.pub"), "hashAlgorithm": "sha256" }, "ctlog": { "url": "https://r" } },
                { "keyless": { "ca-cert": { "data": certificate }, "identities": [{ "issuerRegExp": ".*", "subject": "s" }] } },
                { "static": { "action": "fail", "message": "no" } },
            ],
        });
        vec![spec.to_string().into_bytes()]
    }

    pub(crate) fn accepts(data: &[u8]) -> bool {
        let Ok(spec) = serde_json::from_slice::<ClusterImagePolicySpec>(data) else { return false };
        let policy = compile("p", &spec, &NoReferences, &NoLanguages);
        // What cannot be used never passes.
        for (compiled, written) in policy.authorities.iter().zip(&spec.authorities) {
            if matches!(compiled.check, Check::Pass) {
                let fixed = written.static_.as_ref().expect("an authority that checks something passes all");
                assert_eq!(fixed.action, "pass");
            }
        }
        true
    }
}
