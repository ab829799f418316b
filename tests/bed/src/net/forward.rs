//! TCP forwards in both directions.
//!
//! A socket belongs for ever to the network in which it was made. So a forward is two threads, one in
//! each network: one accepts, the other connects, and the bytes flow where both sockets meet.

use std::{
    net::{SocketAddr, TcpListener},
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use tokio::{
    net::TcpStream,
    sync::{mpsc as channel, oneshot},
};

use super::{PAUSE, enter::in_network_of, join, parse, runtime};
use crate::{
    error::{Error, Result},
    plan::address,
};

/// A forward that lasts until it is dropped.
#[derive(Debug)]
pub struct Forward {
    local: SocketAddr,
    refused: Arc<AtomicUsize>,
    // Dropping the sender ends the accepting thread.
    _stop: oneshot::Sender<()>,
}

/// An accepted connection on its way to the thread that may connect.
type Accepted = std::net::TcpStream;

impl Forward {
    /// The address that accepts: on the host, or for [`Forward::out_of_bed`] inside the bed.
    pub const fn local(&self) -> SocketAddr {
        self.local
    }

    /// How many connections could not be carried on, because nobody listens at the other end.
    pub fn refused(&self) -> usize {
        self.refused.load(Ordering::Relaxed)
    }

    /// `host` on this machine leads to `to` inside the network of that process.
    pub(crate) fn into_bed(pid: i32, host: &str, to: &str) -> Result<Self> {
        let to = parse(to)?;
        let listener = bind(host)?;
        let (sender, receiver) = channel::unbounded_channel();
        let refused = Arc::default();
        let counter = Arc::clone(&refused);
        in_network_of(pid, move || connect_each(receiver, to, &counter))?;
        Self::accept_on(listener, sender, refused)
    }

    /// `inside` in the network of that process leads to `to` on this machine.
    pub(crate) fn out_of_bed(pid: i32, inside: &str, to: &str) -> Result<Self> {
        let to = parse(to)?;
        let inside = inside.to_owned();
        let bound = in_network_of(pid, move || bind(&inside))?.join();
        let listener = bound.map_err(|_| Error::Bed("the listening thread ended".to_owned()))??;
        let (sender, receiver) = channel::unbounded_channel();
        let refused = Arc::default();
        let counter = Arc::clone(&refused);
        thread::spawn(move || connect_each(receiver, to, &counter));
        Self::accept_on(listener, sender, refused)
    }

    fn accept_on(
        listener: TcpListener,
        accepted: channel::UnboundedSender<Accepted>,
        refused: Arc<AtomicUsize>,
    ) -> Result<Self> {
        let local = listener.local_addr().map_err(Error::kernel("read a listener's address"))?;
        listener.set_nonblocking(true).map_err(Error::kernel("set up a listener"))?;
        let (stop, mut stopped) = oneshot::channel();
        let (started, start) = mpsc::channel();
        thread::spawn(move || -> Result<()> {
            runtime()?.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener)
                    .map_err(Error::kernel("set up a listener"))?;
                let _ = started.send(());
                loop {
                    tokio::select! {
                        _ = &mut stopped => return Ok(()),
                        connection = listener.accept() => {
                            let Ok((stream, _)) = connection else {
                                tokio::time::sleep(PAUSE).await;
                                continue;
                            };
                            let Ok(stream) = stream.into_std() else { continue };
                            if accepted.send(stream).is_err() {
                                return Ok(());
                            }
                        }
                    }
                }
            })
        });
        start.recv().map_err(|_| Error::Bed("a forward did not start".to_owned()))?;
        Ok(Self { local, refused, _stop: stop })
    }
}

/// Connects to `to` for each accepted connection and passes the bytes, until nobody accepts any more.
fn connect_each(
    mut accepted: channel::UnboundedReceiver<Accepted>,
    to: SocketAddr,
    refused: &Arc<AtomicUsize>,
) -> Result<()> {
    runtime()?.block_on(async move {
        while let Some(stream) = accepted.recv().await {
            let Ok(stream) = TcpStream::from_std(stream) else { continue };
            let refused = Arc::clone(refused);
            tokio::spawn(async move {
                // A refused connection closes the accepted one, which is what a client should see.
                match TcpStream::connect(to).await {
                    Ok(other) => join(stream, other).await,
                    Err(_) => drop(refused.fetch_add(1, Ordering::Relaxed)),
                }
            });
        }
        Ok(())
    })
}

fn bind(text: &str) -> Result<TcpListener> {
    let wanted = parse(text)?;
    TcpListener::bind(wanted).map_err(|source| match source.kind() {
        std::io::ErrorKind::AddrInUse => Error::Refuse(format!(
            "port {} of {} is taken: choose another, or 0 for any free one",
            wanted.port(),
            wanted.ip()
        )),
        std::io::ErrorKind::AddrNotAvailable => Error::Refuse(format!(
            "{} is no address there: this machine has 127.0.0.1, a bed has {} and {}",
            wanted.ip(),
            address::EDGE,
            address::NODE
        )),
        _ => Error::Kernel { act: format!("listen on {text}"), source },
    })
}

/// Listens on this machine's loopback, for handing the socket to a bed's forwarder.
pub(crate) fn loopback_listener(port: u16) -> Result<TcpListener> {
    bind(&format!("127.0.0.1:{port}"))
}

/// The forwarder's role: our standard input is a listener of the host's network, we are in the bed's.
pub fn serve_inherited_listener(to: &str) -> Result<()> {
    let to = parse(to)?;
    let socket = std::io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .map_err(Error::kernel("take the listener"))?;
    let listener = TcpListener::from(socket);
    listener.set_nonblocking(true).map_err(Error::kernel("set up a listener"))?;
    runtime()?.block_on(async move {
        let listener = tokio::net::TcpListener::from_std(listener)
            .map_err(Error::kernel("set up a listener"))?;
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                continue;
            };
            tokio::spawn(async move {
                if let Ok(other) = TcpStream::connect(to).await {
                    join(stream, other).await;
                }
            });
        }
    })
}
