//! Whether the reference of a key in a key management service is legal.

use std::sync::LazyLock;

use regex::RegexSet;

/// Schemes of key references, in the order in which messages list them.
pub const PROVIDERS: [&str; 4] = ["awskms://", "azurekms://", "hashivault://", "gcpkms://"];

const AWS_FORM: &str =
    "kms key should be in the format awskms://[ENDPOINT]/[ID/ALIAS/ARN] (endpoint optional)";
const AWS_PARTS: &str = "malformed AWS KMS format 'awskms://$ENDPOINT/$KEYID', should be conformant with KMS standard documented here: https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#key-id";
const ARN: &str = "arn:(?:aws|aws-us-gov|aws-cn):kms:[a-z0-9-]+:[0-9]{12}:";
const UUID: &str = "m?r?k?-?[A-Fa-f0-9]{8}-?[A-Fa-f0-9]{4}-?[A-Fa-f0-9]{4}-?[A-Fa-f0-9]{4}-?[A-Fa-f0-9]{12}";

/// Key identifier, key ARN, alias, alias ARN: each behind an optional endpoint.
static AWS_REFERENCES: LazyLock<Option<RegexSet>> = LazyLock::new(|| {
    let keys = [UUID.to_owned(), format!("{ARN}key/{UUID}"), "alias/.*".to_owned(), format!("{ARN}alias/.*")];
    RegexSet::new(keys.map(|key| format!("^awskms://[^/]*/{key}$"))).ok()
});

/// Checks the reference of a key. Only `awskms://` is looked into.
///
/// A bare key identifier or alias has the form of a reference and is refused all the same: without an ARN, the
/// region would have to come from the environment.
///
/// # Errors
///
/// The reason as users know it.
pub fn validate_kms(reference: &str) -> Result<(), String> {
    if !PROVIDERS.iter().any(|prefix| reference.starts_with(prefix)) {
        let providers = PROVIDERS.join(" ");
        return Err(format!(
            "malformed KMS format, should be prefixed by any of the supported providers: [{providers}]"
        ));
    }
    if reference.starts_with("awskms://") { validate_aws(reference) } else { Ok(()) }
}

fn validate_aws(reference: &str) -> Result<(), String> {
    let mut parts = reference.split('/').skip(2);
    let (Some(endpoint), Some(key)) = (parts.next(), parts.next()) else { return Err(AWS_PARTS.to_owned()) };
    let well_formed = AWS_REFERENCES.as_ref().is_some_and(|forms| forms.is_match(reference));
    if !well_formed || endpoint.starts_with("arn") || endpoint.starts_with("alias") {
        return Err(AWS_FORM.to_owned());
    }
    if !endpoint.is_empty() {
        split_host_port(endpoint).map_err(|why| format!("malformed endpoint: address {endpoint}: {why}"))?;
    }
    // What starts like an ARN is one, of a key or an alias: the patterns above allow no other.
    if key.starts_with("arn:") {
        Ok(())
    } else {
        Err("failed to parse either key or alias arn: arn: invalid prefix".to_owned())
    }
}

/// Checks `host:port` as Go's `net.SplitHostPort` does; the port is mandatory, an IPv6 address needs brackets.
fn split_host_port(address: &str) -> Result<(), &'static str> {
    const MISSING_PORT: &str = "missing port in address";
    const TOO_MANY_COLONS: &str = "too many colons in address";
    let (host, colon) = address.rsplit_once(':').map(|(host, _)| (host, host.len())).ok_or(MISSING_PORT)?;
    let (open_from, close_from) = if address.starts_with('[') {
        let end = address.find(']').ok_or("missing ']' in address")? + 1;
        if end != colon {
            let more_colons = address[end..].starts_with(':');
            return Err(if more_colons { TOO_MANY_COLONS } else { MISSING_PORT });
        }
        (1, end)
    } else if host.contains(':') {
        return Err(TOO_MANY_COLONS);
    } else {
        (0, 0)
    };
    if address[open_from..].contains('[') {
        return Err("unexpected '[' in address");
    }
    if address[close_from..].contains(']') {
        return Err("unexpected ']' in address");
    }
    Ok(())
}
