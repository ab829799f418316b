//! How long the end waits for those who say nothing, or not enough.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::listen;
use crate::{Limits, tests::edge, tls::Certificates};

/// A whole request to a host that nobody has.
const WHOLE: &str = "GET / HTTP/1.1\r\nhost: nobody.test\r\n\r\n";

#[tokio::test]
async fn end_waits_a_second_for_a_handshake() {
    let edge = edge(Limits::default());
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = TcpListener::bind(any).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let certificates = Arc::new(Certificates::new().expect("what TLS takes"));
    let listens = tokio::spawn(listen(edge.clone(), listener, Some(certificates)));
    let silent = TcpStream::connect(address).await.expect("a connection");
    let mut half = TcpStream::connect(address).await.expect("a connection");
    half.write_all(&[0x16, 3, 1]).await.expect("a reader");
    let began = Instant::now();
    edge.drain.end(Duration::from_secs(20)).await;
    listens.await.expect("it ends");
    let took = began.elapsed();
    assert!(took < Duration::from_secs(6), "the end took {} ms", took.as_millis());
    drop((silent, half));
}

#[tokio::test]
async fn end_waits_a_second_for_those_who_never_asked() {
    let edge = edge(Limits::default());
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = TcpListener::bind(any).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let listens = tokio::spawn(listen(edge.clone(), listener, None));
    let mut all = Vec::new();
    for said in [
        "",
        "G",
        "PRI * HT",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0",
        "GET / HTTP/1.1\r\nhost: nobody.test\r\n",
        WHOLE,
        // Half of a second one: nobody is served on that connection.
        "GET / HTTP/1.1\r\nhost: nobody.test\r\n\r\nGET / HTTP/1.1\r\n",
    ] {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        stream.write_all(said.as_bytes()).await.expect("a reader");
        if said.starts_with(WHOLE) {
            // Before the end, or it would be the last one on its connection.
            let mut bytes = [0; 4096];
            let read = stream.read(&mut bytes).await.expect("an answer");
            assert!(bytes[..read].starts_with(b"HTTP/1.1 404"), "{said}");
        }
        all.push(stream);
    }
    let began = Instant::now();
    let ends = {
        let edge = edge.clone();
        tokio::spawn(async move { edge.drain.end(Duration::from_secs(20)).await })
    };
    // Whoever asks in the last second is still answered.
    let mut late = TcpStream::connect(address).await.expect("a connection");
    tokio::time::sleep(Duration::from_millis(3500)).await;
    late.write_all(WHOLE.as_bytes()).await.expect("a reader");
    let mut text = String::new();
    late.read_to_string(&mut text).await.expect("an answer");
    assert!(text.starts_with("HTTP/1.1 404"), "{text}");
    listens.await.expect("it ends");
    ends.await.expect("it ends");
    let took = began.elapsed();
    assert!(took < Duration::from_secs(6), "the end took {} ms", took.as_millis());
    drop(all);
}
