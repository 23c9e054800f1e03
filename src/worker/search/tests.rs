//! A search's task that is broken off at any place where it was saved, and goes on from there, ends in what
//! one that was not broken off ends in, and makes no fit twice.

use std::io::Cursor;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use trainyard_formats::{ReadOptions, read};
use trainyard_learn::describe::describe;
use trainyard_learn::kernels::Crew;

use super::super::Resources;
use super::super::checkpoint::{Checkpoints, MARK_BYTES};
use super::super::observe::Context;
use super::super::queue::{Flight, Signal, Stop};
use super::super::report::{self, Reporter};
use super::super::run::{Ended, Runner};
use crate::blobs::Blobs;
use crate::domain::clock::Clock;
use crate::domain::dataset::{Content, TableBytes};
use crate::domain::ids::{DatasetId, JobId, ProjectId};
use crate::domain::labels::Labels;
use crate::domain::limits::Limits;
use crate::domain::predictions::FoldPredictions;
use crate::domain::spec::check;
use crate::meters::Meters;
use crate::scratch::Scratch;
use crate::store::Store;
use crate::store::datasets::NewDataset;
use crate::store::hints::Hints;
use crate::store::idempotency::Created;
use crate::store::jobs::NewJob;
use crate::store::tasks::Published::Accepted;
use crate::store::tasks::{Checkpoint, ClaimRequest, ClaimedTask, Finished, Outcome, TaskKind};
use crate::tables::{Kept, Tables};

/// A store that has the task stop which has saved itself so often.
#[derive(Debug, Default)]
struct Breaking {
    inner: InMemory,
    n_left: AtomicUsize,
    signal: Mutex<Arc<Signal>>,
    /// The name of what was stored last.
    last: Mutex<String>,
}

impl std::fmt::Display for Breaking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Breaking")
    }
}

#[async_trait]
impl ObjectStore for Breaking {
    async fn put_opts(
        &self,
        at: &Path,
        bytes: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        *self.last.lock().unwrap() = at.filename().unwrap().to_owned();
        if self.n_left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.signal.lock().unwrap().raise(Stop::Shutdown);
        }
        self.inner.put_opts(at, bytes, options).await
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(at, options).await
    }

    async fn get_opts(&self, at: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(at, options).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

/// A worker's thread with one job, and nobody else.
pub(in crate::worker) struct World {
    breaking: Arc<Breaking>,
    pub(in crate::worker) runner: Runner,
    crew: Crew,
    /// Of trainings that are made here.
    checkpoints: Checkpoints,
    signal: Signal,
    // Dropped after what runs on it.
    runtime: Runtime,
    _directory: tempfile::TempDir,
}

const PROJECT: ProjectId = ProjectId::DEFAULT;

impl World {
    /// Fits are saved after every step, perceptrons after every epoch. Without candidates it is no search.
    pub(in crate::worker) fn new(job: &Value, candidates: &[Value]) -> Self {
        // In memory where there is such a folder: what survives a power cut is not tested here.
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let runtime = Runtime::new().unwrap();
        let breaking = Arc::new(Breaking::default());
        let (clock, limits) = (Clock::system(), Limits::default());
        let store: Arc<dyn ObjectStore> = Arc::<Breaking>::clone(&breaking);
        let blobs = Blobs::over(store, clock.clone());
        let kept = Kept {
            directory: directory.path().join("tables"),
            cached_bytes: 1 << 20,
            scratch: directory.path().join("scratch"),
            max_memory_bytes: 1 << 20,
        };
        let handle = runtime.handle().clone();
        let tables = Tables::new(blobs.clone(), handle.clone(), limits.formats(), kept).unwrap();
        let database = directory.path().join("t.db");
        let resources = Resources {
            store: runtime.block_on(Store::open(&database, Hints::default())).unwrap(),
            blobs,
            tables: Arc::new(tables),
            scratch: Scratch::new(&directory.path().join("scratch"), 1 << 20).unwrap(),
            clock,
            meters: Meters::default(),
            lease: Duration::from_secs(60),
            checkpoint_every: Duration::ZERO,
            time_limit: Duration::from_secs(600),
            labels: Labels::default(),
            memory_bytes: 1 << 30,
        };
        runtime.block_on(submit(&resources, job, candidates));
        let (reporter, _) = report::channel(1);
        let checkpoints = Checkpoints::new(resources.clone(), handle.clone());
        let runner = Runner::new(resources, handle, 1, reporter);
        let (crew, signal) = (Crew::new(1), Signal::default());
        Self { breaking, runner, crew, checkpoints, signal, runtime, _directory: directory }
    }

    /// The tasks that can run now.
    pub(in crate::worker) fn claim(&self) -> Vec<ClaimedTask> {
        let request = ClaimRequest {
            worker: "test",
            lease_token: self.runner.resources.clock.new_uuid().to_string(),
            lease_ms: 60_000,
            budget_us: i64::MAX,
            max_tasks: 100,
            max_memory_bytes: i64::MAX,
            may_be_last_try: true,
            requirements: &[String::new()],
        };
        self.runtime.block_on(self.runner.resources.store.claim(&request)).unwrap()
    }

    /// What a training of the task is given, that began so long ago.
    pub(in crate::worker) fn context<'a>(
        &'a self,
        task: &'a ClaimedTask,
        reporter: &'a Reporter,
        ago: Duration,
    ) -> Context<'a> {
        Context {
            task,
            signal: &self.signal,
            begun: Instant::now().checked_sub(ago).unwrap(),
            time_limit: self.runner.resources.time_limit,
            cores: &self.runner.cores,
            reporter,
            checkpoints: &self.checkpoints,
            series: None,
        }
    }

    /// Runs the task until it ends, or has been saved so often; says how many fits of the search ended, too.
    pub(in crate::worker) fn run(
        &mut self,
        task: &ClaimedTask,
        n_saved: usize,
    ) -> (Option<Finished>, u64) {
        let signal = Arc::new(Signal::default());
        *self.breaking.signal.lock().unwrap() = Arc::clone(&signal);
        self.breaking.n_left.store(n_saved, Ordering::Relaxed);
        let fits = self.runner.resources.meters.search_fits.clone();
        let before = fits.get();
        let ended = self.runner.run(Flight { task: task.clone(), signal }, &mut self.crew);
        let finished = match ended {
            Ended::Finished(finished) => Some(*finished),
            Ended::Interrupted(_) => None,
            Ended::LeaseLost(_) => panic!("nobody else has it"),
        };
        (finished, fits.get() - before)
    }

    /// The task's next attempt.
    fn next(&self, task: &ClaimedTask) -> ClaimedTask {
        let sha256 = self.breaking.last.lock().unwrap().clone();
        ClaimedTask {
            checkpoint: Some(Checkpoint { sha256, spent_ms: 7, epoch: None }),
            ..task.clone()
        }
    }

    /// The task's next attempt where something else was saved after so long.
    pub(in crate::worker) fn next_from(
        &self,
        task: &ClaimedTask,
        mut state: Vec<u8>,
        spent: Duration,
    ) -> ClaimedTask {
        state.extend([0; MARK_BYTES]);
        let stored = self.runner.resources.blobs.put(state);
        let sha256 = self.runtime.block_on(stored).unwrap();
        let spent_ms = spent.as_millis() as i64;
        let checkpoint = Some(Checkpoint { sha256, spent_ms, epoch: Some(9) });
        ClaimedTask { checkpoint, ..task.clone() }
    }
}

