//! The binary, files for it, and a web server for it.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use trustwright_trust::tuf::Archive;

/// The public Sigstore repository as it was published.
pub(crate) const PUBLISHED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/sigstore-tuf");
/// A time at which nothing of it has expired.
pub(crate) const IN_TIME: &str = "2026-08-22T00:00:00Z";

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs `trustwright trust` with these arguments.
pub(crate) fn trust(arguments: &[&str]) -> Run {
    trust_reading(arguments, Stdio::null())
}

/// Runs it with something to read.
pub(crate) fn trust_reading(arguments: &[&str], input: impl Into<Stdio>) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trustwright"));
    command.arg("trust").args(arguments);
    for proxy in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(proxy).env_remove(proxy.to_ascii_lowercase());
    }
    let output = command.stdin(input).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Run { status: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

/// Runs it and returns what came out, which must be a success.
pub(crate) fn accepted(arguments: &[&str]) -> Run {
    let run = trust(arguments);
    assert_eq!(run.status, 0, "{arguments:?}: {}", run.err);
    run
}

/// Runs it and returns its error, which must name all `words` and no result.
pub(crate) fn refused(status: i32, arguments: &[&str], words: &[&str]) -> String {
    let run = trust(arguments);
    assert_eq!(run.status, status, "{arguments:?}: {} {}", run.out, run.err);
    assert!(run.out.is_empty(), "{arguments:?}: {}", run.out);
    for word in words {
        assert!(run.err.contains(word), "{arguments:?}: no {word:?} in {}", run.err);
    }
    run.err
}

/// Returns the path of a root of the published repository.
pub(crate) fn root(version: u64) -> String {
    format!("{PUBLISHED}/{version}.root.json")
}

/// Returns an empty folder for the test called `name`.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("trust").join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Writes a file, with the folders that it is in, and returns its path.
pub(crate) fn write(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) -> String {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Returns the files below `folder`.
pub(crate) fn files(folder: &Path) -> Archive {
    let mut archive = Archive::default();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                archive.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    archive
}

/// Serves files over HTTP for as long as the test runs, and returns the URL of their folder.
pub(crate) fn serve(files: Archive) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}/mirror", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            // A client that goes away is its own affair.
            let _ = stream.and_then(|stream| answer(stream, &files));
        }
    });
    url
}

fn answer(mut stream: TcpStream, files: &Archive) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let path = request.split(' ').nth(1).and_then(|path| path.strip_prefix("/mirror/"));
    let (status, body) =
        path.and_then(|path| files.get(path)).map_or(("404 Not Found", &b""[..]), |body| ("200 OK", body));
    write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len())?;
    stream.write_all(body)
}
