//! What is done to predictions: calibration, thresholds, sets and intervals.

use serde_json::{Value, json};

use crate::support::World;

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// Rows of two features, a class that follows from them with noise, and an amount; every second
/// goes into the second table.
fn tables() -> [String; 2] {
    let mut state = 1_u64;
    let mut uniform = move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut tables = [0, 1].map(|_| "a,b,sick,dose\n".to_owned());
    for row in 0..1600 {
        let (a, b) = (uniform() * 2.0 - 1.0, uniform() * 2.0 - 1.0);
        let p = 1.0 / (1.0 + (1.5 - 2.0 * a - b).exp());
        let sick = if uniform() < p { "yes" } else { "no" };
        let noise = uniform() + uniform() + uniform() - 1.5;
        tables[row % 2] += &format!("{a},{b},{sick},{}\n", 3.0 * a - b + noise);
    }
    tables
}

fn spec(dataset: &str, changes: &Value) -> Value {
    let mut spec = json!({
        "dataset_id": dataset, "target": "sick", "features": ["a", "b"],
        "model": {"type": "linear"}, "training": {"epochs": 20},
        "optimizer": {"type": "adam", "learning_rate": 0.02},
        "cv": {"type": "stratified_kfold", "n_splits": 5, "shuffle": true}
    });
    for (key, value) in changes.as_object().unwrap() {
        spec[key] = value.clone();
    }
    spec
}

struct Trained {
    job: Value,
    model: String,
}

fn train(world: &World, dataset: &str, changes: &Value) -> Trained {
    let job = world.api.run(&spec(dataset, changes));
    assert_eq!(job["status"], "succeeded", "{job}");
    let model = job["result"]["model_id"].as_str().unwrap().to_owned();
    Trained { job, model }
}

/// Predicts the rows of a table, and gives the answer beside the true words of a column.
fn predict(
    world: &World,
    trained: &Trained,
    table: &str,
    column: usize,
    query: &str,
) -> (Value, Vec<String>) {
    let rows: Vec<Vec<&str>> = table.lines().skip(1).map(|l| l.split(',').collect()).collect();
    let csv: String = rows.iter().map(|row| format!("{},{}\n", row[0], row[1])).collect();
    let answer = world.api.send(
        &format!("/v1/models/{}/predict{query}", trained.model),
        &[("content-type", "text/csv")],
        format!("a,b\n{csv}").as_bytes(),
    );
    (answer.expect(200), rows.iter().map(|row| row[column].to_owned()).collect())
}

#[test]
fn decisions_become_probabilities_that_come_true() {
    let world = World::new();
    let [first, second] = tables();
    let dataset = world.api.dataset(&first);
    let perceptron = json!({"model": {"type": "perceptron"}, "optimizer": null, "training": null});
    let hinge = json!({"loss": "squared_hinge"});
    // Its probabilities are far too close to a half.
    let focal = json!({"loss": {"type": "focal", "gamma": 4}});
    for (classifier, method, apart) in [
        (&hinge, "platt", 0.05),
        (&focal, "isotonic", 0.05),
        (&focal, "temperature", 0.05),
        // The model's decision values are not quite on the folds' scale.
        (&perceptron, "platt", 0.15),
    ] {
        let mut changes = classifier.clone();
        changes["calibration"] = json!(method);
        let trained = train(&world, &dataset, &changes);
        let report = &trained.job["result"]["calibration"];
        if report["before"].is_null() {
            assert_ne!(classifier["loss"], focal["loss"], "decision values are no probabilities");
        } else {
            let error = |when: &str| number(&report[when]["expected_calibration_error"]);
            assert!(error("after") < 0.7 * error("before"), "{method}: {report}");
        }
        assert!(number(&report["after"]["log_loss"]) < 0.69, "{method}: {report}");
        let (said, truth) = predict(&world, &trained, &second, 2, "");
        assert_eq!(said["classes"], json!(["no", "yes"]));
        let p: Vec<f64> =
            said["probabilities"].as_array().unwrap().iter().map(|p| number(&p[1])).collect();
        let mean = p.iter().sum::<f64>() / p.len() as f64;
        let share = truth.iter().filter(|word| *word == "yes").count() as f64 / p.len() as f64;
        assert!((mean - share).abs() < apart, "{method}: {mean} of {share}");
        let classes = said["predictions"].as_array().unwrap();
        assert!(classes.iter().zip(&p).all(|(class, p)| (*class == "yes") == (*p > 0.5)));
    }
}

