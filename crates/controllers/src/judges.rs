//! What other tools make of the statuses that we write, for the tables of states of both kinds.

use kube::core::DynamicObject;
use serde_json::Value;
use trustwright_testkit::argocd::{self, HealthStatus};
use trustwright_testkit::kstatus::{self, Status};

/// An object with the status that we gave it, and what kstatus should make of it.
pub(crate) struct Judged {
    pub(crate) name: String,
    pub(crate) object: DynamicObject,
    pub(crate) kstatus: Status,
}

/// Each object as it is, and just after its spec was edited.
fn current_and_edited(states: &[Judged]) -> Vec<Value> {
    let mut objects = Vec::new();
    for state in states {
        let mut edited = state.object.clone();
        edited.metadata.generation = edited.metadata.generation.map(|generation| generation + 1);
        assert!(edited.metadata.generation.is_some(), "{}: an object without a generation", state.name);
        objects.extend([&state.object, &edited].map(|object| serde_json::to_value(object).unwrap()));
    }
    objects
}

/// Fails unless kstatus reads every state as it is meant, and each as being on its way once the spec was edited.
pub(crate) fn assert_kstatus(states: &[Judged]) {
    let answers = kstatus::compute(&current_and_edited(states)).unwrap();
    assert_eq!(answers.len(), 2 * states.len());
    for (state, answers) in states.iter().zip(answers.chunks(2)) {
        assert_eq!(answers[0].status, state.kstatus, "{}: {}", state.name, answers[0].message);
        assert_eq!(answers[1].status, Status::InProgress, "{}: the spec was just edited", state.name);
    }
    // The table is worth nothing where it has one answer only.
    for kind in [Status::Current, Status::InProgress, Status::Failed] {
        assert!(states.iter().filter(|state| state.kstatus == kind).count() > 3, "{kind:?}");
    }
}

/// Fails unless Argo CD reads every state as kstatus should, and each as being on its way once the spec was edited.
pub(crate) fn assert_argo_cd(states: &[Judged]) {
    let answers = argocd::health(&current_and_edited(states)).unwrap();
    assert_eq!(answers.len(), 2 * states.len());
    for (state, answers) in states.iter().zip(answers.chunks(2)) {
        let expected = match state.kstatus {
            Status::Current => HealthStatus::Healthy,
            Status::InProgress => HealthStatus::Progressing,
            Status::Failed => HealthStatus::Degraded,
            Status::Terminating | Status::Unknown => panic!("{}: {:?}", state.name, state.kstatus),
        };
        assert_eq!(answers[0].status, expected, "{}: {}", state.name, answers[0].message);
        assert_eq!(answers[1].status, HealthStatus::Progressing, "{}: the spec was just edited", state.name);
    }
}
