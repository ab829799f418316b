//! What a collector does at the end: what is new is sent, reports before everything else; then the manifest, once.

use std::time::Duration;

use futures::{StreamExt, stream};
use jiff::Timestamp;
use tokio::time::Instant;
use understudy_core::evidence::{
    CollectedReport, LastWords, Manifest, Outcome, Run, Summary, VERSION,
};

use super::{
    address::{self, Filed, Patience, Trouble},
    choose::Absent,
    gather::{BESIDE, Collection, Undelivered},
    look::{Found, Kind},
    read::Known,
};

/// The parts of the time that are kept for the manifest: this one from artifacts, half of it from reports.
const KEPT: u32 = 5;

/// After the address lost files, before they are sent again.
const AGAIN: Duration = Duration::from_millis(500);

/// Why a run cannot be proved; each is one sentence for the person whose check it is.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unproved {
    /// Nobody was there to take the results.
    #[error("the evidence address {0} did not answer for {1} s")]
    Reach(String, u64),
    /// It did not do what it must.
    #[error("the evidence address {0} {1}")]
    Send(String, #[source] Trouble),
    /// There are more reports, or larger ones, than can be read in time.
    #[error("the reports could not be read within {0} s")]
    Read(u64),
    /// The manifest is too much for a machine's memory, or the reading of the folder ended in a fault of ours.
    #[error("the results could not be looked through")]
    Look,
    /// It names files as missing that it never was given, or again and again.
    #[error("the evidence address {0} kept asking for files that it was sent")]
    Keep(String),
}

/// How long there is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Time {
    began: Instant,
    whole: Duration,
}

impl Time {
    /// From now on.
    pub(super) fn begin(whole: Duration) -> Self {
        Self { began: Instant::now(), whole }
    }

    pub(super) fn end(&self) -> Instant {
        self.began + self.whole
    }

    /// Until when files of that kind are sent.
    fn until(&self, kind: Kind) -> Instant {
        let kept = self.whole / KEPT;
        self.end() - if kind == Kind::Report { kept / 2 } else { kept }
    }
}

impl Collection {
    /// Sends the rest and the manifest; what is to be said last.
    pub(super) async fn finish(&mut self, time: Time) -> LastWords {
        match self.proved(time).await {
            Ok(summary) => LastWords::Stored(summary),
            Err(unproved) => LastWords::failed(&unproved.to_string()),
        }
    }

    async fn proved(&mut self, time: Time) -> Result<Summary, Unproved> {
        let run = if let Some(run) = self.run.clone().filter(|run| !run.is_final) {
            run
        } else {
            let asked = Patience::Until(time.end()).ask(|| address::run(&self.wire));
            asked.await.map_err(|trouble| self.unproved(trouble, time))?
        };
        if run.is_final {
            return Err(self.unproved(Trouble::Finish, time));
        }
        loop {
            let manifest = self.manifest(run.clone(), time).await?;
            let bytes = serde_json::to_vec(&manifest).map_err(|_| Unproved::Look)?;
            let summary = Summary::of(&manifest, &bytes);
            let filed = Patience::Until(time.end());
            let filed = filed.ask(|| address::file(&self.wire, bytes.clone().into()));
            match filed.await.map_err(|trouble| self.unproved(trouble, time))? {
                Filed::Stored => return Ok(summary),
                Filed::Missing(digests) => {
                    // Another round needs as long again, before reports are no longer waited for.
                    let late = Instant::now() + AGAIN * 2 >= time.until(Kind::Report);
                    if late || !self.forget(&digests) {
                        return Err(Unproved::Keep(self.wire.url().to_string()));
                    }
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    /// Sends whatever is new, and says what there is.
    async fn manifest(&mut self, run: Run, time: Time) -> Result<Manifest, Unproved> {
        let (chosen, mut absent) = self.chosen().await.ok_or(Unproved::Look)?;
        let (reports, artifacts) = chosen.into_iter().partition(|one| one.kind == Kind::Report);
        let reports = self.sent(reports, &mut absent, time).await?;
        let artifacts = self.sent(artifacts, &mut absent, time).await?;
        let reports: Vec<CollectedReport> = reports
            .into_iter()
            .map(|known| CollectedReport {
                file: known.file,
                outcome: known.outcome.unwrap_or_else(|| Outcome::fault("it was not read")),
            })
            .collect();
        Ok(Manifest {
            version: VERSION,
            check: run.check,
            commit: run.commit,
            attempt: run.attempt,
            collector: env!("CARGO_PKG_VERSION").to_owned(),
            began: self.began,
            ended: Timestamp::now().max(self.began),
            total: Manifest::sum(&reports),
            reports,
            artifacts: artifacts.into_iter().map(|known| known.file).collect(),
            omitted: absent.omitted,
            unreadable: absent.unreadable,
            lost_reports: absent.lost_reports,
        })
    }

    /// The files that arrived; what did not is noted. A report that nobody took for want of time is no small matter.
    async fn sent(
        &self,
        files: Vec<Found>,
        absent: &mut Absent,
        time: Time,
    ) -> Result<Vec<Known>, Unproved> {
        let mut arrived = Vec::new();
        let mut sent = stream::iter(files)
            .map(|found| async move {
                let patience = Patience::Until(time.until(found.kind));
                (self.deliver(&found, patience).await, found)
            })
            .buffered(BESIDE);
        while let Some((delivered, found)) = sent.next().await {
            match delivered {
                Ok(known) => arrived.push(known),
                Err(Undelivered::Read(unread)) => absent.cannot_read(&found, &unread.to_string()),
                Err(Undelivered::Send(Trouble::Reject(status))) => {
                    absent.leave_out(
                        &found,
                        &format!("the evidence address refused it with HTTP {status}"),
                    );
                }
                Err(Undelivered::Send(trouble))
                    if trouble.passes() && found.kind == Kind::Artifact =>
                {
                    let why = format!(
                        "there was no time left to send it: the evidence address {trouble}"
                    );
                    absent.leave_out(&found, &why);
                }
                Err(Undelivered::Wait) if found.kind == Kind::Artifact => {
                    absent.leave_out(&found, &Undelivered::Wait.to_string());
                }
                Err(Undelivered::Wait) => return Err(Unproved::Read(time.whole.as_secs())),
                Err(Undelivered::Send(trouble)) => return Err(self.unproved(trouble, time)),
            }
        }
        Ok(arrived)
    }

    fn unproved(&self, trouble: Trouble, time: Time) -> Unproved {
        let url = self.wire.url().to_string();
        match trouble {
            Trouble::Reach(why) => {
                tracing::warn!("the evidence address {url} did not answer: {why}");
                Unproved::Reach(url, time.whole.as_secs())
            }
            trouble => Unproved::Send(url, trouble),
        }
    }
}
