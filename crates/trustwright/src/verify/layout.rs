//! An OCI image layout in a folder (image specification, "Image Layout"), as the registry that it could be pushed to.
//!
//! Signatures are found in it wherever the field's tools put them: as manifests with a `subject` (OCI 1.1), under
//! cosign's legacy tags, and as `cosign save` marks them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use trustwright_core::{Digest, ImageRef};

/// Largest manifest that is read, in bytes: what the distribution specification lets a client rely on.
const MANIFEST: u64 = 4 << 20;
/// Most manifests of a layout.
const MANIFESTS: usize = 10_000;
/// How deep indexes may lie in indexes.
const DEPTH: usize = 4;

const INDEX_TYPES: [&str; 2] =
    ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];
const IMAGE_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
/// The name of a manifest: its tag, or, as `cosign save` has it, the whole reference.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The whole reference, as containerd has it.
const IMAGE_NAME: &str = "io.containerd.image.name";
/// What `cosign save` marks manifests with: `dev.cosignproject.cosign/image`, `…/sigs`, `…/atts`.
const KIND: &str = "kind";

/// The manifests of a layout.
#[derive(Debug)]
pub(super) struct Layout {
    folder: PathBuf,
    manifests: BTreeMap<Digest, Manifest>,
    tags: BTreeMap<String, Digest>,
    /// The repositories that manifests are said to be of.
    repositories: BTreeMap<Digest, String>,
    /// The manifests that a subject has, in the order of the layout.
    referrers: BTreeMap<Digest, Vec<Digest>>,
    /// What `index.json` names itself.
    named: Vec<Digest>,
}

/// A manifest or index.
#[derive(Debug, Clone)]
pub(super) struct Manifest {
    /// Its media type.
    pub(super) media_type: String,
    /// Its bytes.
    pub(super) bytes: Vec<u8>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    manifests: Vec<Descriptor>,
    #[serde(default)]
    subject: Option<Descriptor>,
}

impl Layout {
    /// Reads the manifests below `folder`; blobs are read when they are asked for.
    pub(super) fn read(folder: &Path) -> anyhow::Result<Self> {
        let marker = folder.join("oci-layout");
        ensure!(marker.is_file(), "{} is no OCI image layout: it has no file oci-layout", folder.display());
        let index = bounded(&folder.join("index.json"), MANIFEST).context("index.json")?;
        let index: Document = serde_json::from_slice(&index).context("index.json cannot be decoded")?;
        let mut layout = Self {
            folder: folder.to_owned(),
            manifests: BTreeMap::new(),
            tags: BTreeMap::new(),
            repositories: BTreeMap::new(),
            referrers: BTreeMap::new(),
            named: Vec::new(),
        };
        let mut images = Vec::new();
        for descriptor in &index.manifests {
            let digest = layout.add(descriptor, DEPTH)?;
            for name in [REF_NAME, IMAGE_NAME].iter().filter_map(|key| descriptor.annotations.get(*key)) {
                layout.name(name, digest);
            }
            let kind = descriptor.annotations.get(KIND).map(String::as_str).unwrap_or_default();
            match kind.strip_prefix("dev.cosignproject.cosign/") {
                Some("sigs") => layout.beside(images.last(), "sig", digest),
                Some("atts") => layout.beside(images.last(), "att", digest),
                _ => images.push(digest),
            }
            layout.named.push(digest);
        }
        Ok(layout)
    }

    /// A manifest has this name: a tag, or a whole reference.
    fn name(&mut self, name: &str, digest: Digest) {
        let reference = name.contains('/').then(|| name.parse::<ImageRef>().ok()).flatten();
        let tag = match &reference {
            Some(reference) => reference.tag(),
            None => Some(name),
        };
        if let Some(tag) = tag {
            self.tags.insert(tag.to_owned(), digest);
        }
        if let Some(reference) = &reference {
            self.repositories.insert(digest, reference.repository().to_string());
        }
    }

    /// The repository that the layout says the image is of.
    pub(super) fn repository(&self, digest: &Digest) -> Option<String> {
        self.repositories.get(digest).cloned()
    }

    /// `cosign save` writes the signatures after the image.
    fn beside(&mut self, image: Option<&Digest>, end: &str, digest: Digest) {
        if let Some(image) = image {
            self.tags.insert(format!("sha256-{}.{end}", image.hex()), digest);
        }
    }

