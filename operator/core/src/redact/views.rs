//! A text as it reads once escapes are undone and white space is left out, with the way back to where it stands.

use super::Find;

/// A text, and where each of its bytes comes from.
pub(super) struct View {
    pub(super) text: String,
    /// For each byte of the view: from where to where it stands in the text.
    places: Vec<(usize, usize)>,
}

impl View {
    fn push(&mut self, letter: char, from: usize, to: usize) {
        if letter.is_whitespace() {
            return;
        }
        self.text.push(letter);
        self.places.extend(std::iter::repeat_n((from, to), letter.len_utf8()));
    }

    /// A part of the view, as a part of the text.
    pub(super) fn find(&self, from: usize, to: usize, words: &str) -> Find {
        let start = self.places.get(from).map_or(0, |place| place.0);
        let end = self.places.get(to.saturating_sub(1)).map_or(start, |place| place.1);
        Find { from: start, to: end, words: words.to_owned() }
    }
}

/// The text as it stands, and as it reads if it is a part of a URL, of JSON or a shell's words, or of HTML.
pub(super) fn views(text: &str) -> Vec<View> {
    let mut all = vec![view(text, |_| None)];
    if text.contains('%') || text.contains('+') {
        all.push(view(text, percent));
    }
    if text.contains('\\') {
        all.push(view(text, backslash));
    }
    if text.contains('&') {
        all.push(view(text, reference));
    }
    all
}

/// `undone` reads an escape at the beginning of what it is given: what it stands for, and how many bytes it has.
fn view(text: &str, undone: impl Fn(&str) -> Option<(Option<char>, usize)>) -> View {
    let mut view = View { text: String::with_capacity(text.len()), places: Vec::new() };
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let Some(letter) = rest.chars().next() else { break };
        let (meant, length) = undone(rest).unwrap_or((Some(letter), letter.len_utf8()));
        if let Some(meant) = meant {
            view.push(meant, at, at + length);
        }
        at += length;
    }
    view
}

/// RFC 3986, and `+` for a space as forms write it. Only letters of ASCII: others stand as they are in other views.
fn percent(rest: &str) -> Option<(Option<char>, usize)> {
    if rest.starts_with('+') {
        return Some((None, 1));
    }
    let code = rest.strip_prefix('%')?.get(..2)?;
    let byte = u8::from_str_radix(code, 16).ok().filter(u8::is_ascii)?;
    Some((Some(char::from(byte)), 3))
}

/// RFC 8259, 7, and a shell's backslash before any character, a line's end among them.
fn backslash(rest: &str) -> Option<(Option<char>, usize)> {
    let escaped = rest.strip_prefix('\\')?;
    let letter = escaped.chars().next()?;
    if letter == 'u' {
        let code = u32::from_str_radix(escaped.get(1..5)?, 16).ok()?;
        return Some((char::from_u32(code), 6));
    }
    let meant = match letter {
        'n' | 'r' | 't' | '\n' | '\r' => None,
        other => Some(other),
    };
    Some((meant, 1 + letter.len_utf8()))
}

/// References of HTML and XML.
fn reference(rest: &str) -> Option<(Option<char>, usize)> {
    let name = rest.strip_prefix('&')?;
    let end = name.find(';').filter(|end| *end <= 8)?;
    let name = name.get(..end)?;
    let meant = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        _ => {
            let code = name.strip_prefix('#')?;
            let code = match code.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => code.parse().ok()?,
            };
            char::from_u32(code)?
        }
    };
    Some((Some(meant), end + 2))
}
