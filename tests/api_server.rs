//! The schemas of our kinds, held against a real API server: what it accepts, what it rejects, and the
//! sentence a person gets.

use std::sync::Once;

use serde_json::{Value, json};
use understudy_bed::{
    Bed, Error, Profile, command,
    testing::{Namespace, Outcome, shared},
};
use understudy_crds::{definitions, label::GROUP};

static INSTALLED: Once = Once::new();

/// A namespace of its own on an API server that knows our kinds.
fn namespace(topic: &str) -> Result<Namespace, Error> {
    let bed = shared(Profile::Control)?;
    INSTALLED.call_once(|| install(&bed).expect("the definitions are accepted"));
    Namespace::create(&bed, topic)
}

fn install(bed: &Bed) -> Result<(), Error> {
    for definition in definitions() {
        bed.apply(&definition)?;
        let name = definition.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let kind = format!("customresourcedefinition/{name}");
        bed.kubectl_run(&["wait", &kind, "--for=condition=Established", "--timeout=30s"])?;
    }
    Ok(())
}

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": format!("{GROUP}/v1alpha1"), "kind": kind,
        "metadata": {"name": name}, "spec": spec,
    })
}

const COMMIT: &str = "3f2c1ab9d0e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4";

/// The least that a template needs, changed by `change`.
fn template(change: impl FnOnce(&mut Value)) -> Value {
    let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}});
    let mut spec = json!({"source": {"inline": [config]}});
    change(&mut spec);
    object("PreviewTemplate", "web", &spec)
}

/// The least that a preview needs, changed by `change`.
fn preview(change: impl FnOnce(&mut Value)) -> Value {
    let mut spec = json!({
        "templateRef": {"name": "web"}, "pullRequest": {"number": 42}, "commit": COMMIT,
    });
    change(&mut spec);
    object("PreviewEnvironment", "shop-42", &spec)
}

/// Expects a refusal with that sentence in it.
fn rejects(namespace: &Namespace, object: &Value, sentence: &str) {
    let refusal = namespace.accepts(object).err().map(|error| error.to_string());
    let text = refusal.unwrap_or_else(|| format!("accepted: {object:#}"));
    assert!(text.contains(sentence), "`{sentence}` is not in:\n{text}");
}

/// Everything a template may say today.
fn whole_template() -> Value {
    template(|spec| {
        spec["images"] = json!([{
            "name": "registry.example.com/shop/api", "tag": "{{ commit.sha }}",
            "pullSecretRef": {"name": "regcred"}, "deadline": "20m",
        }]);
        spec["parameters"] = json!({"LOG_LEVEL": "debug"});
        spec["secrets"] = json!([
            {"name": "stripe-test", "copyFrom": {"name": "preview-stripe"}},
            {"name": "db", "generate": ["password"]},
        ]);
        spec["expose"] = json!([
            {"name": "web", "service": "web", "port": 80}, {"name": "api", "service": "api", "port": 8080},
        ]);
        let password = json!({"secretKeyRef": {"name": "db", "key": "password"}});
        spec["prepare"] = json!([{
            "name": "migrate", "image": "registry.example.com/shop/api:{{ commit.sha }}", "command": ["./migrate"],
            "args": ["up"], "env": [{"name": "PGPASSWORD", "valueFrom": password}], "timeout": "5m", "run": "Fresh",
            "resources": {"limits": {"memory": "1Gi"}}, "runAsUser": 1000,
        }]);
        spec["checks"] = json!([
            {
                "name": "smoke", "timeout": "60s", "required": true,
                "http": {
                    "path": "/healthz", "status": 200, "contains": "ok", "json": {"pointer": "/status", "value": "ok"},
                    "header": {"name": "cache-control", "contains": "no-store"}, "withinMilliseconds": 500,
                },
            },
            {
                "name": "e2e", "timeout": "10m",
                "job": {
                    "image": "registry.example.com/shop/e2e", "command": ["npx", "playwright", "test"],
                    "env": [{"name": "BASE_URL", "value": "{{ preview.url }}"}],
                    "results": {"junit": ["*.xml"], "artifacts": ["**/*.png"]}, "retries": 1, "runAsUser": 1000,
                },
            },
        ]);
        spec["isolation"] = json!({
            "podSecurity": "Baseline", "mend": false,
            "quota": {"cpu": "4", "memory": "8Gi", "pods": "30", "storage": "20Gi"},
            "defaults": {"requests": {"cpu": "50m"}, "limits": {"memory": "512Mi"}},
            "egress": [
                {"cidr": "203.0.113.0/24", "ports": [443]},
                {"namespace": "shared", "podSelector": {"app": "mail"}, "ports": [25]},
            ],
            "extraKinds": [{"group": "monitoring.coreos.com", "kind": "ServiceMonitor"}],
        });
        spec["lifecycle"] = json!({"ttl": "72h", "keepFailed": "24h"});
    })
}

