//! Tasks of the people who build Trustwright. `make help` lists the ones that have a target.

mod bench;
mod check_deps;
mod cluster;
mod crds;
mod cue;
mod demo;
mod tools;
mod tuf;
mod up;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(about)]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Measure speed and memory of the release binary
    Bench {
        /// Which part; all where none is named
        sections: Vec<bench::Section>,
    },
    /// Hold the graph of our crates, and what they are built from, against ARCHITECTURE.md
    CheckDeps,
    /// Write the manifests of the custom resources
    Crds {
        /// Only say whether they are up to date
        #[arg(long)]
        check: bool,
    },
    /// Build the evaluator of CUE and put it beside the executables of every profile
    Cue,
    /// Tell in the terminal what Trustwright does, on a cluster of its own
    Demo,
    /// End the local cluster
    Down,
    /// Hold the local cluster until told to stop
    #[command(hide = true)]
    Hold,
    /// Build what the tests run on, and print the folder that holds it
    Tools {
        /// Which; all where none is named
        names: Vec<String>,
    },
    /// Bring up a local cluster with Trustwright in it and leave it running
    Up,
}

fn main() -> Result<()> {
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match Args::parse().task {
        Task::Bench { sections } => runtime()?.block_on(bench::run(&sections)),
        Task::CheckDeps => check_deps::run(),
        Task::Crds { check } => crds::run(check),
        Task::Cue => cue::run(),
        Task::Demo => runtime()?.block_on(demo::run()),
        Task::Down => up::down(),
        Task::Hold => runtime()?.block_on(up::hold()),
        Task::Tools { names } => {
            println!("{}", tools::run(&names)?.display());
            Ok(())
        }
        Task::Up => up::up(),
    }
}
