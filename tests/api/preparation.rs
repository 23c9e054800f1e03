//! From raw files with categories, moments, texts and gaps to predictions on raw records.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::support::World;

/// Passengers whose survival follows from their sex, mostly; with gaps in two columns.
fn passengers() -> String {
    let mut csv = "age,sex,port,boarded,ticket,survived\n".to_owned();
    for i in 0..120 {
        let sex = if i % 3 == 0 { "male" } else { "female" };
        let survived = if (i % 3 == 0) == (i % 20 == 0) { "yes" } else { "no" };
        let age = if i % 7 == 0 { String::new() } else { (18 + i * 13 % 50).to_string() };
        let port = ["Cherbourg", "Queenstown", "Southampton", ""][i % 4];
        let day = 1 + i % 28;
        let ticket = format!("passenger number {i} travels with {} other people", i % 5);
        let _ = writeln!(csv, "{age},{sex},{port},1912-04-{day:02},{ticket},{survived}");
    }
    csv
}

fn job(dataset: &str) -> Value {
    json!({
        "dataset_id": dataset, "target": "survived", "random_state": 1,
        "model": {"type": "mlp", "hidden": [16]}, "training": {"epochs": 30},
        "cv": {"type": "stratified_kfold", "n_splits": 5, "shuffle": true, "random_state": 1}
    })
}

#[test]
fn a_table_with_categories_and_gaps_goes_from_raw_upload_to_predictions_on_raw_records() {
    let world = World::new();
    let dataset = world.api.upload(&passengers()).expect(201);
    let types: Vec<&Value> =
        dataset["columns"].as_array().unwrap().iter().map(|column| &column["type"]).collect();
    assert_eq!(types, ["numeric", "categorical", "categorical", "datetime", "text", "categorical"]);
    let job = world.api.run(&job(dataset["id"].as_str().unwrap()));
    assert_eq!(job["status"], "succeeded", "{job}");
    let accuracy = job["result"]["cv"]["accuracy"]["mean"].as_f64().unwrap();
    assert!(accuracy > 0.8, "{accuracy}");

    let path = format!("/v1/models/{}/predict", job["result"]["model_id"].as_str().unwrap());
    let record = |sex: &str, port: Value| {
        json!({
            "age": null, "sex": sex, "port": port, "boarded": "1912-04-10",
            "ticket": "passenger number 9999 travels with 2 other people"
        })
    };
    let records = json!({"records": [
        record("male", json!("Cherbourg")), record("female", Value::Null)
    ]});
    let answer = world.api.post(&path, &records).expect(200);
    assert_eq!(answer["predictions"], json!(["no", "yes"]));
    assert_eq!(answer["classes"], json!(["no", "yes"]));
    assert_eq!(answer["warnings"], json!([]));
    // In rows, and in a file, they are the same.
    let ticket = "passenger number 9999 travels with 2 other people";
    let rows = json!({"rows": [
        [null, "male", "Cherbourg", "1912-04-10", ticket],
        [null, "female", null, "1912-04-10", ticket]
    ]});
    assert_eq!(world.api.post(&path, &rows).expect(200), answer);
    let csv = format!(
        "age,sex,port,boarded,ticket\n,male,Cherbourg,1912-04-10,{ticket}\n\
         ,female,,1912-04-10,{ticket}\n"
    );
    let by_csv = world.api.send(&path, &[("content-type", "text/csv")], csv.as_bytes());
    assert_eq!(by_csv.expect(200), answer);

    let unseen = json!({"records": [record("male", json!("Belfast"))]});
    let answer = world.api.post(&path, &unseen).expect(200);
    assert_eq!(answer["warnings"][0]["code"], "unseen_category");
    assert_eq!(answer["warnings"][0]["column"], "port");

    let wrong = json!({"records": [{
        "age": "old", "sex": "male", "port": {}, "boarded": "yesterday", "ticket": "a"
    }]});
    let found = world.api.post(&path, &wrong).errors(422, "invalid_request");
    let mut pointers: Vec<&str> = found.iter().map(|(pointer, _)| pointer.as_str()).collect();
    pointers.sort_unstable();
    assert_eq!(pointers, ["/records/0/age", "/records/0/boarded", "/records/0/port"]);
}

#[test]
fn a_perceptron_takes_prepared_columns_too() {
    let world = World::new();
    let dataset = world.api.dataset(&passengers());
    let mut spec = job(&dataset);
    spec["model"] = json!({"type": "perceptron"});
    spec.as_object_mut().unwrap().remove("training");
    spec["features"] = json!(["age", "sex", "port"]);
    spec["preprocess"] = json!({
        "numeric": {"impute": "median", "indicator": true, "scale": "robust"},
        "categorical": {"encode": "target"},
        "columns": {"port": {"encode": "ordinal"}}
    });
    let job = world.api.run(&spec);
    assert_eq!(job["status"], "succeeded", "{job}");
    let accuracy = job["result"]["cv"]["accuracy"]["mean"].as_f64().unwrap();
    assert!(accuracy > 0.7, "{accuracy}");
}

