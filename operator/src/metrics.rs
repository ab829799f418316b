//! Numbers about our own work. Labels have few values: never a name, never a message.

use std::time::Duration;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Phase {
    phase: String,
}

/// What is counted.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    reconciles: Family<Outcome, Counter>,
    seconds: Histogram,
    errors: Family<Reason, Counter>,
    previews: Family<Phase, Gauge>,
    leader: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let buckets = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0];
        Self {
            reconciles: Family::default(),
            seconds: Histogram::new(buckets),
            errors: Family::default(),
            previews: Family::default(),
            leader: Gauge::default(),
        }
    }
}

impl Metrics {
    /// A reconcile came to its end.
    pub(crate) fn reconciled(&self, outcome: &'static str, took: Duration) {
        self.reconciles.get_or_create(&Outcome { outcome }).inc();
        self.seconds.observe(took.as_secs_f64());
    }

    /// A request to the API server failed.
    pub(crate) fn failed(&self, reason: &'static str) {
        self.errors.get_or_create(&Reason { reason }).inc();
    }

    /// Whether we lead.
    pub(crate) fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// Everything as text; `phases` are those of the previews that are known.
    pub(crate) fn text(&self, phases: &[String]) -> String {
        self.previews.clear();
        for phase in phases {
            self.previews.get_or_create(&Phase { phase: phase.clone() }).inc();
        }
        let mut registry = Registry::with_prefix("understudy");
        registry.register(
            "reconciles",
            "Looks at a preview, by how they ended",
            self.reconciles.clone(),
        );
        registry.register(
            "reconcile_duration_seconds",
            "How long one look at a preview took",
            self.seconds.clone(),
        );
        registry.register(
            "api_errors",
            "Requests to the API server that failed, by why",
            self.errors.clone(),
        );
        registry.register("previews", "Previews, by phase", self.previews.clone());
        registry.register("leader", "Whether this process leads", self.leader.clone());
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &registry);
        text
    }
}
