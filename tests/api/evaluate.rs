//! Stored models on other datasets.

use serde_json::{Value, json};
use trainyard::domain::limits::Limits;

use crate::support::World;

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// Rows with a category, a gap and an amount, from some row on.
fn table(rows: std::ops::Range<u32>) -> String {
    let row = |i: u32| {
        let color = ["red", "green", "blue"][(i * 7 % 3) as usize];
        let size = if i.is_multiple_of(11) { String::new() } else { format!("{}", i * 37 % 100) };
        let kind = if (i * 37 % 100 + (i * 7 % 3) * 20) > 60 { "big" } else { "small" };
        // No two rows are the same.
        format!("{color},{size},{kind},{}\n", f64::from(i * 37 % 100) / 3.0 + f64::from(i / 100))
    };
    format!("color,size,kind,price\n{}", rows.map(row).collect::<String>())
}

fn train(world: &World, dataset: &str, changes: &Value) -> String {
    let mut spec = json!({
        "dataset_id": dataset, "target": "kind", "features": ["color", "size"],
        "model": {"type": "linear"}, "training": {"epochs": 30}, "scoring": ["accuracy", "roc_auc"]
    });
    for (key, value) in changes.as_object().unwrap() {
        spec[key] = value.clone();
    }
    let job = world.api.run(&spec);
    assert_eq!(job["status"], "succeeded", "{job}");
    job["result"]["model_id"].as_str().unwrap().to_owned()
}

#[test]
fn a_model_on_other_rows_scores_as_its_predictions_do() {
    let world = World::new();
    let (first, second) = (world.api.dataset(&table(0..300)), world.api.dataset(&table(300..500)));
    let model = train(&world, &first, &json!({}));
    let path = format!("/v1/models/{model}/evaluate");
    let found = world.api.post(&path, &json!({"dataset_id": second})).expect(200);
    assert_eq!((&found["n_rows"], &found["warnings"]), (&json!(200), &json!([])));
    let rows: Vec<Vec<String>> = table(300..500)
        .lines()
        .skip(1)
        .map(|line| line.split(',').map(str::to_owned).collect())
        .collect();
    let records: Vec<Value> = rows
        .iter()
        .map(|row| json!({"color": row[0], "size": row[1].parse::<f64>().ok()}))
        .collect();
    let said = world
        .api
        .post(&format!("/v1/models/{model}/predict"), &json!({"records": records}))
        .expect(200);
    let said = said["predictions"].as_array().unwrap();
    let right = said.iter().zip(&rows).filter(|(said, row)| **said == row[2]).count();
    assert!((number(&found["scores"]["accuracy"]) - right as f64 / 200.0).abs() < 1e-12);
    let area = number(&found["curves"]["roc"][0]["area"]);
    assert!((area - number(&found["scores"]["roc_auc"])).abs() < 1e-12);

    // On its own rows it says what the job said, and that this is no news.
    let own = world.api.post(&path, &json!({"dataset_id": first})).expect(200);
    let card = world.api.get(&format!("/v1/models/{model}")).expect(200);
    assert_eq!(own["scores"], card["train"]);
    assert_eq!(own["warnings"][0]["code"], "train_test_overlap");
    assert_eq!(own["warnings"][0]["evidence"]["share"], 1.0);
    // Of other rows it says how many are not new.
    let some = world.api.dataset(&table(250..450));
    let found = world.api.post(&path, &json!({"dataset_id": some})).expect(200);
    assert_eq!(found["warnings"][0]["code"], "train_test_overlap");
    assert_eq!(found["warnings"][0]["evidence"]["n_rows"], 50, "{found}");
    let body = json!({"dataset_id": some, "evaluate": {"model_id": model}});
    let plan = world.api.post("/v1/jobs?dry_run=true", &body).expect(200);
    assert_eq!(plan["warnings"], found["warnings"]);
    world.api.delete(&format!("/v1/datasets/{first}"));
    let found = world.api.post(&path, &json!({"dataset_id": some})).expect(200);
    assert_eq!(found["warnings"], json!([]), "what it was trained on is gone");
    let first = world.api.dataset(&table(0..300));

    let amounts = train(
        &world,
        &first,
        &json!({"target": "price", "scoring": ["r2"],
        "target_transform": "standard"}),
    );
    let request = json!({"dataset_id": second, "scoring": ["r2", "neg_mean_absolute_error"]});
    let found = world.api.post(&format!("/v1/models/{amounts}/evaluate"), &request).expect(200);
    assert!(number(&found["scores"]["r2"]) > 0.3, "{found}");
    assert_eq!(found["curves"]["residuals"][0]["target"], "price");
}

