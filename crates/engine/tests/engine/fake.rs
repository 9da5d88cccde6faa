//! A registry whose answers a test decides, and signatures that cosign could have written.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    http::{
        StatusCode, Uri,
        header::{CONTENT_TYPE, WWW_AUTHENTICATE},
    },
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::stream;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, SigningKey as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::{
    net::TcpListener,
    task::JoinHandle,
    time::{sleep, timeout},
};
use trustwright_core::Digest;
use trustwright_verify::plain_payload;

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const IN_TOTO: &str = "application/vnd.in-toto+json";
/// The image that every fake registry has.
pub(crate) const IMAGE: Digest = Digest::from_bytes([7; 32]);

/// What is wrong with an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// A status, and an error document that holds its code.
    Status(u16, &'static str),
    /// 200 and a web page.
    Html,
    /// 200, the right type, and other bytes.
    OtherBytes,
    /// 100 MB, announced.
    Large,
    /// No end.
    Endless,
    /// No answer.
    Silent,
    /// The right answer, so much later.
    Slow(Duration),
}

#[derive(Default)]
struct Store {
    /// Media type and bytes by path below `/v2/app/`.
    content: Mutex<BTreeMap<String, (&'static str, Vec<u8>)>>,
    /// The fault of every path that starts like this.
    fault: Mutex<Option<(String, Fault)>>,
    seen: Mutex<Vec<String>>,
    waiting: AtomicUsize,
}

/// Counts a request that will have no answer for as long as the client waits.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The server. Stops when dropped.
pub(crate) struct Fake {
    host: String,
    store: Arc<Store>,
    task: JoinHandle<()>,
}

impl Fake {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let store = Arc::new(Store::default());
        let shared = Arc::clone(&store);
        let router = Router::new().fallback(async move |uri: Uri| shared.answer(uri.path()).await);
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let fake = Self { host, store, task };
        fake.publish_bundles(&[]);
        fake
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// The image by digest.
    pub(crate) fn image(&self) -> String {
        format!("{}/app@{IMAGE}", self.host)
    }

    /// From now on every path below the repository that starts with `path` has the fault.
    pub(crate) fn fail(&self, path: impl Into<String>, fault: Fault) {
        *self.store.fault.lock().unwrap() = Some((path.into(), fault));
    }

    /// Makes `bundles` the image's bundles. Returns the digests of the bundles themselves.
    pub(crate) fn publish_bundles(&self, bundles: &[Vec<u8>]) -> Vec<Digest> {
        self.publish_bundles_as(Some(BUNDLE), bundles)
    }

    /// The same, listed with an artifact type of the registry's choice.
    pub(crate) fn publish_bundles_as(&self, artifact_type: Option<&str>, bundles: &[Vec<u8>]) -> Vec<Digest> {
        let mut descriptors = Vec::new();
        let mut digests = Vec::new();
        for bundle in bundles {
            let layer = self.put_blob(BUNDLE, bundle);
            digests.push(digest_of(bundle));
            let manifest = json!({
                "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": BUNDLE,
                "config": self.put_blob("application/vnd.oci.empty.v1+json", b"{}"),
                "layers": [layer],
                "subject": {"mediaType": MANIFEST, "digest": IMAGE.to_string(), "size": 1},
            });
            let mut descriptor = self.put_manifest(&manifest);
            descriptor["artifactType"] = json!(artifact_type);
            descriptors.push(descriptor);
        }
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": descriptors});
        self.put(format!("referrers/{IMAGE}"), INDEX, index.to_string().into_bytes());
        digests
    }

