//! What the edge counts, by Prometheus' naming rules and with few labels: never a host, never a preview.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::{backend::BackendError, rest::Wrote};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Note {
    kind: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Class {
    code: &'static str,
}

/// Answers by their class: one family, and a counter of each class at hand.
#[derive(Debug, Clone)]
struct Answers {
    family: Family<Class, Counter>,
    classes: [Counter; 5],
}

impl Default for Answers {
    fn default() -> Self {
        let family: Family<Class, Counter> = Family::default();
        let class = |code| family.get_or_create(&Class { code }).clone();
        let classes = ["1xx", "2xx", "3xx", "4xx", "5xx"].map(class);
        Self { family, classes }
    }
}

/// Counters and gauges.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metrics {
    answers: Answers,
    failures: Family<Reason, Counter>,
    notes: Family<Note, Counter>,
    /// Wakes that were asked for.
    wakes: Counter,
    /// Requests that were held.
    pub held: Counter,
    /// Open connections of clients.
    pub connections: Gauge,
    /// Open tunnels.
    pub tunnels: Gauge,
    /// Lines that the access log dropped because nobody took them.
    pub dropped: Counter,
}

impl Metrics {
    /// Puts everything under its name.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "understudy_edge_requests",
            "Requests by the class of their answer",
            self.answers.family.clone(),
        );
        registry.register(
            "understudy_edge_backend_failures",
            "Requests that no pod answered",
            self.failures.clone(),
        );
        registry.register("understudy_edge_notes", "Annotations written", self.notes.clone());
        registry.register("understudy_edge_wakes", "Wakes asked for", self.wakes.clone());
        registry.register("understudy_edge_held_requests", "Requests held", self.held.clone());
        registry.register(
            "understudy_edge_connections",
            "Open connections of clients",
            self.connections.clone(),
        );
        registry.register("understudy_edge_tunnels", "Open tunnels", self.tunnels.clone());
        registry.register(
            "understudy_edge_access_log_dropped_lines",
            "Lines of the access log that were dropped",
            self.dropped.clone(),
        );
    }

    /// Counts an answer.
    pub(crate) fn answered(&self, status: http::StatusCode) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(counter) = self.answers.classes.get(class) {
            counter.inc();
        }
    }

    /// Counts a request that no pod answered.
    pub(crate) fn failed(&self, error: &BackendError) {
        let reason = match error {
            BackendError::Absent => "absent",
            BackendError::Connect(..) => "connect",
            BackendError::Answer(..) | BackendError::Silence(..) => "answer",
            BackendError::Late(_) => "late",
        };
        self.failures.get_or_create(&Reason { reason }).inc();
    }

    pub(crate) fn noted(&self, wake: bool, wrote: &Wrote) {
        let kind = if wake { "wake" } else { "use" };
        let result = match wrote {
            Wrote::Durable(_) => "success",
            Wrote::Outdated(_) => "conflict",
            Wrote::Failed => "error",
        };
        if wake && result == "success" {
            self.wakes.inc();
        }
        self.notes.get_or_create(&Note { kind, result }).inc();
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use prometheus_client::registry::Registry;

    use super::Metrics;

    #[test]
    fn requests_are_one_family_with_every_class_from_the_start() {
        let metrics = Metrics::default();
        metrics.answered(StatusCode::NOT_FOUND);
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("a text");
        let mut lines: Vec<&str> =
            text.lines().filter(|line| line.contains("understudy_edge_requests")).collect();
        lines.sort_unstable();
        let expected = [
            "# HELP understudy_edge_requests Requests by the class of their answer.",
            "# TYPE understudy_edge_requests counter",
            "understudy_edge_requests_total{code=\"1xx\"} 0",
            "understudy_edge_requests_total{code=\"2xx\"} 0",
            "understudy_edge_requests_total{code=\"3xx\"} 0",
            "understudy_edge_requests_total{code=\"4xx\"} 1",
            "understudy_edge_requests_total{code=\"5xx\"} 0",
        ];
        assert_eq!(lines, expected);
    }
}
