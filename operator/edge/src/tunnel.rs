//! Connections that become something else: `WebSocket`s and whatever both sides agree on.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Version, header};
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

/// The protocols a client wants to change to, the best first (RFC 9110, 7.8).
pub(crate) fn wanted(version: Version, headers: &HeaderMap) -> Option<HeaderValue> {
    // Most requests want none: one look is cheaper than many.
    if version != Version::HTTP_11 || !headers.contains_key(header::UPGRADE) {
        return None;
    }
    if !elements(headers, header::CONNECTION).any(|name| name.eq_ignore_ascii_case("upgrade")) {
        return None;
    }
    let protocols: Vec<&str> = elements(headers, header::UPGRADE).collect();
    // HTTP/2 without TLS is agreed on by its preface; nobody changes to it half way (RFC 9113, 3.1), and a pod that
    // did would carry requests past us.
    let is_h2c = |protocol: &&str| {
        protocol.split('/').next().is_some_and(|name| name.trim().eq_ignore_ascii_case("h2c"))
    };
    if protocols.is_empty() || protocols.iter().any(is_h2c) {
        return None;
    }
    protocols.join(", ").parse().ok()
}

/// What stands between the commas of a field, however many lines it has.
fn elements(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|one| !one.is_empty())
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

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue, Version};
    use rstest::rstest;

    use super::wanted;

    #[rstest]
    #[case(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")], Some("websocket"))]
    #[case(&[("connection", "upgrade"), ("upgrade", "a/1 ,websocket"), ("upgrade", "b")], Some("a/1, websocket, b"))]
    #[case(&[("upgrade", "websocket")], None)]
    #[case(&[("connection", "upgrade"), ("upgrade", " , ")], None)]
    #[case(&[("connection", "upgrade"), ("upgrade", "H2C")], None)]
    #[case(&[("connection", "upgrade"), ("upgrade", "h2c/1")], None)]
    #[case(&[("connection", "upgrade"), ("upgrade", "websocket, h2c")], None)]
    #[case(&[("connection", "upgrade"), ("upgrade", "websocket"), ("upgrade", "h2c")], None)]
    #[case(&[("connection", "upgrade"), ("upgrade", "h2cold")], Some("h2cold"))]
    fn nobody_changes_to_http2_half_way(
        #[case] headers: &[(&'static str, &'static str)],
        #[case] expected: Option<&'static str>,
    ) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let expected = expected.map(HeaderValue::from_static);
        assert_eq!(wanted(Version::HTTP_11, &map), expected);
        assert_eq!(wanted(Version::HTTP_2, &map), None);
    }
}
