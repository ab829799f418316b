//! Tests of the tests: known bugs, put into a copy of the source one at a time, must each be found by the
//! plan or test that its patch names. A patch is a file of `tests/mutants`; its first lines say what is wrong
//! and `found-by:` which of `crash PLAN`, `story TEST` or `unit TEST` finds it.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use understudy_fakes::cluster::PATIENCE;
use understudy_tests::root;

/// Names a part of a mutant's name, to look at that one alone.
const ONLY: &str = "UNDERSTUDY_MUTANT";

/// What somebody who expects a failure waits for at the most, in seconds.
const SHORT: &str = "25";

/// The test that runs the crash plan its environment names.
const CRASH: &str = "some_write_of_every_story_may_fail";

#[derive(Debug)]
struct Mutant {
    name: String,
    patch: PathBuf,
    found_by: Finder,
}

/// What finds a mutant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Finder {
    Crash(String),
    Story(String),
    Unit(String),
}

impl std::fmt::Display for Finder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Crash(name) => write!(formatter, "crash {name}"),
            Self::Story(name) => write!(formatter, "story {name}"),
            Self::Unit(name) => write!(formatter, "unit {name}"),
        }
    }
}

/// Every patch, in the order of its number.
fn mutants() -> Result<Vec<Mutant>, String> {
    let folder = root().join("tests/mutants");
    let files = fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut found = Vec::new();
    for file in files {
        let patch = file.map_err(|error| error.to_string())?.path();
        let name = patch.file_stem().and_then(OsStr::to_str).unwrap_or_default().to_owned();
        let text = fs::read_to_string(&patch).map_err(|error| format!("{name}: {error}"))?;
        let found_by = finder(&text).ok_or_else(|| format!("{name}: no line `found-by: …`"))?;
        found.push(Mutant { name, patch, found_by });
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

fn finder(patch: &str) -> Option<Finder> {
    let line = patch.lines().find_map(|line| line.strip_prefix("found-by: "))?;
    let (kind, name) = line.trim().split_once(' ')?;
    let name = name.to_owned();
    match kind {
        "crash" => Some(Finder::Crash(name)),
        "story" => Some(Finder::Story(name)),
        "unit" => Some(Finder::Unit(name)),
        _ => None,
    }
}

/// A copy of what git tracks, with a folder for what is compiled from it.
struct Copy {
    source: PathBuf,
    target: PathBuf,
}

impl Copy {
    /// Makes it anew; what was compiled before is kept.
    fn make() -> Result<Self, String> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutants");
        let copy = Self { source: folder.join("source"), target: folder.join("target") };
        let _ = fs::remove_dir_all(&copy.source);
        let listed = output(Command::new("git").arg("ls-files").current_dir(root()))?;
        for path in listed.1.lines() {
            let to = copy.source.join(path);
            let parent = to.parent().unwrap_or(&copy.source);
            fs::create_dir_all(parent).map_err(|error| format!("{}: {error}", to.display()))?;
            // What was removed and not committed yet is not there.
            let _ = fs::copy(root().join(path), &to);
        }
        copy.seed();
        Ok(copy)
    }

    /// The packages of others are compiled already for the running test: the first time they are taken from
    /// there. Without them everything is compiled, which takes longer and ends the same.
    fn seed(&self) {
        let ours = self.target.join("debug");
        let running = std::env::current_exe().unwrap_or_default();
        let Some(theirs) = running.parent().and_then(Path::parent) else { return };
        if ours.exists() || fs::create_dir_all(&ours).is_err() {
            return;
        }
        // Links will do for what is never written again; fingerprints are.
        for (words, folder) in [("-al", "deps"), ("-al", "build"), ("-a", ".fingerprint")] {
            let _ = Command::new("cp").arg(words).arg(theirs.join(folder)).arg(&ours).status();
        }
    }

    fn cargo(&self) -> Command {
        let mut command = Command::new(env!("CARGO"));
        command.current_dir(&self.source).env("CARGO_TARGET_DIR", &self.target);
        command
    }

    /// Compiles the operator as the copy stands now.
    fn build(&self) -> Result<PathBuf, String> {
        let words = ["build", "--offline", "--locked", "--package=understudy-operator"];
        must(self.cargo().args(words))?;
        Ok(self.target.join("debug").join("understudy"))
    }

    /// Puts a bug in, or takes it out again.
    fn patch(&self, patch: &Path, words: &[&str]) -> Result<(), String> {
        let mut git = Command::new("git");
        // The copy lies inside a checkout, which is none of its business.
        git.env("GIT_CEILING_DIRECTORIES", self.source.parent().unwrap_or(&self.source));
        must(git.arg("apply").args(words).arg(patch).current_dir(&self.source))
    }
}

/// Whether it ended well, and everything it said.
fn output(command: &mut Command) -> Result<(bool, String), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    Ok((output.status.success(), said.into_owned()))
}

