//! What a run proves. A pass needs everything at once: the exit code, the collector's last words, what arrived, and what
//! stood there all the time. Whatever is missing is named, and is no pass.

use jiff::{SignedDuration, Timestamp};
use understudy_crds::status::Verdict;

use super::trouble::exit;
use crate::{
    evidence::{LastWords, Summary},
    junit::Counts,
    pod::{Container, Ended, Pod},
    run::{Arrived, Begun, Counted, Moment},
    task::MAIN,
};

/// By how much clocks and the times of files may differ.
const SLACK: SignedDuration = SignedDuration::from_secs(60);

/// The farthest that a local time can be from UTC (the zones of the world, IANA).
const ZONES: SignedDuration = SignedDuration::from_hours(14);

/// The name of the collector's container.
pub const COLLECTOR: &str = "understudy-collect";

/// What a run proves.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    pub(super) verdict: Verdict,
    pub(super) sentence: String,
    pub(super) counts: Option<Counts>,
}

impl Found {
    pub(super) fn unproven(sentence: impl Into<String>) -> Self {
        Self { verdict: Verdict::NotProven, sentence: sentence.into(), counts: None }
    }

    fn of(verdict: Verdict, sentence: impl Into<String>, counts: Counts) -> Self {
        Self { verdict, sentence: sentence.into(), counts: Some(counts) }
    }
}

/// What the run of this pod proves, which came to its end.
pub(super) fn found(begun: &Begun, arrived: Option<&Arrived>, pod: &Pod) -> Found {
    let end = |name: &str| pod.containers.iter().find(|one| one.name == name);
    let (Some(main), Some(collector)) = (end(MAIN), end(COLLECTOR)) else {
        return Found::unproven("its pod has not the containers it was made with");
    };
    let Some(end) = &main.ended else { return never(pod, main) };
    if matches!(pod.reason.as_str(), "Evicted" | "Preempting" | "NodeLost" | "Terminated") {
        return Found::unproven(format!("its pod was taken away ({})", pod.reason));
    }
    if collector.restarts > 0 {
        return Found::unproven("the collector was ended while the test ran, and began anew");
    }
    let summary = match last_words(collector) {
        Ok(summary) => summary,
        Err(why) => return Found::unproven(why),
    };
    let Some(arrived) = arrived else {
        return Found::unproven("the collector says that it sent its manifest, and none arrived");
    };
    let counts = total(arrived);
    if let Some(why) = disagreement(&summary, arrived, &counts) {
        return Found::unproven(why);
    }
    if begun.reports { reported(arrived, counts, (pod, end)) } else { by_exit_code(pod, end) }
}

/// Nothing ran.
fn never(pod: &Pod, main: &Container) -> Found {
    let why = match (&main.waiting, pod.reason.as_str()) {
        (_, "DeadlineExceeded") => "it took longer than its `timeout` to begin".to_owned(),
        (_, reason) if !reason.is_empty() => format!("its pod was taken away ({reason})"),
        (Some((reason, message)), _) => format!("it never began ({reason}: {message})"),
        _ => "it never began".to_owned(),
    };
    Found::unproven(why)
}

fn last_words(collector: &Container) -> Result<Summary, String> {
    let Some(end) = &collector.ended else {
        return Err("the collector did not come to its end".to_owned());
    };
    if end.code != 0 || end.message.is_empty() {
        let why = exit_of(end);
        return match LastWords::parse(&end.message) {
            Ok(LastWords::Failed { error }) => Err(format!("nothing was collected: {error}")),
            _ => Err(format!("the collector was ended before it had collected ({why})")),
        };
    }
    match LastWords::parse(&end.message) {
        Ok(LastWords::Stored(summary)) => Ok(summary),
        Ok(LastWords::Failed { error }) => Err(format!("nothing was collected: {error}")),
        Err(why) => Err(format!("the collector's last words cannot be read: {why}")),
    }
}

/// What all reports hold together.
pub(super) fn total(arrived: &Arrived) -> Counts {
    let mut all = Counts::default();
    for report in arrived.reports.iter().filter_map(|one| one.read.as_ref().ok()) {
        all.total += report.counts.total;
        all.failed += report.counts.failed;
        all.skipped += report.counts.skipped;
    }
    all
}

/// Whether what arrived is what the pod says it sent: an upload alone proves nothing.
fn disagreement(summary: &Summary, arrived: &Arrived, counts: &Counts) -> Option<String> {
    if let Some(fault) = &arrived.fault {
        return Some(format!("what was stored cannot be read again: {fault}"));
    }
    let same = arrived.manifest.as_ref() == Some(&summary.manifest)
        && (summary.total, summary.failed, summary.skipped)
            == (counts.total, counts.failed, counts.skipped);
    (!same).then(|| "what arrived is not what the collector says it sent".to_owned())
}

