//! The proxies that are compared, each on one core and in front of the same pods.

use std::{
    fmt::Write,
    path::Path,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use understudy_bed::{Bed, Error, Result};
use understudy_fakes::{
    cost::{descendants, memory_kib, processor_time},
    edge::{Edge, INSIDE},
};

use crate::tools::Tools;

/// The core of whoever is measured; load and pods have the other.
pub(crate) const CORE: usize = 0;

/// Where the pods are.
pub(crate) const PODS: u16 = 18_080;

/// Where the pod of preview `pr-0` is, which takes `WebSocket`s.
pub(crate) const SOCKETS_POD: u16 = 18_090;

/// The port of the pod of `pr-N`.
pub(crate) const fn pod(number: usize) -> u16 {
    if number == 0 { SOCKETS_POD } else { PODS }
}

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Proxy {
    /// Nobody between: the floor.
    Direct,
    Edge,
    Nginx,
    Haproxy,
}

/// Those that stand between.
pub(crate) const PROXIES: [Proxy; 3] = [Proxy::Edge, Proxy::Nginx, Proxy::Haproxy];

/// How it is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Plain,
    Tls,
    /// HTTP/2 without TLS.
    H2,
}

impl Proxy {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Edge => "edge",
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
        }
    }

    /// Its first port: TLS is one hundred higher, HTTP/2 two hundred. The edge tells them apart by itself.
    pub(crate) fn port(self, way: Way) -> u16 {
        let first = match self {
            Self::Direct => return PODS,
            Self::Edge => 20_000,
            Self::Nginx => 21_000,
            Self::Haproxy => 22_000,
        };
        match way {
            Way::Tls => first + 100,
            Way::H2 if self != Self::Edge => first + 200,
            Way::Plain | Way::H2 => first,
        }
    }
}

/// A program of others, ended when it is dropped.
pub(crate) struct Program(Child);

