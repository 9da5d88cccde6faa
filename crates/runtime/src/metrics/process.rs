//! Memory, file descriptors and time of this process, from `/proc`.

use std::{fmt, fs};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
};

/// Clock ticks a second in `/proc`: the kernel's `USER_HZ`, 100 on every architecture that we build for.
const TICKS: f64 = 100.0;

/// Reads `/proc/self` at every scrape; what cannot be read is left out.
#[derive(Debug)]
pub(super) struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let stat = Stat::parse(&read("/proc/self/stat"));
        let status = read("/proc/self/status");
        let boot = line_value(&read("/proc/stat"), "btime").map(f64::from);
        let mut gauge = |name: &str, help: &str, value: Option<f64>| {
            let Some(gauge) = value.map(ConstGauge::new) else { return Ok(()) };
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
        };
        let kibibytes = |name| line_value(&status, name).map(|kib| f64::from(kib) * 1024.0);
        gauge("process_resident_memory_bytes", "Resident memory size in bytes.", kibibytes("VmRSS:"))?;
        gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.", kibibytes("VmSize:"))?;
        gauge("process_threads", "Number of threads.", line_value(&status, "Threads:").map(f64::from))?;
        gauge("process_open_fds", "Number of open file descriptors.", open_files())?;
        let limit = line_value(&read("/proc/self/limits"), "Max open files").map(f64::from);
        gauge("process_max_fds", "Maximum number of open file descriptors.", limit)?;
        let started = boot.zip(stat.as_ref()).map(|(boot, stat)| boot + stat.started_after_boot);
        gauge("process_start_time_seconds", "Start of the process as Unix time in seconds.", started)?;
        let Some(stat) = stat else { return Ok(()) };
        let cpu = ConstCounter::new(stat.cpu_seconds);
        let help = "Processor time, user and system, in seconds.";
        cpu.encode(encoder.encode_descriptor("process_cpu_seconds", help, None, cpu.metric_type())?)
    }
}

/// What `/proc/self/stat` tells, in seconds.
#[derive(Debug, PartialEq)]
struct Stat {
    cpu_seconds: f64,
    started_after_boot: f64,
}

impl Stat {
    /// proc(5): the second field is the command in parentheses and may hold anything, so fields are counted
    /// from the last parenthesis, after which comes field 3.
    fn parse(stat: &str) -> Option<Self> {
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
        Some(Self { cpu_seconds: (ticks(14)? + ticks(15)?) / TICKS, started_after_boot: ticks(22)? / TICKS })
    }
}

/// Returns the first number after `name` at the start of a line.
fn line_value(text: &str, name: &str) -> Option<u32> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

fn open_files() -> Option<f64> {
    // One of them is the directory that is being read.
    let count = fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1);
    u32::try_from(count).ok().map(f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_whatever_the_command_is_called() {
        let stat = "7 (a) (b c) S 1 7 7 0 -1 4194560 100 0 0 0 250 150 0 0 20 0 3 0 12345 1000 200";
        assert_eq!(Stat::parse(stat), Some(Stat { cpu_seconds: 4.0, started_after_boot: 123.45 }));
        assert_eq!(Stat::parse("7 (a S 1 7"), None);
        assert_eq!(Stat::parse("7 (a) S 1 7"), None);
    }

    #[test]
    fn numbers_are_found_by_the_start_of_their_line() {
        let limits = "Limit      Soft Limit  Hard Limit  Units\nMax open files   1024   4096   files\n";
        assert_eq!(line_value(limits, "Max open files"), Some(1024));
        assert_eq!(line_value("VmRSS:\t  2048 kB\n", "VmRSS:"), Some(2048));
        assert_eq!(line_value("VmHWM: 1 kB\n", "VmRSS:"), None);
    }
}
