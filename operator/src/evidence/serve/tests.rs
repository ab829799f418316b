//! What a browser is given of evidence, over the real protocol: pages, files and refusals.

use axum::http::{HeaderMap, Method, StatusCode};
use bytes::Bytes;
use futures::stream;
use http::{Request, header};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rstest::rstest;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use super::router;
use crate::evidence::{
    faults::{At, Fault, Faulty},
    file::encoded,
    keys::Keys,
    layout::{Digest, Document, Place, PreviewKey, Uid},
    page::href,
    store::Evidence,
};

/// Every file of the run, in the order of its manifest: a report first.
const FILES: [(&str, &str); 8] = [
    ("junit.xml", "<testsuite/>"),
    ("shots/first page.png", "PNG"),
    ("index.html", "<script>alert(1)</script>"),
    ("a\"b\r\n<x>/\"; filename=evil.html", "evil"),
    ("video.webm", "0123456789"),
    ("ä/#?%2e%2e/trace.json", "{}"),
    ("empty.txt", ""),
    ("gone.txt", "swept"),
];

struct Scene {
    address: String,
    key: String,
    store: Faulty,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    fn text(&self) -> &str {
        str::from_utf8(&self.body).expect("text")
    }
}

fn uid(text: &str) -> Uid {
    text.parse().expect("a UID")
}

async fn scene() -> Scene {
    let (store, evidence) = Faulty::new();
    let key = PreviewKey::random();
    let record = json!({ "namespace": "shop", "name": "shop-7", "repository": "acme/<shop>", "number": 7,
                         "key": key.reveal() });
    put(&evidence, &Place::Record, &record).await;
    let entry = |(path, text): &(&str, &str)| {
        let digest = format!("sha256:{}", Digest::of(text.as_bytes()));
        json!({ "path": path, "digest": digest, "size": text.len() })
    };
    for (_, text) in FILES.iter().filter(|(path, _)| *path != "gone.txt") {
        let body = stream::iter([Ok(Bytes::from_static(text.as_bytes()))]);
        let digest = Digest::of(text.as_bytes());
        evidence.put_blob(&uid("p"), digest, body, 100).await.expect("stored");
    }
    let manifest = json!({
        "reports": [entry(&FILES[0])],
        "artifacts": FILES[1..].iter().map(entry).collect::<Vec<_>>(),
        "omitted": { "count": 2, "bytes": 2_500_000, "examples": [] },
        "total": { "total": 3, "failed": 1, "skipped": 0 },
    });
    put(&evidence, &Place::Run(uid("judged"), Document::Manifest), &manifest).await;
    let run = json!({ "check": "<b>e2e</b>", "commit": "0123456789abcdef0123", "attempt": 2 });
    put(&evidence, &Place::Run(uid("judged"), Document::Run), &run).await;
    let verdict = json!({ "verdict": "Failed", "sentence": "1 of 3 tests failed" });
    put(&evidence, &Place::Run(uid("judged"), Document::Verdict), &verdict).await;
    put(&evidence, &Place::Run(uid("begun"), Document::Run), &run).await;
    let keys = Keys::default();
    assert_eq!(keys.load(&evidence).await.expect("loaded"), 1);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let patient = evidence.with_patience(std::time::Duration::from_millis(200));
    tokio::spawn(async move { axum::serve(listener, router(patient, keys)).await });
    Scene { address, key: key.reveal().to_owned(), store }
}

async fn put(evidence: &Evidence, place: &Place, document: &Value) {
    let bytes = document.to_string().into();
    evidence.replace(&uid("p"), place, bytes).await.expect("written");
}

impl Scene {
    /// Of a place below the key.
    async fn get(&self, place: &str) -> Answer {
        self.ask(Method::GET, &format!("/evidence/{}/{place}", self.key), &[]).await
    }

    async fn file(&self, position: usize, method: Method, said: &[(&str, &str)]) -> Answer {
        let place = href(position, FILES[position].0);
        self.ask(method, &format!("/evidence/{}/runs/judged/{place}", self.key), said).await
    }

