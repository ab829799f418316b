//! Where each piece of evidence lies in the store, and the names it may have: nothing is shared between previews,
//! and no name leads out of its place.

use std::{fmt, str::FromStr};

use object_store::path::Path;
use understudy_core::evidence;

/// How many characters a UID may have; those of Kubernetes have 36.
const LONGEST_UID: usize = 63;

/// The letters of a key: base32 of RFC 4648, in lower case.
const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// How many of them carry 128 bits.
const KEY_LETTERS: usize = 26;

/// What is no UID, digest or key. What it was instead is not repeated: it could be anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[expect(
    clippy::enum_variant_names,
    reason = "an error is named by what was tried, which is reading"
)]
pub(crate) enum NameError {
    /// A UID has another form.
    #[error("a UID has 1 to 63 characters of a-z, 0-9 and -")]
    ReadUid,
    /// A digest has another form.
    #[error("a digest is sha256: and 64 characters of 0-9 and a-f")]
    ReadDigest,
    /// A key has another form.
    #[error("a key has 26 characters of a-z and 2-7")]
    ReadKey,
}

/// The UID of a preview or of a Job.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Uid(String);

impl Uid {
    /// One that nobody else has.
    pub(crate) fn random() -> Self {
        Self(format!("{:032x}", rand::random::<u128>()))
    }
}

impl FromStr for Uid {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let fits = (1..=LONGEST_UID).contains(&text.len()) && text.bytes().all(plain);
        if fits { Ok(Self(text.to_owned())) } else { Err(NameError::ReadUid) }
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The SHA-256 of some bytes, as the store writes it: printed as 64 characters, read with and without `sha256:` before
/// them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Digest(evidence::Digest);

impl Digest {
    /// Of these bytes.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self(evidence::Digest::of(bytes))
    }

    /// Of what went into the hasher.
    pub(crate) fn finished(hasher: sha2::Sha256) -> Self {
        Self(hasher.into())
    }
}

impl From<evidence::Digest> for Digest {
    fn from(digest: evidence::Digest) -> Self {
        Self(digest)
    }
}

impl FromStr for Digest {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let hex = text.strip_prefix("sha256:").unwrap_or(text);
        evidence::Digest::from_hex(hex).map(Self).map_err(|_| NameError::ReadDigest)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "sha256:{self}")
    }
}

/// What a link to a preview's evidence carries: who knows it may read. It is never printed by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PreviewKey(String);

impl PreviewKey {
    /// A new one, of 128 bits from the thread's generator, which is a cryptographic one.
    pub(crate) fn random() -> Self {
        let bits: u128 = rand::random();
        // Five bits a letter, and three in the last.
        let letter = |place: usize| {
            let five = (bits >> (5 * place)) & 31;
            let index = usize::try_from(five).unwrap_or_default();
            LETTERS.get(index).copied().map_or('a', char::from)
        };
        Self((0..KEY_LETTERS).map(letter).collect())
    }

    /// As it stands in a link and in the preview's record.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// What it is found by: comparing hashes tells nothing of a key by the time it takes.
    pub(crate) fn hash(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }
}

impl FromStr for PreviewKey {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let fits = text.len() == KEY_LETTERS && text.bytes().all(|byte| LETTERS.contains(&byte));
        if fits { Ok(Self(text.to_owned())) } else { Err(NameError::ReadKey) }
    }
}

impl fmt::Debug for PreviewKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PreviewKey(…)")
    }
}

/// The documents of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Document {
    /// What the run was started as: `run.json`.
    Run,
    /// What came out of it, by digest: `manifest.json`.
    Manifest,
    /// What it means: `verdict.json`.
    Verdict,
}

impl Document {
    const ALL: [Self; 3] = [Self::Run, Self::Manifest, Self::Verdict];

    const fn name(self) -> &'static str {
        match self {
            Self::Run => "run.json",
            Self::Manifest => "manifest.json",
            Self::Verdict => "verdict.json",
        }
    }
}

/// A place inside a preview's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// Whose evidence this is: `preview.json`.
    Record,
    /// A document of the run of this Job.
    Run(Uid, Document),
    /// Bytes with this digest.
    Blob(Digest),
    /// A note about an upload in parts that has begun: its name means nothing.
    Upload(Uid),
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record => formatter.write_str("preview.json"),
            Self::Run(job, document) => write!(formatter, "runs/{job}/{}", document.name()),
            Self::Blob(digest) => write!(formatter, "blobs/{digest}"),
            Self::Upload(name) => write!(formatter, "uploads/{name}"),
        }
    }
}

/// Turns places into the store's paths, and back.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    prefix: Path,
}

impl Layout {
    /// Everything lies under this prefix.
    pub(crate) const fn under(prefix: Path) -> Self {
        Self { prefix }
    }

    /// The folder that holds all previews.
    pub(crate) const fn root(&self) -> &Path {
        &self.prefix
    }

    /// The path of a place.
    pub(crate) fn path(&self, preview: &Uid, place: &Place) -> Path {
        self.inside(&format!("{preview}/{place}"))
    }

