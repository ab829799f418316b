//! Following a supervisor from outside: its state file is looked at, its steps are printed.

use std::{path::Path, thread, time::Duration};

use crate::{
    command,
    error::{Error, Result},
    process,
    progress::{self, Progress},
    state::State,
};

/// How often the supervisor's state is looked at.
pub(super) const LOOK_INTERVAL: Duration = Duration::from_millis(30);

/// Prints each step of the supervisor as it ends; returns when the bed is ready.
pub(super) fn follow(folder: &Path, progress: &Progress) -> Result<()> {
    let mut printed = 0;
    let mut running: Option<(String, progress::Step)> = None;
    loop {
        let state = State::read(folder)?.unwrap_or_default();
        let over = running.take_if(|(name, _)| state.current.as_ref() != Some(name));
        if let Some((_, step)) = over {
            step.quietly();
        }
        // Steps of one name are counted together, so the last one may still grow.
        let growing =
            state.steps.last().is_some_and(|last| state.current.as_ref() == Some(&last.name));
        let settled = state.steps.len() - usize::from(growing);
        for step in state.steps.iter().take(settled).skip(printed) {
            progress.line(&progress::line(
                "ok",
                &step.name,
                Duration::from_secs_f64(step.seconds),
                "",
            ));
        }
        printed = printed.max(settled);
        if let Some(failure) = state.failed {
            return Err(Error::Bed(failure));
        }
        if state.ready {
            return Ok(());
        }
        if process::supervisor(folder)?.is_none() {
            let tail = command::last_lines_of(&folder.join("logs/supervisor.log"), 10);
            return Err(Error::Bed(format!("the bed's first process ended:\n{tail}")));
        }
        if let (None, Some(current)) = (&running, &state.current) {
            running = Some((current.clone(), progress.step(current.clone())));
        }
        if let Some((_, step)) = &running {
            step.at("waiting");
        }
        thread::sleep(LOOK_INTERVAL);
    }
}
