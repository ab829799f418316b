//! What a person sees while long work runs: a moving line on a terminal, plain lines elsewhere.
//!
//! Every step ends as one line with its time. Off a terminal a step that takes long says so every
//! half minute, so that a log shows that something happens.

use std::{
    io::IsTerminal,
    sync::Mutex,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// How often a long step speaks when there is no terminal.
const PLAIN_INTERVAL: Duration = Duration::from_secs(30);

/// Names steps, times them and prints a line for each.
#[derive(Debug)]
pub struct Progress {
    terminal: bool,
    quiet: bool,
}

/// A step under way.
#[derive(Debug)]
pub struct Step {
    name: String,
    started: Instant,
    bar: Option<ProgressBar>,
    quiet: bool,
    last_line: Mutex<Instant>,
}

impl Progress {
    /// Prints to standard error: moving lines if it is a terminal, plain ones if not.
    pub fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), quiet: false }
    }

    /// Prints nothing at all.
    pub const fn silent() -> Self {
        Self { terminal: false, quiet: true }
    }

    /// Begins a step.
    pub fn step(&self, name: impl Into<String>) -> Step {
        let name = name.into();
        let bar = (self.terminal && !self.quiet).then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("  {spinner} {msg} ({elapsed})") {
                bar.set_style(style);
            }
            bar.set_message(name.clone());
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        let now = Instant::now();
        Step { name, started: now, bar, quiet: self.quiet, last_line: Mutex::new(now) }
    }

    /// Prints a line of its own.
    pub fn line(&self, text: &str) {
        if !self.quiet {
            eprintln!("{text}");
        }
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Step {
    /// Says how far the step is, for instance `812 of 1893 packages`.
    pub fn at(&self, position: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{}: {position}", self.name));
            return;
        }
        let Ok(mut last) = self.last_line.lock() else {
            return;
        };
        if !self.quiet && last.elapsed() >= PLAIN_INTERVAL {
            *last = Instant::now();
            eprintln!("  ..   {}: {position}, {}", self.name, spoken(self.started.elapsed()));
        }
    }

    /// Ends the step well.
    pub fn done(self, note: &str) -> Duration {
        self.end("ok", note)
    }

    /// Ends the step badly.
    pub fn failed(self, note: &str) -> Duration {
        self.end("FAIL", note)
    }

    /// Ends the step without having done it.
    pub fn left_out(self, note: &str) -> Duration {
        self.end("skip", note)
    }

    /// Ends the step without a line: somebody else prints it.
    pub fn quietly(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn end(self, word: &str, note: &str) -> Duration {
        let elapsed = self.started.elapsed();
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if !self.quiet {
            eprintln!("{}", line(word, &self.name, elapsed, note));
        }
        elapsed
    }
}

/// One finished step as a line of text.
pub fn line(word: &str, name: &str, elapsed: Duration, note: &str) -> String {
    format!("  {word:<4} {name:<44} {:>8}  {note}", spoken(elapsed)).trim_end().to_owned()
}

/// A duration as people say it: `0.4 s`, `2 min 07 s`.
pub fn spoken(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 60 {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    }
}
