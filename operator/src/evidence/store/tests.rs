//! The store keeps its promises in a folder and in memory, and names what fails.

use std::{fs, io, path::Path as File, time::Duration};

use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use rstest::rstest;
use tempfile::TempDir;

use super::{Created, Evidence, Stored};
use crate::evidence::{
    error::{PutError, StoreError},
    faults::{At, Fault, Faulty},
    layout::{Digest, Document, Place, Uid},
};

const MIB: usize = 1 << 20;

fn uid(text: &str) -> Uid {
    text.parse().expect("a UID")
}

fn memory() -> Evidence {
    Evidence::open(&"memory:///some/prefix".parse().expect("a URL"), []).expect("a store")
}

fn folder(folder: &File) -> Evidence {
    let url = format!("file://{}", folder.display()).parse().expect("a URL");
    Evidence::open(&url, []).expect("a store")
}

/// Both kinds, with what the folder needs to live.
fn stores() -> (TempDir, [Evidence; 2]) {
    let temporary = TempDir::new().expect("a folder");
    let both = [folder(&temporary.path().join("made/by us")), memory()];
    (temporary, both)
}

fn body(pieces: &[&[u8]]) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
    let pieces: Vec<_> = pieces.iter().map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    stream::iter(pieces)
}

/// So many MiB, none like another, in pieces that do not fit into parts.
fn large(mebibytes: usize) -> Vec<u8> {
    (0_u32..).flat_map(u32::to_le_bytes).take(mebibytes * MIB).collect()
}

async fn bytes(
    evidence: &Evidence,
    digest: Digest,
    range: Option<std::ops::Range<u64>>,
) -> Vec<u8> {
    let blob = evidence.blob(&uid("p"), digest, range).await.expect("a blob");
    let pieces: Vec<Bytes> = blob.stream.try_collect().await.expect("its bytes");
    pieces.concat()
}

fn files(folder: &File) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path.display().to_string());
        }
    }
    found
}

#[tokio::test]
async fn store_that_works_is_proved_and_left_as_it_was() {
    let (temporary, stores) = stores();
    for evidence in stores {
        evidence.prove().await.expect("proved");
        assert_eq!(evidence.previews().await.expect("a listing"), []);
    }
    assert_eq!(files(temporary.path()), Vec::<String>::new());
}

#[rstest]
#[case::empty(0)]
#[case::small(1)]
#[case::one_part(8)]
#[case::many_parts(37)]
#[tokio::test]
async fn blob_is_stored_once_and_read_back(#[case] mebibytes: usize) {
    let (_temporary, stores) = stores();
    let content = large(mebibytes);
    let digest = Digest::of(&content);
    for evidence in stores {
        let limit = content.len() as u64;
        let pieces: Vec<&[u8]> = content.chunks(300_007).collect();
        let put = async || evidence.put_blob(&uid("p"), digest, body(&pieces), limit).await;
        assert_eq!(evidence.blob_size(&uid("p"), digest).await.expect("a look"), None);
        assert_eq!(put().await.expect("stored"), Stored::New);
        assert_eq!(put().await.expect("stored"), Stored::Known);
        assert_eq!(evidence.blob_size(&uid("p"), digest).await.expect("a look"), Some(limit));
        assert!(bytes(&evidence, digest, None).await == content);
        if mebibytes > 0 {
            let part = bytes(&evidence, digest, Some(5..MIB as u64 - 3)).await;
            assert!(part == content[5..MIB - 3]);
        }
        // Nothing of one preview is known to another.
        assert_eq!(evidence.blob_size(&uid("q"), digest).await.expect("a look"), None);
        assert_eq!(evidence.previews().await.expect("a listing"), [uid("p")]);
    }
}

#[rstest]
#[case::small(1)]
#[case::many_parts(20)]
#[tokio::test]
async fn nothing_is_left_of_a_blob_that_is_refused(#[case] mebibytes: usize) {
    let (temporary, stores) = stores();
    let content = large(mebibytes);
    let (digest, limit) = (Digest::of(&content), content.len() as u64);
    let wrong = Digest::of(b"else");
    for evidence in stores {
        let put = async |digest, body, limit| {
            let put = evidence.put_blob(&uid("p"), digest, body, limit).await;
            assert_eq!(evidence.blob_size(&uid("p"), digest).await.expect("a look"), None);
            put.expect_err("refused")
        };
        let whole = || body(&content.chunks(MIB).collect::<Vec<_>>()).boxed();
        let refused = put(wrong, whole(), limit).await;
        assert!(matches!(refused, PutError::MeetWrongDigest { found } if found == digest));
        let refused = put(digest, whole(), limit - 1).await;
        assert!(matches!(refused, PutError::ExceedLimit { limit: said } if said == limit - 1));
        let broken = stream::iter([Err(io::Error::from(io::ErrorKind::ConnectionReset))]);
        let refused = put(digest, whole().chain(broken).boxed(), limit).await;
        assert!(matches!(refused, PutError::BreakOff(_)), "{refused:?}");
    }
    settle(|| files(temporary.path()).is_empty()).await;
}

