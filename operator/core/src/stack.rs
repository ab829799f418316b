//! From what the user wrote to a stack that cannot be wrong, or to every refusal at once.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use understudy_crds::{
    PreviewEnvironmentSpec, PreviewTemplateSpec,
    job::{Prepare, Results, RunFor},
    scalar::Span,
    template::{Exposure, ImageReference, Text},
};

mod checks;

use crate::{
    answer::Wanted,
    hosts::Hosts,
    mend::{Note, mend},
    object::{items, text},
    parameters::{self, Parameters},
    policy::{self, Allowance},
};

use self::checks::{checks, jobs, taken};

/// What is to stand up.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stack {
    /// Its objects: rendered, mended and allowed; images are not pinned yet.
    pub objects: Vec<Value>,
    /// Images that are waited for.
    pub images: Vec<Image>,
    /// Jobs that make it ready, in their order.
    pub prepare: Vec<Preparation>,
    /// What must hold.
    pub checks: Vec<Check>,
    /// What was filled in.
    pub notes: Vec<Note>,
}

/// An image that is built for each commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Registry and repository.
    pub name: String,
    /// The tag of this commit.
    pub tag: String,
    /// The Secret for its registry.
    pub pull_secret: Option<String>,
    /// How long it is waited for.
    pub deadline: Span,
}

/// A Job that makes the stack ready.
#[derive(Debug, Clone, PartialEq)]
pub struct Preparation {
    /// Its name in the template.
    pub name: String,
    /// For which commits it runs.
    pub run: RunFor,
    /// The Job: mended and allowed; its image is not pinned yet.
    pub job: Value,
}

/// Something that must hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// How long it may take.
    pub timeout: Span,
    /// Whether the preview can be Ready without it.
    pub required: bool,
    /// What is done to find out.
    pub kind: CheckKind,
}

/// What is done to find out whether something holds.
#[derive(Debug, Clone, PartialEq)]
pub enum CheckKind {
    /// A request.
    Http(HttpCheck),
    /// A Job.
    Job(Box<JobCheck>),
}

/// A request that must be answered as wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpCheck {
    /// Path and query.
    pub path: String,
    /// The status that is wanted.
    pub status: u16,
    /// What else must hold of the answer.
    pub wanted: Wanted,
}

/// A Job that tests the preview.
#[derive(Debug, Clone, PartialEq)]
pub struct JobCheck {
    /// The Job: mended and allowed; its image is not pinned yet, and the collector not beside it.
    pub job: Value,
    /// What it leaves.
    pub results: Results,
    /// How often it is run again.
    pub retries: u32,
}

/// Why nothing can stand up: the user must change something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusals {
    /// Whether a parameter is missing, rather than something not allowed.
    pub undefined: bool,
    /// A sentence each.
    pub sentences: Vec<String>,
}

/// Renders, mends and checks what the template says for this preview.
pub fn stack(
    template: &PreviewTemplateSpec,
    preview: &PreviewEnvironmentSpec,
    hosts: &Hosts,
) -> Result<Stack, Refusals> {
    let parameters = parameters(template, preview, hosts);
    let mut faults = Faults { sentences: nested(template, &parameters), ..Faults::default() };
    let raw = template.source.inline.iter().flatten().enumerate();
    let (mut rendered, mut size) = (Vec::new(), 0);
    for (index, manifest) in raw {
        let manifest = Value::Object(manifest.0.clone());
        let name = match (text(&manifest, "/kind"), text(&manifest, "/metadata/name")) {
            ("", _) | (_, "") => format!("manifest {}", index + 1),
            (kind, name) => format!("{kind} {name}"),
        };
        let Some(one) = faults.keep(&name, parameters.render(&manifest)) else { continue };
        size += one.to_string().len();
        rendered.push(one);
        // It is refused for its size already: the rest would only cost memory.
        if size > policy::LARGEST_STACK {
            break;
        }
    }
    let images = images(&template.images, &parameters, &mut faults);
    let jobs = jobs(template, &parameters, &mut faults);
    let mut checks = checks(&template.checks, &parameters, &mut faults);
    if !faults.sentences.is_empty() {
        return Err(Refusals { undefined: faults.undefined, sentences: faults.sentences });
    }
    // They are mended and judged like everything else that runs.
    let own = rendered.len();
    rendered.extend(jobs);
    let mended = if template.isolation.mend {
        mend(&rendered, &template.isolation)
    } else {
        crate::mend::Mended { stack: rendered.clone(), notes: Vec::new() }
    };
    let mut sentences: Vec<String> = policy::refusals(&mended.stack, &allowance(template))
        .iter()
        .map(ToString::to_string)
        .collect();
    sentences.extend(unreachable(&template.expose, &mended.stack));
    sentences.extend(taken(rendered.get(..own).unwrap_or_default()));
    if !sentences.is_empty() {
        return Err(Refusals { undefined: false, sentences });
    }
    let mut objects: Vec<Value> = mended.stack.iter().map(plain).collect();
    let prepare = part(template, &mut objects, &mut checks);
    Ok(Stack { objects, images, prepare, checks, notes: mended.notes })
}

