//! The trust root of policies that name none.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args as ClapArgs;
use trustwright_roots::{DefaultRoot, EMBEDDED_ROOT};
use url::Url;

/// Where the default trust root comes from.
#[derive(Debug, ClapArgs)]
pub(crate) struct DefaultRootArgs {
    /// TUF mirror of the default trust root, for policies that name none
    #[arg(long, value_name = "URL", default_value = trustwright_roots::DEFAULT_MIRROR)]
    tuf_mirror: Url,

    /// File with the root.json that the default trust root starts from; that of Sigstore where not given
    #[arg(long, value_name = "FILE")]
    tuf_root: Option<PathBuf>,

    /// Have no default trust root: policies must name theirs
    #[arg(long)]
    disable_tuf: bool,
}

impl DefaultRootArgs {
    /// The trust root that the flags name. A file that cannot be read is the user's to know at once.
    pub(crate) fn default_root(&self) -> anyhow::Result<Option<DefaultRoot>> {
        if self.disable_tuf {
            return Ok(None);
        }
        let (root, embedded) = match &self.tuf_root {
            None => (EMBEDDED_ROOT.to_vec(), true),
            Some(path) => {
                let root = std::fs::read(path);
                (root.with_context(|| format!("--tuf-root: cannot read {}", path.display()))?, false)
            }
        };
        Ok(Some(DefaultRoot { mirror: self.tuf_mirror.clone(), root, embedded }))
    }
}
