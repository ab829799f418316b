//! The last moment of a connection: until when the end waits for somebody who may yet ask for something.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::Edge;

/// How long a connection may take at the very end to ask for something: it may have been taken just then.
const FIRST: Duration = Duration::from_secs(1);

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(10);

/// When a connection saw the end come.
#[derive(Debug, Default)]
pub(crate) struct Last(OnceLock<Instant>);

impl Last {
    /// When whoever has not asked for anything is waited for no longer: the same moment, however often and in whatever
    /// part of its beginning a connection asks.
    pub(crate) async fn moment(&self, edge: &Edge) {
        edge.drain.closing().await;
        let seen = *self.0.get_or_init(Instant::now);
        tokio::time::sleep_until(seen + FIRST).await;
    }

    /// When somebody who came at the last moment has asked, or will not.
    pub(crate) async fn request(&self, edge: &Edge, asked: &AtomicUsize) {
        let asks = async {
            edge.drain.closing().await;
            while asked.load(Ordering::Relaxed) == 0 {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::select! {
            () = asks => {}
            () = self.moment(edge) => {}
        }
    }

    /// When it is over for somebody who never asked, or said half of something. Whoever asked is served to the end, and
    /// hyper then waits for no more.
    pub(crate) async fn silence(&self, edge: &Edge, asked: &AtomicUsize) {
        self.moment(edge).await;
        if asked.load(Ordering::Relaxed) > 0 {
            std::future::pending::<()>().await;
        }
    }
}
