//! The first admission of an image, beside the system that we replace: the same registry, the same kind of control
//! plane, the same manifests.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::PostParams};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::{Value, json};
use trustwright_testkit::{
    ControlPlane, KeyKind, Operator, OperatorOptions, PolicyController, Registry, Signer,
    control_plane::Options, front::Front, process::eventually, registry::Image,
};

use super::{
    READY, median,
    table::{Limit, Table, row},
};

/// Images that each of the two admits, and has not seen before.
const IMAGES: u32 = 25;
/// Images that are pushed and signed at once.
const AT_ONCE: usize = 2;
/// Our time may be this much of theirs.
const LIMIT: Limit = Limit { most: 0.5, unit: "times theirs" };
/// Keys over one signature, and the policies that name them: two each, and one for the last.
const KEYS: u32 = 25;
const POLICIES: u32 = KEYS.div_ceil(2);
/// Where images are verified, and where they are not.
const VERIFIED: &str = "verified";
const UNVERIFIED: &str = "unverified";

/// A registry, and images in it that are signed under tags: with a key, the other system reads no bundles.
struct Place {
    name: &'static str,
    /// The first part of the repositories' and the policies' names.
    prefix: &'static str,
    registry: Registry,
    signer: Signer,
}

/// A control plane that asks one of the two.
struct Side {
    name: &'static str,
    verified: Api<Pod>,
    unverified: Api<Pod>,
}

/// Measures the release binary and the unchanged Policy Controller, in turns.
pub(crate) async fn run(
    control_plane: &ControlPlane,
    options: OperatorOptions,
    table: &mut Table,
) -> Result<()> {
    let operator = Operator::start(control_plane, options).await?;
    let other = ControlPlane::start(Options::default()).await?;
    let peer = PolicyController::start(&other).await?;
    let both = [control_plane, &other];
    let sides = [Side::new("ours", control_plane).await?, Side::new("theirs", &other).await?];
    let places = [
        Place {
            name: "registry without referrers API",
            prefix: "tags",
            registry: Registry::without_referrers().await?,
            signer: Signer::new(KeyKind::EcdsaP256).await?,
        },
        Place {
            name: "registry with referrers API",
            prefix: "referrers",
            registry: Registry::with_referrers().await?,
            signer: Signer::new(KeyKind::EcdsaP256).await?,
        },
    ];
    for place in &places {
        for plane in both {
            place.apply(plane).await?;
        }
        place.in_force(&sides).await.with_context(|| place.name)?;
        place.times(&sides, table).await.with_context(|| place.name)?;
        place.requests(&sides, table).await.with_context(|| place.name)?;
    }
    peer.process().check()?;
    operator.process().check()
}

impl Place {
    /// The repository of which one policy with one key speaks, and the one for which there are [`POLICIES`].
    fn repositories(&self) -> [String; 2] {
        ["one", "many"].map(|count| format!("{}-{count}/app", self.prefix))
    }

    /// The names of the policies of these repositories.
    fn policies(&self) -> [Vec<String>; 2] {
        let name = |count: &str, number| format!("{}-{count}-{number}", self.prefix);
        [vec![name("one", 0)], (0..POLICIES).map(|number| name("many", number)).collect()]
    }

    async fn apply(&self, plane: &ControlPlane) -> Result<()> {
        let key = |pem: &str| json!({"key": {"data": pem}});
        let right = key(self.signer.public_key_pem());
        let mut items = Vec::new();
        for (repository, names) in self.repositories().iter().zip(self.policies()) {
            let last = names.len() - 1;
            for (number, name) in names.iter().enumerate() {
                let mut authorities = vec![right.clone()];
                if number < last {
                    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
                    authorities.insert(0, key(&pair.public_key_pem()));
                }
                items.push(policy(name, repository, &authorities));
            }
        }
        plane.apply(&json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()).await.map(drop)
    }

    /// Waits until each policy refuses what nobody has signed.
    async fn in_force(&self, sides: &[Side]) -> Result<()> {
        for (repository, names) in self.repositories().iter().zip(self.policies()) {
            let image = self.registry.push_image(repository, "unsigned").await?.to_string();
            for side in sides {
                eventually("the policies in force", READY, async || {
                    let Err(refusal) = admit(&side.verified, &image).await else {
                        bail!("{}: an unsigned image is admitted", side.name);
                    };
                    let refusal = refusal.to_string();
                    let silent =
                        names.iter().find(|name| !refusal.contains(&format!("failed policy: {name}:")));
                    ensure!(silent.is_none(), "{}: {silent:?} has no part in: {refusal}", side.name);
                    Ok(())
                })
                .await?;
            }
        }
        Ok(())
    }

    /// An image that is signed by the name that it has at `host`.
    async fn signed(&self, host: &str, repository: &str, tag: &str) -> Result<Image> {
        let image = self.registry.push_image(repository, tag).await?.at(host);
        self.signer.sign_legacy(&image).await?;
        Ok(image)
    }

