//! Pods that speak HTTP/2 as nobody should: their visitor is told that something went wrong, or gets what is whole,
//! and other previews do not notice.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use futures::future::join_all;
use tokio::net::TcpStream;
use understudy_bed::{Error, Result};
use understudy_fakes::{
    backend::{AsyncAnswer, Backend},
    edge::{INSIDE, get, get_each_h2},
};

use crate::{
    Scene,
    beside::beside,
    frames::{
        ACK, CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, HEADERS, INITIAL_WINDOW,
        MAX_STREAMS, NO_ERROR, PING, PUSH_PROMISE, REFUSED_STREAM, RESET, SETTINGS, Seen, Wire,
        field, frame, goaway, id, numbered, settings,
    },
    port, scene, until,
};

/// What the visitor gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gets {
    /// This status, and all of its body.
    Whole(u16),
    /// The beginning of an answer, and then the end of the connection or of the stream.
    Cut,
    /// Either that, or 502 where the end overtook the beginning.
    Broken,
}

impl Gets {
    fn is(self, found: Self) -> bool {
        self == found || (self == Self::Broken && matches!(found, Self::Cut | Self::Whole(502)))
    }
}

/// What a pod says to the head of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Says {
    /// That it leaves, and has not looked at the request.
    Goodbye,
    /// That it leaves, and a whole answer after it.
    GoodbyeAndAnswer,
    /// Half of an answer, and that it leaves.
    HalfAndGoodbye,
    /// A reset of that code.
    Reset(u32),
    /// Half of an answer and a reset of that code.
    HalfAndReset(u32),
    /// Nothing, for ever.
    Nothing,
    /// A head of so many bytes.
    Head(usize),
    /// A promise nobody asked for.
    Promise,
    /// A change to another protocol.
    Switch,
    /// More than the length that it said.
    TooMuch,
    /// Pieces that hold nothing.
    Empties,
    /// Fields that would end the head if they were passed on as they are.
    Smuggled,
    /// No status.
    NoStatus,
    /// A hundred thousand pings, and then an answer.
    Pings,
    /// As many bytes as it may, each in a frame of its own.
    Crumbs,
    /// HTTP/1.1.
    Other,
}

const CASES: [(&str, Says, Gets); 19] = [
    ("goodbye", Says::Goodbye, Gets::Whole(502)),
    ("graceful", Says::GoodbyeAndAnswer, Gets::Whole(200)),
    ("midway", Says::HalfAndGoodbye, Gets::Broken),
    ("reset", Says::Reset(2), Gets::Whole(502)),
    ("refused", Says::Reset(REFUSED_STREAM), Gets::Whole(502)),
    ("resetmidway", Says::HalfAndReset(2), Gets::Broken),
    // To some libraries these are the end of a body.
    ("resetinpeace", Says::HalfAndReset(NO_ERROR), Gets::Broken),
    ("cancelled", Says::HalfAndReset(CANCEL), Gets::Broken),
    ("silent", Says::Nothing, Gets::Whole(504)),
    ("longhead", Says::Head(20 << 10), Gets::Whole(200)),
    ("longerhead", Says::Head(100 << 10), Gets::Whole(502)),
    ("longesthead", Says::Head(2 << 20), Gets::Whole(502)),
    ("promise", Says::Promise, Gets::Whole(502)),
    // It may say so as often as it likes before it answers (RFC 9113, 8.6).
    ("switch", Says::Switch, Gets::Whole(504)),
    ("toomuch", Says::TooMuch, Gets::Broken),
    ("empties", Says::Empties, Gets::Broken),
    ("smuggled", Says::Smuggled, Gets::Whole(502)),
    ("nostatus", Says::NoStatus, Gets::Whole(502)),
    ("other", Says::Other, Gets::Whole(502)),
];

pub(crate) async fn story() -> Result<()> {
    let scene = scene("pods", &["--answer-timeout=1s"]).await?;
    let backend = Backend::echo(&scene.stage.bed, port()).await?;
    let (address, other) = scene.serve("beside", &backend).await?;
    let other = (address.as_str(), other.as_str());
    let work = async {
        let all = CASES.iter().map(async |(name, says, gets)| {
            let told = told(&scene, name, *says, *gets).await;
            told.err().map(|error| format!("{name}: {error}"))
        });
        Ok(join_all(all).await.into_iter().flatten().collect::<Vec<String>>())
    };
    let (wrong, cost) = beside(&scene, other, work).await?;
    println!("measured: {} pods that speak HTTP/2 badly: {cost}", CASES.len());
    pings(&scene, other).await?;
    deaf(&scene, other).await?;
    crumbs(&scene, other).await?;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cost.growth() < 32 << 10, "{cost}");
    Ok(())
}