    async fn ask(&self, method: Method, path: &str, said: &[(&str, &str)]) -> Answer {
        let stream = TcpStream::connect(&self.address).await.expect("a connection");
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("HTTP");
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, "x");
        for (name, value) in said {
            request = request.header(*name, *value);
        }
        let request = request.body(Empty::<Bytes>::new()).expect("a request");
        let (head, body) = sender.send_request(request).await.expect("an answer").into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        Answer { status: head.status, headers: head.headers, body }
    }
}

#[tokio::test]
async fn runs_and_files_are_listed_for_people_and_programs() {
    let scene = scene().await;
    let page = scene.get("").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text().contains("Evidence of acme/&#60;shop&#62; #7"), "{}", page.text());
    assert!(page.text().contains("&#60;b&#62;e2e&#60;/b&#62;") && !page.text().contains("<b>"));
    let runs: Value =
        serde_json::from_slice(&scene.get("?a&format=json").await.body).expect("JSON");
    let verdicts = ["/runs/0/verdict", "/runs/1/verdict", "/preview/number"];
    let mut told = verdicts.map(|place| runs.pointer(place).cloned().expect(place));
    told[..2].sort_by_key(ToString::to_string);
    assert_eq!(told, [json!(""), json!("Failed"), json!(7)]);
    let page = scene.get("runs/judged/").await;
    assert!(page.text().contains("1 of 3 tests failed"), "{}", page.text());
    assert!(page.text().contains("2 files of 2.5 MB in all") && !page.text().contains("<script"));
    assert!(page.text().contains("3 tests, 1 failed, 0 skipped"), "{}", page.text());
    assert_eq!(page.text().matches("href=\"files/").count(), FILES.len());
    let run = scene.get("runs/judged/?format=json").await;
    assert_eq!(run.header("content-type"), "application/json");
    let run: Value = serde_json::from_slice(&run.body).expect("JSON");
    for (position, (path, _)) in FILES.iter().enumerate() {
        let file = run.pointer(&format!("/left/files/{position}")).expect("a file");
        assert_eq!(file["path"], json!(path));
        assert_eq!(file["href"], json!(href(position, path)));
    }
    assert!(scene.get("runs/begun/").await.text().contains("it is still under way"));
}

#[tokio::test]
async fn every_file_is_given_as_it_is_and_can_do_nothing() {
    let scene = scene().await;
    for (position, (path, text)) in FILES.iter().enumerate().take(FILES.len() - 1) {
        let file = scene.file(position, Method::GET, &[]).await;
        assert_eq!((file.status, file.text()), (StatusCode::OK, *text), "{path}");
        let policy = file.header("content-security-policy");
        assert!(
            policy.starts_with("sandbox; default-src 'none'; img-src 'self' data:;"),
            "{policy}"
        );
        assert_eq!(file.header("x-content-type-options"), "nosniff");
        assert_eq!(file.header("referrer-policy"), "no-referrer");
        assert_eq!(file.header("x-robots-tag"), "noindex");
        assert_eq!(file.header("cache-control"), "private, max-age=31536000, immutable");
        assert_eq!(file.header("etag"), format!("\"{}\"", Digest::of(text.as_bytes())));
        assert_eq!(file.header("content-length"), text.len().to_string());
        let head = scene.file(position, Method::HEAD, &[("range", "bytes=0-0")]).await;
        assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
        assert_eq!(head.header("content-length"), text.len().to_string());
    }
    let kind = async |position| {
        let file = scene.file(position, Method::GET, &[]).await;
        let saved = file.header("content-disposition").starts_with("attachment");
        (file.header("content-type").to_owned(), saved)
    };
    assert_eq!(kind(0).await, ("text/plain; charset=utf-8".to_owned(), true));
    assert_eq!(kind(1).await, ("image/png".to_owned(), false));
    assert_eq!(kind(2).await, ("text/plain; charset=utf-8".to_owned(), true));
    assert_eq!(kind(4).await, ("video/webm".to_owned(), false));
    let evil = scene.file(3, Method::GET, &[]).await;
    assert_eq!(
        evil.header("content-disposition"),
        "attachment; filename=\"__filename_evil.html\"; filename*=UTF-8''%3B%20filename%3Devil.html"
    );
}

