//! `trainyard demo`: one whole story over HTTP, from data to a prediction.
//!
//! [`tell`] does only what any client could do; `run` gives it a server in this process.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::client::{Client, ClientError, JobResult};
use super::{serve, table, watch};
use crate::domain::clock::Clock;
use crate::domain::labels::Labels;
use crate::domain::limits::Limits;
use crate::server::{Role, Server, Settings};
use crate::webhooks::Receivers;

/// The same data as scikit-learn's `make_classification` makes.
const DATASET: &str = r#"{"name": "demo", "generator": {"type": "make_classification", "n_samples": 1000, "n_features": 10, "n_informative": 10, "n_redundant": 0, "random_state": 1}}"#;

/// A row that is not in the data.
const ROW: [f64; 10] = [
    0.12777556,
    -3.64400522,
    -2.23268854,
    -1.82114386,
    1.75466361,
    0.1243966,
    1.03397657,
    2.35822076,
    1.01001752,
    0.56768485,
];

/// Train a perceptron on generated data, in a server of its own, and show what comes out
#[derive(Args, Clone, Debug)]
pub struct DemoArgs {
    /// Leave the server running after the story
    #[arg(long)]
    pub keep: bool,
}

/// Starts a server on a free port of this machine, tells the story, and, with `--keep`, leaves the
/// server running until Ctrl-C. What it stored is deleted in the end.
pub(super) fn run(args: &DemoArgs) -> ExitCode {
    match with_server(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn with_server(args: &DemoArgs) -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let settings = Settings {
        bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        data_dir: directory.path().to_owned(),
        database_url: None,
        artifact_url: None,
        role: Role::All,
        lease: Duration::from_secs(serve::DEFAULT_LEASE_SECONDS),
        checkpoint_every: Duration::from_secs_f64(serve::DEFAULT_CHECKPOINT_SECONDS),
        n_threads: serve::n_cores(),
        labels: Labels::default(),
        memory_bytes: serve::memory_bytes(),
        retention: None,
        webhooks: Receivers::Off,
        behind_proxy: false,
        allowed_hosts: Vec::new(),
        limits: Limits::default(),
    };
    let runtime = serve::runtime()?;
    let server = runtime.block_on(Server::start(settings, Clock::system()))?;
    let address = format!("http://{}", server.address());
    let told = tell(&Client::new(&address)?, &mut std::io::stdout());
    if args.keep && told.is_ok() {
        writeln!(std::io::stdout(), "\nlistening on {address} until Ctrl-C")?;
        runtime.block_on(serve::stop_signal())?;
    }
    runtime.block_on(server.shutdown());
    Ok(told?)
}

/// Does what a client would do and tells about it: makes data, cross-validates a perceptron,
/// predicts a row, and shows how to do the same by hand.
///
/// # Errors
/// When the server cannot be reached or does not do its part, or `out` takes no more.
pub fn tell(client: &Client, out: &mut dyn Write) -> Result<(), ClientError> {
    let server = client.server();
    writeln!(out, "Server   {server}")?;

    let dataset = client.generate(&parsed(DATASET))?;
    let n_rows = dataset.n_rows.unwrap_or_default();
    writeln!(out, "Dataset  {} ({n_rows} rows)", dataset.id)?;

    let spec = spec(&dataset.id);
    let job = client.submit(&parsed(&spec))?;
    writeln!(out, "Job      {}", job.id)?;
    let job = watch::follow(client, &job.id, &mut std::io::stderr())?;
    let timings = job.timings;
    let result = job.into_result()?;
    let model_id = model_of(&result)?;
    writeln!(out, "Model    {model_id}\n\n{}", table::render(&result))?;

    let accuracy = result.cv.get("accuracy").copied().unwrap_or_default();
    let [mean, std] = [accuracy.mean, accuracy.std].map(table::decimals);
    writeln!(out, "Mean Accuracy: {mean} ({std})")?;

    let rows = json!({"rows": [ROW]});
    let prediction = client.predict(model_id, &rows)?;
    let class = prediction.predictions.first().unwrap_or(&Value::Null);
    writeln!(out, "Predicted Class: {class}\n")?;

    let in_folds_s: f64 = result.folds.iter().filter_map(|fold| fold.fit_s).sum();
    writeln!(
        out,
        "Training took {} s from the first task's start to the last task's end (timings.fit_s),\n\
         {in_folds_s:.3} s of computing in the folds (the sum of result.folds[].fit_s); the job took {} s \
         in all.\n",
        table::decimals(timings.fit_s),
        table::decimals(timings.total_s),
    )?;

    writeln!(
        out,
        "The same by hand, while a server runs (`trainyard demo --keep` leaves this one):\n"
    )?;
    for (path, body) in [
        ("/v1/datasets/generate".to_owned(), DATASET.to_owned()),
        ("/v1/jobs".to_owned(), spec),
        (format!("/v1/models/{model_id}/predict"), rows.to_string()),
    ] {
        writeln!(out, "{}\n", curl(&format!("{server}{path}"), &body))?;
    }
    out.flush()?;
    Ok(())
}

fn spec(dataset_id: &str) -> String {
    let dataset_id = Value::from(dataset_id);
    format!(
        r#"{{"name": "demo", "dataset_id": {dataset_id}, "target": "y", "model": {{"type": "perceptron"}}, "cv": {{"type": "repeated_stratified_kfold", "n_splits": 10, "n_repeats": 3, "random_state": 1}}}}"#
    )
}

/// The text that is shown is the text that is sent.
fn parsed(text: &str) -> Value {
    text.parse().unwrap_or_default()
}

fn model_of(result: &JobResult) -> Result<&str, ClientError> {
    result.model_id.as_deref().ok_or_else(|| ClientError::Unexpected {
        call: "GET /v1/jobs/{id}".to_owned(),
        detail: "the job has no model".to_owned(),
    })
}

fn curl(url: &str, body: &str) -> String {
    format!(
        "curl -sS {} \\\n  -H 'Content-Type: application/json' \\\n  -d {}",
        quoted(url),
        quoted(body)
    )
}

/// Text as one word of a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::super::client::fake::{Fake, Reply};
    use super::*;

    fn server(end: Reply) -> Fake {
        Fake::start([
            (
                "POST /v1/datasets/generate",
                vec![Reply::json(201, &json!({"id": "ds_1", "n_rows": 1000}))],
            ),
            ("POST /v1/jobs", vec![Reply::job("queued", &json!({}))]),
            ("GET /v1/jobs/job_1", vec![Reply::job("running", &json!({})), end]),
            (
                "POST /v1/models/mdl_1/predict",
                vec![Reply::json(200, &json!({"model_id": "mdl_1", "predictions": [7]}))],
            ),
        ])
    }

    fn told(fake: &Fake) -> Result<String, ClientError> {
        let mut out = Vec::new();
        tell(&Client::new(&fake.url).unwrap(), &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn every_number_is_the_servers() {
        let fake = server(Reply::job(
            "succeeded",
            &json!({
                "timings": {"fit_s": 1.5, "total_s": 2.25},
                "result": {
                    "cv": {"accuracy": {"mean": 0.12345, "std": 0.0678}},
                    "folds": [{"fit_s": 0.25}, {"fit_s": 0.5}],
                    "model_id": "mdl_1",
                },
            }),
        ));
        let text = told(&fake).unwrap();
        for line in ["Mean Accuracy: 0.123 (0.068)", "Predicted Class: 7"] {
            assert!(text.lines().any(|told| told == line), "{text}");
        }
        for part in ["took 1.500 s", "0.750 s of computing", "2.250 s in all", "epochs"] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn the_commands_shown_send_what_was_sent() {
        let result = json!({"result": {"model_id": "mdl_1"}});
        let fake = server(Reply::job("succeeded", &result));
        let text = told(&fake).unwrap();
        let posts: Vec<_> =
            fake.asked().into_iter().filter(|asked| asked.line.starts_with("POST")).collect();
        let urls: Vec<&str> = between(&text, "curl -sS '");
        let bodies: Vec<&str> = between(&text, "-d '");
        assert_eq!((posts.len(), urls.len(), bodies.len()), (3, 3, 3), "{text}");
        for (post, (url, body)) in posts.iter().zip(urls.into_iter().zip(bodies)) {
            assert_eq!(post.line, url.replace(&fake.url, "POST "));
            assert_eq!(parsed(&post.body), parsed(body));
        }
        assert_eq!(parsed(&posts[1].body)["dataset_id"], "ds_1");
    }

    #[test]
    fn a_job_that_fails_ends_the_story() {
        let fake = server(Reply::job("failed", &json!({"error": {"detail": "no worker"}})));
        let error = told(&fake).unwrap_err();
        assert_eq!(error.to_string(), "job_1 failed: no worker");
    }

    #[test]
    fn a_quote_does_not_end_a_word() {
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }

    fn between<'a>(text: &'a str, start: &str) -> Vec<&'a str> {
        text.split(start).skip(1).map(|rest| rest.split('\'').next().unwrap()).collect()
    }
}
