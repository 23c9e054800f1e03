//! `trainyard backup` and `trainyard fsck`.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use url::Url;

use super::serve;
use crate::blobs::Blobs;
use crate::domain::clock::Clock;
use crate::store::Store;
use crate::store::place::Place;
use crate::upkeep::{self, UpkeepError};

/// Where things are stored: as `trainyard serve` has it.
#[derive(Debug, Args)]
pub(super) struct Stored {
    /// Where the database and the blobs are kept.
    #[arg(long, env = "TRAINYARD_DATA_DIR", default_value = "data")]
    data_dir: PathBuf,
    /// The database, `postgres://…` or `sqlite://PATH`, if it is not in the data directory.
    #[arg(long, env = "TRAINYARD_DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
    /// Where the blobs are, if not in the data directory.
    #[arg(long, env = "TRAINYARD_ARTIFACT_URL", hide_env_values = true)]
    artifact_url: Option<String>,
}

/// What to back up, and where to.
#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    #[command(flatten)]
    stored: Stored,
    /// A new folder. That of a backup of SQLite's is a data directory: to restore, serve from a copy
    /// of it. That of PostgreSQL's holds `trainyard.pgdump` for `pg_restore`, and the blobs.
    #[arg(long)]
    to: PathBuf,
}

impl Stored {
    /// Opens what is there, and makes nothing.
    async fn open(&self) -> Result<(Place, Store, Blobs), UpkeepError> {
        let clock = Clock::system();
        let place = Place::of(self.database_url.as_deref(), &self.data_dir)?;
        let needs_directory = self.database_url.is_none() || self.artifact_url.is_none();
        if needs_directory && !self.data_dir.is_dir() {
            return Err(UpkeepError::NoDataDir(self.data_dir.clone()));
        }
        if let Some(file) = place.file()
            && !file.is_file()
        {
            return Err(UpkeepError::NoDatabase(file.to_owned()));
        }
        let folder = self.artifact_url.as_ref().and_then(|url| Url::parse(url).ok());
        let folder = folder.filter(|url| url.scheme() == "file");
        if let Some(folder) = folder.and_then(|url| url.to_file_path().ok())
            && !folder.is_dir()
        {
            return Err(UpkeepError::NoArtifacts(folder));
        }
        let store = match &place {
            Place::Postgres(url) => Store::look_at_postgres(url).await?,
            Place::Sqlite(file) => Store::look(file).await?,
        };
        let blobs = match &self.artifact_url {
            Some(url) => Blobs::at(url, clock)?,
            None => Blobs::local(&self.data_dir, clock)?,
        };
        Ok((place, store, blobs))
    }
}

/// Writes a backup while the server works.
pub(super) fn backup(args: &BackupArgs) -> ExitCode {
    run(async {
        let (place, store, blobs) = args.stored.open().await?;
        let done = upkeep::backup((&store, &place), &blobs, &args.to, &Clock::system()).await?;
        let text = format!(
            "{} holds the database and {} blobs ({} bytes)",
            args.to.display(),
            done.n_blobs,
            done.n_bytes
        );
        Ok((text, ExitCode::SUCCESS))
    })
}

/// Checks what is stored, and tells everything that is wrong.
pub(super) fn fsck(stored: &Stored) -> ExitCode {
    run(async {
        let (_, store, blobs) = stored.open().await?;
        let findings = upkeep::fsck(&store, &blobs).await?;
        if findings.is_empty() {
            return Ok(("all is well".to_owned(), ExitCode::SUCCESS));
        }
        let n_problems = match findings.len() {
            1 => "1 problem".to_owned(),
            many => format!("{many} problems"),
        };
        Ok((format!("{}\n{n_problems}", findings.join("\n")), ExitCode::FAILURE))
    })
}

fn run(work: impl Future<Output = Result<(String, ExitCode), UpkeepError>>) -> ExitCode {
    let runtime = match serve::runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(work) {
        Ok((text, code)) => {
            let _ = writeln!(std::io::stdout(), "{text}");
            code
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}
