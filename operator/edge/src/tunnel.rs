//! Connections that become something else: `WebSocket`s and whatever both sides agree on.

use std::sync::Arc;

use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional_with_sizes;

use crate::{
    Edge,
    body::{Body, Held},
    headers,
    table::Route,
};

/// What is read at once in each direction: a tunnel is idle most of its life.
const BUFFER: usize = 4 << 10;

/// The protocol a client wants to change to (RFC 9110, 7.8).
pub(crate) fn wanted(request: &Request<Incoming>) -> Option<HeaderValue> {
    if request.version() != Version::HTTP_11 {
        return None;
    }
    let options = request.headers().get_all(header::CONNECTION).iter();
    let upgrades = options
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|name| name.trim().eq_ignore_ascii_case("upgrade"));
    let protocol = request.headers().get(header::UPGRADE).filter(|_| upgrades)?;
    // HTTP/2 without TLS is agreed on by its preface; nobody changes to it half way (RFC 9113, 3.1).
    (!protocol.as_bytes().eq_ignore_ascii_case(b"h2c")).then(|| protocol.clone())
}

/// Answers that the protocol is changed, and carries bytes both ways until one side ends.
pub(crate) fn open(
    edge: &Edge,
    mut answer: Response<Incoming>,
    ours: OnUpgrade,
    (held, route): (Held, Arc<Route>),
) -> Response<Body> {
    let theirs = hyper::upgrade::on(&mut answer);
    let protocol = answer.headers().get(header::UPGRADE).cloned();
    let (mut parts, _) = answer.into_parts();
    headers::answer(&mut parts.headers, &route.host, None);
    parts.headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    if let Some(protocol) = protocol {
        parts.headers.insert(header::UPGRADE, protocol);
    }
    let edge = edge.clone();
    let stay = edge.drain.stay();
    tokio::spawn(async move {
        edge.metrics.tunnels.inc();
        if let (Ok(ours), Ok(theirs)) = (ours.await, theirs.await) {
            let (mut ours, mut theirs) = (TokioIo::new(ours), TokioIo::new(theirs));
            let carry = copy_bidirectional_with_sizes(&mut ours, &mut theirs, BUFFER, BUFFER);
            tokio::select! {
                _ = carry => {}
                () = edge.drain.over() => {}
            }
        }
        edge.metrics.tunnels.dec();
        drop((held, stay));
    });
    parts.status = StatusCode::SWITCHING_PROTOCOLS;
    Response::from_parts(parts, Body::Empty)
}
