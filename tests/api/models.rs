//! Models and their predictions.

use serde_json::{Value, json};

use crate::support::World;

const ROW: [f64; 10] = [
    0.127_775_56,
    -3.644_005_22,
    -2.232_688_54,
    -1.821_143_86,
    1.754_663_61,
    0.124_396_6,
    1.033_976_57,
    2.358_220_76,
    1.010_017_52,
    0.567_684_85,
];

fn demo_model(world: &World) -> String {
    let dataset = world.api.demo_dataset();
    let job = world.api.run(&json!({
        "name": "demo", "dataset_id": dataset, "target": "y", "model": {"type": "perceptron"},
        "cv": {"type": "stratified_kfold", "n_splits": 5}
    }));
    job["result"]["model_id"].as_str().unwrap().to_owned()
}

fn iris_model(world: &World) -> String {
    let dataset = world.api.generated(&json!({"type": "iris"}));
    let job = world.api.run(&json!({
        "dataset_id": dataset, "target": "species", "features": ["petal_width", "petal_length"],
        "model": {"type": "perceptron"}
    }));
    job["result"]["model_id"].as_str().unwrap().to_owned()
}

#[test]
fn a_new_row_gets_its_class() {
    let world = World::new();
    let id = demo_model(&world);
    let answer = world.api.post(&format!("/v1/models/{id}/predict"), &json!({"rows": [ROW]}));
    let answer = answer.expect(200);
    assert_eq!(answer["predictions"], json!([1]));
    assert_eq!(answer["classes"], json!([0, 1]));
    assert_eq!(answer["model_id"], json!(id));
    assert!(answer["decision_function"][0][0].as_f64().unwrap() > 0.0);
    let by_body = world.api.post("/predict", &json!({"model": id, "rows": [ROW]})).expect(200);
    assert_eq!(by_body, answer);
}

#[test]
fn rows_records_and_csv_are_the_same() {
    let world = World::new();
    let id = iris_model(&world);
    let path = format!("/v1/models/{id}/predict");
    let rows = json!({"rows": [[0.2, 1.4], [2.1, 5.8]]});
    let records = json!({"records": [
        {"petal_length": 1.4, "petal_width": 0.2}, {"petal_width": 2.1, "petal_length": 5.8}
    ]});
    let csv = "petal_length,petal_width\n1.4,0.2\n5.8,2.1\n";
    let by_rows = world.api.post(&path, &rows).expect(200);
    assert_eq!(world.api.post(&path, &records).expect(200), by_rows);
    let by_csv = world.api.send(&path, &[("content-type", "text/csv")], csv.as_bytes());
    assert_eq!(by_csv.expect(200), by_rows);
    assert_eq!(by_rows["predictions"], json!(["setosa", "virginica"]));
    assert_eq!(by_rows["classes"], json!(["setosa", "versicolor", "virginica"]));
}

#[test]
fn everything_wrong_with_rows_is_told_at_once() {
    let world = World::new();
    let id = iris_model(&world);
    let path = format!("/v1/models/{id}/predict");
    let errors = |body: &Value| world.api.post(&path, body).errors(422, "invalid_request");
    let found = errors(&json!({"rows": [[1, 2], [1], [1, 2, 3], [null, "x"]]}));
    let pointers: Vec<&str> = found.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(pointers, ["/rows/1", "/rows/2", "/rows/3/1"]);
    assert_eq!(found[0].1, "has 1 values; the model takes 2");
    assert_eq!(found[2].1, "the value of \"petal_length\" must be a number");

    let found = errors(&json!({"records": [{"petal_width": 1, "petal_lenght": 2}]}));
    assert_eq!(found[0].1, "\"petal_lenght\" is no input of the model");
    assert_eq!(found[1].1, "\"petal_length\" is missing");
    assert_eq!(errors(&json!({}))[0].0, "/rows");
    assert_eq!(errors(&json!({"rows": [], "records": []}))[0].0, "/records");
    assert_eq!(errors(&json!({"row": [[1, 2]], "foo": 1})).len(), 2);
    assert_eq!(errors(&json!({"rows": 7, "model": 3})).len(), 2);

    let json = [("content-type", "application/json")];
    let infinite = world.api.send(&path, &json, b"{\"rows\": [[1e999, 1]]}");
    assert_eq!(infinite.status, 400, "{}", infinite.text());
    let nan = world.api.send(&path, &json, b"{\"rows\": [[NaN, 1]]}");
    nan.problem(400, "malformed_json");
    let csv = world.api.send(&path, &[("content-type", "text/csv")], b"petal_width\n1\n");
    assert!(csv.errors(422, "invalid_request")[0].1.contains("petal_length"));
    let many = json!({"rows": vec![[1]; 200]});
    assert_eq!(errors(&many).len(), 51);
    assert_eq!(errors(&many)[50].1, "and 150 more like these");
}

