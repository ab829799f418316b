//! What an error of a write means: time, the user, or us.

use std::time::Duration;

use understudy_core::{
    child::ObjectId,
    decide::{Act, Write, foreign, namespace_name},
    facts::{Facts, NamespaceSight},
};

use super::{Applied, inside};
use crate::cluster::{api::Error, gather, world::World};

/// How long a right that was just given may be unknown to the API server.
const RIGHTS_LAG: jiff::SignedDuration = jiff::SignedDuration::from_secs(10);

/// How soon to look again when the world changed under us.
pub(super) const SOON: Duration = Duration::from_millis(200);

/// What an error means: time, the user, or us.
pub(super) async fn weighed(
    world: &World,
    facts: &Facts,
    act: &Act,
    error: Error,
) -> Result<Applied, Error> {
    let Error::Answer { code, message, causes, .. } = &error else { return Err(error) };
    let ending = causes.iter().any(|cause| cause == "NamespaceTerminating");
    if ending || (*code == 403 && message.contains("status unknown for quota")) {
        return Ok(Applied::Wait(Duration::from_secs(1)));
    }
    match act {
        Act::MakeNamespace(_) if error.is_taken() => {
            Ok(match gather::look(world, &facts.preview).await? {
                NamespaceSight::Foreign => Applied::Rejected(foreign(facts)),
                _ => Applied::Wait(SOON),
            })
        }
        Act::DeleteNamespace { .. } | Act::DeletePods if matches!(code, 404 | 409) => {
            Ok(Applied::Wait(SOON))
        }
        Act::Write(Write::Create { .. }) if error.is_taken() => Ok(Applied::Wait(SOON)),
        Act::Write(Write::Generate { .. }) if error.is_taken() => {
            // It is there, and we did not know: Secrets are not watched.
            world.read_for(&facts.preview.uid, None);
            Ok(Applied::Wait(SOON))
        }
        _ if *code == 409 => Ok(Applied::Wait(SOON)),
        Act::Write(Write::Apply { id, uid, .. }) => {
            weighed_apply(world, facts, (id, uid.as_deref()), error).await
        }
        _ => Err(error),
    }
}

/// The same for an object that was applied.
async fn weighed_apply(
    world: &World,
    facts: &Facts,
    (id, uid): (&ObjectId, Option<&str>),
    error: Error,
) -> Result<Applied, Error> {
    let Error::Answer { code, reason, message, .. } = &error else { return Err(error) };
    let lag = facts.preview.created.duration_until(facts.now) < RIGHTS_LAG;
    match code {
        // The namespace went under us.
        404 if reason == "NotFound" && message.starts_with("namespaces \"") => {
            Ok(Applied::Wait(SOON))
        }
        // A kind that the cluster does not have, or not in this version.
        404 => {
            let sentence = format!("the cluster does not have {} in {}", id.kind, id.api_version);
            Ok(refused(id, &sentence))
        }
        403 if reason == "Forbidden" && message.contains("cannot") => {
            if lag {
                Ok(Applied::Wait(SOON))
            } else {
                Err(error)
            }
        }
        422 if is_immutable(message) && id.kind != "PersistentVolumeClaim" && uid.is_some() => {
            let uid = uid.unwrap_or_default().to_owned();
            let replace = Write::Delete { id: id.clone(), uid };
            inside(world, facts, &namespace_name(facts), &replace).await?;
            Ok(Applied::Wait(SOON))
        }
        400 | 403 | 422 => Ok(refused(id, message)),
        // Fields that the kind does not have (Kubernetes answers so for server-side apply).
        500 if message.contains("failed to create typed patch object") => Ok(refused(id, message)),
        _ => Err(error),
    }
}

fn refused(id: &ObjectId, message: &str) -> Applied {
    Applied::Rejected(format!("{}: the API server refuses it: {message}", id.words()))
}

/// Fields that cannot be changed: the object is made anew.
fn is_immutable(message: &str) -> bool {
    message.contains("field is immutable")
        || message.contains("updates to statefulset spec for fields other than")
        || message.contains("may not change once set")
}
