//! Collectors before an operator that holds state: what arrives, what is said, and what happens when things go wrong.

mod desk;
mod ends;
mod wrong;

use std::{path::Path, time::Duration};

use clap::Parser;
use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinHandle, time::Instant};
use understudy_core::evidence::LastWords;

use super::{args::CollectArgs, collect, gather::Pace};
use desk::Operator;

/// Faster than in life.
const PACE: Pace = Pace {
    look: Duration::from_millis(50),
    rest: Duration::from_millis(100),
    silence: Duration::from_millis(500),
};

const REPORT: &str =
    "<testsuite><testcase name=\"a\"/><testcase name=\"b\"><failure/></testcase></testsuite>";

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    args: CollectArgs,
}

/// A pod: its folder of results, its token, and the operator it sends to.
struct Pod {
    results: TempDir,
    around: TempDir,
    operator: Operator,
    args: Vec<String>,
}

/// A collector that runs.
struct Running {
    stop: oneshot::Sender<()>,
    words: JoinHandle<LastWords>,
}

impl Pod {
    async fn begin(more: &[&str]) -> Self {
        let (results, around) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let operator = Operator::begin().await;
        std::fs::write(around.path().join("token"), "first\n").unwrap();
        let mut args: Vec<String> =
            ["collect", "--report=**/*.xml", "--artifact=**/*.png", "--artifact=**/*.bin"]
                .map(str::to_owned)
                .into();
        args.push(format!("--results={}", results.path().display()));
        args.push(format!("--evidence-url={}", operator.url));
        args.push(format!("--token-file={}", around.path().join("token").display()));
        let last = around.path().join("last");
        args.push(format!("--termination-log={}", last.display()));
        if !more.iter().any(|one| one.starts_with("--health-listen")) {
            args.push("--health-listen=127.0.0.1:0".to_owned());
        }
        args.extend(more.iter().map(|&one| one.to_owned()));
        Self { results, around, operator, args }
    }

    fn args(&self) -> CollectArgs {
        Cli::try_parse_from(&self.args).unwrap().args
    }

    fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.results.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// Writes over the end of a file, in one piece.
    fn amend(&self, path: &str, bytes: &[u8]) {
        use std::io::{Seek, SeekFrom, Write};
        let path = self.results.path().join(path);
        let mut file = std::fs::File::options().write(true).open(path).unwrap();
        file.seek(SeekFrom::End(-i64::try_from(bytes.len()).unwrap())).unwrap();
        file.write_all(bytes).unwrap();
    }

    /// A file without anything in it but its length, which costs nothing.
    fn hollow(&self, path: &str, size: u64) {
        std::fs::File::create(self.results.path().join(path)).unwrap().set_len(size).unwrap();
    }

    fn run(&self) -> Running {
        self.run_at(PACE)
    }

    fn run_at(&self, pace: Pace) -> Running {
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            let _ = stopped.await;
        };
        Running { stop, words: tokio::spawn(collect(self.args(), pace, stopped)) }
    }

    /// Waits until the operator is as wanted.
    async fn until(&self, is_so: impl Fn(&desk::Desk) -> bool) {
        within(Duration::from_secs(30), || is_so(&self.operator.desk())).await;
    }
}

impl Running {
    /// Asks it to end; it goes on.
    fn stop(self) -> JoinHandle<LastWords> {
        let _ = self.stop.send(());
        self.words
    }

    async fn end(self) -> LastWords {
        self.stop().await.unwrap()
    }
}

async fn within(time: Duration, is_so: impl Fn() -> bool) {
    let end = Instant::now() + time;
    while !is_so() {
        assert!(Instant::now() < end, "it did not come to that within {} s", time.as_secs());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn stored(words: LastWords) -> understudy_core::evidence::Summary {
    match words {
        LastWords::Stored(summary) => summary,
        LastWords::Failed { error } => panic!("{error}"),
    }
}

fn error(words: LastWords) -> String {
    match words {
        LastWords::Stored(summary) => panic!("{summary:?}"),
        LastWords::Failed { error } => error,
    }
}

/// Everything below a folder, with sizes and times.
fn listing(place: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(place)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            format!("{:?} {} {:?}", entry.path(), metadata.len(), metadata.modified().unwrap())
        })
        .collect();
    names.sort_unstable();
    names
}
