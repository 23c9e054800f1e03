//! A store without a worker, to be a worker in: claim, report and publish by hand.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use trainyard::domain::clock::Clock;
use trainyard::domain::dataset::Content;
use trainyard::domain::ids::{DatasetId, JobId, ProjectId};
use trainyard::domain::job::{FitSummary, FoldResult};
use trainyard::domain::limits::Limits;
use trainyard::domain::predictions::FoldPredictions;
use trainyard::domain::spec::check;
use trainyard::store::Store;
use trainyard::store::datasets::NewDataset;
use trainyard::store::hints::Hints;
use trainyard::store::idempotency::Created;
use trainyard::store::jobs::{NewJob, Submitted};
use trainyard::store::tasks::{ClaimRequest, ClaimedTask, Finished, Outcome, TaskKind};
use trainyard_formats::{ReadOptions, read};
use trainyard_learn::describe::describe;
use trainyard_learn::model::{Predicted, Truth};

pub const PROJECT: ProjectId = ProjectId::DEFAULT;

/// A store with one job of four folds, and no worker.
pub struct Yard {
    pub store: Store,
    pub clock: Clock,
    pub job: JobId,
    pub directory: TempDir,
}

impl Yard {
    pub async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("test.db"), Hints::default()).await.unwrap();
        let clock = Clock::system();
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
            reading: loaded.options_used,
            content: Content {
                n_rows: loaded.table.n_rows(),
                columns: describe(&loaded.table),
                warnings: vec![],
                generator: None,
            },
        };
        let Created::New(dataset) = store.create_dataset(PROJECT, new, None).await.unwrap() else {
            panic!("the dataset is new")
        };
        let spec = json!({
            "dataset_id": dataset.id, "target": "y", "model": {"type": "perceptron"},
            "cv": {"type": "stratified_kfold", "n_splits": 4}
        });
        let request = serde_json::from_value(spec.clone()).unwrap();
        let checked = check(request, &dataset, &Limits::default()).unwrap();
        let job = JobId::new(&clock);
        let new = NewJob { id: job, checked, spec };
        let submitted = store.create_job(PROJECT, new, None, 10).await.unwrap();
        assert!(matches!(submitted, Submitted::Job(Created::New(_))));
        Self { store, clock, job, directory }
    }

    pub async fn claim(&self, lease_ms: i64, budget_us: i64) -> Vec<ClaimedTask> {
        let request = ClaimRequest {
            worker: "test",
            lease_token: self.clock.new_uuid().to_string(),
            lease_ms,
            budget_us,
            max_tasks: 100,
        };
        self.store.claim(&request).await.unwrap()
    }

    pub async fn job(&self) -> trainyard::domain::job::Job {
        self.store.job(PROJECT, self.job).await.unwrap().unwrap()
    }

    pub async fn n_folds(&self) -> usize {
        self.store.folds(PROJECT, self.job).await.unwrap().unwrap().len()
    }

    /// Waits until what was put back with a pause can be claimed again.
    pub async fn claim_again(&self) -> Vec<ClaimedTask> {
        for _ in 0..100 {
            let tasks = self.claim(60_000, 1_000_000).await;
            if !tasks.is_empty() {
                return tasks;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("nothing came back to the queue")
    }
}

pub fn finished(task: &ClaimedTask, outcome: Outcome) -> Finished {
    Finished { task: task.clone(), outcome, started_us: 5, ended_us: 9, load_us: 1 }
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
