//! A sweep over a real folder and over memory: what goes, what stays, and that a look that fails removes nothing.

use std::{
    collections::HashSet,
    fs::{self, File, FileTimes},
    path::Path,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures::stream;
use jiff::Timestamp;
use object_store::ObjectStoreExt;
use rstest::rstest;
use tempfile::TempDir;

use super::{Reading, Swept};
use crate::evidence::{
    faults::{At, Fault, Faulty},
    layout::{Digest, Document, Place, Uid},
    retention::Retention,
    store::Evidence,
};

const READING: Reading = Reading {
    check: |bytes| str::from_utf8(bytes).ok().map(str::to_owned),
    // In these tests a manifest is a list of digests.
    digests: |bytes| {
        str::from_utf8(bytes).ok()?.split_whitespace().map(|one| one.parse().ok()).collect()
    },
};

fn uid(text: &str) -> Uid {
    text.parse().expect("a UID")
}

fn policy(hours: u64, bytes: u64) -> Retention {
    Retention { age: Duration::from_hours(hours), bytes }
}

fn later(hours: i64) -> Timestamp {
    Timestamp::now() + jiff::SignedDuration::from_hours(hours)
}

fn stores() -> (TempDir, [Evidence; 2]) {
    let temporary = TempDir::new().expect("a folder");
    let url = format!("file://{}", temporary.path().display());
    let open = |url: &str| Evidence::open(&url.parse().expect("a URL"), []).expect("a store");
    let both = [open(&url), open("memory:///prefix")];
    (temporary, both)
}

/// A judged run of check `e2e` that left blobs with these contents.
async fn judged(evidence: &Evidence, preview: &str, job: &str, blobs: &[&str]) {
    begun(evidence, preview, job).await;
    let mut manifest = String::new();
    for text in blobs {
        blob(evidence, preview, text).await;
        manifest += &format!("{} ", Digest::of(text.as_bytes()));
    }
    write(evidence, preview, job, Document::Manifest, &manifest).await;
    write(evidence, preview, job, Document::Verdict, "{}").await;
}

async fn begun(evidence: &Evidence, preview: &str, job: &str) {
    evidence.replace(&uid(preview), &Place::Record, "{}".into()).await.expect("a record");
    write(evidence, preview, job, Document::Run, "e2e").await;
}

async fn write(evidence: &Evidence, preview: &str, job: &str, document: Document, text: &str) {
    let place = Place::Run(uid(job), document);
    let text = Bytes::copy_from_slice(text.as_bytes());
    evidence.replace(&uid(preview), &place, text).await.expect("written");
}

async fn blob(evidence: &Evidence, preview: &str, text: &str) {
    let body = stream::iter([Ok(Bytes::copy_from_slice(text.as_bytes()))]);
    let digest = Digest::of(text.as_bytes());
    evidence.put_blob(&uid(preview), digest, body, 100).await.expect("stored");
}

async fn has(evidence: &Evidence, preview: &str, text: &str) -> bool {
    let size = evidence.blob_size(&uid(preview), Digest::of(text.as_bytes())).await;
    size.expect("a look").is_some()
}

async fn jobs(evidence: &Evidence, preview: &str) -> Vec<String> {
    let runs = evidence.runs(&uid(preview)).await.expect("a listing");
    let mut jobs: Vec<String> = runs.iter().map(|run| run.job.to_string()).collect();
    jobs.sort();
    jobs
}

async fn sweep(evidence: &Evidence, policy: Retention, open: &[&str], now: Timestamp) -> Swept {
    let open: HashSet<Uid> = open.iter().map(|one| uid(one)).collect();
    evidence.sweep(policy, &open, READING, now).await.expect("swept")
}

#[tokio::test]
async fn closed_preview_goes_with_everything_and_open_one_keeps_its_last_run() {
    let (temporary, stores) = stores();
    for evidence in stores {
        judged(&evidence, "closed", "one", &["a"]).await;
        judged(&evidence, "open", "old", &["a", "b"]).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
        judged(&evidence, "open", "new", &["b", "c"]).await;
        let swept = sweep(&evidence, policy(24, 1000), &["open"], later(25)).await;
        assert_eq!(evidence.previews().await.expect("a listing"), [uid("open")]);
        assert_eq!(jobs(&evidence, "open").await, ["new"]);
        assert!(!has(&evidence, "open", "a").await && has(&evidence, "open", "b").await);
        assert_eq!((swept.runs, swept.objects), (2, 3 + 1 + 1 + 3 + 1));
        // run.json, a verdict, two digests with a space each, two blobs, and the record.
        assert_eq!(swept.kept, 3 + 2 + 2 * 65 + 2 + 2);
        let again = sweep(&evidence, policy(24, 1000), &["open"], later(25)).await;
        assert_eq!(again, Swept { kept: swept.kept, ..Swept::default() });
    }
    assert!(!temporary.path().join("closed").exists(), "an empty folder stayed");
}

#[tokio::test]
async fn young_evidence_stays_and_a_run_under_way_keeps_its_blobs() {
    let (_temporary, stores) = stores();
    for evidence in stores {
        judged(&evidence, "p", "old", &["a"]).await;
        begun(&evidence, "p", "under-way").await;
        blob(&evidence, "p", "b").await;
        let swept = sweep(&evidence, policy(24, 1000), &[], later(2)).await;
        assert_eq!(swept.objects, 0);
        let swept = sweep(&evidence, policy(1, 1000), &[], later(2)).await;
        assert_eq!((swept.runs, swept.objects), (1, 3));
        assert!(has(&evidence, "p", "a").await && has(&evidence, "p", "b").await);
        // A day without a sign: it is over, and with it what it sent.
        sweep(&evidence, policy(1, 1000), &[], later(25)).await;
        assert_eq!(evidence.previews().await.expect("a listing"), []);
    }
}

#[tokio::test]
async fn upload_without_a_run_goes_after_an_hour() {
    let (_temporary, stores) = stores();
    for evidence in stores {
        judged(&evidence, "p", "one", &["a"]).await;
        blob(&evidence, "p", "orphan").await;
        assert_eq!(sweep(&evidence, policy(24, 1000), &["p"], later(0)).await.objects, 0);
        assert_eq!(sweep(&evidence, policy(24, 1000), &["p"], later(2)).await.objects, 1);
        assert!(!has(&evidence, "p", "orphan").await && has(&evidence, "p", "a").await);
    }
}

#[rstest]
#[case::hanging_list(At::Listing, Fault::Hang)]
#[case::broken_list(At::Listing, Fault::Gone)]
#[case::unreadable_documents(At::Reading, Fault::ReadOnly)]
#[case::nothing_at_all(At::All, Fault::Gone)]
#[tokio::test]
async fn look_that_fails_removes_nothing(#[case] at: At, #[case] fault: Fault) {
    let (store, evidence) = Faulty::new();
    let evidence = evidence.with_patience(Duration::from_millis(100));
    judged(&evidence, "p", "one", &["a"]).await;
    judged(&evidence, "q", "two", &["b"]).await;
    store.fail(Some((at, fault)));
    let swept = evidence.sweep(policy(0, 0), &HashSet::new(), READING, later(48)).await;
    swept.expect_err("not swept");
    assert_eq!(store.removed(), 0);
    store.fail(None);
    assert_eq!(sweep(&evidence, policy(0, 0), &[], later(48)).await.kept, 0);
}

#[tokio::test]
async fn uploads_that_nobody_finished_go_after_a_day() {
    let (_temporary, stores) = stores();
    for evidence in stores {
        let Some(parts) = evidence.parts() else { continue };
        let layout = evidence.layout();
        let digest = Digest::of(b"large");
        let path = layout.path(&uid("p"), &Place::Blob(digest));
        let id = parts.create_multipart(&path).await.expect("begun");
        let note = Place::Upload(uid("n"));
        let text = format!("blobs/{digest}\n{id}");
        evidence.replace(&uid("p"), &note, text.into()).await.expect("noted");
        assert_eq!(
            sweep(&evidence, policy(100, 1000), &[], later(23)).await,
            Swept { kept: 71 + id.len() as u64, ..Swept::default() }
        );
        assert_eq!(sweep(&evidence, policy(100, 1000), &[], later(25)).await.abandoned, 1);
        let part = parts.put_part(&path, &id, 0, "x".into()).await;
        part.expect_err("the store forgot the upload");
        assert_eq!(evidence.previews().await.expect("a listing"), []);
    }
}

#[tokio::test]
async fn what_a_proof_left_goes_after_a_day() {
    let (_temporary, stores) = stores();
    for evidence in stores {
        let (probe, other) = (evidence.layout().probe(&uid("x")), "prefix/note.txt".into());
        for path in [&probe, &other] {
            evidence.objects().put(path, "x".into()).await.expect("written");
        }
        assert_eq!(sweep(&evidence, policy(1, 1), &[], later(23)).await.objects, 0);
        assert_eq!(sweep(&evidence, policy(1, 1), &[], later(25)).await.objects, 1);
        evidence.objects().head(&probe).await.expect_err("gone");
        evidence.objects().head(&other).await.expect("not ours");
    }
}

#[tokio::test]
async fn temporary_files_go_after_a_day_and_other_files_never() {
    let (temporary, [evidence, _]) = stores();
    judged(&evidence, "p", "one", &["a"]).await;
    let blobs = temporary.path().join("p/blobs");
    let (old, young) = (blobs.join("x#1"), blobs.join("y#12"));
    let others = [blobs.join("#"), blobs.join("z#1a"), temporary.path().join("README#")];
    for file in [&old, &young].into_iter().chain(&others) {
        fs::write(file, "abc").expect("written");
    }
    for file in [&old].into_iter().chain(&others) {
        age(file);
    }
    std::os::unix::fs::symlink(&old, blobs.join("link#1")).expect("a link");
    let swept = sweep(&evidence, policy(24, 1000), &["p"], later(0)).await;
    assert_eq!((swept.abandoned, swept.objects, swept.bytes), (1, 1, 3));
    assert!(!old.exists() && young.exists() && others.iter().all(|file| file.exists()));
}

/// Makes a file two days old.
fn age(file: &Path) {
    let time = SystemTime::now() - Duration::from_hours(48);
    let opened = File::options().write(true).open(file).expect("a file");
    opened.set_times(FileTimes::new().set_modified(time)).expect("set");
}
