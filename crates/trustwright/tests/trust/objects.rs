//! `TrustRoot` objects with the sources that are not packed: `spec.remote` and `spec.trustedRoot`.

use std::net::{Ipv4Addr, TcpListener};

use serde_json::{Value, json};
use trustwright_testkit::tuf_repository::Repository;
use trustwright_trust::tuf::Archive;

use crate::fixture::{IN_TIME, Upstream, accepted, folder, refused, serve, trust_with_kubeconfig, write};

fn base64(bytes: impl AsRef<[u8]>) -> Value {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes).into()
}

fn object(spec: &Value, status: &Value) -> String {
    let object = json!({
        "apiVersion": "policy.sigstore.dev/v1alpha1", "kind": "TrustRoot", "metadata": {"name": "one"},
        "spec": spec, "status": status,
    });
    object.to_string()
}

fn remote(repository: &Repository, mirror: &str) -> Value {
    json!({"remote": {"root": base64(repository.first_root()), "mirror": mirror}})
}

fn kept(files: &Archive) -> Value {
    json!({"repository": base64(files.pack(512 << 10).unwrap())})
}

fn inspected(path: &str) -> Value {
    serde_json::from_str(&accepted(&["inspect", path, "--at", IN_TIME, "-o", "json"]).out).unwrap()
}

fn notes(report: &Value) -> String {
    report["notes"].to_string()
}

#[test]
fn a_remote_root_is_what_its_status_keeps_verified_from_its_spec() {
    let mut repository = Repository::new();
    let upstream = Upstream::new(repository.publish());
    repository.rotate(|_| ());
    repository.advance();
    let place = folder("object-kept");
    let spec = remote(&repository, &upstream.url);
    let path = write(&place, "kept.json", object(&spec, &kept(&repository.publish())));
    let report = inspected(&path);
    assert_eq!(
        report["anchor"],
        json!({"version": 1, "givenBy": "spec.remote.root", "trustOnFirstUse": false})
    );
    assert_eq!(
        (&report["metadata"][0]["version"], &report["metadata"][1]["version"]),
        (&json!(2), &json!(2))
    );
    assert!(notes(&report).contains("that of status.repository, verified again from spec.remote.root"));
    assert_eq!(upstream.asked(), Vec::<String>::new());
    accepted(&["verify", &path, "--at", IN_TIME, "--min", "root=30d"]);
    refused(1, &["inspect", &path, "--root", &path], &["--root", "brings its own root"]);

    let other = Repository::new();
    for (name, status, words) in [
        ("forged", kept(&other.publish()), ["status.repository", "valid signatures"]),
        ("damaged", json!({"repository": base64("none")}), ["status.repository", "damaged"]),
        ("text", json!({"repository": "!"}), ["status.repository", "base64"]),
    ] {
        let path = write(&place, name, object(&spec, &status));
        refused(1, &["inspect", &path, "--at", IN_TIME], &words);
    }
    assert_eq!(upstream.asked(), Vec::<String>::new());
}

