//! Requests that mean harm, and backends that do: the answer one would expect, and memory that stays where it was.

use std::time::Duration;

use rustix::fd::AsFd as _;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use understudy_bed::{Error, Result};
use understudy_fakes::{
    backend::{AsyncAnswer, Backend},
    edge::{INSIDE, get},
};

use crate::{Scene, port, scene, until};

/// How long a first answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much more memory the edge may hold after all of it, in KiB.
const GROWTH: u64 = 64 << 10;

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Bed(error.to_string())
}

/// What is expected of one raw request: the first status, or a connection that ends without one.
#[derive(Clone)]
struct Case {
    name: &'static str,
    raw: String,
    expected: &'static [u16],
}

fn case(name: &'static str, raw: impl Into<String>, expected: &'static [u16]) -> Case {
    Case { name, raw: raw.into(), expected }
}

fn get_with(host: &str, line: &str) -> String {
    format!("GET / HTTP/1.1\r\nhost: {host}\r\n{line}\r\nconnection: close\r\n\r\n")
}

fn post(host: &str, headers: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\nhost: {host}\r\n{headers}\r\n\r\n{body}")
}

/// A body of no chunks, with another request behind it.
const SMUGGLED: &str = "0\r\n\r\nGET /stolen HTTP/1.1\r\nhost: x\r\n\r\n";

fn cases(host: &str, other: &str) -> Vec<Case> {
    [lengths(host), codings(host), hosts(host, other), places(host), sizes(host)].concat()
}

/// Where a body ends, by its length. Of a length and chunks the chunks may be taken and the length dropped, if the
/// connection ends then (RFC 9112, 6.3): what follows is never a request.
fn lengths(host: &str) -> Vec<Case> {
    vec![
        case("plain", get_with(host, "x: 1"), &[200]),
        case(
            "length and chunks",
            post(host, "content-length: 4\r\ntransfer-encoding: chunked", SMUGGLED),
            &[400, 200],
        ),
        case(
            "chunks and length",
            post(host, "transfer-encoding: chunked\r\ncontent-length: 4", SMUGGLED),
            &[400, 200],
        ),
        case("two lengths", post(host, "content-length: 5\r\ncontent-length: 6", "hello!"), &[400]),
        case(
            "the same length twice",
            post(host, "content-length: 5\r\ncontent-length: 5", "hello"),
            &[400, 200],
        ),
        case("a list of lengths", post(host, "content-length: 5, 5", "hello"), &[400]),
        case("a negative length", post(host, "content-length: -5", "hello"), &[400]),
        case("a length with a plus", post(host, "content-length: +5", "hello"), &[400]),
        case(
            "a length beyond numbers",
            post(host, "content-length: 99999999999999999999", ""),
            &[400],
        ),
    ]
}

/// Where a body ends, by its chunks.
fn codings(host: &str) -> Vec<Case> {
    vec![
        case(
            "a coding nobody knows",
            post(host, "transfer-encoding: xchunked", SMUGGLED),
            &[400, 501],
        ),
        case(
            "a coding before chunks",
            post(host, "transfer-encoding: gzip, chunked", SMUGGLED),
            &[400, 501],
        ),
        case(
            "chunks twice",
            post(host, "transfer-encoding: chunked\r\ntransfer-encoding: chunked", SMUGGLED),
            &[400, 501],
        ),
        case(
            "a space before the colon",
            post(host, "transfer-encoding : chunked", SMUGGLED),
            &[400],
        ),
        case("a folded header", post(host, "transfer-encoding:\r\n chunked", SMUGGLED), &[400]),
        case(
            "a coding with a tab",
            post(host, "transfer-encoding:\tchunked", "0\r\n\r\n"),
            &[200, 400],
        ),
        case(
            "chunks in HTTP/1.0",
            format!(
                "POST / HTTP/1.0\r\nhost: {host}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
            ),
            &[400],
        ),
        case(
            "a chunk's size that is none",
            post(host, "transfer-encoding: chunked", "zz\r\nhello\r\n0\r\n\r\n"),
            &[400, 502],
        ),
        case(
            "a chunk's size beyond numbers",
            post(host, "transfer-encoding: chunked", "fffffffffffffffff\r\nx\r\n0\r\n\r\n"),
            &[400, 502],
        ),
    ]
}

