//! Running one program of a step: its output goes to the step's log, its tests are counted.

use std::{
    fs::{self, File},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use super::guard;
use crate::{
    command,
    error::{Error, Result},
    home::Home,
    progress, testing,
};

/// The exit code of `timeout` when the time was over.
const TIMED_OUT: i32 = 124;

/// What a step has at hand.
pub(super) struct Context<'run> {
    pub(super) home: &'run Home,
    pub(super) workspace: &'run Path,
    pub(super) step: &'run progress::Step,
    pub(super) target: &'run Path,
    pub(super) log: PathBuf,
}

/// How a program ended.
#[derive(Debug, Default)]
pub(super) struct Ran {
    pub(super) success: bool,
    pub(super) timed_out: bool,
    pub(super) output: String,
    pub(super) note: String,
    pub(super) counts: Counts,
}

impl Ran {
    /// What the program measured, by its own words: whatever stands behind `measured: ` in a line.
    pub(super) fn measured(&self) -> impl Iterator<Item = &str> {
        self.output.lines().filter_map(|line| line.split_once("measured: ").map(|(_, rest)| rest))
    }
}

/// How many lines of one failure are repeated.
const GIST: usize = 12;

impl Ran {
    /// Why it failed, in the few lines that say so: what each failed test said, else the end of the output.
    pub(super) fn gist(&self) -> Vec<&str> {
        let lines: Vec<&str> = self.output.lines().collect();
        let failures = lines
            .iter()
            .enumerate()
            .filter(|(_, line)| line.starts_with("thread '") && line.contains("panicked at "));
        let over = |line: &&str| {
            ["note: run with", "test ", "measured: "].iter().any(|word| line.starts_with(word))
        };
        let said: Vec<&str> = failures
            .flat_map(|(index, _)| {
                lines.iter().skip(index).copied().take(GIST).take_while(|line| !over(line))
            })
            .collect();
        if said.is_empty() {
            lines.iter().skip(lines.len().saturating_sub(GIST)).copied().collect()
        } else {
            said
        }
    }
}

/// Tests by how they ended.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) skipped: usize,
}

impl Counts {
    /// Adds up cargo's own closing lines; what was filtered out was skipped too.
    fn of(output: &str) -> Self {
        let mut sum = Self::default();
        for line in output.lines().filter_map(|line| line.trim().strip_prefix("test result: ")) {
            let number = |word: &str| {
                let piece =
                    line.split([';', '.']).find_map(|piece| piece.trim().strip_suffix(word));
                piece.and_then(|count| count.trim().parse::<usize>().ok()).unwrap_or(0)
            };
            sum.add(Self {
                passed: number("passed"),
                failed: number("failed"),
                skipped: number("ignored") + number("filtered out"),
            });
        }
        sum
    }

    pub(super) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl Context<'_> {
    /// Runs a program in the workspace with the shared folder for compiled output.
    pub(super) fn run(&self, command: &mut Command) -> Result<Ran> {
        if command.get_envs().all(|(name, _)| name != "CARGO_TARGET_DIR") {
            command.env("CARGO_TARGET_DIR", self.target);
        }
        self.run_as_set(command.current_dir(self.workspace))
    }

    /// Runs a program as it stands, with its output in the step's log, and says how far it is.
    pub(super) fn run_as_set(&self, command: &mut Command) -> Result<Ran> {
        let start = fs::metadata(&self.log).map_or(0, |file| file.len());
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .map_err(Error::touch("write", &self.log))?;
        let errors = log.try_clone().map_err(Error::touch("write", &self.log))?;
        let program = command.get_program().to_string_lossy().into_owned();
        let failed = |source| Error::Spawn { program: program.clone(), source };
        let mut child = command
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .env("CARGO_TERM_COLOR", "never")
            .env("CARGO_LLVM_COV_SETUP", "no")
            // A failed test's text says what happened; the frames below it only bury that.
            .env("RUST_BACKTRACE", "0")
            .env(guard::MARK, std::process::id().to_string())
            .spawn()
            .map_err(failed)?;
        let status = loop {
            if let Some(status) = child.try_wait().map_err(failed)? {
                break status;
            }
            self.step.at(command::last_lines_of(&self.log, 1).trim());
            thread::sleep(Duration::from_millis(250));
        };
        let text = fs::read(&self.log).map_err(Error::touch("read", &self.log))?;
        let start = usize::try_from(start).unwrap_or(0);
        let output = String::from_utf8_lossy(text.get(start..).unwrap_or_default()).into_owned();
        let timed_out = status.code() == Some(TIMED_OUT);
        let killed = status
            .signal()
            .map_or_else(String::new, |signal| format!("\n(killed by signal {signal})"));
        Ok(Ran { success: status.success(), timed_out, output: output + &killed, ..Ran::default() })
    }

    /// Runs `cargo test` with these words and counts.
    pub(super) fn test(&self, words: &[&str], bed: Option<&str>) -> Result<Ran> {
        let mut command = Command::new("cargo");
        command
            .args(["test", "--locked", "--no-fail-fast"])
            .args(words)
            .env_remove("KUBEBUILDER_ASSETS");
        if let Some(bed) = bed {
            command.env(testing::VARIABLE, bed);
        }
        let mut ran = self.run(&mut command)?;
        ran.counts = Counts::of(&ran.output);
        ran.note = format!("{} passed", ran.counts.passed);
        if ran.counts.skipped > 0 {
            ran.note.push_str(&format!(", {} left to --long", ran.counts.skipped));
        }
        Ok(ran)
    }
}

#[cfg(test)]
mod tests {
    use super::{Counts, GIST, Ran};

    #[test]
    fn closing_lines_of_cargo_are_added_up() {
        let output = "\
            test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; 1 filtered out; finished in 0.02s\n\
            test result: FAILED. 2 passed; 1 failed; 3 ignored; 0 measured; 0 filtered out; finished in 1.20s\n";
        assert_eq!(Counts::of(output), Counts { passed: 7, failed: 1, skipped: 4 });
    }

    #[test]
    fn gist_of_a_failure_is_what_the_test_said() {
        let ran = |output: &str| Ran { output: output.to_owned(), ..Ran::default() };
        let output = "STEP 1/8\n\nthread 'a' (7) panicked at tests/a.rs:64:5:\nasked politely\n\
                      note: run with `RUST_BACKTRACE=1`\ntest a ... FAILED\ntest result: FAILED. 0 passed\nmore\n";
        let said = ["thread 'a' (7) panicked at tests/a.rs:64:5:", "asked politely"];
        assert_eq!(ran(output).gist(), said);
        let long = "a line\n".repeat(40) + "error: no such thing";
        assert_eq!(ran(&long).gist().last(), Some(&"error: no such thing"));
        assert_eq!(ran(&long).gist().len(), GIST);
    }

    #[test]
    fn output_without_a_closing_line_counts_nothing() {
        assert_eq!(Counts::of("error: could not compile"), Counts::default());
    }
}
