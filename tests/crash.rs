//! The operator dies, or the API server fails, at every write of every story: the end is always the end of
//! the undisturbed run, nothing is made twice, and guards stand before workloads.

#![expect(
    clippy::indexing_slicing,
    reason = "a manifest without that field is a test that is wrong"
)]

#[expect(dead_code, reason = "counting is for another suite")]
mod stage;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use serde_json::{Value, json};
use understudy_bed::{Error, Result, testing::Outcome};
use understudy_crds::label;
use understudy_fakes::{
    Fault, Scene,
    cluster::{LONG, patience},
    scene::{COMMITS, small},
    snapshot,
};

use stage::{Stage, block_on, stage};

/// How many plans run side by side: they mostly wait for Kubernetes.
const SIDE_BY_SIDE: usize = 20;

/// Names one plan, `push/Cut/3`, to run it alone.
const PLAN: &str = "UNDERSTUDY_CRASH_PLAN";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Story {
    Open,
    Push,
    FailedPush,
    Close,
    Reopen,
    Sleep,
    Wake,
    Expire,
}

const STORIES: [Story; 8] = [
    Story::Open,
    Story::Push,
    Story::FailedPush,
    Story::Close,
    Story::Reopen,
    Story::Sleep,
    Story::Wake,
    Story::Expire,
];

/// The stack: every tier of the order of applying, and a secret of its own.
fn template() -> Value {
    let mut spec = small();
    spec["secrets"] = json!([{"name": "db", "generate": ["password"]}]);
    // The third commit crashes. Its pod takes the place of the old one at once, or which of them is left would
    // be a matter of luck.
    let deployment = &mut spec["source"]["inline"][0]["spec"];
    deployment["strategy"] = json!({"type": "Recreate"});
    deployment["template"]["metadata"]["annotations"] = json!({
        "bed.local/exit-code": "{% if commit.short == 'c3c3c3c' %}1{% endif %}",
        "bed.local/message": "error: no such table",
    });
    let stack = spec["source"]["inline"].as_array_mut().expect("a list of manifests");
    stack.push(json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"},
        "data": {"commit": "{{ commit.short }}"},
    }));
    spec
}

const NAME: &str = "shop-42";

impl Story {
    /// Everything that comes before the fault can fire.
    async fn prepare(self, scene: &Scene) -> Result<()> {
        if self == Self::Open {
            return Ok(());
        }
        scene.open(NAME, COMMITS[0]).await?;
        scene.reach(NAME, "Ready", COMMITS[0]).await?;
        if self == Self::Wake {
            scene.change(NAME, &json!({"sleep": "Now"})).await?;
            // It is said first; the Event tells that its pods went.
            let told = |one: &Value| {
                let event = one.pointer("/status/lastEvent").and_then(Value::as_str);
                event.is_some_and(|event| event.contains("/Asleep/"))
            };
            scene.told(scene.cluster.until(&scene.preview(NAME), LONG, told).await).await?;
        }
        Ok(())
    }

    /// What the user does, and how it ends.
    async fn tell(self, scene: &Scene) -> Result<()> {
        let ready = |commit| scene.reach(NAME, "Ready", commit);
        match self {
            Self::Open => {
                scene.open(NAME, COMMITS[0]).await?;
                ready(COMMITS[0]).await?;
            }
            Self::Push => {
                scene.change(NAME, &json!({"commit": COMMITS[1]})).await?;
                ready(COMMITS[1]).await?;
            }
            Self::FailedPush => {
                scene.change(NAME, &json!({"commit": COMMITS[2]})).await?;
                let failed = scene.reach(NAME, "Failed", COMMITS[2]).await?;
                let served = failed.pointer("/status/commit") == Some(&json!(COMMITS[0]));
                must(served, "the old commit is the last that answered")?;
            }
            Self::Close => {
                scene.cluster.delete(&scene.preview(NAME)).await?;
                scene.cluster.until(&scene.preview(NAME), LONG, Value::is_null).await?;
                let left = ours(scene, "/api/v1/namespaces").await?;
                must(left.is_empty(), "the preview went after its namespace")?;
            }
            Self::Reopen => {
                let old = scene.cluster.find(&scene.preview(NAME)).await?.unwrap_or_default();
                scene.cluster.delete(&scene.preview(NAME)).await?;
                let gone =
                    |one: &Value| one.pointer("/metadata/uid") != old.pointer("/metadata/uid");
                scene.cluster.until(&scene.preview(NAME), LONG, gone).await?;
                scene.open(NAME, COMMITS[0]).await?;
                ready(COMMITS[0]).await?;
            }
            Self::Sleep => {
                scene.change(NAME, &json!({"sleep": "Now"})).await?;
                scene.reach(NAME, "Asleep", COMMITS[0]).await?;
            }
            Self::Wake => {
                scene.change(NAME, &json!({"sleep": "Auto"})).await?;
                ready(COMMITS[0]).await?;
            }
            Self::Expire => {
                let past = json!({"status": {"lastActivity": "2026-01-01T00:00:00Z"}});
                let status = format!("{}/status", scene.preview(NAME));
                scene.cluster.patch(&status, &past).await?;
                let receipt = |one: &Value| one.pointer("/status/teardown/seconds").is_some();
                scene.cluster.until(&scene.preview(NAME), LONG, receipt).await?;
            }
        }
        Ok(())
    }
}