impl Program {
    pub(crate) fn start(mut command: std::process::Command) -> Result<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        child.map(Self).map_err(|error| Error::Bed(format!("{command:?}: {error}")))
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).unwrap_or(0)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        for pid in descendants(self.pid()).into_iter().rev().filter_map(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Everybody in front of the pods of one bed.
pub(crate) struct Rivals {
    pub(crate) edge: Edge,
    nginx: Program,
    haproxy: Program,
    _pods: Program,
}

impl Rivals {
    /// Starts them for previews `pr-0` to that number; waits until each answers for the last.
    pub(crate) async fn start(
        (bed, folder): (&Bed, &Path),
        (tools, program): (&Tools, &Path),
        (previews, suffix): (usize, &str),
    ) -> Result<Self> {
        write_configuration(folder, previews, suffix)?;
        let pods = tools.inside(bed, 1, "usr/sbin/nginx")?;
        let pods = Program::start(nginx(pods, folder, "backend.conf"))?;
        let rival = tools.inside(bed, CORE, "usr/sbin/nginx")?;
        let nginx = Program::start(nginx(rival, folder, "nginx.conf"))?;
        let mut rival = tools.inside(bed, CORE, "usr/sbin/haproxy")?;
        rival.arg("-q").arg("-f").arg(folder.join("haproxy.cfg"));
        let haproxy = Program::start(rival)?;
        let core = CORE.to_string();
        let words = ["taskset", "--cpu-list", &core];
        let tls = format!("--tls-listen={INSIDE}:{}", Proxy::Edge.port(Way::Tls));
        let folder_flag = format!("--tls-dir={}", folder.display());
        let flags = [tls.as_str(), &folder_flag, "--note-interval=1h"];
        let port = Proxy::Edge.port(Way::Plain);
        let edge = Edge::start_as(bed, folder, (port, port + 1), (&words, program), &flags).await?;
        let rivals = Self { edge, nginx, haproxy, _pods: pods };
        let host = format!("pr-{previews}.{suffix}");
        for proxy in PROXIES {
            answers(bed, proxy, &host)?;
        }
        Ok(rivals)
    }

    /// The processor time that one has used so far, in seconds: all its processes and threads.
    pub(crate) fn processor(&self, proxy: Proxy) -> f64 {
        let spent: Duration = self.processes(proxy).into_iter().map(processor_time).sum();
        spent.as_secs_f64()
    }

    /// The memory that one has, in KiB.
    pub(crate) fn memory(&self, proxy: Proxy) -> u64 {
        self.processes(proxy).into_iter().map(memory_kib).sum()
    }

    fn processes(&self, proxy: Proxy) -> Vec<i32> {
        match proxy {
            Proxy::Direct => Vec::new(),
            Proxy::Edge => self.edge.pid().map(Pid::as_raw_pid).into_iter().collect(),
            Proxy::Nginx => descendants(self.nginx.pid()),
            Proxy::Haproxy => descendants(self.haproxy.pid()),
        }
    }
}

fn nginx(mut command: std::process::Command, folder: &Path, file: &str) -> std::process::Command {
    command.arg("-p").arg(folder).arg("-e").arg(folder.join("start.log"));
    command.arg("-c").arg(folder.join(file)).args(["-g", "daemon off;"]);
    command
}

fn answers(bed: &Bed, proxy: Proxy, host: &str) -> Result<()> {
    let address = format!("{INSIDE}:{}", proxy.port(Way::Plain));
    let began = Instant::now();
    loop {
        let answer = bed.dial(&address).ok().and_then(|stream| ask(stream, host));
        match answer {
            Some(line) if line.starts_with("HTTP/1.1 200") => return Ok(()),
            other if began.elapsed() > Duration::from_mins(1) => {
                let name = proxy.name();
                return Err(Error::Bed(format!("{name} does not answer for {host}: {other:?}")));
            }
            _ => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

fn ask(mut stream: std::net::TcpStream, host: &str) -> Option<String> {
    use std::io::{BufRead, BufReader, Write};
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(stream, "GET /small HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok()?;
    Some(line)
}

/// Writes what each is told, with every preview under its host.
fn write_configuration(folder: &Path, previews: usize, suffix: &str) -> Result<()> {
    let (mut nginx, mut map) = (String::new(), String::new());
    let mut haproxy = filled(include_str!("haproxy.cfg"), folder, Proxy::Haproxy);
    let listen = folder.join("nginx-listen.conf");
    for number in 0..=previews {
        let (host, pod) = (format!("pr-{number}.{suffix}"), format!("{INSIDE}:{}", pod(number)));
        let _ = writeln!(
            nginx,
            "upstream preview{number} {{ server {pod}; keepalive 256; keepalive_requests 10000000; }}\n\
             server {{ include {}; server_name {host}; location / {{ proxy_pass http://preview{number}; }} }}",
            listen.display()
        );
        let _ = writeln!(map, "{host} preview{number}");
        let _ = writeln!(haproxy, "backend preview{number}\n    server pod {pod}");
    }
    let all = format!(
        "listen {INSIDE}:{};\nlisten {INSIDE}:{} ssl;\n\
         listen {INSIDE}:{} http2;\n",
        Proxy::Nginx.port(Way::Plain),
        Proxy::Nginx.port(Way::Tls),
        Proxy::Nginx.port(Way::H2)
    );
    // Each server that takes TLS has a context of its own, which with 10,000 takes minutes and gigabytes.
    let plain = all.lines().next().unwrap_or_default().to_owned();
    let listen = if previews > 1_000 { plain } else { all };
    let backend = filled(include_str!("backend.conf"), folder, Proxy::Direct);
    let shared = filled(include_str!("nginx.conf"), folder, Proxy::Nginx);
    let files = folder.join("files");
    understudy_bed::home::make_folder(&files)?;
    for (name, content) in [
        ("nginx-previews.conf", nginx.into_bytes()),
        ("nginx-listen.conf", listen.into_bytes()),
        ("haproxy-hosts.map", map.into_bytes()),
        ("haproxy.cfg", haproxy.into_bytes()),
        ("backend.conf", backend.into_bytes()),
        ("nginx.conf", shared.into_bytes()),
        ("files/64k", vec![b'a'; 64 << 10]),
        ("files/100m", vec![b'a'; 100_000_000]),
    ] {
        let path = folder.join(name);
        std::fs::write(&path, content).map_err(Error::touch("write", &path))?;
    }
    Ok(())
}

fn filled(text: &str, folder: &Path, proxy: Proxy) -> String {
    text.replace("{{ folder }}", &folder.display().to_string())
        .replace("{{ address }}", INSIDE)
        .replace("{{ port }}", &proxy.port(Way::Plain).to_string())
        .replace("{{ tls }}", &proxy.port(Way::Tls).to_string())
        .replace("{{ h2 }}", &proxy.port(Way::H2).to_string())
        .replace("{{ small }}", &"a".repeat(200))
}
