//! The files that describe the services to verifiers and to signers, written by cosign.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::REKOR_ORIGIN;
use super::ct_log::CtLog;
use super::services::{Service, write};
use crate::run_dir;
use crate::signer::cosign;

/// When everything starts to be valid.
const START: &str = "2020-01-01T00:00:00Z";

/// A trusted root and a signing configuration.
#[derive(Debug)]
pub(super) struct Trust {
    pub(super) root: PathBuf,
    pub(super) root_json: String,
    pub(super) signing_config: PathBuf,
}

impl Trust {
    /// Has cosign write the files that describe the services.
    pub(super) async fn describe(
        fulcio: &Service,
        rekor: &Service,
        timestamps: &Service,
        ct_log: &CtLog,
    ) -> Result<Self> {
        let folder = run_dir::data("sigstore")?;
        let (root, signing_config) = (folder.join("trusted_root.json"), folder.join("signing_config.json"));
        let chain = write(&folder, "fulcio.pem", &fulcio.pem)?;
        let log_key = write(&folder, "rekor.pub", &rekor.pem)?;
        let timestamp_chain = write(&folder, "timestamps.pem", &timestamps.pem)?;
        let ct_key = write(&folder, "ct-log.pub", ct_log.public_key_pem())?;
        let name = REKOR_ORIGIN;
        let args = [
            "trusted-root".to_owned(),
            "create".to_owned(),
            format!("--fulcio=url={},certificate-chain={chain},start-time={START}", fulcio.url),
            format!("--rekor=url=http://{name},public-key={log_key},start-time={START},origin={name}"),
            format!("--ctfe=url={},public-key={ct_key},start-time={START}", ct_log.url()),
            format!("--tsa=url={},certificate-chain={timestamp_chain},start-time={START}", timestamps.url),
            format!("--out={}", root.display()),
        ];
        cosign(&[], &args.each_ref().map(String::as_str)).await?;
        let service = |url: &str, version: u8| {
            format!("url={url},api-version={version},start-time={START},operator=testkit")
        };
        let args = [
            "signing-config".to_owned(),
            "create".to_owned(),
            format!("--fulcio={}", service(&fulcio.url, 1)),
            format!("--rekor={}", service(&rekor.url, 2)),
            "--rekor-config=ANY".to_owned(),
            format!("--tsa={}", service(&format!("{}/api/v1/timestamp", timestamps.url), 1)),
            "--tsa-config=ANY".to_owned(),
            format!("--out={}", signing_config.display()),
        ];
        cosign(&[], &args.each_ref().map(String::as_str)).await?;
        let root_json =
            fs::read_to_string(&root).with_context(|| format!("failed to read {}", root.display()))?;
        Ok(Self { root, root_json, signing_config })
    }
}