/// One job on sixty rows of three classes, whose features are far from what a first guess says.
async fn submit(resources: &Resources, job: &Value, candidates: &[Value]) {
    let row = |i: i32| {
        format!("{},{},{}\n", i * 7 % 13, (i * i) % 11, "pqr".as_bytes()[i as usize % 3] as char)
    };
    let text: String = (0..60).map(row).collect();
    let text = format!("a,b,y\n{text}");
    let (options, limits) = (ReadOptions::default(), Limits::default());
    let loaded = read(Cursor::new(text.clone()), None, &options, &limits.formats()).unwrap();
    let new = NewDataset {
        id: DatasetId::new(&resources.clock),
        name: None,
        size_bytes: text.len() as u64,
        sha256: resources.blobs.put(text.into_bytes()).await.unwrap(),
        stored_after: None,
        reading: loaded.options_used,
        content: Content {
            n_rows: loaded.table.n_rows(),
            columns: describe(&loaded.table),
            warnings: vec![],
            generator: None,
            table: Some(TableBytes::of(&loaded.table)),
        },
    };
    let created = resources.store.create_dataset(PROJECT, new, None).await.unwrap();
    let Created::New(dataset) = created else { panic!("it is new") };
    let checked = |more: &Value| {
        let mut spec = job.clone();
        spec["dataset_id"] = json!(dataset.id);
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        check(serde_json::from_value(spec).unwrap(), &dataset, &limits).unwrap()
    };
    let space = json!({"preprocess.numeric": {"choice": [1, 2, 3]}});
    let cv = json!({"type": "kfold", "n_splits": 2});
    let search = match candidates {
        [] => json!({}),
        _ => json!({"search": {"space": space, "cv": cv}}),
    };
    let mut whole = checked(&search);
    whole.variants = candidates.iter().map(|candidate| checked(candidate).spec).collect();
    let id = JobId::new(&resources.clock);
    let new = NewJob { id, checked: whole, spec: job.clone(), traceparent: None };
    resources.store.create_job(PROJECT, new, None, i64::MAX).await.unwrap();
}

/// All that is told of a task's end, apart from times and fresh names.
fn told(finished: &Finished) -> (Value, Vec<Vec<u8>>, Option<String>) {
    let (mut result, bytes, model) = match &finished.outcome {
        Outcome::Fold { result, predictions, history } => {
            let predictions = predictions.as_ref().map(FoldPredictions::pack);
            (json!(result), [predictions, history.clone()], None)
        }
        Outcome::Reduced { result, model, history } => {
            let model = model.as_ref().map(|model| model.sha256.clone());
            (json!(result), [history.clone(), None], model)
        }
        other => panic!("{other:?}"),
    };
    for pointer in ["/fit_s", "/fit/fit_s", "/refit/fit_s", "/score_s", "/model_id"] {
        result.pointer_mut(pointer).map(Value::take);
    }
    (result, bytes.into_iter().flatten().collect(), model)
}

