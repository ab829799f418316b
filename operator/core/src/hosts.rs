//! The addresses of a preview: known before anything is deployed, and kept while it lives.

use understudy_crds::{scalar::DnsLabel, status::Host, template::Exposure};

use crate::{
    names::{self, Origin},
    settings::Settings,
};

/// Where a preview is found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosts {
    /// Its first host label, and its name for people and programs: `pr-42-shop`.
    pub id: String,
    /// Its namespace's name.
    pub namespace: String,
    /// Everything that is exposed, the first being the preview's URL.
    pub list: Vec<Host>,
    /// Whether an older preview holds the plain label.
    pub contested: bool,
}

impl Hosts {
    /// The preview's URL.
    pub fn url(&self) -> Option<String> {
        self.list.first().map(|host| host.url.clone())
    }
}

impl Hosts {
    /// Every host, without ports.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.list.iter().filter_map(|host| {
            let (_, rest) = host.url.split_once("://")?;
            rest.split(['/', ':']).next()
        })
    }

    /// The port of its URLs.
    pub fn port(&self) -> Option<u16> {
        let url = &self.list.first()?.url;
        let (scheme, rest) = url.split_once("://")?;
        let named =
            rest.split('/').next()?.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        named.or(if scheme == "https" { Some(443) } else { Some(80) })
    }

    /// The host in the preview's URL, without a port.
    pub fn host(&self) -> Option<String> {
        let url = self.url()?;
        let (_, rest) = url.split_once("://")?;
        rest.split(['/', ':']).next().map(str::to_owned)
    }
}

/// The hosts of a preview with that UID; `contested` if an older preview holds the plain label.
pub fn hosts(
    settings: &Settings,
    origin: Origin<'_>,
    uid: &str,
    expose: &[Exposure],
    contested: bool,
) -> Hosts {
    let label = |service: Option<&DnsLabel>| {
        let plain = names::host_label(origin, service);
        if contested { names::contested_host_label(&plain, uid) } else { plain }
    };
    let list = expose
        .iter()
        .enumerate()
        .map(|(index, exposure)| Host {
            name: exposure.name.to_string(),
            url: settings.url(&label((index > 0).then_some(&exposure.name))),
            service: Some(exposure.service.to_string()),
            port: Some(exposure.port),
        })
        .collect();
    Hosts { id: label(None), namespace: names::namespace(origin, uid), list, contested }
}
