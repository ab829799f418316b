//! `cargo bed`: what people type, and what is printed for it.

mod doctor;
mod foreign;
mod inside;
mod inspect;

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

use crate::{
    bed::Bed,
    error::{Error, Result},
    home::Home,
    lifecycle, net, part, preflight,
    profile::Profile,
    progress::{Progress, spoken},
    supervisor,
};

/// Real Kubernetes clusters on a bare machine, from one command.
///
/// A bed is a cluster of your own in its own network, mount and PID namespaces: nothing of it reaches
/// the host, several run side by side, and one command removes it without a trace.
#[derive(Debug, Parser)]
#[command(name = "cargo bed", bin_name = "cargo bed", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Bring a bed up, building what it is made of where that is not cached
    Up(Up),
    /// End a bed and remove all of it
    Down {
        #[command(flatten)]
        which: Which,
        /// Every bed of this cache
        #[arg(long, conflicts_with = "name")]
        all: bool,
    },
    /// Say how each bed is; exit code 1 if one is broken
    Status {
        #[command(flatten)]
        which: Which,
    },
    /// Print the path of the kubeconfig file
    Kubeconfig {
        #[command(flatten)]
        which: Which,
    },
    /// Print the log of a part (without PART: say which there are)
    Logs {
        /// A part, such as kube-apiserver, or a step of coming up
        part: Option<String>,
        /// Only that many lines from the end
        #[arg(long, value_name = "LINES")]
        tail: Option<usize>,
        #[command(flatten)]
        which: Which,
    },
    /// Push an image archive (OCI, or of `docker save`) to the bed's registry
    Load {
        /// The archive
        archive: PathBuf,
        /// Its name in the registry, such as shop/api:1; by default the file's name
        #[arg(long)]
        tag: Option<String>,
        #[command(flatten)]
        which: Which,
    },
    /// Build a Dockerfile with buildah and push the image to the bed's registry
    Build {
        /// The folder with the Dockerfile; it may say `FROM debian:12` or `FROM busybox`
        folder: PathBuf,
        /// Its name in the registry, such as shop/api:1
        #[arg(long)]
        tag: String,
        #[command(flatten)]
        which: Which,
        /// More words for `buildah bud`, such as --build-arg=NAME=VALUE or --build-context=NAME=FOLDER
        #[arg(last = true)]
        more: Vec<String>,
    },
    /// Run a command inside the bed's network, mounts and PID namespace, with KUBECONFIG set
    Run {
        #[command(flatten)]
        which: Which,
        /// The command and its words
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<String>,
    },
    /// Carry connections between this machine and the bed, until interrupted
    Forward {
        /// HOST=BED: this address of the host leads to that one in the bed (127.0.0.1:8080=198.19.0.20:80)
        #[arg(required_unless_present = "expose")]
        forwards: Vec<String>,
        /// BED=HOST: this address of the bed leads to that one of the host (198.18.255.10:80=127.0.0.1:8000)
        #[arg(long, value_name = "BED=HOST")]
        expose: Vec<String>,
        #[command(flatten)]
        which: Which,
    },
    /// Say what this machine has and lacks for beds
    Doctor,
    /// Build a part on its own and print the path of its program
    Part {
        /// kubernetes, etcd, kwok, coredns, kube-router, pause, helm or h2spec
        name: String,
    },
    /// Roles inside a bed; not for people
    #[command(hide = true)]
    Inner {
        #[command(subcommand)]
        role: Inner,
    },
}

#[derive(Debug, Args)]
struct Up {
    /// control, fleet or node
    #[arg(long, default_value = "control")]
    profile: Profile,
    /// The bed's name; by default what `UNDERSTUDY_BED` says, or its profile's
    #[arg(long)]
    name: Option<String>,
    /// The API server's port at 127.0.0.1; by default any free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Use the cluster of this kubectl context instead of making one
    #[arg(long, conflicts_with = "port")]
    context: Option<String>,
}

