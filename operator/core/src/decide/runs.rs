//! Checks that run as Jobs: at most one Job for each preview, check, commit and attempt, and a verdict that is decided
//! once, kept in the evidence store, and said afterwards.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use understudy_crds::{
    label,
    status::{CheckResult, EvidenceLink, FirstResult, TestCounts, Verdict},
};

use super::{
    Act, Write,
    checks::rounded,
    lifetime::later,
    preparation::condition,
    stages::Way,
    trouble::of_pod,
    verdict::{Found, found, total},
};
use crate::{
    child::{Child, ObjectId},
    desired::{self, Desired, digest},
    facts::Facts,
    pod::Pod,
    run::{Begun, Judged, Run, Runs},
    stack::{Check, JobCheck},
};

/// How soon to look again at a store that does not answer.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(5);

/// What a check by a Job came to in one look.
pub(super) struct Looked {
    pub(super) result: CheckResult,
    /// When to look again although nothing happens.
    pub(super) next: Option<Timestamp>,
}

/// A check as this look meets it.
#[derive(Clone, Copy)]
struct Case<'look> {
    facts: &'look Facts,
    check: &'look Check,
    job: &'look JobCheck,
    known: &'look BTreeMap<String, Run>,
    judged: &'look str,
}

/// Looks at one check.
pub(super) fn look(
    way: &mut Way<'_>,
    (check, job): (&Check, &JobCheck),
    make: impl Fn(&str, u32) -> Option<Desired>,
    judged: &str,
) -> Looked {
    let facts = way.facts;
    let known = match &facts.runs {
        Runs::Known(known) => known,
        Runs::Unknown(why) => {
            let message = format!("the evidence store does not answer: {why}");
            let next = Some(later(facts.now, LOOK_AGAIN));
            return Looked { result: running(facts, check, 1, &message), next };
        }
    };
    let case = Case { facts, check, job, known, judged };
    // A run of another state of the stack proves nothing of this one.
    for run in case.all().filter(|run| run.begun.judged != judged && run.judged.is_none()) {
        let why = "the check or the stack was changed while it ran";
        way.acts.extend(cancel(facts, run, why));
    }
    let mine: Vec<&Run> = case.mine().collect();
    let Some(last) = mine.last() else {
        return case.begin(way, &make, 1 + case.attempts());
    };
    let Some(verdict) = &last.judged else { return case.follow(way, last, &make) };
    let tries = u32::try_from(mine.len()).unwrap_or(u32::MAX);
    if verdict.verdict != Verdict::Passed && tries <= job.retries {
        return case.begin(way, &make, 1 + case.attempts());
    }
    Looked { result: case.done(last, verdict), next: None }
}

