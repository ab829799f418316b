//! The first process of a bed, and the parent of all others: it carries out the plan, buries the dead,
//! and writes down what happened.
//!
//! It decides nothing about Kubernetes, and nobody talks to it: whoever wants to know reads its state
//! file. When it ends, the kernel ends everything in its PID namespace and takes the mounts and the
//! network along, so a bed can always be ended by one signal to one process.

use std::{
    collections::BTreeMap,
    fs::File,
    net::{SocketAddr, TcpStream},
    os::fd::AsFd,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fs::Mode,
    process::{Pid, Signal, WaitOptions, kill_process, wait},
};

use crate::{
    command,
    error::{Error, Result},
    plan::{Plan, Step},
    state::{PartState, State, StepTime},
};

/// How often children that ended are looked for.
const REAP_INTERVAL: Duration = Duration::from_millis(10);
/// How long to wait between two tries of the same step.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// How long a program that is run once may take, in seconds.
const LONGEST_RUN: u64 = 120;
/// How long a single dial may take.
const DIAL_TIMEOUT: Duration = Duration::from_millis(500);

struct Supervisor {
    folder: PathBuf,
    shared: Arc<Mutex<Shared>>,
}

/// Everything two threads touch; children are only started and buried while it is held, so a child
/// that ends at once is never unknown.
struct Shared {
    state: State,
    running: BTreeMap<i32, String>,
    ended: BTreeMap<i32, String>,
}

/// What the log of a part, or of a step, is called.
pub fn log_name(name: &str) -> String {
    let words = name.split(|letter: char| !letter.is_ascii_alphanumeric());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
}

/// Takes the lock that says that this bed lives, to those too who cannot see our process.
fn alive(folder: &Path) -> Result<File> {
    let path = alive_path(folder);
    let file = File::create(&path).map_err(Error::touch("write", &path))?;
    file.try_lock().map_err(|_| Error::Bed("another supervisor has this bed".to_owned()))?;
    Ok(file)
}

/// The file whose lock is held as long as the bed in that folder lives: among the locks of its cache,
/// since the folder itself is removed and made again.
pub fn alive_path(folder: &Path) -> PathBuf {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let cache = folder.parent().and_then(Path::parent).unwrap_or(folder);
    cache.join("locks").join(format!("alive-{name}.lock"))
}

/// Carries out the plan of that folder and then stays for ever.
pub fn supervise(folder: &Path) -> Result<()> {
    rustix::process::umask(Mode::from_raw_mode(0o022));
    let _alive = alive(folder)?;
    let plan_path = folder.join("plan.json");
    let text = std::fs::read(&plan_path).map_err(Error::touch("read", &plan_path))?;
    let plan: Plan =
        serde_json::from_slice(&text).map_err(|source| Error::Parse { path: plan_path, source })?;
    let state = State { plan: plan.key()?, ..State::default() };
    let shared = Shared { state, running: BTreeMap::new(), ended: BTreeMap::new() };
    let supervisor =
        Supervisor { folder: folder.to_path_buf(), shared: Arc::new(Mutex::new(shared)) };
    supervisor.write_state(&supervisor.lock())?;
    let reaper =
        Supervisor { folder: folder.to_path_buf(), shared: Arc::clone(&supervisor.shared) };
    thread::spawn(move || reaper.reap_for_ever());
    let steps = plan.steps.iter().try_for_each(|step| supervisor.timed(step));
    let outcome = steps.and_then(|()| supervisor.check_parts("the last step"));
    {
        let mut shared = supervisor.lock();
        match &outcome {
            Ok(()) => shared.state.ready = true,
            Err(error) => shared.state.failed = Some(error.to_string()),
        }
        shared.state.current = None;
        supervisor.write_state(&shared)?;
    }
    loop {
        thread::park();
    }
}

impl Supervisor {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_state(&self, shared: &Shared) -> Result<()> {
        shared.state.write(&self.folder)
    }

    fn timed(&self, step: &Step) -> Result<()> {
        let started = Instant::now();
        let name = match step {
            Step::Start { .. } => None,
            Step::Run { name, .. } | Step::Dial { name, .. } => Some(name.clone()),
        };
        if let Some(name) = &name {
            let mut shared = self.lock();
            shared.state.current = Some(name.clone());
            self.write_state(&shared)?;
        }
        let outcome = match step {
            Step::Start { part, argv, inherits_listener } => {
                self.start(part, argv, *inherits_listener)
            }
            Step::Run { name, argv, seconds } => self.run(name, argv, *seconds),
            Step::Dial { name, address, seconds } => self.dial(name, address, *seconds),
        };
        if let (Some(name), Ok(())) = (name, &outcome) {
            let mut shared = self.lock();
            shared.state.took(StepTime { name, seconds: started.elapsed().as_secs_f64() });
            self.write_state(&shared)?;
        }
        outcome
    }

    fn log_path(&self, name: &str) -> PathBuf {
        let file = log_name(name);
        self.folder.join("logs").join(format!("{file}.log"))
    }

