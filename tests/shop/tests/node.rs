//! The shop stands up on real pods by plain kubectl, without Understudy: what fails here is the shop's own.

use std::time::Instant;

use serde_json::{Value, json};
use understudy_bed::{
    Home, Profile, Result,
    testing::{Namespace, Outcome, shared},
};
use understudy_core::{fence::pod_security_labels, parameters::Parameters};
use understudy_crds::isolation::PodSecurity;

const GOOD: &str = "a1a1a1a1d0e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4";
const BROKEN: &str = "c3c3c3c3d0e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4";

/// Applies the template's stack as it is at that commit.
fn apply(namespace: &Namespace, commit: &str) -> Result<()> {
    let parameters = Parameters::default().with("commit.sha", commit);
    let template = understudy_shop::alone();
    let stack = template.pointer("/spec/source/inline").expect("a stack");
    let stack = parameters.render(stack).expect("the commit is its only parameter");
    namespace.apply(stack.as_array().expect("a list"))
}

#[test]
#[ignore = "needs a node bed: cargo verify --only node"]
fn shop_answers_with_its_commit_and_a_broken_one_says_why() -> Outcome {
    let (home, bed) = (Home::find()?, shared(Profile::Node)?);
    let mut since = Instant::now();
    let mut took = |what: &str| {
        println!("{what}: {:.1} s", since.elapsed().as_secs_f32());
        since = Instant::now();
    };
    understudy_shop::database(&home, &bed)?;
    took("the database's image");
    understudy_shop::build(&home, &bed, GOOD, false)?;
    took("the first commit's image");
    understudy_shop::build(&home, &bed, BROKEN, true)?;
    took("the next commit's image");
    let labels: serde_json::Map<String, Value> = pod_security_labels(PodSecurity::Restricted)
        .iter()
        .map(|(name, level)| ((*name).to_owned(), Value::from(*level)))
        .collect();
    let namespace = Namespace::labelled(&bed, "shop", &Value::Object(labels))?;
    namespace.apply(&[json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"},
        "stringData": {"password": "word-of-a-test"},
    })])?;
    apply(&namespace, GOOD)?;
    namespace.wait_for("deployment/web", "condition=Available")?;
    took("the stack");
    let address =
        namespace.kubectl(&["get", "service/web", "--output=jsonpath={.spec.clusterIP}:80"])?;
    assert_eq!(bed.get(&address, "/healthz")?.body, format!("ok {GOOD}\n"));
    let page = bed.get(&address, "/")?.body;
    assert!(page.contains("<h2>Ghost light</h2>") && page.contains(GOOD), "{page}");

    apply(&namespace, BROKEN)?;
    let last_words = namespace.until("the end of the broken API", || {
        let pods = namespace.pods("app=api")?;
        let words = "/status/containerStatuses/0/lastState/terminated/message";
        let pods = pods["items"].as_array().cloned().unwrap_or_default();
        Ok(pods.iter().find_map(|pod| Some(pod.pointer(words)?.as_str()?.to_owned())))
    })?;
    assert!(last_words.starts_with("error: this build is broken: "), "{last_words}");
    Ok(())
}
