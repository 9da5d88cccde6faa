//! The closed sets of condition types and reasons. They are part of the API: a name, once released, stays.

/// Declares an enum whose variants are spelled in the API as in the code.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// Every word, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Returns the word as the API spells it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($variant),)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl From<$name> for String {
            fn from(word: $name) -> Self {
                word.as_str().to_owned()
            }
        }
    };
}

words! {
    /// Types of condition that we write.
    ConditionType {
        /// The object can be used as written.
        Ready,
        /// Only a change of the spec helps. Exists only while true.
        Stalled,
        /// Every live webhook replica has the policy in force, as it is now.
        Enforced,
        /// Metadata that the object rests on has expired. Exists only while true.
        Expired,
        /// Metadata that the object rests on will expire soon. Exists only while true.
        Expiring,
        /// The keys of the policy have been found and read.
        KeysResolved,
        /// The policy texts that the policy names have been found.
        PoliciesResolved,
        /// We are at work to make the object ready, and no change of the spec is needed. Exists only while true.
        Reconciling,
        /// The last attempt to read the mirror succeeded. Only where there is a mirror.
        Refreshed,
        /// Signatures can be checked: every part of the object can be used.
        SignatureChecksReady,
        /// The trust roots that the policy rests on are there and in force.
        TrustReady,
        /// No TUF metadata protects the keys: they do not expire, and going back is not noticed. Exists only while true.
        Unprotected,
    }
}

words! {
    /// Why a condition of a `ClusterImagePolicy` is as it is.
    PolicyReason {
        /// Every part of the policy can be used.
        Compiled,
        /// A part of the policy cannot be used; the policy denies, or warns about, what only that part could
        /// admit.
        NotCompiled,
        /// A key or a policy text is missing or cannot be read.
        NotResolved,
        /// A trust root is missing, or nothing of it is in force.
        TrustRootNotReady,
        /// What the policy names was found.
        Resolved,
        /// Every live webhook replica has it.
        InForce,
        /// Not every live webhook replica has it yet.
        Spreading,
        /// No webhook replica is alive.
        NoReplica,
    }
}

words! {
    /// Why a condition of a `TrustRoot` is as it is.
    TrustRootReason {
        /// The keys of the spec are loaded, those that can be used at least.
        Loaded,
        /// Metadata has expired, and is not accepted.
        Expired,
        /// Metadata has expired, and what was verified stays in force.
        ExpiredKept,
        /// Metadata ends within the time of which we warn.
        ExpiresSoon,
        /// Every live webhook replica has it.
        InForce,
        /// A `ConfigMap` or Secret that the spec names is missing, or cannot be used.
        InvalidReference,
        /// The spec contradicts itself or cannot be decoded.
        InvalidSpec,
        /// The mirror cannot be reached, or gives no answer that can be used.
        MirrorUnavailable,
        /// The source holds no key that verification can use.
        NoUsableKeys,
        /// The keys come without TUF.
        NotProtectedByTuf,
        /// The mirror is being read for the first time.
        Refreshing,
        /// The repository is older than what was known before.
        RolledBack,
        /// Not every live webhook replica has it yet.
        Spreading,
        /// Metadata expired longer ago than the spec allows.
        Stale,
        /// The verified repository is larger than a status holds.
        TooLarge,
        /// The mirror was read, and what it serves is verified.
        UpToDate,
        /// The repository is damaged, or does not chain to the root in the spec.
        VerificationFailed,
    }
}
