//! What a fit hears from outside while it trains, and what it says: stop signals and the clock in,
//! reports of how it goes out.

use std::cell::Cell;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use trainyard_learn::training::{Control, FitState, History, Observer, SavedFit, TrainingSpec};

use super::checkpoint::{Checkpoints, State};
use super::queue::{Signal, Stop};
use super::report::{REPORT_EVERY, Reporter};
use super::run::Cores;
use super::series::Series;
use crate::store::tasks::{ClaimedTask, Report};

/// A report's curves hold at most so many values: about 128 kB, however long the fit.
const MOST_VALUES: usize = 16_384;

/// When the worker goes away or the job is to rest, less than this is sooner done again than saved and read.
const WORTH_SAVING: Duration = Duration::from_secs(1);

/// What a training needs besides the job and its data.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) task: &'a ClaimedTask,
    pub(super) signal: &'a Signal,
    /// When the task's training began, from which its time limit counts, however many fits it has.
    pub(super) begun: Instant,
    pub(super) time_limit: Duration,
    pub(super) cores: &'a Cores,
    pub(super) reporter: &'a Reporter,
    pub(super) checkpoints: &'a Checkpoints,
    /// Of a fit that is one of several of its task, how far these are.
    pub(super) series: Option<&'a Series>,
}

impl Context<'_> {
    /// Whether a task is to be saved that was saved so long ago.
    pub(super) fn is_saving_due(&self, since: Duration) -> bool {
        let stop = self.signal.stop();
        let going = matches!(stop, Some(Stop::Shutdown | Stop::Paused)) && since >= WORTH_SAVING;
        going || since >= self.checkpoints.every()
    }

    /// Leaves a report that so much of the task is done, and says whether it did.
    pub(super) fn report(&self, progress: f64, history: Option<Vec<u8>>) -> bool {
        let ClaimedTask { id, attempt, lease_token, .. } = self.task;
        self.reporter.send(Report {
            task: *id,
            attempt: *attempt,
            lease_token: lease_token.clone(),
            progress,
            history,
        })
    }
}

/// Listens to the signal and to the clock on behalf of a fit, and reports how it goes.
pub(super) struct Watch<'a> {
    context: Context<'a>,
    started: Instant,
    /// What the task had taken before.
    before: Duration,
    /// What earlier attempts of this fit had taken that it goes on from.
    spent: Duration,
    /// When the task began or was last saved.
    saved: Instant,
    /// Of a network.
    training: Option<&'a TrainingSpec>,
    /// Of a task of one fit.
    pace: Pace,
    /// The last epoch that was told of.
    told: u32,
}

impl<'a> Watch<'a> {
    pub(super) fn new(
        context: Context<'a>,
        started: Instant,
        training: Option<&'a TrainingSpec>,
    ) -> Self {
        let before = started.duration_since(context.begun);
        let spent = Duration::ZERO;
        let saved = context.series.map_or(started, Series::saved);
        let pace = Pace::default();
        Self { context, started, before, spent, saved, training, pace, told: 0 }
    }

    /// Whether the fit must end without a result.
    pub(super) fn must_stop(&self) -> bool {
        self.must_stop_after(self.started.elapsed())
    }

    fn must_stop_after(&self, elapsed: Duration) -> bool {
        let taken = self.of_task(elapsed);
        self.context.signal.stop().is_some() || taken > self.context.time_limit
    }

    /// How long the task has taken in all its attempts, so long after the fit began in this one.
    fn of_task(&self, elapsed: Duration) -> Duration {
        self.context.series.map_or(self.spent, Series::spent) + self.before + elapsed
    }

    /// Reports, where that is due, that so much of the fit is done, and where there are epochs that were
    /// not told of, what they were like; only then are these packed.
    pub(super) fn report(&mut self, share: f64, history: Option<&History>) {
        self.report_after(self.started.elapsed(), share, history);
    }

    fn report_after(&mut self, elapsed: Duration, share: f64, history: Option<&History>) {
        // What is done is about to be published.
        let pace = self.context.series.map_or(&self.pace, Series::pace);
        if share >= 1.0 || !pace.is_due(self.before + elapsed) {
            return;
        }
        let (before, width) = self.context.series.map_or((0.0, 1.0), Series::span);
        // Of several, only the last one's is kept.
        let is_kept = self.context.series.is_none_or(Series::is_at_its_last);
        let history = history.filter(|_| is_kept);
        let latest = history.and_then(|history| history.epochs().last()).copied();
        let news = history.filter(|_| latest > Some(self.told));
        let packed = news.map(|history| history.pack_thinned(MOST_VALUES));
        if self.context.report(before + share * width, packed) {
            self.told = latest.unwrap_or(self.told);
        }
    }

