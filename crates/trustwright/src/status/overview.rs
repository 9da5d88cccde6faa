//! What the objects of a cluster say about its signature checks. Pure.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use trustwright_api::names::{IN_FORCE_ANNOTATION, REPORT_SECONDS};

/// The state of signature checks in a cluster.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Overview {
    /// Whether everything is ready, and at least one webhook replica is alive.
    pub(super) ready: bool,
    pub(super) trust_roots: Vec<TrustRoot>,
    pub(super) policies: Vec<Policy>,
    pub(super) dependents: Vec<Dependent>,
    pub(super) replicas: Vec<Replica>,
}

/// One `TrustRoot`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TrustRoot {
    pub(super) name: String,
    pub(super) ready: bool,
    pub(super) reason: String,
    pub(super) message: String,
    pub(super) source: Option<String>,
    pub(super) expires: Option<String>,
    pub(super) fingerprint: Option<String>,
    /// What is wrong although it is ready: `Expired`, `Expiring`, and a `Refreshed` that is false.
    pub(super) warnings: Vec<String>,
    pub(super) policies: i64,
}

/// One `ClusterImagePolicy`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Policy {
    pub(super) name: String,
    pub(super) ready: bool,
    pub(super) mode: String,
    pub(super) reason: String,
    pub(super) message: String,
}

/// A workload that depends on a trust root.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Dependent {
    pub(super) trust_root: String,
    /// `Deployment ns/name`
    pub(super) workload: String,
    pub(super) fingerprint: Option<String>,
    pub(super) message: Option<String>,
}

/// One webhook replica.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Replica {
    pub(super) name: String,
    /// Seconds since it reported.
    pub(super) reported_seconds_ago: Option<i64>,
    pub(super) alive: bool,
    /// Digest of what it has in force.
    pub(super) in_force: String,
}

impl Overview {
    /// Reads the objects, as the API server lists them.
    pub(super) fn of(policies: &[Value], roots: &[Value], leases: &[Value], now: Timestamp) -> Self {
        let trust_roots: Vec<_> = roots.iter().map(trust_root).collect();
        let policies: Vec<_> = policies.iter().map(policy).collect();
        let replicas: Vec<_> = leases.iter().map(|lease| replica(lease, now)).collect();
        let needed = |root: &TrustRoot| root.ready || root.policies == 0;
        let ready = policies.iter().all(|policy| policy.ready)
            && trust_roots.iter().all(needed)
            && replicas.iter().any(|replica| replica.alive);
        Self {
            ready,
            dependents: roots.iter().flat_map(dependents).collect(),
            trust_roots,
            policies,
            replicas,
        }
    }

