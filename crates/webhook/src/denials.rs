//! Refusals, told as Kubernetes events where people look for them: at the owner of what was refused.
//!
//! Telling is never waited for. What comes faster than it can be told is counted and left: a denial is already in the
//! answer to the API server, in the log and in the metrics.

use std::{collections::HashMap, time::Duration};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client, ResourceExt as _,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use tokio::{sync::mpsc, time::Instant};
use trustwright_core::{Decision, Finding, Reason, Verdict};

use crate::{Metrics, review::Request};

/// The `reportingController` of the events.
pub const REPORTING_CONTROLLER: &str = "trustwright-webhook";

/// Refusals that wait to be told.
const WAITING: usize = 64;
/// How long the same is not told again: a controller tries every few seconds.
const SAME: Duration = Duration::from_mins(1);
/// Different ones that are remembered for that long.
const REMEMBERED: usize = 1024;
/// Shortest time between two events: 200 a minute, whatever happens in the cluster.
const PACE: Duration = Duration::from_millis(300);
/// Longest wait for the API server to take one.
const TIMEOUT: Duration = Duration::from_secs(4);
/// Bytes of a note; the API server takes 1024.
const NOTE: usize = 1000;

/// Takes refusals, to be told by [`tell`]. Clones share one queue.
#[derive(Debug, Clone)]
pub struct Denials(mpsc::Sender<Denial>);

/// A refusal, or what would have been one in a policy of mode `warn`.
#[derive(Debug, Clone, PartialEq)]
pub struct Denial {
    about: ObjectReference,
    decision: Decision,
    reason: Reason,
    note: String,
}

/// A queue for refusals, and its end.
pub fn denials() -> (Denials, mpsc::Receiver<Denial>) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (Denials(sender), receiver)
}

impl Denials {
    /// Takes note of a verdict on a request, unless it is plain consent, or the request is a dry run: those have no
    /// side effects (admission.k8s.io/v1, `dryRun`).
    pub(crate) fn note(&self, request: &Request, verdict: &Verdict, metrics: &Metrics) {
        if request.dry_run {
            return;
        }
        let Some(denial) = Denial::of(request, verdict) else { return };
        if self.0.try_send(denial).is_err() {
            metrics.denial_not_told();
        }
    }
}

impl Denial {
    fn of(request: &Request, verdict: &Verdict) -> Option<Self> {
        let finding = match verdict {
            Verdict::Allow => return None,
            Verdict::Warn(findings) | Verdict::Deny { findings, .. } => findings.first(),
        };
        Some(Self {
            about: owner(request)?,
            decision: verdict.decision(),
            reason: finding.causes.first().reason,
            note: note(finding),
        })
    }

    fn event(&self) -> Event {
        let action = match self.decision {
            Decision::Deny => "Denied",
            Decision::Warn | Decision::Allow => "Warned",
        };
        Event {
            type_: EventType::Warning,
            reason: camel_case(self.reason.as_str()),
            note: Some(self.note.clone()),
            action: action.to_owned(),
            secondary: None,
        }
    }
}

/// A reason as events have it: `NoSignatures` for `no_signatures`.
fn camel_case(reason: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str())
    };
    reason.split('_').filter_map(word).collect()
}

/// Who is told: the controller that made the object, else the object itself, which may not come to be.
fn owner(request: &Request) -> Option<ObjectReference> {
    let object = request.object.as_ref()?;
    let namespace = request.namespace.clone().or_else(|| object.namespace());
    let owners = object.owner_references().iter();
    if let Some(owner) = owners.into_iter().find(|owner| owner.controller == Some(true)) {
        return Some(ObjectReference {
            api_version: Some(owner.api_version.clone()),
            kind: Some(owner.kind.clone()),
            name: Some(owner.name.clone()),
            uid: Some(owner.uid.clone()),
            namespace,
            ..ObjectReference::default()
        });
    }
    let kind = &request.kind;
    let api_version =
        if kind.group.is_empty() { kind.version.clone() } else { format!("{}/{}", kind.group, kind.version) };
    let generated = || object.metadata.generate_name.clone();
    let name = object.metadata.name.clone().filter(|name| !name.is_empty()).or_else(generated)?;
    Some(ObjectReference {
        api_version: Some(api_version),
        kind: Some(kind.kind.clone()),
        // A name that is still to be generated ends in a dash, which no name of an event may have before its dot.
        name: Some(name.trim_end_matches('-').to_owned()),
        uid: object.uid(),
        namespace,
        ..ObjectReference::default()
    })
}

/// Image and causes, as long as an event may be.
fn note(finding: &Finding) -> String {
    let policy = finding.policy.as_ref().map(|name| format!("policy {name}: ")).unwrap_or_default();
    let causes: Vec<&str> = finding.causes.iter().map(|cause| cause.text.as_str()).collect();
    let mut note = format!("{policy}{}: {}: {}", finding.path, finding.image, causes.join("; "));
    if note.len() > NOTE {
        let end = (0..=NOTE).rev().find(|end| note.is_char_boundary(*end)).unwrap_or_default();
        note.truncate(end);
    }
    note
}

