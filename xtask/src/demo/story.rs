//! Running a command and showing it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use trustwright_testkit::operator::built_binary;
use trustwright_testkit::process::{Command, Output, eventually};
use trustwright_testkit::{ControlPlane, Image, Tool, run_dir};

use crate::cluster::Cluster;

const LIMIT: Duration = Duration::from_mins(1);
const SOON: Duration = Duration::from_secs(40);

/// The teller: where commands run, and how they look.
pub(crate) struct Story<'a> {
    cluster: &'a Cluster,
    folder: PathBuf,
    kubeconfig: PathBuf,
    chapter: Arc<AtomicU32>,
}

impl<'a> Story<'a> {
    pub(crate) fn new(cluster: &'a Cluster) -> Result<Self> {
        let (folder, kubeconfig) = (run_dir::data("demo")?, cluster.control_plane.kubeconfig());
        Ok(Self { cluster, folder, kubeconfig, chapter: Arc::default() })
    }

    /// The same story, with kubectl asking another cluster.
    pub(crate) fn elsewhere(&self, kubeconfig: PathBuf) -> Self {
        Self { cluster: self.cluster, folder: self.folder.clone(), kubeconfig, chapter: self.chapter.clone() }
    }

    /// The control plane that commands ask, unless they ask elsewhere.
    pub(crate) fn control_plane(&self) -> &ControlPlane {
        &self.cluster.control_plane
    }