#[derive(Debug, Args)]
struct Which {
    /// The bed; may be left out while there is only one, or `UNDERSTUDY_BED` names it
    #[arg(long)]
    name: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Inner {
    Supervise { folder: PathBuf },
    Forward { to: String },
    Listen { addresses: Vec<String> },
    EndWith { pid: i32 },
}

impl Cli {
    /// Carries the command out; the exit code of `run` is that of its command.
    pub fn run(self) -> Result<ExitCode> {
        if let Command::Inner { role } = self.command {
            return inner(role).map(|()| ExitCode::SUCCESS);
        }
        let home = Home::find()?;
        match self.command {
            Command::Up(request) => up(&home, request)?,
            Command::Down { which, all } => down(&home, which, all)?,
            Command::Status { which } => return inspect::status(&home, which.name.as_deref()),
            Command::Kubeconfig { which } => {
                print(&which.bed(&home)?.kubeconfig().display().to_string());
            }
            Command::Logs { part, tail, which } => {
                inspect::logs(&home.beds().join(which.resolved(&home)?), part.as_deref(), tail)?;
            }
            Command::Load { archive, tag, which } => {
                print(&crate::image::load(&home, &which.bed(&home)?, &archive, tag.as_deref())?);
            }
            Command::Build { folder, tag, which, more } => {
                print(&crate::image::build(&home, &which.bed(&home)?, &folder, &tag, &more)?);
            }
            Command::Run { which, command } => return inside::run(&which.bed(&home)?, &command),
            Command::Forward { forwards, expose, which } => {
                inside::forward(&which.bed(&home)?, &forwards, &expose)?;
            }
            Command::Doctor => return Ok(doctor::doctor(&home)),
            Command::Part { name } => print(&part_program(&home, &name)?.display().to_string()),
            Command::Inner { .. } => {}
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Which {
    /// The name that was given, or that of the only bed there is.
    fn resolved(self, home: &Home) -> Result<String> {
        if let Some(name) = self.name.or_else(named_by_environment) {
            lifecycle::check_name(&name)?;
            return Ok(name);
        }
        let names: Vec<String> =
            lifecycle::reports(home)?.into_iter().map(|one| one.name).collect();
        match names.as_slice() {
            [only] => Ok(only.clone()),
            [] => Err(Error::Refuse("no bed is up: `cargo bed up --profile control`".to_owned())),
            several => Err(Error::Refuse(format!(
                "several beds are up ({}): say which with `--name`",
                several.join(", ")
            ))),
        }
    }

    fn bed(self, home: &Home) -> Result<Bed> {
        Bed::attach_in(home, &self.resolved(home)?)
    }
}

/// The bed that the environment names; clap would count it as typed, and as a conflict with `--all`.
fn named_by_environment() -> Option<String> {
    std::env::var("UNDERSTUDY_BED").ok().filter(|name| !name.is_empty())
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-".contains(letter);
    if word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Prints a line; a reader that has gone away is no trouble of ours.
fn print(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn inner(role: Inner) -> Result<()> {
    match role {
        Inner::Supervise { folder } => {
            crate::cgroup::enter(&folder)?;
            supervisor::supervise(&folder)
        }
        Inner::Forward { to } => net::serve_inherited_listener(&to),
        Inner::Listen { addresses } => net::listen(&addresses),
        Inner::EndWith { pid } => crate::verify::end_with(pid),
    }
}

fn up(home: &Home, request: Up) -> Result<()> {
    let progress = Progress::new();
    let started = std::time::Instant::now();
    let name = request.name.or_else(named_by_environment);
    let name = name.unwrap_or_else(|| request.profile.to_string());
    if let Some(context) = request.context {
        foreign::adopt(home, &name, &context)?;
    } else {
        let assets = std::env::var_os("KUBEBUILDER_ASSETS")
            .filter(|path| !path.is_empty())
            .map(PathBuf::from);
        let (profile, port) = (request.profile, request.port);
        progress.line(&format!("bed `{name}`, profile {profile}"));
        lifecycle::up(
            home,
            &lifecycle::Request { name: name.clone(), profile, port, assets },
            &progress,
        )?;
    }
    let bed = Bed::attach_in(home, &name)?;
    progress.line(&format!("ready in {}", spoken(started.elapsed())));
    print(&format!("export KUBECONFIG={}", quoted(&bed.kubeconfig().display().to_string())));
    if bed.record().context.is_none() {
        progress
            .line(&format!("  look:  cargo bed run --name {name} -- kubectl get nodes,namespaces"));
    }
    progress.line(&format!("  end:   cargo bed down --name {name}"));
    Ok(())
}

fn down(home: &Home, which: Which, all: bool) -> Result<()> {
    let names = if all {
        lifecycle::reports(home)?.into_iter().map(|one| one.name).collect()
    } else {
        vec![which.resolved(home)?]
    };
    if names.is_empty() {
        eprintln!("no bed is up");
    }
    let mut outcome = Ok(());
    for name in names {
        let step = Progress::new().step(format!("bed `{name}`"));
        match lifecycle::down(home, &name) {
            Ok(true) => step.done("ended, nothing left"),
            Ok(false) => step.left_out(&inspect::no_such_bed(home, &name)),
            Err(error) => {
                outcome = Err(error);
                step.failed("")
            }
        };
    }
    outcome
}

fn part_program(home: &Home, name: &str) -> Result<PathBuf> {
    let Some(part) = part::ALL.iter().find(|part| part.name == name) else {
        let names: Vec<&str> = part::ALL.iter().map(|part| part.name).collect();
        return Err(Error::Refuse(format!(
            "there is no part `{name}`: choose {}",
            names.join(", ")
        )));
    };
    if !part.is_cached(home) {
        preflight::free_space(home, preflight::TO_BUILD)?;
    }
    let entry = part.ensure(home, &Progress::new())?;
    Ok(part.program(&entry))
}
