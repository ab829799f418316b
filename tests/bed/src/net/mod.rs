//! Carrying bytes between the host and a bed's network, and answering inside it.

mod enter;
mod forward;
mod http;
mod stand_in;

pub use enter::in_network_of;
pub(crate) use forward::loopback_listener;
pub use forward::{Forward, serve_inherited_listener};
pub use http::Answer;
pub(crate) use http::{dial, get_each};
pub use stand_in::listen;

use std::{io, net::SocketAddr, time::Duration};

use tokio::runtime::{Builder, Runtime};

use crate::error::{Error, Result};

/// How long to wait when no connection can be accepted.
const PAUSE: Duration = Duration::from_millis(10);

/// A small runtime for one thread, which may live in another network namespace.
fn runtime() -> Result<Runtime> {
    Builder::new_current_thread().enable_all().build().map_err(Error::kernel("start a runtime"))
}

fn parse(address: &str) -> Result<SocketAddr> {
    address.parse().map_err(|_| {
        Error::Refuse(format!("`{address}` is not an address with a port, such as 127.0.0.1:8080"))
    })
}

/// Passes bytes both ways until both sides are done; a broken connection is no error of ours.
async fn join(mut one: tokio::net::TcpStream, mut other: tokio::net::TcpStream) {
    let _: io::Result<_> = tokio::io::copy_bidirectional(&mut one, &mut other).await;
}
