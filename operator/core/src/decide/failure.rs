//! What is said when acting did not go through: by the user's fault, or for now by somebody else's.

use understudy_crds::{
    PreviewStatus,
    condition::{ConditionType, Reason},
    status::{ConditionStatus, Phase},
};

use super::{
    Decision,
    sentences::legible,
    stages,
    status::{condition, cut},
    stop::Stop,
};
use crate::facts::Facts;

/// The API server refused what the user wrote: nothing goes on before that changes.
pub fn rejected(facts: &Facts, sentence: &str) -> Decision {
    let stop = Stop::refused(Reason::ApplyRejected, legible(sentence));
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

/// The preview itself cannot be read: the words that are put into whatever its status says.
pub fn unreadable(generation: Option<i64>, why: &str) -> PreviewStatus {
    let message = format!("the preview cannot be read: {why}; correct it and apply it again");
    PreviewStatus {
        observed_generation: generation,
        phase: Some(Phase::Refused),
        reason: Some(Reason::InvalidSource),
        message: Some(cut(&legible(&message), 1000)),
        ..PreviewStatus::default()
    }
}
