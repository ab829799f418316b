//! Checks by Jobs on real pods: the shop with its migrations, a seed, a request and a person with a browser; what they
//! found, and what they left.

#[expect(dead_code, reason = "counting is for another suite")]
mod stage;

use std::time::Instant;

use serde_json::{Value, json};
use understudy_bed::{
    Error, Home, Profile, Result,
    testing::{Outcome, shared, text},
};
use understudy_fakes::{
    Operator, Scene,
    edge::{Edge, INSIDE},
    scene::COMMITS,
};

use stage::{Stage, block_on, stage_on};

/// Where edge and evidence are found by pods.
const EDGE: u16 = 20_000;
const EVIDENCE: u16 = 20_082;

/// A port of this machine that nobody listens on.
fn free() -> Result<u16> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0");
    let address = listener.and_then(|listener| listener.local_addr());
    address.map(|address| address.port()).map_err(|error| Error::Bed(error.to_string()))
}

fn name() -> String {
    format!("shop-{}", std::process::id())
}

/// The images of the shop: one as it should be, one with a button that does nothing, and one that is right again.
fn images(stage: &Stage) -> Result<String> {
    let home = Home::find()?;
    understudy_shop::database(&home, &stage.bed)?;
    understudy_shop::browser(&home, &stage.bed)?;
    understudy_shop::build(&home, &stage.bed, COMMITS[0], false)?;
    understudy_shop::dumb(&home, &stage.bed, COMMITS[1])?;
    understudy_shop::build(&home, &stage.bed, COMMITS[2], false)?;
    Operator::image(&home, &stage.bed)
}

fn check<'status>(preview: &'status Value, name: &str) -> &'status Value {
    let checks = preview.pointer("/status/checks").and_then(Value::as_array);
    checks.into_iter().flatten().find(|one| text(one, "/name") == name).unwrap_or(&Value::Null)
}

async fn shop() -> Result<()> {
    let stage = stage_on(shared(Profile::Node)?).await?;
    Edge::install(&stage.bed)?;
    let began = Instant::now();
    let image = images(&stage)?;
    println!("measured: every image was there after {:.1} s", began.elapsed().as_secs_f64());
    let folder = tempfile::tempdir().map_err(|error| Error::Bed(error.to_string()))?;
    let edge = Edge::start(&stage.bed, folder.path(), EDGE, &[]).await?;
    let (_registry, [mirror, plain]) = understudy_shop::registry(&stage.bed)?;
    let port = free()?;
    let _way = stage.bed.expose(&format!("{INSIDE}:{EVIDENCE}"), &format!("127.0.0.1:{port}"))?;
    let flags = [
        mirror,
        plain,
        format!("--edge-address={}", edge.plain()),
        format!("--edge-address-inside={}", edge.inside()),
        format!("--evidence-listen=127.0.0.1:{port}"),
        format!("--evidence-url=http://{INSIDE}:{EVIDENCE}"),
        format!("--image={image}"),
        format!("--data-dir={}", folder.path().display()),
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let spec = understudy_shop::template().pointer("/spec").cloned().unwrap_or_default();
    let scene = Scene::new(&stage.cluster, &stage.upstream, "checks", &spec, &flags).await?;
    let began = Instant::now();
    scene.open(&name(), COMMITS[0]).await?;
    let ready = scene.reach(&name(), "Ready", COMMITS[0]).await?;
    println!(
        "measured: from apply to Ready {:.1} s: {}; {}",
        began.elapsed().as_secs_f64(),
        text(&ready, "/status/summary/steps"),
        text(check(&ready, "e2e"), "/message"),
    );
    assert_eq!(text(&ready, "/status/summary/checks"), "2/2", "{ready:#}");
    scene.change(&name(), &json!({"commit": COMMITS[1]})).await?;
    let failed = scene.reach(&name(), "Failed", COMMITS[1]).await?;
    let e2e = check(&failed, "e2e");
    println!("measured: a broken button: {}", text(e2e, "/message"));
    assert_eq!(text(e2e, "/verdict"), "Failed", "{failed:#}");
    assert!(text(e2e, "/message").contains("whoever says a line hears it again"), "{failed:#}");
    scene.change(&name(), &json!({"commit": COMMITS[2]})).await?;
    let ready = scene.reach(&name(), "Ready", COMMITS[2]).await?;
    assert_eq!(text(check(&ready, "e2e"), "/verdict"), "Passed", "{ready:#}");
    scene.clear().await
}

#[test]
#[ignore = "needs a node bed: cargo verify --only checks"]
fn shop_is_checked_by_a_person_with_a_browser() -> Outcome {
    block_on(shop())
}
