//! Backends that answer as they are told to, seen from inside a bed.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, Response, body::Incoming, header};
use hyper_util::rt::TokioIo;
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
        Self::start(bed, port, Echo).await
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

/// Says in JSON what it was asked.
#[derive(Debug)]
pub struct Echo;

impl AsyncAnswer for Echo {
    async fn serve(&self, stream: TcpStream) {
        let service = hyper::service::service_fn(echo);
        let builder = hyper::server::conn::http1::Builder::new();
        let _ = builder.serve_connection(TokioIo::new(stream), service).await;
    }
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
