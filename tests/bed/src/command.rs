//! Running other programs: output kept, failure told with the end of what they printed.

use std::{
    ffi::OsStr,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use crate::error::{Error, Result};

/// How much of a failed program's output its error carries, in lines.
const TAIL_LINES: usize = 25;

/// Runs the program to its end and returns its standard output.
pub fn run(command: &mut Command) -> Result<String> {
    let output = output(command)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    Err(Error::Run {
        program: described(command),
        status: output.status.to_string(),
        output: last_lines(&text, TAIL_LINES),
    })
}

/// Runs cargo with these words and tells which program it built: the last that its messages name.
pub fn built(cargo: &mut Command) -> Result<PathBuf> {
    let messages = run(cargo.arg("--message-format=json"))?;
    executable(&messages)
        .ok_or_else(|| Error::Bed(format!("{}: it named no program", described(cargo))))
}

fn executable(messages: &str) -> Option<PathBuf> {
    let mut named = messages.lines().filter_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        message.get("executable")?.as_str().map(PathBuf::from)
    });
    named.next_back()
}

/// Runs the program with `input` on its standard input, and returns its standard output.
pub fn run_with_input(command: &mut Command, input: &[u8]) -> Result<String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| Error::Spawn { program: described(command), source })?;
    if let Some(mut pipe) = child.stdin.take() {
        // A program that ends early closes the pipe; its exit code says the rest.
        let _ = pipe.write_all(input);
    }
    let output = child
        .wait_with_output()
        .map_err(|source| Error::Spawn { program: described(command), source })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Error::Run {
        program: described(command),
        status: output.status.to_string(),
        output: last_lines(&String::from_utf8_lossy(&output.stderr), TAIL_LINES),
    })
}

/// A program in mount and PID namespaces of its own, which end when we do: a kill of ours leaves neither
/// a process of its nor a mount behind.
pub fn tied(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private"]);
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc", "--"]);
    command.arg(program);
    command
}

/// Runs the program to its end and returns everything, whatever its exit code.
pub fn output(command: &mut Command) -> Result<Output> {
    command
        .stdin(Stdio::null())
        .output()
        .map_err(|source| Error::Spawn { program: described(command), source })
}

/// Whether a program of that name stands in `PATH`.
pub fn exists(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
    })
}

/// The last lines of a text.
pub fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines.iter().skip(lines.len().saturating_sub(count)).copied().collect::<Vec<_>>().join("\n")
}

/// The last lines of a file; a file that cannot be read is an empty text.
pub fn last_lines_of(path: &Path, count: usize) -> String {
    let content = std::fs::read(path).unwrap_or_default();
    last_lines(&String::from_utf8_lossy(&content), count)
}

fn described(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(OsStr::to_string_lossy).collect();
    // What only wraps the program is not what the reader asked for.
    let wrapped = words
        .iter()
        .position(|word| word == "--")
        .filter(|_| words.first().is_some_and(|word| word == "setpriv"));
    words
        .iter()
        .skip(wrapped.map_or(0, |place| place + 1))
        .take(4)
        .cloned()
        .collect::<Vec<_>>()
        .join(" ")
}
