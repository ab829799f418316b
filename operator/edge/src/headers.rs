//! Headers on their way through: what ends at each hop ends here, what a client may not claim is said by us.

use std::{fmt::Write, net::IpAddr};

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{self, Entry},
};

use crate::host::Authority;

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
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
/// How a client of HTTP/1.1 would say what HTTP/2 says in its first frame; it ends with the `Upgrade` it is for.
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
/// Says where a request came from, beside all that begins with [`CLAIM`]: nobody could tell ours from a client's, and
/// some programs read these (`proxy` as well: httpoxy.org).
const CLAIMS: [&str; 11] = [
    "forwarded",
    "x-forwarded",
    "proxy",
    "x-client-ip",
    "cf-connecting-ip",
    "true-client-ip",
    "x-real-ip",
    "x-cluster-client-ip",
    "x-original-url",
    "x-rewrite-url",
    "x-original-host",
];
const CLAIM: &str = "x-forwarded-";
const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");
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
    asked: &Authority,
    client: Client,
    upgrade: Option<HeaderValue>,
) {
    let trailers = headers.get(header::TE).is_some_and(|te| {
        te.to_str()
            .is_ok_and(|te| te.split(',').any(|one| one.trim().eq_ignore_ascii_case("trailers")))
    });
    end_hop(headers);
    headers.remove(HTTP2_SETTINGS);
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
    end_claims(headers);
    join_cookies(headers);
    forward(headers, asked, client);
}

/// Says whom the client asked for, and who it is.
fn forward(headers: &mut HeaderMap, asked: &Authority, client: Client) {
    let (proto, usual) = if client.tls { ("https", 443) } else { ("http", 80) };
    let mut text = client.address.to_string();
    set(headers, FORWARDED_FOR, &text);
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(proto));
    headers.insert(FORWARDED_PORT, HeaderValue::from(asked.port.unwrap_or(usual)));
    text.clear();
    // RFC 7239: what has a colon stands in quotes, and an address of version 6 in brackets as well.
    let _ = match client.address {
        IpAddr::V4(address) => write!(text, "for={address}"),
        IpAddr::V6(address) => write!(text, "for=\"[{address}]\""),
    };
    let host = match asked.port {
        None => {
            let _ = write!(text, ";host={};proto={proto}", asked.host);
            set(headers, FORWARDED_HOST, &asked.host);
            HeaderValue::from_str(&asked.host)
        }
        Some(port) => {
            let whole = format!("{}:{port}", asked.host);
            let _ = write!(text, ";host=\"{whole}\";proto={proto}");
            set(headers, FORWARDED_HOST, &whole);
            HeaderValue::from_str(&whole)
        }
    };
    set(headers, header::FORWARDED, &text);
    if let (Entry::Vacant(vacant), Ok(host)) = (headers.entry(header::HOST), host) {
        vacant.insert(host);
    }
}

/// Takes away what somebody else says of where a message came from.
fn end_claims(headers: &mut HeaderMap) {
    let claims: Vec<HeaderName> =
        headers.keys().filter(|name| is_claim(name.as_str())).cloned().collect();
    for name in claims {
        headers.remove(name);
    }
}

/// Whether that is a claim, for whoever takes `_` for `-` as well: so do CGI and all that is made after it.
fn is_claim(name: &str) -> bool {
    let begins = |known: &str| {
        let mut pairs = name.bytes().zip(known.bytes());
        name.len() >= known.len()
            && pairs.all(|(byte, known)| byte == known || (byte, known) == (b'_', b'-'))
    };
    // Most names are told by their first letter.
    matches!(name.bytes().next(), Some(b'c' | b'f' | b'p' | b't' | b'x'))
        && (begins(CLAIM) || CLAIMS.iter().any(|known| name.len() == known.len() && begins(known)))
}

/// HTTP/2 may split them, and nobody else may see that (RFC 9113, 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut all = headers.get_all(header::COOKIE).iter();
    let (Some(first), Some(second)) = (all.next(), all.next()) else { return };
    let mut joined = first.as_bytes().to_vec();
    for cookie in std::iter::once(second).chain(all) {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(cookie.as_bytes());
    }
    if let Ok(value) = HeaderValue::from_bytes(&joined) {
        headers.insert(header::COOKIE, value);
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
    // "cookies" there clears those of the whole registrable domain, and so of every other preview.
    headers.remove(CLEAR_SITE_DATA);
    if headers.contains_key(header::SET_COOKIE) {
        keep_own_cookies(headers, host);
    }
}

/// Makes what follows a body ours, in either direction: nothing there may say what is taken away before the body, or
/// where the message ends (RFC 9110, 6.5.1).
pub(crate) fn trailers(headers: &mut HeaderMap) {
    end_hop(headers);
    end_claims(headers);
    for name in [
        header::SET_COOKIE,
        header::COOKIE,
        header::HOST,
        header::CONTENT_LENGTH,
        header::TE,
        header::TRAILER,
        header::EXPECT,
        HTTP2_SETTINGS,
        CLEAR_SITE_DATA,
        PAGE,
        COMMIT,
        ROBOTS,
    ] {
        headers.remove(name);
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
mod tests;
