//! Answers that are being waited for in the background, and those that came: a reconcile never waits.

use std::{
    collections::{BTreeSet, HashMap},
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
    /// While it is being asked: the UIDs of those who are told when the answer is there.
    asking: Option<BTreeSet<String>>,
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

    /// Asks, unless the same is being asked already; either way the asker is told when the answer is there.
    pub(crate) fn ask(
        &self,
        question: Q,
        answer: impl Future<Output = A> + Send + 'static,
        (asker, tell): (&str, impl Fn(&str) + Send + 'static),
    ) {
        {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            slots.retain(|_, slot| slot.asking.is_some() || slot.touched.elapsed() < MEMORY);
            let empty = Slot { answer: None, asking: None, touched: Instant::now() };
            let slot = slots.entry(question.clone()).or_insert(empty);
            let under_way = slot.asking.is_some();
            slot.asking.get_or_insert_default().insert(asker.to_owned());
            if under_way {
                return;
            }
        }
        let slots = Arc::clone(&self.slots);
        tokio::spawn(async move {
            let answer = answer.await;
            let slot = Slot { answer: Some(answer), asking: None, touched: Instant::now() };
            let before = {
                let mut slots = slots.lock().unwrap_or_else(PoisonError::into_inner);
                slots.insert(question, slot)
            };
            let waited = before.and_then(|before| before.asking);
            waited.into_iter().flatten().for_each(|asker| tell(&asker));
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::{mpsc, oneshot};

    use super::Answers;

    #[tokio::test]
    async fn everybody_who_asks_the_same_is_told_once() {
        let answers: Answers<&str, u32> = Answers::default();
        let (answer, given) = oneshot::channel();
        let (tell, mut told) = mpsc::unbounded_channel();
        let tell = move |asker: &str| tell.send(asker.to_owned()).expect("somebody listens");
        let slow = async { given.await.unwrap_or_default() };
        answers.ask("tag", slow, ("first", tell.clone()));
        for _ in 0..2 {
            answers.ask("tag", async { 0 }, ("second", tell.clone()));
        }
        answer.send(7).expect("somebody waits");
        for expected in ["first", "second"] {
            let next = tokio::time::timeout(Duration::from_secs(5), told.recv()).await;
            assert_eq!(next, Ok(Some(expected.to_owned())));
        }
        assert!(told.try_recv().is_err(), "once each");
        assert_eq!(answers.all(|_| true), [("tag", 7)]);
    }
}
