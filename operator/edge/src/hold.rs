//! Whether a request may go on now, must wait, or gets a page.

use std::{
    sync::{Arc, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use http::Request;
use understudy_crds::status::Phase;

use crate::{
    Edge,
    body::Passing,
    notes,
    page::Page,
    proxy::choose,
    rest::Wish,
    table::{Live, Preview, Route},
    visitor::{self, Visitor},
};

/// How long a request waits for the note that lets it pass, before it passes without: an API server that is
/// away stops no preview.
const NOTE: Duration = Duration::from_secs(2);

/// How often whoever waits looks again although nothing was said: a wake that could not be written is tried
/// again, and pods that were doubted are doubted no longer.
const LOOK: Duration = Duration::from_millis(500);

/// What becomes of a request.
pub(crate) enum Passage {
    /// It goes on to one of these pods, and is counted.
    Go(Arc<Live>, Passing),
    /// It gets a page.
    Page(Page, Visitor),
}

/// One of those who wait, counted while it does: by all, and by its preview.
struct Waiter<'edge>(&'edge Edge, &'edge Preview);

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Ordering::AcqRel);
        self.1.held.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Edge {
    /// Lets a request pass, or holds it until it may, or says what to show instead.
    pub(crate) async fn pass<B>(&self, route: &Arc<Route>, request: &Request<B>) -> Passage {
        let preview = &route.preview;
        if preview.under_way.load(Ordering::Acquire) >= self.limits.preview {
            let text = "Too many requests are under way at this preview. Try again in a moment.";
            return Passage::Page(Page::busy(text), Visitor::Program);
        }
        let visitor = visitor::visitor(request.method(), request.headers());
        let live = route.now();
        let now = u64::try_from(self.now().as_millis()).unwrap_or(u64::MAX);
        if now < preview.fresh.load(Ordering::Acquire) && choose(route, &live, &[]).is_some() {
            return Passage::Go(live, Passing::new(preview, visitor));
        }
        if visitor == Visitor::Onlooker {
            return onlooker(route, live);
        }
        // From here on it counts, so that nobody puts the preview to sleep while it waits.
        let passing = Passing::new(preview, visitor);
        self.wait(route, visitor, passing).await
    }

    async fn wait(&self, route: &Arc<Route>, visitor: Visitor, passing: Passing) -> Passage {
        let began = Instant::now();
        let mut changed = route.preview.changed.subscribe();
        let mut waiter = None;
        loop {
            changed.mark_unchanged();
            let passes = self.ask(route, began);
            let live = route.now();
            let standing = &live.view.standing;
            if standing.closed || self.has_left(route) {
                return Passage::Page(Page::closed(), visitor);
            }
            if (passes || self.enters(route)) && choose(route, &live, &[]).is_some() {
                return Passage::Go(live, passing);
            }
            let noting = !passes && !route.preview.is_asleep();
            if !noting && (visitor == Visitor::Navigation || !is_held(standing.phase)) {
                return Passage::Page(Page::standing(standing), visitor);
            }
            // A note is there in a moment, or does without: nobody queues for it.
            if waiter.is_none() && !noting {
                waiter = self.queue(&route.preview);
            }
            let left = self.limits.hold.saturating_sub(began.elapsed());
            if waiter.is_none() && !noting {
                let text = "Too many requests wait for previews to start. Try again in a moment.";
                return Passage::Page(Page::busy(text), visitor);
            }
            if left.is_zero() {
                return Passage::Page(Page::standing(standing), visitor);
            }
            let _ = tokio::time::timeout(left.min(LOOK), changed.changed()).await;
        }
    }

    /// Whether it may pass as far as sleep goes; writes what has to be written for that.
    fn ask(&self, route: &Route, began: Instant) -> bool {
        let preview = &route.preview;
        let wish = {
            let mut rest = preview.rest.lock().unwrap_or_else(PoisonError::into_inner);
            rest.ask(self.now(), self.limits.interval)
        };
        match wish {
            Wish::Pass => true,
            Wish::PassAndNote => {
                notes::write(self, preview, false);
                true
            }
            Wish::Note => {
                notes::write(self, preview, false);
                false
            }
            Wish::Wake => {
                notes::write(self, preview, true);
                false
            }
            Wish::Wait => !preview.is_asleep() && began.elapsed() >= NOTE,
        }
    }

    fn enters(&self, route: &Route) -> bool {
        let rest = route.preview.rest.lock().unwrap_or_else(PoisonError::into_inner);
        rest.enters(self.now(), self.limits.interval)
    }

    fn queue<'edge>(&'edge self, preview: &'edge Preview) -> Option<Waiter<'edge>> {
        let all = self.held.fetch_add(1, Ordering::AcqRel);
        let own = preview.held.fetch_add(1, Ordering::AcqRel);
        let waiter = Waiter(self, preview);
        // No preview takes the places of all others.
        if all >= self.limits.held || own >= (self.limits.held / 10).max(1) {
            return None;
        }
        self.metrics.held.inc();
        Some(waiter)
    }

    /// Whether the preview went while somebody waited for it.
    fn has_left(&self, route: &Route) -> bool {
        self.table.preview(&route.preview.uid).is_none()
    }
}

/// Whether pods may come soon, so that a program is better off waiting than being refused.
const fn is_held(phase: Phase) -> bool {
    matches!(phase, Phase::Asleep | Phase::Ready | Phase::Checking | Phase::Deploying)
}

fn onlooker(route: &Arc<Route>, live: Arc<Live>) -> Passage {
    if live.view.standing.closed {
        return Passage::Page(Page::closed(), Visitor::Onlooker);
    }
    if route.preview.is_asleep() {
        return Passage::Page(Page::asleep(&live.view.standing), Visitor::Onlooker);
    }
    if choose(route, &live, &[]).is_some() {
        return Passage::Go(live, Passing::new(&route.preview, Visitor::Onlooker));
    }
    Passage::Page(Page::standing(&live.view.standing), Visitor::Onlooker)
}

#[cfg(test)]
mod tests;
