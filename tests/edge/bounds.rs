//! Bounds: what is beyond them is told so or waits, and what is within them, and everybody else, is served.

use std::time::{Duration, Instant};

use futures::future::join_all;
use http::{Request, header};
use http_body_util::Full;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use understudy_bed::{Error, Result};
use understudy_fakes::{
    backend::Backend,
    edge::{Edge, Preview, ask, get},
};

use crate::{
    Scene,
    beside::beside,
    dial,
    frames::{HEADERS, Wire, get as request, id},
    pods::{Says, pod},
    port, scene,
    streams::STREAMS,
    until,
};

/// Requests of one preview that may be under way.
const PREVIEW: usize = 10_000;

/// Requests that may wait for previews to start; of one preview a tenth.
const HELD: usize = 20;

/// Connections of clients.
const CONNECTIONS: usize = 10;

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Bed(error.to_string())
}

/// What the edge must be told for it.
pub(crate) const FLAGS: [&str; 2] = ["--max-held=20", "--hold-timeout=2s"];

pub(crate) async fn story(scene: &Scene) -> Result<()> {
    let backend = Backend::echo(&scene.stage.bed, port()).await?;
    let (address, other) = scene.serve("bounds-other", &backend).await?;
    held(scene, (&address, &other)).await?;
    connections(scene, &other).await
}

/// As many requests of one preview as there may be at all.
pub(crate) async fn long_story() -> Result<()> {
    let scene = scene("full", &[]).await?;
    let backend = Backend::echo(&scene.stage.bed, port()).await?;
    let (address, other) = scene.serve("other", &backend).await?;
    preview(&scene, (&address, &other)).await
}

/// How many of so many programs are told to come again at once, of a preview that sleeps.
async fn refused(address: &str, preview: &Preview, count: usize) -> Result<usize> {
    let began = Instant::now();
    let all = (0..count).map(|_| async {
        let request = Request::get("/").header(header::HOST, preview.host());
        let request = request.header(header::USER_AGENT, "curl/8").body(Full::default());
        let answer = ask(address, request.map_err(failed)?).await?;
        let told = String::from_utf8_lossy(answer.body()).contains("wait for previews to start");
        assert_eq!(answer.status(), 503);
        assert!(told || began.elapsed() >= Duration::from_secs(2), "it waits as long as it may");
        Ok::<bool, Error>(told)
    });
    let all: Result<Vec<bool>> = join_all(all).await.into_iter().collect();
    Ok(all?.into_iter().filter(|told| *told).count())
}

/// Sleepers that nobody wakes: a tenth of all who may wait may wait for one, and no more than all for all.
async fn held(scene: &Scene, other: (&str, &str)) -> Result<()> {
    let mut sleepers = Vec::new();
    for number in 0..HELD / 2 + 2 {
        let preview = scene.open(&format!("sleeper-{number}")).await?;
        preview.say(json!({"phase": "Asleep", "since": "2026-11-21T11:00:00Z"})).await?;
        until(
            async || {
                let request = Request::get("/").header(header::HOST, preview.host());
                let request = request.header(header::ACCEPT, "text/html").body(Full::default());
                let answer = ask(other.0, request.map_err(failed)?).await?;
                Ok(String::from_utf8_lossy(answer.body()).contains("<title>Waking up"))
            },
            |asleep| *asleep,
        )
        .await?;
        sleepers.push(preview);
    }
    let ten = async {
        let all = sleepers.iter().map(|one| refused(other.0, one, 5));
        join_all(all).await.into_iter().collect::<Result<Vec<usize>>>()
    };
    let (told, cost) = beside(scene, other, ten).await?;
    let asked = sleepers.len() * 5;
    let waited = asked - told.iter().sum::<usize>();
    println!("measured: {asked} asked for {} sleepers, {waited} waited: {cost}", sleepers.len());
    assert!(told.iter().all(|one| *one >= 5 - HELD / 10), "a tenth for each: {told:?}");
    assert_eq!(waited, HELD, "{told:?}");
    Ok(())
}

