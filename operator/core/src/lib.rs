//! The decisions of Understudy: plain functions over plain data. Nothing here waits, asks a clock, rolls
//! dice or speaks to anything; whoever calls passes what was seen and carries out what is said.

pub mod answer;
pub mod child;
pub mod decide;
pub mod desired;
pub mod evidence;
pub mod facts;
pub mod fence;
pub mod hosts;
pub mod junit;
pub mod mend;
pub mod names;
mod object;
pub mod ownership;
pub mod parameters;
pub mod pod;
pub mod policy;
pub mod redact;
pub mod run;
pub mod settings;
pub mod sidecar;
pub mod stack;
pub mod task;
