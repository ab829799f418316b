//! Counting API requests by who sent them, from the API server's audit log.
//!
//! Counts are exact: before reading, [`Audit::between`] waits until the log has caught up with a
//! request of its own, since lines are written after the answers they speak of.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{BufRead, BufReader, Seek, SeekFrom},
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde::Deserialize;

use crate::{
    bed::Bed,
    command,
    error::{Error, Result},
};

/// The audit log of a bed.
#[derive(Debug, Clone)]
pub struct Audit {
    path: PathBuf,
}

/// A place in the log, to count from.
#[derive(Debug, Clone, Copy)]
pub struct Mark(u64);

/// One finished request, or a watch that began.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// What the API server calls this request; several lines may speak of one.
    #[serde(rename = "auditID")]
    pub id: String,
    /// `ResponseComplete`, or `ResponseStarted` for a watch.
    pub stage: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: String,
    /// Path and query.
    #[serde(rename = "requestURI")]
    pub uri: String,
    /// The client's name of itself.
    #[serde(default)]
    pub user_agent: String,
    /// Who it was for the API server.
    pub user: User,
    /// What it was about; absent for paths such as `/version`.
    #[serde(default)]
    pub object_ref: Option<ObjectRef>,
    /// The answer.
    #[serde(default)]
    pub response_status: Option<Status>,
}

/// Who sent a request.
#[derive(Debug, Clone, Deserialize)]
pub struct User {
    /// For instance `system:serviceaccount:previews:understudy`.
    #[serde(default)]
    pub username: String,
    /// What else is known of them, such as which token they showed
    /// (`authentication.kubernetes.io/credential-id`).
    #[serde(default)]
    pub extra: BTreeMap<String, Vec<String>>,
}

/// What a request was about.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectRef {
    /// The plural name of its kind.
    pub resource: String,
    /// `status`, `log`, `scale` …
    pub subresource: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name; empty in a create.
    pub name: String,
    /// Its API group.
    pub api_group: String,
}

/// How a request was answered.
#[derive(Debug, Clone, Deserialize)]
pub struct Status {
    /// The HTTP status.
    #[serde(default)]
    pub code: u16,
}

impl Request {
    /// Whether it could change something; a dry run is still a request that counts.
    pub fn is_write(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch")
    }

    /// `patch deployments/scale`, to group by.
    pub fn act(&self) -> String {
        let about = self.object_ref.as_ref().map_or_else(
            || self.uri.split('?').next().unwrap_or_default().to_owned(),
            |object| match object.subresource.as_str() {
                "" => object.resource.clone(),
                subresource => format!("{}/{subresource}", object.resource),
            },
        );
        format!("{} {about}", self.verb)
    }
}

impl Audit {
    pub(crate) const fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The present end of the log.
    pub fn mark(&self, bed: &Bed) -> Result<Mark> {
        let length = std::fs::metadata(&self.path).map_err(Error::touch("read", &self.path))?.len();
        self.fence(bed, length)
    }

    /// Every request since the mark, in the order of the log: watches where they begin, all others
    /// where they end. The requests of this counter itself are left out.
    pub fn since(&self, bed: &Bed, mark: Mark) -> Result<Vec<Request>> {
        let end = self.fence(bed, mark.0)?;
        self.between(mark, end)
    }

    fn between(&self, start: Mark, end: Mark) -> Result<Vec<Request>> {
        let mut requests = Vec::new();
        let mut seen = BTreeSet::new();
        let mut position = start.0;
        let mut reader = self.reader(start.0)?;
        let mut line = String::new();
        while position < end.0 {
            line.clear();
            let read = reader.read_line(&mut line).map_err(Error::touch("read", &self.path))?;
            if read == 0 {
                break;
            }
            position += read as u64;
            let request: Request = serde_json::from_str(&line)
                .map_err(|source| Error::Parse { path: self.path.clone(), source })?;
            // A watch counts where it begins; its end may lie in another stretch of the log. All others
            // have one line, also those refused before anybody knew who asked.
            let counts = request.verb != "watch" || request.stage == "ResponseStarted";
            if counts && !request.uri.contains(FENCE) && seen.insert(request.id.clone()) {
                requests.push(request);
            }
        }
        Ok(requests)
    }

    fn reader(&self, position: u64) -> Result<BufReader<File>> {
        let mut file = File::open(&self.path).map_err(Error::touch("read", &self.path))?;
        file.seek(SeekFrom::Start(position)).map_err(Error::touch("read", &self.path))?;
        Ok(BufReader::new(file))
    }

    /// Sends a request nobody else sends and waits for its line; returns the place behind it.
    fn fence(&self, bed: &Bed, from: u64) -> Result<Mark> {
        let number = FENCES.fetch_add(1, Ordering::Relaxed);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let unique = format!("{FENCE}={}-{number}.", now.as_nanos());
        command::run(bed.kubectl().args(["get", &format!("--raw=/version?{unique}")]))?;
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let mut position = from;
            let mut reader = self.reader(from)?;
            let mut line = String::new();
            loop {
                line.clear();
                let read = reader.read_line(&mut line).map_err(Error::touch("read", &self.path))?;
                if read == 0 || !line.ends_with('\n') {
                    break;
                }
                position += read as u64;
                if line.contains(&unique) {
                    return Ok(Mark(position));
                }
            }
            if Instant::now() > deadline {
                return Err(Error::Deadline {
                    what: "our own request in the audit log".to_owned(),
                    limit: Duration::from_secs(10),
                    story: String::new(),
                });
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The query parameter of the counter's own requests.
const FENCE: &str = "audit-fence";

static FENCES: AtomicU32 = AtomicU32::new(0);

/// How often each act was done, for those requests that `chosen` lets through.
pub fn count(requests: &[Request], chosen: impl Fn(&Request) -> bool) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for request in requests.iter().filter(|request| chosen(request)) {
        *counts.entry(request.act()).or_insert(0) += 1;
    }
    counts
}

/// How many requests each user agent sent; the agent is cut at its first `/` or blank.
pub fn by_user_agent(requests: &[Request]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for request in requests {
        let agent = request.user_agent.split(['/', ' ']).next().unwrap_or_default();
        *counts.entry(agent.to_owned()).or_insert(0) += 1;
    }
    counts
}
