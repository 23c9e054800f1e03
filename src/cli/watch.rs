//! Follows a job until it ends: a bar where a person looks on, lines where a log does.
//!
//! It only asks and shows. Ending this process does nothing to the job.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::client::{Client, ClientError, Job};

/// How often is asked, and for how long silence is borne.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// How long the server holds an answer while the job has not ended.
    wait_s: u32,
    /// The least time between two questions, for a server that does not hold its answers.
    interval: Duration,
    /// The same after a question that was not answered.
    retry_interval: Duration,
    /// How long a server may be away, as it is while it restarts.
    patience: Duration,
}

const PACE: Pace = Pace {
    wait_s: 1,
    interval: Duration::from_millis(100),
    retry_interval: Duration::from_secs(1),
    patience: Duration::from_secs(60),
};

/// Follows a job until it ends and returns it as it then is.
///
/// Progress is drawn on the process's standard error if that is a terminal, and is otherwise
/// written to `err`, a line for each change.
///
/// # Errors
/// When the server does not know the job, or has not answered for a minute.
pub fn follow(client: &Client, id: &str, err: &mut dyn Write) -> Result<Job, ClientError> {
    let target = ProgressDrawTarget::stderr();
    let mut view = if target.is_hidden() { View::lines(err) } else { View::bar(target) };
    follow_at(PACE, client, id, &mut view)
}

/// A bar is so many steps long; within a task it moves too.
const BAR_STEPS: u64 = 1_000;

/// Where progress is shown.
enum View<'a> {
    Bar(ProgressBar),
    Lines { err: &'a mut dyn Write, last: String },
}

fn follow_at(
    pace: Pace,
    client: &Client,
    id: &str,
    view: &mut View<'_>,
) -> Result<Job, ClientError> {
    let mut answered_at = Instant::now();
    loop {
        let asked_at = Instant::now();
        let interval = match client.job(id, pace.wait_s) {
            Ok(job) => {
                view.show(&job);
                if job.has_ended() {
                    return Ok(job);
                }
                answered_at = Instant::now();
                pace.interval
            }
            Err(error) if error.may_pass() && answered_at.elapsed() < pace.patience => {
                view.note("no answer from the server; trying again");
                pace.retry_interval
            }
            Err(error) => return Err(error),
        };
        thread::sleep(interval.saturating_sub(asked_at.elapsed()));
    }
}

impl<'a> View<'a> {
    fn lines(err: &'a mut dyn Write) -> Self {
        Self::Lines { err, last: String::new() }
    }

    fn bar(target: ProgressDrawTarget) -> Self {
        let style = ProgressStyle::with_template("{prefix} [{bar:32}] {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
        let bar = ProgressBar::with_draw_target(Some(BAR_STEPS), target).with_style(style);
        Self::Bar(bar)
    }

    fn show(&mut self, job: &Job) {
        match self {
            Self::Bar(bar) => {
                // The share comes first: each call may draw, and what is drawn should be true.
                bar.set_position((share(job) * BAR_STEPS as f64) as u64);
                bar.set_prefix(doing(job));
                let (total, done) = (job.tasks.total, job.tasks.succeeded);
                bar.set_message(format!("{done} of {total} tasks {}", left(job.eta_s)));
            }
            Self::Lines { .. } => self.note(&line(job)),
        }
    }

    /// Shows a text unless it is what was shown last.
    fn note(&mut self, text: &str) {
        match self {
            Self::Bar(bar) => bar.set_message(text.to_owned()),
            Self::Lines { err, last } => {
                if last != text {
                    // The job matters more than whether somebody can see how it goes.
                    let _ = writeln!(err, "{text}");
                    text.clone_into(last);
                }
            }
        }
    }
}

/// The bar stays on the screen as it was last, and what comes after it begins on a line of its own.
impl Drop for View<'_> {
    fn drop(&mut self) {
        if let Self::Bar(bar) = self {
            bar.abandon();
        }
    }
}

fn line(job: &Job) -> String {
    match (job.tasks.total, job.tasks.succeeded) {
        (0, _) => job.status.clone(),
        (_, 0) if job.status == "queued" => job.status.clone(),
        (total, done) => format!("{}: {done} of {total} tasks", job.status),
    }
}

/// The share that is done; a server that does not say it still counts tasks.
fn share(job: &Job) -> f64 {
    let of_tasks = job.tasks.succeeded as f64 / job.tasks.total.max(1) as f64;
    job.progress.unwrap_or(of_tasks).clamp(0.0, 1.0)
}

/// The phase while a job runs, otherwise its status.
fn doing(job: &Job) -> String {
    let phase = job.phase.as_ref().filter(|_| job.status == "running");
    phase.unwrap_or(&job.status).replace('_', " ")
}