/// Takes the Jobs that are ours out of all objects, and gives the checks theirs.
fn part(
    template: &PreviewTemplateSpec,
    objects: &mut Vec<Value>,
    checks: &mut [Check],
) -> Vec<Preparation> {
    // Account by account may have been left out of those before them: ours are the last.
    let count =
        template.prepare.len() + template.checks.iter().filter(|one| one.job.is_some()).count();
    let mut jobs = objects.split_off(objects.len().saturating_sub(count)).into_iter();
    let preparation = |(task, job): (&Prepare, Value)| Preparation {
        name: task.name.to_string(),
        run: task.run,
        job,
    };
    let prepare: Vec<Preparation> =
        template.prepare.iter().zip(&mut jobs).map(preparation).collect();
    for check in checks {
        if let CheckKind::Job(check) = &mut check.kind {
            check.job = jobs.next().unwrap_or_default();
        }
    }
    prepare
}

#[derive(Default)]
struct Faults {
    undefined: bool,
    sentences: Vec<String>,
}

impl Faults {
    fn keep<T>(&mut self, whose: &str, outcome: Result<T, parameters::Refusal>) -> Option<T> {
        outcome
            .map_err(|refusal| {
                self.undefined |= matches!(refusal, parameters::Refusal::Undefined { .. });
                self.sentences.push(format!("{whose}: {refusal}"));
            })
            .ok()
    }
}

fn parameters(
    template: &PreviewTemplateSpec,
    preview: &PreviewEnvironmentSpec,
    hosts: &Hosts,
) -> Parameters {
    let request = &preview.pull_request;
    let or_empty = |text: &Option<String>| text.clone().unwrap_or_default();
    let mut parameters = Parameters::default()
        .with("pr.number", request.number.to_string())
        .with("pr.title", or_empty(&request.title))
        .with("pr.author", or_empty(&request.author))
        .with("pr.headRef", or_empty(&request.head_ref))
        .with("pr.baseRef", or_empty(&request.base_ref))
        .with("commit.sha", preview.commit.as_str())
        .with("commit.short", preview.commit.short())
        .with("preview.id", hosts.id.clone())
        .with("preview.url", hosts.url().unwrap_or_default())
        .with("preview.namespace", hosts.namespace.clone());
    for host in &hosts.list {
        parameters = parameters.with(&format!("hosts.{}", host.name), host.url.clone());
    }
    for (name, value) in &template.parameters {
        parameters = parameters.with(&format!("params.{name}"), value.0.clone());
    }
    parameters
}

/// Values stand for themselves: one that uses another would come out with its braces, one that uses itself
/// would never end.
fn nested(template: &PreviewTemplateSpec, parameters: &Parameters) -> Vec<String> {
    let fault = |(name, value): (&String, &Text)| {
        let used = parameters.used(&value.0);
        let own = format!("params.{name}");
        if used.contains(&own) {
            return Some(format!("parameter {name}: refers to itself: write its value instead"));
        }
        let other = used.first()?;
        Some(format!(
            "parameter {name}: `{{{{ {other} }}}}` is not replaced inside a parameter: \
             write the value itself, or use `{{{{ {other} }}}}` where {name} is used"
        ))
    };
    template.parameters.iter().filter_map(fault).collect()
}