/// Whom a request is for.
fn hosts(host: &str, other: &str) -> Vec<Case> {
    vec![
        case("two hosts", get_with(host, &format!("host: {other}")), &[400]),
        case("two hosts that agree", get_with(host, &format!("host: {host}")), &[400]),
        case("no host", "GET / HTTP/1.1\r\nconnection: close\r\n\r\n", &[400]),
        case("an empty host", get_with("", "x: 1"), &[400]),
        case(
            "another host in the target",
            format!("GET http://{other}/ HTTP/1.1\r\nhost: {host}\r\n\r\n"),
            &[400],
        ),
        case(
            "its host in the target",
            format!("GET http://{host}/ HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"),
            &[200],
        ),
        case("a user in the host", get_with(&format!("user@{host}"), "x: 1"), &[400]),
        case(
            "a user in the target",
            format!("GET http://user:word@{host}/ HTTP/1.1\r\nhost: {host}\r\n\r\n"),
            &[400],
        ),
        case("a dot at the end", get_with(&format!("{host}."), "x: 1"), &[200]),
        case("two dots at the end", get_with(&format!("{host}.."), "x: 1"), &[400]),
        case("capital letters", get_with(&host.to_uppercase(), "x: 1"), &[200]),
        case("a path in the host", get_with(&format!("{host}/../x"), "x: 1"), &[400]),
        case("punycode of nobody", get_with("xn--bcher-kva.preview.test", "x: 1"), &[404]),
        case("letters that only look so", get_with("w\u{435}b.preview.test", "x: 1"), &[400]),
    ]
}

/// Places and methods that are none of ours.
fn places(host: &str) -> Vec<Case> {
    vec![
        case("an address for a host", get_with("198.18.255.1", "x: 1"), &[404]),
        case("an address of version 6", get_with("[::1]", "x: 1"), &[400]),
        case("a name in the cluster", get_with("kubernetes.default.svc", "x: 1"), &[404]),
        case("CONNECT", format!("CONNECT {host}:80 HTTP/1.1\r\nhost: {host}\r\n\r\n"), &[400, 405]),
        case("TRACE", format!("TRACE / HTTP/1.1\r\nhost: {host}\r\n\r\n"), &[405]),
        case(
            "HTTP/2 half way",
            get_with(
                host,
                "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk",
            ),
            &[200, 400],
        ),
    ]
}

/// Too much, and no HTTP.
fn sizes(host: &str) -> Vec<Case> {
    vec![
        case(
            "100 kB of headers",
            get_with(host, &format!("x: {}", "y".repeat(100_000))),
            &[400, 431],
        ),
        case("a thousand headers", get_with(host, &"x: y\r\n".repeat(1000)), &[400, 431]),
        case(
            "a long target",
            format!("GET /{} HTTP/1.1\r\nhost: {host}\r\n\r\n", "y".repeat(100_000)),
            &[400, 414, 431],
        ),
        case("a zero byte", get_with(host, "x: a\0b"), &[400]),
        case("no HTTP at all", "\u{16}\u{3}\u{1}\u{2}\r\n\r\n", &[400]),
        case(
            "a version nobody speaks",
            format!("GET / HTTP/9.9\r\nhost: {host}\r\n\r\n"),
            &[400, 505],
        ),
    ]
}

/// Everything that comes back within a moment.
async fn raw(address: &str, bytes: &[u8]) -> Result<String> {
    let mut stream = TcpStream::connect(address).await.map_err(failed)?;
    // One that was refused may be closed while we still speak.
    let _ = stream.write_all(bytes).await;
    let mut seen = Vec::new();
    let mut bytes = vec![0; 16 << 10];
    // A moment more once there is an answer: what follows it is what this is about.
    loop {
        let patience = if seen.is_empty() { PATIENCE } else { Duration::from_millis(400) };
        match tokio::time::timeout(patience, stream.read(&mut bytes)).await {
            Ok(Ok(read)) if read > 0 => seen.extend(bytes.iter().take(read)),
            _ => break,
        }
    }
    Ok(String::from_utf8_lossy(&seen).into_owned())
}

fn statuses(answer: &str) -> Vec<u16> {
    let lines = answer.lines().filter_map(|line| line.strip_prefix("HTTP/1.1 "));
    lines.filter_map(|line| line.split(' ').next()?.parse().ok()).collect()
}

