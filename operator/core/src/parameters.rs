//! Parameters in manifests and checks: `{{ commit.sha }}` becomes the commit.
//!
//! Only strings are rendered, and a string stays one: whatever a value contains, it cannot change the
//! structure around it. A name that is not defined is a refusal that says which one was meant.

mod tags;

use std::{
    cell::Cell,
    collections::BTreeMap,
    io::{self, Write},
};

use minijinja::{Environment, ErrorKind, UndefinedBehavior, syntax::SyntaxConfig};
use serde_json::{Map, Value};

/// The longest text that a string may become, in bytes.
const LONGEST: usize = 64 << 10;

/// The longest that everything below one manifest may become, in bytes: no larger object could be stored.
const LONGEST_ALL: usize = 1 << 20;

/// How many steps rendering one string may take; a plain replacement takes less than ten.
const FUEL: u64 = 10_000;

/// Names further apart than this are no typing mistake of each other.
const FARTHEST: usize = 4;

/// The values that parameters stand for, by their dotted names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parameters {
    values: BTreeMap<String, String>,
}

/// Why a text could not be rendered: the user must change it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A name without a value.
    #[error("{place}: `{{{{ {name} }}}}` is not defined{}", suggested(nearest.as_deref()))]
    Undefined {
        /// Where it stands: `spec.template.spec.containers[0].image`.
        place: String,
        /// The name.
        name: String,
        /// The defined name that looks most like it.
        nearest: Option<String>,
    },
    /// Braces that are no parameter.
    #[error(
        "{place}: cannot be understood as text with parameters ({problem}); write `{{{{ '{{{{' }}}}` for two plain braces"
    )]
    Malformed {
        /// Where it stands.
        place: String,
        /// What is wrong.
        problem: String,
    },
    /// A text that became too long, or took too long.
    #[error(
        "{place}: becomes longer than {} KiB, or takes too long to render: make it shorter, or leave out loops",
        LONGEST >> 10
    )]
    TooLarge {
        /// Where it stands.
        place: String,
    },
}

impl Parameters {
    /// Adds a value under a dotted name of at most two words, such as `commit.sha`.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.values.insert(name.to_owned(), value.into());
        self
    }

    /// Every defined name.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// The defined names that a text uses; none if it is no text with parameters.
    pub fn used(&self, text: &str) -> Vec<String> {
        if tags::check(text).is_err() {
            return Vec::new();
        }
        let mut environment = Environment::empty();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let Ok(template) = environment.template_from_str(text) else { return Vec::new() };
        let names = template.undeclared_variables(true).into_iter();
        let mut names: Vec<String> = names.filter(|name| self.values.contains_key(name)).collect();
        names.sort();
        names
    }

    /// Renders every string below `value`; names of fields are left as they are.
    pub fn render(&self, value: &Value) -> Result<Value, Refusal> {
        self.below(value, "", &Cell::new(LONGEST_ALL))
    }

    /// Renders one text; `place` is where it stands, for the refusal.
    pub fn render_text(&self, text: &str, place: &str) -> Result<String, Refusal> {
        self.text(text, place, &Cell::new(LONGEST_ALL))
    }

    /// Renders one text, as long as there is room for it.
    fn text(&self, text: &str, place: &str, room: &Cell<usize>) -> Result<String, Refusal> {
        if !text.contains("{{") && !text.contains("{%") && !text.contains("{#") {
            return Ok(text.to_owned());
        }
        tags::check(text)
            .map_err(|problem| Refusal::Malformed { place: place.to_owned(), problem })?;
        let mut environment = Environment::empty();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        let syntax = SyntaxConfig::builder().keep_trailing_newline(true).build();
        environment.set_syntax(syntax.map_err(|error| malformed(place, &error))?);
        let template =
            environment.template_from_str(text).map_err(|error| malformed(place, &error))?;
        let mut used: Vec<String> = template.undeclared_variables(true).into_iter().collect();
        used.sort();
        if let Some(name) = used.into_iter().find(|name| !self.values.contains_key(name)) {
            return Err(self.undefined(place, name));
        }
        let mut page = Page { text: Vec::new(), room: LONGEST.min(room.get()) };
        template.render_captured_to(self.tree(), &mut page).map(drop).map_err(
            |error| match error.kind() {
                ErrorKind::OutOfFuel | ErrorKind::WriteFailure => {
                    Refusal::TooLarge { place: place.to_owned() }
                }
                _ => malformed(place, &error),
            },
        )?;
        room.set(room.get().saturating_sub(page.text.len()));
        String::from_utf8(page.text).map_err(|_| Refusal::Malformed {
            place: place.to_owned(),
            problem: "it is no text".to_owned(),
        })
    }

    fn below(&self, value: &Value, place: &str, room: &Cell<usize>) -> Result<Value, Refusal> {
        match value {
            Value::String(text) => self.text(text, place, room).map(Value::String),
            Value::Array(items) => {
                let rendered = items.iter().enumerate();
                rendered
                    .map(|(index, item)| self.below(item, &format!("{place}[{index}]"), room))
                    .collect()
            }
            Value::Object(fields) => {
                let mut rendered = Map::new();
                for (name, field) in fields {
                    let dot = if place.is_empty() { "" } else { "." };
                    let below = self.below(field, &format!("{place}{dot}{name}"), room)?;
                    rendered.insert(name.clone(), below);
                }
                Ok(Value::Object(rendered))
            }
            plain => Ok(plain.clone()),
        }
    }

    /// The values as the nested objects that templates walk.
    fn tree(&self) -> minijinja::Value {
        let mut groups: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        let mut tree: BTreeMap<String, minijinja::Value> = BTreeMap::new();
        for (name, value) in &self.values {
            if let Some((group, name)) = name.split_once('.') {
                let group = groups.entry(group.to_owned()).or_default();
                group.insert(name.to_owned(), value.clone());
            } else {
                tree.insert(name.clone(), value.as_str().into());
            }
        }
        tree.extend(groups.into_iter().map(|(name, group)| (name, group.into())));
        tree.into()
    }

    fn undefined(&self, place: &str, name: String) -> Refusal {
        let nearest = self
            .names()
            .map(|known| (strsim::damerau_levenshtein(known, &name), known))
            .filter(|(distance, _)| *distance <= FARTHEST)
            .min()
            .map(|(_, known)| known.to_owned());
        Refusal::Undefined { place: place.to_owned(), name, nearest }
    }
}

/// A page that takes no more than it has room for.
struct Page {
    text: Vec<u8>,
    room: usize,
}

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.text.len() + bytes.len() > self.room {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn malformed(place: &str, error: &minijinja::Error) -> Refusal {
    let problem = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    Refusal::Malformed { place: place.to_owned(), problem }
}

fn suggested(nearest: Option<&str>) -> String {
    nearest.map_or_else(
        || {
            "; values of your own stand under `parameters` of the template, and `{{ params.NAME }}` uses them"
                .to_owned()
        },
        |name| format!("; did you mean `{{{{ {name} }}}}`?"),
    )
}

#[cfg(test)]
mod tests;
