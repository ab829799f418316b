//! Rules for Rust files: how long, how they begin, what they may not contain.

use syn::{
    Block, ImplItemFn, ItemFn, TraitItemFn,
    spanned::Spanned,
    visit::{self, Visit},
};

use crate::{Complaint, SourceFile};

/// The longest file, in lines.
const LONGEST_FILE: usize = 400;

/// The longest function, in lines from its signature to its closing brace.
const LONGEST_FUNCTION: usize = 60;

/// The only file that spells out our labels.
const HOME_OF_LABELS: &str = "crds/src/label.rs";

/// Every rule of this room on one file.
pub fn complaints(file: &SourceFile) -> Vec<Complaint> {
    if !file.path.ends_with(".rs") {
        return Vec::new();
    }
    [length(file), header(file), functions(file), words(file)].concat()
}

fn length(file: &SourceFile) -> Vec<Complaint> {
    let lines = file.text.lines().count();
    let text =
        format!("{lines} lines, {LONGEST_FILE} are the most: give a part of it a room of its own");
    if lines > LONGEST_FILE { vec![Complaint::about(&file.path, text)] } else { Vec::new() }
}

fn header(file: &SourceFile) -> Vec<Complaint> {
    if file.text.starts_with("//!") {
        return Vec::new();
    }
    let text =
        "begin with `//!` and a sentence or two: what this module decides or does, and what not";
    vec![Complaint::at(&file.path, 1, text)]
}

struct Functions<'file> {
    path: &'file str,
    found: Vec<Complaint>,
}

impl Functions<'_> {
    fn look(&mut self, name: &syn::Ident, block: &Block) {
        let (start, end) = (name.span().start().line, block.span().end().line);
        let lines = end + 1 - start;
        if lines > LONGEST_FUNCTION {
            let text = format!(
                "`{name}` has {lines} lines, {LONGEST_FUNCTION} are the most: name its steps"
            );
            self.found.push(Complaint::at(self.path, start, text));
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.look(&function.sig.ident, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.look(&function.sig.ident, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        if let Some(block) = &function.default {
            self.look(&function.sig.ident, block);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

fn functions(file: &SourceFile) -> Vec<Complaint> {
    let mut functions = Functions { path: &file.path, found: Vec::new() };
    match syn::parse_file(&file.text) {
        Ok(parsed) => functions.visit_file(&parsed),
        Err(error) => functions.found.push(Complaint::at(
            &file.path,
            error.span().start().line,
            format!("cannot be parsed: {error}"),
        )),
    }
    functions.found
}

/// Words that may not stand in a line, and what to do instead. They are put together here so that this
/// file does not break its own rules.
fn words(file: &SourceFile) -> Vec<Complaint> {
    let label = concat!("\"understudy", ".dev");
    let task = ["TO", "DO"].concat();
    let fixme = ["FIX", "ME"].concat();
    let allow = concat!("#[", "allow(");
    let bare_ignore = concat!("#[", "ignore]");
    let mut found = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        let mut complain = |text: String| found.push(Complaint::at(&file.path, number + 1, text));
        // The derive of a kind takes its group as a literal; a test holds it against the constant.
        let derived = line.trim_start().starts_with("group = ");
        if line.contains(label) && file.path != HOME_OF_LABELS && !derived {
            complain(format!(
                "a label is spelt out: use its constant in {HOME_OF_LABELS}, or add it there"
            ));
        }
        if line.contains(&fixme) || (line.contains(&task) && !line.contains(&format!("{task}(#"))) {
            complain(format!("do it now, or name the issue that will: `{task}(#12): …`"));
        }
        if line.contains(allow) {
            complain(
                "use `#[expect(lint, reason = \"…\")]`: it tells when it is no longer needed"
                    .to_owned(),
            );
        }
        if line.contains(bare_ignore) {
            complain(
                "say what the test needs: `#[ignore = \"needs a bed: cargo verify --only …\"]`"
                    .to_owned(),
            );
        }
    }
    found
}
