use trustwright_core::{ImageRef, Reason};
use trustwright_registry::{
    Client, ClientConfig, Credential, Error, Invalid, Limits, Operation, Outcome, Reference,
};

use super::{
    assert_silent, client, config, deadline, digest_of, repository,
    server::{Answer, Server},
};

const BODY: &str = r#"{"schemaVersion":2}"#;

fn tag() -> Reference {
    Reference::Tag("v1".into())
}

async fn read(
    server: &Server,
    reference: Reference,
) -> Result<Option<trustwright_registry::Manifest>, Error> {
    client().manifest(&repository(&server.host), &reference, &Credential::Anonymous, deadline()).await
}

async fn resolve(server: &Server) -> Result<trustwright_core::Digest, Error> {
    let image: ImageRef = format!("{}/team/app:v1", server.host).parse().unwrap();
    client().resolve(&image, &Credential::Anonymous, deadline()).await
}

#[tokio::test]
async fn a_manifest_is_read_with_its_type_and_digest() {
    let server = Server::start(|_, _| {
        Answer::ok(BODY).with("Content-Type", "application/vnd.oci.image.index.v1+JSON; charset=utf-8")
    })
    .await;
    let manifest = read(&server, tag()).await.unwrap().unwrap();
    assert_eq!(manifest.bytes, BODY);
    assert_eq!(manifest.digest, digest_of(BODY));
    assert_eq!(manifest.media_type, "application/vnd.oci.image.index.v1+json");
    assert_eq!(server.requests(), ["GET /v2/team/app/manifests/v1"]);
}

#[tokio::test]
async fn a_missing_manifest_is_none_and_other_refusals_are_errors() {
    for (status, code) in [(404, "MANIFEST_UNKNOWN"), (404, ""), (400, "NAME_UNKNOWN"), (403, "NAME_UNKNOWN")]
    {
        let server = Server::start(move |_, _| Answer::error(status, code)).await;
        assert!(read(&server, tag()).await.unwrap().is_none(), "{status} {code}");
    }
    for (status, code, reason, text) in [
        (403, "DENIED", Reason::RegistryUnauthorized, "DENIED"),
        (400, "UNSUPPORTED", Reason::RegistryInvalid, "UNSUPPORTED"),
        (418, "it's a teapot", Reason::RegistryInvalid, "unexpected status code 418 I'm a teapot"),
        (204, "", Reason::RegistryInvalid, "unexpected status code 204 No Content"),
    ] {
        let server = Server::start(move |_, _| Answer::error(status, code)).await;
        let error = read(&server, tag()).await.unwrap_err();
        assert_eq!(error.reason(), reason);
        assert_eq!(error.to_string(), format!("GET http://{}/v2/team/app/manifests/v1: {text}", server.host));
        assert_silent(&error.to_string());
    }
}

#[tokio::test]
async fn a_manifest_must_have_the_digest_it_was_asked_for_by() {
    let server = Server::start(|_, _| Answer::ok(BODY)).await;
    assert!(read(&server, Reference::Digest(digest_of(BODY))).await.unwrap().is_some());
    let other = digest_of("other");
    let error = read(&server, Reference::Digest(other)).await.unwrap_err();
    let Error::DigestMismatch { expected, actual, .. } = error else { panic!("{error}") };
    assert_eq!((expected, actual), (other, digest_of(BODY)));
}

#[tokio::test]
async fn a_tag_must_have_the_digest_that_the_registry_announces() {
    for (header, good) in [
        (digest_of(BODY).to_string(), true),
        (digest_of("other").to_string(), false),
        (format!("sha512:{}", "00".repeat(64)), false),
        ("nonsense".into(), false),
    ] {
        let value = header.clone();
        let server =
            Server::start(move |_, _| Answer::ok(BODY).with("Docker-Content-Digest", value.clone())).await;
        assert_eq!(read(&server, tag()).await.is_ok(), good, "{header}");
    }
}

#[tokio::test]
async fn a_manifest_is_read_up_to_its_limit() {
    let limit = 4_u64 << 20;
    let at_limit = Server::start(move |_, _| Answer::ok(vec![b' '; usize::try_from(limit).unwrap()])).await;
    assert_eq!(read(&at_limit, tag()).await.unwrap().unwrap().bytes.len() as u64, limit);
    for answer in [Answer::announced(100 << 20), Answer::announced(limit + 1), Answer::endless()] {
        let server = Server::start(move |_, _| answer.clone()).await;
        let error = read(&server, tag()).await.unwrap_err();
        assert!(matches!(&error, Error::TooLarge { limit: 4_194_304, .. }), "{error}");
    }
}

