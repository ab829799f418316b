//! How refusals are put together: a line each, whole ones only, and nothing in them that a terminal or a
//! browser would not show.

use super::status::cut;

/// The longest list, in bytes: a status has room for it and for a word about the commit.
const LONGEST: usize = 900;

/// The longest sentence; what it quotes may be of any length.
const LONGEST_SENTENCE: usize = 400;

/// The sentences that fit, in their order, and how many there are beside them.
pub(super) fn joined(sentences: &[String]) -> String {
    let mut lines = String::new();
    for (index, sentence) in sentences.iter().enumerate() {
        let sentence = cut(&legible(sentence), LONGEST_SENTENCE);
        if lines.len() + sentence.len() > LONGEST {
            let left = sentences.len() - index;
            return format!("{lines}\n… and {left} more, shown when these are mended");
        }
        if index > 0 {
            lines.push('\n');
        }
        lines.push_str(&sentence);
    }
    lines
}

/// The text on one line, with what cannot be seen written out: `U+202E` turns a whole line around.
pub(super) fn legible(text: &str) -> String {
    text.chars().fold(String::new(), |mut shown, letter| {
        if is_unseen(letter) {
            shown.push_str(&format!("<U+{:04X}>", u32::from(letter)));
        } else {
            shown.push(letter);
        }
        shown
    })
}

/// Controls, and marks of direction and width.
fn is_unseen(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::{joined, legible};

    #[test]
    fn list_that_is_too_long_ends_with_how_many_are_left() {
        let sentence = |number: usize| format!("Deployment web{number}: {}", "x".repeat(80));
        let sentences: Vec<String> = (0..40).map(sentence).collect();
        let text = joined(&sentences);
        assert!(text.len() <= 944, "{}", text.len());
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.iter().take(8).all(|line| line.ends_with('x')), "{text}");
        let left = 40 - (lines.len() - 1);
        let last = format!("… and {left} more, shown when these are mended");
        assert_eq!(lines.last(), Some(&last.as_str()));
        assert_eq!(joined(&["one".to_owned(), "two".to_owned()]), "one\ntwo");
        assert!(joined(&["x".repeat(5000)]).len() <= 400);
    }

    #[test]
    fn what_cannot_be_seen_is_written_out() {
        assert_eq!(legible("a\u{202e}b\nc é 例"), "a<U+202E>b<U+000A>c é 例");
    }
}
