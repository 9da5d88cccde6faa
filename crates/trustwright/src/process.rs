//! The wiring: which parts run, what they share, and the order in which they stop.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use arc_swap::ArcSwap;
use kube::Client;
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;
use trustwright_controllers::{
    CompanionSettings, DependentSettings, ExpiryWarning, Operator, Schema, Settings,
};
use trustwright_engine::Engine;
use trustwright_languages::Evaluators;
use trustwright_policy::{Languages, Snapshot};
use trustwright_roots::DefaultRoot;
use trustwright_runtime::{
    certificates::{self, CertificateConfig, CertificatePolicy, ServingCertificate, service_dns_names},
    clock,
    inject::{self, ServiceRef, Target},
    lease::{self, LeaseTiming},
    logs,
    metrics::{BuildInfo, Metrics},
    objects::{self, Objects},
    probes::{self, Readiness},
    server::{self, Limits, TlsOptions, TlsVersion},
    shutdown::{self, Shutdown},
};
use trustwright_webhook::{
    App, Contact, Loaded, Missed, PullSecrets, Reporter, Sources, denials, report, router,
};

use crate::args::{Args, Mode, Roles, Serve};

const CERTIFICATE: &str = "certificate";
const POLICIES: &str = "policies";
const API_SERVER: &str = "api-server";
const DEFINITION: &str = "definition";
const LEASE: &str = "trustwright-controller";
/// How often the certificate is looked at without an event.
const CERTIFICATE_INTERVAL: Duration = Duration::from_mins(10);

type Certificates = watch::Receiver<Option<Arc<ServingCertificate>>>;

/// Runs until the process is told to stop.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let (roles, serve) = args.command.parts();
    anyhow::ensure!(
        !roles.webhook || serve.mode == Mode::Standalone,
        "--mode=companion is for trustwright controller: the webhooks are the Policy Controller's"
    );
    logs::init(&serve.log_level, serve.log_format)?;
    // Fails only if a provider is installed already, which is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start tokio")?;
    runtime.block_on(Process::start(roles, serve))
}

/// What the parts share while the process runs.
struct Process<'a> {
    args: &'a Serve,
    client: Client,
    /// What our namespace holds.
    objects: Objects,
    /// The trust root of policies that name none.
    default_root: Option<DefaultRoot>,
    /// What compiles and evaluates the texts of policies.
    languages: Arc<dyn Languages>,
    readiness: Readiness,
    /// What writes to the API server; ends with `stop_writing`.
    writers: JoinSet<()>,
    stop_writing: CancellationToken,
    /// The election; it ends, with `stop_election`, after all writers have.
    election: JoinSet<()>,
    stop_election: CancellationToken,
    /// What only reads; cut when the process is dropped.
    readers: JoinSet<()>,
}

/// Longest wait for the writers, and then for the lease, to end.
const FINISH: Duration = Duration::from_secs(6);

