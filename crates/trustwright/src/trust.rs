//! `trustwright trust`: trust roots by hand, with the code that the operator uses.
//!
//! ```text
//! SOURCE ──source──> Files ────┐                      ┌─report──> inspect
//!                    Manifest ─┴──check──> Checked ───┼─pack────> pack
//!                                                     ├─minimum─> verify
//!                                                     └─diff────> diff
//! URL ──mirror──> DIR
//! ```
//!
//! The results go to stdout and remarks to stderr. Nothing is written to a cluster, and nothing is remembered but
//! what `mirror` keeps in its folder.

mod arguments;
mod check;
mod checkout;
mod diff;
pub(crate) mod files;
mod live;
mod manifest;
mod minimum;
mod mirror;
mod pack;
pub(crate) mod report;
mod role_name;
mod source;

use std::io::{self, Write as _};

use anyhow::Context as _;

use self::arguments::{Diff, Input, Inspect, Mirror, OnExpiry, Output, Pack, Terms, Verify};
use self::check::Checked;

pub(crate) use self::arguments::TrustCommand;

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
            TrustCommand::Diff(diff) => diff::run(diff).await,
            TrustCommand::Mirror(mirror) => mirror::run(mirror).await,
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
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to stdout")
        }
        _ => Ok(()),
    }
}
