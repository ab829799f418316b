//! One request, from its first look to the last byte of its answer.

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    Edge, access,
    backend::{Backend, BackendError, Connection, Lease, Unsent},
    body::{Body, Busy, Held, Pace, Passing, Stall, Stream},
    framing, headers,
    hold::Passage,
    host::{self, Authority},
    page::Page,
    table::{Entry, Live, Route},
    tunnel,
    visitor::{self, Visitor},
};

/// How many pods are tried while nothing of a request was sent.
const TRIES: usize = 3;

/// A client's place among the connections.
pub(crate) type Seat = Arc<OwnedSemaphorePermit>;

/// How a request ended, for the log.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// The preview it was for.
    pub preview: Option<Arc<Route>>,
    /// The host it named, if that is no preview's.
    pub host: String,
    /// The pod that answered.
    pub pod: Option<Arc<str>>,
}

/// Answers a request. Never fails: what cannot be passed on gets a page.
pub(crate) async fn answer(
    edge: &Edge,
    (client, seat): (headers::Client, &Seat),
    request: Request<Incoming>,
    told: &mut Told,
) -> Response<Body> {
    let visitor = || visitor::visitor(request.method(), request.headers());
    let named = || access::named(request.uri(), request.headers());
    if let Err(error) = framing::check(request.method(), request.version(), request.headers()) {
        told.host = named();
        return ended(Page::refused(error.status(), &capital(&error)).answer(visitor()));
    }
    let asked = match host::authority(request.uri(), request.headers()) {
        Ok(asked) => asked,
        Err(error) => {
            told.host = named();
            return ended(
                Page::refused(StatusCode::BAD_REQUEST, &capital(&error)).answer(visitor()),
            );
        }
    };
    let route = match edge.table.find(&asked.host) {
        Some(Entry::Route(route)) => route,
        Some(Entry::Closed(_)) => {
            told.host = named();
            return Page::closed().answer(visitor());
        }
        None => {
            told.host = named();
            return Page::unknown().answer(visitor());
        }
    };
    told.preview = Some(Arc::clone(&route));
    match edge.pass(&route, &request).await {
        Passage::Go(live, passing) => {
            let errand = Errand { edge, client, seat, route: &route, asked };
            errand.run(request, (live, passing), told).await
        }
        Passage::Page(page, visitor) => page.answer(visitor),
    }
}

fn capital(error: &impl ToString) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

/// After such a request nobody knows where the next one begins.
fn ended(mut answer: Response<Body>) -> Response<Body> {
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// A request that may pass.
struct Errand<'edge> {
    edge: &'edge Edge,
    client: headers::Client,
    seat: &'edge Seat,
    route: &'edge Arc<Route>,
    asked: Authority,
}

impl Errand<'_> {
    async fn run(
        &self,
        mut request: Request<Incoming>,
        (mut live, passing): (Arc<Live>, Passing),
        told: &mut Told,
    ) -> Response<Body> {
        let visitor = visitor::shown(request.method(), request.headers());
        let upgrade = tunnel::wanted(request.version(), request.headers());
        let ours = upgrade.is_some().then(|| hyper::upgrade::on(&mut request));
        let pace = Pace::new();
        let mut request = outbound(request, (&self.asked, self.client), upgrade, &pace);
        let grpc = is_grpc(&request);
        let mut tried: Vec<Arc<Backend>> = Vec::new();
        let failure = loop {
            let Some(backend) = choose(self.route, &live, &tried) else {
                break BackendError::Absent;
            };
            let busy = Busy::new(&backend);
            let shape = (ours.is_some(), grpc);
            let patience = (self.edge.limits.answer, &pace);
            let sent = send(&backend, request, shape, patience).await;
            let (error, unsent) = match sent {
                Ok((answer, lease)) => {
                    told.pod = Some(Arc::clone(&backend.target.pod));
                    let taken = ours.as_ref().map(|_| Arc::clone(self.seat));
                    let lease = Some((Arc::clone(&backend), lease));
                    let held =
                        Held { lease, busy: Some(busy), passing: Some(passing), _seat: taken };
                    return inbound(self.edge, answer, (self.route, &live), (held, ours));
                }
                Err(failed) => failed,
            };
            tried.push(backend);
            match unsent {
                Some(back) if tried.len() < TRIES => request = *back,
                _ => break error,
            }
            live = self.route.now();
        };
        tracing::debug!(host = self.route.host, "not answered: {failure}");
        self.edge.metrics.failed(&failure);
        let (status, text) = match failure {
            BackendError::Absent | BackendError::Connect(..) => {
                (StatusCode::BAD_GATEWAY, "No pod of this preview takes connections.")
            }
            BackendError::Answer(..) | BackendError::Silence(..) => (
                StatusCode::BAD_GATEWAY,
                "The connection to the preview ended before it had answered.",
            ),
            BackendError::Late(_) => {
                (StatusCode::GATEWAY_TIMEOUT, "The preview took too long to answer.")
            }
        };
        Page::bad(status, text).answer(visitor)
    }
}

