//! What Secrets and `ConfigMaps` of our own namespace say.

use trustwright_roots::EntryKind;
use trustwright_runtime::objects::Objects;

/// The entries of the Secrets and `ConfigMaps` of our own namespace.
pub(crate) trait Entries {
    /// The bytes under `key` of the object of that name. `None` where either is not there.
    fn entry(&self, kind: EntryKind, name: &str, key: &str) -> Option<Vec<u8>>;
}

impl Entries for Objects {
    fn entry(&self, kind: EntryKind, name: &str, key: &str) -> Option<Vec<u8>> {
        match kind {
            EntryKind::Secret => Some(self.secret(name)?.data.as_ref()?.get(key)?.0.clone()),
            EntryKind::ConfigMap => {
                let object = self.config_map(name)?;
                let text = object.data.as_ref().and_then(|data| data.get(key)).map(String::as_bytes);
                let bytes = || object.binary_data.as_ref()?.get(key).map(|bytes| bytes.0.as_slice());
                text.or_else(bytes).map(<[u8]>::to_vec)
            }
        }
    }
}
