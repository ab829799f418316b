//! Sleep and wake, with the test in the operator's place.

use std::time::{Duration, Instant};

use futures::future::join_all;
use http::{Request, header};
use http_body_util::Full;
use serde_json::{Value, json};
use understudy_bed::{Error, Result, audit};
use understudy_crds::label;
use understudy_fakes::{
    backend::Backend,
    edge::{ACCOUNT, INSIDE, Preview, ask, get},
};

use crate::{Scene, port, scene, until};

/// How many ask for a sleeper at once.
const CROWD: usize = 100;

pub(crate) async fn story() -> Result<()> {
    let scene = scene("rest", &["--note-interval=2s", "--hold-timeout=20s"]).await?;
    noted(&scene).await?;
    woken(&scene).await
}

/// What the edge wrote since the mark.
fn writes(scene: &Scene, mark: audit::Mark) -> Result<usize> {
    let user = format!("system:serviceaccount:{ACCOUNT}:{ACCOUNT}");
    let since = scene.stage.bed.audit().since(&scene.stage.bed, mark)?;
    Ok(since.iter().filter(|one| one.user.username == user && one.is_write()).count())
}

async fn agent(scene: &Scene, preview: &Preview, agent: &str, accept: &str) -> Result<u16> {
    let request = Request::get("/")
        .header(header::HOST, preview.host())
        .header(header::USER_AGENT, agent)
        .header(header::ACCEPT, accept)
        .body(Full::default())
        .map_err(|error| Error::Bed(error.to_string()))?;
    Ok(ask(&scene.edge.plain(), request).await?.status().as_u16())
}

fn annotation(preview: &Value, name: &str) -> Option<String> {
    preview.pointer("/metadata/annotations")?.get(name)?.as_str().map(str::to_owned)
}

/// A preview in use is noted once an interval, whoever only looks is not.
async fn noted(scene: &Scene) -> Result<()> {
    let (preview, backend) =
        (scene.open("noted").await?, Backend::echo(&scene.stage.bed, port()).await?);
    preview.pods(&[(INSIDE, backend.port, "a")]).await?;
    until(async || agent(scene, &preview, "kube-probe/1", "*/*").await, |code| *code == 200)
        .await?;
    let mark = scene.stage.bed.audit().mark(&scene.stage.bed)?;
    for _ in 0..20 {
        assert_eq!(agent(scene, &preview, "Slackbot 1.0", "*/*").await?, 200);
    }
    assert_eq!(writes(scene, mark)?, 0, "onlookers are no use");
    let mark = scene.stage.bed.audit().mark(&scene.stage.bed)?;
    let began = Instant::now();
    let mut asked = 0;
    while began.elapsed() < Duration::from_secs(5) {
        assert_eq!(agent(scene, &preview, "curl/8", "*/*").await?, 200);
        asked += 1;
    }
    let written = writes(scene, mark)?;
    println!("measured: {asked} requests in 5 s, {written} notes at one in 2 s");
    assert!((2..=4).contains(&written), "{written} notes");
    let found = preview.cluster.find(&preview.path()).await?.unwrap_or_default();
    assert!(annotation(&found, label::LAST_REQUEST).is_some());
    assert!(annotation(&found, label::WAKE_WANTED).is_none());
    Ok(())
}

async fn woken(scene: &Scene) -> Result<()> {
    let (preview, backend) =
        (scene.open("sleeper").await?, Backend::echo(&scene.stage.bed, port()).await?);
    preview.pods(&[(INSIDE, backend.port, "old")]).await?;
    until(async || agent(scene, &preview, "kube-probe/1", "*/*").await, |code| *code == 200)
        .await?;
    preview.say(json!({"phase": "Asleep", "since": "2026-11-21T11:00:00Z"})).await?;
    // Its pod is still there for a moment, and nobody is let in to it.
    until(async || agent(scene, &preview, "Slackbot 1.0", "*/*").await, |code| *code == 503)
        .await?;
    let mark = scene.stage.bed.audit().mark(&scene.stage.bed)?;
    assert_eq!(agent(scene, &preview, "Slackbot 1.0", "text/html").await?, 503);
    assert_eq!(writes(scene, mark)?, 0, "an onlooker wakes nobody");
    let (address, host) = (scene.edge.plain(), preview.host());
    let crowd = join_all((0..CROWD).map(|index| {
        let (address, host) = (address.clone(), host.clone());
        tokio::spawn(async move { get(&address, &host, &format!("/{index}")).await })
    }));
    let browser = agent(scene, &preview, "Mozilla/5.0", "text/html");
    let operator = async {
        // The operator sees that somebody waits, and a new pod comes.
        let wanted = |one: &Value| annotation(one, label::WAKE_WANTED).is_some();
        preview.cluster.until(&preview.path(), Duration::from_secs(10), wanted).await?;
        tokio::time::sleep(Duration::from_millis(300)).await;
        preview.pods(&[(INSIDE, backend.port, "new")]).await?;
        preview.say(json!({"phase": "Ready", "since": "2026-11-21T11:00:05Z"})).await
    };
    let (crowd, browser, operator) = tokio::join!(crowd, browser, operator);
    operator?;
    assert_eq!(browser?, 503, "a person is shown a page that loads itself again");
    let answered = crowd
        .into_iter()
        .filter(|one| matches!(one, Ok(Ok(answer)) if answer.status() == 200))
        .count();
    let written = writes(scene, mark)?;
    println!("measured: {CROWD} asked for a sleeper: {answered} answered, {written} write");
    assert_eq!((answered, written), (CROWD, 1));
    Ok(())
}
