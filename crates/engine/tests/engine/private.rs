//! A private Sigstore, and what was signed with it: once for all tests, by cosign.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Result;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use trustwright_policy::Snapshot;
use trustwright_roots::Root;
use trustwright_testkit::{
    Image, PrivateSigstore, Registry, Tool,
    private_sigstore::{AUDIENCE, subject},
    process::Command,
    run_dir, shared,
};

/// The type of the attestation on [`Private::attested`].
pub(crate) const CHECK: &str = "https://example.com/check/v1";
/// The name under which the private Sigstore is trusted.
pub(crate) const ROOT: &str = "private";

/// What was signed with a private Sigstore.
pub(crate) struct Private {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    /// What trusts it, as a `trusted_root.json`.
    pub(crate) root: Value,
    /// The same after Fulcio has got a new authority.
    pub(crate) rotated: Value,
    pub(crate) registry: Registry,
    /// A registry without the referrers API.
    pub(crate) plain: Registry,
    /// Signed keyless: a bundle with an entry of Rekor v2 and a timestamp.
    pub(crate) bundle: Image,
    /// Signed like it by two, `other` first.
    pub(crate) twice: Image,
    /// The same as [`Private::bundle`], in the registry without the referrers API.
    pub(crate) plain_bundle: Image,
    /// Signed keyless under the legacy tag: a timestamp, no entry.
    pub(crate) legacy: Image,
    /// Attested to keyless, as [`CHECK`] and as `CycloneDX`.
    pub(crate) attested: Image,
    /// Signed keyless by Fulcio's new authority.
    pub(crate) renewed: Image,
    /// Signed with a key: a bundle with an entry of Rekor v2 and a timestamp.
    pub(crate) by_key: Image,
    /// Signed with the same key and nothing else, in both forms.
    pub(crate) by_key_alone: Image,
    /// Signed with the same key under the legacy tag: a timestamp, no entry.
    pub(crate) by_key_stamped: Image,
    /// Signed with the same key as cosign 2 did with its experimental referrers.
    pub(crate) by_key_experimental: Image,
    pub(crate) key_pem: String,
}

/// Signs everything, the first time.
pub(crate) async fn private() -> Result<&'static Private> {
    static PRIVATE: OnceCell<Private> = OnceCell::const_new();
    PRIVATE.get_or_try_init(Private::sign).await
}

