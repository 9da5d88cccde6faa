//! From a word of the command line to what it means.

use std::fmt;
use std::io;
use std::path::Path;

use anyhow::{Context as _, bail};
use trustwright_mirror::{Mirror, MirrorConfig};
use trustwright_trust::tuf::{Archive, Limits};
use url::Url;

use super::checkout;
use super::files::{Files, bounded, read_named};
use super::live;
use super::manifest::{self, Manifest};

/// The file that every repository has.
const TIMESTAMP: &str = "timestamp.json";
/// What a gzip stream starts with (RFC 1952, section 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// Most bytes of a file that are read: more than any object of Kubernetes, and any archive that is unpacked.
const MAX_FILE: u64 = 16 << 20;

/// What a source holds.
#[derive(Debug)]
pub(super) enum Source {
    /// A `TrustRoot`.
    Manifest(Manifest),
    /// A TUF repository, whose root is given apart from it.
    Repository(Files),
}

/// What a source is, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    /// Archive, checkout, folder, manifest, mirror or object.
    pub(super) kind: &'static str,
    /// Path, URL, or name in the cluster.
    pub(super) location: String,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.location)
    }
}

/// Opens what `text` names.
pub(super) async fn open(text: &str) -> anyhow::Result<(Origin, Source)> {
    let (kind, location, source) = if text == "-" {
        let bytes = bounded(io::stdin().lock(), MAX_FILE).context("cannot read stdin")?;
        let (kind, source) = of_bytes("stdin", bytes)?;
        (kind, "stdin".to_owned(), source)
    } else if text.contains("://") {
        let mirror = mirror(text)?;
        ("mirror", mirror.base().to_string(), Source::Repository(Files::over_http(mirror)))
    } else if let Some(name) = live::name(text) {
        let read = async { manifest::of_object(&live::read(name).await?) };
        ("object", text.to_owned(), Source::Manifest(read.await.with_context(|| text.to_owned())?))
    } else {
        let (kind, source) = of_path(text)?;
        (kind, text.to_owned(), source)
    };
    Ok((Origin { kind, location }, source))
}

/// The URL is quoted by no error: it may hold a password.
pub(super) fn mirror(text: &str) -> anyhow::Result<Mirror> {
    let base: Url = text.parse().context("the source is not a URL")?;
    Mirror::new(&MirrorConfig::new(base)).context("the source cannot be used")
}

fn of_path(text: &str) -> anyhow::Result<(&'static str, Source)> {
    let path = Path::new(text);
    let found = path.metadata().with_context(|| format!("cannot read {text}"))?;
    if found.is_dir() {
        if path.join(checkout::TIMESTAMP).is_file() {
            return Ok(("checkout", Source::Repository(Files::Checkout(path.to_owned()))));
        }
        let inner = path.join("repository");
        let folder = [path, &inner].into_iter().find(|folder| folder.join(TIMESTAMP).is_file());
        let folder = folder.with_context(|| no_repository(text))?;
        return Ok(("folder", Source::Repository(Files::Folder(folder.to_owned()))));
    }
    let bytes = read_named(path, MAX_FILE).with_context(|| format!("cannot read {text}"))?;
    of_bytes(text, bytes)
}

fn of_bytes(name: &str, bytes: Option<Vec<u8>>) -> anyhow::Result<(&'static str, Source)> {
    let Some(bytes) = bytes else { bail!("{name} has more than {MAX_FILE} bytes") };
    let lower = name.to_ascii_lowercase();
    if bytes.starts_with(&GZIP) || [".tar.gz", ".tgz"].iter().any(|end| lower.ends_with(end)) {
        let archive = Archive::unpack(&bytes, &Limits::default())
            .with_context(|| format!("{name} is not an archive that can be read"))?;
        if archive.get(TIMESTAMP).is_none() {
            bail!(no_repository(name));
        }
        return Ok(("archive", Source::Repository(Files::Archive(archive))));
    }
    let manifest = manifest::read(&bytes)
        .with_context(|| format!("{name} is neither a .tar.gz nor a TrustRoot that can be read"))?;
    Ok(("manifest", Source::Manifest(manifest)))
}

fn no_repository(name: &str) -> String {
    format!(
        "{name} is not a published TUF repository: neither it nor its folder repository has a {TIMESTAMP}"
    )
}
