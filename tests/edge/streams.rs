//! Many streams of one connection of HTTP/2: one after another, at once, reset as soon as they begin, and never read.
//! What is beyond the bound is refused, and the rest of the world does not notice.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{io::AsyncReadExt, net::TcpStream};
use understudy_bed::Result;
use understudy_fakes::{
    backend::{AsyncAnswer, Backend},
    edge::INSIDE,
};

use crate::{
    Scene,
    beside::beside,
    frames::{
        DATA, END_STREAM, ENHANCE_YOUR_CALM, GOAWAY, HEADERS, INITIAL_WINDOW, MOST, REFUSED_STREAM,
        RESET, Seen, WINDOW_UPDATE, Wire, get, id, numbered,
    },
    port, until,
};

/// Streams of a connection that the edge takes at once, as it says in its settings.
pub(crate) const STREAMS: usize = 128;

/// How many are opened one after another, and how many at once.
const MANY: usize = 10_000;

/// How many are opened and reset without haste.
const RESETS: usize = 1_000;

pub(crate) async fn story(scene: &Scene) -> Result<()> {
    let backend = Backend::echo(&scene.stage.bed, port()).await?;
    let (address, other) = scene.serve("streams-other", &backend).await?;
    let other = (address.as_str(), other.as_str());
    let web = Backend::echo(&scene.stage.bed, port()).await?;
    let (_, host) = scene.serve("streams-web", &web).await?;
    in_succession(scene, other, &host).await?;
    let silent = Silent::default();
    let mute = Backend::start(&scene.stage.bed, port(), silent.clone()).await?;
    let preview = scene.open("mute").await?;
    preview.pods(&[(INSIDE, mute.port, "a")]).await?;
    at_once(scene, other, (&preview.host(), &silent)).await?;
    reset_without_haste(scene, other, (&preview.host(), &silent)).await?;
    unread(scene, other, (&host, 2 * 64)).await?;
    let preview = scene.open("streams-h2").await?;
    preview.speaks_h2().await?;
    let h2 = Backend::echo_h2(&scene.stage.bed, port()).await?;
    preview.pods(&[(INSIDE, h2.port, "a")]).await?;
    until(
        async || understudy_fakes::edge::get(&address, &preview.host(), "/").await,
        |one| one.status() == 200,
    )
    .await?;
    unread(scene, other, (&preview.host(), 64 + 256)).await
}

/// A hundred at a time, the next one whenever one ended: all are answered.
async fn in_succession(scene: &Scene, other: (&str, &str), host: &str) -> Result<()> {
    let work = async {
        let mut wire = Wire::client(scene.dial()?, &[]).await?;
        wire.send(&numbered(WINDOW_UPDATE, 0, MOST - (1 << 16))).await?;
        let mut seen = Seen::default();
        let mut begun = 0;
        while seen.ended < MANY {
            let next = (seen.ended + 100).min(MANY);
            let bytes: Vec<u8> =
                (begun..next).flat_map(|number| get(id(number), host, "/")).collect();
            begun = next.max(begun);
            wire.send(&bytes).await?;
            let Some(one) = wire.read.next().await? else { break };
            seen.note(&one);
        }
        Ok(seen)
    };
    let start = Instant::now();
    let (seen, cost) = beside(scene, other, work).await?;
    println!(
        "measured: {MANY} streams one after another in {} ms: {cost}",
        start.elapsed().as_millis()
    );
    assert_eq!((seen.ended, seen.answers), (MANY, BTreeMap::from([(200, MANY)])));
    assert!(cost.growth() < 32 << 10, "{cost}");
    Ok(())
}

/// A backend that never answers and counts who waits.
#[derive(Debug, Clone, Default)]
struct Silent(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    now: AtomicUsize,
    most: AtomicUsize,
    all: AtomicUsize,
}

