//! Every label, annotation and finalizer we write, and the API group they stand under. No other file
//! may spell them out.

/// The API group of our kinds.
pub const GROUP: &str = "understudy.dev";

/// What every label and annotation of ours begins with. A stack may not carry such a name.
pub const PREFIX: &str = "understudy.dev/";

/// Keeps a preview until everything that belongs to it is gone.
pub const FINALIZER: &str = "understudy.dev/teardown";

/// The name under which we own fields of objects (server-side apply).
pub const FIELD_MANAGER: &str = "understudy";
