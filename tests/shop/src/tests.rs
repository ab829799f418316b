//! The template names the images that are built, and Understudy takes it as it stands.

use serde_json::Value;
use understudy_core::{mend::mend, parameters::Parameters, policy::refusals, stack::allowance};
use understudy_crds::PreviewTemplateSpec;

use super::{DATABASE, IMAGE, template};

fn stack() -> Vec<Value> {
    template()["spec"]["source"]["inline"].as_array().unwrap().clone()
}

#[test]
fn template_runs_the_images_that_are_built() {
    let template = template();
    let listed = template["spec"]["images"][0]["name"].as_str().unwrap();
    assert_eq!(listed, format!("registry.bed:5000/{IMAGE}"));
    let image = "/spec/template/spec/containers/0/image";
    let stack = stack();
    let images: Vec<&str> =
        stack.iter().filter_map(|object| object.pointer(image)?.as_str()).collect();
    let ours = format!("{listed}:{{{{ commit.sha }}}}");
    assert_eq!(images, [&format!("registry.bed:5000/{DATABASE}"), &ours, &ours]);
}

#[test]
fn template_is_allowed_and_leaves_nothing_to_fill_in() {
    let spec: PreviewTemplateSpec = serde_json::from_value(template()["spec"].clone()).unwrap();
    let parameters = Parameters::default().with("commit.sha", "a1b2");
    let rendered = parameters.render(&Value::Array(stack())).unwrap();
    let rendered = rendered.as_array().unwrap();
    assert_eq!(refusals(rendered, &allowance(&spec)), []);
    assert_eq!(mend(rendered, &spec.isolation).notes, []);
}
