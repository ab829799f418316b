//! The shop behind the edge, on real pods: visited while commits come, asleep and awake, by programs and by a person with
//! a browser, until it closes.

#[path = "visit/browser.rs"]
mod browser;
#[expect(dead_code, reason = "counting is for another suite")]
mod stage;
#[path = "visit/wire.rs"]
mod wire;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future::join_all;
use serde_json::{Value, json};
use understudy_bed::{
    Error, Home, Profile, Result,
    testing::{Outcome, shared, text},
};
use understudy_fakes::{
    Scene,
    cluster::LONG,
    edge::{Edge, get},
    scene::COMMITS,
};

use browser::Browser;
use stage::{block_on, stage_on};

/// A host is one preview's alone, also beside what another run left.
fn name() -> String {
    format!("shop-{}", std::process::id())
}

/// The host that the operator forms of that name.
fn host() -> String {
    format!("pr-{}.preview.test", name())
}

/// How many visitors a second there are.
const RATE: u64 = 200;

/// How long nobody has to look before a preview sleeps.
const SLEEP_AFTER: Duration = Duration::from_secs(5);

/// How long somebody is there and says nothing: three times as long as that.
const PEACE: Duration = Duration::from_secs(15);

/// How many were answered how: the status, and whose word it was.
type Seen = BTreeMap<(u16, Whose), usize>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Whose {
    /// The preview's own.
    Stack,
    /// The edge's.
    Edge,
    /// There was none.
    Nobody,
}

/// Visitors that come at that rate, whatever becomes of those before them.
struct Visitors {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    task: tokio::task::JoinHandle<()>,
}

