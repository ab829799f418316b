//! Real pods: what a hostile one reaches from inside a preview, and what is left when previews have gone.

#![expect(
    clippy::indexing_slicing,
    reason = "a manifest without that field is a test that is wrong"
)]

#[expect(dead_code, reason = "counting is for another suite")]
#[path = "stage.rs"]
mod stage;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use understudy_bed::{
    Bed, Error, Profile, Result,
    plan::address,
    testing::{Dialled, Namespace, Outcome, Pod, dial, shared, text},
};
use understudy_crds::label;
use understudy_fakes::{
    Scene,
    cluster::LONG,
    scene::{COMMITS, small},
};

use stage::{Stage, block_on, stage_on};

/// The small stack with a pod that runs for real, and dials what it should not reach from its first
/// instruction on.
fn template(targets: &[String], mark: &str) -> Value {
    let mut spec = small();
    let pod = &mut spec["source"]["inline"][0]["spec"]["template"];
    let mut script = "mkdir /tmp/www && echo ok > /tmp/www/index.html; cp /tmp/www/index.html /tmp/www/healthz\n\
                      httpd -p 8080 -h /tmp/www\nbegan=$(date +%s)\nwhile true; do\n"
        .to_owned();
    // By this its processes are known among those of other tests.
    script.insert_str(0, &format!(": {mark}\n"));
    for target in targets {
        let (host, port) = target.rsplit_once(':').unwrap_or((target, "80"));
        script.push_str(&format!(
            "timeout 1 nc {host} {port} </dev/null >/dev/null 2>&1 && echo open $(( $(date +%s) - began )) {target}\n"
        ));
    }
    script.push_str("sleep 0.2\ndone\n");
    pod["spec"] = Pod::spec("main");
    pod["spec"]["containers"][0]["name"] = json!("web");
    pod["spec"]["containers"][0]["command"] = json!(["sh", "-c", script]);
    spec["source"]["inline"][1]["spec"]["ports"] = json!([{"port": 80, "targetPort": 8080}]);
    spec
}

/// Dials each target from the preview's pod.
fn dial_from(bed: &Bed, namespace: &str, targets: &[String]) -> Result<Vec<Dialled>> {
    let within = ["exec", "--namespace", namespace, "deployment/web", "--"];
    dial(targets, |words| bed.kubectl_run(&[&within, words].concat()))
}

async fn address_of(stage: &Stage, namespace: &str) -> Result<(String, String)> {
    let pods = format!("/api/v1/namespaces/{namespace}/pods");
    let pods = stage.cluster.find(&pods).await?.unwrap_or_default();
    let service = format!("/api/v1/namespaces/{namespace}/services/web");
    let service = stage.cluster.find(&service).await?.unwrap_or_default();
    Ok((
        format!("{}:8080", text(&pods, "/items/0/status/podIP")),
        format!("{}:80", text(&service, "/spec/clusterIP")),
    ))
}

/// What a preview must never reach, and an unfenced pod does.
async fn targets(stage: &Stage, sibling: &str, operator: &str) -> Result<Vec<String>> {
    let (pod, service) = address_of(stage, sibling).await?;
    Ok(vec![
        pod,
        service,
        format!("web.{sibling}.svc.cluster.local:80"),
        format!("{}:443", address::KUBERNETES_SERVICE),
        format!("{}:{}", address::NODE, address::API_PORT),
        format!("{}:10250", address::NODE),
        format!("{}:80", address::METADATA),
        format!("{}:80", address::INTERNET),
        format!("{}:{}", address::NODE, address::NODE_PORT),
        operator.to_owned(),
    ])
}

/// Where the operator's own port is found from inside the bed.
const OPERATOR: &str = "198.18.255.1:19090";

