//! Nested cross-validation: scikit-learn's choices and scores, and what is refused.

use serde_json::{Value, json};

use crate::support::World;

fn golden() -> Value {
    serde_json::from_str(include_str!("data/curves.json")).expect("valid JSON")
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap_or_else(|| panic!("{value} is no list")).iter().map(number).collect()
}

fn assert_close(found: &[f64], expected: &[f64], name: &str) {
    assert_eq!(found.len(), expected.len(), "{name}");
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-12, "{name}: {found}, not {expected}");
    }
}

/// scikit-learn's parameters under the paths that we give them.
fn by_path(params: &Value) -> Value {
    let params = params.as_object().unwrap().iter();
    params.map(|(name, value)| (format!("model.{name}"), value.clone())).collect()
}

/// A job on the demo's dataset.
fn spec(dataset: &str, changes: &Value) -> Value {
    let mut spec = json!({
        "dataset_id": dataset, "target": "y", "model": {"type": "perceptron"},
        "cv": {"type": "kfold", "n_splits": 3}, "scoring": ["accuracy"]
    });
    for (key, value) in changes.as_object().unwrap() {
        spec[key] = value.clone();
    }
    spec
}

#[test]
fn nested_cross_validations_are_scikit_learns() {
    let world = World::new();
    let dataset = world.api.demo_dataset();
    for case in golden()["nested"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let scorer = case["scoring"][0].as_str().unwrap();
        let mut changes = json!({"scoring": [scorer, case["search"]["metric"]]});
        for key in ["model", "cv", "search"] {
            changes[key] = case[key].clone();
        }
        let job = world.api.run(&spec(&dataset, &changes));
        assert_eq!(job["status"], "succeeded", "{name}: {}", job["error"]);
        let folds = job["result"]["folds"].as_array().unwrap();
        assert_eq!(folds.len(), case["test"].as_array().unwrap().len(), "{name}");
        for (index, fold) in folds.iter().enumerate() {
            let at = format!("{name}: fold {index}");
            assert_eq!(fold["chosen"]["params"], by_path(&case["chosen"][index]), "{at}");
            assert_close(&numbers(&fold["chosen"]["scores"]), &numbers(&case["inner"][index]), &at);
            assert_close(
                &[number(&fold["scores"][scorer]), number(&fold["train_scores"][scorer])],
                &[number(&case["test"][index]), number(&case["train"][index])],
                &at,
            );
        }
        let found = &job["result"]["search"];
        let trials = found["trials"].as_array().unwrap();
        let scores: Vec<f64> = trials.iter().map(|trial| number(&trial["score"])).collect();
        assert_close(&scores, &numbers(&case["inner_of_all"]), name);
        let best = found["best_trial"].as_u64().unwrap() as usize;
        assert_eq!(trials[best]["params"], by_path(&case["best"]), "{name}");
        assert_eq!(found["best_score"], trials[best]["score"], "{name}");
        assert_eq!(found["n_trials"], trials.len());
        for (path, value) in trials[best]["params"].as_object().unwrap() {
            let field = path.strip_prefix("model.").unwrap();
            assert_eq!(&found["best_spec"]["model"][field], value, "{name}");
        }
        // The model is the best spec's, trained alone.
        let mut alone = found["best_spec"].clone();
        alone["cv"] = Value::Null;
        let alone = world.api.run(&alone);
        assert_eq!(alone["result"]["train"], job["result"]["train"], "{name}");
    }
}

#[test]
fn the_choice_never_sees_the_rows_it_is_scored_on() {
    // The target is drawn with a coin: whatever is chosen, half of it is right elsewhere.
    let world = World::new();
    let row = |i: u64| {
        let coin = (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40).count_ones() % 2;
        let x: Vec<String> =
            (1..6).map(|k| (i.wrapping_mul(k * 2_654_435_761) >> 7 & 255).to_string()).collect();
        format!("{},{}\n", x.join(","), ["a", "b"][coin as usize])
    };
    let csv = format!("p,q,r,s,t,y\n{}", (1..121).map(row).collect::<String>());
    let dataset = world.api.dataset(&csv);
    let search = |values: &[u64]| {
        json!({"space": {"model.random_state": {"choice": values}},
               "cv": {"type": "kfold", "n_splits": 2, "shuffle": true}})
    };
    let seeds: Vec<u64> = (0..40).collect();
    let body =
        spec(&dataset, &json!({"search": search(&seeds), "refit": false, "random_state": 8}));
    let job = world.api.run(&body);
    assert_eq!(job["status"], "succeeded", "{}", job["error"]);
    let resolved = &job["resolved_spec"]["search"];
    assert_eq!(
        (&resolved["metric"], &resolved["cv"]["random_state"]),
        (&json!("accuracy"), &json!(8))
    );
    assert_eq!(
        (&resolved["strategy"], &job["result"]["search"]["best_trial"]),
        (&json!("grid"), &Value::Null)
    );
    let folds = job["result"]["folds"].as_array().unwrap();
    let inner: f64 = folds.iter().map(|fold| number(&fold["chosen"]["score"])).sum::<f64>() / 3.0;
    let outer = number(&job["result"]["cv"]["accuracy"]["mean"]);
    assert!(
        inner > 0.5 && inner > outer,
        "the best of forty flatters: {inner} inside, {outer} outside"
    );
    // What a fold chose is what its training rows alone give: another test fold changes nothing.
    let text = csv.lines().collect::<Vec<_>>();
    let flipped = text.iter().enumerate().map(|(line, row)| match line {
        1..=40 if row.ends_with('a') => format!("{}b\n", row.strip_suffix('a').unwrap()),
        1..=40 => format!("{}a\n", row.strip_suffix('b').unwrap()),
        _ => format!("{row}\n"),
    });
    let other = world.api.dataset(&flipped.collect::<String>());
    let job = world
        .api
        .run(&spec(&other, &json!({"search": search(&seeds), "refit": false, "random_state": 8})));
    assert_eq!(job["result"]["folds"][0]["chosen"], folds[0]["chosen"]);
    assert_ne!(job["result"]["folds"][1]["chosen"], folds[1]["chosen"]);
}

