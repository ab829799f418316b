//! The Secrets of a preview: copied for the trusted, made at random, given for pulling; and those withheld.

use std::collections::{BTreeMap, BTreeSet};

use understudy_crds::{PreviewTemplateSpec, condition::Reason, preview::Trust};

use super::{Act, diff, lifetime::later, stages::Way, stop::Stop};
use crate::{
    child::ObjectId,
    desired::{Desired, Owner, Rank, marked},
    facts::{Facts, Named},
};

/// How often a Secret is looked for that is not there: nothing tells when it comes.
const LOOK_AGAIN: jiff::SignedDuration = jiff::SignedDuration::from_secs(30);

impl Way<'_> {
    /// The Secrets that the template grants, as far as this preview may have them.
    pub(super) fn secrets(
        &mut self,
        template: &PreviewTemplateSpec,
        owner: Owner<'_>,
    ) -> Result<Vec<Desired>, Stop> {
        let facts = self.facts;
        for grant in &template.secrets {
            let Some(keys) = &grant.generate else { continue };
            let id = secret(grant.name.as_str());
            let wanted = marked(
                owner,
                Rank::Configuration,
                serde_json::json!({
                    "apiVersion": "v1", "kind": "Secret", "metadata": {"name": id.name}, "type": "Opaque",
                }),
            );
            let there = facts.children.get(&id);
            // One that was copied under this name before is not what is wanted now.
            let other = there.filter(|child| child.applied() != wanted.digest());
            if let Some(child) = other {
                let uid = child.uid.clone();
                self.acts.push(Act::Write(diff::Write::Delete { id: id.clone(), uid }));
            }
            if there.is_none() || other.is_some() {
                let object = wanted.object;
                let keys = keys.iter().map(|key| key.0.clone()).collect();
                self.acts.push(Act::Write(diff::Write::Generate { object, keys }));
            }
        }
        let mut copies = Vec::new();
        for (name, from) in copied(template, facts.preview.spec.trust) {
            match facts.sources.get(&from) {
                // It was read before and stands; nothing says that it changed.
                None if facts.children.contains_key(&secret(&name)) => {}
                None => return Err(Stop::quiet("reading its Secrets")),
                Some(Some(source)) => copies.push(marked(
                    owner,
                    Rank::Configuration,
                    serde_json::json!({
                        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
                        "type": source.type_, "data": source.data.0,
                    }),
                )),
                Some(None) => {
                    let message = format!(
                        "Secret {from} is not in namespace {}: make it there, or take it out of the template",
                        facts.preview.namespace
                    );
                    let next = Some(later(facts.now, LOOK_AGAIN));
                    let refused = Stop::refused(Reason::SecretNotFound, message);
                    return Err(Stop { next, ..refused });
                }
            }
        }
        Ok(copies)
    }
}

/// The Secrets that a preview gets a copy of: their names there, and the names they are copied from.
pub fn copied(template: &PreviewTemplateSpec, trust: Trust) -> BTreeMap<String, String> {
    let trusted = template.secrets.iter().filter(|_| trust == Trust::Trusted);
    let mut copied: BTreeMap<String, String> = trusted
        .filter_map(|grant| Some((grant.name.to_string(), grant.copy_from.as_ref()?.name.clone())))
        .collect();
    let pulled = crate::stack::allowance(template).pull_secrets;
    copied.extend(pulled.into_iter().map(|name| (name.clone(), name)));
    copied
}

/// The Secrets that this preview is given, copied or made.
pub(super) fn granted(template: &PreviewTemplateSpec, facts: &Facts) -> BTreeSet<String> {
    let made = template.secrets.iter().filter(|grant| grant.generate.is_some());
    let made = made.map(|grant| grant.name.to_string());
    copied(template, facts.preview.spec.trust).into_keys().chain(made).collect()
}

/// Secrets of the template that stand there and that this preview may have no more.
pub(super) fn withdrawn<'facts>(
    template: &'facts PreviewTemplateSpec,
    facts: &'facts Facts,
    granted: &'facts BTreeSet<String>,
) -> impl Iterator<Item = diff::Write> + 'facts {
    let named = template.secrets.iter().map(|grant| grant.name.as_str());
    named.filter(|name| !granted.contains(*name)).filter_map(|name| {
        let id = secret(name);
        let child = facts.children.get(&id).filter(|child| !child.deleting)?;
        Some(diff::Write::Delete { id, uid: child.uid.clone() })
    })
}

fn secret(name: &str) -> ObjectId {
    ObjectId { api_version: "v1".to_owned(), kind: "Secret".to_owned(), name: name.to_owned() }
}

/// The Secrets that an untrusted pull request does not get, for the sentence of what did not start.
pub(super) fn withheld(facts: &Facts) -> String {
    let Named::There(template) = &facts.template else { return String::new() };
    let names: Vec<&str> = template
        .secrets
        .iter()
        .filter(|grant| grant.copy_from.is_some())
        .map(|grant| grant.name.as_str())
        .collect();
    if facts.preview.spec.trust == Trust::Trusted || names.is_empty() {
        return String::new();
    }
    format!(" (an untrusted pull request does not get: {})", names.join(", "))
}
