//! The store keeps its promises on a real S3-compatible server too, and names what such servers refuse.

use std::{fs, io, path::Path, time::Duration};

use axum::{Router, http::StatusCode};
use bytes::Bytes;
use futures::{Stream, TryStreamExt, stream};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use rstest::rstest;
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::evidence::{
    error::{PutError, StoreError},
    layout::{Digest, Document, Place, Uid},
    retention::Retention,
    store::{Created, Evidence, Stored},
    sweep::Reading,
};

const MIB: usize = 1 << 20;

fn uid(text: &str) -> Uid {
    text.parse().expect("a UID")
}

/// A server with one bucket, in a folder.
async fn server() -> (TempDir, String) {
    let folder = TempDir::new().expect("a folder");
    fs::create_dir(folder.path().join("bucket")).expect("a bucket");
    let mut service = S3ServiceBuilder::new(FileSystem::new(folder.path()).expect("a server"));
    service.set_auth(SimpleAuth::from_single("key", "secret"));
    let service = service.build();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let serve =
                http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone());
            tokio::spawn(serve);
        }
    });
    (folder, endpoint)
}

/// A server that always answers the same.
async fn stubborn(status: u16, text: &'static str) -> String {
    let answer =
        async move || (StatusCode::from_u16(status).expect("a status"), [("etag", "\"x\"")], text);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    let router: Router = Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, router).await });
    endpoint
}

fn open(url: &str, endpoint: &str, secret: &str) -> Evidence {
    let settings = [
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_REGION", "here"),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", secret),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let evidence = Evidence::open(&url.parse().expect("a URL"), settings).expect("a store");
    evidence.with_patience(Duration::from_secs(10))
}

fn body(content: &[u8]) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
    let pieces: Vec<_> = content.chunks(MIB / 3).map(Bytes::copy_from_slice).map(Ok).collect();
    stream::iter(pieces)
}

fn large(mebibytes: usize) -> Vec<u8> {
    (0_u8..=250).cycle().take(mebibytes * MIB).collect()
}

fn files(folder: &Path, named: &str) -> usize {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    let hit = |path: &Path| usize::from(path.to_string_lossy().contains(named));
    entries
        .map(|one| if one.path().is_dir() { files(&one.path(), named) } else { hit(&one.path()) })
        .sum()
}

#[tokio::test]
async fn server_is_proved_and_what_is_created_there_stays() {
    let (folder, endpoint) = server().await;
    let evidence = open("s3://bucket/some/prefix", &endpoint, "secret");
    evidence.prove().await.expect("proved");
    assert_eq!(files(folder.path(), "probe"), 0);
    let place = Place::Run(uid("j"), Document::Manifest);
    let create = async |text: &'static str| {
        evidence.create(&uid("p"), &place, text.into()).await.expect("an answer")
    };
    assert_eq!(create("one").await, Created::New);
    assert_eq!(create("one").await, Created::Same);
    assert_eq!(create("two").await, Created::Other("one".into()));
    assert_eq!(evidence.read(&uid("p"), &place).await.expect("it"), Some("one".into()));
    assert_eq!(evidence.read(&uid("q"), &place).await.expect("a look"), None);
    assert_eq!(evidence.previews().await.expect("a listing"), [uid("p")]);
    assert_eq!(evidence.runs(&uid("p")).await.expect("a listing").len(), 1);
}

#[rstest]
#[case::empty(0)]
#[case::small(1)]
#[case::parts(21)]
#[tokio::test]
async fn blob_is_visible_only_when_it_is_right(#[case] mebibytes: usize) {
    let (folder, endpoint) = server().await;
    let evidence = open("s3://bucket", &endpoint, "secret");
    let content = large(mebibytes);
    let (digest, wrong) = (Digest::of(&content), Digest::of(b"else"));
    let refused = evidence.put_blob(&uid("p"), wrong, body(&content), u64::MAX).await;
    assert!(matches!(refused, Err(PutError::MeetWrongDigest { found }) if found == digest));
    let put = async || {
        evidence.put_blob(&uid("p"), digest, body(&content), u64::MAX).await.expect("stored")
    };
    assert_eq!(evidence.blob_size(&uid("p"), wrong).await.expect("a look"), None);
    assert_eq!((put().await, put().await), (Stored::New, Stored::Known));
    let read = async |range| {
        let blob = evidence.blob(&uid("p"), digest, range).await.expect("a blob");
        assert_eq!(blob.size, content.len() as u64);
        blob.stream.try_collect::<Vec<Bytes>>().await.expect("its bytes").concat()
    };
    assert!(read(None).await == content);
    if mebibytes > 0 {
        assert!(read(Some(7..MIB as u64)).await == content[7..MIB]);
    }
    let done = async {
        // The parts and the note of the refused one are removed in the background.
        while files(folder.path(), "part-") + files(folder.path(), "uploads") > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), done).await.expect("cleared");
}

