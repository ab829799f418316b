//! What an idle `WebSocket` costs whoever carries it.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use understudy_bed::{Error, Result};
use understudy_fakes::edge::{INSIDE, upgrade};

use crate::{
    rivals::{Proxy, SOCKETS_POD, Way},
    site::Site,
};

/// How many are open at once.
pub(crate) const SOCKETS: usize = 5_000;

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Bed(format!("sockets: {error}"))
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)
}

/// Answers whoever comes with the change of protocols and says no more, for as long as the process lasts.
pub(crate) fn serve(site: &Site) -> Result<()> {
    let serve = || -> Result<()> {
        runtime()?.block_on(async {
            let listener = TcpListener::bind((INSIDE, SOCKETS_POD)).await.map_err(failed)?;
            loop {
                let (stream, _) = listener.accept().await.map_err(failed)?;
                tokio::spawn(hold(stream));
            }
        })
    };
    site.stage.bed.within(serve).map(drop)
}

async fn hold(mut stream: TcpStream) -> Option<()> {
    let mut read = [0; 4096];
    let mut head = 0;
    while !read.get(..head)?.ends_with(b"\r\n\r\n") {
        head += stream.read(read.get_mut(head..)?).await.ok().filter(|count| *count > 0)?;
    }
    let head: &[u8] = if read.starts_with(b"GET /small") {
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    } else {
        // The key is RFC 6455's own example, and so is what it is accepted with.
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
          Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    };
    stream.write_all(head).await.ok()?;
    // Until the other end goes.
    while stream.read(&mut read).await.ok()? > 0 {}
    Some(())
}

/// Opens them all through a proxy; the memory that each costs it, in KiB.
pub(crate) fn cost(site: &Site, proxy: Proxy) -> Result<f64> {
    let before = site.rivals.memory(proxy);
    let address: SocketAddr =
        format!("{INSIDE}:{}", proxy.port(Way::Plain)).parse().map_err(failed)?;
    let host = format!("pr-0.{}", site.suffix);
    let (opened, all) = std::sync::mpsc::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let thread = site.stage.bed.within(move || {
        runtime()?.block_on(async {
            let mut open = Vec::new();
            for _ in 0..SOCKETS {
                let stream = TcpStream::connect(address).await.map_err(failed)?;
                open.push(upgrade(stream, &host).await?);
            }
            let _ = opened.send(open.len());
            let _ = stopped.await;
            Ok(())
        })
    })?;
    let Ok(count) = all.recv_timeout(Duration::from_mins(1)) else {
        drop(stop);
        let ended = thread.join().map_err(|_| failed("a thread"))?;
        return Err(ended.err().unwrap_or_else(|| failed("not all open after 60 s")));
    };
    std::thread::sleep(Duration::from_secs(1));
    let after = site.rivals.memory(proxy);
    drop(stop);
    let _ = thread.join();
    #[expect(clippy::cast_precision_loss, reason = "a number of KiB")]
    let each = after.saturating_sub(before) as f64 / count as f64;
    Ok(each)
}