    /// Where files of the story are.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn chapter(&self, title: &str) {
        let number = self.chapter.fetch_add(1, Ordering::Relaxed) + 1;
        println!("\n── {number}. {title}\n");
    }

    /// `<registry>/shop/cart:<tag>`.
    pub(crate) fn tagged(&self, tag: &str) -> String {
        format!("{}/shop/cart:{tag}", self.cluster.registry.host())
    }

    pub(crate) async fn digest(&self, tag: &str) -> Result<String> {
        self.cluster.registry.digest("shop/cart", tag).await
    }

    /// `<registry>/shop/cart@<digest>`.
    pub(crate) async fn pinned(&self, tag: &str) -> Result<String> {
        Ok(format!("{}/shop/cart@{}", self.cluster.registry.host(), self.digest(tag).await?))
    }

    /// Pushes an image whose only file names its tag.
    pub(crate) async fn push(&self, tag: &str) -> Result<()> {
        let image = self.cluster.registry.push_image("shop/cart", tag).await?;
        println!("  pushed {}\n      as {image}", self.tagged(tag));
        Ok(())
    }

    /// Pushes an image to another repository without showing it.
    pub(crate) async fn push_quietly(&self, repository: &str, tag: &str) -> Result<Image> {
        self.cluster.registry.push_image(repository, tag).await
    }

    /// Runs kubectl; it has to succeed. Returns what it printed.
    pub(crate) async fn kubectl(&self, args: &[&str]) -> Result<String> {
        let output = self.run(Tool::Kubectl, "kubectl", args, true).await?.0;
        Ok(output.stdout)
    }

    /// Runs kubectl; it has to fail. Returns its message.
    pub(crate) async fn refused(&self, args: &[&str]) -> Result<String> {
        let (output, succeeded) = self.run(Tool::Kubectl, "kubectl", args, false).await?;
        ensure!(!succeeded, "this should have been refused");
        Ok(output.stderr)
    }

    /// Runs kubectl until it succeeds, showing the last time only: a changed policy reaches the webhook a moment
    /// after its status does. Returns what it printed for people.
    pub(crate) async fn until_admitted(&self, args: &[&str]) -> Result<String> {
        let command = || self.command(Tool::Kubectl, args);
        let output = eventually("the changed policy is in force", SOON, async || {
            let (status, output) = command()?.finish(LIMIT).await?;
            ensure!(status.success(), "{}", output.stderr);
            Ok(output)
        })
        .await?;
        show("kubectl", args, &output);
        Ok(output.stderr)
    }

    /// Runs kubectl without showing it; it has to succeed. Returns what it printed.
    pub(crate) async fn quiet_kubectl(&self, args: &[&str]) -> Result<String> {
        let (status, output) = self.command(Tool::Kubectl, args)?.finish(LIMIT).await?;
        ensure!(status.success(), "kubectl failed ({status}): {}", output.stderr);
        Ok(output.stdout)
    }

    /// Everything that Trustwright counts.
    pub(crate) async fn all_metrics(&self) -> Result<String> {
        self.cluster.operator.metrics().await
    }

    /// Shows the lines of the metrics that contain `text`, as grep does: at least one. Returns them.
    pub(crate) async fn metrics(&self, text: &str) -> Result<String> {
        let metrics = self.all_metrics().await?;
        let lines: Vec<_> = metrics.lines().filter(|line| line.contains(text)).collect();
        println!("  $ curl -s {}/metrics | grep -F '{text}'", self.cluster.operator.metrics_url());
        for line in &lines {
            println!("    {line}");
        }
        ensure!(!lines.is_empty(), "no metric contains {text}");
        Ok(lines.join("\n"))
    }

    /// Fails when Trustwright is no longer the process that was started.
    pub(crate) fn check_operator(&self) -> Result<()> {
        self.cluster.operator.process().check()
    }

    pub(crate) async fn cosign(&self, args: &[&str]) -> Result<String> {
        Ok(self.run(Tool::Cosign, "cosign", args, true).await?.0.stderr)
    }

    /// Runs Trustwright's own command line and writes what it prints into the file `into`.
    pub(crate) async fn trustwright(&self, args: &[&str], into: &str) -> Result<()> {
        let (status, output) = self.command_of(built_binary("release"), args).offline().finish(LIMIT).await?;
        println!("  $ trustwright {} > {into}", args.join(" "));
        for line in output.stderr.lines() {
            println!("    {line}");
        }
        ensure!(status.success(), "trustwright failed ({status})");
        fs::write(self.folder.join(into), output.stdout).with_context(|| into.to_owned())
    }

    /// Shows what Trustwright's own command line says of the cluster; it has to succeed. Returns what it printed.
    pub(crate) async fn trustwright_says(&self, args: &[&str]) -> Result<String> {
        let (status, output) = self.command_of(built_binary("release"), args).finish(LIMIT).await?;
        show("trustwright", args, &output);
        ensure!(status.success(), "trustwright failed ({status})");
        Ok(output.stdout)
    }

    /// Writes a manifest, shows it and applies it.
    pub(crate) async fn apply(&self, name: &str, manifest: &str) -> Result<()> {
        for line in manifest.lines() {
            println!("    {line}");
        }
        println!();
        self.apply_quietly(name, manifest).await
    }

    /// Writes a manifest and applies it.
    pub(crate) async fn apply_quietly(&self, name: &str, manifest: &str) -> Result<()> {
        let path = self.folder.join(name);
        fs::write(&path, manifest).with_context(|| format!("{}", path.display()))?;
        self.kubectl(&["apply", "-f", name]).await.map(drop)
    }

    /// Waits for the service account that pods of the namespace run as.
    pub(crate) async fn service_account(&self, namespace: &str) -> Result<()> {
        let accounts =
            Api::<ServiceAccount>::namespaced(self.cluster.control_plane.client().await?, namespace);
        eventually("the namespace's service account", SOON, async || {
            Ok(accounts.get("default").await.map(drop)?)
        })
        .await
    }

    async fn run(&self, tool: Tool, name: &str, args: &[&str], must_succeed: bool) -> Result<(Output, bool)> {
        let (status, output) = self.command(tool, args)?.finish(LIMIT).await?;
        show(name, args, &output);
        ensure!(!must_succeed || status.success(), "{name} failed ({status})");
        Ok((output, status.success()))
    }

    fn command(&self, tool: Tool, args: &[&str]) -> Result<Command> {
        Ok(self.command_of(tool.path()?, args).offline())
    }

    fn command_of(&self, program: PathBuf, args: &[&str]) -> Command {
        Command::new(program)
            .args(args)
            .directory(&self.folder)
            .only_own_env()
            .env("HOME", &self.folder)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("COSIGN_PASSWORD", "")
    }
}

fn show(name: &str, args: &[&str], output: &Output) {
    let quoted: Vec<String> = args
        .iter()
        .map(|arg| {
            let plain = arg.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._:-=@,".contains(&b));
            if plain { (*arg).to_owned() } else { format!("'{arg}'") }
        })
        .collect();
    println!("  $ {name} {}", quoted.join(" "));
    for line in output.stdout.lines().chain(output.stderr.lines()) {
        println!("    {line}");
    }
}