#[test]
fn no_rows_give_no_predictions() {
    let world = World::new();
    let id = iris_model(&world);
    let answer = world.api.post(&format!("/v1/models/{id}/predict"), &json!({"rows": []}));
    assert_eq!(answer.expect(200)["predictions"], json!([]));
}

#[test]
fn a_card_says_what_a_model_is() {
    let world = World::new();
    let id = demo_model(&world);
    let card = world.api.get(&format!("/v1/models/{id}")).expect(200);
    assert_eq!(card["name"], "demo");
    assert_eq!(card["inputs"].as_array().unwrap().len(), 10);
    assert_eq!(card["outputs"], json!({"target": "y", "classes": [0, 1]}));
    assert_eq!(card["n_rows"], 1000);
    assert!(card["cv"]["accuracy"]["mean"].as_f64().unwrap() > 0.7);
    assert_eq!(card["spec"]["model"]["type"], "perceptron");
    let list = world.api.get("/v1/models").expect(200);
    assert_eq!(list["data"], json!([card]));
}

#[test]
fn a_deleted_model_predicts_no_more() {
    let world = World::new();
    let id = demo_model(&world);
    let path = format!("/v1/models/{id}");
    let predict = || world.api.post(&format!("{path}/predict"), &json!({"rows": [ROW]}));
    predict().expect(200);
    assert_eq!(world.api.delete(&path).status, 204);
    predict().problem(404, "not_found");
    world.api.get(&path).problem(404, "not_found");
    let gone = world.api.post("/predict", &json!({"model": id, "rows": [ROW]}));
    gone.problem(404, "not_found");
    let missing = world.api.post("/predict", &json!({"rows": [ROW]}));
    assert_eq!(missing.errors(422, "invalid_request")[0].0, "/model");
}

#[test]
fn a_damaged_model_file_is_not_used() {
    let world = World::new();
    let id = demo_model(&world);
    let card = world.api.get(&format!("/v1/models/{id}")).expect(200);
    let sha256 = card["sha256"].as_str().unwrap();
    let file = world.directory.path().join("blobs").join(&sha256[..2]).join(sha256);
    let mut bytes = std::fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let answer = world.api.post(&format!("/v1/models/{id}/predict"), &json!({"rows": [ROW]}));
    let problem = answer.problem(500, "internal");
    assert!(problem.get("detail").is_none(), "an error of ours reveals nothing: {problem}");
}

#[test]
fn a_flood_of_wrong_rows_is_counted_and_not_collected() {
    let world = World::new();
    let id = iris_model(&world);
    let path = format!("/v1/models/{id}/predict");
    let empty = format!("{{\"records\": [{}]}}", vec!["{}"; 90_000].join(","));
    let answer = world.api.send(&path, &[("content-type", "application/json")], empty.as_bytes());
    let errors = answer.errors(422, "invalid_request");
    assert_eq!((errors.len(), errors[50].1.as_str()), (51, "and 179950 more like these"));
    let twice = b"{\"records\": [{\"petal_width\": 1, \"petal_width\": 2}]}";
    let answer = world.api.send(&path, &[("content-type", "application/json")], twice);
    assert!(answer.status == 422 || answer.status == 400, "{}", answer.text());
    let many = format!("{{\"rows\": [{}]}}", vec!["[1,2]"; 100_001].join(","));
    let answer = world.api.send(&path, &[("content-type", "application/json")], many.as_bytes());
    answer.problem(413, "too_large");
}

#[test]
fn decisions_beyond_the_finite_numbers_are_null_with_a_warning() {
    let world = World::new();
    let id = iris_model(&world);
    let body = json!({"rows": [[1e308, 1e308], [0.2, 1.4]]});
    let answer = world.api.post(&format!("/v1/models/{id}/predict"), &body).expect(200);
    assert!(answer["decision_function"][0].as_array().unwrap().iter().any(Value::is_null));
    assert_eq!(answer["warnings"][0]["code"], "not_finite");
    assert_eq!(answer["predictions"][1], "setosa");
}

#[test]
fn long_numbers_predict_from_csv_as_from_json() {
    let world = World::new();
    let id = iris_model(&world);
    let path = format!("/v1/models/{id}/predict");
    let csv = "petal_width,petal_length\n1,9007199254740993\n";
    let by_csv = world.api.send(&path, &[("content-type", "text/csv")], csv.as_bytes());
    let by_json = world.api.post(&path, &json!({"rows": [[1, 9_007_199_254_740_993_u64]]}));
    assert_eq!(by_csv.expect(200), by_json.expect(200));
}