    /// Makes `layers` (payload, signature) the image's signatures under the tag. Returns the payloads' digests.
    pub(crate) fn publish_layers(&self, layers: &[(Vec<u8>, Vec<u8>)]) -> Vec<Digest> {
        let descriptors: Vec<_> = layers
            .iter()
            .map(|(payload, signature)| {
                let mut layer = self.put_blob("application/vnd.dev.cosign.simplesigning.v1+json", payload);
                layer["annotations"] =
                    json!({"dev.cosignproject.cosign/signature": STANDARD.encode(signature)});
                layer
            })
            .collect();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": self.put_blob("application/vnd.oci.image.config.v1+json", b"{}"),
            "layers": descriptors,
        });
        self.put(tag(), MANIFEST, manifest.to_string().into_bytes());
        layers.iter().map(|(payload, _)| digest_of(payload)).collect()
    }

    /// The paths asked for so far, below the repository.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.store.seen.lock().unwrap().clone()
    }

    /// Waits until so many requests hang without an answer.
    pub(crate) async fn hangs(&self, count: usize) {
        let reached = async {
            while self.store.waiting.load(Ordering::SeqCst) != count {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(10), reached).await.unwrap();
    }

    /// The descriptor of a manifest that is there from now on.
    pub(crate) fn put_manifest(&self, manifest: &Value) -> Value {
        let bytes = manifest.to_string().into_bytes();
        let digest = digest_of(&bytes).to_string();
        let size = bytes.len();
        self.put(format!("manifests/{digest}"), MANIFEST, bytes);
        json!({"mediaType": MANIFEST, "digest": digest, "size": size})
    }

    pub(crate) fn put_blob(&self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = digest_of(bytes).to_string();
        self.put(format!("blobs/{digest}"), "application/octet-stream", bytes.to_vec());
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    }

    fn put(&self, path: String, media_type: &'static str, bytes: Vec<u8>) {
        self.store.content.lock().unwrap().insert(path, (media_type, bytes));
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The path of the image's legacy signatures.
pub(crate) fn tag() -> String {
    format!("manifests/sha256-{}.sig", IMAGE.hex())
}

impl Store {
    async fn answer(&self, path: &str) -> Response {
        let path = path.strip_prefix("/v2/app/").unwrap_or(path);
        self.seen.lock().unwrap().push(path.to_owned());
        let fault = self.fault.lock().unwrap().clone();
        let content = self.content.lock().unwrap().get(path).cloned();
        let fault = fault.filter(|(prefix, _)| path.starts_with(prefix.as_str())).map(|(_, fault)| fault);
        let media_type = content.as_ref().map_or(MANIFEST, |(media_type, _)| media_type);
        match (fault, content.clone()) {
            (None, Some((media_type, bytes))) => ([(CONTENT_TYPE, media_type)], bytes).into_response(),
            (None, None) => StatusCode::NOT_FOUND.into_response(),
            (Some(Fault::Status(status, code)), _) => {
                let errors = json!({"errors": [{"code": code, "message": "internal-secret-text"}]});
                // What a 401 must have, and what means nothing elsewhere.
                let challenge = [(WWW_AUTHENTICATE, r#"Basic realm="internal-secret-text""#)];
                (StatusCode::from_u16(status).unwrap(), challenge, errors.to_string()).into_response()
            }
            (Some(Fault::Html), _) => {
                ([(CONTENT_TYPE, "text/html")], "<html>internal-secret-text</html>").into_response()
            }
            (Some(Fault::OtherBytes), content) => {
                let mut bytes = content.map_or_else(Vec::new, |(_, bytes)| bytes);
                bytes.push(b' ');
                ([(CONTENT_TYPE, media_type)], bytes).into_response()
            }
            (Some(Fault::Large), _) => ([(CONTENT_TYPE, media_type)], vec![0; 100 << 20]).into_response(),
            (Some(Fault::Endless), _) => {
                let chunks = stream::repeat_with(|| Ok::<_, Infallible>(vec![b' '; 64 << 10]));
                ([(CONTENT_TYPE, media_type)], Body::from_stream(chunks)).into_response()
            }
            (Some(Fault::Silent), _) => {
                let _waits = Waits::new(&self.waiting);
                std::future::pending().await
            }
            (Some(Fault::Slow(delay)), content) => {
                sleep(delay).await;
                match content {
                    Some((media_type, bytes)) => ([(CONTENT_TYPE, media_type)], bytes).into_response(),
                    None => StatusCode::NOT_FOUND.into_response(),
                }
            }
        }
    }
}

/// A P-256 key that signs as cosign does.
pub(crate) struct Key(KeyPair);

impl Key {
    pub(crate) fn new() -> Self {
        Self(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.public_key_pem()
    }

    /// A simple-signing payload about the image, and its signature. `number` tells payloads apart.
    pub(crate) fn layer(&self, number: usize) -> (Vec<u8>, Vec<u8>) {
        let payload = json!({"critical": {
            "identity": {"docker-reference": ""},
            "image": {"docker-manifest-digest": IMAGE.to_string()},
            "type": "cosign container image signature",
        }, "optional": {"number": number}});
        self.sign(payload.to_string().into_bytes())
    }

    /// The payload that cosign writes where it is told nothing but the image, and its signature.
    pub(crate) fn plain_layer(&self, repository: &str) -> (Vec<u8>, Vec<u8>) {
        self.sign(plain_payload(&repository.parse().unwrap(), &IMAGE).into_bytes())
    }

    fn sign(&self, payload: Vec<u8>) -> (Vec<u8>, Vec<u8>) {
        let signature = self.0.sign(&payload).unwrap();
        (payload, signature)
    }

    /// A bundle that signs the image. `number` tells bundles apart.
    pub(crate) fn bundle(&self, number: usize) -> Vec<u8> {
        self.bundle_of(
            number,
            &json!({
                "_type": "https://in-toto.io/Statement/v1",
                "predicateType": "https://sigstore.dev/cosign/sign/v1",
                "subject": [{"digest": {"sha256": IMAGE.hex()}}],
                "predicate": {},
            }),
        )
    }

    /// A bundle over any statement.
    pub(crate) fn bundle_of(&self, number: usize, statement: &Value) -> Vec<u8> {
        let payload = statement.to_string();
        let encoding = format!("DSSEv1 {} {IN_TOTO} {} {payload}", IN_TOTO.len(), payload.len());
        let signature = self.0.sign(encoding.as_bytes()).unwrap();
        let bundle = json!({
            "mediaType": BUNDLE,
            "verificationMaterial": {"publicKey": {"hint": number.to_string()}},
            "dsseEnvelope": {
                "payloadType": IN_TOTO,
                "payload": STANDARD.encode(payload),
                "signatures": [{"sig": STANDARD.encode(signature)}],
            },
        });
        bundle.to_string().into_bytes()
    }
}

fn digest_of(bytes: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(bytes).into())
}
