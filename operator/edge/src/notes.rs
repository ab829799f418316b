//! The two annotations that the edge writes, and nothing else: when a preview was last asked for, and that a
//! wake is wanted.

use std::{
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Duration,
};

use http::{Method, Request, header};
use jiff::Timestamp;
use kube::api::DynamicObject;
use serde_json::json;
use understudy_crds::label;

use crate::{Edge, rest::Wrote, sight::PreviewSight, table::Preview};

/// How long a write may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the API server answers when an object is not as a write said it was.
const CONFLICT: u16 = 409;

/// How often it is looked whether somebody is still there.
const ROUND: u32 = 4;

/// Writes a note, or that a wake is wanted, without being waited for.
pub(crate) fn write(edge: &Edge, preview: &Arc<Preview>, wake: bool) {
    let (edge, preview) = (edge.clone(), Arc::clone(preview));
    tokio::spawn(async move {
        let sent = edge.now();
        let answer = tokio::time::timeout(PATIENCE, send(&edge, &preview, wake)).await;
        let (wrote, version) = match answer {
            Ok(Ok((object, written))) => read(&object, written),
            Ok(Err(error)) => {
                tracing::warn!(preview.name = preview.name, "a note was not written: {error}");
                (Wrote::Failed, 0)
            }
            Err(_) => {
                tracing::warn!(preview.name = preview.name, "a note was not written in time");
                (Wrote::Failed, 0)
            }
        };
        edge.metrics.noted(wake, &wrote);
        let now = edge.now();
        preview.change(edge.limits.interval, |rest| rest.wrote(sent, now, wrote, version));
        preview.tell();
    });
}

/// What an answer tells, and of which version. What cannot be read tells of no sleep.
fn read(object: &DynamicObject, written: bool) -> (Wrote, u64) {
    let sight = PreviewSight::read(object).ok();
    let asleep = sight.as_ref().and_then(PreviewSight::asleep);
    let wrote = if written { Wrote::Durable(asleep) } else { Wrote::Outdated(asleep) };
    (wrote, sight.map_or(0, |sight| sight.version))
}

/// The preview as it is afterwards, and whether it was written.
async fn send(
    edge: &Edge,
    preview: &Preview,
    wake: bool,
) -> Result<(DynamicObject, bool), kube::Error> {
    let now = Timestamp::now().to_string();
    // With its UID: a preview of the same name that was made anew is another one.
    let metadata = if wake {
        // Another edge may have asked for this very sleep to end.
        json!({
            "uid": preview.uid, "resourceVersion": preview.version().to_string(),
            "annotations": {label::LAST_REQUEST: now, label::WAKE_WANTED: now},
        })
    } else {
        json!({"uid": preview.uid, "annotations": {label::LAST_REQUEST: now}})
    };
    let path = format!(
        "/apis/{}/v1alpha1/namespaces/{}/previewenvironments/{}",
        label::GROUP,
        preview.namespace,
        preview.name
    );
    let request = Request::builder()
        .method(Method::PATCH)
        .uri(format!("{path}?fieldManager=understudy-edge"))
        .header(header::CONTENT_TYPE, "application/merge-patch+json")
        .body(json!({"metadata": metadata}).to_string().into_bytes())
        .map_err(kube::Error::HttpError)?;
    match edge.client.request(request).await {
        Err(kube::Error::Api(status)) if wake && status.code == CONFLICT => {
            let look = Request::get(path).body(Vec::new()).map_err(kube::Error::HttpError)?;
            let now: DynamicObject = edge.client.request(look).await?;
            // It may be another one by now.
            let same = now.metadata.uid.as_ref() == Some(&preview.uid);
            if same { Ok((now, false)) } else { Err(kube::Error::Api(status)) }
        }
        answer => Ok((answer?, true)),
    }
}

/// Renews notes of previews that somebody is still connected to, for ever.
pub(crate) async fn renew(edge: Edge) {
    let mut ticks = tokio::time::interval(edge.limits.interval / ROUND);
    loop {
        ticks.tick().await;
        edge.table.sweep();
        for preview in edge.table.previews() {
            if preview.in_use.load(Ordering::Acquire) == 0 {
                continue;
            }
            let due = {
                let mut rest = preview.rest.lock().unwrap_or_else(PoisonError::into_inner);
                rest.renew(edge.now(), edge.limits.interval)
            };
            if due {
                write(&edge, &preview, false);
            }
        }
    }
}
