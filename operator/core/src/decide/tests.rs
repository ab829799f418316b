//! Facts as a cluster makes them of our own acts, changed by hand, and what is decided by them.

mod rest;
mod runs;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use understudy_crds::{PreviewStatus, PreviewTemplateSpec, condition::Reason, status::Phase};

use super::{AWAKE_AT_LEAST, Act, Ask, Decision, Write, decide};
use crate::{
    answer::Answer,
    child::{Child, ObjectId},
    facts::{Facts, ImageFound, Looked, Named, NamespaceSight, Preview, Probed, Sealed, Source},
    ownership,
    pod::{Container, Ended, Pod},
    settings::{Identity, Settings},
};

const OLD: &str = "a1a1a1a1d0e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4";
const NEW: &str = "b2b2b2b2d0e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4";

fn manifest(kind: &str, name: &str) -> Value {
    let labels = json!({"app": name});
    match kind {
        "Service" => json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"selector": labels, "ports": [{"port": 80}]},
        }),
        _ => json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"containers": [{
                        "name": name, "image": "example.com/web:1",
                        "env": [{"name": "COMMIT", "value": "{{ commit.sha }}"}],
                    }]},
                },
            },
        }),
    }
}

/// A preview nothing was done for yet: a web server and a database.
fn fresh() -> Facts {
    let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
    let stack =
        [manifest("Deployment", "db"), manifest("Deployment", "web"), manifest("Service", "web")];
    let template = json!({
        "source": {"inline": stack},
        "expose": [{"name": "web", "service": "web", "port": 80}],
    });
    let spec = json!({
        "templateRef": {"name": "web"}, "pullRequest": {"number": 42}, "commit": OLD, "trust": "Trusted",
    });
    let settings = Settings {
        base_domain: "preview.test".to_owned(),
        url_scheme: "https".to_owned(),
        url_port: None,
        edge: None,
        wakes: true,
        awake_at_least: AWAKE_AT_LEAST,
        collecting: None,
        operator: Identity::User("understudy".to_owned()),
    };
    let preview = Preview {
        name: "shop-42".to_owned(),
        namespace: "team".to_owned(),
        uid: "11111111-2222-3333-4444-555555555555".to_owned(),
        version: "1".to_owned(),
        generation: 1,
        created: now,
        last_request: None,
        wake_wanted: None,
        deleting: false,
        finalizer: false,
        spec: serde_json::from_value(spec).expect("a spec"),
        status: PreviewStatus::default(),
    };
    let template = serde_json::from_value(template).expect("a template");
    Facts { template: Named::There(Box::new(template)), ..Facts::alone(now, settings, preview) }
}

/// What a cluster makes of an object: everything it should be, and ready at once.
fn stood(object: &Value) -> Child {
    let mut child = Child::read(object);
    child.uid = format!("uid-{}", ObjectId::of(object).words());
    (child.generation, child.watched) = (1, true);
    child.never_ours = ownership::lost(object, &child);
    child.status = json!({
        "observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1,
        "availableReplicas": 1,
    });
    child
}

/// A ready pod of that workload's template.
fn pod(object: &Value, since: Timestamp) -> Pod {
    let words = object.pointer("/spec/template/metadata/annotations");
    let word = |name: &str| {
        let word = words.and_then(|words| words.get(name)).and_then(Value::as_str);
        word.unwrap_or_default().to_owned()
    };
    let name = ObjectId::of(object).name;
    Pod {
        uid: format!("uid-{name}-pod"),
        workload: word(understudy_crds::label::WORKLOAD),
        template: word(understudy_crds::label::TEMPLATE),
        phase: "Running".to_owned(),
        ready_since: Some(since),
        containers: vec![Container {
            name: name.clone(),
            running: Some(since),
            ready: true,
            ..Container::default()
        }],
        name,
        ..Pod::default()
    }
}

