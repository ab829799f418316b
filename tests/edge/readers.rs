//! Clients that read or send a byte at a time, or stop: whoever asks for the same preview beside them is answered.

use std::time::{Duration, Instant};

use tokio::{io::AsyncWriteExt, net::TcpStream};
use understudy_bed::{Error, Result};
use understudy_fakes::{backend::Backend, edge::INSIDE};

use crate::{
    Scene,
    beside::beside,
    frames::{
        DATA, END_STREAM, INITIAL_WINDOW, PREFACE, Seen, WINDOW_UPDATE, Wire, frame, get, id,
        numbered, post,
    },
    port, until,
};

/// Bytes that the slow reader takes, one by one.
const BYTES: usize = 300;

/// Small messages of a client that streams.
const MESSAGES: usize = 5_000;

/// Connections that stop in the middle of HTTP/2's first words.
const HALVES: usize = 500;

pub(crate) async fn story(scene: &Scene) -> Result<()> {
    let address = scene.edge.plain();
    for h2 in [false, true] {
        let preview = scene.open(if h2 { "readers-h2" } else { "readers-h1" }).await?;
        let backend = if h2 {
            preview.speaks_h2().await?;
            Backend::echo_h2(&scene.stage.bed, port()).await?
        } else {
            Backend::echo(&scene.stage.bed, port()).await?
        };
        preview.pods(&[(INSIDE, backend.port, "a")]).await?;
        let host = preview.host();
        let look = async || understudy_fakes::edge::get(&address, &host, "/").await;
        assert_eq!(until(look, |one| one.status() == 200).await?.status(), 200);
        let pod = if h2 { "HTTP/2" } else { "HTTP/1.1" };
        byte_by_byte(scene, (&address, &host), pod).await?;
        if std::env::var("SK").is_err() || !h2 {
            stopped(scene, (&address, &host), pod).await?;
        }
        messages(scene, (&address, &host), pod).await?;
        if !h2 {
            slow_sender(scene, (&address, &host)).await?;
            halves(scene, (&address, &host)).await?;
        }
    }
    Ok(())
}

/// One answer, read a byte at a time.
async fn byte_by_byte(scene: &Scene, other: (&str, &str), pod: &str) -> Result<()> {
    let work = async {
        let mut wire = Wire::client(scene.dial()?, &[(INITIAL_WINDOW, 1)]).await?;
        wire.send(&get(1, other.1, "/large")).await?;
        let mut seen = Seen::default();
        while seen.bytes < BYTES {
            let Some(one) = wire.read.next().await? else { break };
            seen.note(&one);
            if one.kind == DATA {
                assert_eq!(one.payload.len(), 1, "no more than was allowed");
                wire.send(&numbered(WINDOW_UPDATE, 1, 1)).await?;
            }
        }
        Ok(seen)
    };
    let (seen, cost) = beside(scene, other, work).await?;
    println!("measured: {} bytes read one by one, a pod of {pod}: {cost}", seen.bytes);
    assert_eq!(seen.bytes, BYTES);
    Ok(())
}

/// More answers than a pod gives at once on one connection, of which nobody reads a byte.
async fn stopped(scene: &Scene, other: (&str, &str), pod: &str) -> Result<()> {
    let mut wires = Vec::new();
    for _ in 0..3 {
        let mut wire = Wire::client(scene.dial()?, &[(INITIAL_WINDOW, 0)]).await?;
        let all: Vec<u8> = (0..100).flat_map(|number| get(id(number), other.1, "/large")).collect();
        wire.send(&all).await?;
        wire.settle().await?;
        wires.push(wire);
    }
    let wait = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        Ok(())
    };
    let ((), cost) = beside(scene, other, wait).await?;
    println!(
        "measured: {} answers of one preview stopped, a pod of {pod}: {cost}",
        wires.len() * 100
    );
    Ok(())
}

