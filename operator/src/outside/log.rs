//! The end of a container's log, fit to be shown: bounded, without colours, and without the preview's own
//! secrets.

use serde_json::Value;
use understudy_core::facts::LogEnd;
use understudy_crds::label;

use crate::cluster::api::Api;

/// How many lines are asked for, and how many bytes of them are read: one line may be a GiB.
const LINES: u32 = 60;
const BYTES: usize = 64 << 10;

/// How the kubelet begins what it says instead of a log that is gone (`pkg/kubelet/kubelet_pods.go`).
const GONE: &str = "unable to retrieve container logs for ";

/// A secret shorter than this would blot out ordinary words.
const SHORTEST_SECRET: usize = 6;

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
    Some(redacted(plain(&text?), &secrets(api, &log.namespace).await?))
}

/// The values of every Secret of ours in that namespace; `None` if they cannot be read, and then nothing is
/// shown.
async fn secrets(api: &Api, namespace: &str) -> Option<Vec<String>> {
    let path =
        format!("/api/v1/namespaces/{namespace}/secrets?labelSelector={}", label::PREVIEW_UID);
    let list = api.get(&path).await.ok()??;
    let items = list.get("items").and_then(Value::as_array)?;
    let values = items.iter().filter_map(|one| one.get("data")?.as_object()).flatten();
    let mut found: Vec<String> = values
        .filter_map(|(_, value)| {
            let data = k8s_openapi::ByteString::clone(
                &serde_json::from_value::<k8s_openapi::ByteString>(value.clone()).ok()?,
            );
            String::from_utf8(data.0).ok()
        })
        .flat_map(|value| value.lines().map(str::to_owned).collect::<Vec<_>>())
        .filter(|value| value.trim().len() >= SHORTEST_SECRET)
        .collect();
    // A secret may be part of another.
    found.sort_by_key(|value| std::cmp::Reverse(value.len()));
    Some(found)
}

fn redacted(mut text: String, secrets: &[String]) -> String {
    for secret in secrets {
        text = text.replace(secret.trim(), "[redacted]");
    }
    text
}

/// Without escape sequences and other control characters.
fn plain(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter == '\u{1b}' {
            // A sequence ends with its first letter (ECMA-48).
            if letters.next() == Some('[') {
                for letter in letters.by_ref() {
                    if letter.is_ascii_alphabetic() {
                        break;
                    }
                }
            }
        } else if letter == '\n' || letter == '\t' || !letter.is_control() {
            kept.push(letter);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::{plain, redacted};

    #[test]
    fn colours_and_secrets_do_not_show() {
        let text = plain("\u{1b}[31merror\u{1b}[0m: password hunter22 \u{7}refused\n");
        assert_eq!(
            redacted(text, &["hunter22".to_owned()]),
            "error: password [redacted] refused\n"
        );
    }
}
