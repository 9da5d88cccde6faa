//! What is to be written, if anything. No I/O; the time is an argument.

use jiff::Timestamp;

use super::{
    CertificatePolicy, CertificateSecret, IssueError,
    chain::{Authority, Chain, Life, MAX_AUTHORITIES, Signer, bundle_pem},
    issue,
};

/// What to do with the Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Nothing: it serves, and nothing is due.
    Keep,
    /// Replace its contents.
    Write {
        /// The new contents, complete.
        contents: CertificateSecret,
        /// Why, for the log.
        change: Change,
    },
}

/// What a write is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A new authority joins the bundle, the old one stays.
    AuthorityAdded,
    /// Authorities that expired, or what is none, leave the bundle.
    BundleCleaned,
    /// Nothing usable was there: a new authority and a new serving certificate.
    Created,
    /// The serving certificate moves to the newest authority.
    ServingMoved,
    /// The serving certificate is renewed under the same authority.
    ServingRenewed,
    /// The serving certificate was missing, damaged, expired or for other names.
    ServingReplaced,
}

/// Decides what the Secret should hold at `now`.
///
/// Guarantees: whatever the Secret holds, the outcome (its own contents under [`Plan::Keep`], else the new ones)
/// is a pair that [`super::ServingCertificate::load`] accepts at `now`; and deciding again over the outcome at
/// the same time keeps it. A serving certificate that verifies is never replaced by one of an authority that
/// callers had no time to learn.
///
/// Assumptions: `dns_names` is not empty; `now` lies between 1970 and 9999.
///
/// Errors: [`IssueError`] if a certificate is needed and cannot be made.
pub fn decide(
    secret: Option<&CertificateSecret>,
    now: Timestamp,
    dns_names: &[String],
    policy: &CertificatePolicy,
) -> Result<Plan, IssueError> {
    let empty = CertificateSecret::default();
    let found = secret.unwrap_or(&empty);
    let mut chain = Chain::read(found, now, dns_names);
    let request = Request { now: now.as_second(), dns_names, policy };
    match chain.signer.take() {
        None => request.add_authority(found, &chain, None),
        Some(signer) if request.signer_due(&chain, &signer) => {
            request.add_authority(found, &chain, Some(&signer))
        }
        Some(signer) => request.tend_serving(found, chain, &signer),
    }
}

struct Request<'a> {
    now: i64,
    dns_names: &'a [String],
    policy: &'a CertificatePolicy,
}

impl Request<'_> {
    /// Whether two thirds of a life, counted from the making, are over.
    fn due(&self, life: Life) -> bool {
        let made = life.not_before.saturating_add(issue::seconds(self.policy.backdate));
        let last_third = life.not_after.saturating_sub(made) / 3;
        self.now >= life.not_after.saturating_sub(last_third)
    }

    fn signer_due(&self, chain: &Chain, signer: &Signer) -> bool {
        chain.authorities.get(signer.index).is_none_or(|authority| self.due(authority.life))
    }

    /// The first step of a rotation: a new authority leads the bundle. The serving certificate stays if it may,
    /// else it is renewed under the authority that leaves, whose key is about to be overwritten, else under the
    /// new one because nothing better is left.
    fn add_authority(
        &self,
        found: &CertificateSecret,
        chain: &Chain,
        leaving: Option<&Signer>,
    ) -> Result<Plan, IssueError> {
        let new = issue::authority(self.now, self.policy)?;
        let leaving = leaving.and_then(|signer| Some((signer, chain.authorities.get(signer.index)?)));
        let (server, known) = match (&chain.serving, leaving) {
            (Some(serving), None) => (None, vec![serving.signed_by]),
            (Some(serving), Some(_)) if !self.due(serving.life) => (None, all_from(serving.signed_by, chain)),
            (_, Some((signer, authority))) => {
                (Some(self.issue(&signer.issuer, authority.life)?), all_from(signer.index, chain))
            }
            (None, None) => (Some(self.issue(&new.issuer, new.life)?), Vec::new()),
        };
        let change = if known.is_empty() { Change::Created } else { Change::AuthorityAdded };
        let older = known.iter().filter_map(|&index| chain.authorities.get(index)).take(MAX_AUTHORITIES - 1);
        let bundle: Vec<Authority> = Authority::read(new.der).into_iter().chain(older.cloned()).collect();
        let server = server.unwrap_or_else(|| issue::Issued {
            key: found.server_key.clone(),
            cert: found.server_cert.clone(),
        });
        let contents = CertificateSecret {
            server_key: server.key,
            server_cert: server.cert,
            ca_cert: bundle_pem(&bundle).into_bytes(),
            ca_key: new.key,
        };
        Ok(Plan::Write { contents, change })
    }

    /// The authority stays; the serving certificate is renewed, moved to it (the second step of a rotation) or
    /// replaced.
    fn tend_serving(
        &self,
        found: &CertificateSecret,
        mut chain: Chain,
        signer: &Signer,
    ) -> Result<Plan, IssueError> {
        let Some(authority) = chain.authorities.get(signer.index).cloned() else { return Ok(Plan::Keep) };
        let made = authority.life.not_before.saturating_add(issue::seconds(self.policy.backdate));
        let propagated = self.now.saturating_sub(made) >= issue::seconds(self.policy.propagation);
        let change = match &chain.serving {
            None => Some(Change::ServingReplaced),
            Some(serving) if serving.signed_by != signer.index => propagated.then_some(Change::ServingMoved),
            Some(serving) => self.due(serving.life).then_some(Change::ServingRenewed),
        };
        let server = match change {
            Some(_) => self.issue(&signer.issuer, authority.life)?,
            None => issue::Issued { key: found.server_key.clone(), cert: found.server_cert.clone() },
        };
        chain.authorities.swap(0, signer.index);
        let contents = CertificateSecret {
            server_key: server.key,
            server_cert: server.cert,
            ca_cert: bundle_pem(&chain.authorities).into_bytes(),
            ca_key: found.ca_key.clone(),
        };
        if contents == *found {
            return Ok(Plan::Keep);
        }
        Ok(Plan::Write { contents, change: change.unwrap_or(Change::BundleCleaned) })
    }

    fn issue(
        &self,
        issuer: &rcgen::Issuer<'static, rcgen::KeyPair>,
        authority: Life,
    ) -> Result<issue::Issued, IssueError> {
        issue::serving(issuer, authority, (self.now, self.dns_names), self.policy)
    }
}

/// The places of all authorities, the one that is needed first, so that a full bundle does not push it out.
fn all_from(needed: usize, chain: &Chain) -> Vec<usize> {
    let others = (0..chain.authorities.len()).filter(|&index| index != needed);
    std::iter::once(needed).chain(others).collect()
}

#[cfg(test)]
mod tests;
