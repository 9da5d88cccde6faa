use trustwright_mirror::{BuildError, Credential, Error, HostCredential, Mirror, MirrorConfig};

use super::{
    LEAK, LIMIT, config, deadline, fail, read,
    server::{Answer, Server},
    tls::{start, trusting},
};

const ALICE: &str = "Basic YWxpY2U6aHVudGVyMg==";

fn alice(host: &str) -> HostCredential {
    let credential = Credential::Basic { username: "alice".into(), password: "hunter2".into() };
    HostCredential { host: host.into(), credential }
}

fn shown(server: &Server) -> Vec<Option<String>> {
    server.seen().iter().map(|seen| seen.header("Authorization").map(str::to_owned)).collect()
}

fn with(config: MirrorConfig, credential: HostCredential) -> Result<Mirror, BuildError> {
    Mirror::new(&MirrorConfig { credential: Some(credential), ..config })
}

#[tokio::test]
async fn a_credential_is_shown_to_its_host_over_https() {
    let (server, root) = start(|_, _| Answer::ok("{}")).await;
    let host = &server.host;
    let config = trusting(&server.url("/a"), &root);
    let bearer = HostCredential { host: host.clone(), credential: Credential::Bearer("s3cret".into()) };
    read(&Mirror::new(&config).unwrap()).await.unwrap();
    read(&with(config.clone(), alice(host)).unwrap()).await.unwrap();
    read(&with(config, bearer).unwrap()).await.unwrap();
    assert_eq!(shown(&server), [None, Some(ALICE.to_owned()), Some("Bearer s3cret".to_owned())]);
}

#[tokio::test]
async fn a_credential_for_another_host_or_port_is_refused() {
    let (server, root) = start(|_, _| Answer::ok("{}")).await;
    for host in ["127.0.0.1", "tuf.example", "localhost", "127.0.0.1:1"] {
        let error = with(trusting(&server.url("/"), &root), alice(host)).unwrap_err();
        let (credential, mirror) = (host.to_owned(), server.host.clone());
        assert_eq!(error, BuildError::CredentialHost { credential, mirror });
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_credential_for_plain_http_is_refused() {
    let server = Server::start(|_, _| Answer::ok("{}")).await;
    let error = with(config(&server.url("/")), alice(&server.host)).unwrap_err();
    assert_eq!(error, BuildError::CredentialOverHttp);
    assert!(read(&Mirror::new(&config(&server.url("/"))).unwrap()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_password_in_the_url_is_refused_and_not_quoted() {
    let error = Mirror::new(&config("https://alice:hunter2@tuf.example/")).unwrap_err();
    assert!(matches!(error, BuildError::Base(_)));
    assert!(!error.to_string().contains("hunter2") && !error.to_string().contains("alice"), "{error}");
}

#[tokio::test]
async fn a_credential_does_not_cross_a_redirect() {
    // Both servers show a certificate of the same bundle, so that only the rule keeps the credential back.
    let (other, other_root) = start(|_, _| Answer::ok("{}")).await;
    for to in [other.url("/x"), "/there".to_owned()] {
        let (server, root) = start(move |seen, _| match seen.target.as_str() {
            "/timestamp.json" => Answer::redirect(307, to.clone()),
            _ => Answer::ok("{}"),
        })
        .await;
        let config = trusting(&server.url("/"), &format!("{root}{other_root}"));
        let mirror = with(config, alice(&server.host)).unwrap();
        for _ in 0..2 {
            assert_eq!(read(&mirror).await.unwrap().unwrap(), "{}");
        }
        let firsts: Vec<_> = shown(&server).into_iter().flatten().collect();
        assert_eq!(firsts, [ALICE, ALICE], "one for each fetch");
    }
    assert_eq!(shown(&other), [None, None]);
}

#[tokio::test]
async fn a_mirror_beside_another_has_a_credential_of_its_own_or_none() {
    let (server, root) = start(|_, _| Answer::ok("{}")).await;
    let first = with(trusting(&server.url("/a"), &root), alice(&server.host)).unwrap();
    let second = first.beside(server.url("/b").parse().unwrap(), None).unwrap();
    assert!(first.beside(server.url("/b").parse().unwrap(), Some(&alice("tuf.example"))).is_err());
    read(&first).await.unwrap();
    read(&second).await.unwrap();
    assert_eq!(shown(&server), [Some(ALICE.to_owned()), None]);
    assert_eq!(server.targets(), ["/a/timestamp.json", "/b/timestamp.json"]);
    assert_eq!((first.requests().sent(), second.requests().sent()), (1, 1));
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_refused_credential_is_an_error_and_no_absence() {
    let (server, root) =
        start(|_, _| Answer::new(401, LEAK).with("WWW-Authenticate", "Basic realm=\"internal-secret-text\""))
            .await;
    let mirror = with(trusting(&server.url("/"), &root), alice(&server.host)).unwrap();
    let error = fail(&mirror).await;
    assert!(matches!(error, Error::Unauthorized { status: 401, .. }), "{error}");
    assert_eq!(error.reason(), "unauthorized");
}

#[tokio::test]
async fn a_file_elsewhere_is_read_with_its_query_and_without_the_credential() {
    let (server, root) = start(|_, _| Answer::ok("{}")).await;
    let mirror = with(trusting(&server.url("/a"), &root), alice(&server.host)).unwrap();
    read(&mirror).await.unwrap();
    let url = server.url("/b/policy.rego?version=2").parse().unwrap();
    assert_eq!(mirror.get_elsewhere(url, LIMIT, deadline()).await.unwrap().unwrap(), "{}");
    assert_eq!(server.targets(), ["/a/timestamp.json", "/b/policy.rego?version=2"]);
    assert_eq!(shown(&server), [Some(ALICE.to_owned()), None]);
    assert_eq!(mirror.requests().sent(), 2);
}
