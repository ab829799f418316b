//! The end of a container's log, fit to be shown: bounded, without colours, and without the preview's own
//! secrets.

use k8s_openapi::ByteString;
use serde_json::Value;
use understudy_core::{
    facts::LogEnd,
    redact::{Known, Redactor, plain},
};
use understudy_crds::label;

use crate::cluster::api::Api;

/// How many lines are asked for, and how many bytes of them are read: one line may be a GiB.
const LINES: u32 = 60;
const BYTES: usize = 64 << 10;

/// How the kubelet begins what it says instead of a log that is gone (`pkg/kubelet/kubelet_pods.go`).
const GONE: &str = "unable to retrieve container logs for ";

/// Reads it; `None` if there is nothing to read.
pub(crate) async fn end(api: &Api, log: &LogEnd) -> Option<String> {
    let path = |previous: bool| {
        format!(
            "/api/v1/namespaces/{}/pods/{}/log?container={}&previous={previous}&tailLines={LINES}",
            log.namespace, log.pod, log.container
        )
    };
    // Last words may hold a secret as well as a log may.
    let mut text = (!log.words.is_empty()).then(|| log.words.clone());
    for previous in [true, false] {
        if text.is_none()
            && let Ok((200, bytes)) = api.read(&path(previous), BYTES).await
        {
            let whole = bytes.len() < BYTES;
            let read = String::from_utf8_lossy(&bytes).into_owned();
            // What was cut off in the middle could be half of a secret.
            let kept =
                if whole { &read } else { read.rsplit_once('\n').map_or("", |(kept, _)| kept) };
            // The node says so with 200 when the container it was asked for is gone.
            if !kept.starts_with(GONE) {
                text = Some(kept.to_owned());
            }
        }
    }
    Some(Redactor::new(&secrets(api, &log.namespace).await?).text(&plain(&text?)))
}

/// The values of every Secret of ours in that namespace; `None` if they cannot be read, and then nothing is
/// shown.
pub(crate) async fn secrets(api: &Api, namespace: &str) -> Option<Vec<Known>> {
    let path =
        format!("/api/v1/namespaces/{namespace}/secrets?labelSelector={}", label::PREVIEW_UID);
    let list = api.get(&path).await.ok()??;
    let items = list.get("items").and_then(Value::as_array)?;
    let mut found = Vec::new();
    for item in items {
        let name = item.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let data = item.get("data").and_then(Value::as_object);
        for (key, value) in data.into_iter().flatten() {
            let data: ByteString = serde_json::from_value(value.clone()).ok()?;
            found.push(Known { name: format!("{name}/{key}"), value: data.0 });
        }
    }
    Some(found)
}
