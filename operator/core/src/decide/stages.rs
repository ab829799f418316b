//! The way of a preview from a spec to Ready, stage by stage; each goes on or says why not.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use understudy_crds::{
    PreviewTemplateSpec,
    condition::{ConditionType, Reason},
    label,
    status::{Phase, PinnedImage},
};

use super::{
    Act, Ask, Decision,
    checks::{self},
    diff::{self, OnFight},
    grants, images,
    lifetime::{Lifetime, later},
    preparation::{self, Preparation, preparation},
    rest::{Rest, rest},
    rollout::{Extent, Rollout, contradiction, rollout},
    runs,
    sentences::{joined, legible},
    status::{Said, said},
    stop::{Kind, Stop},
    teardown::life,
    trouble::Trouble,
};
use crate::{
    child::{Child, ObjectId},
    desired::{self, Desired, Owner, Pins, Rank},
    facts::{Facts, Named, NamespaceSight},
    stack::stack,
};

/// How long after a wish for it a wake goes without a word.
const WORDLESS: SignedDuration = SignedDuration::from_secs(2);

/// What the stages build up on their way.
pub(super) struct Way<'facts> {
    pub(super) facts: &'facts Facts,
    pub(super) acts: Vec<Act>,
    pub(super) asks: Vec<Ask>,
    pub(super) pins: Option<Vec<PinnedImage>>,
    pub(super) results: Option<Vec<understudy_crds::status::CheckResult>>,
    pub(super) served: bool,
    /// The stage that is being looked at.
    pub(super) stage: ConditionType,
    pub(super) life: Option<Lifetime>,
    pub(super) rest: Option<Rest>,
}

pub(super) fn stages(facts: &Facts) -> Decision {
    let mut way = begin(facts);
    let end = way.walk();
    conclude(way, &end)
}

/// The decision of a way that is known to end there: nothing is done, and it is said why.
pub(super) fn ended(facts: &Facts, stage: ConditionType, stop: Stop) -> Decision {
    let mut way = begin(facts);
    way.stage = stage;
    conclude(way, &Err(stop))
}

fn begin(facts: &Facts) -> Way<'_> {
    Way {
        facts,
        acts: Vec::new(),
        asks: Vec::new(),
        pins: None,
        results: None,
        served: false,
        stage: ConditionType::Accepted,
        life: life(facts),
        rest: None,
    }
}

/// From the end of the way to the decision.
fn conclude(way: Way<'_>, end: &Result<Phase, Stop>) -> Decision {
    let facts = way.facts;
    let warns = way.life.map(|life| if facts.now < life.warns { life.warns } else { life.expires });
    let stop = end.as_ref().err();
    let nap = stop.filter(|stop| stop.kind == Kind::Progressing).and_then(|_| nap(facts));
    let rests = way.rest.and_then(|rest| rest.next);
    let next = [warns, rests, nap, stop.and_then(|stop| stop.next)].into_iter().flatten().min();
    // The word that it sleeps comes before its pods go: a request that is in makes it void.
    let falls_asleep =
        matches!(end, Ok(Phase::Asleep)) && facts.preview.status.phase != Some(Phase::Asleep);
    let quiet = nap.is_some() || stop.is_some_and(|stop| stop.kind == Kind::Quiet);
    let Said { status, notice } = said(&way, end);
    Decision {
        acts: way.acts,
        asks: way.asks,
        status: (!quiet).then_some(status),
        status_first: falls_asleep,
        notice: notice.filter(|_| !quiet),
        next,
    }
}

/// Until when nothing is said of what was just woken: most are up by then, and a hundred that wake at once are
/// sooner up if nobody tells of each that it is on its way. Requests pass to the new pods without it.
fn nap(facts: &Facts) -> Option<Timestamp> {
    let status = &facts.preview.status;
    let same = status.observed_generation == Some(facts.preview.generation);
    let wanted = facts.preview.wake_wanted.filter(|_| same && status.phase == Some(Phase::Asleep));
    // Of a clock that is far from ours nothing follows.
    let just = wanted.filter(|wanted| wanted.duration_until(facts.now).abs() < WORDLESS);
    just.map(|wanted| later(wanted, WORDLESS))
}

