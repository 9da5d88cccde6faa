//! Base64 text of the API as a value.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::field_error::FieldError;

/// Bytes that a manifest carries as standard base64 (RFC 4648 section 4, padded; line breaks are ignored).
///
/// The text is kept as written, so that an object goes back as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Base64Data(pub String);

impl Base64Data {
    /// Returns the encoded form of these bytes.
    pub fn encode(bytes: impl AsRef<[u8]>) -> Self {
        Self(STANDARD.encode(bytes))
    }

    /// Returns whether there is nothing to decode.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the bytes.
    ///
    /// # Errors
    ///
    /// `invalid value: failed to decode base64: <path>`, with the decoder's finding as details.
    pub fn decode(&self, path: &str) -> Result<Vec<u8>, FieldError> {
        let text: String = self.0.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
        STANDARD
            .decode(text)
            .map_err(|error| FieldError::invalid_value("failed to decode base64", path, error.to_string()))
    }
}
