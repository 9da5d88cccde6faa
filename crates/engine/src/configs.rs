//! The configurations of an image, one of each platform.

use serde_json::Value;
use tokio::time::Instant;
use trustwright_core::{Digest, Reason, Repository};
use trustwright_registry::{Client, Credential, Error, Manifest, Reference};

use crate::cache::Configs;

/// Manifests of one image that are read, indexes among them.
const MAX_MANIFESTS: usize = 64;
/// Indexes in indexes.
const MAX_DEPTH: usize = 4;
/// Largest configuration, in bytes; most have less than 20 KiB.
const MAX_CONFIG: u64 = 1 << 20;
/// Size of all configurations of an image, in bytes.
const MAX_CONFIGS: usize = 8 << 20;

const INDEX_TYPES: [&str; 2] =
    ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];
const IMAGE_TYPES: [&str; 2] =
    ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];

/// Where an image is read.
pub(crate) struct Shop<'a> {
    pub(crate) registry: &'a Client,
    pub(crate) repository: &'a Repository,
    pub(crate) credential: &'a Credential,
    pub(crate) deadline: Instant,
}

type Fault = (Reason, String);

impl Shop<'_> {
    /// Reads the configurations of every image that `digest` is or holds, by platform (`linux/arm64/v8`), and their size
    /// in bytes. Of two of one platform the later counts.
    pub(crate) async fn configs(&self, digest: Digest) -> Result<(Configs, usize), Fault> {
        let (mut configs, mut size) = (Configs::new(), 0);
        // What is still to be read, with its depth; the first is what was asked for.
        let mut rest = vec![(digest, 0)];
        let mut read = 0;
        while let Some((digest, depth)) = rest.pop() {
            read += 1;
            if read > MAX_MANIFESTS || depth > MAX_DEPTH {
                let text = format!(
                    "{} has more than {MAX_MANIFESTS} manifests, or indexes {MAX_DEPTH} deep",
                    self.name(&digest)
                );
                return Err((Reason::RegistryInvalid, text));
            }
            let manifest = self.manifest(digest).await?;
            match kind(&manifest) {
                Some(Kind::Index) => {
                    let index = manifest.index().map_err(|error| fault(&error))?;
                    // In their order, which decides of two of one platform.
                    rest.extend(index.manifests.iter().rev().map(|child| (child.digest, depth + 1)));
                }
                Some(Kind::Image) => {
                    let image = manifest.image().map_err(|error| fault(&error))?;
                    let config = self.config(&image.config.digest).await?;
                    size += config.len();
                    if size > MAX_CONFIGS {
                        let text = format!(
                            "the configurations of {} have more than {MAX_CONFIGS} bytes",
                            self.name(&digest)
                        );
                        return Err((Reason::RegistryInvalid, text));
                    }
                    let config: Value = serde_json::from_slice(&config).map_err(|_| {
                        let text = format!("the configuration of {} is not JSON", self.name(&digest));
                        (Reason::RegistryInvalid, text)
                    })?;
                    configs.insert(platform(&config), config);
                }
                None => {
                    let text =
                        format!("unknown mime type for {}: {:?}", self.name(&digest), manifest.media_type);
                    return Err((Reason::RegistryInvalid, text));
                }
            }
        }
        Ok((configs, size))
    }

    async fn manifest(&self, digest: Digest) -> Result<Manifest, Fault> {
        let reference = Reference::Digest(digest);
        let found = self.registry.manifest(self.repository, &reference, self.credential, self.deadline).await;
        found.map_err(|error| fault(&error))?.ok_or_else(|| {
            let text = format!("failed to get ref {}: not found", self.name(&digest));
            (Reason::RegistryInvalid, text)
        })
    }

    async fn config(&self, digest: &Digest) -> Result<Vec<u8>, Fault> {
        let found =
            self.registry.blob(self.repository, digest, MAX_CONFIG, self.credential, self.deadline).await;
        Ok(found.map_err(|error| fault(&error))?.to_vec())
    }

    fn name(&self, digest: &Digest) -> String {
        format!("{}@{digest}", self.repository)
    }
}

enum Kind {
    Index,
    Image,
}

/// What a manifest is by its own word, or, where it has none, by that of the registry.
fn kind(manifest: &Manifest) -> Option<Kind> {
    let stated: Option<String> = serde_json::from_slice::<Value>(&manifest.bytes)
        .ok()
        .and_then(|document| Some(document.get("mediaType")?.as_str()?.to_owned()));
    let media_type = stated.as_deref().unwrap_or(&manifest.media_type);
    if INDEX_TYPES.contains(&media_type) {
        return Some(Kind::Index);
    }
    IMAGE_TYPES.contains(&media_type).then_some(Kind::Image)
}

fn fault(error: &Error) -> Fault {
    (error.reason(), format!("failed to get a ConfigFile: [{error}]"))
}

/// `os/architecture[/variant][:os.version]`, as the field writes a platform.
fn platform(config: &Value) -> String {
    let field = |name: &str| config.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut platform = field("os").to_owned();
    for name in ["architecture", "variant"] {
        if !field(name).is_empty() {
            platform.push('/');
            platform.push_str(field(name));
        }
    }
    if !field("os.version").is_empty() {
        platform.push(':');
        platform.push_str(field("os.version"));
    }
    platform
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_platform_has_the_parts_that_its_configuration_has() {
        for (config, expected) in [
            (json!({"os": "linux", "architecture": "amd64"}), "linux/amd64"),
            (json!({"os": "linux", "architecture": "arm", "variant": "v7"}), "linux/arm/v7"),
            (
                json!({"os": "windows", "architecture": "amd64", "os.version": "10.0.1"}),
                "windows/amd64:10.0.1",
            ),
            (json!({}), ""),
        ] {
            assert_eq!(platform(&config), expected);
        }
    }
}
