use std::{fs, path::PathBuf, time::Duration};

use trustwright_registry::{
    AuthFileProblem, BuildError, Client, ClientConfig, Credential, Error, Reference, Timeouts,
};

use super::{
    alice, config, deadline, repository,
    server::{Answer, Server},
};

/// A folder that goes with the test.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// A client that looks at its files before every call.
fn client(auth_files: Vec<PathBuf>) -> Result<Client, BuildError> {
    let timeouts = Timeouts { files: Duration::ZERO, ..config().timeouts };
    Client::new(&ClientConfig { auth_files, timeouts, ..config() })
}

fn auths(host: &str, user: &str) -> String {
    format!(r#"{{"auths": {{"{host}": {{"username": "{user}", "password": "hunter2"}}}}}}"#)
}

/// A registry that takes any password.
async fn registry() -> Server {
    Server::start(|seen, _| match seen.authorization {
        Some(_) => Answer::ok("{}"),
        None => Answer::new(401, "").with("WWW-Authenticate", "Basic realm=\"r\""),
    })
    .await
}

async fn read(client: &Client, host: &str, credential: &Credential) -> Result<(), Error> {
    client.manifest(&repository(host), &Reference::Tag("v1".into()), credential, deadline()).await.map(|_| ())
}

/// Who the last request came from.
fn user(server: &Server) -> Option<String> {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    let authorization = server.seen().last()?.authorization.clone()?;
    let text = BASE64_STANDARD.decode(authorization.strip_prefix("Basic ")?).unwrap();
    Some(String::from_utf8(text).unwrap().split(':').next().unwrap().to_owned())
}

#[tokio::test]
async fn the_process_s_credential_serves_callers_without_one_of_their_own() {
    let (server, other, folder) = (registry().await, registry().await, folder());
    let path = folder.path().join("config.json");
    fs::write(&path, auths(&server.host, "process")).unwrap();
    let client = client(vec![folder.path().join("missing.json"), path]).unwrap();
    read(&client, &server.host, &Credential::Anonymous).await.unwrap();
    assert_eq!(user(&server).as_deref(), Some("process"));
    read(&client, &server.host, &alice()).await.unwrap();
    assert_eq!(user(&server).as_deref(), Some("alice"));
    let error = read(&client, &other.host, &Credential::Anonymous).await.unwrap_err();
    assert!(matches!(error, Error::Unauthorized { .. }));
    assert_eq!(user(&other), None);
}

#[tokio::test]
async fn a_file_is_followed_and_one_that_is_broken_changes_nothing() {
    let (server, folder) = (registry().await, folder());
    let path = folder.path().join("config.json");
    let client = client(vec![path.clone()]).unwrap();
    let asked = async || {
        let result = read(&client, &server.host, &Credential::Anonymous).await;
        result.is_ok().then(|| user(&server)).flatten()
    };
    assert_eq!(asked().await, None);
    fs::write(&path, auths(&server.host, "one")).unwrap();
    assert_eq!(asked().await.as_deref(), Some("one"));
    fs::write(&path, auths(&server.host, "two")).unwrap();
    assert_eq!(asked().await.as_deref(), Some("two"));
    fs::write(&path, "nonsense").unwrap();
    assert_eq!(asked().await.as_deref(), Some("two"));
    fs::remove_file(&path).unwrap();
    assert_eq!(asked().await, None);
}

#[tokio::test]
async fn of_several_files_the_first_that_knows_the_registry_counts() {
    let (server, folder) = (registry().await, folder());
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let (one, two) = (write("1", &auths(&server.host, "one")), write("2", &auths(&server.host, "two")));
    let other = write("3", &auths("ghcr.io", "other"));
    for (files, expected) in [([&one, &two], "one"), ([&two, &one], "two"), ([&other, &two], "two")] {
        let client = client(files.map(Clone::clone).to_vec()).unwrap();
        read(&client, &server.host, &Credential::Anonymous).await.unwrap();
        assert_eq!(user(&server).as_deref(), Some(expected));
    }
}

#[test]
fn a_broken_file_is_an_error_at_the_start_that_names_it() {
    let folder = folder();
    let path = folder.path().join("config.json");
    fs::write(&path, r#"{"auths": {"ghcr.io": {"auth": "hunter2!"}}}"#).unwrap();
    let error = client(vec![path.clone()]).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{}: entry \"ghcr.io\": auth is not username:password in base64", path.display())
    );
    fs::write(&path, " ".repeat((1 << 20) + 1)).unwrap();
    let error = client(vec![path.clone()]).unwrap_err();
    assert!(matches!(error, BuildError::AuthFile(error) if error.problem == AuthFileProblem::TooLarge));
    fs::write(&path, auths("ghcr.io", "x")).unwrap();
    assert!(client(vec![path]).is_ok());
    let is_unreadable = |error: &BuildError| matches!(error, BuildError::AuthFile(error) if matches!(error.problem, AuthFileProblem::Unreadable(_)));
    assert!(is_unreadable(&client(vec![folder.path().to_owned()]).unwrap_err()));
}
