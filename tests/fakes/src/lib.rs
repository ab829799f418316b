//! What tests of the operator stand on beside a bed: the operator as a process, an API server that fails
//! where it is told to, and a registry that answers as it is told to.

pub mod backend;
pub mod bed;
pub mod cluster;
pub mod cost;
pub mod edge;
pub mod evidence;
pub mod figures;
pub mod operator;
pub mod proxy;
pub mod registry;
pub mod scene;
pub mod snapshot;
pub mod tls;
pub mod watch;

pub use cluster::Cluster;
pub use operator::Operator;
pub use proxy::{Fault, Proxy};
pub use registry::Registry;
pub use scene::Scene;