pub(crate) async fn story() -> Result<()> {
    let scene = scene("hostile", &[]).await?;
    let other = scene.open("other").await?;
    let backend = Backend::echo(&scene.stage.bed, port()).await?;
    let (address, host) = scene.serve("web", &backend).await?;
    let before = scene.edge.memory_kib();
    let cases = cases(&host, &other.host());
    let mut wrong = Vec::new();
    for case in &cases {
        let answer = raw(&address, case.raw.as_bytes()).await?;
        let found = statuses(&answer);
        let ends = found.first().is_none_or(|status| case.expected.contains(status));
        if !ends
            || found.len() > 1
            || answer.contains("stolen")
            || (found.is_empty() && case.expected == [200])
        {
            wrong.push(format!("{}: {found:?} instead of {:?}", case.name, case.expected));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    liars(&scene).await?;
    slow(&scene, &host).await?;
    let after = scene.edge.memory_kib();
    println!("measured: {} hostile requests, memory {before} KiB became {after} KiB", cases.len());
    assert!(after < before + GROWTH, "{before} KiB became {after} KiB");
    assert_eq!(get(&address, &host, "/").await?.status(), 200);
    Ok(())
}

/// A backend that answers with exactly these bytes, and then ends the connection.
struct Liar(&'static str);

impl AsyncAnswer for Liar {
    async fn serve(&self, mut stream: TcpStream) {
        let mut head = [0; 4096];
        let _ = stream.read(&mut head).await;
        let _ = stream.write_all(self.0.as_bytes()).await;
        let _ = stream.shutdown().await;
    }
}

/// Backends that lie about themselves: a visitor gets what is true, or nothing.
async fn liars(scene: &Scene) -> Result<()> {
    for (name, said, status, holds, never) in [
        (
            "long",
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nstolen",
            200,
            "hello",
            "stolen",
        ),
        ("short", "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello", 200, "", "stolen"),
        (
            "both",
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            200,
            "hello",
            "content-length",
        ),
        ("garbage", "no HTTP at all\r\n\r\n", 502, "", "no HTTP"),
        ("nothing", "", 502, "", "stolen"),
        (
            "uninvited",
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
            502,
            "",
            "101",
        ),
        (
            "inside",
            "HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n",
            302,
            "location: http://169.254.169.254/",
            "stolen",
        ),
        (
            "hints",
            "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
            200,
            "hello",
            "stolen",
        ),
    ] {
        let preview = scene.open(name).await?;
        let backend = Backend::start(&scene.stage.bed, port(), Liar(said)).await?;
        preview.pods(&[(INSIDE, backend.port, "a")]).await?;
        let request = get_with(&preview.host(), "accept: text/html");
        let address = scene.edge.plain();
        let known = |answer: &String| statuses(answer).last() != Some(&503);
        let answer = until(async || raw(&address, request.as_bytes()).await, known).await?;
        assert_eq!(statuses(&answer).last(), Some(&status), "{name}: {answer}");
        assert!(answer.contains(holds) && !answer.contains(never), "{name}: {answer}");
    }
    Ok(())
}

/// Many who speak a byte at a time, or stop in the middle, keep nobody else from being answered.
async fn slow(scene: &Scene, host: &str) -> Result<()> {
    let address = scene.edge.plain();
    let mut all = Vec::new();
    for index in 0..500 {
        let mut stream = TcpStream::connect(&address).await.map_err(failed)?;
        let begun = match index % 3 {
            0 => "G".to_owned(),
            1 => format!("GET / HTTP/1.1\r\nhost: {host}\r\nx: "),
            _ => post(host, "content-length: 1000", "half"),
        };
        stream.write_all(begun.as_bytes()).await.map_err(failed)?;
        if index % 6 == 5 {
            // Reset in the middle of the body.
            let linger = Some(Duration::ZERO);
            let _ = rustix::net::sockopt::set_socket_linger(stream.as_fd(), linger);
        } else {
            all.push(stream);
        }
    }
    let began = std::time::Instant::now();
    assert_eq!(get(&address, host, "/").await?.status(), 200);
    println!(
        "measured: answered in {} ms beside {} who stopped half way",
        began.elapsed().as_millis(),
        all.len()
    );
    Ok(())
}