/// Acts until nothing is left to be done, as a cluster that is quick.
fn settle(facts: &mut Facts) -> Decision {
    for _ in 0..10 {
        let decision = decide(facts);
        if decision.acts.is_empty() {
            return decision;
        }
        for act in decision.acts {
            match act {
                Act::Hold => facts.preview.finalizer = true,
                Act::MakeNamespace(object) => {
                    facts.namespace = NamespaceSight::There(Box::new(stood(&object)));
                }
                Act::Write(Write::Apply { id, object, .. }) => {
                    if id.kind == "Deployment" {
                        facts.pods.retain(|pod| pod.name != id.name);
                        facts.pods.push(pod(&object, facts.now));
                    }
                    facts.children.insert(id, stood(&object));
                }
                other => assert_eq!(other, Act::Hold, "no other act makes anything"),
            }
        }
    }
    decide(facts)
}

/// Everything stands, runs and answers.
fn standing() -> Facts {
    let mut facts = fresh();
    let asked = settle(&mut facts);
    let [Ask::Probe(probe)] = asked.asks.as_slice() else { return facts };
    let now = facts.now;
    facts
        .probes
        .insert(probe.clone(), Probed { at: now, answered: now, answer: Ok(Answer::plain(200)) });
    facts.preview.status = decide(&facts).status.unwrap_or_default();
    facts
}

fn phase(facts: &Facts) -> Option<Phase> {
    decide(facts).status.and_then(|status| status.phase)
}

#[test]
fn what_stands_and_answers_is_ready_and_needs_no_act() {
    let facts = standing();
    let decision = decide(&facts);
    assert_eq!(decision.acts, []);
    assert_eq!(decision.status, Some(facts.preview.status.clone()), "said once");
    assert_eq!(phase(&facts), Some(Phase::Ready));
    assert_eq!(facts.preview.status.commit.map(|commit| commit.to_string()).as_deref(), Some(OLD));
}

#[test]
fn finalizer_is_put_on_before_anything_is_made() {
    let acts = decide(&fresh()).acts;
    assert_eq!(acts.first(), Some(&Act::Hold));
    assert!(matches!(acts.get(1), Some(Act::MakeNamespace(_))), "{acts:?}");
}

#[test]
fn old_pod_keeps_a_new_commit_from_being_served() {
    let mut facts = standing();
    let old = facts.pods.iter().find(|pod| pod.name == "web").cloned().expect("a pod");
    facts.preview.spec.commit = NEW.parse().expect("a commit");
    facts.preview.generation = 2;
    settle(&mut facts);
    facts.pods.push(Pod { name: "web-old".to_owned(), ..old });
    let decision = decide(&facts);
    assert_eq!(decision.asks, [], "whoever answers now may be the old one");
    let status = decision.status.expect("something is said");
    assert_eq!(status.phase, Some(Phase::Deploying));
    assert_eq!(status.commit.map(|commit| commit.to_string()).as_deref(), Some(OLD));
}

#[test]
fn rollout_counts_once_its_controller_has_seen_it() {
    let mut facts = standing();
    let web = facts.children.iter_mut().find(|(id, _)| id.words() == "Deployment web");
    web.expect("it stands").1.generation = 2;
    assert_eq!(phase(&facts), Some(Phase::Deploying));
}

