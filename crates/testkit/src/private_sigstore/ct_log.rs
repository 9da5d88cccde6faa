//! A certificate transparency log that promises and keeps nothing: it signs timestamps for what it is sent
//! (RFC 6962, 4.1 and 4.2), which is all that Fulcio asks of a log.

use std::net::TcpListener;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{KeyPair, PublicKeyData as _, SigningKey as _};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;

use super::der;

/// The most that a length of 24 bits says.
const MAX_LENGTH: usize = (1 << 24) - 1;

/// A running log. It has a thread of its own, so that it outlasts the runtime of the test that starts it;
/// dropping it ends the thread.
#[derive(Debug)]
pub(super) struct CtLog {
    url: String,
    public_key_pem: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Deserialize)]
struct Submission {
    chain: Vec<String>,
}

impl CtLog {
    pub(super) fn start() -> Result<Self> {
        let key = KeyPair::generate().context("failed to generate the key of the CT log")?;
        let public_key_pem = key.public_key_pem();
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("failed to listen for the CT log")?;
        listener.set_nonblocking(true).context("failed to set up the CT log's listener")?;
        let url = format!("http://{}", listener.local_addr().context("failed to read the CT log's port")?);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("failed to make the CT log's runtime")?;
        let (stop, stopped) = oneshot::channel::<()>();
        let routes = Router::new()
            .route("/ct/v1/add-chain", post(add_chain))
            .route("/ct/v1/add-pre-chain", post(add_pre_chain))
            .with_state(Arc::new(key));
        let serve = async move {
            let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
            tokio::select! {
                _ = axum::serve(listener, routes) => {}
                _ = stopped => {}
            }
        };
        let thread = thread::Builder::new()
            .name("ct-log".to_owned())
            .spawn(move || runtime.block_on(serve))
            .context("failed to start the CT log's thread")?;
        Ok(Self { url, public_key_pem, stop: Some(stop), thread: Some(thread) })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn public_key_pem(&self) -> &str {
        &self.public_key_pem
    }
}

impl Drop for CtLog {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // A panic in there has been printed, and the test that needed the log has failed.
            let _ = thread.join();
        }
    }
}

async fn add_chain(State(key): State<Arc<KeyPair>>, body: Bytes) -> Result<String, (StatusCode, String)> {
    answer(&key, &body, |chain| {
        let certificate = chain.first().context("an empty chain")?;
        let mut entry = vec![0, 0];
        put_long(&mut entry, certificate)?;
        Ok(entry)
    })
}

async fn add_pre_chain(State(key): State<Arc<KeyPair>>, body: Bytes) -> Result<String, (StatusCode, String)> {
    answer(&key, &body, |chain| {
        let precertificate = chain.first().context("an empty chain")?;
        let issuer = chain.get(1).context("a precertificate without its issuer")?;
        let mut entry = vec![0, 1];
        entry.extend(Sha256::digest(der::public_key(issuer)?));
        put_long(&mut entry, &der::without_poison(precertificate)?)?;
        Ok(entry)
    })
}

/// Signs what `entry` makes of the chain in `body`, and returns the JSON of RFC 6962, 4.1.
fn answer(
    key: &KeyPair,
    body: &[u8],
    entry: impl FnOnce(&[Vec<u8>]) -> Result<Vec<u8>>,
) -> Result<String, (StatusCode, String)> {
    let signed = || {
        let submission: Submission = serde_json::from_slice(body).context("not a submission")?;
        let chain = submission.chain.iter().map(|link| STANDARD.decode(link));
        let chain = chain.collect::<Result<Vec<_>, _>>().context("a chain that is not base64")?;
        sign(key, &entry(&chain)?)
    };
    signed().map_err(|error: anyhow::Error| (StatusCode::BAD_REQUEST, format!("{error:#}")))
}

fn sign(key: &KeyPair, entry: &[u8]) -> Result<String> {
    let timestamp = now_millis()?;
    // Version 1 and type certificate_timestamp are zeroes; two more at the end say that there is no
    // extension.
    let mut signed = vec![0, 0];
    signed.extend(timestamp.to_be_bytes());
    signed.extend_from_slice(entry);
    signed.extend([0, 0]);
    let signature = key.sign(&signed).context("failed to sign")?;
    // SHA-256 and ECDSA, in the numbers of RFC 5246, 7.4.1.4.1.
    let mut envelope = vec![4, 3];
    envelope.extend(u16::try_from(signature.len()).context("a long signature")?.to_be_bytes());
    envelope.extend(signature);
    let answer = json!({
        "sct_version": 0,
        "id": STANDARD.encode(Sha256::digest(key.subject_public_key_info())),
        "timestamp": timestamp,
        "extensions": "",
        "signature": STANDARD.encode(envelope),
    });
    Ok(answer.to_string())
}

fn put_long(entry: &mut Vec<u8>, bytes: &[u8]) -> Result<()> {
    anyhow::ensure!(bytes.len() <= MAX_LENGTH, "a certificate of {} bytes", bytes.len());
    let length = u32::try_from(bytes.len()).context("a long certificate")?.to_be_bytes();
    entry.extend_from_slice(length.get(1..).unwrap_or_default());
    entry.extend_from_slice(bytes);
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a log is the edge: it stamps with its own clock")]
fn now_millis() -> Result<u64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).context("a clock before 1970")?;
    u64::try_from(since.as_millis()).context("a clock far ahead")
}
