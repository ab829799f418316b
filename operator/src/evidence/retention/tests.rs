//! What goes and what stays, as rules over hand-made holdings.

use std::time::Duration;

use jiff::Timestamp;
use rstest::rstest;

use super::{Holding, Leaving, References, Retention, Run, StoredBlob, leaving};
use crate::evidence::layout::{Digest, Uid};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().expect("a time")
}

fn ago(seconds: i64) -> Timestamp {
    Timestamp::from_second(now().as_second() - seconds).expect("a time")
}

fn uid(text: &str) -> Uid {
    text.parse().expect("a UID")
}

/// A judged run of check `e2e` with one byte of documents, that many seconds old, referring to these blobs.
fn run(job: &str, seconds: i64, blobs: &[&str]) -> Run {
    let digests = blobs.iter().map(|text| Digest::of(text.as_bytes())).collect();
    Run {
        job: uid(job),
        check: Some("e2e".to_owned()),
        judged: true,
        references: References::Blobs(digests),
        touched: ago(seconds),
        bytes: 1,
    }
}

/// A blob of ten bytes, that many seconds old.
fn blob(text: &str, seconds: i64) -> StoredBlob {
    StoredBlob { digest: Digest::of(text.as_bytes()), bytes: 10, written: ago(seconds) }
}

fn closed(runs: &[Run], blobs: &[StoredBlob]) -> Holding {
    Holding { preview: uid("p"), open: false, runs: runs.to_vec(), blobs: blobs.to_vec() }
}

fn open(runs: &[Run], blobs: &[StoredBlob]) -> Holding {
    Holding { open: true, ..closed(runs, blobs) }
}

fn policy(days: u64, bytes: u64) -> Retention {
    Retention { age: Duration::from_hours(24 * days), bytes }
}

fn goes(policy: Retention, holding: Holding) -> (Vec<String>, Vec<Digest>) {
    let mut all = leaving(policy, &[holding], now());
    let Leaving { preview, runs, blobs } = all.remove(0);
    assert_eq!((preview, all.len()), (uid("p"), 0));
    (runs.iter().map(ToString::to_string).collect(), blobs)
}

#[test]
fn old_runs_go_with_the_blobs_that_only_they_need() {
    let runs = [run("old", 9 * DAY, &["a", "b"]), run("new", DAY, &["b", "c"])];
    let blobs = [blob("a", 9 * DAY), blob("b", 9 * DAY), blob("c", DAY)];
    let (runs, blobs) = goes(policy(7, 1000), closed(&runs, &blobs));
    assert_eq!(runs, ["old"]);
    assert_eq!(blobs, [Digest::of(b"a")]);
}

#[test]
fn open_preview_keeps_the_last_run_and_the_last_verdict_of_each_check() {
    let mut unjudged = run("e2e-unjudged", 8 * DAY, &[]);
    unjudged.judged = false;
    let mut other = run("unit-only", 30 * DAY, &["u"]);
    other.check = Some("unit".to_owned());
    let mut nameless = run("nameless", 40 * DAY, &[]);
    nameless.check = None;
    let runs = [run("e2e-1", 20 * DAY, &["a"]), run("e2e-2", 10 * DAY, &["b"])];
    let runs = [runs.as_slice(), &[unjudged, other, nameless]].concat();
    let blobs = [blob("a", 20 * DAY), blob("b", 10 * DAY), blob("u", 30 * DAY)];
    let (gone, blobs) = goes(policy(7, 0), open(&runs, &blobs));
    assert_eq!(gone, ["e2e-1"]);
    assert_eq!(blobs, [Digest::of(b"a")]);
    let (gone, _) = goes(policy(7, 0), closed(&runs, &[]));
    assert_eq!(gone, ["nameless", "unit-only", "e2e-1", "e2e-2", "e2e-unjudged"]);
}

