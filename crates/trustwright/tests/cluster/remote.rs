//! Trust roots behind mirrors: real HTTP, the real API server, and every way in which one of them lets us down.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use kube::{
    api::{Patch, PatchParams},
    core::DynamicObject,
};
use serde_json::{Value, json};
use trustwright_testkit::{
    ControlPlane, Operator, http::HttpServer, process::eventually, tuf_repository::Repository,
};

use crate::{
    fixture::{Own, SOON, cluster},
    objects::{Objects, ROOT, condition, why},
};

mod access;
mod attacks;
mod changes;
mod default_root;
mod expiry;
mod leaders;
mod many;
mod misses;
mod outage;
mod shown;
mod text;

/// As long as no test lasts.
const FOREVER: &str = "2199-01-01T00:00:00Z";
/// The shortest interval that a spec may ask for.
const INTERVAL: Duration = Duration::from_secs(10);
/// What the documentation allows for the way from the mirror to every replica, besides the interval.
const WAY: Duration = Duration::from_secs(1);

/// A repository and the mirror that serves it.
struct Mirrored {
    repository: Repository,
    server: HttpServer,
}

impl Mirrored {
    /// A repository that does not end.
    async fn start() -> Result<Self> {
        Self::of(Repository::new().until(FOREVER)).await
    }

    async fn of(repository: Repository) -> Result<Self> {
        let server = HttpServer::start(&repository.publish()).await?;
        Ok(Self { repository, server })
    }

    /// A spec that reads it as often as may be.
    fn spec(&self) -> Value {
        spec(&self.repository, self.server.url())
    }

    /// A spec that reads it so seldom that no test sees it happen by itself.
    fn seldom(&self) -> Value {
        let mut spec = self.spec();
        spec["remote"]["refreshInterval"] = json!("24h");
        spec
    }

    /// Serves the repository as it is now.
    fn publish(&self) {
        self.server.serve(&self.repository.publish());
    }

    /// Serves a new version of everything, with one key less in it.
    fn change_keys(&mut self) {
        drop_a_key(&mut self.repository);
        self.repository.advance();
        self.publish();
    }

    /// Forgets what was asked until now.
    fn forget(&self) {
        drop(self.server.asked());
    }

    /// Waits until `path` is asked for.
    async fn asked_for(&self, path: &str) -> Result<()> {
        eventually(&format!("{path} asked for"), SOON, async || {
            let asked = self.server.asked();
            ensure!(asked.iter().any(|asked| asked.path == path), "asked for {asked:?}");
            Ok(())
        })
        .await
    }
}

/// A spec with this anchor and mirror.
fn spec(repository: &Repository, url: &str) -> Value {
    let root = STANDARD.encode(repository.first_root());
    json!({"remote": {"root": root, "mirror": url, "refreshInterval": "10s"}})
}

/// Takes one log out of the trusted root, so that other keys are trusted. There are a few to be taken.
fn drop_a_key(repository: &mut Repository) {
    let file = repository.files.get_mut("trusted_root.json").unwrap();
    let mut trusted_root: Value = serde_json::from_slice(file).unwrap();
    let logs = ["tlogs", "ctlogs"].into_iter().find(|logs| trusted_root[logs].as_array().unwrap().len() > 1);
    trusted_root[logs.unwrap()].as_array_mut().unwrap().pop();
    *file = trusted_root.to_string().into_bytes();
}

/// The trust roots of a cluster, as administrator and one replica see them.
#[derive(Clone)]
struct Roots<'a> {
    objects: Objects,
    control_plane: &'a ControlPlane,
    operator: &'a Operator,
}

/// Those of the shared cluster.
async fn shared() -> Result<Roots<'static>> {
    let cluster = cluster().await?;
    let objects = Objects::new(cluster.control_plane.client().await?);
    Ok(Roots { objects, control_plane: cluster.control_plane, operator: &cluster.operator })
}

/// Those of a cluster of its own.
fn roots(own: &Own) -> Roots<'_> {
    Roots { objects: own.objects.clone(), control_plane: &own.control_plane, operator: &own.operator }
}

