//! `cargo xtask bench`: what a person who sizes a cluster wants to know, and whether the limits that we promise hold.

mod audit;
mod cold;
mod fleet;
mod hits;
mod languages;
mod load;
mod memory;
mod micro;
mod policies;
mod process;
mod refresh;
mod roots;
mod table;
mod verify;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;
use serde_json::json;
use trustwright_testkit::{
    ControlPlane, Operator, OperatorOptions,
    operator::{built_binary, ca_pem},
    process::eventually,
};

use audit::Audit;
use process::Memory;
use table::{Table, row};

/// An image that only the policy of the benchmark speaks of, in a registry that does not exist.
const IMAGE: &str =
    "bench.invalid/a/b@sha256:0000000000000000000000000000000000000000000000000000000000000000";
/// How long a step that comes before measuring may take.
const READY: Duration = Duration::from_mins(1);
/// How long the process is left alone before its memory is read.
const IDLE: Duration = Duration::from_secs(10);
/// How long each number of connections is kept busy.
const LOAD: Duration = Duration::from_secs(5);

/// A part of the measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Section {
    /// Steps of one request and of one refresh, without a cluster
    Steps,
    /// Verification of bundles, beside the library's own
    Verify,
    /// Policies over attestations
    Languages,
    /// Requests to the webhooks
    Admission,
    /// Images that are new, beside the Policy Controller
    Cold,
    /// Many images that are remembered
    Memory,
    /// Many `TrustRoots`
    Roots,
    /// Many `ClusterImagePolicies`
    Policies,
}

/// Measures and prints these sections; all where none is named. Fails where something cannot be measured, an answer is
/// wrong, or a limit is missed.
pub(crate) async fn run(sections: &[Section]) -> Result<()> {
    let is_wanted = |section| sections.is_empty() || sections.contains(&section);
    let binary = built_binary("release");
    ensure!(binary.is_file(), "{} is missing: run make build", binary.display());
    let cores = std::thread::available_parallelism()?;
    println!("Trustwright on {cores} cores, which the load generator and the mirrors share\n");
    let mut table = Table::default();
    if is_wanted(Section::Steps) {
        micro::run()?;
        hits::run(&mut table).await?;
        refresh::run(&mut table)?;
    }
    if is_wanted(Section::Verify) {
        verify::run(&mut table)?;
    }
    if is_wanted(Section::Languages) {
        languages::run(&mut table)?;
    }
    let mut options = OperatorOptions::new(binary);
    // Nothing here reaches beyond loopback.
    options.args = vec!["--disable-tuf".into(), "--shutdown-grace=0".into()];
    // Each has a cluster of its own, so that what one leaves behind weighs on no other.
    let audit = Audit::new()?;
    let start = async || ControlPlane::start(audit.options()).await;
    if is_wanted(Section::Admission) {
        admission(&start().await?, options.clone()).await?;
    }
    if is_wanted(Section::Cold) {
        cold::run(&start().await?, options.clone(), &mut table).await?;
    }
    if is_wanted(Section::Memory) {
        memory::run(&start().await?, options.clone(), &mut table).await?;
    }
    if is_wanted(Section::Roots) {
        roots::run(&start().await?, &audit, &options, &mut table).await?;
    }
    if is_wanted(Section::Policies) {
        policies::run(&start().await?, &audit, &options, &mut table).await?;
    }
    table.finish()
}

async fn admission(control_plane: &ControlPlane, options: OperatorOptions) -> Result<()> {
    let operator = Operator::start(control_plane, options).await?;
    row("process start to ready", format_args!("{:.2} s", operator.ready_after().as_secs_f64()));
    tokio::time::sleep(IDLE).await;
    row("resident memory, idle", Memory::settled(operator.pid()).await?);

    let target = load::Target::new(operator.webhook_port(), &ca_pem(control_plane).await?, IMAGE)?;
    eventually("the policy stored", READY, async || control_plane.apply(&policy()).await.map(drop)).await?;
    eventually("the policy in force", READY, async || target.connect().await?.ask().await).await?;
    for connections in [1, 8, 32] {
        let before = admitted(&operator).await?;
        let figures = target.load(connections, LOAD).await?;
        let counted = admitted(&operator).await? - before;
        let answered = figures.answered();
        ensure!(counted == answered, "{answered} answers came, and the server counts {counted}");
        row(&format!("POST /validations, {connections} connection(s)"), figures);
    }
    row("resident memory, after that", Memory::read(operator.pid())?);
    Ok(())
}

/// The median of some durations; the later of the two in the middle.
fn median(mut durations: Vec<Duration>) -> Result<Duration> {
    durations.sort_unstable();
    durations.get(durations.len() / 2).copied().context("nothing was measured")
}

/// Admits [`IMAGE`] without asking a registry.
fn policy() -> String {
    json!({
        "apiVersion": "policy.sigstore.dev/v1alpha1", "kind": "ClusterImagePolicy", "metadata": {"name": "bench"},
        "spec": {"images": [{"glob": "bench.invalid/**"}], "authorities": [{"static": {"action": "pass"}}]},
    })
    .to_string()
}

/// How many requests the server says that it admitted.
async fn admitted(operator: &Operator) -> Result<u64> {
    let name = r#"trustwright_admission_total{endpoint="validations",decision="allow"} "#;
    let metrics = operator.metrics().await?;
    let value = metrics.lines().find_map(|line| line.strip_prefix(name));
    Ok(value.context("the server does not count requests")?.parse()?)
}
