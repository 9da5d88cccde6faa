//! `trustwright verify`: an image judged by hand, with the code of the webhook.
//!
//! ```text
//! files ───────manifests──┐
//! API server ──live───────┴─> Objects ──world──> Snapshot ──┐
//! oci:DIR ──layout──serve──> registry ──> Engine::explain ──┴─> Report ──render──> text, JSON, exit status
//! ```
//!
//! The objects become policies and trust roots by the index of the webhook, and the image is judged by its engine. The
//! results go to stdout and remarks to stderr. Nothing is written to a cluster or a registry, and nothing is remembered.

mod arguments;
mod image;
mod layout;
mod live;
mod manifests;
mod objects;
mod render;
mod report;
mod serve;
mod world;

use std::{collections::BTreeMap, process::ExitCode, time::Duration};

use anyhow::{Context as _, bail, ensure};
use tokio::time::{Instant, timeout_at};
use trustwright_core::ImageRef;
use trustwright_engine::{Anonymous, Engine, ImageField, Review};
use trustwright_policy::Workload;
use trustwright_registry::{Client, ClientConfig, Proxies};
use trustwright_runtime::clock;

use self::{
    arguments::Output,
    image::Subject,
    layout::Layout,
    objects::Objects,
    report::{Outcome, Report},
    world::World,
};

pub(crate) use self::arguments::Verify;

/// Where the image stands, in the words of findings.
const FIELD: &str = "spec.containers[0].image";
/// The exit status of an image that is refused.
const REFUSED: u8 = 1;
/// The exit status where nobody can tell.
const UNKNOWN: u8 = 2;
/// The exit status of an image that no policy speaks of.
const UNMATCHED: u8 = 3;

/// Judges the image and shows the result. Exits with 0 if it is admitted, with 1 if a policy refuses it, with 2 if that
/// cannot be found out, with 3 if no policy speaks of it.
pub(crate) fn run(verify: &Verify) -> ExitCode {
    // Fails only if a provider is installed already, which is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let shown = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start tokio")
        .and_then(|runtime| {
            let shown = runtime.block_on(show(verify));
            // An evaluation that nobody waits for any more must not keep the process.
            runtime.shutdown_timeout(Duration::ZERO);
            shown
        });
    match shown {
        Ok(Outcome::Admitted) => ExitCode::SUCCESS,
        Ok(Outcome::Refused) => ExitCode::from(REFUSED),
        Ok(Outcome::Undecided) => ExitCode::from(UNKNOWN),
        Ok(Outcome::Unmatched) => ExitCode::from(UNMATCHED),
        Err(error) => {
            eprintln!("trustwright: {error:#}");
            ExitCode::from(UNKNOWN)
        }
    }
}

async fn show(verify: &Verify) -> anyhow::Result<Outcome> {
    let deadline = Instant::now() + verify.timeout;
    let subject = Subject::parse(&verify.image)?;
    let default_root = verify.default_root.default_root()?;
    let config = verify.registries.client_config()?;
    let objects = if verify.files.is_empty() {
        live::read(&verify.namespace, default_root.is_some(), deadline).await?
    } else {
        Objects::given(manifests::read(&verify.files)?, &verify.namespace)?
    };
    objects.notes().iter().for_each(|note| remark(note));
    let (config, image, _served) = match subject {
        Subject::Registry(image) => {
            ensure!(verify.named.is_none(), "--as: {} has a name; this is for oci:DIR", verify.image);
            (config, image, None)
        }
        Subject::Layout(folder, selected) => {
            let layout = Layout::read(&folder).with_context(|| format!("oci:{}", folder.display()))?;
            let digest =
                layout.resolve(selected.as_deref()).with_context(|| format!("oci:{}", folder.display()))?;
            let named = verify.named.clone().or_else(|| layout.repository(&digest));
            let repository = named.unwrap_or_else(|| {
                remark(&format!("the layout does not say whose image it is; it is judged as one of {UNNAMED}, say it with --as"));
                UNNAMED.to_owned()
            });
            let tag = selected.filter(|text| text.parse::<trustwright_core::Digest>().is_err());
            let tag = tag.map(|tag| format!(":{tag}")).unwrap_or_default();
            let image = format!("{repository}{tag}@{digest}");
            let image: ImageRef = image.parse().with_context(|| format!("--as: {repository}"))?;
            let served = serve::serve(layout).await?;
            let stand_in = Some(served.host().to_owned());
            // Nothing but the layout is asked, and nobody is shown anything.
            let config = ClientConfig { stand_in, proxies: Proxies::None, ..ClientConfig::default() };
            (config, image, Some(served))
        }
    };
    let engine = Engine::new(Client::new(&config).context("the registry client cannot be built")?);
    let digest = engine
        .resolve(&image, &Anonymous, deadline)
        .await
        .with_context(|| format!("{} cannot be resolved to a digest", verify.image))?;
    let pinned = image.pinned(digest);

    let labels = BTreeMap::new();
    let workload = Workload { group: "", version: "v1", resource: "pods", labels: &labels };
    let image: ImageRef = pinned.parse().with_context(|| format!("{pinned} is no image"))?;
    let mut world = World::new(objects, default_root);
    if !verify.policies.is_empty() {
        world.keep(&verify.policies)?;
    }
    let now = clock::now();
    if !verify.files.is_empty() {
        // In a cluster, the leader does this.
        let downloaded = timeout_at(deadline, world.download(&workload, &image.name(), now)).await;
        downloaded.context("the mirror of a trust root did not answer within --timeout")??;
    }
    let snapshot = world.snapshot(now);
    let images = [ImageField { path: FIELD.to_owned(), image: pinned }];
    let review =
        Review { workload: &workload, images: &images, object: None, credentials: &Anonymous, now, deadline };
    let explained = engine.explain(&snapshot, &review).await;
    let [explanation] = explained.as_slice() else { bail!("no verdict; please report this") };
    let report = Report::of(&verify.image, now, &image, &snapshot, explanation, verify.explain);
    super::trust::print(&match verify.output {
        Output::Text => render::text(&report),
        Output::Json => render::json(&report),
    })?;
    Ok(report.outcome)
}

/// The repository of an image whose layout does not say.
const UNNAMED: &str = "layout.local/image";

/// Says on stderr what a reader of the result should know.
fn remark(note: &str) {
    eprintln!("trustwright: {note}");
}
