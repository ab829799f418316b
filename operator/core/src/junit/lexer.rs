//! Where in a document a byte stands, and whether the parser needs to see it.
//!
//! The parser keeps each of its events whole, however long. So of every text, value of an attribute,
//! comment and instruction only the beginning is shown to it: the lexer follows the document byte by byte,
//! in no memory of its own, and says which bytes are left out. What is left out must be UTF-8 all the same.

use std::mem;

use super::fault::Fault;

/// The longest reference that is not cut in two, in bytes.
const LONGEST_REFERENCE: usize = 64;

/// What is wrong with text around the root.
pub(super) const OUTSIDE: &str = "text stands outside of the root element";

const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// What a byte stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Text,
    /// Behind `<`.
    Open,
    /// Behind `<!`.
    Bang,
    /// In a word that must follow there, with its number of letters seen.
    Word(Kind, usize),
    /// In a tag, outside of values.
    Tag,
    /// In an attribute's value, with the quote that ends it.
    Value(u8),
    /// In something that a closing word ends, with the letters of that word that were just seen.
    Inside(Kind, usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Comment,
    Data,
    Instruction,
}

impl Kind {
    /// Behind `<!`.
    fn opening(self) -> &'static [u8] {
        match self {
            Self::Comment => b"--",
            Self::Data => b"[CDATA[",
            Self::Instruction => b"",
        }
    }

    fn closing(self) -> &'static [u8] {
        match self {
            Self::Comment => b"-->",
            Self::Data => b"]]>",
            Self::Instruction => b"?>",
        }
    }
}

/// Follows a document.
#[derive(Debug)]
pub(super) struct Lexer {
    place: Place,
    /// How many bytes of one text or value are shown.
    shown: usize,
    /// How many of this one were shown.
    run: usize,
    /// Whether something of this one was left out.
    cut: bool,
    /// How many bytes of a reference were seen, with its `&`; 0 outside of one.
    reference: usize,
    letters: Letters,
    bytes: u64,
    limit: u64,
    line: u64,
}

/// A stretch of bytes of which all or none are shown.
#[derive(Debug, Default)]
pub(super) struct Stretch {
    /// How many bytes.
    pub(super) length: usize,
    /// Whether they are left out.
    pub(super) hidden: bool,
    /// What is shown after it, in place of an ending that was left out.
    pub(super) ending: &'static [u8],
    /// What ends the reading behind it.
    pub(super) fault: Option<Fault>,
}

impl Lexer {
    /// At the beginning of a document of at most `limit` bytes.
    pub(super) fn new(limit: u64, shown: usize) -> Self {
        Self {
            place: Place::Text,
            shown,
            run: 0,
            cut: false,
            reference: 0,
            letters: Letters::default(),
            bytes: 0,
            limit,
            line: 1,
        }
    }

    /// The line of the next byte.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Whether the document may end here: outside of markup.
    pub(super) fn in_text(&self) -> bool {
        self.place == Place::Text
    }

    /// What is wrong if the document ends here.
    pub(super) fn end(&self) -> Option<Fault> {
        (!self.letters.whole()).then_some(Fault::LeaveUtf8 { line: self.line })
    }

