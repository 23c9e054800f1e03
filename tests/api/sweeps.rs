//! What is stored and named while the same bytes, which nothing has named for long, are being swept.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use http::{Request, StatusCode};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tower::ServiceExt;
use trainyard::blobs::Blobs;
use trainyard::domain::clock::Clock;
use trainyard::domain::dataset::Content;
use trainyard::domain::ids::{DatasetId, ModelId};
use trainyard::domain::job::{JobResult, JobStatus};
use trainyard::domain::limits::Limits;
use trainyard::domain::model::{ModelCard, ModelOutput};
use trainyard::http::{Allowed, AppState, router};
use trainyard::meters::Meters;
use trainyard::store::StoreError;
use trainyard::store::datasets::NewDataset;
use trainyard::store::idempotency::{Created, IdempotencyKey};
use trainyard::store::tasks::{ClaimedTask, Finished, NewModel, Outcome, Published, TaskKind};
use trainyard::sweep::sweep;
use trainyard::tables::{Kept, Tables};
use trainyard::webhooks::Receivers;

use crate::yard::{Database, PROJECT, Yard, finished, folds, on_both};

const TABLE: &str = "a,y\n1,0\n2,1\n3,0\n4,1\n";

const MODEL: &str = "model";

/// A store in which the deletion of a blob waits until it is let go.
#[derive(Clone, Debug)]
struct Slow {
    inner: Arc<LocalFileSystem>,
    /// Deletions that have been asked for.
    asked: Arc<Semaphore>,
    let_go: Arc<Semaphore>,
}

impl std::fmt::Display for Slow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Slow")
    }
}

#[async_trait]
impl ObjectStore for Slow {
    async fn put_opts(&self, at: &Path, bytes: PutPayload, how: PutOptions) -> Result<PutResult> {
        self.inner.put_opts(at, bytes, how).await
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        how: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(at, how).await
    }

    async fn get_opts(&self, at: &Path, how: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(at, how).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let slow = self.clone();
        let delete = move |path: Result<Path>| {
            let slow = slow.clone();
            async move {
                let path = path?;
                if path.as_ref().starts_with("blobs/") {
                    slow.asked.add_permits(1);
                    slow.let_go.acquire().await.unwrap().forget();
                }
                slow.inner.delete(&path).await?;
                Ok(path)
            }
        };
        paths.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, how: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, how).await
    }
}

/// A database and a store of blobs, to which all that is there is older than a day.
struct World {
    yard: Yard,
    blobs: Blobs,
    /// As the sweep sees them.
    old: Blobs,
    slow: Slow,
    directory: TempDir,
}

impl World {
    async fn new(on: Database) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let slow = Slow {
            inner: Arc::new(LocalFileSystem::new_with_prefix(directory.path()).unwrap()),
            asked: Arc::new(Semaphore::new(0)),
            let_go: Arc::new(Semaphore::new(0)),
        };
        let tomorrow = Clock::new(|| {
            #[expect(clippy::disallowed_methods, reason = "the files' own clock, two days on")]
            let now = SystemTime::now();
            now + Duration::from_secs(48 * 60 * 60)
        });
        let over = |clock| Blobs::over(Arc::new(slow.clone()), clock);
        let (blobs, old) = (over(Clock::system()), over(tomorrow));
        Self { yard: Yard::new(on).await, blobs, old, slow, directory }
    }

    /// Begins to sweep what nothing names; says how many blobs it deleted.
    fn sweep(&self) -> JoinHandle<usize> {
        let (store, old, clock) =
            (self.yard.store.clone(), self.old.clone(), self.yard.clock.clone());
        tokio::spawn(async move { sweep(&store, &old, &HashSet::new(), &clock).await.unwrap() })
    }

    /// Waits until the call that deletes a blob is on its way.
    async fn until_deleting(&self) {
        let asked = tokio::time::timeout(Duration::from_secs(30), self.slow.asked.acquire()).await;
        asked.expect("nothing is deleted").unwrap().forget();
    }

    /// An upload of the table on its way; its answer's status.
    fn upload(&self) -> impl Future<Output = StatusCode> + use<> {
        let headers = [("host", "localhost"), ("content-type", "text/csv")];
        let upload =
            headers.into_iter().fold(Request::post("/v1/datasets"), |request, (name, value)| {
                request.header(name, value)
            });
        let answer = self.api().oneshot(upload.body(Body::from(TABLE)).unwrap());
        async move { answer.await.unwrap().status() }
    }

    /// Under any name, received and named.
    fn n_files(&self) -> [usize; 2] {
        ["staging", "blobs"].map(|name| crate::support::n_files(&self.directory.path().join(name)))
    }

    async fn is_there(&self, name: &str) -> bool {
        self.blobs.get(name).await.is_ok()
    }

    fn dataset(&self, sha256: &str) -> NewDataset {
        let content =
            Content { n_rows: 4, columns: vec![], warnings: vec![], generator: None, table: None };
        NewDataset {
            id: DatasetId::new(&self.yard.clock),
            name: None,
            size_bytes: TABLE.len() as u64,
            sha256: sha256.to_owned(),
            stored_after: None,
            reading: trainyard_formats::ReadOptions::default(),
            content,
        }
    }

    /// The API of a server on them.
    fn api(&self) -> Router {
        let (limits, at) = (Limits::default(), |name| self.directory.path().join(name));
        let kept = Kept {
            directory: at("tables"),
            cached_bytes: 1 << 20,
            scratch: at("scratch"),
            max_memory_bytes: 1 << 20,
        };
        let blobs = self.blobs.clone();
        let tables = Tables::new(blobs.clone(), Handle::current(), limits.formats(), kept).unwrap();
        let (store, clock) = (self.yard.store.clone(), self.yard.clock.clone());
        let (tables, meters) = (Arc::new(tables), Meters::default());
        let state = AppState::new(store, blobs, tables, clock, limits, meters, Receivers::Off);
        router(state, Allowed { any: true, hosts: vec![] })
    }
}

