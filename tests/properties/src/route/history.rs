//! A history, read from bytes: which object is shown next, and what becomes of it. Every sequence of bytes is one.

use std::collections::BTreeMap;

use kube::runtime::watcher::Event;
use understudy_edge::fuzzing::Watches;

use super::{
    objects,
    truth::{
        ADDRESSES, Endpoint, HOSTS, NAMESPACES, Namespace, PREVIEWS, Preview, SERVICES, SLICES,
        Service, Slice, Truth,
    },
};

const PHASES: [&str; 5] = ["Ready", "Deploying", "Asleep", "Failed", "Terminating"];
const PORTS: [u16; 2] = [80, 81];
const PORT_NAMES: [&str; 2] = ["", "http"];

/// What an event does.
enum Act {
    Apply,
    Delete,
    /// The watch breaks and begins again; while it was away, objects went whose bit is set. It may break once more
    /// before its list is whole.
    List {
        gone: u8,
        broken: bool,
    },
}

pub(super) struct History<'input> {
    input: &'input [u8],
    pub(super) truth: Truth,
    /// Whether a watch has shown everything once.
    begun: [bool; 4],
}

impl<'input> History<'input> {
    pub(super) fn new(input: &'input [u8]) -> Self {
        Self { input, truth: Truth::default(), begun: [false; 4] }
    }

    /// Whether every watch has shown everything once.
    pub(super) fn complete(&self) -> bool {
        self.begun.iter().all(|begun| *begun)
    }

    /// Shows the next event; `false` at the end of the history.
    pub(super) fn step(&mut self, watches: &mut Watches) -> bool {
        let Some((first, rest)) = self.input.split_first() else { return false };
        self.input = rest;
        let watch = first % 4;
        let act = match (first / 4) % 8 {
            0 => Act::List { gone: self.byte(), broken: self.bit() },
            1 | 2 => Act::Delete,
            _ => Act::Apply,
        };
        match watch {
            0 => self.preview(&act, |event| watches.preview(event)),
            1 => self.namespace(&act, |event| watches.namespace(event)),
            2 => self.service(&act, |event| watches.service(event)),
            _ => self.slice(&act, |event| watches.slice(event)),
        }
        true
    }

