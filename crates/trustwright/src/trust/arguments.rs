//! The command line of `trustwright trust`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use trustwright_runtime::clock;
use trustwright_trust::tuf::TRUSTED_ROOT_TARGET;

use super::manifest::object_name;
use super::minimum::{Minimum, parse};
use super::mirror::interval;

/// What to do with a trust root.
#[derive(Debug, Subcommand)]
pub(crate) enum TrustCommand {
    /// Show the roles, keys and expiries of a trust root.
    Inspect(Inspect),
    /// Verify a TUF repository and print it as a `TrustRoot` for clusters without network.
    Pack(Pack),
    /// Fail if a role has expired, or ends sooner than asked: for cron jobs and CI.
    Verify(Verify),
    /// Compare the keys and roles of two trust roots.
    Diff(Diff),
    /// Keep a folder in step with a TUF repository, for serving it over HTTP.
    Mirror(Mirror),
}

/// One trust root, and the terms of its verification.
#[derive(Debug, Args)]
pub(crate) struct Input {
    /// Folder, git checkout, .tar.gz or URL of a TUF repository, a `TrustRoot` manifest (- is stdin), or
    /// trustroot/NAME in the cluster of KUBECONFIG
    #[arg(value_name = "SOURCE")]
    pub(super) source: String,

    #[command(flatten)]
    pub(super) terms: Terms,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Terms {
    /// Time of all checks, such as 2026-08-22T00:00:00Z; now where not given
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) at: Option<Timestamp>,

    /// Name of the target with the trusted root; `trusted_root.json` where not given
    #[arg(long, value_name = "NAME")]
    pub(super) trusted_root_target: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    #[command(flatten)]
    pub(super) input: Input,

    /// The root.json that trust starts from; without it, the first one of the repository is believed
    #[arg(long, value_name = "FILE")]
    pub(super) root: Option<PathBuf>,

    /// Form of the output
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub(super) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Pack {
    #[command(flatten)]
    pub(super) input: Input,

    /// The root.json that trust starts from; it becomes part of the `TrustRoot`
    #[arg(long, value_name = "FILE")]
    pub(super) root: PathBuf,

    /// Name of the `TrustRoot`
    #[arg(long, default_value = "sigstore", value_parser = object_name)]
    pub(super) name: String,

    /// What becomes of the keys once the metadata has expired; the operator keeps them where not given
    #[arg(long, value_enum)]
    pub(super) on_expiry: Option<OnExpiry>,

    /// Pack a repository although its metadata has expired
    #[arg(long)]
    pub(super) allow_expired: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(super) input: Input,

    /// The root.json that trust starts from; without it, the first one of the repository is believed
    #[arg(long, value_name = "FILE")]
    pub(super) root: Option<PathBuf>,

    /// How long roles must still be valid, such as root=30d,timestamp=1d (units: s, m, h, d, w)
    #[arg(long, value_name = "ROLE=DURATION,...", default_value = "", value_parser = parse)]
    pub(super) min: Minimum,
}

#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// What was: any SOURCE that inspect takes
    #[arg(value_name = "A")]
    pub(super) old: String,

    /// What is
    #[arg(value_name = "B")]
    pub(super) new: String,

    #[command(flatten)]
    pub(super) terms: Terms,

    /// The root.json that trust starts from, for those of the two that are repositories
    #[arg(long, value_name = "FILE")]
    pub(super) root: Option<PathBuf>,

    /// Exit with status 1 where what is trusted differs; other versions and expiries alone do not count
    #[arg(long)]
    pub(super) exit_code: bool,

    /// Form of the output
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub(super) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Mirror {
    /// The repository to follow
    #[arg(value_name = "URL")]
    pub(super) url: String,

    /// The folder to keep, made where it is not there
    #[arg(value_name = "DIR")]
    pub(super) folder: PathBuf,

    #[command(flatten)]
    pub(super) terms: Terms,

    /// The root.json that trust starts from; the folder gets it and all later ones
    #[arg(long, value_name = "FILE")]
    pub(super) root: PathBuf,

    /// Also get every other target that the repository lists, at most 1024 of together 32 MiB
    #[arg(long)]
    pub(super) all_targets: bool,

    /// Go on until SIGTERM or SIGINT
    #[arg(long)]
    pub(super) watch: bool,

    /// How long to wait between two looks at the upstream, at least 10s (units: s, m, h, d, w)
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = interval, requires = "watch")]
    pub(super) interval: Duration,
}

/// Form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// `spec.onExpiry`, as it is written there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnExpiry {
    /// What was verified stays in force.
    #[value(name = "Keep")]
    Keep,
    /// It is taken out of force.
    #[value(name = "Reject")]
    Reject,
}

impl Terms {
    /// Name of the target with the trusted root.
    pub(super) fn target(&self) -> &str {
        self.trusted_root_target.as_deref().unwrap_or(TRUSTED_ROOT_TARGET)
    }

    pub(super) fn now(&self) -> Timestamp {
        let whole_seconds = |now: Timestamp| Timestamp::from_second(now.as_second()).unwrap_or(now);
        self.at.unwrap_or_else(|| whole_seconds(clock::now()))
    }
}

fn time(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|error| format!("not a time such as 2026-08-22T00:00:00Z: {error}"))
}