impl<'look> Case<'look> {
    /// Runs of this check at this commit, in their order.
    fn all(self) -> impl Iterator<Item = &'look Run> {
        let mut all: Vec<&Run> = self
            .known
            .values()
            .filter(|run| run.begun.check == self.check.name)
            .filter(|run| run.begun.commit == self.facts.preview.spec.commit)
            .collect();
        all.sort_by_key(|run| run.begun.attempt);
        all.into_iter()
    }

    /// Those of them that judge what stands now.
    fn mine(self) -> impl Iterator<Item = &'look Run> {
        self.all().filter(move |run| run.begun.judged == self.judged)
    }

    /// The last attempt at this commit: also one that the store no longer knows, whose Job still stands.
    fn attempts(self) -> u32 {
        let commit = self.facts.preview.spec.commit.as_str();
        let is = |child: &Child, name: &str, value: &str| {
            child.labels.get(name).is_some_and(|one| one == value)
        };
        let jobs = self.facts.children.values().filter(|child| {
            is(child, label::CHECK, &self.check.name) && is(child, label::COMMIT, commit)
        });
        let stood = jobs.filter_map(|child| child.labels.get(label::ATTEMPT)?.parse().ok());
        self.all().map(|run| run.begun.attempt).chain(stood).max().unwrap_or(0)
    }

    fn begin(
        self,
        way: &mut Way<'_>,
        make: &impl Fn(&str, u32) -> Option<Desired>,
        attempt: u32,
    ) -> Looked {
        let Some(job) = make(&self.check.name, attempt) else {
            let why = "this operator was not told how results are collected (`--image` and `--evidence-url`)";
            let result = result(self.facts, self.check, attempt, Verdict::NotProven, why);
            return Looked { result, next: None };
        };
        let begun = Begun {
            check: self.check.name.clone(),
            commit: self.facts.preview.spec.commit.clone(),
            attempt,
            judged: self.judged.to_owned(),
            ground: ground(self.facts),
            job: job.id.name.clone(),
            uid: None,
            reports: !self.job.results.junit.is_empty(),
            at: self.facts.now,
        };
        way.acts.push(Act::Begin { begun: Box::new(begun), job: Box::new(job) });
        let result = running(self.facts, self.check, attempt, "its Job begins");
        Looked { result: self.kept(result), next: None }
    }

    /// A run that is not decided yet.
    fn follow(
        self,
        way: &mut Way<'_>,
        run: &Run,
        make: &impl Fn(&str, u32) -> Option<Desired>,
    ) -> Looked {
        let facts = self.facts;
        let begun = &run.begun;
        let child = facts.children.get(&job_id(&begun.job));
        let result = |message: &str| running(facts, self.check, begun.attempt, message);
        let Some(uid) = &begun.uid else {
            // We ended between the two writes: the Job of that name is ours, or there is none yet.
            if let Some(job) = make(&self.check.name, begun.attempt) {
                way.acts.push(Act::Begin { begun: Box::new(begun.clone()), job: Box::new(job) });
            }
            return Looked { result: self.kept(result("its Job begins")), next: None };
        };
        let ended = match child {
            None => Some(Found::unproven("its Job was deleted before it had come to its end")),
            Some(child) if child.uid != *uid => {
                Some(Found::unproven("its Job was deleted, and another made under its name"))
            }
            Some(child) => self.ended(run, child),
        };
        let Some(found) = ended else {
            let message = child.map_or_else(String::new, |child| pending(facts, child));
            return Looked { result: self.kept(result(&message)), next: None };
        };
        // What a watch does not show is asked for before it counts as gone.
        let gone = child.is_none().then(|| uid.clone());
        let judged = judged(facts, run, &found);
        way.acts.push(Act::Judge {
            begun: Box::new(begun.clone()),
            judged: Box::new(judged),
            gone,
        });
        // It is said when it is kept, and without the secrets that its words may hold.
        let said = facts.preview.status.checks.iter().find(|one| one.name == self.check.name);
        let said = said.filter(|said| said.attempt == begun.attempt);
        let message = said.and_then(|said| said.message.clone()).unwrap_or_default();
        Looked { result: self.kept(result(&message)), next: Some(facts.now) }
    }

    /// What the run proves, if it came to its end.
    fn ended(self, run: &Run, child: &Child) -> Option<Found> {
        let facts = self.facts;
        let begun = &run.begun;
        if begun.ground != ground(facts) {
            let why =
                "pods of the stack were replaced while it ran, so nothing is known of this commit";
            return Some(Found::unproven(why));
        }
        if child.deleting {
            return Some(Found::unproven("its Job was deleted before it had come to its end"));
        }
        let pods: Vec<&Pod> = facts.pods.iter().filter(|pod| pod.job == child.uid).collect();
        if pods.len() > 1 {
            return Some(Found::unproven("its pod was replaced by another"));
        }
        let over =
            ["Complete", "Failed"].into_iter().find_map(|kind| condition(&child.status, kind));
        let over = over?;
        let Some(pod) = pods.first() else {
            let why = over.get("message").and_then(|one| one.as_str()).unwrap_or_default();
            return Some(Found::unproven(format!(
                "its pod is gone, and what it left with it ({why})"
            )));
        };
        Some(found(begun, run.arrived.as_ref(), pod))
    }

    fn done(self, run: &Run, judged: &Judged) -> CheckResult {
        let begun = &run.begun;
        let sentence = match self.own_judge() {
            Some(image) => {
                format!("{}; judged by the pull request's own image {image}", judged.sentence)
            }
            None => judged.sentence.clone(),
        };
        let mut result = result(self.facts, self.check, begun.attempt, judged.verdict, &sentence);
        result.seconds = Some(judged.seconds);
        let link = self.facts.evidence.as_ref().map(|link| format!("{link}runs/{}/", begun.job));
        let digest = judged.manifest.as_ref().map(ToString::to_string);
        result.evidence =
            (digest.is_some() || link.is_some()).then_some(EvidenceLink { digest, url: link });
        let counts = judged.counts.or_else(|| run.arrived.as_ref().map(total));
        result.tests = counts.map(|counts| TestCounts {
            total: counts.total,
            failed: counts.failed,
            skipped: counts.skipped,
        });
        result.judged = Some(self.judged.to_owned());
        self.kept(result)
    }

    /// The image of the check, if it was built from the pull request's own commit: then whoever wrote the commit judges.
    fn own_judge(self) -> Option<String> {
        let image = self.job.job.pointer("/spec/template/spec/containers/0/image")?.as_str()?;
        let pins = &self.facts.preview.status.images;
        let repository = desired::repository(image);
        let pin = pins.iter().find(|pin| pin.name == repository)?;
        let commit = self.facts.preview.spec.commit.as_str();
        let short = self.facts.preview.spec.commit.short();
        (pin.tag.contains(commit) || pin.tag.contains(short)).then(|| repository.to_owned())
    }

    /// The first result stands beside a later one.
    fn kept(self, mut result: CheckResult) -> CheckResult {
        let first = self.mine().next();
        result.first =
            first.filter(|first| first.begun.attempt < result.attempt).and_then(|first| {
                let judged = first.judged.as_ref()?;
                Some(FirstResult { verdict: judged.verdict, message: judged.sentence.clone() })
            });
        if result.first.is_some()
            && result.verdict == Verdict::Passed
            && let Some(message) = &mut result.message
        {
            *message = super::status::cut(&format!("passed on retry: {message}"), 1000);
        }
        result
    }
}

