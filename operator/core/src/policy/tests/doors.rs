//! Ways around a rule that look harmless.

use serde_json::{Value, json};
use understudy_crds::label;

use super::{Allowance, deployment, refusals, refused, said};

#[test]
fn no_token_of_the_cluster_comes_in_by_another_door() {
    let secret = |type_: &str| {
        json!({
            "apiVersion": "v1", "kind": "Secret", "type": type_,
            "metadata": {"name": "tok", "annotations": {"kubernetes.io/service-account.name": "default"}},
        })
    };
    refused(
        secret("kubernetes.io/service-account-token"),
        "Secret tok: type: Secrets of type `kubernetes.io/service-account-token` may be filled by the cluster: use Opaque",
    );
    assert_eq!(said(&[secret("Opaque")]), Vec::<String>::new());
    let projected = |source: Value| {
        deployment(|pod| {
            pod["volumes"] = json!([{"name": "v", "projected": {"sources": [source]}}]);
        })
    };
    for source in ["serviceAccountToken", "clusterTrustBundle", "podCertificate"] {
        assert_eq!(said(&[projected(json!({source: {}}))]).len(), 1, "{source}");
    }
    assert_eq!(said(&[projected(json!({"configMap": {"name": "a"}}))]), Vec::<String>::new());
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a"}});
    assert_eq!(said(&[account]).len(), 1);
}

#[test]
fn pods_that_nobody_mends_name_our_account_themselves() {
    let unmended = Allowance { unmended: true, ..Allowance::default() };
    let with = |account: Option<&str>| {
        deployment(|pod| {
            if let Some(account) = account {
                pod["serviceAccountName"] = json!(account);
            }
        })
    };
    for account in [None, Some("default"), Some("own")] {
        let found = refusals(&[with(account)], &unmended);
        let places: Vec<&str> = found.iter().map(|one| one.field.as_str()).collect();
        assert_eq!(places, ["spec.template.spec.serviceAccountName"], "{account:?}");
    }
    assert_eq!(refusals(&[with(Some("understudy-preview"))], &unmended), []);
}

#[test]
fn what_is_made_from_an_object_holds_on_to_nothing() {
    let held = json!({"finalizers": ["example.com/never"], "labels": {label::PREVIEW_UID: "x"}});
    let mut set = deployment(|_| ());
    set["kind"] = json!("StatefulSet");
    set["spec"]["volumeClaimTemplates"] = json!([{"metadata": held}]);
    assert_eq!(said(&[set]).len(), 2);
    let mut web = deployment(|_| ());
    web["spec"]["template"]["metadata"]["finalizers"] = json!(["example.com/never"]);
    refused(
        web,
        "Deployment web: spec.template.metadata.finalizers: would keep the preview from going away: remove the field",
    );
    let cron = json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "c"},
        "spec": {"jobTemplate": {"metadata": held, "spec": {"template": {"metadata": held, "spec": {
            "restartPolicy": "Never", "containers": [{"name": "a", "image": "a"}],
        }}}}},
    });
    assert_eq!(said(&[cron]).len(), 4);
}

#[test]
fn volumes_are_the_previews_own() {
    let claim = |spec: Value| json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "d"}, "spec": spec});
    for spec in [
        json!({"volumeName": "pv-of-somebody"}),
        json!({"selector": {}}),
        json!({"storageClassName": ""}),
        json!({"dataSourceRef": {"namespace": "other", "kind": "PersistentVolumeClaim", "name": "d"}}),
    ] {
        assert_eq!(said(&[claim(spec.clone())]).len(), 1, "{spec}");
    }
    assert_eq!(said(&[claim(json!({"storageClassName": "fast"}))]), Vec::<String>::new());
}

#[test]
fn version_is_no_path() {
    for version in ["/v1", "v1/", "apps//v1", "../v1", "apps/v1/x", "V1", "1"] {
        let object = json!({"apiVersion": version, "kind": "ConfigMap", "metadata": {"name": "x"}});
        let found = said(&[object]);
        assert!(found.iter().any(|one| one.contains("is no version")), "{version}: {found:?}");
    }
}
