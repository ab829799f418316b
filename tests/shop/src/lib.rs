//! The shop: a web front, an API and PostgreSQL, small enough for tests and real enough for a demo.
//!
//! This library is what tests hold: the template, and the images built and pushed to a bed. The program
//! inside the images is the package in `program`. It knows nothing of Understudy but the variable with the commit.

mod images;

pub use images::{BROWSER, DATABASE, IMAGE, browser, build, database, registry};

use serde_json::Value;

/// The `PreviewTemplate` as people would write it.
pub const TEMPLATE: &str = include_str!("../preview.yaml");

/// What a person does with the shop in the [`browser()`], for the folder `/e2e/specs` there.
pub const SPEC: &str = include_str!("../browser/specs/shop.spec.js");

/// [`TEMPLATE`] as data.
///
/// # Panics
/// Never: the text is part of the program, and a test reads it.
pub fn template() -> Value {
    serde_saphyr::from_str(TEMPLATE).expect("preview.yaml is YAML")
}

#[cfg(test)]
mod tests;