async fn hostile() -> Result<()> {
    let stage = stage_on(shared(Profile::Node)?).await?;
    let listen = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
    let listen = listen.map_err(|error| Error::Bed(error.to_string()))?.to_string();
    let flag = format!("--admin-listen={listen}");
    let scene =
        Scene::new(&stage.cluster, &stage.upstream, "hostile", &template(&[], "hostile"), &[&flag])
            .await?;
    let _port = stage.bed.expose(OPERATOR, &listen)?;
    scene.open("sibling", COMMITS[0]).await?;
    let sibling = scene.reach("sibling", "Ready", COMMITS[0]).await?;
    let sibling = text(&sibling, "/status/namespace/name");
    let targets = targets(&stage, sibling, OPERATOR).await?;
    // The sibling's own fence keeps unfenced pods out as well: it is reached from a pod of its own.
    let free_space = Namespace::create(&stage.bed, "free")?;
    let free = Pod::start(&free_space, "free")?;
    let (inward, outward) = targets.split_at(3);
    free_space.until("every target outside open from an unfenced pod", || {
        Ok(free.dial(outward)?.iter().all(|one| *one == Dialled::Open).then_some(()))
    })?;
    assert_eq!(
        dial_from(&stage.bed, sibling, inward)?,
        [Dialled::Open; 3],
        "a preview reaches itself"
    );
    scene.template(&template(&targets, "hostile")).await?;
    scene.open("hostile", COMMITS[0]).await?;
    let preview = scene.reach("hostile", "Ready", COMMITS[0]).await?;
    let namespace = text(&preview, "/status/namespace/name").to_owned();
    closed(&stage, &namespace, &targets, "from the start").await?;
    let log = stage.bed.kubectl_run(&["logs", "--namespace", &namespace, "deployment/web"])?;
    let seconds = log.lines().filter_map(|line| line.split(' ').nth(1)?.parse::<u64>().ok()).max();
    println!(
        "measured: a new pod was open for {} s ({} dials got through)",
        seconds.map_or(0, |seconds| seconds + 1),
        log.lines().filter(|line| line.starts_with("open")).count()
    );
    tamper(&stage, &namespace)?;
    scene.told(repaired(&stage, &namespace).await).await?;
    closed(&stage, &namespace, &targets, "after its owner tried to take the fences down").await?;
    scene.clear().await
}

