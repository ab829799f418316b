//! What becomes of a stack's objects before they are applied.

use serde_json::{Value, json};

use super::{Owner, Pins, Rank, objects, repository};
use crate::{hosts::Hosts, stack::Stack};

const OWNER: Owner<'static> = Owner { uid: "uid-1", namespace: "previews", name: "shop-42" };

fn stack() -> Stack {
    let workload = |name: &str, image: &str| {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {"template": {"spec": {"containers": [{"name": "main", "image": image}]}}},
        })
    };
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}});
    let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}});
    Stack {
        objects: vec![
            workload("web", "r.example:5000/shop/web:1"),
            workload("cache", "r.example:5000/cache:7"),
            service,
            config,
        ],
        ..Stack::default()
    }
}

fn pins() -> Pins {
    Pins {
        digests: [("r.example:5000/shop/web".to_owned(), "sha256:1".to_owned())].into(),
        commit: "c0ffee".to_owned(),
        asleep: false,
    }
}

fn env(object: &Value, name: &str) -> Option<String> {
    let list = object.pointer("/spec/template/spec/containers/0/env")?.as_array()?;
    let one = list.iter().find(|one| one["name"] == name)?;
    one["value"].as_str().map(str::to_owned)
}

#[test]
fn objects_come_in_the_order_in_which_they_need_each_other() {
    let all = objects(OWNER, &stack(), &Hosts::default(), &pins());
    let ranks: Vec<Rank> = all.iter().map(|one| one.rank).collect();
    assert_eq!(ranks, [Rank::Configuration, Rank::Service, Rank::Workload, Rank::Workload]);
}

#[test]
fn commit_reaches_only_containers_whose_image_is_built_for_it() {
    let all = objects(OWNER, &stack(), &Hosts::default(), &pins());
    let of =
        |name: &str| &all.iter().find(|one| one.id.words() == name).expect("it is there").object;
    let (web, cache) = (of("Deployment web"), of("Deployment cache"));
    assert_eq!(
        web["spec"]["template"]["spec"]["containers"][0]["image"],
        "r.example:5000/shop/web@sha256:1"
    );
    assert_eq!(env(web, "PREVIEW_COMMIT").as_deref(), Some("c0ffee"));
    assert_eq!(
        cache["spec"]["template"]["spec"]["containers"][0]["image"],
        "r.example:5000/cache:7"
    );
    assert_eq!(env(cache, "PREVIEW_COMMIT"), None);
}

#[test]
fn sleep_is_another_number_of_replicas_and_nothing_else() {
    let awake = objects(OWNER, &stack(), &Hosts::default(), &pins());
    let asleep = objects(OWNER, &stack(), &Hosts::default(), &Pins { asleep: true, ..pins() });
    for (one, other) in awake.iter().zip(&asleep).filter(|(one, _)| one.rank == Rank::Workload) {
        assert_eq!(other.object["spec"]["replicas"], 0);
        assert_eq!(one.object["spec"]["template"], other.object["spec"]["template"], "no new pods");
    }
}

#[test]
fn repository_of_an_image_is_what_stands_before_tag_and_digest() {
    for (image, expected) in [
        ("r.example:5000/shop/web:1", "r.example:5000/shop/web"),
        ("r.example:5000/shop/web", "r.example:5000/shop/web"),
        ("shop/web:1@sha256:ab", "shop/web"),
        ("web", "web"),
    ] {
        assert_eq!(repository(image), expected);
    }
}
