//! What is missing is filled in, what is said is kept, and everything that was done is told.

use serde_json::{Value, json};
use understudy_crds::isolation::{Isolation, PodSecurity};

use super::{ACCOUNT, mend};
use crate::policy::{Allowance, refusals};

#[expect(clippy::needless_pass_by_value, reason = "callers write the pod in place")]
fn deployment(pod: Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": pod},
        },
    })
}

fn pod_of(object: &Value) -> &Value {
    object.pointer("/spec/template/spec").expect("a pod")
}

#[test]
fn bare_manifest_is_filled_in_and_told() {
    let mended = mend(
        &[deployment(json!({"containers": [{"name": "web", "image": "w"}]}))],
        &Isolation::default(),
    );
    let secure = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
    assert_eq!(
        pod_of(&mended.stack[0]),
        &json!({
            "serviceAccountName": ACCOUNT,
            "automountServiceAccountToken": false,
            "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "web", "image": "w", "securityContext": secure,
                "resources": {
                    "requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "512Mi"},
                },
            }],
        })
    );
    let told: Vec<&str> = mended.notes.iter().map(|note| note.sentence.as_str()).collect();
    assert_eq!(
        told,
        [
            "security contexts were filled in as pod security Restricted wants them",
            "requests and limits were filled in for `web`",
        ]
    );
}

#[test]
fn mending_twice_changes_nothing_and_says_nothing() {
    let once = mend(&[deployment(json!({"containers": [{"name": "web"}]}))], &Isolation::default());
    let twice = mend(&once.stack, &Isolation::default());
    assert_eq!((twice.stack, twice.notes), (once.stack, vec![]));
}

#[test]
fn what_is_said_is_kept_even_where_it_will_be_refused() {
    let said = json!({
        "automountServiceAccountToken": true,
        "securityContext": {"runAsNonRoot": false},
        "containers": [{"name": "web", "image": "w", "securityContext": {"privileged": true}}],
    });
    let mended = mend(&[deployment(said)], &Isolation::default());
    let pod = pod_of(&mended.stack[0]);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], json!(false));
    assert_eq!(pod["automountServiceAccountToken"], json!(true));
    let refused = refusals(&mended.stack, &Allowance::default());
    let fields: Vec<&str> = refused.iter().map(|refusal| refusal.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "spec.template.spec.automountServiceAccountToken",
            "spec.template.spec.containers[0].securityContext.privileged",
            "spec.template.spec.securityContext.runAsNonRoot",
        ]
    );
}

#[test]
fn limit_is_never_below_a_request_and_the_other_way_round() {
    let container = json!({"name": "db", "resources": {"requests": {"memory": "2Gi"}, "limits": {"cpu": "20m"}}});
    let mended = mend(&[deployment(json!({"containers": [container]}))], &Isolation::default());
    assert_eq!(
        pod_of(&mended.stack[0])["containers"][0]["resources"],
        json!({"requests": {"memory": "2Gi", "cpu": "20m"}, "limits": {"cpu": "20m", "memory": "2Gi"}})
    );
}

#[test]
fn accounts_and_namespaces_of_others_are_replaced_and_told() {
    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "web"}});
    let mut web = deployment(json!({"serviceAccountName": "web", "containers": []}));
    web["metadata"]["namespace"] = json!("production");
    let baseline = Isolation { pod_security: PodSecurity::Baseline, ..Isolation::default() };
    let mended = mend(&[account, web], &baseline);
    assert_eq!(mended.stack.len(), 1);
    assert_eq!(mended.stack[0]["metadata"], json!({"name": "web"}));
    let told: Vec<String> =
        mended.notes.iter().map(|note| format!("{}: {}", note.object, note.sentence)).collect();
    assert_eq!(
        told,
        [
            format!(
                "ServiceAccount web: left out: every pod of a preview uses the account `{ACCOUNT}`, which has no rights"
            ),
            "Deployment web: put into the preview's namespace instead of `production`".to_owned(),
            format!("Deployment web: uses the account `{ACCOUNT}` instead of `web`"),
        ]
    );
}
