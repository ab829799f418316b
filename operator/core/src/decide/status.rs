//! What is said of a preview: phase, conditions, columns, in the order in which people ask.

use jiff::Timestamp;
use understudy_crds::{
    PreviewStatus,
    condition::{Actor, ConditionType, Reason},
    status::{
        CheckResult, Condition, ConditionStatus, NamespaceReference, Phase, StepTime, Summary,
        Verdict,
    },
};

use super::{
    Notice,
    checks::rounded,
    notice,
    stages::Way,
    stop::{Kind, Stop},
};
use crate::facts::{Facts, NamespaceSight};

/// The longest message of a condition, in bytes (the schema says so too).
const LONGEST: usize = 1024;

/// The order in which conditions become true.
const ORDER: [ConditionType; 7] = [
    ConditionType::Accepted,
    ConditionType::SourceReady,
    ConditionType::Isolated,
    ConditionType::ImagesReady,
    ConditionType::Deployed,
    ConditionType::Served,
    ConditionType::Checked,
];

/// Status, and the Event that goes with it.
pub(super) struct Said {
    pub(super) status: PreviewStatus,
    pub(super) notice: Option<Notice>,
}

/// What is said at the end of the way.
pub(super) fn said(way: &Way<'_>, end: &Result<Phase, Stop>) -> Said {
    let facts = way.facts;
    let before = &facts.preview.status;
    let commit = way.served.then(|| facts.preview.spec.commit.clone()).or(before.commit.clone());
    let fresh = commit.as_ref() == Some(&facts.preview.spec.commit);
    let phase = phase(way.stage, end);
    let (reason, message) = words(facts, end, fresh);
    let hosts = super::addresses(facts);
    let mut status = PreviewStatus {
        observed_generation: Some(facts.preview.generation),
        phase: Some(phase),
        reason: Some(reason),
        message: Some(message.clone()),
        url: hosts.url(),
        hosts: hosts.list,
        namespace: namespace(facts).or_else(|| before.namespace.clone()),
        images: way.pins.clone().unwrap_or_else(|| before.images.clone()),
        checks: way.results.clone().unwrap_or_else(|| before.checks.clone()),
        last_activity: way
            .life
            .map_or_else(|| before.last_activity.clone(), |life| Some(life.activity.to_string())),
        expires_at: way
            .life
            .map_or_else(|| before.expires_at.clone(), |life| Some(life.expires.to_string())),
        commit,
        ..PreviewStatus::default()
    };
    status.conditions = conditions(way, end, &message, reason);
    status.steps.clone_from(&before.steps);
    entered(facts, &mut status);
    status.summary = summary(&status);
    let expiring = way.life.filter(|life| facts.now >= life.warns);
    let notice = match expiring {
        Some(life) => Some(expiry(facts, &life.expires.to_string())),
        None => notice(facts, phase, &format!("{reason:?}"), &message),
    };
    status.last_event =
        notice.as_ref().map_or_else(|| before.last_event.clone(), |one| Some(one.key.clone()));
    Said { status, notice }
}

/// The warning before the end.
fn expiry(facts: &Facts, expires: &str) -> Notice {
    Notice {
        key: format!("{}/expires/{expires}", facts.preview.uid),
        reason: "ExpiresSoon".to_owned(),
        note: format!(
            "the preview ends at {expires}: a new commit prolongs it, `spec.keepUntil` keeps it until a time"
        ),
        warning: true,
    }
}

fn phase(stage: ConditionType, end: &Result<Phase, Stop>) -> Phase {
    let stop = match end {
        Ok(phase) => return *phase,
        Err(stop) => stop,
    };
    match (stop.kind, stage) {
        (Kind::Refused, _) => Phase::Refused,
        (Kind::Broken, _) => Phase::Failed,
        (_, ConditionType::ImagesReady) => Phase::WaitingForImage,
        (_, ConditionType::Deployed | ConditionType::Served) => Phase::Deploying,
        (_, ConditionType::Checked) => Phase::Checking,
        _ => Phase::Preparing,
    }
}

/// Reason and message; while another commit than the wanted one is served, the message says so.
fn words(facts: &Facts, end: &Result<Phase, Stop>, fresh: bool) -> (Reason, String) {
    let spec = &facts.preview.spec;
    match end {
        Ok(Phase::Asleep) => {
            let how = if facts.settings.wakes {
                "scaled to zero; whoever asks for its URL wakes it"
            } else {
                "scaled to zero; set `spec.sleep` to Auto to wake it"
            };
            (Reason::Asleep, how.to_owned())
        }
        Ok(_) => (Reason::Succeeded, format!("serves commit {}", spec.commit.short())),
        Err(stop) => {
            let mut message = cut(&stop.message, LONGEST - 80);
            if let (Some(old), false) = (&facts.preview.status.commit, fresh) {
                message.push_str(&format!(
                    "; the URL still shows the old commit {}, not {}",
                    old.short(),
                    spec.commit.short()
                ));
            }
            (stop.reason, message)
        }
    }
}

