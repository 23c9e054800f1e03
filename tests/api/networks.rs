//! Networks: from a spec to scores, curves and predictions.

use serde_json::{Value, json};

use crate::support::World;

/// Three clouds on a line, told apart by two columns, and two columns that follow from them.
fn clouds() -> String {
    let row = |i: u32| {
        let class = i % 3;
        let (a, b) = (f64::from(i * 37 % 100) / 100.0, f64::from(i * 53 % 100) / 100.0);
        let (x0, x1) = (f64::from(class) * 2.0 + a, b - f64::from(class));
        let name = ["red", "green", "blue"][class as usize];
        format!("{x0},{x1},{name},{},{}\n", 3.0 * x0 - x1 + 0.25, x0 + x1)
    };
    let rows: String = (0..300).map(row).collect();
    format!("x0,x1,colour,first,second\n{rows}")
}

fn colours(dataset: &str, changes: &Value) -> Value {
    let mut spec = json!({
        "dataset_id": dataset, "target": "colour", "features": ["x0", "x1"],
        "model": {"type": "mlp", "hidden": [16]},
        "optimizer": {"type": "adam", "learning_rate": 0.01},
        "training": {"epochs": 20, "batch_size": 16},
        "cv": {"type": "stratified_kfold", "n_splits": 3},
        "scoring": ["accuracy", "neg_log_loss"],
        "random_state": 1
    });
    for (key, value) in changes.as_object().unwrap() {
        spec[key] = value.clone();
    }
    spec
}

#[test]
fn digits_are_read_by_an_mlp() {
    let world = World::new();
    let dataset = world.api.dataset(include_str!("data/digits.csv"));
    let job = world.api.run(&json!({
        "dataset_id": dataset, "target": "y",
        "model": {"type": "mlp", "hidden": [64]},
        "optimizer": {"type": "adam"},
        "training": {"epochs": 30},
        "cv": {"type": "stratified_kfold", "n_splits": 5, "shuffle": true},
        "random_state": 1
    }));
    assert_eq!(job["status"], "succeeded", "{job}");
    let mean = job["result"]["cv"]["accuracy"]["mean"].as_f64().unwrap();
    assert!(mean >= 0.97, "{mean}");
}

#[test]
fn a_network_is_scored_followed_and_predicts() {
    let world = World::new();
    let dataset = world.api.dataset(&clouds());
    let job = world.api.run(&colours(&dataset, &json!({})));
    assert_eq!(job["status"], "succeeded", "{job}");
    let id = job["id"].as_str().unwrap();
    let result = &job["result"];
    assert!(result["cv"]["accuracy"]["mean"].as_f64().unwrap() > 0.95, "{result}");
    assert!(result["cv"]["neg_log_loss"]["mean"].as_f64().unwrap() > -0.3, "{result}");
    assert_eq!(result["folds"][0]["epochs"], 20);
    assert_eq!(result["folds"][0]["stop_reason"], "completed");
    assert_eq!(result["refit"]["converged"], Value::Null);

    // The curves of the final training, and of a fold; thinned, and only what was asked for.
    let path = format!("/v1/jobs/{id}/metrics");
    let metrics = world.api.get(&path).expect(200);
    assert_eq!(metrics["fold"], Value::Null);
    let points = metrics["data"].as_array().unwrap();
    assert_eq!(points.len(), 20);
    let losses: Vec<f64> = points.iter().map(|p| p["train_loss"].as_f64().unwrap()).collect();
    assert!(losses[19] < losses[0] / 2.0, "{losses:?}");
    assert!(metrics["series"].as_array().unwrap().contains(&json!("train_neg_log_loss")));
    for series in metrics["series"].as_array().unwrap() {
        assert!(points[19][series.as_str().unwrap()].is_number(), "{series}");
    }
    let few = world.api.get(&format!("{path}?fold=2&series=train_loss,learning_rate&max_points=3"));
    let few = few.expect(200);
    assert_eq!(few["fold"], 2);
    let epochs: Vec<&Value> =
        few["data"].as_array().unwrap().iter().map(|point| &point["epoch"]).collect();
    assert_eq!(epochs, [1, 10, 20]);
    assert_eq!(few["data"][0].as_object().unwrap().len(), 3);
    let errors = world.api.get(&format!("{path}?series=train_los")).errors(422, "invalid_request");
    assert!(errors[0].1.contains("train_los"), "{errors:?}");
    world.api.get(&format!("{path}?fold=3")).problem(422, "invalid_request");

    // Out-of-fold predictions with probabilities, as JSON and as CSV.
    let page = world.api.get(&format!("/v1/jobs/{id}/predictions?limit=1")).expect(200);
    let probabilities = page["data"][0]["probabilities"].as_array().unwrap();
    let sum: f64 = probabilities.iter().map(|p| p.as_f64().unwrap()).sum();
    assert!(probabilities.len() == 3 && (sum - 1.0).abs() < 1e-5, "{page}");
    let csv = world.api.get_with(&format!("/v1/jobs/{id}/predictions"), &[("accept", "text/csv")]);
    let head = "row,repeat,fold,target,prediction,probability_0,probability_1,probability_2\n";
    assert!(csv.text().starts_with(head), "{}", csv.text());

    // A model takes rows as they are in the dataset: the scaling is its own.
    let model = result["model_id"].as_str().unwrap();
    let rows = json!({"rows": [[0.5, 0.5], [4.5, -1.5]]});
    let answer = world.api.post(&format!("/v1/models/{model}/predict"), &rows).expect(200);
    assert_eq!(answer["predictions"], json!(["red", "blue"]));
    assert_eq!(answer["classes"], json!(["blue", "green", "red"]));
    assert!(answer["probabilities"][0][2].as_f64().unwrap() > 0.9, "{answer}");
    assert!(answer.get("decision_function").is_none());
}