fn must(holds: bool, what: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::Bed(format!("it does not hold that {what}"))) }
}

/// What is there of that kind for the scene's previews.
async fn ours(scene: &Scene, kind: &str) -> Result<Vec<Value>> {
    let path = format!("{kind}?labelSelector={}={}", label::PREVIEW_NAMESPACE, scene.namespace);
    let list = scene.cluster.find(&path).await?.unwrap_or_default();
    Ok(list.get("items").and_then(Value::as_array).cloned().unwrap_or_default())
}

/// Generated values by their Secrets. They are made once: what holds data knows the first.
async fn generated(scene: &Scene) -> Result<BTreeMap<String, Value>> {
    let secrets = ours(scene, "/api/v1/secrets").await?;
    let pair = |one: &Value| {
        let uid = one.pointer("/metadata/uid")?.as_str()?.to_owned();
        Some((uid, one.get("data").cloned()?))
    };
    Ok(secrets.iter().filter_map(pair).collect())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Plan {
    story: Story,
    fault: Option<(Fault, usize)>,
}

impl std::fmt::Display for Plan {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.fault {
            None => write!(formatter, "{:?}/undisturbed", self.story),
            Some((fault, nth)) => write!(formatter, "{:?}/{fault:?}/{nth}", self.story),
        }
    }
}

/// What a plan came to.
#[derive(Debug)]
struct Ran {
    writes: Vec<String>,
    fired: bool,
    end: Value,
    violations: Vec<String>,
    took: Duration,
}

async fn run(stage: &Stage, plan: Plan, wanted: Option<&Value>) -> Result<Ran> {
    let began = Instant::now();
    let scene = Scene::new(&stage.cluster, &stage.upstream, "crash", &template(), &[]).await?;
    let outcome = async {
        plan.story.prepare(&scene).await?;
        scene.proxy.arm(plan.fault).await?;
        let before = generated(&scene).await?;
        plan.story.tell(&scene).await?;
        let end = settled(&scene, wanted).await?;
        let stays =
            matches!(plan.story, Story::Push | Story::FailedPush | Story::Sleep | Story::Wake);
        must(!stays || generated(&scene).await? == before, "generated values stay")?;
        Ok::<_, Error>(end)
    };
    let end = outcome.await.map_err(|error| Error::Bed(format!("{plan}: {error}")));
    let ran = end.map(|end| Ran {
        writes: scene.proxy.writes(),
        fired: plan.fault.is_none() || scene.proxy.fired(),
        end,
        violations: scene.proxy.violations(),
        took: began.elapsed(),
    });
    scene.clear().await?;
    ran
}

/// How long an end that is not the wanted one may still become it: what is tried again may take a moment.
const LATE: Duration = Duration::from_secs(15);

/// The end state, once nothing is written any more: a fault at the last write shows after the phase.
async fn settled(scene: &Scene, wanted: Option<&Value>) -> Result<Value> {
    let began = Instant::now();
    loop {
        let (before, end) = (scene.proxy.writes().len(), snapshot::take(scene).await?);
        tokio::time::sleep(Duration::from_millis(1300)).await;
        let quiet = scene.proxy.writes().len() == before;
        let late = wanted.is_some_and(|wanted| end != *wanted) && began.elapsed() < LATE;
        if (quiet && !late) || began.elapsed() > LONG.min(patience()) {
            return Ok(end);
        }
    }
}

/// The undisturbed runs: the end of each story, and how many writes it takes.
async fn undisturbed(stage: &Stage, only: Option<&str>) -> Result<BTreeMap<Story, Ran>> {
    let chosen = |story: &Story| {
        only.is_none_or(|only| only.split('/').next() == Some(format!("{story:?}").as_str()))
    };
    // Twice: now and then a write is tried again, and a plan for that one would find nothing to break.
    let twice = STORIES.into_iter().chain(STORIES).filter(chosen);
    let runs = stream::iter(twice).map(|story| async move {
        let plan = Plan { story, fault: None };
        run(stage, plan, None).await.map(|ran| (story, ran))
    });
    let mut shortest: BTreeMap<Story, Ran> = BTreeMap::new();
    for ran in runs.buffer_unordered(SIDE_BY_SIDE).collect::<Vec<_>>().await {
        let (story, ran) = ran?;
        let longer = shortest.get(&story).is_some_and(|one| one.writes.len() <= ran.writes.len());
        if !longer {
            shortest.insert(story, ran);
        }
    }
    Ok(shortest)
}

