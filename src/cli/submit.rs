//! `trainyard submit`: sends a job to a server, with its data if need be, and may follow it.
//!
//! It runs no training itself and checks nothing of a spec but where its data comes from: what is
//! right is the server's to say, and a newer server may allow more.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value};

use super::client::{Client, ClientError, Job};
use super::{table, watch};

/// The job succeeded or, if it was not watched, was accepted.
pub const SUCCEEDED: u8 = 0;
/// The job failed.
pub const JOB_FAILED: u8 = 1;
/// The command line, the spec or the file is wrong: here (as clap has it) or by the server's word.
pub const BAD_REQUEST: u8 = 2;
/// The job was cancelled.
pub const JOB_CANCELLED: u8 = 3;
/// The server could not be reached or broke, or the output could not be written.
pub const NO_RESULT: u8 = 4;

/// A spec is read whole; one that long is a mistake.
const MAX_SPEC_BYTES: u64 = 16 << 20;

const AFTER_HELP: &str = "\
Standard output has the job's id and, with --watch, the scores and the model's id; everything else
is on standard error. Ctrl-C ends this program only: a job that was submitted runs on.

Exit status:
  0  the job succeeded (without --watch: was accepted)
  1  the job failed
  2  the command line, the spec or the file is wrong
  3  the job was cancelled
  4  the server could not be reached or broke, or the output could not be written";

/// Submit a job to a server
#[derive(Args, Clone, Debug)]
#[command(after_help = AFTER_HELP)]
pub struct SubmitArgs {
    /// The job's spec, a JSON file; `-` reads standard input
    pub spec: PathBuf,
    /// A file of any format that can be read, to upload as the job's dataset
    #[arg(long, value_name = "FILE")]
    pub data: Option<PathBuf>,
    /// Follow the job until it ends and print its scores
    #[arg(long)]
    pub watch: bool,
    /// The server's address
    #[arg(
        long,
        value_name = "URL",
        env = "TRAINYARD_SERVER",
        default_value = "http://127.0.0.1:8080"
    )]
    pub server: String,
}

/// Runs the command; the exit status is one of this module's constants.
pub fn run(args: &SubmitArgs, out: &mut dyn Write, err: &mut dyn Write) -> ExitCode {
    let status = match submit(args, out, err) {
        Ok(()) => SUCCEEDED,
        Err(error) => {
            // There is nowhere left to say that this cannot be said.
            let _ = writeln!(err, "error: {error}");
            error.exit_status()
        }
    };
    ExitCode::from(status)
}

#[derive(Debug, thiserror::Error)]
enum SubmitError {
    #[error("{}: {reason}", path.display())]
    Spec { path: PathBuf, reason: String },
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("cannot write the output: {0}")]
    Output(#[from] std::io::Error),
}

impl SubmitError {
    fn exit_status(&self) -> u8 {
        match self {
            Self::Spec { .. } => BAD_REQUEST,
            Self::Output(_) => NO_RESULT,
            Self::Client(error) => match error {
                ClientError::Address { .. } | ClientError::File { .. } => BAD_REQUEST,
                ClientError::Problem(problem) if problem.status < 500 => BAD_REQUEST,
                ClientError::Ended { status, .. } if status == "failed" => JOB_FAILED,
                ClientError::Ended { status, .. } if status == "cancelled" => JOB_CANCELLED,
                _ => NO_RESULT,
            },
        }
    }
}

fn submit(args: &SubmitArgs, out: &mut dyn Write, err: &mut dyn Write) -> Result<(), SubmitError> {
    let wrong = |reason| SubmitError::Spec { path: args.spec.clone(), reason };
    let client = Client::new(&args.server)?;
    let mut spec = read_spec(&args.spec).map_err(wrong)?;
    // A mistake that can be seen here must not cost an upload first.
    check_data(&spec, args.data.is_some()).map_err(wrong)?;
    if let Some(path) = &args.data {
        let dataset_id = upload(&client, path, err)?;
        spec.insert("dataset_id".to_owned(), dataset_id.into());
    }
    let job = client.submit(&Value::Object(spec))?;
    writeln!(out, "{}", job.id)?;
    out.flush()?;
    for warning in &job.warnings {
        writeln!(err, "warning: {warning}")?;
    }
    if args.watch {
        report(watched(&client, &job.id, err)?, out, err)?;
    }
    Ok(())
}

fn read_spec(path: &Path) -> Result<Map<String, Value>, String> {
    let mut text = String::new();
    let reader: &mut dyn Read = if path.as_os_str() == "-" {
        &mut std::io::stdin()
    } else {
        &mut File::open(path).map_err(|error| error.to_string())?
    };
    reader.take(MAX_SPEC_BYTES + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > MAX_SPEC_BYTES {
        return Err(format!("longer than {MAX_SPEC_BYTES} bytes; is it a spec?"));
    }
    match serde_json::from_str(&text) {
        Ok(Value::Object(spec)) => Ok(spec),
        Ok(_) => Err("not a spec: it must be a JSON object".to_owned()),
        Err(error) => Err(format!("not JSON: {error}")),
    }
}

/// Whether it is clear which dataset the job is to have.
fn check_data(spec: &Map<String, Value>, has_file: bool) -> Result<(), String> {
    let dataset_id = spec.get("dataset_id").filter(|id| !id.is_null());
    match (dataset_id, has_file) {
        (Some(id), true) => {
            Err(format!("has the dataset_id {id} already: leave out that or --data"))
        }
        (None, false) => Err("has no dataset_id: give one, or a file with --data".to_owned()),
        _ => Ok(()),
    }
}

fn upload(client: &Client, path: &Path, err: &mut dyn Write) -> Result<String, SubmitError> {
    let file = path.display();
    writeln!(err, "uploading {file} to {}", client.server())?;
    let dataset = client.upload_csv(path)?;
    let n_rows = dataset.n_rows.map(|n| format!(", {n} rows"));
    writeln!(err, "uploaded as {}{}", dataset.id, n_rows.unwrap_or_default())?;
    for warning in &dataset.warnings {
        writeln!(err, "warning: {file}: {warning}")?;
    }
    Ok(dataset.id)
}

fn watched(client: &Client, id: &str, err: &mut dyn Write) -> Result<Job, SubmitError> {
    watch::follow(client, id, err).map_err(|error| {
        // Whoever reads the error next wants to know what became of the job.
        let _ = writeln!(err, "{id} is no longer watched; it may still run");
        error.into()
    })
}

fn report(job: Job, out: &mut dyn Write, err: &mut dyn Write) -> Result<(), SubmitError> {
    let fit_s = job.timings.fit_s;
    let result = job.into_result()?;
    if let Some(fit_s) = fit_s {
        writeln!(err, "trained in {fit_s:.3} s")?;
    }
    let table = table::render(&result);
    if !table.is_empty() {
        writeln!(out, "\n{table}")?;
    }
    for warning in &result.warnings {
        writeln!(err, "warning: {warning}")?;
    }
    match &result.model_id {
        Some(model_id) => writeln!(out, "model {model_id}")?,
        None if result.curve.is_some() => writeln!(err, "no model: a curve keeps none")?,
        None => writeln!(err, "no model: the spec asks for no refit")?,
    }
    out.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests;