impl Way<'_> {
    fn walk(&mut self) -> Result<Phase, Stop> {
        let facts = self.facts;
        let template = accepted(facts)?;
        self.stage = ConditionType::SourceReady;
        let hosts = super::addresses(facts);
        let stack = stack(template, &facts.preview.spec, &hosts).map_err(|refusals| {
            let reason =
                if refusals.undefined { Reason::UndefinedParameter } else { Reason::InvalidSource };
            Stop::refused(reason, joined(&refusals.sentences))
        })?;
        self.stage = ConditionType::Isolated;
        let owner = owner(facts);
        let fences = self.isolate(template, owner)?;
        self.stage = ConditionType::ImagesReady;
        let activity = self.life.map_or(facts.now, |life| life.activity);
        let pinned = images::pins(facts, &stack, activity, &mut self.asks)?;
        let rest = rest(facts, template, activity);
        self.rest = Some(rest);
        let asleep = rest.asleep;
        let pins = Pins {
            digests: pinned.iter().map(|pin| (pin.name.clone(), pin.digest.clone())).collect(),
            commit: facts.preview.spec.commit.to_string(),
            asleep,
        };
        self.pins = Some(pinned);
        self.stage = ConditionType::Deployed;
        let mut desired = self.secrets(template, owner)?;
        let objects = desired::objects(owner, &stack, &hosts, &pins);
        let stands = stands(facts, template, &objects);
        desired.extend(objects);
        let jobs = desired::preparations(owner, &stack, &hosts, &pins);
        let deployed = self.deploy(&fences, (&desired, &jobs), template);
        if asleep {
            // Whatever is still on its way out: nobody is to be let in any more.
            return Ok(Phase::Asleep);
        }
        deployed?;
        self.stage = ConditionType::Served;
        if let Some(contradiction) = contradiction(facts) {
            return Err(Stop::progressing(contradiction, None));
        }
        let own = facts.pods.iter().filter(|pod| !pod.is_task());
        let since = own.filter_map(|pod| pod.ready_since).max();
        let since = since.unwrap_or(facts.preview.created);
        checks::route(facts, template, (since, &stands), &mut self.asks)?;
        self.served = true;
        self.stage = ConditionType::Checked;
        self.check(template, (&stack, &hosts, &pins), &stands)
    }

    /// The namespace and every guard of it: all stand, or are among the acts, before anything else.
    fn isolate(
        &mut self,
        template: &PreviewTemplateSpec,
        owner: Owner<'_>,
    ) -> Result<Vec<Desired>, Stop> {
        let facts = self.facts;
        if !facts.preview.finalizer {
            self.acts.push(Act::Hold);
        }
        let name = super::namespace_name(facts);
        let wanted = desired::namespace(owner, &name, &template.isolation);
        let collects = template.checks.iter().any(|check| check.job.is_some());
        let fences = desired::fences(owner, &template.isolation, &facts.settings, collects);
        let child = match &facts.namespace {
            NamespaceSight::There(child) => child,
            NamespaceSight::Absent { .. } => {
                self.acts.push(Act::MakeNamespace(wanted));
                let binding = fences.iter().filter(|fence| fence.rank == Rank::Binding);
                let (writes, _) = diff::differences(
                    &binding.cloned().collect::<Vec<_>>(),
                    &std::collections::BTreeMap::new(),
                    OnFight::GoOn,
                );
                self.acts.extend(writes.into_iter().map(Act::Write));
                return Err(Stop::quiet("making the namespace"));
            }
            NamespaceSight::Foreign => {
                return Err(Stop::refused(Reason::ApplyRejected, super::foreign(facts)));
            }
        };
        if child.deleting {
            let message = format!(
                "namespace {name} is being removed by somebody; it is built again after that"
            );
            return Err(Stop::progressing(message, None));
        }
        self.repair(child, wanted);
        let (writes, fights) = diff::differences(&fences, &facts.children, OnFight::GoOn);
        let unbound = fences.iter().filter(|fence| fence.rank == Rank::Binding).any(|fence| {
            facts.children.get(&fence.id).is_none_or(|child| !child.watched || child.deleting)
        });
        if unbound {
            let binding = writes.into_iter().filter(is_binding);
            self.acts.extend(binding.map(Act::Write));
            return Err(Stop::quiet("taking our rights in the namespace"));
        }
        self.acts.extend(writes.into_iter().map(Act::Write));
        if let Some(fight) = fights.first() {
            return Err(contested(fight));
        }
        Ok(fences)
    }

    fn repair(&mut self, child: &Child, wanted: Value) {
        let labels = wanted.pointer("/metadata/labels").and_then(Value::as_object);
        let same = labels
            .into_iter()
            .flatten()
            .all(|(name, value)| child.labels.get(name).map(String::as_str) == value.as_str());
        let named = child.annotations.contains_key(label::PREVIEW_NAME);
        if !(same && named) {
            self.acts.push(Act::RepairNamespace(wanted));
        }
    }

    /// Applies what differs, removes what is planned no longer, and waits for what runs.
    fn deploy(
        &mut self,
        fences: &[Desired],
        (desired, jobs): (&[Desired], &[Desired]),
        template: &PreviewTemplateSpec,
    ) -> Result<(), Stop> {
        let facts = self.facts;
        self.acts.extend(runs::outdated(facts));
        let granted = grants::granted(template, facts);
        // Before anything runs that may not have them.
        self.acts.extend(grants::withdrawn(template, facts, &granted).map(Act::Write));
        // Whoever sleeps was prepared before, and is not again when it wakes.
        let asleep = self.rest.is_some_and(|rest| rest.asleep);
        let prepared = if asleep { Preparation::Done } else { preparation(jobs, facts) };
        let whole = prepared == Preparation::Done;
        let now = |one: &&Desired| whole || one.rank < Rank::Workload;
        let (writes, fights) =
            diff::differences(desired.iter().filter(now), &facts.children, OnFight::GiveIn);
        self.acts.extend(writes.into_iter().map(Act::Write));
        let kept: BTreeSet<&ObjectId> =
            fences.iter().chain(desired).chain(jobs).map(|one| &one.id).collect();
        // A granted Secret is planned only while its source was just read.
        let granted = |id: &ObjectId| id.kind == "Secret" && granted.contains(&id.name);
        let check = |id: &ObjectId| facts.children.get(id).is_some_and(runs::is_check);
        let surplus =
            diff::surplus(&facts.children, |id| kept.contains(id) || granted(id) || check(id));
        let surplus: Vec<Act> =
            surplus.map(Act::Write).filter(|act| !self.acts.contains(act)).collect();
        self.acts.extend(surplus);
        if let Some(fight) = fights.first() {
            return Err(contested(fight));
        }
        let extent = if whole { Extent::Whole } else { Extent::Part };
        match rollout(desired.iter().filter(now), extent, facts) {
            Rollout::Complete => self.prepare(prepared),
            Rollout::Progressing(message) => Err(Stop::progressing(message, None)),
            Rollout::Broken(trouble) => Err(self.broken(trouble)),
        }
    }

    /// What the rest of the stack waits for runs: now the Jobs, one by one.
    fn prepare(&mut self, prepared: Preparation<'_>) -> Result<(), Stop> {
        match prepared {
            Preparation::Done => Ok(()),
            Preparation::Begin(job) => {
                self.acts.push(preparation::begin(job));
                Err(Stop::progressing(format!("{} begins", job.id.words()), None))
            }
            Preparation::Runs(job, None) => {
                Err(Stop::progressing(format!("{} runs", job.id.words()), None))
            }
            Preparation::Runs(job, Some(why)) => {
                let message = format!("{} cannot be scheduled yet: {why}", job.id.words());
                Err(Stop::progressing(message, None))
            }
            Preparation::Failed(trouble) => Err(self.broken(trouble)),
        }
    }

    /// Trouble is told with the log line that matters, once that was read.
    fn broken(&mut self, trouble: Trouble) -> Stop {
        if let Some(log) = trouble.unread {
            self.asks.push(Ask::Log(log));
            return Stop::quiet(trouble.sentence);
        }
        let withheld = grants::withheld(self.facts);
        Stop::broken(trouble.reason, trouble.sentence + &withheld, trouble.next)
    }
}

