//! A bed's API server as tests speak to it: JSON by path, without a process for each request.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use http_body_util::BodyExt;
use hyper::{Method, Request};
use kube::{
    Client, Config,
    client::Body,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};
use understudy_bed::{Bed, Error, Result};
use understudy_crds::{definitions, label::GROUP};

/// The namespace and the account that operators under test run as.
pub const HOME: &str = "understudy";

/// Long enough for anything on a loaded machine.
pub const LONG: Duration = Duration::from_mins(2);

/// The most seconds that anything is waited for. Whoever expects a test to fail need not wait for [`LONG`].
pub const PATIENCE: &str = "UNDERSTUDY_TEST_PATIENCE";

/// How long anything is waited for at the most.
pub fn patience() -> Duration {
    let told = std::env::var(PATIENCE).ok().and_then(|seconds| seconds.parse().ok());
    told.map_or(Duration::MAX, Duration::from_secs)
}

/// An API server.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Cluster")
    }
}

fn failed(what: &str, error: impl std::fmt::Display) -> Error {
    Error::Bed(format!("{what}: {error}"))
}

impl Cluster {
    /// Connects as the kubeconfig says.
    pub async fn connect(kubeconfig: &Path) -> Result<Self> {
        // Another test of this process may have been first.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let file =
            Kubeconfig::read_from(kubeconfig).map_err(|error| failed("read kubeconfig", error))?;
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
        let mut config = config.map_err(|error| failed("understand kubeconfig", error))?;
        config.default_retry = false;
        let client = Client::try_from(config).map_err(|error| failed("connect", error))?;
        Ok(Self { client })
    }

