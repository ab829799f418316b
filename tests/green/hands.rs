//! Ways to fake a green that need a hand outside the check's container: somebody with rights in the cluster, or with a
//! token, or a stack that does not keep still.

use serde_json::{Value, json};
use understudy_bed::{Error, Result, testing::text};
use understudy_crds::label;
use understudy_fakes::scene::COMMITS;

use crate::{
    scene::{Judges, check, verdict},
    ways::HONEST,
};

const SLOW: &str =
    "sleep 12; echo '<testsuite><testcase name=\"a\"/></testsuite>' > /results/r.xml";
const BAD: &str = "echo '<testsuite><testcase name=\"a\"><failure message=\"no\"/></testcase></testsuite>' > /results/r.xml";

/// A preview with one check that runs for a while, and what is known of it once it runs.
struct Running<'judges> {
    judges: &'judges Judges,
    name: String,
    home: String,
    job: Value,
    pod: Value,
}

impl<'judges> Running<'judges> {
    async fn open(judges: &'judges Judges, topic: &str, script: &str) -> Result<Self> {
        let name = format!("{topic}-{}", std::process::id());
        judges.checks(&[check("judge", script)]).await?;
        judges.scene.open(&name, COMMITS[0]).await?;
        let runs = |preview: &Value| text(verdict(preview, "judge"), "/message") == "it runs";
        let done = |preview: &Value| {
            !matches!(text(verdict(preview, "judge"), "/verdict"), "" | "Running")
        };
        let preview = judges.until(&name, |preview| runs(preview) || done(preview)).await?;
        let home = text(&preview, "/status/namespace/name").to_owned();
        let of = format!("labelSelector={}=judge", label::CHECK);
        let cluster = &judges.stage.cluster;
        let first = |list: Option<Value>| {
            let one = list.as_ref().and_then(|list| list.pointer("/items/0").cloned());
            one.ok_or_else(|| Error::Bed("the check has no Job or no pod".to_owned()))
        };
        let job =
            first(cluster.find(&format!("/apis/batch/v1/namespaces/{home}/jobs?{of}")).await?)?;
        let pod = first(cluster.find(&format!("/api/v1/namespaces/{home}/pods?{of}")).await?)?;
        Ok(Self { judges, name, home, job, pod })
    }

    fn job_path(&self) -> String {
        format!(
            "/apis/batch/v1/namespaces/{}/jobs/{}",
            self.home,
            text(&self.job, "/metadata/name")
        )
    }

    async fn delete_pod(&self, name: &str) -> Result<()> {
        let path = format!("/api/v1/namespaces/{}/pods/{name}", self.home);
        self.judges.stage.cluster.delete(&path).await
    }

    /// The pod of the stack: its name and UID.
    async fn web(&self) -> Result<(String, String)> {
        let path = format!("/api/v1/namespaces/{}/pods?labelSelector=app=web", self.home);
        let web = self.judges.stage.cluster.find(&path).await?.unwrap_or_default();
        let word = |place: &str| text(&web, place).to_owned();
        Ok((word("/items/0/metadata/name"), word("/items/0/metadata/uid")))
    }

    /// Waits for the verdict, which is as it should be, and removes the preview.
    async fn is(self, what: &str, wanted: &str, says: &str) -> Result<()> {
        let settled = |preview: &Value| {
            !matches!(text(verdict(preview, "judge"), "/verdict"), "" | "Running")
        };
        let preview = self.judges.until(&self.name, settled).await?;
        let found = verdict(&preview, "judge");
        let message = text(found, "/message");
        println!("measured: {what}: {}: {message}", text(found, "/verdict"));
        assert_eq!(text(found, "/verdict"), wanted, "{what}: {preview:#}");
        assert!(message.contains(says), "{what}: {message}");
        self.judges.stage.cluster.delete(&self.judges.scene.preview(&self.name)).await
    }
}

/// A few of them.
pub(crate) async fn few() -> Result<()> {
    let judges = Judges::new().await?;
    gone(&judges).await?;
    edited(&judges).await?;
    strangers(&judges).await?;
    judges.scene.clear().await
}

/// All of them, one after the other.
pub(crate) async fn all() -> Result<()> {
    let judges = Judges::new().await?;
    let honest = Running::open(&judges, "honest", SLOW).await?;
    honest.is("nobody's hand", "Passed", "1 test passed").await?;
    gone(&judges).await?;
    let one = Running::open(&judges, "remade", SLOW).await?;
    remade(&one).await?;
    one.is("its Job is made again by hand", "NotProven", "deleted").await?;
    let one = Running::open(&judges, "podless", SLOW).await?;
    one.delete_pod(text(&one.pod, "/metadata/name")).await?;
    one.is("its pod is deleted", "NotProven", "its pod").await?;
    let one = Running::open(&judges, "shaken", SLOW).await?;
    let (web, _) = one.web().await?;
    one.delete_pod(&web).await?;
    one.is("a pod of the stack is replaced", "NotProven", "pods of the stack were replaced")
        .await?;
    edited(&judges).await?;
    pushed(&judges).await?;
    strangers(&judges).await?;
    judges.scene.clear().await
}

/// Its Job is deleted while it runs.
async fn gone(judges: &Judges) -> Result<()> {
    let one = Running::open(judges, "gone", SLOW).await?;
    judges.stage.cluster.delete(&one.job_path()).await?;
    one.is("its Job is deleted", "NotProven", "deleted").await
}

