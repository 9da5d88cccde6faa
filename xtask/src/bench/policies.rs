//! Many `ClusterImagePolicies`: how soon they are in force, what they take, and what a changed root means to them.

use std::{
    collections::BTreeSet,
    pin::pin,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use kube::{
    Api, Client, ResourceExt as _,
    api::{Patch, PatchParams, PostParams},
    core::{ApiResource, DynamicObject, GroupVersionKind},
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event},
    },
};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinSet};
use trustwright_testkit::{
    ControlPlane, Operator, OperatorOptions, process::eventually, tuf_repository::Repository,
};
use trustwright_trust::{from_trusted_root_json, tuf::TRUSTED_ROOT_TARGET};

use super::{
    audit::Audit,
    process::{Memory, processor_seconds},
    roots::in_force,
    table::{Limit, Table, row},
};
use crate::tuf::change;

/// How many policies with a key of their own come first, how many rest on one trust root, and how many there are at
/// the end.
const FEW: u32 = 1_000;
const KEYLESS: u32 = 1_000;
const MANY: u32 = 10_000;
/// The trust root, and how often it changes; the slowest change counts.
const ROOT: &str = "bench";
const CHANGES: usize = 3;
/// How many policies are created at once.
const AT_ONCE: usize = 16;
/// How long nothing may be written, and how long nothing has to have been written before that.
const IDLE: Duration = Duration::from_secs(30);
const QUIET: Duration = Duration::from_secs(5);
/// How long a step may take at all.
const STEP: Duration = Duration::from_mins(5);

/// Measures a process with both roles.
pub(crate) async fn run(
    control_plane: &ControlPlane,
    audit: &Audit,
    options: &OperatorOptions,
    table: &mut Table,
) -> Result<()> {
    let operator = Operator::start(control_plane, options.clone()).await?;
    let client = control_plane.client().await?;
    let mut policies = Policies::new(&client);
    let root = Root::create(&client).await?;

    let most = |most| Limit { most, unit: "s" };
    policies.grow(&operator, FEW, most(10.0), table, &key).await?;
    policies.grow(&operator, FEW + KEYLESS, most(10.0), table, &|| Ok(keyless())).await?;
    root.changes(&operator, audit, &policies, table).await?;
    idle(&operator, audit, &policies, table).await?;
    policies.grow(&operator, MANY, most(60.0), table, &key).await?;
    let memory = Memory::peak(operator.pid())?;
    let limit = Limit { most: 200.0, unit: "MiB" };
    table.hold(&format!("the most memory so far, {MANY} policies, both roles"), memory.mebibytes(), limit);
    idle(&operator, audit, &policies, table).await?;
    row("resident memory after that", Memory::read(operator.pid())?);
    let begun = Instant::now();
    policies.create(MANY, MANY + 1, &key).await?;
    policies.ready(MANY + 1).await?;
    row("one policy more, from the request to Ready", format_args!("{:.2} s", begun.elapsed().as_secs_f64()));
    Ok(())
}

/// Policies, and how many of them are ready by their status.
struct Policies {
    api: Api<DynamicObject>,
    size: u32,
    ready: watch::Receiver<usize>,
    /// Ends with this.
    _watch: JoinSet<()>,
}

impl Policies {
    fn new(client: &Client) -> Self {
        let api = api(client, "ClusterImagePolicy", "clusterimagepolicies");
        let (sender, ready) = watch::channel(0);
        let mut watch = JoinSet::new();
        watch.spawn(follow(api.clone(), sender));
        Self { api, size: 0, ready, _watch: watch }
    }

    /// Creates policies until there are `size`, each with an authority from `authority`, and waits until all are ready.
    async fn grow(
        &mut self,
        operator: &Operator,
        size: u32,
        limit: Limit,
        table: &mut Table,
        authority: &dyn Fn() -> Result<Value>,
    ) -> Result<()> {
        let (more, before) = (size - self.size, processor_seconds(operator.pid())?);
        let creating = self.create(self.size, size, authority).await?;
        let begun = Instant::now();
        self.ready(size).await?;
        let took = begun.elapsed();
        self.size = size;
        row(
            &format!("{more} ClusterImagePolicies more, created {AT_ONCE} at once"),
            format_args!(
                "{:.1} s, {:.0}/s",
                creating.as_secs_f64(),
                f64::from(more) / creating.as_secs_f64()
            ),
        );
        let name = format!("all {size} Ready, in force, after the last create's answer");
        table.hold(&name, took.as_secs_f64(), limit);
        let each = (processor_seconds(operator.pid())? - before) / f64::from(more);
        row(
            "CPU for each; resident memory",
            format_args!("{:.1} ms; {}", each * 1e3, Memory::read(operator.pid())?),
        );
        Ok(())
    }

