//! The end of the process in three steps, so that no request is lost: first every answer asks its client not to
//! come back on the same connection, then connections are closed when they are idle, then everything ends.

use std::time::Duration;

use tokio::sync::watch;

/// How long others may still send us new connections after they were told not to: whoever routes to us takes a
/// moment to hear it.
const NOTICE: Duration = Duration::from_secs(3);

/// How far the end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Serving,
    Leaving,
    Closing,
    Over,
}

/// How far the end is, for everybody who has to end. Whoever waits for a step is somebody the end waits for.
#[derive(Debug)]
pub(crate) struct Drain(watch::Sender<Step>);

/// Whoever holds it is waited for.
#[must_use = "nobody waits for what is dropped at once"]
#[derive(Debug)]
pub(crate) struct Stay(
    #[expect(dead_code, reason = "it counts while it is there")] watch::Receiver<Step>,
);

impl Default for Drain {
    fn default() -> Self {
        Self(watch::Sender::new(Step::Serving))
    }
}

impl Drain {
    /// Goes through the steps; `rest` is how long requests and tunnels under way may take. It is over sooner when
    /// nobody waits for it any more.
    pub(crate) async fn end(&self, rest: Duration) {
        self.0.send_replace(Step::Leaving);
        tokio::time::sleep(NOTICE).await;
        self.0.send_replace(Step::Closing);
        let _ = tokio::time::timeout(rest, self.0.closed()).await;
        self.0.send_replace(Step::Over);
    }

    /// Something the end waits for, from now until it is dropped.
    pub(crate) fn stay(&self) -> Stay {
        Stay(self.0.subscribe())
    }

    /// Whether answers ask their clients not to come back.
    pub(crate) fn is_leaving(&self) -> bool {
        *self.0.borrow() >= Step::Leaving
    }

    /// When idle connections close and no new ones are taken.
    pub(crate) async fn closing(&self) {
        self.reached(Step::Closing).await;
    }

    /// When everything ends.
    pub(crate) async fn over(&self) {
        self.reached(Step::Over).await;
    }

    async fn reached(&self, step: Step) {
        let mut steps = self.0.subscribe();
        // Whoever led is gone: so is everything.
        let _ = steps.wait_for(|now| *now >= step).await;
    }
}
