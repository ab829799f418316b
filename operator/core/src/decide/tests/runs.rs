//! Checks that are Jobs: begun once, judged once, cancelled by a commit, and said as they were kept.

use std::collections::BTreeMap;

use serde_json::json;
use understudy_crds::status::{CheckResult, Phase, Verdict};

use super::{Act, Decision, Facts, NEW, Write, decide, standing, stood, template};
use crate::{
    decide::COLLECTOR,
    evidence::Digest,
    fence::EdgePods,
    junit::Counts,
    pod::{Container, Ended, Pod},
    run::{Arrived, Begun, Counted, Judged, ReportSeen, Run, Runs},
    sidecar::{Collecting, Opening},
    task::MAIN,
};

/// Everything stands, and has a check that is a Job.
fn checked(retries: u32) -> Facts {
    let mut facts = standing();
    let pods =
        EdgePods { namespace: "understudy".to_owned(), label: ("a".to_owned(), "b".to_owned()) };
    facts.settings.collecting = Some(Collecting {
        image: "example.com/understudy:1".to_owned(),
        evidence_url: "http://evidence:8082".to_owned(),
        evidence: Opening::Pods(pods),
        edge: Some((
            "edge:8000".to_owned(),
            Opening::Address("192.0.2.1:8000".parse().expect("an address")),
        )),
    });
    let check = json!({
        "name": "e2e",
        "job": {"image": "example.com/e2e:1", "results": {"junit": ["*.xml"]}, "retries": retries},
    });
    template(&mut facts).checks = vec![serde_json::from_value(check).expect("a check")];
    settle_fences(&mut facts);
    facts
}

/// The opening in the fence is made.
fn settle_fences(facts: &mut Facts) {
    for act in decide(facts).acts {
        if let Act::Write(Write::Apply { id, object, .. }) = act {
            facts.children.insert(id, stood(&object));
        }
    }
}

/// The run that is begun, and its Job as a cluster makes it.
fn begin(facts: &mut Facts) -> Begun {
    let act = decide(facts).acts.into_iter().find_map(|act| match act {
        Act::Begin { begun, job } => Some((begun, job)),
        _ => None,
    });
    let (begun, job) = act.expect("a run is begun");
    assert_eq!(begun.job, job.id.name);
    let mut child = stood(&job.object);
    child.status = json!({});
    let begun = Begun { uid: Some(child.uid.clone()), ..*begun };
    facts.children.insert(job.id.clone(), child);
    know(facts, Run { begun: begun.clone(), arrived: None, judged: None });
    begun
}

fn know(facts: &mut Facts, run: Run) {
    let mut known = match &facts.runs {
        Runs::Known(known) => known.clone(),
        Runs::Unknown(_) => BTreeMap::new(),
    };
    known.insert(run.begun.job.clone(), run);
    facts.runs = Runs::Known(known);
}

/// The Job comes to its end: with a report of so many failures.
fn end(facts: &mut Facts, begun: &Begun, failed: u64) {
    let counts = Counts { total: 2, failed, skipped: 0 };
    let manifest = Digest::of(begun.job.as_bytes());
    let words = format!(
        "{{\"manifest\":\"{manifest}\",\"total\":2,\"failed\":{failed},\"skipped\":0,\"reports\":1,\"artifacts\":0}}"
    );
    let ended = |message: &str| {
        let time = Some(facts.now);
        Some(Ended {
            message: message.to_owned(),
            started: time,
            finished: time,
            ..Ended::default()
        })
    };
    let container = |name: &str, message: &str| Container {
        name: name.to_owned(),
        ended: ended(message),
        ..Container::default()
    };
    let pod = Pod {
        name: begun.job.clone(),
        uid: format!("pod-{}", begun.job),
        job: begun.uid.clone().unwrap_or_default(),
        workload: "Job/check-e2e".to_owned(),
        phase: "Succeeded".to_owned(),
        containers: vec![container(COLLECTOR, &words), container(MAIN, "")],
        ..Pod::default()
    };
    facts.pods.push(pod);
    let condition = json!({"conditions": [{"type": "Complete", "status": "True"}]});
    for (id, child) in &mut facts.children {
        if id.name == begun.job {
            child.status.clone_from(&condition);
        }
    }
    let read = Ok(Counted { counts, ..Counted::default() });
    let report = ReportSeen { path: "r.xml".to_owned(), modified: facts.now, read };
    let arrived = Arrived { manifest: Some(manifest), reports: vec![report], ..Arrived::default() };
    know(facts, Run { begun: begun.clone(), arrived: Some(arrived), judged: None });
}