    /// Everything of one preview.
    pub(crate) fn preview(&self, preview: &Uid) -> Path {
        self.inside(&preview.0)
    }

    /// The runs of one preview.
    pub(crate) fn runs(&self, preview: &Uid) -> Path {
        self.inside(&format!("{preview}/runs"))
    }

    /// One run of one preview.
    pub(crate) fn run(&self, preview: &Uid, job: &Uid) -> Path {
        self.inside(&format!("{preview}/runs/{job}"))
    }

    /// Beside the previews, where a store is tried out: no preview's UID begins with a dot.
    pub(crate) fn probe(&self, name: &Uid) -> Path {
        self.inside(&format!(".probe-{name}"))
    }

    /// Whether something at the top was left by trying the store out.
    pub(crate) fn is_probe(path: &Path) -> bool {
        path.filename().is_some_and(|name| name.starts_with(".probe-"))
    }

    /// Whose place this is and which; none if it is not one of ours.
    pub(crate) fn place(&self, path: &Path) -> Option<(Uid, Place)> {
        let mut parts = path.prefix_match(&self.prefix)?.map(|part| part.as_ref().to_owned());
        let preview = parts.next()?.parse().ok()?;
        let kind = parts.next()?;
        let (name, last) = (parts.next(), parts.next());
        if parts.next().is_some() {
            return None;
        }
        let place = match (kind.as_str(), name, last) {
            ("preview.json", None, None) => Place::Record,
            ("blobs", Some(digest), None) => Place::Blob(digest.parse().ok()?),
            ("uploads", Some(name), None) => Place::Upload(name.parse().ok()?),
            ("runs", Some(job), Some(file)) => {
                let document = Document::ALL.into_iter().find(|one| one.name() == file)?;
                Place::Run(job.parse().ok()?, document)
            }
            _ => return None,
        };
        Some((preview, place))
    }

    fn inside(&self, rest: &str) -> Path {
        match self.prefix.as_ref() {
            "" => Path::from(rest),
            prefix => Path::from(format!("{prefix}/{rest}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use object_store::path::Path;
    use rstest::rstest;

    use super::{Digest, Document, Layout, Place, PreviewKey, Uid};

    #[rstest]
    #[case("0c9a7f3e-9a54-4d8e-8d3a-5a2b6f9d1c7e", true)]
    #[case("a", true)]
    #[case("", false)]
    #[case("..", false)]
    #[case("a/b", false)]
    #[case("A", false)]
    #[case("a%2fb", false)]
    #[case("a\n", false)]
    #[case("ä", false)]
    #[case("1234567890123456789012345678901234567890123456789012345678901234", false)]
    fn uid_never_leaves_its_place(#[case] text: &str, #[case] fits: bool) {
        assert_eq!(text.parse::<Uid>().is_ok(), fits);
    }

    #[test]
    fn digest_reads_what_it_prints_and_nothing_else() {
        let text = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        let digest = Digest::of(b"test");
        assert_eq!(digest.to_string(), text);
        assert_eq!(text.parse(), Ok(digest));
        assert_eq!(format!("sha256:{text}").parse(), Ok(digest));
        for wrong in ["", "sha256:", "9f", &text.to_uppercase(), &format!("{text}0")] {
            assert!(wrong.parse::<Digest>().is_err(), "{wrong}");
        }
        assert!(text.replacen("9f", "é", 1).parse::<Digest>().is_err());
        assert!(format!("sha512:{text}").parse::<Digest>().is_err());
    }

    #[test]
    fn key_is_long_enough_unlike_the_last_and_not_shown() {
        let (one, other) = (PreviewKey::random(), PreviewKey::random());
        assert_ne!(one.reveal(), other.reveal());
        assert_eq!(one.reveal().len(), 26);
        assert_eq!(one.reveal().parse(), Ok(one.clone()));
        assert!(!format!("{one:?}").contains(one.reveal()));
        for wrong in ["", "0", &"1".repeat(26), &"A".repeat(26), &"a".repeat(27)] {
            assert!(wrong.parse::<PreviewKey>().is_err(), "{wrong}");
        }
    }

    #[rstest]
    #[case("")]
    #[case("some/prefix")]
    fn path_leads_back_to_its_place(#[case] prefix: &str) {
        let layout = Layout::under(Path::from(prefix));
        let preview: Uid = "pre-1".parse().expect("a UID");
        let job: Uid = "job-1".parse().expect("a UID");
        let mut places: Vec<Place> =
            Document::ALL.into_iter().map(|one| Place::Run(job.clone(), one)).collect();
        places.extend([Place::Record, Place::Blob(Digest::of(b"")), Place::Upload(job)]);
        for place in places {
            let path = layout.path(&preview, &place);
            assert_eq!(layout.place(&path), Some((preview.clone(), place)));
        }
        for foreign in ["x", "pre-1/blobs/x", "pre-1/runs/job/else.json", "pre-1/runs/a/b/run.json"]
        {
            assert_eq!(layout.place(&layout.inside(foreign)), None, "{foreign}");
        }
        assert_eq!(layout.place(&layout.probe(&preview)), None);
    }
}
