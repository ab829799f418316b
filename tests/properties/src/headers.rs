//! Headers on their way through. The input is text, a header in each line; each map goes through as a request's and
//! as an answer's. A line that begins with a byte below 32 names a well-known header by its number.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use http::{HeaderMap, HeaderName, HeaderValue};
use understudy_edge::fuzzing;

/// The host that every request here is for.
const OWN: &str = "pr-1.preview.test";

/// Ends at every hop (RFC 9110, 7.6.1).
const HOP: [&str; 7] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
];

/// What nobody but us may say of where a request came from, and we do not say; so is all that begins as `x-forwarded-`.
const CLAIMS: [&str; 11] = [
    "http2-settings",
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

/// What we say of it.
const TOLD: [&str; 5] =
    ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port"];

/// Headers that something is done with.
const KNOWN: [&str; 27] = [
    "connection",
    "content-length",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    // The end of a line.
    "accept",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "true-client-ip",
    "understudy-commit",
    "understudy-page",
    "upgrade",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-forwarded-server",
    "x-real-ip",
    "x-robots-tag",
];

/// Nothing of a hop passes, nothing that a client claims of itself, no cookie for other previews; everything else
/// passes as it came.
///
/// # Panics
/// If that does not hold.
pub fn headers(input: &[u8]) {
    let headers = map(input);
    let v4 = (IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9)), true);
    let v6 = (IpAddr::V6(Ipv6Addr::LOCALHOST), false);
    let mut once = request(&headers, v4, None);
    fuzzing::request(&mut once.1, OWN, v4, None);
    assert_eq!(once.0, once.1, "a second edge changes it again");
    request(&headers, v6, Some("websocket"));
    let commit = HeaderValue::from_static("3f2c1ab9d0e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4");
    answer(&headers, Some(&commit));
    answer(&headers, None);
}

fn map(input: &[u8]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for line in input.split(|byte| *byte == b'\n').take(200) {
        let (name, value) = match line {
            [number, value @ ..] if *number < 32 => {
                (KNOWN.get(usize::from(*number)).unwrap_or(&"accept").as_bytes(), value)
            }
            line => {
                let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
                let (name, value) = line.split_at_checked(colon).unwrap_or_default();
                (name, value.strip_prefix(b":").unwrap_or_default())
            }
        };
        let value = HeaderValue::from_bytes(value.trim_ascii());
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), value) {
            map.append(name, value);
        }
    }
    map
}

fn all<'map>(headers: &'map HeaderMap, name: &str) -> Vec<&'map [u8]> {
    headers.get_all(name).iter().map(HeaderValue::as_bytes).collect()
}

/// The names that `Connection` ends, where it can be read.
fn ended(headers: &HeaderMap) -> BTreeSet<String> {
    let readable = all(headers, "connection")
        .into_iter()
        .filter(|value| value.iter().all(|byte| *byte == b'\t' || (0x20..0x7f).contains(byte)));
    readable
        .flat_map(|value| value.split(|byte| *byte == b','))
        .filter_map(|name| String::from_utf8(name.trim_ascii().to_ascii_lowercase()).ok())
        .filter(|name| name != "host" && name != "content-length")
        .collect()
}

/// Every name that is not told of stands in both maps alike.
fn others_pass(before: &HeaderMap, after: &HeaderMap, changed: &BTreeSet<String>) {
    for name in before.keys().chain(after.keys()).map(HeaderName::as_str) {
        if !changed.contains(name) {
            assert_eq!(all(before, name), all(after, name), "{name} does not pass as it came");
        }
    }
}

/// Whether a name says where a request came from, for whoever takes `_` for `-`.
fn is_claim(name: &&str) -> bool {
    let name = name.replace('_', "-");
    name == "forwarded" || name.starts_with("x-forwarded-") || CLAIMS.contains(&name.as_str())
}

