//! The routes that requests are looked up in, and what lives as long as they do.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::watch;

use crate::{
    backend::Backend,
    rest::Rest,
    sight::{PreviewSight, View},
};

/// How many closed hosts are remembered: a name and a time each.
const CLOSED: usize = 20_000;

/// For how long pods that were there when a preview fell asleep are not trusted after it woke: they may be on
/// their way out without our having seen it.
const DOUBT: Duration = Duration::from_secs(2);

/// Hosts and where they lead.
#[derive(Debug, Default)]
pub(crate) struct Table {
    hosts: RwLock<HashMap<String, Entry>>,
    previews: RwLock<HashMap<String, Arc<Preview>>>,
}

/// What stands under a host.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    /// A route.
    Route(Arc<Route>),
    /// There was one.
    Closed(Instant),
}

/// A preview while it is there.
#[derive(Debug)]
pub(crate) struct Preview {
    /// Its UID.
    pub uid: String,
    /// Its own namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whether it sleeps, and what was noted of it.
    pub rest: Mutex<Rest>,
    /// Requests and tunnels under way, whoever asked.
    pub under_way: AtomicUsize,
    /// Those of them that count as use.
    pub in_use: AtomicUsize,
    /// Requests that wait for its pods.
    pub held: AtomicUsize,
    /// Until when requests pass without a look at `rest`, in milliseconds of the edge's own clock.
    pub fresh: AtomicU64,
    /// The hosts that lead to it.
    hosts: Mutex<Vec<String>>,
    /// Pods that were there when it was last seen falling asleep.
    doubted: Mutex<Doubted>,
    /// Changes with everything that a waiting request goes by.
    pub changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Doubted {
    /// Those that are there by the newest sight.
    known: Vec<Arc<str>>,
    pods: Vec<Arc<str>>,
    woke: Option<Instant>,
}

/// The way to one host.
#[derive(Debug)]
pub(crate) struct Route {
    /// The host.
    pub host: String,
    /// Whose it is.
    pub preview: Arc<Preview>,
    now: RwLock<Arc<Live>>,
}

/// A route as it is at one moment.
#[derive(Debug)]
pub(crate) struct Live {
    /// What was seen.
    pub view: View,
    /// The pods, with the connections to them.
    pub backends: Vec<Arc<Backend>>,
}

impl Route {
    /// As it is now.
    pub(crate) fn now(&self) -> Arc<Live> {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes over what was seen; connections to pods that stay are kept.
    fn update(&self, view: View) {
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        if now.view == view {
            return;
        }
        let known =
            |target: &crate::sight::Target| now.backends.iter().find(|one| one.target == *target);
        let backends: Vec<Arc<Backend>> = view
            .targets
            .iter()
            .map(|target| {
                known(target).map_or_else(|| Arc::new(Backend::new(target.clone())), Arc::clone)
            })
            .collect();
        for gone in now.backends.iter().filter(|one| !view.targets.contains(&one.target)) {
            gone.retire();
        }
        *now = Arc::new(Live { view, backends });
    }
}

impl Preview {
    fn new(sight: &PreviewSight) -> Self {
        Self {
            uid: sight.uid.clone(),
            namespace: sight.namespace.clone(),
            name: sight.name.clone(),
            rest: Mutex::default(),
            under_way: AtomicUsize::new(0),
            in_use: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            fresh: AtomicU64::new(0),
            hosts: Mutex::default(),
            doubted: Mutex::default(),
            changed: watch::Sender::new(0),
        }
    }

    /// Takes in the pods that are there.
    pub(crate) fn know(&self, pods: &[Arc<str>]) {
        self.doubted.lock().unwrap_or_else(PoisonError::into_inner).known = pods.to_vec();
    }

    /// Changes what is known of its rest, whoever told. When it turns out that it sleeps, its pods are doubted until
    /// it woke.
    pub(crate) fn change(&self, interval: Duration, act: impl FnOnce(&mut Rest)) {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        let was = rest.is_asleep();
        act(&mut rest);
        self.freshen(&rest, interval);
        let mut doubted = self.doubted.lock().unwrap_or_else(PoisonError::into_inner);
        match (was, rest.is_asleep()) {
            (false, true) => {
                let known = doubted.known.clone();
                doubted.pods = known;
                doubted.woke = None;
            }
            (true, false) => doubted.woke = Some(Instant::now()),
            _ => {}
        }
    }

    /// Notes until when requests pass without a look.
    fn freshen(&self, rest: &Rest, interval: Duration) {
        let until = rest.passes_until(interval).map_or(0, |until| until.as_millis());
        self.fresh.store(u64::try_from(until).unwrap_or(u64::MAX), Ordering::Release);
    }

    /// Whether that pod may be on its way out although nobody said so yet.
    pub(crate) fn doubts(&self, pod: &str) -> bool {
        let mut doubted = self.doubted.lock().unwrap_or_else(PoisonError::into_inner);
        if doubted.woke.is_some_and(|woke| woke.elapsed() >= DOUBT) {
            doubted.pods.clear();
            doubted.woke = None;
        }
        doubted.pods.iter().any(|one| **one == *pod)
    }

    /// Whether it sleeps, as far as is known.
    pub(crate) fn is_asleep(&self) -> bool {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner).is_asleep()
    }

