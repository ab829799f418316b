//! One look at one preview: gather, decide, apply, say.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::FutureExt;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Node;
use kube::{
    Api,
    api::{DynamicObject, ListParams},
    runtime::controller::Action,
};
use oci_client::secrets::RegistryAuth;
use serde_json::Value;
use understudy_core::{
    decide::{Ask, Decision, decide, failing, rejected, unreadable},
    desired::repository,
    facts::Facts,
};
use understudy_crds::{PreviewStatus, status::Phase};

use crate::{
    backoff::Backoff,
    cluster::{
        api,
        apply::{Applied, carry_out, say, say_unreadable},
        event,
        gather::{confirmed, gather, preview},
        kinds::Kind,
        world::World,
    },
    outside::{credentials, log, probe},
};

/// Failures in a row before they are worth a word in the status.
const WORTH_A_WORD: u32 = 3;

/// How long a receipt may hold a preview that is to go.
const EVENT_PATIENCE: SignedDuration = SignedDuration::from_mins(2);

/// How soon to look again after we went by an old sight of something.
const OLD_SIGHT: Duration = Duration::from_millis(150);

/// A look at a preview even if nothing happens: what no watch can show is noticed by then.
const SELDOM: Duration = Duration::from_hours(1);

/// What every look has at hand.
pub(crate) struct Context {
    pub(crate) world: Arc<World>,
    pub(crate) backoff: Backoff,
}

/// Why a look failed: it is tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A request failed.
    #[error("{0}")]
    Request(#[from] api::Error),
    /// The code failed: only this preview suffers.
    #[error("a fault of ours: {0}")]
    Panic(String),
    /// The preview cannot be read.
    #[error("cannot read the preview: {0}")]
    Read(String),
}

/// Looks at a preview; a panic harms only this one.
pub(crate) async fn reconcile(
    object: Arc<DynamicObject>,
    context: Arc<Context>,
) -> Result<Action, Error> {
    let began = Instant::now();
    let looked = AssertUnwindSafe(look(&object, &context)).catch_unwind().await;
    let outcome = looked.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Err(Error::Panic(text.unwrap_or_else(|| "without a word".to_owned())))
    });
    let word = if outcome.is_ok() { "success" } else { "error" };
    context.world.metrics.reconciled(word, began.elapsed());
    outcome
}

/// What follows from a failure: the wait until it is tried again.
#[expect(clippy::needless_pass_by_value, reason = "the runtime hands them over so")]
pub(crate) fn failed(object: Arc<DynamicObject>, error: &Error, context: Arc<Context>) -> Action {
    let metadata = &object.metadata;
    let uid = metadata.uid.as_deref().unwrap_or_default();
    let name = metadata.name.as_deref().unwrap_or_default();
    let mut least = Duration::ZERO;
    if let Error::Request(error) = error {
        context.world.metrics.failed(error.word());
        least = Duration::from_secs(error.retry_after().unwrap_or(0));
    }
    let inputs = inputs(&context.world, &object);
    let (failures, wait) = context.backoff.failed(uid, &inputs, least);
    tracing::warn!(
        preview.name = name,
        preview.namespace = metadata.namespace.as_deref().unwrap_or_default(),
        failures,
        wait_ms = wait.as_millis(),
        "preview {name}: {error}; tried again in {} ms",
        wait.as_millis()
    );
    Action::requeue(wait)
}

/// What a look goes by that a person may change: when it changes, there is no reason to wait any longer.
fn inputs(world: &World, object: &DynamicObject) -> String {
    let metadata = &object.metadata;
    let namespace = metadata.namespace.clone().unwrap_or_default();
    let template = object.data.pointer("/spec/templateRef/name").and_then(Value::as_str);
    let template = template.map(|name| (namespace, name.to_owned()));
    let template = template.and_then(|name| world.named("PreviewTemplate").get(&name).cloned());
    let version =
        template.as_ref().and_then(|one| one.pointer("/metadata/resourceVersion")?.as_str());
    format!("{}/{}", metadata.generation.unwrap_or(0), version.unwrap_or_default())
}

