//! The last stage: whether every check holds, on this commit and on what stands.

use jiff::Timestamp;
use serde_json::json;
use understudy_crds::{
    PreviewTemplateSpec,
    condition::Reason,
    status::{Phase, Verdict},
};

use super::{
    checks::{self, Checked},
    runs,
    stages::{Way, owner},
    stop::Stop,
};
use crate::{
    desired::{self, Pins},
    hosts::Hosts,
    stack::{CheckKind, Stack},
};

impl Way<'_> {
    pub(super) fn check(
        &mut self,
        template: &PreviewTemplateSpec,
        built: (&Stack, &Hosts, &Pins),
        stands: &str,
    ) -> Result<Phase, Stop> {
        let (stack, hosts, pins) = built;
        let facts = self.facts;
        let status = &facts.preview.status;
        let current = status.commit.as_ref() == Some(&facts.preview.spec.commit);
        let noted = status.since.as_ref().and_then(|since| since.parse().ok());
        let since: Timestamp = match (status.phase, noted) {
            (Some(Phase::Checking), Some(noted)) if current => noted,
            _ => facts.now,
        };
        let mut checked = Checked::default();
        for check in &stack.checks {
            match &check.kind {
                CheckKind::Http(http) => {
                    let with = (template, check, http);
                    checks::check(facts, with, (since, stands), &mut self.asks, &mut checked);
                }
                CheckKind::Job(job) => {
                    let judged = desired::digest(&json!([job.job, job.results, stands]));
                    let make = |name: &str, attempt: u32| {
                        let collecting = facts.settings.collecting.as_ref()?;
                        let with = (attempt, judged.as_str(), collecting);
                        Some(desired::run(owner(facts), (name, job), (stack, hosts, pins), with))
                    };
                    let looked = runs::look(self, (check, job), make, &judged);
                    checked.open |= looked.result.verdict == Verdict::Running;
                    checked.next = [checked.next, looked.next].into_iter().flatten().min();
                    checked.results.push(looked.result);
                }
            }
        }
        self.acts.extend(runs::surplus(facts, &stack.checks));
        let outcome = outcome(&checked, stack);
        self.results = Some(checked.results);
        outcome
    }
}

/// What all checks together come to.
fn outcome(checked: &Checked, stack: &Stack) -> Result<Phase, Stop> {
    let required =
        |name: &str| stack.checks.iter().any(|check| check.name == name && check.required);
    let bad = checked
        .results
        .iter()
        .filter(|one| required(&one.name))
        .find(|one| matches!(one.verdict, Verdict::Failed | Verdict::NotProven));
    if checked.open {
        Err(Stop::progressing("checks are running", checked.next))
    } else if let Some(bad) = bad {
        let reason =
            if bad.verdict == Verdict::Failed { Reason::CheckFailed } else { Reason::NotProven };
        let message = format!("check {}: {}", bad.name, bad.message.as_deref().unwrap_or_default());
        Err(Stop::broken(reason, message, None))
    } else {
        Ok(Phase::Ready)
    }
}