#[test]
fn too_much_goes_oldest_first_and_no_further_than_it_must() {
    // Four runs of 11 bytes; two of them share a blob, which is freed with the second only.
    let runs = [
        run("one", 4 * DAY, &["shared"]),
        run("two", 3 * DAY, &["shared"]),
        run("three", 2 * DAY, &["c"]),
        run("four", DAY, &["d"]),
    ];
    let blobs = [blob("shared", 4 * DAY), blob("c", 2 * DAY), blob("d", DAY)];
    let holding = closed(&runs, &blobs);
    let gone = |bytes| goes(policy(30, bytes), holding.clone()).0;
    assert_eq!(gone(34), Vec::<String>::new());
    assert_eq!(gone(33), ["one"]);
    assert_eq!(gone(32), ["one", "two"]);
    assert_eq!(gone(22), ["one", "two"]);
    assert_eq!(gone(21), ["one", "two", "three"]);
}

#[test]
fn size_is_taken_from_the_oldest_of_all_previews() {
    let other = Holding { preview: uid("q"), ..closed(&[run("q-old", 5 * DAY, &[])], &[]) };
    let mine = closed(&[run("p-new", 2 * DAY, &[]), run("p-old", 6 * DAY, &[])], &[]);
    let gone = leaving(policy(30, 1), &[mine, other], now());
    let runs: Vec<Vec<Uid>> = gone.into_iter().map(|one| one.runs).collect();
    assert_eq!(runs, [vec![uid("p-old")], vec![uid("q-old")]]);
}

#[test]
fn run_under_way_stays_and_keeps_every_blob_of_its_preview() {
    let mut begun = run("begun", 23 * HOUR, &[]);
    (begun.judged, begun.references) = (false, References::Nothing);
    let old = run("old", 9 * DAY, &["a"]);
    let blobs = [blob("a", 9 * DAY), blob("orphan", 9 * DAY)];
    let (gone, blobs_gone) = goes(policy(0, 0), closed(&[begun.clone(), old.clone()], &blobs));
    assert_eq!((gone, blobs_gone), (vec!["old".to_owned()], vec![]));
    begun.touched = ago(25 * HOUR);
    let (gone, blobs_gone) = goes(policy(0, 0), closed(&[begun, old], &blobs));
    assert_eq!(gone, ["old", "begun"]);
    assert_eq!(blobs_gone.len(), 2);
}

#[rstest]
#[case(HOUR - 1, false)]
#[case(HOUR, true)]
#[case(-DAY, false)]
fn blob_without_a_run_goes_after_an_hour(#[case] seconds: i64, #[case] goes_now: bool) {
    let (_, blobs) = goes(policy(7, 1000), open(&[], &[blob("orphan", seconds)]));
    assert_eq!(!blobs.is_empty(), goes_now);
}

#[test]
fn manifest_that_cannot_be_read_keeps_every_blob_until_its_run_goes() {
    let mut strange = run("strange", DAY, &[]);
    strange.references = References::Unknown;
    let blobs = [blob("a", 9 * DAY)];
    let holding = closed(&[strange], &blobs);
    assert_eq!(goes(policy(7, 1000), holding.clone()), (vec![], vec![]));
    let (runs, blobs) = goes(policy(0, 1000), holding);
    assert_eq!((runs.len(), blobs.len()), (1, 1));
}

#[test]
fn sweeping_what_a_sweep_left_removes_nothing() {
    let runs =
        [run("one", 9 * DAY, &["a"]), run("two", 3 * DAY, &["b"]), run("three", DAY, &["c"])];
    let blobs = [blob("a", 9 * DAY), blob("b", 3 * DAY), blob("c", DAY)];
    let mut holding = open(&runs, &blobs);
    let (gone, gone_blobs) = goes(policy(7, 15), holding.clone());
    assert_eq!(gone, ["one", "two"]);
    holding.runs.retain(|run| !gone.contains(&run.job.to_string()));
    holding.blobs.retain(|blob| !gone_blobs.contains(&blob.digest));
    assert_eq!(goes(policy(7, 15), holding), (vec![], vec![]));
}
