use std::{collections::BTreeMap, sync::Mutex};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{Request, Response};
use kube::client::Body;
use serde_json::{Value, json};
use tower::service_fn;
use trustwright_core::{Cause, Causes, Findings};

use super::*;

/// An API server of objects by path, with a log of what was asked. What is not there is a 404.
#[derive(Clone, Default)]
struct ApiServer(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Answer>,
    asked: Vec<String>,
}

#[derive(Clone)]
enum Answer {
    Object(Value),
    Status(u16, &'static str),
    Silence,
}

/// An API server that never answers.
pub(crate) fn silent_api_server() -> Client {
    let answer = |_: Request<Body>| std::future::pending::<Result<Response<Body>, std::io::Error>>();
    Client::new(service_fn(answer), "default")
}

/// An API server that is not there.
pub(crate) fn no_api_server() -> Client {
    Client::new(
        service_fn(|_: Request<Body>| async { Err::<Response<Body>, _>(std::io::Error::other("away")) }),
        "default",
    )
}

/// An API server that holds nothing.
pub(crate) fn empty_api_server() -> PullSecrets {
    ApiServer::default().pull_secrets()
}

impl ApiServer {
    fn put(&self, path: &str, answer: Answer) {
        self.0.lock().unwrap().objects.insert(path.to_owned(), answer);
    }

    fn secret(&self, namespace: &str, name: &str, kind: &str, data: &Value) {
        let metadata = json!({"namespace": namespace, "name": name});
        let object =
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kind, "data": data});
        self.put(&format!("/api/v1/namespaces/{namespace}/secrets/{name}"), Answer::Object(object));
    }

    /// A pull secret for `ghcr.io` whose user has the secret's namespace and name.
    fn pull_secret(&self, namespace: &str, name: &str) {
        self.pull_secret_for(namespace, name, "ghcr.io", &format!("{namespace}/{name}"));
    }

    fn pull_secret_for(&self, namespace: &str, name: &str, registry: &str, user: &str) {
        let document = json!({"auths": {registry: {"username": user, "password": "p"}}});
        let data = json!({".dockerconfigjson": BASE64_STANDARD.encode(document.to_string())});
        self.secret(namespace, name, "kubernetes.io/dockerconfigjson", &data);
    }

    fn account(&self, namespace: &str, name: &str, secrets: &[&str]) {
        let secrets: Vec<_> = secrets.iter().map(|name| json!({ "name": name })).collect();
        let metadata = json!({"namespace": namespace, "name": name});
        let object = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata, "imagePullSecrets": secrets});
        self.put(&format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}"), Answer::Object(object));
    }

    /// What was asked since the last time, without the common start.
    fn asked(&self) -> Vec<String> {
        let asked = std::mem::take(&mut self.0.lock().unwrap().asked);
        asked.into_iter().map(|line| line.replace("/api/v1/namespaces/", "")).collect()
    }

    fn pull_secrets(&self) -> PullSecrets {
        let server = self.clone();
        PullSecrets::new(Client::new(
            service_fn(move |request: Request<Body>| {
                let path = request.uri().path().to_owned();
                let mut state = server.0.lock().unwrap();
                state.asked.push(format!("{} {path}", request.method()));
                let answer = state.objects.get(&path).cloned().unwrap_or(Answer::Status(404, "NotFound"));
                async move {
                    let (code, body) = match answer {
                        Answer::Object(object) => (200, object),
                        Answer::Status(code, reason) => (
                            code,
                            json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": "m"}),
                        ),
                        Answer::Silence => std::future::pending().await,
                    };
                    let body = Body::from(body.to_string().into_bytes());
                    Ok::<_, std::io::Error>(Response::builder().status(code).body(body).unwrap())
                }
            }),
            "default",
        ))
    }
}

