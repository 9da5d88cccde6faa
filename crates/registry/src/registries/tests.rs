use std::{fs, num::NonZeroU32, path::Path};

use super::*;

fn file(path: &Path) -> RegistriesFile {
    let config = ClientConfig { registries: Some(path.to_owned()), ..ClientConfig::default() };
    let http = wire::http(&config, Vec::new()).unwrap();
    RegistriesFile { config, http }
}

/// What a configuration says, or what is wrong with it, without the path before it.
fn read(yaml: &str) -> Result<Registries, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registries.yaml");
    fs::write(&path, yaml).unwrap();
    fs::write(folder.path().join("ca.pem"), rcgen_ca()).unwrap();
    fs::write(folder.path().join("empty.pem"), "nonsense").unwrap();
    let yaml = yaml.replace("DIR", &folder.path().display().to_string());
    fs::write(&path, yaml).unwrap();
    let file = file(&path);
    let result = file.read().and_then(|raw| file.build(&raw)).map_err(|error| error.to_string());
    result.map_err(|text| {
        let start = format!("{}: ", path.display());
        assert!(text.starts_with(&start), "{text}");
        text[start.len()..].replace(&folder.path().display().to_string(), "DIR")
    })
}

fn rcgen_ca() -> String {
    rcgen::generate_simple_self_signed(["r.example".to_owned()]).unwrap().cert.pem()
}

fn refusal(yaml: &str) -> String {
    read(yaml).err().unwrap_or_default()
}

#[test]
fn the_longest_prefix_says_where_a_repository_is_read() {
    let registries = read(
        "
repositories:
  - prefix: docker.io
    mirrors: [a.example/hub, b.example]
  - prefix: docker.io/library
    location: c.example/official
    mirrors: [d.example/official]
  - prefix: quay.io/team/app
    location: c.example/app
",
    )
    .unwrap();
    for (repository, mirrors, origin) in [
        (
            "example/app",
            &["a.example/hub/example/app", "b.example/example/app"] as &[_],
            "index.docker.io/example/app",
        ),
        ("nginx", &["d.example/official/nginx"], "c.example/official/nginx"),
        ("quay.io/team/app", &[], "c.example/app"),
        ("quay.io/team/app/x", &[], "c.example/app/x"),
        ("quay.io/team/apple", &[], "quay.io/team/apple"),
        ("ghcr.io/a/b", &[], "ghcr.io/a/b"),
    ] {
        let Routing { mirrors: found, origin: place } = registries.route(&repository.parse().unwrap());
        assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), mirrors, "{repository}");
        assert_eq!(place.unwrap().to_string(), origin);
    }
}

#[test]
fn a_host_is_spoken_to_as_its_entry_says_and_any_other_as_always() {
    let registries = read(
        "
registries:
  - {host: plain.example, plainHTTP: true}
  - {host: 10.0.0.1, plainHTTP: false, requestsPerSecond: 5}
  - {host: 'ca.example:5000', caFiles: [DIR/ca.pem, DIR/ca.pem], concurrentRequests: 3}
",
    )
    .unwrap();
    let limits = |requests_per_second, concurrent_requests| HostLimits {
        requests_per_second: NonZeroU32::new(requests_per_second).unwrap(),
        concurrent_requests: NonZeroU32::new(concurrent_requests).unwrap(),
    };
    for (url, schemes, expected) in [
        ("https://plain.example/v2/", Schemes::Http, limits(500, 64)),
        ("http://plain.example/v2/", Schemes::Http, limits(500, 64)),
        ("https://plain.example:5000/v2/", Schemes::ByAddress, limits(500, 64)),
        ("https://10.0.0.1/v2/", Schemes::Https, limits(5, 64)),
        ("https://ca.example:5000/v2/", Schemes::Https, limits(500, 3)),
        ("https://ca.example/v2/", Schemes::ByAddress, limits(500, 64)),
    ] {
        let host = registries.host(&url.parse().unwrap());
        assert_eq!((host.schemes, host.limits), (schemes, expected), "{url}");
    }
}