/// Whether the plan's end is that of the undisturbed run; else what differs.
fn judged(plan: Plan, ran: &Ran, wanted: &Ran) -> Option<String> {
    if !ran.fired {
        return Some(format!("{plan}: the fault did not fire"));
    }
    if let [first, ..] = ran.violations.as_slice() {
        return Some(format!("{plan}: {first}"));
    }
    let mut differences = Vec::new();
    differ(&wanted.end, &ran.end, "", &mut differences);
    let told = differences.iter().take(4).cloned().collect::<Vec<_>>().join("\n    ");
    (!differences.is_empty()).then(|| format!("{plan}: the end differs:\n    {told}"))
}

fn differ(wanted: &Value, seen: &Value, place: &str, found: &mut Vec<String>) {
    match (wanted, seen) {
        (Value::Object(one), Value::Object(other)) => {
            for name in one.keys().chain(other.keys().filter(|name| !one.contains_key(*name))) {
                let (one, other) = (one.get(name), other.get(name));
                let null = Value::Null;
                let (one, other) = (one.unwrap_or(&null), other.unwrap_or(&null));
                differ(one, other, &format!("{place}.{name}"), found);
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (index, (one, other)) in one.iter().zip(other).enumerate() {
                differ(one, other, &format!("{place}[{index}]"), found);
            }
        }
        (one, other) if one != other => found.push(format!("{place}: {one} became {other}")),
        _ => {}
    }
}

fn every_plan(wanted: &BTreeMap<Story, Ran>) -> Vec<Plan> {
    let mut plans = Vec::new();
    for (story, ran) in wanted {
        for nth in 1..=ran.writes.len() {
            plans.extend(Fault::ALL.map(|fault| Plan { story: *story, fault: Some((fault, nth)) }));
        }
    }
    plans
}

/// One write of each story for each fault; which one is told by the seed. A silent watch takes more than a
/// minute to be noticed, so that one is left to the long form.
fn some_plans(wanted: &BTreeMap<Story, Ran>, seed: usize) -> Vec<Plan> {
    let faults = Fault::ALL.into_iter().filter(|fault| *fault != Fault::WatchesSilent);
    let pairs = faults.enumerate().flat_map(|(place, fault)| {
        wanted.iter().enumerate().map(move |(row, (story, ran))| {
            let nth = (seed + place * 3 + row * 5) % ran.writes.len().max(1) + 1;
            Plan { story: *story, fault: Some((fault, nth)) }
        })
    });
    pairs.collect()
}

async fn all(chosen: impl Fn(&BTreeMap<Story, Ran>) -> Vec<Plan>) -> Result<()> {
    let began = Instant::now();
    let mut stage = stage().await?;
    // Every operator goes through its proxy.
    stage.upstream.1 = None;
    let only = std::env::var(PLAN).ok();
    let wanted = undisturbed(&stage, only.as_deref()).await?;
    for (story, ran) in &wanted {
        assert!(ran.violations.is_empty(), "{story:?}: {:?}", ran.violations);
        println!("{story:?}: {} writes, {:.1} s", ran.writes.len(), ran.took.as_secs_f64());
        // Whoever names a plan wants to know which write that is.
        for (write, nth) in ran.writes.iter().zip(1..).filter(|_| only.is_some()) {
            println!("    {nth} {write}");
        }
    }
    let mut plans = chosen(&wanted);
    if let Some(only) = &only {
        plans = every_plan(&wanted);
        plans.retain(|plan| plan.to_string() == *only);
        assert!(!plans.is_empty(), "there is no plan {only}");
    }
    let count = plans.len();
    let (stage, wanted) = (&stage, &wanted);
    let faults: Vec<String> = stream::iter(plans)
        .map(|plan| async move {
            let end = wanted.get(&plan.story).map(|wanted| &wanted.end);
            match run(stage, plan, end).await {
                Ok(ran) => wanted.get(&plan.story).and_then(|wanted| judged(plan, &ran, wanted)),
                Err(error) => Some(error.to_string()),
            }
        })
        .buffer_unordered(SIDE_BY_SIDE)
        .filter_map(|fault| async { fault })
        .inspect(|fault| println!("{fault}"))
        .collect()
        .await;
    println!(
        "measured: {count} crash plans, {} failed, {:.0} s",
        faults.len(),
        began.elapsed().as_secs_f64()
    );
    assert!(faults.is_empty(), "{} of {count} plans:\n{}", faults.len(), faults.join("\n"));
    Ok(())
}

#[test]
#[ignore = "needs a fleet bed: cargo verify --only crash"]
fn some_write_of_every_story_may_fail() -> Outcome {
    let seed = std::process::id() as usize;
    println!("seed {seed}");
    block_on(all(|wanted| some_plans(wanted, seed)))
}

#[test]
#[ignore = "needs a fleet bed and half an hour: cargo verify --long crash"]
fn long_every_write_of_every_story_may_fail() -> Outcome {
    block_on(all(every_plan))
}