#[test]
fn a_threshold_is_where_costs_are_least() {
    let world = World::new();
    let [first, second] = tables();
    let dataset = world.api.dataset(&first);
    // A sick person who is not found costs nine times as much as one who is looked at in vain.
    let costs = json!({"threshold": {"type": "cost", "false_negative": 9, "false_positive": 1}});
    let trained = train(&world, &dataset, &costs);
    let found = &trained.job["result"]["threshold"];
    let threshold = number(&found["chosen"]["threshold"]);
    assert!((0.02..0.3).contains(&threshold), "in theory a tenth: {found}");
    assert_eq!(found["default"]["threshold"], 0.5);
    assert!(number(&found["chosen"]["value"]) < number(&found["default"]["value"]));
    // It is the least mean cost of all out-of-fold probabilities as thresholds.
    let id = trained.job["id"].as_str().unwrap();
    let page = world.api.get(&format!("/v1/jobs/{id}/predictions?limit=10000")).expect(200);
    let rows: Vec<(f64, bool)> = page["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| (number(&p["probabilities"][1]), p["target"] == "yes"))
        .collect();
    let cost = |threshold: f64| {
        let of_row = |(p, sick): &(f64, bool)| match (*p >= threshold, *sick) {
            (false, true) => 9.0,
            (true, false) => 1.0,
            _ => 0.0,
        };
        rows.iter().map(of_row).sum::<f64>() / rows.len() as f64
    };
    let least = rows.iter().map(|(p, _)| cost(*p)).fold(f64::INFINITY, f64::min);
    assert!((number(&found["chosen"]["value"]) - least).abs() < 1e-9, "{found}: {least}");

    let (said, truth) = predict(&world, &trained, &second, 2, "");
    let probabilities = said["probabilities"].as_array().unwrap();
    let classes = said["predictions"].as_array().unwrap();
    for (class, p) in classes.iter().zip(probabilities) {
        let p = number(&p[1]);
        // In single precision a probability is shown rounded.
        assert!((*class == "yes") == (p >= threshold) || (p - threshold).abs() < 1e-6);
    }
    let missed = classes.iter().zip(&truth).filter(|(c, t)| **c == "no" && *t == "yes").count();
    let sick = truth.iter().filter(|word| *word == "yes").count();
    assert!(missed * 5 < sick, "{missed} of {sick}");
}

#[test]
fn sets_and_intervals_hold_the_truth_as_often_as_asked() {
    let world = World::new();
    let [first, second] = tables();
    let dataset = world.api.dataset(&first);
    for conformal in [json!("lac"), json!({"type": "aps", "randomized": true})] {
        let trained =
            train(&world, &dataset, &json!({"conformal": conformal, "calibration": "platt"}));
        assert_eq!(trained.job["result"]["conformal"]["n_rows"], 800);
        for coverage in [0.8, 0.95] {
            let query = format!("?coverage={coverage}");
            let (said, truth) = predict(&world, &trained, &second, 2, &query);
            let sets = said["prediction_sets"].as_array().unwrap();
            let holds =
                |(set, truth): &(&Value, &String)| set.as_array().unwrap().contains(&json!(truth));
            let n = sets.iter().zip(&truth).filter(holds).count();
            let share = n as f64 / truth.len() as f64;
            assert!((share - coverage).abs() < 0.04, "{conformal} {coverage}: {share}");
        }
    }
    let in_time = json!({"conformal": "lac", "cv": {"type": "time_series_split"}});
    let plan = world.api.post("/v1/jobs?dry_run=true", &spec(&dataset, &in_time)).expect(200);
    let codes = plan["warnings"].as_array().unwrap().iter().map(|warning| &warning["code"]);
    assert!(codes.into_iter().any(|code| code == "conformal_in_time"), "{plan}");
    let amounts = json!({"target": "dose", "conformal": "absolute_residual",
                         "cv": {"type": "kfold", "n_splits": 5, "shuffle": true}});
    let trained = train(&world, &dataset, &amounts);
    for coverage in [0.5, 0.9] {
        let query = format!("?coverage={coverage}");
        let (said, truth) = predict(&world, &trained, &second, 3, &query);
        let holds = |(ends, truth): &(&Value, &String)| {
            let truth: f64 = truth.parse().unwrap();
            number(&ends[0]) <= truth && truth <= number(&ends[1])
        };
        let intervals = said["intervals"].as_array().unwrap();
        let n = intervals.iter().zip(&truth).filter(holds).count();
        let share = n as f64 / truth.len() as f64;
        assert!((share - coverage).abs() < 0.04, "{coverage}: {share}");
    }
    // More than the rows can say is no limit at all.
    let rows = json!({"rows": [[0.1, 0.2]], "coverage": 0.9999});
    let said = world.api.post(&format!("/v1/models/{}/predict", trained.model), &rows).expect(200);
    assert_eq!(said["intervals"], json!([[null, null]]));
}

#[test]
fn what_cannot_be_done_to_predictions() {
    let world = World::new();
    let dataset = world.api.dataset(&tables()[0]);
    let refused = |changes: Value, pointer: &str, part: &str| {
        let answer = world.api.post("/v1/jobs", &spec(&dataset, &changes));
        let errors = answer.errors(422, "invalid_request");
        assert!(errors.iter().any(|(p, d)| p == pointer && d.contains(part)), "{errors:?}");
    };
    let amounts = |changes: Value| {
        let mut all = json!({"target": "dose", "cv": {"type": "kfold"}});
        for (key, value) in changes.as_object().unwrap() {
            all[key] = value.clone();
        }
        all
    };
    let f1 = json!({"type": "metric", "metric": "f1"});
    refused(json!({"calibration": "plat"}), "/calibration", "not known");
    refused(json!({"calibration": "platt", "cv": null}), "/calibration", "no `cv`");
    refused(json!({"threshold": f1, "refit": false}), "/threshold", "`refit`");
    refused(amounts(json!({"calibration": "platt"})), "/calibration", "classes");
    refused(amounts(json!({"threshold": f1})), "/threshold", "two classes");
    refused(amounts(json!({"conformal": "lac"})), "/conformal", "amounts");
    refused(amounts(json!({"conformal": "normalized_residual"})), "/conformal", "scale");
    refused(json!({"conformal": "absolute_residual"}), "/conformal", "classes");
    let perceptron = json!({"model": {"type": "perceptron"}, "optimizer": null, "training": null,
                            "conformal": "lac"});
    refused(perceptron, "/conformal", "probabilities");
    let wrong = json!({"threshold": {"type": "precision_at_recall", "recall": 2}});
    refused(wrong, "/threshold/recall", "1");

    let plain = train(&world, &dataset, &json!({"cv": null}));
    let path = format!("/v1/models/{}/predict", plain.model);
    let rows = json!({"rows": [[0.1, 0.2]], "coverage": 0.9});
    let errors = world.api.post(&path, &rows).errors(422, "invalid_request");
    assert_eq!(errors[0].0, "/coverage");
    let sets = train(&world, &dataset, &json!({"conformal": "lac"}));
    let path = format!("/v1/models/{}/predict", sets.model);
    for coverage in ["1", "0", "-3"] {
        let answer =
            world.api.post(&format!("{path}?coverage={coverage}"), &json!({"rows": [[0.1, 0.2]]}));
        assert_eq!(answer.errors(422, "invalid_request")[0].0, "/coverage");
    }
    // No threshold reaches it: the job says so, and its model decides as it would without one.
    let demand = json!({"threshold": {"type": "recall_at_precision", "precision": 1.0},
                        "features": ["b"]});
    let trained = train(&world, &dataset, &demand);
    let result = &trained.job["result"];
    assert_eq!(result["threshold"], Value::Null);
    let detail = warning(&trained.job, "no_threshold").unwrap();
    assert!(detail.contains("the highest is 0."), "{detail}");
}

/// What a warning of this code says.
fn warning(job: &Value, code: &str) -> Option<String> {
    let warnings = job["result"]["warnings"].as_array().unwrap();
    let found = warnings.iter().find(|warning| warning["code"] == code);
    found.map(|warning| warning["detail"].as_str().unwrap().to_owned())
}

#[test]
fn rows_that_overflow_leave_the_others_calibrated() {
    let world = World::new();
    let dataset = world.api.dataset(&tables()[0]);
    let changes = json!({"model": {"type": "perceptron"}, "optimizer": null, "training": null,
                         "calibration": "platt"});
    let trained = train(&world, &dataset, &changes);
    let path = format!("/v1/models/{}/predict", trained.model);
    let of = |rows: Value| world.api.post(&path, &json!({"rows": rows})).expect(200);
    let (good, bad) = (json!([0.3, 0.2]), json!([1e308, 1e308]));
    let (alone, both) = (of(json!([good])), of(json!([bad, good])));
    assert_eq!(both["probabilities"][1], alone["probabilities"][0]);
    assert_eq!(both["probabilities"][0], json!([null, null]));
    assert_eq!(both["predictions"][1], alone["predictions"][0]);
    assert_eq!(both["warnings"][0]["code"], "not_finite");
}

/// Three kinds of leaves at several sites; the third kind grows at these sites alone.
fn leaves(sites_of_third: &[u32]) -> String {
    let row = |i: u32| {
        let (site, place) = (i % 4, i / 4);
        let kind = if place % 3 == 2 && !sites_of_third.contains(&site) { 0 } else { place % 3 };
        let noise = f64::from(i * 7919 % 1000) / 400.0;
        let width = f64::from(kind) + noise;
        format!(
            "{width},{},{},s{site}\n",
            noise - f64::from(kind),
            ["ash", "birch", "cedar"][kind as usize]
        )
    };
    format!("width,length,kind,site\n{}", (0..240).map(row).collect::<String>())
}

#[test]
fn folds_that_lack_a_class_are_left_out_of_a_calibration_of_decisions() {
    let world = World::new();
    let spec = |dataset: &str, cv: Value| {
        json!({"dataset_id": dataset, "target": "kind", "features": ["width", "length"],
               "model": {"type": "perceptron"}, "calibration": "platt", "cv": cv})
    };
    // One site alone has cedars: the fold that tests it never saw any, and no other tests them.
    let by_site = json!({"type": "leave_one_group_out", "groups": "site"});
    let dataset = world.api.dataset(&leaves(&[1]));
    let job = world.api.run(&spec(&dataset, by_site.clone()));
    assert_eq!(job["status"], "failed", "{job}");
    let detail = job["error"]["detail"].as_str().unwrap();
    assert!(detail.contains("of class \"cedar\"") && detail.contains("stratified"), "{detail}");
    // Two sites have them; a split that tests both at once is one of six.
    let dataset = world.api.dataset(&leaves(&[1, 2]));
    let two = json!({"type": "leave_p_groups_out", "groups": "site", "n_groups": 2});
    let job = world.api.run(&spec(&dataset, two));
    assert_eq!(job["status"], "succeeded", "{}", job["error"]);
    let warnings = job["result"]["warnings"].as_array().unwrap();
    let said = |part: &str| warnings.iter().any(|w| w["detail"].as_str().unwrap().contains(part));
    assert!(said("fitted without 1 of 6 folds"), "{warnings:?}");
    assert!(number(&job["result"]["calibration"]["after"]["log_loss"]) < 1.2, "{job}");
    assert_eq!(world.api.run(&spec(&dataset, by_site))["status"], "succeeded");
}

#[test]
fn a_rising_curve_of_few_rows_comes_with_a_warning() {
    let world = World::new();
    let [first, second] = tables();
    let both = first.clone() + second.split_once('\n').unwrap().1;
    let few = |dataset: &str, changes: &Value| -> Option<Value> {
        let warnings = train(&world, dataset, changes).job["result"]["warnings"].clone();
        let mut found = warnings.as_array().unwrap().iter();
        found.find(|warning| warning["code"] == "few_calibration_rows").cloned()
    };
    let small = world.api.dataset(&first);
    // Each row counts once, however often it is tested.
    let twice = json!({"type": "repeated_stratified_kfold", "n_splits": 2, "n_repeats": 2});
    let warning = few(&small, &json!({"calibration": "isotonic", "cv": twice})).unwrap();
    let detail = warning["detail"].as_str().unwrap();
    assert!(detail.contains("on 800 rows") && detail.contains("take \"platt\""), "{detail}");
    assert_eq!(few(&small, &json!({"calibration": "platt"})), None);
    let large = world.api.dataset(&both);
    assert_eq!(few(&large, &json!({"calibration": "isotonic"})), None);
}