/// Tells what comes in as events, the same about the same object once a minute. Ends when the last [`Denials`] is gone;
/// dropping the future is as good.
///
/// Needs `create` and `patch` on events in every namespace with workloads. Without, what cannot be told is logged once.
pub async fn tell(client: Client, mut incoming: mpsc::Receiver<Denial>, metrics: Metrics) {
    let reporter = Reporter { controller: REPORTING_CONTROLLER.to_owned(), instance: None };
    let recorder = Recorder::new(client, reporter);
    let mut told = Told::default();
    let mut failing = false;
    while let Some(denial) = incoming.recv().await {
        if !told.is_new(&denial, Instant::now()) {
            continue;
        }
        let (event, about) = (denial.event(), &denial.about);
        let published = tokio::time::timeout(TIMEOUT, recorder.publish(&event, about)).await;
        let error = match published {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("no answer in time".to_owned()),
        };
        if error.is_none() && failing {
            tracing::info!("Denials are told as events again");
        }
        if let Some(error) = &error {
            metrics.denial_not_told();
            if !failing {
                tracing::warn!(error, "Cannot tell of denials as events; the log and the metrics have them");
            }
        }
        failing = error.is_some();
        tokio::time::sleep(PACE).await;
    }
}

/// What was told lately.
#[derive(Debug, Default)]
struct Told(HashMap<(String, String, String, Reason), Instant>);

impl Told {
    /// Whether this was not told within the last minute; takes note of it.
    fn is_new(&mut self, denial: &Denial, now: Instant) -> bool {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let about = &denial.about;
        let key = (text(&about.kind), text(&about.namespace), text(&about.name), denial.reason);
        if self.0.len() >= REMEMBERED {
            self.0.retain(|_, then| now.duration_since(*then) < SAME);
        }
        if self.0.get(&key).is_some_and(|then| now.duration_since(*then) < SAME) {
            return false;
        }
        if self.0.len() < REMEMBERED {
            self.0.insert(key, now);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use trustwright_core::{Cause, Causes, Findings};

    use super::*;
    use crate::review;

    fn request(metadata: &Value, dry_run: bool) -> Request {
        let review = json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {
                "uid": "1", "kind": {"group": "", "version": "v1", "kind": "Pod"},
                "resource": {"group": "", "version": "v1", "resource": "pods"},
                "operation": "CREATE", "userInfo": {}, "namespace": "n", "dryRun": dry_run,
                "object": {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {}},
            },
        });
        review::decode(&serde_json::to_vec(&review).unwrap()).unwrap()
    }

    fn finding(reason: Reason, text: &str) -> Finding {
        Finding {
            policy: Some("p".into()),
            path: "spec.containers[0].image".into(),
            image: "r.example/a@sha256:00".into(),
            causes: Causes::one(Cause { authority: None, reason, text: text.into(), hint: None }),
        }
    }

    fn denied(reason: Reason) -> Verdict {
        Verdict::deny(finding(reason, "not here"))
    }

    #[test]
    fn the_controller_of_a_pod_is_told_and_else_the_object_itself() {
        let owners = json!([
            {"apiVersion": "v1", "kind": "Other", "name": "o", "uid": "0"},
            {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5f", "uid": "7", "controller": true},
        ]);
        for (metadata, kind, name, uid) in [
            (
                json!({"generateName": "web-5f-", "ownerReferences": owners}),
                "ReplicaSet",
                "web-5f",
                Some("7"),
            ),
            (json!({"name": "alone"}), "Pod", "alone", None),
            (json!({"generateName": "many-"}), "Pod", "many", None),
        ] {
            let denial = Denial::of(&request(&metadata, false), &denied(Reason::StaticFail)).unwrap();
            assert_eq!(denial.about.kind.as_deref(), Some(kind));
            assert_eq!(denial.about.name.as_deref(), Some(name));
            assert_eq!(denial.about.uid.as_deref(), uid);
            assert_eq!(denial.about.namespace.as_deref(), Some("n"));
            let event = denial.event();
            assert_eq!((event.action.as_str(), event.reason.as_str()), ("Denied", "StaticFail"));
            let note = "policy p: spec.containers[0].image: r.example/a@sha256:00: not here";
            assert_eq!(event.note.as_deref(), Some(note));
        }
    }

    #[test]
    fn consent_and_dry_runs_are_not_told_and_nothing_is_waited_for() {
        let (denials, mut incoming) = denials();
        let metrics = Metrics::register(&mut prometheus_client::registry::Registry::default());
        let plain = json!({"name": "alone"});
        denials.note(&request(&plain, false), &Verdict::Allow, &metrics);
        denials.note(&request(&plain, true), &denied(Reason::StaticFail), &metrics);
        assert!(incoming.try_recv().is_err());
        let warning = Verdict::Warn(Findings::one(finding(Reason::StaticFail, "not here")));
        denials.note(&request(&plain, false), &warning, &metrics);
        assert_eq!(incoming.try_recv().unwrap().event().action, "Warned");
        for _ in 0..2 * WAITING {
            denials.note(&request(&plain, false), &denied(Reason::StaticFail), &metrics);
        }
        assert_eq!(incoming.len(), WAITING);
    }

    #[test]
    fn the_same_is_told_once_a_minute_and_another_reason_at_once() {
        let of = |reason| Denial::of(&request(&json!({"name": "a"}), false), &denied(reason)).unwrap();
        let (mut told, start) = (Told::default(), Instant::now());
        assert!(told.is_new(&of(Reason::StaticFail), start));
        assert!(!told.is_new(&of(Reason::StaticFail), start + SAME / 2));
        assert!(told.is_new(&of(Reason::NoSignatures), start + SAME / 2));
        assert!(told.is_new(&of(Reason::StaticFail), start + SAME));
    }

    #[test]
    fn a_long_note_is_cut_between_characters() {
        let verdict = Verdict::deny(finding(Reason::StaticFail, &"ü".repeat(2 * NOTE)));
        let denial = Denial::of(&request(&json!({"name": "a"}), false), &verdict).unwrap();
        assert!(denial.note.len() <= NOTE && denial.note.len() > NOTE - 2 && denial.note.ends_with('ü'));
    }
}