async fn an_upload_of_bytes_that_are_being_swept_keeps_them(on: Database) {
    let world = World::new(on).await;
    let name = world.blobs.put(TABLE.into()).await.unwrap();
    let swept = world.sweep();
    world.until_deleting().await;
    let upload = tokio::spawn(world.upload());
    tokio::time::sleep(Duration::from_millis(500)).await;
    if upload.is_finished() {
        panic!("it did not wait for the deletion: {:?}", upload.await);
    }
    world.slow.let_go.add_permits(1);
    assert_eq!(swept.await.unwrap(), 1);
    assert_eq!(upload.await.unwrap(), 201);
    assert!(world.is_there(&name).await, "a row names what is gone");
    assert_eq!(world.yard.store.datasets(PROJECT, None, 10).await.unwrap().len(), 2);
    assert_eq!(world.n_files(), [0, 1]);
    // Named, it is swept no more, however old it is.
    assert_eq!(world.sweep().await.unwrap(), 0);
    assert!(world.is_there(&name).await);
}

async fn an_upload_of_bytes_that_were_swept_lately_is_one_file(on: Database) {
    let world = World::new(on).await;
    let name = world.blobs.put(TABLE.into()).await.unwrap();
    world.slow.let_go.add_permits(1);
    assert_eq!(world.sweep().await.unwrap(), 1);
    assert_eq!(world.upload().await, 201);
    assert!(world.is_there(&name).await);
    assert_eq!(world.n_files(), [0, 1], "bytes under a name that nothing knows stay for ever");
}

async fn what_was_stored_before_a_deletion_is_not_named_after_it(on: Database) {
    let world = World::new(on).await;
    let store = &world.yard.store;
    let name = world.blobs.put(TABLE.into()).await.unwrap();
    let swept = world.sweep();
    world.until_deleting().await;
    world.blobs.put(TABLE.into()).await.unwrap();
    world.slow.let_go.add_permits(1);
    assert_eq!(swept.await.unwrap(), 1);
    let mut dataset = world.dataset(&name);
    let refused = store.create_dataset(PROJECT, dataset.clone(), None).await;
    assert!(matches!(refused, Err(StoreError::Leaving { .. })), "{refused:?}");
    dataset.stored_after = Some(store.after_leaving(&name).await.unwrap());
    world.blobs.put(TABLE.into()).await.unwrap();
    let created = store.create_dataset(PROJECT, dataset, None).await.unwrap();
    assert!(matches!(created, Created::New(_)), "{created:?}");
    assert!(world.is_there(&name).await);
}

