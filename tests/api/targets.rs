//! Targets: transformed amounts, several labels, and classes as the user wrote them.

use serde_json::{Value, json};

use crate::support::World;

/// Two features, two amounts that follow from them, one of them large and one skewed.
fn houses() -> String {
    let row = |i: u32| {
        let (a, b) = (f64::from(i * 37 % 100) / 100.0, f64::from(i * 53 % 100) / 100.0);
        let price = 250_000.0 + 90_000.0 * a - 40_000.0 * b;
        let area = (1.0 + 2.0 * a + b).exp() - 1.0;
        format!("{a},{b},{price},{area}\n")
    };
    let rows: String = (0..200).map(row).collect();
    format!("a,b,price,area\n{rows}")
}

fn amounts(dataset: &str, target: &Value, transform: &Value) -> Value {
    json!({
        "dataset_id": dataset, "target": target, "features": ["a", "b"],
        "task": "regression", "target_transform": transform, "model": {"type": "linear"},
        "optimizer": {"type": "adam", "learning_rate": 0.05}, "training": {"epochs": 60},
        "cv": {"type": "kfold", "n_splits": 4, "shuffle": true, "random_state": 1},
        "scoring": ["r2", "neg_mean_absolute_error"]
    })
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn transformed_amounts_come_back_in_their_units() {
    let world = World::new();
    let dataset = world.api.dataset(&houses());
    let transforms = [
        (json!("standard"), "price", 0.99),
        (json!({"type": "min_max", "feature_range": [-1, 1]}), "price", 0.99),
        (json!("robust"), "price", 0.99),
        (json!("max_abs"), "price", 0.9),
        (json!("log1p"), "area", 0.99),
        (json!({"type": "yeo_johnson", "standardize": true}), "area", 0.97),
        (json!("box_cox"), "price", 0.95),
        (json!({"type": "quantile", "output_distribution": "normal"}), "price", 0.9),
    ];
    for (transform, target, least) in &transforms {
        let job = world.api.run(&amounts(&dataset, &json!(target), transform));
        assert_eq!(job["status"], "succeeded", "{transform}: {job}");
        let result = &job["result"];
        let mean = number(&result["cv"]["r2"]["mean"]);
        assert!(mean > *least, "{transform}: {mean}");
        assert!(number(&result["train"]["r2"]) > *least, "{transform}: {result}");

        // The scores are those of the out-of-fold predictions, which are in the target's units.
        let id = job["id"].as_str().unwrap();
        let page = world.api.get(&format!("/v1/jobs/{id}/predictions")).expect(200);
        let of_fold =
            |fold: u32| page["data"].as_array().unwrap().iter().filter(move |p| p["fold"] == fold);
        for fold in 0..4 {
            let errors: Vec<f64> = of_fold(fold)
                .map(|p| (number(&p["target"]) - number(&p["prediction"])).abs())
                .collect();
            let error = errors.iter().sum::<f64>() / errors.len() as f64;
            let score =
                number(&result["folds"][fold as usize]["scores"]["neg_mean_absolute_error"]);
            // As JSON has them, single-precision predictions are shown rounded.
            let rounding = 1e-7 * number(&page["data"][0]["target"]);
            let is_near = (error + score).abs() <= 1e-4 * error + rounding;
            assert!(is_near, "{transform}: {error} and {score}");
        }

        // A model's predictions too; the row is the dataset's first.
        let model = result["model_id"].as_str().unwrap();
        let answer =
            world.api.post(&format!("/v1/models/{model}/predict"), &json!({"rows": [[0.0, 0.0]]}));
        let predicted = number(&answer.expect(200)["predictions"][0]);
        let truth = if *target == "price" { 250_000.0 } else { 1.0_f64.exp() - 1.0 };
        assert!((predicted - truth).abs() < 0.2 * truth, "{transform}: {predicted} and {truth}");
    }
}

#[test]
fn each_of_several_targets_is_transformed_by_itself() {
    let world = World::new();
    let dataset = world.api.dataset(&houses());
    let job = world.api.run(&amounts(&dataset, &json!(["price", "area"]), &json!("standard")));
    assert_eq!(job["status"], "succeeded", "{job}");
    assert!(number(&job["result"]["cv"]["r2"]["mean"]) > 0.9, "{job}");
    let id = job["id"].as_str().unwrap();
    let page = world.api.get(&format!("/v1/jobs/{id}/predictions?limit=50")).expect(200);
    for p in page["data"].as_array().unwrap() {
        let (price, area) = (number(&p["prediction"][0]), number(&p["prediction"][1]));
        assert!((price - number(&p["target"][0])).abs() < 5_000.0, "{p}");
        assert!((area - number(&p["target"][1])).abs() < 15.0 && area < 100.0, "{p}");
    }

    // A resolved spec says the transform in full, and gives the same model again.
    let spec = &job["resolved_spec"];
    let full = json!({"type": "standard", "with_mean": true, "with_std": true});
    assert_eq!(spec["target_transform"], full);
    let again = world.api.run(spec);
    assert_eq!(&again["resolved_spec"], spec);
    let sha256 = |job: &Value| {
        let model = job["result"]["model_id"].as_str().unwrap();
        world.api.get(&format!("/v1/models/{model}")).expect(200)["sha256"].clone()
    };
    assert_eq!(sha256(&again), sha256(&job));
}

#[test]
fn a_transform_that_does_not_fit_is_told_at_once() {
    let world = World::new();
    let rows: String = (0..40).map(|i| format!("{i},{},{}\n", f64::from(i) - 1.5, i % 2)).collect();
    let dataset = world.api.dataset(&format!("a,loss,flag\n{rows}"));
    let spec = |changes: &Value| {
        let mut spec = json!({
            "dataset_id": dataset, "target": "loss", "features": ["a"], "task": "regression",
            "model": {"type": "linear"}
        });
        for (key, value) in changes.as_object().unwrap() {
            spec[key] = value.clone();
        }
        spec
    };
    let errors = [
        (json!({"target_transform": "log1p"}), "/target_transform", "above -1"),
        (json!({"target_transform": "box_cox"}), "/target_transform", "above 0"),
        (json!({"target_transform": "logp1"}), "/target_transform", "log1p"),
        (
            json!({"target_transform": {"type": "min_max", "feature_range": [1, 0]}}),
            "/target_transform/feature_range",
            "range",
        ),
        (
            json!({"target_transform": "standard", "target": "flag", "task": "auto"}),
            "/target_transform",
            "classes",
        ),
        (json!({"target_transform": "standard", "loss": "poisson"}), "/loss", "target_transform"),
        (
            json!({"target_transform": "standard", "loss": "binary_cross_entropy"}),
            "/loss",
            "target_transform",
        ),
    ];
    for (changes, pointer, part) in &errors {
        let answer = world.api.post("/v1/jobs", &spec(changes));
        let problem = answer.problem(422, "invalid_request");
        let errors = problem["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 1, "{changes}: {problem}");
        assert_eq!(errors[0]["pointer"], *pointer, "{changes}: {problem}");
        assert!(errors[0].to_string().contains(part), "{changes}: {problem}");
    }
    // Onto 0 to 1, it is what the loss takes; and a null is none.
    let bounded = json!({"target_transform": "min_max", "loss": "binary_cross_entropy"});
    assert_eq!(world.api.run(&spec(&bounded))["status"], "succeeded");
    let none = world.api.run(&spec(&json!({"target_transform": null})));
    assert_eq!(none["resolved_spec"]["target_transform"], json!({"type": "none"}));
}

/// Films with two features, and three labels that follow from them; written as asked.
fn films(write: fn(bool) -> &'static str) -> String {
    let row = |i: u32| {
        let (a, b) = (f64::from(i * 37 % 100) / 50.0 - 1.0, f64::from(i * 53 % 100) / 50.0 - 1.0);
        let labels = [a > 0.1, b > -0.2, a + b > 0.5].map(write);
        format!("{a},{b},{}\n", labels.join(","))
    };
    let rows: String = (0..300).map(row).collect();
    format!("a,b,funny,sad,long\n{rows}")
}

fn labelled(dataset: &str, changes: &Value) -> Value {
    let mut spec = json!({
        "dataset_id": dataset, "target": ["funny", "sad", "long"], "model": {"type": "linear"},
        "optimizer": {"type": "adam", "learning_rate": 0.1}, "training": {"epochs": 60},
        "cv": {"type": "kfold", "n_splits": 3, "shuffle": true},
        "scoring": ["accuracy", "f1_macro", "f1_samples", "jaccard_micro", "roc_auc"]
    });
    for (key, value) in changes.as_object().unwrap() {
        spec[key] = value.clone();
    }
    spec
}

#[test]
fn a_row_may_have_several_labels() {
    let world = World::new();
    for (write, no, yes) in [
        ((|has| if has { "1" } else { "0" }) as fn(bool) -> &'static str, json!(0), json!(1)),
        (|has| if has { "true" } else { "false" }, json!(false), json!(true)),
    ] {
        let dataset = world.api.dataset(&films(write));
        let job = world.api.run(&labelled(&dataset, &json!({})));
        assert_eq!(job["status"], "succeeded", "{job}");
        let resolved = &job["resolved_spec"];
        assert_eq!(resolved["task"], "classification");
        assert_eq!(resolved["loss"]["type"], "binary_cross_entropy");
        assert_eq!(resolved["features"], json!(["a", "b"]));
        for (name, least) in [("accuracy", 0.85), ("f1_macro", 0.9), ("roc_auc", 0.97)] {
            let mean = number(&job["result"]["cv"][name]["mean"]);
            assert!(mean > least, "{name}: {mean}");
        }
        // Accuracy is the share of rows with every label right.
        let id = job["id"].as_str().unwrap();
        let page = world.api.get(&format!("/v1/jobs/{id}/predictions?limit=300")).expect(200);
        let page = page["data"].as_array().unwrap();
        let fold: Vec<&Value> = page.iter().filter(|p| p["fold"] == 1).collect();
        let right = fold.iter().filter(|p| p["prediction"] == p["target"]).count();
        let accuracy = number(&job["result"]["folds"][1]["scores"]["accuracy"]);
        assert!((right as f64 / fold.len() as f64 - accuracy).abs() < 1e-12);
        assert!(
            page[0]["target"].as_array().unwrap().iter().all(|word| word == &no || word == &yes)
        );
        let series =
            world.api.get(&format!("/v1/jobs/{id}/metrics?fold=0")).expect(200).to_string();
        assert!(series.contains("train_f1_samples"), "{}", &series[..300]);

        let model = job["result"]["model_id"].as_str().unwrap();
        let card = world.api.get(&format!("/v1/models/{model}")).expect(200);
        assert_eq!(card["outputs"]["target"], json!(["funny", "sad", "long"]));
        let rows = json!({"rows": [[0.9, 0.9], [-0.9, 0.9], [-0.9, -0.9]]});
        let said = world.api.post(&format!("/v1/models/{model}/predict"), &rows).expect(200);
        assert_eq!(said["predictions"], json!([[yes, yes, yes], [no, yes, no], [no, no, no]]));
        assert_eq!(said["classes"], json!([no, yes]));
        let p = number(&said["probabilities"][1][1]);
        assert!(p > 0.9 && p <= 1.0, "{said}");
        let again = world.api.run(resolved);
        assert_eq!(again["result"]["cv"], job["result"]["cv"]);
    }
}

#[test]
fn labels_that_do_not_do() {
    let world = World::new();
    let write = |has| if has { "1" } else { "0" };
    let csv = films(write).replace("sad", "sad,mood");
    let csv: String = csv
        .lines()
        .enumerate()
        .map(|(i, line)| match i {
            0 => format!("{line}\n"),
            _ => {
                let mut fields: Vec<&str> = line.split(',').collect();
                fields.insert(4, if i % 3 == 0 { "glum" } else { "gay" });
                fields.join(",") + "\n"
            }
        })
        .collect();
    let dataset = world.api.dataset(&csv);
    let refused = |changes: Value, pointer: &str, part: &str| {
        let answer = world.api.post("/v1/jobs", &labelled(&dataset, &changes));
        let errors = answer.errors(422, "invalid_request");
        assert!(errors.iter().any(|(p, d)| p == pointer && d.contains(part)), "{errors:?}");
    };
    refused(
        json!({"target": ["funny", "mood"], "task": "classification"}),
        "/target/1",
        "booleans, or 0 and 1",
    );
    refused(json!({"cv": {"type": "stratified_kfold"}}), "/cv/type", "several labels a row");
    refused(json!({"loss": "cross_entropy"}), "/loss", "labels");
    refused(json!({"scoring": ["balanced_accuracy"]}), "/scoring/0", "3 labels");
    refused(json!({"target_transform": "standard"}), "/target_transform", "classes");
    refused(
        json!({"training": {"epochs": 2, "class_weight": "balanced"}}),
        "/training/class_weight",
        "one column",
    );
    refused(
        json!({"model": {"type": "perceptron"}, "optimizer": null, "training": null,
               "scoring": null}),
        "/target",
        "a perceptron predicts one column",
    );
    // Amounts they are where the client says so.
    let amounts = json!({"task": "regression", "scoring": ["r2"]});
    let job = world.api.run(&labelled(&dataset, &amounts));
    assert_eq!(job["status"], "succeeded", "{job}");
    assert_eq!(job["resolved_spec"]["loss"]["type"], "mse");
}