#[test]
fn a_network_is_searched_over_its_layers_and_over_preparation() {
    let world = World::new();
    let dataset = world.api.demo_dataset();
    let search = json!({
        "space": {"model.hidden": {"choice": [[1], [16]]}, "preprocess.numeric.scale": {"choice": ["none", "standard"]},
                  "optimizer.learning_rate": {"choice": [0.01, 1e30]}},
        "metric": "neg_log_loss", "cv": {"type": "holdout", "test_size": 0.3, "shuffle": true}
    });
    let changes = json!({"model": {"type": "mlp"}, "training": {"epochs": 4}, "search": search,
                         "scoring": ["accuracy", "neg_log_loss"]});
    let job = world.api.run(&spec(&dataset, &changes));
    assert_eq!(job["status"], "succeeded", "{}", job["error"]);
    let found = &job["result"]["search"];
    let best = found["best_trial"].as_u64().unwrap() as usize;
    let params = &found["trials"][best]["params"];
    assert_eq!(params["model.hidden"], json!([16]));
    assert_eq!(params["optimizer.learning_rate"], 0.01, "a step that diverges is not chosen");
    assert_eq!(found["best_spec"]["model"]["hidden"], json!([16]));
    let model =
        world.api.get(&format!("/v1/models/{}", job["result"]["model_id"].as_str().unwrap()));
    assert_eq!(model.expect(200)["spec"]["model"]["hidden"], json!([16]));
}

#[test]
fn groups_are_kept_apart_inside_too() {
    let world = World::new();
    let row = |i: u32| {
        format!(
            "g{},{},{},{}\n",
            i % 12,
            i * 7 % 31,
            i * 13 % 29,
            ["a", "b"][(i * 7 % 31 > i * 13 % 29) as usize]
        )
    };
    let csv = format!("who,p,q,y\n{}", (0..120).map(row).collect::<String>());
    let dataset = world.api.dataset(&csv);
    let cv = |n: u32| json!({"type": "group_kfold", "n_splits": n, "groups": "who"});
    let search =
        |inner: Value| json!({"space": {"model.eta0": {"choice": [0.1, 1.0]}}, "cv": inner});
    let job = world.api.run(&spec(&dataset, &json!({"cv": cv(3), "search": search(cv(4))})));
    assert_eq!(job["status"], "succeeded", "{}", job["error"]);
    assert_eq!(job["warnings"], json!([]));
    let plain = search(json!({"type": "kfold", "n_splits": 3}));
    let job = world
        .api
        .post("/v1/jobs?dry_run=true", &spec(&dataset, &json!({"cv": cv(3), "search": plain})));
    let warning = job.expect(200)["warnings"][0].clone();
    assert_eq!(
        (&warning["code"], &warning["column"]),
        (&json!("inner_split_without_groups"), &json!("who"))
    );
    // Eight groups train in each fold: nine cannot be kept apart.
    let job = world.api.run(&spec(&dataset, &json!({"cv": cv(3), "search": search(cv(9))})));
    assert_eq!(job["status"], "failed");
    let detail = job["error"]["detail"].as_str().unwrap();
    assert!(job["error"]["code"] == "search" && detail.contains("80 rows"), "{}", job["error"]);
}