async fn what_is_named_just_before_it_is_marked_stays(on: Database) {
    let world = World::new(on).await;
    let store = &world.yard.store;
    let name = world.blobs.put(TABLE.into()).await.unwrap();
    store.create_dataset(PROJECT, world.dataset(&name), None).await.unwrap();
    // The sweep was told of no name.
    assert_eq!(world.sweep().await.unwrap(), 0);
    assert!(world.is_there(&name).await);
    // And its mark stands in nobody's way.
    store.create_dataset(PROJECT, world.dataset(&name), None).await.unwrap();
}

async fn the_mark_of_a_sweep_that_died_runs_out(on: Database) {
    let world = World::new(on).await;
    let store = &world.yard.store;
    let name = world.blobs.put(TABLE.into()).await.unwrap();
    let other = world.blobs.put(b"other".to_vec()).await.unwrap();
    let names = [name.clone(), other.clone()];
    let leave = |mark: &str, within| store.let_leave(mark.to_owned(), &names, within);
    let mut dead = leave("dead", Duration::from_millis(400)).await.unwrap().names;
    dead.sort_by_key(|left| *left == other);
    assert_eq!(dead, names);
    let beside = leave("beside", Duration::from_secs(60)).await.unwrap();
    assert_eq!(beside.names, [""; 0], "one of two deletes it");
    let mut dataset = world.dataset(&name);
    let begun = std::time::Instant::now();
    dataset.stored_after = Some(store.after_leaving(&name).await.unwrap());
    assert!(begun.elapsed() > Duration::from_millis(200), "it was still leaving");
    store.create_dataset(PROJECT, dataset, None).await.unwrap();
    // Another takes over what is nobody's any more, but for what is named by now.
    assert_eq!(leave("next", Duration::from_secs(60)).await.unwrap().names, [other]);
}

async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    for _ in 0..3_000 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what}");
}

/// Whether somebody on the yard's database waits for such a lock.
async fn somebody_waits(yard: &Yard, kind: &str) -> bool {
    let waiting = format!(
        "SELECT locktype FROM pg_locks JOIN pg_database ON pg_database.oid = database
         WHERE datname = current_database() AND locktype = '{kind}' AND NOT granted"
    );
    !yard.texts(&waiting).await.is_empty()
}

/// SQLite has one writer, so that nothing of this kind can happen there.
#[tokio::test]
async fn who_marks_waits_for_whoever_is_just_naming() {
    if !Database::Postgres.is_there() {
        return;
    }
    let world = World::new(Database::Postgres).await;
    let store = &world.yard.store;
    let name = world.blobs.put(TABLE.into()).await.unwrap();
    // Naming has inserted its row, which nobody sees yet, and comes no further.
    world.yard.change("BEGIN").await;
    world.yard.change("LOCK TABLE idempotency_keys IN SHARE MODE").await;
    let naming = {
        let (store, dataset) = (store.clone(), world.dataset(&name));
        let key = IdempotencyKey { key: "key".to_owned(), fingerprint: "call".to_owned() };
        tokio::spawn(async move { store.create_dataset(PROJECT, dataset, Some(&key)).await })
    };
    until("it names", async || somebody_waits(&world.yard, "relation").await).await;
    let marking = {
        let (store, names) = (store.clone(), [name.clone()]);
        tokio::spawn(async move {
            store.let_leave("mark".to_owned(), &names, Duration::from_secs(60)).await
        })
    };
    let waits = async || marking.is_finished() || somebody_waits(&world.yard, "advisory").await;
    until("it marks", waits).await;
    assert!(!marking.is_finished(), "it marked what is being named");
    world.yard.change("COMMIT").await;
    let named = naming.await.unwrap().unwrap();
    assert!(matches!(named, Created::New(_)), "{named:?}");
    assert_eq!(marking.await.unwrap().unwrap().names, [""; 0], "what is named would be deleted");
}

/// The end of the job, with a model of these bytes, which are stored now.
async fn with_model(world: &World, task: &ClaimedTask) -> Finished {
    let yard = &world.yard;
    let stored_after = Some(yard.store.now().await.unwrap());
    let sha256 = world.blobs.put(MODEL.into()).await.unwrap();
    let spec = task.job.spec.clone();
    let target = spec.target.clone();
    let card = ModelCard {
        spec,
        data_sha256: task.job.data_sha256.clone(),
        n_rows: 40,
        csv: None,
        inputs: vec![],
        outputs: ModelOutput { target, classes: task.job.classes.clone() },
        cv: BTreeMap::new(),
        train: BTreeMap::new(),
        warnings: vec![],
    };
    let (id, size_bytes) = (ModelId::new(&yard.clock), MODEL.len() as u64);
    let model = Some(Box::new(NewModel { id, sha256, stored_after, size_bytes, card }));
    let result = Box::new(JobResult::default());
    finished(task, Outcome::Reduced { result, model, history: None })
}

