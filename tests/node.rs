//! What we build for a preview's namespace does on real pods what it says.

use serde_json::Value;
use understudy_bed::{
    Profile,
    plan::address,
    testing::{Dialled, Namespace, Outcome, Pod, shared},
};
use understudy_core::{
    fence::{guards, pod_security_labels},
    mend::mend,
};
use understudy_crds::isolation::{Isolation, PodSecurity};

#[test]
#[ignore = "needs a node bed: cargo verify --only node"]
fn guards_close_a_preview_in_but_for_itself_and_dns() -> Outcome {
    let bed = shared(Profile::Node)?;
    let labels: serde_json::Map<String, Value> = pod_security_labels(PodSecurity::Restricted)
        .iter()
        .map(|(name, level)| ((*name).to_owned(), Value::from(*level)))
        .collect();
    let preview = Namespace::labelled(&bed, "preview", &Value::Object(labels))?;
    preview.apply(&guards(&Isolation::default(), None))?;
    let outside = Namespace::create(&bed, "outside")?;
    let neighbour = Pod::start(&outside, "neighbour")?;
    let free = Pod::start(&outside, "free")?;
    let [one, other] = ["one", "other"].map(|name| Pod::start(&preview, name));
    let (one, other) = (one?, other?);
    let itself = [format!("{}:8080", other.address()?)];
    let reach = [
        format!("{}:8080", neighbour.address()?),
        format!("{}:443", address::KUBERNETES_SERVICE),
        format!("{}:{}", address::NODE, address::API_PORT),
        format!("{}:10250", address::NODE),
        format!("{}:80", address::METADATA),
        format!("{}:80", address::INTERNET),
        format!("{}:{}", address::NODE, address::NODE_PORT),
    ];
    // Every target is there, or the refusals below would prove nothing.
    outside.until("every target open from an unfenced pod", || {
        Ok(free.dial(&reach)?.iter().all(|one| *one == Dialled::Open).then_some(()))
    })?;
    preview.until("the fence to hold", || {
        let closed = one.dial(&reach)?.iter().all(|one| *one == Dialled::Closed);
        let inward = free.dial(&itself)? == [Dialled::Closed];
        Ok((closed && inward).then_some(()))
    })?;
    assert_eq!(one.dial(&itself)?, [Dialled::Open], "a preview reaches itself");
    assert_eq!(one.resolve("kubernetes.default.svc.cluster.local")?, Dialled::Open, "and DNS");
    Ok(())
}

#[test]
#[ignore = "needs a node bed: cargo verify --only node"]
fn bare_manifest_runs_restricted_once_it_is_mended() -> Outcome {
    let bed = shared(Profile::Node)?;
    let label = serde_json::json!({"pod-security.kubernetes.io/enforce": "restricted"});
    let preview = Namespace::labelled(&bed, "mended", &label)?;
    preview.apply(&guards(&Isolation::default(), None))?;
    let image = format!("{}/busybox:1", address::REGISTRY);
    let pod = serde_json::json!({
        "restartPolicy": "Never",
        "securityContext": {"runAsUser": 1000},
        "containers": [{"name": "main", "image": image, "command": ["id", "-u"]}],
    });
    let job = serde_json::json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "bare"},
        "spec": {"backoffLimit": 0, "template": {"spec": pod}},
    });
    // As it stands the standard refuses it: the Job is taken, its pod is not.
    let bare = serde_json::json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bare"}, "spec": job["spec"]["template"]["spec"],
    });
    let refusal = preview.accepts(&bare).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(refusal.contains("violates PodSecurity \"restricted:latest\""), "{refusal}");
    preview.apply(&mend(&[job], &Isolation::default()).stack)?;
    assert!(preview.job_end("bare")?);
    assert_eq!(preview.kubectl(&["logs", "job/bare"])?, "1000\n");
    Ok(())
}
