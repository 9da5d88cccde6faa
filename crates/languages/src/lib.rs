//! The languages of policies: CUE, Rego and CEL.
//!
//! [`Evaluators`] is the port [`trustwright_policy::Languages`]. Whatever a policy or a document does, an evaluation
//! ends within its time and comes to an answer; none that breaks off admits anything.
//!
//! | | runs | its time ends by | its memory by |
//! |---|---|---|---|
//! | CUE | as WebAssembly | epochs | a limit |
//! | Rego | on a thread | the interpreter's clock | the sizes of policy and document, and time |
//! | CEL | on a thread | a meter in each loop | the meter |

mod aside;
mod cel;
mod cue;
mod document;
mod evaluators;
mod nesting;
mod rego;
mod settings;
mod text;

pub use evaluators::Evaluators;
pub use settings::{CUE_FILE, Settings};
