//! The edge beside nginx and `HAProxy`: the same pods, the same load, a core each, turn by turn in one run.

#[path = "peers/load.rs"]
mod load;
#[path = "peers/report.rs"]
mod report;
#[path = "peers/rivals.rs"]
mod rivals;
#[path = "peers/site.rs"]
mod site;
#[path = "peers/sockets.rs"]
mod sockets;
#[expect(dead_code, reason = "counting is for another suite")]
mod stage;
#[path = "peers/tools.rs"]
mod tools;

use understudy_bed::{
    Bed, Home, Profile, Result,
    testing::{Outcome, shared},
};
use understudy_fakes::{Operator, bed::Own, figures::median};

use load::{Load, times};
use report::{Report, ratio};
use rivals::{PROXIES, Proxy, Way};
use site::Site;
use stage::block_on;
use tools::Tools;

/// How often everything is measured.
const ROUNDS: usize = 7;

/// For whoever looks for a fault: how often, and only the loads whose names contain that, with few previews.
fn choice() -> (usize, Option<String>) {
    let rounds = std::env::var("UNDERSTUDY_PEERS_ROUNDS").ok().and_then(|said| said.parse().ok());
    (rounds.unwrap_or(ROUNDS), std::env::var("UNDERSTUDY_PEERS_ONLY").ok())
}

/// What is carried at the site of 1,000 previews.
const LOADS: [(&str, Load); 5] = [
    ("small answers (200 B)", Load { way: Way::Plain, path: "/small", clients: 64, hosts: 1 }),
    ("answers of 64 KiB", Load { way: Way::Plain, path: "/64k", clients: 64, hosts: 1 }),
    ("answers of 100 MB", Load { way: Way::Plain, path: "/100m", clients: 4, hosts: 1 }),
    ("small answers through TLS", Load { way: Way::Tls, path: "/small", clients: 64, hosts: 1 }),
    ("small answers through HTTP/2", Load { way: Way::H2, path: "/small", clients: 8, hosts: 1 }),
];

async fn compare() -> Result<()> {
    let home = Home::find()?;
    let tools = Tools::find(&home)?;
    println!("measured: {}", tools.versions()?);
    let program = Operator::release()?;
    let with = (&tools, program.as_path());
    let (rounds, only) = choice();
    if let Some(only) = only {
        let site = Site::new(shared(Profile::Control)?, 100, with).await?;
        return look(&site, &tools, rounds, &only);
    }
    let (few, many) = (Own::up(Profile::Control, "one")?, Own::up(Profile::Control, "many")?);
    let sites = [
        Site::new(Bed::attach(few.name())?, 1, with).await?,
        Site::new(shared(Profile::Control)?, 1_000, with).await?,
        Site::new(Bed::attach(many.name())?, 10_000, with).await?,
    ];
    for site in &sites {
        all_at(site).warm(site, &tools).await?;
    }
    let (mut report, mut latency) = (Report::default(), Report::default());
    for round in 0..rounds {
        one_round(round, &sites, &tools, &mut report)?;
        latencies(round, &sites[1], &tools, &mut latency)?;
        eprintln!("round {} of {rounds} is done", round + 1);
    }
    tell(&report, &latency);
    idle(&sites)
}

/// Some loads at one site, for a profiler beside it.
fn look(site: &Site, tools: &Tools, rounds: usize, only: &str) -> Result<()> {
    let (mut report, mut latency) = (Report::default(), Report::default());
    for round in 0..rounds {
        for (name, load) in LOADS.into_iter().filter(|(name, _)| name.contains(only)) {
            carry(round, (name, load), (site, tools), &mut report)?;
        }
        if only == "latency" {
            latencies(round, site, tools, &mut latency)?;
        }
    }
    tell(&report, &latency);
    Ok(())
}

/// Who comes when: another one first each time.
fn turns(round: usize) -> impl Iterator<Item = Proxy> {
    (0..3).filter_map(move |turn| PROXIES.get((turn + round) % 3).copied())
}

fn carry(
    round: usize,
    (name, load): (&str, Load),
    (site, tools): (&Site, &Tools),
    report: &mut Report,
) -> Result<()> {
    for proxy in turns(round) {
        let carried = load.run(site, tools, proxy)?;
        if load.path == "/100m" {
            report.note(&format!("{name}, MB"), proxy, carried.bytes / 1e6);
        } else {
            report.note(name, proxy, carried.requests);
        }
    }
    Ok(())
}

fn latencies(round: usize, site: &Site, tools: &Tools, latency: &mut Report) -> Result<()> {
    for proxy in std::iter::once(Proxy::Direct).chain(turns(round)) {
        let times = times(site, tools, proxy)?;
        latency.note("p50", proxy, times.p50);
        latency.note("p99", proxy, times.p99);
    }
    Ok(())
}

/// Small answers from one host of a site, or from all of them in turn.
const HOT: Load = Load { way: Way::Plain, path: "/small", clients: 64, hosts: 1 };

const fn all_at(site: &Site) -> Load {
    Load { hosts: site.previews, ..HOT }
}

/// Everything once.
fn one_round(round: usize, sites: &[Site; 3], tools: &Tools, report: &mut Report) -> Result<()> {
    for load in LOADS {
        carry(round, load, (&sites[1], tools), report)?;
    }
    for site in sites {
        let name = format!("one host of {}", site.previews);
        carry(round, (&name, HOT), (site, tools), report)?;
    }
    for site in sites.iter().skip(1) {
        let name = format!("all {} hosts in turn", site.previews);
        carry(round, (&name, all_at(site)), (site, tools), report)?;
    }
    Ok(())
}

fn tell(report: &Report, latency: &Report) {
    println!("\nRequests for each second of processor time\n\n{}", report.table());
    let of = |row: &str| report.figures(row, Proxy::Edge);
    for routes in ["one host of 1000", "one host of 10000"] {
        if let Some(all) = ratio(&of(routes), &of("one host of 1")) {
            println!("measured: {routes}: {:.3} of one host of 1", median(&all));
        }
    }
    let mut added = Report::default();
    for row in ["p50", "p99"] {
        let floor = latency.figures(row, Proxy::Direct);
        for proxy in PROXIES {
            for (through, floor) in latency.figures(row, proxy).iter().zip(&floor) {
                added.note(
                    &format!("{row}, added to {:.0} µs", median_of(latency, row)),
                    proxy,
                    through - floor,
                );
            }
        }
    }
    println!("Microseconds at 1,000 requests a second\n\n{}", added.table());
}

fn median_of(latency: &Report, row: &str) -> f64 {
    median(&latency.figures(row, Proxy::Direct))
}

/// Memory: at rest with all their routes, and for sockets on which nothing happens.
fn idle(sites: &[Site; 3]) -> Result<()> {
    for site in sites {
        let all: Vec<String> = PROXIES
            .iter()
            .map(|proxy| format!("{} {} MiB", proxy.name(), site.rivals.memory(*proxy) >> 10))
            .collect();
        println!(
            "measured: memory after all of it with {} routes: {}",
            site.previews,
            all.join(", ")
        );
    }
    let [few, ..] = sites;
    sockets::serve(few)?;
    let mut said = Vec::new();
    for proxy in PROXIES {
        let each = sockets::cost(few, proxy)?;
        said.push(format!("{} {each:.1} KiB", proxy.name()));
    }
    println!("measured: each of {} idle WebSockets: {}", sockets::SOCKETS, said.join(", "));
    Ok(())
}

#[test]
#[ignore = "needs beds and a quiet machine: cargo verify --long peers"]
fn long_edge_beside_nginx_and_haproxy() -> Outcome {
    block_on(compare())
}
