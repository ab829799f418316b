//! Floods of small frames of HTTP/2: each ends the connection it comes on, or costs what is printed.

use std::collections::BTreeMap;

use tokio::io::AsyncWriteExt;
use understudy_bed::{Error, Result};
use understudy_fakes::backend::Backend;

use crate::{
    Scene,
    beside::beside,
    frames::{
        CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, HEADERS, INITIAL_WINDOW,
        NO_ERROR, PING, PRIORITY, PROTOCOL_ERROR, PUSH_PROMISE, RESET, SETTINGS, Seen,
        WINDOW_UPDATE, Wire, frame, get, id, numbered, post, remembered, request, settings,
    },
    port,
};

/// How much more memory the edge may hold during any of them, in KiB.
const GROWTH: u64 = 24 << 10;

/// How many times a flood repeats itself: one that is given up, and one that is borne and should cost enough to tell.
const TIMES: usize = 10_000;
const BORNE: usize = 100_000;

/// How one ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The edge gives the connection up, with that code, before all of it was taken.
    Away(u32),
    /// The edge bears all of it.
    Borne,
}

/// The same again and again on one connection.
struct Flood {
    name: &'static str,
    /// What comes before it.
    first: Vec<u8>,
    /// The frames of one time, by its number.
    again: Box<dyn Fn(usize) -> Vec<u8> + Send + Sync>,
    times: usize,
    end: End,
}

fn flood(
    name: &'static str,
    first: Vec<u8>,
    end: End,
    again: impl Fn(usize) -> Vec<u8> + Send + Sync + 'static,
) -> Flood {
    let times = if end == End::Borne { BORNE } else { TIMES };
    Flood { name, first, again: Box::new(again), times, end }
}

