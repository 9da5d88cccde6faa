//! A client for the test suite `theupdateframework/tuf-conformance`, over our own TUF code.
//!
//! It speaks the protocol of the suite's `CLIENT-CLI.md`: `init`, `refresh` and `download`, exit status 0 or 1.
//! The suite moves the clock with `faketime`, which must be installed:
//!
//! ```text
//! cd tuf-conformance/tuf_conformance && pytest --entrypoint "$OLDPWD/target/release/tuf-conformance-client" .
//! ```

mod http;
mod store;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::{Parser, Subcommand};
use jiff::Timestamp;
use trustwright_trust::tuf::{Floor, Limits, Request, download};

use http::Http;
use store::Store;

#[derive(Parser)]
#[command(about = "Client under test of tuf-conformance")]
struct Args {
    /// Where trusted metadata is kept.
    #[arg(long)]
    metadata_dir: PathBuf,
    /// Where the repository's metadata is served.
    #[arg(long)]
    metadata_url: Option<String>,
    /// A target to download; may be repeated.
    #[arg(long)]
    target_name: Vec<String>,
    /// Where the repository's targets are served.
    #[arg(long)]
    target_base_url: Option<String>,
    /// Where targets are put.
    #[arg(long)]
    target_dir: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Trusts a root.
    Init {
        /// File with the root.
        trusted_root: PathBuf,
    },
    /// Updates the metadata.
    Refresh,
    /// Updates the metadata and downloads targets.
    Download,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let args = Args::parse();
    let store = Store::new(args.metadata_dir.clone());
    match &args.command {
        Command::Init { trusted_root } => {
            store.init(&fs::read(trusted_root).context("failed to read the trusted root")?)
        }
        Command::Download if args.target_name.is_empty() => bail!("--target-name is missing"),
        Command::Download | Command::Refresh => update(&args, &store).await,
    }
}

/// Runs one update, and keeps what was verified whether it succeeded or not.
async fn update(args: &Args, store: &Store) -> Result<()> {
    let metadata = args.metadata_url.clone().context("--metadata-url is missing")?;
    let mirror = Http::new(metadata, args.target_base_url.clone())?;
    let (anchor, known) = store.load()?;
    let (floor, limits) = (Floor::default(), Limits::default());
    let request = Request { known: Some(&known), ..Request::new(&anchor, &floor, &limits, Timestamp::now()) };
    let names: Vec<_> = args.target_name.iter().map(String::as_str).collect();
    match download(&request, &mirror, &names).await {
        Ok(download) => {
            store.save(known, &download.archive)?;
            for (name, bytes) in &download.targets {
                let folder = args.target_dir.as_ref().context("--target-dir is missing")?;
                put(&folder.join(flat(name)), bytes)?;
            }
            Ok(())
        }
        Err(failure) => {
            store.save(known, &failure.archive)?;
            Err(failure.into())
        }
    }
}

/// Writes a target, unless it is there already: the suite looks at the time of the last change.
fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    fs::write(path, bytes).with_context(|| format!("failed to write {}", path.display()))
}

/// Returns a file name for a target that may be in folders.
fn flat(target: &str) -> String {
    target.replace('%', "%25").replace('/', "%2F")
}
