//! Who asks at the evidence port: a collector is the pod that its token was made for, and speaks for that pod's run.

use std::sync::Arc;

use axum::http::{HeaderMap, header};
use serde_json::{Value, json};
use understudy_core::{mend::ACCOUNT, sidecar::AUDIENCE};

use super::layout::Uid;
use crate::cluster::world::World;

/// A collector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Visitor {
    /// The UID of the preview.
    pub(crate) preview: String,
    /// The UID of the Job whose pod it is in.
    pub(crate) job: String,
}

impl Visitor {
    pub(crate) fn uid(&self) -> Result<Uid, Denied> {
        self.preview.parse().map_err(|_| Denied::Pod("its preview has no UID".to_owned()))
    }
}

/// Why somebody is not a collector of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Denied {
    /// There is no token, or not one for us.
    Token(String),
    /// The token is good, and not of a pod that collects.
    Pod(String),
    /// Nobody can tell now.
    Later(String),
}

/// Whose token it is (Kubernetes, "TokenReview"): the API server says for which pod it was made, and that this pod is
/// still there.
pub(crate) async fn visitor(world: &Arc<World>, headers: &HeaderMap) -> Result<Visitor, Denied> {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .ok_or_else(|| Denied::Token("a bearer token is needed".to_owned()))?;
    let review = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
        "spec": {"token": token, "audiences": [AUDIENCE]},
    });
    let path = "/apis/authentication.k8s.io/v1/tokenreviews";
    let answer = world.api.create(path, &review).await;
    let answer = answer.map_err(|_| Denied::Later("the API server cannot be asked".to_owned()))?;
    let (namespace, pod) = bearer(&answer)?;
    let unknown = || Denied::Later("the pod of this token is not known yet".to_owned());
    let (preview, found) = world.inventory.pod(&pod).ok_or_else(unknown)?;
    if found.0 != namespace || found.1.job.is_empty() {
        return Err(Denied::Pod("this pod collects nothing".to_owned()));
    }
    Ok(Visitor { preview, job: found.1.job })
}

/// The namespace and the pod's UID that a review tells.
fn bearer(review: &Value) -> Result<(String, String), Denied> {
    let status = review.get("status").cloned().unwrap_or_default();
    let holds = |list: &str, wanted: &str| {
        let list = status.get(list).and_then(Value::as_array);
        list.into_iter().flatten().any(|one| one == wanted)
    };
    if status.get("authenticated") != Some(&Value::Bool(true)) || !holds("audiences", AUDIENCE) {
        return Err(Denied::Token("the token is not one for collectors, or no longer".to_owned()));
    }
    let name = status.pointer("/user/username").and_then(Value::as_str).unwrap_or_default();
    let account = name.strip_prefix("system:serviceaccount:").and_then(|name| name.split_once(':'));
    let Some((namespace, _)) = account.filter(|(_, account)| *account == ACCOUNT) else {
        return Err(Denied::Pod("the token is not of a preview's account".to_owned()));
    };
    let extra = status.pointer("/user/extra");
    let pod = extra
        .and_then(|extra| extra.get("authentication.kubernetes.io/pod-uid")?.get(0)?.as_str())
        .ok_or_else(|| Denied::Pod("the token is not bound to a pod".to_owned()))?;
    Ok((namespace.to_owned(), pod.to_owned()))
}
