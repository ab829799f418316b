//! Answers that are being waited for in the background, and those that came: a reconcile never waits.

use std::{
    collections::HashMap,
    future::Future,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long an answer is remembered that nobody asks for again.
const MEMORY: Duration = Duration::from_hours(1);

/// Answers by question.
pub(crate) struct Answers<Q, A> {
    slots: Arc<Mutex<HashMap<Q, Slot<A>>>>,
}

struct Slot<A> {
    answer: Option<A>,
    asking: bool,
    touched: Instant,
}

impl<Q, A> Default for Answers<Q, A> {
    fn default() -> Self {
        Self { slots: Arc::default() }
    }
}

impl<Q, A> Answers<Q, A>
where
    Q: Eq + Hash + Clone + Send + 'static,
    A: Clone + Send + 'static,
{
    /// Every answer to the questions that are chosen.
    pub(crate) fn all(&self, chosen: impl Fn(&Q) -> bool) -> Vec<(Q, A)> {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots
            .iter()
            .filter(|(question, _)| chosen(question))
            .filter_map(|(question, slot)| Some((question.clone(), slot.answer.clone()?)))
            .collect()
    }

    /// Asks, unless the same is being asked already; `then` is called when the answer is there.
    pub(crate) fn ask(
        &self,
        question: Q,
        answer: impl Future<Output = A> + Send + 'static,
        then: impl FnOnce() + Send + 'static,
    ) {
        {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            slots.retain(|_, slot| slot.asking || slot.touched.elapsed() < MEMORY);
            let empty = Slot { answer: None, asking: false, touched: Instant::now() };
            let slot = slots.entry(question.clone()).or_insert(empty);
            if slot.asking {
                return;
            }
            slot.asking = true;
        }
        let slots = Arc::clone(&self.slots);
        tokio::spawn(async move {
            let answer = answer.await;
            {
                let mut slots = slots.lock().unwrap_or_else(PoisonError::into_inner);
                let slot = Slot { answer: Some(answer), asking: false, touched: Instant::now() };
                slots.insert(question, slot);
            }
            then();
        });
    }
}