    /// Measures images that neither has seen, and what else there is in that time.
    async fn times(&self, sides: &[Side; 2], table: &mut Table) -> Result<()> {
        let [repository, _] = self.repositories();
        let signed = (0..IMAGES).map(|number| {
            let (host, repository) = (self.registry.host(), &repository);
            async move { self.signed(host, repository, &format!("v{number}")).await }
        });
        let images: Vec<Image> =
            stream::iter(signed.collect::<Vec<_>>()).buffered(AT_ONCE).try_collect().await?;
        let [ours, theirs] = turns(sides, &images, |side| &side.verified).await?;
        row(
            &format!("admit a new image, {}", self.name),
            format_args!("p50 of {IMAGES}: ours {ours:.1} ms, theirs {theirs:.1} ms"),
        );
        table.hold("  our time", ours / theirs, LIMIT);
        let again = turns(sides, &images, |side| &side.verified).await?;
        let nobody = turns(sides, &images, |side| &side.unverified).await?;
        for (name, [ours, theirs]) in [("the same images again", again), ("where nobody verifies", nobody)] {
            row(&format!("  {name}"), format_args!("p50: ours {ours:.1} ms, theirs {theirs:.1} ms"));
        }
        Ok(())
    }

    /// Counts in front of the registry what an admission asks it.
    async fn requests(&self, sides: &[Side; 2], table: &mut Table) -> Result<()> {
        let front = Front::plain(&self.registry.url()).await?;
        let mut images = Vec::new();
        for repository in self.repositories() {
            // What is learned once of a registry, and of a repository, is learned with the first.
            for tag in ["a", "b"] {
                images.push(self.signed(front.host(), &repository, tag).await?);
            }
        }
        let mut counts = Vec::new();
        for side in sides {
            let mut of_each = Vec::new();
            for image in &images {
                front.requests();
                admit(&side.verified, &image.to_string()).await.context(side.name)?;
                of_each.push(u32::try_from(front.requests().len())?);
            }
            let [_, one, _, many] = of_each.as_slice() else { bail!("there are four images") };
            row(
                &format!("requests to the registry, {}, {}", self.name, side.name),
                format_args!("{one} with a key, {many} with {KEYS} keys in {POLICIES} policies"),
            );
            counts.push((f64::from(*one), f64::from(*many)));
        }
        let (one, many) = *counts.first().context("there are two")?;
        ensure!(one > 0.0, "nobody asked the registry");
        table.hold(&format!("  ours with {KEYS} keys"), many, Limit { most: one, unit: "requests" });
        Ok(())
    }
}

impl Side {
    async fn new(name: &'static str, control_plane: &ControlPlane) -> Result<Self> {
        for namespace in [VERIFIED, UNVERIFIED] {
            control_plane.create_namespace(namespace).await?;
        }
        let label = "policy.sigstore.dev/include=true";
        control_plane.kubectl(&["label", "namespace", VERIFIED, label]).await?;
        let client = control_plane.client().await?;
        let pods = |namespace| Api::namespaced(client.clone(), namespace);
        Ok(Self { name, verified: pods(VERIFIED), unverified: pods(UNVERIFIED) })
    }
}

/// Has both admit the same images, one after the other, each first in turn. Returns the median of ours and of theirs in
/// milliseconds.
async fn turns(sides: &[Side; 2], images: &[Image], pods: fn(&Side) -> &Api<Pod>) -> Result<[f64; 2]> {
    let [ours, theirs] = sides;
    let (mut of_ours, mut of_theirs) = (Vec::new(), Vec::new());
    for (number, image) in images.iter().enumerate() {
        let mut order = [(ours, &mut of_ours), (theirs, &mut of_theirs)];
        if number % 2 == 1 {
            order.reverse();
        }
        for (side, took) in order {
            took.push(admit(pods(side), &image.to_string()).await.context(side.name)?);
        }
    }
    Ok([milliseconds(median(of_ours)?), milliseconds(median(of_theirs)?)])
}

/// Creates a pod that is not kept, and returns how long it took.
async fn admit(pods: &Api<Pod>, image: &str) -> Result<Duration> {
    let pod = serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bench"},
        "spec": {"containers": [{"name": "app", "image": image}]},
    }))?;
    let begun = Instant::now();
    pods.create(&PostParams { dry_run: true, ..PostParams::default() }, &pod).await?;
    Ok(begun.elapsed())
}

fn policy(name: &str, repository: &str, authorities: &[Value]) -> Value {
    json!({
        "apiVersion": "policy.sigstore.dev/v1alpha1", "kind": "ClusterImagePolicy", "metadata": {"name": name},
        "spec": {"images": [{"glob": format!("**/{repository}**")}], "authorities": authorities},
    })
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
