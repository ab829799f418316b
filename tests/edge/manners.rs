//! Whose pods a host leads to, what they are told, what the visitor is told, and pages for the rest.

use http::{HeaderMap, Request, header};
use http_body_util::Full;
use serde_json::{Value, json};
use understudy_bed::{Error, Result};
use understudy_fakes::{
    backend::Backend,
    edge::{INSIDE, ask, get},
    scene::COMMITS,
};

use crate::{Scene, port, scene, until};

const PAGE: &str = "understudy-page";

fn text(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

pub(crate) async fn story() -> Result<()> {
    let scene = scene("manners", &[]).await?;
    passed_on(&scene).await?;
    forged(&scene).await?;
    standing(&scene).await
}

/// What passes is told who came, and what comes back is told apart from what others say.
async fn passed_on(scene: &Scene) -> Result<()> {
    let (preview, backend) =
        (scene.open("web").await?, Backend::echo(&scene.stage.bed, port()).await?);
    preview.pods(&[(INSIDE, backend.port, "a")]).await?;
    let (address, host) = (scene.edge.plain(), preview.host());
    let answer =
        until(async || get(&address, &host, "/a?b=c").await, |one| one.status() == 200).await?;
    let headers = answer.headers();
    assert_eq!(text(headers, "x-robots-tag"), "noindex");
    assert_eq!(text(headers, "understudy-commit"), COMMITS[0]);
    assert_eq!(text(headers, "set-cookie"), "own=1; Path=/", "a parent's cookie reaches others");
    assert!(!headers.contains_key("x-hop") && !headers.contains_key(PAGE), "{headers:?}");
    let request = Request::post("/form")
        .header(header::HOST, format!("{}:8000", host.to_uppercase()))
        .header("x-forwarded-for", "6.6.6.6")
        .header("forwarded", "for=6.6.6.6")
        .header("x_forwarded_port", "6666")
        .header("x-original-url", "/admin")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .header("connection", "x-mine")
        .header("x-mine", "1")
        .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
        .body(Full::from("a body"))
        .map_err(|error| Error::Bed(error.to_string()))?;
    let answer = ask(&address, request).await?;
    let seen: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    assert_eq!(
        (&seen["method"], &seen["uri"], &seen["body"]),
        (&json!("POST"), &json!("/form"), &json!("a body"))
    );
    let told = |name: &str| {
        let all = seen["headers"].as_array().into_iter().flatten();
        let values: Vec<&str> =
            all.filter(|pair| pair[0] == name).filter_map(|pair| pair[1].as_str()).collect();
        values.join("|")
    };
    assert_eq!(told("x-forwarded-proto"), "http");
    assert_eq!(told("x-forwarded-host"), format!("{host}:8000"));
    assert_eq!(told("x-forwarded-port"), "8000");
    assert_eq!((told("x_forwarded_port"), told("x-original-url")), (String::new(), String::new()));
    assert_eq!(told("cookie"), "a=1; b=2");
    assert!(!told("x-forwarded-for").contains("6.6.6.6") && !told("forwarded").contains("6.6.6.6"));
    assert_eq!((told("x-mine"), told("connection")), (String::new(), String::new()));
    assert!(told("traceparent").starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
    Ok(())
}

/// Slices that name anything but a pod of the preview's own namespace lead nowhere, and the same with a pod does.
async fn forged(scene: &Scene) -> Result<()> {
    let (preview, backend) =
        (scene.open("forged").await?, Backend::echo(&scene.stage.bed, port()).await?);
    let own = format!("pv-{}-forged", scene.namespace);
    let (address, host) = (scene.edge.plain(), preview.host());
    let pod = |namespace: &str, kind: &str| json!({"kind": kind, "namespace": namespace, "name": "a", "uid": "a"});
    for (what, ip, target) in [
        ("a loopback", "127.0.0.1", pod(&own, "Pod")),
        ("the metadata address", "169.254.169.254", pod(&own, "Pod")),
        ("a pod elsewhere", INSIDE, pod("kube-system", "Pod")),
        ("a node", INSIDE, pod(&own, "Node")),
        ("nobody", INSIDE, Value::Null),
    ] {
        let mut endpoint = json!({"addresses": [ip], "conditions": {"ready": true}});
        if !target.is_null() {
            endpoint["targetRef"] = target;
        }
        // The API server itself takes neither a loopback nor a link-local address.
        if preview.slice("forged", backend.port, &json!([endpoint])).await.is_err() {
            assert!(matches!(ip, "127.0.0.1" | "169.254.169.254"), "{what}");
            continue;
        }
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        // A browser is told at once, a program would wait.
        let answer = navigate(&address, &host).await?;
        assert_eq!(answer.status(), 503, "{what}");
        assert!(answer.headers().contains_key(PAGE), "{what}");
    }
    let endpoint = json!({"addresses": [INSIDE], "conditions": {"ready": true}, "targetRef": pod(&own, "Pod")});
    preview.slice("forged", backend.port, &json!([endpoint])).await?;
    let answer = until(async || navigate(&address, &host).await, |one| one.status() == 200).await?;
    assert_eq!(answer.status(), 200);
    // The namespace says it belongs to somebody else: nothing in it is the preview's any more.
    let labels = json!({"metadata": {"labels": {understudy_crds::label::PREVIEW_UID: "somebody"}}});
    scene.stage.cluster.patch(&format!("/api/v1/namespaces/{own}"), &labels).await?;
    let answer = until(async || navigate(&address, &host).await, |one| one.status() == 503).await?;
    assert_eq!(answer.status(), 503);
    Ok(())
}

async fn navigate(address: &str, host: &str) -> Result<http::Response<bytes::Bytes>> {
    let request = Request::get("/")
        .header(header::HOST, host)
        .header(header::ACCEPT, "text/html")
        .body(Full::default())
        .map_err(|error| Error::Bed(error.to_string()))?;
    ask(address, request).await
}

/// Hosts that nobody has, that were closed, and that have nothing to answer with.
async fn standing(scene: &Scene) -> Result<()> {
    let address = scene.edge.plain();
    let unknown = navigate(&address, "<script>.preview.test").await;
    assert!(unknown.is_ok_and(|one| one.status() == 400), "no host name");
    let unknown = navigate(&address, "nobody-knows.preview.test").await?;
    assert_eq!(unknown.status(), 404);
    assert!(!String::from_utf8_lossy(unknown.body()).contains("nobody-knows"), "no echo");
    let preview = scene.open("standing").await?;
    let host = preview.host();
    for (phase, title) in [
        ("Deploying", "Starting"),
        ("Failed", "This preview failed"),
        ("WaitingForImage", "Waiting for an image"),
        ("Stopped", "This preview is stopped"),
    ] {
        preview.say(json!({"phase": phase, "message": "because <of> it"})).await?;
        let shows = |one: &http::Response<bytes::Bytes>| {
            String::from_utf8_lossy(one.body()).contains(&format!("<title>{title}</title>"))
        };
        let answer = until(async || navigate(&address, &host).await, shows).await?;
        let page = String::from_utf8_lossy(answer.body()).into_owned();
        assert_eq!(answer.status(), 503, "{phase}");
        assert!(shows(&answer) && page.contains("because &#60;of&#62; it"), "{page}");
        assert_eq!(text(answer.headers(), "cache-control"), "no-store");
        assert!(answer.headers().contains_key(header::RETRY_AFTER));
    }
    let began = std::time::Instant::now();
    preview.close().await?;
    let answer = until(async || navigate(&address, &host).await, |one| one.status() == 410).await?;
    assert_eq!(answer.status(), 410);
    println!("measured: 410 after {} ms", began.elapsed().as_millis());
    Ok(())
}
