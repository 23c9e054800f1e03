//! Scores: those of a job against its own predictions, what has none, and what fits no target.

use serde_json::{Value, json};

use crate::support::World;

/// Two classes that overlap; the rarer one is the second.
fn overlapping() -> String {
    let row = |i: u32| {
        let positive = i % 10 < 3;
        let noise = f64::from(i * 7919 % 1000) / 500.0;
        let name = if positive { "yes" } else { "no" };
        let x0 = noise + f64::from(positive) * 1.2;
        format!("{x0},{},{name},{},{}\n", f64::from(i % 7), i % 3, x0 - 1.5)
    };
    let rows: String = (0..300).map(row).collect();
    format!("x0,x1,answer,three,amount\n{rows}")
}

fn spec(dataset: &str, changes: &Value) -> Value {
    let mut spec = json!({
        "dataset_id": dataset, "target": "answer", "features": ["x0", "x1"],
        "model": {"type": "linear"}, "training": {"epochs": 3},
        "cv": {"type": "stratified_kfold", "n_splits": 3}, "refit": false, "random_state": 1
    });
    for (key, value) in changes.as_object().unwrap() {
        spec[key] = value.clone();
    }
    spec
}

#[test]
fn scores_are_those_of_the_predictions() {
    let world = World::new();
    let dataset = world.api.dataset(&overlapping());
    let ranked = ["roc_auc", "average_precision", "matthews_corrcoef"];
    let of_probabilities = ["neg_brier_score", "d2_log_loss_score", "roc_auc_ovr"];
    for (model, n_others) in [("linear", 6), ("perceptron", 3)] {
        let others: Vec<&str> = ranked.into_iter().chain(of_probabilities).take(n_others).collect();
        let mut changes = json!({"model": {"type": model}});
        let mut scoring = vec!["accuracy", "f1", "precision", "recall"];
        scoring.extend(&others);
        changes["scoring"] = json!(scoring);
        let mut spec = spec(&dataset, &changes);
        if model == "perceptron" {
            spec.as_object_mut().unwrap().remove("training");
        }
        let job = world.api.run(&spec);
        assert_eq!(job["status"], "succeeded", "{job}");
        let id = job["id"].as_str().unwrap();
        let path = format!("/v1/jobs/{id}/predictions?limit=10000");
        let predictions = world.api.get(&path).expect(200);
        let folds = world.api.get(&format!("/v1/jobs/{id}")).expect(200);
        let folds = folds["result"]["folds"].as_array().unwrap();
        assert_eq!(folds.len(), 3);
        for fold in folds {
            let rows: Vec<&Value> = predictions["data"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|row| row["fold"] == fold["fold"])
                .collect();
            assert_eq!(rows.len(), 100);
            let count = |target: &[&str], said: &[&str]| {
                let counts = |row: &&&Value| {
                    target.contains(&row["target"].as_str().unwrap())
                        && said.contains(&row["prediction"].as_str().unwrap())
                };
                rows.iter().filter(counts).count() as f64
            };
            let (both, yes) = (["no", "yes"], ["yes"]);
            let hits = count(&yes, &yes);
            let (actual, said) = (count(&yes, &both), count(&both, &yes));
            let score = |name: &str| fold["scores"][name].as_f64().unwrap();
            let near = |name: &str, expected: f64| {
                assert!((score(name) - expected).abs() < 1e-12, "{name} of {model}: {fold}");
            };
            assert!(hits > 0.0, "{rows:?}");
            near("accuracy", (hits + count(&["no"], &["no"])) / 100.0);
            near("precision", hits / said);
            near("recall", hits / actual);
            near("f1", 2.0 * hits / (actual + said));
            others.iter().for_each(|name| assert!(score(name).is_finite()));
        }
    }
}

