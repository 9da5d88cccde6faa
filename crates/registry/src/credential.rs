//! What a caller shows to a registry.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// A credential for one call. It is never stored beyond the call; what is stored is its [`id`](Self::id) and
/// the short-lived tokens that it bought.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// None.
    Anonymous,
    /// A user name and a password, sent as `Basic` (RFC 7617) to the registry or to its token service.
    Basic {
        /// The user name.
        username: String,
        /// The password.
        password: String,
    },
    /// A refresh token (`identitytoken` in a Docker configuration), sent to the token service only.
    IdentityToken(String),
}

impl Credential {
    /// Returns a hash that differs between any two credentials, for keys of caches. It is as secret as a
    /// plain SHA-256 of a password is: keep it in memory.
    pub fn id(&self) -> [u8; 32] {
        let (kind, parts): (u8, [&str; 2]) = match self {
            Self::Anonymous => (0, ["", ""]),
            Self::Basic { username, password } => (1, [username, password]),
            Self::IdentityToken(token) => (2, [token, ""]),
        };
        let mut hash = Sha256::new_with_prefix([kind]);
        for part in parts {
            // The length keeps `a` + `bc` apart from `ab` + `c`.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anonymous => "Anonymous",
            Self::Basic { .. } => "Basic(..)",
            Self::IdentityToken(_) => "IdentityToken(..)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(username: &str, password: &str) -> Credential {
        Credential::Basic { username: username.into(), password: password.into() }
    }

    #[test]
    fn different_credentials_have_different_ids() {
        let all = [
            Credential::Anonymous,
            basic("", ""),
            basic("a", "bc"),
            basic("ab", "c"),
            Credential::IdentityToken("a".into()),
            Credential::IdentityToken(String::new()),
        ];
        for (i, a) in all.iter().enumerate() {
            for (j, b) in all.iter().enumerate() {
                assert_eq!(a.id() == b.id(), i == j, "{i} {j}");
            }
        }
    }

    #[test]
    fn debugging_output_holds_no_secret() {
        let text =
            format!("{:?} {:?}", basic("alice", "hunter2"), Credential::IdentityToken("s3cret".into()));
        assert!(!["alice", "hunter2", "s3cret"].iter().any(|secret| text.contains(secret)), "{text}");
    }
}