fn reported(arrived: &Arrived, counts: Counts, (pod, end): (&Pod, &Ended)) -> Found {
    let read = || arrived.reports.iter().filter_map(|one| Some((one, one.read.as_ref().ok()?)));
    if counts.failed > 0 {
        let first = read().find_map(|(_, one)| one.failure.clone());
        let first = first.map_or_else(String::new, |(name, said)| match said.lines().next() {
            Some(said) if !said.trim().is_empty() => format!(": {name}: {}", said.trim()),
            _ => format!(": {name}"),
        });
        let sentence = format!("{} of {} failed{first}", counts.failed, tests(counts.total));
        return Found::of(Verdict::Failed, sentence, counts);
    }
    let unproven = |why: String| Found { counts: Some(counts), ..Found::unproven(why) };
    let how = ending(pod, end);
    if let Some(why) = unfit(arrived, counts, (pod, end), &how) {
        return unproven(why);
    }
    if end.reason == "OOMKilled" || end.code > 128 {
        return unproven(format!(
            "it was ended from outside ({how}) after {}",
            tests(counts.total)
        ));
    }
    if end.code != 0 {
        let sentence = format!("{how}, although none of its {} failed", tests(counts.total));
        return Found::of(Verdict::Failed, sentence, counts);
    }
    let flaky: u64 = read().map(|(_, one)| one.flaky).sum();
    let mut sentence = format!("{} passed", tests(counts.total - counts.skipped));
    if counts.skipped > 0 {
        sentence.push_str(&format!(", {} skipped", counts.skipped));
    }
    if flaky > 0 {
        sentence.push_str(&format!(", {flaky} of them only when tried again"));
    }
    Found::of(Verdict::Passed, sentence, counts)
}

/// Why reports without a failure are no proof.
fn unfit(
    arrived: &Arrived,
    counts: Counts,
    (pod, end): (&Pod, &Ended),
    how: &str,
) -> Option<String> {
    if let Some(why) = arrived.unreadable.first() {
        return Some(format!("a report could not be read: {why}"));
    }
    if arrived.reports.is_empty() {
        return Some(format!("it left no report ({how})"));
    }
    let faulty = arrived.reports.iter().find_map(|report| {
        let why = match &report.read {
            Err(fault) => Some(fault.clone()),
            Ok(counted) => untimely(report.modified, counted, end).or_else(|| boasts(counted)),
        };
        why.map(|why| format!("report {}: {why}", report.path))
    });
    if faulty.is_some() {
        return faulty;
    }
    if pod.reason == "DeadlineExceeded" {
        return Some(format!("it took longer than its `timeout`, after {}", tests(counts.total)));
    }
    if counts.total == 0 {
        return Some(format!("no test ran ({how})"));
    }
    (counts.skipped >= counts.total)
        .then(|| format!("every test was skipped, {} in all", counts.total))
}

fn by_exit_code(pod: &Pod, end: &Ended) -> Found {
    let how = ending(pod, end);
    let (verdict, sentence) = match end.code {
        _ if pod.reason == "DeadlineExceeded" => {
            (Verdict::NotProven, "it took longer than its `timeout`".to_owned())
        }
        0 => (Verdict::Passed, "exit code only: 0; it declares no report".to_owned()),
        code if code > 128 => (Verdict::NotProven, format!("it was ended from outside ({how})")),
        _ => (Verdict::Failed, how),
    };
    Found { verdict, sentence, counts: None }
}

fn ending(pod: &Pod, end: &Ended) -> String {
    match pod.reason.as_str() {
        "DeadlineExceeded" => "it took longer than its `timeout`".to_owned(),
        _ => exit_of(end),
    }
}

/// That a container came to its own end needs no word beside its code.
fn exit_of(end: &Ended) -> String {
    if end.reason == "Completed" { format!("exit code {}", end.code) } else { exit(end) }
}

/// Times that cannot be those of this run.
fn untimely(modified: Timestamp, counted: &Counted, end: &Ended) -> Option<String> {
    let (Some(started), Some(ended)) = (end.started, end.finished) else {
        return Some("nobody knows when the run began and ended".to_owned());
    };
    let (first, last) = (started.saturating_sub(SLACK).ok()?, ended.saturating_add(SLACK).ok()?);
    if modified < first {
        return Some(format!("it was written before the run began ({modified})"));
    }
    let (earliest, latest) = counted.named?;
    let wide = |moment: Moment| if moment.local { ZONES } else { SignedDuration::ZERO };
    if earliest.at < first.saturating_sub(wide(earliest)).ok()? {
        return Some(format!("it speaks of {}, before the run began", earliest.at));
    }
    if latest.at > last.saturating_add(wide(latest)).ok()? {
        return Some(format!("it speaks of {}, after the run ended", latest.at));
    }
    None
}

/// A report that claims more than it shows.
fn boasts(counted: &Counted) -> Option<String> {
    let (claimed, counts) = (counted.claimed?, &counted.counts);
    if claimed.failed > counts.failed {
        return Some(format!("it claims {} failures and shows {}", claimed.failed, counts.failed));
    }
    (claimed.total > counts.total)
        .then(|| format!("it claims {} and shows {}", tests(claimed.total), counts.total))
}

fn tests(number: u64) -> String {
    if number == 1 { "1 test".to_owned() } else { format!("{number} tests") }
}

#[cfg(test)]
mod tests;
