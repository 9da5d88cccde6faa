//! What keeps the process from starting, and what only keeps it from being ready.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::Result;
use trustwright_testkit::{
    Operator,
    operator::{self, ca_pem},
    process::{Command, Output, free_port},
};

use super::{installed, not_ready_for, nowhere, review};
use crate::fixture::{SOON, cluster, options};

/// Runs the binary to its end, with nothing but `args`; returns whether it succeeded, and what it wrote.
async fn run(args: &[&str]) -> Result<(bool, Output)> {
    let command = Command::new(env!("CARGO_BIN_EXE_trustwright")).args(args).only_own_env();
    let (status, output) = command.env("HOME", "/nonexistent").finish(SOON).await?;
    Ok((status.success(), output))
}

#[tokio::test]
async fn help_names_the_commands_and_the_flags_of_each() -> Result<()> {
    let (succeeded, output) = run(&["--help"]).await?;
    assert!(succeeded);
    for (command, flag) in
        [("run", "--secure-port"), ("controller", "--metrics-port"), ("webhook", "--webhook-name")]
    {
        assert!(output.stdout.contains(&format!("\n  {command} ")), "{}", output.stdout);
        let (succeeded, output) = run(&[command, "--help"]).await?;
        assert!(succeeded && output.stdout.contains(flag), "{}", output.stdout);
    }
    let (succeeded, output) = run(&["walk"]).await?;
    assert!(!succeeded && output.stderr.contains("walk"), "{}", output.stderr);
    Ok(())
}

#[tokio::test]
async fn a_port_that_is_taken_ends_the_start_with_address_and_flag() -> Result<()> {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = taken.local_addr()?;
    for (flag, other) in [("--secure-port", "--metrics-port"), ("--metrics-port", "--secure-port")] {
        let (taken, free) = (format!("{flag}={}", address.port()), format!("{other}=0"));
        let (succeeded, output) = run(&["run", "--bind-address=127.0.0.1", &taken, &free]).await?;
        assert!(!succeeded);
        let said = output.stderr.lines().last().unwrap_or_default();
        assert!(
            said.contains(&address.to_string()) && said.contains(flag) && !said.contains(other),
            "{said}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn without_a_cluster_to_talk_to_the_start_ends_with_what_was_looked_for() -> Result<()> {
    let (succeeded, output) =
        run(&["run", "--bind-address=127.0.0.1", "--secure-port=0", "--metrics-port=0"]).await?;
    assert!(!succeeded);
    let said = output.stderr.lines().last().unwrap_or_default();
    assert!(
        said.starts_with("trustwright: no Kubernetes configuration (KUBECONFIG or in-cluster)"),
        "{said}"
    );
    Ok(())
}

#[tokio::test]
async fn each_half_runs_alone_and_leaves_the_others_work_to_the_other() -> Result<()> {
    let control_plane = cluster().await?.control_plane;
    let start = async |command: &str| {
        let mut options = options();
        (options.command, options.identity) = (Some(command.to_owned()), format!("trustwright-{command}"));
        Operator::spawn(control_plane, options, free_port()?).await?.ready().await
    };
    let (pem, review) = (ca_pem(control_plane).await?, review(&nowhere("halves")));
    let (elects, judges) = ("leader_election_master_status 0", "trustwright_admission_in_flight 0");

    let webhook = start("webhook").await?;
    let answer = webhook.post(&pem, "/validations", &review).await?;
    assert_eq!(answer["response"]["allowed"], false, "{answer}");
    let metrics = webhook.metrics().await?;
    assert!(metrics.contains(judges) && !metrics.contains("leader_election"), "{metrics}");

    let controller = start("controller").await?;
    assert!(controller.post(&pem, "/validations", &review).await.is_err());
    let metrics = controller.metrics().await?;
    assert!(metrics.contains(elects) && !metrics.contains("admission"), "{metrics}");
    Ok(())
}

#[tokio::test]
async fn without_its_rights_it_lives_names_what_is_forbidden_and_recovers_when_it_has_them() -> Result<()> {
    let (control_plane, port) = installed().await?;
    control_plane.kubectl(&["delete", "clusterrolebinding", "trustwright"]).await?;
    let operator = Operator::spawn(&control_plane, options(), port).await?;
    not_ready_for(&operator, &["policies not ready", "clusterimagepolicies", "forbidden"]).await?;
    operator::install(&control_plane, port).await?;
    operator.ready().await.map(drop)
}
