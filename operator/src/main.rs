//! The `understudy` program: one binary, a role for each subcommand.

mod admin;
mod args;
mod backoff;
mod cluster;
mod collect;
mod controller;
mod edge;
mod evidence;
mod metrics;
mod outside;
mod run;
mod signals;
mod telemetry;

use std::process::ExitCode;

use clap::{Parser, error::ErrorKind};

fn main() -> ExitCode {
    let cli = match args::Cli::try_parse() {
        Ok(cli) => cli,
        Err(asked) if asked.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = asked.print();
            return ExitCode::from(2);
        }
        Err(wrong) if wrong.use_stderr() => {
            let text = wrong.render().to_string();
            // What is missing stands in the lines below the first.
            let said = text.lines().map(str::trim).take_while(|line| !line.is_empty());
            eprintln!("{}", said.collect::<Vec<_>>().join(" "));
            return ExitCode::from(2);
        }
        Err(asked) => asked.exit(),
    };
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            if error.is_usage() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}
