//! Trust roots of a cluster: what polling them takes, and how fast a change is in force.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use trustwright_testkit::{
    ControlPlane, Operator, OperatorOptions,
    process::{eventually, free_port},
};

use super::{
    audit::Audit,
    fleet::Fleet,
    process::{Memory, processor_seconds},
    table::{Limit, Table, row},
};

/// How many `TrustRoots` a replica starts with, and how many are polled.
const AT_START: u32 = 100;
const POLLED: u32 = 500;
/// How often a replica is started; the slowest start counts.
const STARTS: usize = 3;
/// How long an idle process, and polling, are watched.
const IDLE: Duration = Duration::from_secs(20);
const WINDOW: Duration = Duration::from_mins(1);
/// How often a mirror is asked where nothing is said: every ten minutes, and sooner by 5 % on average.
const INTERVAL: Duration = Duration::from_secs(570);
/// How many mirrors change at once.
const CHANGED: u32 = 20;
/// How often a replica is asked what it has in force.
const LOOK: Duration = Duration::from_millis(50);
/// The most memory of a process that keeps them fresh.
const MEMORY: Limit = Limit { most: 100.0, unit: "MiB" };
/// How long a step may take that comes before measuring.
const SETUP: Duration = Duration::from_mins(3);

/// What every replica has in force.
const IN_FORCE: &str = "trustwright_webhook_trustroot_info{";

/// Measures a process with both roles, and one with the webhooks alone beside it.
pub(crate) async fn run(
    control_plane: &ControlPlane,
    audit: &Audit,
    options: &OperatorOptions,
    table: &mut Table,
) -> Result<()> {
    let operator = Operator::start(control_plane, options.clone()).await?;
    let mut fleet = Fleet::new(control_plane.client().await?);
    let idle = share(operator.pid(), IDLE).await?;
    fleet.grow(AT_START).await?;
    ready(&operator, &fleet).await?;
    fleet.fail(true);
    let replica = start(control_plane, options, table).await?;
    fleet.fail(false);

    let before = processor_seconds(operator.pid())?;
    let begun = Instant::now();
    fleet.grow(POLLED).await?;
    ready(&operator, &fleet).await?;
    let each = (processor_seconds(operator.pid())? - before) / f64::from(POLLED - AT_START);
    row(
        &format!("from no TrustRoot to {} more in force", POLLED - AT_START),
        format_args!("{:.1} s; {:.1} ms of CPU each, both roles", begun.elapsed().as_secs_f64(), each * 1e3),
    );
    // Connections that nobody needs for ten minutes are gone by then.
    tokio::time::sleep(IDLE).await;
    let memory = Memory::read(operator.pid())?;
    row(
        &format!("resident memory, {POLLED} TrustRoots every 10 min, both roles in one process"),
        format_args!("{:.1} MiB", memory.mebibytes()),
    );
    fleet.hurry().await?;
    row("status.repository of each", format_args!("{} KiB", fleet.size_in_status().await? >> 10));
    polled(&operator, &replica, audit, idle, table).await?;
    changes(&mut fleet, &replica, table).await?;
    drop((operator, replica));
    restarted(control_plane, options, &fleet, table).await
}

/// Starts anew, first the controllers alone and then both roles: everything is listed and read at once.
async fn restarted(
    control_plane: &ControlPlane,
    options: &OperatorOptions,
    fleet: &Fleet,
    table: &mut Table,
) -> Result<()> {
    let alone = OperatorOptions { command: Some("controller".to_owned()), ..options.clone() };
    let operator = Operator::spawn(control_plane, alone, free_port()?).await?.ready().await?;
    eventually("every TrustRoot read", SETUP, async || {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let refreshed = refreshed(&operator.metrics().await?)?;
        ensure!(refreshed == fleet.size(), "{refreshed} read");
        Ok(())
    })
    .await?;
    tokio::time::sleep(IDLE).await;
    let memory = Memory::read(operator.pid())?;
    table.hold(
        &format!("resident memory, controllers alone, {POLLED} TrustRoots"),
        memory.mebibytes(),
        MEMORY,
    );
    row("the most that it was", Memory::peak(operator.pid())?);
    drop(operator);

    let operator = Operator::spawn(control_plane, options.clone(), free_port()?).await?.ready().await?;
    let name = format!("start of both roles with {POLLED} TrustRoots");
    row(&name, format_args!("{:.2} s", operator.ready_after().as_secs_f64()));
    ready(&operator, fleet).await?;
    row("resident memory then", format_args!("{:.1} MiB", Memory::read(operator.pid())?.mebibytes()));
    Ok(())
}

