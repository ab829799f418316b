//! Headers on their way through: what ends at each hop ends here, what a client may not claim is said by us.

use std::{fmt::Write, net::IpAddr};

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{self, Entry},
};

/// Ends at every hop (RFC 9110, 7.6.1), whether `Connection` names it or not.
const HOP: [HeaderName; 7] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// What others use for the same; nobody could tell ours from a client's.
const CLAIMS: [HeaderName; 5] = [
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-prefix"),
    HeaderName::from_static("x-forwarded-server"),
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("true-client-ip"),
];
/// Keeps search engines away (developers.google.com, "robots meta tag").
const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");
/// On whatever the edge says by itself, and on nothing that a preview says.
pub const PAGE: HeaderName = HeaderName::from_static("understudy-page");
/// The commit that is proved to be served.
pub(crate) const COMMIT: HeaderName = HeaderName::from_static("understudy-commit");
/// W3C Trace Context, level 1.
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Where a request came from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client {
    /// Its address.
    pub address: IpAddr,
    /// Whether it came through TLS.
    pub tls: bool,
}

/// Takes away what ends here: the headers of a hop and those that `Connection` names.
pub(crate) fn end_hop(headers: &mut HeaderMap) {
    // Few messages have any: one look is cheaper than many.
    if headers.contains_key(header::CONNECTION) {
        let named: Vec<HeaderName> = headers
            .get_all(header::CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|name| name.trim().parse().ok())
            // These end where they are understood, and never because a client names them.
            .filter(|name| *name != header::HOST && *name != header::CONTENT_LENGTH)
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
    // A length beside chunks is a lie (RFC 9112, 6.3).
    if headers.contains_key(header::TRANSFER_ENCODING) {
        headers.remove(header::CONTENT_LENGTH);
    }
    for name in HOP {
        headers.remove(name);
    }
}

/// Makes a request's headers ours: nothing of a hop, and forwarding told by what we saw.
pub(crate) fn request(
    headers: &mut HeaderMap,
    host: &str,
    client: Client,
    upgrade: Option<HeaderValue>,
) {
    let trailers = headers.get(header::TE).is_some_and(|te| {
        te.to_str()
            .is_ok_and(|te| te.split(',').any(|one| one.trim().eq_ignore_ascii_case("trailers")))
    });
    end_hop(headers);
    headers.remove(header::TE);
    // The body is asked for when the preview reads it (RFC 9110, 10.1.1); we answer the client ourselves.
    headers.remove(header::EXPECT);
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    if let Some(protocol) = upgrade {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, protocol);
    }
    for name in CLAIMS {
        headers.remove(name);
    }
    let proto = if client.tls { "https" } else { "http" };
    let mut text = client.address.to_string();
    set(headers, FORWARDED_FOR, &text);
    set(headers, FORWARDED_HOST, host);
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(proto));
    text.clear();
    // RFC 7239: an address of version 6 stands in brackets and quotes.
    let _ = match client.address {
        IpAddr::V4(address) => write!(text, "for={address};host={host};proto={proto}"),
        IpAddr::V6(address) => write!(text, "for=\"[{address}]\";host={host};proto={proto}"),
    };
    set(headers, header::FORWARDED, &text);
    if let Entry::Vacant(vacant) = headers.entry(header::HOST)
        && let Ok(value) = HeaderValue::from_str(host)
    {
        vacant.insert(value);
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// Makes an answer's headers ours.
pub(crate) fn answer(headers: &mut HeaderMap, host: &str, commit: Option<&HeaderValue>) {
    end_hop(headers);
    stamp(headers, commit);
    headers.remove(PAGE);
    if headers.contains_key(header::SET_COOKIE) {
        keep_own_cookies(headers, host);
    }
}

/// What every answer carries.
pub(crate) fn stamp(headers: &mut HeaderMap, commit: Option<&HeaderValue>) {
    headers.insert(ROBOTS, HeaderValue::from_static("noindex"));
    match commit {
        Some(commit) => headers.insert(COMMIT, commit.clone()),
        None => headers.remove(COMMIT),
    };
}

/// A cookie for a parent domain would reach every other preview.
fn keep_own_cookies(headers: &mut HeaderMap, host: &str) {
    let Entry::Occupied(cookies) = headers.entry(header::SET_COOKIE) else { return };
    let (name, all) = cookies.remove_entry_mult();
    let own: Vec<HeaderValue> = all.filter(|cookie| is_own(cookie, host)).collect();
    for cookie in own {
        headers.append(name.clone(), cookie);
    }
}

fn is_own(cookie: &HeaderValue, host: &str) -> bool {
    // The last `Domain` counts (RFC 6265, 5.3); none means the host alone.
    let bytes = cookie.as_bytes();
    let mut attributes = bytes.split(|byte| *byte == b';').skip(1);
    attributes.all(|attribute| {
        let mut parts = attribute.splitn(2, |byte| *byte == b'=');
        let name = parts.next().unwrap_or_default().trim_ascii();
        if !name.eq_ignore_ascii_case(b"domain") {
            return true;
        }
        let domain = parts.next().unwrap_or_default().trim_ascii();
        let domain = domain.strip_prefix(b".").unwrap_or(domain);
        domain.is_empty() || domain.eq_ignore_ascii_case(host.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use http::{HeaderMap, HeaderName, HeaderValue};
    use rstest::rstest;

    use super::{Client, answer, is_own, request};

    fn map(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let mut map = HeaderMap::new();
        pairs.for_each(|(name, value)| {
            map.append(name, value);
        });
        map
    }

    #[test]
    fn what_a_client_claims_is_replaced_by_what_we_saw() {
        let mut headers = map(&[
            ("host", "a.test:8000"),
            ("x-forwarded-for", "6.6.6.6"),
            ("forwarded", "for=6.6.6.6"),
            ("x-real-ip", "6.6.6.6"),
            ("connection", "close, x-secret, host"),
            ("x-secret", "1"),
            ("te", "gzip, trailers"),
            ("proxy-authorization", "x"),
            ("accept", "*/*"),
        ]);
        let client = Client { address: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9)), tls: true };
        request(&mut headers, "a.test", client, None);
        let expected = map(&[
            ("host", "a.test:8000"),
            ("accept", "*/*"),
            ("te", "trailers"),
            ("x-forwarded-for", "10.0.0.9"),
            ("x-forwarded-host", "a.test"),
            ("x-forwarded-proto", "https"),
            ("forwarded", "for=10.0.0.9;host=a.test;proto=https"),
        ]);
        assert_eq!(headers, expected);
        let client = Client { address: IpAddr::V6(Ipv6Addr::LOCALHOST), tls: false };
        request(&mut headers, "a.test", client, Some(HeaderValue::from_static("websocket")));
        assert_eq!(headers["forwarded"], "for=\"[::1]\";host=a.test;proto=http");
        assert_eq!(
            (&headers["connection"], &headers["upgrade"]),
            (&"upgrade".parse().expect("a value"), &"websocket".parse().expect("a value"))
        );
    }

    #[rstest]
    #[case("a=1", true)]
    #[case("a=1; Path=/; HttpOnly", true)]
    #[case("a=1; Domain=pr-1.preview.test", true)]
    #[case("a=1; domain = .PR-1.preview.test", true)]
    #[case("a=1; Domain=preview.test", false)]
    #[case("a=1; DOMAIN=.preview.test; Secure", false)]
    #[case("a=1; Domain=pr-2.preview.test", false)]
    #[case("a=1; Domain=pr-1.preview.test; Domain=test", false)]
    #[case("domain=preview.test", true)]
    fn cookie_reaches_its_own_host_alone(#[case] cookie: &'static str, #[case] own: bool) {
        assert_eq!(is_own(&HeaderValue::from_static(cookie), "pr-1.preview.test"), own);
    }

    #[test]
    fn answer_says_the_commit_and_keeps_engines_away() {
        let mut headers = map(&[
            ("set-cookie", "a=1; Domain=preview.test"),
            ("set-cookie", "b=2"),
            ("connection", "keep-alive"),
            ("understudy-commit", "a lie"),
            ("understudy-page", "a lie"),
        ]);
        answer(&mut headers, "pr-1.preview.test", None);
        assert_eq!(headers, map(&[("set-cookie", "b=2"), ("x-robots-tag", "noindex")]));
    }
}
