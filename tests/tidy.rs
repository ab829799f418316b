//! The house rules hold in this checkout, and each of them speaks when it is broken.

use understudy_tests::{Complaint, SourceFile, documents, files, packages, source};

/// Fails with every complaint on a line of its own.
fn none(complaints: &[Complaint]) {
    let lines: Vec<String> =
        complaints.iter().map(|one| format!("{}: {}", one.place, one.text)).collect();
    assert!(lines.is_empty(), "\n{}\n", lines.join("\n"));
}

fn file(path: &str, text: &str) -> SourceFile {
    SourceFile { path: path.to_owned(), text: text.to_owned() }
}

#[test]
fn rust_files_keep_the_rules() {
    none(&files().iter().flat_map(source::complaints).collect::<Vec<_>>());
}

#[test]
fn top_level_holds_what_it_should() {
    let files = files();
    none(&documents::top_level(&files.iter().map(|file| file.path.as_str()).collect::<Vec<_>>()));
}

#[test]
fn decision_records_are_in_order() {
    none(&documents::records(&files()));
}

#[test]
fn no_file_holds_a_path_of_a_machine() {
    let lock = |file: &&SourceFile| !file.path.ends_with(".lock") && !file.path.ends_with("go.sum");
    none(&files().iter().filter(lock).flat_map(documents::machine_paths).collect::<Vec<_>>());
}

#[test]
fn readme_names_the_commands() {
    let files = files();
    let readme = files.iter().find(|file| file.path == "README.md");
    none(&documents::readme(readme.map_or("", |file| &file.text)));
}

#[test]
fn words_and_decisions_hold_no_crate_that_acts() {
    for (package, manifest) in packages::PURE {
        if packages::exists(manifest) {
            none(&packages::acting(package));
        }
    }
}

#[test]
fn bed_holds_no_heavy_crate() {
    none(&packages::heavy(packages::QUICK));
}

#[test]
fn rule_on_packages_sees_a_crate_that_acts() {
    // The same look at a package that may: it must find something, or the rule is blind.
    assert!(packages::acting(packages::QUICK).iter().any(|one| one.place.ends_with("-> tokio")));
}

#[test]
fn rules_on_source_speak_when_broken() {
    let said = |text: &str| -> Vec<String> {
        let complaints = source::complaints(&file("crds/src/x.rs", text));
        complaints.into_iter().map(|one| one.text).collect()
    };
    assert_eq!(said("//! Fine.\n"), Vec::<String>::new());
    assert!(said("fn early() {}\n")[0].starts_with("begin with `//!`"));
    assert!(
        said(&format!("//! Long.\n{}", "// line\n".repeat(400)))[0].starts_with("401 lines, 400")
    );
    let long = format!("//! Long.\nfn long() {{\n{}}}\n", "    work();\n".repeat(60));
    assert_eq!(said(&long), ["`long` has 62 lines, 60 are the most: name its steps"]);
    let label = concat!("//! L.\nconst A: &str = \"understudy", ".dev/x\";\n");
    assert!(said(label)[0].starts_with("a label is spelt out"));
    assert_eq!(source::complaints(&file("crds/src/label.rs", label)), []);
    assert!(said(concat!("//! T.\n// TO", "DO: later\n"))[0].starts_with("do it now"));
    assert_eq!(said(concat!("//! T.\n// TO", "DO(#12): later\n")), Vec::<String>::new());
    assert!(
        said(concat!("//! A.\n#[", "allow(dead_code)]\nfn a() {}\n"))[0]
            .starts_with("use `#[expect")
    );
    assert!(
        said(concat!("//! I.\n#[test]\n#[", "ignore]\nfn i() {}\n"))[0]
            .starts_with("say what the test")
    );
    assert!(said("//! B.\nfn broken( {\n")[0].starts_with("cannot be parsed"));
}

#[test]
fn rules_on_documents_speak_when_broken() {
    assert_eq!(documents::top_level(&["crds/a", "README.md", ".ci/run"]), []);
    assert_eq!(documents::top_level(&["scripts/a"])[0].place, "scripts");
    let path = concat!("see /", "work/main/x");
    assert_eq!(documents::machine_paths(&file("README.md", path))[0].place, "README.md:1");
    assert_eq!(documents::machine_paths(&file("README.md", "tests/work/x and .cache/home/y")), []);
    let whole = "## Context\n## Options\n## Decision\n## Consequences\n";
    let index = file("operator/docs/adr/README.md", "[one](0001-one.md)");
    let record = |name: &str| file(&format!("operator/docs/adr/{name}"), whole);
    assert_eq!(documents::records(&[index, record("0001-one.md")]), []);
    let lost = documents::records(&[record("0002-two.md")]);
    assert_eq!(lost.len(), 2, "{lost:?}");
    let short = documents::records(&[file("operator/docs/adr/0001-one.md", "## Context\n")]);
    assert_eq!(short.len(), 4, "{short:?}");
    assert_eq!(documents::readme("cargo bed")[0].text, "say what `cargo verify` is for");
}