/// A pod that says this to every request; its host.
pub(crate) async fn pod(scene: &Scene, name: &str, says: Says) -> Result<(String, Backend)> {
    let preview = scene.open(name).await?;
    preview.speaks_h2().await?;
    let heard = Arc::new(AtomicBool::new(false));
    let pod = Pod { says, heard: Arc::clone(&heard) };
    let backend = Backend::start(&scene.stage.bed, port(), pod).await?;
    preview.pods(&[(INSIDE, backend.port, "a")]).await?;
    let (address, host) = (scene.edge.plain(), preview.host());
    // What it speaks and where it is are seen one after the other.
    let heard = until(
        async || {
            let _ = get(&address, &host, "/").await;
            Ok(heard.load(Ordering::Acquire))
        },
        |heard| *heard,
    );
    assert!(heard.await?, "{name} is spoken to in HTTP/2");
    Ok((host, backend))
}

async fn told(scene: &Scene, name: &str, says: Says, gets: Gets) -> Result<()> {
    let (host, _backend) = pod(scene, name, says).await?;
    let address = scene.edge.plain();
    let (found, said) = match get(&address, &host, "/").await {
        Ok(answer) => (Gets::Whole(answer.status().as_u16()), answer.into_body()),
        Err(_) => (Gets::Cut, Bytes::new()),
    };
    let again = match get_each_h2(&address, &host, &["/".to_owned()]).await.as_deref() {
        Ok([(status, _)]) => Gets::Whole(*status),
        _ => Gets::Cut,
    };
    let said = String::from_utf8_lossy(&said).into_owned();
    if !gets.is(found) || !gets.is(again) || said.contains("stolen") {
        return Err(Error::Bed(format!("{found:?}, over HTTP/2 {again:?}: {said}")));
    }
    Ok(())
}

struct Pod {
    says: Says,
    /// Whether it was spoken to in HTTP/2 yet.
    heard: Arc<AtomicBool>,
}

impl AsyncAnswer for Pod {
    async fn serve(&self, stream: TcpStream) {
        // It ends when the edge leaves, as it does with most of these.
        let _ = self.speak(stream).await;
    }
}

impl Pod {
    async fn speak(&self, stream: TcpStream) -> Result<()> {
        let mut wire = Wire::heard(stream).await?;
        self.heard.store(true, Ordering::Release);
        if matches!(self.says, Says::Other) {
            return wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nstolen").await;
        }
        wire.send(&settings(&[(MAX_STREAMS, 100)])).await?;
        let mut window = 65_535;
        while let Some(one) = wire.read.next().await? {
            window = initial_window(&one).unwrap_or(window);
            if one.kind == SETTINGS && one.flags & ACK == 0 {
                // What it allows counts from here on.
                wire.send(&frame(SETTINGS, ACK, 0, &[])).await?;
            }
            if one.kind != HEADERS {
                continue;
            }
            let bytes = self.words(one.stream, window);
            wire.send(&bytes).await?;
            if matches!(self.says, Says::Goodbye | Says::HalfAndGoodbye | Says::GoodbyeAndAnswer) {
                return Ok(());
            }
        }
        Ok(())
    }

    fn words(&self, stream: u32, window: usize) -> Vec<u8> {
        let ok = frame(HEADERS, END_HEADERS, stream, &[0x88]);
        let half = [ok.clone(), frame(DATA, 0, stream, b"half")].concat();
        let whole = [ok.clone(), frame(DATA, END_STREAM, stream, b"whole")].concat();
        let head = |fields: &[Vec<u8>]| frame(HEADERS, END_HEADERS, stream, &fields.concat());
        match self.says {
            Says::Goodbye => goaway(0, NO_ERROR),
            Says::GoodbyeAndAnswer => [goaway(stream, NO_ERROR), whole].concat(),
            Says::HalfAndGoodbye => [half, goaway(stream, 2)].concat(),
            Says::Reset(code) => numbered(RESET, stream, code),
            Says::HalfAndReset(code) => [half, numbered(RESET, stream, code)].concat(),
            Says::Nothing | Says::Other => Vec::new(),
            Says::Head(size) => {
                [long(stream, size), frame(DATA, END_STREAM, stream, b"whole")].concat()
            }
            Says::Promise => frame(PUSH_PROMISE, END_HEADERS, stream, &[0, 0, 0, 2, 0x82]),
            Says::Switch => head(&[field(":status", "101")]),
            Says::TooMuch => [
                head(&[vec![0x88], field("content-length", "5")]),
                frame(DATA, END_STREAM, stream, b"hellostolen"),
            ]
            .concat(),
            Says::Empties => [ok, frame(DATA, 0, stream, &[]).repeat(10_000)].concat(),
            Says::Smuggled => head(&[vec![0x88], field("x", "a\r\n\r\nstolen")]),
            Says::NoStatus => head(&[field("x", "a")]),
            Says::Pings => [frame(PING, 0, 0, &[1; 8]).repeat(100_000), whole].concat(),
            Says::Crumbs => [ok, frame(DATA, 0, stream, b"x").repeat(window)].concat(),
        }
    }
}