impl<'a> Process<'a> {
    async fn start(roles: Roles, args: &'a Serve) -> anyhow::Result<()> {
        let shutdown = Shutdown::default();
        let signals = shutdown::listen(shutdown.clone()).context("cannot listen for signals")?;
        let address = |port| SocketAddr::new(args.bind_address, port);
        // Taken before anything else, so that a port in use is the first thing that the user hears of.
        let probes_listener = server::bind(address(args.metrics_port), "--metrics-port").await?;
        let webhook_listener = if roles.webhook {
            Some(server::bind(address(args.secure_port), "--secure-port").await?)
        } else {
            None
        };
        let config =
            kube::Config::infer().await.context("no Kubernetes configuration (KUBECONFIG or in-cluster)")?;
        let client = Client::try_from(config).context("the Kubernetes configuration cannot be used")?;
        let default_root = args.default_root.default_root()?;
        let (objects, watching) = objects::watch(client.clone(), &args.namespace);
        let checks: &[_] = match (roles.webhook, args.mode) {
            (true, _) => &[CERTIFICATE, POLICIES, API_SERVER],
            (false, Mode::Standalone) => &[CERTIFICATE],
            (false, Mode::Companion) => &[DEFINITION],
        };
        let languages = Evaluators::start(trustwright_languages::Settings::default());
        let cue_problem = languages.cue_problem().map(str::to_owned);
        let mut process = Process {
            args,
            client,
            objects,
            default_root,
            languages: Arc::new(languages),
            readiness: Readiness::new(checks),
            writers: JoinSet::new(),
            stop_writing: CancellationToken::new(),
            election: JoinSet::new(),
            stop_election: CancellationToken::new(),
            readers: JoinSet::new(),
        };
        tracing::info!(version = env!("CARGO_PKG_VERSION"), ?roles, namespace = args.namespace, "Starting");
        if let Some(problem) = cue_problem {
            tracing::warn!(problem, "Policies in CUE cannot be evaluated, and deny what they match");
        }
        process.readers.spawn(signals);
        process.readers.spawn(watching);

        let mut metrics = Metrics::new(
            "trustwright",
            &BuildInfo { version: env!("CARGO_PKG_VERSION"), revision: revision() },
        );
        let certificates = match args.mode {
            Mode::Standalone => process.keep_certificate(),
            // The webhooks are the other system's.
            Mode::Companion => {
                process.watch_definition();
                watch::channel(None).1
            }
        };
        if roles.controller {
            let counted = trustwright_controllers::Metrics::register(metrics.shared());
            process.control(certificates.clone(), counted, args.dependents()?);
        }
        let app = if roles.webhook {
            Some(process.watch(trustwright_webhook::Metrics::register(metrics.own()))?)
        } else {
            None
        };
        let stop_probes = CancellationToken::new();
        let probes = server::serve_plain(
            probes_listener,
            probes::router(process.readiness.clone(), Arc::new(metrics)),
            Limits { grace: Duration::ZERO, drain: Duration::from_secs(1), ..Limits::default() },
            stop_probes.clone(),
        );
        let stop_probes = stop_probes.drop_guard();
        let main = async {
            let result = process.serve(webhook_listener.zip(app), certificates, &shutdown).await;
            process.finish().await;
            drop(stop_probes);
            result
        };
        let (result, _) = tokio::join!(main, probes);
        tracing::info!("Stopped");
        result
    }

    /// Keeps the certificate in order, and readiness in step with it.
    fn keep_certificate(&mut self) -> Certificates {
        let config = CertificateConfig {
            namespace: self.args.namespace.clone(),
            secret: self.args.certificate_secret.clone(),
            dns_names: service_dns_names(&self.args.service_name, &self.args.namespace),
            policy: CertificatePolicy::default(),
            interval: CERTIFICATE_INTERVAL,
        };
        let (certificates, work) = certificates::run(self.client.clone(), config, self.stop_writing.clone());
        self.writers.spawn(work);
        let (readiness, mut published) = (self.readiness.clone(), certificates.clone());
        self.readers.spawn(async move {
            readiness.not_ready(CERTIFICATE, "no certificate in the Secret yet");
            if published.wait_for(Option::is_some).await.is_ok() {
                readiness.ready(CERTIFICATE);
            }
        });
        certificates
    }

    /// Keeps readiness in step with whose `TrustRoot` is served: there is nothing for a companion to do beside ours.
    fn watch_definition(&mut self) {
        let readiness = self.readiness.clone();
        readiness.not_ready(DEFINITION, "no definition of TrustRoot is served yet");
        self.readers.spawn(trustwright_controllers::follow_schema(self.client.clone(), move |served| {
            match served {
                Schema::Foreign | Schema::Hidden => readiness.ready(DEFINITION),
                Schema::Ours => readiness.not_ready(
                    DEFINITION,
                    "the definition of TrustRoot is Trustwright's own: --mode=companion is for clusters with the \
                     Policy Controller's, and deploy/manifests is for this one",
                ),
            }
        }));
    }