#[test]
#[ignore = "needs a control bed: cargo verify --only control"]
fn least_and_whole_objects_are_accepted() -> Outcome {
    let namespace = namespace("accepts")?;
    let repository = json!({"github": {"repository": "acme/shop"}, "templateRef": {"name": "web"}});
    let whole = preview(|spec| {
        spec["repositoryRef"] = json!({"name": "shop"});
        spec["pullRequest"] = json!({
            "number": 42, "title": "Größe „n“ \u{202e} on", "author": "ada", "url": "https://example.com/42",
            "headRef": "on", "headRepository": "ada/shop", "baseRef": "main",
            "baseCommit": "0".repeat(64), "draft": true,
        });
        spec["trust"] = json!("Trusted");
        spec["approval"] = json!({"commit": COMMIT, "by": "grace"});
        spec["sleep"] = json!("Now");
        spec["keepUntil"] = json!("2026-12-01T00:00:00Z");
    });
    let objects = [
        template(|_| ()),
        whole_template(),
        preview(|_| ()),
        whole,
        object("PreviewRepository", "shop", &repository),
    ];
    for accepted in objects {
        namespace.accepts(&accepted)?;
    }
    Ok(())
}

#[test]
#[ignore = "needs a control bed: cargo verify --only control"]
fn templates_that_cannot_be_meant_are_rejected_with_a_sentence() -> Outcome {
    let namespace = namespace("template")?;
    let set = |field: &str, value: Value| template(|spec| spec[field] = value);
    let exposed = |checks: Value| {
        template(|spec| {
            spec["expose"] = json!([{"name": "web", "service": "web", "port": 80}]);
            spec["checks"] = checks;
        })
    };
    let smoke = |more: Value| {
        let mut check = json!({"name": "smoke", "http": {"path": "/"}});
        let fields = more.as_object().cloned().unwrap_or_default();
        check.as_object_mut().into_iter().for_each(|check| check.extend(fields.clone()));
        exposed(json!([check]))
    };
    let egress = |entry: Value| set("isolation", json!({"egress": [entry]}));
    for (object, sentence) in [
        (set("source", json!({})), "`source` needs `inline`: a list of manifests"),
        (set("source", json!({"inline": []})), "should have at least 1 items"),
        (set("source", json!({"helm": {"path": "chart"}})), "unknown field \"spec.source.helm\""),
        (set("data", json!({})), "unknown field \"spec.data\""),
        (set("checks", json!([{"name": "smoke", "http": {}}])), "list a Service under `expose`"),
        (exposed(json!([{"name": "e2e"}])), "a check is exactly one of `http` and `job`"),
        (exposed(json!([{"name": "a", "http": {}}, {"name": "a", "http": {}}])), "Duplicate value"),
        (smoke(json!({"timeout": "2h"})), "`timeout` is from 1s to 1h"),
        (smoke(json!({"timeout": "soon"})), "should match '^([0-9]{1,6}h)?"),
        (smoke(json!({"http": {"path": "healthz"}})), "should match '^/'"),
        (smoke(json!({"http": {"status": 99}})), "should be greater than or equal to 100"),
        (smoke(json!({"name": "Smoke Test"})), "should match '^[a-z0-9]"),
        (
            set("parameters", json!({"a-b": "1"})),
            "a parameter's name is letters, digits and underscores",
        ),
        (set("secrets", json!([{"name": "db"}])), "exactly one of `copyFrom` and `generate`"),
        (
            set("secrets", json!([{"name": "db", "generate": ["a"], "copyFrom": {"name": "b"}}])),
            "exactly one of `copyFrom` and `generate`",
        ),
        (set("images", json!([{"name": "Shop:1", "tag": "x"}])), "spec.images[0].name"),
        (
            set("expose", json!([{"name": "web", "service": "web", "port": 0}])),
            "greater than or equal to 1",
        ),
        (egress(json!({"ports": [443]})), "exactly one of `cidr` and `namespace`"),
        (
            egress(json!({"cidr": "10.0.0.0/8", "podSelector": {"a": "b"}, "ports": [1]})),
            "goes with `namespace`",
        ),
        (
            set("isolation", json!({"podSecurity": "Privileged"})),
            "supported values: \"Restricted\", \"Baseline\"",
        ),
        (set("isolation", json!({"quota": {"cpu": "lots"}})), "spec.isolation.quota.cpu"),
        (set("lifecycle", json!({"ttl": "1s"})), "`ttl` is from 1m to 8760h"),
    ] {
        rejects(&namespace, &object, sentence);
    }
    Ok(())
}

