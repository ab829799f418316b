//! The edge's own parts with nothing around them, for tests that make up what reaches them. Nothing else uses it.

use std::{
    net::{IpAddr, SocketAddr},
    pin::Pin,
    task::{Context, Waker},
};

use futures::channel::mpsc::{self, UnboundedReceiver, UnboundedSender};
use http::{HeaderMap, HeaderValue};
use k8s_openapi::api::{
    core::v1::{Namespace, Service},
    discovery::v1::EndpointSlice,
};
use kube::{
    api::{DynamicObject, PartialObjectMeta},
    runtime::watcher::{self, Event},
};

use crate::{
    Edge, feed,
    headers::{self, Client},
    host::Authority,
    listen,
    table::Entry,
};

/// How a client's connection is read and written.
pub fn http1() -> hyper::server::conn::http1::Builder {
    listen::http1()
}

/// The headers of a request as its preview gets them: from that address, through TLS or not.
pub fn request(
    headers: &mut HeaderMap,
    host: &str,
    (address, tls): (IpAddr, bool),
    upgrade: Option<HeaderValue>,
) {
    let asked = Authority { host: host.to_owned(), port: None };
    headers::request(headers, &asked, Client { address, tls }, upgrade);
}

/// The headers of a preview's answer as its client gets them.
pub fn answer(headers: &mut HeaderMap, host: &str, commit: Option<&HeaderValue>) {
    headers::answer(headers, host, commit);
}

/// What stands under a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// There was a route.
    Closed,
    /// A route.
    Route {
        /// The UID of the preview it belongs to.
        uid: String,
        /// Whether that preview is over.
        closed: bool,
        /// Where connections are made to.
        addresses: Vec<SocketAddr>,
    },
}

/// An edge that gets the events of its watches from whoever holds this.
pub struct Watches {
    edge: Edge,
    previews: Watch<DynamicObject>,
    namespaces: Watch<PartialObjectMeta<Namespace>>,
    services: Watch<Service>,
    slices: Watch<EndpointSlice>,
}

/// One watch: what it shows next, and the future that takes it in.
struct Watch<K> {
    shows: UnboundedSender<watcher::Result<Event<K>>>,
    run: Pin<Box<dyn Future<Output = ()>>>,
}

impl<K> Watch<K> {
    fn new<Run: Future<Output = ()> + 'static>(
        run: impl FnOnce(UnboundedReceiver<watcher::Result<Event<K>>>) -> Run,
    ) -> Self {
        let (shows, receiver) = mpsc::unbounded();
        Self { shows, run: Box::pin(run(receiver)) }
    }

    fn show(&mut self, event: Event<K>) {
        let _ = self.shows.unbounded_send(Ok(event));
        let _ = self.run.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    }
}

impl Watches {
    /// Watches that showed nothing yet.
    pub fn new(edge: Edge) -> Self {
        let own = || edge.clone();
        Self {
            previews: Watch::new(|shown| {
                feed::run(own(), "previews", shown, feed::see_preview, feed::forget_preview)
            }),
            namespaces: Watch::new(|shown| {
                feed::run(own(), "namespaces", shown, feed::see_namespace, feed::forget_namespace)
            }),
            services: Watch::new(|shown| {
                feed::run(own(), "services", shown, feed::see_service, feed::forget_service)
            }),
            slices: Watch::new(|shown| {
                feed::run(own(), "endpointslices", shown, feed::see_slice, feed::forget_slice)
            }),
            edge,
        }
    }

    /// The watch of previews shows this.
    pub fn preview(&mut self, event: Event<DynamicObject>) {
        self.previews.show(event);
    }

    /// The watch of namespaces shows this.
    pub fn namespace(&mut self, event: Event<PartialObjectMeta<Namespace>>) {
        self.namespaces.show(event);
    }

    /// The watch of Services shows this.
    pub fn service(&mut self, event: Event<Service>) {
        self.services.show(event);
    }

    /// The watch of slices shows this.
    pub fn slice(&mut self, event: Event<EndpointSlice>) {
        self.slices.show(event);
    }

    /// What a request for that host finds.
    pub fn find(&self, host: &str) -> Found {
        match self.edge.table.find(host) {
            None => Found::Nothing,
            Some(Entry::Closed(_)) => Found::Closed,
            Some(Entry::Route(route)) => {
                let now = route.now();
                let uid = route.preview.uid.clone();
                let addresses = now.backends.iter().map(|one| one.target.address).collect();
                Found::Route { uid, closed: now.view.standing.closed, addresses }
            }
        }
    }

    /// The UIDs of every preview that is remembered.
    pub fn remembered(&self) -> Vec<String> {
        self.edge.table.previews().iter().map(|preview| preview.uid.clone()).collect()
    }
}
