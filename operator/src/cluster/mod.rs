//! The one room with a Kubernetes client: seeing the cluster, and changing it.

pub(crate) mod api;
pub(crate) mod apply;
pub(crate) mod connect;
pub(crate) mod event;
pub(crate) mod gather;
pub(crate) mod inventory;
pub(crate) mod kinds;
pub(crate) mod permissions;
pub(crate) mod watch;
pub(crate) mod world;
