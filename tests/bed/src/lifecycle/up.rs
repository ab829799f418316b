//! Bringing a bed up: checks, parts, files, then the supervisor, whose steps are followed to the end.

use std::{
    env, fs,
    fs::File,
    net::TcpListener,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::fs::Mode;

use super::{
    check_name, down,
    follow::{LOOK_INTERVAL, follow},
    parts::Parts,
    present::already_up,
};
use crate::{
    bed::{Bed, Record},
    cgroup, digest,
    error::{Error, Result},
    home::{self, Home},
    net,
    plan::{self, Plan, Site},
    preflight, process,
    profile::Profile,
    progress::Progress,
    state::State,
};

/// How long a new supervisor may take to write its first state.
const FIRST_STATE: Duration = Duration::from_secs(10);

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// The bed's name.
    pub name: String,
    /// Its parts.
    pub profile: Profile,
    /// The port of this machine's loopback for the API server; 0 is any free one.
    pub port: u16,
    /// A folder with `etcd`, `kube-apiserver` and `kubectl` (`KUBEBUILDER_ASSETS`), for `control`.
    pub assets: Option<PathBuf>,
}

/// Brings the bed up, or finds that it is; returns when it is ready.
pub fn up(home: &Home, request: &Request, progress: &Progress) -> Result<Bed> {
    check_name(&request.name)?;
    preflight::root()?;
    // Images and volumes are read by pods of any user, whatever the caller's mask.
    rustix::process::umask(Mode::from_raw_mode(0o022));
    let _lock = home.lock(&format!("bed-{}", request.name), || {
        progress.line(&format!("  ..   waiting for another command on bed `{}`", request.name));
    })?;
    let folder = home.beds().join(&request.name);
    if let Some(bed) = already_up(home, request, &folder, progress)? {
        return Ok(bed);
    }
    let listener = net::loopback_listener(request.port)?;
    Parts::check(home, request)?;
    preflight::packages(&request.profile.packages(), progress)?;
    let parts = Parts::ensure(home, request, progress)?;
    // Whatever is there belongs to a run that did not get to its end.
    down::end(home, &request.name)?;
    home::remove_folder(&folder)?;
    let outcome =
        begin(request, &folder, parts, listener, progress).and_then(|()| follow(&folder, progress));
    if let Err(error) = outcome {
        // The folder stays for its logs; nothing else does. What went wrong first is what is told.
        let _ = down::end(home, &request.name);
        return Err(error);
    }
    Bed::attach_in(home, &request.name)
}

/// Writes every file of the bed and launches its supervisor.
fn begin(
    request: &Request,
    folder: &Path,
    parts: Parts,
    listener: TcpListener,
    progress: &Progress,
) -> Result<()> {
    let step = progress.step("certificates and configuration");
    home::make_folder(folder)?;
    let bed_program = own_program(folder)?;
    let has_controller_manager = parts.programs.contains_key("kube-controller-manager");
    let site = Site {
        name: request.name.clone(),
        profile: request.profile,
        folder: folder.to_path_buf(),
        bed_program,
        programs: parts.programs,
        has_controller_manager,
    };
    let plan = plan::prepare(&site, parts.seed.as_deref())?;
    let port = listener.local_addr().map_err(Error::kernel("read the listener's port"))?.port();
    let server = format!("https://127.0.0.1:{port}");
    let kubeconfig = plan::pki::kubeconfig(&site, "admin", "kubeconfig", &server)?;
    let record = Record {
        name: request.name.clone(),
        profile: request.profile,
        kubectl: site.program("kubectl").into(),
        kubeconfig: kubeconfig.into(),
        port,
        made_by: digest::of_file(&site.bed_program)?,
        context: None,
    };
    home::write_json(&folder.join("bed.json"), &record)?;
    home::write_json(&folder.join("plan.json"), &plan)?;
    if request.profile == Profile::Node {
        plan::MOUNT_POINTS.iter().try_for_each(|point| home::make_folder(Path::new(point)))?;
    }
    cgroup::make(folder)?;
    launch(&site, &plan, listener)?;
    step.done(if has_controller_manager { "" } else { "without a controller manager" });
    Ok(())
}

/// Our own program inside the bed's folder: a rebuild of it must not reach a running bed.
fn own_program(folder: &Path) -> Result<PathBuf> {
    let path = folder.join("bed");
    // Not by its path: a rebuild may have replaced it since we were started.
    fs::copy("/proc/self/exe", &path).map_err(Error::touch("copy our program to", &path))?;
    Ok(path)
}

/// Starts the supervisor in namespaces of its own. `setsid` keeps the terminal's signals away: a bed
/// goes on coming up when the command that asked for it is interrupted.
fn launch(site: &Site, plan: &Plan, listener: TcpListener) -> Result<()> {
    let path = site.folder.join("logs/supervisor.log");
    let log = File::create(&path).map_err(Error::touch("write", &path))?;
    let errors = log.try_clone().map_err(Error::touch("write", &path))?;
    let mut command = Command::new("setsid");
    command
        .args([
            "unshare",
            "--mount",
            "--propagation=private",
            "--net",
            "--pid",
            "--fork",
            "--mount-proc",
        ])
        .arg(&site.bed_program)
        .args(process::SUPERVISE)
        .arg(&site.folder)
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .stdout(log)
        .stderr(errors)
        .current_dir("/")
        // Proxies, another KUBECONFIG, a temporary folder: none of the user's settings are the bed's.
        .env_clear()
        .env("PATH", env::var_os("PATH").unwrap_or_default())
        .env("HOME", &site.folder);
    let mut child =
        command.spawn().map_err(|source| Error::Spawn { program: "unshare".to_owned(), source })?;
    // The launcher lives as long as the bed; somebody has to bury it while we are here.
    thread::spawn(move || child.wait());
    let key = plan.key()?;
    let deadline = Instant::now() + FIRST_STATE;
    while State::read(&site.folder)?.is_none_or(|state| state.plan != key) {
        if Instant::now() > deadline {
            let tail = crate::command::last_lines_of(&path, 10);
            return Err(Error::Bed(format!("the bed's first process did not start:\n{tail}")));
        }
        thread::sleep(LOOK_INTERVAL);
    }
    Ok(())
}
