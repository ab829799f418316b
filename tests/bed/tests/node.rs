//! A node bed does what a node does: pods, volumes, jobs, pulls, names.
//!
//! Each test has a namespace of its own on one shared bed; network policy is in `fences.rs`.

use std::time::Duration;

use serde_json::{Value, json};
use understudy_bed::{
    Bed, Error, Profile,
    home::Home,
    image,
    plan::address,
    testing::{Dialled, Namespace, Outcome, Pod, shared, story, text, until},
};

fn bed() -> Result<Bed, Error> {
    shared(Profile::Node)
}

#[test]
#[ignore = "needs a node bed: cargo verify --only node"]
fn server_is_the_kubernetes_that_was_built() -> Outcome {
    let version: Value = serde_json::from_str(&bed()?.kubectl_run(&["get", "--raw=/version"])?)?;
    assert!(text(&version, "/gitVersion").starts_with("v1.36."), "{version}");
    assert_eq!((text(&version, "/major"), text(&version, "/minor")), ("1", "36"));
    Ok(())
}

#[test]
#[ignore = "needs a node bed: cargo verify --only node"]
fn deployment_is_reached_by_address_service_and_name() -> Outcome {
    let bed = bed()?;
    let namespace = Namespace::create(&bed, "reach")?;
    namespace.apply(&[
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
            "spec": {
                "selector": {"matchLabels": {"app": "web"}},
                "template": {"metadata": {"labels": {"app": "web"}}, "spec": Pod::spec("web")},
            },
        }),
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
        }),
    ])?;
    let client = Pod::start(&namespace, "client")?;
    namespace.wait_for("deployment/web", "condition=Available")?;
    let pods = namespace.pods("app=web")?;
    let pod = text(&pods, "/items/0/status/podIP").to_owned();
    let service = namespace.get("service/web")?;
    let service = text(&service, "/spec/clusterIP").to_owned();
    let name = format!("web.{}.svc.cluster.local", namespace.name());
    for url in [format!("{pod}:8080"), service.clone(), "web".to_owned(), name] {
        let fetched = namespace.until(&format!("http://{url} from a pod"), || {
            client.fetch(&format!("http://{url}/")).map(Some)
        })?;
        assert_eq!(fetched, "web\n", "from a pod, {url}");
    }
    for address in [format!("{pod}:8080"), format!("{service}:80")] {
        assert_eq!(bed.get(&address, "/")?.body, "web\n", "from this machine, {address}");
    }
    Ok(())
}

#[test]
#[ignore = "needs a node bed: cargo verify --only node"]
fn claim_is_bound_written_and_read_by_another_pod() -> Outcome {
    let bed = bed()?;
    let namespace = Namespace::create(&bed, "volume")?;
    let job = |name: &str, script: &str| {
        let mut spec = job_spec("busybox:1", script);
        spec["template"]["spec"]["volumes"] =
            json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]);
        spec["template"]["spec"]["containers"][0]["volumeMounts"] =
            json!([{"name": "data", "mountPath": "/data"}]);
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec})
    };
    namespace.apply(&[
        json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Gi"}},
            },
        }),
        job("write", "echo kept > /data/file"),
    ])?;
    assert!(namespace.job_end("write")?);
    let claim = namespace.get("persistentvolumeclaim/data")?;
    assert_eq!(text(&claim, "/status/phase"), "Bound");
    namespace.apply(&[job("read", "cat /data/file")])?;
    assert!(namespace.job_end("read")?);
    assert_eq!(namespace.kubectl(&["logs", "job/read"])?, "kept\n");
    Ok(())
}

fn job_spec(image: &str, script: &str) -> Value {
    json!({
        "backoffLimit": 0,
        "template": {"spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 10,
            "containers": [{
                "name": "main",
                "image": format!("{}/{image}", address::REGISTRY),
                "command": ["sh", "-c", script],
            }],
        }},
    })
}

fn job(name: &str, image: &str, script: &str) -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": name}, "spec": job_spec(image, script),
    })
}

#[test]
#[ignore = "needs a node bed: cargo verify --only node"]
fn job_completes_another_fails_and_both_logs_are_read() -> Outcome {
    let namespace = Namespace::create(&bed()?, "job")?;
    namespace.apply(&[
        job("good", "debian:12", "cat /etc/debian_version"),
        job("bad", "busybox:1", "echo before the fall; exit 3"),
    ])?;
    assert!(namespace.job_end("good")?);
    assert!(namespace.kubectl(&["logs", "job/good"])?.starts_with("12."));
    assert!(!namespace.job_end("bad")?);
    assert_eq!(namespace.kubectl(&["logs", "job/bad"])?, "before the fall\n");
    let pods = namespace.pods("job-name=bad")?;
    let code = pods.pointer("/items/0/status/containerStatuses/0/state/terminated/exitCode");
    assert_eq!(code, Some(&json!(3)));
    Ok(())
}

