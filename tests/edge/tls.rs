//! TLS: the certificate of a folder and of a Secret, its change, and one that cannot be used.

use std::{path::Path, sync::Arc, time::Duration};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use understudy_bed::{Error, Result};
use understudy_fakes::{
    backend::Backend,
    edge::{ACCOUNT, Edge, INSIDE, get},
    tls::Pair,
};

use crate::{
    Scene, dial,
    frames::{self, END_STREAM, Seen, Wire, id},
    port, scene, until,
};

/// Those who say nothing after they connected.
const MUTE: usize = 100;

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Bed(error.to_string())
}

fn der(pair: &Pair) -> Result<CertificateDer<'static>> {
    CertificateDer::from_pem_slice(pair.certificate.as_bytes()).map_err(failed)
}

/// Somebody who trusts those certificates and no other.
struct Client<'scene> {
    scene: &'scene Scene,
    address: String,
    host: String,
    trusted: Vec<CertificateDer<'static>>,
}

type Tls = TlsStream<TcpStream>;

impl Client<'_> {
    fn dial(&self) -> Result<TcpStream> {
        dial(&self.scene.stage.bed, &self.address)
    }

    /// A handshake that offers those protocols.
    async fn shake(&self, protocols: &[&str]) -> Result<Tls> {
        let mut roots = RootCertStore::empty();
        for one in &self.trusted {
            roots.add(one.clone()).map_err(failed)?;
        }
        let builder = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into());
        let builder = builder.with_safe_default_protocol_versions().map_err(failed)?;
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|one| one.as_bytes().to_vec()).collect();
        let name = ServerName::try_from(self.host.clone()).map_err(failed)?;
        let shaken = TlsConnector::from(Arc::new(config)).connect(name, self.dial()?);
        tokio::time::timeout(Duration::from_secs(5), shaken).await.map_err(failed)?.map_err(failed)
    }

    /// The certificate that is shown to whoever comes now.
    async fn shown(&self) -> Result<Option<CertificateDer<'static>>> {
        let stream = self.shake(&["h2"]).await?;
        Ok(stream.get_ref().1.peer_certificates().and_then(|all| all.first().cloned()))
    }

    async fn until_shown(&self, pair: &Pair) -> Result<()> {
        let wanted = Some(der(pair)?);
        let shown = until(async || self.shown().await, |shown| *shown == wanted).await?;
        assert!(shown == wanted, "another certificate is shown");
        Ok(())
    }

    /// Asks on a connection of HTTP/1.1, which goes on.
    async fn ask(&self, stream: &mut Tls, path: &str) -> Result<String> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.host);
        stream.write_all(request.as_bytes()).await.map_err(failed)?;
        let mut seen = Vec::new();
        let mut bytes = [0; 4096];
        // The body is an object, and this is its end.
        while !seen.ends_with(b"}") {
            let read = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut bytes)).await;
            let read = read.map_err(failed)?.map_err(failed)?;
            if read == 0 {
                break;
            }
            seen.extend(bytes.iter().take(read));
        }
        Ok(String::from_utf8_lossy(&seen).into_owned())
    }
}

/// A certificate of a folder, which is looked at every few seconds, through all that can become of it.
pub(crate) async fn long_story() -> Result<()> {
    let folder = tempfile::tempdir().map_err(failed)?;
    let (pairs, topic) = pairs("tlsfolder")?;
    let [first, second, third] = &pairs;
    // It is ready once there is a certificate, and not before.
    let late = async {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        first.write(folder.path())
    };
    let (stand, written) = tokio::join!(Stand::begin(&topic, folder.path()), late);
    written?;
    let stand = stand?;
    assert!(stand.scene.edge.log().contains("cannot read"), "{}", stand.scene.edge.log());
    let client = stand.client(&pairs)?;
    client.until_shown(first).await?;
    changed(&client, (first, second), folder.path()).await?;
    broken(&client, (second, third), folder.path()).await
}

/// A certificate of a folder, and one of a Secret and its change.
pub(crate) async fn story() -> Result<()> {
    let folder = tempfile::tempdir().map_err(failed)?;
    let (pairs, topic) = pairs("tls")?;
    let [first, second, _] = &pairs;
    first.write(folder.path())?;
    let stand = Stand::begin(&topic, folder.path()).await?;
    let client = stand.client(&pairs)?;
    client.until_shown(first).await?;
    protocols(&client).await?;
    strangers(&client).await?;
    secret(&client, (first, second)).await
}