    /// Returns how long it took from the first request to the last answer.
    async fn create(&self, from: u32, to: u32, authority: &dyn Fn() -> Result<Value>) -> Result<Duration> {
        let objects = (from..to).map(|number| policy(number, &authority()?)).collect::<Result<Vec<_>>>()?;
        let (api, params, begun) = (&self.api, PostParams::default(), Instant::now());
        stream::iter(objects.iter().map(Ok))
            .try_for_each_concurrent(AT_ONCE, |object| async {
                api.create(&params, object).await.map(drop).with_context(|| object.name_any())
            })
            .await?;
        Ok(begun.elapsed())
    }

    /// Waits until this many are ready.
    async fn ready(&self, size: u32) -> Result<()> {
        let (all, mut ready) = (usize::try_from(size)?, self.ready.clone());
        let Ok(ended) = tokio::time::timeout(STEP, ready.wait_for(|ready| *ready == all)).await else {
            bail!("of {size} policies, {} are ready after {STEP:?}", *self.ready.borrow());
        };
        ended.context("the watch ended").map(drop)
    }
}

/// Counts the policies that are ready, by a watch.
async fn follow(api: Api<DynamicObject>, count: watch::Sender<usize>) {
    let mut names = BTreeSet::new();
    let mut events = pin!(watcher::watcher(api, watcher::Config::default()).default_backoff());
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Apply(object) | Event::InitApply(object)) => {
                if is_met(&object, "Ready") {
                    names.insert(object.name_any());
                } else {
                    names.remove(&object.name_any());
                }
            }
            Ok(Event::Delete(object)) => {
                names.remove(&object.name_any());
            }
            Ok(Event::Init) => names.clear(),
            // The watch comes back by itself.
            Ok(Event::InitDone) | Err(_) => {}
        }
        count.send_if_modified(|count| std::mem::replace(count, names.len()) != names.len());
    }
}

/// Whether a condition is met, and speaks of the object as it is now.
fn is_met(object: &DynamicObject, type_: &str) -> bool {
    let generation = object.metadata.generation;
    let conditions = object.data["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|condition| {
        let is_of_now = generation.is_some() && condition["observedGeneration"].as_i64() == generation;
        is_of_now && condition["type"] == type_ && condition["status"] == "True"
    })
}

/// The trust root that keyless policies rest on.
struct Root {
    api: Api<DynamicObject>,
    /// Two trusted roots and their fingerprints, of which it has one after the other.
    forms: [(String, String); 2],
}

impl Root {
    async fn create(client: &Client) -> Result<Self> {
        let mut repository = Repository::new();
        let first = text(&repository)?;
        let loaded =
            from_trusted_root_json(first.as_bytes(), Timestamp::now()).context("the trusted root")?;
        let fingerprint = change(&mut repository)?;
        let forms = [(first, loaded.material.fingerprint().to_string()), (text(&repository)?, fingerprint)];
        let root = Self { api: api(client, "TrustRoot", "trustroots"), forms };
        let object = serde_json::from_value(json!({
            "apiVersion": "policy.sigstore.dev/v1alpha1", "kind": "TrustRoot", "metadata": {"name": ROOT},
            "spec": {"trustedRoot": {"data": root.forms[0].0}},
        }))?;
        root.api.create(&PostParams::default(), &object).await?;
        Ok(root)
    }

