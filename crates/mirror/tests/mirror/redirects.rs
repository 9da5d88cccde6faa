use trustwright_mirror::{Error, Invalid, Outcome, Refusal};

use super::{
    LIMIT, deadline, fail, mirror, read,
    server::{Answer, Server},
};

#[tokio::test]
async fn a_redirect_is_followed_within_the_host_and_to_another() {
    let other = Server::start(|_, _| Answer::ok("{}")).await;
    let elsewhere = other.url("/store/x?X-Signature=1");
    for status in [301, 302, 303, 307, 308] {
        for to in ["/there/x.json", "x.json", &elsewhere] {
            let to = to.to_owned();
            let server = Server::start(move |seen, _| match seen.target.as_str() {
                "/a/timestamp.json" => Answer::redirect(status, to.clone()),
                _ => Answer::ok("{}"),
            })
            .await;
            let mirror = mirror(&server.url("/a"));
            assert_eq!(read(&mirror).await.unwrap().unwrap(), "{}");
            assert_eq!(mirror.requests().count(Outcome::Redirect), 1);
            assert_eq!(mirror.requests().sent(), 2);
        }
    }
    assert_eq!(other.seen().len(), 5);
    assert_eq!(other.targets()[0], "/store/x?X-Signature=1");
}

#[tokio::test]
async fn five_redirects_are_followed_and_six_are_not() {
    for (length, good) in [(5, true), (6, false), (usize::MAX, false)] {
        let server = Server::start(move |_, before| match before {
            before if before < length => Answer::redirect(302, "/timestamp.json"),
            _ => Answer::ok("{}"),
        })
        .await;
        let mirror = mirror(&server.url("/"));
        if good {
            assert!(read(&mirror).await.unwrap().is_some());
        } else {
            let error = fail(&mirror).await;
            assert!(
                matches!(error, Error::Invalid { what: Invalid::TooManyRedirects { limit: 5 }, .. }),
                "{error}"
            );
            assert_eq!(error.reason(), "redirect");
        }
        assert_eq!(server.seen().len(), 6);
    }
}

#[tokio::test]
async fn a_redirect_needs_a_target_over_http() {
    for to in ["file:///etc/passwd", "ftp://127.0.0.1/", "https://", "data:,{}"] {
        let server = Server::start(move |_, _| Answer::redirect(302, to)).await;
        let error = fail(&mirror(&server.url("/"))).await;
        assert!(matches!(error, Error::Invalid { what: Invalid::Redirect, .. }), "{to}: {error}");
    }
    let server = Server::start(|_, _| Answer::new(302, "")).await;
    assert_eq!(fail(&mirror(&server.url("/"))).await.reason(), "redirect");
}

#[tokio::test]
async fn a_redirect_to_a_link_local_address_is_refused() {
    for host in ["169.254.169.254", "[fe80::1]", "0xa9fea9fe", "[::ffff:169.254.169.254]"] {
        let server = Server::start(move |_, _| Answer::redirect(302, format!("http://{host}/latest"))).await;
        let mirror = mirror(&server.url("/"));
        let error = fail(&mirror).await;
        assert!(matches!(error, Error::Refused { refusal: Refusal::LinkLocal, .. }), "{host}: {error}");
        assert_eq!((mirror.requests().count(Outcome::Refused), mirror.requests().sent()), (1, 1));
    }
}

#[tokio::test]
async fn a_link_local_mirror_is_refused() {
    for host in ["169.254.169.254", "[fe80::1]:80", "2852039166:80", "[fd00:ec2::254]"] {
        let mirror = mirror(&format!("http://{host}/"));
        let error = fail(&mirror).await;
        assert!(matches!(error, Error::Refused { refusal: Refusal::LinkLocal, .. }), "{host}: {error}");
        assert_eq!(error.reason(), "link_local");
        assert_eq!(mirror.requests().sent(), 0);
    }
}

#[tokio::test]
async fn where_a_redirect_led_is_named_by_its_host_only() {
    let other = Server::start(|_, _| Answer::new(500, super::LEAK)).await;
    let to = other.url("/s3cret?X-Signature=s3cret").replace("//", "//alice:hunter2@");
    let server = Server::start(move |_, _| Answer::redirect(302, to.clone())).await;
    let error = fail(&mirror(&server.url("/"))).await;
    let at = server.url("/timestamp.json");
    assert_eq!(
        error.to_string(),
        format!("GET {at} (redirected to 127.0.0.1): mirror answers 500 Internal Server Error")
    );
    assert_eq!(other.seen()[0].header("Authorization"), None);
}

#[tokio::test]
async fn odd_paths_make_no_request() {
    let server = Server::start(|_, _| Answer::ok("{}")).await;
    let mirror = mirror(&server.url("/base/"));
    for path in ["../x", "%2e%2e/x", "a\\b", "https://evil.example/x", "//evil.example/x", "/x", "x/", ""] {
        let error = mirror.get(path, LIMIT, deadline()).await.unwrap_err();
        assert!(matches!(error, Error::Path { .. }), "{path}: {error}");
        assert_eq!(error.reason(), "bad_path");
    }
    assert_eq!(server.connections(), 0);
    for path in ["targets/a b.json", "1.a%2Fb.json", "..a"] {
        mirror.get(path, LIMIT, deadline()).await.unwrap().unwrap();
    }
    assert_eq!(server.targets(), ["/base/targets/a%20b.json", "/base/1.a%2Fb.json", "/base/..a"]);
}
