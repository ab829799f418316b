//! Watches of the API server, as a test follows them: every version of every object, in order.

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use http_body_util::BodyExt;
use hyper::Request;
use kube::client::Body;
use serde_json::Value;
use tokio::{sync::watch, task::JoinHandle};
use understudy_bed::{Error, Result};

use crate::cluster::Cluster;

/// What a watch has told so far, and still tells until it is dropped. What nobody looks at costs next to nothing.
#[derive(Debug)]
pub struct History {
    seen: Arc<Mutex<Vec<Told>>>,
    told: watch::Receiver<usize>,
    task: JoinHandle<()>,
}

/// One version of an object.
#[derive(Debug, Clone)]
pub struct Seen {
    /// When it was told.
    pub at: Instant,
    /// The object; when it was deleted, as it was last.
    pub object: Arc<Value>,
}

/// A line of a watch, read when somebody asks.
#[derive(Debug)]
struct Told {
    at: Instant,
    line: Vec<u8>,
    object: OnceLock<Arc<Value>>,
}

impl Told {
    fn seen(&self) -> Seen {
        let object = self.object.get_or_init(|| {
            let event: Option<Value> = serde_json::from_slice(&self.line).ok();
            Arc::new(
                event
                    .and_then(|mut event| event.get_mut("object").map(Value::take))
                    .unwrap_or_default(),
            )
        });
        Seen { at: self.at, object: Arc::clone(object) }
    }
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Bed(format!("watch: {error}"))
}

impl History {
    /// Follows everything under that path from now on.
    pub async fn follow(cluster: &Cluster, path: &str) -> Result<Self> {
        let list = cluster.find(path).await?.unwrap_or_default();
        let version = list.pointer("/metadata/resourceVersion").and_then(Value::as_str);
        let mut version = version.ok_or_else(|| failed(path))?.to_owned();
        let seen: Arc<Mutex<Vec<Told>>> = Arc::default();
        let (tell, told) = watch::channel(0);
        let (cluster, path, notes) = (cluster.clone(), path.to_owned(), Arc::clone(&seen));
        let task = tokio::spawn(async move {
            let note = |line| {
                let mut notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
                notes.push(Told { at: Instant::now(), line, object: OnceLock::new() });
                tell.send_replace(notes.len());
            };
            // A watch ends after a while, and goes on where it was.
            while run(&cluster, &path, &version, &note).await.is_ok() {
                let notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
                let newest = notes.last().map(|told| told.seen().object);
                let newest =
                    newest.as_ref().and_then(|one| one.pointer("/metadata/resourceVersion"));
                if let Some(newest) = newest.and_then(Value::as_str) {
                    newest.clone_into(&mut version);
                }
            }
        });
        Ok(Self { seen, told, task })
    }

    /// Everything told so far, in order.
    ///
    /// # Panics
    /// If the watch ended: what it told is not all.
    pub fn all(&self) -> Vec<Seen> {
        assert!(!self.task.is_finished(), "the watch ended: what it told is not all");
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().map(Told::seen).collect()
    }

    /// How much was told so far.
    pub fn mark(&self) -> usize {
        *self.told.borrow()
    }

    /// Waits until something is told, at that place or later, in which the function finds what it looks for.
    pub async fn until<T>(
        &self,
        mark: usize,
        limit: Duration,
        find: impl Fn(&Seen) -> Option<T>,
    ) -> Result<T> {
        let (mut told, mut next) = (self.told.clone(), mark);
        let look = async {
            loop {
                {
                    let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                    if let Some(found) = seen.iter().skip(next).find_map(|told| find(&told.seen()))
                    {
                        return Ok(found);
                    }
                    next = next.max(seen.len());
                }
                told.changed().await.map_err(|_| failed("it ended"))?;
            }
        };
        let late = |_| failed(format!("what was waited for did not come within {limit:?}"));
        tokio::time::timeout(limit, look).await.map_err(late)?
    }
}

impl Drop for History {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One watch from that version to its end, which is an error if the API server says so.
async fn run(
    cluster: &Cluster,
    path: &str,
    version: &str,
    note: &(impl Fn(Vec<u8>) + Sync),
) -> Result<()> {
    let uri = format!("{path}?watch=true&resourceVersion={version}&timeoutSeconds=280");
    let request = Request::get(uri).body(Body::empty()).map_err(failed)?;
    let mut body = cluster.client().send(request).await.map_err(failed)?.into_body();
    let mut rest = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(failed)?.into_data() else { continue };
        rest.extend_from_slice(&data);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            if line.starts_with(br#"{"type":"ERROR""#) {
                return Err(failed(String::from_utf8_lossy(&line)));
            }
            note(line);
        }
    }
    Ok(())
}
