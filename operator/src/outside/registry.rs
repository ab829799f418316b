//! Looking up what a tag stands for in its registry.

use std::time::Duration;

use futures::StreamExt;
use oci_client::{
    Client, Reference, RegistryOperation,
    client::{ClientConfig, ClientProtocol},
    errors::{OciDistributionError, OciErrorCode},
    secrets::RegistryAuth,
};
use serde_json::Value;
use understudy_core::facts::ImageFound;

/// How long a registry may take to connect, and between two pieces of an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long one look-up may take in all.
const WHOLE: Duration = Duration::from_secs(15);

/// The largest configuration of an image that is read.
const CONFIGURATION: usize = 1 << 20;

/// Every form of manifest and list there is (OCI and Docker), most wanted first.
const ACCEPTED: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

/// How registries are spoken to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Registries {
    /// Registries that are spoken to without TLS.
    pub(crate) plain_http: Vec<String>,
    /// Where a registry is found if not under its own name, as `name=host:port`.
    pub(crate) mirrors: Vec<(String, String)>,
}

impl Registries {
    /// Looks a tag up. `platforms` are those of the nodes, as `linux/amd64`, and asked for only when there is an
    /// image to hold against them; none means any will do.
    pub(crate) async fn look(
        &self,
        name: &str,
        tag: &str,
        auth: RegistryAuth,
        platforms: impl Future<Output = Vec<String>>,
    ) -> ImageFound {
        let look = self.find(name, tag, auth, platforms);
        match tokio::time::timeout(WHOLE, look).await {
            Err(_) => ImageFound::Unavailable(format!("no answer within {} s", WHOLE.as_secs())),
            Ok(found) => found,
        }
    }

    async fn find(
        &self,
        name: &str,
        tag: &str,
        auth: RegistryAuth,
        platforms: impl Future<Output = Vec<String>>,
    ) -> ImageFound {
        let Ok(mut reference) = format!("{name}:{tag}").parse::<Reference>() else {
            return ImageFound::Unavailable("its name is no image name".to_owned());
        };
        let mirror = self.mirrors.iter().find(|(name, _)| name == reference.registry());
        if let Some((_, mirror)) = mirror {
            reference.set_mirror_registry(mirror.clone());
        }
        let client = Client::new(ClientConfig {
            protocol: ClientProtocol::HttpsExcept(self.plain_http.clone()),
            connect_timeout: Some(PATIENCE),
            read_timeout: Some(PATIENCE),
            user_agent: concat!("understudy/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        });
        if let Err(error) = client.auth(&reference, &auth, RegistryOperation::Pull).await {
            return said(&error);
        }
        match client.pull_manifest_raw(&reference, &auth, &ACCEPTED).await {
            Err(error) => said(&error),
            Ok((body, digest)) => match serde_json::from_slice(&body) {
                Ok(manifest) => {
                    fitting(&client, &reference, digest, &manifest, &platforms.await).await
                }
                Err(_) => ImageFound::Unavailable("its manifest is no JSON".to_owned()),
            },
        }
    }
}

/// Whether what was found runs on the nodes.
async fn fitting(
    client: &Client,
    reference: &Reference,
    digest: String,
    manifest: &Value,
    platforms: &[String],
) -> ImageFound {
    let text = |value: &Value, place: &str| {
        value.pointer(place).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let (mut digests, mut offered) = (Vec::new(), Vec::new());
    if let Some(list) = manifest.get("manifests").and_then(Value::as_array) {
        for one in list {
            digests.push(text(one, "/digest"));
            let (os, machine) = (text(one, "/platform/os"), text(one, "/platform/architecture"));
            offered.push(format!("{os}/{machine}"));
        }
    } else {
        let config = text(manifest, "/config/digest");
        if let Some(platform) = platform(client, reference, &config).await {
            offered.push(platform);
        }
        digests.push(config);
    }
    digests.retain(|digest| !digest.is_empty());
    digests.truncate(40);
    offered.retain(|platform| platform != "unknown/unknown" && platform.len() > 1);
    let fits = offered.is_empty()
        || platforms.is_empty()
        || offered.iter().any(|one| platforms.contains(one));
    if fits {
        ImageFound::Found { digest, platforms: digests }
    } else {
        ImageFound::WrongPlatform(offered.join(", "))
    }
}

/// What a single manifest's configuration says it runs on.
async fn platform(client: &Client, reference: &Reference, digest: &str) -> Option<String> {
    let descriptor = oci_client::manifest::OciDescriptor {
        digest: digest.to_owned(),
        ..oci_client::manifest::OciDescriptor::default()
    };
    let mut blob = client.pull_blob_stream(reference, &descriptor).await.ok()?;
    let mut bytes = Vec::new();
    while let Some(Ok(piece)) = blob.stream.next().await {
        bytes.extend_from_slice(&piece);
        if bytes.len() > CONFIGURATION {
            return None;
        }
    }
    let config: Value = serde_json::from_slice(&bytes).ok()?;
    let word = |name: &str| config.get(name).and_then(Value::as_str);
    Some(format!("{}/{}", word("os")?, word("architecture")?))
}

/// What a registry's refusal means for whoever waits for the image.
fn said(error: &OciDistributionError) -> ImageFound {
    match error {
        OciDistributionError::UnauthorizedError { .. } => ImageFound::Denied("401".to_owned()),
        OciDistributionError::AuthenticationFailure(_) => {
            ImageFound::Denied("its token service refuses".to_owned())
        }
        OciDistributionError::RegistryError { envelope, .. } => {
            match envelope.errors.first().map(|one| &one.code) {
                Some(OciErrorCode::ManifestUnknown | OciErrorCode::NotFound) => ImageFound::NotYet,
                Some(OciErrorCode::NameUnknown) => ImageFound::NoSuchRepository,
                Some(OciErrorCode::Denied) => ImageFound::Denied("403".to_owned()),
                Some(OciErrorCode::Unauthorized) => ImageFound::Denied("401".to_owned()),
                Some(OciErrorCode::Toomanyrequests) => ImageFound::RateLimited,
                other => ImageFound::Unavailable(format!("it says {other:?}")),
            }
        }
        OciDistributionError::ServerError { code, .. } => match *code {
            401 | 403 => ImageFound::Denied(code.to_string()),
            404 => ImageFound::NotYet,
            429 => ImageFound::RateLimited,
            code => ImageFound::Unavailable(format!("HTTP status {code}")),
        },
        OciDistributionError::RequestError(error) if error.is_timeout() => {
            ImageFound::Unavailable(format!("no answer within {} s", PATIENCE.as_secs()))
        }
        OciDistributionError::RequestError(error) if error.is_connect() => ImageFound::Unavailable(
            "no connection; one that speaks plain HTTP is named with `--plain-http-registry`"
                .to_owned(),
        ),
        // The text may hold a URL with credentials in it; it is for nobody's eyes.
        _ => ImageFound::Unavailable("its answer is not understood".to_owned()),
    }
}
