//! A server from its settings: opens the data directory, starts the worker, answers connections,
//! and goes away in order.

use std::fs::{self, File, TryLockError};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;

use crate::blobs::{BlobError, Blobs};
use crate::domain::clock::Clock;
use crate::domain::labels::Labels;
use crate::domain::limits::Limits;
use crate::http::{Allowed, AppState};
use crate::meters::Meters;
use crate::scratch::Scratch;
use crate::store::hints::{Audience, Hints};
use crate::store::place::{NoPlace, Place};
use crate::store::{Store, StoreError};
use crate::sweep::{self, SweepError};
use crate::tables::{Kept, Tables};
use crate::webhooks::{self, Receivers};
use crate::worker::{Resources, Worker};

/// What a server is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen; port 0 takes a free one.
    pub bind: SocketAddr,
    /// Where everything is kept that has no other place, and what is copied from there.
    pub data_dir: PathBuf,
    /// The database, if it is not SQLite in the data directory.
    pub database_url: Option<String>,
    /// Where the blobs are, if not in the data directory.
    pub artifact_url: Option<String>,
    /// What the process does.
    pub role: Role,
    /// How long a claimed task is held without a word of its worker.
    pub lease: Duration,
    /// How often a fit that takes long is saved.
    pub checkpoint_every: Duration,
    /// Training threads.
    pub n_threads: usize,
    /// What tasks may require of the worker.
    pub labels: Labels,
    /// What the tasks that run may need together, by estimate.
    pub memory_bytes: u64,
    /// How long after its end a job is kept that says nothing else; for ever if none.
    pub retention: Option<Duration>,
    /// Whom webhooks' messages may be sent to.
    pub webhooks: Receivers,
    /// Whether something in front authenticates and encrypts.
    pub behind_proxy: bool,
    /// Hosts that requests may name, beside the loopback's.
    pub allowed_hosts: Vec<String>,
    /// How much a client may ask for.
    pub limits: Limits,
}

