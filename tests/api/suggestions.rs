//! Suggestions: a spec that runs as it is, with the reasons for what is in it.

use serde_json::{Map, Value, json};

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

/// The same from a raw upload to predictions on raw records, in the words of the file.
fn learns_from_raw_bytes(name: &str, target: &str, least: f64) {
    let world = World::new();
    let made = world.api.generated(&json!({"type": name}));
    let bytes = world.api.get(&format!("/v1/datasets/{made}/content")).bytes;
    let raw = [("content-type", "application/octet-stream")];
    let dataset = world.api.send("/v1/datasets", &raw, &bytes).expect(201);
    let dataset = dataset["id"].as_str().unwrap();
    let spec = suggestion(&world, dataset)["spec"].clone();
    let job = world.api.run(&spec);
    assert_eq!(job["status"], "succeeded", "{job}");

    let rows = world.api.get(&format!("/v1/datasets/{dataset}/rows?limit=10000")).expect(200);
    let names: Vec<&str> =
        rows["columns"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let features = spec["features"].as_array().unwrap();
    let (mut records, mut truth) = (Vec::new(), Vec::new());
    for row in rows["data"].as_array().unwrap() {
        let mut record = Map::new();
        for (name, value) in names.iter().zip(row.as_array().unwrap()) {
            if *name == target {
                truth.push(value.clone());
            } else if features.iter().any(|feature| feature == name) {
                record.insert((*name).to_owned(), value.clone());
            }
        }
        records.push(Value::Object(record));
    }
    let path = format!("/v1/models/{}/predict", job["result"]["model_id"].as_str().unwrap());
    let said = world.api.post(&path, &json!({"records": records})).expect(200);
    for class in said["classes"].as_array().unwrap() {
        assert!(truth.contains(class), "{class} is as the file has it");
    }
    let said = said["predictions"].as_array().unwrap();
    let n_right = said.iter().zip(&truth).filter(|(said, true_class)| said == true_class).count();
    assert!(n_right as f64 >= least * truth.len() as f64, "{n_right} of {}", truth.len());
}

#[test]
fn wine_from_a_raw_upload_to_raw_records() {
    learns_from_raw_bytes("wine", "cultivar", 0.98);
}

#[test]
fn breast_cancer_from_a_raw_upload_to_raw_records() {
    learns_from_raw_bytes("breast_cancer", "diagnosis", 0.97);
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
fn many_categories_of_many_classes_are_hashed_in_a_job_that_runs() {
    let world = World::new();
    let row = |i: u32| format!("{},city {},plant {}\n", i * 37 % 101, i % 150, (i + i / 150) % 30);
    let rows: String = (0..1_500).map(row).collect();
    let dataset = world.api.dataset(&format!("size,city,plant\n{rows}"));
    let mut spec = suggestion(&world, &dataset)["spec"].clone();
    assert_eq!(spec["preprocess"]["columns"], json!({"city": {"encode": "hashing"}}));
    spec["training"] = json!({"epochs": 2});
    let job = world.api.run(&spec);
    assert_eq!(job["status"], "succeeded", "{job}");
    let path = format!("/v1/models/{}/predict", job["result"]["model_id"].as_str().unwrap());
    let unheard_of = json!({"records": [{"size": 1, "city": "city 9999"}]});
    assert_eq!(world.api.post(&path, &unheard_of).expect(200)["warnings"], json!([]));
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

/// A column that was written after the target was known is told of before anything is trained.
#[test]
fn a_job_is_warned_of_a_feature_that_gives_the_target_away() {
    let world = World::new();
    let row = |i: u32| {
        let ill = i * 37 % 101 > 60;
        let (bill, result) =
            (if ill { 100 + i % 50 } else { i % 50 }, if ill { "ill" } else { "well" });
        format!("{},{bill},{result}\n", i * 53 % 89)
    };
    let rows: String = (0..300).map(row).collect();
    let dataset = world.api.dataset(&format!("age,bill,result\n{rows}"));
    let spec = |features: Value| {
        json!({"dataset_id": dataset, "target": "result", "features": features,
               "model": {"type": "linear"}, "cv": {"type": "stratified_kfold", "n_splits": 3}})
    };
    let warnings = |features| {
        let plan = world.api.post("/v1/jobs?dry_run=true", &spec(features)).expect(200);
        plan["warnings"].clone()
    };
    let found = warnings(json!(["age", "bill"]));
    assert_eq!(found.as_array().unwrap().len(), 1, "{found}");
    assert_eq!(found[0]["code"], "gives_target_away");
    assert_eq!(
        (&found[0]["column"], &found[0]["evidence"]["value"]),
        (&json!("bill"), &json!(1.0))
    );
    assert_eq!(
        warnings(json!(["age"])),
        json!([]),
        "a column that is no feature gives nothing away"
    );
    let job = world.api.run(&spec(json!(["age", "bill"])));
    assert_eq!(job["warnings"][0]["code"], "gives_target_away", "{job}");
}

/// Each of many categories has few rows, and a few amounts are beyond all others.
#[test]
fn many_categories_and_far_out_numbers_are_prepared_as_such() {
    let world = World::new();
    let row = |i: u32| {
        let wage = if i == 3 { 1e9 } else { f64::from(i * 53 % 97) };
        let kind = if i * 37 % 101 > 50 { "big" } else { "small" };
        format!("{},city{},{wage},{kind}\n", i * 37 % 101 + i % 7, i * 31 % 67)
    };
    let rows: String = (0..210).map(row).collect();
    let dataset = world.api.dataset(&format!("size,city,wage,kind\n{rows}"));
    let found = suggestion(&world, &dataset);
    assert_eq!(
        found["spec"]["preprocess"]["columns"],
        json!({"city": {"encode": "target"}, "wage": {"scale": "robust"}}),
        "{found}"
    );
    let reasons = found["reasons"].to_string();
    assert!(reasons.contains("many categories of") && reasons.contains("far beyond"), "{reasons}");
    assert_eq!(world.api.run(&found["spec"])["status"], "succeeded");
}