/// A rough time in words, for the seconds that the server expects.
fn left(eta_s: Option<f64>) -> String {
    match eta_s {
        Some(s) if s.is_finite() && s >= 0.0 => {
            let minutes = s / 60.0;
            match s {
                ..1.5 => "(1 s left)".to_owned(),
                ..90.0 => format!("({s:.0} s left)"),
                ..5400.0 => format!("({minutes:.0} min left)"),
                _ => format!("({:.1} h left)", minutes / 60.0),
            }
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::client::fake::{Fake, Reply};
    use super::*;

    const FAST: Pace = Pace {
        wait_s: 1,
        interval: Duration::ZERO,
        retry_interval: Duration::from_millis(10),
        patience: Duration::from_millis(200),
    };

    fn running(done: u64) -> Reply {
        Reply::job("running", &json!({"tasks": {"total": 31, "succeeded": done}}))
    }

    fn ended(status: &str) -> Reply {
        Reply::job(status, &json!({"tasks": {"total": 31, "succeeded": 31}}))
    }

    fn lines_of(replies: Vec<Reply>) -> (Result<Job, ClientError>, String, usize) {
        let fake = Fake::start([("GET /v1/jobs/job_1?wait=1", replies)]);
        let client = Client::new(&fake.url).unwrap();
        let mut err = Vec::new();
        let job = follow_at(FAST, &client, "job_1", &mut View::lines(&mut err));
        (job, String::from_utf8(err).unwrap(), fake.asked().len())
    }

    fn job(more: &Value) -> Job {
        let mut job = json!({"id": "job_1", "status": "running"});
        job.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(job).unwrap()
    }

    #[test]
    fn only_changes_are_told() {
        let queued = Reply::job("queued", &json!({"tasks": {"total": 31, "succeeded": 0}}));
        let (job, err, n_asked) = lines_of(vec![
            queued.clone(),
            queued,
            running(0),
            running(12),
            running(12),
            ended("succeeded"),
        ]);
        assert_eq!(job.unwrap().status, "succeeded");
        assert_eq!(
            err,
            "queued\nrunning: 0 of 31 tasks\nrunning: 12 of 31 tasks\nsucceeded: 31 of 31 tasks\n"
        );
        assert_eq!(n_asked, 6);
    }

    #[test]
    fn every_end_is_an_end() {
        for status in ["failed", "cancelled"] {
            assert_eq!(lines_of(vec![running(1), ended(status)]).0.unwrap().status, status);
        }
        let newer = Reply::job("expired", &json!({"finished_at": "2026-01-01T00:00:00Z"}));
        assert_eq!(lines_of(vec![newer]).0.unwrap().status, "expired");
    }

    #[test]
    fn a_server_that_restarts_is_waited_for() {
        let (job, err, _) = lines_of(vec![
            running(1),
            Reply::raw(""),
            Reply::problem(503, &json!({"title": "Shutting down"})),
            ended("succeeded"),
        ]);
        assert_eq!(job.unwrap().status, "succeeded");
        assert_eq!(err.matches("trying again").count(), 1, "{err}");
    }

    #[test]
    fn a_server_that_stays_away_is_an_error() {
        let (job, _, n_asked) = lines_of(vec![running(1), Reply::raw("")]);
        assert!(matches!(job, Err(ClientError::Unreachable { .. })));
        assert!(n_asked > 2);
    }

    #[test]
    fn a_job_that_is_not_there_is_not_asked_for_again() {
        let (job, _, n_asked) =
            lines_of(vec![Reply::problem(404, &json!({"title": "No such job"}))]);
        assert!(matches!(job, Err(ClientError::Problem(_))));
        assert_eq!(n_asked, 1);
    }

    #[test]
    fn a_bar_shows_phase_tasks_and_time() {
        let mut view = View::bar(ProgressDrawTarget::hidden());
        view.show(&job(&json!({
            "phase": "cross_validation", "eta_s": 12.4, "progress": 0.75,
            "tasks": {"total": 2, "succeeded": 1}
        })));
        let View::Bar(bar) = &view else { panic!("it is a bar") };
        assert_eq!((bar.position(), bar.length()), (750, Some(1_000)));
        assert_eq!(bar.prefix(), "cross validation");
        assert_eq!(bar.message(), "1 of 2 tasks (12 s left)");
        view.show(&job(&json!({"tasks": {"total": 2, "succeeded": 1}})));
        let View::Bar(bar) = &view else { panic!("it is a bar") };
        assert_eq!(bar.position(), 500);
    }

    #[test]
    fn times_are_rough() {
        let texts = [0.2, 89.4, 90.0, 7000.0, f64::NAN].map(|s| left(Some(s)));
        assert_eq!(texts, ["(1 s left)", "(89 s left)", "(2 min left)", "(1.9 h left)", ""]);
        assert_eq!(left(None), "");
    }
}
