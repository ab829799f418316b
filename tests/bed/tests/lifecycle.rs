//! A bed can be killed anywhere, brought up again, taken down without a trace, and says what broke.

mod machine;
mod tool;

use std::{
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use machine::machine;
use tool::{Ended, assets, bed, done, said};
use understudy_bed::{Bed, Home, Profile, lifecycle, state::State};

/// Kills the tool (and only it) at that many moments spread over `up`, and brings the bed up again
/// after each; the bed must then be whole.
fn killed_at(profile: Profile, moments: u32) {
    let name = format!("verify-killed-{profile}");
    let ended = Ended::at_last(&name, None);
    let up = || {
        let mut up = bed();
        up.args(["up", "--profile", profile.name(), "--name", &name]);
        up
    };
    let down = || done(bed().args(["down", "--name", &name]));
    // The first may build; the second is what the kills are spread over.
    done(&mut up());
    down();
    let started = Instant::now();
    done(&mut up());
    let whole = started.elapsed();
    down();
    for moment in 1..=moments {
        let mut delay = whole * moment * 9 / (moments * 10);
        // A fault that did not fire proves nothing: a run that was done before the kill is done again.
        while !killed_after(delay, &mut up()) {
            down();
            delay = delay * 3 / 4;
        }
        let started = Instant::now();
        done(&mut up());
        println!(
            "measured: {profile}: killed after {:.2} s, up again in {:.2} s",
            delay.as_secs_f64(),
            started.elapsed().as_secs_f64()
        );
        let bed = Bed::attach(&name).expect("the bed is up");
        bed.kubectl_run(&["get", "namespace", "default"]).expect("the API server answers");
        down();
        let home = Home::find().expect("there is a home");
        assert!(lifecycle::remains(&home, &name).expect("seen").is_empty());
    }
    drop(ended);
}

/// Kills the program after that time; `false` if it had ended before.
fn killed_after(delay: Duration, program: &mut Command) -> bool {
    let mut child = program.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    thread::sleep(delay);
    let running = child.try_wait().expect("it can be asked").is_none();
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");
    running
}

#[test]
#[ignore = "makes beds: cargo verify --only lifecycle"]
fn killed_tool_leaves_nothing_that_the_next_run_cannot_use() {
    killed_at(Profile::Control, 10);
}

#[test]
#[ignore = "makes beds: cargo verify --long lifecycle"]
fn long_killed_tool_on_every_profile() {
    killed_at(Profile::Fleet, 10);
    killed_at(Profile::Node, 10);
}

#[test]
#[ignore = "makes beds: cargo verify --only lifecycle"]
fn down_leaves_the_machine_as_it_was() {
    let before = machine();
    let ended = Ended::at_last("verify-traceless", None);
    done(bed().args(["up", "--profile", "node", "--name", "verify-traceless"]));
    let up = machine();
    assert_ne!(before, up, "a bed that is up shows at least as a listener: the comparison sees it");
    done(bed().args([
        "run",
        "--name",
        "verify-traceless",
        "--",
        "kubectl",
        "create",
        "deployment",
        "web",
        "--image=registry.bed:5000/pause:1",
        "--replicas=3",
    ]));
    done(bed().args([
        "run",
        "--name",
        "verify-traceless",
        "--",
        "kubectl",
        "wait",
        "deployment/web",
        "--for=condition=Available",
        "--timeout=60s",
    ]));
    done(bed().args(["down", "--name", "verify-traceless"]));
    drop(ended);
    let after = machine();
    let gone: Vec<_> = before.difference(&after).collect();
    let new: Vec<_> = after.difference(&before).collect();
    assert!(gone.is_empty() && new.is_empty(), "gone: {gone:#?}\nnew: {new:#?}");
    println!("measured: {} facts of the machine are equal before and after", before.len());
}

#[test]
#[ignore = "makes beds: cargo verify --only lifecycle"]
fn crashed_part_is_named_and_up_mends_it() {
    let ended = Ended::at_last("verify-crashed", None);
    done(bed().args(["up", "--name", "verify-crashed"]));
    assert!(done(bed().args(["status", "--name", "verify-crashed"])).contains(" up "));
    let folder = Home::find().expect("there is a home").beds().join("verify-crashed");
    let state = State::read(&folder).expect("a state").expect("is there");
    let pid = state.parts["kube-controller-manager"].pid.to_string();
    done(bed().args(["run", "--name", "verify-crashed", "--", "kill", "-9", &pid]));
    let deadline = Instant::now() + Duration::from_secs(5);
    let status = loop {
        let output =
            bed().args(["status", "--name", "verify-crashed"]).output().expect("it starts");
        if output.status.code() == Some(1) {
            break said(&output);
        }
        assert!(Instant::now() < deadline, "status never noticed: {}", said(&output));
    };
    assert!(
        status.contains("verify-crashed: kube-controller-manager ended (signal 9)"),
        "{status}"
    );
    let mended = done(bed().args(["up", "--name", "verify-crashed"]));
    assert!(mended.contains("is broken: starting over"), "{mended}");
    assert!(done(bed().args(["status", "--name", "verify-crashed"])).contains(" up "));
    drop(ended);
}

#[test]
#[ignore = "makes beds: cargo verify --only lifecycle"]
fn beds_run_side_by_side_and_up_is_idempotent() {
    let ended = [Ended::at_last("verify-left", None), Ended::at_last("verify-right", None)];
    let both: Vec<_> = ["verify-left", "verify-right"]
        .map(|name| thread::spawn(move || done(bed().args(["up", "--name", name]))))
        .into_iter()
        .map(|thread| thread.join().expect("it comes up"))
        .collect();
    assert_eq!(both.len(), 2);
    let left = Bed::attach("verify-left").expect("it is up");
    let right = Bed::attach("verify-right").expect("it is up");
    left.kubectl_run(&["create", "namespace", "only-here"]).expect("made");
    right.kubectl_run(&["get", "namespace", "only-here"]).expect_err("another cluster");
    let holder = left.supervisor().expect("seen");
    done(bed().args(["up", "--name", "verify-left"]));
    assert_eq!(left.supervisor().expect("seen"), holder, "the same bed");
    left.kubectl_run(&["get", "namespace", "only-here"]).expect("kept");
    // Two at once on one name: one makes it, the other waits for it.
    done(bed().args(["down", "--name", "verify-left"]));
    let twice = ["verify-left", "verify-left"]
        .map(|name| thread::spawn(move || done(bed().args(["up", "--name", name]))))
        .map(|thread| thread.join().expect("it comes up"));
    let made = twice.iter().filter(|text| text.contains("certificates and configuration"));
    assert_eq!(made.count(), 1, "{twice:?}");
    done(bed().args(["down", "--name", "verify-left"]));
    assert_eq!(left.supervisor().expect("seen"), None);
    right.kubectl_run(&["get", "namespace", "default"]).expect("untouched");
    drop(ended);
}

#[test]
#[ignore = "makes beds: cargo verify --only lifecycle"]
fn beds_of_a_verification_end_with_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cache = tempfile::tempdir().expect("a temporary folder");
    assets(folder.path());
    let here = |words: &[&str]| {
        let mut command = bed();
        command
            .args(words)
            .env(Home::VARIABLE, cache.path())
            .env("KUBEBUILDER_ASSETS", folder.path());
        command
    };
    let ended = ["verify-guarded", "other"].map(|name| Ended::at_last(name, Some(cache.path())));
    done(&mut here(&["up", "--name", "verify-guarded"]));
    done(&mut here(&["up", "--name", "other"]));
    let mut verification = Command::new("sleep").arg("60").spawn().expect("it starts");
    let pid = verification.id().to_string();
    let mut guard = here(&["inner", "end-with", &pid]).spawn().expect("it starts");
    thread::sleep(Duration::from_millis(500));
    assert!(done(&mut here(&["status", "--name", "verify-guarded"])).contains(" up "));
    verification.kill().expect("it can be killed");
    verification.wait().expect("it ends");
    assert!(guard.wait().expect("it ends").success());
    assert!(!cache.path().join("beds/verify-guarded").exists());
    // The guard ends beds of a verification and no other.
    assert!(done(&mut here(&["status", "--name", "other"])).contains(" up "));
    drop(ended);
}
