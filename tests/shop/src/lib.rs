//! The shop: a web front, an API and PostgreSQL, small enough for tests and real enough for a demo.
//!
//! This library is what tests hold: the template, and the images built and pushed to a bed. The program
//! inside the images is the package in `program`. It knows nothing of Understudy but the variable with the commit.

mod images;

pub use images::{BROWSER, DATABASE, IMAGE, browser, build, database, dumb, registry};

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

/// [`template()`] without the Jobs: its API makes and fills the tables by itself, and a request is its only check.
///
/// # Panics
/// Never: a test reads it.
pub fn alone() -> Value {
    let mut template = template();
    let spec = template.get_mut("spec").and_then(Value::as_object_mut).expect("a spec");
    spec.remove("prepare");
    if let Some(checks) = spec.get_mut("checks").and_then(Value::as_array_mut) {
        checks.retain(|check| check.get("job").is_none());
    }
    let stack = template.pointer_mut("/spec/source/inline").and_then(Value::as_array_mut);
    let arguments = "/spec/template/spec/containers/0/args";
    for arguments in stack.into_iter().flatten().filter_map(|one| one.pointer_mut(arguments)) {
        if *arguments == serde_json::json!(["api"]) {
            *arguments = serde_json::json!(["api", "--fill"]);
        }
    }
    template
}

#[cfg(test)]
mod tests;