#[test]
fn datasets_that_do_not_fit_a_model() {
    let world = World::new();
    let model = train(&world, &world.api.dataset(&table(0..300)), &json!({}));
    let refused = |csv: &str, scoring: Value, pointer: &str, part: &str| {
        let request = json!({"dataset_id": world.api.dataset(csv), "scoring": scoring});
        let answer = world.api.post(&format!("/v1/models/{model}/evaluate"), &request);
        let errors = answer.errors(422, "invalid_request");
        assert!(errors.iter().any(|(p, d)| p == pointer && d.contains(part)), "{errors:?}");
    };
    let good = table(0..60);
    let accuracy = || json!(["accuracy"]);
    refused(&good.replace("size", "sizes"), accuracy(), "/dataset_id", "no column \"size\"");
    refused(&good.replace("big", "huge"), accuracy(), "/dataset_id", "does not know");
    refused(&good.replace(",big,", ",,"), accuracy(), "/dataset_id", "missing values");
    refused(&good, json!(["r2"]), "/scoring/0", "does not fit");
    let answer = world.api.post(
        &format!("/v1/models/{model}/evaluate"),
        &json!({"dataset_id": "ds_01890a5d-ac96-774b-bcce-b302099a8057"}),
    );
    assert_eq!(answer.errors(422, "invalid_request")[0].0, "/dataset_id");
    let nowhere = "/v1/models/mdl_01890a5d-ac96-774b-bcce-b302099a8057/evaluate";
    world.api.post(nowhere, &json!({"dataset_id": "x"})).problem(404, "not_found");
}

#[test]
fn a_job_evaluates_as_the_call_does_and_keeps_its_predictions() {
    let world = World::new();
    let (first, second) = (world.api.dataset(&table(0..300)), world.api.dataset(&table(300..500)));
    let model = train(&world, &first, &json!({"cv": {"type": "kfold", "n_splits": 3}}));
    let body = json!({"dataset_id": second, "evaluate": {"model_id": model}, "name": "later rows",
                      "scoring": ["accuracy", "roc_auc", "f1_macro"], "metadata": {"week": 7}});
    let plan = world.api.post("/v1/jobs?dry_run=true", &body).expect(200);
    assert_eq!((&plan["n_tasks"], &plan["warnings"]), (&json!(2), &json!([])));
    let job = world.api.run(&body);
    assert_eq!(job["status"], "succeeded", "{}", job["error"]);
    assert_eq!((&job["name"], &job["metadata"]["week"]), (&json!("later rows"), &json!(7)));
    assert_eq!(job["resolved_spec"]["evaluate"]["model_id"], json!(model));
    assert_eq!(job["dataset_id"], json!(second));
    // What it resolves to is an evaluation and nothing else, and resolves to itself.
    let resolved = &job["resolved_spec"];
    assert_eq!(plan["resolved_spec"], *resolved);
    let once_more = world.api.run(resolved);
    assert_eq!(once_more["resolved_spec"], *resolved);
    assert_eq!(once_more["result"]["evaluation"], job["result"]["evaluation"]);
    let path = format!("/v1/models/{model}/evaluate");
    let call = json!({"dataset_id": second, "scoring": body["scoring"]});
    let called = world.api.post(&path, &call).expect(200);
    let found = &job["result"]["evaluation"];
    assert_eq!(found["scores"], called["scores"]);
    assert_eq!((&found["n_rows"], &found["model_id"]), (&json!(200), &json!(model)));
    assert_eq!((&job["result"]["model_id"], &job["result"]["cv"]), (&Value::Null, &json!({})));
    let id = job["id"].as_str().unwrap();
    let curves = world.api.get(&format!("/v1/jobs/{id}/curves")).expect(200);
    assert_eq!(curves["roc"][0]["area"], called["curves"]["roc"][0]["area"]);
    let page = world.api.get(&format!("/v1/jobs/{id}/predictions?limit=500")).expect(200);
    assert_eq!(page["data"].as_array().unwrap().len(), 200);
    let again = json!({"dataset_id": first, "evaluate": {"model_id": model}});
    let job = world.api.run(&again);
    assert_eq!(job["warnings"][0]["code"], "train_test_overlap");
    let compared = json!({"job_ids": [id, job["id"]], "metric": "accuracy"});
    world.api.post("/v1/compare", &compared).errors(422, "invalid_request");
}

#[test]
fn a_job_evaluates_on_very_few_rows_and_not_on_more_than_fit() {
    let world = World::with_limits(Limits { max_task_megabytes: 4, ..Limits::default() });
    let first = world.api.dataset(&table(0..300));
    let model = train(&world, &first, &json!({}));
    let few = world.api.dataset(&table(300..303));
    let job = world.api.run(&json!({"dataset_id": few, "evaluate": {"model_id": model}}));
    assert_eq!(job["status"], "succeeded", "{}", job["error"]);
    assert_eq!(job["result"]["evaluation"]["n_rows"], 3);
    let many = world.api.dataset(&table(0..100_000));
    let body = json!({"dataset_id": many, "evaluate": {"model_id": model}});
    let found = world.api.post("/v1/jobs", &body).errors(422, "invalid_request");
    assert_eq!(found[0].0, "/dataset_id");
    assert!(found[0].1.contains("the limit is 4 MB"), "{found:?}");
}

