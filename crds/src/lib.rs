//! The words of Understudy, and nothing that acts: what things are called in the API, in labels and in
//! names. Every other package takes them from here.

pub mod label;