/// Waits for what is done in the background.
async fn settle(done: impl Fn() -> bool) {
    let wait = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.expect("done in time");
}

#[tokio::test]
async fn sender_that_pauses_or_leaves_is_not_waited_for() {
    let (store, evidence) = Faulty::new();
    let evidence = evidence.with_patience(Duration::from_millis(100));
    let content = large(20);
    let start = body(&content.chunks(MIB).collect::<Vec<_>>()).chain(stream::pending()).boxed();
    let digest = Digest::of(&content);
    let put = evidence.put_blob(&uid("p"), digest, start, u64::MAX).await;
    assert!(matches!(put, Err(PutError::BreakOff(why)) if why.kind() == io::ErrorKind::TimedOut));
    let start = body(&content.chunks(MIB).collect::<Vec<_>>()).chain(stream::pending()).boxed();
    let patient = evidence.clone().with_patience(Duration::from_hours(1));
    let put = tokio::spawn(async move {
        patient.put_blob(&uid("p"), digest, start, u64::MAX).await.map(|_| ())
    });
    settle(|| store.uploads() == 1).await;
    put.abort();
    settle(|| store.uploads() == 0).await;
}

#[tokio::test]
async fn what_is_created_stays() {
    let (_temporary, stores) = stores();
    let place = Place::Run(uid("j"), Document::Manifest);
    for evidence in stores {
        let create = async |text: &'static str| {
            let created = evidence.create(&uid("p"), &place, Bytes::from(text)).await;
            created.expect("an answer")
        };
        assert_eq!(evidence.read(&uid("p"), &place).await.expect("a look"), None);
        assert_eq!(create("one").await, Created::New);
        assert_eq!(create("one").await, Created::Same);
        assert_eq!(create("two").await, Created::Other(Bytes::from("one")));
        assert_eq!(evidence.read(&uid("p"), &place).await.expect("it"), Some("one".into()));
        evidence.replace(&uid("p"), &place, "three".into()).await.expect("replaced");
        assert_eq!(evidence.read(&uid("p"), &place).await.expect("it"), Some("three".into()));
    }
}

#[tokio::test]
async fn of_many_who_create_at_once_one_succeeds() {
    let (_temporary, stores) = stores();
    for evidence in stores {
        let create = |number: usize| {
            let evidence = evidence.clone();
            tokio::spawn(async move {
                let place = Place::Run(uid("j"), Document::Verdict);
                evidence.create(&uid("p"), &place, number.to_string().into()).await
            })
        };
        let all = futures::future::join_all((0..20).map(create)).await;
        let all: Vec<Created> =
            all.into_iter().map(|one| one.expect("no panic").expect("an answer")).collect();
        let new = all.iter().filter(|one| **one == Created::New).count();
        let others: Vec<&Created> = all.iter().filter(|one| **one != Created::New).collect();
        assert_eq!((new, others.len()), (1, 19));
        assert!(others.iter().all(|one| *one == others[0]), "{others:?}");
    }
}

