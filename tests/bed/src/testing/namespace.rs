//! A namespace of its own for a test, removed when the test ends.

use std::{
    process::Stdio,
    sync::atomic::{AtomicU32, Ordering},
};

use serde_json::{Value, json};

use super::{LONG, story, until};
use crate::{
    Bed, command,
    error::{Error, Result},
};

static COUNTER: AtomicU32 = AtomicU32::new(0);

/// A namespace of a bed; dropping it deletes it without waiting.
#[derive(Debug)]
pub struct Namespace {
    bed: Bed,
    name: String,
}

impl Namespace {
    /// Makes one whose name begins with `topic`, and waits until pods can be made in it.
    pub fn create(bed: &Bed, topic: &str) -> Result<Self> {
        Self::labelled(bed, topic, &json!({}))
    }

    /// The same with labels, for instance of pod security.
    pub fn labelled(bed: &Bed, topic: &str, labels: &Value) -> Result<Self> {
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{topic}-{}-{number}", std::process::id());
        let namespace = Self { bed: bed.clone(), name };
        bed.apply(&json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": namespace.name, "labels": labels},
        }))?;
        namespace.until("its default service account", || {
            namespace.find("serviceaccount/default").map(|found| found.map(drop))
        })?;
        Ok(namespace)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its bed.
    pub const fn bed(&self) -> &Bed {
        &self.bed
    }

    /// Applies objects in it; each gets its namespace from here.
    pub fn apply(&self, objects: &[Value]) -> Result<()> {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        let mut apply = self.bed.kubectl();
        apply.args(["apply", "--server-side", "--namespace", &self.name, "--filename=-"]);
        command::run_with_input(&mut apply, list.to_string().as_bytes()).map(drop)
    }

    /// Runs kubectl in it and returns what was printed.
    pub fn kubectl(&self, words: &[&str]) -> Result<String> {
        command::run(self.bed.kubectl().args(["--namespace", &self.name]).args(words))
    }

    /// Reads an object, such as `deployment/web`, or a list, such as `pods`.
    pub fn get(&self, what: &str) -> Result<Value> {
        self.read(what, &[])
    }

    fn read(&self, what: &str, more: &[&str]) -> Result<Value> {
        let text = self.kubectl(&[&["get", what, "--output=json"], more].concat())?;
        serde_json::from_str(&text)
            .map_err(|source| Error::Parse { path: format!("kubectl get {what}").into(), source })
    }

    /// Reads the pods that carry that label: `job-name=web`.
    pub fn pods(&self, label: &str) -> Result<Value> {
        self.read("pods", &[&format!("--selector={label}")])
    }

    /// Reads an object that may be absent.
    pub fn find(&self, what: &str) -> Result<Option<Value>> {
        let text = self.kubectl(&["get", what, "--output=json", "--ignore-not-found"])?;
        if text.trim().is_empty() {
            return Ok(None);
        }
        serde_json::from_str(&text)
            .map(Some)
            .map_err(|source| Error::Parse { path: format!("kubectl get {what}").into(), source })
    }

    /// Looks until there is something, and tells the namespace's story if that takes too long.
    pub fn until<T>(&self, what: &str, look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
        until(what, LONG, || story(&self.bed, &self.name), look)
    }

    /// Waits for a condition of an object, as kubectl knows it: `condition=Ready`, `jsonpath=…`.
    pub fn wait_for(&self, what: &str, condition: &str) -> Result<()> {
        let timeout = format!("--timeout={}s", LONG.as_secs());
        let waited = self.kubectl(&["wait", what, &format!("--for={condition}"), &timeout]);
        waited.map(drop).map_err(|error| Error::Deadline {
            what: format!("{condition} of {what}"),
            limit: LONG,
            story: format!("{error}\n{}", story(&self.bed, &self.name)),
        })
    }

    /// Waits until a Job has come to an end; returns whether it completed.
    pub fn job_end(&self, name: &str) -> Result<bool> {
        self.until(&format!("the end of job {name}"), || {
            let job = self.get(&format!("job/{name}"))?;
            let conditions = job.pointer("/status/conditions").and_then(Value::as_array).cloned();
            let holds = |kind: &str| {
                conditions.iter().flatten().any(|condition| {
                    condition.pointer("/type").and_then(Value::as_str) == Some(kind)
                        && condition.pointer("/status").and_then(Value::as_str) == Some("True")
                })
            };
            Ok(if holds("Complete") { Some(true) } else { holds("Failed").then_some(false) })
        })
    }

    /// Sends an object to the API server and says whether it would be taken (a server-side dry run).
    pub fn accepts(&self, object: &Value) -> Result<()> {
        let mut create = self.bed.kubectl();
        create.args(["create", "--dry-run=server", "--namespace", &self.name, "--filename=-"]);
        command::run_with_input(&mut create, object.to_string().as_bytes()).map(drop)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let mut delete = self.bed.kubectl();
        delete.args(["delete", "namespace", &self.name, "--wait=false", "--ignore-not-found"]);
        // A namespace that stays is ended with its bed.
        let _ = delete.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}
