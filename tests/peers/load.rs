//! Load by programs of others, and what it cost whoever carried it.

use std::{path::Path, time::Duration};

use understudy_bed::{Error, Result, command};
use understudy_fakes::edge::{INSIDE, get};

use crate::{
    rivals::{Proxy, Way},
    site::Site,
    tools::Tools,
};

/// The core of load and pods.
const CORE: usize = 1;

/// Something to carry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) way: Way,
    pub(crate) path: &'static str,
    /// Connections of clients.
    pub(crate) clients: usize,
    /// Hosts, from the last one backwards.
    pub(crate) hosts: usize,
}

/// What one run found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Carried {
    /// Requests for each second of the proxy's processor time.
    pub(crate) requests: f64,
    /// Bytes for each second of it.
    pub(crate) bytes: f64,
}

/// How long a run takes.
const RUN: Duration = Duration::from_secs(3);

impl Load {
    /// Makes as much of it as the two cores carry.
    pub(crate) fn run(&self, site: &Site, tools: &Tools, proxy: Proxy) -> Result<Carried> {
        let before = site.rivals.processor(proxy);
        let (requests, bytes) = match self.way {
            Way::H2 => self.h2load(site, tools, proxy)?,
            Way::Plain | Way::Tls => self.wrk(site, tools, proxy)?,
        };
        let used = site.rivals.processor(proxy) - before;
        Ok(Carried { requests: requests / used, bytes: bytes / used })
    }

    /// Visits every host often enough that the edge has noted that it is in use: that is once in many minutes, and
    /// none of the rivals does it at all.
    pub(crate) async fn warm(&self, site: &Site, tools: &Tools) -> Result<()> {
        for _ in 0..40 {
            self.wrk(site, tools, Proxy::Edge)?;
            let metrics = get(&site.rivals.edge.admin(), "localhost", "/metrics").await?;
            let text = String::from_utf8_lossy(metrics.body()).into_owned();
            let line = text
                .lines()
                .find(|line| line.contains(r#"notes_total{kind="use",result="success"#));
            let noted = line.and_then(|line| line.rsplit(' ').next()?.parse().ok());
            if noted.is_some_and(|noted: usize| noted >= self.hosts) {
                return Ok(());
            }
        }
        Err(Error::Bed("not every preview is noted to be in use".to_owned()))
    }

    fn wrk(&self, site: &Site, tools: &Tools, proxy: Proxy) -> Result<(f64, f64)> {
        let scheme = if self.way == Way::Tls { "https" } else { "http" };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/load.lua");
        let mut wrk = tools.inside(&site.stage.bed, CORE, "usr/bin/wrk")?;
        wrk.arg("--threads=1").arg(format!("--connections={}", self.clients));
        wrk.arg(format!("--duration={}s", RUN.as_secs())).arg("--timeout=10s");
        wrk.arg("--script").arg(script);
        wrk.arg(format!("{scheme}://{INSIDE}:{}", proxy.port(self.way))).arg("--").arg(self.path);
        wrk.arg((site.previews + 1 - self.hosts).to_string()).arg(site.previews.to_string());
        let said = command::run(wrk.arg(&site.suffix))?;
        let line = said.lines().find_map(|line| line.strip_prefix("result "));
        let numbers: Vec<f64> =
            line.unwrap_or_default().split(' ').filter_map(|one| one.parse().ok()).collect();
        let [requests, _, bytes, wrong] = numbers.as_slice() else {
            return Err(Error::Bed(format!("wrk said no result: {said}")));
        };
        if *wrong > 0.0 || *requests == 0.0 {
            return Err(Error::Bed(format!("{proxy:?} {self:?} failed: {said}")));
        }
        Ok((*requests, *bytes))
    }

    fn h2load(&self, site: &Site, tools: &Tools, proxy: Proxy) -> Result<(f64, f64)> {
        let mut h2load = tools.inside(&site.stage.bed, CORE, "usr/bin/h2load")?;
        h2load.args(["--threads=1", "--max-concurrent-streams=16"]);
        h2load.arg(format!("--clients={}", self.clients));
        h2load.arg(format!("--duration={}", RUN.as_secs()));
        let said = command::run(h2load.args(target(site, proxy, self.way, self.path)))?;
        let requests = number(&said, "requests: ", " total");
        let good = number(&said, "status codes: ", " 2xx");
        let bytes = number(&said, "space savings ", ") data").or(Some(0.0));
        match (requests, good, bytes) {
            (Some(requests), Some(good), Some(bytes)) if good > 0.0 && good >= requests * 0.99 => {
                Ok((good, bytes))
            }
            _ => Err(Error::Bed(format!("{proxy:?} {self:?} failed: {said}"))),
        }
    }
}

/// Times of answers at a fixed rate, in microseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// Asks 1,000 times a second over ten connections, for as long as it takes to count a 99th percentile.
pub(crate) fn times(site: &Site, tools: &Tools, proxy: Proxy) -> Result<Times> {
    let log = site.folder.path().join("times");
    let _ = std::fs::remove_file(&log);
    let mut h2load = tools.inside(&site.stage.bed, CORE, "usr/bin/h2load")?;
    h2load.args(["--threads=1", "--clients=10", "--rps=100", "--duration=6"]);
    h2load.args(["--warm-up-time=1", "--h1"]).arg(format!("--log-file={}", log.display()));
    command::run(h2load.args(target(site, proxy, Way::Plain, "/small")))?;
    let text = std::fs::read_to_string(&log).map_err(Error::touch("read", &log))?;
    let mut times = Vec::new();
    for line in text.lines() {
        let mut fields = line.split('\t').skip(1);
        let (status, time) = (fields.next(), fields.next().and_then(|time| time.parse().ok()));
        match (status, time) {
            (Some("200"), Some(time)) => times.push(time),
            _ => return Err(Error::Bed(format!("{proxy:?} answered {line}"))),
        }
    }
    if times.len() < 4_000 {
        return Err(Error::Bed(format!("{proxy:?} answered only {} requests", times.len())));
    }
    times.sort_by(f64::total_cmp);
    let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
    Ok(Times { p50: at(50), p99: at(99) })
}

/// The URL of the last preview, and where it is connected to.
fn target(site: &Site, proxy: Proxy, way: Way, path: &str) -> [String; 2] {
    let connect = format!("--connect-to={INSIDE}:{}", proxy.port(way));
    [connect, format!("http://pr-{}.{}{path}", site.previews, site.suffix)]
}

/// The number between two words.
fn number(text: &str, before: &str, after: &str) -> Option<f64> {
    let rest = text.split_once(before)?.1;
    let (number, _) = rest.split_once(after)?;
    number.rsplit(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}
