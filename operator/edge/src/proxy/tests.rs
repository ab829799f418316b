//! What pods hear of a request, and how often.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use rstest::rstest;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::send;
use crate::{
    backend::{Backend, BackendError, Lease},
    body::{Body, Pace},
    sight::Target,
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

fn request(method: Method, body: Body) -> Request<Body> {
    let request = Request::builder().method(method).uri("/x").header("host", "a.test");
    request.body(body).expect("a request")
}

async fn pod() -> (TcpListener, Arc<Backend>) {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = TcpListener::bind(any).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let target = Target { address, pod: "a".into(), h2c: false };
    (listener, Arc::new(Backend::new(target)))
}

/// A request's head, and what came with it.
async fn head(stream: &mut TcpStream) -> String {
    let (mut text, mut bytes) = (String::new(), [0; 4096]);
    while !text.contains("\r\n\r\n") {
        let read = stream.read(&mut bytes).await.expect("a piece");
        assert!(read > 0, "it ends after {text}");
        text.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }
    text
}

/// What becomes of a request on a connection that had been idle, when the pod says this to it and goes, and that on the
/// next connection; and how many connections there were.
async fn closed(
    (method, body): (Method, Body),
    (said, then): (&'static str, &'static str),
) -> (Result<StatusCode, bool>, u8) {
    let (listener, backend) = pod().await;
    let served = tokio::spawn(async move {
        let (mut first, _) = listener.accept().await.expect("a connection");
        head(&mut first).await;
        first.write_all(OK.as_bytes()).await.expect("a reader");
        head(&mut first).await;
        first.write_all(said.as_bytes()).await.expect("a reader");
        drop(first);
        let next = tokio::time::timeout(Duration::from_millis(300), listener.accept()).await;
        let Ok(Ok((mut second, _))) = next else { return 1 };
        head(&mut second).await;
        second.write_all(then.as_bytes()).await.expect("a reader");
        drop(second);
        let next = tokio::time::timeout(Duration::from_millis(300), listener.accept()).await;
        if next.is_ok() { 3 } else { 2 }
    });
    let (patience, pace) = (Duration::from_secs(5), Pace::new());
    let plain = request(Method::GET, Body::Empty);
    let Ok((_, Lease::Own(own))) = send(&backend, plain, (false, false), (patience, &pace)).await
    else {
        panic!("the first one is answered")
    };
    backend.give_back(own);
    // It is kept once it is ready.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let sent = send(&backend, request(method, body), (false, false), (patience, &pace)).await;
    let sent = sent.map(|(answer, _)| answer.status());
    let sent = sent.map_err(|(error, _)| matches!(error, BackendError::Silence(..)));
    (sent, served.await.expect("it ends"))
}

#[rstest]
#[case(Method::GET, Body::Empty, ("", OK), (Ok(StatusCode::OK), 2))]
#[case(Method::HEAD, Body::Empty, ("", OK), (Ok(StatusCode::OK), 2))]
#[case(Method::OPTIONS, Body::Empty, ("", ""), (Err(true), 2))]
#[case(Method::DELETE, Body::Empty, ("", OK), (Err(true), 1))]
#[case(Method::POST, Body::Empty, ("", OK), (Err(true), 1))]
#[case(Method::GET, Body::from("x".to_owned()), ("", OK), (Err(true), 1))]
#[case(Method::GET, Body::Empty, ("HTTP/1.1 2", OK), (Err(false), 1))]
#[tokio::test]
async fn only_what_changes_nothing_is_sent_once_more_and_once(
    #[case] method: Method,
    #[case] body: Body,
    #[case] said: (&'static str, &'static str),
    #[case] expected: (Result<StatusCode, bool>, u8),
) {
    assert_eq!(closed((method, body), said).await, expected);
}

#[rstest]
#[case(Method::GET)]
#[case(Method::HEAD)]
#[case(Method::POST)]
#[tokio::test]
async fn body_without_a_length_goes_on_in_chunks(#[case] method: Method) {
    let (listener, backend) = pod().await;
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut text = head(&mut stream).await;
        let mut bytes = [0; 4096];
        while !text.ends_with("0\r\n\r\n") {
            let read = stream.read(&mut bytes).await.expect("a piece");
            assert!(read > 0, "it ends after {text}");
            text.push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
        stream.write_all(OK.as_bytes()).await.expect("a reader");
        text
    });
    let body = Body::Own(Some(Bytes::from_static(b"hello")));
    let pace = (Duration::from_secs(5), &Pace::new());
    let sent = send(&backend, request(method, body), (false, false), pace).await;
    assert!(sent.is_ok());
    let text = served.await.expect("it ends");
    assert!(text.contains("transfer-encoding: chunked\r\n"), "{text}");
    assert!(text.ends_with("\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), "{text}");
}
