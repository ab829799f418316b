//! What can go wrong with the evidence store, told apart by who has to act.

use std::{error::Error, io, time::Duration};

use object_store::client::{HttpError, HttpErrorKind};

use crate::evidence::layout::Digest;

/// A call to the store failed. `subject` is what was done to what, as in `reading runs/…/run.json`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// Nothing is there under this name.
    #[error("{subject}: the evidence store has nothing there")]
    FindNothing {
        /// What was done to what.
        subject: String,
    },
    /// What should hold everything is not there.
    #[error("{subject}: there is no such bucket or folder")]
    MissBucket {
        /// What was done to what.
        subject: String,
    },
    /// The store is read-only for us, or refuses us altogether.
    #[error("{subject}: the evidence store does not let us: it is read-only or lacks a right")]
    RefuseUs {
        /// What was done to what.
        subject: String,
        /// What the store said.
        source: Box<object_store::Error>,
    },
    /// There is no room left.
    #[error("{subject}: the evidence store is full")]
    RunFull {
        /// What was done to what.
        subject: String,
        /// What the store said.
        source: Box<object_store::Error>,
    },
    /// Nothing happened for as long as we wait.
    #[error("{subject}: the evidence store did not answer within {} s", after.as_secs_f32())]
    WaitTooLong {
        /// What was done to what.
        subject: String,
        /// How long we waited.
        after: Duration,
    },
    /// There is no connection.
    #[error("{subject}: the evidence store cannot be reached")]
    LoseConnection {
        /// What was done to what.
        subject: String,
        /// What the store said.
        source: Box<object_store::Error>,
    },
    /// It answers that it cannot answer now.
    #[error("{subject}: the evidence store is overloaded or out of order")]
    FindBusy {
        /// What was done to what.
        subject: String,
        /// What the store said.
        source: Box<object_store::Error>,
    },
    /// Somebody else wrote there at the same time.
    #[error("{subject}: somebody else wrote the same in the evidence store")]
    MeetAnother {
        /// What was done to what.
        subject: String,
    },
    /// The store does not keep the promise that what is created once stays.
    #[error(
        "{subject}: the evidence store overwrites what is there although it was asked not to (If-None-Match: *); \
         verdicts would not be safe in it, use another store"
    )]
    LackCreate {
        /// What was done to what.
        subject: String,
    },
    /// The store has something else under this name than we put there.
    #[error("{subject}: the evidence store gives back something else than was put into it")]
    ReadOther {
        /// What was done to what.
        subject: String,
    },
    /// A document is larger than any of ours.
    #[error("{subject}: it has {size} bytes, {limit} are the most")]
    ExceedLimit {
        /// What was done to what.
        subject: String,
        /// How many bytes it has.
        size: u64,
        /// How many it may have.
        limit: u64,
    },
    /// Anything else.
    #[error("{subject}: the evidence store failed: {source}")]
    Fail {
        /// What was done to what.
        subject: String,
        /// What the store said.
        source: Box<object_store::Error>,
    },
}

impl StoreError {
    /// Whether the same call may succeed later without anybody doing anything.
    pub(crate) const fn is_transient(&self) -> bool {
        match self {
            Self::WaitTooLong { .. }
            | Self::LoseConnection { .. }
            | Self::FindBusy { .. }
            | Self::MeetAnother { .. } => true,
            Self::FindNothing { .. }
            | Self::MissBucket { .. }
            | Self::RefuseUs { .. }
            | Self::RunFull { .. }
            | Self::LackCreate { .. }
            | Self::ReadOther { .. }
            | Self::ExceedLimit { .. }
            | Self::Fail { .. } => false,
        }
    }

    /// The same where something was written: only what should hold it can be missing then.
    pub(crate) fn of_writing(self) -> Self {
        match self {
            Self::FindNothing { subject } => Self::MissBucket { subject },
            error => error,
        }
    }

    /// What the store's own error means.
    pub(crate) fn understood(subject: String, error: object_store::Error) -> Self {
        use object_store::Error as Said;
        let source = Box::new(error);
        match &*source {
            Said::NotFound { .. } => Self::FindNothing { subject },
            Said::AlreadyExists { .. } | Said::Precondition { .. } => Self::MeetAnother { subject },
            // Some stores call a quota a matter of rights.
            said if says(said, &FULL) => Self::RunFull { subject, source },
            Said::PermissionDenied { .. } | Said::Unauthenticated { .. } => {
                Self::RefuseUs { subject, source }
            }
            Said::NotImplemented { .. } | Said::NotSupported { .. } => Self::LackCreate { subject },
            said => match cause(said) {
                Cause::Denied => Self::RefuseUs { subject, source },
                Cause::Full => Self::RunFull { subject, source },
                Cause::Gone => Self::LoseConnection { subject, source },
                Cause::Other if says(said, &BUSY) => Self::FindBusy { subject, source },
                Cause::Other => Self::Fail { subject, source },
            },
        }
    }
}

/// What stores say when there is no room. The library hides their answers in its texts.
const FULL: [&str; 3] = ["status code: 507", "StorageFull", "QuotaExceeded"];

/// What they say when they cannot answer now.
const BUSY: [&str; 5] = [
    "status code: 429",
    "status code: 500",
    "status code: 502",
    "status code: 503",
    "status code: 504",
];

fn says(error: &object_store::Error, words: &[&str]) -> bool {
    let text = error.to_string();
    words.iter().any(|word| text.contains(word))
}

/// Why a store failed that only says that it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Denied,
    Full,
    Gone,
    Other,
}

/// Looks through all that led to the error.
fn cause(error: &object_store::Error) -> Cause {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<io::Error>().map(of_file)
            && found != Cause::Other
        {
            return found;
        }
        if let Some(found) = error.downcast_ref::<HttpError>() {
            return of_request(found);
        }
        next = error.source();
    }
    Cause::Other
}

fn of_file(error: &io::Error) -> Cause {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::StorageFull | Kind::QuotaExceeded => Cause::Full,
        Kind::PermissionDenied | Kind::ReadOnlyFilesystem => Cause::Denied,
        Kind::TimedOut
        | Kind::ConnectionRefused
        | Kind::ConnectionReset
        | Kind::ConnectionAborted
        | Kind::NotConnected
        | Kind::BrokenPipe
        | Kind::HostUnreachable
        | Kind::NetworkUnreachable
        | Kind::StaleNetworkFileHandle => Cause::Gone,
        _ => Cause::Other,
    }
}

fn of_request(error: &HttpError) -> Cause {
    match error.kind() {
        HttpErrorKind::Connect
        | HttpErrorKind::Request
        | HttpErrorKind::Timeout
        | HttpErrorKind::Interrupted => Cause::Gone,
        _ => Cause::Other,
    }
}

/// A blob was not stored. Nothing is visible of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PutError {
    /// It has more bytes than it may have.
    #[error("it has more than the {limit} bytes that it may have")]
    ExceedLimit {
        /// How many bytes it may have.
        limit: u64,
    },
    /// Its bytes are others than its name says.
    #[error("its digest is {found:?} and not the one it was sent under")]
    MeetWrongDigest {
        /// What the bytes really have.
        found: Digest,
    },
    /// Its sender stopped in the middle.
    #[error("its sender broke off")]
    BreakOff(#[source] io::Error),
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
}
