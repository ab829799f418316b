//! Credentials of a registry, out of a pull secret as Kubernetes keeps it (`kubernetes.io/dockerconfigjson`).

use k8s_openapi::ByteString;
use oci_client::secrets::RegistryAuth;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Config {
    auths: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    password: Option<SecretString>,
    /// `username:password` in base64.
    #[serde(default)]
    auth: Option<ByteString>,
}

/// What the Secret says for that registry; anonymous if it says nothing.
pub(crate) fn of(secret: &Value, registry: &str) -> RegistryAuth {
    let text = secret.pointer("/data/.dockerconfigjson").cloned().unwrap_or_default();
    let config = serde_json::from_value::<ByteString>(text).ok();
    let config = config.and_then(|bytes| serde_json::from_slice::<Config>(&bytes.0).ok());
    let Some(config) = config else { return RegistryAuth::Anonymous };
    let entry = config.auths.iter().find(|(name, _)| host(name) == host(registry));
    let Some((_, entry)) = entry else { return RegistryAuth::Anonymous };
    if let (Some(user), Some(password)) = (&entry.username, &entry.password) {
        return RegistryAuth::Basic(user.clone(), password.expose_secret().to_owned());
    }
    let joined = entry.auth.as_ref().and_then(|bytes| String::from_utf8(bytes.0.clone()).ok());
    match joined.as_deref().and_then(|joined| joined.split_once(':')) {
        Some((user, password)) => RegistryAuth::Basic(user.to_owned(), password.to_owned()),
        None => RegistryAuth::Anonymous,
    }
}

/// The host of a registry as Docker writes it: `https://index.docker.io/v1/` is `index.docker.io`.
fn host(name: &str) -> &str {
    let name = name.trim_start_matches("https://").trim_start_matches("http://");
    let name = name.split('/').next().unwrap_or_default();
    if name == "docker.io" { "index.docker.io" } else { name }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;
    use oci_client::secrets::RegistryAuth;
    use serde_json::json;

    use super::of;

    #[test]
    fn both_forms_of_credentials_are_read_for_their_registry_alone() {
        let encoded = |text: &str| json!(ByteString(text.as_bytes().to_vec()));
        let config = json!({"auths": {
            "https://one.example/v2/": {"auth": encoded("ada:pw:1")},
            "two.example:5000": {"username": "eve", "password": "pw"},
        }});
        let secret = json!({"data": {".dockerconfigjson": encoded(&config.to_string())}});
        let basic = |user: &str, password: &str| RegistryAuth::Basic(user.into(), password.into());
        assert_eq!(of(&secret, "one.example"), basic("ada", "pw:1"));
        assert_eq!(of(&secret, "two.example:5000"), basic("eve", "pw"));
        assert_eq!(of(&secret, "three.example"), RegistryAuth::Anonymous);
        assert_eq!(of(&json!({}), "one.example"), RegistryAuth::Anonymous);
    }
}