#[tokio::test]
async fn sweep_removes_runs_and_uploads_that_nobody_finished() {
    let (folder, endpoint) = server().await;
    let evidence = open("s3://bucket/prefix", &endpoint, "secret");
    let (content, parts) = (large(1), evidence.parts().expect("parts"));
    let digest = Digest::of(&content);
    evidence.put_blob(&uid("p"), digest, body(&content), u64::MAX).await.expect("stored");
    for document in [Document::Run, Document::Manifest, Document::Verdict] {
        let place = Place::Run(uid("j"), document);
        evidence.create(&uid("p"), &place, digest.to_string().into()).await.expect("created");
    }
    let abandoned = Digest::of(b"abandoned");
    let path = evidence.layout().path(&uid("p"), &Place::Blob(abandoned));
    let id = parts.create_multipart(&path).await.expect("begun");
    parts.put_part(&path, &id, 0, content.into()).await.expect("a part");
    let note = format!("blobs/{abandoned}\n{id}");
    evidence.replace(&uid("p"), &Place::Upload(uid("n")), note.into()).await.expect("noted");
    let sweep = async |hours| {
        let reading = Reading {
            check: |_| None,
            digests: |bytes| Some(vec![str::from_utf8(bytes).ok()?.parse().ok()?]),
        };
        let now = Timestamp::now() + jiff::SignedDuration::from_hours(hours);
        let policy = Retention { age: Duration::from_hours(24), bytes: u64::MAX };
        evidence.sweep(policy, &[].into(), reading, now).await.expect("swept")
    };
    assert_eq!(sweep(23).await.objects, 0);
    assert_eq!(files(folder.path(), "part-"), 1);
    let swept = sweep(25).await;
    assert_eq!((swept.runs, swept.objects, swept.abandoned, swept.kept), (1, 5, 1, 0));
    assert_eq!(files(folder.path(), "part-"), 0);
    assert_eq!(evidence.previews().await.expect("a listing"), []);
}

#[tokio::test]
async fn wrong_secret_and_silence_are_told_apart() {
    let (_folder, endpoint) = server().await;
    let error = open("s3://bucket", &endpoint, "wrong").prove().await.expect_err("refused");
    assert!(matches!(error, StoreError::RefuseUs { .. }), "{error}");
    let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = format!("http://{}", nobody.local_addr().expect("an address"));
    let patient = open("s3://bucket", &endpoint, "secret");
    let hasty = patient.clone().with_patience(Duration::from_millis(200));
    let error = hasty.prove().await.expect_err("silence");
    assert!(matches!(error, StoreError::WaitTooLong { .. }), "{error}");
    drop(nobody);
    let error = patient.prove().await.expect_err("nobody");
    assert!(matches!(error, StoreError::LoseConnection { .. }), "{error}");
}

#[rstest]
#[case(507, "", "is full")]
#[case(403, "<Error><Code>QuotaExceeded</Code></Error>", "is full")]
#[case(503, "<Error><Code>SlowDown</Code></Error>", "is overloaded or out of order")]
#[case(403, "<Error><Code>AccessDenied</Code></Error>", "does not let us")]
#[case(401, "", "does not let us")]
#[case(404, "<Error><Code>NoSuchBucket</Code></Error>", "there is no such bucket")]
#[case(200, "", "although it was asked not to")]
#[tokio::test]
async fn answer_of_a_server_is_understood(
    #[case] status: u16,
    #[case] text: &'static str,
    #[case] said: &str,
) {
    let endpoint = stubborn(status, text).await;
    let evidence = open("s3://bucket", &endpoint, "secret");
    let error = evidence.prove().await.expect_err("not proved").to_string();
    assert!(error.contains(said), "{error}");
    assert!(!error.contains("secret"), "{error}");
}