async fn a_model_of_bytes_that_are_being_swept_is_made_again(on: Database) {
    let world = World::new(on).await;
    let (yard, store) = (&world.yard, &world.yard.store);
    let task = last_task(yard).await;
    let name = world.blobs.put(MODEL.into()).await.unwrap();
    let swept = world.sweep();
    world.until_deleting().await;
    let model = with_model(&world, &task).await;
    assert_eq!(store.publish(&[model]).await.unwrap(), [Published::PutBack]);
    assert_eq!(yard.job().await.status, JobStatus::Running, "it named what is being deleted");
    world.slow.let_go.add_permits(1);
    assert_eq!(swept.await.unwrap(), 1);

    // As if the mark's time were over.
    yard.change("UPDATE tasks SET available_at = 0").await;
    let again = yard.claim_again().await.remove(0);
    assert_eq!((again.id, again.attempt), (task.id, task.attempt), "the attempt did not count");
    let model = with_model(&world, &again).await;
    assert_eq!(store.publish(&[model]).await.unwrap(), [Published::Accepted]);
    assert_eq!(yard.job().await.status, JobStatus::Succeeded);
    assert!(world.is_there(&name).await, "a model names what is gone");
}

/// The task that ends the yard's job.
async fn last_task(yard: &Yard) -> ClaimedTask {
    let tasks = yard.claim(60_000, i64::MAX).await;
    yard.store.publish(&folds(&tasks)).await.unwrap();
    let task = yard.claim(60_000, i64::MAX).await.remove(0);
    assert!(matches!(task.kind, TaskKind::Reduce { .. }));
    task
}

async fn a_model_stored_after_a_deletion_that_its_training_has_seen_is_not_made_again(
    on: Database,
) {
    let world = World::new(on).await;
    let task = last_task(&world.yard).await;
    let name = world.blobs.put(MODEL.into()).await.unwrap();
    world.slow.let_go.add_permits(1);
    assert_eq!(world.sweep().await.unwrap(), 1);
    // What is stored within the same millisecond is taken for older.
    tokio::time::sleep(Duration::from_millis(5)).await;
    let model = with_model(&world, &task).await;
    let became = world.yard.store.publish(&[model]).await.unwrap();
    assert_eq!(became, [Published::Accepted]);
    assert!(world.is_there(&name).await);
}

async fn a_model_of_bytes_that_a_lost_sweep_has_marked_is_made_again_once(on: Database) {
    let world = World::new(on).await;
    let (yard, store) = (&world.yard, &world.yard.store);
    let task = last_task(yard).await;
    let name = world.blobs.put(MODEL.into()).await.unwrap();
    // It dies after this.
    let within = Duration::from_secs(4);
    assert_eq!(store.let_leave("mark".to_owned(), &[name], within).await.unwrap().names.len(), 1);
    let model = with_model(&world, &task).await;
    assert_eq!(store.publish(&[model]).await.unwrap(), [Published::PutBack]);
    // The task waits as long as the mark may stand for a deletion.
    let again = yard.claim_again().await.remove(0);
    assert_eq!((again.id, again.attempt), (task.id, task.attempt));
    let model = with_model(&world, &again).await;
    assert_eq!(store.publish(&[model]).await.unwrap(), [Published::Accepted]);
    let events = store.events(PROJECT, yard.job, 0, 100).await.unwrap();
    let retrying: Vec<_> = events.iter().filter(|event| event.kind == "retrying").collect();
    assert_eq!(retrying.len(), 1);
    assert_eq!(retrying[0].data["reason"], "model_not_stored");
}

on_both!(
    an_upload_of_bytes_that_are_being_swept_keeps_them,
    an_upload_of_bytes_that_were_swept_lately_is_one_file,
    what_was_stored_before_a_deletion_is_not_named_after_it,
    what_is_named_just_before_it_is_marked_stays,
    the_mark_of_a_sweep_that_died_runs_out,
    a_model_of_bytes_that_are_being_swept_is_made_again,
    a_model_stored_after_a_deletion_that_its_training_has_seen_is_not_made_again,
    a_model_of_bytes_that_a_lost_sweep_has_marked_is_made_again_once,
);