async fn look(object: &DynamicObject, context: &Context) -> Result<Action, Error> {
    let world = &context.world;
    let (uid, inputs) = (object.metadata.uid.clone().unwrap_or_default(), inputs(world, object));
    if let Some(rest) = context.backoff.rest(&uid, &inputs) {
        return Ok(Action::requeue(rest));
    }
    let Some(object) = confirmed(world, object).await? else {
        context.backoff.succeeded(&uid);
        return Ok(Action::await_change());
    };
    let preview = match preview(&object) {
        Ok(preview) => preview,
        Err(why) if object.metadata.deletion_timestamp.is_some() => return Err(Error::Read(why)),
        Err(why) => {
            say_unreadable(world, &object, &unreadable(object.metadata.generation, &why)).await?;
            return Ok(Action::await_change());
        }
    };
    let mut facts = Facts::alone(Timestamp::now(), world.settings.clone(), preview);
    let acted = match gather(world, &mut facts).await {
        Ok(()) => act(world, &facts, &decide(&facts)).await,
        Err(error) => Err(error.into()),
    };
    match acted {
        Ok(action) => {
            context.backoff.succeeded(&uid);
            Ok(action)
        }
        // What we went by was old: the newer sight is on its way.
        Err(Failed { error, .. }) if error.code() == 409 => Ok(Action::requeue(OLD_SIGHT)),
        Err(Failed { error, told }) => {
            world.read_for(&uid, None);
            // One more than those before; the policy counts it for good.
            let worth = context.backoff.count(&uid, &inputs) + 1 >= WORTH_A_WORD;
            if worth && !told {
                speak(world, &facts, &failing(&facts, &error.to_string())).await?;
            }
            Err(error.into())
        }
    }
}

/// An act that failed, and whether the status says already how it stands.
struct Failed {
    error: api::Error,
    told: bool,
}

impl From<api::Error> for Failed {
    fn from(error: api::Error) -> Self {
        Self { error, told: false }
    }
}

async fn act(world: &Arc<World>, facts: &Facts, decision: &Decision) -> Result<Action, Failed> {
    if decision.status_first
        && let Some(status) = &decision.status
    {
        // The Event comes with the next look, when what it tells has begun.
        let last_event = facts.preview.status.last_event.clone();
        speak(world, facts, &PreviewStatus { last_event, ..status.clone() }).await?;
    }
    for question in &decision.asks {
        ask(world, facts, question.clone());
    }
    // The receipt is published before the finalizer goes: afterwards nobody would know.
    if decision.status.is_none()
        && let Err(error) = announce(world, facts, decision).await
    {
        // But nothing waits for an Event for ever.
        if begun(facts).is_some_and(|begun| begun.duration_until(facts.now) < EVENT_PATIENCE) {
            return Err(error.into());
        }
        tracing::warn!(preview.name = facts.preview.name, "an event was not made: {error}");
    }
    let applied = match carry_out(world, facts, &decision.acts).await? {
        Applied::Rejected(sentence) => {
            let refusal = rejected(facts, &sentence);
            conclude(world, facts, &refusal).await?;
            return Ok(Action::requeue(Duration::from_mins(1)));
        }
        applied => applied,
    };
    // What has to wait is not done, whatever the decision hoped for.
    let hoped = decision.status.as_ref().and_then(|status| status.phase);
    let waits = matches!(applied, Applied::Wait(_));
    if waits {
        world.read_for(&facts.preview.uid, None);
    }
    let early = waits && matches!(hoped, Some(Phase::Ready | Phase::Asleep));
    if !decision.status_first && !early {
        conclude(world, facts, decision).await?;
    }
    Ok(match applied {
        Applied::Wait(wait) => Action::requeue(wait),
        _ => next(facts, decision.next),
    })
}

/// When the teardown began.
fn begun(facts: &Facts) -> Option<Timestamp> {
    facts.preview.status.teardown.as_ref()?.started_at.parse().ok()
}

