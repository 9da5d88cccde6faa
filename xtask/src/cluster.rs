//! A local cluster with Trustwright in it, for `make up` and `make demo`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use trustwright_testkit::operator::{NAMESPACE, built_binary};
use trustwright_testkit::{
    ControlPlane, Operator, OperatorOptions, Registry, control_plane, http::HttpServer, run_dir, tools,
    tuf_repository::Repository,
};

use crate::tuf::LASTING;

/// Everything that runs. Dropped, it is gone.
pub(crate) struct Cluster {
    pub(crate) control_plane: ControlPlane,
    pub(crate) operator: Operator,
    pub(crate) registry: Registry,
    pub(crate) plain_registry: Registry,
    /// The mirror of the default trust root.
    _mirror: Option<HttpServer>,
}

/// The trust root of policies that name none. Never the public one: nothing here reaches beyond loopback.
#[derive(Debug, Clone, Copy)]
pub(crate) enum DefaultRoot {
    /// That of a mirror on loopback.
    Mirror,
    /// None.
    Disabled,
}

impl Cluster {
    /// Starts the control plane, two registries, and the release build of Trustwright.
    pub(crate) async fn start(default_root: DefaultRoot) -> Result<Self> {
        let control_plane = ControlPlane::start(control_plane::Options::default()).await?;
        let registry = Registry::with_referrers().await?;
        let plain_registry = Registry::without_referrers().await?;
        let mut options = OperatorOptions::new(built_binary("release"));
        options.args.push("--shutdown-grace=0".into());
        let mirror = match default_root {
            DefaultRoot::Mirror => {
                let repository = Repository::new().until(LASTING);
                let root = run_dir::data("tuf-root")?.join("root.json");
                fs::write(&root, repository.first_root()).with_context(|| format!("{}", root.display()))?;
                let mirror = HttpServer::start(&repository.publish()).await?;
                options.args.push(format!("--tuf-mirror={}", mirror.url()));
                options.args.push(format!("--tuf-root={}", root.display()));
                Some(mirror)
            }
            DefaultRoot::Disabled => {
                options.args.push("--disable-tuf".into());
                None
            }
        };
        let operator = Operator::start(&control_plane, options).await?;
        Ok(Self { control_plane, operator, registry, plain_registry, _mirror: mirror })
    }

    /// Writes `kubeconfig` and `env` (shell assignments) into `folder`.
    pub(crate) fn describe(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
        let folder = fs::canonicalize(folder)?;
        let kubeconfig = folder.join("kubeconfig");
        fs::copy(self.control_plane.kubeconfig(), &kubeconfig).context("kubeconfig")?;
        let assignments = [
            ("KUBECONFIG", kubeconfig.display().to_string()),
            ("NAMESPACE", NAMESPACE.to_owned()),
            ("WEBHOOK_URL", self.operator.webhook_url()),
            ("METRICS_URL", self.operator.metrics_url()),
            ("REGISTRY", self.registry.host().to_owned()),
            ("REGISTRY_PLAIN", self.plain_registry.host().to_owned()),
            ("TOOLS", tools::dir()?.display().to_string()),
            ("PID", self.operator.pid().to_string()),
            ("LOG", self.operator.process().log().display().to_string()),
        ];
        let lines: Vec<String> =
            assignments.iter().map(|(name, value)| format!("{name}={}", quoted(value))).collect();
        // Written whole or not at all: whoever waits for the file may read it at once.
        let draft = folder.join("env.draft");
        fs::write(&draft, lines.join("\n") + "\n").context("env")?;
        fs::rename(&draft, folder.join("env")).context("env")
    }
}

/// A value as a POSIX shell reads it back.
fn quoted(value: &str) -> String {
    if value.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._:-".contains(&b)) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_quoted_where_the_shell_would_take_it_apart() {
        assert_eq!(quoted("/a/b-c.d:80"), "/a/b-c.d:80");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