#[test]
fn crash_counts_only_once_the_database_is_ready() {
    let mut facts = standing();
    let began = facts.now;
    facts.now = began + SignedDuration::from_secs(30);
    for (_, child) in facts.children.iter_mut().filter(|(id, _)| id.kind == "Deployment") {
        child.status["readyReplicas"] = json!(0);
    }
    for pod in &mut facts.pods {
        pod.ready_since = None;
        for container in &mut pod.containers {
            container.ready = false;
            if container.name == "web" {
                container.running = None;
                container.restarts = 2;
                container.ended = Some(Ended {
                    code: 1,
                    reason: "Error".to_owned(),
                    message: "error: no database".to_owned(),
                    started: Some(began),
                    finished: None,
                });
            }
        }
    }
    assert_eq!(phase(&facts), Some(Phase::Deploying), "the database is still starting");
    let db = facts.children.iter_mut().find(|(id, _)| id.words() == "Deployment db");
    db.expect("it stands").1.status["readyReplicas"] = json!(1);
    let pod = facts.pods.iter_mut().find(|pod| pod.name == "db").expect("a pod");
    pod.ready_since = Some(began + SignedDuration::from_secs(10));
    assert_eq!(phase(&facts), Some(Phase::Deploying), "it crashed before the database was ready");
    let web = facts.pods.iter_mut().find(|pod| pod.name == "web").expect("a pod");
    let ended = web.containers.iter_mut().find_map(|one| one.ended.as_mut()).expect("an end");
    ended.started = Some(began + SignedDuration::from_secs(20));
    let asked = decide(&facts);
    assert_eq!(asked.status, None, "it is told together with its last words");
    let Some(Ask::Log(log)) = asked.asks.first().cloned() else { unreachable!("{asked:?}") };
    facts.logs.insert(log, Some("error: no database".to_owned()));
    let status = decide(&facts).status.expect("something is said");
    assert_eq!((status.phase, status.reason), (Some(Phase::Failed), Some(Reason::CrashLooping)));
    // It runs again, and is ready as whatever has no probe is; so it was each time before it crashed.
    facts.preview.status = status;
    let web = facts.children.iter_mut().find(|(id, _)| id.words() == "Deployment web");
    web.expect("it stands").1.status["readyReplicas"] = json!(1);
    let up = facts.now;
    for pod in facts.pods.iter_mut().filter(|pod| pod.name == "web") {
        pod.ready_since = Some(up);
        for container in &mut pod.containers {
            (container.running, container.ready) = (Some(up), true);
        }
    }
    let still = decide(&facts);
    assert_eq!(still.status.and_then(|status| status.phase), Some(Phase::Failed));
    assert_eq!(still.next, Some(up + SignedDuration::from_secs(60)));
    facts.now = up + SignedDuration::from_secs(60);
    assert_eq!(phase(&facts), Some(Phase::Ready), "it ran for a minute");
}

/// The template, to be changed.
fn template(facts: &mut Facts) -> &mut PreviewTemplateSpec {
    let Named::There(template) = &mut facts.template else { unreachable!("there is one") };
    template
}

#[test]
fn result_speaks_of_the_stack_that_it_saw_and_of_no_other() {
    let mut facts = standing();
    assert_eq!(phase(&facts), Some(Phase::Ready));
    let service = serde_json::from_value(json!({
        "inline": [manifest("Deployment", "db"), manifest("Deployment", "web"), {
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
            "spec": {"selector": {"app": "wbe"}, "ports": [{"port": 80}]},
        }],
    }));
    template(&mut facts).source = service.expect("a source");
    let asked = settle(&mut facts);
    assert!(matches!(asked.asks.as_slice(), [Ask::Probe(_)]), "{:?}", asked.asks);
    assert_ne!(asked.status.and_then(|status| status.phase), Some(Phase::Ready));
}

#[test]
fn secret_that_is_no_longer_given_goes_before_anything_else() {
    let mut facts = standing();
    let grants = json!([{"name": "key", "copyFrom": {"name": "source"}}]);
    template(&mut facts).secrets = serde_json::from_value(grants).expect("grants");
    let sealed = Sealed(json!({"token": "eA=="}));
    let source = Source { type_: "Opaque".to_owned(), data: sealed };
    facts.sources.insert("source".to_owned(), Some(source));
    settle(&mut facts);
    let is_key = |id: &ObjectId| (id.kind.as_str(), id.name.as_str()) == ("Secret", "key");
    assert!(facts.children.keys().any(is_key));
    facts.preview.spec.trust = understudy_crds::preview::Trust::Untrusted;
    facts.preview.spec.commit = NEW.parse().expect("a commit");
    let acts = decide(&facts).acts;
    let gone = |act: &Act| matches!(act, Act::Write(Write::Delete { id, .. }) if is_key(id));
    assert!(acts.first().is_some_and(gone), "{acts:?}");
    assert_eq!(acts.iter().filter(|act| gone(act)).count(), 1, "{acts:?}");
    // What was copied under a name is not what is made under it.
    let grants = json!([{"name": "key", "generate": ["token"]}]);
    template(&mut facts).secrets = serde_json::from_value(grants).expect("grants");
    let acts = decide(&facts).acts;
    let made = |act: &Act| matches!(act, Act::Write(Write::Generate { .. }));
    assert!(acts.first().is_some_and(gone) && acts.get(1).is_some_and(made), "{acts:?}");
}

