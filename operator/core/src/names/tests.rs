//! Names are short, valid, stable, and never meet.

use proptest::prelude::*;
use understudy_crds::scalar::DnsLabel;

use super::{Origin, contested_host_label, host_label, namespace};

const UID: &str = "5f1a9c9e-8f0e-4c55-9d53-0d4a3f6c2b11";

fn label(text: &str) -> DnsLabel {
    text.parse().expect("a label")
}

#[test]
fn names_read_as_the_documentation_says() {
    let shop = Origin::PullRequest { repository: "shop", number: 42 };
    assert!(namespace(shop, UID).starts_with("pv-shop-42-"));
    assert_eq!(namespace(shop, UID).len(), "pv-shop-42-".len() + 5);
    assert_eq!(host_label(shop, None), "pr-42-shop");
    assert_eq!(host_label(shop, Some(&label("api"))), "api-pr-42-shop");
    assert_eq!(host_label(Origin::Object("shop-42"), None), "pr-shop-42");
    assert!(namespace(Origin::Object("shop-42"), UID).starts_with("pv-shop-42-"));
}

#[test]
fn reopened_pull_request_gets_another_namespace() {
    let shop = Origin::PullRequest { repository: "shop", number: 42 };
    assert_ne!(namespace(shop, UID), namespace(shop, "another-uid"));
    assert_eq!(namespace(shop, UID), namespace(shop, UID));
}

#[test]
fn later_claim_on_a_label_gets_a_hash() {
    let contested = contested_host_label("pr-42-shop", UID);
    assert!(contested.starts_with("pr-42-shop-") && contested.len() == "pr-42-shop-".len() + 5);
}

#[test]
fn dots_of_an_object_name_are_told_apart_from_dashes() {
    let (dots, dashes) = (Origin::Object("a.b-1"), Origin::Object("a-b-1"));
    assert_ne!(host_label(dots, None), host_label(dashes, None));
}

proptest! {
    #[test]
    fn every_name_is_a_dns_label(
        repository in "[a-z0-9]([a-z0-9.-]{0,200}[a-z0-9])?", number in 1_u32.., service in "[a-z]([a-z0-9-]{0,18}[a-z0-9])?",
    ) {
        let origin = Origin::PullRequest { repository: &repository, number };
        let labels = [
            namespace(origin, UID),
            host_label(origin, None),
            host_label(origin, Some(&label(&service))),
            contested_host_label(&host_label(origin, None), UID),
        ];
        for text in labels {
            prop_assert!(text.parse::<DnsLabel>().is_ok(), "{text}");
        }
    }

    #[test]
    fn different_pull_requests_have_different_hosts(
        one in "[a-z0-9]([a-z0-9.-]{0,90}[a-z0-9])?", other in "[a-z0-9]([a-z0-9.-]{0,90}[a-z0-9])?",
        first in 1_u32..100_000, second in 1_u32..100_000,
    ) {
        prop_assume!((one.as_str(), first) != (other.as_str(), second));
        let first = Origin::PullRequest { repository: &one, number: first };
        let second = Origin::PullRequest { repository: &other, number: second };
        prop_assert_ne!(host_label(first, None), host_label(second, None));
    }
}
