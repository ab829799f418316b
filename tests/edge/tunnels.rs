//! Tunnels: bytes of both sides at once, one side that ends before the other, a thousand that say nothing, and what
//! the kernel was told about those whose client is gone.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future::try_join_all;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use understudy_bed::{Error, Result};
use understudy_fakes::{
    backend::{AsyncAnswer, Backend},
    edge::{get, upgrade},
};

use crate::{Scene, port, until};

/// What goes each way at once.
const SIZE: usize = 8 << 20;

/// How many say nothing.
const IDLE: usize = 1_000;

/// What one of those may hold, in KiB.
const EACH: u64 = 48;

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Bed(error.to_string())
}

pub(crate) async fn story(scene: &Scene) -> Result<()> {
    // First, while what an allocator keeps is still small.
    idle(scene).await?;
    both_ways(scene).await?;
    half_closed(scene).await
}

/// Bytes that no compression and no mix-up leaves as they are (Marsaglia, "Xorshift RNGs", 2003).
fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let words = std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.take(SIZE / 8).flatten().collect()
}

/// Reads a head to its end and nothing beyond it.
async fn head(stream: &mut TcpStream) -> Result<String> {
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n") {
        seen.push(stream.read_u8().await.map_err(failed)?);
    }
    Ok(String::from_utf8_lossy(&seen).into_owned())
}

/// What a pod does once the protocol is changed.
#[derive(Debug, Clone)]
enum Act {
    /// Sends noise, takes noise, and says whether it was the right one.
    Noise(Arc<AtomicBool>),
    /// Listens to the end, and says only then what it heard.
    Last,
    /// Says something and that it has nothing more to say, and listens to the end; whether it heard all.
    First(Arc<AtomicBool>),
    /// Sends back what it gets.
    Echo,
}

impl AsyncAnswer for Act {
    async fn serve(&self, mut stream: TcpStream) {
        let Ok(asked) = head(&mut stream).await else { return };
        let answer = if asked.to_lowercase().contains("upgrade: websocket") {
            "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n"
        } else {
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        };
        if stream.write_all(answer.as_bytes()).await.is_ok() && answer.contains(" 101 ") {
            let _ = self.carry(stream).await;
        }
    }
}

impl Act {
    async fn carry(&self, mut stream: TcpStream) -> std::io::Result<()> {
        match self {
            Self::Noise(right) => {
                let (mine, theirs, mut got) = (noise(1), noise(2), vec![0; SIZE]);
                let (mut read, mut write) = stream.split();
                let (written, taken) =
                    tokio::join!(write.write_all(&mine), read.read_exact(&mut got));
                written?;
                taken?;
                right.store(got == theirs, Ordering::Release);
                write.write_all(b"!").await
            }
            Self::Last => {
                let mut heard = Vec::new();
                stream.read_to_end(&mut heard).await?;
                stream.write_all(&heard).await?;
                stream.shutdown().await
            }
            Self::First(heard) => {
                stream.write_all(b"that is all").await?;
                stream.shutdown().await?;
                let mut rest = Vec::new();
                stream.read_to_end(&mut rest).await?;
                heard.store(rest == noise(3), Ordering::Release);
                Ok(())
            }
            Self::Echo => {
                let (mut read, mut write) = stream.split();
                tokio::io::copy(&mut read, &mut write).await.map(drop)
            }
        }
    }
}

/// A tunnel to a host.
async fn open(scene: &Scene, host: &str) -> Result<TcpStream> {
    upgrade(scene.dial()?, host).await
}

/// Noise both ways at the same time: byte by byte what was sent.
async fn both_ways(scene: &Scene) -> Result<()> {
    let right = Arc::new(AtomicBool::new(false));
    let act = Act::Noise(Arc::clone(&right));
    let backend = Backend::start(&scene.stage.bed, port(), act).await?;
    let (_, host) = scene.serve("noise", &backend).await?;
    let mut stream = open(scene, &host).await?;
    let (mine, theirs, mut got) = (noise(2), noise(1), vec![0; SIZE]);
    let began = Instant::now();
    let (mut read, mut write) = stream.split();
    let (written, taken) = tokio::join!(write.write_all(&mine), read.read_exact(&mut got));
    written.map_err(failed)?;
    taken.map_err(failed)?;
    assert_eq!(read.read_u8().await.map_err(failed)?, b'!', "the other side has all of it");
    println!("measured: 8 MiB each way at once in {} ms", began.elapsed().as_millis());
    assert!(got == theirs && right.load(Ordering::Acquire), "byte by byte");
    assert_ne!(mine, theirs);
    Ok(())
}

