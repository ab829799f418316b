//! Why a file is no report that counts, each in a sentence for whoever wrote the tests.

use std::io;

/// Why a report could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The input itself failed.
    #[error("the report could not be read to its end")]
    ReadInput {
        /// What happened.
        #[source]
        source: io::Error,
    },
    /// No element at all.
    #[error("the report is empty: it holds no element at all")]
    HoldNothing,
    /// The input ended before its root did.
    #[error("the report was cut off: it ends inside {element}, which begins in line {line}")]
    EndInside {
        /// What is open: `<testsuite>`, or `a tag`.
        element: String,
        /// Where that begins.
        line: u64,
    },
    /// No XML.
    #[error("the report is no XML: line {line}: {problem}")]
    BreakXml {
        /// Where.
        line: u64,
        /// What is wrong, cut to a readable length.
        problem: String,
    },
    /// XML, but something else.
    #[error("the report is no JUnit: its root is <{root}>, not <testsuites> or <testsuite>")]
    BeginWith {
        /// The name of the root.
        root: String,
    },
    /// A document type.
    #[error(
        "the report declares a document type in line {line}: leave it out, entities are not read"
    )]
    DeclareDoctype {
        /// Where.
        line: u64,
    },
    /// Too many bytes.
    #[error("the report is longer than {}", size(*limit))]
    PassBytes {
        /// The most that is read, in bytes.
        limit: u64,
    },
    /// Too many tests.
    #[error("the report holds more than {limit} tests")]
    PassCases {
        /// The most that are read.
        limit: u64,
    },
    /// Too deep.
    #[error("the report nests elements deeper than {limit} in line {line}")]
    PassDepth {
        /// The deepest that is read.
        limit: u32,
        /// Where it goes deeper.
        line: u64,
    },
    /// One tag that is too long, or its name.
    #[error("the report holds a tag of more than {} in line {line}", size(*limit))]
    PassTag {
        /// The longest that is read, in bytes.
        limit: u64,
        /// Where the tag is.
        line: u64,
    },
    /// Bytes that are no UTF-8.
    #[error("the report is not written in UTF-8: line {line} holds other bytes")]
    LeaveUtf8 {
        /// Where.
        line: u64,
    },
    /// UTF-16 or UTF-32.
    #[error("the report is written in UTF-16: write it in UTF-8")]
    UseUtf16,
    /// Another encoding is declared.
    #[error("the report declares the encoding `{name}`: write it in UTF-8")]
    DeclareEncoding {
        /// The name in the declaration.
        name: String,
    },
}

/// A number of bytes in the largest unit that keeps it whole.
fn size(bytes: u64) -> String {
    match bytes {
        0 => "0 bytes".to_owned(),
        bytes if bytes % (1 << 20) == 0 => format!("{} MiB", bytes >> 20),
        bytes if bytes % (1 << 10) == 0 => format!("{} KiB", bytes >> 10),
        bytes => format!("{bytes} bytes"),
    }
}
