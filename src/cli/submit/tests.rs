use std::io::Write;

use clap::Parser;
use serde_json::json;
use tempfile::NamedTempFile;

use super::super::client::fake::{Fake, Reply};
use super::*;

struct Outcome {
    code: ExitCode,
    out: String,
    err: String,
}

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn submit_to(server: &str, spec: &str, data: Option<&Path>) -> Outcome {
    let spec = file(spec);
    let args = SubmitArgs {
        spec: spec.path().to_owned(),
        data: data.map(Path::to_owned),
        watch: true,
        server: server.to_owned(),
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = run(&args, &mut out, &mut err);
    let [out, err] = [out, err].map(|text| String::from_utf8(text).unwrap());
    Outcome { code, out, err }
}

/// A server whose job goes from queued to running to an end.
fn server(end: Reply) -> Fake {
    let tasks = json!({"tasks": {"total": 31, "succeeded": 12}});
    Fake::start([
        ("POST /v1/datasets?", vec![Reply::json(201, &json!({"id": "ds_9", "n_rows": 150}))]),
        (
            "POST /v1/jobs",
            vec![Reply::job(
                "queued",
                &json!({"warnings": [{"code": "scales", "column": "x1", "detail": "is large"}]}),
            )],
        ),
        (
            "GET /v1/jobs/job_1",
            vec![Reply::job("queued", &json!({})), Reply::job("running", &tasks), end],
        ),
    ])
}

fn success() -> Reply {
    Reply::job(
        "succeeded",
        &json!({
            "timings": {"fit_s": 0.25},
            "result": {
                "cv": {"accuracy": {"mean": 0.95, "std": 0.01}},
                "folds": [{"repeat": 0, "fold": 0, "scores": {"accuracy": 0.95}}],
                "model_id": "mdl_5",
                "warnings": [
                    {"code": "constant_scores", "detail": "all folds are alike"},
                    {"code": "scales", "column": "x\"2", "detail": "column \"x\\\"2\": is small"},
                ],
            },
        }),
    )
}

#[test]
fn a_file_and_a_spec_become_scores_and_a_model() {
    let fake = server(success());
    let data = file("a,y\n1,2\n");
    let outcome = submit_to(&fake.url, r#"{"target": "y"}"#, Some(data.path()));
    assert_eq!(outcome.code, ExitCode::from(SUCCEEDED), "{}", outcome.err);
    assert!(outcome.out.starts_with("job_1\n\nrepeat  fold"), "{}", outcome.out);
    assert!(outcome.out.contains("\naccuracy  0.950 ± 0.010"), "{}", outcome.out);
    assert!(outcome.out.ends_with("\nmodel mdl_5\n"), "{}", outcome.out);
    for line in ["uploaded as ds_9, 150 rows", "warning: column \"x1\": is large", "0.250 s"] {
        assert!(outcome.err.contains(line), "{}", outcome.err);
    }
    let of_result = "0.250 s\nwarning: all folds are alike\nwarning: column \"x\\\"2\": is small\n";
    assert!(outcome.err.ends_with(of_result), "{}", outcome.err);
    let asked = fake.asked();
    let spec: Value = serde_json::from_str(&asked[1].body).unwrap();
    assert_eq!(spec, json!({"target": "y", "dataset_id": "ds_9"}));
}

#[test]
fn the_exit_status_tells_how_the_job_ended() {
    let failed = Reply::job("failed", &json!({"error": {"code": "oom", "detail": "no memory"}}));
    let ends = [
        (failed, JOB_FAILED, "job_1 failed: no memory (oom)"),
        (Reply::job("cancelled", &json!({})), JOB_CANCELLED, "job_1 cancelled"),
        (Reply::job("succeeded", &json!({})), NO_RESULT, "it has no result"),
        (Reply::problem(404, &json!({"title": "gone"})), BAD_REQUEST, "may still run"),
        (Reply::problem(500, &json!({"title": "broke"})), NO_RESULT, "broke (500)"),
    ];
    for (end, code, text) in ends {
        let fake = server(end);
        let outcome = submit_to(&fake.url, r#"{"dataset_id": "ds_1"}"#, None);
        assert_eq!(outcome.code, ExitCode::from(code), "{}", outcome.err);
        assert!(outcome.err.contains(text), "{}", outcome.err);
        assert_eq!(outcome.out, "job_1\n");
    }
}

#[test]
fn an_unwatched_job_is_only_accepted() {
    let fake = server(success());
    let spec = file(r#"{"dataset_id": "ds_1"}"#);
    let args = SubmitArgs {
        spec: spec.path().to_owned(),
        data: None,
        watch: false,
        server: fake.url.clone(),
    };
    let mut out = Vec::new();
    assert_eq!(run(&args, &mut out, &mut Vec::new()), ExitCode::SUCCESS);
    assert_eq!(out, b"job_1\n");
    assert_eq!(fake.asked().len(), 1);
}

#[test]
fn what_is_wrong_here_is_told_before_anything_is_sent() {
    let data = file("a,y\n1,2\n");
    let data = data.path();
    let wrong = [
        (r#"{"dataset_id": "ds_1"}"#, Some(data), "\"ds_1\" already"),
        (r#"{"target": "y"}"#, None, "has no dataset_id"),
        (r#"{"dataset_id": null}"#, None, "has no dataset_id"),
        ("[1]", None, "must be a JSON object"),
        ("{\n\"a\": ]", None, "line 2 column 6"),
        ("{}", Some(Path::new("/no/such.csv")), "/no/such.csv"),
        ("{}", Some(Path::new("/")), "directory"),
    ];
    for (spec, data, text) in wrong {
        let fake = server(success());
        let outcome = submit_to(&fake.url, spec, data);
        assert_eq!(outcome.code, ExitCode::from(BAD_REQUEST), "{}", outcome.err);
        assert!(outcome.err.contains(text), "{}", outcome.err);
        assert!(outcome.out.is_empty() && fake.asked().is_empty());
    }
    let outcome = submit_to("localhost:8080", r#"{"dataset_id": "ds_1"}"#, None);
    assert_eq!(outcome.code, ExitCode::from(BAD_REQUEST), "{}", outcome.err);
}

#[test]
fn a_refused_spec_shows_every_problem() {
    let problem = json!({
        "title": "Invalid spec", "errors": [
            {"pointer": "/targt", "detail": "unknown field", "suggestion": "target"},
            {"pointer": "/cv/n_splits", "detail": "must be at least 2"},
        ],
    });
    let fake = Fake::start([("POST /v1/jobs", vec![Reply::problem(422, &problem)])]);
    let outcome = submit_to(&fake.url, r#"{"dataset_id": "ds_1"}"#, None);
    assert_eq!(outcome.code, ExitCode::from(BAD_REQUEST));
    for text in ["/targt: unknown field", "suggestion: target", "/cv/n_splits: must be"] {
        assert!(outcome.err.contains(text), "{}", outcome.err);
    }
}

#[test]
fn a_server_that_is_not_there_has_its_own_status() {
    let outcome = submit_to(&Fake::nowhere(), r#"{"dataset_id": "ds_1"}"#, None);
    assert_eq!(outcome.code, ExitCode::from(NO_RESULT));
    assert!(outcome.err.contains("cannot reach the server at http://127."), "{}", outcome.err);
    let fake = Fake::start([("POST", vec![Reply::typed(200, "text/html", "<html>")])]);
    let outcome = submit_to(&fake.url, r#"{"dataset_id": "ds_1"}"#, None);
    assert_eq!(outcome.code, ExitCode::from(NO_RESULT));
}

#[test]
fn the_help_has_every_exit_status() {
    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        submit: SubmitArgs,
    }
    let help = <Cli as clap::CommandFactory>::command().render_help().to_string();
    for text in ["Exit status:", "  4  the server", "Ctrl-C", "TRAINYARD_SERVER", "127.0.0.1:8080"]
    {
        assert!(help.contains(text), "{help}");
    }
    let cli = Cli::parse_from(["submit", "-", "--data", "a.csv", "--watch"]);
    assert_eq!(cli.submit.spec, Path::new("-"));
    assert!(cli.submit.watch);
}
