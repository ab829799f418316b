//! What people and programs are shown of a preview's evidence: its runs, and what one run left behind.

use askama::Template;
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::evidence::{
    file::{self, encoded},
    layout::{Digest, Uid},
};

/// The runs of a preview.
#[derive(Debug, Serialize, Template)]
#[template(path = "evidence/runs.html")]
pub(crate) struct RunsPage {
    /// Whose they are.
    pub(crate) preview: PreviewView,
    /// Newest first.
    pub(crate) runs: Vec<RunView>,
    /// How many older ones there are that are not shown.
    pub(crate) older: usize,
}

/// One run, and its files.
#[derive(Debug, Serialize, Template)]
#[template(path = "evidence/run.html")]
pub(crate) struct RunPage {
    /// Whose it is.
    pub(crate) preview: PreviewView,
    /// What it is.
    pub(crate) run: RunView,
    /// What it left behind; none before it ended.
    pub(crate) left: Option<LeftView>,
}

/// Which preview.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct PreviewView {
    repository: String,
    number: u64,
    name: String,
}

impl PreviewView {
    /// From the preview's record.
    pub(crate) fn read(record: &[u8]) -> Self {
        serde_json::from_slice(record).unwrap_or_default()
    }
}

/// One run in few words. What is not known is empty.
#[derive(Debug, Serialize)]
pub(crate) struct RunView {
    job: String,
    check: String,
    commit: String,
    attempt: String,
    verdict: String,
    sentence: String,
    when: String,
    #[serde(skip)]
    tone: &'static str,
}

impl RunView {
    /// From the run's documents; `when` is the time of the last of them.
    pub(crate) fn read(
        job: &Uid,
        run: Option<&Bytes>,
        verdict: Option<&Bytes>,
        when: Timestamp,
    ) -> Self {
        let json = |bytes: Option<&Bytes>| {
            bytes.and_then(|bytes| serde_json::from_slice::<Value>(bytes).ok()).unwrap_or_default()
        };
        let (run, judged) = (json(run), json(verdict));
        let verdict = word(&judged, "verdict");
        let tone = match verdict.as_str() {
            "Passed" => "good",
            "Failed" => "bad",
            _ => "open",
        };
        Self {
            job: job.to_string(),
            check: word(&run, "check"),
            commit: word(&run, "commit"),
            attempt: word(&run, "attempt"),
            sentence: word(&judged, "sentence"),
            verdict,
            when: when.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
            tone,
        }
    }

    /// The commit as people write it.
    fn short_commit(&self) -> &str {
        self.commit.get(..12).unwrap_or(&self.commit)
    }
}

/// What a run left behind.
#[derive(Debug, Serialize)]
pub(crate) struct LeftView {
    files: Vec<FileView>,
    omitted: Option<String>,
    counts: Option<String>,
}

impl LeftView {
    /// From the manifest.
    pub(crate) fn read(manifest: &Manifest) -> Self {
        let files = manifest.files().enumerate();
        let omitted = &manifest.omitted;
        let counts = manifest.total.as_ref().map(|Counts { total, failed, skipped }| {
            format!("{total} tests, {failed} failed, {skipped} skipped")
        });
        Self {
            files: files.map(|(position, entry)| FileView::new(position, entry)).collect(),
            omitted: (omitted.count > 0)
                .then(|| format!("{} files of {} in all", omitted.count, size(omitted.bytes))),
            counts,
        }
    }
}

/// One file of a run.
#[derive(Debug, Serialize)]
pub(crate) struct FileView {
    path: String,
    /// Relative to the run's page.
    href: String,
    digest: String,
    bytes: u64,
    #[serde(skip)]
    size: String,
    #[serde(skip)]
    saved: bool,
}

impl FileView {
    fn new(position: usize, entry: &Entry) -> Self {
        Self {
            href: href(position, &entry.path),
            digest: entry.digest.clone(),
            bytes: entry.size,
            size: size(entry.size),
            saved: !file::handling(&entry.path).inline,
            path: entry.path.clone(),
        }
    }
}

/// Where a file is found below its run's page: by its position, since a path may hold what no address can; its name
/// stands behind for people only.
pub(crate) fn href(position: usize, path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or_default();
    let name = if matches!(name, "" | "." | "..") { "file" } else { name };
    format!("files/{position}/{}", encoded(name))
}

/// What is needed of a manifest. What is missing is nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Manifest {
    reports: Vec<Entry>,
    artifacts: Vec<Entry>,
    omitted: Omitted,
    total: Option<Counts>,
}

impl Manifest {
    /// All files: reports first.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Entry> {
        self.reports.iter().chain(&self.artifacts)
    }
}

/// A file in a manifest.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Entry {
    /// Its path, in which anything may stand.
    pub(crate) path: String,
    digest: String,
    size: u64,
}

impl Entry {
    /// What its bytes are found by.
    pub(crate) fn digest(&self) -> Option<Digest> {
        self.digest.parse().ok()
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Omitted {
    count: u64,
    bytes: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Counts {
    total: u64,
    failed: u64,
    skipped: u64,
}

/// A text or a number.
fn word(document: &Value, name: &str) -> String {
    match document.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

/// A number of bytes as people write it.
fn size(bytes: u64) -> String {
    let steps = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    let step = steps.into_iter().find(|(step, _)| bytes >= *step);
    step.map_or_else(
        || format!("{bytes} B"),
        |(step, unit)| format!("{}.{} {unit}", bytes / step, bytes % step * 10 / step),
    )
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::{href, size};

    #[rstest]
    #[case(0, "0 B")]
    #[case(999, "999 B")]
    #[case(1_000, "1.0 kB")]
    #[case(1_999_999, "1.9 MB")]
    #[case(u64::MAX, "18446744073.7 GB")]
    fn sizes_are_told_briefly(#[case] bytes: u64, #[case] told: &str) {
        assert_eq!(size(bytes), told);
    }

    #[rstest]
    #[case("a/b.xml", "files/7/b.xml")]
    #[case("a b/ä?#%\"<\\\n.png", "files/7/%C3%A4%3F%23%25%22%3C%5C%0A.png")]
    #[case("a/..", "files/7/file")]
    #[case("a/", "files/7/file")]
    fn every_path_has_an_address(#[case] path: &str, #[case] address: &str) {
        assert_eq!(href(7, path), address);
    }
}