fn must(command: &mut Command) -> Result<(), String> {
    match output(command)? {
        (true, _) => Ok(()),
        (false, said) => Err(format!("{command:?}\n{said}")),
    }
}

/// Runs what finds a mutant against that program; whether it passed, and what it said. Nothing but one test
/// that ran is an answer.
fn run(
    finder: &Finder,
    copy: &Copy,
    program: &Path,
    seconds: Option<&str>,
) -> Result<(bool, String), String> {
    let test = |suite: &str, name: &str| {
        let mut command = Command::new(env!("CARGO"));
        command.current_dir(root()).args(["test", "--offline", "--locked"]);
        command.args(["--package=understudy-tests", "--test", suite, "--"]);
        command.args(["--include-ignored", "--exact", name]);
        command.env("UNDERSTUDY_TEST_PROGRAM", program);
        command.envs(seconds.map(|seconds| (PATIENCE, seconds)));
        command
    };
    let mut command = match finder {
        Finder::Crash(plan) => {
            let mut command = test("crash", CRASH);
            command.env("UNDERSTUDY_CRASH_PLAN", plan);
            command
        }
        Finder::Story(name) => test("story", name),
        Finder::Unit(name) => {
            let mut command = copy.cargo();
            command.args(["test", "--offline", "--locked", "--package=understudy-core", "--lib"]);
            command.args(["--", "--exact", name]);
            command
        }
    };
    let (_, said) = output(&mut command)?;
    let passed = said.contains("test result: ok. 1 passed");
    if passed || said.contains("0 passed; 1 failed") {
        return Ok((passed, said));
    }
    Err(format!("{finder} is no test that runs:\n{said}"))
}

/// Why that mutant was not found, if it was not.
fn look(mutant: &Mutant, copy: &Copy) -> Result<(), String> {
    copy.patch(&mutant.patch, &[])?;
    let found = copy.build().and_then(|program| {
        let began = Instant::now();
        let (passed, said) = run(&mutant.found_by, copy, &program, Some(SHORT))?;
        if passed {
            return Err(format!("{} does not find it:\n{said}", mutant.found_by));
        }
        let seconds = began.elapsed().as_secs_f64();
        // Whoever doubts that it was found for its own sake can read how the test failed.
        let log = copy.source.with_file_name(format!("{}.log", mutant.name));
        fs::write(log, said).map_err(|error| error.to_string())?;
        println!("measured: mutant {} found by {} in {seconds:.0} s", mutant.name, mutant.found_by);
        Ok(())
    });
    copy.patch(&mutant.patch, &["--reverse"])?;
    found
}

/// What always fails finds nothing: each plan passes without a bug.
fn innocent(mutants: &[Mutant], copy: &Copy) -> Result<Vec<String>, String> {
    let program = copy.build()?;
    let finders: BTreeSet<&Finder> = mutants.iter().map(|mutant| &mutant.found_by).collect();
    let mut faults = Vec::new();
    for finder in finders {
        match run(finder, copy, &program, None) {
            Ok((true, _)) => {}
            Ok((false, said)) => faults.push(format!("{finder} fails without a bug:\n{said}")),
            Err(why) => faults.push(why),
        }
    }
    Ok(faults)
}

#[test]
#[ignore = "needs a fleet bed: cargo verify --long mutants"]
fn long_every_seeded_bug_is_found() {
    let only = std::env::var(ONLY).unwrap_or_default();
    let mut mutants = mutants().expect("every patch says what finds it");
    mutants.retain(|mutant| mutant.name.contains(&only));
    assert!(!mutants.is_empty(), "there is no mutant {only}");
    let copy = Copy::make().expect("the source can be copied");
    let mut build = Command::new(env!("CARGO"));
    build.args(["test", "--offline", "--locked", "--no-run", "--package=understudy-tests"]);
    must(build.args(["--test=crash", "--test=story"]).current_dir(root())).expect("it compiles");
    let mut faults = innocent(&mutants, &copy).expect("the copy compiles");
    for mutant in &mutants {
        if let Err(why) = look(mutant, &copy) {
            println!("mutant {}: {why}", mutant.name);
            faults.push(format!("mutant {}: {why}", mutant.name));
        }
    }
    println!("measured: {} mutants, {} faults", mutants.len(), faults.len());
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

#[test]
fn every_patch_names_what_finds_it_and_applies() {
    let mutants = mutants().expect("every patch says what finds it");
    assert!(mutants.len() >= 15, "{} mutants", mutants.len());
    for mutant in mutants {
        let mut git = Command::new("git");
        git.args(["apply", "--check"]).arg(&mutant.patch).current_dir(root());
        let outcome = must(&mut git);
        assert!(outcome.is_ok(), "{} no longer applies: {outcome:?}", mutant.name);
    }
}
