//! The port of `trustwright_policy`, with all three languages behind it.

use std::sync::Arc;

use trustwright_policy::{CompileError, Language, Languages, Program};

use crate::{
    Settings,
    aside::Aside,
    cel::Cel,
    cue::{Checked, Cue},
    rego::Rego,
};

/// Compiles and runs policies in CUE, Rego and CEL.
#[derive(Debug)]
pub struct Evaluators {
    /// What is wrong with the evaluator where there is none.
    cue: Result<Arc<Cue>, String>,
    aside: Aside,
    settings: Settings,
}

impl Evaluators {
    /// Loads the evaluator of CUE. Where that fails, the other languages are there, and policies in CUE are
    /// [`CompileError::Unavailable`]: see [`Self::cue_problem`].
    pub fn start(settings: Settings) -> Self {
        Self { cue: Cue::load(&settings).map(Arc::new), aside: Aside::new(settings.threads), settings }
    }

    /// Why policies in CUE are unavailable; none if they are not. Worth a line in the log.
    pub fn cue_problem(&self) -> Option<&str> {
        self.cue.as_ref().err().map(String::as_str)
    }
}

impl Languages for Evaluators {
    fn compile(&self, language: Language, text: &str) -> Result<Arc<dyn Program>, CompileError> {
        let (found, most) = (text.len(), self.settings.policy_bytes);
        if found > most {
            return Err(CompileError::Invalid(format!(
                "the policy has {found} bytes, and at most {most} are read"
            )));
        }
        match language {
            Language::Cue => {
                let cue = self.cue.as_ref().map_err(|problem| CompileError::Unavailable(problem.clone()))?;
                match cue.check(text) {
                    Checked::Usable => Ok(cue.program(text)),
                    Checked::Invalid(cause) => Err(CompileError::Invalid(cause)),
                }
            }
            Language::Rego => Rego::compile(text, &self.aside, &self.settings),
            Language::Cel => Cel::compile(text, &self.aside, &self.settings),
        }
    }
}