pub(crate) async fn story(scene: &Scene) -> Result<()> {
    let backend = Backend::echo(&scene.stage.bed, port()).await?;
    let (_, host) = scene.serve("floods-web", &backend).await?;
    let other = Backend::echo(&scene.stage.bed, port()).await?;
    let (address, beside) = scene.serve("floods-other", &other).await?;
    let mut wrong = Vec::new();
    for one in [heads(&host), bodies(&host), asides(&host), resets(&host)].into_iter().flatten() {
        if let Err(error) = told(scene, (&address, &beside), &one).await {
            wrong.push(format!("{}: {error}", one.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// Heads that never end, or say nothing, or say far more than they are long.
fn heads(host: &str) -> Vec<Flood> {
    let calm = End::Away(ENHANCE_YOUR_CALM);
    let open = |host: &str| frame(HEADERS, END_STREAM, 1, &request("GET", host, "/"));
    // One field of 4,000 bytes in the table, named by one byte each time after: 16 KB that say 40 MB.
    let bomb = [remembered("x", &"y".repeat(4000)), vec![0xbe; 10_000]].concat();
    let bomb = [request("GET", host, "/"), bomb].concat();
    // Sizes of the table, each of which is one byte.
    let sizes = [vec![0x20; 8000], request("GET", host, "/")].concat();
    vec![
        flood("CONTINUATION without an end", open(host), calm, |_| {
            frame(CONTINUATION, 0, 1, &[0; 16])
        }),
        flood("empty CONTINUATION", open(host), calm, |_| frame(CONTINUATION, 0, 1, &[])),
        flood("empty HEADERS", vec![], calm, |number| {
            frame(HEADERS, END_STREAM | END_HEADERS, id(number), &[])
        }),
        Flood {
            times: 100,
            ..flood("fields of a table", vec![], calm, move |number| {
                frame(HEADERS, END_STREAM | END_HEADERS, id(number), &bomb)
            })
        },
        Flood {
            times: 100,
            ..flood("sizes of a table", vec![], End::Borne, move |number| {
                frame(HEADERS, END_STREAM | END_HEADERS, id(number), &sizes)
            })
        },
    ]
}

/// Bodies in pieces that hold next to nothing.
fn bodies(host: &str) -> Vec<Flood> {
    let calm = End::Away(ENHANCE_YOUR_CALM);
    vec![
        flood("empty DATA", post(1, host, "/"), calm, |_| frame(DATA, 0, 1, &[])),
        flood("DATA of padding", post(1, host, "/"), calm, |_| frame(DATA, 8, 1, &[3, 0, 0, 0])),
        // Those that a preview takes in time are forgiven.
        flood("DATA of one byte", post(1, host, "/"), calm, |_| frame(DATA, 0, 1, b"x")),
    ]
}

/// Frames that are about the connection. They cost what they cost.
fn asides(host: &str) -> Vec<Flood> {
    let open: Vec<u8> = (0..100).flat_map(|number| post(id(number), host, "/")).collect();
    vec![
        flood("empty SETTINGS", vec![], End::Borne, |_| frame(SETTINGS, 0, 0, &[])),
        Flood {
            times: 20_000,
            ..flood("windows of a hundred streams", open, End::Borne, |number| {
                settings(&[(INITIAL_WINDOW, 1000 + u32::from(number % 2 == 0))])
            })
        },
        flood("PING", vec![], End::Borne, |_| frame(PING, 0, 0, &[7; 8])),
        flood("PRIORITY", vec![], End::Borne, |_| frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 0])),
        flood("a byte of window", vec![], End::Borne, |_| numbered(WINDOW_UPDATE, 0, 1)),
        flood("frames nobody knows", vec![], End::Borne, |_| frame(0x42, 0, 0, &[0; 8])),
        flood("PUSH_PROMISE", get(1, host, "/"), End::Away(PROTOCOL_ERROR), |_| {
            frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2])
        }),
    ]
}

/// Streams that are opened and reset, by the client or, made to, by the edge. Some of the latter end the connection
/// at once, which is more than asked for (RFC 9113, 5.4.1) and does as well.
fn resets(host: &str) -> Vec<Flood> {
    let (calm, wrong) = (End::Away(ENHANCE_YOUR_CALM), End::Away(PROTOCOL_ERROR));
    let own = |make: fn(u32, &str) -> Vec<u8>| {
        let host = host.to_owned();
        move |number: usize| make(id(number), &host)
    };
    vec![
        flood(
            "rapid reset",
            vec![],
            calm,
            own(|id, host| [get(id, host, "/"), numbered(RESET, id, 8)].concat()),
        ),
        flood(
            "made to reset: a window of nothing",
            vec![],
            wrong,
            own(|id, host| [post(id, host, "/"), numbered(WINDOW_UPDATE, id, 0)].concat()),
        ),
        flood(
            "made to reset: a window beyond numbers",
            vec![],
            calm,
            own(|id, host| {
                [post(id, host, "/"), numbered(WINDOW_UPDATE, id, (1 << 31) - 1)].concat()
            }),
        ),
        flood(
            "made to reset: DATA after the end",
            vec![],
            wrong,
            own(|id, host| [get(id, host, "/"), frame(DATA, 0, id, b"x")].concat()),
        ),
        flood(
            "made to reset: a second head",
            vec![],
            wrong,
            own(|id, host| [post(id, host, "/"), post(id, host, "/")].concat()),
        ),
        flood(
            "made to reset: its own parent",
            vec![],
            calm,
            own(|id, host| {
                [
                    post(id, host, "/"),
                    frame(PRIORITY, 0, id, &[&id.to_be_bytes()[..], &[0]].concat()),
                ]
                .concat()
            }),
        ),
    ]
}

async fn told(scene: &Scene, other: (&str, &str), one: &Flood) -> Result<()> {
    let ((sent, seen), cost) = beside(scene, other, pour(scene, one)).await?;
    println!(
        "measured: {}: {sent} of {} times, {}, {cost}",
        one.name,
        one.times,
        seen.away.map_or_else(|| "borne".to_owned(), |code| format!("given up with {code}")),
    );
    let ends = match one.end {
        End::Away(code) => seen.away == Some(code) && !seen.alive,
        End::Borne => {
            seen.away.is_none_or(|code| code == NO_ERROR) && seen.alive && sent == one.times
        }
    };
    if !ends {
        return Err(Error::Bed(format!("{:?} instead of {:?}", brief(&seen), one.end)));
    }
    if cost.growth() > GROWTH {
        return Err(Error::Bed(format!("{} KiB more", cost.growth())));
    }
    Ok(())
}

fn brief(seen: &Seen) -> (bool, Option<u32>, &BTreeMap<u16, usize>, &BTreeMap<u32, usize>) {
    (seen.alive, seen.away, &seen.answers, &seen.resets)
}

/// Writes all of it for as long as it is taken, and reads all the while; how many times it was taken.
async fn pour(scene: &Scene, one: &Flood) -> Result<(usize, Seen)> {
    let mut wire = Wire::client(scene.dial()?, &[]).await?;
    wire.send(&one.first).await?;
    let Wire { mut read, mut write } = wire;
    let mark = *b"all done";
    let write = async {
        let mut sent = 0;
        while sent < one.times {
            let until = (sent + 100).min(one.times);
            let bytes: Vec<u8> = (sent..until).flat_map(|number| (one.again)(number)).collect();
            if write.write_all(&bytes).await.is_err() {
                return sent;
            }
            sent = until;
        }
        let _ = write.write_all(&frame(PING, 0, 0, &mark)).await;
        sent
    };
    let read = async {
        let mut seen = Seen::default();
        read.until(&mut seen, |frame| frame.kind == PING && frame.payload == mark).await;
        seen
    };
    Ok(tokio::join!(write, read))
}
