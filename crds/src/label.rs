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

/// Label: the UID of the preview that an object or a pod belongs to. Everything of ours carries it.
pub const PREVIEW_UID: &str = "understudy.dev/preview-uid";

/// Label: the namespace of the preview that an object belongs to, so that an operator which serves some
/// namespaces watches what is its own.
pub const PREVIEW_NAMESPACE: &str = "understudy.dev/preview-namespace";

/// Annotation of a preview's namespace: the preview's name.
pub const PREVIEW_NAME: &str = "understudy.dev/preview-name";

/// Label: a digest of what we applied.
pub const APPLIED: &str = "understudy.dev/applied";

/// Annotation: how often we put back what another manager changed, as `manager=times`.
pub const OVERRULED: &str = "understudy.dev/overruled";

/// Annotation of a pod: the workload whose template it was made from, as `Deployment/web`.
pub const WORKLOAD: &str = "understudy.dev/workload";

/// Annotation of a pod: a digest of the template it was made from.
pub const TEMPLATE: &str = "understudy.dev/template";

/// Label: the check that a Job or a pod belongs to. Only pods with it may reach what takes their results.
pub const CHECK: &str = "understudy.dev/check";

/// Label of a check's Job: the commit it speaks of.
pub const COMMIT: &str = "understudy.dev/commit";

/// Label of a check's Job: which attempt it is, from 1.
pub const ATTEMPT: &str = "understudy.dev/attempt";

/// Annotation of a preview, by the edge: when somebody last asked for it (RFC 3339).
pub const LAST_REQUEST: &str = "understudy.dev/last-request";

/// Annotation of a preview, by the edge: since when somebody waits for it to wake (RFC 3339).
pub const WAKE_WANTED: &str = "understudy.dev/wake-wanted";