    /// The version of the newest sight of it.
    pub(crate) fn version(&self) -> u64 {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner).version()
    }

    /// Whether any pod is doubted at all.
    pub(crate) fn has_doubts(&self) -> bool {
        !self.doubted.lock().unwrap_or_else(PoisonError::into_inner).pods.is_empty()
    }

    /// Tells everybody who waits to look again.
    pub(crate) fn tell(&self) {
        self.changed.send_modify(|version| *version = version.wrapping_add(1));
    }
}

impl Table {
    /// What stands under a host.
    pub(crate) fn find(&self, host: &str) -> Option<Entry> {
        self.hosts.read().unwrap_or_else(PoisonError::into_inner).get(host).cloned()
    }

    /// The preview of that UID.
    pub(crate) fn preview(&self, uid: &str) -> Option<Arc<Preview>> {
        self.previews.read().unwrap_or_else(PoisonError::into_inner).get(uid).cloned()
    }

    /// Every preview.
    pub(crate) fn previews(&self) -> Vec<Arc<Preview>> {
        let previews = self.previews.read().unwrap_or_else(PoisonError::into_inner);
        previews.values().cloned().collect()
    }

    /// Closes connections to pods that were idle for too long.
    pub(crate) fn sweep(&self) {
        let routes: Vec<Arc<Route>> = {
            let hosts = self.hosts.read().unwrap_or_else(PoisonError::into_inner);
            let routes = hosts.values().filter_map(|entry| match entry {
                Entry::Route(route) => Some(Arc::clone(route)),
                Entry::Closed(_) => None,
            });
            routes.collect()
        };
        for route in routes {
            route.now().backends.iter().for_each(|backend| backend.sweep());
        }
    }

    /// How many hosts lead somewhere.
    pub(crate) fn routes(&self) -> usize {
        let hosts = self.hosts.read().unwrap_or_else(PoisonError::into_inner);
        hosts.values().filter(|entry| matches!(entry, Entry::Route(_))).count()
    }

    /// Makes the routes of a preview those that were seen; whoever waits for it is told by the caller.
    pub(crate) fn update(&self, sight: &PreviewSight, routes: Vec<(String, View)>) {
        let preview = self.preview(&sight.uid).unwrap_or_else(|| {
            let preview = Arc::new(Preview::new(sight));
            let mut previews = self.previews.write().unwrap_or_else(PoisonError::into_inner);
            previews.insert(sight.uid.clone(), Arc::clone(&preview));
            preview
        });
        for (host, view) in routes {
            self.update_one(&preview, host, view);
        }
    }

    fn update_one(&self, preview: &Arc<Preview>, host: String, view: View) {
        if let Some(Entry::Route(route)) = self.find(&host) {
            if route.preview.uid == preview.uid {
                return route.update(view);
            }
            // A host that is taken stays with whoever had it, unless that one is over.
            if view.standing.closed || !route.now().view.standing.closed {
                return;
            }
        }
        let empty = View { targets: Vec::new(), ..view.clone() };
        let route = Arc::new(Route {
            host: host.clone(),
            preview: Arc::clone(preview),
            now: RwLock::new(Arc::new(Live { view: empty, backends: Vec::new() })),
        });
        route.update(view);
        let mut hosts = self.hosts.write().unwrap_or_else(PoisonError::into_inner);
        hosts.insert(host, Entry::Route(route));
    }

    /// Hosts of that preview that are no longer its own lead nowhere; those of one that is gone are closed.
    pub(crate) fn retain(&self, uid: &str, keep: &[String], gone: bool) {
        let Some(preview) = self.preview(uid) else { return };
        let before = {
            let mut own = preview.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *own, keep.to_vec())
        };
        for host in before.iter().filter(|host| !keep.contains(host)) {
            self.let_go(&preview, host, gone);
        }
        if gone {
            let mut previews = self.previews.write().unwrap_or_else(PoisonError::into_inner);
            previews.remove(uid);
            drop(previews);
            preview.tell();
        }
    }

    fn let_go(&self, preview: &Preview, host: &str, gone: bool) {
        let mut hosts = self.hosts.write().unwrap_or_else(PoisonError::into_inner);
        let Some(Entry::Route(route)) = hosts.get(host).cloned() else { return };
        // Somebody else's by now.
        if route.preview.uid != preview.uid {
            return;
        }
        if gone {
            hosts.insert(host.to_owned(), Entry::Closed(Instant::now()));
            let closed = hosts.values().filter(|entry| matches!(entry, Entry::Closed(_))).count();
            if closed > CLOSED {
                forget_oldest(&mut hosts);
            }
        } else {
            hosts.remove(host);
        }
        drop(hosts);
        route.now().backends.iter().for_each(|backend| backend.retire());
    }
}

/// Forgets the older half of the closed hosts.
fn forget_oldest(hosts: &mut HashMap<String, Entry>) {
    let mut times: Vec<Instant> = hosts
        .values()
        .filter_map(|entry| match entry {
            Entry::Closed(at) => Some(*at),
            Entry::Route(_) => None,
        })
        .collect();
    times.sort_unstable();
    let Some(middle) = times.get(times.len() / 2).copied() else { return };
    hosts.retain(|_, entry| !matches!(entry, Entry::Closed(at) if *at < middle));
}
