//! Log lines on standard error, one per event.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, filter::ParseError, fmt, util::TryInitError};
use tracing_subscriber::{layer::SubscriberExt, util::SubscriberInitExt};

/// The shape of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line, fields at the top level.
    #[default]
    Json,
    /// For people; coloured on a terminal.
    Text,
}

impl std::str::FromStr for LogFormat {
    type Err = LogError;

    /// Reads `json` or `text`.
    fn from_str(text: &str) -> Result<Self, LogError> {
        match text {
            "json" => Ok(Self::Json),
            "text" => Ok(Self::Text),
            _ => Err(LogError::UnknownFormat(text.to_owned())),
        }
    }
}

/// Why logging cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// Neither a level nor a list of directives.
    #[error("log level \"{directives}\" is neither a level nor a list such as \"info,kube=debug\"")]
    InvalidLevel {
        /// What was given.
        directives: String,
        /// What is wrong with it, if it is more than an unknown level.
        source: Option<ParseError>,
    },
    /// Logging was started before.
    #[error("logging was started twice")]
    StartedTwice(#[source] TryInitError),
    /// A format other than `json` and `text`.
    #[error("log format \"{0}\" is neither \"json\" nor \"text\"")]
    UnknownFormat(String),
}

/// Starts logging to standard error for the whole process.
///
/// `level` is a level (`info`) or a list of directives (`info,kube=debug`).
pub fn init(level: &str, format: LogFormat) -> Result<(), LogError> {
    let filter = parse_level(level)?;
    let registry = tracing_subscriber::registry().with(filter);
    let layer = fmt::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Json => {
            let layer = layer.json().flatten_event(true).with_current_span(true).with_span_list(false);
            registry.with(layer).try_init()
        }
        LogFormat::Text => registry.with(layer.with_ansi(std::io::stderr().is_terminal())).try_init(),
    }
    .map_err(LogError::StartedTwice)
}

fn parse_level(level: &str) -> Result<EnvFilter, LogError> {
    // A typing error such as `inof` would pass as the name of a target, and silence everything else.
    let unknown = |word: &str| {
        word.is_empty()
            || !word.contains('=') && word.parse::<tracing_subscriber::filter::LevelFilter>().is_err()
    };
    let directives = level.trim();
    let invalid = |source| LogError::InvalidLevel { directives: directives.to_owned(), source };
    if directives.split(',').any(|word| unknown(word.trim())) {
        return Err(invalid(None));
    }
    EnvFilter::builder().parse(directives).map_err(|source| invalid(Some(source)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_directives_are_read_and_typing_errors_are_not() {
        for good in ["info", "debug,kube=warn", "off", "info,trustwright::server[request]=trace"] {
            assert!(parse_level(good).is_ok(), "{good}");
        }
        for bad in ["", "inof", "info,kube=loud", "kube"] {
            assert!(parse_level(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn formats_are_read() {
        assert_eq!("json".parse::<LogFormat>().unwrap(), LogFormat::Json);
        assert_eq!("text".parse::<LogFormat>().unwrap(), LogFormat::Text);
        assert!("logfmt".parse::<LogFormat>().is_err());
    }
}
