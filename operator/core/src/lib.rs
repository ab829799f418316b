//! The decisions of Understudy: plain functions over plain data. Nothing here waits, asks a clock, rolls
//! dice or speaks to anything; whoever calls passes what was seen and carries out what is said.

pub mod fence;
pub mod mend;
pub mod names;
mod object;
pub mod parameters;
pub mod policy;