/// Three certificates for the hosts of previews in the namespace of that topic.
fn pairs(topic: &str) -> Result<([Pair; 3], String)> {
    let domain = format!("{topic}-{}.preview.test", std::process::id());
    Ok(([Pair::new(&domain)?, Pair::new(&domain)?, Pair::new(&domain)?], topic.to_owned()))
}

/// An edge that serves TLS with the certificate of a folder, and a preview behind it.
struct Stand {
    scene: Scene,
    address: String,
    host: String,
    _backend: Backend,
}

impl Stand {
    async fn begin(topic: &str, folder: &Path) -> Result<Self> {
        let address = format!("{INSIDE}:{}", port());
        let flags = [format!("--tls-dir={}", folder.display()), format!("--tls-listen={address}")];
        let scene = scene(topic, &flags.each_ref().map(String::as_str)).await?;
        let backend = Backend::echo(&scene.stage.bed, port()).await?;
        let (_, host) = scene.serve("web", &backend).await?;
        Ok(Self { scene, address, host, _backend: backend })
    }

    fn client(&self, pairs: &[Pair]) -> Result<Client<'_>> {
        let trusted = pairs.iter().map(der).collect::<Result<Vec<_>>>()?;
        let (address, host) = (self.address.clone(), self.host.clone());
        Ok(Client { scene: &self.scene, address, host, trusted })
    }
}

/// What both sides know is agreed on, and what is asked is answered over it.
async fn protocols(client: &Client<'_>) -> Result<()> {
    for (offered, agreed) in [
        (&["h2", "http/1.1"][..], Some(&b"h2"[..])),
        (&["http/1.1"], Some(b"http/1.1")),
        (&[], None),
    ] {
        let mut stream = client.shake(offered).await?;
        assert_eq!(stream.get_ref().1.alpn_protocol(), agreed, "{offered:?}");
        let said = if agreed == Some(b"h2") {
            over_h2(&mut Wire::client(stream, &[]).await?, (0, &client.host)).await?
        } else {
            client.ask(&mut stream, "/secure").await?
        };
        assert!(
            said.contains("/secure\"") && said.contains("[\"x-forwarded-proto\",\"https\"]"),
            "{said}"
        );
    }
    assert!(client.shake(&["spdy/3"]).await.is_err(), "nothing to agree on");
    Ok(())
}

/// Asks on a stream of that number; the body.
async fn over_h2(wire: &mut Wire<Tls>, (number, host): (usize, &str)) -> Result<String> {
    wire.send(&frames::get(id(number), host, "/secure")).await?;
    let (mut seen, mut body) = (Seen::default(), Vec::new());
    while let Some(one) = wire.read.next().await? {
        seen.note(&one);
        if one.kind == frames::DATA {
            body.extend(&one.payload);
        }
        if one.flags & END_STREAM != 0 && one.stream == id(number) {
            break;
        }
    }
    assert_eq!(seen.answers.get(&200), Some(&1), "{seen:?}");
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// Files that change are taken over for whoever comes; whoever is there notices nothing.
async fn changed(
    client: &Client<'_>,
    (first, second): (&Pair, &Pair),
    folder: &Path,
) -> Result<()> {
    let mut plain = client.shake(&["http/1.1"]).await?;
    let mut wire = Wire::client(client.shake(&["h2"]).await?, &[]).await?;
    client.ask(&mut plain, "/before").await?;
    over_h2(&mut wire, (0, &client.host)).await?;
    let began = std::time::Instant::now();
    assert!(client.shown().await? == Some(der(first)?), "it is the first one before");
    second.write(folder)?;
    until(async || client.shown().await, |shown| *shown != der(first).ok()).await?;
    client.until_shown(second).await?;
    println!("measured: a changed certificate is shown after {} ms", began.elapsed().as_millis());
    let said = client.ask(&mut plain, "/after").await?;
    assert!(said.contains("\"/after\""), "{said}");
    over_h2(&mut wire, (1, &client.host)).await?;
    Ok(())
}

/// What cannot be used is said, and the last one that could be stays.
async fn broken(client: &Client<'_>, (last, other): (&Pair, &Pair), folder: &Path) -> Result<()> {
    let half: String = last.certificate.chars().take(200).collect();
    let cases = [
        ("half a certificate", half, &other.key),
        ("another one's key", other.certificate.clone(), &last.key),
        ("nothing", String::new(), &String::new()),
    ];
    for (number, (what, certificate, key)) in cases.into_iter().enumerate() {
        Pair { certificate, key: key.clone() }.write(folder)?;
        let said = || client.scene.edge.log().matches("; the last one stays in use").count();
        let told = until(async || Ok(said()), |told| *told > number).await?;
        assert!(told > number, "{what} is not said: {}", client.scene.edge.log());
        assert!(client.shown().await? == Some(der(last)?), "{what}");
    }
    assert!(!client.scene.edge.log().contains("PRIVATE KEY"), "a key is nobody's business");
    other.write(folder)?;
    client.until_shown(other).await
}

/// Who speaks no TLS, or nothing, gets nothing and keeps nobody waiting.
async fn strangers(client: &Client<'_>) -> Result<()> {
    let mut stream = client.dial()?;
    let request = format!("GET / HTTP/1.1\r\nhost: {}\r\n\r\n", client.host);
    stream.write_all(request.as_bytes()).await.map_err(failed)?;
    let mut seen = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut seen)).await;
    // At most an alert (RFC 8446, 6).
    assert!(seen.len() <= 7 && seen.first().is_none_or(|first| *first == 21), "{seen:?}");
    let mute: Vec<TcpStream> = (0..MUTE).map(|_| client.dial()).collect::<Result<_>>()?;
    let began = std::time::Instant::now();
    let mut stream = client.shake(&["http/1.1"]).await?;
    assert!(client.ask(&mut stream, "/").await?.starts_with("HTTP/1.1 200 "));
    println!(
        "measured: a handshake beside {} who say nothing: {} ms",
        mute.len(),
        began.elapsed().as_millis()
    );
    Ok(())
}

