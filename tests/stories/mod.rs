//! The stories, by what they are about.

pub(crate) mod contest;
pub(crate) mod follow;
pub(crate) mod images;
pub(crate) mod process;
pub(crate) mod scale;
pub(crate) mod sight;
pub(crate) mod teardown;
