//! Requests to what is exposed: whether the route answers, and whether every check holds on this commit.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use understudy_crds::{
    PreviewTemplateSpec,
    condition::Reason,
    scalar::CommitSha,
    status::{CheckResult, Verdict},
};

use super::{
    Ask, Stop,
    lifetime::{later, length},
};
use crate::{
    answer::{Answer, Wanted},
    desired::digest,
    facts::{Facts, Probe, Probed, Silence},
    stack::{Check, HttpCheck},
};

/// Between two tries.
const PAUSE: SignedDuration = SignedDuration::from_millis(500);

/// The same once it took so long that somebody has to act.
const LONG_PAUSE: SignedDuration = SignedDuration::from_secs(5);

/// How long a preview's address may stay silent although everything runs.
const ROUTE_PATIENCE: SignedDuration = SignedDuration::from_secs(60);

/// A wait that is shorter is not worth a status of its own.
const WORTH_A_WORD: SignedDuration = SignedDuration::from_secs(5);

/// What the checks came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Checked {
    pub(super) results: Vec<CheckResult>,
    /// Whether one is running.
    pub(super) open: bool,
    /// When the next try is due, while one is running.
    pub(super) next: Option<Timestamp>,
}

/// The public route: any answer will do. `since` is when everything began to run.
pub(super) fn route(
    facts: &Facts,
    template: &PreviewTemplateSpec,
    (since, stands): (Timestamp, &str),
    asks: &mut Vec<Ask>,
) -> Result<(), Stop> {
    let Some(probe) = probe(facts, template, stands, ("/", Wanted::default())) else {
        return Ok(());
    };
    let probed = facts.probes.get(&probe);
    // Answers are not kept for ever, nor over a restart: that nobody asked yet says nothing about the route.
    let Some(Probed { answer, .. }) = probed else {
        let next = ask(facts, probe, None, (since, asks));
        return Err(Stop { next: Some(next), ..Stop::quiet("waiting for the first answer") });
    };
    let why = match answer {
        Ok(Answer { status, .. }) if *status < 500 => return Ok(()),
        Ok(Answer { status, .. }) => format!("HTTP {status}"),
        Err(Silence::Preview(why)) => why.clone(),
        Err(Silence::Way(why)) => {
            let next = ask(facts, probe, probed, (since, asks));
            return Err(Stop::waiting(Reason::Failed, why.clone(), next));
        }
    };
    let next = ask(facts, probe, probed, (since, asks));
    if facts.now >= later(since, ROUTE_PATIENCE) {
        let message = format!(
            "everything runs, but Service {} does not answer: {why}",
            template.expose.first().map_or("", |first| first.service.as_str())
        );
        return Err(Stop::broken(Reason::RouteNotAnswering, message, Some(next)));
    }
    if facts.now < later(since, WORTH_A_WORD) {
        return Err(Stop { next: Some(next), ..Stop::quiet("waiting for the first answer") });
    }
    Err(Stop::progressing("waiting for the first answer".to_owned(), Some(next)))
}

/// One check, on this commit. `since` is when the commit was first proved to be served.
pub(super) fn check(
    facts: &Facts,
    (template, check, http): (&PreviewTemplateSpec, &Check, &HttpCheck),
    (since, stands): (Timestamp, &str),
    asks: &mut Vec<Ask>,
    checked: &mut Checked,
) {
    let commit = &facts.preview.spec.commit;
    let judged = digest(&json!([http.path, http.status, format!("{:?}", http.wanted), stands]));
    let noted = facts.preview.status.checks.iter().find(|one| {
        one.name == check.name
            && one.commit == *commit
            && one.judged.as_ref() == Some(&judged)
            && one.verdict != Verdict::Running
    });
    let result = match noted {
        // The first result stands, for this check of these pods.
        Some(noted) => noted.clone(),
        None => look(facts, (template, check, http), (since, stands), (asks, &mut checked.next)),
    };
    checked.open |= result.verdict == Verdict::Running;
    checked.results.push(CheckResult { judged: Some(judged), ..result });
}