    /// The share of the fit that is done after so many epochs, of which the last may be a part.
    fn share(&self, done: f64, elapsed: Duration) -> f64 {
        let epochs = self.training.map_or(0, |training| training.epochs);
        share((done, epochs), self.spent + elapsed, self.max_seconds())
    }

    /// What an earlier attempt has saved.
    pub(super) fn saved_state(&mut self) -> Option<State> {
        let (state, spent) = match self.context.series {
            None => self.context.checkpoints.load(self.context.task)?,
            Some(series) => series.take()?,
        };
        self.spent = spent;
        Some(state)
    }

    /// Saves the fit's state that `write` writes, after this epoch, where its number says how far the fit is.
    pub(super) fn save(
        &mut self,
        epoch: Option<u32>,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) {
        let elapsed = self.started.elapsed();
        let series = self.context.series;
        let told = series.map(|series| series.told(self.spent + elapsed)).unwrap_or_default();
        let epoch = epoch.filter(|_| series.is_none_or(Series::is_at_its_last));
        let with_told = |to: &mut dyn Write| {
            write(to)?;
            to.write_all(&told)
        };
        let spent = self.of_task(elapsed);
        let Context { task, signal, checkpoints, .. } = self.context;
        checkpoints.save((task, signal), with_told, (spent, epoch));
        self.saved = Instant::now();
        if let Some(series) = series {
            series.set_saved(self.saved);
        }
    }

    fn max_seconds(&self) -> Option<f64> {
        self.training.and_then(|training| training.max_seconds)
    }
}

impl Observer for Watch<'_> {
    fn threads(&self) -> usize {
        self.context.cores.share()
    }

    fn resume(&mut self) -> Option<SavedFit> {
        Some(self.saved_state()?.into_saved())
    }

    fn began_anew(&mut self) {
        tracing::warn!(
            task = self.context.task.id,
            "a saved state is not this fit's; it begins anew"
        );
        let lost = std::mem::take(&mut self.spent);
        if let Some(series) = self.context.series {
            series.forget(lost);
        }
    }

    fn wants_checkpoint(&mut self) -> bool {
        self.context.is_saving_due(self.saved.elapsed())
    }

    fn checkpoint(&mut self, epoch: u32, state: &FitState<'_>) {
        self.save(Some(epoch), |to| state.write_to(to));
    }

    fn step(&mut self, done: f64, history: &History) -> Control {
        let elapsed = self.started.elapsed();
        let taken = (self.spent + elapsed).as_secs_f64();
        if self.must_stop_after(elapsed) {
            Control::Cancel
        } else if self.max_seconds().is_some_and(|most| taken > most) {
            Control::Finish
        } else {
            self.report_after(elapsed, self.share(done, elapsed), Some(history));
            Control::Continue
        }
    }

    fn epoch(&mut self, epoch: u32, history: &History) -> Control {
        let elapsed = self.started.elapsed();
        self.report_after(elapsed, self.share(epoch.into(), elapsed), Some(history));
        Control::Continue
    }
}

/// How much of a fit is done, by its epochs or by the time it may take, whichever ends it first.
fn share((done, epochs): (f64, u32), elapsed: Duration, max_seconds: Option<f64>) -> f64 {
    let by_epochs = done / f64::from(epochs.max(1));
    let by_time = max_seconds.map_or(0.0, |most| elapsed.as_secs_f64() / most);
    by_epochs.max(by_time).clamp(0.0, 1.0)
}

/// When a task reports: once its training has taken [`REPORT_EVERY`], and so long after each report.
#[derive(Debug)]
pub(super) struct Pace {
    next: Cell<Duration>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { next: Cell::new(REPORT_EVERY) }
    }
}

