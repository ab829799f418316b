//! Streams, tunnels, retries and the end of the edge.

use std::time::{Duration, Instant};

use http::header;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use understudy_bed::{Error, Result};
use understudy_fakes::{
    backend::{AsyncAnswer, Backend},
    edge::{Edge, INSIDE, get, get_each_h2},
};

use crate::{Scene, port, scene, until};

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Bed(error.to_string())
}

pub(crate) async fn story() -> Result<()> {
    let mut scene = scene("flow", &[]).await?;
    streamed(&scene).await?;
    answered_early(&scene).await?;
    multiplexed(&scene).await?;
    tunnelled(&scene).await?;
    retried(&scene).await?;
    drained(&mut scene).await
}

/// Sends a piece, waits until the client has it, sends the next.
struct Pieces;

impl AsyncAnswer for Pieces {
    async fn serve(&self, mut stream: TcpStream) {
        let mut head = [0; 4096];
        let _ = stream.read(&mut head).await;
        let begin = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\ntrailer: x-end, x-forwarded-for, understudy-page\r\n\r\n";
        let _ = stream.write_all(begin.as_bytes()).await;
        for number in 0..3 {
            let piece = format!("data: {number}\n\n");
            let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
            let _ = stream.write_all(chunk.as_bytes()).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        let _ = stream
            .write_all(b"0\r\nx-forwarded-for: b\r\nunderstudy-page: a lie\r\nx-end: yes\r\n\r\n")
            .await;
    }
}

/// Reads until that text was seen.
async fn read_until(stream: &mut TcpStream, seen: &mut String, wanted: &str) -> Result<()> {
    let deadline = Duration::from_secs(10);
    let read = async {
        let mut bytes = [0; 4096];
        while !seen.contains(wanted) {
            let read = stream.read(&mut bytes).await.map_err(failed)?;
            if read == 0 {
                return Err(failed(format!("it ended before `{wanted}`: {seen}")));
            }
            seen.push_str(&String::from_utf8_lossy(bytes.get(..read).unwrap_or_default()));
        }
        Ok(())
    };
    tokio::time::timeout(deadline, read).await.map_err(|_| failed(format!("no `{wanted}`")))?
}

/// Each piece is there before the next is sent, and trailers arrive.
async fn streamed(scene: &Scene) -> Result<()> {
    let backend = Backend::start(&scene.stage.bed, port(), Pieces).await?;
    let (address, host) = scene.serve("events", &backend).await?;
    let mut stream = TcpStream::connect(&address).await.map_err(failed)?;
    let request = format!("GET /events HTTP/1.1\r\nhost: {host}\r\nte: trailers\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(failed)?;
    let (mut seen, began) = (String::new(), Instant::now());
    let mut times = Vec::new();
    for number in 0..3 {
        read_until(&mut stream, &mut seen, &format!("data: {number}")).await?;
        times.push(began.elapsed());
    }
    read_until(&mut stream, &mut seen, "x-end: yes").await?;
    assert!(!seen.contains("x-forwarded-for: b") && !seen.contains("a lie"), "{seen}");
    let apart = times
        .windows(2)
        .filter(|pair| pair[1].saturating_sub(pair[0]) > Duration::from_millis(150))
        .count();
    assert_eq!(apart, 2, "pieces came as they were sent: {times:?}");
    Ok(())
}

/// Answers as soon as it has the head of a request.
struct Early;

impl AsyncAnswer for Early {
    async fn serve(&self, mut stream: TcpStream) {
        let mut head = [0; 4096];
        while stream.read(&mut head).await.is_ok_and(|read| read > 0) {
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

/// Somebody who goes on sending after the answer keeps nobody else from theirs.
async fn answered_early(scene: &Scene) -> Result<()> {
    let backend = Backend::start(&scene.stage.bed, port(), Early).await?;
    let (address, host) = scene.serve("early", &backend).await?;
    let mut slow = TcpStream::connect(&address).await.map_err(failed)?;
    let request = format!("POST / HTTP/1.1\r\nhost: {host}\r\ncontent-length: 100000\r\n\r\nhalf");
    slow.write_all(request.as_bytes()).await.map_err(failed)?;
    read_until(&mut slow, &mut String::new(), "ok").await?;
    for _ in 0..10 {
        let answer = tokio::time::timeout(Duration::from_secs(5), get(&address, &host, "/")).await;
        assert_eq!(answer.map_err(failed)??.status(), 200);
        slow.write_all(b"x").await.map_err(failed)?;
    }
    Ok(())
}

/// A thousand streams of one connection of HTTP/2: each gets its own answer.
async fn multiplexed(scene: &Scene) -> Result<()> {
    let backend = Backend::echo(&scene.stage.bed, port()).await?;
    let (address, host) = scene.serve("streams", &backend).await?;
    let paths: Vec<String> = (0..1000).map(|number| format!("/stream-{number}/")).collect();
    let answers = get_each_h2(&address, &host, &paths).await?;
    let own = paths.iter().zip(&answers).filter(|(path, (status, body))| {
        *status == 200 && String::from_utf8_lossy(body).contains(path.as_str())
    });
    assert_eq!(own.count(), paths.len());
    Ok(())
}

/// Changes protocols, and sends back what it gets.
struct Tunnel;

impl AsyncAnswer for Tunnel {
    async fn serve(&self, mut stream: TcpStream) {
        let mut seen = String::new();
        if read_until(&mut stream, &mut seen, "\r\n\r\n").await.is_err() {
            return;
        }
        if !seen.to_lowercase().contains("upgrade: websocket") {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
            return;
        }
        let begin =
            "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n";
        let _ = stream.write_all(begin.as_bytes()).await;
        let (mut read, mut write) = stream.split();
        let _ = tokio::io::copy(&mut read, &mut write).await;
    }
}

/// A megabyte of every byte there is comes back as it went.
async fn tunnelled(scene: &Scene) -> Result<()> {
    let backend = Backend::start(&scene.stage.bed, port(), Tunnel).await?;
    let (address, host) = scene.serve("tunnel", &backend).await?;
    let mut stream = TcpStream::connect(&address).await.map_err(failed)?;
    let request = format!(
        "GET /live HTTP/1.1\r\nhost: {host}\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.map_err(failed)?;
    let mut seen = String::new();
    read_until(&mut stream, &mut seen, "\r\n\r\n").await?;
    assert!(
        seen.starts_with("HTTP/1.1 101 ") && seen.to_lowercase().contains("upgrade: websocket"),
        "{seen}"
    );
    let sent: Vec<u8> =
        (0..1_u32 << 20).map(|byte| u8::try_from(byte * 7 % 256).unwrap_or(0)).collect();
    let (mut read, mut write) = stream.split();
    let mut back = vec![0; sent.len()];
    let (written, got) = tokio::join!(write.write_all(&sent), read.read_exact(&mut back));
    written.map_err(failed)?;
    got.map_err(failed)?;
    assert!(sent == back, "byte by byte");
    Ok(())
}

/// A pod that takes no connections costs nobody an answer while another does.
async fn retried(scene: &Scene) -> Result<()> {
    let (preview, backend) =
        (scene.open("retried").await?, Backend::echo(&scene.stage.bed, port()).await?);
    let nobody = port();
    preview.pods(&[(INSIDE, backend.port, "a"), (INSIDE, nobody, "b")]).await?;
    let (address, host) = (scene.edge.plain(), preview.host());
    until(async || get(&address, &host, "/").await, |one| one.status() == 200).await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    for _ in 0..100 {
        assert_eq!(get(&address, &host, "/").await?.status(), 200);
    }
    // With that one alone there is nothing left to try.
    preview.pods(&[(INSIDE, nobody, "b")]).await?;
    let answer = until(async || get(&address, &host, "/").await, |one| one.status() == 502).await?;
    assert_eq!(answer.status(), 502);
    Ok(())
}

/// The edge ends under load, another beside it goes on, and no request is lost.
async fn drained(scene: &mut Scene) -> Result<()> {
    let backend = Backend::echo(&scene.stage.bed, port()).await?;
    let (address, host) = scene.serve("drained", &backend).await?;
    let load = tokio::spawn({
        let (address, host) = (address.clone(), host.clone());
        async move {
            let (mut asked, mut answered, began) = (0, 0, Instant::now());
            while began.elapsed() < Duration::from_secs(3) {
                asked += 1;
                answered += usize::from(
                    get(&address, &host, "/").await.is_ok_and(|one| one.status() == 200),
                );
            }
            (asked, answered)
        }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let ended = scene.edge.terminate();
    let (ended, load) = tokio::join!(ended, load);
    let (asked, answered) = load.map_err(failed)?;
    println!("measured: {asked} requests while the edge ended, {} lost", asked - answered);
    assert!(ended, "it ends well");
    assert_eq!(asked, answered);
    // The next process needs nobody to tell it anything.
    let folder = tempfile::tempdir().map_err(failed)?;
    let next = Edge::start(&scene.stage.bed, folder.path(), port(), &[]).await?;
    let answer = get(&next.plain(), &host, "/").await?;
    assert_eq!(answer.status(), 200);
    assert!(
        answer.headers().contains_key(header::CONTENT_LENGTH),
        "{:?}",
        json!(answer.status().as_u16())
    );
    Ok(())
}
