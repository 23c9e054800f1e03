//! `trainyard serve`: a server until SIGTERM or Ctrl-C.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt, registry};

use crate::causes::with_causes;
use crate::domain::clock::Clock;
use crate::domain::labels::{Labels, RepeatedLabel};
use crate::domain::limits::Limits;
use crate::server::{Role, Server, Settings};
use crate::telemetry::Traces;
use crate::webhooks::Receivers;

/// How to serve.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Where to listen. Port 0 takes a free one; the address is printed.
    #[arg(long, env = "TRAINYARD_BIND", default_value = "127.0.0.1:8080")]
    bind: SocketAddr,
    /// Where the database and the blobs are kept.
    #[arg(long, env = "TRAINYARD_DATA_DIR", default_value = "data")]
    data_dir: PathBuf,
    /// Where jobs and results are kept instead of in the data directory: `sqlite://PATH` of a file for
    /// this process alone, or `postgres://user:password@host/name`, which several processes share.
    #[arg(long, env = "TRAINYARD_DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
    /// Where datasets and models are kept instead of in the data directory: `file:///folder`,
    /// `s3://bucket/folder`, `gs://…` or `az://…`; credentials as the store's own tools read them
    /// (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_ENDPOINT`, …).
    #[arg(long, env = "TRAINYARD_ARTIFACT_URL", hide_env_values = true)]
    artifact_url: Option<String>,
    /// What this process does: answer requests, train, or both.
    #[arg(long, env = "TRAINYARD_ROLE", value_enum, default_value_t = Role::All)]
    role: Role,
    /// A task whose worker is not heard of for so long is given to another.
    #[arg(long, env = "TRAINYARD_LEASE_SECONDS", default_value_t = DEFAULT_LEASE_SECONDS,
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    lease_seconds: u64,
    /// A fit that takes longer is saved so often, and goes on from there after a crash; from 0.1 to 86400.
    #[arg(long, env = "TRAINYARD_CHECKPOINT_SECONDS", value_name = "SECONDS",
          default_value_t = DEFAULT_CHECKPOINT_SECONDS, value_parser = checkpoint_seconds)]
    checkpoint_seconds: f64,
    /// Training threads; as many as the machine has cores if left out.
    #[arg(long, env = "TRAINYARD_WORKERS", value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: Option<u16>,
    /// What a job may require of this process's worker, such as `gpu=false,zone=a`.
    #[arg(long, env = "TRAINYARD_LABELS", default_value = "", value_parser = labels)]
    labels: Labels,
    /// Megabytes that the tasks that train at once may need together, by estimate; four fifths of the
    /// machine's, or of the container's, if left out.
    #[arg(long, env = "TRAINYARD_MEMORY_MEGABYTES", value_parser = clap::value_parser!(u64).range(1..))]
    memory_megabytes: Option<u64>,
    /// Days after its end when a job is deleted that says nothing else, with its folds and events; its
    /// model stays. For ever if left out.
    #[arg(long, env = "TRAINYARD_RETENTION_DAYS", value_parser = clap::value_parser!(u32).range(1..))]
    retention_days: Option<u32>,
    /// Whom webhooks' messages may be sent to.
    #[arg(long, env = "TRAINYARD_WEBHOOKS", value_enum, default_value_t)]
    webhooks: Receivers,
    /// A proxy in front authenticates and encrypts; allows an address that others can reach.
    #[arg(long, env = "TRAINYARD_BEHIND_PROXY", value_parser = BoolishValueParser::new())]
    behind_proxy: bool,
    /// A host name that requests may be sent to, beside the loopback's; may be repeated.
    #[arg(long = "allowed-host", env = "TRAINYARD_ALLOWED_HOSTS", value_delimiter = ',')]
    allowed_hosts: Vec<String>,
    /// How to write the log, which goes to stderr.
    #[arg(long, env = "TRAINYARD_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// What to log: a level, or `target=level` pairs.
    #[arg(long, env = "TRAINYARD_LOG", default_value = "info,sqlx=warn")]
    log: String,
    #[command(flatten)]
    limits: Limits,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

