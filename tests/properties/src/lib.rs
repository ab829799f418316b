//! What holds for whatever reaches the edge. A property takes any bytes, makes of them what it is about, and panics
//! when something that must hold does not. `tests/fuzz` looks for such bytes; the test below replays those that are
//! kept there.

mod framing;
mod headers;
mod host;
mod route;

pub use framing::framing;
pub use headers::headers;
pub use host::host;
pub use route::route;

/// A property.
pub type Property = fn(&[u8]);

/// Every property by the name of its target and of the folder of its inputs.
pub const PROPERTIES: [(&str, Property); 4] =
    [("framing", framing), ("headers", headers), ("host", host), ("route", route)];

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::PROPERTIES;

    #[test]
    fn every_kept_input_keeps_its_property() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
        for (name, property) in PROPERTIES {
            let mut kept = 0;
            for input in fs::read_dir(corpus.join(name)).expect("a folder for each").flatten() {
                println!("{name}: {}", input.file_name().display());
                property(&fs::read(input.path()).expect("an input"));
                kept += 1;
            }
            assert!(kept > 0, "{name} begins with nothing");
        }
    }

    /// Names and versions in a lock file.
    fn locked(path: &str) -> BTreeSet<(String, String)> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let text = fs::read_to_string(path).expect("a lock file");
        let field = |part: &str, name: &str| {
            let value = part.lines().find_map(|line| line.strip_prefix(&format!("{name} = ")));
            value.map(|value| value.trim_matches('"').to_owned())
        };
        let parts = text.split("[[package]]");
        parts.filter_map(|part| Some((field(part, "name")?, field(part, "version")?))).collect()
    }

    #[test]
    fn fuzzers_are_made_of_what_is_shipped() {
        let (fuzz, ours) = (locked("../fuzz/Cargo.lock"), locked("../../Cargo.lock"));
        let other: Vec<&str> = fuzz.difference(&ours).map(|(name, _)| name.as_str()).collect();
        let own = ["arbitrary", "libfuzzer-sys", "understudy-fuzz"];
        assert_eq!(other, own, "as tests/fuzz/README.md says");
    }
}
