//! Parameters are strict, bounded, and stay one scalar.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Parameters, Refusal};

fn parameters() -> Parameters {
    Parameters::default()
        .with("commit.sha", "3f2c1ab")
        .with("pr.number", "42")
        .with("pr.title", "n")
        .with("preview.url", "http://pr-42-shop.preview.test")
        .with("hosts.api", "api-pr-42-shop.preview.test")
        .with("params.LOG_LEVEL", "on")
}

fn refusal(text: &str) -> String {
    let error = parameters().render_text(text, "spec.image").expect_err("refused");
    error.to_string()
}

#[test]
fn strings_are_rendered_wherever_they_stand() {
    let manifest = json!({
        "kind": "Deployment",
        "spec": {"replicas": 2, "image": "shop/api:{{ commit.sha }}", "env": ["{{ params.LOG_LEVEL }}", true, null]},
    });
    assert_eq!(
        parameters().render(&manifest).expect("defined"),
        json!({
            "kind": "Deployment",
            "spec": {"replicas": 2, "image": "shop/api:3f2c1ab", "env": ["on", true, null]},
        })
    );
}

#[test]
fn value_that_looks_like_yaml_stays_a_string() {
    let rendered = parameters().render(&json!({"title": "{{ pr.title }}"})).expect("defined");
    assert_eq!(rendered, json!({"title": "n"}));
    let hostile = parameters().with("pr.title", "x\"\n  privileged: true\n{{ commit.sha }}");
    let rendered = hostile.render(&json!({"title": "{{ pr.title }}"})).expect("defined");
    assert_eq!(rendered, json!({"title": "x\"\n  privileged: true\n{{ commit.sha }}"}));
}

#[test]
fn undefined_name_is_refused_with_the_nearest() {
    assert_eq!(
        refusal("shop/api:{{ commit.sah }}"),
        "spec.image: `{{ commit.sah }}` is not defined; did you mean `{{ commit.sha }}`?"
    );
    assert_eq!(
        refusal("{{ environment }}"),
        "spec.image: `{{ environment }}` is not defined; values of your own stand under `parameters` \
         of the template, and `{{ params.NAME }}` uses them"
    );
    assert_eq!(
        refusal("{{ commit }}"),
        "spec.image: `{{ commit }}` is not defined; did you mean `{{ commit.sha }}`?"
    );
}

#[test]
fn braces_of_another_language_are_refused_with_the_way_out() {
    assert_eq!(
        refusal("{{ .Values.image }}"),
        "spec.image: cannot be understood as text with parameters (unexpected `.`; names are replaced, \
         nothing is computed); \
         write `{{ '{{' }}` for two plain braces"
    );
    assert_eq!(parameters().render_text("{{ '{{' }} x }}", "").expect("plain"), "{{ x }}");
}

#[test]
fn endless_and_huge_texts_are_refused() {
    let loops = "{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}";
    assert!(parameters().render_text(loops, "spec.args[0]").is_err());
    let long = parameters().with("params.LONG", "x".repeat(40_000));
    let twice = long.render_text("{{ params.LONG }}{{ params.LONG }}", "spec.args[0]");
    assert_eq!(twice, Err(Refusal::TooLarge { place: "spec.args[0]".to_owned() }));
}

#[test]
fn nothing_is_computed() {
    let doubled = "{% set a = 'xxxxxxxx' %}".to_owned() + &"{% set a = a ~ a %}".repeat(40);
    let folded = "{{ ".to_owned() + &["'x' * 100000000"; 100].join(" ~ ") + " }}";
    for (text, problem) in [
        (doubled.as_str(), "`set` is not for parameters"),
        (folded.as_str(), "unexpected `*`"),
        ("{{ pr.title ~ pr.title }}", "unexpected `~`"),
        ("{{ pr.title|upper }}", "unexpected `|`"),
        ("{{ 'a' 'b' }}", "is more than a name"),
        ("{% for a in pr.title %}x{% endfor %}", "`for` is not for parameters"),
        ("{% if pr.number * 2 %}x{% endif %}", "unexpected `*`"),
        ("{{ 'x' * 100000000 ~ 'y'", "`}}` is missing"),
        ("{% raw %}{{ 'x' * 100000000 }}", "`{% endraw %}` is missing"),
        ("{# {{ ", "a comment does not end"),
    ] {
        let said = refusal(text);
        assert!(said.contains(problem), "{text}: {said}");
        assert!(parameters().used(text).is_empty());
    }
    for (text, expected) in [
        ("{% if pr.number == '42' %}a{% elif pr.title == \"}}\" %}b{% else %}c{% endif %}", "a"),
        ("{% raw %}{{ .Values.x | quote }}{% endraw %}", "{{ .Values.x | quote }}"),
        ("{{- commit.sha -}}", "3f2c1ab"),
        ("{# {{ a * b }} #}{{ '}}' }}", "}}"),
    ] {
        assert_eq!(parameters().render_text(text, "").expect("plain"), expected);
    }
}

#[test]
fn manifest_has_room_for_so_much_and_no_more() {
    let long = parameters().with("params.LONG", "x".repeat(60_000));
    let lines = vec![json!("{{ params.LONG }}"); 30];
    let place = long.render(&json!({"args": lines})).expect_err("refused");
    assert_eq!(place, Refusal::TooLarge { place: "args[17]".to_owned() });
}

#[test]
fn text_without_braces_is_left_alone() {
    assert_eq!(parameters().render_text("plain {x} \n", "").expect("plain"), "plain {x} \n");
}

proptest! {
    #[test]
    fn a_value_never_changes_the_structure(value in any::<String>()) {
        let rendered = Parameters::default().with("params.X", value.clone());
        let rendered = rendered.render(&json!({"a": ["{{ params.X }}", {"b": 1}]})).expect("defined");
        prop_assert_eq!(rendered, json!({"a": [Value::String(value), {"b": 1}]}));
    }

    #[test]
    fn any_text_is_rendered_or_refused(text in any::<String>()) {
        let _ = parameters().render_text(&text, "");
    }
}
