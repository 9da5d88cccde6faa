use std::{fs, path::Path, time::Duration};

use tokio::time::Instant;
use trustwright_core::{ImageRef, Repository};
use trustwright_registry::{
    BuildError, Client, ClientConfig, Credential, Error, Outage, Reference, ReferrersSource, Refusal,
    Timeouts,
};

use super::{
    alice, config, deadline, digest_of, repository,
    server::{Answer, Seen, Server},
    tls::{identity, start},
};

const BODY: &str = r#"{"schemaVersion":2,"manifests":[]}"#;

/// A folder with a configuration, and a client that looks at it before every call.
struct Configured {
    folder: tempfile::TempDir,
    client: Client,
}

impl Configured {
    fn new(yaml: &str) -> Self {
        Self::with_auths(yaml, "{}")
    }

    fn with_auths(yaml: &str, auths: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("registries.yaml"), yaml.replace("DIR", &path(folder.path()))).unwrap();
        fs::write(folder.path().join("auth.json"), format!(r#"{{"auths": {auths}}}"#)).unwrap();
        let client = client(folder.path()).unwrap();
        Self { folder, client }
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text.replace("DIR", &path(self.folder.path()))).unwrap();
    }

    async fn read(&self, host: &str, credential: &Credential) -> Result<(), Error> {
        let reference = Reference::Digest(digest_of(BODY));
        let found = self.client.manifest(&repository(host), &reference, credential, deadline()).await?;
        assert_eq!(found.unwrap().bytes, BODY);
        Ok(())
    }
}

fn client(folder: &Path) -> Result<Client, BuildError> {
    let timeouts = Timeouts { files: Duration::ZERO, ..config().timeouts };
    let registries = Some(folder.join("registries.yaml"));
    Client::new(&ClientConfig {
        registries,
        auth_files: vec![folder.join("auth.json")],
        timeouts,
        ..config()
    })
}

fn path(folder: &Path) -> String {
    folder.display().to_string()
}

/// A server that has the manifest under any name.
async fn good() -> Server {
    Server::start(|_, _| Answer::ok(BODY)).await
}

fn mirrored(origin: &Server, mirrors: &[&Server]) -> String {
    let mirrors: Vec<_> = mirrors.iter().map(|mirror| format!("'{}/cache'", mirror.host)).collect();
    format!("repositories: [{{prefix: '{}', mirrors: [{}]}}]", origin.host, mirrors.join(", "))
}

#[tokio::test]
async fn mirrors_are_asked_in_their_order_and_then_the_registry() {
    let (origin, second) = (good().await, good().await);
    let missing = Answer::error(404, "MANIFEST_UNKNOWN");
    for (first, asked) in [
        (Answer::ok(BODY), [1, 0, 0]),
        (missing.clone(), [1, 1, 0]),
        (Answer::ok("another body"), [1, 1, 0]),
        (Answer::error(401, "UNAUTHORIZED"), [1, 1, 0]),
        (Answer::endless(), [1, 1, 0]),
    ] {
        let before = [second.seen().len(), origin.seen().len()];
        let first = Server::start(move |_, _| first.clone()).await;
        let configured = Configured::new(&mirrored(&origin, &[&first, &second]));
        configured.read(&origin.host, &Credential::Anonymous).await.unwrap();
        let now = [first.seen().len(), second.seen().len() - before[0], origin.seen().len() - before[1]];
        assert_eq!(now, asked);
        assert!(first.requests()[0].starts_with("GET /v2/cache/team/app/manifests/sha256:"));
    }
    let empty = Server::start(move |_, _| missing.clone()).await;
    let configured = Configured::new(&mirrored(&origin, &[&empty]));
    configured.read(&origin.host, &Credential::Anonymous).await.unwrap();
    assert!(origin.requests()[0].starts_with("GET /v2/team/app/manifests/sha256:"));
}

#[tokio::test]
async fn a_mirror_that_hangs_or_is_gone_leaves_the_registry_its_time() {
    let (origin, silent) = (good().await, Server::start(|_, _| Answer::silent()).await);
    let configured = Configured::new(&mirrored(&origin, &[&silent]));
    let until = Instant::now() + Duration::from_secs(2);
    let reference = Reference::Digest(digest_of(BODY));
    let repository = repository(&origin.host);
    let found = configured.client.manifest(&repository, &reference, &Credential::Anonymous, until).await;
    assert!(found.unwrap().is_some());
    assert!(Instant::now() < until);
}