#[test]
fn a_preparation_that_does_not_fit_is_refused_before_anything_is_queued() {
    let world = World::new();
    let dataset = world.api.dataset(&passengers());
    for (preprocess, pointer) in [
        (json!({"numeric": {"impute": "none"}}), "/preprocess/numeric/impute"),
        (json!({"numeric": {"impute": "mena"}}), "/preprocess/numeric/impute"),
        (json!({"columns": {"sexx": "drop"}}), "/preprocess/columns/sexx"),
        (json!({"columns": {"sex": {"scale": "standard"}}}), "/preprocess/columns/sex/scale"),
        (json!({"columns": {"age": "passthrough"}}), "/preprocess/columns/age"),
        (json!({"numerics": {}}), "/preprocess/numerics"),
        // What all columns share does not reach a column that has no categories to know.
        (
            json!({
                "categorical": {"unseen": "error"},
                "columns": {"port": {"encode": "hashing"}, "sex": {"encode": "ordinal"}}
            }),
            "/preprocess/columns/port/encode",
        ),
    ] {
        let mut spec = job(&dataset);
        spec["preprocess"] = preprocess;
        let found = world.api.post("/v1/jobs", &spec).errors(422, "invalid_request");
        assert!(found.iter().any(|(at, _)| at == pointer), "{pointer}: {found:?}");
    }
    assert_eq!(world.api.get("/v1/jobs").expect(200)["data"], json!([]));
}

#[test]
fn a_column_that_is_dropped_is_not_asked_for_and_may_be_given() {
    let world = World::new();
    let mut spec = job(&world.api.dataset(&passengers()));
    spec["preprocess"] = json!({"columns": {"port": "drop", "boarded": "drop", "ticket": "drop"}});
    let job = world.api.run(&spec);
    assert_eq!(job["status"], "succeeded", "{job}");
    let model = format!("/v1/models/{}", job["result"]["model_id"].as_str().unwrap());
    let card = world.api.get(&model).expect(200);
    assert_eq!(card["inputs"], json!(["age", "sex"]));

    let path = format!("{model}/predict");
    let short = json!({"records": [{"age": 30, "sex": "male"}]});
    let answer = world.api.post(&path, &short).expect(200);
    assert_eq!(answer["warnings"], json!([]));
    for same in [
        json!({"records": [{"age": 30, "sex": "male", "port": [1], "ticket": null}]}),
        json!({"rows": [[30, "male"]]}),
        json!({"rows": [[30, "male", {}, "yesterday", null]]}),
    ] {
        assert_eq!(world.api.post(&path, &same).expect(200), answer, "{same}");
    }
    for same in ["age,sex\n30,male\n", "port,boarded,age,sex\n,soon,30,male\n"] {
        let by_csv = world.api.send(&path, &[("content-type", "text/csv")], same.as_bytes());
        assert_eq!(by_csv.expect(200), answer, "{same}");
    }
    // What is used is still asked for, and what is no column is refused.
    let wrong = json!({"records": [{"age": 30, "ports": "Cherbourg"}]});
    let found = world.api.post(&path, &wrong).errors(422, "invalid_request");
    let details: Vec<&str> = found.iter().map(|(_, detail)| detail.as_str()).collect();
    assert_eq!(details, ["\"ports\" is no input of the model", "\"sex\" is missing"]);
    let wrong = json!({"rows": [[30, "male", "Cherbourg"]]});
    let found = world.api.post(&path, &wrong).errors(422, "invalid_request");
    assert_eq!(found[0].1, "has 3 values; the model takes 2");

    let others = world.api.dataset("age,sex,survived\n30,male,yes\n40,female,no\n");
    let evaluated = world.api.post(&format!("{model}/evaluate"), &json!({"dataset_id": others}));
    assert_eq!(evaluated.expect(200)["n_rows"], 2);
}