/// The verdict is kept.
fn judge(facts: &mut Facts, begun: &Begun) -> Judged {
    let judged = decide(facts).acts.into_iter().find_map(|act| match act {
        Act::Judge { judged, .. } => Some(*judged),
        _ => None,
    });
    let judged = judged.expect("a verdict");
    know(facts, Run { begun: begun.clone(), arrived: None, judged: Some(judged.clone()) });
    judged
}

fn said(decision: &Decision) -> (Option<Phase>, CheckResult) {
    let status = decision.status.clone().expect("something is said");
    (status.phase, status.checks.first().cloned().expect("a check"))
}

#[test]
fn run_is_begun_once_judged_once_and_said_when_it_is_kept() {
    let mut facts = checked(0);
    let begun = begin(&mut facts);
    let running = decide(&facts);
    assert_eq!(running.acts, [], "one Job for each attempt");
    assert_eq!(said(&running).1.verdict, Verdict::Running);
    end(&mut facts, &begun, 0);
    assert_eq!(said(&decide(&facts)).1.verdict, Verdict::Running, "not before it is kept");
    judge(&mut facts, &begun);
    let done = decide(&facts);
    assert_eq!(done.acts, []);
    let (phase, check) = said(&done);
    assert_eq!((phase, check.verdict), (Some(Phase::Ready), Verdict::Passed));
    assert_eq!(check.message.as_deref(), Some("2 tests passed"));
}

#[test]
fn pass_on_retry_keeps_the_first_result() {
    let mut facts = checked(1);
    let first = begin(&mut facts);
    end(&mut facts, &first, 1);
    judge(&mut facts, &first);
    let second = begin(&mut facts);
    assert_eq!((first.attempt, second.attempt), (1, 2));
    end(&mut facts, &second, 0);
    judge(&mut facts, &second);
    let (phase, check) = said(&decide(&facts));
    assert_eq!((phase, check.attempt), (Some(Phase::Ready), 2));
    assert_eq!(check.message.as_deref(), Some("passed on retry: 2 tests passed"));
    assert_eq!(check.first.map(|first| first.verdict), Some(Verdict::Failed));
}

#[test]
fn new_commit_cancels_what_runs_for_the_old_one() {
    let mut facts = checked(0);
    let begun = begin(&mut facts);
    facts.preview.spec.commit = NEW.parse().expect("a commit");
    facts.preview.generation = 2;
    let acts = decide(&facts).acts;
    let gone =
        |act: &Act| matches!(act, Act::Write(Write::Delete { id, .. }) if id.name == begun.job);
    assert!(acts.iter().any(gone), "{acts:?}");
    let judged = judge(&mut facts, &begun);
    assert_eq!(judged.verdict, Verdict::NotProven);
    assert!(judged.sentence.starts_with("cancelled: commit b2b2b2b"), "{}", judged.sentence);
}

#[test]
fn pods_that_are_replaced_prove_nothing() {
    let mut facts = checked(0);
    let begun = begin(&mut facts);
    end(&mut facts, &begun, 0);
    for pod in facts.pods.iter_mut().filter(|pod| pod.name == "web") {
        pod.uid = "another".to_owned();
    }
    assert_eq!(judge(&mut facts, &begun).verdict, Verdict::NotProven);
}

#[test]
fn store_that_does_not_answer_is_waited_for() {
    let mut facts = checked(0);
    facts.runs = Runs::Unknown("it is full".to_owned());
    let decision = decide(&facts);
    assert_eq!(decision.acts, []);
    assert!(decision.next.is_some());
    let (_, check) = said(&decision);
    assert_eq!(check.message.as_deref(), Some("the evidence store does not answer: it is full"));
}

#[test]
fn job_that_the_store_does_not_know_is_another_attempt() {
    let mut facts = checked(0);
    let before = begin(&mut facts);
    facts.runs = Runs::default();
    let again = begin(&mut facts);
    assert_eq!((before.attempt, again.attempt), (1, 2));
    assert_ne!(before.job, again.job);
}

#[test]
fn operator_that_cannot_collect_says_so() {
    let mut facts = checked(0);
    facts.settings.collecting = None;
    facts.children.retain(|id, _| id.name != "understudy-checks");
    let (phase, check) = said(&decide(&facts));
    assert_eq!((phase, check.verdict), (Some(Phase::Failed), Verdict::NotProven));
    assert!(check.message.is_some_and(|message| message.contains("`--image`")));
}
