//! Real Kubernetes clusters on a bare machine, from one command.
//!
//! A *bed* is a cluster in namespaces of its own: network, mounts, processes and control groups. Its
//! *profile* says which *parts* (programs we build from published Go modules, or Debian's packages) it
//! has. A *plan* lists the *steps* that bring it up, and its *supervisor*, the first process in it,
//! carries them out. What is built is kept as *entries* of a cache in the machine's *home* folder.
//!
//! This crate knows nothing of Understudy, and holds no Kubernetes client: it should compile in a
//! minute. Tests hold a [`Bed`]; people use `cargo bed`.

pub mod audit;
pub mod bed;
pub mod cgroup;
pub mod cli;
pub mod command;
pub mod digest;
pub mod error;
pub mod home;
pub mod image;
pub mod lifecycle;
pub mod net;
pub mod part;
pub mod plan;
pub mod preflight;
pub mod process;
pub mod profile;
pub mod progress;
pub mod state;
pub mod supervisor;
pub mod testing;
pub mod verify;

pub use bed::Bed;
pub use error::{Error, Result};
pub use home::Home;
pub use profile::Profile;