    fn add(&mut self, descriptor: &Descriptor, depth: usize) -> anyhow::Result<Digest> {
        let digest: Digest = descriptor.digest.parse().with_context(|| descriptor.digest.clone())?;
        if self.manifests.contains_key(&digest) {
            return Ok(digest);
        }
        ensure!(self.manifests.len() < MANIFESTS, "more than {MANIFESTS} manifests");
        let bytes =
            bounded(&self.blob_path(&digest), MANIFEST).with_context(|| format!("manifest {digest}"))?;
        let document: Document =
            serde_json::from_slice(&bytes).with_context(|| format!("manifest {digest} cannot be decoded"))?;
        let media_type = [document.media_type.clone(), Some(descriptor.media_type.clone())];
        let media_type = media_type.into_iter().flatten().find(|name| !name.is_empty());
        let is_index = media_type.as_deref().is_some_and(|name| INDEX_TYPES.contains(&name));
        let media_type = media_type.unwrap_or_else(|| IMAGE_TYPE.to_owned());
        self.manifests.insert(digest, Manifest { media_type, bytes });
        if let Some(subject) = &document.subject {
            let subject = subject.digest.parse().with_context(|| format!("subject of {digest}"))?;
            self.referrers.entry(subject).or_default().push(digest);
        }
        if is_index {
            ensure!(depth > 0, "{digest}: indexes lie more than {DEPTH} deep in indexes");
            for child in &document.manifests {
                // An index may name what was not copied.
                if self.blob_path_of(&child.digest).is_some_and(|path| path.is_file()) {
                    self.add(child, depth - 1)?;
                }
            }
        }
        Ok(digest)
    }

    /// The digest that is given, or that a tag has, or of the only image where none is given.
    pub(super) fn resolve(&self, tag: Option<&str>) -> anyhow::Result<Digest> {
        if let Some(tag) = tag {
            if let Ok(digest) = tag.parse() {
                ensure!(self.manifests.contains_key(&digest), "no manifest {digest} in the layout");
                return Ok(digest);
            }
            let tags: Vec<&str> = self.tags.keys().map(String::as_str).collect();
            let found = self.tags.get(tag).copied();
            return found.with_context(|| format!("no tag {tag:?} in the layout; it has {tags:?}"));
        }
        let is_evidence = |digest: &Digest| {
            let referred = self.referrers.values().flatten().any(|referrer| referrer == digest);
            let tagged = |(tag, tagged): (&String, &Digest)| tagged == digest && is_evidence_tag(tag);
            referred || self.tags.iter().any(tagged)
        };
        let images: BTreeSet<Digest> =
            self.named.iter().copied().filter(|digest| !is_evidence(digest)).collect();
        match images.into_iter().collect::<Vec<_>>().as_slice() {
            [image] => Ok(*image),
            [] => bail!("the layout has no image"),
            several => {
                bail!("the layout has {} images; name one: oci:DIR:TAG or oci:DIR@DIGEST", several.len())
            }
        }
    }

    /// The manifest at a tag or digest.
    pub(super) fn manifest(&self, reference: &str) -> Option<(Digest, &Manifest)> {
        let digest = self.tags.get(reference).copied().or_else(|| reference.parse().ok())?;
        Some((digest, self.manifests.get(&digest)?))
    }

    /// The index of what refers to a digest (distribution specification, "Listing Referrers").
    pub(super) fn referrers(&self, subject: &Digest) -> Value {
        let descriptors: Vec<Value> = self
            .referrers
            .get(subject)
            .into_iter()
            .flatten()
            .filter_map(|digest| Some((digest, self.manifests.get(digest)?)))
            .map(|(digest, manifest)| descriptor(digest, manifest))
            .collect();
        json!({"schemaVersion": 2, "mediaType": INDEX_TYPES[0], "manifests": descriptors})
    }

    /// Opens the blob of a digest.
    pub(super) fn blob(&self, digest: &Digest) -> io::Result<File> {
        File::open(self.blob_path(digest))
    }

    fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.folder.join("blobs").join("sha256").join(digest.hex())
    }

    fn blob_path_of(&self, digest: &str) -> Option<PathBuf> {
        Some(self.blob_path(&digest.parse().ok()?))
    }
}

/// A descriptor with what a client selects referrers by.
fn descriptor(digest: &Digest, manifest: &Manifest) -> Value {
    let document: Value = serde_json::from_slice(&manifest.bytes).unwrap_or_default();
    let artifact_type = [&document["artifactType"], &document["config"]["mediaType"]]
        .into_iter()
        .find(|name| name.as_str().is_some_and(|name| !name.is_empty()));
    let mut descriptor = json!({
        "mediaType": manifest.media_type, "digest": digest.to_string(), "size": manifest.bytes.len(),
    });
    for (key, value) in [("artifactType", artifact_type), ("annotations", document.get("annotations"))] {
        if let Some(value) = value {
            descriptor[key] = value.clone();
        }
    }
    descriptor
}

fn is_evidence_tag(tag: &str) -> bool {
    // The tag by itself lists what refers to an image, where there is no API for that.
    let Some(rest) = tag.strip_prefix("sha256-") else { return false };
    let (hex, end) = rest.split_once('.').unwrap_or((rest, ""));
    hex.len() == 64 && matches!(end, "" | "sig" | "att")
}

fn bounded(path: &Path, limit: u64) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(limit + 1).read_to_end(&mut bytes))
        .with_context(|| format!("cannot read {}", path.display()))?;
    ensure!(bytes.len() as u64 <= limit, "{} is larger than {limit} bytes", path.display());
    Ok(bytes)
}