#[test]
fn an_undefined_score_is_null_and_said() {
    let world = World::new();
    let dataset = world.api.dataset(&overlapping());
    let job = world.api.run(&spec(
        &dataset,
        &json!({"cv": {"type": "kfold", "n_splits": 300}, "training": {"epochs": 1},
            "model": {"type": "linear"}, "scoring": ["accuracy", "roc_auc"]}),
    ));
    assert_eq!(job["status"], "succeeded", "{job}");
    let result = &job["result"];
    assert!(result["cv"]["accuracy"]["mean"].is_f64(), "{result}");
    assert!(result["cv"]["roc_auc"]["mean"].is_null(), "{result}");
    let warnings = result["warnings"].as_array().unwrap();
    let said = warnings.iter().find(|w| w["code"] == "undefined_score").unwrap();
    let detail = said["detail"].as_str().unwrap();
    assert!(detail.contains("`roc_auc` is undefined in 300 of 300 folds"), "{detail}");
    assert!(detail.contains("a row of every class"), "{detail}");
}

#[test]
fn a_scorer_that_does_not_fit_is_refused() {
    let world = World::new();
    let dataset = world.api.dataset(&overlapping());
    let three = |scorer: &str| json!({"target": "three", "scoring": ["accuracy", scorer]});
    let amount = |scorer: &str| json!({"target": "amount", "cv": null, "refit": true, "scoring": ["r2", scorer]});
    let perceptron = json!({
        "model": {"type": "perceptron"}, "training": null, "scoring": ["f1", "neg_log_loss"]
    });
    for (changes, suggestion) in [
        (three("f1"), "f1_macro"),
        (three("roc_auc"), "roc_auc_ovr"),
        (three("jaccard_samples"), "jaccard_macro"),
        (json!({"scoring": ["accuracy", "f1_samples"]}), "f1"),
        (json!({"scoring": ["f1", "top_k_accuracy"]}), "accuracy"),
        (json!({"scoring": ["f1", {"type": "top_k_accuracy", "k": 5}]}), "accuracy"),
        (
            json!({"target": "three", "scoring": ["accuracy", {"type": "top_k_accuracy", "k": 3}]}),
            "top_k_accuracy",
        ),
        (perceptron, "use the model linear"),
        (amount("neg_mean_poisson_deviance"), "neg_mean_squared_error"),
        (amount("neg_mean_squared_log_error"), "neg_mean_squared_error"),
    ] {
        let mut spec = spec(&dataset, &changes);
        if spec["training"].is_null() {
            spec.as_object_mut().unwrap().remove("training");
        }
        let problem = world.api.post("/v1/jobs", &spec).expect(422);
        let errors = problem["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 1, "{problem}");
        assert_eq!(errors[0]["pointer"], "/scoring/1", "{problem}");
        assert_eq!(errors[0]["suggestion"], suggestion, "{problem}");
    }
    let jobs = world.api.get("/v1/jobs").expect(200);
    assert_eq!(jobs["data"], json!([]), "nothing was queued");
}

/// A fold's model and one that is trained on the fold's training rows alone are the same.
#[test]
fn scores_on_training_rows_are_those_of_a_model_of_these_rows() {
    let world = World::new();
    let table = overlapping();
    let (head, rows) = table.split_once('\n').unwrap();
    let with_fold: String =
        rows.lines().enumerate().map(|(i, row)| format!("{row},{}\n", i % 2)).collect();
    let whole = world.api.dataset(&format!("{head},fold\n{with_fold}"));
    let even: String = rows.lines().step_by(2).map(|row| format!("{row}\n")).collect();
    let half = world.api.dataset(&format!("{head}\n{even}"));
    let scoring = json!(["accuracy", "roc_auc", "f1"]);
    let spec = |dataset: &str, cv: Value| {
        json!({"dataset_id": dataset, "target": "answer", "features": ["x0", "x1"], "cv": cv,
               "model": {"type": "perceptron"}, "scoring": scoring})
    };
    let job = world.api.run(&spec(&whole, json!({"type": "predefined", "test_fold": "fold"})));
    let alone = world.api.run(&spec(&half, Value::Null));
    let folds = &job["result"]["folds"];
    // The fold that tests odd rows trains on even ones.
    assert_eq!(folds[1]["train_scores"], alone["result"]["train"], "{folds}");
    assert!(folds[1]["score_s"].as_f64().unwrap() > 0.0);
    let of = |fold: usize| folds[fold]["train_scores"]["accuracy"].as_f64().unwrap();
    let mean = job["result"]["cv_train"]["accuracy"]["mean"].as_f64().unwrap();
    assert!((mean - (of(0) + of(1)) / 2.0).abs() < 1e-12);
}

/// What warnings of this code say.
fn warnings(job: &Value, code: &str) -> Vec<String> {
    let all = job["result"]["warnings"].as_array().unwrap().iter();
    let of_code = all.filter(|warning| warning["code"] == code);
    of_code.map(|warning| warning["detail"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn weighted_scores_are_scikit_learns() {
    let golden: Value = serde_json::from_str(include_str!("data/curves.json")).expect("valid JSON");
    let world = World::new();
    let demo = world.api.demo_dataset();
    let table = world.api.get(&format!("/v1/datasets/{demo}/content")).text();
    // The weights of the script that made the golden file.
    let weight = |row: u32| (f64::from(row * 7 % 5) / 2.0).to_string();
    let column = ["weight".to_owned()].into_iter().chain((0..).map(weight));
    let lines = table.lines().zip(column).map(|(line, weight)| format!("{line},{weight}\n"));
    let dataset = world.api.dataset(&lines.collect::<String>());
    let close = |found: &Value, expected: &Value, at: &str| {
        let expected = expected.as_object().unwrap();
        assert_eq!(found.as_object().unwrap().len(), expected.len(), "{at}");
        for (scorer, expected) in expected {
            let (found, expected) = (found[scorer].as_f64().unwrap(), expected.as_f64().unwrap());
            assert!((found - expected).abs() < 1e-12, "{at}, {scorer}: {found}, not {expected}");
        }
    };
    for case in golden["weighted"].as_array().unwrap() {
        let mut spec = json!({"dataset_id": dataset, "target": "y", "scoring_weight": "weight"});
        for key in ["model", "cv", "scoring"] {
            spec[key] = case[key].clone();
        }
        let job = world.api.run(&spec);
        assert_eq!(job["status"], "succeeded", "{job}");
        assert!(!job["resolved_spec"]["features"].as_array().unwrap().contains(&json!("weight")));
        let folds = job["result"]["folds"].as_array().unwrap();
        for (index, fold) in folds.iter().enumerate() {
            let at = format!("{}: fold {index}", case["name"]);
            close(&fold["scores"], &case["test"][index], &at);
            close(&fold["train_scores"], &case["train"][index], &at);
        }
        close(&job["result"]["train"], &case["refit"], "the model");
        // The model again, on the rows that it was trained on.
        let model = job["result"]["model_id"].as_str().unwrap();
        let call = json!({"dataset_id": dataset, "scoring_weight": "weight"});
        let called = world.api.post(&format!("/v1/models/{model}/evaluate"), &call).expect(200);
        close(&called["scores"], &case["refit"], "the call");
        let evaluation = json!({"dataset_id": dataset, "evaluate": {"model_id": model},
                                "scoring_weight": "weight"});
        let evaluated = world.api.run(&evaluation);
        close(&evaluated["result"]["evaluation"]["scores"], &case["refit"], "the job");
        // Whose rows count in another way cannot be compared with it.
        spec.as_object_mut().unwrap().remove("scoring_weight");
        spec["features"] = job["resolved_spec"]["features"].clone();
        let plain = world.api.run(&spec);
        let both = json!({"job_ids": [job["id"], plain["id"]], "metric": "f1"});
        let errors = world.api.post("/v1/compare", &both).errors(422, "invalid_request");
        assert!(errors[0].1.contains("weigh"), "{errors:?}");
    }
}

#[test]
fn columns_that_cannot_weigh_scores() {
    let world = World::new();
    let dataset = world.api.dataset(&overlapping());
    let refused = |changes: Value, pointer: &str, part: &str| {
        let errors = world.api.post("/v1/jobs", &spec(&dataset, &changes));
        let errors = errors.errors(422, "invalid_request");
        assert!(errors.iter().any(|(p, d)| p == pointer && d.contains(part)), "{errors:?}");
    };
    refused(json!({"scoring_weight": "amont"}), "/scoring_weight", "no column");
    refused(json!({"scoring_weight": "answer"}), "/scoring_weight", "is the target");
    refused(json!({"scoring_weight": "amount"}), "/scoring_weight", "below 0");
    refused(json!({"scoring_weight": "x1"}), "/features/1", "`scoring_weight`");
    let pairs = json!({"target": "three", "features": ["x0"], "scoring_weight": "x1",
                       "scoring": ["accuracy", "roc_auc_ovo"]});
    refused(pairs, "/scoring/1", "takes no weights");
    let largest = json!({"target": "amount", "features": ["x0"], "scoring_weight": "x1",
                         "cv": {"type": "kfold"}, "scoring": ["neg_max_error"]});
    refused(largest, "/scoring/0", "takes no weights");
}

#[test]
fn scores_that_divide_by_nothing_say_so() {
    let world = World::new();
    let dataset = world.api.dataset(&overlapping());
    // A feature that tells nothing: every row is taken for the class of most.
    let rows: String =
        (0..100).map(|i| format!("1,{}\n", if i % 10 < 3 { "yes" } else { "no" })).collect();
    let constant = world.api.dataset(&format!("x,answer\n{rows}"));
    let scoring = json!(["accuracy", "precision", "recall", "f1_macro", "precision_macro"]);
    let job = world.api.run(&json!({
        "dataset_id": constant, "target": "answer", "model": {"type": "linear"},
        "training": {"epochs": 20}, "scoring": scoring, "refit": false,
        "cv": {"type": "stratified_kfold", "n_splits": 5}
    }));
    assert_eq!(job["status"], "succeeded", "{}", job["error"]);
    assert_eq!(job["result"]["cv"]["precision"]["mean"], 0.0);
    let said = warnings(&job, "ill_defined_score");
    assert_eq!(
        said,
        [
            "`precision` divides by nothing in 5 of 5 folds and counts 0 there, as scikit-learn has it",
            "`precision_macro` divides by nothing in 5 of 5 folds and counts 0 there, as scikit-learn has it"
        ]
    );
    assert_eq!(job["result"]["folds"][0]["ill_defined"], json!(["precision", "precision_macro"]));
    // Rows in the order of a class: the folds in between test one class only.
    let changes = json!({"target": "answer", "cv": {"type": "leave_one_group_out", "groups": "x1"},
                         "features": ["x0"], "scoring": ["accuracy"]});
    let job = world.api.run(&spec(&dataset, &changes));
    assert_eq!(warnings(&job, "untested_class"), [""; 0], "every group has both classes");
    let sorted: String =
        (0..90).map(|i| format!("{},{}\n", i % 7, ["a", "b", "c"][i / 30])).collect();
    let sorted = world.api.dataset(&format!("x,kind\n{sorted}"));
    let job = world.api.run(&json!({
        "dataset_id": sorted, "target": "kind", "model": {"type": "linear"}, "refit": false,
        "training": {"epochs": 2}, "cv": {"type": "kfold", "n_splits": 6},
        "scoring": ["accuracy", "recall_macro"]
    }));
    let said = warnings(&job, "untested_class");
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[0].starts_with("in 4 of 6 folds no test row is of class \"a\""), "{said:?}");
    assert_eq!(job["result"]["folds"][0]["untested_classes"], json!(["b", "c"]));
    assert!(!warnings(&job, "ill_defined_score").is_empty(), "{job}");
}

#[test]
fn scores_of_training_rows_that_are_undefined_are_said() {
    let world = World::new();
    // Amounts that do not vary.
    let rows: String = (0..40).map(|i| format!("{i},2.5\n")).collect();
    let dataset = world.api.dataset(&format!("x,amount\n{rows}"));
    let job = world.api.run(&json!({
        "dataset_id": dataset, "target": "amount", "task": "regression",
        "model": {"type": "linear"}, "training": {"epochs": 2}, "cv": {"type": "kfold"},
        "scoring": ["neg_mean_absolute_error", "d2_tweedie"]
    }));
    assert_eq!(job["status"], "succeeded", "{}", job["error"]);
    let said = warnings(&job, "undefined_score");
    let has = |part: &str| assert!(said.iter().any(|said| said.contains(part)), "{said:?}");
    has("`d2_tweedie` is undefined in 5 of 5 folds");
    has("`d2_tweedie` is undefined on the training rows in 5 of 5 folds");
    has("`d2_tweedie` is undefined on the rows that the model was trained on");
}

#[test]
fn scorers_with_parameters_have_them_in_their_names() {
    let world = World::new();
    let dataset = world.api.dataset(&overlapping());
    let high = json!({"type": "neg_mean_pinball_loss", "alpha": 0.9});
    let scoring = json!([high, "neg_mean_pinball_loss", "max_error"]);
    let changes = json!({"target": "amount", "features": ["x1"], "cv": {"type": "kfold", "n_splits": 3},
                         "scoring": scoring});
    let job = world.api.run(&spec(&dataset, &changes));
    assert_eq!(job["status"], "succeeded", "{}", job["error"]);
    let resolved = &job["resolved_spec"];
    let expected = json!([high, "neg_mean_pinball_loss", "neg_max_error"]);
    assert_eq!(resolved["scoring"], expected);
    let again = world.api.run(resolved);
    assert_eq!(again["result"]["cv"], job["result"]["cv"]);
    // By hand, of the fold's own predictions.
    let id = job["id"].as_str().unwrap();
    let page = world.api.get(&format!("/v1/jobs/{id}/predictions?limit=10000")).expect(200);
    let errors: Vec<f64> = page["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["fold"] == 0)
        .map(|row| row["target"].as_f64().unwrap() - row["prediction"].as_f64().unwrap())
        .collect();
    let loss = |alpha: f64| {
        let of = |error: &f64| (alpha * error).max((alpha - 1.0) * error);
        -errors.iter().map(of).sum::<f64>() / errors.len() as f64
    };
    let scores = &job["result"]["folds"][0]["scores"];
    for (name, alpha) in [("neg_mean_pinball_loss(alpha=0.9)", 0.9), ("neg_mean_pinball_loss", 0.5)]
    {
        let found = scores[name].as_f64().unwrap();
        assert!((found - loss(alpha)).abs() < 1e-6, "{name}: {found}, not {}", loss(alpha));
    }
    let metrics = world.api.get(&format!("/v1/jobs/{id}/metrics?fold=0")).expect(200);
    assert!(metrics.to_string().contains("train_neg_mean_pinball_loss(alpha=0.9)"), "{metrics}");
    let wrong = json!({"target": "amount", "features": ["x1"], "cv": {"type": "kfold"},
        "scoring": [{"type": "neg_mean_pinball_loss", "alpha": 2}, {"type": "accuracy"}, "acuracy"]});
    let errors = world.api.post("/v1/jobs", &spec(&dataset, &wrong)).errors(422, "invalid_request");
    let pointers: Vec<&str> = errors.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(pointers, ["/scoring/0/alpha", "/scoring/1/type", "/scoring/2"], "{errors:?}");
}
