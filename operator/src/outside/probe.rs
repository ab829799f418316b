//! Asking what is exposed over HTTP: through the edge, as visitors do; without one through the API server, which
//! serves an operator inside the cluster as well as one outside.

use std::time::{Duration, Instant};

use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use tokio::net::TcpStream;
use understudy_core::{
    answer::Answer,
    facts::{Probe, Probed, Silence},
};
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
    let answer = answer.unwrap_or_else(|_| {
        Err(Silence::Preview(format!("no answer within {} s", PATIENCE.as_secs())))
    });
    Probed { at, answered: Timestamp::now(), answer }
}

/// Through the API server's Service proxy.
async fn proxied(api: &Api, probe: &Probe) -> Result<Answer, Silence> {
    let path = format!(
        "/api/v1/namespaces/{}/services/http:{}:{}/proxy{}",
        probe.namespace, probe.service, probe.port, probe.path
    );
    let began = Instant::now();
    match api.read(&path, BODY).await {
        Err(error) => {
            Err(Silence::Way(format!("the API server cannot be reached ({})", error.word())))
        }
        Ok((status, body)) => judged(probe, status, &body, began.elapsed().as_millis()),
    }
}

/// What a page of the edge says of a preview.
fn of_the_edge(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "the edge does not know its host yet",
        StatusCode::GONE => "the edge says that it is closed",
        StatusCode::SERVICE_UNAVAILABLE => "no pod behind it is ready",
        StatusCode::BAD_GATEWAY => "no pod behind it takes connections on that port",
        StatusCode::GATEWAY_TIMEOUT => "its pod took too long to answer",
        _ => "the edge refused the request",
    }
}

/// Through the edge, by the host that visitors ask for.
async fn through(edge: &str, probe: &Probe) -> Result<Answer, Silence> {
    let away = |error: &dyn std::fmt::Display| {
        Silence::Way(format!("the edge at {edge} (`--edge-address`) cannot be reached: {error}"))
    };
    let broke =
        |error: &dyn std::fmt::Display| Silence::Preview(format!("its answer broke off ({error})"));
    let stream = TcpStream::connect(edge).await.map_err(|error| away(&error))?;
    let handshake = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| away(&error))?;
    let connection = tokio::spawn(connection);
    let request = Request::get(probe.path.as_str())
        .header(header::HOST, probe.host.as_str())
        .header(header::USER_AGENT, concat!("understudy/", env!("CARGO_PKG_VERSION")))
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| Silence::Preview(error.to_string()))?;
    let began = Instant::now();
    let answer = sender.send_request(request).await.map_err(|error| away(&error))?;
    let took = began.elapsed().as_millis();
    let (head, mut body) = answer.into_parts();
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broke(&error))?;
        let Some(data) = frame.data_ref() else { continue };
        bytes.extend(data.iter().take(BODY.saturating_sub(bytes.len())));
        if bytes.len() >= BODY {
            break;
        }
    }
    connection.abort();
    // What the edge says by itself is no answer of the preview, and its words may be those of a status.
    if head.headers.contains_key(PAGE) {
        return Err(Silence::Preview(of_the_edge(head.status).to_owned()));
    }
    let name = probe.wanted.header.as_ref().map(|(name, _)| name.as_str());
    let values = name.map(|name| head.headers.get_all(name));
    let values: Vec<String> = values
        .into_iter()
        .flatten()
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .collect();
    let unmet = probe.wanted.unmet(&values, &bytes, took);
    Ok(Answer { status: head.status.as_u16(), unmet })
}

fn judged(probe: &Probe, status: u16, body: &[u8], millis: u128) -> Result<Answer, Silence> {
    // The API server's own refusals look like this; what the preview itself answers may be anything else.
    let own: Option<serde_json::Value> =
        (status >= 400).then(|| serde_json::from_slice(body).ok()).flatten();
    let own = own.filter(|own| own.get("kind").is_some_and(|kind| kind == "Status"));
    if let Some(why) = own.as_ref().and_then(|own| own.get("message")?.as_str()) {
        return Err(Silence::Preview(why.to_owned()));
    }
    let unmet = if probe.wanted.header.is_some() {
        Some("and only an edge (`--edge-address`) shows its headers".to_owned())
    } else {
        probe.wanted.unmet(&[], body, millis)
    };
    Ok(Answer { status, unmet })
}
