//! What is said and done when the operator is away, slow, full, forgetful or not ours.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    Pod, REPORT,
    desk::Next::{Hang, Lose, Say},
    error, stored,
};
use crate::collect::gather::Pace;

#[tokio::test]
async fn operator_that_is_gone_for_eight_seconds_loses_nothing() {
    let pod = Pod::begin(&[]).await;
    pod.operator.desk().slow = Duration::from_millis(50);
    pod.write("junit.xml", REPORT);
    pod.hollow("video.bin", 30 << 20);
    let words = pod.run_at(Pace::default()).stop();
    pod.until(|desk| desk.asked.len() == 2).await;
    pod.operator.shut();
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(pod.operator.desk().blobs.len(), 1, "it was in the middle of the video");
    pod.operator.desk().slow = Duration::ZERO;
    let back = Instant::now();
    pod.operator.open();
    let summary = stored(words.await.unwrap());
    eprintln!("done {} ms after it was back", back.elapsed().as_millis());
    assert_eq!((summary.reports, summary.artifacts), (1, 1));
}

#[tokio::test]
async fn file_that_changes_while_it_is_sent_is_sent_as_it_is_in_the_end() {
    let pod = Pod::begin(&[]).await;
    pod.operator.desk().slow = Duration::from_millis(20);
    // Longer than what kernel and pieces under way hold, so that its end is read after it changed.
    let mut last = vec![1; 32 << 20];
    pod.write("log.bin", &last);
    let words = pod.run().stop();
    pod.until(|desk| desk.asked.len() == 1).await;
    let from = last.len() - 64;
    last.splice(from.., [2; 64]);
    pod.amend("log.bin", &[2; 64]);
    pod.operator.desk().slow = Duration::ZERO;
    stored(words.await.unwrap());
    let known = understudy_core::evidence::Digest::of(&last);
    assert_eq!(pod.operator.manifest().artifacts[0].digest, known);
    assert_eq!(pod.operator.desk().bodies, 1, "no mixture was taken for whole");
}

