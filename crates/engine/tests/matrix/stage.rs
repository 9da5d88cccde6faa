//! The private Sigstore, the keys, and both verifiers.

use std::collections::BTreeMap;

use anyhow::Result;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use trustwright_engine::Engine;
use trustwright_registry::{Client, ClientConfig, Proxies};
use trustwright_testkit::{
    Image, KeyKind, PrivateSigstore, private_sigstore::AUDIENCE, run_dir, shared, signer::cosign,
};

use crate::{
    Against, Form, Row, Signer, What,
    images::Images,
    key::{Authority, Key},
};

/// What came of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Cosign did not sign; its error.
    Unsigned(String),
    /// It did, and this is what was said for the right signer and for another.
    Signed { cosign: Verdicts, ours: Verdicts },
}

/// The verdict on the right signer and on another: the refusal's text, if it is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdicts {
    pub(crate) right: Option<String>,
    pub(crate) other: Option<String>,
}

pub(crate) struct Stage {
    pub(crate) sigstore: PrivateSigstore,
    token: String,
    pub(crate) authority: Authority,
    pub(crate) others: Authority,
    pub(crate) keys: BTreeMap<KeyKind, Key>,
    /// A key that has signed nothing.
    pub(crate) stranger: Key,
    images: Images,
    /// Signing configurations by whether they have a log and a timestamp authority.
    configs: BTreeMap<(bool, bool), String>,
    pub(crate) root: Value,
    pub(crate) files: Roots,
    pub(crate) engine: Engine,
}

/// Files of trusted roots: of the private Sigstore, and with another authority in place of Fulcio.
pub(crate) struct Roots {
    pub(crate) private: String,
    pub(crate) own: String,
    pub(crate) others: String,
}

