//! Which host a request is for: exactly one, or none that we would guess at.

use http::{HeaderMap, Uri, header::HOST};

/// The longest name of DNS (RFC 1035, 2.3.4).
const LONGEST: usize = 253;

/// Why a request names no host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// No `Host`, or an empty one (RFC 9112, 3.2).
    #[error("the request names no host")]
    Missing,
    /// More than one `Host` (RFC 9112, 3.2).
    #[error("the request names more than one host")]
    Several,
    /// Target and `Host` differ: whom one of us would serve, another would not.
    #[error("the request's target and its Host header differ")]
    Contradiction,
    /// Something that is no host name, with or without a port.
    #[error("the request's host is not a host name")]
    Malformed,
}

/// Whom a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Authority {
    /// The host, in lower case, without the dot at its end.
    pub host: String,
    /// The port, if it names one.
    pub port: Option<u16>,
}

/// The host of a request, in lower case, without port and without the dot at its end.
pub fn host(uri: &Uri, headers: &HeaderMap) -> Result<String, HostError> {
    authority(uri, headers).map(|authority| authority.host)
}

/// The same with its port: that of the target if there is one (RFC 9112, 3.2.2; RFC 9113, 8.3.1).
pub(crate) fn authority(uri: &Uri, headers: &HeaderMap) -> Result<Authority, HostError> {
    let mut named = headers.get_all(HOST).iter();
    let header = named.next();
    if named.next().is_some() {
        return Err(HostError::Several);
    }
    let header =
        header.map(|value| value.to_str().map_err(|_| HostError::Malformed)).transpose()?;
    let header = header.map(normal).transpose()?;
    let target = uri.authority().map(|authority| normal(authority.as_str())).transpose()?;
    match (target, header) {
        (Some(target), Some(header)) if differ(&target, &header) => Err(HostError::Contradiction),
        (Some((host, port)), _) | (None, Some((host, port))) => Ok(Authority { host, port }),
        (None, None) => Err(HostError::Missing),
    }
}

/// A port that only one of them names may be the scheme's own.
fn differ(one: &(String, Option<u16>), other: &(String, Option<u16>)) -> bool {
    one.0 != other.0 || matches!((one.1, other.1), (Some(one), Some(other)) if one != other)
}

/// Host and port of an authority, in lower case. Without user information: it has no place in a request.
fn normal(authority: &str) -> Result<(String, Option<u16>), HostError> {
    if authority.is_empty() {
        return Err(HostError::Missing);
    }
    let (name, port) = match authority.rsplit_once(':') {
        Some((name, "")) => (name, None),
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            (name, Some(port.parse().map_err(|_| HostError::Malformed)?))
        }
        Some(_) => return Err(HostError::Malformed),
        None => (authority, None),
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    // Labels of letters, digits, hyphens and, in use though no host name, underscores; a name in another
    // script comes as punycode, which is such a label.
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    if name.len() > LONGEST || !name.split('.').all(label) {
        return Err(HostError::Malformed);
    }
    Ok((name.to_ascii_lowercase(), port))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Uri, header::HOST};
    use proptest::prelude::*;
    use rstest::rstest;

    use super::{HostError, authority, host};

    fn of(target: &str, hosts: &[&str]) -> Result<String, HostError> {
        let mut headers = HeaderMap::new();
        for one in hosts {
            headers.append(HOST, HeaderValue::from_str(one).expect("a header's value"));
        }
        host(&target.parse::<Uri>().expect("a target"), &headers)
    }

    #[rstest]
    #[case("/", &["pr-1-shop.preview.test"], Ok("pr-1-shop.preview.test"))]
    #[case("/", &["PR-1-Shop.Preview.Test.:8000"], Ok("pr-1-shop.preview.test"))]
    #[case("/", &["xn--bcher-kva.preview.test"], Ok("xn--bcher-kva.preview.test"))]
    #[case("http://a.test/x", &["a.test"], Ok("a.test"))]
    #[case("http://a.test/x", &["A.test:80"], Ok("a.test"))]
    #[case("http://a.test:81/x", &["a.test:80"], Err(HostError::Contradiction))]
    #[case("http://a.test/x", &["b.test"], Err(HostError::Contradiction))]
    #[case("http://a.test/x", &[], Ok("a.test"))]
    #[case("/", &["a.test", "a.test"], Err(HostError::Several))]
    #[case("/", &[], Err(HostError::Missing))]
    #[case("/", &[""], Err(HostError::Missing))]
    #[case("/", &["user@a.test"], Err(HostError::Malformed))]
    #[case("/", &["user:pass@a.test"], Err(HostError::Malformed))]
    #[case("/", &["a.test:99999"], Err(HostError::Malformed))]
    #[case("/", &["a.test:80:80"], Err(HostError::Malformed))]
    #[case("/", &["a..test"], Err(HostError::Malformed))]
    #[case("/", &["."], Err(HostError::Malformed))]
    #[case("/", &["[::1]:80"], Err(HostError::Malformed))]
    #[case("/", &["a.test/../b"], Err(HostError::Malformed))]
    #[case("/", &["a.test, b.test"], Err(HostError::Malformed))]
    fn one_host_or_none(
        #[case] target: &str,
        #[case] hosts: &[&str],
        #[case] expected: Result<&str, HostError>,
    ) {
        assert_eq!(of(target, hosts), expected.map(str::to_owned));
    }

    #[rstest]
    #[case("/", "a.test:8000", Some(8000))]
    #[case("/", "a.test:", None)]
    #[case("/", "a.test", None)]
    #[case("http://a.test:8000/x", "a.test", Some(8000))]
    #[case("http://a.test/x", "a.test:8000", None)]
    fn port_is_the_targets_or_that_of_the_host(
        #[case] target: &str,
        #[case] header: &'static str,
        #[case] port: Option<u16>,
    ) {
        let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static(header))]);
        let found = authority(&target.parse().expect("a target"), &headers).expect("one");
        assert_eq!((found.host.as_str(), found.port), ("a.test", port));
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_is_normal_already(text in "[a-zA-Z0-9._:@\\[\\] -]{0,80}") {
            if let Ok(found) = of("/", &[&text]) {
                prop_assert!(found.len() <= 253 && !found.ends_with('.'));
                prop_assert_eq!(of("/", &[&found]), Ok(found.clone()));
            }
        }
    }
}