    /// A byte; zero when there is none left.
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.input.split_first() else { return 0 };
        self.input = rest;
        *first
    }

    fn below(&mut self, bound: u8) -> u8 {
        self.byte() % bound
    }

    fn bit(&mut self) -> bool {
        self.below(2) == 1
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        all.get(usize::from(self.byte()) % all.len()).copied()
    }

    fn preview(&mut self, act: &Act, show: impl FnMut(Event<kube::api::DynamicObject>)) {
        let name = self.below(PREVIEWS);
        let object = matches!(act, Act::Apply).then(|| {
            let flags = self.byte();
            let hosts = (0..HOSTS).filter(|host| flags >> host & 1 == 1).map(|host| {
                let behind = (self.below(SERVICES), PORTS.get(usize::from(self.bit())));
                (host, behind.1.map(|port| (behind.0, *port)).filter(|_| flags & 8 == 0))
            });
            let hosts = hosts.collect();
            Preview {
                name,
                life: flags >> 4 & 1,
                deleting: flags >> 5 == 7,
                phase: self.one_of(&PHASES).unwrap_or_default(),
                home: self.pair(NAMESPACES),
                hosts,
            }
        });
        let begun = self.begun.first_mut();
        take(&mut self.truth.previews, (name, object), act, (begun, objects::preview), show);
    }

    /// Name and life of something, or nothing.
    fn pair(&mut self, names: u8) -> Option<(u8, u8)> {
        let byte = self.byte();
        (byte < 240).then_some((byte % names, u8::from(byte >= 200)))
    }

    fn namespace(
        &mut self,
        act: &Act,
        show: impl FnMut(Event<kube::api::PartialObjectMeta<k8s_openapi::api::core::v1::Namespace>>),
    ) {
        let name = self.below(NAMESPACES);
        let object = matches!(act, Act::Apply).then(|| {
            let flags = self.byte();
            let (life, deleting) = (u8::from(flags >= 200), flags % 8 == 7);
            Namespace { name, life, deleting, owner: self.pair(PREVIEWS) }
        });
        let begun = self.begun.get_mut(1);
        take(&mut self.truth.namespaces, (name, object), act, (begun, objects::namespace), show);
    }

    fn service(&mut self, act: &Act, show: impl FnMut(Event<k8s_openapi::api::core::v1::Service>)) {
        let key = (self.below(NAMESPACES), self.below(SERVICES));
        let object = matches!(act, Act::Apply).then(|| {
            let flags = self.byte();
            let ports = PORTS.iter().enumerate().filter_map(|(index, number)| {
                let bits = flags >> (index * 2) & 3;
                PORT_NAMES.get(usize::from(bits)).map(|name| (*number, *name))
            });
            Service { namespace: key.0, name: key.1, ports: ports.collect() }
        });
        let begun = self.begun.get_mut(2);
        take(&mut self.truth.services, (key, object), act, (begun, objects::service), show);
    }

    fn slice(
        &mut self,
        act: &Act,
        show: impl FnMut(Event<k8s_openapi::api::discovery::v1::EndpointSlice>),
    ) {
        let key = (self.below(NAMESPACES), self.below(SLICES));
        let object = matches!(act, Act::Apply).then(|| {
            let flags = self.byte();
            let ports = PORT_NAMES.iter().enumerate().filter_map(|(index, name)| {
                let number = 8080 + u16::from(flags >> (index * 2) & 3);
                (number < 8083).then_some((*name, number))
            });
            let ports = ports.collect();
            let service = (flags < 240).then_some(flags >> 4 & 1);
            let endpoints = (0..self.below(4)).map(|_| self.endpoint(key.0)).collect();
            Slice { namespace: key.0, name: key.1, service, endpoints, ports }
        });
        let begun = self.begun.get_mut(3);
        take(&mut self.truth.slices, (key, object), act, (begun, objects::slice), show);
    }

    fn endpoint(&mut self, namespace: u8) -> Endpoint {
        let flags = self.byte();
        Endpoint {
            address: flags % u8::try_from(ADDRESSES.len()).unwrap_or(1),
            ready: match flags >> 4 & 3 {
                0 => Some(false),
                1 => None,
                _ => Some(true),
            },
            target: match flags >> 6 {
                0 => None,
                1 if flags & 32 == 0 => Some(("Node", namespace)),
                2 if flags & 32 == 0 => Some(("Pod", (namespace + 1) % NAMESPACES)),
                _ => Some(("Pod", namespace)),
            },
        }
    }
}

/// Shows an event and takes it into the truth.
fn take<Key: Ord + Clone, Object, Shown: Clone>(
    truth: &mut BTreeMap<Key, Object>,
    (key, object): (Key, Option<Object>),
    act: &Act,
    (begun, shown): (Option<&mut bool>, fn(&Object) -> Shown),
    mut show: impl FnMut(Event<Shown>),
) {
    let Some(begun) = begun else { return };
    match act {
        // Before its first list is whole a watch shows nothing but that.
        Act::Apply | Act::Delete if !*begun => {
            if let Some(object) = object {
                truth.insert(key, object);
            }
        }
        Act::Apply => {
            if let Some(object) = object {
                show(Event::Apply(shown(&object)));
                truth.insert(key, object);
            }
        }
        Act::Delete => {
            if let Some(object) = truth.remove(&key) {
                show(Event::Delete(shown(&object)));
            }
        }
        Act::List { gone, broken } => {
            let mut bits = (0..8).cycle();
            truth.retain(|_, _| bits.next().is_none_or(|bit| gone >> bit & 1 == 0));
            if *broken {
                show(Event::Init);
                truth.values().take(1).for_each(|one| show(Event::InitApply(shown(one))));
            }
            objects::list(truth.values().map(shown), show);
            *begun = true;
        }
    }
}