/// The less busy one of two that are drawn (Mitzenmacher, "The Power of Two Choices", 2001); one that was not
/// tried yet, if there is any.
pub(crate) fn choose(route: &Route, live: &Live, tried: &[Arc<Backend>]) -> Option<Arc<Backend>> {
    let doubts = route.preview.has_doubts();
    let fits = |one: &&Arc<Backend>| {
        let tried = tried.iter().any(|tried| Arc::ptr_eq(tried, one));
        !(tried || (doubts && route.preview.doubts(&one.target.pod)))
    };
    if let ([only], []) = (live.backends.as_slice(), tried) {
        return Some(only).filter(fits).cloned();
    }
    let fit: Vec<&Arc<Backend>> = live.backends.iter().filter(fits).collect();
    let draw = || fit.get(rand::random_range(0..fit.len().max(1))).copied();
    let busy = |one: &Arc<Backend>| one.in_flight.load(std::sync::atomic::Ordering::Relaxed);
    let (one, other) = (draw()?, draw()?);
    Some(Arc::clone(if busy(other) < busy(one) { other } else { one }))
}

type Answered = (Response<Incoming>, Lease);

async fn send(
    backend: &Backend,
    mut request: Request<Body>,
    (tunnel, grpc): (bool, bool),
    (patience, pace): (Duration, &Pace),
) -> Result<Answered, Unsent> {
    let h2 = (backend.target.h2c || grpc) && !tunnel;
    let address = backend.target.address;
    let reused = if h2 || tunnel { None } else { backend.reuse() };
    let fresh = reused.is_none();
    let connection = match reused {
        Some(connection) => connection,
        None => match backend.connect(h2).await {
            Ok(connection) => connection,
            Err(error) => return Err((error, Some(Box::new(request)))),
        },
    };
    shape(&mut request, &connection);
    let mut spare = if fresh { None } else { spare(&request) };
    let mut sent = connection.send(address, request, (patience, pace.clone())).await;
    // A connection that had been idle, or that others use, was closed under us, and nothing was sent: another one
    // will do. Of those that others use several may be about to go. What was sent on one that had been idle may have
    // met its end on the way: if nothing came back, what changes nothing is sent once more (RFC 9110, 9.2.2).
    let mut again = if h2 { TRIES } else { usize::from(!fresh) };
    loop {
        let mut request = match (sent, spare.take()) {
            (Err((_, Some(request))), _) if again > 0 => request,
            (Err((BackendError::Silence(..), None)), Some(spare)) => Box::new(spare),
            (sent, _) => return sent,
        };
        again = again.saturating_sub(1);
        let connection = match backend.connect(h2).await {
            Ok(connection) => connection,
            Err(error) => return Err((error, Some(request))),
        };
        shape(&mut request, &connection);
        sent = connection.send(address, *request, (patience, pace.clone())).await;
    }
}