#[test]
fn pin_is_for_one_commit() {
    let mut facts = standing();
    let images = json!([{"name": "example.com/web", "tag": "pr-{{ pr.number }}"}]);
    template(&mut facts).images = serde_json::from_value(images).expect("images");
    let found = |digest: &str| ImageFound::Found { digest: digest.to_owned(), platforms: vec![] };
    let looked = |digest: &str, at| Looked { at, found: found(digest) };
    let key = ("example.com/web".to_owned(), "pr-42".to_owned());
    facts.images.insert(key.clone(), looked("sha256:one", facts.now));
    let digest = |facts: &Facts| facts.preview.status.images.first().map(|pin| pin.digest.clone());
    let probed = |facts: &mut Facts| {
        let asked = settle(facts).asks;
        let Some(Ask::Probe(probe)) = asked.first().cloned() else { return };
        let now = facts.now;
        facts
            .probes
            .insert(probe, Probed { at: now, answered: now, answer: Ok(Answer::plain(200)) });
        facts.preview.status = decide(facts).status.unwrap_or_default();
    };
    probed(&mut facts);
    assert_eq!(digest(&facts).as_deref(), Some("sha256:one"));
    // The same commit keeps it, whatever the tag says now; the next commit asks anew.
    facts.images.insert(key, looked("sha256:two", facts.now));
    facts.preview.status = decide(&facts).status.unwrap_or_default();
    assert_eq!(digest(&facts).as_deref(), Some("sha256:one"));
    facts.preview.spec.commit = NEW.parse().expect("a commit");
    probed(&mut facts);
    assert_eq!(digest(&facts).as_deref(), Some("sha256:two"));
}

#[test]
fn preview_whose_template_is_gone_still_ends() {
    let mut facts = standing();
    let said = decide(&facts).status.expect("something is said");
    facts.preview.status = said;
    facts.template = Named::Absent;
    let refused = decide(&facts).status.expect("something is said");
    assert_eq!(refused.reason, Some(Reason::TemplateNotFound));
    assert_eq!(refused.expires_at, facts.preview.status.expires_at, "its end is not forgotten");
    facts.preview.status = refused;
    facts.now += SignedDuration::from_hours(73);
    let over = decide(&facts);
    assert_eq!(over.status.and_then(|status| status.phase), Some(Phase::Stopped));
    assert!(matches!(over.acts.first(), Some(Act::DeleteNamespace { .. })), "{:?}", over.acts);
}

#[test]
fn receipt_that_was_given_stays_whatever_an_old_sight_shows() {
    let mut facts = standing();
    facts.now += SignedDuration::from_hours(73);
    let went = decide(&facts);
    assert!(went.status_first, "the receipt counts what is there before anything goes");
    facts.preview.status = went.status.expect("something is said");
    let there = std::mem::replace(&mut facts.namespace, NamespaceSight::Absent { sure: true });
    facts.preview.status = decide(&facts).status.expect("something is said");
    let receipt = facts.preview.status.teardown.clone().expect("a receipt");
    assert!(receipt.objects > 3 && receipt.seconds.is_some(), "{receipt:?}");
    // A new process, whose first list is old: most of what went is gone from it, the namespace is not.
    facts.namespace = there;
    facts.children = facts.children.into_iter().take(2).collect();
    facts.now += SignedDuration::from_mins(1);
    let again = decide(&facts);
    assert_eq!(again.status, Some(facts.preview.status), "nothing new is said");
}