/// The same from a Secret, which is watched.
async fn secret(client: &Client<'_>, (first, second): (&Pair, &Pair)) -> Result<()> {
    let (stage, namespace) = (&client.scene.stage, &client.scene.namespace);
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    let group = json!("rbac.authorization.k8s.io/v1");
    let role = json!({
        "apiVersion": group, "kind": "Role", "metadata": {"name": "certificate"},
        "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list", "watch"], "resourceNames": ["wildcard"]}],
    });
    let binding = json!({
        "apiVersion": group, "kind": "RoleBinding", "metadata": {"name": "certificate"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "certificate"},
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": ACCOUNT}],
    });
    let all = format!("{rbac}/namespaces/{namespace}");
    stage.cluster.apply(&format!("{all}/roles/certificate"), &role).await?;
    stage.cluster.apply(&format!("{all}/rolebindings/certificate"), &binding).await?;
    let write = async |certificate: &str, key: &str| {
        let object = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": {"name": "wildcard"},
            "stringData": {"tls.crt": certificate, "tls.key": key},
        });
        let path = format!("/api/v1/namespaces/{namespace}/secrets/wildcard");
        stage.cluster.apply(&path, &object).await
    };
    write(&first.certificate, &first.key).await?;
    let folder = tempfile::tempdir().map_err(failed)?;
    let address = format!("{INSIDE}:{}", port());
    let flags = [format!("--tls-secret={namespace}/wildcard"), format!("--tls-listen={address}")];
    let edge = Edge::start(&stage.bed, folder.path(), port(), &[&flags[0], &flags[1]]).await?;
    let client =
        Client { address, host: client.host.clone(), trusted: client.trusted.clone(), ..*client };
    client.until_shown(first).await?;
    let mut stream = client.shake(&["http/1.1"]).await?;
    assert_eq!(get(&edge.plain(), &client.host, "/").await?.status(), 200);
    let began = std::time::Instant::now();
    write(&second.certificate, &second.key).await?;
    client.until_shown(second).await?;
    println!("measured: a changed Secret is shown after {} ms", began.elapsed().as_millis());
    write("no certificate", &second.key).await?;
    let said = || edge.log().contains("; the last one stays in use");
    assert!(until(async || Ok(said()), |said| *said).await?, "{}", edge.log());
    client.until_shown(second).await?;
    let answer = client.ask(&mut stream, "/still").await?;
    assert!(answer.contains("\"/still\""), "{answer}");
    Ok(())
}