async fn closed(stage: &Stage, namespace: &str, targets: &[String], when: &str) -> Result<()> {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let outcomes = dial_from(&stage.bed, namespace, targets)?;
        let open: Vec<&String> = targets
            .iter()
            .zip(&outcomes)
            .filter(|(_, outcome)| **outcome == Dialled::Open)
            .map(|(target, _)| target)
            .collect();
        if open.is_empty() {
            println!("measured: {} targets closed {when}", targets.len());
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(Error::Bed(format!("{when}: still open: {open:?}")));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// What somebody with the rights of a namespace's administrator can try.
fn tamper(stage: &Stage, namespace: &str) -> Result<()> {
    let owner = "--as=owner";
    stage.bed.kubectl_run(&[
        "create",
        "rolebinding",
        "owner",
        "--clusterrole=admin",
        "--user=owner",
        "--namespace",
        namespace,
    ])?;
    let run = |words: &[&str]| {
        let mut all = vec![owner, "--namespace", namespace];
        all.extend(words);
        stage.bed.kubectl_run(&all)
    };
    let open = r#"{"spec":{"podSelector":{"matchLabels":{"nobody":"at-all"}},"egress":[{}]}}"#;
    run(&["patch", "networkpolicy", "understudy", "--type=merge", "--patch", open])?;
    let without = format!("{}-", label::PREVIEW_UID);
    run(&["label", "networkpolicy", "understudy", &without])?;
    run(&["delete", "networkpolicy", "understudy"])?;
    run(&["delete", "serviceaccount", "understudy-preview"])?;
    run(&["delete", "rolebinding", "understudy"])?;
    for refused in [
        vec!["delete", "resourcequota", "understudy"],
        vec!["delete", "limitrange", "understudy"],
        vec![
            "label",
            "namespace",
            namespace,
            "--overwrite",
            "pod-security.kubernetes.io/enforce=privileged",
        ],
    ] {
        assert!(run(&refused).is_err(), "an administrator of the namespace may not: {refused:?}");
    }
    Ok(())
}

async fn repaired(stage: &Stage, namespace: &str) -> Result<()> {
    let began = Instant::now();
    for path in [
        "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies/understudy",
        "/api/v1/namespaces/{}/serviceaccounts/understudy-preview",
        "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings/understudy",
    ] {
        let path = path.replace("{}", namespace);
        stage
            .cluster
            .until(&path, LONG, |one| {
                one.pointer("/metadata/labels")
                    .is_some_and(|labels| labels.get(label::PREVIEW_UID).is_some())
            })
            .await?;
    }
    println!("measured: fences back after {:.1} s", began.elapsed().as_secs_f64());
    Ok(())
}

#[test]
#[ignore = "needs a node bed: cargo verify --only isolation"]
fn hostile_pod_reaches_nothing_but_its_own_preview() -> Outcome {
    block_on(hostile())
}

/// Lives side by side: some are closed while they still deploy, some while the operator is dead.
async fn lives(number: usize) -> Result<()> {
    let stage = stage_on(shared(Profile::Node)?).await?;
    let mark = format!("lives-of-{}", std::process::id());
    let template = template(&[], &mark);
    let scene = Scene::new(&stage.cluster, &stage.upstream, "lives", &template, &[]).await?;
    let before = inside(&stage.bed, &mark)?;
    for round in 0..number {
        let name = format!("life-{round}");
        scene.open(&name, COMMITS[0]).await?;
        match round % 3 {
            0 => drop(scene.reach(&name, "Ready", COMMITS[0]).await?),
            1 => tokio::time::sleep(Duration::from_millis(40 * (round as u64 % 20))).await,
            _ => {
                scene.operator.lock().await.kill().await;
                scene.operator.lock().await.restart()?;
            }
        }
        scene.cluster.delete(&scene.preview(&name)).await?;
    }
    for round in 0..number {
        let path = scene.preview(&format!("life-{round}"));
        scene.cluster.until(&path, LONG, Value::is_null).await?;
    }
    let left = everything(&stage, &scene)?;
    assert!(left.is_empty(), "left behind: {left:?}");
    let deadline = Instant::now() + Duration::from_secs(30);
    let after = loop {
        let after = inside(&stage.bed, &mark)?;
        if (after.0 <= before.0 && after.1 == 0) || Instant::now() > deadline {
            break after;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    // What other tests left is still going meanwhile.
    assert!(after.0 <= before.0, "{} mounts became {}", before.0, after.0);
    assert_eq!(after.1, 0, "processes are left");
    println!("measured: {number} lives, 0 objects, 0 processes and 0 mounts left");
    scene.clear().await
}

/// Mounts in the bed, and processes that carry the mark.
fn inside(bed: &Bed, mark: &str) -> Result<(usize, usize)> {
    // The bracket keeps the search from finding itself.
    let (first, rest) = mark.split_at(1);
    let script = format!("wc -l < /proc/mounts; ps axww -o args | grep -c '[{first}]{rest}'");
    let output = bed.inside("sh")?.args(["-c", &script]).output();
    let output = output.map_err(|error| Error::Bed(error.to_string()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut numbers = text.lines().map(|line| line.trim().parse::<usize>().unwrap_or(usize::MAX));
    Ok((numbers.next().unwrap_or(usize::MAX), numbers.next().unwrap_or(usize::MAX)))
}

/// Every object of every listable kind that carries our label for this scene.
fn everything(stage: &Stage, scene: &Scene) -> Result<Vec<String>> {
    let kinds = stage.bed.kubectl_run(&["api-resources", "--verbs=list", "--output=name"])?;
    let kinds: Vec<&str> =
        kinds.lines().filter(|kind| !kind.starts_with("componentstatuses")).collect();
    let selector = format!("{}={}", label::PREVIEW_NAMESPACE, scene.namespace);
    let found = stage.bed.kubectl_run(&[
        "get",
        &kinds.join(","),
        "--all-namespaces",
        "--output=name",
        "--ignore-not-found",
        "--selector",
        &selector,
    ])?;
    Ok(found.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

#[test]
#[ignore = "needs a node bed: cargo verify --only isolation"]
fn lives_leave_nothing_behind() -> Outcome {
    block_on(lives(4))
}

#[test]
#[ignore = "needs a node bed: cargo verify --long isolation"]
fn long_thirty_lives_leave_nothing_behind() -> Outcome {
    block_on(lives(30))
}
