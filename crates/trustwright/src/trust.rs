//! `trustwright trust`: trust roots by hand, with the code that the operator uses.
//!
//! ```text
//! SOURCE ──source──> Files ────┐                      ┌─report──> inspect
//!                    Manifest ─┴──check──> Checked ───┼─pack────> pack
//!                                                     └─minimum─> verify
//! ```
//!
//! The results go to stdout and remarks to stderr. Nothing is written to a cluster, and nothing is remembered.

mod check;
mod checkout;
mod files;
mod manifest;
mod minimum;
mod pack;
mod report;
mod source;

use std::io::{self, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use trustwright_runtime::clock;

use self::check::Checked;
use self::minimum::Minimum;

/// What to do with a trust root.
#[derive(Debug, Subcommand)]
pub(crate) enum TrustCommand {
    /// Show the roles, keys and expiries of a trust root.
    Inspect(Inspect),
    /// Verify a TUF repository and print it as a `TrustRoot` for clusters without network.
    Pack(Pack),
    /// Fail if a role has expired, or ends sooner than asked: for cron jobs and CI.
    Verify(Verify),
}

/// What every command reads.
#[derive(Debug, Args)]
pub(crate) struct Input {
    /// Folder, git checkout, .tar.gz or URL of a TUF repository, or a `TrustRoot` manifest (- is stdin)
    #[arg(value_name = "SOURCE")]
    source: String,

    /// Time of all checks, such as 2026-08-22T00:00:00Z; now where not given
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<Timestamp>,

    /// Name of the target with the trusted root; `trusted_root.json` where not given
    #[arg(long, value_name = "NAME")]
    trusted_root_target: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    #[command(flatten)]
    input: Input,

    /// The root.json that trust starts from; without it, the first one of the repository is believed
    #[arg(long, value_name = "FILE")]
    root: Option<PathBuf>,

    /// Form of the output
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Pack {
    #[command(flatten)]
    input: Input,

    /// The root.json that trust starts from; it becomes part of the `TrustRoot`
    #[arg(long, value_name = "FILE")]
    root: PathBuf,

    /// Name of the `TrustRoot`
    #[arg(long, default_value = "sigstore", value_parser = manifest::object_name)]
    name: String,

    /// What becomes of the keys once the metadata has expired; the operator keeps them where not given
    #[arg(long, value_enum)]
    on_expiry: Option<OnExpiry>,

    /// Pack a repository although its metadata has expired
    #[arg(long)]
    allow_expired: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    input: Input,

    /// The root.json that trust starts from; without it, the first one of the repository is believed
    #[arg(long, value_name = "FILE")]
    root: Option<PathBuf>,

    /// How long roles must still be valid, such as root=30d,timestamp=1d (units: s, m, h, d, w)
    #[arg(long, value_name = "ROLE=DURATION,...", default_value = "", value_parser = minimum::parse)]
    min: Minimum,
}

/// Form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// `spec.onExpiry`, as it is written there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OnExpiry {
    /// What was verified stays in force.
    #[value(name = "Keep")]
    Keep,
    /// It is taken out of force.
    #[value(name = "Reject")]
    Reject,
}

impl Input {
    fn now(&self) -> Timestamp {
        let whole_seconds = |now: Timestamp| Timestamp::from_second(now.as_second()).unwrap_or(now);
        self.at.unwrap_or_else(|| whole_seconds(clock::now()))
    }
}

/// Runs a command to its end.
pub(crate) fn run(command: &TrustCommand) -> anyhow::Result<()> {
    // Fails only if a provider is installed already, which is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start tokio")?;
    runtime.block_on(async {
        match command {
            TrustCommand::Inspect(inspect) => run_inspect(inspect).await,
            TrustCommand::Pack(pack) => pack::run(pack).await,
            TrustCommand::Verify(verify) => run_verify(verify).await,
        }
    })
}

async fn run_inspect(inspect: &Inspect) -> anyhow::Result<()> {
    let checked = check::run(&inspect.input, inspect.root.as_deref()).await?;
    print(&match inspect.output {
        Output::Text => report::text(&checked),
        Output::Json => report::json(&checked),
    })?;
    // Shown first, since the list says of each key why.
    checked.usable()?;
    Ok(())
}

async fn run_verify(verify: &Verify) -> anyhow::Result<()> {
    let checked = check::run(&verify.input, verify.root.as_deref()).await?;
    remark(&checked);
    checked.usable()?;
    print(&minimum::check(&checked, &verify.min)?)
}

/// Says on stderr what a reader of the result should know.
fn remark(checked: &Checked) {
    for note in &checked.notes {
        eprintln!("trustwright: {note}");
    }
}

/// Prints a result. A reader that has read enough is no failure.
fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to stdout")
        }
        _ => Ok(()),
    }
}

fn time(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|error| format!("not a time such as 2026-08-22T00:00:00Z: {error}"))
}
