//! Requests that meet a preview on its way to bed, through edges that come and go, and on its way to its end.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use futures::future::{join_all, try_join_all};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Mutex,
};
use understudy_bed::{Error, Profile, Result, testing::text};
use understudy_fakes::{
    Operator,
    cluster::LONG,
    edge::{Edge, get, upgrade},
};

use crate::scene::{PORT, Sleepers, notes};

/// How long after the last request a preview sleeps.
const AFTER: Duration = Duration::from_secs(3);

/// How long an edge lives.
const LIFE: Duration = Duration::from_secs(15);

/// What all found together.
#[derive(Debug, Default)]
struct Found {
    rounds: AtomicUsize,
    requests: AtomicUsize,
    edges: AtomicUsize,
}

/// A use of a preview that lasted.
struct Held {
    name: String,
    from: Instant,
    to: Instant,
}

/// So many rounds over so many previews.
pub(crate) async fn races(previews: usize, rounds: usize) -> Result<()> {
    let sleepers = Sleepers::new(Profile::Node, AFTER).await?;
    let names: Vec<String> =
        (0..previews).map(|index| format!("{}-{index}", std::process::id())).collect();
    sleepers.open(&names).await?;
    let mark = sleepers.history.mark();
    let (found, began, last) = (Found::default(), Instant::now(), Mutex::new(None));
    let visits = try_join_all(names.iter().map(|name| visit(&sleepers, name, rounds, &found)));
    let held = tokio::select! {
        held = visits => held?,
        ended = relay(&sleepers, &found, &last) => return ended,
    };
    let held: Vec<Held> = held.into_iter().flatten().collect();
    let (sleeps, wakes, double, broken) = judge(&sleepers, mark, &held);
    println!(
        "measured: {} rounds in {:.0} s: {} requests, 0 lost; {sleeps} sleeps, {wakes} wakes, {double} double; {} \
         held connections, {broken} slept meanwhile; {} edges",
        found.rounds.load(Ordering::Relaxed),
        began.elapsed().as_secs_f64(),
        found.requests.load(Ordering::Relaxed),
        held.len(),
        found.edges.load(Ordering::Relaxed) + 1,
    );
    assert_eq!((double, broken), (0, 0), "{}", sleepers.edge.log());
    let took_over = found.edges.load(Ordering::Relaxed);
    assert!(sleeps >= rounds / 4, "the race is hardly run when only {sleeps} slept");
    assert!(!held.is_empty() && took_over > 0, "no socket or no other edge was in the race");
    closed(&sleepers, &names).await?;
    sleepers.scene.clear().await
}

/// Visits one preview again and again, about when it goes to sleep.
async fn visit(sleepers: &Sleepers, name: &str, rounds: usize, found: &Found) -> Result<Vec<Held>> {
    let mut held = Vec::new();
    while found.rounds.fetch_add(1, Ordering::Relaxed) < rounds {
        // Between a little before it may sleep and when it surely does.
        tokio::time::sleep(AFTER.mul_f64(0.9 + 0.5 * rand::random::<f64>())).await;
        match rand::random::<f64>() {
            kind if kind < 0.1 => held.push(hold(sleepers, name, found).await?),
            kind if kind < 0.3 => {
                try_join_all((0..5).map(|_| ask(sleepers, name, found))).await?;
            }
            _ => ask(sleepers, name, found).await?,
        }
    }
    found.rounds.fetch_sub(1, Ordering::Relaxed);
    Ok(held)
}

/// One request, which the stack itself must answer.
async fn ask(sleepers: &Sleepers, name: &str, found: &Found) -> Result<()> {
    found.requests.fetch_add(1, Ordering::Relaxed);
    let answer = get(&sleepers.edge.plain(), &Sleepers::host(name), "/").await?;
    if answer.status() != 200 {
        let (status, said) = (answer.status(), String::from_utf8_lossy(answer.body()).into_owned());
        return Err(Error::Bed(format!("lost: {name}: {status} {said}\n{}", sleepers.edge.log())));
    }
    Ok(())
}

/// A `WebSocket` on which nothing is said for longer than it takes to fall asleep.
async fn hold(sleepers: &Sleepers, name: &str, found: &Found) -> Result<Held> {
    found.requests.fetch_add(1, Ordering::Relaxed);
    let failed = |what: &str| Error::Bed(format!("lost: the socket of {name}: {what}"));
    let kernel = |error: std::io::Error| failed(&error.to_string());
    let stream = TcpStream::connect(sleepers.edge.plain()).await.map_err(kernel)?;
    let mut stream = upgrade(stream, &Sleepers::host(name)).await?;
    let from = Instant::now();
    tokio::time::sleep(AFTER * 2).await;
    let to = Instant::now();
    // A text of two letters, masked with zeros, comes back as it was sent (RFC 6455, 5.2).
    stream.write_all(b"\x81\x82\0\0\0\0ok").await.map_err(kernel)?;
    let mut read = [0; 64];
    let count = stream.read(&mut read).await.map_err(kernel)?;
    match read.get(..count) {
        Some(b"\x81\x02ok") => Ok(Held { name: name.to_owned(), from, to }),
        other => Err(failed(&format!("{other:?} instead of an echo"))),
    }
}

