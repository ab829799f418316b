//! The attributes that are looked at; all others are passed over.

use quick_xml::events::BytesStart;

use super::text::Text;

/// The longest name that is kept, in bytes.
pub(super) const LONGEST_NAME: usize = 1 << 10;

/// What is looked at.
const KNOWN: [&str; 14] = [
    "classname",
    "disabled",
    "errors",
    "failures",
    "file",
    "filepath",
    "message",
    "name",
    "result",
    "skipped",
    "status",
    "tests",
    "timestamp",
    "type",
];

/// The attributes of one tag.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    found: Vec<(&'static str, String)>,
}

impl Attributes {
    /// Those of that tag; each is cut to `longest` bytes. Says in words what is wrong with them.
    pub(super) fn of(tag: &BytesStart<'_>, longest: usize) -> Result<Self, String> {
        let mut found: Vec<(&'static str, String)> = Vec::new();
        // The parser's own look for names that stand twice takes time with the square of their number.
        for attribute in tag.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| error.to_string())?;
            let key = attribute.key.as_ref();
            let Some(name) = KNOWN.into_iter().find(|name| *name == key) else { continue };
            if found.iter().any(|(known, _)| *known == name) {
                return Err(format!("the attribute `{name}` stands twice in one tag"));
            }
            let mut text = Text::new(longest);
            text.expand(&attribute.value)?;
            found.push((name, text.done()));
        }
        Ok(Self { found })
    }

    /// The attribute of that name, if it is there and says something.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.found.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// The same, cut to the length of a name.
    pub(super) fn name(&self, name: &str) -> Option<String> {
        self.get(name).map(|value| {
            let mut text = Text::new(LONGEST_NAME);
            text.push(value);
            text.done()
        })
    }

    /// A number, if the attribute is one.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }
}
