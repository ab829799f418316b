//! The words of Understudy, and nothing that acts: the kinds of its API, what they are called, and how
//! they are checked on the way in. Every other package takes them from here.

#![expect(unreachable_pub, reason = "KubeSchema repeats each struct inside a function of its own")]

pub mod condition;
pub mod definition;
pub mod isolation;
pub mod job;
pub mod label;
pub mod manifest;
pub mod preview;
pub mod repository;
pub mod scalar;
pub mod status;
pub mod template;

pub use definition::definitions;
pub use preview::{PreviewEnvironment, PreviewEnvironmentSpec};
pub use repository::{PreviewRepository, PreviewRepositorySpec};
pub use status::PreviewStatus;
pub use template::{PreviewTemplate, PreviewTemplateSpec};
