use std::time::Duration;

use trustwright_core::Digest;
use trustwright_registry::{
    Client, ClientConfig, Credential, Error, Invalid, Limits, Referrers, ReferrersSource, Timeouts,
};

use super::{
    LEAK, client, config, deadline, digest_of, repository,
    server::{Answer, Seen, Server},
};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

fn descriptor(name: &str, artifact_type: &str) -> String {
    let digest = digest_of(name);
    format!(r#"{{"mediaType":"m","digest":"{digest}","size":1,"artifactType":"{artifact_type}"}}"#)
}

fn index(descriptors: &[String]) -> Answer {
    let list = descriptors.join(",");
    Answer::ok(format!(r#"{{"schemaVersion":2,"manifests":[{list}]}}"#)).with("Content-Type", INDEX)
}

fn subject() -> Digest {
    digest_of("subject")
}

async fn list(client: &Client, server: &Server, artifact_type: Option<&str>) -> Result<Referrers, Error> {
    let repository = repository(&server.host);
    client.referrers(&repository, &subject(), artifact_type, &Credential::Anonymous, deadline()).await
}

fn digests(referrers: &Referrers) -> Vec<Digest> {
    referrers.descriptors.iter().map(|descriptor| descriptor.digest).collect()
}

fn is_api(seen: &Seen) -> bool {
    seen.target.contains("/referrers/")
}

#[tokio::test]
async fn the_api_is_asked_for_the_type_and_its_answer_is_filtered_again() {
    let server = Server::start(|_, _| index(&[descriptor("a", BUNDLE), descriptor("b", "other")])).await;
    let all = list(&client(), &server, None).await.unwrap();
    assert_eq!(digests(&all), [digest_of("a"), digest_of("b")]);
    assert_eq!(all.source, ReferrersSource::Api);
    let some = list(&client(), &server, Some(BUNDLE)).await.unwrap();
    assert_eq!(digests(&some), [digest_of("a")]);
    let path = format!("GET /v2/team/app/referrers/{}", subject());
    let query = "?artifactType=application%2Fvnd.dev.sigstore.bundle.v0.3%2Bjson";
    assert_eq!(server.requests(), [path.clone(), format!("{path}{query}")]);
}

/// A registry without the API, whose tag answers `tag`.
async fn old(api: Answer, tag: Answer) -> Server {
    Server::start(move |seen, _| if is_api(seen) { api.clone() } else { tag.clone() }).await
}

#[tokio::test]
async fn without_the_api_the_tag_is_read_and_the_lack_remembered() {
    let tag = index(&[descriptor("a", BUNDLE), descriptor("b", "other")]);
    let server = old(Answer::new(404, "404 page not found"), tag).await;
    let client = client();
    for count in [2, 3] {
        let found = list(&client, &server, Some(BUNDLE)).await.unwrap();
        assert_eq!((digests(&found), found.source), (vec![digest_of("a")], ReferrersSource::Tag));
        assert_eq!(server.seen().len(), count);
    }
    assert_eq!(server.requests()[2], format!("GET /v2/team/app/manifests/sha256-{}", subject().hex()));
}

#[tokio::test]
async fn the_lack_of_the_api_is_forgotten_after_its_time() {
    let timeouts = Timeouts { memory: Duration::from_millis(100), ..config().timeouts };
    let client = Client::new(&ClientConfig { timeouts, ..config() }).unwrap();
    let server = old(Answer::new(404, ""), index(&[])).await;
    list(&client, &server, None).await.unwrap();
    tokio::time::sleep(Duration::from_millis(150)).await;
    list(&client, &server, None).await.unwrap();
    assert_eq!(server.seen().iter().filter(|seen| is_api(seen)).count(), 2);
}

#[tokio::test]
async fn what_an_unknown_repository_answers_is_not_held_against_the_registry() {
    for (api, tag) in [
        (Answer::error(404, "NAME_UNKNOWN"), index(&[])),
        (Answer::new(404, ""), Answer::new(404, "")),
        (Answer::new(400, ""), index(&[])),
        (Answer::error(200, "NOT_FOUND"), index(&[])),
    ] {
        let server = old(api, tag).await;
        let client = client();
        for count in [2, 4] {
            assert_eq!(list(&client, &server, None).await.unwrap().descriptors, []);
            assert_eq!(server.seen().len(), count);
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_no_index_is_invalid() {
    let html = Answer::ok(format!("<html>{LEAK}")).with("Content-Type", "text/html");
    let json = Answer::ok(r#"{"schemaVersion":2,"manifests":[]}"#).with("Content-Type", "application/json");
    for (api, expected) in [
        (html, Invalid::MediaType),
        (json, Invalid::MediaType),
        (Answer::ok(LEAK).with("Content-Type", INDEX), Invalid::Document("image index")),
    ] {
        let server = old(api, index(&[])).await;
        match list(&client(), &server, None).await {
            Err(Error::Invalid { what, .. }) => assert_eq!(what, expected),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_page_to_which_the_registry_redirects_is_the_lack_of_the_api() {
    let page = Server::start_on("127.0.0.2", None, |_, _| Answer::ok("<html>")).await;
    let server =
        old(Answer::redirect(format!("http://{}/", page.host)), index(&[descriptor("a", "x")])).await;
    assert_eq!(digests(&list(&client(), &server, None).await.unwrap()), [digest_of("a")]);
}

#[tokio::test]
async fn a_refusal_is_not_the_lack_of_the_api() {
    for status in [403, 503] {
        let server = old(Answer::new(status, ""), index(&[])).await;
        assert!(list(&client(), &server, None).await.is_err());
        assert!(server.seen().iter().all(is_api));
    }
}

fn page(seen: &Seen, count: usize, next: Option<usize>) -> Answer {
    let list: Vec<_> = (0..count).map(|n| descriptor(&format!("{} {n}", seen.target), "x")).collect();
    match next {
        Some(next) => index(&list).with("Link", format!("<?page={next}>; rel=\"next\"")),
        None => index(&list),
    }
}

#[tokio::test]
async fn every_page_is_read() {
    let server = Server::start(|seen, before| page(seen, 2, (before < 9).then_some(before))).await;
    assert_eq!(list(&client(), &server, None).await.unwrap().descriptors.len(), 20);
    assert_eq!(server.seen().len(), 10);
}

#[tokio::test]
async fn pages_and_referrers_are_limited() {
    let server = Server::start(|seen, before| page(seen, 1, Some(before))).await;
    let error = list(&client(), &server, None).await.unwrap_err();
    assert!(matches!(error, Error::TooMany { limit: 10, .. }), "{error}");
    assert_eq!(server.seen().len(), 10);
    for (limit, good) in [(6, true), (5, false)] {
        let limits = Limits { descriptors: limit, ..Limits::default() };
        let client = Client::new(&ClientConfig { limits, ..config() }).unwrap();
        let server = Server::start(|seen, before| page(seen, 3, (before == 0).then_some(1))).await;
        assert_eq!(list(&client, &server, None).await.is_ok(), good);
    }
    let endless = Server::start(|_, _| Answer::endless().with("Content-Type", INDEX)).await;
    assert!(matches!(list(&client(), &endless, None).await, Err(Error::TooLarge { limit: 4_194_304, .. })));
}

#[tokio::test]
async fn other_types_do_not_use_up_the_limit() {
    let limits = Limits { descriptors: 1, ..Limits::default() };
    let client = Client::new(&ClientConfig { limits, ..config() }).unwrap();
    let server = Server::start(|_, _| {
        index(&[descriptor("a", "spam"), descriptor("b", "spam"), descriptor("c", BUNDLE)])
    })
    .await;
    assert_eq!(digests(&list(&client, &server, Some(BUNDLE)).await.unwrap()), [digest_of("c")]);
}

#[tokio::test]
async fn a_next_page_elsewhere_is_not_read() {
    let other = Server::start_on("127.0.0.2", None, |_, _| index(&[])).await;
    let link = format!("<http://{}/v2/team/app/referrers/{}>; rel=\"next\"", other.host, subject());
    let server = Server::start(move |_, _| index(&[]).with("Link", link.clone())).await;
    let error = list(&client(), &server, None).await.unwrap_err();
    assert!(matches!(error, Error::Invalid { what: Invalid::Link, .. }));
    assert_eq!(other.requests(), [""; 0]);
}

#[tokio::test]
async fn a_list_that_breaks_off_is_not_a_short_list() {
    let server = Server::start(|seen, before| match before {
        0 => page(seen, 1, Some(1)),
        _ => Answer::new(404, ""),
    })
    .await;
    assert!(matches!(list(&client(), &server, None).await, Err(Error::Invalid { .. })));
}