#[test]
#[ignore = "needs a control bed: cargo verify --only control"]
fn previews_that_cannot_be_meant_are_rejected_with_a_sentence() -> Outcome {
    let namespace = namespace("preview")?;
    let set = |field: &str, value: Value| preview(|spec| spec[field] = value);
    for (object, sentence) in [
        (set("commit", json!("main")), "should match '^([0-9a-f]{40}|[0-9a-f]{64})$'"),
        (set("commit", json!(COMMIT.to_uppercase())), "should match"),
        (set("pullRequest", json!({"number": 0})), "should be greater than or equal to 1"),
        (set("pullRequest", json!({})), "spec.pullRequest.number: Required value"),
        (set("trust", json!("Maybe")), "supported values: \"Untrusted\", \"Trusted\""),
        (set("sleep", json!("Off")), "supported values: \"Auto\", \"Never\", \"Now\""),
        (set("approval", json!({"by": "grace"})), "spec.approval.commit: Required value"),
        (set("keepUntil", json!("tomorrow")), "keepUntil"),
        (set("branch", json!("main")), "unknown field \"spec.branch\""),
    ] {
        rejects(&namespace, &object, sentence);
    }
    Ok(())
}

#[test]
#[ignore = "needs a control bed: cargo verify --only control"]
fn identity_of_a_preview_cannot_be_changed() -> Outcome {
    let namespace = namespace("identity")?;
    namespace.apply(&[preview(|spec| spec["repositoryRef"] = json!({"name": "shop"}))])?;
    let patch = |patch: Value| {
        let patch = patch.to_string();
        namespace.kubectl(&["patch", "preview", "shop-42", "--type=merge", "--patch", &patch])
    };
    let refused = |outcome: Result<String, Error>| {
        outcome.err().map(|error| error.to_string()).unwrap_or_default()
    };
    let number = refused(patch(json!({"spec": {"pullRequest": {"number": 43}}})));
    assert!(number.contains("`number` cannot be changed: make another preview"), "{number}");
    for other in [json!({"name": "other"}), Value::Null] {
        let repository = refused(patch(json!({"spec": {"repositoryRef": other}})));
        assert!(repository.contains("`repositoryRef` cannot be changed"), "{repository}");
    }
    // What is meant to change may.
    patch(json!({"spec": {"commit": "0".repeat(40), "sleep": "Now"}}))?;
    Ok(())
}

#[test]
#[ignore = "needs a control bed: cargo verify --only control"]
fn kubectl_knows_short_names_columns_and_the_manual() -> Outcome {
    let namespace = namespace("kubectl")?;
    namespace.apply(&[template(|_| ()), preview(|_| ())])?;
    let status = json!({"status": {
        "phase": "Ready", "url": "http://pr-42-shop.preview.test", "summary": {"commit": "3f2c1ab", "checks": "2/2"},
    }});
    let mut patch = namespace.bed().kubectl();
    patch.args(["patch", "preview", "shop-42", "--subresource=status", "--type=merge", "--patch"]);
    command::run(patch.arg(status.to_string()).args(["--namespace", namespace.name()]))?;
    let table = namespace.kubectl(&["get", "previews"])?;
    let header: Vec<&str> = table.lines().next().unwrap_or_default().split_whitespace().collect();
    assert_eq!(header, ["NAME", "REPOSITORY", "PR", "PHASE", "COMMIT", "CHECKS", "URL", "AGE"]);
    let row: Vec<&str> =
        table.lines().nth(1).unwrap_or_default().split_whitespace().take(6).collect();
    assert_eq!(row, ["shop-42", "42", "Ready", "3f2c1ab", "2/2", "http://pr-42-shop.preview.test"]);
    let wide = namespace.kubectl(&["get", "preview", "--output=wide"])?;
    for column in ["AUTHOR", "NAMESPACE", "EXPIRES", "REASON"] {
        assert!(wide.contains(column), "{wide}");
    }
    for short in ["ptmpl", "prepo", "understudy"] {
        namespace.kubectl(&["get", short])?;
    }
    let manual = namespace.kubectl(&["explain", "previewtemplate.spec.expose"])?;
    assert!(
        manual.contains("Services that are reached from outside. The first is the preview's URL."),
        "{manual}"
    );
    Ok(())
}
