//! The edge as a process inside a bed, previews that need no operator, and backends that answer as they are told to.

use std::{
    fs::File,
    path::Path,
    process::Stdio,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response,
    client::conn::{http1, http2},
    header,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::{Child, Command},
};
use understudy_bed::{Bed, Error, Result, net::Forward};
use understudy_crds::label::{GROUP, PREVIEW_NAMESPACE, PREVIEW_UID};

use crate::{
    cluster::{Cluster, account, path},
    cost,
    operator::{Operator, kubeconfig},
};

/// The edge's account.
pub const ACCOUNT: &str = "understudy-edge";

/// The address of the bed's network at which exposed backends are found: what a pod's address is to the edge.
pub const INSIDE: &str = "198.18.255.1";

/// A running edge.
#[derive(Debug)]
pub struct Edge {
    child: Mutex<Option<Child>>,
    plain: Forward,
    admin: Forward,
    inside: String,
    log: std::path::PathBuf,
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Bed(format!("edge: {error}"))
}

impl Edge {
    /// Gives the edge its account with the rights that the program declares.
    pub fn install(bed: &Bed) -> Result<()> {
        account(bed, ACCOUNT)
    }

    /// Starts one inside the bed on that port and the next, and waits until it is ready.
    pub async fn start(bed: &Bed, folder: &Path, port: u16, more: &[&str]) -> Result<Self> {
        let program = Operator::program()?;
        Self::start_as(bed, folder, (port, port + 1), (&["env"], &program), more).await
    }

    /// The same with ports for requests and for metrics, and a program of the caller's, led by words such as
    /// `taskset`.
    pub async fn start_as(
        bed: &Bed,
        folder: &Path,
        (port, admin): (u16, u16),
        (words, program): (&[&str], &Path),
        more: &[&str],
    ) -> Result<Self> {
        // The API server as it is reached inside the bed.
        let view = bed.inside("kubectl")?;
        let kubeconfig = kubeconfig(bed, view, ACCOUNT, folder)?;
        let log = folder.join(format!("edge-{admin}.log"));
        let file = File::options().create(true).append(true).open(&log).map_err(failed)?;
        let mut words = words.iter();
        let mut command = bed.inside(words.next().unwrap_or(&"env"))?;
        command.args(words).arg(program).args(["edge", "--access-log=false"]);
        command.arg(format!("--kubeconfig={}", kubeconfig.display()));
        command.arg(format!("--listen={INSIDE}:{port}"));
        command.arg(format!("--admin-listen={INSIDE}:{admin}"));
        command.args(more).stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        let child = Command::from(command).kill_on_drop(true).spawn().map_err(failed)?;
        let inside = format!("{INSIDE}:{port}");
        let plain = bed.forward(&inside)?;
        let admin = bed.forward(&format!("{INSIDE}:{admin}"))?;
        let edge = Self { child: Mutex::new(Some(child)), plain, admin, inside, log };
        edge.ready().await?;
        Ok(edge)
    }

