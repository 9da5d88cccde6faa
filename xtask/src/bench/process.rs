//! What a process takes, as the kernel counts it.

use std::{
    fmt, fs,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};

/// Clock ticks per second in `/proc`: `USER_HZ`, 100 wherever we build.
const TICKS: u32 = 100;
/// How long memory may take to settle.
const SETTLED: Duration = Duration::from_mins(1);

/// Returns how many seconds on processors a process took so far, in user and kernel mode, with those of its ended
/// threads: `utime` and `stime` of proc(5), in steps of 10 ms.
pub(crate) fn processor_seconds(pid: u32) -> Result<f64> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).with_context(|| path.clone())?;
    ticks(&stat).map(|ticks| f64::from(ticks) / f64::from(TICKS)).with_context(|| path)
}

/// Fields 14 and 15; the second, which may hold anything, ends with the last parenthesis.
fn ticks(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    user.checked_add(system)
}

/// Resident memory of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Memory {
    kibibytes: u32,
}

impl Memory {
    /// Reads `VmRSS` (proc(5)).
    pub(crate) fn read(pid: u32) -> Result<Self> {
        Self::field(pid, "VmRSS:")
    }

    /// Reads the most that there was, `VmHWM`.
    pub(crate) fn peak(pid: u32) -> Result<Self> {
        Self::field(pid, "VmHWM:")
    }

    fn field(pid: u32, name: &str) -> Result<Self> {
        let path = format!("/proc/{pid}/status");
        let status = fs::read_to_string(&path).context(path)?;
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let line = line.with_context(|| format!("{name} is missing"))?;
        let number = line.trim().strip_suffix("kB").with_context(|| format!("{name} is not in kB"))?;
        Ok(Self { kibibytes: number.trim().parse()? })
    }

    /// Returns the memory once two readings in a row, a second apart, are the same.
    pub(crate) async fn settled(pid: u32) -> Result<Self> {
        let since = Instant::now();
        let mut before = Self::read(pid)?;
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let now = Self::read(pid)?;
            if now == before {
                return Ok(now);
            }
            ensure!(
                since.elapsed() < SETTLED,
                "the memory of process {pid} does not settle: {before}, then {now}"
            );
            before = now;
        }
    }

    pub(crate) fn mebibytes(self) -> f64 {
        f64::from(self.kibibytes) / 1024.0
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} MiB", self.mebibytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_kernel_mode_are_added_whatever_the_process_is_called() {
        let stat = "7 (a) b) R 1 7 7 0 -1 4194304 117 0 0 0 120 30 5 6 20 0 1 0 1407880 3133440";
        assert_eq!(ticks(stat), Some(150));
        assert_eq!(ticks("7 (a) R 1 7"), None);
    }
}
