//! Whether the location of signatures is legal: the strict reading of Go's container registry library.

use super::url;

const REPOSITORY_CHARACTERS: &str = "abcdefghijklmnopqrstuvwxyz0123456789_-./";

/// Checks a repository such as `ghcr.io/example/signatures`, or a bare registry such as `localhost:5000`.
///
/// What precedes the first `/` is a registry only with a `.` or `:` in it. Everything else, so also
/// `localhost/example`, is read as a registry as a whole and refused for its `/`.
///
/// # Errors
///
/// The reason as users know it.
pub fn validate_oci(location: &str) -> Result<(), String> {
    match location.split_once('/').filter(|(registry, _)| registry.contains(['.', ':'])) {
        Some((registry, repository)) => validate_repository(registry, repository),
        None => validate_registry(location),
    }
}

fn validate_repository(registry: &str, repository: &str) -> Result<(), String> {
    if !(2..=255).contains(&repository.chars().count()) {
        return Err(format!("repository must be between 2 and 255 characters in length: {repository}"));
    }
    if repository.chars().any(|c| !REPOSITORY_CHARACTERS.contains(c)) {
        return Err(format!(
            "repository can only contain the characters `{REPOSITORY_CHARACTERS}`: {repository}"
        ));
    }
    validate_registry(registry)?;
    let docker_hub = matches!(registry, "docker.io" | "index.docker.io");
    if docker_hub && !repository.contains('/') {
        return Err("strict validation requires the full repository path (missing 'library')".to_owned());
    }
    Ok(())
}

fn validate_registry(registry: &str) -> Result<(), String> {
    if registry.is_empty() {
        return Err("strict validation requires the registry to be explicitly defined".to_owned());
    }
    let authority = url::parse(&format!("//{registry}")).ok();
    if authority.is_some_and(|url| url.host == registry) {
        Ok(())
    } else {
        Err(format!("registries must be valid RFC 3986 URI authorities: {registry}"))
    }
}
