//! The way out: the namespace with everything in it goes, then the finalizer, and it is said what went.
//!
//! Nothing here follows from something being absent from a list. A preview ends because it is being
//! deleted, or because its time is over; that its namespace is gone is believed only when the API server
//! said so just now.

use understudy_crds::{
    PreviewStatus,
    condition::{ConditionType, Reason},
    status::{ConditionStatus, Phase, Teardown},
};

use super::{
    Act, Decision, Notice,
    checks::rounded,
    lifetime::{Lifetime, later, lifetime},
    notice,
    status::{condition, cut, entered},
};
use crate::{
    child::Child,
    facts::{Facts, Named, NamespaceSight},
    object::{items, text},
};

/// A namespace that is not gone after this long is asked what holds it. Deleting an empty one takes five
/// seconds (Kubernetes, `namespaceDeletionGracePeriod`).
const PATIENCE: jiff::SignedDuration = jiff::SignedDuration::from_secs(30);

/// How often a namespace that is held is looked at again.
const AGAIN: jiff::SignedDuration = jiff::SignedDuration::from_secs(5);

/// The preview is being deleted.
pub(super) fn closed(facts: &Facts) -> Decision {
    if !facts.preview.finalizer {
        return Decision::default();
    }
    match &facts.namespace {
        NamespaceSight::There(child) => removal(
            facts,
            child,
            (Phase::Terminating, Reason::Progressing, "everything is being removed"),
        ),
        NamespaceSight::Absent { sure: false } => Decision::default(),
        NamespaceSight::Absent { sure: true } | NamespaceSight::Foreign => {
            let teardown = finished(facts);
            let note = receipt(&teardown);
            let key = format!("{}/removed", facts.preview.uid);
            Decision {
                acts: vec![Act::Release],
                notice: Some(Notice { key, reason: "Removed".to_owned(), note, warning: false }),
                ..Decision::default()
            }
        }
    }
}

/// The preview's time is over: everything goes but the object. `None` while it is not.
pub(super) fn expired(facts: &Facts) -> Option<Decision> {
    let life = life(facts)?;
    if facts.now < life.expires {
        return None;
    }
    let message = format!(
        "its time was over at {}: everything was removed; a new commit, or a later `spec.keepUntil`, brings it back",
        life.expires
    );
    let phase = (Phase::Stopped, Reason::Expired, message.as_str());
    let mut decision = match &facts.namespace {
        NamespaceSight::There(child) => removal(facts, child, phase),
        NamespaceSight::Absent { sure: false } => Decision::default(),
        NamespaceSight::Absent { sure: true } | NamespaceSight::Foreign => stopped(facts, phase),
    };
    if let Some(status) = &mut decision.status {
        status.last_activity = Some(life.activity.to_string());
        status.expires_at = Some(life.expires.to_string());
    }
    Some(decision)
}

/// Whether the preview's time is over.
pub(super) fn is_over(facts: &Facts) -> bool {
    life(facts).is_some_and(|life| facts.now >= life.expires)
}

/// The preview's lifetime. While its template is gone or cannot be read, what was said last still holds: such
/// a preview ends as well. `None` if nobody ever said when.
pub(super) fn life(facts: &Facts) -> Option<Lifetime> {
    let preview = &facts.preview;
    if let Named::There(template) = &facts.template {
        return Some(lifetime(preview, &template.lifecycle, facts.now));
    }
    let status = &preview.status;
    let time = |text: &Option<String>| text.as_ref().and_then(|text| text.parse().ok());
    let seen = status.observed_generation == Some(preview.generation);
    let expires = time(&status.expires_at).filter(|_| seen)?;
    Some(Lifetime { activity: time(&status.last_activity)?, expires, warns: expires })
}

type Words<'text> = (Phase, Reason, &'text str);