impl Private {
    async fn sign() -> Result<Self> {
        let control_plane = shared().await?;
        control_plane.create_namespace("build").await?;
        let mut sigstore = PrivateSigstore::start(control_plane).await?;
        control_plane.kubectl(&["create", "serviceaccount", "other", "--namespace=build"]).await?;
        let token = control_plane.service_account_token("build", "default", &[AUDIENCE]).await?;
        let (registry, plain) = (Registry::with_referrers().await?, Registry::without_referrers().await?);
        let root = serde_json::from_str(sigstore.trusted_root_json())?;

        let bundle = registry.push_image("app", "bundle").await?;
        sigstore.sign_keyless(&bundle, &token).await?;
        let other = control_plane.service_account_token("build", "other", &[AUDIENCE]).await?;
        let twice = registry.push_image("app", "twice").await?;
        sigstore.sign_keyless(&twice, &other).await?;
        sigstore.sign_keyless(&twice, &token).await?;
        let plain_bundle = plain.push_image("app", "bundle").await?;
        sigstore.sign_keyless(&plain_bundle, &token).await?;
        let legacy = registry.push_image("app", "legacy").await?;
        sigstore.sign_keyless_legacy(&legacy, &token).await?;
        let attested = registry.push_image("app", "attested").await?;
        sigstore.attest_keyless(&attested, &token, CHECK, r#"{"passed":true}"#).await?;
        sigstore.attest_keyless(&attested, &token, "cyclonedx", "{}").await?;

        let folder = run_dir::data("keyless-key")?;
        let prefix = folder.join("key").to_string_lossy().into_owned();
        cosign(&[], &["generate-key-pair", "--output-key-prefix", &prefix]).await?;
        let (key, key_pem) = (format!("{prefix}.key"), std::fs::read_to_string(format!("{prefix}.pub"))?);
        let by_key = registry.push_image("app", "by-key").await?;
        let (config, trusted) = (sigstore.signing_config(), sigstore.trusted_root());
        let (config, trusted) = (config.to_string_lossy(), trusted.to_string_lossy());
        let services = ["--signing-config", &config, "--trusted-root", &trusted];
        sign_with(&key, &by_key, &services).await?;
        let by_key_alone = registry.push_image("app", "by-key-alone").await?;
        let none = ["--tlog-upload=false", "--use-signing-config=false"];
        sign_with(&key, &by_key_alone, &none).await?;
        let legacy_form = [none.as_slice(), &["--new-bundle-format=false"]].concat();
        sign_with(&key, &by_key_alone, &legacy_form).await?;
        let by_key_stamped = registry.push_image("app", "by-key-stamped").await?;
        let timestamps = sigstore.timestamp_url();
        let stamped = [legacy_form.as_slice(), &["--timestamp-server-url", &timestamps]].concat();
        sign_with(&key, &by_key_stamped, &stamped).await?;

        let by_key_experimental = registry.push_image("app", "by-key-experimental").await?;
        let as_referrer = [legacy_form.as_slice(), &["--registry-referrers-mode=oci-1-1"]].concat();
        sign_with(&key, &by_key_experimental, &as_referrer).await?;

        let issuer = sigstore.issuer().to_owned();
        sigstore.rotate_fulcio(control_plane).await?;
        let rotated = serde_json::from_str(sigstore.trusted_root_json())?;
        let renewed = registry.push_image("app", "renewed").await?;
        sigstore.sign_keyless(&renewed, &token).await?;
        Ok(Self {
            issuer,
            subject: subject("build", "default"),
            root,
            rotated,
            registry,
            plain,
            bundle,
            twice,
            plain_bundle,
            legacy,
            attested,
            renewed,
            by_key,
            by_key_alone,
            by_key_stamped,
            by_key_experimental,
            key_pem,
        })
    }

    /// An authority that accepts who signed, with the log.
    pub(crate) fn keyless(&self) -> Value {
        json!({
            "name": "a",
            "keyless": {
                "trustRootRef": ROOT,
                "identities": [{"issuer": self.issuer, "subject": self.subject}],
            },
            "ctlog": {"trustRootRef": ROOT},
        })
    }

    /// The same without the log.
    pub(crate) fn unlogged(&self) -> Value {
        let mut authority = self.keyless();
        authority.as_object_mut().unwrap().remove("ctlog");
        authority
    }

    /// `snapshot` with the private Sigstore's root.
    pub(crate) fn trusted(&self, snapshot: Snapshot) -> Snapshot {
        trusting(snapshot, &[(ROOT, &self.root)])
    }
}

async fn cosign(env: &[(String, String)], args: &[&str]) -> Result<()> {
    let home = run_dir::root()?;
    let command = Command::new(Tool::Cosign.path()?)
        .args(args)
        .offline()
        .env("COSIGN_PASSWORD", "")
        // What `--registry-referrers-mode` wants; nothing else heeds it.
        .env("COSIGN_EXPERIMENTAL", "1")
        .env("HOME", &home)
        .env("TUF_ROOT", home.join("no-tuf"))
        .envs(env.iter().map(|(name, value)| (name, value)));
    command.output(Duration::from_mins(2)).await.map(drop)
}

async fn sign_with(key: &str, image: &Image, args: &[&str]) -> Result<()> {
    let image_ref = image.to_string();
    cosign(image.env(), &[&["sign", "--yes", "--key", key], args, &[&image_ref]].concat()).await
}

/// `snapshot` with these roots, each from a `trusted_root.json`.
pub(crate) fn trusting(snapshot: Snapshot, roots: &[(&str, &Value)]) -> Snapshot {
    let root = |(name, document): &(&str, &Value)| {
        ((*name).to_owned(), Arc::new(Root::of_text(&document.to_string(), Timestamp::now())))
    };
    Snapshot { trust: roots.iter().map(root).collect::<BTreeMap<_, _>>(), ..snapshot }
}

/// `root` without what stands under `field`.
pub(crate) fn without(root: &Value, field: &str) -> Value {
    let mut root = root.clone();
    root.as_object_mut().unwrap().remove(field).unwrap();
    root
}

/// `root` with a log's key of its own under `field`.
pub(crate) fn with_other_log(root: &Value, field: &str) -> Value {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use rcgen::PublicKeyData as _;
    let mut root = root.clone();
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    root[field] = json!([{
        "baseUrl": "https://log.test",
        "hashAlgorithm": "SHA2_256",
        "publicKey": {
            "rawBytes": STANDARD.encode(key.subject_public_key_info()),
            "keyDetails": "PKIX_ECDSA_P256_SHA_256",
            "validFor": {"start": "2020-01-01T00:00:00Z"},
        },
    }]);
    root
}