impl Pace {
    /// Whether to report so long after the task's training began.
    pub(super) fn is_due(&self, elapsed: Duration) -> bool {
        let due = elapsed >= self.next.get();
        if due {
            self.next.set(elapsed + REPORT_EVERY);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::report;
    use super::super::search::tests::World;
    use super::super::series::tests::series;
    use super::*;
    use crate::domain::job::FitSummary;
    use crate::store::tasks::Outcome;

    /// What becomes of the only fit of a job that goes on from such a state, which took so long.
    fn gone_on(job: &Value, state: Vec<u8>, spent: Duration) -> FitSummary {
        let mut world = World::new(job, &[]);
        let task = world.claim().remove(0);
        let next = world.next_from(&task, state, spent);
        let (finished, _) = world.run(&next, usize::MAX);
        match finished.unwrap().outcome {
            Outcome::Reduced { result, .. } => result.refit.unwrap().fit,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_state_that_is_none_of_the_fit_counts_no_time() {
        let network = json!({
            "target": "y", "model": {"type": "linear"}, "optimizer": {"type": "adam"},
            "training": {"epochs": 3, "max_seconds": 300.0}
        });
        // Of another version, and of nothing at all.
        for state in [vec![255, 1], vec![]] {
            let fit = gone_on(&network, state, Duration::from_secs(301));
            assert_eq!((fit.epochs, fit.stop_reason.as_str()), (3, "completed"));
        }
        // The server's limit is ten minutes.
        let perceptron = json!({
            "target": "y", "model": {"type": "perceptron", "tol": null, "max_iter": 4}
        });
        assert_eq!(gone_on(&perceptron, vec![255], Duration::from_secs(3_600)).epochs, 4);
    }

    /// A fold of a search with four inner fits.
    fn searching() -> (World, ClaimedTask) {
        let network = json!({
            "target": "y", "model": {"type": "linear"}, "optimizer": {"type": "adam"},
            "training": {"epochs": 3}, "cv": {"type": "kfold", "n_splits": 2}
        });
        let world = World::new(&network, &[json!({}), json!({})]);
        let task = world.claim().remove(0);
        (world, task)
    }

    #[test]
    fn the_limit_counts_all_attempts_of_a_search() {
        let (world, task) = searching();
        let (reporter, _) = report::channel(1);
        for (minutes, is_over) in [(9, false), (11, true)] {
            // Between two fits, of which the next begins at its beginning.
            let state = series(vec![Some(0.5)]).told(Duration::ZERO);
            let task = world.next_from(&task, state, Duration::from_secs(60 * minutes));
            let context = world.context(&task, &reporter, Duration::ZERO);
            let series = Series::resume(context, 4);
            let context = Context { series: Some(&series), ..context };
            let watch = Watch::new(context, Instant::now(), None);
            assert_eq!(watch.must_stop(), is_over, "{minutes} minutes of the ten it may take");
        }
    }

    #[test]
    fn a_searchs_limit_counts_no_fit_that_begins_anew() {
        let (world, task) = searching();
        let (reporter, _) = report::channel(1);
        let minutes = |n: u64| Duration::from_secs(60 * n);
        // Of fifteen minutes the fit that runs had taken so many.
        for (of_fit, is_over) in [(0, true), (4, true), (8, false), (15, false)] {
            let told = series(vec![Some(0.5)]).told(minutes(of_fit));
            let state = [vec![255], told].concat();
            let task = world.next_from(&task, state, minutes(15));
            let context = world.context(&task, &reporter, Duration::ZERO);
            let series = Series::resume(context, 4);
            let context = Context { series: Some(&series), ..context };
            let mut watch = Watch::new(context, Instant::now(), None);
            assert_eq!(watch.saved_state().and_then(State::into_bytes), Some(vec![255]));
            assert!(watch.must_stop(), "the task has taken more than the ten minutes it may");
            watch.began_anew();
            assert_eq!(watch.must_stop(), is_over, "{of_fit} minutes for nothing");
        }
    }

    #[test]
    fn a_search_of_short_fits_says_how_far_it_is() {
        let (world, task) = searching();
        let (reporter, mut reports) = report::channel(1);
        let mut progress = || reports.try_recv().unwrap().progress;
        // Its fits so far took two seconds, none of them one.
        let context = world.context(&task, &reporter, Duration::from_secs(2));
        let within = Series::resume(context, 4);
        let of_fit = Context { series: Some(&within), ..context };
        Watch::new(of_fit, Instant::now(), None).report(0.5, None);
        assert_eq!(progress(), 0.1, "half of the first of five");
        // Nor does a fit need to say anything itself, as one of a single epoch does not.
        let mut between = Series::resume(context, 4);
        between.add(Some(0.5), context);
        assert_eq!(progress(), 0.2);
    }

    #[test]
    fn a_short_task_reports_nothing_and_a_long_one_once_a_second() {
        let pace = Pace::default();
        let due: Vec<u64> =
            (0..3_500).filter(|ms| pace.is_due(Duration::from_millis(*ms))).collect();
        assert_eq!(due, [1_000, 2_000, 3_000]);
        // After a long epoch the next report is a second away, and not at once.
        assert!(pace.is_due(Duration::from_millis(9_900)));
        assert!(!pace.is_due(Duration::from_millis(10_100)));
    }

    #[test]
    fn the_share_done_is_by_epochs_or_by_time() {
        let after = Duration::from_secs(3);
        assert_eq!(share((5.0, 20), after, None), 0.25);
        assert_eq!(share((0.5, 20), after, None), 0.025);
        assert_eq!(share((5.0, 20), after, Some(6.0)), 0.5);
        assert_eq!(share((15.0, 20), after, Some(6.0)), 0.75);
        assert_eq!(share((20.0, 20), after, None), 1.0);
        assert_eq!(share((1.0, 20), after, Some(2.0)), 1.0);
    }
}