/// As many requests of one preview as may be, none of which its pod answers: the next are told so at once.
async fn preview(scene: &Scene, other: (&str, &str)) -> Result<()> {
    let (host, _pod) = pod(scene, "full", Says::Nothing).await?;
    let clients = PREVIEW / STREAMS + 1;
    let work = async {
        let (mut wires, mut told) = (Vec::new(), 0);
        for _ in 0..clients {
            let mut wire = Wire::client(scene.dial()?, &[]).await?;
            let all: Vec<u8> =
                (0..STREAMS).flat_map(|number| request(id(number), &host, "/")).collect();
            wire.send(&all).await?;
            let seen = wire.settle().await?;
            assert!(seen.alive && seen.resets.is_empty(), "{seen:?}");
            told += seen.answers.values().sum::<usize>();
            wires.push(wire);
        }
        // The last answers may come after the ping's.
        if let Some(last) = wires.last_mut() {
            while told < clients * STREAMS - PREVIEW {
                let Some(one) = last.read.next().await? else { break };
                told += usize::from(one.kind == HEADERS);
            }
        }
        let answer = get(other.0, &host, "/").await?;
        Ok((wires, told, answer))
    };
    let ((wires, told, answer), cost) = beside(scene, other, work).await?;
    println!(
        "measured: {} requests of one preview on {clients} connections, {told} of them refused: {} KiB each, {cost}",
        clients * STREAMS,
        cost.growth() / PREVIEW as u64
    );
    assert_eq!(told, clients * STREAMS - PREVIEW);
    let text = String::from_utf8_lossy(answer.body()).into_owned();
    assert!(answer.status() == 503 && text.contains("Too many requests are under way"), "{text}");
    assert!(cost.growth() < 512 << 10, "{cost}");
    drop(wires);
    // Once they are gone, the preview takes requests again: there is no answer, and no refusal either.
    let free = async || {
        let asked =
            tokio::time::timeout(Duration::from_millis(200), get(other.0, &host, "/")).await;
        Ok(asked.is_err())
    };
    assert!(until(free, |free| *free).await?, "it takes requests again");
    Ok(())
}

/// Connections beyond the bound wait in the kernel's queue until one of those before ends.
async fn connections(scene: &Scene, host: &str) -> Result<()> {
    let folder = tempfile::tempdir().map_err(failed)?;
    let bound = format!("--max-connections={CONNECTIONS}");
    let edge = Edge::start(&scene.stage.bed, folder.path(), port(), &[&bound]).await?;
    until(async || get(&edge.plain(), host, "/").await, |one| one.status() == 200).await?;
    let text = format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n");
    let mut all = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut stream = dial(&scene.stage.bed, edge.inside())?;
        assert!(answered(&mut stream, &text).await?, "within the bound");
        all.push(stream);
    }
    let mut next = dial(&scene.stage.bed, edge.inside())?;
    assert!(!answered(&mut next, &text).await?, "beyond the bound it waits");
    drop(all.pop());
    let began = Instant::now();
    let mut byte = [0];
    let read = tokio::time::timeout(Duration::from_secs(5), next.read(&mut byte)).await;
    assert_eq!(read.map_err(failed)?.map_err(failed)?, 1);
    println!(
        "measured: the one beyond {CONNECTIONS} connections is answered {} ms after another went",
        began.elapsed().as_millis()
    );
    Ok(())
}

/// Whether a request is answered within half a second; its connection goes on.
async fn answered(stream: &mut TcpStream, text: &str) -> Result<bool> {
    stream.write_all(text.as_bytes()).await.map_err(failed)?;
    let mut bytes = vec![0; 16 << 10];
    let read = tokio::time::timeout(Duration::from_millis(500), stream.read(&mut bytes)).await;
    Ok(read.is_ok_and(|read| read.is_ok_and(|read| read > 0)))
}
