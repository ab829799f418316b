//! Everything that one decision may go by: gathered before, changed by nobody while it is made.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use serde_json::Value;
use understudy_crds::{PreviewEnvironmentSpec, PreviewStatus, PreviewTemplateSpec};

use crate::{
    answer::{Answer, Wanted},
    child::{Child, ObjectId},
    pod::Pod,
    run::Runs,
    settings::Settings,
};

/// What was seen of one preview and of all it depends on.
#[derive(Debug, Clone)]
pub struct Facts {
    /// When it was seen.
    pub now: Timestamp,
    /// The operator's settings.
    pub settings: Settings,
    /// The preview.
    pub preview: Preview,
    /// Its template.
    pub template: Named<PreviewTemplateSpec>,
    /// Whether its repository exists; true if it names none.
    pub repository: bool,
    /// Whether an older preview holds its plain host label.
    pub contested: bool,
    /// Its namespace.
    pub namespace: NamespaceSight,
    /// What stands in its namespace, as far as it is ours.
    pub children: BTreeMap<ObjectId, Child>,
    /// Its pods.
    pub pods: Vec<Pod>,
    /// Secrets it is to be given, as far as they were read: absent ones are `None`.
    pub sources: BTreeMap<String, Option<Source>>,
    /// Images, as they were last looked up.
    pub images: BTreeMap<(String, String), Looked>,
    /// Answers of the preview's addresses.
    pub probes: BTreeMap<Probe, Probed>,
    /// The runs of its checks.
    pub runs: Runs,
    /// What links to its evidence begin with.
    pub evidence: Option<String>,
    /// Ends of logs; `None` if there was nothing to read.
    pub logs: BTreeMap<LogEnd, Option<String>>,
}

impl Facts {
    /// A preview of which nothing else is known.
    pub fn alone(now: Timestamp, settings: Settings, preview: Preview) -> Self {
        Self {
            now,
            settings,
            preview,
            template: Named::Absent,
            repository: true,
            contested: false,
            namespace: NamespaceSight::Absent { sure: false },
            children: BTreeMap::new(),
            pods: Vec::new(),
            sources: BTreeMap::new(),
            images: BTreeMap::new(),
            probes: BTreeMap::new(),
            runs: Runs::default(),
            evidence: None,
            logs: BTreeMap::new(),
        }
    }
}

/// The preview itself.
#[derive(Debug, Clone)]
pub struct Preview {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its UID.
    pub uid: String,
    /// The version of this sight of it: what is said goes by this one and no other.
    pub version: String,
    /// The generation of its spec.
    pub generation: i64,
    /// When it was made.
    pub created: Timestamp,
    /// When somebody last asked for it, as the edge noted.
    pub last_request: Option<Timestamp>,
    /// When somebody asked for it while it slept, as the edge noted.
    pub wake_wanted: Option<Timestamp>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Whether it carries our finalizer.
    pub finalizer: bool,
    /// What is wanted.
    pub spec: PreviewEnvironmentSpec,
    /// What was said last.
    pub status: PreviewStatus,
}

/// Something another object names.
#[derive(Debug, Clone)]
pub enum Named<T> {
    /// It is there.
    There(Box<T>),
    /// It is not.
    Absent,
    /// It is there and cannot be read, for that reason.
    Unreadable(String),
}

/// What is known of the preview's namespace.
#[derive(Debug, Clone)]
pub enum NamespaceSight {
    /// There is none.
    Absent {
        /// Whether the API server was asked just now, rather than a watch believed.
        sure: bool,
    },
    /// It is there.
    There(Box<Child>),
    /// One of that name is there, and not ours.
    Foreign,
}

/// A Secret that is copied.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// Its type.
    pub type_: String,
    /// Its data.
    pub data: Sealed,
}

/// A value that is never printed.
#[derive(Clone, PartialEq)]
pub struct Sealed(pub Value);

impl fmt::Debug for Sealed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(sealed)")
    }
}

/// What a registry said about an image, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// When.
    pub at: Timestamp,
    /// What.
    pub found: ImageFound,
}

/// What a registry said about an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageFound {
    /// It is there.
    Found {
        /// The digest its tag stands for.
        digest: String,
        /// The digests of its platforms and configuration.
        platforms: Vec<String>,
    },
    /// The repository is known, the tag is not.
    NotYet,
    /// The repository is not known.
    NoSuchRepository,
    /// We may not look.
    Denied(String),
    /// We asked too often.
    RateLimited,
    /// No answer, or a broken one.
    Unavailable(String),
    /// It is made for other machines: `linux/arm64`.
    WrongPlatform(String),
}

/// A request to an exposed Service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Probe {
    /// The UID of the preview's namespace.
    pub namespace_uid: String,
    /// Its name.
    pub namespace: String,
    /// A digest of everything that is to answer: what another stack answered says nothing.
    pub stands: String,
    /// The host that visitors ask for.
    pub host: String,
    /// The Service.
    pub service: String,
    /// Its port.
    pub port: u16,
    /// Path and query.
    pub path: String,
    /// What must hold of the answer.
    pub wanted: Wanted,
}

/// How a probe was answered the last time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    /// When the request was sent.
    pub at: Timestamp,
    /// When the answer was there.
    pub answered: Timestamp,
    /// The answer, or why there was none.
    pub answer: Result<Answer, Silence>,
}

/// Why there was no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Silence {
    /// The preview gave none.
    Preview(String),
    /// Nothing of ours leads there now: that says nothing of the preview.
    Way(String),
}

/// The end of the log of a container's last run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogEnd {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// Its UID.
    pub uid: String,
    /// The container.
    pub container: String,
    /// Which run, by the number of restarts.
    pub run: i64,
    /// Its own last words, if it left any: they are read instead.
    pub words: String,
}