#[test]
#[ignore = "needs a node bed: cargo verify --only node"]
fn native_sidecar_is_told_to_end_after_the_main_container_ended() -> Outcome {
    let namespace = Namespace::create(&bed()?, "sidecar")?;
    let mut with_sidecar = job("work", "busybox:1", "sleep 2; date +%s > /shared/main-ended");
    let pod = &mut with_sidecar["spec"]["template"]["spec"];
    pod["volumes"] = json!([{"name": "shared", "emptyDir": {}}]);
    let mounts = json!([{"name": "shared", "mountPath": "/shared"}]);
    pod["containers"][0]["volumeMounts"] = mounts.clone();
    let script = "trap 'echo told $(cat /shared/main-ended); exit 0' TERM; echo waiting; \
                  while true; do sleep 0.1; done";
    pod["initContainers"] = json!([{
        "name": "side", "restartPolicy": "Always",
        "image": format!("{}/busybox:1", address::REGISTRY),
        "command": ["sh", "-c", script], "volumeMounts": mounts,
    }]);
    namespace.apply(&[with_sidecar])?;
    assert!(namespace.job_end("work")?);
    let log = namespace.kubectl(&["logs", "job/work", "--container=side"])?;
    let told = log.lines().find_map(|line| line.strip_prefix("told ")).unwrap_or_default();
    // The stamp was there when the signal came: the main container had ended before.
    assert!(told.parse::<u64>().is_ok(), "the sidecar's log: {log}");
    let pods = namespace.get("pods")?;
    let side = pods.pointer("/items/0/status/initContainerStatuses/0/state/terminated/exitCode");
    assert_eq!(side, Some(&json!(0)), "{pods:#}");
    assert_eq!(text(&pods, "/items/0/status/phase"), "Succeeded");
    Ok(())
}

