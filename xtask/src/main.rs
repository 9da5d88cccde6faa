//! Tasks of the people who build Trustwright. `make help` lists the ones that have a target.

mod crds;
mod tools;

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
    /// Write the manifests of the custom resources
    Crds {
        /// Only say whether they are up to date
        #[arg(long)]
        check: bool,
    },
    /// Build what the tests run on, and print the folder that holds it
    Tools {
        /// Which; all where none is named
        names: Vec<String>,
    },
}

fn main() -> Result<()> {
    match Args::parse().task {
        Task::Crds { check } => crds::run(check),
        Task::Tools { names } => {
            println!("{}", tools::run(&names)?.display());
            Ok(())
        }
    }
}