/// A copy of its Job that surely passes, made by hand under its name.
async fn remade(one: &Running<'_>) -> Result<()> {
    let cluster = &one.judges.stage.cluster;
    cluster.delete(&one.job_path()).await?;
    let gone = |found: &Value| {
        found.is_null() || text(found, "/metadata/uid") != text(&one.job, "/metadata/uid")
    };
    cluster.until(&one.job_path(), understudy_fakes::cluster::LONG, gone).await?;
    let mut copy = one.job.clone();
    if let Some(metadata) = copy.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|field, _| {
            matches!(field.as_str(), "name" | "namespace" | "labels" | "annotations")
        });
    }
    if let Some(spec) = copy.get_mut("spec").and_then(Value::as_object_mut) {
        spec.remove("selector");
    }
    if let Some(labels) =
        copy.pointer_mut("/spec/template/metadata/labels").and_then(Value::as_object_mut)
    {
        labels.retain(|name, _| name.starts_with(label::PREFIX));
    }
    if let Some(command) = copy.pointer_mut("/spec/template/spec/containers/0/command/2") {
        *command = json!(HONEST);
    }
    cluster.create(&format!("/apis/batch/v1/namespaces/{}/jobs", one.home), &copy).await.map(drop)
}

/// Somebody writes into the status what they would like to read.
async fn edited(judges: &Judges) -> Result<()> {
    let one = Running::open(judges, "edited", BAD).await?;
    let settled = |preview: &Value| text(preview, "/status/phase") == "Failed";
    judges.until(&one.name, settled).await?;
    let preview = judges.scene.preview(&one.name);
    let mut status = judges.until(&one.name, settled).await?;
    for (place, word) in [
        ("/status/checks/0/verdict", "Passed"),
        ("/status/phase", "Ready"),
        ("/status/summary/checks", "1/1"),
    ] {
        if let Some(field) = status.pointer_mut(place) {
            *field = json!(word);
        }
    }
    let change = json!({"status": status.get("status")});
    judges.stage.cluster.patch(&format!("{preview}/status"), &change).await?;
    judges
        .until(&one.name, |preview| {
            settled(preview) && text(verdict(preview, "judge"), "/verdict") == "Failed"
        })
        .await?;
    one.is("the status is edited", "Failed", "1 of 1 test failed").await
}

/// A newer commit comes while the older one is judged.
async fn pushed(judges: &Judges) -> Result<()> {
    let one = Running::open(judges, "pushed", SLOW).await?;
    let old = one.job_path();
    judges.scene.change(&one.name, &json!({"commit": COMMITS[1]})).await?;
    judges.stage.cluster.until(&old, understudy_fakes::cluster::LONG, Value::is_null).await?;
    let newer = |preview: &Value| {
        let found = verdict(preview, "judge");
        text(found, "/verdict") == "Passed" && text(found, "/commit") == COMMITS[1]
    };
    let preview = judges.until(&one.name, newer).await?;
    println!("measured: a newer commit comes: {}", text(verdict(&preview, "judge"), "/message"));
    judges.stage.cluster.delete(&judges.scene.preview(&one.name)).await
}

/// Whoever asks at the evidence port without being the collector of an open run.
async fn strangers(judges: &Judges) -> Result<()> {
    let one = Running::open(judges, "strangers", SLOW).await?;
    let (pod, uid) = one.web().await?;
    let (pod, uid) = (pod.as_str(), uid.as_str());
    let (mine, my_uid) = (text(&one.pod, "/metadata/name"), text(&one.pod, "/metadata/uid"));
    let open = token(judges, &one.home, (mine, my_uid), "understudy-evidence").await?;
    for (what, token, wanted) in [
        ("no token", String::new(), 401),
        ("a token that is none", "a.b.c".to_owned(), 401),
        (
            "a token for the API server",
            token(judges, &one.home, (mine, my_uid), "https://kubernetes.default.svc").await?,
            401,
        ),
        (
            "a token of a pod of the stack",
            token(judges, &one.home, (pod, uid), "understudy-evidence").await?,
            403,
        ),
        ("the collector's own", open.clone(), 200),
    ] {
        let status = asked(judges, "GET", "/v1/run", &token).await?;
        println!("measured: {what}: {status}");
        assert_eq!(status, wanted, "{what}");
    }
    let settled = |preview: &Value| text(verdict(preview, "judge"), "/verdict") == "Passed";
    judges.until(&one.name, settled).await?;
    let blob = format!("/v1/blobs/sha256/{}", "0".repeat(64));
    let late = asked(judges, "PUT", &blob, &open).await?;
    println!("measured: an upload after the verdict: {late}");
    assert_eq!(late, 409, "nothing is taken after the verdict");
    one.is("a token that is used again", "Passed", "1 test passed").await
}

/// A token of the preview's account that is bound to that pod.
async fn token(
    judges: &Judges,
    home: &str,
    (pod, uid): (&str, &str),
    audience: &str,
) -> Result<String> {
    let request = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": {
            "audiences": [audience], "expirationSeconds": 600,
            "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": pod, "uid": uid},
        },
    });
    let path = format!("/api/v1/namespaces/{home}/serviceaccounts/understudy-preview/token");
    let answer = judges.stage.cluster.create(&path, &request).await?;
    Ok(text(&answer, "/status/token").to_owned())
}

/// The status of a request at the evidence port.
async fn asked(judges: &Judges, method: &str, path: &str, token: &str) -> Result<u16> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let failed = |error: std::io::Error| Error::Bed(format!("the evidence port: {error}"));
    let mut stream = tokio::net::TcpStream::connect(&judges.way.address).await.map_err(failed)?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: evidence\r\nauthorization: Bearer {token}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.map_err(failed)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.map_err(failed)?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| Error::Bed(format!("the evidence port: {answer}")))
}