fn look(
    facts: &Facts,
    (template, check, http): (&PreviewTemplateSpec, &Check, &HttpCheck),
    (since, stands): (Timestamp, &str),
    (asks, next): (&mut Vec<Ask>, &mut Option<Timestamp>),
) -> CheckResult {
    let commit = &facts.preview.spec.commit;
    let Some(probe) = probe(facts, template, stands, (&http.path, http.wanted.clone())) else {
        return result(check, commit, Verdict::NotProven, None, "nothing is exposed");
    };
    let probed = facts.probes.get(&probe).filter(|probed| probed.at >= since);
    let seconds = |at: Timestamp| Some(rounded(since.duration_until(at)));
    if let Some(probed) = probed {
        let met = probed.answer == Ok(Answer::plain(http.status));
        if met {
            let message = format!("{} answered {}", http.path, http.status);
            return result(check, commit, Verdict::Passed, seconds(probed.answered), &message);
        }
        if facts.now >= later(since, length(&check.timeout)) {
            let message = format!("{} after {}", unmet(http, probed), check.timeout);
            let verdict = if probed.answer.is_ok() { Verdict::Failed } else { Verdict::NotProven };
            // While nothing leads there nobody can tell.
            if let Err(Silence::Way(why)) = &probed.answer {
                let due = ask(facts, probe, Some(probed), (since, asks));
                *next = Some(next.map_or(due, |next| next.min(due)));
                return result(check, commit, Verdict::Running, None, why);
            }
            return result(check, commit, verdict, seconds(probed.answered), &message);
        }
    }
    let due = ask(facts, probe, probed, (since, asks));
    *next = Some(next.map_or(due, |next| next.min(due)));
    result(check, commit, Verdict::Running, None, &format!("asking for {}", http.path))
}

fn unmet(check: &HttpCheck, probed: &Probed) -> String {
    let path = &check.path;
    match &probed.answer {
        Err(Silence::Preview(why) | Silence::Way(why)) => {
            format!("{path} did not answer: {why}")
        }
        Ok(Answer { status, .. }) if *status != check.status => {
            format!("{path} answered {status} instead of {}", check.status)
        }
        Ok(Answer { status, unmet }) => {
            format!("{path} answered {status}, {}", unmet.as_deref().unwrap_or_default())
        }
    }
}

fn result(
    check: &Check,
    commit: &CommitSha,
    verdict: Verdict,
    seconds: Option<f64>,
    message: &str,
) -> CheckResult {
    let (name, commit) = (check.name.clone(), commit.clone());
    let message = Some(super::status::cut(message, 1000));
    CheckResult {
        name,
        verdict,
        commit,
        attempt: 1,
        tests: None,
        evidence: None,
        seconds,
        message,
        first: None,
        judged: None,
    }
}

/// Seconds with two decimals.
pub(super) fn rounded(duration: SignedDuration) -> f64 {
    (duration.as_secs_f64() * 100.0).round() / 100.0
}

fn probe(
    facts: &Facts,
    template: &PreviewTemplateSpec,
    stands: &str,
    (path, wanted): (&str, Wanted),
) -> Option<Probe> {
    let first = template.expose.first()?;
    Some(Probe {
        namespace_uid: super::namespace_uid(facts),
        namespace: super::namespace_name(facts),
        stands: stands.to_owned(),
        host: super::addresses(facts).host().unwrap_or_default(),
        service: first.service.to_string(),
        port: first.port,
        path: path.to_owned(),
        wanted,
    })
}

/// Asks again when it is time; says when that is.
fn ask(
    facts: &Facts,
    probe: Probe,
    probed: Option<&Probed>,
    (since, asks): (Timestamp, &mut Vec<Ask>),
) -> Timestamp {
    let long = facts.now >= later(since, ROUTE_PATIENCE);
    let pause = if long { LONG_PAUSE } else { PAUSE };
    let due = probed.map_or(facts.now, |probed| later(probed.answered, pause));
    if due <= facts.now {
        asks.push(Ask::Probe(probe));
        return later(facts.now, pause);
    }
    due
}
