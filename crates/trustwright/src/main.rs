//! `trustwright`: the operator, the admission webhooks, or both; and images and trust roots by hand.

mod args;
mod process;
mod status;
mod trust;
mod verify;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Args, CommandLine, Task};

fn main() -> ExitCode {
    let done = match CommandLine::parse().task {
        Task::Serve(command) => process::run(&Args { command }),
        Task::Status(status) => return status::run(&status),
        Task::Verify(command) => return verify::run(&command),
        Task::Trust(command) => trust::run(&command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Also readable where logging could not be started.
            eprintln!("trustwright: {error:#}");
            ExitCode::FAILURE
        }
    }
}
