//! What the watches showed, and the routes that follow from it. Pure: the same sights make the same routes.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use http::HeaderValue;
use jiff::Timestamp;
use k8s_openapi::api::{core::v1::Service, discovery::v1::EndpointSlice};
use kube::{ResourceExt, api::DynamicObject};
use understudy_crds::{PreviewStatus, label, status::Phase};

use crate::rest::Sleep;

/// A preview, as far as its routes go by it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PreviewSight {
    /// Its UID.
    pub uid: String,
    /// Its own namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// The version of this sight.
    pub version: u64,
    /// What the operator said of it.
    pub status: PreviewStatus,
    /// When somebody last asked for its sleep to end.
    pub wanted: Option<Timestamp>,
}

impl PreviewSight {
    /// Reads a preview as a watch or an answer shows it.
    pub(crate) fn read(object: &DynamicObject) -> Result<Self, serde_json::Error> {
        let status = object.data.get("status").cloned().unwrap_or_default();
        let wanted = object.annotations().get(label::WAKE_WANTED);
        Ok(Self {
            uid: object.uid().unwrap_or_default(),
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
            deleting: object.metadata.deletion_timestamp.is_some(),
            version: object.resource_version().and_then(|one| one.parse().ok()).unwrap_or(0),
            status: serde_json::from_value::<Option<_>>(status)?.unwrap_or_default(),
            wanted: wanted.and_then(|wanted| wanted.parse().ok()),
        })
    }

    /// Its sleep, if it sleeps. The operator lets none fall asleep before the time of the last wish for its end.
    pub(crate) fn asleep(&self) -> Option<Sleep> {
        (self.status.phase == Some(Phase::Asleep)).then(|| {
            let time = |text: &Option<String>| text.as_deref().and_then(|text| text.parse().ok());
            // Who is told to sleep is told so again by a push: a wish from before it counts no more.
            let since: Option<Timestamp> =
                time(&self.status.since).max(time(&self.status.last_activity));
            let woken = since.is_some_and(|since| self.wanted.is_some_and(|wanted| wanted > since));
            let micros =
                since.map_or(0, |since| u64::try_from(since.as_microsecond()).unwrap_or(0));
            Sleep { since: micros, woken }
        })
    }

    /// Whether it is on its way out.
    pub(crate) fn is_closing(&self) -> bool {
        self.deleting || self.status.phase == Some(Phase::Terminating)
    }
}

/// A Service's port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServicePort {
    /// Its name, which its endpoints carry too; empty for a single port.
    pub name: String,
    /// Whether HTTP/2 is spoken there without TLS.
    pub h2c: bool,
}

/// An address that a Service's pod answers at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// The pod's address.
    pub ip: IpAddr,
    /// The UID of the pod.
    pub pod: String,
    /// Whether new requests may go there.
    pub ready: bool,
}

/// The addresses of one slice and the ports they answer at, by the port's name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Slice {
    /// The addresses.
    pub addresses: Vec<Address>,
    /// The ports.
    pub ports: BTreeMap<String, u16>,
}

/// Everything that was seen.
#[derive(Debug, Default)]
pub(crate) struct Sights {
    /// Previews by UID.
    pub previews: HashMap<String, PreviewSight>,
    /// Their UIDs by namespace and name.
    pub names: HashMap<(String, String), String>,
    /// UID of the preview that a namespace says it belongs to, with the namespace's own UID.
    pub namespaces: HashMap<String, (String, String)>,
    /// Ports of Services by namespace and name.
    pub services: HashMap<(String, String), HashMap<u16, ServicePort>>,
    /// Slices by namespace and Service, then by their own name.
    pub slices: HashMap<(String, String), HashMap<String, Slice>>,
    /// The Service that a slice belongs to, by namespace and the slice's own name.
    pub services_of_slices: HashMap<(String, String), String>,
}

/// Where requests for one host go.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct View {
    /// Where the preview stands.
    pub standing: Standing,
    /// The commit that is proved to be served.
    pub commit: Option<HeaderValue>,
    /// Where to connect to.
    pub targets: Vec<Target>,
}

/// Where a preview stands, for whoever asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Its phase.
    pub phase: Phase,
    /// Since when (RFC 3339).
    pub since: String,
    /// Why, in a sentence.
    pub message: Arc<str>,
    /// Whether it is over: the route is gone for good.
    pub closed: bool,
    /// Whether it ever answered.
    pub stood: bool,
}

/// A pod's port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Target {
    /// Where.
    pub address: SocketAddr,
    /// The UID of the pod.
    pub pod: Arc<str>,
    /// Whether HTTP/2 is spoken there without TLS.
    pub h2c: bool,
}