/// What a process does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// Answers requests and trains.
    #[default]
    All,
    /// Answers requests.
    Api,
    /// Trains, and answers only how it is.
    Worker,
}

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is open to others, and nothing would check who asks.
    #[error(
        "{0} can be reached from other machines, and this version checks no keys. Bind to \
         127.0.0.1, or put a proxy that authenticates in front and say --behind-proxy"
    )]
    Open(SocketAddr),
    /// Another server uses the data directory.
    #[error("{0} is in use by another trainyard; give each its own --data-dir")]
    InUse(PathBuf),
    /// What was asked for needs what others can reach.
    #[error(
        "--role {0} needs what its other processes share: a --database-url postgres://… and an \
         --artifact-url"
    )]
    NotShared(&'static str),
    /// There is no such kind of database.
    #[error(transparent)]
    DatabaseUrl(#[from] NoPlace),
    /// The database's file cannot be used.
    #[error("the database {path}: {source}")]
    DatabaseFile {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another server uses the database's file.
    #[error(
        "{0} is in use by another trainyard; give each its own file, or let them share a \
         --database-url postgres://…"
    )]
    DatabaseInUse(PathBuf),
    /// The data directory cannot be used.
    #[error("the data directory {path}: {source}")]
    DataDir {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another program listens there.
    #[error(
        "{0} is in use by another program; choose another address with --bind, such as \
         --bind {ip}:0 for a free port", ip = host(*.0)
    )]
    Taken(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The machine gives no more threads.
    #[error("cannot start the training threads: {0}")]
    Threads(io::Error),
    /// The database cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The blobs cannot be opened.
    #[error(transparent)]
    Blobs(#[from] BlobError),
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    state: AppState,
    store: Store,
    worker: Option<Worker>,
    sender: Option<JoinHandle<()>>,
    sweeper: JoinHandle<()>,
    stop: watch::Sender<bool>,
    acceptor: JoinHandle<()>,
    /// Held, so that no other server uses the directory, or the database's file.
    _locks: (File, Option<File>),
}

/// A client may take so long to send its headers, and a connection may be idle so long.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);

const MAX_HEADER_BYTES: usize = 64 << 10;

/// Connections get so long to finish their answers when the server goes away.
const DRAIN: Duration = Duration::from_secs(5);

/// All of that is over within ten seconds, of which this is left to tasks and the database.
const LEAVE: Duration = Duration::from_secs(8);

/// Parsed tables stay in memory up to this many bytes.
const CACHED_BYTES: usize = 256 << 20;

/// Jobs that have been kept long enough are looked for so often.
const FORGET_EVERY: Duration = Duration::from_secs(5);

/// What nothing refers to is looked for so often, and soon after the start, in case that the server is
/// started more often than that.
const SWEEP_EVERY: Duration = Duration::from_secs(60 * 60);
const FIRST_SWEEP: Duration = Duration::from_secs(5 * 60);

impl Server {
    /// Starts a server. It answers when this returns.
    ///
    /// # Errors
    /// When the settings are unsafe, or the machine does not give what is needed.
    pub async fn start(mut settings: Settings, clock: Clock) -> Result<Self, StartError> {
        let place = Place::of(settings.database_url.as_deref(), &settings.data_dir)?;
        if place.file().is_some() {
            // Nobody else would take what is too large for this machine.
            let most = &mut settings.limits.max_task_megabytes;
            *most = (*most).min(settings.memory_bytes >> 20);
        }
        if !settings.bind.ip().is_loopback() && !settings.behind_proxy {
            return Err(StartError::Open(settings.bind));
        }
        match (place.file(), settings.role) {
            (Some(_), Role::Api) => return Err(StartError::NotShared("api")),
            (Some(_), Role::Worker) => return Err(StartError::NotShared("worker")),
            _ => {}
        }
        let lock = open_data_dir(&settings.data_dir)?;
        let locks = (lock, place.file().map(lock_database).transpose()?);
        let unusable = |source| StartError::DataDir { path: settings.data_dir.clone(), source };
        let store = open_store(&place, settings.role).await?;
        let scratch = settings.data_dir.join("scratch");
        let blobs = open_blobs(&settings, &clock).await?.with_scratch(scratch);
        if place.file().is_some() {
            // The lock says that no other worker lives, so what is leased was leased by an earlier life.
            let n_taken_back = store.take_back_leases().await?;
            store.forget_workers(true).await?;
            // A folder or bucket that was named could be somebody else's too.
            let own = settings.artifact_url.is_none();
            let n_cleared = if own { blobs.clear_staging().await? } else { 0 };
            if n_taken_back + n_cleared > 0 {
                tracing::info!(n_taken_back, n_cleared, "tidied up after an earlier life");
            }
        }
        let tables = Arc::new(
            Tables::new(
                blobs.clone(),
                Handle::current(),
                settings.limits.formats(),
                Kept {
                    directory: settings.data_dir.join("tables"),
                    cached_bytes: CACHED_BYTES,
                    scratch: settings.data_dir.join("scratch"),
                    max_memory_bytes: (settings.limits.max_table_megabytes as usize) << 20,
                },
            )
            .map_err(unusable)?,
        );
        let scratch = Scratch::new(
            &settings.data_dir.join("scratch"),
            settings.limits.max_table_megabytes << 20,
        )
        .map_err(unusable)?;
        let meters = Meters::default();
        let resources = Resources {
            scratch,
            store: store.clone(),
            blobs: blobs.clone(),
            tables: Arc::clone(&tables),
            clock: clock.clone(),
            meters: meters.clone(),
            lease: settings.lease,
            checkpoint_every: settings.checkpoint_every,
            time_limit: Duration::from_secs(settings.limits.max_task_seconds),
            labels: settings.labels.clone(),
            memory_bytes: settings.memory_bytes,
        };
        let kept = Arc::clone(&tables);
        let listener =
            TcpListener::bind(settings.bind).await.map_err(|source| match source.kind() {
                io::ErrorKind::AddrInUse => StartError::Taken(settings.bind),
                _ => StartError::Bind { address: settings.bind, source },
            })?;
        let address = listener
            .local_addr()
            .map_err(|source| StartError::Bind { address: settings.bind, source })?;
        let worker = match settings.role {
            Role::Api => None,
            Role::All | Role::Worker => Some(
                Worker::start(&resources, settings.n_threads).await.map_err(StartError::Threads)?,
            ),
        };
        let state = AppState::new(
            store.clone(),
            blobs.clone(),
            tables,
            clock.clone(),
            settings.limits.clone(),
            meters,
            settings.webhooks,
        );
        // Behind a proxy, the names that clients use are the proxy's to check, unless listed here.
        let allowed = Allowed {
            any: settings.behind_proxy && settings.allowed_hosts.is_empty(),
            hosts: settings.allowed_hosts,
        };
        let router = match settings.role {
            Role::All | Role::Api => crate::http::router(state.clone(), allowed),
            Role::Worker => crate::http::health_router(state.clone(), allowed),
        };
        let (stop, stopped) = watch::channel(false);
        let acceptor =
            tokio::spawn(accept(listener, router, settings.limits.max_connections, stopped));
        let sends = settings.role != Role::Worker && settings.webhooks != Receivers::Off;
        let sender = sends
            .then(|| tokio::spawn(webhooks::send(store.clone(), clock.clone(), settings.webhooks)));
        let sweeper = tokio::spawn(sweep(store.clone(), blobs, kept, settings.retention, clock));
        tracing::info!(%address, n_threads = settings.n_threads, "ready");
        Ok(Self { address, state, store, worker, sender, sweeper, stop, acceptor, _locks: locks })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends answers and tasks in order and closes the database, which may not answer.
    pub async fn shutdown(self) {
        tracing::info!("going away");
        let deadline = tokio::time::Instant::now() + LEAVE;
        self.state.drain();
        self.sweeper.abort();
        if let Some(sender) = &self.sender {
            sender.abort();
        }
        let _ = self.stop.send(true);
        let worker = async {
            if let Some(worker) = self.worker {
                worker.shutdown(deadline).await;
            }
        };
        let ((), acceptor) = tokio::join!(worker, self.acceptor);
        if let Err(error) = acceptor {
            tracing::error!(%error, "the acceptor ended badly");
        }
        if tokio::time::timeout_at(deadline, self.store.close()).await.is_err() {
            tracing::warn!("connections to the database were cut");
        }
        tracing::info!("gone");
    }
}

/// An address without its port, as `--bind` takes it.
fn host(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(address) => address.ip().to_string(),
        SocketAddr::V6(address) => format!("[{}]", address.ip()),
    }
}

async fn open_store(place: &Place, role: Role) -> Result<Store, StoreError> {
    let hints = match role {
        Role::All => Hints::default(),
        Role::Api => Hints::hearing(&[Audience::Watchers]),
        Role::Worker => Hints::hearing(&[Audience::Workers]),
    };
    match place {
        Place::Sqlite(path) => Store::open(path, hints).await,
        Place::Postgres(url) => Store::connect(url, hints).await,
    }
}

async fn open_blobs(settings: &Settings, clock: &Clock) -> Result<Blobs, StartError> {
    match (&settings.artifact_url, settings.role) {
        (None, Role::All) => Ok(Blobs::local(&settings.data_dir, clock.clone())?),
        (None, Role::Api) => Err(StartError::NotShared("api")),
        (None, Role::Worker) => Err(StartError::NotShared("worker")),
        (Some(url), _) => {
            let blobs = Blobs::at(url, clock.clone())?;
            blobs.probe().await?;
            Ok(blobs)
        }
    }
}

fn open_data_dir(path: &Path) -> Result<File, StartError> {
    let failed = |source| StartError::DataDir { path: path.to_owned(), source };
    fs::create_dir_all(path).map_err(failed)?;
    let in_use = || StartError::InUse(path.to_owned());
    locked(&path.join("lock")).map_err(failed)?.ok_or_else(in_use)
}

/// A lock beside the database's file, wherever that is and from whatever data directory it is served.
/// Not on the file itself: who closes it loses SQLite's own locks.
fn lock_database(path: &Path) -> Result<File, StartError> {
    let failed = |source| StartError::DatabaseFile { path: path.to_owned(), source };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(failed)?;
    // The same file may have several names.
    let real = match path.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let name = path.file_name().ok_or(error).map_err(failed)?;
            folder.canonicalize().map_err(failed)?.join(name)
        }
        found => found.map_err(failed)?,
    };
    let mut lock = real.into_os_string();
    lock.push(".lock");
    let in_use = || StartError::DatabaseInUse(path.to_owned());
    locked(Path::new(&lock)).map_err(failed)?.ok_or_else(in_use)
}

