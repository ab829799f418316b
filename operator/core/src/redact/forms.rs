//! The forms in which a value is written by programs that mean no harm.

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A value that is shorter is looked for as it is, and not encoded: its code would be a word that means other things.
const ENCODED: usize = 9;

/// Every form, without white space, as views have none either.
pub(super) fn forms(value: &[u8]) -> Vec<String> {
    let bare = |text: &str| text.chars().filter(|letter| !letter.is_whitespace()).collect();
    let mut all: Vec<String> = vec![bare(&String::from_utf8_lossy(value))];
    if value.len() < ENCODED {
        return all;
    }
    for alphabet in [STANDARD, URL_SAFE] {
        all.extend((0..3).map(|skipped| base64(value, alphabet, skipped)));
    }
    all.push(value.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat());
    all.push(value.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().concat());
    all.retain(|form| form.len() >= super::SHORTEST);
    all
}

/// What of a longer base64 text depends on this value alone, if `skipped` bytes modulo three stand before it (RFC 4648).
fn base64(value: &[u8], alphabet: &[u8; 64], skipped: usize) -> String {
    let mut bits: Vec<bool> = Vec::with_capacity(value.len() * 8);
    for byte in value {
        bits.extend((0..8).rev().map(|place| byte >> place & 1 == 1));
    }
    // The first letter that holds nothing of what stands before.
    let start = (6 - (skipped * 8) % 6) % 6;
    let letters = bits.get(start..).unwrap_or_default().chunks_exact(6);
    letters
        .map(|six| six.iter().fold(0_usize, |sum, bit| sum * 2 + usize::from(*bit)))
        .filter_map(|place| alphabet.get(place).copied().map(char::from))
        .collect()
}