impl Sights {
    /// The routes of a preview: hosts and where their requests go.
    pub(crate) fn routes(&self, preview: &PreviewSight) -> Vec<(String, View)> {
        let status = &preview.status;
        let closed = preview.is_closing();
        let standing = Standing {
            phase: status.phase.unwrap_or(Phase::Pending),
            since: status.since.clone().unwrap_or_default(),
            message: status.message.as_deref().unwrap_or_default().into(),
            closed,
            stood: status.commit.is_some(),
        };
        // While pods of two commits may answer, no commit is named.
        let settled = !matches!(standing.phase, Phase::Preparing | Phase::Deploying);
        let commit = status.commit.as_ref().filter(|_| settled && !closed);
        let commit = commit.and_then(|commit| HeaderValue::from_str(&commit.to_string()).ok());
        let hosts = status.hosts.iter().filter_map(|one| {
            let host = host_of(&one.url)?;
            let targets = match (&one.service, one.port) {
                (Some(service), Some(port)) if !closed => self.targets(preview, service, port),
                _ => Vec::new(),
            };
            Some((host, View { standing: standing.clone(), commit: commit.clone(), targets }))
        });
        hosts.collect()
    }

    /// The pods behind a Service: only in the namespace that the preview says is its own, that is still this
    /// very one, and that says it belongs to this very preview.
    fn targets(&self, preview: &PreviewSight, service: &str, port: u16) -> Vec<Target> {
        let Some(home) = &preview.status.namespace else { return Vec::new() };
        let owned = self
            .namespaces
            .get(&home.name)
            .is_some_and(|(owner, uid)| *owner == preview.uid && *uid == home.uid);
        let key = (home.name.clone(), service.to_owned());
        let (Some(ports), Some(slices)) = (self.services.get(&key), self.slices.get(&key)) else {
            return Vec::new();
        };
        let Some(port) = ports.get(&port).filter(|_| owned) else { return Vec::new() };
        let mut targets: Vec<Target> = slices
            .values()
            .filter_map(|slice| Some((slice, *slice.ports.get(&port.name)?)))
            .flat_map(|(slice, number)| slice.addresses.iter().map(move |one| (one, number)))
            .filter(|(one, _)| one.ready)
            .map(|(one, number)| Target {
                address: SocketAddr::new(one.ip, number),
                pod: one.pod.as_str().into(),
                h2c: port.h2c,
            })
            .collect();
        // A pod may stand in two slices for a moment.
        targets.sort_by(|a, b| (a.address, &a.pod).cmp(&(b.address, &b.pod)));
        targets.dedup();
        targets
    }
}

/// The host of a URL that the operator formed.
fn host_of(url: &str) -> Option<String> {
    let uri: http::Uri = url.parse().ok()?;
    Some(uri.host()?.to_ascii_lowercase())
}

/// The ports of a Service.
pub(crate) fn ports(service: &Service) -> HashMap<u16, ServicePort> {
    let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_ref());
    ports
        .into_iter()
        .flatten()
        .filter_map(|port| {
            // Kubernetes' own name for it (KEP-3726), and the one that was there before.
            let protocol = port.app_protocol.as_deref().unwrap_or_default();
            let h2c = matches!(protocol, "kubernetes.io/h2c" | "h2c" | "grpc");
            let number = u16::try_from(port.port).ok()?;
            Some((number, ServicePort { name: port.name.clone().unwrap_or_default(), h2c }))
        })
        .collect()
}

/// The Service a slice belongs to, and what it says. Only what stands for a pod of the slice's own namespace
/// counts: everything else could be anybody's address.
pub(crate) fn slice(slice: &EndpointSlice) -> Option<((String, String), String, Slice)> {
    let metadata = &slice.metadata;
    let namespace = metadata.namespace.clone()?;
    let service = metadata.labels.as_ref()?.get("kubernetes.io/service-name")?.clone();
    let addresses = slice
        .endpoints
        .iter()
        .filter_map(|endpoint| {
            let pod = endpoint.target_ref.as_ref().filter(|target| {
                target.kind.as_deref() == Some("Pod")
                    && target.namespace.as_deref() == Some(&namespace)
            })?;
            let ip: IpAddr = endpoint.addresses.first()?.parse().ok()?;
            let conditions = endpoint.conditions.as_ref();
            // Absent means ready (discovery/v1, EndpointConditions).
            let ready = conditions.and_then(|one| one.ready).unwrap_or(true);
            let pod = pod.uid.clone().unwrap_or_default();
            (!is_special(ip)).then_some(Address { ip, pod, ready })
        })
        .collect();
    let ports = slice.ports.iter().flatten().filter_map(|port| {
        let number = u16::try_from(port.port?).ok().filter(|number| *number > 0)?;
        Some((port.name.clone().unwrap_or_default(), number))
    });
    let slice = Slice { addresses, ports: ports.collect() };
    Some(((namespace, service), metadata.name.clone()?, slice))
}

/// No pod answers there.
fn is_special(ip: IpAddr) -> bool {
    let link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_unicast_link_local() || ip.to_ipv4_mapped().is_some(),
    };
    ip.is_loopback() || ip.is_unspecified() || ip.is_multicast() || link_local
}

/// The preview a namespace says it belongs to, with its own UID.
pub(crate) fn owner(metadata: &kube::api::ObjectMeta) -> Option<(String, String)> {
    let owner = metadata.labels.as_ref()?.get(label::PREVIEW_UID)?.clone();
    // What is on its way out routes nothing any more.
    metadata.deletion_timestamp.is_none().then_some((owner, metadata.uid.clone()?))
}

#[cfg(test)]
mod tests;
