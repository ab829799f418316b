//! Objects that the API server does not take: the schema or a rule of it refuses them before anybody acts.
//! They are written as YAML, which is JSON too, because some of the faults are slips of YAML.

use serde_json::{Value, json};
use understudy_crds::label::GROUP;
use understudy_fakes::scene::{COMMITS, small};

/// A name, the plural of its kind, and the text that is sent.
pub(crate) type Case = (&'static str, &'static str, String);

pub(crate) fn cases() -> Vec<Case> {
    [sources(), checks(), grants(), bounds(), traps(), previews(), pulls()].concat()
}

fn template(name: &'static str, change: impl FnOnce(&mut Value)) -> Case {
    let mut spec = small();
    change(&mut spec);
    (name, "previewtemplates", object("PreviewTemplate", name, &spec))
}

fn preview(name: &'static str, change: impl FnOnce(&mut Value)) -> Case {
    let mut spec = json!({
        "templateRef": {"name": "web"}, "pullRequest": {"number": 42}, "commit": COMMITS[0],
    });
    change(&mut spec);
    (name, "previewenvironments", object("PreviewEnvironment", name, &spec))
}

fn object(kind: &str, name: &str, spec: &Value) -> String {
    let version = format!("{GROUP}/v1alpha1");
    json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec})
        .to_string()
}

/// A line of YAML in place of a field, as a person would write it.
fn written((name, plural, text): Case, stand_in: &str, yaml: &str) -> Case {
    (name, plural, text.replace(&format!("\"{stand_in}\""), yaml))
}

fn sources() -> Vec<Case> {
    vec![
        template("source-without-manifests", |spec| spec["source"] = json!({})),
        template("empty-list-of-manifests", |spec| spec["source"] = json!({"inline": []})),
        template("unknown-kind-of-source", |spec| {
            spec["source"] = json!({"helm": {"path": "chart"}, "inline": [{}]});
        }),
        template("manifest-that-is-text", |spec| {
            spec["source"] = json!({"inline": ["kind: Deployment"]});
        }),
        template("unknown-field", |spec| spec["data"] = json!({})),
        template("object-of-three-megabytes", |spec| {
            spec["source"]["inline"][0]["data"] = json!({"dump": "x".repeat(3_400_000)});
        }),
        template("object-of-two-megabytes", |spec| {
            spec["source"]["inline"][0]["data"] = json!({"dump": "x".repeat(2_000_000)});
        }),
    ]
}

fn checks() -> Vec<Case> {
    let check =
        |name: &'static str, check: Value| template(name, |spec| spec["checks"] = json!([check]));
    vec![
        template("checks-without-an-address", |spec| spec["expose"] = json!([])),
        check("check-without-a-request", json!({"name": "e2e"})),
        check("check-that-takes-too-long", json!({"name": "a", "http": {}, "timeout": "2h"})),
        check("timeout-that-is-no-time", json!({"name": "a", "http": {}, "timeout": "soon"})),
        check("path-without-a-slash", json!({"name": "a", "http": {"path": "healthz"}})),
        check("status-that-does-not-exist", json!({"name": "a", "http": {"status": 99}})),
        check("check-name-with-a-space", json!({"name": "Smoke Test", "http": {}})),
        template("two-checks-of-one-name", |spec| {
            spec["checks"] = json!([{"name": "a", "http": {}}, {"name": "a", "http": {}}]);
        }),
    ]
}

fn grants() -> Vec<Case> {
    let set =
        |name: &'static str, field: &str, value: Value| template(name, |spec| spec[field] = value);
    vec![
        set("parameter-name-with-a-dash", "parameters", json!({"a-b": "1"})),
        set("secret-from-nowhere", "secrets", json!([{"name": "db"}])),
        set("image-name-in-upper-case", "images", json!([{"name": "Shop:1", "tag": "x"}])),
        set("port-zero", "expose", json!([{"name": "web", "service": "web", "port": 0}])),
        set(
            "exposed-name-that-is-too-long",
            "expose",
            json!([{"name": "a".repeat(21), "service": "web", "port": 80}]),
        ),
    ]
}

fn bounds() -> Vec<Case> {
    let isolation =
        |name: &'static str, value: Value| template(name, |spec| spec["isolation"] = value);
    vec![
        isolation("egress-to-nowhere", json!({"egress": [{"ports": [443]}]})),
        isolation("pod-security-that-does-not-exist", json!({"podSecurity": "Privileged"})),
        isolation("quota-that-is-no-amount", json!({"quota": {"cpu": "lots"}})),
        isolation("quota-below-nothing", json!({"quota": {"memory": "-1Gi"}})),
        template("life-of-a-second", |spec| spec["lifecycle"] = json!({"ttl": "1s"})),
        template("life-in-days", |spec| spec["lifecycle"] = json!({"ttl": "3d"})),
    ]
}

/// What YAML makes of words without quotes.
fn traps() -> Vec<Case> {
    let parameter = |name: &'static str, yaml: &str| {
        let case = template(name, |spec| spec["parameters"] = json!({"VALUE": "STAND-IN"}));
        written(case, "STAND-IN", yaml)
    };
    let pull = |name: &'static str, field: &str, yaml: &str| {
        let case = preview(name, |spec| spec["pullRequest"][field] = json!("STAND-IN"));
        written(case, "STAND-IN", yaml)
    };
    vec![
        parameter("parameter-that-says-on", "on"),
        parameter("parameter-that-says-n", "n"),
        parameter("parameter-that-is-a-number", "8080"),
        pull("title-that-says-no", "title", "no"),
        pull("branch-called-on", "headRef", "on"),
        written(preview("sleep-that-says-off", |spec| spec["sleep"] = json!("OFF")), "OFF", "off"),
        written(
            preview("commit-of-digits-only", |spec| spec["commit"] = json!("DIGITS")),
            "DIGITS",
            &"12345".repeat(8),
        ),
    ]
}

fn previews() -> Vec<Case> {
    let set =
        |name: &'static str, field: &str, value: Value| preview(name, |spec| spec[field] = value);
    let upper = preview("name-in-upper-case", |_| ());
    vec![
        set("branch-instead-of-a-commit", "commit", json!("main")),
        set("short-commit", "commit", json!("a1a1a1a")),
        set("trust-that-does-not-exist", "trust", json!("Maybe")),
        set("time-that-is-no-time", "keepUntil", json!("tomorrow")),
        set("field-of-another-kind", "branch", json!("main")),
        set("template-as-text", "templateRef", json!("web")),
        written(upper, "name-in-upper-case", "Shop_42"),
    ]
}

fn pulls() -> Vec<Case> {
    let set = |name: &'static str, value: Value| preview(name, |spec| spec["pullRequest"] = value);
    vec![
        set("pull-request-zero", json!({"number": 0})),
        set("pull-request-without-a-number", json!({})),
        set("pull-request-number-as-text", json!({"number": "42"})),
        set("title-that-is-too-long", json!({"number": 42, "title": "é".repeat(1025)})),
    ]
}
