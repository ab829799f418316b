//! Where collectors in a bed's pods reach an operator that runs outside of it.

use std::{net::TcpListener, path::Path};

use understudy_bed::{Bed, Error, Home, Result, net::Forward};

use crate::{
    edge::{Edge, INSIDE},
    operator::Operator,
};

/// The port at which pods find it.
const PORT: u16 = 20_082;

/// A way from pods to an evidence port on this machine, for as long as it is held.
#[derive(Debug)]
pub struct Way {
    /// What the operator has to be told.
    pub flags: Vec<String>,
    /// The evidence port, on this machine.
    pub address: String,
    _forward: Forward,
}

impl Way {
    /// Builds the collector's image and opens the way. `folder` takes the evidence.
    pub fn open(bed: &Bed, edge: &Edge, folder: &Path) -> Result<Self> {
        let image = Operator::image(&Home::find()?, bed)?;
        let (address, pages) = (free()?, free()?);
        let way = bed.expose(&format!("{INSIDE}:{PORT}"), &address)?;
        let flags = vec![
            format!("--edge-address={}", edge.plain()),
            format!("--edge-address-inside={}", edge.inside()),
            format!("--evidence-listen={address}"),
            format!("--evidence-url=http://{INSIDE}:{PORT}"),
            format!("--image={image}"),
            format!("--data-dir={}", folder.display()),
            format!("--pages-listen={pages}"),
            format!("--pages-url=http://{pages}"),
        ];
        Ok(Self { flags, address, _forward: way })
    }
}

/// An address of this machine that nobody listens on.
fn free() -> Result<String> {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    free.map(|address| address.to_string()).map_err(|error| Error::Bed(error.to_string()))
}
