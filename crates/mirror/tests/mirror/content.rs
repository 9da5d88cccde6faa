use trustwright_mirror::{Error, Invalid};

use super::{
    LEAK, LIMIT, deadline, fail, mirror, read,
    server::{Answer, Server},
};

const PAGE: &str = "<!DOCTYPE html><p>internal-secret-text";

#[tokio::test]
async fn a_web_page_is_not_metadata() {
    let big = format!("{PAGE}{}", "a".repeat(5000));
    for (answer, expected) in [
        (Answer::ok(PAGE).with("Content-Type", "text/html; charset=utf-8"), "text/html"),
        (Answer::ok("{}").with("Content-Type", "TEXT/HTML"), "text/html"),
        (Answer::ok(big).with("Content-Type", "text/html"), "text/html"),
        (Answer::ok(PAGE).with("Content-Type", "application/xhtml+xml"), "application/xhtml+xml"),
        (Answer::ok(PAGE), "unknown"),
        (Answer::ok(format!("\u{feff}\r\n {PAGE}")).with("Content-Type", "text/plain"), "text/plain"),
        (Answer::chunks(&["  ", "\n", PAGE]).with("Content-Type", "application/json"), "application/json"),
    ] {
        let server = Server::start(move |_, _| answer.clone()).await;
        match fail(&mirror(&server.url("/"))).await {
            Error::NotMetadata { content_type, .. } => assert_eq!(content_type, expected),
            other => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn what_is_no_page_is_read_whatever_it_is_called() {
    for (body, content_type) in [
        ("{\"a\":\"<html>\"}", "application/json"),
        ("  {}", "application/octet-stream"),
        ("{}", "text/plain"),
        ("{}", ""),
        ("", "application/json"),
        ("  ", "application/json"),
    ] {
        let server = Server::start(move |_, _| Answer::ok(body).with("Content-Type", content_type)).await;
        assert_eq!(read(&mirror(&server.url("/"))).await.unwrap().unwrap(), body);
    }
}

#[tokio::test]
async fn a_target_may_be_a_page() {
    let server = Server::start(|_, _| Answer::ok(PAGE).with("Content-Type", "text/html")).await;
    let mirror = mirror(&server.url("/"));
    assert!(mirror.get("targets/notice.html", LIMIT, deadline()).await.unwrap().is_some());
    assert!(mirror.get("targets/notice.json", LIMIT, deadline()).await.is_err());
}

#[tokio::test]
async fn a_media_type_is_made_fit_for_a_message() {
    let header = format!("text/html\u{7f}{}", "x".repeat(500));
    for header in ["text/html<script>", "te xt/h\tml;a=\"internal-secret-text\""] {
        let server = Server::start(move |_, _| Answer::ok(PAGE).with("Content-Type", header)).await;
        let text = fail(&mirror(&server.url("/"))).await.to_string();
        assert!(!text.contains('<') && !text.contains('\t'), "{text}");
    }
    let server =
        Server::start(move |_, _| Answer::ok(PAGE).with("Content-Type", header.replace('\u{7f}', ""))).await;
    assert!(fail(&mirror(&server.url("/"))).await.to_string().len() < 200);
}

#[tokio::test]
async fn a_status_that_means_nothing_here_is_an_error() {
    for status in [201, 202, 204, 206, 300, 305, 400, 402, 405, 410, 416] {
        let server = Server::start(move |_, _| match status {
            204 => Answer::raw("HTTP/1.1 204 No Content\r\n\r\n"),
            _ => Answer::new(status, LEAK),
        })
        .await;
        let error = fail(&mirror(&server.url("/"))).await;
        assert!(matches!(error, Error::Invalid { what: Invalid::Status(s), .. } if s == status), "{error}");
    }
}

#[tokio::test]
async fn a_packed_answer_is_not_unpacked() {
    let server = Server::start(|_, _| Answer::ok([0x1f, 0x8b, 8, 0]).with("Content-Encoding", "gzip")).await;
    let mirror = mirror(&server.url("/"));
    let bytes = mirror.get("targets/x.gz", LIMIT, deadline()).await.unwrap().unwrap();
    assert_eq!(bytes.as_ref(), [0x1f, 0x8b, 8, 0]);
    assert_eq!(server.seen()[0].header("Accept-Encoding"), None);
}