#[test]
fn a_resolved_spec_gives_the_same_model_again() {
    let world = World::new();
    let dataset = world.api.dataset(&clouds());
    let bare = json!({"dataset_id": dataset, "target": "colour", "features": ["x0", "x1"],
    "model": {"type": "network", "layers": [
        {"type": "dense", "units": 8}, {"type": "batch_norm"},
        {"type": "activation", "activation": "gelu"}, {"type": "dropout", "rate": 0.1},
        {"type": "residual", "layers": [{"type": "layer_norm"}, {"type": "dense", "units": 8}]},
        {"type": "dense"}
    ]}});
    let job = world.api.run(&bare);
    assert_eq!(job["status"], "succeeded", "{job}");
    let resolved = &job["resolved_spec"];
    assert_eq!(resolved["optimizer"]["type"], "adam");
    assert_eq!(resolved["loss"]["type"], "cross_entropy");
    assert_eq!(resolved["training"]["batch_size"], 32);
    assert_eq!(resolved["preprocess"]["numeric"]["scale"]["type"], "standard");
    assert_eq!(resolved["model"]["layers"][5]["units"], 3);
    let again = world.api.run(resolved);
    assert_eq!(&again["resolved_spec"], resolved);
    let hash = |job: &Value| {
        let id = job["result"]["model_id"].as_str().unwrap();
        world.api.get(&format!("/v1/models/{id}")).expect(200)["sha256"].clone()
    };
    assert_eq!(hash(&job), hash(&again));
}

/// The same rows in three folds, and in the first of them alone: to the digit, whatever the threads.
#[test]
fn a_fold_is_the_same_alone_and_among_others() {
    let csv = clouds();
    let mut lines = csv.lines();
    let mut folds = format!("{},folds,alone\n", lines.next().unwrap());
    for (row, line) in lines.enumerate() {
        let fold = row / 3 % 3;
        folds += &format!("{line},{fold},{}\n", if fold == 0 { 0 } else { -1 });
    }
    // Of the first fold: probabilities and scores, and the curve of its training.
    let first = |world: &World, dataset: &str, column: &str| {
        let cv = json!({"type": "predefined", "test_fold": column});
        let training = json!({"epochs": 8, "batch_size": 16, "validation_fraction": 0.2});
        let model = json!({"type": "mlp", "hidden": [96, 64], "dropout": 0.2});
        let changes = json!({"cv": cv, "training": training, "model": model, "refit": false});
        let job = world.api.run(&colours(dataset, &changes));
        assert_eq!(job["status"], "succeeded", "{job}");
        let id = job["id"].as_str().unwrap();
        let page = world.api.get(&format!("/v1/jobs/{id}/predictions?limit=300")).expect(200);
        let of_fold = |row: &&Value| row["fold"] == 0;
        let rows: Vec<Value> =
            page["data"].as_array().unwrap().iter().filter(of_fold).cloned().collect();
        assert_eq!(rows.len(), 102);
        let metrics = world.api.get(&format!("/v1/jobs/{id}/metrics?fold=0")).expect(200);
        (rows, job["result"]["folds"][0]["scores"].clone(), metrics["data"].clone())
    };
    let mut found = Vec::new();
    for n_threads in [1, 2, 4] {
        let world = World::with_threads(n_threads);
        let dataset = world.api.dataset(&folds);
        found.extend(["folds", "alone"].map(|column| first(&world, &dataset, column)));
    }
    let [one, others @ ..] = found.as_slice() else { panic!("six jobs") };
    for other in others {
        assert!(other == one, "{other:?}\n{one:?}");
    }
}

