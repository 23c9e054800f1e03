//! A store without a worker, to be a worker in: claim, report and publish by hand.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use tempfile::TempDir;
use tokio::sync::Mutex;
use trainyard::domain::clock::Clock;
use trainyard::domain::dataset::{Content, Dataset, TableBytes};
use trainyard::domain::ids::{DatasetId, JobId, ProjectId};
use trainyard::domain::job::{FitSummary, FoldResult, Job};
use trainyard::domain::labels::Labels;
use trainyard::domain::limits::Limits;
use trainyard::domain::predictions::FoldPredictions;
use trainyard::domain::spec::check;
use trainyard::store::Store;
use trainyard::store::datasets::NewDataset;
use trainyard::store::hints::Hints;
use trainyard::store::idempotency::Created;
use trainyard::store::jobs::{NewJob, Submitted};
use trainyard::store::tasks::{Begun, ClaimRequest, ClaimedTask, Finished, Outcome, TaskKind};
use trainyard_formats::{ReadOptions, read};
use trainyard_learn::describe::describe;
use trainyard_learn::model::{Predicted, Truth};

use crate::rounds::there;

pub const PROJECT: ProjectId = ProjectId::DEFAULT;

const OTHER_PROJECT: &str = "prj_00000000-0000-0000-0000-000000000001";
const OTHER_DATASET: &str = "ds_00000000-0000-0000-0000-000000000001";

/// What holds a store's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    Sqlite,
    Postgres,
}

/// Where the tests' PostgreSQL is: a URL of a user who may create databases. `scripts/postgres` starts
/// one and sets this.
pub const POSTGRES_URL: &str = "TRAINYARD_TEST_POSTGRES_URL";

impl Database {
    /// Whether there is one to test on; if not, this says so, and fails where all must be tested.
    pub fn is_there(self) -> bool {
        self == Self::Sqlite
            || there(
                "on PostgreSQL: run the tests by scripts/postgres",
                std::env::var_os(POSTGRES_URL).is_some(),
            )
    }

    /// A URL of an empty database of PostgreSQL's.
    pub async fn new_postgres(name: &str) -> String {
        Self::new_postgres_on(&std::env::var(POSTGRES_URL).unwrap(), name).await
    }

    /// The same on a server of the test's own.
    pub async fn new_postgres_on(server: &str, name: &str) -> String {
        let mut admin = PgConnection::connect(server).await.unwrap();
        let create = AssertSqlSafe(format!("CREATE DATABASE \"{name}\""));
        sqlx::query(create).execute(&mut admin).await.unwrap();
        let (server, _) = server.rsplit_once('/').unwrap();
        format!("{server}/{name}")
    }
}

/// Makes of each function that takes a [`Database`] a test on each.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        $(mod $name {
            use crate::yard::Database;

            #[tokio::test]
            async fn sqlite() {
                super::$name(Database::Sqlite).await;
            }

            #[tokio::test]
            async fn postgres() {
                if Database::Postgres.is_there() {
                    super::$name(Database::Postgres).await;
                }
            }
        })*
    };
}
pub(crate) use on_both;

