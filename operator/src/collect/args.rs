//! What a collector is told: where results are, which of them count, and where they go.

use std::{net::SocketAddr, path::PathBuf, str::FromStr};

use clap::Args;
use globset::{Glob, GlobBuilder};
use http::Uri;
use understudy_crds::scalar::Span;

use crate::args::listen;

/// Settings of `understudy collect`. Globs have commas in them: in the environment each is a line.
#[derive(Debug, Clone, Args)]
pub(crate) struct CollectArgs {
    /// The folder that the test writes its results to
    #[arg(long, env = "UNDERSTUDY_RESULTS", default_value = "/results")]
    pub(crate) results: PathBuf,
    /// Which files are test reports, as globs below the results (repeatable): junit.xml, **/TEST-*.xml
    #[arg(long = "report", env = "UNDERSTUDY_REPORTS", value_delimiter = '\n', value_parser = glob)]
    pub(crate) reports: Vec<Glob>,
    /// Which other files are kept, as globs below the results (repeatable): **/*.png
    #[arg(long = "artifact", env = "UNDERSTUDY_ARTIFACTS", value_delimiter = '\n', value_parser = glob)]
    pub(crate) artifacts: Vec<Glob>,
    /// Where results are sent, such as `http://understudy.understudy:8082`
    #[arg(long, env = "UNDERSTUDY_EVIDENCE_URL")]
    pub(crate) evidence_url: EvidenceUrl,
    /// The file with the certificates that the evidence address is trusted by; without it the system's own
    #[arg(long, env = "UNDERSTUDY_EVIDENCE_CA_FILE")]
    pub(crate) evidence_ca_file: Option<PathBuf>,
    /// The file with the token that says which pod this is; read anew for each request
    #[arg(
        long,
        env = "UNDERSTUDY_TOKEN_FILE",
        default_value = "/var/run/secrets/understudy/token"
    )]
    pub(crate) token_file: PathBuf,
    /// Where the last words go
    #[arg(long, env = "UNDERSTUDY_TERMINATION_LOG", default_value = "/dev/termination-log")]
    pub(crate) termination_log: PathBuf,
    /// A port of the pod's loopback that leads elsewhere, as `LISTEN_PORT=HOST:PORT` (repeatable)
    #[arg(long = "forward", env = "UNDERSTUDY_FORWARD", value_delimiter = ',')]
    pub(crate) forwards: Vec<Forward>,
    /// Where `/healthz` answers once the forwards listen
    #[arg(long, env = "UNDERSTUDY_HEALTH_LISTEN", default_value = "0.0.0.0:9091", value_parser = listen)]
    pub(crate) health_listen: SocketAddr,
    /// How many files are sent at most
    #[arg(long, env = "UNDERSTUDY_MAX_FILES", default_value_t = 1_000,
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) max_files: u32,
    /// How many bytes one file may have
    #[arg(long, env = "UNDERSTUDY_MAX_FILE_BYTES", default_value_t = 256 << 20)]
    pub(crate) max_file_bytes: u64,
    /// How many bytes all files together may have
    #[arg(long, env = "UNDERSTUDY_MAX_TOTAL_BYTES", default_value_t = 1 << 30)]
    pub(crate) max_total_bytes: u64,
    /// How many bytes one report may have
    #[arg(long, env = "UNDERSTUDY_MAX_REPORT_BYTES", default_value_t = 64 << 20)]
    pub(crate) max_report_bytes: u64,
    /// How long the end may take after a signal; shorter than the pod's grace period
    #[arg(long, env = "UNDERSTUDY_COLLECT_TIMEOUT", default_value = "50s")]
    pub(crate) collect_timeout: Span,
}

/// `*` stays within a folder, `**` does not.
fn glob(text: &str) -> Result<Glob, String> {
    GlobBuilder::new(text).literal_separator(true).build().map_err(|error| error.to_string())
}

/// Where results are sent: scheme, host, port, and a path that everything else stands below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EvidenceUrl {
    /// Whether TLS is spoken.
    pub(crate) tls: bool,
    /// The host, without brackets.
    pub(crate) host: String,
    /// The port.
    pub(crate) port: u16,
    /// Host and port as they stand in the URL.
    pub(crate) authority: String,
    /// The path, without a slash at its end.
    pub(crate) path: String,
}