#[tokio::test]
async fn runs_are_listed_newest_first() {
    let (_temporary, stores) = stores();
    for evidence in stores {
        for (job, document) in
            [("a", Document::Run), ("b", Document::Run), ("a", Document::Verdict)]
        {
            let place = Place::Run(uid(job), document);
            evidence.replace(&uid("p"), &place, "{}".into()).await.expect("written");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let runs = evidence.runs(&uid("p")).await.expect("a listing");
        let told: Vec<_> = runs.iter().map(|run| (run.job.to_string(), run.bytes)).collect();
        assert_eq!(told, [("a".to_owned(), 4), ("b".to_owned(), 2)]);
        assert_eq!(runs[0].documents, [Document::Run, Document::Verdict]);
        assert_eq!(evidence.run(&uid("p"), &uid("b")).await.expect("a look").as_ref(), runs.get(1));
        assert_eq!(evidence.run(&uid("p"), &uid("c")).await.expect("a look"), None);
        assert_eq!(evidence.runs(&uid("q")).await.expect("a listing"), []);
    }
}

#[rstest]
#[case(Fault::Hang, "did not answer within 0.1 s", true)]
#[case(Fault::Full, "is full", false)]
#[case(Fault::ReadOnly, "it is read-only or lacks a right", false)]
#[case(Fault::Gone, "cannot be reached", true)]
#[case(Fault::Overwrite, "overwrites what is there", false)]
#[case(Fault::NoCreate, "overwrites what is there", false)]
#[tokio::test]
async fn store_that_fails_is_not_proved(
    #[case] fault: Fault,
    #[case] said: &str,
    #[case] transient: bool,
) {
    let (store, evidence) = Faulty::new();
    let evidence = evidence.with_patience(Duration::from_millis(100));
    store.fail(Some((At::Writing, fault)));
    let error = evidence.prove().await.expect_err("not proved");
    assert!(error.to_string().contains(said), "{error}");
    assert_eq!(error.is_transient(), transient);
}

#[rstest]
#[case(Fault::Hang, "did not answer")]
#[case(Fault::Full, "is full")]
#[case(Fault::ReadOnly, "is read-only")]
#[case(Fault::Gone, "cannot be reached")]
#[tokio::test]
async fn every_call_names_what_failed_in_time(#[case] fault: Fault, #[case] said: &str) {
    let (store, evidence) = Faulty::new();
    let evidence = evidence.with_patience(Duration::from_millis(50));
    let (preview, place) = (uid("p"), Place::Run(uid("j"), Document::Run));
    evidence.replace(&preview, &place, "{}".into()).await.expect("written");
    evidence.replace(&preview, &Place::Record, "{}".into()).await.expect("written");
    store.fail(Some((At::All, fault)));
    let digest = Digest::of(b"x");
    let put = match evidence.put_blob(&preview, digest, body(&[b"x"]), 1).await {
        Err(PutError::Store(error)) => error,
        other => panic!("{other:?}"),
    };
    let errors = [
        put,
        evidence.blob_size(&preview, digest).await.expect_err("no size"),
        evidence.blob(&preview, digest, None).await.map(|_| ()).expect_err("no blob"),
        evidence.create(&preview, &place, "{}".into()).await.expect_err("not created"),
        evidence.replace(&preview, &place, "{}".into()).await.expect_err("not replaced"),
        evidence.read(&preview, &place).await.expect_err("not read"),
        evidence.previews().await.expect_err("no previews"),
        evidence.remove(&evidence.layout().path(&preview, &place)).await.expect_err("there"),
    ];
    for error in errors {
        assert!(error.to_string().contains(said), "{error}");
    }
    store.fail(Some((At::Listing, fault)));
    evidence.replace(&preview, &Place::Run(uid("k"), Document::Run), "{}".into()).await.expect("k");
    let error = evidence.runs(&preview).await.expect_err("no runs");
    assert!(error.to_string().contains(said), "{error}");
}

#[rstest]
#[case(Fault::Hang)]
#[case(Fault::Full)]
#[tokio::test]
async fn large_blob_that_fails_in_the_middle_is_taken_away(#[case] fault: Fault) {
    let (store, evidence) = Faulty::new();
    let evidence = evidence.with_patience(Duration::from_millis(200));
    let content = large(30);
    let breaking = store.clone();
    let pieces = content.chunks(MIB).map(Bytes::copy_from_slice).enumerate().collect::<Vec<_>>();
    let body = stream::iter(pieces).map(move |(number, piece)| {
        if number == 20 {
            breaking.fail(Some((At::Writing, fault)));
        }
        Ok(piece)
    });
    let put = evidence.put_blob(&uid("p"), Digest::of(&content), body, u64::MAX).await;
    let named = matches!(
        put,
        Err(PutError::Store(StoreError::RunFull { .. } | StoreError::WaitTooLong { .. }))
    );
    assert!(named, "{put:?}");
    store.fail(None);
    settle(|| store.uploads() == 0).await;
}

#[tokio::test]
async fn document_that_is_too_large_is_not_read() {
    let evidence = memory();
    evidence.replace(&uid("p"), &Place::Record, large(9).into()).await.expect("written");
    let error = evidence.read(&uid("p"), &Place::Record).await.expect_err("refused");
    assert!(matches!(error, StoreError::ExceedLimit { limit: 8_388_608, .. }), "{error}");
}

#[tokio::test]
async fn folder_that_is_read_only_or_gone_says_so() {
    let temporary = TempDir::new().expect("a folder");
    let evidence = folder(temporary.path());
    // A folder of the system in which even root cannot write.
    let fixed = File::new("/proc/self");
    if fixed.is_dir() {
        let error = folder(fixed).prove().await.expect_err("cannot be written");
        assert!(!error.is_transient(), "{error}");
    }
    fs::remove_dir_all(temporary.path()).expect("removed");
    fs::write(temporary.path(), "a file in its place").expect("written");
    evidence.prove().await.expect_err("no folder");
    fs::remove_file(temporary.path()).expect("removed");
}
