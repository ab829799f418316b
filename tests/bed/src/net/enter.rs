//! Entering a bed's network namespace with one thread, which never comes back.

use std::{
    fs::File,
    os::fd::AsFd,
    thread::{self, JoinHandle},
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::error::{Error, Result};

/// Runs the closure on a new thread inside the network of that process. The thread ends with the
/// closure: no other code ever runs in the wrong network.
pub fn in_network_of<T: Send + 'static>(
    pid: i32,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<JoinHandle<Result<T>>> {
    let path = format!("/proc/{pid}/ns/net");
    let namespace = File::open(&path).map_err(Error::touch("open", &path))?;
    Ok(thread::spawn(move || {
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
            .map_err(Error::kernel("enter the bed's network"))?;
        work()
    }))
}
