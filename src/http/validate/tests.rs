use serde_json::json;

use super::*;
use crate::domain::spec::JobRequest;

fn problems(raw: Value) -> Vec<(String, String, Option<String>)> {
    let checked: Checked<JobRequest> = check(raw);
    checked.problems.into_iter().map(|p| (p.pointer, p.detail, p.suggestion)).collect()
}

fn good() -> Value {
    json!({
        "dataset_id": "ds_00000000-0000-0000-0000-000000000000",
        "target": "y",
        "model": {"type": "perceptron", "eta0": 0.5, "class_weight": {"a": 1.0}, "penalty": null},
        "cv": {"type": "stratified_kfold", "n_splits": 3}
    })
}

#[test]
fn a_good_body_is_understood() {
    let checked: Checked<JobRequest> = check(good());
    assert_eq!(checked.problems, []);
    assert!(checked.value.is_some());
}

#[test]
fn every_problem_is_told_at_once_and_in_place() {
    let found = problems(json!({
        "target": 7,
        "model": {"type": "perceptron", "eta0": 0, "max_itr": 5, "penalty": "l3", "tol": "small"},
        "cv": {"type": "stratified_kfolds"},
        "scoring": ["acuracy"],
        "features": [],
        "random_state": -1,
        "speling": true
    }));
    let at = |pointer: &str| {
        found.iter().find(|(p, ..)| p == pointer).unwrap_or_else(|| panic!("{pointer}: {found:?}"))
    };
    assert_eq!(at("/dataset_id").1, "is required");
    assert_eq!(at("/target").1, "must be text or an array");
    assert_eq!(at("/model/eta0").1, "must be > 0");
    assert_eq!(at("/model/max_itr").2.as_deref(), Some("max_iter"));
    assert_eq!(at("/model/penalty").2.as_deref(), Some("one of: l2, l1, elasticnet"));
    assert_eq!(at("/model/tol").1, "must be a number or null, not text");
    assert_eq!(at("/cv/type").2.as_deref(), Some("stratified_kfold"));
    assert_eq!(at("/scoring/0").2.as_deref(), Some("accuracy"));
    assert_eq!(at("/features").1, "must not be empty");
    assert_eq!(at("/random_state").1, "must be >= 0");
    assert_eq!(at("/speling").1, "is no field here");
    assert_eq!(found.len(), 11, "{found:?}");
}

#[test]
fn what_is_wrong_does_not_hide_what_is_right() {
    let mut raw = good();
    raw["model"] = json!({"type": "perceptrn"});
    raw["random_state"] = json!("seed");
    let checked: Checked<JobRequest> = check(raw);
    assert_eq!(checked.problems.len(), 2);
    let value = checked.value.expect("the rest is understood");
    assert_eq!((value.target.names(), value.random_state), (&["y".to_owned()][..], 0));
}

#[test]
fn what_may_be_a_bare_name_is_told_by_the_variant_that_was_meant() {
    let mut raw = good();
    raw["model"] = json!({
        "type": "mlp",
        "activation": {"type": "leaky_relu", "negative_slop": 0.2},
        "init": {"type": "uniform", "low": "least"}
    });
    raw["loss"] = json!({"type": "huber", "delta": -1});
    raw["preprocess"] = json!({"numeric": {"scale": {"type": "min_max", "clp": true}}});
    raw["conformal"] = json!({"type": "lacc"});
    raw["target_transform"] = json!(7);
    let found = problems(raw);
    let at = |pointer: &str| {
        found.iter().find(|(p, ..)| p == pointer).unwrap_or_else(|| panic!("{pointer}: {found:?}"))
    };
    assert_eq!(at("/model/activation/negative_slop").2.as_deref(), Some("negative_slope"));
    assert_eq!(at("/model/init/low").1, "must be a number, not text");
    assert_eq!(at("/loss/delta").1, "must be > 0");
    assert_eq!(at("/preprocess/numeric/scale/clp").2.as_deref(), Some("clip"));
    assert_eq!(at("/conformal/type").2.as_deref(), Some("lac"));
    assert!(at("/target_transform").1.ends_with("or \"box_cox\" or an object"), "{found:?}");
    assert_eq!(found.len(), 6, "{found:?}");
}

#[test]
fn a_misspelt_name_is_compared_with_all_names_that_would_do() {
    let mut raw = good();
    raw["loss"] = json!("hubr");
    assert_eq!(problems(raw.clone())[0].2.as_deref(), Some("huber"));
    raw["loss"] = json!("qqq");
    let known = problems(raw).remove(0).2.unwrap();
    assert!(known.starts_with("one of: auto, cross_entropy, "), "{known}");
    assert!(known.ends_with(", poisson"), "{known}");
}

#[test]
fn a_wrong_name_where_one_is_needed_does_not_hide_the_rest() {
    let mut raw = good();
    let wrong = json!({"type": "activation", "activation": {"type": "rulu"}});
    raw["model"] = json!({"type": "network", "layers": [wrong, {"type": "dense"}]});
    raw["curve"] = json!({"type": "validation"});
    let checked: Checked<JobRequest> = check(raw);
    let pointers: Vec<&str> = checked.problems.iter().map(|p| p.pointer.as_str()).collect();
    assert_eq!(pointers, ["/model/layers/0/activation/type", "/curve/param", "/curve/values"]);
    assert!(checked.value.is_some());
}

#[test]
fn numbers_that_no_field_can_hold_are_told_of() {
    let mut raw = good();
    raw["random_state"] = json!(4_294_967_296_u64);
    raw["model"]["max_iter"] = json!(2.5);
    let found = problems(raw);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().any(|p| p.1 == "must be a whole number, not 2.5"));
}

#[test]
fn consequences_of_a_known_problem_are_not_told() {
    let mut checked: Checked<JobRequest> = check(json!([]));
    assert_eq!(checked.problems.len(), 1);
    checked.add(vec![Problem::new("/target", "there is no such column")]);
    assert_eq!(checked.problems.len(), 1);
}

#[test]
fn every_tagged_variant_is_a_closed_object() {
    let mut n = 0;
    for (name, schema) in DOCUMENT["components"]["schemas"].as_object().unwrap() {
        for variant in schema["oneOf"].as_array().into_iter().flatten() {
            if tag(resolve(variant)).is_some() {
                n += 1;
                assert_eq!(variant["additionalProperties"], json!(false), "{name}");
            }
        }
    }
    // make_classification and three real datasets, two splitters, one model.
    assert!(n >= 7, "{n}");
}

#[test]
fn a_pointer_covers_what_is_below_it_and_nothing_beside_it() {
    let mut raw = good();
    raw[""] = json!(1);
    raw["t"] = json!(1);
    let mut checked: Checked<JobRequest> = check(raw);
    assert_eq!(checked.problems.len(), 2);
    checked.add(vec![Problem::new("/target", "x"), Problem::new("/t/a", "x")]);
    assert_eq!(checked.problems.len(), 3, "{:?}", checked.problems);
}

#[test]
fn a_flood_of_problems_is_told_in_part_and_soon() {
    let mut raw = good();
    for i in 0..50_000 {
        raw[format!("field_{i}_{}", "x".repeat(200))] = json!(1);
    }
    raw["scoring"] = json!(["accuracy".repeat(100_000)]);
    let start = std::time::Instant::now();
    let found = problems(raw);
    assert_eq!(found.len(), MAX_PROBLEMS);
    assert!(found.iter().all(|(pointer, detail, _)| pointer.len() + detail.len() < 500));
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
}
