//! The `cargo bed` program; see [`understudy_bed::cli`].

use std::process::ExitCode;

use clap::{Parser, error::ErrorKind};

fn main() -> ExitCode {
    let cli = match understudy_bed::cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(bare) if bare.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            bare.exit()
        }
        Err(wrong) if wrong.use_stderr() => {
            // What is wrong, without the usage behind it: `--help` has that.
            let text = wrong.render().to_string();
            let paragraph = text.lines().take_while(|line| !line.trim().is_empty());
            let tip = text.lines().filter(|line| line.trim_start().starts_with("tip:"));
            let words: Vec<&str> = paragraph.chain(tip).map(str::trim).collect();
            eprintln!("{}; more: cargo bed --help", words.join(" "));
            return ExitCode::from(2);
        }
        Err(asked) => asked.exit(),
    };
    match cli.run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
