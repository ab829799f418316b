//! Backends that answer as they are told to, seen from inside a bed.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, stream};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    Method, Request, Response,
    body::{Frame, Incoming},
    header,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use understudy_bed::{Bed, Error, Result, net::Forward};

use crate::edge::INSIDE;

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Bed(format!("backend: {error}"))
}

/// A backend of the test's own process, seen from inside the bed at [`INSIDE`].
#[derive(Debug)]
pub struct Backend {
    /// The port inside the bed.
    pub port: u16,
    task: tokio::task::JoinHandle<()>,
    _forward: Forward,
}

impl Backend {
    /// Answers every request as the function says, at that port of the bed.
    pub async fn start<F>(bed: &Bed, port: u16, answer: F) -> Result<Self>
    where
        F: AsyncAnswer,
    {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let local = listener.local_addr().map_err(failed)?.to_string();
        let answer = Arc::new(answer);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answer = Arc::clone(&answer);
                tokio::spawn(async move { answer.serve(stream).await });
            }
        });
        let forward = bed.expose(&format!("{INSIDE}:{port}"), &local)?;
        Ok(Self { port, task, _forward: forward })
    }

    /// One that says in JSON what it was asked.
    pub async fn echo(bed: &Bed, port: u16) -> Result<Self> {
        Self::start(bed, port, Echo { h2: false }).await
    }

    /// The same over HTTP/2 without TLS, of which it takes a hundred streams of a connection at once.
    pub async fn echo_h2(bed: &Bed, port: u16) -> Result<Self> {
        Self::start(bed, port, Echo { h2: true }).await
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a backend does with a connection.
pub trait AsyncAnswer: Send + Sync + 'static {
    /// Serves it to its end.
    fn serve(&self, stream: TcpStream) -> impl Future<Output = ()> + Send;
}

/// Says in JSON what it was asked; of what is below `/large` a megabyte of zeros.
#[derive(Debug)]
pub struct Echo {
    /// Whether it speaks HTTP/2.
    pub h2: bool,
}

impl AsyncAnswer for Echo {
    async fn serve(&self, stream: TcpStream) {
        let (io, service) = (TokioIo::new(stream), hyper::service::service_fn(answer));
        let _ = if self.h2 {
            let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            builder.max_concurrent_streams(100).serve_connection(io, service).await
        } else {
            hyper::server::conn::http1::Builder::new().serve_connection(io, service).await
        };
    }
}

type Answer = std::result::Result<Response<BoxBody<Bytes, hyper::Error>>, hyper::Error>;

async fn answer(request: Request<Incoming>) -> Answer {
    if !request.uri().path().starts_with("/large") {
        return Ok(echo(request).await?.map(|body| body.map_err(|never| match never {}).boxed()));
    }
    let piece = Bytes::from_static(&[0; 16 << 10]);
    let pieces = stream::repeat(piece).take(64).map(|piece| Ok(Frame::data(piece)));
    Ok(Response::new(BoxBody::new(StreamBody::new(pieces))))
}

async fn echo(
    request: Request<Incoming>,
) -> std::result::Result<Response<Full<Bytes>>, hyper::Error> {
    let headers: Vec<Value> = request
        .headers()
        .iter()
        .map(|(name, value)| json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())]))
        .collect();
    let (method, uri) = (request.method().clone(), request.uri().to_string());
    let body = request.into_body().collect().await?.to_bytes();
    let text = json!({
        "method": method.as_str(), "uri": uri, "headers": headers,
        "body": String::from_utf8_lossy(&body),
    });
    let body = if method == Method::HEAD { String::new() } else { text.to_string() };
    let mut answer = Response::new(Full::from(body));
    let map = answer.headers_mut();
    for (name, value) in [
        ("set-cookie", "own=1; Path=/"),
        ("set-cookie", "parent=1; Domain=preview.test"),
        ("connection", "x-hop"),
        ("x-hop", "1"),
        ("understudy-page", "a lie"),
    ] {
        map.append(name, header::HeaderValue::from_static(value));
    }
    Ok(answer)
}