/// Runs of other commits come to their end: they are cancelled, and never report.
pub(super) fn outdated(facts: &Facts) -> Vec<Act> {
    let Runs::Known(known) = &facts.runs else { return Vec::new() };
    let commit = &facts.preview.spec.commit;
    let open = known.values().filter(|run| run.judged.is_none() && run.begun.commit != *commit);
    let why = format!("cancelled: commit {} came", commit.short());
    open.flat_map(|run| cancel(facts, run, &why)).collect()
}

/// Whether a Job of a check may stand: surplus is decided here, and not with the stack.
pub(super) fn is_check(child: &Child) -> bool {
    child.labels.contains_key(label::CHECK)
}

/// Jobs of checks that nothing stands for any more.
pub(super) fn surplus(facts: &Facts, checks: &[Check]) -> Vec<Act> {
    let Runs::Known(known) = &facts.runs else { return Vec::new() };
    let jobs = facts.children.iter().filter(|(id, child)| id.kind == "Job" && is_check(child));
    jobs.filter(|(id, child)| {
        let wanted = known.get(&id.name).is_some_and(|run| {
            run.begun.commit == facts.preview.spec.commit
                && checks.iter().any(|check| check.name == run.begun.check)
        });
        !wanted && !child.deleting
    })
    .map(|(id, child)| Act::Write(Write::Delete { id: id.clone(), uid: child.uid.clone() }))
    .collect()
}

fn cancel(facts: &Facts, run: &Run, why: &str) -> Vec<Act> {
    let begun = &run.begun;
    let judged = judged(facts, run, &Found::unproven(why));
    let mut acts = Vec::new();
    let id = job_id(&begun.job);
    if let Some(child) = facts.children.get(&id).filter(|child| !child.deleting) {
        acts.push(Act::Write(Write::Delete { id, uid: child.uid.clone() }));
    }
    let (begun, judged) = (Box::new(begun.clone()), Box::new(judged));
    acts.push(Act::Judge { begun, judged, gone: None });
    acts
}

fn judged(facts: &Facts, run: &Run, found: &Found) -> Judged {
    Judged {
        manifest: run.arrived.as_ref().and_then(|arrived| arrived.manifest),
        verdict: found.verdict,
        sentence: super::status::cut(&found.sentence, 900),
        counts: found.counts,
        seconds: rounded(run.begun.at.duration_until(facts.now)),
        at: facts.now,
    }
}

/// Why a Job that was made has not come to its end.
fn pending(facts: &Facts, child: &Child) -> String {
    let pods: Vec<&Pod> = facts.pods.iter().filter(|pod| pod.job == child.uid).collect();
    let Some(pod) = pods.first() else {
        return "it waits for its pod: the preview's quota may have no room for it".to_owned();
    };
    if let Some(why) = &pod.unschedulable {
        return format!("its pod cannot be scheduled yet: {why}");
    }
    let id = ObjectId { name: pod.name.clone(), ..job_id("") };
    if let Some(trouble) = of_pod(&id, pod, None, facts) {
        return trouble.sentence;
    }
    match pod.phase.as_str() {
        "Pending" => "its pod is being started".to_owned(),
        _ => "it runs".to_owned(),
    }
}

fn job_id(name: &str) -> ObjectId {
    let (api_version, kind) = ("batch/v1".to_owned(), "Job".to_owned());
    ObjectId { api_version, kind, name: name.to_owned() }
}

/// A digest of the pods that a run judges: one that was replaced is another ground.
pub(super) fn ground(facts: &Facts) -> String {
    let keeps = |pod: &&Pod| {
        let lasting = ["Deployment/", "StatefulSet/"];
        lasting.iter().any(|kind| pod.workload.starts_with(kind)) && !pod.is_over()
    };
    let mut pods: Vec<&str> = facts.pods.iter().filter(keeps).map(|pod| pod.uid.as_str()).collect();
    pods.sort_unstable();
    digest(&serde_json::json!(pods))
}

fn running(facts: &Facts, check: &Check, attempt: u32, message: &str) -> CheckResult {
    result(facts, check, attempt, Verdict::Running, message)
}

fn result(facts: &Facts, check: &Check, attempt: u32, verdict: Verdict, why: &str) -> CheckResult {
    CheckResult {
        name: check.name.clone(),
        verdict,
        commit: facts.preview.spec.commit.clone(),
        attempt,
        tests: None,
        evidence: None,
        seconds: None,
        message: Some(super::status::cut(why, 1000)),
        first: None,
        judged: None,
    }
}