#[test]
fn nothing_at_all_is_a_configuration_that_changes_nothing() {
    for yaml in ["", "# nothing yet\n", "{}", "registries: []\nrepositories: []\n"] {
        let registries = read(yaml).unwrap_or_else(|error| panic!("{yaml:?}: {error}"));
        assert!(registries.routes.is_empty() && registries.hosts.is_empty());
    }
}

#[test]
fn the_example_of_the_documentation_is_one() {
    let page = include_str!("../../../../docs/registries.md");
    let example = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let registries = read(&example.replace("/etc/trustwright/registries/corp-ca.pem", "DIR/ca.pem")).unwrap();
    assert_eq!((registries.routes.len(), registries.hosts.len()), (2, 2));
    let host = registries.host(&"https://registry.lab.example:5000/".parse().unwrap());
    assert_eq!(host.schemes, Schemes::Http);
}

#[test]
fn what_is_wrong_is_told_with_its_field() {
    for (yaml, said) in [
        (
            "repositories: [{prefix: ghcr, mirrors: [m.example]}]",
            "repositories[0].prefix: \"ghcr\" is no host with an optional port and path",
        ),
        (
            "repositories: [{prefix: 'https://ghcr.io', mirrors: [m.example]}]",
            "repositories[0].prefix: \"https://ghcr.io\" is no host with an optional port and path",
        ),
        ("repositories: [{prefix: ghcr.io}]", "repositories[0]: expected a location or mirrors"),
        (
            "repositories: [{prefix: ghcr.io, mirrors: [m.example, '']}]",
            "repositories[0].mirrors[1]: \"\" is no host with an optional port and path",
        ),
        (
            "repositories: [{prefix: ghcr.io/a, location: m.example}]",
            "repositories[0].location: \"m.example\" has no path, although the prefix has one",
        ),
        (
            "repositories: [{prefix: docker.io, location: m.example}, {prefix: index.docker.io, location: n.example}]",
            "repositories[1].prefix: \"index.docker.io\" is there already",
        ),
        (
            "registries: [{host: r.example/a}]",
            "registries[0].host: \"r.example/a\" is no host with an optional port",
        ),
        (
            "registries: [{host: '*.example'}]",
            "registries[0].host: \"*.example\" is no host with an optional port",
        ),
        (
            "registries: [{host: r.example}, {host: 'r.example:443'}]",
            "registries[1].host: \"r.example:443\" is there already",
        ),
        (
            "registries: [{host: r.example, plainHTTP: true, caFiles: [DIR/ca.pem]}]",
            "registries[0].plainHTTP: expected no caFiles beside plainHTTP",
        ),
        (
            "registries: [{host: r.example, caFiles: [DIR/ca.pem, DIR/none.pem]}]",
            "registries[0].caFiles[1]: DIR/none.pem cannot be read: entity not found",
        ),
        (
            "registries: [{host: r.example, caFiles: [DIR/empty.pem]}]",
            "registries[0].caFiles[0]: DIR/empty.pem holds no certificate in PEM",
        ),
    ] {
        assert_eq!(refusal(yaml), said);
    }
    // The neighbours that are fine.
    for yaml in [
        "repositories: [{prefix: ghcr.io, mirrors: [m.example]}]",
        "repositories: [{prefix: ghcr.io/a, location: m.example/a}]",
        "registries: [{host: r.example}, {host: 'r.example:444'}]",
        "registries: [{host: r.example, plainHTTP: false, caFiles: [DIR/ca.pem]}]",
    ] {
        assert_eq!(refusal(yaml), "", "{yaml}");
    }
}

#[test]
fn a_document_of_another_form_is_told_with_its_place() {
    for (yaml, said) in [
        ("registries: [{host: r.example, insecure: true}]", "insecure"),
        ("registries: [{host: r.example, requestsPerSecond: 0}]", "nonzero"),
        ("registries: [{plainHTTP: true}]", "host"),
        ("registries: 1", "line 1"),
        ("\"\u{0}", ""),
    ] {
        let refusal = refusal(yaml);
        assert!(!refusal.is_empty() && refusal.contains(said), "{yaml}: {refusal}");
    }
    let missing = file(Path::new("/nowhere/registries.yaml")).read().err().unwrap();
    assert_eq!(missing.to_string(), "/nowhere/registries.yaml: cannot be read: entity not found");
}
