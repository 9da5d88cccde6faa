//! `trustwright`: the operator, the admission webhooks, or both.

mod args;
mod process;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let args = args::Args::parse();
    match process::run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Also readable where logging could not be started.
            eprintln!("trustwright: {error:#}");
            ExitCode::FAILURE
        }
    }
}