#[test]
#[ignore = "needs a node bed: cargo verify --only node"]
fn built_image_is_pulled_by_tag_and_by_digest() -> Outcome {
    let bed = bed()?;
    let namespace = Namespace::create(&bed, "pull")?;
    let folder = tempfile::tempdir()?;
    std::fs::write(
        folder.path().join("Dockerfile"),
        format!("FROM busybox:1\nRUN echo built in {} > /built\n", namespace.name()),
    )?;
    let tag = format!("test/pull:{}", namespace.name());
    let name = image::build(&Home::find()?, &bed, folder.path(), &tag, &[])?;
    assert_eq!(name, format!("registry.bed:5000/{tag}"));
    let digest = registry_digest(&bed, "test/pull", namespace.name())?;
    let by_digest = format!("test/pull@{digest}");
    for (pod, image) in [("by-tag", &tag), ("by-digest", &by_digest)] {
        let mut job = job(pod, image, "cat /built");
        job["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] = json!("Always");
        namespace.apply(&[job])?;
        assert!(namespace.job_end(pod)?);
        let log = namespace.kubectl(&["logs", &format!("job/{pod}")])?;
        assert_eq!(log, format!("built in {}\n", namespace.name()));
        let pods = namespace.pods(&format!("job-name={pod}"))?;
        let id = text(&pods, "/items/0/status/containerStatuses/0/imageID");
        assert_eq!(id, format!("registry.bed:5000/test/pull@{digest}"), "{pod}");
    }
    Ok(())
}

/// The digest of a tag, as the registry says it.
fn registry_digest(bed: &Bed, name: &str, tag: &str) -> Result<String, Error> {
    let url = format!("http://{}/v2/{name}/manifests/{tag}", address::REGISTRY_ADDRESS);
    let accept = "Accept: application/vnd.oci.image.manifest.v1+json, \
                  application/vnd.docker.distribution.manifest.v2+json";
    let mut curl = bed.inside("curl")?;
    curl.args(["--silent", "--fail", "--head", "--header", accept, &url]);
    let headers = understudy_bed::command::run(&mut curl)?;
    headers
        .lines()
        .find_map(|line| {
            line.to_ascii_lowercase().strip_prefix("docker-content-digest:").map(str::to_owned)
        })
        .map(|digest| digest.trim().to_owned())
        .ok_or_else(|| Error::Bed(format!("no digest in {headers}")))
}

#[test]
#[ignore = "needs a node bed: cargo verify --only node"]
fn restricted_namespace_refuses_a_privileged_pod_that_another_takes() -> Outcome {
    let bed = bed()?;
    let mut pod = Pod::object("privileged");
    pod["spec"]["containers"][0]["securityContext"] = json!({"privileged": true});
    let open = Namespace::create(&bed, "open")?;
    open.accepts(&pod)?;
    let label = json!({"pod-security.kubernetes.io/enforce": "restricted"});
    let restricted = Namespace::labelled(&bed, "restricted", &label)?;
    let refusal = restricted.accepts(&pod).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(
        refusal.contains("violates PodSecurity \"restricted:latest\": privileged"),
        "{refusal}"
    );
    Pod::start(&restricted, "harmless")?;
    Ok(())
}

#[test]
#[ignore = "needs a node bed: cargo verify --only node"]
fn names_of_previews_lead_to_what_is_exposed_at_the_edge() -> Outcome {
    let bed = bed()?;
    let namespace = Namespace::create(&bed, "edge")?;
    let pod = Pod::start(&namespace, "visitor")?;
    let outside = std::net::TcpListener::bind("127.0.0.1:0")?;
    let host = outside.local_addr()?.to_string();
    std::thread::spawn(move || {
        for mut stream in outside.incoming().flatten() {
            let _ = std::io::Write::write_all(
                &mut stream,
                b"HTTP/1.0 200 OK\r\nContent-Length: 13\r\n\r\nfrom outside\n",
            );
        }
    });
    let edge = format!("{}:80", address::EDGE);
    let exposed = bed.expose(&edge, &host)?;
    assert_eq!(pod.fetch("http://pr-42-shop.preview.test/")?, "from outside\n");
    assert_eq!(pod.resolve("no-such-name.example.com")?, Dialled::Closed);
    drop(exposed);
    namespace.until("the end of the forward", || {
        Ok((pod.dial(std::slice::from_ref(&edge))? == [Dialled::Closed]).then_some(()))
    })?;
    // The other direction: a port of this machine leads to the pod.
    let forward = bed.forward(&format!("{}:8080", pod.address()?))?;
    let page = understudy_bed::command::run(
        std::process::Command::new("curl")
            .args(["--silent", &format!("http://{}/", forward.local())]),
    )?;
    assert_eq!(page, "visitor\n");
    Ok(())
}

#[test]
#[ignore = "needs a node bed: cargo verify --only node"]
fn failed_wait_tells_what_happened_in_the_namespace() -> Outcome {
    let bed = bed()?;
    let namespace = Namespace::create(&bed, "story")?;
    namespace.apply(&[job("doomed", "busybox:1", "echo the disk is on fire; exit 7")])?;
    assert!(!namespace.job_end("doomed")?);
    let waited: Result<(), Error> = until(
        "something that never happens",
        Duration::from_millis(300),
        || story(&bed, namespace.name()),
        || Ok(None),
    );
    let text = waited.err().map(|error| error.to_string()).unwrap_or_default();
    for told in [
        "something that never happens did not happen within 0.3 s",
        "BackoffLimitExceeded",
        "\"exitCode\":7",
        "the disk is on fire",
    ] {
        assert!(text.contains(told), "`{told}` is missing:\n{text}");
    }
    Ok(())
}

#[test]
#[ignore = "needs a node bed: cargo verify --only node"]
fn saved_image_is_loaded_and_run() -> Outcome {
    let bed = bed()?;
    let namespace = Namespace::create(&bed, "load")?;
    let folder = tempfile::tempdir()?;
    let archive = folder.path().join("saved.tar");
    let registry = bed.forward(address::REGISTRY_ADDRESS)?;
    let mut save = std::process::Command::new("skopeo");
    save.args(["copy", "--quiet", "--src-tls-verify=false"])
        .arg(format!("docker://{}/busybox:1", registry.local()))
        .arg(format!("oci-archive:{}", archive.display()));
    understudy_bed::command::run(&mut save)?;
    let tag = format!("test/load:{}", namespace.name());
    assert_eq!(
        image::load(&Home::find()?, &bed, &archive, Some(&tag))?,
        format!("registry.bed:5000/{tag}")
    );
    namespace.apply(&[job("loaded", &tag, "echo loaded")])?;
    assert!(namespace.job_end("loaded")?);
    assert_eq!(namespace.kubectl(&["logs", "job/loaded"])?, "loaded\n");
    std::fs::write(&archive, "not an archive")?;
    let refusal = image::load(&Home::find()?, &bed, &archive, Some(&tag)).err();
    assert!(refusal.is_some_and(|error| error.exit_code() == 2));
    Ok(())
}