#[rstest]
#[case("bytes=2-4", StatusCode::PARTIAL_CONTENT, "bytes 2-4/10", "234")]
#[case("bytes=-2", StatusCode::PARTIAL_CONTENT, "bytes 8-9/10", "89")]
#[case("bytes=8-", StatusCode::PARTIAL_CONTENT, "bytes 8-9/10", "89")]
#[case("bytes=10-", StatusCode::RANGE_NOT_SATISFIABLE, "bytes */10", "")]
#[case("bytes=0-1,3-4", StatusCode::OK, "", "0123456789")]
#[tokio::test]
async fn part_of_a_file_is_given(
    #[case] range: &str,
    #[case] status: StatusCode,
    #[case] said: &str,
    #[case] body: &str,
) {
    let scene = scene().await;
    let file = scene.file(4, Method::GET, &[("range", range)]).await;
    assert_eq!((file.status, file.header("content-range"), file.text()), (status, said, body));
    assert_eq!(file.header("content-length"), body.len().to_string());
    let tag = format!("\"{}\"", Digest::of(b"0123456789"));
    let file = scene.file(4, Method::GET, &[("range", range), ("if-range", &tag)]).await;
    assert_eq!(file.status, status);
    let file = scene.file(4, Method::GET, &[("range", range), ("if-range", "\"x\"")]).await;
    assert_eq!(file.status, StatusCode::OK);
    let file = scene.file(4, Method::GET, &[("if-none-match", &tag)]).await;
    assert_eq!((file.status, file.body.len()), (StatusCode::NOT_MODIFIED, 0));
}

#[tokio::test]
async fn whatever_is_not_there_looks_the_same() {
    let scene = scene().await;
    let key = &scene.key;
    let strange = encoded("<script>");
    let places = [
        "/".to_owned(),
        "/evidence/".to_owned(),
        "/evidence/x/".to_owned(),
        format!("/evidence/{strange}/"),
        "/evidence/%ff%fe/".to_owned(),
        format!("/evidence/{}/", "a".repeat(26)),
        format!("/evidence/{}", "a".repeat(26)),
        format!("/evidence/{}/runs/judged", "a".repeat(26)),
        format!("/evidence/{key}/runs/"),
        format!("/evidence/{key}/runs/nobody/"),
        format!("/evidence/{key}/runs/{strange}/"),
        format!("/evidence/{key}/runs/..%2f..%2fq/"),
        format!("/evidence/{key}/runs/judged/files/99/x"),
        format!("/evidence/{key}/runs/judged/files/-1/x"),
        format!("/evidence/{key}/runs/judged/files/99999999999999999999999/x"),
        format!("/evidence/{key}/runs/judged/files/0/%ff"),
        format!("/evidence/{key}/runs/judged/files/7/gone.txt"),
        format!("/evidence/{key}/runs/begun/files/0/x"),
        format!("/evidence/{key}/preview.json"),
    ];
    for place in places {
        let answer = scene.ask(Method::GET, &place, &[]).await;
        let said = (answer.status, answer.text());
        assert_eq!(said, (StatusCode::NOT_FOUND, "There is nothing at this address.\n"), "{place}");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    }
    let answer = scene.ask(Method::POST, &format!("/evidence/{key}/"), &[]).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn address_without_its_slash_leads_to_the_page() {
    let scene = scene().await;
    let answer = scene.ask(Method::GET, &format!("/evidence/{}", scene.key), &[]).await;
    assert_eq!(answer.status, StatusCode::PERMANENT_REDIRECT);
    assert_eq!(answer.header("location"), format!("{}/", scene.key));
    let answer = scene.get("runs/judged").await;
    assert_eq!(answer.header("location"), "judged/");
}

#[rstest]
#[case(Fault::Hang)]
#[case(Fault::Gone)]
#[tokio::test]
async fn store_that_fails_is_a_matter_of_a_moment(#[case] fault: Fault) {
    let scene = scene().await;
    scene.store.fail(Some((At::All, fault)));
    for place in ["", "runs/judged/", "runs/judged/files/0/junit.xml"] {
        let answer = scene.get(place).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.header("retry-after"), "10");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}