#[tokio::test]
async fn tags_blobs_and_referrers_come_from_mirrors_too() {
    let index = |digest: &str| {
        let descriptor = format!(r#"{{"mediaType":"m","digest":"{digest}","size":1}}"#);
        let list = if digest.is_empty() { String::new() } else { descriptor };
        Answer::ok(format!(r#"{{"schemaVersion":2,"manifests":[{list}]}}"#))
            .with("Content-Type", "application/vnd.oci.image.index.v1+json")
    };
    let listed = digest_of("listed").to_string();
    let answer = move |seen: &Seen, listed: &str| match seen.target.split('/').rev().nth(1) {
        Some("referrers") => index(listed),
        Some("blobs") => Answer::ok("blob"),
        _ => Answer::ok(BODY).with("Docker-Content-Digest", digest_of(BODY).to_string()),
    };
    let origin = Server::start({
        let listed = listed.clone();
        move |seen, _| answer(seen, &listed)
    })
    .await;
    for (of_mirror, asked_origin) in [(listed.as_str(), 0), ("", 1)] {
        let of_mirror = of_mirror.to_owned();
        let mirror = Server::start(move |seen, _| answer(seen, &of_mirror)).await;
        let configured = Configured::new(&mirrored(&origin, &[&mirror]));
        let (client, before) = (&configured.client, origin.seen().len());
        let image: ImageRef = format!("{}/team/app:v1", origin.host).parse().unwrap();
        let digest = client.resolve(&image, &Credential::Anonymous, deadline()).await.unwrap();
        assert_eq!(digest, digest_of(BODY));
        let repository = repository(&origin.host);
        let blob = client.blob(&repository, &digest_of("blob"), 10, &Credential::Anonymous, deadline()).await;
        assert_eq!(blob.unwrap(), "blob");
        assert_eq!((mirror.seen().len(), origin.seen().len()), (2, before));
        // An empty list of a mirror may be one that it does not keep.
        let found =
            client.referrers(&repository, &digest, None, &Credential::Anonymous, deadline()).await.unwrap();
        assert_eq!((found.descriptors.len(), found.source), (1, ReferrersSource::Api));
        assert_eq!(origin.seen().len() - before, asked_origin);
    }
}

/// A registry that takes any password, and nobody without.
async fn guarded() -> Server {
    Server::start(|seen, _| match seen.authorization {
        Some(_) => Answer::ok(BODY),
        None => Answer::new(401, "").with("WWW-Authenticate", "Basic realm=\"r\""),
    })
    .await
}

fn entry(server: &Server, auth: &str) -> String {
    format!(r#""{}": {{"auth": "{auth}"}}"#, server.host)
}

#[tokio::test]
async fn a_mirror_gets_the_mirror_s_credential_and_never_the_caller_s() {
    for (has_entry, authorization) in [(true, Some("Basic bWlycm9yOnA=")), (false, None)] {
        let (origin, mirror) = (guarded().await, guarded().await);
        let auths = if has_entry { entry(&mirror, "bWlycm9yOnA=") } else { String::new() };
        let configured = Configured::with_auths(&mirrored(&origin, &[&mirror]), &format!("{{{auths}}}"));
        configured.read(&origin.host, &alice()).await.unwrap();
        let shown: Vec<_> = mirror.seen().into_iter().filter_map(|seen| seen.authorization).collect();
        assert_eq!(shown.first().map(String::as_str), authorization);
        assert_eq!(shown.len(), usize::from(has_entry));
        let to_origin: Vec<_> = origin.seen().into_iter().filter_map(|seen| seen.authorization).collect();
        let expected: &[&str] = if has_entry { &[] } else { &["Basic YWxpY2U6aHVudGVyMg=="] };
        assert_eq!(to_origin, expected);
    }
}

#[tokio::test]
async fn what_stands_in_for_all_registries_is_asked_alone_and_shown_nobody_s_credential() {
    let (origin, stand_in) = (good().await, good().await);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("registries.yaml");
    fs::write(&file, format!("repositories:\n- {{prefix: {0}, location: {0}}}\n", origin.host)).unwrap();
    for is_named in [true, false] {
        let stand_in = is_named.then(|| stand_in.host.clone());
        let client =
            Client::new(&ClientConfig { stand_in, registries: Some(file.clone()), ..config() }).unwrap();
        let reference = Reference::Digest(digest_of(BODY));
        let found = client.manifest(&repository(&origin.host), &reference, &alice(), deadline()).await;
        assert_eq!(found.unwrap().unwrap().bytes, BODY);
    }
    let [asked] = stand_in.seen().try_into().unwrap_or_else(|seen| panic!("{seen:?}"));
    assert_eq!(asked.authorization, None);
    assert_eq!(origin.seen().len(), 1);
}

#[tokio::test]
async fn a_location_takes_the_place_of_a_registry_and_gets_its_own_credential() {
    let (origin, location) = (guarded().await, guarded().await);
    let yaml =
        format!("repositories: [{{prefix: '{}/team', location: '{}/moved'}}]", origin.host, location.host);
    let auths = format!("{{{}}}", entry(&location, "bG9jYXRpb246cA=="));
    let configured = Configured::with_auths(&yaml, &auths);
    configured.read(&origin.host, &alice()).await.unwrap();
    assert_eq!(origin.requests(), [""; 0]);
    let shown: Vec<_> = location.seen().into_iter().filter_map(|seen| seen.authorization).collect();
    assert_eq!(shown, ["Basic bG9jYXRpb246cA=="]);
    assert!(location.requests()[0].starts_with("GET /v2/moved/app/manifests/"));
    let other: Repository = format!("{}/others/app", origin.host).parse().unwrap();
    let reference = Reference::Digest(digest_of(BODY));
    configured.client.manifest(&other, &reference, &alice(), deadline()).await.unwrap();
    assert!(!origin.requests().is_empty());
}

#[tokio::test]
async fn an_authority_is_trusted_for_its_host_alone_and_followed_when_it_changes() {
    let ((root, tls), (other_root, other_tls)) = (identity(), identity());
    let server = start(tls, |_, _| Answer::ok(BODY)).await;
    let neighbour = start(other_tls, |_, _| Answer::ok(BODY)).await;
    let yaml = format!("registries: [{{host: '{}', caFiles: [DIR/ca.pem]}}]", server.host);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("ca.pem"), format!("{root}{other_root}")).unwrap();
    fs::write(folder.path().join("registries.yaml"), yaml.replace("DIR", &path(folder.path()))).unwrap();
    let configured = Configured { client: client(folder.path()).unwrap(), folder };
    let ask = async |host: &str| configured.read(host, &Credential::Anonymous).await;
    let is_untrusted = |result: Result<(), Error>| {
        matches!(result, Err(Error::Unavailable { outage: Outage::Certificate, .. }))
    };
    ask(&server.host).await.unwrap();
    assert!(is_untrusted(ask(&neighbour.host).await));
    configured.write("ca.pem", &other_root);
    assert!(is_untrusted(ask(&server.host).await));
    configured.write("ca.pem", "nonsense");
    assert!(is_untrusted(ask(&server.host).await));
    configured.write("ca.pem", &root);
    ask(&server.host).await.unwrap();
}

#[tokio::test]
async fn plain_http_is_used_where_the_configuration_says_so_and_not_where_it_says_no() {
    let server = good().await;
    let port = server.host.rsplit(':').next().unwrap();
    let yaml = |plain| format!("registries: [{{host: '{}', plainHTTP: {plain}}}]", server.host);
    let configured = Configured::new(&yaml(true));
    configured.read(&server.host, &Credential::Anonymous).await.unwrap();
    // Not even tried with TLS, which would have been a second request.
    let metrics = configured.client.metrics();
    assert_eq!(metrics.requests(trustwright_registry::Operation::Manifest), 1);
    configured.write("registries.yaml", &yaml(false));
    let error = configured.read(&server.host, &Credential::Anonymous).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    assert_eq!(server.seen().len(), 1);
    // An address that nobody has, and that is not local: what is refused without the entry is tried with it.
    let far = format!("192.0.2.1:{port}");
    for (yaml, is_refused) in
        [(String::new(), true), (format!("registries: [{{host: '{far}', plainHTTP: true}}]"), false)]
    {
        let redirecting = {
            let to = format!("http://{far}/x");
            Server::start(move |_, _| Answer::redirect(to.clone())).await
        };
        let configured = Configured::new(&yaml);
        let until = Instant::now() + Duration::from_millis(300);
        let reference = Reference::Digest(digest_of(BODY));
        let repository = repository(&redirecting.host);
        let result = configured.client.manifest(&repository, &reference, &Credential::Anonymous, until).await;
        let refused = matches!(result, Err(Error::Refused { refusal: Refusal::PlainHttp, .. }));
        assert_eq!(refused, is_refused, "{result:?}");
    }
}

#[tokio::test]
async fn a_link_local_host_stays_refused_whatever_the_configuration_says() {
    let configured = Configured::new("registries: [{host: 169.254.169.254, plainHTTP: true}]");
    let error = configured.read("169.254.169.254", &Credential::Anonymous).await.unwrap_err();
    assert!(matches!(error, Error::Refused { refusal: Refusal::LinkLocal, .. }), "{error}");
}

#[tokio::test]
async fn the_limits_of_a_host_are_those_of_its_entry() {
    let server = good().await;
    let configured = Configured::new(&format!(
        "registries: [{{host: '{}', plainHTTP: true, requestsPerSecond: 1}}]",
        server.host
    ));
    configured.read(&server.host, &Credential::Anonymous).await.unwrap();
    let until = Instant::now() + Duration::from_millis(100);
    let reference = Reference::Digest(digest_of(BODY));
    let repository = repository(&server.host);
    let held = configured.client.manifest(&repository, &reference, &Credential::Anonymous, until).await;
    assert!(matches!(held, Err(Error::Unavailable { outage: Outage::Limited, .. })), "{held:?}");
}

#[test]
fn a_configuration_that_cannot_be_used_is_an_error_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("registries.yaml");
    let error = client(folder.path()).unwrap_err();
    assert_eq!(error.to_string(), format!("{}: cannot be read: entity not found", file.display()));
    fs::write(&file, "registries: [{host: r.example/x}]").unwrap();
    let error = client(folder.path()).unwrap_err();
    let said = "registries[0].host: \"r.example/x\" is no host with an optional port";
    assert_eq!(error.to_string(), format!("{}: {said}", file.display()));
    fs::write(&file, "registries: [{host: r.example}]").unwrap();
    assert!(client(folder.path()).is_ok());
}
