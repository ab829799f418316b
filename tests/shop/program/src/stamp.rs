//! What sets one build apart from another: its commit, and what of it is broken on purpose.

use std::{env, fs};

/// What the image and the environment say about this build.
#[derive(Debug, Clone)]
pub(crate) struct Stamp {
    /// The commit, or `unknown`.
    pub(crate) commit: String,
    /// Why the API of this build does not start.
    pub(crate) broken: Option<String>,
    /// Whether the page's button does nothing.
    pub(crate) dumb: bool,
}

impl Stamp {
    /// The environment wins over the image: whoever deploys may know better.
    pub(crate) fn read() -> Self {
        let commit = said("PREVIEW_COMMIT", "/commit").unwrap_or_else(|| "unknown".to_owned());
        let dumb = said("SHOP_DUMB", "/dumb").is_some();
        Self { commit, broken: said("SHOP_BREAK", "/broken"), dumb }
    }
}

fn said(variable: &str, file: &str) -> Option<String> {
    let filled = |text: String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let from_file = || fs::read_to_string(file).ok().and_then(filled);
    env::var(variable).ok().and_then(filled).or_else(from_file)
}
