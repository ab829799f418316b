//! The `cargo verify` program; see [`understudy_bed::verify`].

use std::process::ExitCode;

use clap::Parser;
use understudy_bed::verify::{STEPS, Selection, verify};

/// Checks everything that must hold before a change lands.
#[derive(Debug, Parser)]
#[command(name = "cargo verify", bin_name = "cargo verify", max_term_width = 100)]
struct Cli {
    /// Say which steps there are
    #[arg(long)]
    list: bool,
    /// Run only this step (repeatable)
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Run the slow form of this step (repeatable); without a name, of everything
    #[arg(long, value_name = "NAME", num_args = 0..=1)]
    long: Option<Vec<Option<String>>>,
    /// Write generated files anew instead of refusing stale ones
    #[arg(long)]
    bless: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.list {
        for step in &STEPS {
            let forms = match (step.work.is_some(), step.long.is_some()) {
                (true, false) => "",
                (true, true) => " [--long]",
                _ => " [only with --long]",
            };
            println!("{:<14} {}{forms}", step.name, step.about);
        }
        return ExitCode::SUCCESS;
    }
    let long = cli.long.map(|names| names.into_iter().flatten().collect());
    let only =
        if cli.bless && cli.only.is_empty() { vec!["generated".to_owned()] } else { cli.only };
    match verify(&Selection { only, long }, cli.bless) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
