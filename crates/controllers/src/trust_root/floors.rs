//! The Secret that keeps the floors: read once when we begin to lead, written when one rises.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use tokio::sync::Mutex;
use trustwright_roots::{FLOORS_SECRET, FloorEntry};

const FIELD_MANAGER: &str = "trustwright-floors";
/// Longest wait for one request.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How often a write is tried again because somebody else was faster.
const ATTEMPTS: u32 = 5;

/// Why a floor could not be read or kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FloorsError {
    /// The API server refused.
    #[error("failed to {0} Secret {FLOORS_SECRET:?}")]
    Api(&'static str, #[source] Box<kube::Error>),
    /// The API server did not answer in time.
    #[error("the API server did not answer within {} seconds", TIMEOUT.as_secs())]
    Timeout,
    /// An entry is damaged. It is not taken for the absence of a floor.
    #[error("Secret {FLOORS_SECRET:?}: entry {key:?} cannot be read; remove it to give up that floor")]
    Damaged {
        /// The key of the entry.
        key: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// Somebody else wrote it each time.
    #[error("others changed Secret {FLOORS_SECRET:?} {ATTEMPTS} times in a row")]
    Contended,
}

/// The floors of all trust roots.
pub(super) struct Floors {
    secrets: Api<Secret>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// The Secret as last read or written.
    secret: Option<Secret>,
    read: bool,
    /// What is to be in it.
    wanted: BTreeMap<String, FloorEntry>,
}

impl Floors {
    pub(super) fn new(client: Client, namespace: &str) -> Self {
        Self { secrets: Api::namespaced(client, namespace), known: Mutex::default() }
    }

    /// Returns the floor under `key`, or `None` if there is none.
    pub(super) async fn get(&self, key: &str) -> Result<Option<FloorEntry>, FloorsError> {
        let mut known = self.known.lock().await;
        self.read(&mut known, false).await?;
        if known.stored(key).is_err() {
            // Somebody may have removed the entry since, as the error asks for.
            self.read(&mut known, true).await?;
        }
        match (known.wanted.get(key), known.stored(key)?) {
            (None, stored) => Ok(stored),
            (Some(wanted), stored) => Ok(Some(wanted.max(&stored.unwrap_or_default()))),
        }
    }

    /// Keeps `entry` under `key`, if it is more than what is kept. Of many at once, most find their write done by
    /// another.
    pub(super) async fn raise(&self, key: &str, entry: &FloorEntry) -> Result<(), FloorsError> {
        let mut known = self.known.lock().await;
        let raised = known.wanted.get(key).cloned().unwrap_or_default().max(entry);
        known.wanted.insert(key.to_owned(), raised);
        for attempt in 0..ATTEMPTS {
            self.read(&mut known, attempt > 0).await?;
            let Some(changed) = known.changed()? else { return Ok(()) };
            match self.write(changed).await {
                Ok(secret) => {
                    known.secret = Some(secret);
                    return Ok(());
                }
                Err(FloorsError::Api(_, error)) if is_changed(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Err(FloorsError::Contended)
    }

    async fn read(&self, known: &mut Known, again: bool) -> Result<(), FloorsError> {
        if !known.read || again {
            known.secret = call("read", self.secrets.get_opt(FLOORS_SECRET)).await?;
            known.read = true;
        }
        Ok(())
    }

    async fn write(&self, secret: Secret) -> Result<Secret, FloorsError> {
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        if secret.metadata.resource_version.is_some() {
            call("write", self.secrets.replace(FLOORS_SECRET, &params, &secret)).await
        } else {
            call("create", self.secrets.create(&params, &secret)).await
        }
    }
}

impl Known {
    fn stored(&self, key: &str) -> Result<Option<FloorEntry>, FloorsError> {
        let data = self.secret.as_ref().and_then(|secret| secret.data.as_ref());
        let Some(bytes) = data.and_then(|data| data.get(key)) else { return Ok(None) };
        let entry = FloorEntry::decode(&bytes.0);
        entry.map(Some).map_err(|source| FloorsError::Damaged { key: key.to_owned(), source })
    }

    /// Returns the Secret as it should be, or `None` if it is.
    fn changed(&self) -> Result<Option<Secret>, FloorsError> {
        let mut risen = BTreeMap::new();
        for (key, wanted) in &self.wanted {
            let stored = self.stored(key)?.unwrap_or_default();
            let raised = stored.max(wanted);
            if raised != stored {
                risen.insert(key.clone(), ByteString(raised.encode()));
            }
        }
        if risen.is_empty() {
            return Ok(None);
        }
        let mut secret = self.secret.clone().unwrap_or_else(|| Secret {
            metadata: ObjectMeta { name: Some(FLOORS_SECRET.to_owned()), ..ObjectMeta::default() },
            type_: Some("Opaque".to_owned()),
            ..Secret::default()
        });
        secret.data.get_or_insert_default().extend(risen);
        Ok(Some(secret))
    }
}

/// Whether somebody else was faster: wrote the Secret (409), or removed it (404).
fn is_changed(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 404 | 409))
}

async fn call<T>(
    what: &'static str,
    request: impl Future<Output = kube::Result<T>>,
) -> Result<T, FloorsError> {
    match tokio::time::timeout(TIMEOUT, request).await {
        Ok(answer) => answer.map_err(|error| FloorsError::Api(what, Box::new(error))),
        Err(_) => Err(FloorsError::Timeout),
    }
}
