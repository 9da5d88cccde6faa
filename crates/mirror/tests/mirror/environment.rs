//! The environment belongs to the process, so what depends on it is tried in a process of its own.

use std::{path::Path, process::Command};

use trustwright_mirror::{Error, Mirror, MirrorConfig, Outage, Proxies, Refusal};

use super::{
    config, fail, mirror, read,
    server::{Answer, Server},
    tls::{identity, trusting},
};

/// Where the outer test tells the inner one which server there is.
const SERVER: &str = "TEST_SERVER";

/// Runs an ignored test of this file in another environment.
fn run(test: &str, environment: &[(&str, &str)]) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", &format!("environment::{test}")])
        .env_remove("no_proxy")
        .env_remove("http_proxy")
        .env_remove("SSL_CERT_DIR")
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && report.contains("1 passed"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn proxies_are_those_of_the_environment_where_they_are_wanted() {
    let proxy = Server::start(|_, _| Answer::ok("{}")).await;
    run("with_a_proxy", &[("NO_PROXY", "inside.invalid"), ("HTTP_PROXY", &proxy.url("/"))]);
    assert_eq!(proxy.targets(), ["http://tuf.invalid/timestamp.json"]);
}

#[tokio::test]
#[ignore = "run by the test above"]
async fn with_a_proxy() {
    let proxied =
        |base| Mirror::new(&MirrorConfig { proxies: Proxies::Environment, ..config(base) }).unwrap();
    assert_eq!(read(&proxied("http://tuf.invalid/")).await.unwrap().unwrap(), "{}");
    for direct in [proxied("http://inside.invalid/"), mirror("http://tuf.invalid/")] {
        let error = fail(&direct).await;
        assert!(matches!(error, Error::Unreachable { outage: Outage::Dns, .. }), "{error}");
    }
    let error = fail(&proxied("http://169.254.169.254/")).await;
    assert!(matches!(error, Error::Refused { refusal: Refusal::LinkLocal, .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_takes_the_place_of_the_platforms_authorities() {
    let (root, tls) = identity("127.0.0.1");
    let server = Server::start_with(Some(tls), |_, _| Answer::ok("{}")).await;
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("platform-{}.pem", std::process::id()));
    std::fs::write(&file, root).unwrap();
    run("with_authorities", &[("SSL_CERT_FILE", file.to_str().unwrap()), (SERVER, &server.url("/"))]);
    std::fs::remove_file(file).unwrap();
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
#[ignore = "run by the test above"]
async fn with_authorities() {
    let url = std::env::var(SERVER).unwrap();
    assert_eq!(read(&mirror(&url)).await.unwrap().unwrap(), "{}");
    let (other, _) = identity("127.0.0.1");
    let error = fail(&Mirror::new(&trusting(&url, &other)).unwrap()).await;
    assert!(matches!(error, Error::Unreachable { outage: Outage::Certificate, .. }), "{error}");
}