#[test]
fn amounts_are_predicted_one_or_several_at_once() {
    let world = World::new();
    let dataset = world.api.dataset(&clouds());
    let spec = |target: Value, loss: &str| {
        json!({
            "dataset_id": dataset, "target": target, "features": ["x0", "x1"], "loss": loss,
            "model": {"type": "linear"}, "optimizer": {"type": "adam", "learning_rate": 0.05},
            "training": {"epochs": 60}, "cv": {"type": "kfold", "n_splits": 3, "shuffle": true},
            "scoring": ["r2", "neg_mean_absolute_error"]
        })
    };
    for loss in ["auto", "mae", "huber", "log_cosh", "quantile"] {
        let job = world.api.run(&spec(json!("first"), loss));
        assert_eq!(job["status"], "succeeded", "{job}");
        assert_eq!(job["resolved_spec"]["task"], "regression");
        let r2 = job["result"]["cv"]["r2"]["mean"].as_f64().unwrap();
        assert!(r2 > 0.98, "{loss}: {r2}");
    }
    let job = world.api.run(&spec(json!(["first", "second"]), "mse"));
    assert!(job["result"]["cv"]["r2"]["mean"].as_f64().unwrap() > 0.98, "{job}");
    let model = job["result"]["model_id"].as_str().unwrap();
    let rows = json!({"records": [{"x0": 1.0, "x1": 0.5}]});
    let answer = world.api.post(&format!("/v1/models/{model}/predict"), &rows).expect(200);
    let values: Vec<f64> = answer["predictions"][0]
        .as_array()
        .unwrap()
        .iter()
        .map(|value| value.as_f64().unwrap())
        .collect();
    assert!((values[0] - 2.75).abs() < 0.3 && (values[1] - 1.5).abs() < 0.3, "{values:?}");
    assert!(answer.get("classes").is_none());
}

#[test]
fn a_diverging_fit_fails_with_its_epoch_and_its_history() {
    let world = World::new();
    let dataset = world.api.dataset(&clouds());
    let wild = json!({"type": "sgd", "learning_rate": 1e20});
    let job = world.api.run(&colours(&dataset, &json!({"optimizer": wild, "cv": null})));
    assert_eq!((&job["status"], &job["stop_reason"]), (&json!("failed"), &json!("diverged")));
    assert_eq!(job["error"]["code"], "diverged");
    let epoch = job["error"]["epoch"].as_u64().unwrap();
    assert!(epoch >= 1, "{job}");
    let path = format!("/v1/jobs/{}/metrics", job["id"].as_str().unwrap());
    let points = world.api.get(&path).expect(200)["data"].clone();
    assert_eq!(points.as_array().unwrap().last().unwrap()["epoch"], epoch);
}

#[test]
fn the_history_of_a_fold_that_diverged_is_found() {
    let world = World::new();
    let dataset = world.api.dataset(&clouds());
    let wild = json!({"type": "sgd", "learning_rate": 1e20});
    let job = world.api.run(&colours(&dataset, &json!({"optimizer": wild})));
    assert_eq!(job["error"]["code"], "diverged", "{job}");
    let fold = &job["error"]["fold"];
    let path = format!("/v1/jobs/{}/metrics", job["id"].as_str().unwrap());
    let detail = world.api.get(&path).problem(404, "not_found")["detail"].to_string();
    assert!(detail.contains(&format!("failed in fold {fold}")), "{detail}");
    let points = world.api.get(&format!("{path}?fold={fold}")).expect(200)["data"].clone();
    assert_eq!(points.as_array().unwrap().last().unwrap()["epoch"], job["error"]["epoch"]);
}

#[test]
fn training_ends_early_by_its_rule_or_by_the_clock() {
    let world = World::new();
    let dataset = world.api.dataset(&clouds());
    let stopping = json!({"epochs": 5000, "batch_size": 16,
        "early_stopping": {"monitor": "val_neg_log_loss", "patience": 4}});
    let job = world.api.run(&colours(&dataset, &json!({"training": stopping, "cv": null})));
    let refit = &job["result"]["refit"];
    assert_eq!(refit["stop_reason"], "early_stopping", "{job}");
    let (epochs, best) = (refit["epochs"].as_u64().unwrap(), refit["best_epoch"].as_u64().unwrap());
    assert_eq!(epochs, best + 4);
    let clock = json!({"epochs": 1_000_000, "max_seconds": 0.2});
    let job = world.api.run(&colours(&dataset, &json!({"training": clock, "cv": null})));
    assert_eq!(job["result"]["refit"]["stop_reason"], "max_seconds", "{job}");
    assert!(job["result"]["refit"]["fit_s"].as_f64().unwrap() < 5.0);
}