fn removal(facts: &Facts, child: &Child, words: Words<'_>) -> Decision {
    let mut acts = Vec::new();
    if !child.deleting {
        acts.push(Act::DeleteNamespace { uid: child.uid.clone() });
    }
    // Without this the namespace would wait for its pods, and longer each time it looks.
    if facts.pods.iter().any(|pod| !pod.deleting) {
        acts.push(Act::DeletePods);
    }
    // A receipt that was given stays: a preview that runs has none, so a namespace that is seen all the same
    // is an old sight of the one that went.
    let teardown = facts.preview.status.teardown.clone().unwrap_or_else(|| Teardown {
        started_at: facts.now.to_string(),
        objects: u32::try_from(facts.children.len() + 1).unwrap_or(u32::MAX),
        left: u32::try_from(facts.children.len() + 1).unwrap_or(u32::MAX),
        seconds: None,
    });
    let started = teardown.started_at.parse().unwrap_or(facts.now);
    let patience = later(started, PATIENCE);
    let over = teardown.seconds.is_some();
    let blocked = (facts.now >= patience && child.deleting && !over).then(|| holders(facts, child));
    let next = if facts.now < patience { patience } else { later(facts.now, AGAIN) };
    let mut status = base(facts, words, Some(teardown));
    if let Some(text) = blocked {
        let text = cut(&text, 1024);
        status.message = Some(text.clone());
        status.reason = Some(Reason::NamespaceHeld);
        let held = ConditionType::TeardownBlocked;
        status.conditions.push(condition(
            facts,
            held,
            ConditionStatus::True,
            Reason::NamespaceHeld,
            &text,
        ));
    }
    // The route goes first, and the receipt counts what is there before anything went.
    Decision {
        acts,
        status: Some(status),
        status_first: true,
        next: Some(next),
        ..Decision::default()
    }
}

fn stopped(facts: &Facts, words: Words<'_>) -> Decision {
    let (phase, reason, message) = words;
    let teardown = finished(facts);
    let note = format!("{message} ({})", receipt(&teardown));
    let mut status = base(facts, words, Some(teardown));
    let notice = notice(facts, phase, &format!("{reason:?}"), &note);
    status.last_event = notice.as_ref().map(|one| one.key.clone());
    Decision { status: Some(status), notice, ..Decision::default() }
}

/// The whole status while nothing runs any more.
fn base(facts: &Facts, words: Words<'_>, teardown: Option<Teardown>) -> PreviewStatus {
    let before = &facts.preview.status;
    let (phase, reason, message) = words;
    let ready = condition(facts, ConditionType::Ready, ConditionStatus::False, reason, message);
    let mut status = PreviewStatus {
        observed_generation: Some(facts.preview.generation),
        phase: Some(phase),
        reason: Some(reason),
        message: Some(message.to_owned()),
        namespace: before.namespace.clone(),
        last_activity: before.last_activity.clone(),
        expires_at: before.expires_at.clone(),
        last_event: before.last_event.clone(),
        teardown,
        conditions: vec![ready],
        ..PreviewStatus::default()
    };
    // Whoever comes to a stopped preview is told that it is stopped, and by whom.
    if phase == Phase::Stopped {
        status.url.clone_from(&before.url);
        status.hosts.clone_from(&before.hosts);
    }
    entered(facts, &mut status);
    status
}

fn finished(facts: &Facts) -> Teardown {
    let begun = facts.preview.status.teardown.clone();
    let mut teardown = begun.unwrap_or_else(|| Teardown {
        started_at: facts.now.to_string(),
        objects: 0,
        left: 0,
        seconds: None,
    });
    let started = teardown.started_at.parse().unwrap_or(facts.now);
    teardown.left = 0;
    if teardown.seconds.is_none() {
        teardown.seconds = Some(rounded(started.duration_until(facts.now)));
    }
    teardown
}

fn receipt(teardown: &Teardown) -> String {
    format!(
        "removed {} objects in {} s, {} left",
        teardown.objects,
        teardown.seconds.unwrap_or(0.0),
        teardown.left
    )
}

/// What holds the namespace: objects of ours by name and finalizer, and what the API server says of the
/// rest.
fn holders(facts: &Facts, namespace: &Child) -> String {
    let own = facts.children.iter().filter(|(_, child)| !child.finalizers.is_empty()).map(
        |(id, child)| format!("{} has the finalizer {}", id.words(), child.finalizers.join(", ")),
    );
    let said = items(&namespace.status, "/conditions")
        .map(|(_, one)| one)
        .filter(|one| text(one, "/status") == "True")
        .map(|one| text(one, "/message").to_owned());
    let mut all: Vec<String> = own.chain(said).filter(|one| !one.is_empty()).collect();
    if all.is_empty() {
        all.push("nothing says why".to_owned());
    }
    format!(
        "namespace {} is still being removed: {}; whoever owns these must let go of them",
        super::namespace_name(facts),
        all.join("; ")
    )
}
