//! Asking an exposed Service over HTTP, through the API server: the only way in that serves an operator
//! inside the cluster as well as one outside.

use std::time::Duration;

use jiff::Timestamp;
use understudy_core::facts::{Probe, Probed};

use crate::cluster::api::Api;

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How much of a body is looked at.
const BODY: usize = 64 << 10;

/// Sends one request.
pub(crate) async fn probe(api: &Api, probe: &Probe) -> Probed {
    let at = Timestamp::now();
    let path = format!(
        "/api/v1/namespaces/{}/services/http:{}:{}/proxy{}",
        probe.namespace, probe.service, probe.port, probe.path
    );
    let answer = match tokio::time::timeout(PATIENCE, api.read(&path, BODY)).await {
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
        Ok(Err(error)) => Err(format!("the API server cannot be reached ({})", error.word())),
        Ok(Ok((status, body))) => judged(probe, status, &body),
    };
    Probed { at, answered: Timestamp::now(), answer }
}

fn judged(probe: &Probe, status: u16, body: &[u8]) -> Result<(u16, bool), String> {
    // The API server's own refusals look like this; what the preview itself answers may be anything else.
    let own: Option<serde_json::Value> =
        (status >= 400).then(|| serde_json::from_slice(body).ok()).flatten();
    let own = own.filter(|own| own.get("kind").is_some_and(|kind| kind == "Status"));
    if let Some(why) = own.as_ref().and_then(|own| own.get("message")?.as_str()) {
        return Err(why.to_owned());
    }
    let text = String::from_utf8_lossy(body);
    Ok((status, probe.contains.as_ref().is_none_or(|wanted| text.contains(wanted.as_str()))))
}