/// Starts replicas of the webhooks while no mirror answers; returns the last.
async fn start(
    control_plane: &ControlPlane,
    options: &OperatorOptions,
    table: &mut Table,
) -> Result<Operator> {
    let mut slowest = Duration::ZERO;
    let mut last = None;
    for _ in 0..STARTS {
        drop(last.take());
        let (command, identity) = (Some("webhook".to_owned()), "trustwright-1".to_owned());
        let options = OperatorOptions { command, identity, ..options.clone() };
        let replica = Operator::spawn(control_plane, options, free_port()?).await?.ready().await?;
        let in_force = count(&replica.metrics().await?)?;
        ensure!(in_force == AT_START, "ready with {in_force} of {AT_START} TrustRoots");
        slowest = slowest.max(replica.ready_after());
        last = Some(replica);
    }
    let limit = Limit { most: 1.0, unit: "s" };
    let name = format!("webhook start, {AT_START} TrustRoots, no mirror (slowest of {STARTS})");
    table.hold(&name, slowest.as_secs_f64(), limit);
    last.context("no replica was started")
}

/// Watches while all mirrors are asked at the shortest interval, and nothing changes.
async fn polled(
    operator: &Operator,
    replica: &Operator,
    audit: &Audit,
    idle: f64,
    table: &mut Table,
) -> Result<()> {
    audit.quiet(IDLE, SETUP).await?;
    let polls = polls(&operator.metrics().await?)?;
    let (mark, begun, before) = (audit.mark()?, Instant::now(), processor_seconds(operator.pid())?);
    tokio::time::sleep(WINDOW).await;
    let (taken, elapsed) = (processor_seconds(operator.pid())? - before, begun.elapsed());
    let (memory, asked) = (Memory::read(operator.pid())?, audit.since(mark)?);
    let polls = self::polls(&operator.metrics().await?)? - polls;
    ensure!(polls > 5.0 * f64::from(POLLED), "only {polls} polls");
    ensure!(asked.renewals > 0, "not even the lease is in the audit log");

    let measured = taken / elapsed.as_secs_f64();
    let each = (measured - idle).max(0.0) * elapsed.as_secs_f64() / polls;
    row(
        &format!("{POLLED} TrustRoots polled every 10 s (CPU of one core)"),
        format_args!("{:.2} %; idle {:.2} %; {:.2} ms for each poll", measured * 1e2, idle * 1e2, each * 1e3),
    );
    let scaled = (idle + each * f64::from(POLLED) / INTERVAL.as_secs_f64()) * 1e2;
    let limit = Limit { most: 2.0, unit: "%" };
    table.hold(&format!("{POLLED} TrustRoots every 10 min, scaled from that (CPU)"), scaled, limit);
    row("resident memory while they are asked every 10 s", format_args!("{:.1} MiB", memory.mebibytes()));
    row(
        "the most that it was; the replica beside it",
        format_args!("{}; {}", Memory::peak(operator.pid())?, Memory::read(replica.pid())?),
    );
    for write in asked.writes.iter().take(5) {
        row("a write", write);
    }
    let name = format!("API writes in {} s besides {} of Leases", elapsed.as_secs(), asked.renewals);
    table.hold(&name, f64::from(u32::try_from(asked.writes.len())?), Limit { most: 0.0, unit: "writes" });
    Ok(())
}

