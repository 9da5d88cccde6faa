//! What kstatus makes of objects: the library by which Flux, Config Sync and others say whether an object is where
//! its author wants it.

use anyhow::Result;
use serde::Deserialize;
use serde_json::Value;

use crate::Tool;
use crate::judge::judge;

/// What kstatus says of one object.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Kstatus {
    /// The status.
    pub status: Status,
    /// Why, for people.
    pub message: String,
}

/// The statuses that kstatus gives to an object that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Status {
    /// It is as its spec says, as far as anybody can tell.
    Current,
    /// It will not get there by itself.
    Failed,
    /// It is on its way there.
    InProgress,
    /// It is being deleted.
    Terminating,
    /// The library cannot tell.
    Unknown,
}

/// Returns what kstatus says of each of `objects`, in their order; one process for all of them.
///
/// # Errors
/// When the tool cannot be built, or an object is none (one without `kind`, or with a status of another form).
pub fn compute(objects: &[Value]) -> Result<Vec<Kstatus>> {
    judge(Tool::Kstatus, &[], objects)
}
