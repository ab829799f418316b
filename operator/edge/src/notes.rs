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

/// How often it is looked whether somebody is still there.
const ROUND: u32 = 4;

/// Writes a note, or that a wake is wanted, without being waited for.
pub(crate) fn write(edge: &Edge, preview: &Arc<Preview>, wake: bool) {
    let (edge, preview) = (edge.clone(), Arc::clone(preview));
    tokio::spawn(async move {
        let sent = edge.now();
        let answer = tokio::time::timeout(PATIENCE, send(&edge, &preview, wake)).await;
        let (wrote, version) = match answer {
            Ok(Ok(object)) => match PreviewSight::read(&object) {
                Ok(sight) => (Wrote::Durable { asleep: sight.asleep() }, sight.version),
                // What cannot be read tells of no sleep.
                Err(_) => (Wrote::Durable { asleep: None }, 0),
            },
            Ok(Err(error)) => {
                tracing::warn!(preview.name = preview.name, "a note was not written: {error}");
                (Wrote::Failed, 0)
            }
            Err(_) => {
                tracing::warn!(preview.name = preview.name, "a note was not written in time");
                (Wrote::Failed, 0)
            }
        };
        edge.metrics.noted(wake, wrote != Wrote::Failed);
        let now = edge.now();
        preview.change(edge.limits.interval, |rest| rest.wrote(sent, now, wrote, version));
        preview.tell();
    });
}

async fn send(edge: &Edge, preview: &Preview, wake: bool) -> Result<DynamicObject, kube::Error> {
    let now = Timestamp::now().to_string();
    let mut annotations = json!({ label::LAST_REQUEST: now });
    if wake && let Some(map) = annotations.as_object_mut() {
        map.insert(label::WAKE_WANTED.to_owned(), now.into());
    }
    // With its UID: a preview of the same name that was made anew is another one.
    let change = json!({"metadata": {"uid": preview.uid, "annotations": annotations}});
    let path = format!(
        "/apis/{}/v1alpha1/namespaces/{}/previewenvironments/{}?fieldManager=understudy-edge",
        label::GROUP,
        preview.namespace,
        preview.name
    );
    let request = Request::builder()
        .method(Method::PATCH)
        .uri(path)
        .header(header::CONTENT_TYPE, "application/merge-patch+json")
        .body(change.to_string().into_bytes())
        .map_err(kube::Error::HttpError)?;
    edge.client.request(request).await
}

/// Renews notes of previews that somebody is still connected to, for ever.
pub(crate) async fn renew(edge: Edge) {
    let mut ticks = tokio::time::interval(edge.limits.interval / ROUND);
    loop {
        ticks.tick().await;
        edge.table.sweep();
        for preview in edge.table.previews() {
            if preview.live.load(Ordering::Acquire) == 0 {
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