/// Changes some mirrors at once, while all others are polled too.
async fn changes(fleet: &mut Fleet, replica: &Operator, table: &mut Table) -> Result<()> {
    let mut open = BTreeMap::new();
    for index in 0..CHANGED {
        let (name, fingerprint) = fleet.change(index * POLLED / CHANGED)?;
        open.insert(name, (fingerprint, Instant::now()));
    }
    let mut took = Vec::new();
    eventually("every change in force", SETUP, async || {
        let metrics = replica.metrics().await?;
        let in_force = in_force(&metrics);
        open.retain(|name, (fingerprint, begun)| {
            let is_open = in_force.get(name.as_str()) != Some(&fingerprint.as_str());
            if !is_open {
                took.push(begun.elapsed());
            }
            is_open
        });
        if !open.is_empty() {
            tokio::time::sleep(LOOK).await;
        }
        ensure!(open.is_empty(), "{} are not", open.len());
        Ok(())
    })
    .await?;
    took.sort();
    let (median, slowest) = (took.get(took.len() / 2).context("none")?, took.last().context("none")?);
    row(
        &format!("change on a mirror in force in a replica (median of {CHANGED})"),
        format_args!("{:.2} s, asked every 10 s", median.as_secs_f64()),
    );
    table.hold("the slowest of them", slowest.as_secs_f64(), Limit { most: 11.0, unit: "s" });
    Ok(())
}

/// Waits until every mirror was read by the controller, and all of it is in force in the same process.
async fn ready(operator: &Operator, fleet: &Fleet) -> Result<()> {
    eventually("every TrustRoot ready", SETUP, async || {
        // What is shown is long, and showing it takes from what is waited for.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let metrics = operator.metrics().await?;
        let refreshed = refreshed(&metrics)?;
        let (size, in_force) = (fleet.size(), count(&metrics)?);
        ensure!(refreshed == size && in_force == size, "of {size}, {refreshed} read, {in_force} in force");
        Ok(())
    })
    .await
}

/// What share of one core a process takes.
async fn share(pid: u32, window: Duration) -> Result<f64> {
    let (begun, before) = (Instant::now(), processor_seconds(pid)?);
    tokio::time::sleep(window).await;
    Ok((processor_seconds(pid)? - before) / begun.elapsed().as_secs_f64())
}

/// How many mirrors were read.
fn refreshed(metrics: &str) -> Result<u32> {
    let all = values(metrics, "trustwright_trustroot_refreshed{")?;
    Ok(u32::try_from(all.iter().filter(|value| **value > 0.0).count())?)
}

fn polls(metrics: &str) -> Result<f64> {
    Ok(values(metrics, r#"trustwright_trustroot_refreshes_total{result="success""#)?.iter().sum())
}

/// The values of all series that start with `prefix`.
fn values(metrics: &str, prefix: &str) -> Result<Vec<f64>> {
    let lines = metrics.lines().filter(|line| line.starts_with(prefix));
    lines
        .map(|line| line.rsplit_once(' ').and_then(|(_, value)| value.parse().ok()).context("no value"))
        .collect()
}

/// The fingerprints of the `TrustRoots` that a replica has in force.
pub(super) fn in_force(metrics: &str) -> BTreeMap<&str, &str> {
    let labels = metrics.lines().filter_map(|line| line.strip_prefix(IN_FORCE)?.split_once('}'));
    labels
        .filter_map(|(labels, _)| Some((label(labels, "trustroot")?, label(labels, "fingerprint")?)))
        .collect()
}

/// How many trust roots a replica has in force.
fn count(metrics: &str) -> Result<u32> {
    Ok(in_force(metrics).len().try_into()?)
}

fn label<'l>(labels: &'l str, name: &str) -> Option<&'l str> {
    let value = labels.split(',').find_map(|label| label.strip_prefix(name)?.strip_prefix("=\""))?;
    value.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_read_by_their_labels() {
        let metrics = "# TYPE x\ntrustwright_webhook_trustroot_info{trustroot=\"a\",fingerprint=\"sha256:1\"} 1\n\
                       trustwright_webhook_trustroot_info{trustroot=\"b\",fingerprint=\"sha256:2\"} 1\n\
                       trustwright_trustroot_refreshes_total{result=\"success\",reason=\"UpToDate\"} 7\n\
                       trustwright_trustroot_refreshes_total{result=\"failure\",reason=\"Stale\"} 5\n";
        assert_eq!(in_force(metrics), BTreeMap::from([("a", "sha256:1"), ("b", "sha256:2")]));
        assert_eq!(polls(metrics).unwrap().to_string(), "7");
        assert!(values("a{} ?", "a").is_err());
    }
}