fn conditions(
    way: &Way<'_>,
    end: &Result<Phase, Stop>,
    message: &str,
    reason: Reason,
) -> Vec<Condition> {
    let facts = way.facts;
    let mut list = Vec::new();
    let asleep = matches!(end, Ok(Phase::Asleep));
    let pending = "waits for what comes before it";
    let mut past = false;
    for type_ in ORDER {
        let here = type_ == way.stage && end.is_err();
        let rests = asleep && matches!(type_, ConditionType::Served | ConditionType::Checked);
        let (status, reason, text) = if here {
            (ConditionStatus::False, reason, message)
        } else if past {
            (ConditionStatus::Unknown, Reason::Pending, pending)
        } else if rests {
            (ConditionStatus::Unknown, Reason::Asleep, "nothing runs while it sleeps")
        } else {
            (ConditionStatus::True, Reason::Succeeded, good(type_))
        };
        past |= here;
        list.push(condition(facts, type_, status, reason, text));
    }
    let ready = matches!(end, Ok(Phase::Ready));
    let status = if ready { ConditionStatus::True } else { ConditionStatus::False };
    list.push(condition(facts, ConditionType::Ready, status, reason, message));
    if reason.acts() == Actor::User {
        list.push(condition(facts, ConditionType::Stalled, ConditionStatus::True, reason, message));
    }
    list
}

fn good(type_: ConditionType) -> &'static str {
    match type_ {
        ConditionType::Accepted => "everything it names is there",
        ConditionType::SourceReady => "the stack is understood and allowed",
        ConditionType::Isolated => "namespace, quota, limits, fence and account stand",
        ConditionType::ImagesReady => "every image is found and pinned",
        ConditionType::Deployed => "everything is applied and rolled out",
        ConditionType::Served => "every pod runs this commit, and the address answers",
        _ => "every required check passed",
    }
}

/// A condition; the time of its last change stays while its status does.
pub(super) fn condition(
    facts: &Facts,
    type_: ConditionType,
    status: ConditionStatus,
    reason: Reason,
    message: &str,
) -> Condition {
    let before = facts.preview.status.conditions.iter().find(|one| one.type_ == type_);
    let kept =
        before.filter(|one| one.status == status).map(|one| one.last_transition_time.clone());
    Condition {
        type_,
        status,
        reason,
        message: cut(message, LONGEST),
        last_transition_time: kept.unwrap_or_else(|| facts.now.to_string()),
        observed_generation: Some(facts.preview.generation),
    }
}

/// Since when the phase is what it is, and how long the one before took.
pub(super) fn entered(facts: &Facts, status: &mut PreviewStatus) {
    let before = &facts.preview.status;
    let since = before.since.as_ref().and_then(|since| since.parse::<Timestamp>().ok());
    if before.phase == status.phase && before.commit == status.commit && since.is_some() {
        status.since.clone_from(&before.since);
        return;
    }
    status.since = Some(facts.now.to_string());
    // A new commit is a new way.
    if before.observed_generation != Some(facts.preview.generation) {
        status.steps.clear();
    }
    let (Some(phase), Some(since)) = (before.phase, since) else { return };
    let works = matches!(
        phase,
        Phase::Preparing | Phase::WaitingForImage | Phase::Deploying | Phase::Checking
    );
    if works && before.phase != status.phase {
        let seconds = rounded(since.duration_until(facts.now));
        status.steps.retain(|step| step.name != phase);
        status.steps.push(StepTime { name: phase, seconds });
    }
}

fn namespace(facts: &Facts) -> Option<NamespaceReference> {
    let NamespaceSight::There(child) = &facts.namespace else { return None };
    Some(NamespaceReference { name: super::namespace_name(facts), uid: child.uid.clone() })
}

fn summary(status: &PreviewStatus) -> Option<Summary> {
    let steps: Vec<String> =
        status.steps.iter().map(|step| format!("{:?} {}s", step.name, step.seconds)).collect();
    let commit = status.commit.as_ref().map(|commit| commit.short().to_owned());
    let summary = Summary {
        commit: commit.unwrap_or_default(),
        checks: counted(&status.checks),
        steps: steps.join(", "),
    };
    (summary != Summary::default()).then_some(summary)
}

/// `2/2`, `1 failed`, or nothing if there are no checks.
fn counted(checks: &[CheckResult]) -> String {
    let of = |verdict: Verdict| checks.iter().filter(|one| one.verdict == verdict).count();
    match (of(Verdict::Failed), of(Verdict::NotProven), checks.len()) {
        (_, _, 0) => String::new(),
        (0, 0, all) => format!("{}/{all}", of(Verdict::Passed)),
        (0, unproven, _) => format!("{unproven} not proven"),
        (failed, _, _) => format!("{failed} failed"),
    }
}

/// At most that many bytes, whole characters.
pub(super) fn cut(text: &str, longest: usize) -> String {
    if text.len() <= longest {
        return text.to_owned();
    }
    let mut kept = String::new();
    for letter in text.chars() {
        if kept.len() + letter.len_utf8() + "…".len() > longest {
            break;
        }
        kept.push(letter);
    }
    kept + "…"
}
