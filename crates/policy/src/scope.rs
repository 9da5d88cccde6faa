//! Which workloads a policy speaks of: `spec.match`.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use trustwright_api::v1alpha1::MatchResource;

/// What of an admitted object decides whether a policy speaks of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Workload<'a> {
    /// API group of the resource, empty for the core group.
    pub group: &'a str,
    /// API version of the resource.
    pub version: &'a str,
    /// The resource's plural name.
    pub resource: &'a str,
    /// The object's own labels (not its pod template's).
    pub labels: &'a BTreeMap<String, String>,
}

/// One compiled entry of `spec.match`.
#[derive(Debug, Clone, PartialEq)]
pub struct Scope {
    group: String,
    version: String,
    resource: String,
    requirements: Vec<Requirement>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    rule: Rule,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    DoesNotExist,
}

impl Scope {
    /// Compiles one entry. A selector that cannot be read selects every object of the entry's kind, and its
    /// problem is returned beside the scope.
    pub fn new(entry: &MatchResource) -> (Self, Option<String>) {
        let (requirements, problem) = match entry.selector.as_ref().map(requirements) {
            None => (Vec::new(), None),
            Some(Ok(requirements)) => (requirements, None),
            Some(Err(problem)) => (Vec::new(), Some(problem)),
        };
        let scope = Self {
            group: entry.group.clone(),
            version: entry.version.clone(),
            resource: entry.resource.clone(),
            requirements,
        };
        (scope, problem)
    }

    /// Whether the entry selects the workload. `version: "*"` is any version; nothing else is a wildcard.
    pub fn selects(&self, workload: &Workload<'_>) -> bool {
        self.group == workload.group
            && (self.version == workload.version || self.version == "*")
            && self.resource == workload.resource
            && self.requirements.iter().all(|requirement| requirement.holds(workload.labels))
    }
}

impl Requirement {
    /// The meaning of a label selector's requirement in Kubernetes.
    fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        match &self.rule {
            Rule::In(values) => value.is_some_and(|value| values.contains(value)),
            Rule::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
            Rule::Exists => value.is_some(),
            Rule::DoesNotExist => value.is_none(),
        }
    }
}

fn requirements(selector: &LabelSelector) -> Result<Vec<Requirement>, String> {
    let equal = selector
        .match_labels
        .iter()
        .flatten()
        .map(|(key, value)| Ok(Requirement { key: key.clone(), rule: Rule::In(vec![value.clone()]) }));
    let expressions = selector.match_expressions.iter().flatten().map(|expression| {
        let values = expression.values.clone().unwrap_or_default();
        let rule = match (expression.operator.as_str(), values.is_empty()) {
            ("In", false) => Rule::In(values),
            ("NotIn", false) => Rule::NotIn(values),
            ("Exists", true) => Rule::Exists,
            ("DoesNotExist", true) => Rule::DoesNotExist,
            ("In" | "NotIn", true) => {
                return Err(format!(
                    "{:?} needs values for operator {}",
                    expression.key, expression.operator
                ));
            }
            ("Exists" | "DoesNotExist", false) => {
                return Err(format!(
                    "{:?} takes no values for operator {}",
                    expression.key, expression.operator
                ));
            }
            (operator, _) => return Err(format!("{operator:?} is not a valid label selector operator")),
        };
        Ok(Requirement { key: expression.key.clone(), rule })
    });
    equal.chain(expressions).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn scope(entry: serde_json::Value) -> (Scope, Option<String>) {
        Scope::new(&serde_json::from_value(entry).unwrap())
    }

    fn selects(
        entry: serde_json::Value,
        group: &str,
        version: &str,
        resource: &str,
        labels: &[(&str, &str)],
    ) -> bool {
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        scope(entry).0.selects(&Workload { group, version, resource, labels: &labels })
    }

    #[test]
    fn group_version_and_resource_have_to_be_the_workloads() {
        let deployments = json!({"group": "apps", "version": "v1", "resource": "deployments"});
        assert!(selects(deployments.clone(), "apps", "v1", "deployments", &[]));
        assert!(!selects(deployments.clone(), "apps", "v1", "daemonsets", &[]));
        assert!(!selects(deployments, "apps", "v2", "deployments", &[]));
        assert!(selects(json!({"version": "*", "resource": "pods"}), "", "v7", "pods", &[]));
        assert!(!selects(
            json!({"group": "apps", "version": "*", "resource": "pods"}),
            "",
            "v1",
            "pods",
            &[]
        ));
        assert!(!selects(json!({"version": "v1"}), "", "v1", "pods", &[]));
        assert!(!selects(json!({"resource": "pods"}), "", "v1", "pods", &[]));
    }

    #[test]
    fn every_operator_means_what_kubernetes_says() {
        let with = |operator: &str, values: &[&str]| {
            json!({"version": "v1", "resource": "pods", "selector":
                {"matchExpressions": [{"key": "tier", "operator": operator, "values": values}]}})
        };
        for (operator, values, labels, expected) in [
            ("In", &["a", "b"][..], &[("tier", "b")][..], true),
            ("In", &["a", "b"], &[("tier", "c")], false),
            ("In", &["a"], &[], false),
            ("NotIn", &["a"], &[("tier", "b")], true),
            ("NotIn", &["a"], &[], true),
            ("NotIn", &["a"], &[("tier", "a")], false),
            ("Exists", &[], &[("tier", "x")], true),
            ("Exists", &[], &[], false),
            ("DoesNotExist", &[], &[], true),
            ("DoesNotExist", &[], &[("tier", "x")], false),
        ] {
            assert_eq!(
                selects(with(operator, values), "", "v1", "pods", labels),
                expected,
                "{operator} {values:?}"
            );
        }
    }

    #[test]
    fn a_selector_that_cannot_be_read_selects_every_object_of_its_kind_and_says_why() {
        for (expression, problem) in [
            (json!({"key": "tier", "operator": "Near"}), "\"Near\" is not a valid label selector operator"),
            (json!({"key": "tier", "operator": "In"}), "\"tier\" needs values for operator In"),
            (
                json!({"key": "tier", "operator": "Exists", "values": ["x"]}),
                "takes no values for operator Exists",
            ),
        ] {
            let entry = json!({"version": "v1", "resource": "pods", "selector":
                {"matchLabels": {"a": "b"}, "matchExpressions": [expression]}});
            let (_, found) = scope(entry.clone());
            assert!(found.unwrap().contains(problem));
            assert!(selects(entry.clone(), "", "v1", "pods", &[]));
            assert!(!selects(entry, "apps", "v1", "deployments", &[]));
        }
    }
}
