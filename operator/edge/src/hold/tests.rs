//! Who counts for what while a request is under way.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
};

use http::{Request, header};
use understudy_crds::{PreviewStatus, status::Phase};

use super::Passage;
use crate::{
    Limits,
    sight::{PreviewSight, Standing, Target, View},
    table::{Entry, Route, Table},
};

/// A preview with a pod.
fn route() -> Arc<Route> {
    let sight = PreviewSight {
        uid: "a".to_owned(),
        namespace: "shop".to_owned(),
        name: "pr-1".to_owned(),
        deleting: false,
        version: 1,
        status: PreviewStatus::default(),
        wanted: None,
    };
    let standing = Standing {
        phase: Phase::Ready,
        since: String::new(),
        message: "".into(),
        closed: false,
        stood: true,
    };
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    let targets = vec![Target { address, pod: "a".into(), h2c: false }];
    let table = Table::default();
    let view = View { standing, commit: None, targets };
    table.update(&sight, vec![("a.test".to_owned(), view)]);
    match table.find("a.test") {
        Some(Entry::Route(route)) => route,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn onlookers_take_a_place_and_keep_nobody_awake() {
    let edge = crate::tests::edge(Limits { preview: 3, ..Limits::default() });
    let route = route();
    // While a note is young there is no look at sleep.
    for fresh in [u64::MAX, 0] {
        route.preview.fresh.store(fresh, Ordering::Release);
        let counts = || {
            let load = |one: &std::sync::atomic::AtomicUsize| one.load(Ordering::Acquire);
            (load(&route.preview.under_way), load(&route.preview.in_use))
        };
        let pass = async |agent: &str| {
            let request = Request::builder().header(header::USER_AGENT, agent).body(());
            edge.pass(&route, &request.expect("a request")).await
        };
        let crawler = pass("Googlebot/2.1").await;
        assert!(matches!(crawler, Passage::Go(..)), "{fresh}");
        assert_eq!(counts(), (1, 0), "{fresh}");
        if fresh == 0 {
            // Nobody answers a note here: a person would wait for one.
            drop(crawler);
            assert_eq!(counts(), (0, 0));
            continue;
        }
        let person = pass("Firefox/140.0").await;
        assert_eq!(counts(), (2, 1));
        let probe = pass("kube-probe/1.36").await;
        assert_eq!(counts(), (3, 1));
        for agent in ["Firefox/140.0", "kube-probe/1.36"] {
            assert!(matches!(pass(agent).await, Passage::Page(..)), "{agent} is one too many");
        }
        drop((crawler, person));
        assert_eq!(counts(), (1, 0));
        drop(probe);
        assert_eq!(counts(), (0, 0));
    }
}
