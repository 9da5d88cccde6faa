//! What Secrets and `ConfigMaps` of our own namespace say.

use trustwright_roots::EntryKind;
use trustwright_runtime::objects::Objects;

/// The entries of the Secrets and `ConfigMaps` of our own namespace.
pub trait Entries {
    /// The bytes under `key` of the object of that name. `None` where either is not there.
    fn entry(&self, kind: EntryKind, name: &str, key: &str) -> Option<Vec<u8>>;
}

impl Entries for Objects {
    fn entry(&self, kind: EntryKind, name: &str, key: &str) -> Option<Vec<u8>> {
        match kind {
            EntryKind::Secret => self.secret_entry(name, key),
            EntryKind::ConfigMap => self.config_map_entry(name, key),
        }
    }
}