/// A file that is locked until it is closed; `None` where another process has it.
fn locked(path: &Path) -> io::Result<Option<File>> {
    let lock = File::create(path)?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Accepts connections until told to stop, then lets those that are open finish.
async fn accept(
    listener: TcpListener,
    router: axum::Router,
    max_connections: usize,
    mut stopped: watch::Receiver<bool>,
) {
    let graceful = GracefulShutdown::new();
    let slots = Arc::new(Semaphore::new(max_connections));
    loop {
        // The slot comes first: connections beyond the cap wait in the kernel's queue.
        let slot = tokio::select! {
            slot = Arc::clone(&slots).acquire_owned() => slot,
            _ = stopped.changed() => break,
        };
        let Ok(slot) = slot else { break };
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => serve(stream, router.clone(), &graceful, slot),
                Err(error) => {
                    // Out of file descriptors, most likely: give some time to be closed.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            },
            _ = stopped.changed() => break,
        }
    }
    drop(listener);
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("some connections were cut");
    }
}

fn serve(
    stream: TcpStream,
    router: axum::Router,
    graceful: &GracefulShutdown,
    slot: OwnedSemaphorePermit,
) {
    // Answers are small and awaited; none should wait for more to send.
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection ended early");
        }
        drop(slot);
    });
}