#[test]
fn searches_that_cannot_be_run_say_all_that_is_wrong() {
    let world = World::new();
    let dataset = world.api.demo_dataset();
    let inner = json!({"type": "kfold", "n_splits": 3});
    let space = json!({"model.eta0": {"choice": [0.1, 1.0]}});
    let cases = [
        (json!({"search": {"space": space}}), vec!["/search/cv"]),
        (json!({"search": {"cv": inner}}), vec!["/search/space"]),
        (json!({"search": {"space": {}, "cv": inner}}), vec!["/search/space"]),
        (json!({"search": {"space": space, "cv": inner}, "cv": null}), vec!["/cv"]),
        (
            json!({"search": {"space": space, "cv": {"type": "kfold", "n_splits": 1}}}),
            vec!["/search/cv/n_splits"],
        ),
        (
            json!({"search": {"space": space, "cv": {"type": "kfold", "n_splits": 700}}}),
            vec!["/search/cv/n_splits"],
        ),
        (
            json!({"search": {"space": space, "cv": {"type": "group_kfold", "groups": "x0"}}}),
            vec!["/search/cv/groups"],
        ),
        (
            json!({"search": {"space": space, "cv": {"type": "predefined", "test_fold": "x0"}}}),
            vec!["/search/cv/type"],
        ),
        (json!({"search": {"space": space, "cv": inner, "metric": "f1"}}), vec!["/search/metric"]),
        (
            json!({"search": {"space": space, "cv": inner, "strategy": "bayes"}}),
            vec!["/search/strategy"],
        ),
        (
            json!({"search": {"space": space, "cv": inner}, "curve": {"type": "learning"}}),
            vec!["/search"],
        ),
        (
            json!({"search": {"space": {"cv.n_splits": {"choice": [2]}}, "cv": inner}}),
            vec!["/search/space/cv.n_splits"],
        ),
        (
            json!({"search": {"space": {"model.eta0": {"choice": []}}, "cv": inner}}),
            vec!["/search/space/model.eta0/choice"],
        ),
        (
            json!({"search": {"space": {"model.eta0": {"choice": [1.0, 1.0]}}, "cv": inner}}),
            vec!["/search/space/model.eta0/choice/1"],
        ),
        (
            json!({"search": {"space": {"model.eta0": {"uniform": [1.0, 1.0]}}, "cv": inner}}),
            vec!["/search/space/model.eta0/uniform", "/search/space/model.eta0/choice"],
        ),
        (
            json!({"search": {"space": {"model.eta0": {"choice": [-1.0]}, "model.speed": {"choice": [1]}}, "cv": inner}}),
            vec!["/search/space/model.eta0/choice/0", "/search/space/model.speed"],
        ),
        (
            json!({"search": {"space": {"model": {"choice": [{"type": "perceptron"}]}, "model.eta0": {"choice": [1.0]}}, "cv": inner}}),
            vec!["/search/space/model"],
        ),
        (
            json!({"search": {"space": {"model.random_state": {"choice": (0..999).collect::<Vec<_>>()}}, "cv": {"type": "kfold", "n_splits": 100}}}),
            vec!["/search"],
        ),
    ];
    for (changes, mut expected) in cases {
        let answer = world.api.post("/v1/jobs", &spec(&dataset, &changes));
        let found = answer.errors(422, "invalid_request");
        let mut pointers: Vec<&str> = found.iter().map(|(pointer, _)| pointer.as_str()).collect();
        pointers.sort_unstable();
        expected.sort_unstable();
        assert_eq!(pointers, expected, "{changes}: {found:?}");
    }
}

#[test]
fn all_that_is_wrong_with_a_search_is_told_beside_the_rest() {
    let world = World::new();
    let dataset = world.api.demo_dataset();
    let space = json!({
        "optimizer.learning_rat": {"choice": [0.1, 0.2]},
        "training.epochs": {"choice": [5, "ten"]},
        "preprocess.numeric.scale": {"choice": ["standard", "min_max"]},
    });
    let search = json!({"space": space, "metric": "acuracy"});
    let whole = spec(&dataset, &json!({"model": {"type": "mlp"}, "search": search, "targt": "y"}));
    let answer = world.api.post("/v1/jobs", &whole).problem(422, "invalid_request");
    let found: Vec<(&str, Option<&str>)> = answer["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (error["pointer"].as_str().unwrap(), error["suggestion"].as_str()))
        .collect();
    assert_eq!(
        found,
        [
            ("/search/metric", Some("accuracy")),
            ("/search/cv", None),
            ("/targt", Some("target")),
            ("/search/space/optimizer.learning_rat", Some("optimizer.learning_rate")),
            ("/search/space/training.epochs/choice/1", None),
        ]
    );
    // Without folds, too, all else is told; and of folds that were not understood, no more than that.
    let search = json!({"space": {}, "cv": {"type": "kfold", "n_splits": 1}, "metric": "f1"});
    for (cv, at) in [(json!(null), "/cv"), (json!({"type": "kfld"}), "/cv/type")] {
        let answer =
            world.api.post("/v1/jobs", &spec(&dataset, &json!({"cv": cv, "search": search})));
        let found = answer.errors(422, "invalid_request");
        let mut pointers: Vec<&str> = found.iter().map(|(at, _)| at.as_str()).collect();
        pointers.sort_unstable();
        let expected = [at, "/search/cv/n_splits", "/search/metric", "/search/space"];
        assert_eq!(pointers, expected, "{found:?}");
    }
    // What only an optimizer has that nobody could read is not said to be missing.
    let search = json!({"space": {"optimizer.momentum": {"choice": [0.9]}},
                        "cv": {"type": "kfold", "n_splits": 3}});
    let changes =
        json!({"model": {"type": "mlp"}, "optimizer": {"type": "sgdd"}, "search": search});
    let found = world.api.post("/v1/jobs", &spec(&dataset, &changes));
    let found = found.errors(422, "invalid_request");
    assert_eq!((found.len(), found[0].0.as_str()), (1, "/optimizer/type"), "{found:?}");
}
