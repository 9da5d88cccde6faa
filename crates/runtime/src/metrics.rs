//! The registry of metrics, with what every process tells about itself.

mod process;

use std::fmt;

use prometheus_client::{encoding::text::encode, metrics::info::Info, registry::Registry};

/// Media type of [`Metrics::encode`]'s result.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildInfo {
    /// The release, such as `0.1.0`.
    pub version: &'static str,
    /// The commit, or `unknown`.
    pub revision: &'static str,
}

/// All metrics of the process.
#[derive(Debug)]
pub struct Metrics {
    prefix: &'static str,
    registry: Registry,
}

impl Metrics {
    /// Makes a registry with `<prefix>_build_info` and the usual `process_*` metrics, which are read from `/proc`
    /// at every scrape and are absent where there is none.
    pub fn new(prefix: &'static str, build: &BuildInfo) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(process::ProcessCollector));
        let labels = vec![("version", build.version), ("revision", build.revision)];
        registry.sub_registry_with_prefix(prefix).register("build", "What was built", Info::new(labels));
        Self { prefix, registry }
    }

    /// Returns the registry for names that are shared with other software, such as `controller_runtime_*`.
    pub fn shared(&mut self) -> &mut Registry {
        &mut self.registry
    }

    /// Returns a registry that puts `<prefix>_` before each name.
    pub fn own(&mut self) -> &mut Registry {
        self.registry.sub_registry_with_prefix(self.prefix)
    }

    /// Writes all metrics in the `OpenMetrics` text format. Fails only if a collector does.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;

    use super::*;

    #[test]
    fn own_names_are_prefixed_and_shared_ones_are_not() {
        let mut metrics = Metrics::new("trustwright", &BuildInfo { version: "1.2.3", revision: "abc" });
        let counter = Counter::<u64>::default();
        metrics.own().register("decisions", "Decisions", counter.clone());
        metrics.shared().register("workqueue_adds", "Adds", counter);
        let text = metrics.encode().unwrap();
        assert!(text.contains("trustwright_build_info{version=\"1.2.3\",revision=\"abc\"} 1\n"), "{text}");
        assert!(text.contains("\ntrustwright_decisions_total 0\n"), "{text}");
        assert!(text.contains("\nworkqueue_adds_total 0\n"), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_process_tells_about_itself() {
        let text = Metrics::new("trustwright", &BuildInfo { version: "1", revision: "2" }).encode().unwrap();
        for name in [
            "process_cpu_seconds_total",
            "process_max_fds",
            "process_open_fds",
            "process_resident_memory_bytes",
            "process_start_time_seconds",
            "process_threads",
            "process_virtual_memory_bytes",
        ] {
            assert!(text.lines().any(|line| line.starts_with(&format!("{name} "))), "{name} in {text}");
        }
    }
}
