//! Where hosts lead. The input is a history: what four watches show, event by event. After each, what the edge has
//! under every host is held against what the shown objects allow, computed here from the plain objects themselves.

mod history;
mod objects;
mod truth;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::OnceLock,
};

use kube::{Client, Config};
use tokio::runtime::Runtime;
use understudy_edge::{
    Edge, Limits, Options,
    fuzzing::{Found, Watches},
};

use history::History;
use truth::{HOSTS, Preview, Truth, host_name};

/// A host leads to the ready pods of its own preview's Service, all of them and no other, or nowhere; it stays with
/// the preview that had it first; and who comes late, or after a watch broke off, sees the same.
///
/// # Panics
/// If that does not hold.
pub fn route(input: &[u8]) {
    let mut watches = watches();
    let mut history = History::new(input);
    let mut eye = Eye::default();
    while history.step(&mut watches) {
        if history.complete() {
            eye.look(&watches, &history.truth);
        } else {
            assert!((0..HOSTS).all(|host| watches.find(&host_name(host)) == Found::Nothing));
        }
    }
    let mut late = self::watches();
    history.truth.list(&mut late);
    Eye::default().look(&late, &history.truth);
}

/// An edge that nobody told anything, and whose client never asks.
fn watches() -> Watches {
    static CLIENT: OnceLock<(Runtime, Client)> = OnceLock::new();
    let (_, client) = CLIENT.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.expect("a runtime without input and output needs nothing");
        let client = {
            let _entered = runtime.enter();
            let mut config = Config::new(http::Uri::from_static("http://127.0.0.1:1"));
            config.root_cert = Some(Vec::new());
            Client::try_from(config).expect("nothing of this machine is read")
        };
        (runtime, client)
    });
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let options = Options { listen, tls: None, limits: Limits::default(), access_log: false };
    Watches::new(Edge::new(client.clone(), &options).expect("an edge without a log needs nothing"))
}

/// What was found at the last look.
#[derive(Default)]
struct Eye {
    before: BTreeMap<u8, Found>,
    /// Hosts of a preview that were another's when it came to them.
    waiting: BTreeSet<(u8, String)>,
}

impl Eye {
    fn look(&mut self, watches: &Watches, truth: &Truth) {
        for host in 0..HOSTS {
            let found = watches.find(&host_name(host));
            self.check(host, &found, truth);
            self.before.insert(host, found);
        }
        let mut remembered = watches.remembered();
        remembered.sort();
        assert_eq!(remembered, truth.open().map(Preview::uid).collect::<Vec<_>>());
    }

    fn check(&mut self, host: u8, found: &Found, truth: &Truth) {
        let claims: BTreeSet<String> = truth.claims(host).map(Preview::uid).collect();
        self.waiting.retain(|(one, uid)| *one != host || claims.contains(uid));
        let before = match self.before.get(&host) {
            Some(Found::Route { uid, .. }) => Some(uid),
            _ => None,
        };
        if let Some(before) = before.filter(|before| claims.contains(*before)) {
            let stays = matches!(found, Found::Route { uid, .. } if uid == before);
            assert!(stays, "host {host} was taken from {before}: {found:?}");
        }
        match found {
            Found::Route { uid, closed, addresses } => {
                assert!(claims.contains(uid), "host {host} leads to {uid}, which has it no more");
                assert!(!closed, "host {host} leads to a preview that is over");
                let expected = truth.addresses(uid, host);
                assert!(addresses.is_sorted(), "{addresses:?}");
                let led: BTreeSet<SocketAddr> = addresses.iter().copied().collect();
                assert_eq!(led, expected, "where host {host} of {uid} leads");
                let others = claims.iter().filter(|one| *one != uid);
                self.waiting.extend(others.map(|one| (host, one.clone())));
            }
            Found::Closed | Found::Nothing => {
                let lost: Vec<&String> = claims
                    .iter()
                    .filter(|uid| !self.waiting.contains(&(host, (*uid).clone())))
                    .collect();
                assert!(lost.is_empty(), "host {host} of {lost:?} is {found:?}");
                let gone = before.is_some_and(|before| !truth.is_open(before));
                assert!(!gone || *found == Found::Closed, "host {host} was closed without a word");
            }
        }
    }
}