    async fn ready(&self) -> Result<()> {
        for _ in 0..200 {
            let answer = get(&self.admin(), "localhost", "/readyz").await;
            if answer.is_ok_and(|answer| answer.status() == 200) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(failed(format!("it is not ready after 10 s\n{}", self.log())))
    }

    /// Where plain HTTP is reached from this machine.
    pub fn plain(&self) -> String {
        self.plain.local().to_string()
    }

    /// Where plain HTTP is served inside the bed: without a forward between, whoever does not read is felt.
    pub fn inside(&self) -> &str {
        &self.inside
    }

    /// Where metrics and health are.
    pub fn admin(&self) -> String {
        self.admin.local().to_string()
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The process of the edge itself, below those that lead into the bed.
    pub fn pid(&self) -> Option<Pid> {
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let pid = i32::try_from(child.as_ref()?.id()?).ok()?;
        drop(child);
        // Each has one child, and the last is the edge.
        cost::descendants(pid).last().copied().and_then(Pid::from_raw)
    }

    /// Its resident memory in KiB.
    pub fn memory_kib(&self) -> u64 {
        cost::memory_kib(self.pid().map_or(0, Pid::as_raw_pid))
    }

    /// The time that processors spent on it so far.
    pub fn processor_time(&self) -> Duration {
        cost::processor_time(self.pid().map_or(0, Pid::as_raw_pid))
    }

    /// Asks it to end, and waits; whether it ended well.
    pub async fn terminate(&self) -> bool {
        let asked = self.pid().is_some_and(|pid| kill_process(pid, Signal::TERM).is_ok());
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut child) = child else { return false };
        asked && child.wait().await.is_ok_and(|status| status.success())
    }
}

/// A preview whose status and Services the test writes itself.
#[derive(Debug, Clone)]
pub struct Preview {
    /// The API server.
    pub cluster: Cluster,
    /// Its own namespace.
    pub namespace: String,
    /// Its name, and the first label of its host.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// The UID of its stack's namespace.
    pub home: String,
}

impl Preview {
    /// Opens one that is Ready and has nobody to answer yet.
    pub async fn open(cluster: &Cluster, namespace: &str, name: &str) -> Result<Self> {
        let all = path(namespace, "previewenvironments", "");
        let commit = crate::scene::COMMITS.first().copied().unwrap_or_default();
        let made = cluster
            .create(&all, &json!({
                "apiVersion": format!("{GROUP}/v1alpha1"), "kind": "PreviewEnvironment",
                "metadata": {"name": name, "namespace": namespace},
                "spec": {"templateRef": {"name": "web"}, "pullRequest": {"number": 1}, "commit": commit},
            }))
            .await?;
        let text = |value: &Value, place: &str| {
            value.pointer(place).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let uid = text(&made, "/metadata/uid");
        let stack = format!("pv-{namespace}-{name}");
        let labels = json!({PREVIEW_UID: uid, PREVIEW_NAMESPACE: namespace});
        let home = cluster
            .apply(&format!("/api/v1/namespaces/{stack}"), &json!({
                "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": stack, "labels": labels},
            }))
            .await?;
        let preview = Self {
            cluster: cluster.clone(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid,
            home: text(&home, "/metadata/uid"),
        };
        let service = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "labels": labels},
            "spec": {"ports": [{"port": 80}]},
        });
        cluster.apply(&format!("/api/v1/namespaces/{stack}/services/web"), &service).await?;
        preview.say(json!({"phase": "Ready"})).await?;
        Ok(preview)
    }

    /// Its host.
    pub fn host(&self) -> String {
        format!("{}.{}.preview.test", self.name, self.namespace)
    }

    /// Where it is.
    pub fn path(&self) -> String {
        path(&self.namespace, "previewenvironments", &self.name)
    }

    /// Puts words into its status.
    pub async fn say(&self, words: Value) -> Result<()> {
        let commit = crate::scene::COMMITS.first().copied().unwrap_or_default();
        let mut status = json!({
            "since": "2026-11-21T10:00:00Z", "commit": commit,
            "hosts": [{
                "name": "web", "url": format!("http://{}", self.host()), "service": "web", "port": 80,
            }],
            "namespace": {"name": format!("pv-{}-{}", self.namespace, self.name), "uid": self.home},
        });
        for (name, value) in words.as_object().into_iter().flatten() {
            if let Some(fields) = status.as_object_mut() {
                fields.insert(name.clone(), value.clone());
            }
        }
        let status = json!({"status": status});
        self.cluster.patch(&format!("{}/status", self.path()), &status).await.map(drop)
    }

    /// Says that its pods speak HTTP/2 without TLS.
    pub async fn speaks_h2(&self) -> Result<()> {
        let stack = format!("pv-{}-{}", self.namespace, self.name);
        let service = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
            "spec": {"ports": [{"port": 80, "appProtocol": "kubernetes.io/h2c"}]},
        });
        let path = format!("/api/v1/namespaces/{stack}/services/web");
        self.cluster.patch(&path, &service).await.map(drop)
    }

    /// Makes these the ready pods behind its Service: addresses, ports by their order, UIDs.
    pub async fn pods(&self, pods: &[(&str, u16, &str)]) -> Result<()> {
        let stack = format!("pv-{}-{}", self.namespace, self.name);
        let target =
            |pod: &str| json!({"kind": "Pod", "namespace": stack, "name": pod, "uid": pod});
        // A slice for each port: that is how Kubernetes tells ports of pods that differ apart.
        let ports: std::collections::BTreeSet<u16> = pods.iter().map(|pod| pod.1).collect();
        let list = format!("/apis/discovery.k8s.io/v1/namespaces/{stack}/endpointslices");
        let known = self.cluster.find(&list).await?.unwrap_or_default();
        for port in &ports {
            let endpoints: Vec<Value> = pods
                .iter()
                .filter(|pod| pod.1 == *port)
                .map(|(address, _, pod)| {
                    json!({"addresses": [address], "conditions": {"ready": true}, "targetRef": target(pod)})
                })
                .collect();
            self.slice(&format!("web-{port}"), *port, &json!(endpoints)).await?;
        }
        for one in known.get("items").and_then(Value::as_array).into_iter().flatten() {
            let name = one.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            if !ports.iter().any(|port| name == format!("web-{port}")) {
                self.cluster.delete(&format!("{list}/{name}")).await?;
            }
        }
        Ok(())
    }

    /// Writes one slice as it stands.
    pub async fn slice(&self, name: &str, port: u16, endpoints: &Value) -> Result<()> {
        let stack = format!("pv-{}-{}", self.namespace, self.name);
        let labels = json!({
            PREVIEW_UID: self.uid, PREVIEW_NAMESPACE: self.namespace, "kubernetes.io/service-name": "web",
        });
        let object = json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": name, "labels": labels}, "endpoints": endpoints,
            "ports": [{"name": "", "port": port, "protocol": "TCP"}],
        });
        let path = format!("/apis/discovery.k8s.io/v1/namespaces/{stack}/endpointslices/{name}");
        self.cluster.apply(&path, &object).await.map(drop)
    }

    /// Deletes it; nobody holds it.
    pub async fn close(&self) -> Result<()> {
        self.cluster.delete(&self.path()).await
    }
}