    /// The client behind it.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Sends a request; the answer's status and its JSON.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        content: &str,
        body: &Value,
    ) -> Result<(u16, Value)> {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        self.send_text(method, path, content, text).await
    }

    /// Sends a request whose body is that very text.
    pub async fn send_text(
        &self,
        method: Method,
        path: &str,
        content: &str,
        text: String,
    ) -> Result<(u16, Value)> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", content)
            .body(Body::from(text.into_bytes()))
            .map_err(|error| failed(path, error))?;
        let answer = self.client.send(request).await.map_err(|error| failed(path, error))?;
        let status = answer.status().as_u16();
        let bytes = answer.into_body().collect().await.map_err(|error| failed(path, error))?;
        Ok((status, serde_json::from_slice(&bytes.to_bytes()).unwrap_or_default()))
    }

    /// Reads an object or a list; `None` if it is not there.
    pub async fn find(&self, path: &str) -> Result<Option<Value>> {
        let (status, value) = self.send(Method::GET, path, "", &Value::Null).await?;
        match status {
            200 => Ok(Some(value)),
            404 => Ok(None),
            _ => Err(failed(path, value)),
        }
    }

    /// Applies an object at that path.
    pub async fn apply(&self, path: &str, object: &Value) -> Result<Value> {
        let path = format!("{path}?fieldManager=test&force=true");
        let answer =
            self.send(Method::PATCH, &path, "application/apply-patch+yaml", object).await?;
        ok(&path, answer)
    }

    /// Changes parts of the object at that path.
    pub async fn patch(&self, path: &str, change: &Value) -> Result<Value> {
        let answer = self.send(Method::PATCH, path, "application/merge-patch+json", change).await?;
        ok(path, answer)
    }

    /// Makes an object.
    pub async fn create(&self, path: &str, object: &Value) -> Result<Value> {
        ok(path, self.send(Method::POST, path, "application/json", object).await?)
    }

    /// Makes an object of that YAML, as strictly as kubectl does; else the sentence of the refusal.
    pub async fn create_yaml(
        &self,
        path: &str,
        yaml: String,
    ) -> Result<std::result::Result<Value, String>> {
        let path = format!("{path}?fieldValidation=Strict");
        let (status, value) = self.send_text(Method::POST, &path, "application/yaml", yaml).await?;
        let message = value.get("message").and_then(Value::as_str).unwrap_or_default();
        Ok(if status < 300 { Ok(value) } else { Err(message.to_owned()) })
    }

    /// Deletes an object; one that is not there is as good.
    pub async fn delete(&self, path: &str) -> Result<()> {
        let options = json!({"propagationPolicy": "Background"});
        match self.send(Method::DELETE, path, "application/json", &options).await? {
            (200 | 202 | 404, _) => Ok(()),
            (_, value) => Err(failed(path, value)),
        }
    }

    /// Looks at an object until it is as it should be; absent is null.
    pub async fn until(
        &self,
        path: &str,
        limit: Duration,
        holds: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let limit = limit.min(patience());
        let deadline = Instant::now() + limit;
        loop {
            let found = self.find(path).await.map(Option::unwrap_or_default);
            if let Ok(value) = &found
                && holds(value)
            {
                return found;
            }
            if Instant::now() > deadline {
                let story = format!("{:#}", found.map(trimmed).unwrap_or_default());
                return Err(Error::Deadline { what: path.to_owned(), limit, story });
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Our kinds, the operator's account with exactly the rights it declares, and the templates' namespace.
    pub async fn install(&self, bed: &Bed, roles: &[Value]) -> Result<()> {
        for definition in definitions() {
            bed.apply(&definition)?;
        }
        bed.kubectl_run(&[
            "wait",
            "customresourcedefinition",
            "--all",
            "--for=condition=Established",
            "--timeout=30s",
        ])?;
        for role in roles {
            bed.apply(role)?;
        }
        account(bed, HOME)?;
        self.scope(HOME, "coordination.k8s.io", "leases", &["get", "create", "patch", "update"])
            .await
    }

    /// Makes a namespace for templates and previews, in which the operator may read Secrets.
    pub async fn home(&self, namespace: &str) -> Result<()> {
        let object =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        self.apply(&format!("/api/v1/namespaces/{namespace}"), &object).await?;
        self.scope(namespace, "", "secrets", &["get"]).await
    }

    async fn scope(&self, namespace: &str, group: &str, kind: &str, verbs: &[&str]) -> Result<()> {
        let rbac = "rbac.authorization.k8s.io";
        let path = format!("/apis/{rbac}/v1/namespaces/{namespace}");
        let role = json!({
            "apiVersion": format!("{rbac}/v1"), "kind": "Role", "metadata": {"name": HOME},
            "rules": [{"apiGroups": [group], "resources": [kind], "verbs": verbs}],
        });
        let binding = json!({
            "apiVersion": format!("{rbac}/v1"), "kind": "RoleBinding", "metadata": {"name": HOME},
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": HOME},
            "subjects": [{"kind": "ServiceAccount", "name": HOME, "namespace": HOME}],
        });
        self.apply(&format!("{path}/roles/{HOME}"), &role).await?;
        self.apply(&format!("{path}/rolebindings/{HOME}"), &binding).await.map(drop)
    }
}

fn ok(path: &str, (status, value): (u16, Value)) -> Result<Value> {
    if (200..300).contains(&status) { Ok(value) } else { Err(failed(path, value)) }
}

fn trimmed(mut value: Value) -> Value {
    if let Some(metadata) = value.pointer_mut("/metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    value
}

/// The path of one of our objects, or of all of a kind if `name` is empty.
pub fn path(namespace: &str, plural: &str, name: &str) -> String {
    let path = format!("/apis/{GROUP}/v1alpha1/namespaces/{namespace}/{plural}/{name}");
    path.trim_end_matches('/').to_owned()
}

/// An account in a namespace of its own, with the cluster role of its name.
pub fn account(bed: &Bed, name: &str) -> Result<()> {
    let rbac = "rbac.authorization.k8s.io";
    for object in [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": name}}),
        json!({
            "apiVersion": format!("{rbac}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": name},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": name}],
        }),
    ] {
        bed.apply(&object)?;
    }
    Ok(())
}
