//! Which host a request is for. The input is text: its target in the first line, a `Host` in each other.

use http::{HeaderMap, HeaderValue, Uri, header::HOST, uri::Authority};
use understudy_edge::host::{HostError, host as named};
use url::{Host, Url};

/// Whatever is accepted is one host, in its normal form, and everybody else who reads the request sees the same.
///
/// # Panics
/// If that does not hold.
pub fn host(input: &[u8]) {
    let Some((uri, headers)) = request(input) else { return };
    match named(&uri, &headers) {
        Ok(name) => accepted(&name, &uri, &headers),
        Err(error) => refused(error, &uri, &headers),
    }
}

fn request(input: &[u8]) -> Option<(Uri, HeaderMap)> {
    let mut lines = input.split(|byte| *byte == b'\n');
    let uri = Uri::try_from(lines.next().unwrap_or_default()).ok()?;
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(HOST, HeaderValue::from_bytes(line).ok()?);
    }
    Some((uri, headers))
}

fn accepted(name: &str, uri: &Uri, headers: &HeaderMap) {
    assert!(is_normal(name), "{name:?} is no normal form");
    let again = |target: &str, header: Option<String>| {
        let uri: Uri = target.parse().expect("the name was accepted as part of a target");
        let header = header.map(|one| HeaderValue::try_from(one).expect("ASCII is a value"));
        named(&uri, &header.into_iter().map(|one| (HOST, one)).collect())
    };
    let same = Ok(name.to_owned());
    assert_eq!(again("/", Some(name.to_owned())), same);
    assert_eq!(again(&format!("http://{name}/"), None), same);
    assert_eq!(again("/", Some(format!("{}.:443", name.to_uppercase()))), same);
    assert!(headers.get_all(HOST).iter().count() <= 1, "one of several was chosen");
    let header = headers.get(HOST).map(|one| one.to_str().expect("what was accepted is ASCII"));
    let said = [uri.authority().map(Authority::as_str), header];
    assert!(said.iter().any(Option::is_some), "{name} came from nowhere");
    let mut ports = Vec::new();
    for text in said.into_iter().flatten() {
        ports.extend(seen_by_others(text, name));
    }
    ports.dedup();
    assert!(ports.len() < 2, "{name} is asked for at more than one port: {ports:?}");
}

/// Labels of letters, digits, hyphens and underscores, in lower case.
fn is_normal(name: &str) -> bool {
    let letter = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    (1..=253).contains(&name.len())
        && name.split('.').all(|one| (1..=63).contains(&one.len()) && one.bytes().all(letter))
}

/// What a library of HTTP and a browser read in the same text; the port, if it says one.
fn seen_by_others(text: &str, name: &str) -> Option<u16> {
    let plain = |host: &str| host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let authority: Authority = text.parse().expect("an authority");
    assert_eq!(plain(authority.host()), name, "{text:?}");
    let numeric = name.rsplit('.').next().is_some_and(|last| {
        last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x")
    });
    match Url::parse(&format!("http://{text}/")) {
        Ok(url) => {
            assert!(url.username().is_empty() && url.password().is_none(), "{text:?}");
            assert_eq!(url.path(), "/", "{text:?}");
            match url.host() {
                Some(Host::Domain(domain)) => assert_eq!(plain(domain), name, "{text:?}"),
                Some(Host::Ipv4(_)) => assert!(numeric, "{text:?} is an address to a browser"),
                other => assert!(other.is_none(), "{text:?} is {other:?} to a browser"),
            }
        }
        // No name of DNS: punycode that nothing comes of, or an address that is none.
        Err(error) => {
            let punycode = name.split('.').any(|label| label.starts_with("xn--"));
            assert!(punycode || numeric, "{text:?} is no host to a browser: {error}");
        }
    }
    authority.port_u16()
}

/// What is refused could not have been answered: nobody's plain name is.
fn refused(error: HostError, uri: &Uri, headers: &HeaderMap) {
    let mut hosts = headers.get_all(HOST).iter().map(HeaderValue::as_bytes);
    let header = String::from_utf8_lossy(hosts.next().unwrap_or_default()).to_ascii_lowercase();
    assert_eq!(error == HostError::Several, hosts.next().is_some());
    let target = uri.authority().map_or("", Authority::as_str).to_ascii_lowercase();
    let plain = |text: &str| text.is_empty() || is_normal(text);
    match error {
        HostError::Several => {}
        HostError::Missing => assert!(header.is_empty(), "{header:?} is missing"),
        HostError::Contradiction => assert_ne!(target, header),
        HostError::Malformed => {
            assert!(!plain(&header) || !plain(&target), "{header:?} {target:?}");
        }
    }
}