fn images(list: &[ImageReference], parameters: &Parameters, faults: &mut Faults) -> Vec<Image> {
    let one = |image: &ImageReference| {
        let whose = format!("image {}", image.name);
        let tag = faults.keep(&whose, parameters.render_text(&image.tag, "tag"))?;
        if !is_tag(&tag) {
            faults.sentences.push(format!(
                "{whose}: tag: becomes `{tag}`, which is no tag: use letters, digits, dots, dashes and underscores, \
                 at most 128; `{{{{ commit.sha }}}}` always fits"
            ));
        }
        Some(Image {
            name: image.name.clone(),
            tag,
            pull_secret: image.pull_secret_ref.as_ref().map(|secret| secret.name.clone()),
            deadline: image.deadline.clone(),
        })
    };
    list.iter().filter_map(one).collect()
}

/// The rule of the OCI distribution specification, "Pulling manifests".
fn is_tag(tag: &str) -> bool {
    let word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    tag.len() <= 128
        && tag.starts_with(word)
        && tag.chars().all(|letter| word(letter) || letter == '.' || letter == '-')
}

/// The Secrets a stack may name, as the template lists them.
pub fn allowance(template: &PreviewTemplateSpec) -> Allowance {
    let pull_secrets: BTreeSet<String> = template
        .images
        .iter()
        .filter_map(|image| image.pull_secret_ref.as_ref().map(|secret| secret.name.clone()))
        .collect();
    Allowance {
        pod_security: template.isolation.pod_security,
        extra_kinds: template.isolation.extra_kinds.clone(),
        // What is given for pulling is given for nothing else, not even to those who are trusted.
        secrets: template
            .secrets
            .iter()
            .map(|secret| secret.name.to_string())
            .filter(|name| !pull_secrets.contains(name))
            .collect(),
        pull_secrets,
        unmended: !template.isolation.mend,
    }
}

/// Exposed Services that the stack does not have, or not with that port.
fn unreachable(expose: &[Exposure], stack: &[Value]) -> Vec<String> {
    let services: BTreeMap<&str, &Value> = stack
        .iter()
        .filter(|object| text(object, "/kind") == "Service")
        .map(|service| (text(service, "/metadata/name"), service))
        .collect();
    let fault = |exposure: &Exposure| {
        let (name, port) = (exposure.service.as_str(), u64::from(exposure.port));
        let whose = format!("expose {}", exposure.name);
        let Some(service) = services.get(name) else {
            let known: Vec<&str> = services.keys().copied().collect();
            let instead = match known.as_slice() {
                [] => "add one to the manifests".to_owned(),
                some => format!("add it to the manifests, or name one of: {}", some.join(", ")),
            };
            return Some(format!("{whose}: the stack has no Service `{name}`: {instead}"));
        };
        let ports: Vec<u64> = items(service, "/spec/ports")
            .filter_map(|(_, port)| port.get("port").and_then(Value::as_u64))
            .collect();
        let list = ports.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
        (!ports.contains(&port))
            .then(|| format!("{whose}: Service `{name}` has no port {port}: write one of: {list}"))
    };
    expose.iter().filter_map(fault).collect()
}

/// The object without what is not for us to say: nulls, its status, and metadata that the API server
/// fills in.
fn plain(object: &Value) -> Value {
    let mut object = object.clone();
    strip_nulls(&mut object);
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
        // A Job that is taken away when it is done would be made again, and again.
        if fields.get("kind").is_some_and(|kind| kind == "Job")
            && let Some(spec) = fields.get_mut("spec").and_then(Value::as_object_mut)
        {
            spec.remove("ttlSecondsAfterFinished");
        }
        if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.retain(|name, _| matches!(name.as_str(), "name" | "labels" | "annotations"));
        }
    }
    object
}

fn strip_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(strip_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(strip_nulls),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
