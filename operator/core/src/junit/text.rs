//! Text of a report as people will see it, and references in it: `&amp;` and `&#10;`, and no entity beside
//! the five that XML itself defines.

/// Text that grows to a length and no further, without control characters: it is shown to people, and
/// travels through JSON and terminals.
#[derive(Debug, Default)]
pub(super) struct Text {
    kept: String,
    longest: usize,
    cut: bool,
}

impl Text {
    pub(super) fn new(longest: usize) -> Self {
        Self { kept: String::new(), longest, cut: false }
    }

    /// Adds what still has room.
    pub(super) fn push(&mut self, text: &str) {
        let shown = |letter: &char| !letter.is_control() || matches!(letter, '\n' | '\t');
        for letter in text.chars().filter(shown) {
            if self.cut || self.kept.len() + letter.len_utf8() > self.longest {
                self.cut = true;
                return;
            }
            self.kept.push(letter);
        }
    }

    /// Adds text in which references stand for letters. Says in words which one stands for nothing.
    pub(super) fn expand(&mut self, text: &str) -> Result<(), String> {
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('&') {
            self.push(before);
            let (name, after) =
                after.split_once(';').ok_or("`&` stands alone: it is written `&amp;`")?;
            self.reference(name)?;
            rest = after;
        }
        self.push(rest);
        Ok(())
    }

    /// Adds the letter that a reference stands for, by what is between `&` and `;`.
    pub(super) fn reference(&mut self, name: &str) -> Result<(), String> {
        let letter = letter(name).ok_or_else(|| {
            let mut shown = Self::new(64);
            shown.push(name);
            format!("the entity `&{};` is not defined", shown.done())
        })?;
        self.push(letter.encode_utf8(&mut [0; 4]));
        Ok(())
    }

    /// Lets it grow to that length, if it could not.
    pub(super) fn allow(&mut self, longest: usize) {
        self.longest = self.longest.max(longest);
    }

    /// Adds text on a line of its own.
    pub(super) fn line(&mut self, text: &str) {
        if !self.kept.is_empty() {
            self.push("\n");
        }
        self.push(text);
    }

    /// Without spaces around it, and with a mark if something was left out.
    pub(super) fn done(&self) -> String {
        let mark = if self.cut { "…" } else { "" };
        format!("{}{mark}", self.kept.trim())
    }
}

fn letter(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "apos" => Some('\''),
        "gt" => Some('>'),
        "lt" => Some('<'),
        "quot" => Some('"'),
        _ => {
            let number = name.strip_prefix('#')?;
            let (digits, radix) = number.strip_prefix('x').map_or((number, 10), |hex| (hex, 16));
            // `from_str_radix` would take a sign.
            let plain = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            char::from_u32(u32::from_str_radix(digits, radix).ok().filter(|_| plain)?)
        }
    }
}
