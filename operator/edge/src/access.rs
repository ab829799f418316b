//! The access log: one JSON object a request, written by a thread of its own so that no request waits for it.

use std::{
    io::{BufWriter, Write},
    net::IpAddr,
    sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    time::Duration,
};

use http::{HeaderMap, Request, StatusCode, Uri, header};
use jiff::Timestamp;
use serde::Serialize;

use crate::headers;

/// Lines that wait to be written; more than these are dropped, and counted.
const WAITING: usize = 16_384;

/// The most of a method, a path and a host that a line holds, in bytes: the client chose them. A host with its port is
/// no longer (RFC 1035, 2.3.4).
const METHOD: usize = 32;
const PATH: usize = 2 << 10;
const HOST: usize = 260;

/// One request. Names follow OpenTelemetry's semantic conventions for HTTP.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    time: Timestamp,
    #[serde(rename = "http.request.method")]
    method: String,
    #[serde(rename = "server.address")]
    host: String,
    #[serde(rename = "url.path")]
    path: String,
    #[serde(rename = "http.response.status_code")]
    status: u16,
    #[serde(rename = "client.address")]
    client: IpAddr,
    #[serde(rename = "preview.namespace", skip_serializing_if = "String::is_empty")]
    namespace: String,
    #[serde(rename = "preview.name", skip_serializing_if = "String::is_empty")]
    preview: String,
    #[serde(rename = "k8s.pod.uid", skip_serializing_if = "String::is_empty")]
    pod: String,
    trace_id: String,
    seconds: f64,
}

/// What a request was, before it was passed on.
#[derive(Debug)]
pub(crate) struct Asked {
    method: String,
    path: String,
    trace: String,
}

impl Asked {
    /// Of that request, whose trace is begun if it has none. Without the query: secrets stand there.
    pub(crate) fn new<B>(request: &mut Request<B>) -> Self {
        Self {
            method: cut(request.method().as_str(), METHOD).to_owned(),
            path: cut(request.uri().path(), PATH).to_owned(),
            trace: trace(request.headers_mut()),
        }
    }
}

/// The host a request names, as it stands there: for lines about hosts that we do not know.
pub(crate) fn named(uri: &Uri, headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).map(|host| String::from_utf8_lossy(host.as_bytes()));
    let named = uri.authority().map_or_else(|| host.unwrap_or_default(), |one| one.as_str().into());
    cut(&named, HOST).to_owned()
}

/// The beginning of a text, of at most so many bytes.
fn cut(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or_default()
}

/// Where lines go.
#[derive(Debug, Clone)]
pub(crate) struct AccessLog {
    lines: SyncSender<Line>,
}

impl AccessLog {
    /// Begins to write to standard output.
    pub(crate) fn begin() -> std::io::Result<Self> {
        let (lines, waiting) = sync_channel(WAITING);
        std::thread::Builder::new().name("access-log".to_owned()).spawn(move || write(&waiting))?;
        Ok(Self { lines })
    }

    /// Writes a line soon; false if there was no room.
    pub(crate) fn tell(
        &self,
        asked: Asked,
        told: &crate::proxy::Told,
        (client, status, took): (IpAddr, StatusCode, Duration),
    ) -> bool {
        let preview = told.preview.as_ref().map(|route| &route.preview);
        let line = Line {
            time: Timestamp::now(),
            method: asked.method,
            host: told
                .preview
                .as_ref()
                .map_or_else(|| told.host.clone(), |route| route.host.clone()),
            path: asked.path,
            status: status.as_u16(),
            client,
            namespace: preview.map(|one| one.namespace.clone()).unwrap_or_default(),
            preview: preview.map(|one| one.name.clone()).unwrap_or_default(),
            pod: told.pod.as_ref().map(ToString::to_string).unwrap_or_default(),
            trace_id: asked.trace,
            seconds: took.as_secs_f64(),
        };
        self.lines.try_send(line).is_ok()
    }
}

fn write(waiting: &Receiver<Line>) {
    let mut out = BufWriter::new(std::io::stdout());
    loop {
        let line = match waiting.try_recv() {
            Ok(line) => line,
            Err(TryRecvError::Disconnected) => return,
            Err(TryRecvError::Empty) => {
                let _ = out.flush();
                match waiting.recv() {
                    Ok(line) => line,
                    Err(_) => return,
                }
            }
        };
        if serde_json::to_writer(&mut out, &line).is_ok() {
            let _ = out.write_all(b"\n");
        }
    }
}

/// The id of the trace a request belongs to (W3C Trace Context); one of ours is begun if it names none, and
/// passed on.
fn trace(map: &mut HeaderMap) -> String {
    let named = map.get(headers::TRACEPARENT).and_then(|value| value.to_str().ok());
    if let Some(id) = named.and_then(trace_id) {
        return id.to_owned();
    }
    let (id, span) = (rand::random::<u128>().max(1), rand::random::<u64>().max(1));
    if let Ok(value) = format!("00-{id:032x}-{span:016x}-00").parse() {
        map.insert(headers::TRACEPARENT, value);
    }
    format!("{id:032x}")
}

/// `00-<32 hex>-<16 hex>-<2 hex>`, with neither id all zero.
fn trace_id(parent: &str) -> Option<&str> {
    let mut parts = parent.split('-');
    let (version, id, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let set = |text: &str| text.bytes().any(|byte| byte != b'0');
    let whole = hex(version, 2) && version != "ff" && hex(id, 32) && hex(span, 16) && hex(flags, 2);
    (whole && set(id) && set(span)).then_some(id)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Request, Uri, header::HOST};

    use super::{Asked, cut, named, trace, trace_id};

    #[test]
    fn trace_is_carried_on_or_begun() {
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let mut map = HeaderMap::new();
        map.insert("traceparent", HeaderValue::from_static(parent));
        assert_eq!(trace(&mut map), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(map["traceparent"], parent);
        map.insert("traceparent", HeaderValue::from_static("00-0-0-0"));
        let begun = trace(&mut map);
        assert_eq!(trace_id(map["traceparent"].to_str().expect("text")), Some(begun.as_str()));
    }

    #[test]
    fn line_is_bounded_whatever_the_client_says() {
        assert_eq!(
            (cut("abc", 2), cut("abc", 3), cut("a\u{e9}b", 2), cut("", 5)),
            ("ab", "abc", "a", "")
        );
        let mut request = Request::builder()
            .method("X".repeat(100).as_str())
            .uri(format!("/{}?secret", "y".repeat(10_000)))
            .body(())
            .expect("a request");
        let asked = Asked::new(&mut request);
        assert_eq!((asked.method.len(), asked.path.len()), (32, 2048));
    }

    #[test]
    fn unknown_host_is_told_as_it_was_named() {
        let target = |text: &str| text.parse::<Uri>().expect("a target");
        let host = |value: &[u8]| {
            HeaderMap::from_iter([(HOST, HeaderValue::from_bytes(value).expect("a value"))])
        };
        assert_eq!(named(&target("/"), &host(b"\"no\" host")), "\"no\" host");
        assert_eq!(named(&target("/"), &host(b"a\xff")), "a\u{fffd}");
        assert_eq!(named(&target("http://a.test:81/"), &host(b"b")), "a.test:81");
        assert_eq!(named(&target("/"), &host(&[b'a'; 1000])).len(), 260);
        assert_eq!(named(&target("/"), &HeaderMap::new()), "");
    }
}
