//! The command line of `trustwright verify`.

use std::time::Duration;

use clap::{Args, ValueEnum};
use jiff::SignedDuration;

use crate::args::{DefaultRootArgs, RegistryArgs};

/// What to judge, and by what.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Image by tag or digest, or oci:DIR, oci:DIR:TAG, oci:DIR@DIGEST for one of an OCI image layout, without network
    #[arg(value_name = "IMAGE")]
    pub(super) image: String,

    /// File or folder with manifests of `ClusterImagePolicy`, `TrustRoot`, Secret and `ConfigMap` (- is stdin); may be
    /// repeated. Where not given, those of the cluster of KUBECONFIG
    #[arg(short, long = "file", value_name = "FILE")]
    pub(super) files: Vec<String>,

    /// Namespace that Trustwright runs in: policies and trust roots name Secrets and `ConfigMaps` of it
    #[arg(long, env = "SYSTEM_NAMESPACE", default_value = "trustwright-system")]
    pub(super) namespace: String,

    /// Ask this policy only; may be repeated
    #[arg(long = "policy", value_name = "NAME")]
    pub(super) policies: Vec<String>,

    /// Repository that the image of an OCI image layout is taken to be of, as policies match it
    #[arg(long = "as", value_name = "REPOSITORY")]
    pub(super) named: Option<String>,

    /// Form of the output
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub(super) output: Output,

    /// Show each piece of evidence that was found, and why it counts or not
    #[arg(long)]
    pub(super) explain: bool,

    /// Longest time for everything together, such as 30s or 2m
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = duration)]
    pub(super) timeout: Duration,

    #[command(flatten)]
    pub(super) default_root: DefaultRootArgs,

    #[command(flatten)]
    pub(super) registries: RegistryArgs,
}

/// Form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration: SignedDuration = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    let duration = Duration::try_from(duration).ok().filter(|duration| !duration.is_zero());
    duration.ok_or_else(|| "expected more than nothing".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::args::{CommandLine, Task};

    use super::*;

    fn parsed(args: &[&str]) -> Result<Verify, String> {
        let args = ["trustwright", "verify"].iter().chain(args);
        let parsed = CommandLine::try_parse_from(args).map_err(|error| error.to_string())?;
        let Task::Verify(verify) = parsed.task else { panic!("another command") };
        Ok(*verify)
    }

    #[test]
    fn files_and_policies_may_be_repeated_and_a_time_is_more_than_nothing() {
        let verify =
            parsed(&["i", "-f", "a.yaml", "-f", "-", "--policy=p", "--policy=q", "--timeout=90s"]).unwrap();
        assert_eq!(
            (verify.files, verify.policies),
            (vec!["a.yaml".into(), "-".into()], vec!["p".into(), "q".into()])
        );
        assert_eq!((verify.timeout, verify.output), (Duration::from_secs(90), Output::Text));
        for (args, said) in [
            (&["i", "--timeout=0s"][..], "expected more than nothing"),
            (&["i", "--timeout=-1s"], "expected more than nothing"),
            (&["i", "--timeout=soon"], "--timeout"),
            (&["i", "-o", "yaml"], "possible values: text, json"),
            (&[], "<IMAGE>"),
        ] {
            let refused = parsed(args).unwrap_err();
            assert!(refused.contains(said), "{args:?}: {refused}");
        }
    }
}
