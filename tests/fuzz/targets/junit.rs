//! Looks for a report whose reading panics, depends on the pieces it comes in, or adds up to nonsense.

#![no_main]

use std::io::{self, BufRead, Read};

use understudy_core::junit::{Limits, Report, read};

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

fn outcome(input: &[u8], size: usize, limits: &Limits) -> Result<Report, String> {
    read(Pieces(input, size), limits).map_err(|fault| fault.to_string())
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let limits = Limits { bytes: 1 << 16, cases: 20, depth: 8, text: 16, kept: 2 };
    let whole = outcome(input, usize::MAX, &limits);
    for size in [1, 7] {
        assert_eq!(outcome(input, size, &limits), whole, "in pieces of {size}");
    }
    match whole {
        Ok(report) => {
            let counts = report.counts;
            assert!(
                counts.failed + counts.skipped + report.flaky <= counts.total
                    && counts.total <= limits.cases
            );
            assert_eq!(report.failures.len() as u64, counts.failed.min(2));
            for failure in &report.failures {
                assert!(failure.message.len() <= limits.text + '…'.len_utf8(), "{failure:?}");
            }
        }
        Err(sentence) => assert!(sentence.len() < 500, "{sentence}"),
    }
});