#[tokio::test]
async fn a_manifest_has_as_many_layers_as_the_limit() {
    let descriptor = format!(r#"{{"mediaType":"m","digest":"{}","size":1}}"#, digest_of("x"));
    let client =
        Client::new(&ClientConfig { limits: Limits { descriptors: 3, ..Limits::default() }, ..config() });
    let client = client.unwrap();
    for (count, good) in [(3, true), (4, false)] {
        let list = vec![descriptor.as_str(); count].join(",");
        let body =
            format!(r#"{{"schemaVersion":2,"config":{descriptor},"layers":[{list}],"manifests":[{list}]}}"#);
        let server = Server::start(move |_, _| Answer::ok(body.clone())).await;
        let (repository, credential) = (repository(&server.host), Credential::Anonymous);
        let manifest = client.manifest(&repository, &tag(), &credential, deadline()).await.unwrap().unwrap();
        assert_eq!(manifest.image().is_ok(), good);
        assert_eq!(manifest.index().is_ok(), good);
        if !good {
            let error = manifest.image().unwrap_err().to_string();
            assert!(error.ends_with("/manifests/v1: more than 3 layers"), "{error}");
        }
    }
}

#[tokio::test]
async fn an_invalid_tag_makes_no_request() {
    let server = Server::start(|_, _| Answer::ok(BODY)).await;
    for tag in ["..", "a/../../b", ""] {
        let error = read(&server, Reference::Tag(tag.into())).await.unwrap_err();
        assert!(matches!(error, Error::Invalid { what: Invalid::Tag, .. }));
    }
    assert_eq!(server.requests(), [""; 0]);
}

#[tokio::test]
async fn a_tag_is_resolved_by_one_head() {
    let digest = digest_of("whatever");
    let server =
        Server::start(move |_, _| Answer::ok("").with("Docker-Content-Digest", digest.to_string())).await;
    assert_eq!(resolve(&server).await.unwrap(), digest);
    assert_eq!(server.requests(), ["HEAD /v2/team/app/manifests/v1"]);
}

#[tokio::test]
async fn an_image_with_a_digest_is_resolved_without_a_request() {
    let server = Server::start(|_, _| Answer::ok(BODY)).await;
    let digest = digest_of("x");
    let image = format!("{}/team/app:v1@{digest}", server.host).parse().unwrap();
    assert_eq!(client().resolve(&image, &Credential::Anonymous, deadline()).await.unwrap(), digest);
    assert_eq!(server.requests(), [""; 0]);
}

#[tokio::test]
async fn where_head_does_not_say_get_does() {
    for head in [
        Answer::ok(""),
        Answer::ok("").with("Docker-Content-Digest", "sha256:nonsense"),
        Answer::new(405, ""),
        Answer::new(404, ""),
    ] {
        let server =
            Server::start(move |seen, _| if seen.method == "HEAD" { head.clone() } else { Answer::ok(BODY) })
                .await;
        assert_eq!(resolve(&server).await.unwrap(), digest_of(BODY));
        assert_eq!(server.requests().len(), 2);
    }
}

#[tokio::test]
async fn a_page_of_a_portal_is_not_resolved() {
    let server = Server::start(|_, _| Answer::ok("<html>")).await;
    let error = resolve(&server).await.unwrap_err();
    assert!(matches!(error, Error::Invalid { what: Invalid::Document(_), .. }), "{error}");
}

#[tokio::test]
async fn a_tag_that_does_not_exist_is_no_digest() {
    let server = Server::start(|_, _| Answer::error(404, "MANIFEST_UNKNOWN")).await;
    let error = resolve(&server).await.unwrap_err();
    assert_eq!(error.reason(), Reason::NotADigest);
    assert_eq!(
        error.to_string(),
        format!("GET http://{}/v2/team/app/manifests/v1: MANIFEST_UNKNOWN", server.host)
    );
}

#[tokio::test]
async fn requests_are_counted_by_operation_and_outcome() {
    let server = Server::start(|seen, _| match seen.method.as_str() {
        "HEAD" => Answer::new(404, ""),
        _ => Answer::ok(BODY),
    })
    .await;
    let client = client();
    let image = format!("{}/team/app:v1", server.host).parse().unwrap();
    client.resolve(&image, &Credential::Anonymous, deadline()).await.unwrap();
    let counts = client.metrics();
    // The first request finds out that the server speaks plain HTTP.
    assert_eq!(counts.count(Operation::Resolve, Outcome::Transport), 1);
    assert_eq!(counts.count(Operation::Resolve, Outcome::NotFound), 1);
    assert_eq!(counts.count(Operation::Manifest, Outcome::Ok), 1);
    assert_eq!(counts.iter().map(|(_, _, count)| count).sum::<u64>(), 3);
}
