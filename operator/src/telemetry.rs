//! The log: text for people, JSON for machines.

use std::io::IsTerminal;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// A line each.
    Text,
    /// An object each.
    Json,
}

/// Begins to log to standard error; the text of the error is for whoever wrote the filter.
pub(crate) fn begin(form: Form, filter: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| format!("`--log-filter {filter}` is no filter: {error}"))?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match form {
        Form::Json => subscriber.json().flatten_event(true).init(),
        Form::Text => {
            subscriber.with_ansi(std::io::stderr().is_terminal()).with_target(false).init();
        }
    }
    Ok(())
}
