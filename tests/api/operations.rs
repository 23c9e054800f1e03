//! Health, documentation, and the shape of every error.

use serde_json::json;
use trainyard::http::openapi;

use crate::support::World;

#[test]
fn the_server_says_that_it_lives_and_is_ready() {
    let world = World::new();
    assert_eq!(world.api.get("/livez").expect(200)["status"], "ok");
    assert_eq!(world.api.get("/readyz").expect(200)["status"], "ok");
}

#[test]
fn unknown_paths_and_methods_are_problems_too() {
    let world = World::new();
    world.api.get("/v1/nothing").problem(404, "not_found");
    world.api.delete("/v1/jobs").problem(405, "method_not_allowed");
}

#[test]
fn a_request_keeps_its_id_if_that_is_fit_for_a_log() {
    let world = World::new();
    let id = |value: &str| {
        world.api.get_with("/livez", &[("x-request-id", value)]).header("x-request-id").to_owned()
    };
    assert_eq!(id("abc-123"), "abc-123");
    assert_ne!(id("two words"), "two words");
    assert_ne!(id(&"x".repeat(65)), "x".repeat(65));
    assert_eq!(world.api.get("/livez").header("x-content-type-options"), "nosniff");
}

#[test]
fn openapi_yaml_is_what_the_code_says() {
    let file = include_str!("../../openapi.yaml");
    let code = openapi::yaml().unwrap();
    assert!(file == code, "run `cargo run -- openapi > openapi.yaml` and look at the difference");
    let world = World::new();
    assert_eq!(world.api.get("/openapi.yaml").text(), code);
    assert_eq!(world.api.get("/openapi.json").expect(200)["openapi"], "3.1.0");
}

/// Everything that the page loads comes from this server.
#[test]
fn the_documentation_needs_no_internet() {
    let world = World::new();
    assert_eq!(world.api.get("/").header("location"), "/docs");
    assert_eq!(world.api.get("/docs").header("location"), "/docs/");
    let page = world.api.get("/docs/");
    assert_eq!(page.status, 200);
    assert!(page.header("content-security-policy").starts_with("default-src 'self'"));
    let html = page.text();
    let references: Vec<&str> = html
        .split(['"', '\''])
        .filter(|text| text.ends_with(".js") || text.ends_with(".css") || text.contains("://"))
        .collect();
    assert!(references.len() >= 4, "{html}");
    for reference in references {
        assert!(!reference.contains("://"), "{reference}");
        let asset = world.api.get(&format!("/docs/{}", reference.trim_start_matches("./")));
        assert_eq!(asset.status, 200, "{reference}");
    }
    let start = world.api.get("/docs/swagger-initializer.js").text();
    assert!(start.contains("/openapi.json") && !start.contains("://"), "{start}");
}

#[test]
fn every_error_code_is_documented() {
    let world = World::new();
    let page = world.api.get("/docs/errors").text();
    let guide = include_str!("../../docs/errors.md");
    for code in trainyard::http::problem::Code::ALL {
        assert!(page.contains(&format!("id=\"{}\"", code.name())), "{}", code.name());
        let row = format!("| `{}` | {} |", code.name(), code.status().as_u16());
        assert!(guide.contains(&row), "docs/errors.md lacks {row}");
    }
}

/// The codes of errors that are made in a file of the source: what follows in quotes.
fn codes_of_jobs(path: &std::path::Path, found: &mut std::collections::BTreeSet<String>) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            codes_of_jobs(&entry.unwrap().path(), found);
        }
        return;
    }
    let text = std::fs::read_to_string(path).unwrap();
    for made in ["Failure::permanent(", "Failure::passing(", "JobError::new("] {
        for rest in text.split(made).skip(1) {
            let code = rest.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next());
            found.extend(code.map(str::to_owned));
        }
    }
}