    /// Follows the bytes as far as they are alike.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> Stretch {
        let mut stretch = Stretch::default();
        for &byte in bytes {
            let hidden = self.hides(byte);
            if stretch.length > 0 && hidden != stretch.hidden {
                break;
            }
            stretch.hidden = hidden;
            if let Some(fault) = self.refuses(byte) {
                stretch.fault = Some(fault);
                break;
            }
            stretch.length += 1;
            let was = self.place;
            if let Err(fault) = self.step(byte, hidden) {
                stretch.length -= 1;
                stretch.fault = Some(fault);
                break;
            }
            if let Place::Inside(kind, _) = was
                && hidden
                && self.place == Place::Text
            {
                stretch.ending = kind.closing();
                break;
            }
        }
        stretch
    }

    /// Whether the byte is left out.
    fn hides(&self, byte: u8) -> bool {
        if self.bytes < 3 {
            return mark(self.bytes) == Some(byte);
        }
        // A letter is shown whole or not at all.
        let full = self.run >= self.shown && self.letters.whole();
        let referring = (1..LONGEST_REFERENCE).contains(&self.reference);
        match self.place {
            Place::Text => byte != b'<' && (self.cut || full && !referring),
            Place::Value(quote) => byte != quote && (self.cut || full && !referring),
            Place::Inside(..) => self.cut || full,
            Place::Open | Place::Bang | Place::Word(..) | Place::Tag => false,
        }
    }

    /// What is wrong with the byte, wherever it stands.
    fn refuses(&mut self, byte: u8) -> Option<Fault> {
        if self.bytes == self.limit {
            return Some(Fault::PassBytes { limit: self.limit });
        }
        // Both orders of UTF-16 and UTF-32, with their mark and without.
        if self.bytes < 2 && (byte == 0 || self.bytes == 0 && byte >= 0xfe) {
            return Some(Fault::UseUtf16);
        }
        // The parser would pass over a second mark, but only one that comes in one piece.
        if self.bytes == 3 && self.run == 0 && self.place == Place::Text && mark(0) == Some(byte) {
            return Some(Fault::BreakXml { line: self.line, problem: OUTSIDE.to_owned() });
        }
        (!self.letters.take(byte)).then_some(Fault::LeaveUtf8 { line: self.line })
    }

    fn step(&mut self, byte: u8, hidden: bool) -> Result<(), Fault> {
        let was = self.place;
        self.place = match was {
            _ if hidden && self.bytes < 3 => Place::Text,
            Place::Text if byte == b'<' => Place::Open,
            Place::Value(quote) if byte == quote => Place::Tag,
            Place::Text | Place::Value(_) => self.refer(byte, hidden),
            Place::Open => match byte {
                b'!' => Place::Bang,
                b'?' => Place::Inside(Kind::Instruction, 0),
                b'>' => Place::Text,
                _ => Place::Tag,
            },
            Place::Bang => match byte {
                b'-' => Place::Word(Kind::Comment, 1),
                b'[' => Place::Word(Kind::Data, 1),
                b'D' | b'd' => return Err(Fault::DeclareDoctype { line: self.line }),
                _ => return Err(self.bang()),
            },
            Place::Word(kind, seen) if kind.opening().get(seen) == Some(&byte) => {
                let whole = seen + 1 == kind.opening().len();
                if whole { Place::Inside(kind, 0) } else { Place::Word(kind, seen + 1) }
            }
            Place::Word(..) => return Err(self.bang()),
            Place::Tag => match byte {
                b'>' => Place::Text,
                b'"' | b'\'' => Place::Value(byte),
                _ => Place::Tag,
            },
            Place::Inside(kind, seen) => closer(kind, seen, byte),
        };
        if mem::discriminant(&was) == mem::discriminant(&self.place) {
            self.run += usize::from(!hidden);
            self.cut |= hidden && self.bytes >= 3;
        } else {
            (self.run, self.cut, self.reference) = (0, false, 0);
        }
        self.bytes += 1;
        self.line += u64::from(byte == b'\n');
        Ok(())
    }

    /// Follows references, in a text or a value; the place stays the same.
    fn refer(&mut self, byte: u8, hidden: bool) -> Place {
        self.reference = match byte {
            _ if hidden => 0,
            b'&' => 1,
            b';' => 0,
            _ if self.reference > 0 => self.reference + 1,
            _ => 0,
        };
        self.place
    }

    fn bang(&self) -> Fault {
        let problem = "`<!` begins neither a comment nor character data".to_owned();
        Fault::BreakXml { line: self.line, problem }
    }
}

/// Where a byte leads inside of something that a closing word ends.
fn closer(kind: Kind, seen: usize, byte: u8) -> Place {
    let closing = kind.closing();
    if closing.get(seen) != Some(&byte) {
        // A third dash in `--->` leaves two of them seen; anything else begins anew.
        let first = closing.first() == Some(&byte);
        let seen = if first { seen.max(1) } else { 0 };
        return Place::Inside(kind, seen);
    }
    if seen + 1 == closing.len() { Place::Text } else { Place::Inside(kind, seen + 1) }
}

/// The byte at that place of a byte order mark.
fn mark(place: u64) -> Option<u8> {
    BYTE_ORDER_MARK.get(usize::try_from(place).ok()?).copied()
}

/// Whether bytes make letters of UTF-8.
#[derive(Debug)]
struct Letters {
    missing: u8,
    lowest: u8,
    highest: u8,
}

impl Default for Letters {
    fn default() -> Self {
        Self { missing: 0, lowest: 0x80, highest: 0xbf }
    }
}

impl Letters {
    /// Whether no letter has begun and not ended.
    fn whole(&self) -> bool {
        self.missing == 0
    }

    /// Takes a byte; false if it cannot stand there.
    fn take(&mut self, byte: u8) -> bool {
        if self.missing > 0 {
            let fits = (self.lowest..=self.highest).contains(&byte);
            *self = Self { missing: self.missing - 1, ..Self::default() };
            return fits;
        }
        let (missing, lowest, highest) = match byte {
            0..=0x7f => return true,
            0xc2..=0xdf => (1, 0x80, 0xbf),
            0xe0 => (2, 0xa0, 0xbf),
            0xed => (2, 0x80, 0x9f),
            0xe1..=0xef => (2, 0x80, 0xbf),
            0xf0 => (3, 0x90, 0xbf),
            0xf1..=0xf3 => (3, 0x80, 0xbf),
            0xf4 => (3, 0x80, 0x8f),
            _ => return false,
        };
        *self = Self { missing, lowest, highest };
        true
    }
}
