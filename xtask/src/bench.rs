//! `cargo xtask bench`: what a person who sizes a cluster wants to know. Figures are printed, never judged.

mod load;
mod micro;

use std::{
    fmt, fs,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use trustwright_testkit::{
    ControlPlane, Operator, OperatorOptions, control_plane,
    operator::{built_binary, ca_pem},
    process::eventually,
};

/// An image that only the policy of the benchmark speaks of, in a registry that does not exist.
const IMAGE: &str =
    "bench.invalid/a/b@sha256:0000000000000000000000000000000000000000000000000000000000000000";
/// How long a step that comes before measuring may take.
const READY: Duration = Duration::from_mins(1);
/// How long the process is left alone before its memory is read.
const IDLE: Duration = Duration::from_secs(10);
/// How long each number of connections is kept busy.
const LOAD: Duration = Duration::from_secs(5);

/// Measures and prints. Fails where something cannot be measured or an answer is wrong, not for any figure.
pub(crate) async fn run() -> Result<()> {
    let binary = built_binary("release");
    ensure!(binary.is_file(), "{} is missing: run make build", binary.display());
    let cores = std::thread::available_parallelism()?;
    println!("Trustwright on {cores} cores, which the load generator shares\n");
    micro::run()?;

    let control_plane = ControlPlane::start(control_plane::Options::default()).await?;
    let operator = Operator::start(&control_plane, OperatorOptions::new(binary)).await?;
    row("process start to ready", format_args!("{:.2} s", operator.ready_after().as_secs_f64()));
    tokio::time::sleep(IDLE).await;
    row("resident memory, idle", idle_memory(operator.pid()).await?);

    let target = load::Target::new(operator.webhook_port(), &ca_pem(&control_plane).await?, IMAGE)?;
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

/// Resident memory of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Memory {
    kibibytes: u32,
}

impl Memory {
    /// Reads `VmRSS` (proc(5)).
    fn read(pid: u32) -> Result<Self> {
        let path = format!("/proc/{pid}/status");
        let status = fs::read_to_string(&path).context(path)?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS is missing")?;
        let number = line.trim().strip_suffix("kB").context("VmRSS is not in kB")?;
        Ok(Self { kibibytes: number.trim().parse()? })
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} MiB", f64::from(self.kibibytes) / 1024.0)
    }
}

/// The memory once two readings in a row, a second apart, are the same.
async fn idle_memory(pid: u32) -> Result<Memory> {
    let since = Instant::now();
    let mut before = Memory::read(pid)?;
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = Memory::read(pid)?;
        if now == before {
            return Ok(now);
        }
        ensure!(since.elapsed() < READY, "the memory of process {pid} does not settle: {before}, then {now}");
        before = now;
    }
}

/// Prints one line of the table.
fn row(name: &str, figure: impl fmt::Display) {
    println!("{name:<48} {figure}");
}