fn puller(namespace: &str, secrets: &[&str]) -> Puller {
    let pull_secrets = secrets.iter().map(|&name| name.to_owned()).collect();
    Puller { namespace: namespace.into(), service_account: "default".into(), pull_secrets }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

/// The user for an image of `ghcr.io`, none for anonymous.
async fn user(secrets: &PullSecrets, puller: Puller) -> Result<Option<String>, CredentialError> {
    user_of(&secrets.of(puller, soon()), "ghcr.io/a/b", None).await
}

async fn user_of(
    credentials: &WorkloadCredentials,
    repository: &str,
    pull_secrets: Option<&[String]>,
) -> Result<Option<String>, CredentialError> {
    let credential = credentials.credential(&repository.parse().unwrap(), pull_secrets).await?;
    Ok(match credential {
        Credential::Basic { username, .. } => Some(username),
        Credential::Anonymous => None,
        Credential::IdentityToken(_) => panic!("an identity token"),
    })
}

#[tokio::test]
async fn the_pods_secrets_come_before_those_of_its_service_account() {
    let server = ApiServer::default();
    for name in ["own", "account"] {
        server.pull_secret("team", name);
    }
    server.account("team", "default", &["account", "own"]);
    let secrets = server.pull_secrets();
    assert_eq!(user(&secrets, puller("team", &["own"])).await.unwrap().as_deref(), Some("team/own"));
    assert_eq!(
        server.asked(),
        ["GET team/serviceaccounts/default", "GET team/secrets/own", "GET team/secrets/account"]
    );
    assert_eq!(user(&secrets, puller("team", &[])).await.unwrap().as_deref(), Some("team/account"));
}

#[tokio::test]
async fn an_image_that_nobody_asks_a_registry_for_reads_no_secret() {
    let server = ApiServer::default();
    let _ = server.pull_secrets().of(puller("team", &["own"]), soon());
    assert_eq!(server.asked(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_secret_is_kept_for_a_minute_unless_a_registry_refuses_it() {
    let server = ApiServer::default();
    server.account("team", "default", &[]);
    server.pull_secret("team", "own");
    let secrets = server.pull_secrets();
    let reads = async || {
        user(&secrets, puller("team", &["own"])).await.unwrap();
        server.asked().len()
    };
    assert_eq!([reads().await, reads().await], [2, 0]);
    tokio::time::advance(LIFE).await;
    assert_eq!([reads().await, reads().await], [2, 0]);
    secrets.of(puller("other", &[]), soon()).forget();
    assert_eq!(reads().await, 0);
    secrets.of(puller("team", &[]), soon()).forget();
    assert_eq!(reads().await, 2);
}

#[tokio::test]
async fn a_verdict_for_which_a_registry_refused_the_credential_makes_it_read_anew() {
    let finding = |reason| Finding {
        policy: None,
        path: "p".into(),
        image: "i".into(),
        causes: Causes::one(Cause { authority: None, reason, text: "t".into(), hint: None }),
    };
    let (good, bad) = (finding(Reason::NoSignatures), finding(Reason::RegistryUnauthorized));
    for (verdict, is_read) in [
        (Verdict::Allow, false),
        (Verdict::deny(good.clone()), false),
        (Verdict::deny(bad.clone()), true),
        (Verdict::Warn(Findings::one(bad.clone())), true),
        (Verdict::Deny { findings: Findings::one(good), warnings: vec![bad] }, true),
    ] {
        let server = ApiServer::default();
        server.pull_secret("team", "own");
        let secrets = server.pull_secrets();
        user(&secrets, puller("team", &["own"])).await.unwrap();
        server.asked();
        secrets.of(puller("team", &["own"]), soon()).forget_if_refused(&verdict);
        user(&secrets, puller("team", &["own"])).await.unwrap();
        let asked = server.asked().contains(&"GET team/secrets/own".to_owned());
        assert_eq!(asked, is_read, "{verdict:?}");
    }
}

#[tokio::test]
async fn a_request_sees_its_secrets_once_and_the_next_sees_what_is_new() {
    let server = ApiServer::default();
    server.pull_secret_for("team", "own", "ghcr.io", "before");
    let secrets = server.pull_secrets();
    let credentials = secrets.of(puller("team", &["own"]), soon());
    assert_eq!(user_of(&credentials, "ghcr.io/a/b", None).await.unwrap().as_deref(), Some("before"));
    server.pull_secret_for("team", "own", "ghcr.io", "after");
    credentials.forget();
    assert_eq!(user_of(&credentials, "ghcr.io/a/b", None).await.unwrap().as_deref(), Some("before"));
    assert_eq!(user(&secrets, puller("team", &["own"])).await.unwrap().as_deref(), Some("after"));
}

#[tokio::test]
async fn a_secret_of_one_namespace_serves_no_other() {
    let server = ApiServer::default();
    server.pull_secret("team", "own");
    let secrets = server.pull_secrets();
    assert_eq!(user(&secrets, puller("team", &["own"])).await.unwrap().as_deref(), Some("team/own"));
    assert_eq!(user(&secrets, puller("evil", &["own"])).await, Ok(None));
    server.asked();
    // Names that would lead elsewhere are not asked for.
    for name in ["../../team/secrets/own", "..", "own?x", "own/status", "Own", ""] {
        assert_eq!(user(&secrets, puller("evil", &[name])).await, Ok(None), "{name}");
        let puller = Puller { service_account: name.to_owned(), ..puller("evil", &[]) };
        assert_eq!(user(&secrets, puller).await, Ok(None), "{name}");
    }
    let asked = server.asked();
    assert!(asked.iter().all(|line| line == "GET evil/serviceaccounts/default"), "{asked:?}");
}

#[tokio::test]
async fn a_policys_pull_secrets_take_the_place_of_the_workloads() {
    let server = ApiServer::default();
    server.account("team", "default", &["own"]);
    for (name, registry) in [("own", "ghcr.io"), ("signatures", "quay.io")] {
        server.pull_secret_for("team", name, registry, name);
    }
    let secrets = server.pull_secrets();
    let credentials = secrets.of(puller("team", &["own"]), soon());
    let named = ["signatures".to_owned()];
    assert_eq!(
        user_of(&credentials, "quay.io/a/b", Some(&named)).await.unwrap().as_deref(),
        Some("signatures")
    );
    assert_eq!(user_of(&credentials, "ghcr.io/a/b", Some(&named)).await, Ok(None));
    assert_eq!(server.asked(), ["GET team/secrets/signatures"]);
    assert_eq!(user_of(&credentials, "ghcr.io/a/b", None).await.unwrap().as_deref(), Some("own"));
}

#[tokio::test]
async fn what_is_no_pull_secret_is_ignored_and_what_is_a_broken_one_denies() {
    let encoded = |text: &str| BASE64_STANDARD.encode(text);
    let (new, old) = ("kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg");
    let entry = r#"{"ghcr.io": {"username": "u", "password": "p"}}"#;
    for (kind, data, expected) in [
        (old, json!({".dockercfg": encoded(entry)}), Ok(Some("u".to_owned()))),
        ("Opaque", json!({".dockerconfigjson": encoded("hunter2")}), Ok(None)),
        (
            new,
            json!({".dockerconfigjson": encoded("hunter2")}),
            Err("key \".dockerconfigjson\": is no dockerconfigjson document (line 1, column 1)"),
        ),
        (new, json!({".dockercfg": encoded(entry)}), Err("key \".dockerconfigjson\": missing")),
        (new, json!({}), Err("key \".dockerconfigjson\": missing")),
    ] {
        let server = ApiServer::default();
        server.secret("team", "own", kind, &data);
        let found = user(&server.pull_secrets(), puller("team", &["own"])).await;
        let text = |text: &str| format!("pull secret team/own {text}");
        let expected =
            expected.map_err(|said| CredentialError { reason: Reason::PullSecretUnusable, text: text(said) });
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn without_the_right_only_workloads_that_name_secrets_are_refused() {
    let server = ApiServer::default();
    server.put("/api/v1/namespaces/team/serviceaccounts/default", Answer::Status(403, "Forbidden"));
    server.put("/api/v1/namespaces/team/secrets/own", Answer::Status(403, "Forbidden"));
    let secrets = server.pull_secrets();
    assert_eq!(user(&secrets, puller("team", &[])).await, Ok(None));
    let refused = user(&secrets, puller("team", &["own"])).await.unwrap_err();
    assert_eq!(refused.reason, Reason::PullSecretUnusable);
    assert_eq!(
        refused.text,
        "pull secret team/own cannot be read: the right to get it is missing (ClusterRole trustwright-pull-secrets)"
    );
    // It is tried again at once.
    server.pull_secret("team", "own");
    assert_eq!(user(&secrets, puller("team", &["own"])).await.unwrap().as_deref(), Some("team/own"));
}

#[tokio::test]
async fn an_api_server_that_fails_or_is_away_is_an_error_that_names_the_object() {
    let server = ApiServer::default();
    server.put("/api/v1/namespaces/team/secrets/own", Answer::Status(500, "InternalError"));
    let error = user(&server.pull_secrets(), puller("team", &["own"])).await.unwrap_err();
    assert_eq!(error.text, "pull secret team/own cannot be read: the API server says 500 InternalError");
    server.put("/api/v1/namespaces/team/serviceaccounts/default", Answer::Status(401, "Unauthorized"));
    let error = user(&server.pull_secrets(), puller("team", &[])).await.unwrap_err();
    assert_eq!(
        error.text,
        "service account team/default cannot be read: the API server says 401 Unauthorized"
    );
    let error = user(&PullSecrets::new(no_api_server()), puller("team", &[])).await.unwrap_err();
    assert_eq!(error.text, "service account team/default cannot be read: no answer of the API server");
    assert_eq!(error.reason, Reason::PullSecretUnusable);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_the_wait_for_the_api_server() {
    let server = ApiServer::default();
    server.put("/api/v1/namespaces/team/secrets/own", Answer::Silence);
    let error = user(&server.pull_secrets(), puller("team", &["own"])).await.unwrap_err();
    assert_eq!(error.reason, Reason::DeadlineExceeded);
    assert_eq!(error.text, "pull secret team/own was not read in time");
}

#[tokio::test]
async fn a_workload_names_as_many_secrets_as_the_limit() {
    let server = ApiServer::default();
    let names: Vec<String> = (0..=MAX_SECRETS).map(|number| format!("s{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let secrets = server.pull_secrets();
    assert_eq!(user(&secrets, puller("team", &names[..MAX_SECRETS])).await, Ok(None));
    server.asked();
    let error = user(&secrets, puller("team", &names)).await.unwrap_err();
    assert_eq!(error.text, "expected at most 32 pull secrets, found 33");
    assert_eq!(server.asked(), ["GET team/serviceaccounts/default"]);
}