pub(super) fn run(args: ServeArgs) -> ExitCode {
    let traces = match start_log(&args) {
        Ok(traces) => traces,
        Err(error) => return fail(&error),
    };
    let settings = Settings {
        bind: args.bind,
        data_dir: args.data_dir,
        database_url: args.database_url,
        artifact_url: args.artifact_url,
        role: args.role,
        lease: Duration::from_secs(args.lease_seconds),
        checkpoint_every: Duration::from_secs_f64(args.checkpoint_seconds),
        n_threads: args.workers.map_or_else(n_cores, usize::from),
        labels: args.labels,
        memory_bytes: args.memory_megabytes.map_or_else(memory_bytes, |megabytes| megabytes << 20),
        retention: args.retention_days.map(|days| Duration::from_secs(u64::from(days) * 86_400)),
        webhooks: args.webhooks,
        behind_proxy: args.behind_proxy,
        allowed_hosts: args
            .allowed_hosts
            .iter()
            .filter(|host| !host.is_empty())
            .map(|host| host.to_ascii_lowercase())
            .collect(),
        limits: args.limits,
    };
    raise_file_limit();
    let served = runtime().map_err(|error| error.to_string()).and_then(|runtime| {
        let served = runtime.block_on(serve(settings)).map_err(|error| with_causes(&*error));
        // Parsing that still goes on is for a client that has been cut; its bytes are staged only.
        runtime.shutdown_timeout(Duration::from_secs(1));
        served
    });
    if let Some(traces) = traces {
        traces.end();
    }
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// Each connection is an open file, and the usual soft limit is below our cap on connections.
fn raise_file_limit() {
    if let Err(error) = rlimit::increase_nofile_limit(OPEN_FILES) {
        tracing::warn!(%error, "the limit on open files stays as it is");
    }
}

pub(super) const DEFAULT_LEASE_SECONDS: u64 = 30;

pub(super) const DEFAULT_CHECKPOINT_SECONDS: f64 = 30.0;

const OPEN_FILES: u64 = 16_384;

/// The runtime of a server; training has threads of its own.
pub(super) fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(n_cores().clamp(2, 8)).enable_all().build()
}

pub(super) fn n_cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

async fn serve(settings: Settings) -> Result<(), Box<dyn std::error::Error>> {
    let stop = stop_signal();
    let open = !settings.bind.ip().is_loopback();
    let server = Server::start(settings, Clock::system()).await?;
    writeln!(io::stdout(), "listening on http://{}", server.address())?;
    if open {
        tracing::warn!("no keys are checked: whoever reaches this address may do everything");
    } else {
        tracing::info!("no keys are checked: open to this machine only");
    }
    stop.await?;
    server.shutdown().await;
    Ok(())
}

/// Waits for SIGTERM, Ctrl-C, or the end of the terminal; listens from the call on.
pub(super) fn stop_signal() -> impl Future<Output = io::Result<()>> {
    let signals = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
    let listening = signals.map(signal);
    async {
        let [terminate, interrupt, hangup] = listening;
        let (mut terminate, mut interrupt, mut hangup) = (terminate?, interrupt?, hangup?);
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
        }
        Ok(())
    }
}

/// Starts the log, and traces where the environment asks for them.
fn start_log(args: &ServeArgs) -> Result<Option<Traces>, String> {
    let filter = EnvFilter::try_new(&args.log).map_err(|error| format!("--log: {error}"))?;
    let traces = Traces::start().map_err(|error| format!("OTEL_EXPORTER_OTLP_…: {error}"))?;
    let log = fmt::layer().with_ansi(io::stderr().is_terminal()).with_writer(io::stderr);
    let log = match args.log_format {
        LogFormat::Text => log.with_filter(filter).boxed(),
        LogFormat::Json => log.json().with_filter(filter).boxed(),
    };
    registry().with(log).with(traces.as_ref().map(Traces::layer)).init();
    if traces.is_some()
        && let Some(protocol) = Traces::unspoken_protocol()
    {
        tracing::warn!(
            protocol,
            "OTEL_EXPORTER_OTLP_PROTOCOL is not supported here: traces are sent by http/protobuf"
        );
    }
    Ok(traces)
}

fn fail(error: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "error: {error}");
    ExitCode::FAILURE
}

fn labels(text: &str) -> Result<Labels, String> {
    let labels: Labels = text.parse().map_err(|error: RepeatedLabel| error.to_string())?;
    match labels.problems().first() {
        None => Ok(labels),
        Some(problem) => Err(format!("{}; an example: gpu=false,zone=a", problem.detail)),
    }
}

fn checkpoint_seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 =
        text.parse().map_err(|_| "it must be a number of seconds, such as 30".to_owned())?;
    if (0.1..=86_400.0).contains(&seconds) {
        Ok(seconds)
    } else {
        Err("it must be from 0.1 to 86400 seconds".to_owned())
    }
}

/// Four fifths of what the machine has, or the container may use; a gibibyte where neither says.
pub(super) fn memory_bytes() -> u64 {
    let container = fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let container = container.and_then(|text| text.trim().parse::<u64>().ok());
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
        Some(kibibytes << 10)
    });
    container.into_iter().chain(machine).min().unwrap_or(1 << 30) / 5 * 4
}