    /// Takes part in the election, and runs what only the leader may do.
    fn control(
        &mut self,
        certificates: Certificates,
        metrics: trustwright_controllers::Metrics,
        dependents: DependentSettings,
    ) {
        let identity = self.identity();
        let (leading, election) = lease::run(
            self.client.clone(),
            &self.args.namespace,
            LEASE,
            &identity,
            LeaseTiming::default(),
            self.stop_election.clone(),
        );
        self.election.spawn(election);
        let stop = self.stop_writing.clone();
        let companion = match self.args.mode {
            Mode::Standalone => None,
            Mode::Companion => Some(CompanionSettings {
                policy_controller_namespace: self.args.policy_controller_namespace.clone(),
            }),
        };
        let operator = Operator {
            client: self.client.clone(),
            objects: self.objects.clone(),
            languages: self.languages.clone(),
            settings: Settings {
                namespace: self.args.namespace.clone(),
                default_root: self.default_root.clone(),
                expiry_warning: ExpiryWarning {
                    online: self.args.expiry_warning_online,
                    offline: self.args.expiry_warning_offline,
                },
                dependents,
            },
            companion,
            metrics,
            clock: clock::now,
        };
        let work = trustwright_controllers::run(operator, leading.clone());
        self.writers.spawn(async move {
            stop.run_until_cancelled(Box::pin(work)).await;
        });
        if self.args.mode == Mode::Companion {
            return;
        }
        let targets = vec![
            Target::Mutating(self.args.webhook_name.clone()),
            Target::Validating(self.args.webhook_name.clone()),
            Target::Mutating(self.args.mutating_webhook_name.clone()),
            Target::Validating(self.args.validating_webhook_name.clone()),
            Target::CustomResourceDefinition("clusterimagepolicies.policy.sigstore.dev".into()),
        ];
        let service =
            ServiceRef { name: self.args.service_name.clone(), namespace: self.args.namespace.clone() };
        self.writers.spawn(inject_while_leading(
            self.client.clone(),
            targets,
            service,
            certificates,
            leading,
            self.stop_writing.clone(),
        ));
    }

    /// The name of this replica.
    fn identity(&self) -> String {
        self.args.identity.clone().unwrap_or_else(|| format!("trustwright-{}", std::process::id()))
    }

    /// Keeps policies and trust roots in force, and readiness in step with them.
    fn watch(&mut self, metrics: trustwright_webhook::Metrics) -> anyhow::Result<App> {
        let registry = trustwright_registry::Client::new(&self.args.registries.client_config()?)
            .context("the registry client cannot be built")?;
        let snapshot = Arc::new(ArcSwap::from_pointee(Snapshot::default()));
        let (loaded, mut is_loaded) = watch::channel(Loaded::No("the policies are being read".into()));
        let sources = Sources {
            client: self.client.clone(),
            objects: self.objects.clone(),
            default_root: self.default_root.clone(),
            languages: self.languages.clone(),
            clock: clock::now,
        };
        let (count, published) = watch::channel(0);
        self.readers.spawn(trustwright_webhook::watch(
            sources,
            snapshot.clone(),
            metrics.clone(),
            loaded,
            count,
        ));
        let (contact, mut has_contact) = watch::channel(Contact::Kept);
        let missed = Missed::new(metrics.clone(), clock::now);
        let reporter = Reporter {
            client: self.client.clone(),
            namespace: self.args.namespace.clone(),
            identity: self.identity(),
            missed: missed.clone(),
            clock: clock::now,
        };
        self.writers.spawn(report(
            reporter,
            snapshot.clone(),
            is_loaded.clone(),
            published,
            contact,
            self.stop_writing.clone(),
        ));
        let readiness = self.readiness.clone();
        self.readers.spawn(async move {
            loop {
                match &*has_contact.borrow_and_update() {
                    Contact::Kept => readiness.ready(API_SERVER),
                    Contact::Lost(cause) => {
                        readiness.not_ready(API_SERVER, format!("cut off from the API server: {cause}"));
                    }
                }
                if has_contact.changed().await.is_err() {
                    return;
                }
            }
        });
        let readiness = self.readiness.clone();
        self.readers.spawn(async move {
            loop {
                match &*is_loaded.borrow_and_update() {
                    Loaded::Yes => readiness.ready(POLICIES),
                    Loaded::No(reason) => readiness.not_ready(POLICIES, reason.clone()),
                }
                if is_loaded.changed().await.is_err() {
                    return;
                }
            }
        });
        let (denials, incoming) = denials();
        self.readers.spawn(trustwright_webhook::tell(self.client.clone(), incoming, metrics.clone()));
        Ok(App {
            snapshot,
            engine: Engine::new(registry).counting(metrics.engine()).telling(Arc::new(missed)),
            pull_secrets: PullSecrets::new(self.client.clone()),
            metrics,
            denials,
            readiness: self.readiness.clone(),
            namespace: self.args.namespace.as_str().into(),
            languages: self.languages.clone(),
            clock: clock::now,
        })
    }