/// A connection beside the store's, to do what no method of it does.
enum Beside {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// A store with one job of four folds, and no worker.
pub struct Yard {
    pub store: Store,
    pub clock: Clock,
    pub job: JobId,
    pub dataset: Dataset,
    beside: Mutex<Beside>,
    /// Of PostgreSQL's.
    url: Option<String>,
    _directory: TempDir,
}

impl Yard {
    pub async fn new(on: Database) -> Self {
        // In memory where there is such a folder: what survives a power cut is not tested here.
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let clock = Clock::system();
        let (store, beside, url) = match on {
            Database::Sqlite => {
                let path = directory.path().join("test.db");
                let store = Store::open(&path, Hints::default()).await.unwrap();
                let url = format!("sqlite://{}", path.display());
                (store, Beside::Sqlite(SqliteConnection::connect(&url).await.unwrap()), None)
            }
            Database::Postgres => {
                let url = Database::new_postgres(&clock.new_uuid().to_string()).await;
                let store = Store::connect(&url, Hints::default()).await.unwrap();
                let beside = PgConnection::connect(&url).await.unwrap();
                (store, Beside::Postgres(beside), Some(url))
            }
        };
        let rows: String = (0..40).map(|i| format!("{i},{}\n", i % 2)).collect();
        let text = format!("a,y\n{rows}");
        let source = std::io::Cursor::new(text.clone());
        let loaded =
            read(source, None, &ReadOptions::default(), &Limits::default().formats()).unwrap();
        let new = NewDataset {
            id: DatasetId::new(&clock),
            name: None,
            size_bytes: text.len() as u64,
            sha256: "0".repeat(64),
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
        let Created::New(dataset) = store.create_dataset(PROJECT, new, None).await.unwrap() else {
            panic!("the dataset is new")
        };
        let mut yard = Self {
            store,
            job: JobId::new(&clock),
            clock,
            dataset,
            beside: Mutex::new(beside),
            url,
            _directory: directory,
        };
        yard.job = yard.submit(4).await;
        yard
    }

    /// The same database as another process of PostgreSQL's has it; `None` of SQLite's, which has none.
    pub async fn another_process(&self) -> Option<Store> {
        match &self.url {
            Some(url) => Some(Store::connect(url, Hints::default()).await.unwrap()),
            None => None,
        }
    }

    /// Another project, with the same dataset.
    pub async fn other_project(&self) -> ProjectId {
        let insert = format!(
            "INSERT INTO projects (id, name, created_at) VALUES ('{OTHER_PROJECT}', 'other', 0)"
        );
        self.change(&insert).await;
        let insert = format!(
            "INSERT INTO datasets (id, project_id, name, size_bytes, sha256, reading, content,
                                   created_at)
             SELECT '{OTHER_DATASET}', '{OTHER_PROJECT}', name, size_bytes, sha256, reading, content,
                    created_at FROM datasets"
        );
        self.change(&insert).await;
        OTHER_PROJECT.parse().unwrap()
    }

    /// A job of so many folds.
    pub async fn submit(&self, n_splits: usize) -> JobId {
        self.submit_with(PROJECT, n_splits, json!({})).await
    }

    /// A job of so many folds, and what else its spec says.
    pub async fn submit_with(&self, project: ProjectId, n_splits: usize, more: Value) -> JobId {
        let (job, submitted) = self.try_submit(project, n_splits, more).await;
        assert!(matches!(submitted, Submitted::Job(Created::New(_))), "{submitted:?}");
        job
    }

    /// The same, whatever becomes of it.
    pub async fn try_submit(
        &self,
        project: ProjectId,
        n_splits: usize,
        more: Value,
    ) -> (JobId, Submitted) {
        let mut dataset = self.dataset.clone();
        if project != PROJECT {
            dataset.id = OTHER_DATASET.parse().unwrap();
        }
        let mut spec = json!({
            "dataset_id": dataset.id, "target": "y", "model": {"type": "perceptron"},
            "cv": {"type": "stratified_kfold", "n_splits": n_splits}
        });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let request = serde_json::from_value(spec.clone()).unwrap();
        let checked = check(request, &dataset, &Limits::default()).unwrap();
        let job = JobId::new(&self.clock);
        let new = NewJob { id: job, checked, spec, traceparent: None };
        (job, self.store.create_job(project, new, None, i64::MAX).await.unwrap())
    }

    /// Runs a statement beside the store; how many rows it changed.
    pub async fn change(&self, statement: &str) -> u64 {
        let statement = AssertSqlSafe(statement.to_owned());
        match &mut *self.beside.lock().await {
            Beside::Sqlite(beside) => {
                sqlx::query(statement).execute(beside).await.unwrap().rows_affected()
            }
            Beside::Postgres(beside) => {
                sqlx::query(statement).execute(beside).await.unwrap().rows_affected()
            }
        }
    }

    /// The texts that a query beside the store finds.
    pub async fn texts(&self, query: &str) -> Vec<String> {
        let query = AssertSqlSafe(query.to_owned());
        match &mut *self.beside.lock().await {
            Beside::Sqlite(beside) => sqlx::query_scalar(query).fetch_all(beside).await.unwrap(),
            Beside::Postgres(beside) => sqlx::query_scalar(query).fetch_all(beside).await.unwrap(),
        }
    }

    pub async fn claim(&self, lease_ms: i64, budget_us: i64) -> Vec<ClaimedTask> {
        self.claim_as(lease_ms, budget_us, true).await
    }

