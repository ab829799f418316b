//! An edge for tests, whose client never reaches anybody.

use std::net::SocketAddr;

use kube::{Client, Config};

use crate::{Edge, Limits, Options};

/// With those bounds; inside of a runtime.
pub(crate) fn edge(limits: Limits) -> Edge {
    let mut config = Config::new(http::Uri::from_static("http://127.0.0.1:1"));
    config.root_cert = Some(Vec::new());
    let client = Client::try_from(config).expect("nothing of this machine is read");
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let options = Options { listen, tls: None, limits, access_log: false };
    Edge::new(client, &options).expect("nothing is opened")
}
