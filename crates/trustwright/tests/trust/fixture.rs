//! The binary, files for it, and a web server for it.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use trustwright_trust::tuf::Archive;

/// The public Sigstore repository as it was published.
pub(crate) const PUBLISHED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/sigstore-tuf");
/// A time at which nothing of it has expired.
pub(crate) const IN_TIME: &str = "2026-08-22T00:00:00Z";

/// The limit of every wait.
const PATIENCE: Duration = Duration::from_mins(1);

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
    run(command(arguments).stdin(input))
}

/// Runs it for the cluster of `kubeconfig`.
pub(crate) fn trust_with_kubeconfig(kubeconfig: &str, arguments: &[&str]) -> Run {
    run(command(arguments).env("KUBECONFIG", kubeconfig))
}

fn run(command: &mut Command) -> Run {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Run { status: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

/// Returns the command, which no setting of the caller's shell bends.
fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trustwright"));
    command.arg("trust").args(arguments).env_remove("KUBECONFIG");
    for proxy in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(proxy).env_remove(proxy.to_ascii_lowercase());
    }
    command
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

/// Returns the files below `folder` that a web server hands out: none that start with a dot.
pub(crate) fn served(folder: &Path) -> Archive {
    let all = files(folder);
    let is_hidden = |path: &str| path.split('/').any(|step| step.starts_with('.'));
    all.files().filter(|(path, _)| !is_hidden(path)).collect()
}

/// Serves files over HTTP for as long as the test runs, and returns the URL of their folder.
pub(crate) fn serve(files: Archive) -> String {
    Upstream::new(files).url
}

/// A web server whose files change.
pub(crate) struct Upstream {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    files: Archive,
    /// What was asked for.
    asked: Vec<String>,
    /// For how many seconds it asks to be left alone.
    busy_for: Option<u64>,
    /// A file that is begun and never ended.
    endless: Option<String>,
}

impl Upstream {
    /// Starts to serve.
    pub(crate) fn new(files: Archive) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}/mirror", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State { files, ..State::default() }));
        let shared = state.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let state = shared.clone();
                // A client that goes away is its own affair.
                thread::spawn(move || stream.and_then(|stream| answer(stream, &state)));
            }
        });
        Self { url, state }
    }

    /// Serves these files from now on.
    pub(crate) fn replace(&self, files: Archive) {
        self.state.lock().unwrap().files = files;
    }

    /// Serves the file at `path` without its end from now on; `None` serves all.
    pub(crate) fn hold(&self, path: Option<&str>) {
        self.state.lock().unwrap().endless = path.map(str::to_owned);
    }

    /// Answers 503 from now on, with a wish for so many seconds of quiet.
    pub(crate) fn be_busy_for(&self, seconds: u64) {
        self.state.lock().unwrap().busy_for = Some(seconds);
    }

    /// Returns whether `path` was asked for since the last time.
    pub(crate) fn was_asked(&self, path: &str) -> bool {
        self.state.lock().unwrap().asked.iter().any(|asked| asked == path)
    }

    /// Returns what was asked for since the last time.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }
}

fn answer(mut stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let path = request.split(' ').nth(1).and_then(|path| path.strip_prefix("/mirror/")).unwrap_or_default();
    // As web servers do, for the one escape that occurs.
    let path = &*path.replace("%20", " ");
    let (found, is_endless, busy_for) = {
        let mut state = state.lock().unwrap();
        state.asked.push(path.to_owned());
        (state.files.get(path).map(<[u8]>::to_vec), state.endless.as_deref() == Some(path), state.busy_for)
    };
    if let Some(seconds) = busy_for {
        let head = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0";
        return write!(stream, "{head}\r\nRetry-After: {seconds}\r\n\r\n");
    }
    let (status, body) = found.map_or(("404 Not Found", Vec::new()), |body| ("200 OK", body));
    write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len())?;
    if is_endless {
        stream.write_all(&body[..1])?;
        // Until the client goes.
        lines.next().transpose()?;
        return Ok(());
    }
    stream.write_all(&body)
}

/// A `trustwright trust` that runs until it is told to stop; killed when dropped.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    /// Starts it.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = command(arguments).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    /// Waits for a line on stderr that contains `text`, and returns it.
    pub(crate) fn says(&self, text: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let line = self.lines.recv_timeout(end.saturating_duration_since(Instant::now()));
            let line = line.map_err(|_| format!("never said {text:?}")).unwrap();
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Sends a signal and returns the exit status; none for an end by that signal.
    pub(crate) fn stop(mut self, signal: &str) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until `is_so`.
pub(crate) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "never {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
