//! The plain objects as the API server would show them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::{
    api::{
        core::v1::{self as core, ObjectReference, ServiceSpec},
        discovery::v1::{self as discovery, EndpointConditions, EndpointSlice},
    },
    apimachinery::pkg::apis::meta::v1::Time,
};
use kube::{
    api::{DynamicObject, ObjectMeta, PartialObjectMeta},
    runtime::watcher::Event,
};
use serde_json::json;
use understudy_crds::label::PREVIEW_UID;

use super::truth::{
    ADDRESSES, Endpoint, Namespace, Preview, Service, Slice, host_name, preview_uid,
};

/// A whole list, as a watch begins with.
pub(super) fn list<K>(objects: impl Iterator<Item = K>, mut show: impl FnMut(Event<K>)) {
    show(Event::Init);
    objects.for_each(|one| show(Event::InitApply(one)));
    show(Event::InitDone);
}

fn namespace_name(name: u8) -> String {
    format!("pv-{name}")
}

fn namespace_uid((name, life): (u8, u8)) -> String {
    format!("namespace-{name}-{life}")
}

fn deleted(deleting: bool) -> Option<Time> {
    deleting.then_some(Time(Timestamp::UNIX_EPOCH))
}

pub(super) fn preview(one: &Preview) -> DynamicObject {
    let hosts: Vec<_> = one
        .hosts
        .iter()
        .map(|(host, behind)| {
            let url = format!("http://{}:8000", host_name(*host));
            let (service, port) = behind.unzip();
            let service = service.map(|name| format!("service-{name}"));
            json!({"name": format!("h{host}"), "url": url, "service": service, "port": port})
        })
        .collect();
    let home =
        one.home.map(|home| json!({"name": namespace_name(home.0), "uid": namespace_uid(home)}));
    let metadata = ObjectMeta {
        name: Some(format!("preview-{}", one.name)),
        namespace: Some("previews".to_owned()),
        uid: Some(one.uid()),
        deletion_timestamp: deleted(one.deleting),
        ..ObjectMeta::default()
    };
    let status = json!({"phase": one.phase, "hosts": hosts, "namespace": home});
    DynamicObject { types: None, metadata, data: json!({"status": status}) }
}

pub(super) fn namespace(one: &Namespace) -> PartialObjectMeta<core::Namespace> {
    let owner = one.owner.map(|owner| (PREVIEW_UID.to_owned(), preview_uid(owner)));
    let metadata = ObjectMeta {
        name: Some(namespace_name(one.name)),
        uid: Some(namespace_uid((one.name, one.life))),
        labels: Some(owner.into_iter().collect()),
        deletion_timestamp: deleted(one.deleting),
        ..ObjectMeta::default()
    };
    PartialObjectMeta { metadata, ..PartialObjectMeta::default() }
}

pub(super) fn service(one: &Service) -> core::Service {
    let ports = one.ports.iter().map(|(number, name)| core::ServicePort {
        name: (!name.is_empty()).then(|| (*name).to_owned()),
        port: i32::from(*number),
        ..core::ServicePort::default()
    });
    core::Service {
        metadata: ObjectMeta {
            name: Some(format!("service-{}", one.name)),
            namespace: Some(namespace_name(one.namespace)),
            ..ObjectMeta::default()
        },
        spec: Some(ServiceSpec { ports: Some(ports.collect()), ..ServiceSpec::default() }),
        status: None,
    }
}

pub(super) fn slice(one: &Slice) -> EndpointSlice {
    let labels: BTreeMap<String, String> = one
        .service
        .map(|name| ("kubernetes.io/service-name".to_owned(), format!("service-{name}")))
        .into_iter()
        .collect();
    let ports = one.ports.iter().map(|(name, number)| discovery::EndpointPort {
        name: (!name.is_empty()).then(|| (*name).to_owned()),
        port: Some(i32::from(*number)),
        ..discovery::EndpointPort::default()
    });
    EndpointSlice {
        address_type: "IPv4".to_owned(),
        metadata: ObjectMeta {
            name: Some(format!("slice-{}", one.name)),
            namespace: Some(namespace_name(one.namespace)),
            labels: Some(labels),
            ..ObjectMeta::default()
        },
        endpoints: one.endpoints.iter().map(endpoint).collect(),
        ports: Some(ports.collect()),
    }
}

fn endpoint(one: &Endpoint) -> discovery::Endpoint {
    let address = ADDRESSES.get(usize::from(one.address)).map_or("", |(text, _)| *text);
    let target = one.target.map(|(kind, namespace)| ObjectReference {
        kind: Some(kind.to_owned()),
        namespace: Some(namespace_name(namespace)),
        uid: Some(format!("pod-{}", one.address)),
        ..ObjectReference::default()
    });
    discovery::Endpoint {
        addresses: vec![address.to_owned()],
        conditions: one.ready.map(|ready| EndpointConditions {
            ready: Some(ready),
            ..EndpointConditions::default()
        }),
        target_ref: target,
        ..discovery::Endpoint::default()
    }
}
