//! Decoding that forgives what Go's encoder writes for zero values.

use serde::{Deserialize, Deserializer};

/// Reads a value, taking `null` for the type's default.
///
/// Go writes a nil list or string field without `omitempty` as `null` or `""`, and stored objects carry these.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
