//! Many `TrustRoots`, each with a repository of its own behind one of many mirrors.

use anyhow::{Context as _, Result, ensure};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
    core::{ApiResource, DynamicObject, GroupVersionKind},
};
use serde_json::json;
use trustwright_testkit::{
    http::{Fault, HttpServer},
    tuf_repository::{Key, Repository},
};
use trustwright_trust::tuf::Archive;

use crate::tuf::{INTERVAL, LASTING, change, rotate, trust_root};

/// How many `TrustRoots` share a server.
const PER_SERVER: u32 = 5;
/// How often mirrors are asked where nothing is said.
const SELDOM: &str = "10m";
/// What makes a repository about as large as the public one: root keys, and rotations of all of them.
const ROOT_KEYS: usize = 5;
const ROTATIONS: usize = 10;

/// Mirrors, and what they serve.
pub(crate) struct Fleet {
    roots: Api<DynamicObject>,
    servers: Vec<Server>,
    size: u32,
}

struct Server {
    http: HttpServer,
    /// The repository in folder `r<number>`, for each.
    repositories: Vec<(u32, Repository)>,
}

impl Fleet {
    pub(crate) fn new(client: Client) -> Self {
        let kind = GroupVersionKind::gvk("policy.sigstore.dev", "v1alpha1", "TrustRoot");
        let roots = Api::all_with(client, &ApiResource::from_gvk_with_plural(&kind, "trustroots"));
        Self { roots, servers: Vec::new(), size: 0 }
    }

    /// Adds mirrors and `TrustRoots` until there are `size`, a multiple of those of a server.
    pub(crate) async fn grow(&mut self, size: u32) -> Result<()> {
        ensure!(size.is_multiple_of(PER_SERVER), "{size} is no multiple of {PER_SERVER}");
        while self.size() < size {
            let first = self.size();
            let repositories = (first..first + PER_SERVER).map(|number| (number, repository())).collect();
            let server = Server { http: HttpServer::start(&Archive::default()).await?, repositories };
            server.serve();
            for (number, repository) in &server.repositories {
                let mirror = format!("{}/{}", server.http.url(), name(*number));
                let object = trust_root(&name(*number), repository, &mirror, SELDOM);
                let object = serde_json::from_value(object)?;
                self.roots.create(&PostParams::default(), &object).await?;
            }
            self.servers.push(server);
            self.size += PER_SERVER;
        }
        Ok(())
    }

    pub(crate) fn size(&self) -> u32 {
        self.size
    }

    /// Has every mirror be asked at the shortest interval.
    pub(crate) async fn hurry(&self) -> Result<()> {
        let patch = json!({"spec": {"remote": {"refreshInterval": INTERVAL}}});
        for number in 0..self.size {
            self.roots.patch(&name(number), &PatchParams::default(), &Patch::Merge(&patch)).await?;
        }
        Ok(())
    }

    /// Has every mirror end connections without an answer, or answer again.
    pub(crate) fn fail(&self, fails: bool) {
        for server in &self.servers {
            if fails {
                server.http.fail_everywhere(Fault::Closed);
            } else {
                server.http.heal();
            }
        }
    }

    /// Changes what one mirror serves. Returns the `TrustRoot` and its fingerprint from now on.
    pub(crate) fn change(&mut self, number: u32) -> Result<(String, String)> {
        let server = self.servers.get_mut(usize::try_from(number / PER_SERVER)?).context("no such server")?;
        let (_, repository) = server
            .repositories
            .get_mut(usize::try_from(number % PER_SERVER)?)
            .context("no such repository")?;
        let fingerprint = change(repository)?;
        server.serve();
        Ok((name(number), fingerprint))
    }

    /// How many bytes of base64 are in the status of one.
    pub(crate) async fn size_in_status(&self) -> Result<usize> {
        let object = self.roots.get(&name(0)).await?;
        object.data["status"]["repository"].as_str().map(str::len).context("no repository in the status")
    }
}

impl Server {
    fn serve(&self) {
        let mut all = Archive::default();
        for (number, repository) in &self.repositories {
            for (path, bytes) in repository.publish().files() {
                all.insert(format!("{}/{path}", name(*number)), bytes);
            }
        }
        self.http.serve(&all);
    }
}

fn name(number: u32) -> String {
    format!("r{number}")
}

fn repository() -> Repository {
    let mut repository = Repository::new();
    repository.root.keys = (0..ROOT_KEYS).map(|_| Key::new()).collect();
    repository.root.threshold = ROOT_KEYS / 2 + 1;
    let mut repository = repository.until(LASTING);
    for _ in 0..ROTATIONS {
        rotate(&mut repository);
    }
    repository
}
