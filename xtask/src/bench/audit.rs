//! What Trustwright asks the API server, by the API server's own account.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use trustwright_testkit::{control_plane, operator::NAMESPACE, process::eventually, run_dir};

/// The audit log of the requests of our service account.
pub(crate) struct Audit {
    policy: PathBuf,
    log: PathBuf,
}

/// How often something was asked.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Writes to Leases.
    pub(crate) renewals: usize,
    /// All other writes, each as its verb and resource.
    pub(crate) writes: Vec<String>,
}

impl Audit {
    pub(crate) fn new() -> Result<Self> {
        let folder = run_dir::data("audit")?;
        let (policy, log) = (folder.join("policy.json"), folder.join("audit.log"));
        let user = format!("system:serviceaccount:{NAMESPACE}:trustwright");
        let rules = json!({
            "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
            "rules": [{"level": "Metadata", "users": [user]}, {"level": "None"}],
        });
        fs::write(&policy, rules.to_string()).with_context(|| format!("{}", policy.display()))?;
        Ok(Self { policy, log })
    }

    /// What the API server has to be started with.
    pub(crate) fn options(&self) -> control_plane::Options {
        control_plane::Options::default()
            .with_apiserver_flag(format!("--audit-policy-file={}", self.policy.display()))
            .with_apiserver_flag(format!("--audit-log-path={}", self.log.display()))
            .with_apiserver_flag("--audit-log-maxsize=1024")
    }

    /// The end of the log now.
    pub(crate) fn mark(&self) -> Result<usize> {
        Ok(self.text()?.len())
    }

    /// What was asked since `mark`.
    pub(crate) fn since(&self, mark: usize) -> Result<Asked> {
        asked(self.text()?.get(mark..).context("the audit log became shorter")?)
    }

    /// Waits at most `limit` until nothing but Leases was written for `window`: events may still be under way.
    pub(crate) async fn quiet(&self, window: Duration, limit: Duration) -> Result<()> {
        eventually("nothing left to be written", limit, async || {
            let mark = self.mark()?;
            tokio::time::sleep(window).await;
            let writes = self.since(mark)?.writes;
            ensure!(writes.is_empty(), "{} writes, the first of them {:?}", writes.len(), writes.first());
            Ok(())
        })
        .await
    }

    /// The whole lines of the log.
    fn text(&self) -> Result<String> {
        let mut text = fs::read_to_string(&self.log).context("the audit log")?;
        text.truncate(text.rfind('\n').map_or(0, |end| end + 1));
        Ok(text)
    }
}

fn asked(log: &str) -> Result<Asked> {
    let mut asked = Asked::default();
    for line in log.lines() {
        let event: Value = serde_json::from_str(line).context("the audit log")?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (verb, resource) = (text(&event["verb"]), text(&event["objectRef"]["resource"]));
        match (verb.as_str(), resource.as_str()) {
            ("get" | "list" | "watch", _) => {}
            (_, "leases") => asked.renewals += 1,
            _ => asked.writes.push(format!("{verb} {resource} {}", text(&event["objectRef"]["name"]))),
        }
    }
    Ok(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_is_no_write_and_a_renewal_is_counted_apart() {
        let line = |verb, resource| json!({"verb": verb, "objectRef": {"resource": resource, "name": "n"}});
        let log = [
            line("get", "secrets"),
            line("watch", "trustroots"),
            line("patch", "leases"),
            line("patch", "trustroots"),
        ];
        let log: Vec<_> = log.iter().map(ToString::to_string).collect();
        let found = asked(&log.join("\n")).unwrap();
        assert_eq!(found, Asked { renewals: 1, writes: vec!["patch trustroots n".to_owned()] });
    }
}
