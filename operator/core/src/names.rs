//! What a preview's namespace and hosts are called.
//!
//! Names come from the repository and the number, never from a branch or a title, and are known before
//! anything is deployed.

use sha2::{Digest, Sha256};
use understudy_crds::scalar::DnsLabel;

/// The longest DNS label (RFC 1035, section 2.3.4).
const LONGEST: usize = 63;

/// How much of a hash tells two names apart: 27^5 is 14 million.
const HASH_LENGTH: usize = 5;

/// Letters and digits of hashes: no vowels, so that no hash spells a word, and none that look alike. The
/// alphabet that Kubernetes uses for generated names.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// What a preview is named after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin<'name> {
    /// A pull request of a `PreviewRepository`.
    PullRequest {
        /// The repository object's name.
        repository: &'name str,
        /// The pull request's number.
        number: u32,
    },
    /// The preview's own name: no repository is behind it.
    Object(&'name str),
}

impl Origin<'_> {
    fn stem(self) -> String {
        match self {
            Self::PullRequest { repository, number } => format!("{repository}-{number}"),
            Self::Object(name) => name.to_owned(),
        }
    }

    fn host_stem(self) -> String {
        match self {
            Self::PullRequest { repository, number } => format!("pr-{number}-{repository}"),
            Self::Object(name) => format!("pr-{name}"),
        }
    }
}

/// The namespace: `pv-<repository>-<number>-<hash of the UID>`, or with the object's own name in the
/// middle. The UID alone is hashed, so a reopened pull request never meets its dying namespace, and two
/// previews never share one.
pub fn namespace(origin: Origin<'_>, uid: &str) -> String {
    format!("{}-{}", cut(&format!("pv-{}", origin.stem()), LONGEST - HASH_LENGTH - 1), hash(uid))
}

/// The host label of an exposed service: the first (`None`) is the preview's own. A label that would be
/// too long is cut and given a hash of the whole.
pub fn host_label(origin: Origin<'_>, service: Option<&DnsLabel>) -> String {
    let stem = origin.host_stem();
    let whole = service.map_or_else(|| stem.clone(), |name| format!("{name}-{stem}"));
    let plain = cut(&whole, whole.len());
    if plain.len() <= LONGEST && plain == whole {
        return plain;
    }
    format!("{}-{}", cut(&whole, LONGEST - HASH_LENGTH - 1), hash(&whole))
}

/// The label of a preview whose own is held by an older one: the same with a hash of its UID.
pub fn contested_host_label(label: &str, uid: &str) -> String {
    format!("{}-{}", cut(label, LONGEST - HASH_LENGTH - 1), hash(uid))
}

/// At most that many characters of a name, as a DNS label: what may not stand in one becomes a dash.
fn cut(name: &str, longest: usize) -> String {
    let allowed = |letter: char| {
        if letter.is_ascii_lowercase() || letter.is_ascii_digit() { letter } else { '-' }
    };
    let text: String = name.to_ascii_lowercase().chars().map(allowed).take(longest).collect();
    text.trim_matches('-').to_owned()
}

/// Five letters and digits that depend on the whole text.
fn hash(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let number = digest.iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    let mut rest = number;
    (0..HASH_LENGTH)
        .map(|_| {
            let place = usize::try_from(rest % ALPHABET.len() as u64).unwrap_or(0);
            rest /= ALPHABET.len() as u64;
            ALPHABET.get(place).map_or('x', |letter| char::from(*letter))
        })
        .collect()
}

#[cfg(test)]
mod tests;
