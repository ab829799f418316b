//! What is said when acting did not go through: by the user's fault, or for now by somebody else's.

use understudy_crds::{
    PreviewStatus,
    condition::{ConditionType, Reason},
    status::ConditionStatus,
};

use super::{
    Decision, stages,
    status::{condition, cut},
    stop::Stop,
};
use crate::facts::Facts;

/// The API server refused what the user wrote: nothing goes on before that changes.
pub fn rejected(facts: &Facts, sentence: &str) -> Decision {
    let stop = Stop::refused(Reason::ApplyRejected, sentence);
    stages::ended(facts, ConditionType::Deployed, stop)
}

/// Something outside failed again and again: what was said before, with that in it.
pub fn failing(facts: &Facts, sentence: &str) -> PreviewStatus {
    let mut status = facts.preview.status.clone();
    let message = cut(&format!("trying again: {sentence}"), 1000);
    status.reason = Some(Reason::Failed);
    status.message = Some(message.clone());
    status.conditions.retain(|one| one.type_ != ConditionType::Ready);
    let ready = ConditionStatus::False;
    status.conditions.push(condition(facts, ConditionType::Ready, ready, Reason::Failed, &message));
    status
}