/// A side that has said all it has to say still hears all of the other.
async fn half_closed(scene: &Scene) -> Result<()> {
    let backend = Backend::start(&scene.stage.bed, port(), Act::Last).await?;
    let (_, host) = scene.serve("last", &backend).await?;
    let mut stream = open(scene, &host).await?;
    let said = noise(4);
    let (mut read, mut write) = stream.split();
    let speak = async {
        write.write_all(&said).await?;
        write.shutdown().await
    };
    let mut back = Vec::new();
    let (spoken, heard) = tokio::join!(speak, read.read_to_end(&mut back));
    spoken.map_err(failed)?;
    heard.map_err(failed)?;
    assert!(back == said, "{} of {} bytes after the client's end", back.len(), said.len());
    let heard = Arc::new(AtomicBool::new(false));
    let act = Act::First(Arc::clone(&heard));
    let backend = Backend::start(&scene.stage.bed, port(), act).await?;
    let (_, host) = scene.serve("first", &backend).await?;
    let mut stream = open(scene, &host).await?;
    let mut back = Vec::new();
    stream.read_to_end(&mut back).await.map_err(failed)?;
    assert_eq!(back, b"that is all");
    stream.write_all(&noise(3)).await.map_err(failed)?;
    stream.shutdown().await.map_err(failed)?;
    let heard = until(async || Ok(heard.load(Ordering::Acquire)), |heard| *heard).await?;
    assert!(heard, "the pod heard what was said after its own end");
    Ok(())
}

/// How many tunnels the edge says there are.
async fn tunnels(scene: &Scene) -> Result<usize> {
    let answer = get(&scene.edge.admin(), "localhost", "/metrics").await?;
    let text = String::from_utf8_lossy(answer.body()).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("understudy_edge_tunnels "));
    line.and_then(|count| count.parse().ok()).ok_or_else(|| failed("no count of tunnels"))
}

async fn idle(scene: &Scene) -> Result<()> {
    let backend = Backend::start(&scene.stage.bed, port(), Act::Echo).await?;
    let (_, host) = scene.serve("idle", &backend).await?;
    let before = scene.edge.memory_kib();
    let mut all = Vec::new();
    while all.len() < IDLE {
        all.extend(try_join_all((0..50).map(|_| open(scene, &host))).await?);
    }
    let held = scene.edge.memory_kib().saturating_sub(before);
    let spent = scene.edge.processor_time();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let spent = scene.edge.processor_time().saturating_sub(spent);
    let each = held / IDLE as u64;
    println!(
        "measured: {IDLE} idle tunnels: {each} KiB each, {} ms of processors in a second",
        spent.as_millis()
    );
    assert!(each < EACH, "{each} KiB each");
    let watched = watched(scene, backend.port)?;
    println!(
        "measured: {watched:?} of those connections are asked by the kernel whether anybody is there"
    );
    assert_eq!(watched, (IDLE, IDLE), "of clients and of pods");
    for stream in &mut all {
        stream.write_all(b"x").await.map_err(failed)?;
        assert_eq!(stream.read_u8().await.map_err(failed)?, b'x');
    }
    drop(all);
    let left = until(async || tunnels(scene).await, |count| *count == 0).await?;
    assert_eq!(left, 0);
    Ok(())
}

/// Connections of the edge, to clients and to that port of a pod, whose keep-alive timer runs and will fire within a
/// minute (proc(5), `net/tcp`: timer 2, and when in hundredths of a second).
fn watched(scene: &Scene, pod: u16) -> Result<(usize, usize)> {
    let pid = scene.edge.pid().map_or(0, |pid| pid.as_raw_nonzero().get());
    let table = std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).map_err(failed)?;
    let own = scene.edge.inside().rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    let ends = |address: &str, port: u16| address.ends_with(&format!(":{port:04X}"));
    let mut found = (0, 0);
    for line in table.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, local, remote, "01", _, timer, ..] = fields.as_slice() else { continue };
        let runs = timer.strip_prefix("02:").and_then(|when| u64::from_str_radix(when, 16).ok());
        if runs.is_none_or(|when| when > 6000) {
            continue;
        }
        found.0 += usize::from(own.is_some_and(|port| ends(local, port)));
        found.1 += usize::from(ends(remote, pod));
    }
    Ok(found)
}