impl Roots<'_> {
    async fn get(&self, name: &str) -> Result<DynamicObject> {
        Ok(self.objects.api(ROOT).get(name).await?)
    }

    /// Creates an object and waits until `Ready` is `ready`.
    async fn create(&self, name: &str, spec: &Value, ready: &str) -> Result<DynamicObject> {
        self.objects.create(ROOT, name, spec).await.map_err(anyhow::Error::msg)?;
        self.objects.wait_for_ready(ROOT, name, ready).await
    }

    /// Creates an object that is ready, here and in the replica.
    async fn ready(&self, name: &str, spec: &Value) -> Result<DynamicObject> {
        let object = self.create(name, spec, "True").await?;
        self.in_force_is(name, Some(fingerprint(&object))).await?;
        Ok(object)
    }

    /// Waits until `holds`; the error of that says what is missing.
    async fn until(
        &self,
        name: &str,
        what: &str,
        holds: impl Fn(&DynamicObject) -> Result<()>,
    ) -> Result<DynamicObject> {
        eventually(&format!("{name}: {what}"), SOON, async || {
            let object = self.get(name).await?;
            holds(&object)?;
            Ok(object)
        })
        .await
    }

    /// Waits until a condition has this status and reason.
    async fn until_is(&self, name: &str, type_: &str, status: &str, reason: &str) -> Result<DynamicObject> {
        self.until(name, &format!("{type_}={status} {reason}"), |object| is(object, type_, status, reason))
            .await
    }

    /// Waits until `spec` is merged into the spec.
    async fn change(&self, name: &str, spec: &Value) -> Result<()> {
        let patch = json!({"spec": spec});
        self.objects.api(ROOT).patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await?;
        Ok(())
    }

    /// Merges `status` into the status, as somebody who may.
    async fn write_status(&self, name: &str, status: &Value) -> Result<()> {
        let patch = json!({"status": status});
        self.objects.api(ROOT).patch_status(name, &PatchParams::default(), &Patch::Merge(&patch)).await?;
        Ok(())
    }

    /// Asks for a refresh.
    async fn refresh(&self, name: &str, wish: &str) -> Result<()> {
        let annotation = format!("trustwright.dev/refresh={wish}");
        self.control_plane.kubectl(&["annotate", "--overwrite", "trustroot", name, &annotation]).await?;
        Ok(())
    }

    async fn delete(&self, name: &str) -> Result<()> {
        self.control_plane.kubectl(&["delete", "trustroot", name]).await?;
        Ok(())
    }

    /// The fingerprint of what the replica has in force.
    async fn in_force(&self, name: &str) -> Result<Option<String>> {
        Ok(in_force(&self.operator.metrics().await?, name))
    }

    /// Waits until the replica has this in force.
    async fn in_force_is(&self, name: &str, fingerprint: Option<&str>) -> Result<()> {
        in_force_is(self.operator, name, fingerprint).await
    }

    /// Waits until so many events with this reason were told of the object.
    async fn told(&self, name: &str, reason: &str, count: u64) -> Result<()> {
        eventually(&format!("{count} events {reason} of {name}"), SOON, async || {
            let events = self.events(name, reason).await?;
            ensure!(events == count, "{events}");
            Ok(())
        })
        .await
    }

    /// How many events with this reason the object has; repeated ones are counted.
    async fn events(&self, name: &str, reason: &str) -> Result<u64> {
        let selector = format!("involvedObject.kind=TrustRoot,involvedObject.name={name},reason={reason}");
        let args = ["get", "events", "-n", "default", "--field-selector", &selector, "-o", "json"];
        let events: Value = serde_json::from_str(&self.control_plane.kubectl(&args).await?.stdout)?;
        let events = events["items"].as_array().context("no items")?;
        Ok(events.iter().map(|event| event["series"]["count"].as_u64().unwrap_or(1)).sum())
    }
}

fn in_force(metrics: &str, name: &str) -> Option<String> {
    let start = format!("trustwright_webhook_trustroot_info{{trustroot=\"{name}\",fingerprint=\"");
    let found = metrics.lines().find_map(|line| line.strip_prefix(&start))?;
    found.split('"').next().map(str::to_owned)
}

async fn in_force_is(operator: &Operator, name: &str, fingerprint: Option<&str>) -> Result<()> {
    eventually(&format!("{name} in force as {fingerprint:?}"), SOON, async || {
        let found = in_force(&operator.metrics().await?, name);
        ensure!(found.as_deref() == fingerprint, "{found:?} is");
        Ok(())
    })
    .await
}

/// The value of one series, named with its labels.
async fn metric(operator: &Operator, series: &str) -> Result<Option<f64>> {
    let metrics = operator.metrics().await?;
    let value = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value.map(|value| value.parse().context("no number")).transpose()
}

fn fingerprint(object: &DynamicObject) -> &str {
    object.data["status"]["fingerprint"].as_str().unwrap_or_default()
}

fn version(object: &DynamicObject, role: &str) -> i64 {
    let roles = object.data["status"]["metadata"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = roles.iter().find(|found| found["role"] == role);
    found.and_then(|role| role["version"].as_i64()).unwrap_or_default()
}

fn has_version(object: &DynamicObject, role: &str, expected: i64) -> Result<()> {
    ensure!(version(object, role) == expected, "{role} is {}", version(object, role));
    Ok(())
}

fn is(object: &DynamicObject, type_: &str, status: &str, reason: &str) -> Result<()> {
    let found = condition(object, type_).with_context(|| format!("no condition {type_}"))?;
    ensure!(found["status"] == status && found["reason"] == reason, "{found}");
    Ok(())
}

fn revision(object: &DynamicObject) -> &str {
    object.metadata.resource_version.as_deref().unwrap_or_default()
}

/// The message of a condition.
fn message<'o>(object: &'o DynamicObject, type_: &str) -> &'o str {
    why(object, type_).1
}