/// The same request once more, if it asks for nothing but an answer and has no body.
fn spare(request: &Request<Body>) -> Option<Request<Body>> {
    let asks = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if !asks || !matches!(request.body(), Body::Empty) {
        return None;
    }
    let mut spare = Request::new(Body::Empty);
    *spare.method_mut() = request.method().clone();
    *spare.uri_mut() = request.uri().clone();
    *spare.version_mut() = request.version();
    spare.headers_mut().clone_from(request.headers());
    Some(spare)
}

/// HTTP/2 wants the whole target and no `Host`, HTTP/1.1 the path and a `Host`.
fn shape(request: &mut Request<Body>, connection: &Connection) {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    match connection {
        Connection::Own(..) => {
            *request.version_mut() = Version::HTTP_11;
            // Whatever the method is: without it hyper sends no body with GET and HEAD.
            if !request.body().is_end_stream()
                && !request.headers().contains_key(header::CONTENT_LENGTH)
            {
                let chunked = HeaderValue::from_static("chunked");
                request.headers_mut().insert(header::TRANSFER_ENCODING, chunked);
            }
            if request.uri().authority().is_some()
                && let Ok(uri) = path.parse()
            {
                *request.uri_mut() = uri;
            }
        }
        Connection::Shared(_) => {
            // From a try at another pod.
            request.headers_mut().remove(header::TRANSFER_ENCODING);
            let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
            let whole = Uri::builder().scheme("http").authority(host.unwrap_or_default());
            if let Ok(uri) = whole.path_and_query(path).build() {
                *request.uri_mut() = uri;
                *request.version_mut() = Version::HTTP_2;
            }
        }
    }
}

fn is_grpc(request: &Request<Body>) -> bool {
    let kind = request.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    request.version() == Version::HTTP_2
        && kind.is_some_and(|kind| kind.starts_with(b"application/grpc"))
}

/// The request as the preview gets it.
fn outbound(
    request: Request<Incoming>,
    (asked, client): (&Authority, headers::Client),
    upgrade: Option<HeaderValue>,
    pace: &Pace,
) -> Request<Body> {
    let (mut head, body) = request.into_parts();
    // The target says whom the request is for, if it says so at all (RFC 9112, 3.2.2; RFC 9113, 8.3.1).
    if let Some(authority) = head.uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        head.headers.insert(header::HOST, host);
    }
    headers::request(&mut head.headers, asked, client, upgrade);
    let body = if body.is_end_stream() {
        Body::Empty
    } else {
        Body::Passed(Stream::new(body, head.version), Stall::new(pace.clone()))
    };
    Request::from_parts(head, body)
}

/// The answer as the client gets it.
fn inbound(
    edge: &Edge,
    answer: Response<Incoming>,
    (route, live): (&Arc<Route>, &Live),
    (mut held, ours): (Held, Option<hyper::upgrade::OnUpgrade>),
) -> Response<Body> {
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        // The connection is a tunnel now, and never a connection for requests again.
        held.lease = None;
        return match ours {
            Some(ours) => tunnel::open(edge, answer, ours, (held, Arc::clone(route))),
            None => Page::bad(
                StatusCode::BAD_GATEWAY,
                "The preview changed to a protocol nobody asked for.",
            )
            .answer(Visitor::Program),
        };
    }
    let (mut parts, body) = answer.into_parts();
    headers::answer(&mut parts.headers, &route.host, live.view.commit.as_ref());
    let version = std::mem::replace(&mut parts.version, Version::HTTP_11);
    let body = if body.is_end_stream() {
        held.end();
        Body::Empty
    } else {
        Body::Answer(Stream::new(body, version), held)
    };
    Response::from_parts(parts, body)
}

/// How long a preview may take before the head of its answer, by default: long polls are quicker.
pub(crate) const ANSWER: Duration = Duration::from_mins(5);

#[cfg(test)]
mod tests;
