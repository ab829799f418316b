//! The world outside the API server's objects: registries, the previews' own answers, and logs. What it
//! says is remembered for a while and never needed for more than saving a question.

pub(crate) mod answers;
pub(crate) mod credentials;
pub(crate) mod log;
pub(crate) mod probe;
pub(crate) mod registry;
