//! Tells what lasts that the program ends, and waits until it has said goodbye: nothing else would end a connection
//! that is meant to stay.

use std::time::Duration;

use tokio::{sync::watch, time::timeout};

/// How long saying goodbye may take: a peer that does not listen holds nobody up.
const GOODBYE: Duration = Duration::from_millis(300);

/// What falls once, for everybody.
#[derive(Debug, Clone, Default)]
pub(crate) struct Curtain(watch::Sender<bool>);

/// Held by whatever lasts, for as long as it does.
#[derive(Debug)]
pub(crate) struct Seat(watch::Receiver<bool>);

impl Curtain {
    /// A seat before it. Whoever comes late hears at once.
    pub(crate) fn seat(&self) -> Seat {
        Seat(self.0.subscribe())
    }

    /// Tells everybody, and waits until all have left.
    pub(crate) async fn fall(&self) {
        self.0.send_replace(true);
        // Those who stay longer are left behind.
        let _ = timeout(GOODBYE, self.0.closed()).await;
    }
}

impl Seat {
    /// Waits for the fall.
    pub(crate) async fn over(&mut self) {
        // No curtain left to fall is the end as well.
        let _ = self.0.wait_for(|fallen| *fallen).await;
    }
}
