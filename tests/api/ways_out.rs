//! What a newcomer from another library types first, and the way out that the answer names.

use std::net::TcpListener;

use serde_json::{Value, json};

use crate::process::refused;
use crate::support::World;

/// A job with one thing changed.
fn job(dataset: &str, change: &Value) -> Value {
    let mut job = json!({
        "dataset_id": dataset, "target": "y", "model": {"type": "mlp"},
        "cv": {"type": "stratified_kfold", "n_splits": 3}
    });
    for (field, value) in change.as_object().unwrap() {
        job[field] = value.clone();
    }
    job
}

fn search(space: &Value) -> Value {
    json!({"search": {"space": space, "cv": {"type": "kfold", "n_splits": 2}}})
}

#[test]
fn what_other_libraries_would_take_is_answered_by_what_is_meant() {
    let world = World::new();
    let rows: String = (0..60).map(|i| format!("{},{}\n", i * 7 % 13, i % 2)).collect();
    let dataset = world.api.dataset(&format!("a,y\n{rows}"));
    let scorer = |name: &str| json!({"scoring": [name]});
    let loss = |name: &str| json!({"loss": name});
    let model = |name: &str| json!({"model": name});
    let activation = |name: &str| json!({"model": {"type": "mlp", "activation": name}});
    let mlp = |field: &str| json!({"model": {"type": "mlp", (field): 1}});
    for (change, pointer, way_out) in [
        (scorer("auc"), "/scoring/0", "roc_auc"),
        (scorer("roc_auc_score"), "/scoring/0", "roc_auc"),
        (scorer("rmse"), "/scoring/0", "neg_root_mean_squared_error"),
        (scorer("mae"), "/scoring/0", "neg_mean_absolute_error"),
        (scorer("mse"), "/scoring/0", "neg_mean_squared_error"),
        (scorer("mean_squared_error"), "/scoring/0", "neg_mean_squared_error"),
        (scorer("MAPE"), "/scoring/0", "neg_mean_absolute_percentage_error"),
        (scorer("f1_score"), "/scoring/0", "f1"),
        (scorer("accuracy_score"), "/scoring/0", "accuracy"),
        (scorer("log_loss"), "/scoring/0", "neg_log_loss"),
        (scorer("logloss"), "/scoring/0", "neg_log_loss"),
        (scorer("brier_score_loss"), "/scoring/0", "neg_brier_score"),
        (scorer("mcc"), "/scoring/0", "matthews_corrcoef"),
        (scorer("r2_score"), "/scoring/0", "r2"),
        (json!({"scoring": "accuracy"}), "/scoring", r#"["accuracy"]"#),
        (
            json!({"scoring": "auc"}),
            "/scoring",
            r#"["roc_auc"], or of several classes ["roc_auc_ovr"]"#,
        ),
        (json!({"scoring": "f1"}), "/scoring", r#"["f1"], or of several classes ["f1_macro"]"#),
        (json!({"scoring": "accuracy, f1"}), "/scoring", r#"["accuracy","f1"]"#),
        (json!({"features": "a"}), "/features", r#"["a"]"#),
        (json!({"cv": 5}), "/cv", r#"{"type":"stratified_kfold","n_splits":5}"#),
        (json!({"cv": "5"}), "/cv", r#"{"type":"stratified_kfold","n_splits":5}"#),
        (
            json!({"cv": true}),
            "/cv",
            r#"{"type":"stratified_kfold"}, or of amounts {"type":"kfold"}"#,
        ),
        (json!({"cv": 0.2}), "/cv", r#"{"type":"holdout","test_size":0.2}"#),
        (json!({"cv": [5]}), "/cv", "a `type` of kfold, "),
        (json!({"cv": "kfold"}), "/cv", r#"{"type":"kfold"}"#),
        (json!({"cv": "StratifiedKFold"}), "/cv", r#"{"type":"stratified_kfold"}"#),
        (model("perceptron"), "/model", r#"{"type":"perceptron"}"#),
        (model("MLPClassifier"), "/model", r#"{"type":"mlp"}"#),
        (model("logistic_regression"), "/model", r#"{"type":"linear"}"#),
        (model("xgboost"), "/model", "a `type` of perceptron, linear, mlp, network"),
        (json!({"model": {"type": "LogisticRegression"}}), "/model/type", "linear"),
        (json!({"model": {"type": "mlp", "hidden": 64}}), "/model/hidden", "[64]"),
        (json!({"model": {"type": "mlp", "hidden": "64,32"}}), "/model/hidden", "[64,32]"),
        (json!({"model": {"type": "mlp", "hidden": "(64, 32)"}}), "/model/hidden", "[64,32]"),
        (json!({"model": {"type": "mlp", "hidden": "64"}}), "/model/hidden", "[64]"),
        (json!({"model": {"type": "mlp", "hidden": [64.0]}}), "/model/hidden/0", "64"),
        (activation("ReLU"), "/model/activation", "relu"),
        (activation("nn.LeakyReLU"), "/model/activation", "leaky_relu"),
        (activation("logistic"), "/model/activation", "sigmoid"),
        (activation("swish"), "/model/activation", "silu"),
        (activation("linear"), "/model/activation", "identity"),
        (mlp("layers"), "/model/layers", "hidden"),
        (mlp("units"), "/model/units", "hidden"),
        (mlp("hidden_layer_sizes"), "/model/hidden_layer_sizes", "hidden"),
        (mlp("learning_rate_init"), "/model/learning_rate_init", "put it into `optimizer`"),
        (mlp("alpha"), "/model/alpha", "put it into `training`, as `l2`"),
        (
            mlp("learning_rate"),
            "/model/learning_rate",
            "put it into `optimizer`, as `learning_rate`",
        ),
        (mlp("max_iter"), "/model/max_iter", "put it into `training`, as `epochs`"),
        (mlp("batch_size"), "/model/batch_size", "put it into `training`, as `batch_size`"),
        (mlp("solver"), "/model/solver", "put it beside `model`, as `optimizer`"),
        (
            json!({"model": {"type": "perceptron", "learning_rate": 0.1}}),
            "/model/learning_rate",
            "eta0",
        ),
        (
            json!({"preprocess": {"scale": "standard"}}),
            "/preprocess/scale",
            "put it into `datetime` or `numeric` or `tensor`, as `scale`",
        ),
        (
            json!({"preprocess": "standard"}),
            "/preprocess",
            r#"{"numeric":{"scale":"standard"}} or {"tensor":{"scale":"standard"}}"#,
        ),
        (
            json!({"preprocess": {"numeric": "StandardScaler"}}),
            "/preprocess/numeric",
            r#"{"scale":"standard"}"#,
        ),
        (
            json!({"preprocess": {"categorical": "one_hot"}}),
            "/preprocess/categorical",
            r#"{"encode":"one_hot"}"#,
        ),
        (
            json!({"preprocess": {"columns": {"a": "standard"}}}),
            "/preprocess/columns/a",
            r#"{"scale":"standard"}"#,
        ),
        (json!({"training": {"epochs": "5"}}), "/training/epochs", "5"),
        (json!({"training": {"batch_size": "auto"}}), "/training/batch_size", "leave it out"),
        (json!({"random_state": null}), "/random_state", "leave it out for its default, 0"),
        (json!({"calibration": "sigmoid"}), "/calibration", "platt"),
        (json!({"refit": "true"}), "/refit", "true"),
        (
            json!({"training": {"learning_rate": 0.1}}),
            "/training/learning_rate",
            "put it into `optimizer`, as `learning_rate`",
        ),
        (json!({"cv": {"type": "kfold", "k": 5}}), "/cv/k", "n_splits"),
        (json!({"learning_rate": 0.1}), "/learning_rate", "put it into `optimizer`"),
        (json!({"lr": 0.1}), "/lr", "put it into `optimizer`, as `learning_rate`"),
        (json!({"epochs": 5}), "/epochs", "put it into `training`, as `epochs`"),
        (json!({"n_epochs": 5}), "/n_epochs", "put it into `training`, as `epochs`"),
        (json!({"batch_size": 5}), "/batch_size", "put it into `training`"),
        (json!({"hidden": [5]}), "/hidden", "put it into `model`"),
        (json!({"n_splits": 5}), "/n_splits", "put it into `cv`"),
        (json!({"seed": 5}), "/seed", "random_state"),
        (json!({"metrics": ["accuracy"]}), "/metrics", "scoring"),
        (json!({"optimizer": "adam"}), "/optimizer", r#"{"type":"adam"}"#),
        (json!({"optimizer": "Adam"}), "/optimizer", r#"{"type":"adam"}"#),
        (json!({"optimizer": {"type": "adam", "lr": 0.1}}), "/optimizer/lr", "learning_rate"),
        (
            json!({"training": {"early_stopping": true}}),
            "/training/early_stopping",
            "{} for its defaults",
        ),
        (loss("mean_squared_error"), "/loss", "mse"),
        (loss("categorical_crossentropy"), "/loss", "cross_entropy"),
        (loss("log_loss"), "/loss", "cross_entropy"),
        (
            search(&json!({"optimizer.learning_rate": [0.1, 0.01]})),
            "/search/space/optimizer.learning_rate",
            r#"{"choice":[0.1,0.01]}"#,
        ),
    ] {
        let problem = world.api.post("/v1/jobs", &job(&dataset, &change));
        let problem = problem.problem(422, "invalid_request");
        let errors = problem["errors"].as_array().unwrap();
        let at = errors.iter().find(|error| error["pointer"] == pointer);
        let at = at.unwrap_or_else(|| panic!("{change}: {errors:?}"));
        let suggestion = at["suggestion"].as_str().unwrap_or_default();
        // A name by itself is a name to take; of a sentence, a part is enough.
        let is_name = way_out.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let is_told = if is_name { suggestion == way_out } else { suggestion.contains(way_out) };
        assert!(is_told, "{change}: {at}");
    }
    assert_eq!(world.api.get("/v1/jobs").expect(200)["data"], json!([]));
}

/// A ZIP archive with one empty file that is stored as it is.
fn zip(name: &str) -> Vec<u8> {
    let length = |bytes: usize| u16::try_from(bytes).unwrap().to_le_bytes();
    let local = [&b"PK\x03\x04\x14\0"[..], &[0; 20], &length(name.len()), &[0; 2], name.as_bytes()];
    let local = local.concat();
    let entry =
        [&b"PK\x01\x02\x14\0\x14\0"[..], &[0; 20], &length(name.len()), &[0; 16], name.as_bytes()];
    let entry = entry.concat();
    let end = [
        &b"PK\x05\x06"[..],
        &[0; 4],
        &[1, 0, 1, 0],
        &u32::try_from(entry.len()).unwrap().to_le_bytes(),
        &u32::try_from(local.len()).unwrap().to_le_bytes(),
        &[0; 2],
    ];
    [local, entry, end.concat()].concat()
}

#[test]
fn spreadsheets_and_archives_are_told_how_to_come() {
    let world = World::new();
    for (name, detail, way_out) in [
        ("xl/workbook.xml", "Excel workbook", "as CSV or Parquet"),
        ("content.xml", "OpenDocument", "as CSV or Parquet"),
        ("data.csv", "\"data.csv\", which is no array", "a table by itself"),
    ] {
        for path in ["/v1/datasets", "/v1/datasets?name=sales.xlsx"] {
            let data = [("content-type", "application/octet-stream")];
            let answer = world.api.send(path, &data, &zip(name)).problem(422, "invalid_data");
            let error = &answer["errors"][0];
            assert!(error["detail"].as_str().unwrap().contains(detail), "{answer}");
            assert!(error["suggestion"].as_str().unwrap().contains(way_out), "{answer}");
        }
    }
}

#[test]
fn an_address_that_is_taken_is_named_with_another_that_is_not() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().to_str().unwrap();
    let text = refused(&["serve", "--bind", &address, "--data-dir", data]);
    assert!(text.contains(&format!("{address} is in use")), "{text}");
    assert!(text.contains("--bind 127.0.0.1:0"), "{text}");
}

#[test]
fn a_check_of_what_is_not_there_says_so_and_makes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let text = refused(&["fsck", "--data-dir", &path("nosuch")]);
    assert!(text.contains(&format!("there is no folder {}", path("nosuch"))), "{text}");
    assert!(text.contains("--data-dir"), "{text}");
    let here = directory.path().display().to_string();
    let text = refused(&["fsck", "--data-dir", &here]);
    assert!(text.contains("there is no database"), "{text}");
    std::fs::write(directory.path().join("trainyard.db"), "").unwrap();
    let blobs = format!("file://{}", path("blobs"));
    let text = refused(&["fsck", "--data-dir", &here, "--artifact-url", &blobs]);
    assert!(text.contains("--artifact-url"), "{text}");
    assert!(!directory.path().join("nosuch").exists() && !directory.path().join("blobs").exists());
}

/// Where each problem is, and what is suggested for it.
fn ways_out(problem: &Value) -> Vec<(&str, &str)> {
    let errors = problem["errors"].as_array().unwrap().iter();
    let ways = errors.map(|error| (error["pointer"].as_str(), error["suggestion"].as_str()));
    ways.map(|(at, way_out)| (at.unwrap(), way_out.unwrap_or_default())).collect()
}

#[test]
fn of_a_model_that_nobody_knows_nothing_else_is_said() {
    let world = World::new();
    let dataset = world.api.demo_dataset();
    let job = |model: &Value| {
        let mut job = json!({
            "dataset_id": dataset, "target": "y", "scoring": ["neg_log_loss"],
            "training": {"epochs": 3}, "conformal": "lac", "cv": {"type": "kfold", "n_splits": 3}
        });
        for (field, value) in model.as_object().unwrap() {
            job[field] = value.clone();
        }
        job
    };
    for (model, expected) in [
        (json!({"model": {"type": "mpl"}}), vec![("/model/type", "mlp")]),
        (json!({"modle": {"type": "mlp"}}), vec![("/modle", "model"), ("/model", "")]),
        (json!({}), vec![("/model", "")]),
    ] {
        let problem = world.api.post("/v1/jobs", &job(&model)).problem(422, "invalid_request");
        assert_eq!(ways_out(&problem), expected, "{problem}");
    }
    // What is wrong whatever the model is told with it.
    let both = json!({"model": {"type": "mpl"}, "scoring": ["r2"]});
    let problem = world.api.post("/v1/jobs", &job(&both)).problem(422, "invalid_request");
    let pointers: Vec<&str> = ways_out(&problem).into_iter().map(|(pointer, _)| pointer).collect();
    assert_eq!(pointers, ["/model/type", "/scoring/0"], "{problem}");
}

#[test]
fn queries_are_answered_in_the_words_of_bodies() {
    let world = World::new();
    let dataset = world.api.demo_dataset();
    let job = world.api.run(&job(&dataset, &json!({"model": {"type": "perceptron"}})));
    let job = format!("/v1/jobs/{}", job["id"].as_str().unwrap());
    let known = "\"runing\" is not known here";
    for (path, expected) in [
        ("/v1/jobs?status=runing".to_owned(), vec![("/query/status", known, "running")]),
        (
            "/v1/jobs?status=runing&limit=abc&stat=1&limit=3".to_owned(),
            vec![
                ("/query/status", known, "running"),
                ("/query/limit", "must be a whole number, not text", ""),
                ("/query/stat", "is no parameter here", "status"),
                ("/query/limit", "is there twice", ""),
            ],
        ),
        (format!("{job}?wait=abc"), vec![("/query/wait", "must be a number, not text", "")]),
        (format!("{job}/events?after=1.5"), {
            vec![("/query/after", "must be a whole number, not text", "")]
        }),
        (format!("{job}/curves?strategy=quantil"), {
            vec![("/query/strategy", "\"quantil\" is not known here", "quantile")]
        }),
        (format!("/v1/datasets/{dataset}/overlap"), vec![("/query/with", "is required", "")]),
        (format!("/v1/datasets/{dataset}?x=1"), {
            vec![("/query/x", "is no parameter here", "leave it out")]
        }),
        ("/v1/jobs?dataset_id=x".to_owned(), {
            vec![("/query/dataset_id", "is no id: expected ds_ followed by a UUID", "")]
        }),
    ] {
        let problem = world.api.get(&path).problem(422, "invalid_request");
        let details = problem["errors"].as_array().unwrap().iter();
        let details = details.map(|error| error["detail"].as_str().unwrap());
        let found: Vec<(&str, &str, &str)> =
            ways_out(&problem).into_iter().zip(details).map(|((p, s), d)| (p, d, s)).collect();
        assert_eq!(found, expected, "{path}");
    }
    for path in ["/v1/jobs?dry_run=yes", "/v1/datasets?preview=yes"] {
        let found = world.api.post(path, &json!({})).errors(422, "invalid_request");
        assert_eq!(found[0].1, "must be true or false, not text", "{path}");
    }
}

#[test]
fn what_is_suggested_is_close_or_all_there_is() {
    let world = World::new();
    let generator = json!({"generator": {"type": "digits"}});
    let problem = world.api.post("/v1/datasets/generate", &generator);
    let problem = problem.problem(422, "invalid_request");
    assert_eq!(ways_out(&problem)[0].0, "/generator/type");
    assert!(ways_out(&problem)[0].1.starts_with("one of: "), "{problem}");
    let form = "--b\r\ncontent-disposition: form-data; name=\"fil\"\r\n\r\na,y\r\n--b--\r\n";
    let kind = [("content-type", "multipart/form-data; boundary=b")];
    let problem = world.api.send("/v1/datasets", &kind, form.as_bytes());
    assert_eq!(ways_out(&problem.problem(422, "invalid_request")), [("/fil", "file")]);
    let dataset = world.api.demo_dataset();
    for (change, expected) in [
        (json!({"preprocess": {"columns": {"X0": "drop"}}}), ("/preprocess/columns/X0", "x0")),
        (
            json!({"curve": {"type": "learning", "sizes": [0.1, 2.0]}}),
            ("/curve/sizes/1", "shares only, such as 0.5 and 1.0"),
        ),
        (
            json!({"curve": {"type": "learning", "sizes": [2, 0.5]}}),
            ("/curve/sizes/1", "numbers of rows only, from 2 to "),
        ),
    ] {
        let problem = world.api.post("/v1/jobs", &job(&dataset, &change));
        let problem = problem.problem(422, "invalid_request");
        let [(pointer, way_out)] = ways_out(&problem)[..] else { panic!("{problem}") };
        assert!(pointer == expected.0 && way_out.starts_with(expected.1), "{problem}");
    }
    for (path, detail) in [
        ("/v1/jobs/foo", "there is no job foo"),
        ("/v1/datasets/foo", "there is no dataset foo"),
        ("/v1/models/foo", "there is no model foo"),
    ] {
        assert_eq!(world.api.get(path).problem(404, "not_found")["detail"], detail);
    }
}