    /// Starts a program with its output in a log file; its end is noted by the reaper.
    fn spawn(&self, name: &str, argv: &[String], listener: bool) -> Result<i32> {
        let log_path = self.log_path(name);
        let log = File::options()
            .create(true)
            .append(true)
            .open(&log_path)
            .map_err(Error::touch("write", &log_path))?;
        let errors = log.try_clone().map_err(Error::touch("write", &log_path))?;
        let Some((program, words)) = argv.split_first() else {
            return Err(Error::Bed(format!("step `{name}` names no program")));
        };
        let input = if listener {
            let ours = std::io::stdin().as_fd().try_clone_to_owned();
            Stdio::from(ours.map_err(Error::kernel("pass the listener on"))?)
        } else {
            Stdio::null()
        };
        let mut command = Command::new(program);
        command.args(words).stdin(input).stdout(log).stderr(errors).current_dir(&self.folder);
        let mut shared = self.lock();
        let child =
            command.spawn().map_err(|source| Error::Spawn { program: program.clone(), source })?;
        let pid =
            i32::try_from(child.id()).map_err(|_| Error::Bed("a PID out of range".to_owned()))?;
        shared.running.insert(pid, name.to_owned());
        Ok(pid)
    }

    fn start(&self, part: &str, argv: &[String], listener: bool) -> Result<()> {
        let pid = self.spawn(part, argv, listener)?;
        let mut shared = self.lock();
        let exit = shared.ended.get(&pid).cloned();
        shared.state.parts.insert(part.to_owned(), PartState { pid, exit });
        self.write_state(&shared)
    }

    fn run(&self, name: &str, argv: &[String], seconds: u64) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(seconds.max(LONGEST_RUN));
        let again = Instant::now() + Duration::from_secs(seconds);
        loop {
            let pid = self.spawn(name, argv, false)?;
            let exit = self.end_of(pid, name, deadline)?;
            if exit == "exit code 0" {
                return Ok(());
            }
            self.check_parts(name)?;
            if Instant::now() >= again {
                return Err(self.told(name, &format!("`{name}` failed ({exit})")));
            }
            thread::sleep(RETRY_INTERVAL);
        }
    }

    fn dial(&self, name: &str, address: &str, seconds: u64) -> Result<()> {
        let address: SocketAddr =
            address.parse().map_err(|_| Error::Bed(format!("`{address}` is no address")))?;
        let deadline = Instant::now() + Duration::from_secs(seconds);
        while TcpStream::connect_timeout(&address, DIAL_TIMEOUT).is_err() {
            self.check_parts(name)?;
            if Instant::now() >= deadline {
                return Err(Error::Bed(format!("`{name}` did not happen within {seconds} s")));
            }
            thread::sleep(RETRY_INTERVAL);
        }
        Ok(())
    }

    /// Waits for the end of that child; one that takes too long, or whose part died meanwhile, is killed.
    fn end_of(&self, pid: i32, name: &str, deadline: Instant) -> Result<String> {
        loop {
            if let Some(exit) = self.lock().ended.remove(&pid) {
                return Ok(exit);
            }
            let trouble = self.check_parts(name).err().or_else(|| {
                let late = Instant::now() >= deadline;
                late.then(|| self.told(name, &format!("`{name}` did not end in time")))
            });
            if let Some(trouble) = trouble {
                // It is our child and not yet buried, so the PID is still its own.
                let _ = Pid::from_raw(pid).map(|pid| kill_process(pid, Signal::KILL));
                return Err(trouble);
            }
            thread::sleep(REAP_INTERVAL);
        }
    }

    /// A part that ended while we wait for another is the real cause: it is named.
    fn check_parts(&self, waiting_for: &str) -> Result<()> {
        let dead = self.lock().state.dead_parts().into_iter().next();
        dead.map_or(Ok(()), |(part, exit)| {
            Err(self
                .told(&part, &format!("{part} ended ({exit}) while waiting for: {waiting_for}")))
        })
    }

    fn told(&self, log: &str, what: &str) -> Error {
        let path = self.log_path(log);
        Error::Bed(format!(
            "{what}; the end of {}:\n{}",
            path.display(),
            command::last_lines_of(&path, 15)
        ))
    }

    fn reap_for_ever(&self) {
        // Until it is written: a disk that is full now may have room later.
        let mut changed = false;
        loop {
            {
                let mut shared = self.lock();
                while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
                    let pid = pid.as_raw_nonzero().get();
                    let exit = match (status.exit_status(), status.terminating_signal()) {
                        (Some(code), _) => format!("exit code {code}"),
                        (_, Some(signal)) => format!("signal {signal}"),
                        _ => continue,
                    };
                    // Orphans of containers are buried without a word.
                    let Some(name) = shared.running.remove(&pid) else {
                        continue;
                    };
                    if let Some(part) = shared.state.parts.get_mut(&name) {
                        part.exit = Some(exit);
                        changed = true;
                    } else {
                        shared.ended.insert(pid, exit);
                    }
                }
                if changed {
                    changed = self.write_state(&shared).is_err();
                }
            }
            thread::sleep(REAP_INTERVAL);
        }
    }
}
