//! Where a request ends. The input is what a client sends on one connection; the edge's own reader of HTTP/1 takes
//! it in and its checks judge each request, and what passed is held against a reading of the same bytes that follows
//! the standard by the letter.

mod reference;
mod wire;

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use bytes::Bytes;
use http::{Request, Response, header::CONNECTION, request::Parts};
use http_body_util::{BodyExt, Empty};
use hyper::{body::Incoming, service::service_fn};
use tokio::runtime::Runtime;
use understudy_edge::{framing::check, fuzzing, host::host};

use reference::{End, Message};
use wire::Wire;

/// A request that passed the checks, with what came of its body.
#[derive(Debug)]
struct Passed {
    head: Parts,
    body: Vec<u8>,
    rest: Rest,
}

/// What is to come of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// More, as far as the reader knows.
    Awaited,
    /// Nothing: this is all of it.
    Nothing,
    /// Nothing: it is none, and the connection is over.
    Error,
}

/// No request passes that a strict reader would not see at that very place with that very body; and it makes no
/// difference in which pieces the bytes come.
///
/// # Panics
/// If that does not hold.
pub fn framing(input: &[u8]) {
    let at_once = passed(input, usize::MAX);
    let pieces = passed(input, 1 + input.len() % 7);
    assert_eq!(at_once.len(), pieces.len(), "other requests when the bytes come in pieces");
    for (one, other) in at_once.iter().zip(&pieces) {
        assert_eq!(
            (&one.head.uri, &one.body, one.rest),
            (&other.head.uri, &other.body, other.rest)
        );
    }
    let messages = reference::read(input);
    let mut over = false;
    for (index, one) in at_once.iter().enumerate() {
        let message = messages.get(index);
        assert!(message.is_some() && !over, "request {index} is none to a strict reader: {one:?}");
        if let Some(message) = message {
            compare(one, message);
            if message.end == End::Disputed {
                return;
            }
            // Length and chunks: the chunks count, and nothing that follows does (RFC 9112, 6.3).
            over = message.ambiguous || message.end != End::Whole;
        }
    }
}

fn compare(seen: &Passed, message: &Message) {
    assert_eq!(seen.head.method.as_str().as_bytes(), message.method);
    assert_eq!(Some(&seen.head.uri), message.target.try_into().ok().as_ref());
    let names = message.headers.iter().map(|(name, _)| name);
    for name in names.filter(|name| *name != "content-length" || !message.ambiguous) {
        let strict = message.headers.iter().filter(|(one, _)| one == name);
        let strict: Vec<&[u8]> = strict.map(|(_, value)| *value).collect();
        let values = seen.head.headers.get_all(name.as_str()).iter();
        assert_eq!(values.map(http::HeaderValue::as_bytes).collect::<Vec<_>>(), strict, "{name}");
    }
    for name in seen.head.headers.keys() {
        let known = message.headers.iter().any(|(one, _)| one == name.as_str());
        assert!(known, "{name} is none to a strict reader");
    }
    match seen.rest {
        Rest::Nothing => {
            assert_ne!(message.end, End::Nowhere, "a body that never ended: {:?}", seen.body);
            assert_eq!(seen.body, message.body);
        }
        Rest::Awaited => assert_ne!(message.end, End::Whole, "what ended is still waited for"),
        Rest::Error => {}
    }
    assert!(message.body.starts_with(&seen.body), "{:?} of {:?}", seen.body, message.body);
}

/// What passes the edge's checks when a client sends this in such pieces.
fn passed(input: &[u8], piece: usize) -> Vec<Passed> {
    // Its clock is never driven: a client that is slow is another matter.
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().build().expect("a runtime without input and output needs nothing")
    });
    let _entered = runtime.enter();
    let seen: Arc<Mutex<Vec<Passed>>> = Arc::default();
    let service = service_fn(|request| answer(Arc::clone(&seen), request));
    let connection =
        fuzzing::http1().serve_connection(Wire::new(input, piece), service).with_upgrades();
    wire::drive(connection);
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut *seen)
}

/// As the edge judges, and in its order: one that is refused ends its connection.
async fn answer(
    seen: Arc<Mutex<Vec<Passed>>>,
    request: Request<Incoming>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let (head, mut body) = request.into_parts();
    let mut answer = Response::new(Empty::new());
    if check(&head.method, head.version, &head.headers).is_err()
        || host(&head.uri, &head.headers).is_err()
    {
        answer.headers_mut().insert(CONNECTION, http::HeaderValue::from_static("close"));
        return Ok(answer);
    }
    let now = || seen.lock().unwrap_or_else(PoisonError::into_inner);
    now().push(Passed { head, body: Vec::new(), rest: Rest::Awaited });
    let rest = loop {
        match body.frame().await {
            None => break Rest::Nothing,
            Some(Err(_)) => break Rest::Error,
            Some(Ok(frame)) => {
                if let (Some(data), Some(last)) = (frame.data_ref(), now().last_mut()) {
                    last.body.extend_from_slice(data);
                }
            }
        }
    };
    if let Some(last) = now().last_mut() {
        last.rest = rest;
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::passed;

    /// When this fails, hyper is mended, and `End::Disputed` can go.
    #[test]
    fn hyper_takes_what_follows_an_empty_line_of_trailers_for_more_of_them() {
        let input = b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\n\
            GET /swallowed HTTP/1.1\r\nHost: b.test\r\n\r\n\
            GET /seen HTTP/1.1\r\nHost: c.test\r\n\r\n";
        let paths: Vec<String> =
            passed(input, usize::MAX).iter().map(|one| one.head.uri.to_string()).collect();
        assert_eq!(paths, ["/", "/seen"]);
    }
}
