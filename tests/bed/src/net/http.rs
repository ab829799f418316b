//! HTTP and TCP from this machine into a bed, without any listener.

use std::{net::TcpStream, time::Duration};

use http_body_util::{BodyExt, Empty};
use hyper::{Request, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;

use super::{enter::in_network_of, parse, runtime};
use crate::error::{Error, Result};

/// How long a dial or an exchange may take.
const LIMIT: Duration = Duration::from_secs(10);

/// An answer to an HTTP request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, as text.
    pub body: String,
}

/// A TCP connection to an address inside the network of that process.
pub(crate) fn dial(pid: i32, address: &str) -> Result<TcpStream> {
    let wanted = parse(address)?;
    let act = format!("connect to {address} in the bed");
    joined(in_network_of(pid, move || {
        TcpStream::connect_timeout(&wanted, LIMIT).map_err(Error::kernel(act))
    })?)
}

/// GET each of the addresses at `path`, over connections that are made inside the network of that
/// process; up to 64 at a time. Answers are in the order of the addresses.
pub(crate) fn get_each(
    pid: i32,
    addresses: Vec<String>,
    path: &str,
) -> Result<Vec<Result<Answer>>> {
    let path = path.to_owned();
    joined(in_network_of(pid, move || {
        runtime()?.block_on(async {
            let mut answers = Vec::with_capacity(addresses.len());
            for chunk in addresses.chunks(64) {
                let tasks: Vec<_> = chunk
                    .iter()
                    .map(|address| tokio::spawn(get(address.clone(), path.clone())))
                    .collect();
                for task in tasks {
                    let answer = task.await;
                    answers.push(answer.unwrap_or_else(|error| Err(Error::Bed(error.to_string()))));
                }
            }
            Ok(answers)
        })
    })?)
}

async fn get(address: String, path: String) -> Result<Answer> {
    let failed = |what: String| Error::Bed(format!("GET http://{address}{path}: {what}"));
    let exchange = async {
        let stream = tokio::net::TcpStream::connect(parse(&address)?)
            .await
            .map_err(|error| failed(error.to_string()))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| failed(error.to_string()))?;
        tokio::spawn(connection);
        let request = Request::get(path.as_str())
            .header(hyper::header::HOST, address.as_str())
            .body(Empty::<Bytes>::new())
            .map_err(|error| failed(error.to_string()))?;
        let response =
            sender.send_request(request).await.map_err(|error| failed(error.to_string()))?;
        let status = response.status().as_u16();
        let body =
            response.into_body().collect().await.map_err(|error| failed(error.to_string()))?;
        let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        Ok(Answer { status, body })
    };
    tokio::time::timeout(LIMIT, exchange)
        .await
        .map_err(|_| failed("no answer in time".to_owned()))?
}

fn joined<T>(thread: std::thread::JoinHandle<Result<T>>) -> Result<T> {
    thread.join().map_err(|_| Error::Bed("a thread inside the bed ended".to_owned()))?
}