#[test]
fn a_job_that_evaluates_says_when_and_where_it_runs() {
    let world = World::new();
    let (first, second) = (world.api.dataset(&table(0..300)), world.api.dataset(&table(300..500)));
    let model = train(&world, &first, &json!({}));
    let body = |more: Value| {
        let mut body = json!({"dataset_id": second, "evaluate": {"model_id": model}});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let asked = json!({"priority": 7, "requires": {"gpu": "true"}, "max_attempts": 2,
                       "max_seconds": 60.0, "retention_s": 1000.0});
    let dry = world.api.post("/v1/jobs?dry_run=true", &body(asked.clone())).expect(200);
    for (name, value) in asked.as_object().unwrap() {
        assert_eq!(&dry["resolved_spec"][name], value, "{name}");
    }
    assert_eq!(dry["warnings"][0]["code"], "no_worker", "{}", dry["warnings"]);
    let odd = body(json!({"priority": 101, "max_attempts": 0, "max_seconds": 0,
                          "retention_s": -1, "requires": {"g p u": "1"},
                          "metadata": {"long": "x".repeat(20_000)}}));
    let found = world.api.post("/v1/jobs", &odd).errors(422, "invalid_request");
    let pointers: Vec<&str> = found.iter().map(|(pointer, _)| pointer.as_str()).collect();
    let wrong =
        ["/priority", "/max_attempts", "/max_seconds", "/retention_s", "/metadata", "/requires"];
    assert_eq!(pointers, wrong, "{found:?}");
    let nowhere = world.api.post("/v1/jobs", &body(json!({"after": ["job_x"]})));
    assert_eq!(nowhere.errors(422, "invalid_request")[0].0, "/after/0");
    // It waits for its turn, and the time that it is kept for is over at once.
    let endless = world.api.submit(&json!({
        "dataset_id": first, "target": "kind", "model": {"type": "mlp", "hidden": [8]},
        "training": {"epochs": 1_000_000}
    }));
    let after = world.api.submit(&body(json!({"after": [endless]})));
    let job = world.api.get(&format!("/v1/jobs/{after}")).expect(200);
    assert_eq!((&job["status"], &job["after"]), (&json!("waiting"), &json!([endless])));
    world.api.post(&format!("/v1/jobs/{endless}/cancel"), &json!({})).expect(202);
    assert_eq!(world.api.finished(&after)["error"]["code"], "dependency_failed");
    let id = world.api.submit(&body(json!({"retention_s": 0})));
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while world.api.get(&format!("/v1/jobs/{id}")).status != 404 {
        assert!(std::time::Instant::now() < deadline, "it was not deleted");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

#[test]
fn a_job_that_cannot_evaluate_says_why() {
    let world = World::new();
    let first = world.api.dataset(&table(0..300));
    let model = train(&world, &first, &json!({}));
    let no_kind = world.api.dataset("color,size\nred,1\nblue,2\n");
    let unknown = "mdl_01a20d94-96af-7454-ae90-5e0467929e89";
    let cases = [
        (json!({"dataset_id": no_kind, "evaluate": {"model_id": model}}), vec!["/dataset_id"]),
        (
            json!({"dataset_id": "x", "evaluate": {"model_id": unknown}}),
            vec!["/dataset_id", "/evaluate/model_id"],
        ),
        (
            json!({"dataset_id": first, "evaluate": {"model_id": "../x"}}),
            vec!["/evaluate/model_id"],
        ),
        (json!({"dataset_id": first, "evaluate": {}}), vec!["/evaluate/model_id"]),
        (json!({"dataset_id": first, "evaluate": true}), vec!["/evaluate"]),
        (json!({"dataset_id": first, "evaluate": {"model_id": model}, "cv": null}), vec!["/cv"]),
        (
            json!({"dataset_id": first, "evaluate": {"model_id": model}, "scoring": ["r2"]}),
            vec!["/scoring/0"],
        ),
    ];
    for (body, expected) in cases {
        let found = world.api.post("/v1/jobs", &body).errors(422, "invalid_request");
        let pointers: Vec<&str> = found.iter().map(|(pointer, _)| pointer.as_str()).collect();
        assert_eq!(pointers, expected, "{body}: {found:?}");
    }
    // A class that the model does not know is seen when the rows are.
    let odd = world.api.dataset(&table(0..40).replace("small", "odd"));
    let job = world.api.run(&json!({"dataset_id": odd, "evaluate": {"model_id": model}}));
    assert_eq!((&job["status"], &job["error"]["code"]), (&json!("failed"), &json!("evaluate")));
    assert!(job["error"]["detail"].as_str().unwrap().contains("does not know"), "{}", job["error"]);
}
