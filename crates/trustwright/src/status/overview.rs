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
    /// The last refusals, the latest first; `None` where events cannot be read.
    pub(super) denials: Option<Vec<Denial>>,
}

/// One refusal, or what would have been one in a policy of mode `warn`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Denial {
    /// When it was told last.
    pub(super) time: Timestamp,
    /// `Denied` or `Warned`.
    pub(super) action: String,
    /// Whose image it was: `ReplicaSet ns/name`.
    pub(super) about: String,
    pub(super) reason: String,
    pub(super) note: String,
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

/// What the API server lists, each kind for itself.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Listed<'a> {
    pub(super) policies: &'a [Value],
    pub(super) roots: &'a [Value],
    pub(super) leases: &'a [Value],
    /// Of the webhooks; `None` where they cannot be read.
    pub(super) events: Option<&'a [Value]>,
}

/// Refusals that are shown.
const DENIALS: usize = 10;

impl Overview {
    /// Reads the objects.
    pub(super) fn of(listed: Listed<'_>, now: Timestamp) -> Self {
        let Listed { policies, roots, leases, events } = listed;
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
            denials: events.map(denials),
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

fn denials(events: &[Value]) -> Vec<Denial> {
    let mut denials: Vec<_> = events.iter().filter_map(denial).collect();
    denials.sort_by(|one, other| other.cmp(one));
    denials.truncate(DENIALS);
    denials
}

fn denial(event: &Value) -> Option<Denial> {
    let times = [&event["series"]["lastObservedTime"], &event["eventTime"]];
    let regarding = &event["regarding"];
    Some(Denial {
        time: times.into_iter().find_map(|time| time.as_str()?.parse().ok())?,
        action: text(&event["action"]),
        about: format!(
            "{} {}/{}",
            text(&regarding["kind"]),
            text(&regarding["namespace"]),
            text(&regarding["name"])
        ),
        reason: text(&event["reason"]),
        note: text(&event["note"]),
    })
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
            Listed {
                policies: &[object("p", "True", 2)],
                roots: &[object("r", "True", 2)],
                leases: std::slice::from_ref(&alive),
                events: None,
            },
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
            let listed =
                Listed { policies: &[policies], roots: &[roots], leases: &[leases], events: Some(&[]) };
            let overview = Overview::of(listed, at(NOW));
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
        let overview = Overview::of(Listed { roots: &[root], ..Listed::default() }, at(NOW));
        assert_eq!(
            overview.trust_roots[0].warnings,
            ["Expired=True: ExpiredKept: root expired", "Refreshed=False: MirrorUnavailable: away"]
        );
        assert_eq!(overview.dependents[0].workload, "Deployment n/d");
    }

    #[test]
    fn the_last_denials_come_first_by_when_they_were_told_last_and_there_is_an_end_to_them() {
        let event = |name: &str, time: &str, last: Option<&str>| {
            let mut event = json!({
                "action": "Denied", "reason": "NoSignatures", "note": "none", "eventTime": time,
                "regarding": {"kind": "ReplicaSet", "namespace": "n", "name": name},
            });
            if let Some(last) = last {
                event["series"] = json!({"count": 2, "lastObservedTime": last});
            }
            event
        };
        let mut events: Vec<_> =
            (10..30).map(|second| event("many", &format!("2026-11-01T00:00:{second}Z"), None)).collect();
        events.push(event("again", "2026-10-01T00:00:00Z", Some("2026-11-01T01:00:00Z")));
        let overview = Overview::of(Listed { events: Some(&events), ..Listed::default() }, at(NOW));
        let denials = overview.denials.unwrap();
        assert_eq!(denials.len(), DENIALS);
        assert_eq!(denials[0].about, "ReplicaSet n/again");
        assert_eq!(denials[1].time, at("2026-11-01T00:00:29Z"));
        assert_eq!(Overview::of(Listed::default(), at(NOW)).denials, None);
    }
}
