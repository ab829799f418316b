//! The `cargo bed` program; see [`understudy_bed::cli`].

use std::{
    env,
    os::unix::process::CommandExt,
    process::{Command, ExitCode},
};

use clap::{Parser, error::ErrorKind};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Where Debian keeps programs that root needs; `su` and cron leave it out of PATH.
const ROOTS_PROGRAMS: &str = "/usr/sbin:/sbin";

fn main() -> ExitCode {
    // Each connection that is carried takes two descriptors.
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let path = env::var("PATH").unwrap_or_default();
    if !path.split(':').any(|folder| folder == "/usr/sbin") {
        let whole = format!("{path}:{ROOTS_PROGRAMS}");
        let error =
            Command::new("/proc/self/exe").args(env::args_os().skip(1)).env("PATH", whole).exec();
        eprintln!("error: cannot start again with {ROOTS_PROGRAMS} in PATH: {error}");
        return ExitCode::FAILURE;
    }
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