impl Stage {
    pub(crate) async fn get() -> Result<&'static Self> {
        static STAGE: OnceCell<Stage> = OnceCell::const_new();
        STAGE.get_or_try_init(Self::new).await
    }

    async fn new() -> Result<Self> {
        let control_plane = shared().await?;
        control_plane.create_namespace("build").await?;
        let sigstore = PrivateSigstore::start(control_plane).await?;
        let folder = run_dir::data("matrix")?;
        let write = |name: &str, text: &str| -> Result<String> {
            let path = folder.join(name);
            std::fs::write(&path, text)?;
            Ok(path.to_string_lossy().into_owned())
        };
        let token = control_plane.service_account_token("build", "default", &[AUDIENCE]).await?;
        let token = write("token", &token)?;
        let (authority, others) = (Authority::new()?, Authority::new()?);
        let mut keys = BTreeMap::new();
        for kind in KeyKind::ALL {
            keys.insert(kind, Key::new(kind, &authority).await?);
        }
        let config: Value = serde_json::from_slice(&std::fs::read(sigstore.signing_config())?)?;
        let mut configs = BTreeMap::new();
        for (log, stamp) in [(true, true), (true, false), (false, true)] {
            let mut config = config.clone();
            for (keep, list, how) in
                [(log, "rekorTlogUrls", "rekorTlogConfig"), (stamp, "tsaUrls", "tsaConfig")]
            {
                if !keep {
                    config.as_object_mut().unwrap().remove(list);
                    config.as_object_mut().unwrap().remove(how);
                }
            }
            configs.insert((log, stamp), write(&format!("config-{log}-{stamp}.json"), &config.to_string())?);
        }
        let root: Value = serde_json::from_str(sigstore.trusted_root_json())?;
        let with = |authority: &Authority| {
            let mut root = root.clone();
            root["certificateAuthorities"][0]["certChain"]["certificates"] =
                json!([{ "rawBytes": STANDARD.encode(authority.der()) }]);
            root.to_string()
        };
        let files = Roots {
            private: write("root.json", &root.to_string())?,
            own: write("own.json", &with(&authority))?,
            others: write("others.json", &with(&others))?,
        };
        let stranger = Key::new(KeyKind::EcdsaP256, &others).await?;
        let client = Client::new(&ClientConfig { proxies: Proxies::None, ..ClientConfig::default() })?;
        Ok(Self {
            sigstore,
            token,
            authority,
            others,
            keys,
            stranger,
            images: Images::new().await?,
            configs,
            root,
            files,
            engine: Engine::forgetful(client),
        })
    }

    /// Signs an image as `row` says, and has it verified.
    pub(crate) async fn run(&self, row: &Row, against: Against) -> Result<Outcome> {
        let image = self.images.push(row.referrers).await?;
        if let Err(error) = self.sign(row, &image).await {
            return Ok(Outcome::Unsigned(format!("{error:#}")));
        }
        let [cosign, ours] = self.verdicts(row, &image, against).await;
        Ok(Outcome::Signed { cosign, ours })
    }

    /// What cosign says, and what we say.
    pub(crate) async fn verdicts(&self, row: &Row, image: &Image, against: Against) -> [Verdicts; 2] {
        let cosign = Verdicts {
            right: self.verify(row, image, Against::Nothing).await,
            other: self.verify(row, image, against).await,
        };
        let ours = Verdicts {
            right: self.judge(row, image, Against::Nothing).await,
            other: self.judge(row, image, against).await,
        };
        [cosign, ours]
    }

    /// An index and an image of it, new.
    pub(crate) async fn push_index(&self) -> Result<(Image, Image)> {
        self.images.push_index().await
    }

    /// Has cosign sign `image` as `row` says.
    pub(crate) async fn sign(&self, row: &Row, image: &Image) -> Result<()> {
        let mut args: Vec<String> = Vec::new();
        let mut add = |more: &[&str]| args.extend(more.iter().map(|one| (*one).to_owned()));
        match &row.what {
            What::Signature => add(&["sign"]),
            What::Attestation(kind) => {
                let file = run_dir::data("predicate")?.join("predicate.json");
                std::fs::write(&file, predicate(kind))?;
                add(&["attest", "--type", kind, "--predicate", &file.to_string_lossy()]);
            }
        }
        add(&["--yes"]);
        let mut env = image.env().to_vec();
        let timestamps = self.sigstore.timestamp_url();
        match row.form {
            Form::Bundle if row.log || row.stamp || row.signer == Signer::Keyless => {
                match self.configs.get(&(row.log, row.stamp)) {
                    Some(config) => add(&[
                        "--signing-config",
                        config,
                        "--trusted-root",
                        if row.chain { &self.files.own } else { &self.files.private },
                    ]),
                    // Fulcio alone: without a configuration.
                    None => add(&[
                        "--use-signing-config=false",
                        "--tlog-upload=false",
                        "--new-bundle-format=true",
                        "--fulcio-url",
                        self.sigstore.fulcio_url(),
                        "--trusted-root",
                        &self.files.private,
                    ]),
                }
            }
            Form::Bundle => {
                add(&["--use-signing-config=false", "--tlog-upload=false", "--new-bundle-format=true"]);
            }
            Form::Legacy | Form::Experimental => {
                add(&["--use-signing-config=false", "--new-bundle-format=false"]);
                if row.log {
                    add(&["--rekor-url", self.sigstore.rekor_url()]);
                } else {
                    add(&["--tlog-upload=false"]);
                }
                if row.stamp {
                    add(&["--timestamp-server-url", &timestamps]);
                }
                if row.signer == Signer::Keyless {
                    add(&["--fulcio-url", self.sigstore.fulcio_url()]);
                }
            }
        }
        if row.form == Form::Experimental {
            env.push(("COSIGN_EXPERIMENTAL".into(), "1".into()));
            add(&["--registry-referrers-mode=oci-1-1"]);
        }
        match row.signer {
            Signer::Key(kind) => add(&["--key", &self.keys[&kind].private]),
            Signer::Keyless => {
                add(&["--identity-token", &self.token]);
                let folder = run_dir::data("ct-log")?;
                for (name, variable, text) in [
                    ("key.pub", "SIGSTORE_CT_LOG_PUBLIC_KEY_FILE", self.sigstore.ct_log_public_key_pem()),
                    ("fulcio.pem", "SIGSTORE_ROOT_FILE", self.sigstore.fulcio_chain_pem()),
                ] {
                    let path = folder.join(name);
                    std::fs::write(&path, text)?;
                    env.push((variable.into(), path.to_string_lossy().into_owned()));
                }
            }
        }
        if let (true, Signer::Key(kind)) = (row.chain, row.signer) {
            add(&[
                "--certificate",
                &self.keys[&kind].certificate,
                "--certificate-chain",
                &self.authority.file,
            ]);
        }
        add(&[&image.to_string()]);
        cosign(&env, &args.iter().map(String::as_str).collect::<Vec<_>>()).await.map(drop)
    }
}

/// A predicate that cosign takes for a type.
fn predicate(kind: &str) -> String {
    match kind {
        "link" => json!({ "_type": "link", "name": "a", "materials": {}, "products": {}, "byproducts": {}, "command": [], "environment": {} }),
        "vuln" => json!({ "scanner": { "uri": "https://scanner.example" } }),
        "slsaprovenance" | "slsaprovenance02" => {
            json!({ "builder": { "id": "https://builder.example" }, "buildType": "https://build.example" })
        }
        _ => json!({ "a": 1 }),
    }
    .to_string()
}
