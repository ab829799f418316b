//! Fuzzing: input that nobody thought of, made by LLVM's fuzzer and held against `tests/properties`.

use std::{
    fs,
    panic::resume_unwind,
    process::Command,
    thread::{self, ScopedJoinHandle},
};

use super::context::{Context, Counts, Ran};
use crate::{
    error::{Error, Result},
    home,
    preflight::{self, Package},
    progress::Progress,
};

/// The programs of `tests/fuzz`.
const TARGETS: [&str; 4] = ["framing", "headers", "host", "route"];

/// How many run at a time: each takes a core.
const ABREAST: usize = 2;

/// What compiles LLVM's fuzzer.
const COMPILER: Package = Package { name: "g++", shown_by: "c++" };

/// Builds the targets and runs each for so many seconds.
pub(super) fn fuzz(context: &Context<'_>, seconds: u32) -> Result<Ran> {
    preflight::packages(&[COMPILER], &Progress::silent())?;
    for words in [&["fmt", "--check"][..], &["build", "--release", "--locked"]] {
        let ran = context.run_as_set(cargo(context).args(words))?;
        if !ran.success {
            return Ok(ran);
        }
    }
    let mut all = Ran { success: true, ..Ran::default() };
    for abreast in TARGETS.chunks(ABREAST) {
        let ended = thread::scope(|scope| {
            let running: Vec<ScopedJoinHandle<'_, _>> = abreast
                .iter()
                .map(|name| scope.spawn(move || target(context, name, seconds)))
                .collect();
            let ended = running
                .into_iter()
                .map(|one| one.join().unwrap_or_else(|panic| resume_unwind(panic)));
            ended.collect::<Result<Vec<Ran>>>()
        })?;
        for ran in ended {
            all.success &= ran.success;
            all.counts.add(ran.counts);
            all.output.push_str(&ran.output);
        }
    }
    all.note = format!("{} targets, {seconds} s each", TARGETS.len());
    Ok(all)
}

/// Cargo among the targets: how they are compiled is written there. `RUSTFLAGS` would take its place.
fn cargo(context: &Context<'_>) -> Command {
    let mut cargo = Command::new("cargo");
    cargo
        .current_dir(context.workspace.join("tests/fuzz"))
        .env("CARGO_TARGET_DIR", context.target)
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    cargo
}

/// Runs one target, from the inputs that are kept in the checkout and those that other runs on this machine found.
fn target(context: &Context<'_>, name: &str, seconds: u32) -> Result<Ran> {
    let found = context.home.root().join("fuzz").join(name);
    home::make_folder(&found)?;
    let log = context.log.with_file_name(format!("fuzz-{name}.log"));
    let _ = fs::remove_file(&log);
    let own = Context { log, ..*context };
    let mut run = cargo(context);
    run.args(["run", "--quiet", "--release", "--locked", "--bin", name, "--"])
        .arg(format!("-max_total_time={seconds}"))
        .arg("-print_final_stats=1")
        .arg("-timeout=10")
        .arg(format!("-artifact_prefix={}-", found.display()))
        .arg(&found)
        .arg(format!("corpus/{name}"));
    let words = context.workspace.join(format!("tests/fuzz/words/{name}"));
    if words.is_file() {
        run.arg(format!("-dict={}", words.display()));
    }
    let mut ran = own.run_as_set(&mut run)?;
    ran.counts =
        Counts { passed: usize::from(ran.success), failed: usize::from(!ran.success), skipped: 0 };
    match told(&ran.output) {
        Some(told) if ran.success => ran.output = format!("measured: {name}: {told}\n"),
        None if ran.success => {
            return Err(Error::Bed(format!("{name} does not say what it did:\n{}", ran.output)));
        }
        _ => ran.output = without_progress(&ran.output),
    }
    Ok(ran)
}

/// What is left of its output when each new input is not told of.
fn without_progress(output: &str) -> String {
    let lines = output.lines().filter(|line| !line.starts_with(['#', '\t', '"']));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// How many inputs, how quickly, and how many branches were seen, by the fuzzer's own words.
fn told(output: &str) -> Option<String> {
    let number = |line: &str, word: &str| {
        line.split_once(word)?.1.split_whitespace().next()?.parse::<u64>().ok()
    };
    let first = output.lines().find_map(|line| number(line, "INITED cov: "))?;
    let last = |word: &str| output.lines().rev().find_map(|line| number(line, word));
    let inputs = last("stat::number_of_executed_units:")?;
    let speed = last("stat::average_exec_per_sec:")?;
    let branches = last(" cov: ")?;
    Some(format!("{inputs} inputs, {speed} a second, {branches} branches seen ({first} at first)"))
}

#[cfg(test)]
mod tests {
    use super::told;

    #[test]
    fn last_words_of_the_fuzzer_are_understood() {
        let output = "#10\tINITED cov: 382 ft: 550 corp: 7/150b exec/s: 0 rss: 45Mb\n\
            #524288\tpulse  cov: 588 ft: 2100 corp: 300/9Kb lim: 90 exec/s: 25000 rss: 90Mb\n\
            #1008124\tDONE   cov: 601 ft: 2312 corp: 318/9Kb lim: 100 exec/s: 24588 rss: 101Mb\n\
            Done 1008124 runs in 41 second(s)\n\
            stat::number_of_executed_units: 1008124\n\
            stat::average_exec_per_sec:     24588\n";
        assert_eq!(
            told(output).as_deref(),
            Some("1008124 inputs, 24588 a second, 601 branches seen (382 at first)")
        );
        assert_eq!(told("error: could not compile"), None);
    }
}
