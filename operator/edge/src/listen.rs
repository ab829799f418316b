//! Connections of clients: taken, bounded, served and ended.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::FutureExt;
use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::Instant,
};

use crate::{
    Edge,
    access::Asked,
    body::Body,
    framing::LARGEST_HEAD,
    headers::Client,
    last::Last,
    proxy::{self, Seat, Told},
    socket,
    tls::Certificates,
};

/// How long the head of a request, or the wait for the next one, may take.
const HEAD: Duration = Duration::from_secs(30);

/// Streams of one HTTP/2 connection (RFC 9113, 6.5.2 recommends no fewer than 100).
const STREAMS: u32 = 128;

/// How long an HTTP/2 connection is kept on which nobody asks for anything more: longer than browsers keep one. What
/// is under way on it comes to its end. (HTTP/1.1 has [`HEAD`] for that.)
const QUIET: Duration = Duration::from_mins(5);

/// What HTTP/2 may send us unread, by stream and by connection.
const WINDOW: (u32, u32) = (256 << 10, 1 << 20);

/// What we hold for a stream that its client does not read.
const UNSENT: usize = 64 << 10;

/// How an HTTP/2 connection begins (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Takes connections until the end is near.
pub(crate) async fn listen(edge: Edge, listener: TcpListener, tls: Option<Arc<Certificates>>) {
    let room = Arc::new(Semaphore::new(edge.limits.connections));
    let mut connections = JoinSet::new();
    // From one step of the end to the next nobody else may be there to be waited for.
    let _stay = edge.drain.stay();
    loop {
        let permit = Arc::clone(&room).acquire_owned();
        let next = async { (permit.await, listener.accept().await) };
        let (permit, accepted) = tokio::select! {
            next = next => next,
            () = edge.drain.closing() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
        };
        let (Ok(permit), Ok((stream, peer))) = (permit, accepted) else {
            // Out of files, most likely: whoever is being served will let go of some.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        connections.spawn(connection(edge.clone(), stream, peer, (tls.clone(), permit)));
    }
    // Whoever is in the queue already would be refused when it goes.
    while let (Some(Ok((stream, peer))), Ok(permit)) =
        (listener.accept().now_or_never(), Arc::clone(&room).try_acquire_owned())
    {
        connections.spawn(connection(edge.clone(), stream, peer, (tls.clone(), permit)));
    }
    drop(listener);
    let served = async { while connections.join_next().await.is_some() {} };
    tokio::select! {
        () = served => {}
        () = edge.drain.over() => {}
    }
}

async fn connection(
    edge: Edge,
    stream: TcpStream,
    peer: SocketAddr,
    (tls, permit): (Option<Arc<Certificates>>, OwnedSemaphorePermit),
) {
    let seat: Seat = Arc::new(permit);
    socket::tune(&stream);
    edge.metrics.connections.inc();
    let client = Client { address: peer.ip().to_canonical(), tls: tls.is_some() };
    let last = Last::default();
    match tls {
        None => {
            if let Some(Some(h2)) = begun(last.moment(&edge), speaks_h2(&stream)).await {
                serve((&edge, &last), stream, (client, seat), h2).await;
            }
        }
        Some(tls) => {
            if let Some(Ok(stream)) = begun(last.moment(&edge), tls.accept(stream)).await {
                let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                serve((&edge, &last), stream, (client, seat), h2).await;
            }
        }
    }
    edge.metrics.connections.dec();
}

/// What a connection begins with, unless it takes too long.
async fn begun<T>(late: impl Future<Output = ()>, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        done = tokio::time::timeout(HEAD, work) => done.ok(),
        () = late => None,
    }
}

/// Whether the client begins with HTTP/2; `None` if it says nothing.
async fn speaks_h2(stream: &TcpStream) -> Option<bool> {
    let mut begins = [0; PREFACE.len()];
    let (mut before, mut pause) = (0, Duration::from_millis(10));
    loop {
        let read = stream.peek(&mut begins).await.ok().filter(|read| *read > 0)?;
        let (said, expected) = (begins.get(..read)?, PREFACE.get(..read)?);
        if said != expected {
            return Some(false);
        }
        if read == PREFACE.len() {
            return Some(true);
        }
        // Part of a preface: what is there already is shown again at once. Whoever stops there is asked less and less.
        if read == before {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(2));
        }
        before = read;
    }
}

async fn serve<IO>((edge, last): (&Edge, &Last), io: IO, (client, seat): (Client, Seat), h2: bool)
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let asked = Arc::new(AtomicUsize::new(0));
    // One for each request, since streams of HTTP/2 are served by tasks of their own.
    let (own, count) = (edge.clone(), Arc::clone(&asked));
    let service = service_fn(move |request| {
        let (edge, seat) = (own.clone(), Arc::clone(&seat));
        count.fetch_add(1, Ordering::Relaxed);
        async move { answer(&edge, (client, &seat), request).await }
    });
    // Where both are ready, whoever asks in that very moment has asked.
    if h2 {
        let mut connection = std::pin::pin!(http2().serve_connection(TokioIo::new(io), service));
        tokio::select! {
            biased;
            _ = connection.as_mut() => return,
            () = edge.drain.closing() => {}
            () = quiet(&asked) => {}
        }
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            biased;
            _ = connection => {}
            () = last.silence(edge, &asked) => {}
        }
        return;
    }
    let connection = http1().serve_connection(TokioIo::new(io), service).with_upgrades();
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        biased;
        _ = connection.as_mut() => return,
        () = last.request(edge, &asked) => connection.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        biased;
        _ = connection => {}
        () = last.silence(edge, &asked) => {}
    }
}

/// When nobody has asked for anything for long.
async fn quiet(asked: &AtomicUsize) {
    let mut before = None;
    loop {
        let now = asked.load(Ordering::Relaxed);
        if before == Some(now) {
            return;
        }
        before = Some(now);
        tokio::time::sleep(QUIET).await;
    }
}

/// How HTTP/2 is spoken with clients.
fn http2() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(LARGEST_HEAD).unwrap_or(u32::MAX))
        .initial_stream_window_size(WINDOW.0)
        .initial_connection_window_size(WINDOW.1)
        .max_send_buf_size(UNSENT)
        .keep_alive_interval(HEAD)
        .keep_alive_timeout(HEAD);
    builder
}

/// How HTTP/1 is spoken with clients.
pub(crate) fn http1() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(LARGEST_HEAD);
    builder
}

async fn answer(
    edge: &Edge,
    (client, seat): (Client, &Seat),
    mut request: Request<Incoming>,
) -> Result<Response<Body>, std::convert::Infallible> {
    let began = Instant::now();
    let old = request.version() < Version::HTTP_2;
    // Whoever stands before us may see the end of chunks elsewhere than we do (their trailers end with the first line
    // that ends in nothing but a line feed, for some): nothing behind them is taken for a request.
    let chunked = old && request.headers().contains_key(header::TRANSFER_ENCODING);
    let mut told = Told::default();
    let asked = edge.access.as_ref().map(|_| Asked::new(&mut request));
    let mut answer = proxy::answer(edge, (client, seat), request, &mut told).await;
    edge.metrics.answered(answer.status());
    let changes = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
    if !changes && (chunked || (old && edge.drain.is_leaving())) {
        answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if let (Some(log), Some(asked)) = (&edge.access, asked) {
        let end = (client.address, answer.status(), began.elapsed());
        if !log.tell(asked, &told, end) {
            edge.metrics.dropped.inc();
        }
    }
    Ok(answer)
}

#[cfg(test)]
mod tests;
