//! How registries are asked.

use std::{env, ffi::OsString, fs, path::PathBuf};

use anyhow::Context as _;
use clap::Args as ClapArgs;
use trustwright_registry::ClientConfig;

/// Files about registries.
#[derive(Debug, ClapArgs)]
pub(crate) struct RegistryArgs {
    /// File with credentials for registries, as Docker and podman write them, for workloads whose pull secrets have none;
    /// may be repeated. Where not given: the files that Docker and podman themselves would use
    #[arg(long = "registry-auth-file", value_name = "FILE")]
    auth_files: Vec<PathBuf>,

    /// File that says of registries where they are mirrored, by which authorities they are trusted and how much they may
    /// be asked (docs/registries.md)
    #[arg(long, value_name = "FILE")]
    registries_config: Option<PathBuf>,
}

impl RegistryArgs {
    /// What the registry client is built from. A file that was named and is not there is the user's to know at once.
    pub(crate) fn client_config(&self) -> anyhow::Result<ClientConfig> {
        for path in &self.auth_files {
            fs::metadata(path)
                .with_context(|| format!("--registry-auth-file: cannot read {}", path.display()))?;
        }
        Ok(ClientConfig {
            auth_files: self.auth_files(|name| env::var_os(name)),
            registries: self.registries_config.clone(),
            ..ClientConfig::default()
        })
    }

    /// The files of the flags, or else the places where Docker and podman keep theirs, which may be empty.
    fn auth_files(&self, variable: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
        if !self.auth_files.is_empty() {
            return self.auth_files.clone();
        }
        let path = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let docker = path("DOCKER_CONFIG").or_else(|| Some(path("HOME")?.join(".docker")));
        let places = [
            docker.map(|folder| folder.join("config.json")),
            path("REGISTRY_AUTH_FILE"),
            path("XDG_RUNTIME_DIR").map(|folder| folder.join("containers/auth.json")),
        ];
        places.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(auth_files: &[&str]) -> RegistryArgs {
        let auth_files = auth_files.iter().map(PathBuf::from).collect();
        RegistryArgs { auth_files, registries_config: None }
    }

    fn files(flags: &[&str], environment: &[(&str, &str)]) -> Vec<PathBuf> {
        let args = args(flags);
        args.auth_files(|name| {
            environment.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
        })
    }

    #[test]
    fn credentials_are_in_the_files_of_the_flags_or_where_the_tools_keep_theirs() {
        let home = ("HOME", "/home/a");
        let podman = [("REGISTRY_AUTH_FILE", "/p.json"), ("XDG_RUNTIME_DIR", "/run/1"), home];
        for (flags, environment, expected) in [
            (&["/x", "/y"] as &[_], &podman[..], &["/x", "/y"] as &[_]),
            (&[], &podman, &["/home/a/.docker/config.json", "/p.json", "/run/1/containers/auth.json"]),
            (&[], &[home, ("DOCKER_CONFIG", "/d")], &["/d/config.json"]),
            (&[], &[home, ("DOCKER_CONFIG", "")], &["/home/a/.docker/config.json"]),
            (&[], &[], &[]),
        ] {
            let expected: Vec<_> = expected.iter().map(PathBuf::from).collect();
            assert_eq!(files(flags, environment), expected);
        }
    }

    #[test]
    fn a_file_that_was_named_has_to_be_there() {
        let missing = args(&["/nowhere/config.json"]);
        let error = missing.client_config().unwrap_err().to_string();
        assert_eq!(error, "--registry-auth-file: cannot read /nowhere/config.json");
        assert!(args(&[]).client_config().is_ok());
    }
}