#[test]
fn every_code_that_a_job_ends_with_is_documented() {
    let mut codes = std::collections::BTreeSet::new();
    codes_of_jobs(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut codes);
    assert!(codes.len() >= 20, "{codes:?}");
    let guide = include_str!("../../docs/errors.md");
    for code in codes {
        assert!(guide.contains(&format!("| `{code}` | ")), "docs/errors.md lacks {code}");
    }
}

/// Client generators name functions by them.
#[test]
fn every_operation_has_an_id_of_its_own() {
    let mut seen = std::collections::HashSet::new();
    for (path, item) in openapi::DOCUMENT["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path}"));
            assert!(seen.insert(id.to_owned()), "{id} is there twice");
        }
    }
    assert!(seen.len() >= 20, "{seen:?}");
}

/// Every file that the documents name is there.
#[test]
fn the_documents_name_what_exists() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for document in ["README.md", "docs/ARCHITECTURE.md", "docs/ADDING.md", "benches/README.md"] {
        let text = std::fs::read_to_string(root.join(document)).unwrap();
        let mut n_named = 0;
        for name in text.split('`').skip(1).step_by(2) {
            let is_file = name.contains('/')
                && [".md", ".rs", ".py", ".yaml", ".toml"].iter().any(|end| name.ends_with(end));
            if is_file && !name.contains(['<', '*', ' ']) {
                n_named += 1;
                assert!(root.join(name).exists(), "{document} names {name}");
            }
        }
        assert!(n_named > 0 || document.starts_with("benches"), "{document}");
    }
}

/// The value of a line of the metrics.
fn metric(text: &str, name: &str) -> f64 {
    let line = text.lines().find(|line| line.split_once(' ').is_some_and(|(key, _)| key == name));
    let line = line.unwrap_or_else(|| panic!("no {name} in {text}"));
    line.split_once(' ').unwrap().1.parse().unwrap()
}

#[test]
fn the_metrics_count_what_was_done() {
    let world = World::new();
    let text = world.api.get("/metrics").text();
    assert_eq!(metric(&text, "trainyard_tasks_claimed_total"), 0.0);
    let dataset = world.api.demo_dataset();
    world.api.run(&json!({
        "dataset_id": dataset, "target": "y",
        "model": {"type": "perceptron", "tol": null, "max_iter": 3},
        "cv": {"type": "stratified_kfold", "n_splits": 5}
    }));
    let answer = world.api.get("/metrics");
    assert!(answer.header("content-type").starts_with("application/openmetrics-text"));
    let text = answer.text();
    assert!(text.ends_with("# EOF\n"), "{text}");
    for (name, value) in [
        ("trainyard_tasks_claimed_total", 6.0),
        ("trainyard_tasks_published_total{outcome=\"succeeded\"}", 6.0),
        ("trainyard_task_seconds_count", 6.0),
        ("trainyard_task_wait_seconds_count", 6.0),
        // Five folds, each of three epochs over 800 of 1,000 rows, and the model's over all.
        ("trainyard_rows_trained_total", 15_000.0),
        ("trainyard_late_results_refused_total", 0.0),
        ("trainyard_leases_expired_total", 0.0),
    ] {
        assert_eq!(metric(&text, name), value, "{name}");
    }
    assert!(metric(&text, "trainyard_claim_seconds_count") >= 2.0, "folds, then the reduction");
    world.api.run(&json!({
        "dataset_id": dataset, "target": "y",
        "model": {"type": "perceptron", "tol": null, "max_iter": 3},
        "cv": {"type": "kfold", "n_splits": 2},
        "search": {"space": {"model.random_state": {"choice": [1, 2]}},
                   "cv": {"type": "kfold", "n_splits": 2}}
    }));
    let text = world.api.get("/metrics").text();
    // Two candidates on each half of the rows, then the chosen one on all of them: those of two folds, and all.
    let of_rows = |n_rows: f64| 3.0 * (2.0 * 2.0 * n_rows / 2.0 + n_rows);
    let searched = 2.0 * of_rows(500.0) + of_rows(1_000.0);
    assert_eq!(metric(&text, "trainyard_rows_trained_total"), 15_000.0 + searched);
}