#[tokio::test]
async fn operator_that_never_comes_is_named() {
    let pod = Pod::begin(&["--collect-timeout=2s"]).await;
    pod.write("junit.xml", REPORT);
    pod.operator.shut();
    let began = Instant::now();
    let said = error(pod.run().end().await);
    let url = &pod.operator.url;
    assert_eq!(said, format!("the evidence address {url} did not answer for 2 s"));
    assert!(began.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn run_that_is_away_at_the_very_end_is_named_too() {
    let pod = Pod::begin(&["--collect-timeout=2s"]).await;
    pod.write("junit.xml", REPORT);
    let running = pod.run();
    pod.until(|desk| desk.blobs.len() == 1).await;
    pod.operator.shut();
    let said = error(running.end().await);
    assert!(said.ends_with(" did not answer for 2 s"), "{said}");
}

#[tokio::test]
async fn request_that_stands_still_is_asked_again() {
    let pod = Pod::begin(&[]).await;
    pod.operator.desk().puts.push_back(Hang);
    pod.operator.desk().posts.push_back(Hang);
    pod.write("junit.xml", REPORT);
    stored(pod.run().end().await);
    assert_eq!(pod.operator.desk().asked.len(), 2);
}

#[tokio::test]
async fn operator_that_asks_for_time_gets_it() {
    let pod = Pod::begin(&[]).await;
    pod.operator.desk().puts.extend([Say(429, 1), Say(503, 1), Say(507, 0), Say(500, 0)]);
    pod.write("junit.xml", REPORT);
    stored(pod.run().end().await);
    let asked = pod.operator.desk().asked.clone();
    let waits: Vec<u128> =
        asked.windows(2).map(|two| two[1].duration_since(two[0]).as_millis()).collect();
    assert!(waits.len() == 4 && waits[0] >= 1000 && waits[1] >= 1000, "{waits:?}");
    assert!(waits[2] < 1500 && waits[3] >= 900, "{waits:?}");
}

#[tokio::test]
async fn pod_that_is_not_known_is_told_so_at_the_end_only() {
    let pod = Pod::begin(&[]).await;
    pod.operator.desk().refusal = Some(401);
    pod.write("junit.xml", REPORT);
    let running = pod.run();
    pod.until(|desk| !desk.tokens.is_empty()).await;
    let said = error(running.end().await);
    let url = &pod.operator.url;
    let why = "does not take results from this pod (HTTP 401 Unauthorized)";
    assert_eq!(said, format!("the evidence address {url} {why}"));
}

#[tokio::test]
async fn run_that_is_final_takes_nothing_more() {
    let pod = Pod::begin(&[]).await;
    pod.operator.desk().is_final = true;
    pod.write("junit.xml", REPORT);
    let said = error(pod.run().end().await);
    assert!(said.ends_with(" has the results of this run already"), "{said}");
    assert!(pod.operator.desk().asked.is_empty());
}

#[tokio::test]
async fn manifest_whose_answer_was_lost_is_the_same_manifest() {
    let pod = Pod::begin(&[]).await;
    pod.operator.desk().posts.push_back(Lose);
    pod.write("junit.xml", REPORT);
    let words = pod.run().stop();
    pod.until(|desk| desk.manifest.is_some()).await;
    pod.operator.open();
    let summary = stored(words.await.unwrap());
    let there = pod.operator.desk().manifest.clone().unwrap();
    assert_eq!(summary.manifest, understudy_core::evidence::Digest::of(&there));
}

#[tokio::test]
async fn another_manifest_is_not_overwritten() {
    let pod = Pod::begin(&[]).await;
    pod.write("junit.xml", REPORT);
    pod.operator.desk().manifest = Some("{}".into());
    let said = error(pod.run().end().await);
    assert!(said.ends_with(" has the results of this run already"), "{said}");
}

#[tokio::test]
async fn files_that_were_lost_are_sent_again() {
    let pod = Pod::begin(&[]).await;
    pod.operator.desk().loses = 2;
    pod.write("junit.xml", REPORT);
    pod.write("a.png", "a");
    pod.write("b.png", "b");
    let summary = stored(pod.run().end().await);
    assert_eq!((summary.reports, summary.artifacts), (1, 2));
    assert_eq!(pod.operator.desk().bodies, 5);
}

#[tokio::test]
async fn operator_that_always_asks_for_more_is_left() {
    let pod = Pod::begin(&["--collect-timeout=3s"]).await;
    pod.write("junit.xml", REPORT);
    let running = pod.run();
    pod.until(|desk| desk.blobs.len() == 1).await;
    let operator = pod.operator.clone();
    let loser = tokio::spawn(async move {
        loop {
            operator.desk().loses = 1;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let said = error(running.end().await);
    loser.abort();
    assert!(said.ends_with(" kept asking for files that it was sent"), "{said}");
}

#[tokio::test]
async fn artifact_that_nobody_takes_is_left_out_and_the_verdict_stands() {
    let pod = Pod::begin(&["--collect-timeout=3s"]).await;
    pod.write("junit.xml", REPORT);
    pod.write("a.png", "a");
    let running = pod.run();
    pod.until(|desk| desk.blobs.len() == 2).await;
    pod.operator.desk().puts.extend(vec![Say(507, 0); 100]);
    pod.write("b.png", "b");
    let summary = stored(running.end().await);
    assert_eq!((summary.reports, summary.artifacts, summary.failed), (1, 1, 1));
    let manifest = pod.operator.manifest();
    assert_eq!(manifest.lost_reports, 0);
    let named = &manifest.omitted.examples[0];
    let why = "there was no time left to send it: the evidence address said HTTP 507 Insufficient Storage";
    assert_eq!((named.path.as_str(), named.why.as_str()), ("b.png", why));
}

#[tokio::test]
async fn report_that_nobody_takes_is_a_lost_report_or_no_verdict() {
    let pod = Pod::begin(&["--collect-timeout=2s"]).await;
    pod.operator.desk().puts.push_back(Say(413, 0));
    pod.write("junit.xml", REPORT);
    let summary = stored(pod.run().end().await);
    assert_eq!((summary.reports, pod.operator.manifest().lost_reports), (0, 1));
    let pod = Pod::begin(&["--collect-timeout=2s"]).await;
    pod.operator.desk().puts.extend(vec![Say(507, 0); 100]);
    pod.write("junit.xml", REPORT);
    let said = error(pod.run().end().await);
    assert!(said.ends_with(" said HTTP 507 Insufficient Storage"), "{said}");
    assert!(pod.operator.desk().manifest.is_none());
}

#[tokio::test]
async fn what_stands_in_the_way_of_beginning_is_said() {
    let mut pod = Pod::begin(&[]).await;
    pod.args.retain(|one| !one.starts_with("--results"));
    pod.args.push("--results=/nowhere/at/all".to_owned());
    let said = error(pod.run().end().await);
    assert!(said.starts_with("the folder of results /nowhere/at/all cannot be opened: "), "{said}");
}
