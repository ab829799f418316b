//! A small HTTP server that answers any request with what was asked of whom.
//!
//! On `fleet` it stands in for every pod, on `node` for the metadata address, the internet and a port
//! of the node: a test that reaches it knows exactly which address was reached.

use std::{convert::Infallible, net::SocketAddr};

use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    http::request::Parts,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

use super::{PAUSE, parse, runtime};
use crate::error::{Error, Result};

/// Serves the addresses until the process ends.
pub fn listen(addresses: &[String]) -> Result<()> {
    runtime()?.block_on(async {
        let mut servers = tokio::task::JoinSet::new();
        for address in addresses {
            let wanted = parse(address)?;
            let listener = TcpListener::bind(wanted)
                .await
                .map_err(Error::kernel(format!("listen on {address}")))?;
            servers.spawn(accept(listener));
        }
        servers.join_all().await;
        Ok(())
    })
}

async fn accept(listener: TcpListener) {
    loop {
        let Ok((stream, from)) = listener.accept().await else {
            // No room for another connection: let those under way end.
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        tokio::spawn(serve(stream, from));
    }
}

async fn serve(stream: TcpStream, from: SocketAddr) {
    let asked = asked(&stream).map_or_else(|| "unknown".to_owned(), |address| address.to_string());
    let service = service_fn(move |request: Request<Incoming>| {
        let asked = asked.clone();
        async move {
            let (head, mut body) = request.into_parts();
            // A client that still sends would be cut off by an answer.
            while let Some(Ok(_)) = body.frame().await {}
            Ok::<_, Infallible>(answer(&asked, from, &head))
        }
    });
    // A client that goes away in the middle is its own affair.
    let _ = http1::Builder::new()
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// The address that the client dialled: before the redirection, if the kernel redirected it.
fn asked(stream: &TcpStream) -> Option<SocketAddr> {
    let redirected = rustix::net::sockopt::ip_original_dst(stream).ok();
    redirected.map(SocketAddr::V4).or_else(|| stream.local_addr().ok())
}

fn answer(asked: &str, from: SocketAddr, request: &Parts) -> Response<Full<Bytes>> {
    let host = request.headers.get(hyper::header::HOST).and_then(|host| host.to_str().ok());
    let text = json!({
        "asked": asked,
        "from": from.ip(),
        "method": request.method.as_str(),
        "path": request.uri.path(),
        "host": host,
    });
    let mut response = Response::new(Full::new(Bytes::from(format!("{text}\n"))));
    let json = hyper::header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, json);
    response
}
