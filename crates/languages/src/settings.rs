//! What evaluations may cost.

use std::{env, num::NonZeroUsize, path::PathBuf, thread, time::Duration};

/// The name of the file with CUE's evaluator. `cargo xtask cue` puts it beside the executables.
pub const CUE_FILE: &str = "trustwright-cue.cwasm";

/// Where CUE's evaluator is, and what evaluations may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The file with CUE's evaluator; by default [`CUE_FILE`] beside the running executable. Without one, policies in
    /// CUE are unavailable.
    pub cue_file: Option<PathBuf>,
    /// How many evaluations in CUE run at once; by default one for each processor, and two at least. Further ones wait.
    pub cue_instances: usize,
    /// The most memory of one evaluator of CUE, in bytes; 256 MiB by default.
    pub cue_memory: usize,
    /// What an evaluator at rest may keep, in bytes: one that has grown beyond is thrown away, and the next evaluation
    /// starts another, which takes 10 ms. 64 MiB by default.
    pub cue_idle_memory: usize,
    /// How many evaluations in Rego and CEL run at once, those included that did not end in time and have not noticed
    /// yet; by default eight for each processor.
    pub threads: usize,
    /// The largest document, in bytes; 16 MiB by default.
    pub document_bytes: usize,
    /// The largest text of a policy, in bytes; 512 KiB by default. Expressions in CEL have a lower limit of their own.
    pub policy_bytes: usize,
    /// How long a text may take to compile; 5 s by default.
    pub compile_time: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            cue_file: env::current_exe().ok().and_then(|path| Some(path.parent()?.join(CUE_FILE))),
            cue_instances: processors.max(2),
            cue_memory: 256 << 20,
            cue_idle_memory: 64 << 20,
            threads: processors * 8,
            document_bytes: 16 << 20,
            policy_bytes: 512 << 10,
            compile_time: Duration::from_secs(5),
        }
    }
}
