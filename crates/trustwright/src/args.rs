//! The command line.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use clap::{Args as ClapArgs, Parser, Subcommand};
use jiff::SignedDuration;
use url::Url;

use crate::trust::TrustCommand;

/// Image-signature admission for Kubernetes.
#[derive(Debug, Parser)]
#[command(version, about)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub(crate) task: Task,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Serve until told to stop.
    #[command(flatten)]
    Serve(Command),
    /// Look at, pack and check trust roots by hand; needs no cluster.
    #[command(subcommand)]
    Trust(TrustCommand),
}

/// What [`process`](crate::process) runs.
#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the controllers and the webhooks in one process.
    Run(Box<Serve>),
    /// Run the controllers: they write statuses and certificates, one leader at a time.
    Controller(Box<Serve>),
    /// Run the webhooks: every replica serves.
    Webhook(Box<Serve>),
}

/// Which parts run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Roles {
    pub(crate) controller: bool,
    pub(crate) webhook: bool,
}

impl Command {
    pub(crate) const fn parts(&self) -> (Roles, &Serve) {
        match self {
            Self::Run(serve) => (Roles { controller: true, webhook: true }, serve),
            Self::Controller(serve) => (Roles { controller: true, webhook: false }, serve),
            Self::Webhook(serve) => (Roles { controller: false, webhook: true }, serve),
        }
    }
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Serve {
    /// Namespace that we run in: our Secret, Lease and Service are there
    #[arg(long, env = "SYSTEM_NAMESPACE", default_value = "trustwright-system")]
    pub(crate) namespace: String,

    /// Address that the webhooks and the probes listen on
    #[arg(long, default_value = "0.0.0.0")]
    pub(crate) bind_address: IpAddr,

    /// Port of the webhooks (HTTPS)
    #[arg(long, default_value_t = 8443)]
    pub(crate) secure_port: u16,

    /// Port of /livez, /readyz and /metrics (HTTP)
    #[arg(long, default_value_t = 9090)]
    pub(crate) metrics_port: u16,

    /// Service through which the API server reaches the webhooks
    #[arg(long, default_value = "webhook")]
    pub(crate) service_name: String,

    /// Secret that holds the webhooks' certificate; made and renewed by us
    #[arg(long, default_value = "webhook-certs")]
    pub(crate) certificate_secret: String,

    /// Mutating and validating webhook configuration for workloads
    #[arg(long, default_value = "policy.sigstore.dev")]
    pub(crate) webhook_name: String,

    /// Mutating webhook configuration for our own kinds
    #[arg(long, default_value = "defaulting.clusterimagepolicy.sigstore.dev")]
    pub(crate) mutating_webhook_name: String,

    /// Validating webhook configuration for our own kinds
    #[arg(long, default_value = "validating.clusterimagepolicy.sigstore.dev")]
    pub(crate) validating_webhook_name: String,

    /// TUF mirror of the default trust root, for policies that name none
    #[arg(long, value_name = "URL", default_value = trustwright_roots::DEFAULT_MIRROR)]
    pub(crate) tuf_mirror: Url,

    /// File with the root.json that the default trust root starts from; that of Sigstore where not given
    #[arg(long, value_name = "FILE")]
    pub(crate) tuf_root: Option<PathBuf>,

    /// Have no default trust root: policies must name theirs
    #[arg(long)]
    pub(crate) disable_tuf: bool,

    /// How long before their end the TUF roles timestamp and snapshot are said to be expiring
    #[arg(long, value_name = "DURATION", default_value = "120h")]
    pub(crate) expiry_warning_online: SignedDuration,

    /// How long before their end all other TUF roles are said to be expiring
    #[arg(long, value_name = "DURATION", default_value = "720h")]
    pub(crate) expiry_warning_offline: SignedDuration,

    /// Name of this replica in the leader election
    #[arg(long, env = "POD_NAME")]
    pub(crate) identity: Option<String>,

    /// How long to go on serving after SIGTERM while clients learn that we go, in seconds
    #[arg(long, default_value = "5", value_parser = seconds)]
    pub(crate) shutdown_grace: Duration,

    /// How long requests under way may take to finish after that, in seconds
    #[arg(long, default_value = "30", value_parser = seconds)]
    pub(crate) drain_timeout: Duration,

    /// Level, or directives such as info,kube=debug
    #[arg(long, env = "TRUSTWRIGHT_LOG", default_value = "info")]
    pub(crate) log_level: String,

    /// json or text
    #[arg(long, default_value = "json")]
    pub(crate) log_format: trustwright_runtime::logs::LogFormat,
}

fn seconds(text: &str) -> Result<Duration, std::num::ParseIntError> {
    text.parse().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }
}