/// A residual layer in one, and so on, so many times.
fn nested(depth: usize) -> Value {
    let inside = if depth == 1 { json!({"type": "layer_norm"}) } else { nested(depth - 1) };
    json!({"type": "residual", "layers": [inside]})
}

/// Where the ninth of them is.
const DEEPEST: &str =
    "/model/layers/0/layers/0/layers/0/layers/0/layers/0/layers/0/layers/0/layers/0/layers/0";

/// Every case names all that is wrong and nothing else, each with what must hold or a way out.
#[test]
fn what_cannot_work_is_refused_before_anything_is_queued() {
    let world = World::new();
    let rows = clouds().replacen('\n', ",huge\n", 1);
    let (head, rows) = rows.split_once('\n').unwrap();
    let rows: String = rows.lines().map(|row| format!("{row},1e39\n")).collect();
    let dataset = world.api.dataset(&format!("{head}\n{rows}"));
    let cases = [
        (json!({"training": {"batch_size": 201}}), "/training/batch_size"),
        (json!({"training": {"batch_size": 0}}), "/training/batch_size"),
        (json!({"optimizer": {"type": "adam", "learning_rate": 0}}), "/optimizer/learning_rate"),
        (json!({"optimizer": {"type": "adam", "learning_rate": -1}}), "/optimizer/learning_rate"),
        (json!({"optimizer": {"type": "adma"}}), "/optimizer/type"),
        (json!({"optimizer": {"type": "adam", "momentum": 0.9}}), "/optimizer/momentum"),
        (json!({"loss": "mse"}), "/loss"),
        (json!({"loss": "binary_cross_entropy"}), "/loss"),
        (json!({"loss": {"type": "huber", "delta": -1}}), "/loss/delta"),
        (json!({"target": "first", "loss": "hinge", "scoring": ["r2"], "cv": null}), "/loss"),
        (json!({"target": "first", "scoring": ["r2"]}), "/cv/type"),
        (
            json!({"target": "first", "loss": "binary_cross_entropy", "scoring": ["r2"],
                "cv": null}),
            "/loss",
        ),
        (json!({"scoring": ["r2"]}), "/scoring/0"),
        (json!({"loss": "hinge", "scoring": ["neg_log_loss"]}), "/scoring/0"),
        (json!({"model": {"type": "mlp", "hidden": []}}), "/model/hidden"),
        (json!({"model": {"type": "mlp", "hidden": [0]}}), "/model/hidden/0"),
        (json!({"model": {"type": "mlp", "hidden": [8], "dropout": 1}}), "/model/dropout"),
        (
            json!({"model": {"type": "mlp", "hidden": [8], "activation": "rulu"}}),
            "/model/activation",
        ),
        (json!({"model": {"type": "mlp", "hidden": [65536, 65536, 65536]}}), "/model"),
        (
            json!({"model": {"type": "mlp", "batch_norm": true}, "training": {"batch_size": 1}}),
            "/training/batch_size",
        ),
        (
            json!({"model": {"type": "network", "layers": [{"type": "dense", "units": 4}]}}),
            "/model/layers/0",
        ),
        (
            json!({"model": {"type": "network", "layers": [{"type": "dense"}, {"type": "dense"}]}}),
            "/model/layers/0/units",
        ),
        (
            json!({"model": {"type": "network", "layers": [
                {"type": "residual", "layers": [{"type": "dense", "units": 7}]}, {"type": "dense"}
            ]}}),
            "/model/layers/0",
        ),
        (
            json!({"training": {"early_stopping": {"monitor": "val_f1"}}}),
            "/training/early_stopping/monitor",
        ),
        (
            json!({"loss": "hinge", "scoring": ["top_k_accuracy"], "training":
                {"early_stopping": {"monitor": "val_top_k_accuracy"}, "validation_fraction": 0.2}}),
            "/training/early_stopping/monitor",
        ),
        (json!({"training": {"class_weight": {"pink": 2}}}), "/training/class_weight/pink"),
        (json!({"sample_weight": "colour"}), "/sample_weight"),
        (json!({"sample_weight": "first_"}), "/sample_weight"),
        (
            json!({"optimizer": {"type": "gradient_descent"}, "training": {"batch_size": 8}}),
            "/training/batch_size",
        ),
        (
            json!({"optimizer": {"type": "adam", "schedule": {"type": "step"}}}),
            "/optimizer/schedule/step_size",
        ),
        (json!({"preprocess": {"numeric": {"scale": "standart"}}}), "/preprocess/numeric/scale"),
        (
            json!({"preprocess": {"numeric": {"scale": {"type": "min_max", "clp": true}}},
                "loss": {"type": "focl"}, "scoring": ["r2"]}),
            "/loss/type /preprocess/numeric/scale/clp /scoring/0",
        ),
        (
            json!({"model": {"type": "mlp", "activation": {"type": "leaky_relu", "negative_slop": 1},
                "init": {"type": "orthogonal", "gain": "big"}}, "loss": {"type": "hubr"}}),
            "/loss/type /model/activation/negative_slop /model/init/gain",
        ),
        (
            json!({"model": {"type": "mlp", "hidden": [20000, 20000], "init": "orthogonal"}}),
            "/model/hidden",
        ),
        (
            json!({"model": {"type": "network", "layers": vec![json!({"type": "layer_norm"}); 513]}}),
            "/model/layers",
        ),
        (json!({"model": {"type": "network", "layers": [nested(9)]}}), DEEPEST),
        (
            json!({"training": {"class_weight": {"red": 0, "green": 0, "blue": 0}}}),
            "/training/class_weight",
        ),
        (json!({"training": {"class_weight": {"red": 1e39}}}), "/training/class_weight/red"),
        (json!({"sample_weight": "huge"}), "/sample_weight"),
    ];
    let mut wrong = Vec::new();
    for (changes, pointers) in cases {
        let answer = world.api.post("/v1/jobs", &colours(&dataset, &changes));
        let problem = answer.problem(422, "invalid_request");
        let errors = problem["errors"].as_array().unwrap();
        let mut found: Vec<&str> = errors.iter().map(|e| e["pointer"].as_str().unwrap()).collect();
        found.sort_unstable();
        let way_out = |error: &Value| {
            let detail = error["detail"].as_str().unwrap();
            error["suggestion"].is_string()
                || detail.starts_with("must ")
                || detail == "is required"
        };
        if found.join(" ") != pointers || !errors.iter().all(way_out) {
            wrong.push(format!("{changes}: {errors:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(world.api.get("/v1/jobs").expect(200)["data"], json!([]));
}

/// The most hidden layers that the document allows, with all that may follow each.
#[test]
fn the_deepest_mlp_there_may_be_is_taken() {
    let world = World::new();
    let dataset = world.api.dataset(&clouds());
    let model = json!({"type": "mlp", "hidden": vec![2; 64], "dropout": 0.1, "batch_norm": true,
        "layer_norm": true});
    let estimate =
        world.api.post("/v1/jobs?dry_run=true", &colours(&dataset, &json!({"model": model})));
    assert!(estimate.expect(200)["n_parameters"].as_u64().unwrap() > 64 * 4);
}

/// 200 rows are 13 batches of 16.
#[test]
fn steps_that_an_epoch_cannot_fill_are_warned_of() {
    let world = World::new();
    let dataset = world.api.dataset(&clouds());
    let warned = |steps: u32| {
        let training = json!({"batch_size": 16, "accumulation_steps": steps});
        let spec = colours(&dataset, &json!({"training": training}));
        let estimate = world.api.post("/v1/jobs?dry_run=true", &spec).expect(200);
        let warnings = estimate["warnings"].as_array().unwrap();
        warnings.iter().any(|warning| warning["code"] == "accumulation_cut")
    };
    assert!(warned(14) && !warned(13));
}

/// In fold 0 only rows of weight 0 are left to train on.
#[test]
fn rows_that_weigh_nothing_fail_the_job() {
    let world = World::new();
    let mut csv = "x,y,weight,fold\n".to_owned();
    for row in 0..60 {
        let fold = row % 2;
        csv += &format!("{},{},{},{fold}\n", row * 7 % 13, row % 3, 1 - fold);
    }
    let dataset = world.api.dataset(&csv);
    let job = world.api.run(&json!({
        "dataset_id": dataset, "target": "y", "features": ["x"], "sample_weight": "weight",
        "model": {"type": "linear"}, "task": "classification",
        "cv": {"type": "predefined", "test_fold": "fold"}
    }));
    assert_eq!(job["status"], "failed", "{job}");
    assert_eq!((&job["error"]["code"], &job["error"]["fold"]), (&json!("no_weight"), &json!(0)));
}
