//! What arrives when nothing goes wrong but the world's ordinary untidiness.

use std::{
    fs,
    io::Write,
    os::unix::fs::{PermissionsExt, symlink},
    process::ExitCode,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::Instant,
};
use understudy_core::evidence::{Digest, LastWords, Outcome};

use super::{Pod, REPORT, desk::COMMIT, error, listing, stored, within};
use crate::collect::{gather::Pace, run};

#[tokio::test]
async fn results_go_while_the_test_runs_and_are_filed_at_its_end() {
    let pod = Pod::begin(&[]).await;
    let running = pod.run();
    pod.write("junit.xml", REPORT);
    pod.write("shots/a.png", "picture");
    pod.write("notes.txt", "not wanted");
    pod.until(|desk| desk.blobs.len() == 2).await;
    pod.write("late/more.xml", "<html>");
    let before = listing(pod.results.path());
    let summary = stored(running.end().await);
    assert_eq!(listing(pod.results.path()), before, "nothing is written to the results");
    let manifest = pod.operator.manifest();
    let paths: Vec<&str> = manifest.files().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["junit.xml", "late/more.xml", "shots/a.png"]);
    assert_eq!(manifest.reports[0].file.digest, Digest::of(REPORT.as_bytes()));
    let Outcome::Fault(why) = &manifest.reports[1].outcome else { panic!("a report") };
    assert!(why.contains("<html>"), "{why}");
    assert_eq!((manifest.commit.as_str(), manifest.check.as_str()), (COMMIT, "e2e"));
    assert!(manifest.began < manifest.ended);
    assert_eq!((manifest.lost_reports, manifest.omitted.count), (0, 0));
    let bytes = pod.operator.desk().manifest.clone().unwrap();
    assert_eq!(summary.manifest, Digest::of(&bytes));
    let counts = (summary.total, summary.failed, summary.skipped);
    assert_eq!((counts, summary.reports, summary.artifacts), ((2, 1, 0), 2, 1));
    assert_eq!(pod.operator.desk().bodies, 3, "each is sent once");
}

#[tokio::test]
async fn file_that_still_grows_is_left_alone_until_the_end() {
    let pod = Pod::begin(&[]).await;
    let running = pod.run();
    pod.write("done.png", "a");
    let mut file = fs::File::create(pod.results.path().join("grows.png")).unwrap();
    let end = Instant::now() + Duration::from_millis(600);
    while Instant::now() < end {
        file.write_all(b"more").unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(pod.operator.desk().blobs.len(), 1, "only what rests is sent");
    let grown = file.metadata().unwrap().len();
    stored(running.end().await);
    let manifest = pod.operator.manifest();
    assert_eq!(
        (manifest.artifacts[1].path.as_str(), manifest.artifacts[1].size),
        ("grows.png", grown)
    );
}

#[tokio::test]
async fn links_pipes_and_closed_files_are_told_and_not_sent() {
    let pod = Pod::begin(&[]).await;
    let at = |name: &str| pod.results.path().join(name);
    fs::write(pod.around.path().join("secret.xml"), REPORT).unwrap();
    symlink(pod.around.path().join("secret.xml"), at("link.xml")).unwrap();
    symlink(pod.around.path(), at("folder")).unwrap();
    let pipe = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, at("pipe.xml"), pipe, 0o644.into(), 0).unwrap();
    pod.write("closed.xml", REPORT);
    fs::set_permissions(at("closed.xml"), PermissionsExt::from_mode(0o000)).unwrap();
    let reads_all = fs::File::open(at("closed.xml")).is_ok();
    stored(pod.run().end().await);
    let manifest = pod.operator.manifest();
    let left_out: Vec<&str> =
        manifest.omitted.examples.iter().map(|one| one.path.as_str()).collect();
    assert_eq!(left_out, ["link.xml", "pipe.xml"]);
    // Root reads what it likes; a collector that is not root does not.
    let closed = u64::from(!reads_all);
    assert_eq!(manifest.lost_reports, 2 + closed);
    assert_eq!(manifest.unreadable.len(), usize::from(!reads_all));
    if !reads_all {
        assert!(manifest.unreadable[0].why.contains("ermission denied"), "{manifest:?}");
    }
}