impl Visitors {
    fn come(address: &str) -> Self {
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::default()));
        let (ends, counts, address) = (Arc::clone(&stop), Arc::clone(&seen), address.to_owned());
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_micros(1_000_000 / RATE));
            let mut all = Vec::new();
            while !ends.load(Ordering::Relaxed) {
                ticks.tick().await;
                let (address, counts) = (address.clone(), Arc::clone(&counts));
                all.push(tokio::spawn(async move {
                    let answer = get(&address, &host(), "/healthz").await;
                    let told = answer.map_or((0, Whose::Nobody), |answer| {
                        let page = answer.headers().contains_key("understudy-page");
                        (answer.status().as_u16(), if page { Whose::Edge } else { Whose::Stack })
                    });
                    let mut counts: std::sync::MutexGuard<'_, Seen> =
                        counts.lock().unwrap_or_else(PoisonError::into_inner);
                    *counts.entry(told).or_default() += 1;
                }));
            }
            join_all(all).await;
        });
        Self { stop, seen, task }
    }

    /// How many were answered how, once all were.
    async fn leave(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.task.await;
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn told() -> Result<()> {
    let stage = stage_on(shared(Profile::Node)?).await?;
    Edge::install(&stage.bed)?;
    let home = Home::find()?;
    understudy_shop::database(&home, &stage.bed)?;
    for commit in COMMITS.iter().take(2) {
        understudy_shop::build(&home, &stage.bed, commit, false)?;
    }
    let began = Instant::now();
    let image = understudy_shop::browser(&home, &stage.bed)?;
    println!(
        "measured: the browser's image was there after {:.1} s",
        began.elapsed().as_secs_f64()
    );
    let folder = tempfile::tempdir().map_err(|error| Error::Bed(error.to_string()))?;
    let edge = Edge::start(&stage.bed, folder.path(), 20_000, &["--note-interval=1s"]).await?;
    let (_registry, [mirror, plain]) = understudy_shop::registry(&stage.bed)?;
    let through = format!("--edge-address={}", edge.plain());
    let flags = [&mirror, &plain, &through, "--awake-at-least=5s"];
    let mut spec = understudy_shop::alone().pointer("/spec").cloned().unwrap_or_default();
    if let Some(spec) = spec.as_object_mut() {
        let sleep_after = format!("{}s", SLEEP_AFTER.as_secs());
        spec.insert("lifecycle".to_owned(), json!({"sleepAfter": sleep_after}));
    }
    let scene = Scene::new(&stage.cluster, &stage.upstream, "visit", &spec, &flags).await?;
    scene.open(&name(), COMMITS[0]).await?;
    scene.reach(&name(), "Ready", COMMITS[0]).await?;
    pushed(&scene, &edge).await?;
    for crowd in [1, 10] {
        slept(&scene, &edge, crowd).await?;
    }
    spoken(&scene, &edge).await?;
    let browser = Browser::new(&stage.bed, image, &edge.plain())?;
    browsed(&scene, &edge, &browser).await?;
    closed(&scene, &edge).await?;
    scene.clear().await
}

/// A commit comes while people visit: nobody gets an error.
async fn pushed(scene: &Scene, edge: &Edge) -> Result<()> {
    let visitors = Visitors::come(&edge.plain());
    tokio::time::sleep(Duration::from_secs(1)).await;
    scene.change(&name(), &json!({"commit": COMMITS[1]})).await?;
    scene.reach(&name(), "Ready", COMMITS[1]).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let seen = visitors.leave().await;
    println!("measured: a push beside {RATE} requests a second: {seen:?}");
    // What the stack itself answers wrongly while it is replaced is its own.
    assert!(seen.keys().all(|(_, whose)| *whose == Whose::Stack), "{seen:?}\n{}", edge.log());
    assert!(seen.contains_key(&(200, Whose::Stack)));
    Ok(())
}

/// Nobody visits: it sleeps, and nothing of it runs.
async fn asleep(scene: &Scene) -> Result<Value> {
    let preview = scene.preview(&name());
    let asleep = |one: &Value| text(one, "/status/phase") == "Asleep";
    let preview = scene.told(scene.cluster.until(&preview, LONG, asleep).await).await?;
    let pods =
        |list: &Value| list.get("items").and_then(Value::as_array).is_some_and(Vec::is_empty);
    let stack = format!("/api/v1/namespaces/{}/pods", text(&preview, "/status/namespace/name"));
    scene.cluster.until(&stack, LONG, pods).await?;
    Ok(preview)
}

/// Whether it was awake whenever we looked, for [`PEACE`].
async fn stays_awake(scene: &Scene) -> Result<bool> {
    let began = Instant::now();
    while began.elapsed() < PEACE {
        let preview = scene.cluster.find(&scene.preview(&name())).await?.unwrap_or_default();
        if text(&preview, "/status/phase") != "Ready" {
            return Ok(false);
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    Ok(true)
}

/// Some come at once to a sleeper: all are answered, and it was woken once.
async fn slept(scene: &Scene, edge: &Edge, crowd: usize) -> Result<()> {
    asleep(scene).await?;
    let (began, address) = (Instant::now(), edge.plain());
    let answers = {
        let host = host();
        join_all((0..crowd).map(|_| get(&address, &host, "/"))).await
    };
    let took = began.elapsed().as_secs_f64();
    let good =
        answers.iter().filter(|one| one.as_ref().is_ok_and(|one| one.status() == 200)).count();
    println!("measured: {crowd} came to a sleeper: {good} answered after {took:.2} s");
    assert_eq!(good, crowd, "{}", edge.log());
    scene.reach(&name(), "Ready", COMMITS[1]).await.map(drop)
}

/// A socket wakes a sleeper, carries what it is given, and keeps it awake without a word. Events come one by one.
async fn spoken(scene: &Scene, edge: &Edge) -> Result<()> {
    asleep(scene).await?;
    let began = Instant::now();
    let mut socket = wire::open(&edge.plain(), &host()).await?;
    let took = began.elapsed().as_secs_f64();
    println!("measured: a socket to a sleeper was open after {took:.2} s");
    wire::echoes(&mut socket).await?;
    scene.reach(&name(), "Ready", COMMITS[1]).await?;
    assert!(stays_awake(scene).await?, "it fell asleep beside an open socket\n{}", edge.log());
    wire::echoes(&mut socket).await?;
    wire::hears(&edge.plain(), &host(), 5).await
}

/// A person looks: at the page while a commit comes, and at the sleeper.
async fn browsed(scene: &Scene, edge: &Edge, browser: &Browser) -> Result<()> {
    // Awake until the page is there: a browser takes a while to start.
    let guard = wire::open(&edge.plain(), &host()).await?;
    let preview = scene.reach(&name(), "Ready", COMMITS[1]).await?;
    let peace = PEACE.as_secs().to_string();
    let more = [("E2E_NEXT", COMMITS[0]), ("E2E_PEACE_SECONDS", peace.as_str())];
    browser.begin("awake", &preview, &more)?;
    browser.hears("awake", "the page is live")?;
    drop(guard);
    let stayed = stays_awake(scene).await?;
    scene.change(&name(), &json!({"commit": COMMITS[0]})).await?;
    browser.ends("awake", &["awake"])?;
    assert!(stayed, "it fell asleep beside an open page");
    let preview = asleep(scene).await?;
    browser.begin("asleep", &preview, &[])?;
    browser.ends("asleep", &["asleep", "asleep-small", "woken"])
}

/// It closes while people visit: they are told so, soon, and nothing else goes wrong.
async fn closed(scene: &Scene, edge: &Edge) -> Result<()> {
    let visitors = Visitors::come(&edge.plain());
    tokio::time::sleep(Duration::from_secs(1)).await;
    let began = Instant::now();
    scene.cluster.delete(&scene.preview(&name())).await?;
    while get(&edge.plain(), &host(), "/").await?.status() != 410 {
        assert!(began.elapsed() < Duration::from_secs(5), "it is still there");
    }
    let took = began.elapsed().as_millis();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let seen = visitors.leave().await;
    println!("measured: closed beside {RATE} requests a second: 410 after {took} ms: {seen:?}");
    assert!(took < 1000, "{took} ms");
    let fine = |(status, whose): &(u16, Whose)| {
        *whose == Whose::Stack || (*status, *whose) == (410, Whose::Edge)
    };
    assert!(seen.keys().all(fine), "{seen:?}\n{}", edge.log());
    scene.cluster.until(&scene.preview(&name()), LONG, Value::is_null).await?;
    assert_eq!(get(&edge.plain(), &host(), "/").await?.status(), 410, "and stays so");
    Ok(())
}

#[test]
#[ignore = "needs a node bed: cargo verify --only visit"]
fn shop_is_visited_while_commits_come_asleep_and_awake() -> Outcome {
    block_on(told())
}