    /// The same, with or without last tries.
    pub async fn claim_as(
        &self,
        lease_ms: i64,
        budget_us: i64,
        may_be_last_try: bool,
    ) -> Vec<ClaimedTask> {
        let tasks = self.take(lease_ms, budget_us, may_be_last_try).await;
        if let Some(begun) = Begun::of(&tasks) {
            self.store.note(&begun).await.unwrap();
        }
        tasks
    }

    /// All that is queued, by a worker that has not said so yet.
    pub async fn claim_unnoted(&self) -> Vec<ClaimedTask> {
        self.take(60_000, i64::MAX, true).await
    }

    async fn take(&self, lease_ms: i64, budget_us: i64, may_be_last_try: bool) -> Vec<ClaimedTask> {
        let request = ClaimRequest {
            worker: "test",
            lease_token: self.clock.new_uuid().to_string(),
            lease_ms,
            budget_us,
            max_tasks: 100,
            max_memory_bytes: i64::MAX,
            may_be_last_try,
            requirements: &[String::new()],
        };
        self.store.claim(&request).await.unwrap()
    }

    /// The next task, for a worker of these labels and this memory.
    pub async fn next_for(&self, labels: &str, max_memory_bytes: i64) -> Option<ClaimedTask> {
        let labels: Labels = labels.parse().unwrap();
        let request = ClaimRequest {
            worker: "test",
            lease_token: self.clock.new_uuid().to_string(),
            lease_ms: 60_000,
            budget_us: 1,
            max_tasks: 1,
            max_memory_bytes,
            may_be_last_try: true,
            requirements: &labels.subsets(),
        };
        self.store.claim(&request).await.unwrap().into_iter().next()
    }

    pub async fn hand_back(&self, tasks: &[ClaimedTask]) {
        let held: Vec<_> = tasks.iter().map(ClaimedTask::holding).collect();
        self.store.hand_back(&held).await.unwrap();
    }

    pub async fn job(&self) -> Job {
        self.job_of(self.job).await
    }

    pub async fn job_of(&self, job: JobId) -> Job {
        self.store.job(PROJECT, job).await.unwrap().unwrap()
    }

    pub async fn n_folds(&self) -> usize {
        self.store.folds(PROJECT, self.job).await.unwrap().unwrap().len()
    }

    /// Waits until what was put back with a pause can be claimed again. What was tried before is taken one
    /// by one.
    pub async fn claim_again(&self) -> Vec<ClaimedTask> {
        for _ in 0..100 {
            let mut all = Vec::new();
            loop {
                let tasks = self.claim(60_000, 1_000_000).await;
                if tasks.is_empty() {
                    break;
                }
                all.extend(tasks);
            }
            if !all.is_empty() {
                return all;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("nothing came back to the queue")
    }
}

pub fn finished(task: &ClaimedTask, outcome: Outcome) -> Finished {
    let task = task.clone();
    Finished { task, outcome, started_us: 5, ended_us: 9, load_us: 1, peak_bytes: Some(7) }
}

pub fn fold(task: &ClaimedTask) -> Finished {
    let TaskKind::Fold { idx } = task.kind else { panic!("{task:?} is no fold") };
    let result = FoldResult {
        repeat: 0,
        fold: idx as u32,
        chosen: None,
        point: None,
        n_train: 30,
        n_test: 10,
        scores: [("accuracy".to_owned(), Some(0.5))].into(),
        train_scores: BTreeMap::new(),
        score_s: 0.0,
        unseen_categories: vec![],
        untested_classes: vec![],
        ill_defined: vec![],
        untrained_classes: vec![],
        fit: FitSummary {
            epochs: 1,
            converged: Some(true),
            best_epoch: None,
            stop_reason: "completed".to_owned(),
            train_loss: None,
            val_loss: None,
            fit_s: 0.0,
        },
    };
    let predicted = Predicted::Decisions { prediction: vec![], decision: vec![], n_values: 1 };
    let predictions =
        Some(FoldPredictions { rows: vec![], truth: Truth::Classes(vec![]), predicted });
    finished(task, Outcome::Fold { result: Box::new(result), predictions, history: None })
}

pub fn folds(tasks: &[ClaimedTask]) -> Vec<Finished> {
    tasks.iter().map(fold).collect()
}
