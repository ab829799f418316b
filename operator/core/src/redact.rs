//! What takes secrets out of text before anybody sees it: those that a preview knows, in whatever form they are
//! written, and whatever looks like a credential of somebody else.

mod forms;
mod shapes;
mod views;

use std::{fmt, sync::Arc};

use forms::forms;
use views::views;

/// A value shorter than this would blot out ordinary words, and is not looked for.
pub const SHORTEST: usize = 6;

/// A line of a secret of several lines is looked for on its own from this length on.
const LINE: usize = 16;

/// A secret that is known.
#[derive(Clone)]
pub struct Known {
    /// What is said in its place: `db/password`.
    pub name: String,
    /// Its value.
    pub value: Vec<u8>,
}

impl fmt::Debug for Known {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Known({})", self.name)
    }
}

/// Takes secrets out of text.
#[derive(Clone, Default)]
pub struct Redactor {
    /// What is looked for, the longest first, and what is said in its place.
    needles: Arc<Vec<(String, String)>>,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Redactor({} forms)", self.needles.len())
    }
}

/// A part of a text that does not stay.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Find {
    from: usize,
    to: usize,
    words: String,
}

impl Redactor {
    /// For these secrets, and for the shapes of foreign ones.
    pub fn new(known: &[Known]) -> Self {
        let mut needles = Vec::new();
        for Known { name, value } in known {
            let words = format!("[secret {name}]");
            let text = String::from_utf8_lossy(value);
            let whole = std::iter::once(text.trim());
            let lines = text.lines().map(str::trim).filter(|line| line.len() >= LINE);
            for one in whole.chain(lines).filter(|one| one.len() >= SHORTEST) {
                needles.extend(forms(one.as_bytes()).into_iter().map(|form| (form, words.clone())));
            }
        }
        // A secret may be part of another.
        needles.sort_by(|one, other| (other.0.len(), &one.0).cmp(&(one.0.len(), &other.0)));
        needles.dedup_by(|one, other| one.0 == other.0);
        Self { needles: Arc::new(needles) }
    }

    /// The text without them.
    pub fn text(&self, text: &str) -> String {
        let mut finds = shapes::find(text);
        for view in views(text) {
            for (needle, words) in self.needles.iter() {
                for (from, found) in view.text.match_indices(needle.as_str()) {
                    finds.push(view.find(from, from + found.len(), words));
                }
            }
        }
        replaced(text, finds)
    }
}

/// The text with each find replaced. Of finds that overlap the first gives the words, and all of them go.
fn replaced(text: &str, mut finds: Vec<Find>) -> String {
    finds.sort_by(|one, other| (one.from, other.to).cmp(&(other.from, one.to)));
    let mut kept = String::with_capacity(text.len());
    let mut end = 0;
    for Find { from, to, words } in finds {
        if from >= end {
            kept.push_str(text.get(end..from).unwrap_or_default());
            kept.push_str(&words);
        }
        end = end.max(to);
    }
    kept.push_str(text.get(end..).unwrap_or_default());
    kept
}

/// The text without escape sequences of terminals and other control characters; a line that was written over becomes
/// several.
pub fn plain(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\u{1b}' => escape(&mut letters),
            '\u{9b}' => control(&mut letters),
            '\r' => {
                if letters.peek() != Some(&'\n') {
                    kept.push('\n');
                }
            }
            '\n' | '\t' => kept.push(letter),
            // Marks that turn the direction of what follows.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            letter if letter.is_control() => {}
            letter => kept.push(letter),
        }
    }
    kept
}

type Letters<'text> = std::iter::Peekable<std::str::Chars<'text>>;

/// The rest of an escape sequence (ECMA-48).
fn escape(letters: &mut Letters<'_>) {
    match letters.next() {
        Some('[') => control(letters),
        // A string, such as a title or a link: to BEL or ESC \.
        Some(']' | 'P' | 'X' | '^' | '_') => {
            while let Some(letter) = letters.next() {
                if letter == '\u{7}' || letter == '\u{9c}' {
                    break;
                }
                if letter == '\u{1b}' {
                    letters.next();
                    break;
                }
            }
        }
        _ => {}
    }
}

fn control(letters: &mut Letters<'_>) {
    for letter in letters.by_ref() {
        if ('@'..='~').contains(&letter) {
            break;
        }
    }
}

#[cfg(test)]
mod tests;
