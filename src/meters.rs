//! What a process counts of its work, for Prometheus: `GET /metrics` writes it out.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// The counts of a process; clones share them.
#[derive(Clone, Debug)]
pub struct Meters {
    registry: Arc<Registry>,
    /// Tasks claimed.
    pub tasks_claimed: Counter,
    /// Tasks published, by how they ended.
    pub tasks_published: Family<Ended, Counter>,
    /// Results that came after their lease was lost.
    pub late_results_refused: Counter,
    /// Leases that ran out and were taken back by this process.
    pub leases_expired: Counter,
    /// Seconds of a claim's transaction.
    pub claim_seconds: Histogram,
    /// Seconds that a task waited, from when it could have been claimed.
    pub wait_seconds: Histogram,
    /// Seconds from a task's start to its end.
    pub task_seconds: Histogram,
    /// Rows that fits trained on, times their epochs.
    pub rows_trained: Counter,
    /// Fits by which searches compared their candidates.
    pub search_fits: Counter,
}

/// How a task ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Ended {
    /// `succeeded`, `failed`, `cancelled` or `retried`.
    pub outcome: &'static str,
}

/// Tasks that wait or run.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Waiting {
    /// The project's name.
    pub project: String,
    /// The labels that they require of a worker, such as `gpu=true`.
    pub requires: String,
    /// `queued` or `running`.
    pub state: &'static str,
}

/// Close together where a claim should end: its 99th percentile is wanted under 20 ms.
const CLAIM_BUCKETS: [f64; 20] = [
    0.0005, 0.001, 0.002, 0.003, 0.005, 0.007, 0.01, 0.0125, 0.015, 0.0175, 0.02, 0.025, 0.03,
    0.05, 0.1, 0.2, 0.5, 1.0, 5.0, 30.0,
];

impl Default for Meters {
    fn default() -> Self {
        let claim_seconds = Histogram::new(CLAIM_BUCKETS);
        // From a millisecond to nearly a day.
        let wait_seconds = Histogram::new(exponential_buckets(0.001, 4.0, 14));
        let task_seconds = Histogram::new(exponential_buckets(0.001, 4.0, 14));
        let mut meters = Self {
            registry: Arc::default(),
            tasks_claimed: Counter::default(),
            tasks_published: Family::default(),
            late_results_refused: Counter::default(),
            leases_expired: Counter::default(),
            claim_seconds,
            wait_seconds,
            task_seconds,
            rows_trained: Counter::default(),
            search_fits: Counter::default(),
        };
        let mut all = Registry::with_prefix("trainyard");
        let m = &meters;
        all.register("tasks_claimed", "Tasks claimed", m.tasks_claimed.clone());
        all.register("tasks_published", "Tasks published", m.tasks_published.clone());
        let help = "Results that came after their lease was lost";
        all.register("late_results_refused", help, m.late_results_refused.clone());
        all.register("leases_expired", "Leases taken back", m.leases_expired.clone());
        let help = "Time of a claim's transaction";
        all.register_with_unit("claim", help, Unit::Seconds, m.claim_seconds.clone());
        let help = "Time that a task waited, from when it could have been claimed";
        all.register_with_unit("task_wait", help, Unit::Seconds, m.wait_seconds.clone());
        let help = "Time from a task's start to its end";
        all.register_with_unit("task", help, Unit::Seconds, m.task_seconds.clone());
        let help = "Rows that fits trained on, times their epochs";
        all.register("rows_trained", help, m.rows_trained.clone());
        let help = "Fits by which searches compared their candidates";
        all.register("search_fits", help, m.search_fits.clone());
        meters.registry = Arc::new(all);
        meters
    }
}

impl Meters {
    /// All of it as OpenMetrics text, with how many tasks wait and run now, unless the database does
    /// not say.
    ///
    /// # Errors
    /// When a label cannot be written, which none of ours is.
    pub fn text(
        &self,
        queue: Option<Vec<(Waiting, i64)>>,
        uptime_seconds: f64,
    ) -> Result<String, std::fmt::Error> {
        // What is of this moment is of this answer alone: another that is written meanwhile has its own.
        let mut now = Registry::with_prefix("trainyard");
        let (uptime, database_up) = (Gauge::<f64, AtomicU64>::default(), Gauge::<i64>::default());
        uptime.set(uptime_seconds);
        let help = "Time since the process started";
        now.register_with_unit("uptime", help, Unit::Seconds, uptime);
        database_up.set(i64::from(queue.is_some()));
        let help = "Whether the database answers this process: 1, or 0";
        now.register("database_up", help, database_up);
        let depths = Family::<Waiting, Gauge<i64>>::default();
        for (waiting, n) in queue.unwrap_or_default() {
            depths.get_or_create(&waiting).set(n);
        }
        let help = "Tasks that wait or run, of all processes";
        now.register("queue_tasks", help, depths);
        let mut text = String::new();
        encode_registry(&mut text, &self.registry)?;
        encode_registry(&mut text, &now)?;
        encode_eof(&mut text)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_are_written_at_once_do_not_mix() {
        let meters = Meters::default();
        let ask = |project: &str, n: i64| {
            let waiting =
                Waiting { project: project.to_owned(), requires: String::new(), state: "queued" };
            meters.text(Some(vec![(waiting, n)]), 0.0).unwrap()
        };
        std::thread::scope(|scope| {
            for (own, other, n) in [("a", "b", 1), ("b", "a", 2)] {
                let ask = &ask;
                scope.spawn(move || {
                    for _ in 0..1_000 {
                        let text = ask(own, n);
                        let line = format!(
                            "trainyard_queue_tasks{{project=\"{own}\",requires=\"\",state=\"queued\"}} {n}\n"
                        );
                        assert!(text.contains(&line), "{text}");
                        assert!(!text.contains(&format!("project=\"{other}\"")), "{text}");
                    }
                });
            }
        });
    }

    #[test]
    fn a_database_that_does_not_answer_takes_no_counts_with_it() {
        let meters = Meters::default();
        meters.tasks_claimed.inc();
        let text = meters.text(None, 1.0).unwrap();
        assert!(text.contains("trainyard_database_up 0\n"), "{text}");
        assert!(text.contains("trainyard_tasks_claimed_total 1\n"), "{text}");
        assert!(!text.contains("trainyard_queue_tasks{"), "{text}");
        assert_eq!(text.matches("# EOF").count(), 1);
    }
}
