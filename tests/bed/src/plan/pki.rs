//! A bed's certificates and kubeconfig files: an authority of its own, made new each time.

use std::process::Command;

use serde_json::json;

use super::{Site, address};
use crate::{command, error::Result};

/// A certificate: file name, subject, the authority that signs it, and its extensions.
struct Certificate {
    name: &'static str,
    subject: &'static str,
    authority: &'static str,
    extensions: &'static [&'static str],
}

const CLIENT: &[&str] = &["extendedKeyUsage=clientAuth"];

const CERTIFICATES: [Certificate; 9] = [
    Certificate {
        name: "apiserver",
        subject: "/CN=kube-apiserver",
        authority: "ca",
        extensions: &[
            "extendedKeyUsage=serverAuth",
            "subjectAltName=DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,\
             DNS:kubernetes.default.svc.cluster.local,DNS:localhost,IP:127.0.0.1,IP:198.19.0.1,IP:198.18.255.1",
        ],
    },
    Certificate {
        name: "apiserver-kubelet",
        subject: "/O=system:masters/CN=kube-apiserver-kubelet-client",
        authority: "ca",
        extensions: CLIENT,
    },
    Certificate {
        name: "front-client",
        subject: "/CN=front-proxy-client",
        authority: "front",
        extensions: CLIENT,
    },
    Certificate {
        name: "admin",
        subject: "/O=system:masters/CN=admin",
        authority: "ca",
        extensions: CLIENT,
    },
    Certificate {
        name: "controller-manager",
        subject: "/CN=system:kube-controller-manager",
        authority: "ca",
        extensions: CLIENT,
    },
    Certificate {
        name: "scheduler",
        subject: "/CN=system:kube-scheduler",
        authority: "ca",
        extensions: CLIENT,
    },
    Certificate {
        name: "proxy",
        subject: "/CN=system:kube-proxy",
        authority: "ca",
        extensions: CLIENT,
    },
    Certificate {
        name: "kubelet",
        subject: "/O=system:nodes/CN=system:node:bed",
        authority: "ca",
        extensions: CLIENT,
    },
    Certificate {
        name: "kubelet-server",
        subject: "/O=system:nodes/CN=system:node:bed",
        authority: "ca",
        extensions: &[
            "extendedKeyUsage=serverAuth",
            "subjectAltName=DNS:bed,IP:198.18.255.1,IP:127.0.0.1",
        ],
    },
];

/// Makes the authorities, the certificates, the service account key and the kubeconfig files.
pub(super) fn write(site: &Site) -> Result<()> {
    // The machine's own openssl.cnf would add extensions of its own.
    site.write("pki/openssl.cnf", "[req]\ndistinguished_name = name\n[name]\n")?;
    for authority in ["ca", "front"] {
        let subject = format!("/CN=bed-{authority}");
        let extensions = [
            "-addext",
            "basicConstraints=critical,CA:TRUE",
            "-addext",
            "keyUsage=keyCertSign,cRLSign",
        ];
        request(site, authority, &subject, &extensions)?;
    }
    for certificate in &CERTIFICATES {
        sign(site, certificate)?;
    }
    let (key, public) = (site.path("pki/sa.key"), site.path("pki/sa.pub"));
    openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", &key])?;
    openssl(&["ec", "-in", &key, "-pubout", "-out", &public])?;
    let inside = format!("https://{}:{}", address::NODE, address::API_PORT);
    for user in ["admin", "controller-manager", "scheduler", "proxy", "kubelet"] {
        kubeconfig(site, user, &format!("kube/{user}"), &inside)?;
    }
    Ok(())
}

/// Writes a kubeconfig file of that user for the API server at `server`.
pub fn kubeconfig(site: &Site, user: &str, file: &str, server: &str) -> Result<String> {
    let pki = |name: &str| site.path(&format!("pki/{name}"));
    let name = format!("bed-{}", site.name);
    site.write_json(
        file,
        &json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": {
                "server": server, "certificate-authority": pki("ca.crt"),
            }}],
            "users": [{"name": user, "user": {
                "client-certificate": pki(&format!("{user}.crt")),
                "client-key": pki(&format!("{user}.key")),
            }}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": user}}],
            "current-context": name,
        }),
    )
}

fn sign(site: &Site, certificate: &Certificate) -> Result<()> {
    let authority = certificate.authority;
    let (ca, key) =
        (site.path(&format!("pki/{authority}.crt")), site.path(&format!("pki/{authority}.key")));
    let mut words =
        vec!["-CA", &ca, "-CAkey", &key, "-addext", "basicConstraints=critical,CA:FALSE"];
    for extension in certificate.extensions {
        words.extend(["-addext", extension]);
    }
    request(site, certificate.name, certificate.subject, &words)
}

/// Makes a key and a certificate; without `-CA` among the words it signs itself.
fn request(site: &Site, name: &str, subject: &str, words: &[&str]) -> Result<()> {
    let (key, certificate) =
        (site.path(&format!("pki/{name}.key")), site.path(&format!("pki/{name}.crt")));
    let config = site.path("pki/openssl.cnf");
    let mut all = vec![
        "req",
        "-config",
        &config,
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
    ];
    all.extend(["-days", "3650", "-subj", subject, "-keyout", &key, "-out", &certificate]);
    all.extend(words);
    openssl(&all)
}

fn openssl(words: &[&str]) -> Result<()> {
    command::run(Command::new("openssl").args(words)).map(drop)
}
