//! A private Sigstore on loopback, for keyless signing from end to end.
//!
//! The API server of a [`ControlPlane`] is the identity provider: a service account's token for the audience
//! [`AUDIENCE`] gets a certificate from Fulcio whose subject is [`subject`]. Signatures go to a Rekor v2 log
//! and get an RFC 3161 timestamp. The CT log is ours and small; the rest is Sigstore's own.

use std::path::Path;

use anyhow::Result;

use crate::registry::Image;
use crate::signer::cosign;
use crate::{ControlPlane, run_dir};

mod ct_log;
mod der;
mod services;
mod trust;

use ct_log::CtLog;
use services::{Service, write};
use trust::Trust;

/// The audience of the tokens that Fulcio takes.
pub const AUDIENCE: &str = "sigstore";

/// The name that Rekor's checkpoints carry. A Rekor v2 log's ID is computed over it and the key, and
/// verifiers take it from the host of the log's URL: so the trusted root says `http://rekor.local`, where
/// nothing is, and whoever else describes the log by its key has to say so too. Only signers need to know
/// [`PrivateSigstore::rekor_url`].
pub const REKOR_ORIGIN: &str = "rekor.local";

/// Lets everyone read the API server's keys, as Fulcio has to.
const DISCOVERY: &str = r#"
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: testkit-issuer-discovery}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: system:service-account-issuer-discovery
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:unauthenticated"}]
"#;

/// A running Fulcio, Rekor, timestamp authority and CT log. Dropping it ends them.
#[derive(Debug)]
pub struct PrivateSigstore {
    issuer: String,
    fulcio: Service,
    rekor: Service,
    timestamp_authority: Service,
    trust: Trust,
    // After Fulcio, which talks to it.
    ct_log: CtLog,
}

/// Returns the subject in the certificate of a service account.
pub fn subject(namespace: &str, name: &str) -> String {
    format!("https://kubernetes.io/namespaces/{namespace}/serviceaccounts/{name}")
}

impl PrivateSigstore {
    /// Starts everything, with `control_plane` as the identity provider, and waits until it answers.
    pub async fn start(control_plane: &ControlPlane) -> Result<Self> {
        control_plane.apply(DISCOVERY).await?;
        let ct_log = CtLog::start()?;
        let fulcio = services::fulcio(control_plane, ct_log.url()).await?;
        let rekor = services::rekor().await?;
        let timestamp_authority = services::timestamp_authority().await?;
        let trust = Trust::describe(&fulcio, &rekor, &timestamp_authority, &ct_log).await?;
        Ok(Self { issuer: control_plane.issuer_url(), fulcio, rekor, timestamp_authority, trust, ct_log })
    }

    /// Gives Fulcio a new authority, as after a rotation: [`trusted_root_json`](Self::trusted_root_json)
    /// names only the new one from then on, so what the old one certified is not trusted any more.
    pub async fn rotate_fulcio(&mut self, control_plane: &ControlPlane) -> Result<()> {
        self.fulcio = services::fulcio(control_plane, self.ct_log.url()).await?;
        self.trust =
            Trust::describe(&self.fulcio, &self.rekor, &self.timestamp_authority, &self.ct_log).await?;
        Ok(())
    }

    /// Returns the issuer that certificates name.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Returns the trusted root, in Sigstore's JSON, that describes all four services.
    pub fn trusted_root_json(&self) -> &str {
        &self.trust.root_json
    }

    /// Returns the file that holds [`trusted_root_json`](Self::trusted_root_json).
    pub fn trusted_root(&self) -> &Path {
        &self.trust.root
    }

    /// Returns the file that tells a signer which services to use.
    pub fn signing_config(&self) -> &Path {
        &self.trust.signing_config
    }

    /// Returns Fulcio's URL.
    pub fn fulcio_url(&self) -> &str {
        &self.fulcio.url
    }

    /// Returns Fulcio's certificate chain in PEM.
    pub fn fulcio_chain_pem(&self) -> &str {
        &self.fulcio.pem
    }

    /// Returns Rekor's URL.
    pub fn rekor_url(&self) -> &str {
        &self.rekor.url
    }

    /// Returns Rekor's Ed25519 public key in PEM; the log's name is [`REKOR_ORIGIN`].
    pub fn rekor_public_key_pem(&self) -> &str {
        &self.rekor.pem
    }

    /// Returns the URL that takes RFC 3161 requests.
    pub fn timestamp_url(&self) -> String {
        format!("{}/api/v1/timestamp", self.timestamp_authority.url)
    }