/// GETs a path of a host; with the whole answer.
pub async fn get(address: &str, host: &str, path: &str) -> Result<Response<Bytes>> {
    let request = Request::get(path).header(header::HOST, host).body(Full::default());
    ask(address, request.map_err(failed)?).await
}

/// Sends a request on a connection of its own; with the whole answer.
pub async fn ask(address: &str, request: Request<Full<Bytes>>) -> Result<Response<Bytes>> {
    let stream = TcpStream::connect(address).await.map_err(failed)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    let connection = tokio::spawn(connection);
    let answer = sender.send_request(request).await.map_err(failed)?;
    let (head, body) = answer.into_parts();
    let body = body.collect().await.map_err(failed)?.to_bytes();
    connection.abort();
    Ok(Response::from_parts(head, body))
}

/// Asks on that connection for a `WebSocket` of a host at `/live`; what was a connection is one then.
pub async fn upgrade(mut stream: TcpStream, host: &str) -> Result<TcpStream> {
    // The key is RFC 6455's own example.
    let request = format!(
        "GET /live HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.map_err(failed)?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        // Byte by byte: what follows is not ours.
        head.push(stream.read_u8().await.map_err(failed)?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    if head.starts_with("HTTP/1.1 101 ") { Ok(stream) } else { Err(failed(head)) }
}

/// GETs each path of a host, all at once on one connection of HTTP/2; the bodies in their order.
pub async fn get_each_h2(address: &str, host: &str, paths: &[String]) -> Result<Vec<(u16, Bytes)>> {
    let stream = TcpStream::connect(address).await.map_err(failed)?;
    let mut builder = http2::Builder::new(TokioExecutor::new());
    let handshake = builder.max_header_list_size(1 << 20).handshake(TokioIo::new(stream)).await;
    let (sender, connection) = handshake.map_err(failed)?;
    let connection = tokio::spawn(connection);
    let answers = paths.iter().map(|path| {
        let (mut sender, uri) = (sender.clone(), format!("http://{host}{path}"));
        async move {
            let request = Request::get(uri).body(Full::<Bytes>::default()).map_err(failed)?;
            let answer = sender.send_request(request).await.map_err(failed)?;
            let status = answer.status().as_u16();
            Ok((status, answer.into_body().collect().await.map_err(failed)?.to_bytes()))
        }
    });
    let answers = futures::future::join_all(answers).await;
    connection.abort();
    answers.into_iter().collect()
}
