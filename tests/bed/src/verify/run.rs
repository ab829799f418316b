//! Running the steps, and the summary at the end.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use super::{
    Selection, Step, Work, cold,
    context::{Context, Counts, Ran},
    deny, fuzz, generated, guard,
    steps::PROGRAMS,
    target,
};
use crate::{
    command,
    error::{Error, Result},
    home::{self, Home},
    lifecycle, preflight,
    profile::Profile,
    progress::{Progress, spoken},
};

/// Runs the chosen steps in the workspace of the current folder, and sums up.
pub fn verify(selection: &Selection, bless: bool) -> Result<ExitCode> {
    let chosen = selection.steps()?;
    preflight::rust()?;
    let home = Home::find()?;
    let workspace = workspace()?;
    let progress = Progress::new();
    let started = Instant::now();
    let _lock = home
        .lock(guard::LOCK, || progress.line("waiting for another verification on this machine"))?;
    guard::end_all(&home)?;
    let target = target::folder(&home, &workspace)?;
    let logs = home.root().join("verify");
    home::make_folder(&logs)?;
    let (mut counts, mut broken) = (Counts::default(), Vec::new());
    for (step, long) in std::iter::once((&PROGRAMS, false)).chain(chosen) {
        let line = progress.step(step.name);
        let log = logs.join(format!("{}.log", step.name));
        let context =
            Context { home: &home, workspace: &workspace, step: &line, target: &target, log };
        let outcome = carry_out(&context, step, long, bless);
        let ran =
            outcome.unwrap_or_else(|error| Ran { output: error.to_string(), ..Ran::default() });
        counts.add(ran.counts);
        if ran.success {
            line.done(&ran.note);
            ran.measured().for_each(|measured| progress.line(&format!("         {measured}")));
        } else {
            line.failed("");
            progress.line(&ran.output);
            let said = ran.gist().into_iter().map(|line| format!("  {}: {line}", step.name));
            broken.push((step.name, said.collect::<Vec<_>>().join("\n")));
        }
        if step.name == PROGRAMS.name {
            if !ran.success {
                break;
            }
            guard::start(&guard::bed_program(&target))?;
        }
    }
    guard::end_all(&home)?;
    Ok(summary(counts, &broken, started.elapsed()))
}

fn summary(counts: Counts, broken: &[(&str, String)], elapsed: Duration) -> ExitCode {
    println!();
    if broken.is_empty() {
        println!("verified in {}", spoken(elapsed));
    } else {
        for (_, said) in broken {
            println!("{said}\n");
        }
        let names: Vec<&str> = broken.iter().map(|(name, _)| *name).collect();
        println!(
            "not verified: {} (again with: cargo verify --only {})",
            names.join(", "),
            names.join(" --only ")
        );
    }
    // A broken step that counts no tests still is a failure.
    let failed = if broken.is_empty() { counts.failed } else { counts.failed.max(1) };
    println!("{} passed, {failed} failed, {} skipped", counts.passed, counts.skipped);
    if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The root of the checkout we are run in.
fn workspace() -> Result<PathBuf> {
    let located = command::run(Command::new("cargo").args([
        "locate-project",
        "--workspace",
        "--message-format=plain",
    ]))?;
    let manifest = PathBuf::from(located.trim());
    manifest
        .parent()
        .map(Path::to_path_buf)
        .ok_or_else(|| Error::Refuse("run this inside the checkout".to_owned()))
}

fn carry_out(context: &Context<'_>, step: &Step, long: bool, bless: bool) -> Result<Ran> {
    let _ = fs::remove_file(&context.log);
    let Some(work) = (if long { step.long } else { step.work }) else {
        return Ok(Ran::default());
    };
    match work {
        Work::Cargo(words) => context.run(Command::new("cargo").args(words)),
        Work::Test(words, profile) => tests(context, words, profile),
        Work::Short(words, profile) => {
            tests(context, &[words, &["--skip=long_"]].concat(), profile)
        }
        Work::Deny => deny::check(context),
        Work::Fuzz(seconds) => fuzz::fuzz(context, seconds),
        Work::Generated => {
            let note = generated::check(context, bless)?;
            Ok(Ran { success: true, note, ..Ran::default() })
        }
        Work::EachAlone => each_alone(context),
        Work::Cold => cold::cold(context),
    }
}

fn tests(context: &Context<'_>, words: &[&str], profile: Option<Profile>) -> Result<Ran> {
    match profile {
        None => context.test(words, None),
        Some(profile) => on_bed(context, profile, words),
    }
}

/// Brings the shared bed of that profile up, runs the tests on it, and ends it.
fn on_bed(context: &Context<'_>, profile: Profile, words: &[&str]) -> Result<Ran> {
    let name = format!("{}{profile}", guard::PREFIX);
    let mut up = Command::new(guard::bed_program(context.target));
    up.args(["up", "--profile", profile.name(), "--name", &name]).env_remove("KUBEBUILDER_ASSETS");
    let ran = context.run(&mut up)?;
    if !ran.success {
        return Ok(ran);
    }
    let ran = context.test(words, Some(&name))?;
    let ended = lifecycle::down(context.home, &name);
    if ran.success { ended.map(|_| ran) } else { Ok(ran) }
}

/// Checks every package with only its own features.
fn each_alone(context: &Context<'_>) -> Result<Ran> {
    let listed = command::run(Command::new("cargo").args([
        "tree",
        "--workspace",
        "--depth=0",
        "--prefix=none",
    ]))?;
    let names: Vec<&str> = listed
        .lines()
        .filter_map(|line| line.split(' ').next())
        .filter(|name| !name.is_empty())
        .collect();
    for name in &names {
        let ran = context.run(Command::new("cargo").args([
            "check",
            "--all-targets",
            "--package",
            name,
        ]))?;
        if !ran.success {
            return Ok(ran);
        }
    }
    Ok(Ran { success: true, note: format!("{} packages", names.len()), ..Ran::default() })
}
