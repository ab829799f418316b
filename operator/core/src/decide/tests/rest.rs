//! Sleep and wake.

use jiff::{SignedDuration, Timestamp};
use understudy_crds::{preview::Sleep, status::Phase};

use super::{Act, Facts, decide, standing};

/// A preview that is Ready, with the time that it became so.
fn ready() -> (Facts, Timestamp) {
    let facts = standing();
    let since = facts.now;
    (facts, since)
}

fn asleep(facts: &Facts) -> bool {
    decide(facts).status.and_then(|status| status.phase) == Some(Phase::Asleep)
}

const HOUR: SignedDuration = SignedDuration::from_hours(1);

#[test]
fn sleeps_when_nobody_asked_for_long_and_says_so_before_its_pods_go() {
    let (mut facts, since) = ready();
    assert_eq!(decide(&facts).next, Some(since + HOUR));
    facts.now = since + HOUR - SignedDuration::from_secs(1);
    assert!(!asleep(&facts));
    facts.now = since + HOUR;
    let decision = decide(&facts);
    assert!(asleep(&facts) && decision.status_first);
    assert!(
        matches!(decision.acts.as_slice(), [Act::Write(_), Act::Write(_)]),
        "{:?}",
        decision.acts
    );
    // Said once; what is left to be done is done without a word.
    facts.preview.status = decision.status.expect("something is said");
    assert!(!decide(&facts).status_first);
    assert_eq!(decide(&facts).status, Some(facts.preview.status.clone()));
}

#[test]
fn note_keeps_it_awake_and_wakes_it() {
    let (mut facts, since) = ready();
    facts.preview.last_request = Some(since + HOUR / 2);
    facts.now = since + HOUR;
    assert!(!asleep(&facts));
    facts.now = since + HOUR + HOUR / 2;
    assert!(asleep(&facts));
    facts.preview.status = decide(&facts).status.expect("something is said");
    facts.preview.last_request = Some(facts.now);
    assert!(!asleep(&facts), "whoever asks wakes it");
}

#[test]
fn wake_is_told_of_when_it_is_over_or_takes_its_time() {
    let (mut facts, since) = ready();
    facts.now = since + HOUR;
    facts.preview.status = decide(&facts).status.expect("something is said");
    facts.children.retain(|id, _| id.kind != "Deployment");
    let woken = facts.now + SignedDuration::from_secs(60);
    (facts.preview.wake_wanted, facts.now) = (Some(woken), woken);
    let decision = decide(&facts);
    assert!(!decision.acts.is_empty());
    let later = woken + SignedDuration::from_secs(2);
    assert_eq!((decision.status, decision.next), (None, Some(later)));
    facts.now = later;
    let said = decide(&facts).status.expect("it takes its time");
    assert_eq!(said.phase, Some(Phase::Deploying));
    // The edge's clock is an hour ahead.
    facts.preview.wake_wanted = Some(later + HOUR);
    assert!(decide(&facts).status.is_some());
}

#[test]
fn without_an_edge_and_by_request_it_never_sleeps() {
    let (mut facts, since) = ready();
    facts.now = since + HOUR;
    facts.settings.wakes = false;
    assert!(!asleep(&facts), "nobody could wake it");
    facts.settings.wakes = true;
    facts.preview.spec.sleep = Sleep::Never;
    assert!(!asleep(&facts));
}

#[test]
fn whoever_says_now_is_obeyed_until_somebody_asks() {
    let (mut facts, since) = ready();
    facts.preview.spec.sleep = Sleep::Now;
    assert!(asleep(&facts));
    facts.preview.status = decide(&facts).status.expect("something is said");
    facts.now = since + SignedDuration::from_mins(10);
    facts.preview.last_request = Some(facts.now);
    assert!(asleep(&facts), "a note that is no wake");
    facts.preview.wake_wanted = Some(facts.now);
    assert!(!asleep(&facts));
    facts.now += HOUR;
    assert!(asleep(&facts));
}

#[test]
fn nobody_sleeps_within_three_minutes_of_a_note() {
    let (mut facts, since) = ready();
    super::template(&mut facts).lifecycle.sleep_after = "1s".parse().expect("a span");
    facts.preview.last_request = Some(since);
    facts.now = since + SignedDuration::from_secs(179);
    assert!(!asleep(&facts));
    facts.now = since + SignedDuration::from_mins(3);
    assert!(asleep(&facts));
}
