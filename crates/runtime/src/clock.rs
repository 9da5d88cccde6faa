//! The only place that reads the wall clock.

use jiff::Timestamp;

/// Returns the present time. Called at the edges only; what decides takes `now` as an argument.
pub fn now() -> Timestamp {
    Timestamp::now()
}