    /// Measures from the request that changes it until it is in force, and says so.
    async fn changes(
        &self,
        operator: &Operator,
        audit: &Audit,
        policies: &Policies,
        table: &mut Table,
    ) -> Result<()> {
        let (mut slowest, mut writes) = (Duration::ZERO, 0);
        for (text, fingerprint) in self.forms.iter().cycle().skip(1).take(CHANGES) {
            audit.quiet(QUIET, STEP).await?;
            let (mark, begun) = (audit.mark()?, Instant::now());
            let patch = json!({"spec": {"trustedRoot": {"data": text}}});
            self.api.patch(ROOT, &PatchParams::default(), &Patch::Merge(&patch)).await?;
            eventually("the change in force", STEP, async || {
                let metrics = operator.metrics().await?;
                let found = in_force(&metrics).get(ROOT).copied();
                ensure!(found == Some(fingerprint.as_str()), "{found:?} is in force");
                let object = self.api.get(ROOT).await?;
                ensure!(is_met(&object, "SignatureChecksReady"), "{}", object.data["status"]["conditions"]);
                Ok(())
            })
            .await?;
            slowest = slowest.max(begun.elapsed());
            policies.ready(policies.size).await?;
            audit.quiet(QUIET, STEP).await?;
            writes = writes.max(audit.since(mark)?.writes.len());
        }
        let name = format!("a root that {KEYLESS} policies rest on changes (slowest of {CHANGES})");
        table.hold(&name, slowest.as_secs_f64(), Limit { most: 2.0, unit: "s" });
        row("API writes for such a change, at most", writes);
        Ok(())
    }
}

/// The trusted root in a repository: what a root without TUF around it takes.
fn text(repository: &Repository) -> Result<String> {
    let file = repository.files.get(TRUSTED_ROOT_TARGET).context("no trusted root")?;
    Ok(String::from_utf8(file.clone())?)
}

/// Counts what is written while nothing changes.
async fn idle(operator: &Operator, audit: &Audit, policies: &Policies, table: &mut Table) -> Result<()> {
    audit.quiet(QUIET, STEP).await?;
    let (mark, before) = (audit.mark()?, processor_seconds(operator.pid())?);
    tokio::time::sleep(IDLE).await;
    let (asked, after) = (audit.since(mark)?, processor_seconds(operator.pid())?);
    ensure!(asked.renewals > 0, "not even the lease is in the audit log");
    for write in asked.writes.iter().take(5) {
        row("a write", write);
    }
    let (size, seconds) = (policies.size, IDLE.as_secs());
    let name = format!("{size} policies, idle {seconds} s: API writes besides {} of Leases", asked.renewals);
    table.hold(&name, f64::from(u32::try_from(asked.writes.len())?), Limit { most: 0.0, unit: "writes" });
    row("CPU of one core meanwhile", format_args!("{:.2} %", (after - before) / IDLE.as_secs_f64() * 1e2));
    Ok(())
}

fn api(client: &Client, kind: &str, plural: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("policy.sigstore.dev", "v1alpha1", kind);
    Api::all_with(client.clone(), &ApiResource::from_gvk_with_plural(&kind, plural))
}

fn policy(number: u32, authority: &Value) -> Result<DynamicObject> {
    Ok(serde_json::from_value(json!({
        "apiVersion": "policy.sigstore.dev/v1alpha1", "kind": "ClusterImagePolicy",
        "metadata": {"name": format!("p{number}")},
        "spec": {"images": [{"glob": format!("bench.invalid/p{number}/**")}], "authorities": [authority]},
    }))?)
}

/// An authority with a key that no other has.
fn key() -> Result<Value> {
    let pem = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?.public_key_pem();
    Ok(json!({"key": {"data": pem}}))
}

/// An authority that rests on [`ROOT`].
fn keyless() -> Value {
    let identity = json!({"issuer": "https://issuer.bench.invalid", "subject": "signer@bench.invalid"});
    json!({"keyless": {"trustRootRef": ROOT, "identities": [identity]}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_counts_for_the_generation_that_it_was_met_in() {
        let mut object = policy(1, &json!({})).unwrap();
        object.metadata.generation = Some(2);
        object.data["status"] =
            json!({"conditions": [{"type": "Ready", "status": "True", "observedGeneration": 2}]});
        assert!(is_met(&object, "Ready"));
        assert!(!is_met(&object, "Enforced"));
        object.metadata.generation = Some(3);
        assert!(!is_met(&object, "Ready"));
        object.data["status"]["conditions"][0] =
            json!({"type": "Ready", "status": "False", "observedGeneration": 3});
        assert!(!is_met(&object, "Ready"));
    }
}