    /// Whether all signature checks work.
    pub(super) const fn is_ready(&self) -> bool {
        self.ready
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn some(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// Whether a condition of the object's present generation is met, its reason and its message.
fn condition(object: &Value, type_: &str) -> Option<(bool, String, String)> {
    let all = object["status"]["conditions"].as_array()?;
    let found = all.iter().find(|condition| condition["type"] == type_)?;
    let generation = object["metadata"]["generation"].as_i64();
    if found["observedGeneration"].as_i64().is_some_and(|observed| Some(observed) != generation) {
        return Some((false, "Outdated".into(), "the object has changed and was not looked at yet".into()));
    }
    Some((found["status"] == "True", text(&found["reason"]), text(&found["message"])))
}

fn ready(object: &Value) -> (bool, String, String) {
    let none = || (false, "NotObserved".into(), "no controller has looked at it".into());
    condition(object, "Ready").unwrap_or_else(none)
}

fn trust_root(object: &Value) -> TrustRoot {
    let (ready, reason, message) = ready(object);
    let status = &object["status"];
    let warning = |type_: &str, bad: bool| {
        let (met, reason, message) = condition(object, type_)?;
        (met == bad).then(|| format!("{type_}={}: {reason}: {message}", if met { "True" } else { "False" }))
    };
    let warnings = [("Expired", true), ("Expiring", true), ("Refreshed", false)];
    TrustRoot {
        name: text(&object["metadata"]["name"]),
        ready,
        reason,
        message,
        source: some(&status["source"]),
        expires: some(&status["expires"]),
        fingerprint: some(&status["fingerprint"]),
        warnings: warnings.into_iter().filter_map(|(type_, bad)| warning(type_, bad)).collect(),
        policies: status["usedBy"]["count"].as_i64().unwrap_or_default(),
    }
}

fn policy(object: &Value) -> Policy {
    let (ready, reason, message) = ready(object);
    let mode = some(&object["spec"]["mode"]).filter(|mode| !mode.is_empty());
    Policy {
        name: text(&object["metadata"]["name"]),
        ready,
        mode: mode.unwrap_or_else(|| "enforce".to_owned()),
        reason,
        message,
    }
}

fn dependents(root: &Value) -> Vec<Dependent> {
    let of = |dependent: &Value| Dependent {
        trust_root: text(&root["metadata"]["name"]),
        workload: format!(
            "{} {}/{}",
            text(&dependent["kind"]),
            text(&dependent["namespace"]),
            text(&dependent["name"])
        ),
        fingerprint: some(&dependent["fingerprint"]),
        message: some(&dependent["message"]),
    };
    root["status"]["dependents"].as_array().into_iter().flatten().map(of).collect()
}

fn replica(lease: &Value, now: Timestamp) -> Replica {
    let renewed: Option<Timestamp> = lease["spec"]["renewTime"].as_str().and_then(|time| time.parse().ok());
    let age = renewed.map(|renewed| now.duration_since(renewed).as_secs());
    Replica {
        name: text(&lease["spec"]["holderIdentity"]),
        reported_seconds_ago: age,
        alive: age.is_some_and(|age| u64::try_from(age).unwrap_or_default() < REPORT_SECONDS),
        in_force: text(&lease["metadata"]["annotations"][IN_FORCE_ANNOTATION]),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    fn object(name: &str, status: &str, observed: i64) -> Value {
        json!({"metadata": {"name": name, "generation": 2}, "spec": {}, "status": {"conditions": [
            {"type": "Ready", "status": status, "reason": "Why", "message": "because", "observedGeneration": observed},
        ]}})
    }

    fn lease(renewed: &str) -> Value {
        json!({"metadata": {"annotations": {"trustwright.dev/in-force": "abc"}},
            "spec": {"holderIdentity": "w0", "renewTime": renewed}})
    }

    const NOW: &str = "2026-11-01T00:00:20Z";

    #[test]
    fn checks_work_if_every_policy_and_every_needed_root_is_ready_and_a_replica_is_alive() {
        let alive = lease("2026-11-01T00:00:10.000000Z");
        let good = Overview::of(
            &[object("p", "True", 2)],
            &[object("r", "True", 2)],
            std::slice::from_ref(&alive),
            at(NOW),
        );
        assert!(good.is_ready());
        assert_eq!(good.replicas[0].reported_seconds_ago, Some(10));
        let (policy, root) = (object("p", "True", 2), object("r", "True", 2));
        let mut used = object("r", "False", 2);
        used["status"]["usedBy"] = json!({"count": 3});
        for (what, policies, roots, leases, ready) in [
            ("policy not ready", object("p", "False", 2), root.clone(), alive.clone(), false),
            ("policy of another generation", object("p", "True", 1), root.clone(), alive.clone(), false),
            ("policy without status", json!({"metadata": {"name": "p"}}), root.clone(), alive.clone(), false),
            ("root that nobody needs", policy.clone(), object("r", "False", 2), alive.clone(), true),
            ("root that is needed", policy.clone(), used, alive, false),
            ("no live replica", policy, root, lease("2026-11-01T00:00:05Z"), false),
        ] {
            let overview = Overview::of(&[policies], &[roots], &[leases], at(NOW));
            assert_eq!(overview.is_ready(), ready, "{what}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_ready_root_and_who_depends_on_it_is_shown() {
        let mut root = object("r", "True", 2);
        root["status"]["conditions"].as_array_mut().unwrap().extend([
            json!({"type": "Expired", "status": "True", "reason": "ExpiredKept", "message": "root expired"}),
            json!({"type": "Refreshed", "status": "False", "reason": "MirrorUnavailable", "message": "away"}),
        ]);
        root["status"]["dependents"] =
            json!([{"kind": "Deployment", "namespace": "n", "name": "d", "message": "forbidden"}]);
        let overview = Overview::of(&[], &[root], &[], at(NOW));
        assert_eq!(
            overview.trust_roots[0].warnings,
            ["Expired=True: ExpiredKept: root expired", "Refreshed=False: MirrorUnavailable: away"]
        );
        assert_eq!(overview.dependents[0].workload, "Deployment n/d");
    }
}