/// The request's headers, twice.
fn request(
    before: &HeaderMap,
    client: (IpAddr, bool),
    upgrade: Option<&'static str>,
) -> (HeaderMap, HeaderMap) {
    let mut after = before.clone();
    fuzzing::request(&mut after, OWN, client, upgrade.map(HeaderValue::from_static));
    let mut changed = ended(before);
    changed.extend(before.keys().map(HeaderName::as_str).filter(is_claim).map(str::to_owned));
    let mut gone: BTreeSet<&str> = changed.iter().map(String::as_str).collect();
    gone.extend(HOP.iter().chain(&CLAIMS).chain(&["expect"]));
    TOLD.iter().chain(&["host", "te"]).for_each(|name| {
        gone.remove(name);
    });
    if upgrade.is_some() {
        gone.remove("connection");
        gone.remove("upgrade");
        assert_eq!(all(&after, "connection"), [b"upgrade"]);
        assert_eq!(all(&after, "upgrade"), [b"websocket"]);
    }
    for name in &gone {
        assert!(!after.contains_key(*name), "{name} passes");
    }
    if before.contains_key("transfer-encoding") {
        assert!(!after.contains_key("content-length"), "a length beside chunks");
        changed.insert("content-length".to_owned());
    }
    let (address, tls) = client;
    let proto = if tls { "https" } else { "http" };
    let node = if address.is_ipv4() { address.to_string() } else { format!("\"[{address}]\"") };
    let told = [
        format!("for={node};host={OWN};proto={proto}"),
        address.to_string(),
        OWN.to_owned(),
        proto.to_owned(),
        if tls { "443" } else { "80" }.to_owned(),
    ];
    for (name, value) in TOLD.iter().zip(&told) {
        assert_eq!(all(&after, name), [value.as_bytes()], "{name}");
    }
    assert!(matches!(all(&after, "te").as_slice(), [] | [b"trailers"]));
    let hosts = all(before, "host");
    assert_eq!(all(&after, "host"), if hosts.is_empty() { vec![OWN.as_bytes()] } else { hosts });
    if !changed.contains("cookie") {
        let (cookies, joined) = (all(before, "cookie"), all(&after, "cookie"));
        let once = if cookies.is_empty() { Vec::new() } else { vec![cookies.join(&b"; "[..])] };
        assert_eq!(joined, once.iter().map(Vec::as_slice).collect::<Vec<_>>());
    }
    let names = HOP.iter().chain(&CLAIMS).chain(&TOLD).chain(&["expect", "host", "te", "cookie"]);
    changed.extend(names.map(|name| (*name).to_owned()));
    others_pass(before, &after, &changed);
    (after.clone(), after)
}

fn answer(before: &HeaderMap, commit: Option<&HeaderValue>) {
    let mut after = before.clone();
    fuzzing::answer(&mut after, OWN, commit);
    let mut changed = ended(before);
    let ours =
        ["understudy-commit", "understudy-page", "x-robots-tag", "set-cookie", "clear-site-data"];
    for name in changed.iter().map(String::as_str).chain(HOP) {
        assert!(ours.contains(&name) || !after.contains_key(name), "{name} passes");
    }
    assert!(!after.contains_key("understudy-page") && !after.contains_key("clear-site-data"));
    let commits: Vec<&[u8]> = commit.iter().map(|commit| commit.as_bytes()).collect();
    assert_eq!(all(&after, "understudy-commit"), commits);
    assert_eq!(all(&after, "x-robots-tag"), [b"noindex"]);
    let mut cookies = all(before, "set-cookie");
    cookies.retain(|cookie| !changed.contains("set-cookie") && stays_home(cookie));
    assert_eq!(all(&after, "set-cookie"), cookies);
    if before.contains_key("transfer-encoding") {
        assert!(!after.contains_key("content-length"), "a length beside chunks");
        changed.insert("content-length".to_owned());
    }
    changed.extend(HOP.iter().chain(&ours).map(|name| (*name).to_owned()));
    others_pass(before, &after, &changed);
}

/// Whether whoever follows RFC 6265, 5.2, by the letter, or takes any other of a cookie's domains than the last,
/// sends it to our host alone.
fn stays_home(cookie: &[u8]) -> bool {
    let text: String = cookie.iter().map(|byte| char::from(*byte).to_ascii_lowercase()).collect();
    let blank = |letter| letter == ' ' || letter == '\t';
    let domains = text.split(';').skip(1).filter_map(|attribute| {
        let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
        (name.trim_matches(blank) == "domain").then(|| value.trim_matches(blank))
    });
    let mut named = domains.map(|domain| domain.strip_prefix('.').unwrap_or(domain));
    named.all(|domain| domain.is_empty() || domain == OWN)
}