impl AsyncAnswer for Silent {
    async fn serve(&self, mut stream: TcpStream) {
        let now = self.0.now.fetch_add(1, Ordering::AcqRel) + 1;
        self.0.most.fetch_max(now, Ordering::AcqRel);
        self.0.all.fetch_add(1, Ordering::AcqRel);
        let mut bytes = [0; 4096];
        while stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
        self.0.now.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Silent {
    fn now(&self) -> usize {
        self.0.now.load(Ordering::Acquire)
    }

    async fn empty(&self) -> Result<()> {
        until(async || Ok(self.now()), |now| *now == 0).await.map(|left| assert_eq!(left, 0))
    }
}

/// As many as are allowed wait for their answer, the rest are refused, and who goes on is sent away.
async fn at_once(
    scene: &Scene,
    other: (&str, &str),
    (host, silent): (&str, &Silent),
) -> Result<()> {
    let work = async {
        let mut wire = Wire::client(scene.dial()?, &[]).await?;
        let some: Vec<u8> = (0..500).flat_map(|number| get(id(number), host, "/")).collect();
        wire.send(&some).await?;
        let few = wire.settle().await?;
        until(async || Ok(silent.now()), |now| *now == STREAMS).await?;
        let waiting = silent.now();
        let rest: Vec<u8> = (500..MANY).flat_map(|number| get(id(number), host, "/")).collect();
        let _ = wire.send(&rest).await;
        let all = wire.settle().await?;
        Ok((few, waiting, all))
    };
    let ((few, waiting, all), cost) = beside(scene, other, work).await?;
    println!(
        "measured: {MANY} streams at once: {waiting} wait, {:?} of 500 refused, of {MANY} {:?} until {:?}: {cost}",
        few.resets, all.resets, all.away
    );
    assert_eq!(
        (waiting, &few.resets),
        (STREAMS, &BTreeMap::from([(REFUSED_STREAM, 500 - STREAMS)]))
    );
    assert!(few.alive && !all.alive);
    assert_eq!(all.away, Some(ENHANCE_YOUR_CALM));
    assert!(cost.growth() < 24 << 10, "{cost}");
    // With the connection went those who waited.
    silent.empty().await
}

/// Streams that are reset once their pod has them, ten at a time: nothing that a client in good faith would not do,
/// and no more than ten are ever left at the pod.
async fn reset_without_haste(
    scene: &Scene,
    other: (&str, &str),
    (host, silent): (&str, &Silent),
) -> Result<()> {
    silent.0.most.store(0, Ordering::Release);
    let before = silent.0.all.load(Ordering::Acquire);
    let reached = || silent.0.all.load(Ordering::Acquire) - before;
    let work = async {
        let mut wire = Wire::client(scene.dial()?, &[]).await?;
        for ten in 0..RESETS / 10 {
            let ids: Vec<u32> = (ten * 10..ten * 10 + 10).map(id).collect();
            let heads: Vec<u8> = ids.iter().flat_map(|id| get(*id, host, "/")).collect();
            wire.send(&heads).await?;
            let began = Instant::now();
            while reached() < ten * 10 + 10 && began.elapsed() < Duration::from_secs(5) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let resets: Vec<u8> = ids.iter().flat_map(|id| numbered(RESET, *id, 8)).collect();
            wire.send(&resets).await?;
            let seen = wire.settle().await?;
            assert!(seen.alive, "{ten}: {seen:?}");
        }
        Ok(())
    };
    let ((), cost) = beside(scene, other, work).await?;
    let most = silent.0.most.load(Ordering::Acquire);
    println!(
        "measured: {} of {RESETS} streams reached their pod and were reset, at most {most} at once: {cost}",
        reached()
    );
    assert_eq!(reached(), RESETS);
    assert!(most <= STREAMS, "{most} at once");
    assert!(cost.growth() < 24 << 10, "{cost}");
    silent.empty().await
}

/// Answers of a megabyte that nobody reads, in each way of not reading: what the edge holds of them.
async fn unread(scene: &Scene, other: (&str, &str), (host, most): (&str, u64)) -> Result<()> {
    // What the connection as a whole takes, and its streams and its pods' connections themselves.
    let bound = STREAMS as u64 * (most + 32) + (8 << 10);
    for (how, window, whole) in
        [("no window", 0, 0), ("one window for all", MOST, 0), ("no read", MOST, MOST - (1 << 16))]
    {
        let work = async {
            let mut wire = Wire::client(scene.dial()?, &[(INITIAL_WINDOW, window)]).await?;
            if whole > 0 {
                wire.send(&numbered(WINDOW_UPDATE, 0, whole)).await?;
            }
            let all: Vec<u8> =
                (0..STREAMS).flat_map(|number| get(id(number), host, "/large")).collect();
            wire.send(&all).await?;
            let answered = if whole == 0 { heads(&mut wire).await? } else { STREAMS };
            steady(scene).await;
            Ok((wire, answered))
        };
        let ((_, answered), cost) = beside(scene, other, work).await?;
        println!(
            "measured: {answered} answers unread, {how}: {} KiB for each: {cost}",
            cost.growth() / STREAMS as u64
        );
        assert_eq!(answered, STREAMS, "{how}");
        assert!(cost.growth() < bound, "{how}: {cost}, at most {bound} KiB");
    }
    Ok(())
}

/// How many answers begin before nothing more comes.
async fn heads(wire: &mut Wire<TcpStream>) -> Result<usize> {
    let mut heads = 0;
    while heads < STREAMS {
        let Some(one) = wire.read.next().await? else { break };
        heads += usize::from(one.status() == 200);
        assert!(!matches!(one.kind, RESET | GOAWAY), "{one:?}");
        assert!(!(matches!(one.kind, HEADERS | DATA) && one.flags & END_STREAM != 0), "{one:?}");
    }
    Ok(heads)
}

/// Waits until the edge's memory grows no more.
pub(crate) async fn steady(scene: &Scene) {
    let (began, mut last) = (Instant::now(), 0);
    while began.elapsed() < Duration::from_secs(10) {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let now = scene.edge.memory_kib();
        if now < last + 256 {
            return;
        }
        last = now;
    }
}
