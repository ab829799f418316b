//! A fleet bed carries a thousand pods that only seem to run, answer HTTP, and end as they are told.

#![expect(
    clippy::indexing_slicing,
    reason = "JSON objects are indexed by name, which cannot panic"
)]

use std::{collections::BTreeSet, time::Instant};

use serde_json::{Value, json};
use understudy_bed::{
    Profile,
    testing::{Namespace, Outcome, shared, text},
};

const DIGEST: &str = "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";

/// A pod template with one container of that image and those annotations.
fn template(image: &str, annotations: &Value) -> Value {
    json!({
        "metadata": {"labels": {"app": "fake"}, "annotations": annotations},
        "spec": {"containers": [{"name": "main", "image": image}]},
    })
}

fn deployment(name: &str, replicas: u32, template: &Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "fake", "name": name}},
            "template": {
                "metadata": {
                    "labels": {"app": "fake", "name": name},
                    "annotations": template["metadata"]["annotations"],
                },
                "spec": template["spec"],
            },
        },
    })
}

fn job(name: &str, annotations: &Value, sidecar: bool) -> Value {
    let mut template = template("test/e2e:1", annotations);
    template["spec"]["restartPolicy"] = json!("Never");
    if sidecar {
        template["spec"]["initContainers"] =
            json!([{"name": "side", "image": "test/side:1", "restartPolicy": "Always"}]);
    }
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
        "spec": {"backoffLimit": 0, "template": template},
    })
}

#[test]
#[ignore = "needs a fleet bed: cargo verify --only fleet"]
fn thousand_pods_run_and_each_address_answers() -> Outcome {
    const DEPLOYMENTS: u32 = 20;
    const REPLICAS: u32 = 50;
    const PODS: usize = 1000;
    let bed = shared(Profile::Fleet)?;
    let namespace = Namespace::create(&bed, "thousand")?;
    let image = template("test/web:1", &json!({}));
    let started = Instant::now();
    let objects: Vec<Value> = (0..DEPLOYMENTS)
        .map(|number| deployment(&format!("web-{number}"), REPLICAS, &image))
        .collect();
    namespace.apply(&objects)?;
    let columns =
        "--output=jsonpath={range .items[*]}{.status.phase} {.status.podIP}{\"\\n\"}{end}";
    let addresses = namespace.until("a thousand pods Running", || {
        let listed = namespace.kubectl(&["get", "pods", columns])?;
        let running: BTreeSet<String> = listed
            .lines()
            .filter_map(|line| line.strip_prefix("Running ").map(str::to_owned))
            .collect();
        Ok((running.len() == PODS).then_some(running))
    })?;
    let elapsed = started.elapsed().as_secs_f64();
    println!(
        "measured: 1000 pods Running in {elapsed:.1} s: {:.0} pods a second",
        1000.0 / elapsed
    );
    let asked: Vec<String> = addresses.iter().map(|address| format!("{address}:8080")).collect();
    let answers = bed.get_each(asked.clone(), "/hello")?;
    assert_eq!(answers.len(), PODS);
    for (address, answer) in asked.iter().zip(answers) {
        let answer = answer?;
        let said: Value = serde_json::from_str(&answer.body)?;
        assert_eq!(
            (answer.status, text(&said, "/asked"), text(&said, "/path")),
            (200, &**address, "/hello")
        );
    }
    Ok(())
}

#[test]
#[ignore = "needs a fleet bed: cargo verify --only fleet"]
fn jobs_end_as_their_annotations_say() -> Outcome {
    let namespace = Namespace::create(&shared(Profile::Fleet)?, "jobs")?;
    let told = json!({
        "bed.local/exit-code": "3", "bed.local/message": "three tests failed",
        "bed.local/complete-after": "500ms", "bed.local/sidecar-after": "2s",
        "bed.local/sidecar-message": "collected 3",
    });
    namespace.apply(&[job("good", &json!({}), false), job("bad", &told, true)])?;
    assert!(namespace.job_end("good")?);
    assert!(!namespace.job_end("bad")?);
    let pods = namespace.pods("job-name=bad")?;
    let status = pods.pointer("/items/0/status").cloned().unwrap_or_default();
    assert_eq!(text(&status, "/phase"), "Failed");
    let main = status.pointer("/containerStatuses/0/state/terminated").cloned().unwrap_or_default();
    assert_eq!(main["exitCode"], json!(3), "{status:#}");
    assert_eq!(text(&main, "/message"), "three tests failed");
    let side =
        status.pointer("/initContainerStatuses/0/state/terminated").cloned().unwrap_or_default();
    assert_eq!(
        (side["exitCode"].clone(), text(&side, "/message")),
        (json!(0), "collected 3"),
        "{status:#}"
    );
    assert!(
        text(&side, "/finishedAt") > text(&main, "/finishedAt"),
        "the sidecar outlives the rest"
    );
    Ok(())
}

#[test]
#[ignore = "needs a fleet bed: cargo verify --only fleet"]
fn image_id_is_the_digest_of_the_spec_and_empty_without_one() -> Outcome {
    let namespace = Namespace::create(&shared(Profile::Fleet)?, "digest")?;
    let pinned = format!("registry.bed:5000/shop/api:1@{DIGEST}");
    namespace.apply(&[
        deployment("pinned", 1, &template(&pinned, &json!({}))),
        deployment("loose", 1, &template("registry.bed:5000/shop/api:1", &json!({}))),
    ])?;
    for (name, expected) in
        [("pinned", format!("registry.bed:5000/shop/api@{DIGEST}")), ("loose", String::new())]
    {
        namespace.wait_for(&format!("deployment/{name}"), "condition=Available")?;
        let pods = namespace.pods(&format!("name={name}"))?;
        assert_eq!(text(&pods, "/items/0/status/containerStatuses/0/imageID"), expected);
    }
    Ok(())
}

fn crashing(pods: &Value) -> Option<&Value> {
    let mut items = pods.pointer("/items").and_then(Value::as_array).into_iter().flatten();
    items.find(|pod| text(pod, "/metadata/labels/name") == "crashing")
}

#[test]
#[ignore = "needs a fleet bed: cargo verify --only fleet"]
fn pod_with_an_exit_code_crashes_and_one_with_a_delay_waits() -> Outcome {
    let namespace = Namespace::create(&shared(Profile::Fleet)?, "crash")?;
    let crash = json!({"bed.local/exit-code": "1", "bed.local/message": "no database"});
    let late = json!({"bed.local/ready-after": "1h"});
    namespace.apply(&[
        deployment("crashing", 1, &template("test/web:1", &crash)),
        deployment("late", 1, &template("test/web:1", &late)),
    ])?;
    let crashed = namespace.until("the crash", || {
        let pods = namespace.get("pods")?;
        let status = crashing(&pods)
            .and_then(|pod| pod.pointer("/status/containerStatuses/0"))
            .cloned()
            .unwrap_or_default();
        Ok((text(&status, "/state/waiting/reason") == "CrashLoopBackOff").then_some(status))
    })?;
    assert_eq!(crashed.pointer("/restartCount"), Some(&json!(2)));
    assert_eq!(text(&crashed, "/lastState/terminated/message"), "no database");
    let pods = namespace.pods("name=late")?;
    assert_eq!(text(&pods, "/items/0/status/phase"), "Pending");
    Ok(())
}