impl FromStr for EvidenceUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const RULE: &str =
            "an evidence address is http://host:port or https://host, without a name and a query";
        let url: Uri = text.parse().map_err(|_| RULE.to_owned())?;
        let tls = match url.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(RULE.to_owned()),
        };
        let authority = url.authority().ok_or(RULE)?.as_str();
        // A password would end up in sentences that people read.
        if authority.contains('@') || url.query().is_some() || url.host().is_none_or(str::is_empty)
        {
            return Err(RULE.to_owned());
        }
        let host = url.host().unwrap_or_default();
        Ok(Self {
            tls,
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: url.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            authority: authority.to_owned(),
            path: url.path().trim_end_matches('/').to_owned(),
        })
    }
}

impl std::fmt::Display for EvidenceUrl {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(formatter, "{scheme}://{}{}", self.authority, self.path)
    }
}

/// A port of the pod's loopback that leads elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Forward {
    /// The port on both loopback addresses.
    pub(crate) port: u16,
    /// Where bytes go, as host:port.
    pub(crate) to: String,
}

impl FromStr for Forward {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const RULE: &str =
            "a forward is LISTEN_PORT=HOST:PORT, such as 8000=understudy-edge.understudy:8000";
        let (port, to) = text.split_once('=').ok_or(RULE)?;
        let port = port.parse().map_err(|_| RULE)?;
        let (host, target) = to.rsplit_once(':').ok_or(RULE)?;
        let is_port = |port: u16| port != 0;
        if host.is_empty() || !target.parse().is_ok_and(is_port) {
            return Err(RULE.to_owned());
        }
        Ok(Self { port, to: to.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;

    use super::{CollectArgs, EvidenceUrl, Forward, glob};

    #[test]
    fn evidence_address_is_taken_apart() {
        let url: EvidenceUrl = "http://understudy.understudy:8082/".parse().unwrap();
        assert_eq!((url.host.as_str(), url.port, url.tls), ("understudy.understudy", 8082, false));
        assert_eq!(url.to_string(), "http://understudy.understudy:8082");
        let url: EvidenceUrl = "https://[fd00::1]/below/".parse().unwrap();
        assert_eq!((url.host.as_str(), url.port, url.path.as_str()), ("fd00::1", 443, "/below"));
        for bad in ["", "ftp://x", "http://", "http://u:p@x", "http://x/?a=b", "x:80", "/a"] {
            assert!(bad.parse::<EvidenceUrl>().is_err(), "{bad}");
        }
    }

    #[test]
    fn forward_is_taken_apart() {
        let forward: Forward = "8000=edge.understudy:80".parse().unwrap();
        assert_eq!((forward.port, forward.to.as_str()), (8000, "edge.understudy:80"));
        assert!("1=[::1]:2".parse::<Forward>().is_ok());
        for bad in ["", "8000", "8000=", "x=a:1", "1=a", "1=:2", "1=a:0", "70000=a:1"] {
            assert!(bad.parse::<Forward>().is_err(), "{bad}");
        }
    }

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        args: CollectArgs,
    }

    #[test]
    fn comma_in_a_glob_is_part_of_it() {
        let typed = ["collect", "--evidence-url=http://a", "--report={a,b}.xml", "--report=c.xml"];
        let args = Cli::try_parse_from(typed).unwrap().args;
        let globs: Vec<&str> = args.reports.iter().map(globset::Glob::glob).collect();
        assert_eq!(globs, ["{a,b}.xml", "c.xml"]);
        assert_eq!(
            (args.max_files, args.max_file_bytes, args.max_total_bytes),
            (1_000, 256 << 20, 1 << 30)
        );
        assert_eq!(
            (args.max_report_bytes, args.collect_timeout.duration().as_secs()),
            (64 << 20, 50)
        );
    }

    #[test]
    fn one_star_stays_in_its_folder() {
        let matches = |pattern: &str, path: &str| {
            glob(pattern).unwrap().compile_matcher().is_match(Path::new(path))
        };
        assert!(matches("*.xml", "a.xml") && !matches("*.xml", "a/b.xml"));
        assert!(matches("**/*.png", "a.png") && matches("**/*.png", "a/b/c.png"));
        assert!(matches("TEST-{a,b}.xml", "TEST-b.xml") && glob("a{").is_err());
    }
}
