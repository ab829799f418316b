//! Everything at once is a pass; each thing that is missing is none.

use jiff::Timestamp;
use understudy_crds::status::Verdict;

use super::{COLLECTOR, Found, found};
use crate::{
    evidence::Digest,
    junit::Counts,
    pod::{Container, Ended, Pod},
    run::{Arrived, Begun, Counted, Moment, ReportSeen},
    task::MAIN,
};

const COUNTS: Counts = Counts { total: 3, failed: 0, skipped: 1 };

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn began() -> Timestamp {
    time("2026-01-01T10:00:00Z")
}

fn ended() -> Timestamp {
    time("2026-01-01T10:00:30Z")
}

fn begun(reports: bool) -> Begun {
    Begun {
        check: "e2e".to_owned(),
        commit: "a1a1a1a1d0e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4".parse().expect("a commit"),
        attempt: 1,
        judged: String::new(),
        ground: String::new(),
        job: "check-e2e".to_owned(),
        uid: Some("uid".to_owned()),
        reports,
        at: began(),
    }
}

fn counted() -> Counted {
    Counted { counts: COUNTS, claimed: Some(COUNTS), ..Counted::default() }
}

fn arrived(counted: Counted) -> Arrived {
    let report = ReportSeen { path: "r.xml".to_owned(), modified: ended(), read: Ok(counted) };
    Arrived { manifest: Some(Digest::of(b"manifest")), reports: vec![report], ..Arrived::default() }
}

fn words(counts: Counts) -> String {
    let digest = Digest::of(b"manifest");
    let Counts { total, failed, skipped } = counts;
    format!(
        "{{\"manifest\":\"{digest}\",\"total\":{total},\"failed\":{failed},\"skipped\":{skipped},\"reports\":1,\"artifacts\":0}}"
    )
}

fn container(name: &str, code: i64, message: String) -> Container {
    let ended = Ended {
        code,
        reason: if code == 0 { "Completed" } else { "Error" }.to_owned(),
        message,
        started: Some(began()),
        finished: Some(ended()),
    };
    Container { name: name.to_owned(), ended: Some(ended), ..Container::default() }
}

fn pod(code: i64, counts: Counts) -> Pod {
    let containers =
        vec![container(COLLECTOR, 0, words(counts)), container(MAIN, code, String::new())];
    Pod { containers, ..Pod::default() }
}

fn judged(arrived: Option<&Arrived>, pod: &Pod) -> (Verdict, String) {
    let Found { verdict, sentence, .. } = found(&begun(true), arrived, pod);
    (verdict, sentence)
}

#[test]
fn everything_at_once_is_a_pass() {
    let whole = judged(Some(&arrived(counted())), &pod(0, COUNTS));
    assert_eq!(whole, (Verdict::Passed, "2 tests passed, 1 skipped".to_owned()));
    let named = Some((
        Moment { at: time("2026-01-01T21:00:00Z"), local: true },
        Moment { at: time("2026-01-01T21:00:01Z"), local: true },
    ));
    let elsewhere = judged(Some(&arrived(Counted { named, ..counted() })), &pod(0, COUNTS));
    assert_eq!(elsewhere.0, Verdict::Passed, "a time without a zone may be one of another zone");
}

#[test]
fn collector_that_did_not_speak_proves_nothing() {
    let all = arrived(counted());
    let with = |change: &dyn Fn(&mut Container)| {
        let mut pod = pod(0, COUNTS);
        change(&mut pod.containers[0]);
        judged(Some(&all), &pod)
    };
    let silent = with(&|one| one.ended = None);
    let killed = with(&|one| {
        one.ended = Some(Ended { code: 137, reason: "OOMKilled".to_owned(), ..Ended::default() });
    });
    let restarted = with(&|one| one.restarts = 1);
    let lying = with(&|one| {
        if let Some(end) = &mut one.ended {
            end.message = words(Counts { total: 9, ..COUNTS });
        }
    });
    let failed = with(&|one| {
        if let Some(end) = &mut one.ended {
            end.message = "{\"error\":\"the evidence address did not answer\"}".to_owned();
            end.code = 1;
        }
    });
    let babble = with(&|one| {
        if let Some(end) = &mut one.ended {
            end.message = "all is well".to_owned();
        }
    });
    for (found, says) in [
        (silent, "did not come to its end"),
        (killed, "OOMKilled"),
        (restarted, "began anew"),
        (lying, "what arrived is not what the collector says"),
        (failed, "the evidence address did not answer"),
        (babble, "last words cannot be read"),
    ] {
        assert_eq!(found.0, Verdict::NotProven, "{}", found.1);
        assert!(found.1.contains(says), "{}", found.1);
    }
    let lost = judged(None, &pod(0, COUNTS));
    assert_eq!(lost.0, Verdict::NotProven);
}

#[test]
fn pod_that_was_taken_away_proves_nothing() {
    for reason in ["Evicted", "Preempting", "NodeLost"] {
        let pod = Pod { reason: reason.to_owned(), ..pod(0, COUNTS) };
        let found = judged(Some(&arrived(counted())), &pod);
        assert_eq!(found.0, Verdict::NotProven);
        assert!(found.1.contains(reason), "{}", found.1);
    }
    let mut never = pod(0, COUNTS);
    never.containers[1].ended = None;
    never.containers[1].waiting = Some(("ImagePullBackOff".to_owned(), "no such image".to_owned()));
    let found = judged(None, &never);
    assert_eq!(
        found,
        (Verdict::NotProven, "it never began (ImagePullBackOff: no such image)".to_owned())
    );
}

#[test]
fn exit_code_alone_is_shown_as_that() {
    let silent = Arrived { reports: Vec::new(), ..arrived(counted()) };
    for (code, verdict, says) in [
        (0, Verdict::Passed, "exit code only"),
        (3, Verdict::Failed, "exit code 3"),
        (137, Verdict::NotProven, "ended from outside"),
    ] {
        let found = found(&begun(false), Some(&silent), &pod(code, Counts::default()));
        assert_eq!(found.verdict, verdict);
        assert!(found.sentence.contains(says), "{}", found.sentence);
    }
}
