//! What a workload wishes to be told of, and how: from its annotations, or from a flag.

use std::{collections::BTreeMap, collections::BTreeSet, fmt, str::FromStr};

use super::names::{ON_CHANGE, TRUST_ROOTS};
use super::workload::{Id, Kind};

/// Longest name of an object (RFC 1123 subdomain).
const MAX_NAME: usize = 253;

/// Which trust roots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selection {
    /// All that there are.
    All,
    /// Those of these names.
    Names(BTreeSet<String>),
}

/// What is done on a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnChange {
    Restart,
    Annotate,
}

/// What a workload wishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) roots: Selection,
    pub(crate) on_change: OnChange,
}

/// Why a wish cannot be granted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WishError {
    #[error("annotation {TRUST_ROOTS}: {0}")]
    Roots(SelectionError),
    #[error("annotation {TRUST_ROOTS} is missing beside {ON_CHANGE}: expected names of TrustRoots, or *")]
    NoRoots,
    #[error("annotation {ON_CHANGE} is {0:?}: expected restart or annotate")]
    OnChange(String),
    #[error("annotation {ON_CHANGE} is missing beside {TRUST_ROOTS}: expected restart or annotate")]
    NoOnChange,
}

/// Why a list of trust roots cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// There is none in it.
    #[error("it is empty: expected names of TrustRoots, or *")]
    Empty,
    /// One of them is no name.
    #[error("{0:?} is no name of a TrustRoot")]
    Name(String),
}

/// A wish that cannot be granted, and what of it can be read: where it is to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) error: WishError,
    pub(crate) roots: Selection,
}

impl Selection {
    pub(crate) fn includes(&self, root: &str) -> bool {
        match self {
            Self::All => true,
            Self::Names(names) => names.contains(root),
        }
    }
}

impl FromStr for Selection {
    type Err = SelectionError;

    fn from_str(text: &str) -> Result<Self, SelectionError> {
        if text.trim() == "*" {
            return Ok(Self::All);
        }
        let mut names = BTreeSet::new();
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            if !is_name(name) {
                return Err(SelectionError::Name(name.chars().take(MAX_NAME).collect()));
            }
            names.insert(name.to_owned());
        }
        if names.is_empty() { Err(SelectionError::Empty) } else { Ok(Self::Names(names)) }
    }
}

/// Whether it is an RFC 1123 subdomain, as names of trust roots are.
pub(crate) fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !label.is_empty() && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    text.len() <= MAX_NAME && text.split('.').all(is_label)
}

impl OnChange {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::Annotate => "annotate",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Restart, Self::Annotate].into_iter().find(|one| one.as_str() == text.trim())
    }
}

impl Wish {
    /// The wish in these annotations; `None` where there is none.
    pub(crate) fn read(annotations: &BTreeMap<String, String>) -> Option<Result<Self, Refused>> {
        let refused = |error, roots| Some(Err(Refused { error, roots }));
        match (annotations.get(TRUST_ROOTS), annotations.get(ON_CHANGE)) {
            (None, None) => None,
            // Which roots it is about nobody can say, so all of them do.
            (None, Some(_)) => refused(WishError::NoRoots, Selection::All),
            (Some(roots), on_change) => match (roots.parse::<Selection>(), on_change) {
                (Err(error), _) => refused(WishError::Roots(error), Selection::All),
                (Ok(roots), None) => refused(WishError::NoOnChange, roots),
                (Ok(roots), Some(text)) => match OnChange::parse(text) {
                    Some(on_change) => Some(Ok(Self { roots, on_change })),
                    None => refused(WishError::OnChange(text.chars().take(MAX_NAME).collect()), roots),
                },
            },
        }
    }
}

/// A workload that depends on trust roots by the flag `--dependent`: `NAMESPACE/KIND/NAME=ROOTS:restart`, or
/// `…:annotate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// The workload.
    pub id: Id,
    pub(crate) wish: Wish,
}

/// Why `--dependent` cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeclaredError {
    /// It has another form.
    #[error("expected NAMESPACE/KIND/NAME=ROOTS:restart or …:annotate")]
    Form,
    /// The kind is another one.
    #[error("{0:?} is none of the kinds Deployment, StatefulSet and DaemonSet")]
    Kind(String),
    /// The namespace or the name is none.
    #[error("{0:?} is no name of an object")]
    Name(String),
    /// The trust roots cannot be read.
    #[error("ROOTS: {0}")]
    Roots(#[from] SelectionError),
    /// What is to be done is something else.
    #[error("{0:?} is neither restart nor annotate")]
    OnChange(String),
}

impl FromStr for Declared {
    type Err = DeclaredError;

    fn from_str(text: &str) -> Result<Self, DeclaredError> {
        let (object, wish) = text.split_once('=').ok_or(DeclaredError::Form)?;
        let (roots, on_change) = wish.rsplit_once(':').ok_or(DeclaredError::Form)?;
        let mut parts = object.split('/');
        let (Some(namespace), Some(kind), Some(name), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(DeclaredError::Form);
        };
        for part in [namespace, name] {
            if !is_name(part) {
                return Err(DeclaredError::Name(part.to_owned()));
            }
        }
        let kind = Kind::ALL
            .into_iter()
            .find(|one| one.as_str().eq_ignore_ascii_case(kind))
            .ok_or_else(|| DeclaredError::Kind(kind.to_owned()))?;
        let on_change =
            OnChange::parse(on_change).ok_or_else(|| DeclaredError::OnChange(on_change.to_owned()))?;
        Ok(Self {
            id: Id { kind, namespace: namespace.to_owned(), name: name.to_owned() },
            wish: Wish { roots: roots.parse()?, on_change },
        })
    }
}

impl fmt::Display for Declared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.id)
    }
}
