//! Asking the API: one GET over a connection of its own, so that no answer comes from one that is gone.

use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::{Request, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

/// How long the API may take.
const LIMIT: Duration = Duration::from_secs(2);

/// The body of a good answer, or a text about what was wrong.
pub(crate) async fn get(host: &str, path: &str) -> Result<String, String> {
    match timeout(LIMIT, exchange(host, path)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(format!("{host}{path} took longer than {} s", LIMIT.as_secs())),
    }
}

async fn exchange(host: &str, path: &str) -> Result<String, String> {
    let connection = TcpStream::connect(host).await.map_err(|error| format!("{host}: {error}"))?;
    let failed = |error: hyper::Error| format!("{host}{path}: {error}");
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(connection)).await.map_err(failed)?;
    tokio::spawn(connection);
    let request = Request::get(path).header("host", host).body(Empty::<Bytes>::new());
    let request = request.map_err(|error| error.to_string())?;
    let answer = sender.send_request(request).await.map_err(failed)?;
    let status = answer.status();
    let body = answer.into_body().collect().await.map_err(failed)?.to_bytes();
    let text = String::from_utf8_lossy(&body).into_owned();
    if status.is_success() { Ok(text) } else { Err(format!("{status}: {}", text.trim())) }
}