/// Breaks the task off wherever it is saved.
fn goes_on(world: &mut World, task: &ClaimedTask) -> Finished {
    let (whole, n_fits) = world.run(task, usize::MAX);
    let whole = whole.unwrap();
    assert_eq!(n_fits, 6, "three candidates on two inner folds");
    let mut n_begun = vec![];
    for n_saved in 1.. {
        let (ended, before) = world.run(task, n_saved);
        if ended.is_some() {
            break;
        }
        let next = world.next(task);
        let (resumed, after) = world.run(&next, usize::MAX);
        assert_eq!(before + after, n_fits, "broken off after {n_saved}");
        assert_eq!(told(&resumed.unwrap()), told(&whole), "broken off after {n_saved}");
        n_begun.push(before);
    }
    // Within each fit, the last one included, and behind each.
    for n in 0..=n_fits {
        let n_times = n_begun.iter().filter(|begun| **begun == n).count();
        assert!(n_times >= 2, "{n_times} times with {n} fits made: {n_begun:?}");
    }
    let (mut life, mut n_lives, mut n_made) = (task.clone(), 0, 0);
    loop {
        // What a life saves first is where the one before was.
        let (ended, n) = world.run(&life, 3);
        (n_lives, n_made) = (n_lives + 1, n_made + n);
        if let Some(ended) = ended {
            assert_eq!(told(&ended), told(&whole), "{n_lives} lives");
            assert!(n_lives > 6 && n_made == n_fits, "{n_made} fits in {n_lives} lives");
            return whole;
        }
        life = world.next(task);
    }
}

fn a_search_goes_on_where_it_was(job: &Value, candidates: &[Value]) -> Value {
    let mut world = World::new(job, candidates);
    let folds = world.claim();
    assert_eq!(folds.len(), 2);
    let ended: Vec<Finished> = folds.iter().map(|fold| goes_on(&mut world, fold)).collect();
    let store = world.runner.resources.store.clone();
    assert_eq!(world.runtime.block_on(store.publish(&ended)).unwrap(), [Accepted, Accepted]);
    let refit = world.claim();
    assert!(matches!(refit[0].kind, TaskKind::Reduce { .. }));
    told(&goes_on(&mut world, &refit[0])).0
}

#[test]
fn a_search_of_networks_goes_on_where_it_was() {
    let job = json!({
        "target": "y", "model": {"type": "mlp", "hidden": [4], "dropout": 0.1},
        "optimizer": {"type": "adam"}, "training": {"epochs": 2, "batch_size": 8},
        "cv": {"type": "kfold", "n_splits": 2}
    });
    let optimizer = |rate: f64| json!({"optimizer": {"type": "adam", "learning_rate": rate}});
    // The second needs another preparation and comes last; the third diverges.
    let standard = json!({"preprocess": {"numeric": {"scale": "none"}}});
    let diverging = json!({"optimizer": {"type": "sgd", "learning_rate": 1e30}});
    let result = a_search_goes_on_where_it_was(&job, &[optimizer(0.1), standard, diverging]);
    let trials = result["search"]["trials"].as_array().unwrap();
    assert!(trials[2]["score"].is_null() && trials[1]["score"].is_number(), "{result}");
}

#[test]
fn a_search_of_perceptrons_goes_on_where_it_was() {
    let job = json!({
        "target": "y", "model": {"type": "perceptron"}, "cv": {"type": "kfold", "n_splits": 2}
    });
    let candidate = |eta0: f64| json!({"model": {"type": "perceptron", "eta0": eta0, "tol": null, "max_iter": 4}});
    let candidates = [candidate(1.0), candidate(0.1), candidate(10.0)];
    let result = a_search_goes_on_where_it_was(&job, &candidates);
    assert!(result["search"]["best_score"].is_number(), "{result}");
}

#[test]
fn prepared_data_that_nobody_uses_leave_where_memory_is_short() {
    let job = json!({
        "target": "y", "model": {"type": "mlp", "hidden": [4]},
        "training": {"epochs": 2}, "cv": {"type": "kfold", "n_splits": 2}
    });
    let others = json!({"preprocess": {"numeric": {"scale": "none"}}});
    let candidates = [json!({}), others, json!({"training": {"epochs": 3}})];
    let world = World::new(&job, &candidates);
    let task = &world.claim()[0];
    for (memory_bytes, stays) in [(1 << 30, true), (1, false)] {
        let resources = Resources { memory_bytes, ..world.runner.resources.clone() };
        let handle = world.runtime.handle().clone();
        let runner = Runner::new(resources, handle, 2, report::channel(1).0);
        let first = Arc::downgrade(&runner.prepared(&task.job, 0).unwrap());
        assert!(first.upgrade().is_some(), "the last that was prepared stays");
        runner.prepared(&task.job, 1).unwrap();
        assert_eq!(first.upgrade().is_some(), stays, "with {memory_bytes} bytes");
    }
}
