//! The command line.

mod default_root;
mod registries;

use std::{collections::BTreeSet, net::IpAddr, time::Duration};

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use jiff::SignedDuration;
use trustwright_controllers::{Declared, DependentSettings};

pub(crate) use self::{default_root::DefaultRootArgs, registries::RegistryArgs};
use crate::{status::Status, trust::TrustCommand, verify::Verify};

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
    /// Show in one screen whether signature checks work; the exit status says so, too.
    Status(Status),
    /// Judge an image as the webhook does, and say why; the exit status says the verdict.
    Verify(Box<Verify>),
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

/// Who verifies images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// We do.
    Standalone,
    /// A Policy Controller beside us does; we keep its trust roots fresh.
    Companion,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Serve {
    /// Who verifies images; companion is for the controller beside a Policy Controller
    #[arg(long, value_enum, default_value = "standalone")]
    pub(crate) mode: Mode,

    /// Namespace of the Policy Controller, with --mode=companion
    #[arg(long, value_name = "NAMESPACE", default_value = "cosign-system")]
    pub(crate) policy_controller_namespace: String,

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

    #[command(flatten)]
    pub(crate) default_root: DefaultRootArgs,

    /// How long before their end the TUF roles timestamp and snapshot are said to be expiring
    #[arg(long, value_name = "DURATION", default_value = "120h")]
    pub(crate) expiry_warning_online: SignedDuration,

    /// How long before their end all other TUF roles are said to be expiring
    #[arg(long, value_name = "DURATION", default_value = "720h")]
    pub(crate) expiry_warning_offline: SignedDuration,

    #[command(flatten)]
    pub(crate) registries: RegistryArgs,

    /// Namespaces whose workloads are restarted or annotated when trust roots change, as their annotations say; none turns
    /// this off
    #[arg(long, value_name = "NAMESPACE", value_delimiter = ',')]
    pub(crate) dependents_namespaces: Vec<String>,

    /// Workload that says nothing itself: NAMESPACE/KIND/NAME=ROOTS:restart, or :annotate, where KIND is deployment,
    /// statefulset or daemonset, and ROOTS are names of trust roots with commas between them, or *; may be repeated
    #[arg(long = "dependent", value_name = "OBJECT=ROOTS:ACTION")]
    pub(crate) dependents: Vec<Declared>,

    /// Shortest time between two restarts of one workload
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = restart_interval)]
    pub(crate) dependent_restart_interval: SignedDuration,

    /// Write the fingerprint of each trust root into an annotation of its object, for those who watch it
    #[arg(long)]
    pub(crate) annotate_trust_roots: bool,

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

impl Serve {
    /// Who is told when trust changes. An object in a namespace that is not watched would never be.
    pub(crate) fn dependents(&self) -> anyhow::Result<DependentSettings> {
        let namespaces: BTreeSet<String> =
            self.dependents_namespaces.iter().filter(|name| !name.is_empty()).cloned().collect();
        for declared in &self.dependents {
            anyhow::ensure!(
                namespaces.contains(&declared.id.namespace),
                "--dependent: {declared} is in none of the namespaces of --dependents-namespaces"
            );
        }
        Ok(DependentSettings {
            namespaces: namespaces.into_iter().collect(),
            declared: self.dependents.clone(),
            restart_interval: self.dependent_restart_interval,
            annotate_trust_roots: self.annotate_trust_roots,
        })
    }
}

/// Restarts in a row within a second would be a denial of service of our own.
fn restart_interval(text: &str) -> Result<SignedDuration, String> {
    let interval: SignedDuration = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    if interval < SignedDuration::from_secs(1) {
        return Err(format!("expected 1s or more, found {interval:#}"));
    }
    Ok(interval)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    /// The settings of dependents that `controller` with these arguments has; the error is what the user reads.
    fn dependents(args: &[&str]) -> Result<DependentSettings, String> {
        let args = ["trustwright", "controller"].iter().chain(args);
        let parsed = CommandLine::try_parse_from(args).map_err(|error| error.to_string())?;
        let Task::Serve(Command::Controller(serve)) = parsed.task else { panic!("another command") };
        serve.dependents().map_err(|error| error.to_string())
    }

    #[test]
    fn dependents_are_off_unless_a_namespace_is_named() {
        assert!(dependents(&[]).unwrap().namespaces.is_empty());
        assert!(dependents(&["--dependents-namespaces="]).unwrap().namespaces.is_empty());
        assert_eq!(dependents(&["--dependents-namespaces=b,a,b"]).unwrap().namespaces, ["a", "b"]);
    }

    #[test]
    fn a_dependent_that_could_never_be_told_is_refused_at_the_start() {
        let on = "--dependents-namespaces=apps";
        let web = "--dependent=apps/deployment/web=a,b:restart";
        assert_eq!(dependents(&[on, web]).unwrap().declared.len(), 1);
        for (args, said) in [
            (vec![web], "Deployment apps/web is in none of the namespaces"),
            (vec![on, "--dependent=other/deployment/web=a:restart"], "Deployment other/web is in none"),
            (vec![on, "--dependent=apps/job/web=a:restart"], "\"job\" is none of the kinds"),
            (vec![on, "--dependent=apps/deployment/web=a:reboot"], "\"reboot\" is neither"),
            (vec![on, "--dependent-restart-interval=500ms"], "expected 1s or more"),
        ] {
            let refused = dependents(&args).unwrap_err();
            assert!(refused.contains(said), "{args:?}: {refused}");
        }
        assert!(dependents(&[on, "--dependent-restart-interval=1s"]).is_ok());
    }
}
