//! What a visitor hears over the socket and the stream, over real connections.

use std::time::{Duration, Instant};

use axum::{Router, routing::get};
use futures::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{client_async, tungstenite::Message};

use super::routes;
use crate::curtain::Curtain;

const OFFER: &str = r#"{"commit":"a1b2","products":[{"name":"Lamp","description":"","cents":1}]}"#;

/// Serves these routes; returns where.
async fn served(routes: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    address
}

/// An API, and the live part in front of it.
async fn stage() -> (String, Curtain) {
    let api = served(Router::new().route("/products", get(|| async { OFFER }))).await;
    let curtain = Curtain::default();
    (served(routes(api, curtain.clone())).await, curtain)
}

/// The stream as a visitor hears it who says these headers.
async fn listen(address: &str, headers: &str) -> Lines<BufReader<TcpStream>> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /events HTTP/1.1\r\nhost: shop\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    BufReader::new(stream).lines()
}

/// The next id, data or beat, until the chunk that ends it.
async fn next(lines: &mut Lines<BufReader<TcpStream>>) -> Option<String> {
    loop {
        let line = timeout(Duration::from_secs(5), lines.next_line()).await.unwrap().unwrap()?;
        if line == "0" {
            return None;
        }
        if ["id:", "data:", ":"].iter().any(|word| line.starts_with(word)) {
            return Some(line);
        }
    }
}

#[tokio::test]
async fn socket_gives_back_what_it_was_sent_and_tells_of_the_stock() {
    let (address, _curtain) = stage().await;
    let stream = TcpStream::connect(&address).await.unwrap();
    let (mut socket, _) = client_async("ws://shop/live", stream).await.unwrap();
    let bytes: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
    for said in [Message::text("stöck"), Message::binary(bytes), Message::binary(Vec::new())] {
        socket.send(said.clone()).await.unwrap();
        assert!(socket.next().await.unwrap().unwrap() == said);
    }
    socket.send(Message::text("stock")).await.unwrap();
    let told = socket.next().await.unwrap().unwrap();
    assert_eq!(told, Message::text("1 products, commit a1b2"));
}

#[tokio::test]
async fn stream_counts_on_from_what_the_visitor_heard_last() {
    let (address, _curtain) = stage().await;
    let mut lines = listen(&address, "").await;
    for expected in ["id: 1", "data: 1 products, commit a1b2", "id: 2"] {
        assert_eq!(next(&mut lines).await.unwrap(), expected);
    }
    let mut lines = listen(&address, "last-event-id: 41\r\n").await;
    assert_eq!(next(&mut lines).await.unwrap(), "id: 42");
}

#[tokio::test]
async fn stream_beats_while_there_is_nothing_to_tell() {
    // Nobody listens on the port for discarding.
    let address = served(routes("127.0.0.1:9".to_owned(), Curtain::default())).await;
    assert_eq!(next(&mut listen(&address, "").await).await.unwrap().trim(), ":");
}

#[tokio::test]
async fn everything_live_ends_with_the_curtain_and_a_silent_peer_does_not_hold_it_up() {
    let (address, curtain) = stage().await;
    let connect = async || {
        let stream = TcpStream::connect(&address).await.unwrap();
        client_async("ws://shop/live", stream).await.unwrap().0
    };
    let (mut socket, silent) = (connect().await, connect().await);
    let mut lines = listen(&address, "").await;
    next(&mut lines).await.unwrap();
    let began = Instant::now();
    let (goodbye, ()) = tokio::join!(socket.next(), curtain.fall());
    assert!(began.elapsed() < Duration::from_millis(600), "{:?}", began.elapsed());
    let Some(Ok(Message::Close(Some(goodbye)))) = goodbye else { panic!("{goodbye:?}") };
    assert_eq!((u16::from(goodbye.code), goodbye.reason.as_str()), (1001, "the program ends"));
    while next(&mut lines).await.is_some() {}
    drop(silent);
}