#[tokio::test]
async fn ten_thousand_artifacts_are_bounded_and_the_rest_is_counted() {
    let pod = Pod::begin(&[]).await;
    for number in 0..10_000 {
        pod.write(&format!("{:02}/{number:05}.png", number % 100), format!("{number}"));
    }
    pod.write("zz/junit.xml", REPORT);
    let began = Instant::now();
    let summary = stored(pod.run().end().await);
    eprintln!("10,001 files: {} ms", began.elapsed().as_millis());
    assert_eq!((summary.reports, summary.artifacts), (1, 999));
    let omitted = pod.operator.manifest().omitted;
    assert_eq!((omitted.count, omitted.examples.len()), (9_001, 20));
}

#[tokio::test]
async fn large_file_passes_through_little_memory() {
    let pod = Pod::begin(&["--max-file-bytes=400000000"]).await;
    pod.hollow("video.bin", 300 << 20);
    let (before, began) = (resident(), Instant::now());
    stored(pod.run().end().await);
    let (after, time) = (resident(), began.elapsed());
    assert_eq!(pod.operator.manifest().artifacts[0].size, 300 << 20);
    eprintln!("300 MiB in {} ms: peak {before} kB before, {after} kB after", time.as_millis());
    assert!(after < 200 << 10, "{after} kB");
}

/// The most memory that this process ever had, in kB.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_signal_at_any_moment_leaves_a_whole_manifest() {
    let slow = Duration::from_millis(5);
    let mut stages = tokio::task::JoinSet::new();
    for after in (0..600).step_by(20) {
        stages.spawn(async move {
            let pod = Pod::begin(&[]).await;
            pod.operator.desk().slow = slow;
            pod.write("junit.xml", REPORT);
            for number in 0..20 {
                pod.write(&format!("{number}.bin"), vec![number; 200_000]);
            }
            let running = pod.run();
            tokio::time::sleep(Duration::from_millis(after)).await;
            let summary = stored(running.end().await);
            assert_eq!((summary.reports, summary.artifacts), (1, 20), "after {after} ms");
        });
    }
    while let Some(stage) = stages.join_next().await {
        stage.unwrap();
    }
}

#[tokio::test]
async fn real_signal_ends_a_real_collector() {
    let health = free_port();
    let pod = Pod::begin(&[&format!("--health-listen=127.0.0.1:{health}")]).await;
    pod.write("junit.xml", REPORT);
    let running = tokio::spawn(run(pod.args()));
    within(Duration::from_secs(5), || std::net::TcpStream::connect(("127.0.0.1", health)).is_ok())
        .await;
    let process = rustix::process::getpid();
    rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
    assert_eq!(running.await.unwrap(), ExitCode::SUCCESS);
    let text = fs::read_to_string(pod.around.path().join("last")).unwrap();
    let LastWords::Stored(summary) = LastWords::parse(&text).unwrap() else { panic!("{text}") };
    assert_eq!((summary.total, summary.failed), (2, 1));
}

#[tokio::test]
async fn forwards_carry_and_health_answers_while_it_collects() {
    let echo = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, health, target) = (free_port(), free_port(), echo.local_addr().unwrap());
    let forward = format!("--forward={port}={target}");
    let health_listen = format!("--health-listen=127.0.0.1:{health}");
    let pod = Pod::begin(&["--collect-timeout=20s", &forward, &health_listen]).await;
    pod.write("junit.xml", REPORT);
    pod.operator.shut();
    let running = pod.run();
    within(Duration::from_secs(5), || std::net::TcpStream::connect(("127.0.0.1", health)).is_ok())
        .await;
    let words = running.stop();
    let mut ours = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let (mut theirs, _) = echo.accept().await.unwrap();
    ours.write_all(b"hello").await.unwrap();
    let mut heard = [0; 5];
    theirs.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"hello");
    let mut asked = TcpStream::connect(("127.0.0.1", health)).await.unwrap();
    asked.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    asked.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.0 200 ") && answer.ends_with("\r\n\r\nok\n"), "{answer}");
    assert!(!words.is_finished());
    pod.operator.open();
    stored(words.await.unwrap());
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn token_is_read_anew_and_never_said() {
    let pod = Pod::begin(&[]).await;
    let running = pod.run();
    pod.write("a.png", "a");
    pod.until(|desk| desk.blobs.len() == 1).await;
    fs::write(pod.around.path().join("token"), "second").unwrap();
    pod.operator.desk().refusal = Some(403);
    let said = error(running.end().await);
    assert_eq!(pod.operator.desk().tokens, ["Bearer first", "Bearer second"]);
    assert!(!said.contains("first") && !said.contains("second"), "{said}");
}

#[test]
fn nothing_is_faster_in_life_than_was_agreed() {
    let Pace { look, rest, silence } = Pace::default();
    assert_eq!([look, rest, silence].map(|one| one.as_secs()), [2, 4, 10]);
}