#[test]
fn a_gap_where_training_had_none_is_filled_and_told_of() {
    let world = World::new();
    let rows: String = (0..60)
        .map(|i| {
            let gap = if i % 9 == 0 { String::new() } else { (i % 5).to_string() };
            format!(
                "{},{gap},{},2024-01-{:02},{}\n",
                i % 7,
                ["a", "b"][i / 2 % 2],
                1 + i % 28,
                i % 2
            )
        })
        .collect();
    let dataset = world.api.dataset(&format!("whole,gaps,kind,day,y\n{rows}"));
    let job = world.api.run(&json!({
        "dataset_id": dataset, "target": "y", "model": {"type": "perceptron"},
        "preprocess": {"columns": {"kind": {"encode": "hashing"}}}
    }));
    let model = format!("/v1/models/{}", job["result"]["model_id"].as_str().unwrap());
    let told = |answer: &Value| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let warnings = answer["warnings"].as_array().unwrap();
        warnings.iter().map(|w| (text(&w["code"]), text(&w["column"]))).collect()
    };
    let imputed = |columns: &[&str]| -> Vec<(String, String)> {
        columns.iter().map(|column| ("imputed".to_owned(), (*column).to_owned())).collect()
    };
    let path = format!("{model}/predict");
    let records = json!({"records": [
        {"whole": null, "gaps": null, "kind": null, "day": null},
        {"whole": null, "gaps": 2, "kind": "a", "day": "2024-01-02"},
    ]});
    let answer = world.api.post(&path, &records).expect(200);
    assert_eq!(told(&answer), imputed(&["whole", "kind", "day"]));
    assert!(answer["warnings"][0]["detail"].as_str().unwrap().contains("2 rows have no value"));
    let whole = json!({"rows": [[1, null, "a", "2024-01-02"]]});
    assert_eq!(told(&world.api.post(&path, &whole).expect(200)), []);

    let others = world.api.dataset("whole,gaps,kind,day,y\n1,,a,2024-01-02,1\n,2,b,2024-01-03,0\n");
    let body = json!({"dataset_id": others});
    let answer = world.api.post(&format!("{model}/evaluate"), &body).expect(200);
    assert!(told(&answer).contains(&imputed(&["whole"])[0]), "{answer}");
    let body = json!({"dataset_id": others, "evaluate": {"model_id": job["result"]["model_id"]}});
    let job = world.api.post("/v1/jobs?dry_run=true", &body).expect(200);
    assert!(job["warnings"].as_array().unwrap().iter().any(|w| w["code"] == "imputed"), "{job}");
}

#[test]
fn a_category_that_only_the_test_rows_have_is_refused_where_the_spec_says_so() {
    let world = World::new();
    let rows: String = (0..40).map(|i| format!("{},{}\n", ["a", "b"][i / 2 % 2], i % 2)).collect();
    let dataset = world.api.dataset(&format!("kind,y\nrare,0\n{rows}"));
    let mut spec = json!({
        "dataset_id": dataset, "target": "y", "model": {"type": "perceptron"},
        "cv": {"type": "kfold", "n_splits": 4}
    });
    assert_eq!(world.api.run(&spec)["status"], "succeeded");
    spec["preprocess"] = json!({"categorical": {"unseen": "error"}});
    let job = world.api.run(&spec);
    assert_eq!(job["status"], "failed");
    assert_eq!(job["error"]["code"], "unseen_category");
}

/// Arrays of numbers, as NumPy saves them, beside a target in JSON Lines.
#[test]
fn arrays_are_trained_on_and_predicted_from() {
    let world = World::new();
    let lines: String = (0..60)
        .map(|i| {
            let side = if i % 2 == 0 { 1.0 } else { -1.0 };
            let z = f64::from(i % 7) / 10.0;
            format!("{{\"pixels\": [[{side}, {z}], [0.5, {side}]], \"y\": \"k{}\"}}\n", i % 2)
        })
        .collect();
    let raw = [("content-type", "application/x-ndjson")];
    let dataset = world.api.send("/v1/datasets", &raw, lines.as_bytes()).expect(201);
    assert_eq!(dataset["columns"][0]["type"], "tensor");
    assert_eq!(dataset["columns"][0]["shape"], json!([2, 2]));
    let job = world.api.run(&json!({
        "dataset_id": dataset["id"], "target": "y", "model": {"type": "linear"},
        "cv": {"type": "stratified_kfold", "n_splits": 3}, "training": {"epochs": 50}
    }));
    assert_eq!(job["result"]["cv"]["accuracy"]["mean"], 1.0, "{job}");
    let path = format!("/v1/models/{}/predict", job["result"]["model_id"].as_str().unwrap());
    let rows = json!({"rows": [[[[1, 0.1], [0.5, 1]]], [[[-1, 0.1], [0.5, -1]]]]});
    assert_eq!(world.api.post(&path, &rows).expect(200)["predictions"], json!(["k0", "k1"]));
    let short = json!({"rows": [[[1, 2]]]});
    let found = world.api.post(&path, &short).errors(422, "invalid_request");
    assert_eq!(found[0].0, "/rows/0/0");
}

