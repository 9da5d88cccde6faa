//! Policies in every language over documents, as the Policy Controller judges them.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, unreachable_pub)]

mod cel;
mod cue;
mod faults;
mod rego;

use std::{
    path::PathBuf,
    sync::{Arc, LazyLock},
    time::Duration,
};

use serde_json::{Value, json};
use trustwright_languages::{CUE_FILE, Evaluators, Settings};
use trustwright_policy::{Answer, CompileError, Language, Languages as _, Program};

/// Longer than any policy here needs, also where others compile at the same time.
const LIMIT: Duration = Duration::from_secs(20);

static EVALUATORS: LazyLock<Evaluators> = LazyLock::new(|| evaluators(|_| {}));

/// Evaluators with the file that `make cue` puts beside the executables; tests run one folder further in.
fn evaluators(change: impl FnOnce(&mut Settings)) -> Evaluators {
    let mut settings = Settings { cue_file: Some(cue_file()), ..Settings::default() };
    change(&mut settings);
    let evaluators = Evaluators::start(settings);
    assert_eq!(evaluators.cue_problem(), None, "run make cue");
    evaluators
}

fn cue_file() -> PathBuf {
    let executable = std::env::current_exe().unwrap();
    executable.parent().unwrap().parent().unwrap().join(CUE_FILE)
}

fn compile(language: Language, policy: &str) -> Result<Arc<dyn Program>, CompileError> {
    EVALUATORS.compile(language, policy)
}

fn judge(language: Language, policy: &str, document: &Value) -> Answer {
    let program = compile(language, policy).unwrap_or_else(|error| panic!("{error}:\n{policy}"));
    program.evaluate(document.to_string().as_bytes(), LIMIT)
}

fn refused(text: &str) -> Answer {
    Answer::Refused(text.to_owned())
}

/// A statement with SLSA provenance, as it is given to policies.
fn provenance() -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": "https://slsa.dev/provenance/v0.2",
        "subject": [{"name": "registry.invalid/app", "digest": {"sha256": "00"}}],
        "predicate": {
            "builder": {"id": "https://ci.invalid/builder@v1"},
            "buildType": "https://ci.invalid/build@v1",
            "invocation": {"configSource": {"uri": "git+https://git.invalid/app", "entryPoint": "release"}},
            "metadata": {"buildStartedOn": "2026-10-01T12:00:00Z", "reproducible": false},
            "materials": [
                {"uri": "git+https://git.invalid/app", "digest": {"sha1": "aa"}},
                {"uri": "pkg:docker/base", "digest": {"sha256": "bb"}},
            ],
        },
    })
}