/// The window of a new stream, if these are settings that say so.
fn initial_window(one: &Frame) -> Option<usize> {
    if one.kind != SETTINGS {
        return None;
    }
    let mut all = one.payload.chunks_exact(6);
    all.find_map(|setting| match *setting {
        [0, 4, a, b, c, d] => usize::try_from(u32::from_be_bytes([a, b, c, d])).ok(),
        _ => None,
    })
}

/// A head of about so many bytes, in as many frames as it takes.
fn long(stream: u32, size: usize) -> Vec<u8> {
    let one = field("x", &"y".repeat(1000));
    let fields = [vec![0x88], one.repeat(size / one.len())].concat();
    let pieces: Vec<&[u8]> = fields.chunks(16 << 10).collect();
    let last = pieces.len().saturating_sub(1);
    let frames = pieces.iter().enumerate().flat_map(|(number, piece)| {
        let kind = if number == 0 { HEADERS } else { CONTINUATION };
        frame(kind, if number == last { END_HEADERS } else { 0 }, stream, piece)
    });
    frames.collect()
}

/// A pod that pings without end is borne, and what it costs is told.
async fn pings(scene: &Scene, other: (&str, &str)) -> Result<()> {
    let (host, _pod) = pod(scene, "pings", Says::Pings).await?;
    let work =
        async { until(async || get(other.0, &host, "/").await, |one| one.status() == 200).await };
    let (answer, cost) = beside(scene, other, work).await?;
    println!("measured: 100000 pings of a pod: {cost}");
    assert_eq!(answer.body().as_ref(), b"whole");
    assert!(cost.growth() < 8 << 10, "{cost}");
    Ok(())
}

/// A pod that reads no body: the client is told so in the end, and the edge holds no more than a window of it.
async fn deaf(scene: &Scene, other: (&str, &str)) -> Result<()> {
    let (host, _pod) = pod(scene, "deaf", Says::Nothing).await?;
    let work = async {
        let mut wire = Wire::client(scene.dial()?, &[]).await?;
        // The connection's window is there once the edge has begun.
        wire.settle().await?;
        let mut bytes = Vec::new();
        for stream in (0..100).map(id) {
            bytes.extend(crate::frames::post(stream, &host, "/"));
            bytes.extend(frame(DATA, 0, stream, &[0; 10_000]));
        }
        wire.send(&bytes).await?;
        let mut seen = Seen::default();
        while seen.answers.get(&999).is_none_or(|bad| *bad < 100) {
            let Some(one) = wire.read.next().await? else { break };
            seen.note(&one);
        }
        Ok(seen)
    };
    let (seen, cost) = beside(scene, other, work).await?;
    println!("measured: 100 bodies that a pod does not read: {cost}");
    assert_eq!(seen.answers, BTreeMap::from([(999, 100)]), "{seen:?}");
    assert!(cost.growth() < 32 << 10, "{cost}");
    Ok(())
}

/// A pod that sends its answers in crumbs, to visitors that do not read them: what is held for each crumb is far more
/// than the crumb.
async fn crumbs(scene: &Scene, other: (&str, &str)) -> Result<()> {
    let (host, _pod) = pod(scene, "crumbs", Says::Crumbs).await?;
    let work = async {
        let mut wire = Wire::client(scene.dial()?, &[(INITIAL_WINDOW, 0)]).await?;
        let all: Vec<u8> =
            (0..8).flat_map(|number| crate::frames::get(id(number), &host, "/")).collect();
        wire.send(&all).await?;
        let mut begun = 0;
        while begun < 8 {
            let Some(one) = wire.read.next().await? else { break };
            begun += usize::from(matches!(one.kind, HEADERS | RESET));
        }
        crate::streams::steady(scene).await;
        Ok((begun, wire))
    };
    let ((begun, _), cost) = beside(scene, other, work).await?;
    println!("measured: {begun} answers in crumbs that nobody reads: {cost}");
    assert!(cost.growth() < 64 << 10, "{cost}");
    Ok(())
}