#[test]
fn categories_that_a_fold_did_not_train_on_are_told_of() {
    let world = World::new();
    let row = |row: u32| {
        let city = if row % 30 == 7 { format!("rare {row}") } else { "Ulm".to_owned() };
        format!("{row},{city},{}\n", ["no", "yes"][row as usize % 2])
    };
    let text = "x,city,y\n".to_owned() + &(0..120).map(row).collect::<String>();
    let dataset = world.api.dataset(&text);
    let job = world.api.run(&json!({
        "dataset_id": dataset, "target": "y", "model": {"type": "perceptron"},
        "cv": {"type": "stratified_kfold", "n_splits": 3}
    }));
    assert_eq!(job["status"], "succeeded", "{job}");
    let folds = job["result"]["folds"].as_array().unwrap();
    let unseen = |fold: &Value| fold["unseen_categories"][0]["n_rows"].as_u64().unwrap_or(0);
    // Each rare city has one row, so it is unseen in the fold that tests on it.
    assert_eq!(folds.iter().map(unseen).sum::<u64>(), 4);
    let warnings = job["result"]["warnings"].as_array().unwrap();
    let told: Vec<&Value> = warnings.iter().filter(|w| w["code"] == "unseen_category").collect();
    assert_eq!(told.len(), 1, "{warnings:?}");
    assert_eq!(told[0]["column"], "city");
    assert!(told[0]["detail"].as_str().unwrap().contains("4 test rows"), "{}", told[0]);
}

/// Rows to predict are read as the training rows were, though alone they would be taken for others:
/// a comma before the fraction, the day before the month, a word for a gap, a number that is a name.
#[test]
fn csv_to_predict_is_read_as_the_training_data_were() {
    let world = World::new();
    let mut csv = "when;dose;plz;ill\n".to_owned();
    for i in 0..90_u32 {
        let dose = match i % 9 {
            0 => "k.A.".to_owned(),
            _ => format!("{},{}", i % 9, i % 10),
        };
        let ill = if i % 28 > 14 { "ja" } else { "nein" };
        let _ = writeln!(csv, "{:02}/03/2024;{dose};0{};{ill}", 1 + i % 28, 4100 + i % 2);
    }
    let options: String = url::form_urlencoded::byte_serialize(
        br#"{"na_values": ["k.A."], "types": {"plz": "categorical"}}"#,
    )
    .collect();
    let path = format!("/v1/datasets?options={options}");
    let plain = [("content-type", "text/csv")];
    let dataset = world.api.send(&path, &plain, csv.as_bytes()).expect(201);
    let options = &dataset["format_options"];
    assert_eq!(options["decimal"], ",");
    assert_eq!(options["day_first_columns"], json!({"when": true}), "{options}");
    let mut spec = job(dataset["id"].as_str().unwrap());
    spec["target"] = json!("ill");
    let job = world.api.run(&spec);
    assert_eq!(job["status"], "succeeded", "{job}");
    let model = job["result"]["model_id"].as_str().unwrap();
    let card = world.api.get(&format!("/v1/models/{model}")).expect(200);
    assert_eq!(card["csv"]["na_values"], json!(["k.A."]));

    let path = format!("/v1/models/{model}/predict");
    let records = json!({"records": [
        {"when": "2024-03-02", "dose": 1.5, "plz": "04100"},
        {"when": "02/03/2024", "dose": null, "plz": "04101"}
    ]});
    let expected = world.api.post(&path, &records).expect(200);
    assert_eq!(expected["warnings"], json!([]));
    let csv = "when;dose;plz\n02/03/2024;1,5;04100\n02/03/2024;k.A.;04101\n";
    let by_csv = world.api.send(&path, &plain, csv.as_bytes()).expect(200);
    assert_eq!(by_csv, expected);

    // What was guessed of the file itself is told.
    let bytes = b"when;dose;plz\n02/03/2024;1,5;M\xfcnchen\n";
    let told = world.api.send(&path, &plain, bytes).expect(200);
    let codes: Vec<&Value> =
        told["warnings"].as_array().unwrap().iter().map(|warning| &warning["code"]).collect();
    assert_eq!(codes, ["encoding_guessed", "unseen_category"]);
    let csv = "when;dose;plz\n31/02/2024;x;04100\n";
    let errors = world.api.send(&path, &plain, csv.as_bytes()).errors(422, "invalid_data");
    assert!(errors.iter().any(|(_, detail)| detail.contains("\"x\" is no number")), "{errors:?}");
    assert!(errors.iter().any(|(_, detail)| detail.contains("no date that exists")), "{errors:?}");
    // Every input that is missing is told of as that.
    let errors = world.api.send(&path, &plain, b"dose\n1\n").errors(422, "invalid_request");
    assert_eq!(errors.len(), 2, "{errors:?}");
}