/// The Event, then the status: if we die between, the Event is not made twice, since its name is taken.
async fn conclude(world: &World, facts: &Facts, decision: &Decision) -> Result<(), Failed> {
    let Some(status) = &decision.status else { return Ok(()) };
    let mut status = status.clone();
    let announced = announce(world, facts, decision).await;
    if announced.is_err() {
        status.last_event.clone_from(&facts.preview.status.last_event);
    }
    speak(world, facts, &status).await?;
    announced.map_err(|error| Failed { error, told: true })
}

async fn announce(world: &World, facts: &Facts, decision: &Decision) -> Result<(), api::Error> {
    let Some(notice) = &decision.notice else { return Ok(()) };
    if facts.preview.status.last_event.as_ref() == Some(&notice.key) {
        return Ok(());
    }
    event::publish(&world.api, &facts.preview, notice).await
}

/// Says the status if it says anything new.
async fn speak(world: &World, facts: &Facts, status: &PreviewStatus) -> Result<(), api::Error> {
    if *status == facts.preview.status {
        return Ok(());
    }
    let phase = status.phase.map(|phase| format!("{phase:?}")).unwrap_or_default();
    let name = &facts.preview.name;
    if status.phase != facts.preview.status.phase {
        let message = status.message.as_deref().unwrap_or_default();
        tracing::info!(
            preview.name = name,
            preview.namespace = facts.preview.namespace,
            preview.phase = phase,
            "preview {name} is {phase}: {message}"
        );
    }
    let value = serde_json::to_value(status).unwrap_or_default();
    say(world, facts, &value).await
}

fn next(facts: &Facts, at: Option<Timestamp>) -> Action {
    let until = at.map(|at| facts.now.duration_until(at));
    let until = until.and_then(|until| Duration::try_from(until).ok());
    // A little late rather than a little early, or the same would be decided again.
    let wait = at.map_or(SELDOM, |_| until.unwrap_or_default() + Duration::from_millis(5));
    Action::requeue(wait.min(SELDOM))
}

/// Begins to find an answer; it brings us back.
fn ask(world: &Arc<World>, facts: &Facts, question: Ask) {
    let (here, back) = (Arc::clone(world), Arc::clone(world));
    let who = (facts.preview.uid.as_str(), move |uid: &str| back.wake(uid));
    match question {
        Ask::Image { name, tag, pull_secret } => {
            let secret = pull_secret.map(|secret| (facts.preview.namespace.clone(), secret));
            let key = (name.clone(), tag.clone(), secret.clone());
            let answer = async move {
                let auth = match &secret {
                    Some(secret) => credentials_of(&here, secret, &name).await,
                    None => RegistryAuth::Anonymous,
                };
                let found = here.registries.look(&name, &tag, auth, platforms(&here)).await;
                (Timestamp::now(), found)
            };
            world.images.ask(key, answer, who);
        }
        Ask::Probe(one) => {
            let asked = one.clone();
            let answer = async move { probe::probe(&here.api, here.edge.as_deref(), &asked).await };
            world.probes.ask(one, answer, who);
        }
        Ask::Log(one) => {
            let asked = one.clone();
            let answer = async move { log::end(&here.api, &asked).await };
            world.logs.ask(one, answer, who);
        }
    }
}

async fn credentials_of(
    world: &World,
    (namespace, name): &(String, String),
    image: &str,
) -> RegistryAuth {
    let path = Kind::of("v1", "secrets").path(namespace, name);
    let registry = repository(image).split('/').next().unwrap_or_default();
    match world.api.get(&path).await {
        Ok(Some(secret)) => credentials::of(&secret, registry),
        _ => RegistryAuth::Anonymous,
    }
}

/// What the nodes run, as `linux/amd64`; empty if nobody tells.
async fn platforms(cluster: &World) -> Vec<String> {
    let nodes: Api<Node> = Api::all(cluster.api.client());
    let list = nodes.list_metadata(&ListParams::default().limit(500)).await;
    let mut found: Vec<String> = list
        .map(|list| list.items)
        .unwrap_or_default()
        .into_iter()
        .filter_map(|node| {
            let labels = node.metadata.labels?;
            let word = |name: &str| labels.get(&format!("kubernetes.io/{name}")).cloned();
            Some(format!("{}/{}", word("os")?, word("arch")?))
        })
        .collect();
    found.sort();
    found.dedup();
    found
}
