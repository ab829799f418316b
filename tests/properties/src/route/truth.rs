//! The objects as they were last shown, in plain words, and what follows from them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
};

use understudy_edge::fuzzing::Watches;

use super::objects;

/// How many hosts there are to quarrel about, and how many objects of each kind.
pub(super) const HOSTS: u8 = 3;
pub(super) const PREVIEWS: u8 = 3;
pub(super) const NAMESPACES: u8 = 2;
pub(super) const SERVICES: u8 = 2;
pub(super) const SLICES: u8 = 3;

/// Addresses, and whether a pod can be there.
pub(super) const ADDRESSES: [(&str, bool); 16] = [
    ("10.0.0.1", true),
    ("10.0.0.2", true),
    ("198.18.0.7", true),
    ("fd00::1", true),
    ("127.0.0.1", false),
    ("127.8.8.8", false),
    ("169.254.169.254", false),
    ("0.0.0.0", false),
    ("224.0.0.1", false),
    ("255.255.255.255", false),
    ("::1", false),
    ("::", false),
    ("fe80::1", false),
    ("ff02::1", false),
    ("::ffff:127.0.0.1", false),
    ("10.0.0.256", false),
];

/// An object that was made again under its name is another one: which one it is.
pub(super) type Life = u8;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Preview {
    pub(super) name: u8,
    pub(super) life: Life,
    pub(super) deleting: bool,
    pub(super) phase: &'static str,
    /// The namespace that it says is its own.
    pub(super) home: Option<(u8, Life)>,
    /// Hosts with the Service and port behind them.
    pub(super) hosts: BTreeMap<u8, Option<(u8, u16)>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Namespace {
    pub(super) name: u8,
    pub(super) life: Life,
    /// Name and life of the preview that it says it belongs to.
    pub(super) owner: Option<(u8, Life)>,
    pub(super) deleting: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) namespace: u8,
    pub(super) name: u8,
    /// Names of ports by their numbers.
    pub(super) ports: BTreeMap<u16, &'static str>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slice {
    pub(super) namespace: u8,
    pub(super) name: u8,
    /// The Service that it says it belongs to.
    pub(super) service: Option<u8>,
    pub(super) endpoints: Vec<Endpoint>,
    /// Numbers of ports by their names.
    pub(super) ports: BTreeMap<&'static str, u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) address: u8,
    pub(super) ready: Option<bool>,
    /// Kind and namespace of what it stands for.
    pub(super) target: Option<(&'static str, u8)>,
}

/// Everything that was shown and not taken back.
#[derive(Debug, Default)]
pub(super) struct Truth {
    pub(super) previews: BTreeMap<u8, Preview>,
    pub(super) namespaces: BTreeMap<u8, Namespace>,
    pub(super) services: BTreeMap<(u8, u8), Service>,
    pub(super) slices: BTreeMap<(u8, u8), Slice>,
}

impl Preview {
    pub(super) fn uid(&self) -> String {
        preview_uid((self.name, self.life))
    }

    fn is_open(&self) -> bool {
        !self.deleting && self.phase != "Terminating"
    }
}

pub(super) fn preview_uid((name, life): (u8, Life)) -> String {
    format!("preview-{name}-{life}")
}

pub(super) fn host_name(host: u8) -> String {
    format!("host-{host}.preview.test")
}

impl Truth {
    /// The previews that are not on their way out, in the order of their UIDs.
    pub(super) fn open(&self) -> impl Iterator<Item = &Preview> {
        self.previews.values().filter(|one| one.is_open())
    }

    pub(super) fn is_open(&self, uid: &str) -> bool {
        self.open().any(|one| one.uid() == uid)
    }

    /// The previews that say a host is theirs.
    pub(super) fn claims(&self, host: u8) -> impl Iterator<Item = &Preview> {
        self.open().filter(move |one| one.hosts.contains_key(&host))
    }

    /// Where a preview's host must lead.
    pub(super) fn addresses(&self, uid: &str, host: u8) -> BTreeSet<SocketAddr> {
        let led = || {
            let preview = self.open().find(|one| one.uid() == uid)?;
            let (service, port) = (*preview.hosts.get(&host)?)?;
            let (name, life) = preview.home?;
            let home = self.namespaces.get(&name)?;
            let own = home.life == life
                && home.owner == Some((preview.name, preview.life))
                && !home.deleting;
            let port = self.services.get(&(name, service))?.ports.get(&port).filter(|_| own)?;
            let slices = self.slices.values();
            let slices = slices.filter(|one| one.namespace == name && one.service == Some(service));
            Some(slices.flat_map(|slice| slice.addresses(port)).collect())
        };
        led().unwrap_or_default()
    }

    /// Shows everything to somebody who comes late.
    pub(super) fn list(&self, watches: &mut Watches) {
        objects::list(self.namespaces.values().map(objects::namespace), |one| {
            watches.namespace(one);
        });
        objects::list(self.services.values().map(objects::service), |one| watches.service(one));
        objects::list(self.slices.values().map(objects::slice), |one| watches.slice(one));
        objects::list(self.previews.values().map(objects::preview), |one| watches.preview(one));
    }
}

impl Slice {
    fn addresses(&self, port: &str) -> Vec<SocketAddr> {
        let Some(number) = self.ports.get(port) else { return Vec::new() };
        let fit = self
            .endpoints
            .iter()
            .filter(|one| one.ready != Some(false) && one.target == Some(("Pod", self.namespace)));
        let addresses = fit.filter_map(|one| ADDRESSES.get(usize::from(one.address)));
        addresses
            .filter(|(_, pod)| *pod)
            .filter_map(|(text, _)| Some(SocketAddr::new(text.parse::<IpAddr>().ok()?, *number)))
            .collect()
    }
}
