//! What a stack may contain: a closed list of namespaced kinds, and in them nothing that reaches outside
//! the preview.
//!
//! Rules only look; they never change an object. All refusals of a stack are found at once, so that a
//! person mends them in one go.

mod claims;
mod kinds;
mod metadata;
mod pods;
mod services;
mod values;
mod workloads;

use std::{collections::BTreeSet, fmt};

use serde_json::Value;
use understudy_crds::isolation::{GroupKind, PodSecurity};

use crate::object::text;

/// The largest stack, in bytes of JSON: more would not fit an object of the API server.
pub const LARGEST_STACK: usize = 1 << 20;

/// What the rules go by.
#[derive(Debug, Clone, Default)]
pub struct Allowance {
    /// The pod security standard that the namespace enforces.
    pub pod_security: PodSecurity,
    /// Kinds beyond the built-in list.
    pub extra_kinds: Vec<GroupKind>,
    /// Secrets that the template lists: copied, generated, or pull secrets.
    pub secrets: BTreeSet<String>,
    /// Secrets that may stand under `imagePullSecrets` and nowhere else.
    pub pull_secrets: BTreeSet<String>,
    /// Whether nothing was filled in: what would have been replaced is refused.
    pub unmended: bool,
}

/// Something a stack asks for and does not get: the user must change it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refusal {
    /// `Deployment web`.
    pub object: String,
    /// Where it stands: `spec.template.spec.hostNetwork`; empty for the object as a whole.
    pub field: String,
    /// What is asked for and what to do instead.
    pub sentence: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field.as_str() {
            "" => write!(formatter, "{}: {}", self.object, self.sentence),
            field => write!(formatter, "{}: {field}: {}", self.object, self.sentence),
        }
    }
}

/// Everything in the stack that is refused; empty means that it may stand up.
pub fn refusals(stack: &[Value], allowance: &Allowance) -> Vec<Refusal> {
    let mut found = Findings::default();
    let size: usize = stack.iter().map(|object| object.to_string().len()).sum();
    if size > LARGEST_STACK {
        found.about(
            "the stack",
            "",
            format!(
                "is {} KiB, {} KiB are the most: leave out what a preview does not need",
                size >> 10,
                LARGEST_STACK >> 10
            ),
        );
    }
    let declared = declared_secrets(stack, allowance);
    let mut seen = BTreeSet::new();
    for (index, object) in stack.iter().enumerate() {
        let name = named(object, index);
        if !seen.insert(identity(object)) {
            found.about(&name, "", "stands twice in the stack: remove one");
        }
        let mut one = found.of(&name);
        if kinds::look(object, allowance, &mut one) {
            metadata::look(object, &mut one);
            claims::look(object, &mut one);
            services::look(object, &mut one);
            pods::look(object, allowance, &declared, &mut one);
            values::look(object, &mut one);
            workloads::look(object, &mut one);
        }
    }
    found.refusals.sort();
    found.refusals
}

/// Secrets that pods may name: what the template lists, and what the stack itself declares.
fn declared_secrets(stack: &[Value], allowance: &Allowance) -> BTreeSet<String> {
    let own = stack
        .iter()
        .filter(|object| text(object, "/kind") == "Secret" && text(object, "/apiVersion") == "v1")
        .map(|object| text(object, "/metadata/name").to_owned());
    own.chain(allowance.secrets.iter().cloned()).collect()
}

fn identity(object: &Value) -> (String, String, String) {
    let group = text(object, "/apiVersion").rsplit_once('/').map_or("", |(group, _)| group);
    (group.to_owned(), text(object, "/kind").to_owned(), text(object, "/metadata/name").to_owned())
}

/// `Deployment web`, or its place in the list if it has no name.
fn named(object: &Value, index: usize) -> String {
    match (text(object, "/kind"), text(object, "/metadata/name")) {
        ("", _) => format!("manifest {}", index + 1),
        (kind, "") => format!("{kind} (manifest {})", index + 1),
        (kind, name) => format!("{kind} {name}"),
    }
}

#[derive(Default)]
struct Findings {
    refusals: Vec<Refusal>,
}

impl Findings {
    fn about(&mut self, object: &str, field: &str, sentence: impl Into<String>) {
        let (object, field) = (object.to_owned(), field.to_owned());
        self.refusals.push(Refusal { object, field, sentence: sentence.into() });
    }

    fn of<'findings>(&'findings mut self, object: &'findings str) -> ObjectFindings<'findings> {
        ObjectFindings { findings: self, object }
    }
}

/// The refusals of one object.
struct ObjectFindings<'findings> {
    findings: &'findings mut Findings,
    object: &'findings str,
}

impl ObjectFindings<'_> {
    fn refuse(&mut self, field: &str, sentence: impl Into<String>) {
        self.findings.about(self.object, field, sentence);
    }
}

#[cfg(test)]
mod tests;