async fn sweep(
    store: Store,
    blobs: Blobs,
    tables: Arc<Tables>,
    retention: Option<Duration>,
    clock: Clock,
) {
    let mut next_sweep = Instant::now() + FIRST_SWEEP;
    loop {
        tokio::time::sleep(FORGET_EVERY).await;
        match store.forget_old_jobs(retention.map(|retention| retention.as_secs_f64())).await {
            Ok(0) => {}
            Ok(n_jobs) => tracing::info!(n_jobs, "deleted jobs that were kept long enough"),
            Err(error) => tracing::error!(%error, "old jobs could not be deleted"),
        }
        if Instant::now() < next_sweep {
            continue;
        }
        next_sweep = Instant::now() + SWEEP_EVERY;
        let swept = sweep_blobs(&store, &blobs, &tables, &clock).await;
        if let Err(error) = store.forget_workers(false).await {
            tracing::error!(%error, "lost workers could not be forgotten");
        }
        if let Err(error) = store.forget_old_deliveries().await {
            tracing::error!(%error, "old messages of webhooks could not be forgotten");
        }
        if let Err(error) = store.forget_old_keys().await {
            tracing::error!(%error, "old idempotency keys could not be forgotten");
        }
        match swept {
            Ok(0) => {}
            Ok(n_blobs) => tracing::info!(n_blobs, "swept blobs that nothing refers to"),
            Err(error) => tracing::error!(%error, "blobs could not be swept"),
        }
    }
}

/// Deletes blobs that nothing refers to, unless another process does so now, and this one's own copies of
/// tables; how many blobs.
async fn sweep_blobs(
    store: &Store,
    blobs: &Blobs,
    tables: &Tables,
    clock: &Clock,
) -> Result<usize, SweepError> {
    let in_use = store.blobs_in_use().await?;
    if let Err(error) = tables.sweep(|sha256| in_use.contains(sha256)) {
        tracing::error!(%error, "copies of tables could not be swept");
    }
    sweep::sweep(store, blobs, &in_use, clock).await
}
