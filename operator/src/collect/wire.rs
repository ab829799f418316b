//! HTTP/1.1 to the evidence address: connections that are kept a little while, the token read anew for each request,
//! and no request that stands still.

use std::{fmt, io, path::PathBuf, sync::Mutex, sync::PoisonError, time::Duration};

use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use hyper::{
    body::{Bytes, Incoming},
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use secrecy::{ExposeSecret, SecretString};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpSocket, TcpStream},
    task::AbortHandle,
    time::Instant,
};
use tokio_rustls::TlsConnector;

use super::{
    args::EvidenceUrl,
    body::{Pieces, Progress},
};

/// How long a connection may be idle and is still used: shorter than anybody in between forgets it.
const IDLE: Duration = Duration::from_secs(3);

/// The largest answer that is read.
const LARGEST_ANSWER: usize = 8 << 20;

/// The longest token.
const LONGEST_TOKEN: usize = 16 << 10;

/// What the kernel holds for a connection, so that what was given to it was nearly sent.
const UNSENT: u32 = 256 << 10;

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// What `Retry-After` asks for, in seconds.
    pub(super) wait: Option<Duration>,
    pub(super) body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unanswered {
    /// The token is not there or is none.
    #[error("the token cannot be read: {0}")]
    ReadToken(#[source] io::Error),
    /// No connection.
    #[error("{0}")]
    Connect(#[source] io::Error),
    /// The connection ended, or what came is not HTTP.
    #[error("the connection broke off")]
    Exchange(#[source] hyper::Error),
    /// Nothing moved for so many seconds.
    #[error("nothing moved for {0} s")]
    Stall(u64),
    /// More than anybody needs to say.
    #[error("its answer is too long")]
    Exceed,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<Any: AsyncRead + AsyncWrite + Unpin + Send> Stream for Any {}

struct Connection {
    sender: SendRequest<Pieces>,
    task: AbortHandle,
    used: Instant,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The way to the evidence address.
pub(super) struct Wire {
    url: EvidenceUrl,
    tls: Option<TlsConnector>,
    token: PathBuf,
    silence: Duration,
    idle: Mutex<Vec<Connection>>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Wire").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Wire {
    /// Nothing is connected yet. `silence` is how long nothing may move.
    pub(super) fn new(
        url: EvidenceUrl,
        tls: Option<TlsConnector>,
        token: PathBuf,
        silence: Duration,
    ) -> Self {
        Self { url, tls, token, silence, idle: Mutex::default() }
    }

    /// Where it leads.
    pub(super) const fn url(&self) -> &EvidenceUrl {
        &self.url
    }

    /// One request and its answer.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: impl FnOnce(&Progress) -> Pieces,
    ) -> Result<Answer, Unanswered> {
        let progress = Progress::new();
        let asked = self.exchange(method, path, (body, &progress));
        let mut asked = std::pin::pin!(asked);
        loop {
            let end = progress.last() + self.silence;
            tokio::select! {
                answer = asked.as_mut() => return answer,
                () = tokio::time::sleep_until(end) => {
                    if progress.last() + self.silence <= Instant::now() {
                        return Err(Unanswered::Stall(self.silence.as_secs()));
                    }
                }
            }
        }
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        (body, progress): (impl FnOnce(&Progress) -> Pieces, &Progress),
    ) -> Result<Answer, Unanswered> {
        let authorization = self.authorization().map_err(Unanswered::ReadToken)?;
        let mut connection = match self.idle().await {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        progress.mark();
        let is_post = method == Method::POST;
        let mut request = Request::new(body(progress));
        *request.method_mut() = method;
        *request.uri_mut() = format!("{}{path}", self.url.path)
            .parse()
            .map_err(|_| Unanswered::Connect(io::ErrorKind::InvalidInput.into()))?;
        let headers = request.headers_mut();
        if let Ok(host) = HeaderValue::from_str(&self.url.authority) {
            headers.insert(header::HOST, host);
        }
        let agent = concat!("understudy/", env!("CARGO_PKG_VERSION"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
        headers.insert(header::AUTHORIZATION, authorization);
        if is_post {
            let json = HeaderValue::from_static("application/json");
            headers.insert(header::CONTENT_TYPE, json);
        }
        let answer = connection.sender.send_request(request).await.map_err(Unanswered::Exchange)?;
        progress.mark();
        let answer = read(answer, progress).await?;
        connection.used = Instant::now();
        // One whose request was answered before it was sent whole cannot be used again.
        if progress.is_whole() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
        Ok(answer)
    }

    async fn idle(&self) -> Option<Connection> {
        loop {
            let mut connection = {
                let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
                idle.retain(|one| one.used.elapsed() < IDLE && !one.sender.is_closed());
                idle.pop()?
            };
            if connection.sender.ready().await.is_ok() {
                return Some(connection);
            }
        }
    }

    /// The token as a header that is never shown.
    fn authorization(&self) -> io::Result<HeaderValue> {
        let text = SecretString::from(std::fs::read_to_string(&self.token)?);
        let token = text.expose_secret().trim();
        let malformed = || io::Error::new(io::ErrorKind::InvalidData, "it is no token");
        if token.is_empty() || token.len() > LONGEST_TOKEN {
            return Err(malformed());
        }
        let whole = SecretString::from(format!("Bearer {token}"));
        let mut value = HeaderValue::from_str(whole.expose_secret()).map_err(|_| malformed())?;
        value.set_sensitive(true);
        Ok(value)
    }

    async fn connect(&self) -> Result<Connection, Unanswered> {
        let stream = self.reach().await.map_err(Unanswered::Connect)?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(Unanswered::Exchange)?;
        let task = tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(Connection { sender, task: task.abort_handle(), used: Instant::now() })
    }

    async fn reach(&self) -> io::Result<Box<dyn Stream>> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "its name has no address");
        for address in tokio::net::lookup_host((self.url.host.as_str(), self.url.port)).await? {
            let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
            let connected = async {
                let socket = socket?;
                socket.set_send_buffer_size(UNSENT)?;
                socket.connect(address).await
            };
            match connected.await {
                Ok(stream) => return self.dress(stream).await,
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn dress(&self, stream: TcpStream) -> io::Result<Box<dyn Stream>> {
        stream.set_nodelay(true)?;
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let name = self.url.host.clone().try_into().map_err(io::Error::other)?;
        Ok(Box::new(tls.connect(name, stream).await?))
    }
}

async fn read(answer: http::Response<Incoming>, progress: &Progress) -> Result<Answer, Unanswered> {
    let (head, mut body) = answer.into_parts();
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        progress.mark();
        let frame = frame.map_err(Unanswered::Exchange)?;
        let Some(data) = frame.data_ref() else { continue };
        if bytes.len() + data.len() > LARGEST_ANSWER {
            return Err(Unanswered::Exceed);
        }
        bytes.extend_from_slice(data);
    }
    let wait = head.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let wait = wait.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
    Ok(Answer { status: head.status, wait, body: bytes.into() })
}