#[test]
fn a_remote_root_without_status_is_read_from_its_mirror() {
    let mut repository = Repository::new();
    repository.files = [("other.json".to_owned(), repository.files["trusted_root.json"].clone())].into();
    let url = serve(repository.publish());
    let place = folder("object-remote");
    let mut spec = remote(&repository, &url);
    let at_once = |name: &str, spec: &Value| write(&place, name, object(spec, &json!({})));
    refused(
        1,
        &["inspect", &at_once("target", &spec), "--at", IN_TIME],
        &[&url, "no role lists trusted_root.json"],
    );
    spec["remote"]["trustedRootTarget"] = json!("other.json");
    let path = at_once("remote", &spec);
    let report = inspected(&path);
    assert_eq!(report["anchor"]["givenBy"], "spec.remote.root");
    assert!(notes(&report).contains(&format!("that of spec.remote.mirror, {url}")), "{}", notes(&report));
    let late = accepted(&["inspect", &path, "--at", "2026-10-01T00:00:00Z"]).out;
    assert!(late.contains("the operator takes nothing from it: root, timestamp"), "{late}");

    for (name, change, words) in [
        ("mirror", ["mirror", ""], ["missing", "spec.remote.mirror"]),
        ("url", ["mirror", "none"], ["spec.remote.mirror", "not a URL"]),
        ("scheme", ["mirror", "ftp://tuf.example"], ["spec.remote.mirror", "neither http nor https"]),
        ("root", ["root", ""], ["missing", "spec.remote.root"]),
        ("else", ["root", "e30="], ["spec.remote.root", &url]),
    ] {
        let mut spec = spec.clone();
        spec["remote"][change[0]] = json!(change[1]);
        refused(1, &["inspect", &at_once(name, &spec), "--at", IN_TIME], &words);
    }
    spec["remote"]["caBundle"] = json!({"data": "no PEM"});
    refused(1, &["inspect", &at_once("ca", &spec)], &["spec.remote.mirror", "no certificate in PEM"]);
    spec["remote"]["caBundle"] = json!({"configMapRef": {"name": "ca"}});
    refused(
        1,
        &["inspect", &at_once("reference", &spec)],
        &["spec.remote.caBundle", "only where it has data"],
    );
}

#[test]
fn an_inline_trusted_root_is_shown_as_not_protected() {
    let repository = Repository::new();
    let trusted_root = String::from_utf8(repository.files["trusted_root.json"].clone()).unwrap();
    let place = folder("object-inline");
    let of = |name: &str, spec: &Value| write(&place, name, object(spec, &json!({})));
    let path = of("inline", &json!({"trustedRoot": {"data": trusted_root}}));
    let report = inspected(&path);
    assert!(notes(&report).contains("spec.trustedRoot is not protected by TUF"), "{}", notes(&report));
    assert_eq!((&report["anchor"], &report["metadata"]), (&Value::Null, &json!([])));
    let url = serve(repository.publish());
    assert_eq!(report["fingerprint"], inspected(&of("remote", &remote(&repository, &url)))["fingerprint"]);
    // Of a status nothing is taken where there is no TUF.
    let forged = write(
        &place,
        "forged",
        object(&json!({"trustedRoot": {"data": trusted_root}}), &json!({"repository": "!"})),
    );
    assert_eq!(inspected(&forged)["fingerprint"], report["fingerprint"]);

    let reference = json!({"trustedRoot": {"configMapRef": {"name": "one"}}});
    refused(1, &["inspect", &of("reference", &reference)], &["spec.trustedRoot", "only where it has data"]);
    refused(1, &["verify", &of("text", &json!({"trustedRoot": {"data": "none"}}))], &["does not decode"]);
    let both = json!({"trustedRoot": {"data": trusted_root}, "sigstoreKeys": {}});
    refused(1, &["inspect", &of("both", &both)], &["expected exactly one, got both"]);
}

#[test]
fn an_object_of_a_cluster_needs_a_cluster() {
    let place = folder("object-cluster");
    for name in ["A_b", "a/b", ""] {
        refused(1, &["inspect", &format!("trustroot/{name}")], &["not a name of an object"]);
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "one",
        "clusters": [{"name": "one", "cluster": {"server": server}}],
        "users": [{"name": "one", "user": {}}],
        "contexts": [{"name": "one", "context": {"cluster": "one", "user": "one"}}],
    });
    let kubeconfig = write(&place, "kubeconfig", kubeconfig.to_string());
    let run = || {
        let run = trust_with_kubeconfig(&kubeconfig, &["inspect", "trustroot/one"]);
        assert_eq!((run.status, run.out.as_str()), (1, ""), "{}", run.err);
        run.err
    };
    // It takes the connection, and says nothing.
    let error = run();
    assert!(error.contains(&format!("trustroot/one: {server}/ did not answer within 10 s")), "{error}");
    drop(listener);
    let error = run();
    assert!(error.contains(&format!("trustroot/one: cannot be read from {server}/")), "{error}");
    // A folder of that name is meant with a dot.
    refused(1, &["inspect", &format!("{}/trustroot/one", place.display())], &["No such file"]);
}
