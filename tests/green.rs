//! Ways to fake a green, tried for real: none is Passed, and each says why. The same done honestly passes.

#[path = "green/hands.rs"]
mod hands;
#[path = "green/scene.rs"]
mod scene;
#[expect(dead_code, reason = "counting is for another suite")]
mod stage;
#[path = "green/ways.rs"]
mod ways;

use understudy_bed::{
    Result,
    testing::{Outcome, text},
};
use understudy_fakes::scene::COMMITS;

use scene::{Judges, verdict};
use stage::block_on;
use ways::{HONEST, WAYS, Way};

/// So many ways at once share a preview: the schema allows no more checks.
const AT_ONCE: usize = 11;

/// So many of the ways.
async fn containers(number: usize) -> Result<()> {
    let judges = Judges::new().await?;
    let mut tried = 0;
    for (index, ways) in WAYS.iter().take(number).collect::<Vec<_>>().chunks(AT_ONCE).enumerate() {
        let name = format!("ways-{}-{index}", std::process::id());
        let honest =
            Way { name: "honest", script: HONEST, verdict: "Passed", says: "1 test passed" };
        let all: Vec<&Way> = ways.iter().copied().chain([&honest]).collect();
        judges.template(&all).await?;
        judges.scene.open(&name, COMMITS[0]).await?;
        let preview = judges.settled(&name, &all).await?;
        for way in all {
            let found = verdict(&preview, way.name);
            let (verdict, message) = (text(found, "/verdict"), text(found, "/message"));
            println!("measured: {}: {verdict}: {message}", way.name);
            assert_eq!(verdict, way.verdict, "{}: {message}", way.name);
            assert!(message.contains(way.says), "{}: {message}", way.name);
            tried += usize::from(way.verdict != "Passed");
        }
        judges.scene.cluster.delete(&judges.scene.preview(&name)).await?;
    }
    println!("measured: {tried} ways to fake a green, 0 passed");
    judges.scene.clear().await
}

#[test]
#[ignore = "needs a node bed: cargo verify --only green"]
fn container_fakes_no_green() -> Outcome {
    block_on(containers(AT_ONCE))
}

#[test]
#[ignore = "needs a node bed: cargo verify --long green"]
fn long_container_fakes_no_green_in_any_way() -> Outcome {
    block_on(containers(WAYS.len()))
}

#[test]
#[ignore = "needs a node bed: cargo verify --only green"]
fn hand_fakes_no_green() -> Outcome {
    block_on(hands::few())
}

#[test]
#[ignore = "needs a node bed: cargo verify --long green"]
fn long_hand_fakes_no_green_in_any_way() -> Outcome {
    block_on(hands::all())
}
