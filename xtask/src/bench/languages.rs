//! Evaluations of policies over provenance, in each language.

use std::{
    fmt,
    hint::black_box,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use trustwright_languages::{Evaluators, Settings};
use trustwright_policy::{Answer, Language, Languages as _};

use super::table::{Limit, Table, row};

/// How many evaluations are measured.
const SAMPLES: usize = 500;
/// How many come before, so that nothing is measured that happens once.
const WARM_UP: usize = 20;
/// How long one may take.
const TIME: Duration = Duration::from_secs(5);
/// How many materials the statement has.
const MATERIALS: usize = 50;

const CUE: &str = r#"
import "list"
predicateType: "https://slsa.dev/provenance/v0.2"
predicate: {
    builder: id: =~"^https://ci.invalid/"
    buildType: "https://ci.invalid/build@v1"
    invocation: configSource: uri: =~"^git\\+https://git.invalid/"
    metadata: buildStartedOn: >"2026-01-01" & <"2027-01-01"
    materials: [...{uri: =~"^(git\\+https|pkg):", digest: [string]: =~"^[0-9a-f]+$"}] & list.MaxItems(100)
}
"#;

const REGO: &str = r#"
package sigstore
default isCompliant = false
isCompliant {
    input.predicateType == "https://slsa.dev/provenance/v0.2"
    startswith(input.predicate.builder.id, "https://ci.invalid/")
    input.predicate.buildType == "https://ci.invalid/build@v1"
    startswith(input.predicate.invocation.configSource.uri, "git+https://git.invalid/")
    count(input.predicate.materials) <= 100
    count([m | m := input.predicate.materials[_]; not known(m)]) == 0
}
known(m) { startswith(m.uri, "git+https:"); m.digest.sha256 != "" }
known(m) { startswith(m.uri, "pkg:"); m.digest.sha256 != "" }
"#;

const CEL: &str = r#"
predicateType == "https://slsa.dev/provenance/v0.2" &&
predicate.builder.id.startsWith("https://ci.invalid/") &&
predicate.buildType == "https://ci.invalid/build@v1" &&
predicate.invocation.configSource.uri.startsWith("git+https://git.invalid/") &&
size(predicate.materials) <= 100 &&
predicate.materials.all(m, (m.uri.startsWith("git+https:") || m.uri.startsWith("pkg:")) && m.digest.sha256 != "")
"#;

pub(crate) fn run(table: &mut Table) -> Result<()> {
    let start = Instant::now();
    let evaluators = Evaluators::start(Settings::default());
    if let Some(problem) = evaluators.cue_problem() {
        anyhow::bail!("{problem}: run make cue");
    }
    row("load the evaluator of CUE", Milliseconds(start.elapsed()));
    let (good, bad) =
        (statement("https://ci.invalid/builder@v1"), statement("https://evil.invalid/builder@v1"));
    let cases =
        [(Language::Cue, CUE, Some(6.0)), (Language::Rego, REGO, Some(0.5)), (Language::Cel, CEL, None)];
    for (language, policy, most) in cases {
        let name = language.as_str();
        let start = Instant::now();
        let program =
            evaluators.compile(language, policy).with_context(|| format!("{name} does not compile"))?;
        row(&format!("compile a policy in {name}, first one"), Milliseconds(start.elapsed()));
        // What admits everything is fast as well.
        let refused = program.evaluate(&bad, TIME);
        ensure!(matches!(refused, Answer::Refused(_)), "{name}: a bad statement is {refused:?}");
        let mut times = Vec::with_capacity(SAMPLES);
        for index in 0..WARM_UP + SAMPLES {
            let start = Instant::now();
            let answer = program.evaluate(black_box(&good), TIME);
            let time = start.elapsed();
            ensure!(answer == Answer::Compliant, "{name}: a good statement is {answer:?}");
            if index >= WARM_UP {
                times.push(time);
            }
        }
        times.sort_unstable();
        let (p50, p95) = (times[SAMPLES / 2], times[SAMPLES * 95 / 100]);
        let title = format!("evaluate a policy in {name}, {MATERIALS} materials, p50");
        match most {
            Some(most) => table.hold(&title, p50.as_secs_f64() * 1e3, Limit { most, unit: "ms" }),
            None => row(&title, Milliseconds(p50)),
        }
        row(&format!("evaluate a policy in {name}, {MATERIALS} materials, p95"), Milliseconds(p95));
    }
    Ok(())
}

/// SLSA provenance with [`MATERIALS`] materials.
fn statement(builder: &str) -> Vec<u8> {
    let materials: Vec<_> = (0..MATERIALS)
        .map(|index| json!({"uri": format!("pkg:docker/library/part-{index}"), "digest": {"sha256": format!("{index:064x}")}}))
        .collect();
    json!({
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": "https://slsa.dev/provenance/v0.2",
        "subject": [{"name": "registry.invalid/app", "digest": {"sha256": format!("{:064x}", 7)}}],
        "predicate": {
            "builder": {"id": builder},
            "buildType": "https://ci.invalid/build@v1",
            "invocation": {
                "configSource": {"uri": "git+https://git.invalid/app@refs/heads/main", "entryPoint": "release.yaml"},
                "parameters": {}, "environment": {"runner": "linux", "attempt": 1},
            },
            "metadata": {
                "buildInvocationID": "1-1", "buildStartedOn": "2026-10-01T12:00:00Z", "reproducible": false,
                "completeness": {"parameters": true, "environment": false, "materials": false},
            },
            "materials": materials,
        },
    })
    .to_string()
    .into_bytes()
}

struct Milliseconds(Duration);

impl fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} ms", self.0.as_secs_f64() * 1e3)
    }
}
