//! Asking what is exposed over HTTP: through the edge, as visitors do; without one through the API server, which
//! serves an operator inside the cluster as well as one outside.

use std::time::Duration;

use http::{Request, header};
use http_body_util::{BodyExt, Empty};
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use tokio::net::TcpStream;
use understudy_core::facts::{Probe, Probed};
use understudy_edge::PAGE;

use crate::cluster::api::Api;

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How much of a body is looked at.
const BODY: usize = 64 << 10;

/// Sends one request.
pub(crate) async fn probe(api: &Api, edge: Option<&str>, probe: &Probe) -> Probed {
    let at = Timestamp::now();
    let asked = async {
        match edge {
            Some(edge) => through(edge, probe).await,
            None => proxied(api, probe).await,
        }
    };
    let answer = tokio::time::timeout(PATIENCE, asked).await;
    let answer =
        answer.unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs())));
    Probed { at, answered: Timestamp::now(), answer }
}

/// Through the API server's Service proxy.
async fn proxied(api: &Api, probe: &Probe) -> Result<(u16, bool), String> {
    let path = format!(
        "/api/v1/namespaces/{}/services/http:{}:{}/proxy{}",
        probe.namespace, probe.service, probe.port, probe.path
    );
    match api.read(&path, BODY).await {
        Err(error) => Err(format!("the API server cannot be reached ({})", error.word())),
        Ok((status, body)) => judged(probe, status, &body),
    }
}

/// Through the edge, by the host that visitors ask for.
async fn through(edge: &str, probe: &Probe) -> Result<(u16, bool), String> {
    let away = |error: &dyn std::fmt::Display| format!("the edge cannot be reached ({error})");
    let stream = TcpStream::connect(edge).await.map_err(|error| away(&error))?;
    let handshake = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| away(&error))?;
    let connection = tokio::spawn(connection);
    let request = Request::get(probe.path.as_str())
        .header(header::HOST, probe.host.as_str())
        .header(header::USER_AGENT, concat!("understudy/", env!("CARGO_PKG_VERSION")))
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let answer = sender.send_request(request).await.map_err(|error| away(&error))?;
    let (head, mut body) = answer.into_parts();
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| format!("its answer broke off ({error})"))?;
        let Some(data) = frame.data_ref() else { continue };
        bytes.extend(data.iter().take(BODY.saturating_sub(bytes.len())));
        if bytes.len() >= BODY {
            break;
        }
    }
    connection.abort();
    let text = String::from_utf8_lossy(&bytes);
    // What the edge says by itself is no answer of the preview.
    if head.headers.contains_key(PAGE) {
        return Err(text.lines().next().unwrap_or_default().to_owned());
    }
    let holds = probe.contains.as_ref().is_none_or(|wanted| text.contains(wanted.as_str()));
    Ok((head.status.as_u16(), holds))
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
