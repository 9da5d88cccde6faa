//! What the reconcilers are told on the command line.

use trustwright_roots::DefaultRoot;

use crate::{DependentSettings, ExpiryWarning};

/// What the reconcilers are told on the command line.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The namespace that we run in.
    pub namespace: String,
    /// The trust root of policies that name none; `None` with `--disable-tuf`.
    pub default_root: Option<DefaultRoot>,
    /// How long before their end roles are said to be expiring.
    pub expiry_warning: ExpiryWarning,
    /// Who is told when trust changes.
    pub dependents: DependentSettings,
}
