//! The operator as a process: what it tells, how it ends, who works when there are two.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use understudy_bed::{Error, Result};
use understudy_fakes::{
    Cluster, Operator, Scene,
    cluster::LONG,
    scene::{COMMITS, small},
};

use crate::stage::stage;

/// A page of the operator's own port.
async fn page(address: &str, path: &str) -> Result<(u16, String)> {
    let failed = |error: std::io::Error| Error::Bed(format!("{address}{path}: {error}"));
    let mut stream = tokio::net::TcpStream::connect(address).await.map_err(failed)?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(failed)?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.map_err(failed)?;
    let status = text.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    Ok((status, text.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned()))
}

fn free() -> Result<String> {
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
    free.map(|address| address.to_string()).map_err(|error| Error::Bed(error.to_string()))
}

/// Health, readiness, metrics, and an orderly end on SIGTERM.
pub(crate) async fn tells_and_ends() -> Result<()> {
    let stage = stage().await?;
    let address = free()?;
    let flag = format!("--admin-listen={address}");
    let scene =
        Scene::new(&stage.cluster, &stage.upstream, "process", &small(), &[&flag, "--log=json"])
            .await?;
    scene.open("one", COMMITS[0]).await?;
    scene.reach("one", "Ready", COMMITS[0]).await?;
    assert_eq!(page(&address, "/healthz").await?, (200, "ok\n".to_owned()));
    assert_eq!(page(&address, "/readyz").await?, (200, "ok\n".to_owned()));
    let (_, metrics) = page(&address, "/metrics").await?;
    assert!(metrics.contains("understudy_previews{phase=\"Ready\"} 1"), "{metrics}");
    assert!(metrics.contains("understudy_leader 1"), "{metrics}");
    let mut operator = scene.operator.lock().await;
    for line in operator.log().lines() {
        let parsed: std::result::Result<Value, _> = serde_json::from_str(line);
        assert!(parsed.is_ok(), "no JSON: {line}");
    }
    assert!(operator.terminate().await, "it ends well");
    drop(operator);
    scene.clear().await
}

/// Of two, one works; when it is asked to end, the other goes on at once, and when it is killed, within the
/// time of its lease.
pub(crate) async fn takes_turns() -> Result<()> {
    let stage = stage().await?;
    let scene = Scene::new(&stage.cluster, &stage.upstream, "turns", &small(), &[]).await?;
    scene.operator.lock().await.kill().await;
    let folder = tempfile::tempdir().map_err(|error| Error::Bed(error.to_string()))?;
    let kubeconfig = stage.upstream.1.clone().unwrap_or_default();
    let scope = format!("--namespace={}", scene.namespace);
    let start = |name: &str| -> Result<Operator> {
        let own = folder.path().join(name);
        std::fs::create_dir(&own).map_err(|error| Error::Bed(error.to_string()))?;
        let identity = format!("--identity={name}");
        Operator::start(&own, &kubeconfig, &[&scope, &identity, "--lease-duration=4s"])
    };
    let (mut first, mut second) = (start("first")?, start("second")?);
    scene.open("one", COMMITS[0]).await?;
    scene.reach("one", "Ready", COMMITS[0]).await?;
    let leads = |one: &Operator| one.log().contains("leads; everything was seen once");
    assert!(leads(&first) != leads(&second), "one of them, and only one");
    let (leader, other) =
        if leads(&first) { (&mut first, &mut second) } else { (&mut second, &mut first) };
    assert!(leader.terminate().await, "it ends well");
    handed_over(&scene.cluster, &scene, "two", "asked to end").await?;
    assert!(leads(other));
    let mut third = start("third")?;
    other.kill().await;
    handed_over(&scene.cluster, &scene, "three", "killed").await?;
    assert!(leads(&third));
    third.kill().await;
    scene.clear().await
}

async fn handed_over(cluster: &Cluster, scene: &Scene, name: &str, how: &str) -> Result<()> {
    let began = Instant::now();
    scene.open(name, COMMITS[0]).await?;
    let ready = |one: &Value| one.pointer("/status/phase").is_some_and(|phase| phase == "Ready");
    cluster.until(&scene.preview(name), LONG, ready).await?;
    println!(
        "measured: the leader {how}: the next preview Ready after {:.1} s",
        began.elapsed().as_secs_f64()
    );
    assert!(began.elapsed() < Duration::from_secs(30));
    Ok(())
}
