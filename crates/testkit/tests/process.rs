//! Nothing outlives the process that started it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use trustwright_testkit::process::{Command, eventually};

const SOON: Duration = Duration::from_secs(10);

/// Set in the process that a test starts from this same binary.
const HELPER: &str = "TRUSTWRIGHT_TESTKIT_HELPER";

fn runs(pid: u32) -> bool {
    // A zombie is dead; only its parent has not looked yet.
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

async fn gone(pid: u32) -> Result<()> {
    eventually(&format!("process {pid} gone"), SOON, async || {
        ensure!(!runs(pid), "process {pid} runs");
        Ok(())
    })
    .await
}

fn sleeper() -> Command {
    Command::new("/bin/sh").name("sleeper").args(["-c", "sleep 600 & wait"])
}

#[tokio::test]
async fn a_killed_owner_takes_its_child_along() -> Result<()> {
    if std::env::var_os(HELPER).is_some() {
        let child = sleeper().spawn()?;
        println!("\nchild {}", child.pid());
        child.wait(Duration::from_mins(10)).await?;
        return Ok(());
    }
    let mut owner = std::process::Command::new(std::env::current_exe()?)
        .args(["--exact", "a_killed_owner_takes_its_child_along", "--nocapture"])
        .env(HELPER, "1")
        .stdout(Stdio::piped())
        .spawn()?;
    let lines = BufReader::new(owner.stdout.take().context("no output")?).lines();
    let pid = lines
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("child ").and_then(|pid| pid.parse().ok()))
        .context("the helper did not name its child")?;
    assert!(runs(pid));

    owner.kill()?;
    owner.wait()?;

    gone(pid).await
}

#[tokio::test]
async fn a_dropped_process_ends_with_what_it_started() -> Result<()> {
    let child = sleeper().spawn()?;
    let pid = child.pid();
    let children = Path::new("/proc").join(format!("{pid}/task/{pid}/children"));
    let grandchild = eventually("sleep started", SOON, async || {
        let text = fs::read_to_string(&children)?;
        text.trim().parse().context("no grandchild yet")
    })
    .await?;
    drop(child);
    assert!(!runs(pid));
    gone(grandchild).await
}

#[tokio::test]
async fn an_early_end_fails_the_wait_at_once_and_quotes_the_log() -> Result<()> {
    let child = Command::new("/bin/sh").name("broken").args(["-c", "echo bad flag >&2; exit 3"]).spawn()?;
    let start = std::time::Instant::now();
    let error = child.ready::<()>(Duration::from_mins(1), async || anyhow::bail!("never")).await.unwrap_err();
    assert!(start.elapsed() < SOON);
    let text = error.to_string();
    assert!(text.contains("bad flag") && text.contains("exit status: 3"), "{text}");
    assert!(text.contains(&*child.log().to_string_lossy()), "{text}");
    Ok(())
}

#[tokio::test]
async fn a_command_with_grace_gets_to_finish() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mark = folder.path().join("mark");
    let script =
        format!("trap 'echo done >{}; exit 0' TERM; echo up; while :; do sleep 0.05; done", mark.display());
    for (grace, expected) in [(Duration::from_secs(5), true), (Duration::ZERO, false)] {
        let child = Command::new("/bin/sh").name("graceful").args(["-c", &script]).grace(grace).spawn()?;
        child
            .ready(SOON, async || {
                ensure!(child.log_tail().contains("up"), "not up");
                Ok(())
            })
            .await?;
        child.stop();
        assert_eq!(mark.exists(), expected, "with a grace of {grace:?}");
        let _ = fs::remove_file(&mark);
    }
    Ok(())
}

#[tokio::test]
async fn a_signal_reaches_the_command() -> Result<()> {
    let child = sleeper().spawn()?;
    child.signal("TERM")?;
    assert!(!child.wait(SOON).await?.success());
    Ok(())
}

#[tokio::test]
async fn output_is_returned_and_a_failure_quotes_it() -> Result<()> {
    let shell = |script: &str| Command::new("/bin/sh").name("shell").args(["-c", script]);
    let output = shell("echo out; echo err >&2").output(SOON).await?;
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("out\n", "err\n"));
    let error = shell("echo why >&2; exit 1").output(SOON).await.unwrap_err();
    assert!(error.to_string().contains("why"), "{error}");
    let error = shell("sleep 600").output(Duration::from_millis(200)).await.unwrap_err();
    assert!(format!("{error:#}").contains("still ran"), "{error:#}");
    Ok(())
}

#[tokio::test]
async fn only_own_env_hides_ours() -> Result<()> {
    let env = Command::new("/usr/bin/env").only_own_env().env("MINE", "1").output(SOON).await?.stdout;
    assert!(env.contains("MINE=1") && !env.contains("CARGO"), "{env}");
    Ok(())
}
