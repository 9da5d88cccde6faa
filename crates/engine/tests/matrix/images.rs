//! Images that differ in nothing but their content.

use anyhow::Result;
use tokio::sync::Mutex;
use trustwright_testkit::{Image, Registry};

/// A registry of each kind.
pub(crate) struct Images {
    referrers: Registry,
    plain: Registry,
    count: Mutex<usize>,
}

impl Images {
    pub(crate) async fn new() -> Result<Self> {
        let (referrers, plain) = (Registry::with_referrers().await?, Registry::without_referrers().await?);
        Ok(Self { referrers, plain, count: Mutex::new(0) })
    }

    /// A new image.
    pub(crate) async fn push(&self, referrers: bool) -> Result<Image> {
        let number = {
            let mut count = self.count.lock().await;
            *count += 1;
            *count
        };
        let registry = if referrers { &self.referrers } else { &self.plain };
        registry.push_image("app", &format!("v{number}")).await
    }

    /// A new index in the registry with the referrers API, and an image of it.
    pub(crate) async fn push_index(&self) -> Result<(Image, Image)> {
        let image = self.push(true).await?;
        let tag = format!("index-{}", self.count.lock().await);
        let target = format!("{}/app:{tag}", self.referrers.host());
        self.referrers.crane(&["index", "append", "-m", &image.to_string(), "-t", &target]).await?;
        Ok((self.referrers.image("app", &tag).await?, image))
    }
}