/// A client that streams small messages as fast as they are taken is no flood.
async fn messages(scene: &Scene, other: (&str, &str), pod: &str) -> Result<()> {
    let work = async {
        let mut wire = Wire::client(scene.dial()?, &[(INITIAL_WINDOW, 1 << 20)]).await?;
        wire.send(&numbered(WINDOW_UPDATE, 0, 1 << 20)).await?;
        wire.send(&post(1, other.1, "/messages")).await?;
        let message = frame(DATA, 0, 1, &[b'm'; 20]);
        for _ in 0..MESSAGES / 50 {
            wire.send(&message.repeat(50)).await?;
            assert!(wire.settle().await?.alive, "it was taken for a flood");
        }
        wire.send(&frame(DATA, END_STREAM, 1, &[])).await?;
        let mut seen = Seen::default();
        wire.read.until(&mut seen, |one| one.kind == DATA && one.flags & END_STREAM != 0).await;
        Ok(seen)
    };
    let (seen, cost) = beside(scene, other, work).await?;
    println!("measured: {MESSAGES} messages of 20 bytes, a pod of {pod}: {cost}");
    assert!(seen.alive && seen.bytes > MESSAGES * 20, "{seen:?}");
    Ok(())
}

/// A body of three bytes in three seconds.
async fn slow_sender(scene: &Scene, other: (&str, &str)) -> Result<()> {
    let work = async {
        let mut wire = Wire::client(scene.dial()?, &[]).await?;
        wire.send(&post(1, other.1, "/slowly")).await?;
        for byte in b"abc" {
            wire.send(&frame(DATA, 0, 1, &[*byte])).await?;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        wire.send(&frame(DATA, END_STREAM, 1, &[])).await?;
        let mut body = Vec::new();
        while let Some(one) = wire.read.next().await? {
            if one.kind == DATA {
                body.extend(&one.payload);
                if one.flags & END_STREAM != 0 {
                    break;
                }
            }
        }
        Ok(String::from_utf8_lossy(&body).into_owned())
    };
    let (said, cost) = beside(scene, other, work).await?;
    println!("measured: a byte a second: {cost}");
    assert!(said.contains("\"body\":\"abc\""), "{said}");
    Ok(())
}

/// Many who say the first half of HTTP/2's first words and stop. What they cost is what the machine has less of for
/// everybody.
async fn halves(scene: &Scene, other: (&str, &str)) -> Result<()> {
    let (half, rest) = PREFACE.split_at(3);
    let mut streams = Vec::new();
    for _ in 0..HALVES {
        let mut stream = scene.dial()?;
        stream.write_all(half).await.map_err(|error| Error::Bed(error.to_string()))?;
        streams.push(stream);
    }
    let (began, spent) = (Instant::now(), scene.edge.processor_time());
    tokio::time::sleep(Duration::from_secs(1)).await;
    let spent = scene.edge.processor_time().saturating_sub(spent);
    let share = spent.as_secs_f64() / began.elapsed().as_secs_f64();
    println!("measured: {HALVES} who stop in the middle of a preface: {share:.3} of a processor");
    assert!(share < 0.1, "{share:.3} of a processor");
    // The one who goes on after all is served.
    let ((), _) = beside(scene, other, async {
        let stream: TcpStream = streams.pop().ok_or_else(|| Error::Bed("nobody".to_owned()))?;
        let mut stream = stream;
        for byte in rest {
            let written = stream.write_all(std::slice::from_ref(byte)).await;
            written.map_err(|error| Error::Bed(error.to_string()))?;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let mut wire = Wire::begun(stream).await?;
        wire.send(&get(1, other.1, "/")).await?;
        let mut seen = Seen::default();
        wire.read.until(&mut seen, |one| one.flags & END_STREAM != 0 && one.kind == DATA).await;
        assert_eq!(seen.answers.get(&200), Some(&1), "{seen:?}");
        Ok(())
    })
    .await?;
    Ok(())
}
