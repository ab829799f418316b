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
    Scene,
    edge::{Edge, get},
    evidence::Way,
    scene::COMMITS,
};

use stage::{Stage, block_on, stage_on};

/// Where the edge is found by pods.
const EDGE: u16 = 20_000;

fn name() -> String {
    format!("shop-{}", std::process::id())
}

/// The images of the shop: one as it should be, one with a button that does nothing, and one that is right again.
fn images(stage: &Stage) -> Result<()> {
    let home = Home::find()?;
    understudy_shop::database(&home, &stage.bed)?;
    understudy_shop::browser(&home, &stage.bed)?;
    understudy_shop::build(&home, &stage.bed, COMMITS[0], false)?;
    understudy_shop::dumb(&home, &stage.bed, COMMITS[1])?;
    understudy_shop::build(&home, &stage.bed, COMMITS[2], false).map(drop)
}

fn check<'status>(preview: &'status Value, name: &str) -> &'status Value {
    let checks = preview.pointer("/status/checks").and_then(Value::as_array);
    checks.into_iter().flatten().find(|one| text(one, "/name") == name).unwrap_or(&Value::Null)
}

/// The evidence can be read by its link: the listing as a page and as data, and in it the picture of what was seen.
async fn shown(check: &Value) -> Result<()> {
    let link = text(check, "/evidence/url").strip_prefix("http://").unwrap_or_default();
    let (address, path) = link.split_once('/').unwrap_or_default();
    let page = get(address, "localhost", &format!("/{path}")).await?;
    assert_eq!(page.status(), 200, "{link}");
    assert!(String::from_utf8_lossy(page.body()).contains("test-failed-1.png"), "{link}");
    let data = get(address, "localhost", &format!("/{path}?format=json")).await?;
    let data: Value = serde_json::from_slice(data.body()).unwrap_or_default();
    let files = data.pointer("/left/files").and_then(Value::as_array);
    let files: Vec<&Value> = files.into_iter().flatten().collect();
    let picture = files.iter().find(|file| text(file, "/path").ends_with("test-failed-1.png"));
    let href = picture.map(|file| text(file, "/href")).unwrap_or_default();
    let picture = get(address, "localhost", &format!("/{path}{href}")).await?;
    assert_eq!(picture.status(), 200, "{href}");
    assert!(picture.body().starts_with(b"\x89PNG"), "{href}");
    println!(
        "measured: {} files of evidence, a screenshot of {} bytes among them",
        files.len(),
        picture.body().len()
    );
    Ok(())
}

async fn shop() -> Result<()> {
    let stage = stage_on(shared(Profile::Node)?).await?;
    Edge::install(&stage.bed)?;
    let began = Instant::now();
    images(&stage)?;
    println!("measured: every image was there after {:.1} s", began.elapsed().as_secs_f64());
    let folder = tempfile::tempdir().map_err(|error| Error::Bed(error.to_string()))?;
    let edge = Edge::start(&stage.bed, folder.path(), EDGE, &[]).await?;
    let (_registry, [mirror, plain]) = understudy_shop::registry(&stage.bed)?;
    let way = Way::open(&stage.bed, &edge, folder.path())?;
    let flags: Vec<&str> =
        [&mirror, &plain].into_iter().chain(&way.flags).map(String::as_str).collect();
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
    shown(e2e).await?;
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