    /// Returns the timestamp authority's certificate chain in PEM, the leaf first.
    pub fn timestamp_chain_pem(&self) -> &str {
        &self.timestamp_authority.pem
    }

    /// Returns the CT log's URL.
    pub fn ct_log_url(&self) -> &str {
        self.ct_log.url()
    }

    /// Returns the CT log's P-256 public key in PEM.
    pub fn ct_log_public_key_pem(&self) -> &str {
        self.ct_log.public_key_pem()
    }

    /// Returns name and process ID of each service that is a process.
    pub fn processes(&self) -> [(&'static str, u32); 3] {
        [
            ("fulcio", self.fulcio.process.pid()),
            ("rekor-server", self.rekor.process.pid()),
            ("timestamp-server", self.timestamp_authority.process.pid()),
        ]
    }

    /// Signs `image` as whoever `token` names: a bundle v0.3 with certificate, Rekor v2 entry and timestamp,
    /// as an OCI referrer.
    pub async fn sign_keyless(&self, image: &Image, token: &str) -> Result<()> {
        self.keyless(image, token, &["sign"]).await
    }

    /// Attests `predicate` (JSON) of cosign's type or URL `kind` about `image` as whoever `token` names.
    pub async fn attest_keyless(
        &self,
        image: &Image,
        token: &str,
        kind: &str,
        predicate: &str,
    ) -> Result<()> {
        let file = write(&run_dir::data("predicate")?, "predicate.json", predicate)?;
        self.keyless(image, token, &["attest", "--type", kind, "--predicate", &file]).await
    }

    /// Signs `image` as whoever `token` names in the form from before version 3: certificate and timestamp
    /// beside the signature under the tag `sha256-<digest>.sig`, and no entry in a log.
    pub async fn sign_keyless_legacy(&self, image: &Image, token: &str) -> Result<()> {
        let (image_ref, timestamp) = (image.to_string(), self.timestamp_url());
        let mut env = image.env().to_vec();
        let folder = run_dir::data("ct-log")?;
        let ct_key = write(&folder, "key.pub", self.ct_log_public_key_pem())?;
        let chain = write(&folder, "fulcio.pem", self.fulcio_chain_pem())?;
        env.push(("SIGSTORE_CT_LOG_PUBLIC_KEY_FILE".to_owned(), ct_key));
        env.push(("SIGSTORE_ROOT_FILE".to_owned(), chain));
        let form = [
            "sign",
            "--yes",
            "--use-signing-config=false",
            "--new-bundle-format=false",
            "--tlog-upload=false",
        ];
        let services = ["--fulcio-url", self.fulcio_url(), "--timestamp-server-url", &timestamp];
        let token = write(&folder, "token", token)?;
        let who = ["--identity-token", &token, &image_ref];
        cosign(&env, &[form.as_slice(), &services, &who].concat()).await.map(drop)
    }

    /// Has cosign verify, against the trusted root alone, the bundle with which `subject` signed `image`, and
    /// returns what it found.
    pub async fn verify_keyless(&self, image: &Image, subject: &str) -> Result<String> {
        self.verify(image, subject, &["--new-bundle-format=true"]).await
    }

    /// Has cosign verify, against the trusted root alone, the signature in the form from before version 3.
    pub async fn verify_keyless_legacy(&self, image: &Image, subject: &str) -> Result<String> {
        let form = ["--new-bundle-format=false", "--insecure-ignore-tlog"];
        self.verify(image, subject, &form).await
    }

    async fn verify(&self, image: &Image, subject: &str, form: &[&str]) -> Result<String> {
        let (image_ref, root) = (image.to_string(), self.trust.root.to_string_lossy());
        let who = ["--certificate-identity", subject, "--certificate-oidc-issuer", &self.issuer];
        let how = ["verify", "--use-signed-timestamps", "--trusted-root", &root];
        Ok(cosign(image.env(), &[how.as_slice(), &who, form, &[&image_ref]].concat()).await?.stdout)
    }

    async fn keyless(&self, image: &Image, token: &str, what: &[&str]) -> Result<()> {
        let (config, root) = (self.trust.signing_config.to_string_lossy(), self.trust.root.to_string_lossy());
        let image_ref = image.to_string();
        // In a file, so that neither the process list nor an error shows it.
        let token = write(&run_dir::data("token")?, "token", token)?;
        let how = ["--yes", "--signing-config", &config, "--trusted-root", &root, "--identity-token", &token];
        cosign(image.env(), &[what, &how, &[&image_ref]].concat()).await.map(drop)
    }
}
