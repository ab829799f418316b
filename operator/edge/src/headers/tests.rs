//! What of the headers passes in either direction.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::{HeaderMap, HeaderName, HeaderValue};
use rstest::rstest;

use super::{Client, answer, is_claim, is_own, request, trailers};
use crate::host::Authority;

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

fn asked(port: Option<u16>) -> Authority {
    Authority { host: "a.test".to_owned(), port }
}

#[test]
fn what_a_client_claims_is_replaced_by_what_we_saw() {
    let mut headers = map(&[
        ("host", "a.test:8000"),
        ("x-forwarded-for", "6.6.6.6"),
        ("forwarded", "for=6.6.6.6"),
        ("x-real-ip", "6.6.6.6"),
        ("x_forwarded_host", "6.6.6.6"),
        ("x-forwarded-anything", "6.6.6.6"),
        ("http2-settings", "AAMAAABk"),
        ("connection", "close, x-secret, host"),
        ("x-secret", "1"),
        ("te", "gzip, trailers"),
        ("proxy-authorization", "x"),
        ("accept", "*/*"),
    ]);
    let client = Client { address: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9)), tls: true };
    request(&mut headers, &asked(Some(8000)), client, None);
    let expected = map(&[
        ("host", "a.test:8000"),
        ("accept", "*/*"),
        ("te", "trailers"),
        ("x-forwarded-for", "10.0.0.9"),
        ("x-forwarded-host", "a.test:8000"),
        ("x-forwarded-port", "8000"),
        ("x-forwarded-proto", "https"),
        ("forwarded", "for=10.0.0.9;host=\"a.test:8000\";proto=https"),
    ]);
    assert_eq!(headers, expected);
    let client = Client { address: IpAddr::V6(Ipv6Addr::LOCALHOST), tls: false };
    request(&mut headers, &asked(None), client, Some(HeaderValue::from_static("websocket")));
    assert_eq!(headers["forwarded"], "for=\"[::1]\";host=a.test;proto=http");
    assert_eq!(headers["x-forwarded-host"], "a.test");
    assert_eq!(headers["x-forwarded-port"], "80");
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
        ("clear-site-data", "\"cookies\""),
        ("understudy-commit", "a lie"),
        ("understudy-page", "a lie"),
    ]);
    answer(&mut headers, "pr-1.preview.test", None);
    assert_eq!(headers, map(&[("set-cookie", "b=2"), ("x-robots-tag", "noindex")]));
}

#[test]
fn port_that_was_asked_for_stands_in_a_host_that_is_made() {
    let client = Client { address: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9)), tls: true };
    for (port, host, told) in [(None, "a.test", "443"), (Some(8443), "a.test:8443", "8443")] {
        let mut headers = HeaderMap::new();
        request(&mut headers, &asked(port), client, None);
        assert_eq!(headers["host"], host);
        assert_eq!(headers["x-forwarded-port"], told);
    }
}

#[test]
fn cookies_are_one_field_in_their_order() {
    let mut headers = map(&[("cookie", "a=1"), ("cookie", "b=2; c=3"), ("cookie", "d=4")]);
    let client = Client { address: IpAddr::V4(Ipv4Addr::LOCALHOST), tls: false };
    request(&mut headers, &asked(None), client, None);
    let cookies: Vec<&HeaderValue> = headers.get_all("cookie").iter().collect();
    assert_eq!(cookies, ["a=1; b=2; c=3; d=4"]);
}

#[rstest]
#[case("forwarded", true)]
#[case("x-forwarded", true)]
#[case("x_forwarded_for", true)]
#[case("x-forwarded_prefix", true)]
#[case("x-forwarded-", true)]
#[case("x-forwarded-client-cert", true)]
#[case("proxy", true)]
#[case("x_client_ip", true)]
#[case("cf-connecting-ip", true)]
#[case("true_client-ip", true)]
#[case("x-cluster-client-ip", true)]
#[case("x-original-url", true)]
#[case("x-rewrite-url", true)]
#[case("x_original_host", true)]
#[case("x-forwarder", false)]
#[case("forwarded-by", false)]
#[case("proxy-status", false)]
#[case("x-real-ip-too", false)]
#[case("cookie", false)]
fn claims_are_known_by_their_name(#[case] name: &str, #[case] claim: bool) {
    assert_eq!(is_claim(name), claim);
}

#[test]
fn trailers_say_nothing_that_headers_may_not() {
    let mut headers = map(&[
        ("grpc-status", "0"),
        ("digest", "x"),
        ("set-cookie", "b=2"),
        ("connection", "x-secret"),
        ("x-secret", "1"),
        ("transfer-encoding", "chunked"),
        ("content-length", "5"),
        ("host", "b.test"),
        ("x-forwarded-for", "6.6.6.6"),
        ("forwarded", "for=6.6.6.6"),
        ("clear-site-data", "\"cookies\""),
        ("understudy-page", "a lie"),
        ("understudy-commit", "a lie"),
        ("x-robots-tag", "all"),
    ]);
    trailers(&mut headers);
    assert_eq!(headers, map(&[("grpc-status", "0"), ("digest", "x")]));
}