/// Edges take over from one another at the same address for as long as it is polled.
async fn relay(sleepers: &Sleepers, found: &Found, last: &Mutex<Option<Edge>>) -> Result<()> {
    let program = Operator::program()?;
    loop {
        tokio::time::sleep(LIFE).await;
        let number = found.edges.fetch_add(1, Ordering::Relaxed);
        let admin = PORT + 1 + u16::try_from(number % 1_000).unwrap_or(0) + 1;
        let (bed, folder) = (&sleepers.stage.bed, sleepers.folder.path());
        let words: (&[&str], _) = (&["env"], program.as_path());
        let next = Edge::start_as(bed, folder, (PORT, admin), words, &[&notes(AFTER)]).await?;
        // The first belongs to the scene, with the way into the bed that all go.
        let before = last.lock().await.replace(next);
        let ended = before.as_ref().unwrap_or(&sleepers.edge).terminate().await;
        if !ended {
            return Err(Error::Bed("an edge did not end well".to_owned()));
        }
    }
}

/// From what was told of every preview: sleeps, wakes, wakes that came twice, and sleeps during a held connection.
fn judge(sleepers: &Sleepers, mark: usize, held: &[Held]) -> (usize, usize, usize, usize) {
    let (mut sleeps, mut wakes, mut double, mut broken) = (0, 0, 0, 0);
    for (name, versions) in sleepers.by_name() {
        let mut since_sleep = 0;
        let pairs = versions.iter().zip(versions.iter().skip(1));
        for ((_, before), (_, after)) in pairs.filter(|(_, (place, _))| *place >= mark) {
            let phase = |one: &Value| text(one, "/status/phase") == "Asleep";
            if phase(&after.object) && !phase(&before.object) {
                sleeps += 1;
                since_sleep = 0;
                let during = |one: &&Held| {
                    let margin = Duration::from_millis(50);
                    one.name == name && after.at > one.from + margin && after.at < one.to
                };
                broken += held.iter().filter(during).count();
            }
            if Sleepers::wanted(&after.object) != Sleepers::wanted(&before.object) {
                wakes += 1;
                since_sleep += 1;
                double += usize::from(since_sleep > 1);
            }
        }
    }
    (sleeps, wakes, double, broken)
}

/// Each is closed while somebody asks for it, asleep or awake: whoever asks is answered, by the stack or that it is
/// closed, and nothing is left.
async fn closed(sleepers: &Sleepers, names: &[String]) -> Result<()> {
    let outcomes = join_all(names.iter().map(|name| async move {
        tokio::time::sleep(AFTER.mul_f64(1.5 * rand::random::<f64>())).await;
        let asked = async {
            let answers = join_all((0..20).map(|_| async {
                tokio::time::sleep(Duration::from_millis(100).mul_f64(rand::random::<f64>())).await;
                get(&sleepers.edge.plain(), &Sleepers::host(name), "/").await
            }));
            tokio::time::timeout(LONG, answers).await
        };
        let close = async {
            tokio::time::sleep(Duration::from_millis(100).mul_f64(rand::random::<f64>())).await;
            sleepers.stage.cluster.delete(&sleepers.scene.preview(name)).await
        };
        let (answers, closed) = tokio::join!(asked, close);
        closed?;
        let mut gone = 0;
        for answer in answers.map_err(|_| Error::Bed(format!("{name}: nobody answered")))? {
            let answer = answer?;
            let page = answer.headers().contains_key("understudy-page");
            gone += usize::from(page && answer.status() == 410);
            // A pod that ends while it answers is the stack's own.
            let fine = !page || matches!(answer.status().as_u16(), 410 | 502);
            assert!(fine, "{name}: {} {:?}", answer.status(), answer.body());
        }
        sleepers.stage.cluster.until(&sleepers.scene.preview(name), LONG, Value::is_null).await?;
        Ok::<usize, Error>(gone)
    }))
    .await;
    let mut gone = 0;
    for outcome in outcomes {
        gone += sleepers.scene.told(outcome).await?;
    }
    println!(
        "measured: {} closed while 20 asked for each: all answered, {gone} of them with 410",
        names.len()
    );
    Ok(())
}