/// A digest of everything that answers, and where: what was seen of another says nothing of this one.
fn stands(facts: &Facts, template: &PreviewTemplateSpec, objects: &[Desired]) -> String {
    let objects: Vec<&str> = objects.iter().map(Desired::digest).collect();
    let exposed = template.expose.first().map(|first| (first.service.as_str(), first.port));
    desired::digest(&serde_json::json!([super::namespace_uid(facts), exposed, objects]))
}

fn accepted(facts: &Facts) -> Result<&PreviewTemplateSpec, Stop> {
    let spec = &facts.preview.spec;
    let (name, namespace) = (&spec.template_ref.name, &facts.preview.namespace);
    if let (Some(repository), false) = (&spec.repository_ref, facts.repository) {
        let message = format!(
            "PreviewRepository {} is not in namespace {namespace}: make it, or take `repositoryRef` away",
            repository.name
        );
        return Err(Stop::refused(Reason::RepositoryNotFound, message));
    }
    match &facts.template {
        Named::There(template) => Ok(template),
        Named::Absent => Err(Stop::refused(
            Reason::TemplateNotFound,
            format!(
                "PreviewTemplate {name} is not in namespace {namespace}: make it, or name another"
            ),
        )),
        Named::Unreadable(why) => Err(Stop::refused(
            Reason::InvalidSource,
            format!(
                "PreviewTemplate {name} cannot be read: {}; correct it and apply it again",
                legible(why)
            ),
        )),
    }
}

pub(super) fn owner(facts: &Facts) -> Owner<'_> {
    let preview = &facts.preview;
    Owner { uid: &preview.uid, namespace: &preview.namespace, name: &preview.name }
}

fn is_binding(write: &diff::Write) -> bool {
    matches!(write, diff::Write::Apply { id, .. } if id.kind == "RoleBinding")
}

fn contested(fight: &diff::Fight) -> Stop {
    let message = format!(
        "{}: `{}` keeps changing what we set, {} times by now: keep it from doing so, or take the field out of the stack",
        fight.id.words(),
        fight.with,
        diff::FIGHTS
    );
    Stop::broken(Reason::Contested, message, None)
}
