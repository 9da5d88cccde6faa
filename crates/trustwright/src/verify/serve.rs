//! A layout, served to this process alone, so that it is read as any registry is.

use std::{io::Read as _, net::Ipv4Addr, sync::Arc};

use anyhow::Context as _;
use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{Method, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use tokio::{net::TcpListener, task::JoinSet};
use trustwright_core::Digest;

use super::layout::Layout;

/// Largest blob that is served: more than any evidence that counts.
const BLOB: u64 = 64 << 20;

/// A registry on loopback; it ends when this is dropped.
pub(super) struct Served {
    host: String,
    _task: JoinSet<()>,
}

impl Served {
    /// `127.0.0.1:port`.
    pub(super) fn host(&self) -> &str {
        &self.host
    }
}

/// Serves `layout`, for reading, as every repository that anybody asks for: which one it is a copy of, it does not say.
pub(super) async fn serve(layout: Layout) -> anyhow::Result<Served> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no port on loopback")?;
    let host = listener.local_addr().context("no port on loopback")?.to_string();
    let router = Router::new()
        .route("/v2/", get(async || ()))
        .route("/v2/{*path}", get(answer))
        .with_state(Arc::new(layout));
    let mut task = JoinSet::new();
    task.spawn(async move {
        // Ends with the process.
        let _ = axum::serve(listener, router).await;
    });
    Ok(Served { host, _task: task })
}

async fn answer(State(layout): State<Arc<Layout>>, method: Method, Path(path): Path<String>) -> Response {
    let missing = || StatusCode::NOT_FOUND.into_response();
    // `<repository>/<kind>/<reference>`
    let mut parts = path.rsplitn(3, '/');
    let (Some(reference), Some(kind), Some(_)) = (parts.next(), parts.next(), parts.next()) else {
        return missing();
    };
    let digest = || reference.parse::<Digest>().ok();
    match kind {
        "manifests" => {
            let Some((digest, manifest)) = layout.manifest(reference) else { return missing() };
            let headers = [
                (header::CONTENT_TYPE, manifest.media_type.clone()),
                (header::HeaderName::from_static("docker-content-digest"), digest.to_string()),
                (header::CONTENT_LENGTH, manifest.bytes.len().to_string()),
            ];
            let body =
                if method == Method::HEAD { Body::empty() } else { Body::from(manifest.bytes.clone()) };
            (headers, body).into_response()
        }
        "referrers" => {
            let Some(subject) = digest() else { return StatusCode::BAD_REQUEST.into_response() };
            let headers = [(header::CONTENT_TYPE, "application/vnd.oci.image.index.v1+json")];
            (headers, layout.referrers(&subject).to_string()).into_response()
        }
        "blobs" => {
            let Some(digest) = digest() else { return StatusCode::BAD_REQUEST.into_response() };
            // From a disk, for the one request under way.
            let mut bytes = Vec::new();
            let read = layout.blob(&digest).and_then(|file| file.take(BLOB).read_to_end(&mut bytes));
            match read {
                Ok(_) => ([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response(),
                Err(_) => missing(),
            }
        }
        _ => missing(),
    }
}
