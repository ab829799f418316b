//! What counts is counted, what is no report is refused with a sentence, and nothing makes it grow or panic.

mod bounds;
mod faults;
mod rules;

use std::io::{self, BufRead, Read};

use super::{Counts, Limits, Report, read};

/// Hands out a document in pieces of that many bytes.
struct Pieces<'text>(&'text [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(buffer)?;
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for Pieces<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(&self.0[..self.0.len().min(self.1)])
    }

    fn consume(&mut self, amount: usize) {
        self.0 = &self.0[amount..];
    }
}

fn try_report(bytes: &[u8], limits: &Limits) -> Result<Report, String> {
    read(bytes, limits).map_err(|fault| fault.to_string())
}

/// Reads the document at once and in pieces, which makes no difference.
fn outcome(text: impl AsRef<[u8]>, limits: &Limits) -> Result<Report, String> {
    let bytes = text.as_ref();
    let whole = try_report(bytes, limits);
    for size in [1, 2, 3, 7] {
        let pieces = read(Pieces(bytes, size), limits).map_err(|fault| fault.to_string());
        assert_eq!(pieces, whole, "in pieces of {size}");
    }
    whole
}

fn report(text: &str) -> Report {
    outcome(text, &Limits::default()).expect("a report")
}

fn refusal(text: impl AsRef<[u8]>) -> String {
    outcome(text, &Limits::default()).expect_err("no report")
}

fn counts(total: u64, failed: u64, skipped: u64) -> Counts {
    Counts { total, failed, skipped }
}
