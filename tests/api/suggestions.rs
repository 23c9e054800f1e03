//! Suggestions: a spec that runs as it is, with the reasons for what is in it.

use serde_json::{Value, json};

use crate::support::World;

fn suggestion(world: &World, dataset: &str) -> Value {
    world.api.get(&format!("/v1/datasets/{dataset}/suggestion")).expect(200)
}

/// The suggested job on a small real set runs, and its score is near the best that is known.
fn runs(name: &str, target: &str, least: f64) {
    let world = World::new();
    let dataset = world.api.generated(&json!({"type": name}));
    let found = suggestion(&world, &dataset);
    assert_eq!((&found["target"], &found["task"]), (&json!(target), &json!("classification")));
    assert_eq!((&found["left_out"], &found["warnings"]), (&json!([]), &json!([])), "{name}");
    assert!(!found["reasons"].as_array().unwrap().is_empty());
    for reason in found["reasons"].as_array().unwrap() {
        let part = found["spec"].pointer(reason["pointer"].as_str().unwrap());
        assert!(part.is_some(), "{reason} is about nothing in {}", found["spec"]);
    }
    let job = world.api.run(&found["spec"]);
    assert_eq!(job["status"], "succeeded", "{job}");
    let mean = job["result"]["cv"]["accuracy"]["mean"].as_f64().unwrap();
    assert!(mean >= least, "{name}: {mean}");
}

#[test]
fn the_suggestion_for_iris_runs() {
    runs("iris", "species", 0.94);
}

#[test]
fn the_suggestion_for_wine_runs() {
    runs("wine", "cultivar", 0.95);
}

#[test]
fn the_suggestion_for_breast_cancer_runs() {
    runs("breast_cancer", "diagnosis", 0.95);
}

#[test]
fn amounts_get_a_job_that_learns_them() {
    let world = World::new();
    let row = |i: u32| {
        let (a, b) = (f64::from(i * 37 % 101), f64::from(i * 53 % 97));
        format!("{i},{a},{b},{}\n", 500.0 + 3.0 * a - 2.0 * b)
    };
    let rows: String = (0..300).map(row).collect();
    let dataset = world.api.dataset(&format!("id,a,b,price\n{rows}"));
    let found = suggestion(&world, &dataset);
    assert_eq!((&found["target"], &found["task"]), (&json!("price"), &json!("regression")));
    assert_eq!(found["left_out"][0]["code"], "id_like");
    let job = world.api.run(&found["spec"]);
    assert_eq!(job["status"], "succeeded", "{job}");
    let mean = job["result"]["cv"]["r2"]["mean"].as_f64().unwrap();
    assert!(mean >= 0.99, "{mean}");
}

#[test]
fn what_is_asked_for_wrongly_is_told() {
    let world = World::new();
    let dataset = world.api.generated(&json!({"type": "iris"}));
    let path = format!("/v1/datasets/{dataset}/suggestion");
    let named = world.api.get(&format!("{path}?target=petal_width")).expect(200);
    assert_eq!((&named["target"], &named["task"]), (&json!("petal_width"), &json!("regression")));
    let errors = world.api.get(&format!("{path}?target=specie")).errors(422, "invalid_request");
    assert_eq!(errors, [("/query/target".into(), "the dataset has no column \"specie\"".into())]);
    world.api.get(&format!("{path}?goal=x")).problem(422, "invalid_request");
    let absent = "/v1/datasets/ds_01890a5d-ac96-774b-bcce-b302099a8057/suggestion";
    world.api.get(absent).problem(404, "not_found");
}

/// What a description says against a job is told when it is submitted.
#[test]
fn a_job_is_warned_of_classes_out_of_balance() {
    let world = World::new();
    let warnings = |n_rare: u32| {
        let row =
            |i: u32| format!("{},{}\n", i * 37 % 101, if i < n_rare { "rare" } else { "common" });
        let rows: String = (0..210).map(row).collect();
        let spec = json!({
            "dataset_id": world.api.dataset(&format!("x,y\n{rows}")), "target": "y",
            "model": {"type": "linear"}, "cv": {"type": "stratified_kfold", "n_splits": 2}
        });
        world.api.post("/v1/jobs?dry_run=true", &spec).expect(200)["warnings"].clone()
    };
    assert_eq!(warnings(10), json!([]));
    let found = warnings(9);
    assert_eq!((&found[0]["code"], &found[0]["column"]), (&json!("class_imbalance"), &json!("y")));
    assert_eq!(found[0]["evidence"]["smallest"], json!({"class": "rare", "count": 9}));
}
