//! A client for the test suite `sigstore/sigstore-conformance`, over our own verification.
//!
//! It speaks the verifying part of the suite's `docs/cli_protocol.md`: `verify-bundle`, exit status 0 or 1. It does
//! not sign; `sign-bundle` fails and says so:
//!
//! ```text
//! cd sigstore-conformance && pytest test --skip-signing --entrypoint "$OLDPWD/target/release/sigstore-conformance-client"
//! ```
//!
//! The suite fetches an identity token before its first test, for signing alone; without a network, put any
//! unsigned token with `email`, `iss` and `exp` in its place (`identity_token` in its `test/conftest.py`).

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Parser, Subcommand};
use jiff::Timestamp;
use sigstore_verify::trust_root::{SIGSTORE_PRODUCTION_TRUSTED_ROOT, SIGSTORE_STAGING_TRUSTED_ROOT};
use trustwright_core::Digest;
use trustwright_trust::from_trusted_root_json;
use trustwright_verify::{
    Artifact, Claim, Evidence, IdentityPattern, Origin, PublicKey, Request, Requirements, Signer,
    TextPattern, Verifier,
};

#[derive(Parser)]
#[command(about = "Client under test of sigstore-conformance")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Verifies an artifact against a bundle.
    VerifyBundle(VerifyBundle),
    /// Fails: this client does not sign.
    SignBundle {
        /// Whatever comes.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
}

#[derive(Args)]
struct VerifyBundle {
    /// Trust the staging instance instead of the production one.
    #[arg(long)]
    staging: bool,
    /// The bundle.
    #[arg(long)]
    bundle: PathBuf,
    /// The subject alternative name of the signer.
    #[arg(long, requires = "certificate_oidc_issuer", required_unless_present = "key")]
    certificate_identity: Option<String>,
    /// The OIDC issuer of the signer.
    #[arg(long, requires = "certificate_identity")]
    certificate_oidc_issuer: Option<String>,
    /// The signer's public key, PEM.
    #[arg(long, conflicts_with_all = ["certificate_identity", "certificate_oidc_issuer"])]
    key: Option<PathBuf>,
    /// A trusted root instead of an instance's.
    #[arg(long)]
    trusted_root: Option<PathBuf>,
    /// The artifact's path, or its digest: `sha256:` and 64 hexadecimal digits.
    file_or_digest: String,
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::VerifyBundle(args) => verify(&args, Timestamp::now()),
        Command::SignBundle { rest: _ } => bail!("unsupported: this client does not sign"),
    }
}

fn verify(args: &VerifyBundle, now: Timestamp) -> Result<()> {
    let root = match &args.trusted_root {
        Some(path) => fs::read(path).context("failed to read the trusted root")?,
        None if args.staging => SIGSTORE_STAGING_TRUSTED_ROOT.into(),
        None => SIGSTORE_PRODUCTION_TRUSTED_ROOT.into(),
    };
    let loaded = from_trusted_root_json(&root, now).context("failed to load the trusted root")?;
    let verifier = Verifier::new(&loaded.material)?;
    let bundle = fs::read(&args.bundle).context("failed to read the bundle")?;
    let signature = Evidence::Bundle(bundle).read_from(Origin::File)?;

    // The protocol: what is a path on disk is no digest.
    let path = PathBuf::from(&args.file_or_digest);
    let digest = args.file_or_digest.parse::<Digest>().ok().filter(|_| !path.exists());
    let bytes =
        if digest.is_some() { Vec::new() } else { fs::read(&path).context("failed to read the artifact")? };
    let request = Request {
        artifact: digest.map_or(Artifact::Bytes(&bytes), Artifact::Digest),
        claim: if signature.is_statement() { Claim::Attestation } else { Claim::Signature },
        requirements: Requirements { log_entry: true, timestamp: false, sct: true },
        now,
    };
    if let Some(path) = &args.key {
        let pem = fs::read_to_string(path).context("failed to read the key")?;
        verifier.verify_key(&signature, &PublicKey::from_pem(&pem, None)?, &request)?;
        return Ok(());
    }
    let facts = verifier.verify_certificate(&signature, &request)?;
    let Signer::Certificate(identity) = facts.signer else { bail!("not signed under a certificate") };
    let exactly =
        |text: &Option<String>| text.clone().map(TextPattern::Exact).context("no identity is given");
    let expected = IdentityPattern {
        subject: exactly(&args.certificate_identity)?,
        issuer: exactly(&args.certificate_oidc_issuer)?,
    };
    identity.check(&[expected])?;
    Ok(())
}