    /// Serves the webhooks until the shutdown, and drains them. Without webhooks, waits for it.
    async fn serve(
        &mut self,
        webhook: Option<(tokio::net::TcpListener, App)>,
        certificates: Certificates,
        shutdown: &Shutdown,
    ) -> anyhow::Result<()> {
        let readiness = self.readiness.clone();
        let requested = shutdown.requested.clone();
        let announcing = async move {
            requested.cancelled().await;
            readiness.drain();
            tracing::info!("Shutting down");
        };
        let limits =
            Limits { grace: self.args.shutdown_grace, drain: self.args.drain_timeout, ..Limits::default() };
        let serving = async {
            let Some((listener, app)) = webhook else {
                shutdown.requested.cancelled().await;
                return Ok(());
            };
            let tls = TlsOptions { certificates, minimum: TlsVersion::default() };
            let router = router(app, trustwright_webhook::Limits::default());
            let drained = server::serve(listener, tls, router, limits, shutdown.requested.clone()).await;
            tracing::info!(aborted = drained.context("the webhooks cannot be served")?.aborted, "Drained");
            anyhow::Ok(())
        };
        let bug = Self::first_panic(&mut self.writers, &mut self.election, &mut self.readers);
        tokio::select! {
            (served, ()) = futures::future::join(serving, announcing) => served,
            () = shutdown.aborted.cancelled() => {
                tracing::warn!("Told twice to stop: requests under way are cut");
                Ok(())
            }
            error = bug => Err(error),
        }
    }

    /// Waits for a part to panic. A part that has ended in order is none of its business.
    async fn first_panic(
        writers: &mut JoinSet<()>,
        election: &mut JoinSet<()>,
        readers: &mut JoinSet<()>,
    ) -> anyhow::Error {
        loop {
            let ended = tokio::select! {
                Some(ended) = writers.join_next() => ended,
                Some(ended) = election.join_next() => ended,
                Some(ended) = readers.join_next() => ended,
                else => std::future::pending().await,
            };
            if let Err(error) = ended {
                return anyhow::Error::new(error).context("a part of the process ended by a bug");
            }
        }
    }

    /// Stops the writers, then gives the lease back.
    async fn finish(&mut self) {
        for (stop, parts) in
            [(&self.stop_writing, &mut self.writers), (&self.stop_election, &mut self.election)]
        {
            stop.cancel();
            let ended = async { while parts.join_next().await.is_some() {} };
            if tokio::time::timeout(FINISH, ended).await.is_err() {
                tracing::warn!("A part did not stop in time and is cut");
            }
        }
    }
}

/// Injects the CA bundle whenever we lead.
async fn inject_while_leading(
    client: Client,
    targets: Vec<Target>,
    service: ServiceRef,
    certificates: Certificates,
    mut leading: watch::Receiver<bool>,
    cancel: CancellationToken,
) {
    while leading.wait_for(|leads| *leads).await.is_ok() {
        let lost = CancellationToken::new();
        let work = inject::run(
            client.clone(),
            targets.clone(),
            service.clone(),
            certificates.clone(),
            lost.child_token(),
        );
        tokio::select! {
            () = work => {}
            _ = leading.wait_for(|leads| !*leads) => {}
            () = cancel.cancelled() => return,
        }
    }
}

/// The commit that was built, where the build says it.
const fn revision() -> &'static str {
    match option_env!("TRUSTWRIGHT_REVISION") {
        Some(revision) => revision,
        None => "unknown",
    }
}
