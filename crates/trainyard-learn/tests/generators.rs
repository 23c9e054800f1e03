//! The generators against datasets recorded from scikit-learn, and what their checks say.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use serde_json::{Value, json};
use trainyard_learn::generators::{Generated, GeneratorSpec, PerFeature};

/// How far a value may be from scikit-learn's, relative to that value.
const TOLERANCE: f64 = 1e-12;

#[test]
fn make_classification_makes_what_scikit_learn_makes() {
    let golden: Value =
        serde_json::from_str(include_str!("golden/make_classification.json")).unwrap();
    let cases = golden["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 32);
    let mut largest = 0.0_f64;
    for case in cases {
        let generated = spec(&case["spec"]).generate().unwrap();
        largest = largest.max(compare(&generated, case));
        assert_eq!(generated.target_name, "y");
        assert_eq!(generated.class_names, None);
        assert_eq!(generated.feature_names.len(), generated.x.ncols());
        assert_eq!(generated.feature_names[0], "x0");
    }
    println!("largest relative deviation: {largest:e}");
}

#[test]
fn real_datasets_are_the_ones_scikit_learn_loads() {
    let golden: Value = serde_json::from_str(include_str!("golden/real_datasets.json")).unwrap();
    let cases = golden["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 3);
    for case in cases {
        let generated = spec(&case["spec"]).generate().unwrap();
        assert_eq!(compare(&generated, case), 0.0, "embedded numbers are the very same");
        let names: Vec<String> = case["scikit_learn_names"]
            .as_array()
            .unwrap()
            .iter()
            .map(|name| name.as_str().unwrap().replace(" (cm)", "").replace([' ', '/'], "_"))
            .collect();
        assert_eq!(generated.feature_names, names);
        assert_eq!(json!(generated.class_names), case["class_names"]);
    }
    let targets = ["iris", "wine", "breast_cancer"]
        .map(|name| spec(&json!({"type": name})).generate().unwrap().target_name);
    assert_eq!(targets, ["species", "cultivar", "diagnosis"]);
}

#[test]
fn a_spec_has_scikit_learns_defaults_and_no_other_fields() {
    let defaults = json!({
        "type": "make_classification", "n_samples": 100, "n_features": 20, "n_informative": 2,
        "n_redundant": 2, "n_repeated": 0, "n_classes": 2, "n_clusters_per_class": 2,
        "weights": null, "flip_y": 0.01, "class_sep": 1.0, "hypercube": true, "shift": 0.0,
        "scale": 1.0, "shuffle": true, "random_state": 0
    });
    assert_eq!(serde_json::to_value(made(json!({}))).unwrap(), defaults);

    for refused in [
        json!({"type": "make_classification", "n_sample": 100}),
        json!({"type": "make_classification", "random_state": null}),
        json!({"type": "make_classification", "random_state": -1}),
        json!({"type": "make_classification", "random_state": 4_294_967_296_u64}),
        json!({"type": "make_classification", "n_samples": 10.5}),
        json!({"type": "iris", "n_samples": 100}),
        json!({"type": "moons"}),
        json!({}),
    ] {
        assert!(serde_json::from_value::<GeneratorSpec>(refused.clone()).is_err(), "{refused}");
    }
}

/// The schema repeats defaults and limits as literals; nothing but this keeps them together.
#[cfg(feature = "openapi")]
#[test]
fn the_schema_has_the_defaults_and_limits_of_the_code() {
    use trainyard_learn::generators::{MAX_CLUSTERS, MAX_FEATURES, MAX_MAGNITUDE, MAX_SAMPLES};
    use utoipa::PartialSchema;

    let schema = serde_json::to_value(GeneratorSpec::schema()).unwrap();
    let properties = schema["oneOf"][0]["properties"].as_object().unwrap();
    let defaults = serde_json::to_value(made(json!({}))).unwrap();
    assert_eq!(properties.len(), defaults.as_object().unwrap().len());
    for (name, default) in defaults.as_object().unwrap() {
        let property = &properties[name];
        if name != "type" {
            // An absent default would read as null.
            assert!(property.as_object().unwrap().contains_key("default"), "{name}");
            assert_eq!(&property["default"], default, "{name}");
            assert!(name == "shift" || name == "scale" || property["description"].is_string());
        }
        let maximum = match name.as_str() {
            "n_samples" => json!(MAX_SAMPLES),
            "n_features" | "n_informative" => json!(MAX_FEATURES),
            "n_redundant" | "n_repeated" => json!(MAX_FEATURES - 1),
            "n_classes" | "n_clusters_per_class" => json!(MAX_CLUSTERS),
            "class_sep" => json!(MAX_MAGNITUDE),
            "flip_y" => json!(1),
            "random_state" => json!(u32::MAX),
            _ => Value::Null,
        };
        assert_eq!(property["maximum"], maximum, "{name}");
    }
}

#[test]
fn null_means_random_for_shift_and_scale() {
    let GeneratorSpec::MakeClassification { shift, scale, .. } =
        made(json!({"shift": null, "scale": [1, 2.5]}))
    else {
        panic!("another generator");
    };
    assert_eq!(shift, None);
    assert_eq!(scale, Some(PerFeature::Each(vec![1.0, 2.5])));
}

#[test]
fn every_condition_is_checked() {
    let too_many = u64::MAX;
    for (fields, pointers) in [
        (json!({}), vec![]),
        (json!({"n_samples": 0}), vec!["/n_samples"]),
        (json!({"n_samples": 10_000_001, "n_features": 4}), vec!["/n_samples"]),
        (json!({"n_samples": 10_000_000, "n_features": 10}), vec![]),
        (json!({"n_samples": 10_000_000, "n_features": 11}), vec!["/n_samples"]),
        (json!({"n_samples": 10_001, "n_features": 10_000}), vec!["/n_samples"]),
        (json!({"n_features": 10_001}), vec!["/n_features"]),
        (json!({"n_features": 3}), vec!["/n_features"]),
        (json!({"n_features": 4}), vec![]),
        (json!({"n_repeated": 17}), vec!["/n_features"]),
        (json!({"n_informative": 0}), vec!["/n_informative"]),
        (json!({"n_classes": 0}), vec!["/n_classes"]),
        (json!({"n_clusters_per_class": 0}), vec!["/n_clusters_per_class"]),
        (json!({"n_classes": 3}), vec!["/n_informative"]),
        (json!({"n_classes": 4, "n_clusters_per_class": 1}), vec![]),
        (
            json!({"n_informative": 18, "n_classes": 400, "n_clusters_per_class": 251}),
            vec!["/n_clusters_per_class"],
        ),
        (
            json!({"n_samples": 5000, "n_features": 10_000, "n_informative": 5000}),
            vec!["/n_informative"],
        ),
        (json!({"weights": [0.5, 0.5]}), vec![]),
        (json!({"weights": [0.5]}), vec![]),
        (json!({"weights": [0.25, 0.25]}), vec![]),
        (json!({"weights": []}), vec!["/weights"]),
        (json!({"weights": [0.2, 0.3, 0.5]}), vec!["/weights"]),
        (json!({"weights": [0.6, 0.5]}), vec!["/weights"]),
        (json!({"weights": [-0.5, 1.5]}), vec!["/weights/0", "/weights/1"]),
        (json!({"flip_y": -0.1}), vec!["/flip_y"]),
        (json!({"flip_y": 1.1}), vec!["/flip_y"]),
        (json!({"class_sep": 0.0}), vec!["/class_sep"]),
        (json!({"class_sep": 1e101}), vec!["/class_sep"]),
        (json!({"shift": -1e101}), vec!["/shift"]),
        (json!({"shift": [1.0, 2.0]}), vec!["/shift"]),
        (json!({"scale": 0.0}), vec!["/scale"]),
        (json!({"scale": 1e101}), vec!["/scale"]),
        (json!({"n_features": 4, "scale": [1, 2, 3, 1e200]}), vec!["/scale/3"]),
        (
            json!({"n_samples": 0, "n_classes": 9, "weights": [2], "flip_y": 7, "scale": []}),
            vec!["/n_samples", "/n_informative", "/weights", "/weights/0", "/flip_y", "/scale"],
        ),
        (
            json!({"n_samples": too_many, "n_features": too_many, "n_informative": too_many,
                "n_redundant": too_many, "n_repeated": too_many, "n_classes": too_many,
                "n_clusters_per_class": too_many}),
            vec![
                "/n_samples",
                "/n_features",
                "/n_informative",
                "/n_classes",
                "/n_clusters_per_class",
                "/n_clusters_per_class",
                "/n_informative",
            ],
        ),
    ] {
        let spec = made(fields.clone());
        let problems = spec.check();
        let found: Vec<&str> = problems.iter().map(|problem| &*problem.pointer).collect();
        assert_eq!(found, pointers, "{fields}: {problems:#?}");
        if !pointers.is_empty() {
            assert_eq!(spec.generate().unwrap_err(), problems, "{fields}");
        }
    }
}

#[test]
fn numbers_that_are_not_finite_are_refused() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut spec = made(json!({"n_features": 4}));
        if let GeneratorSpec::MakeClassification {
            weights, flip_y, class_sep, shift, scale, ..
        } = &mut spec
        {
            *weights = Some(vec![value]);
            *flip_y = value;
            *class_sep = value;
            *shift = Some(PerFeature::Each(vec![0.0, value, 0.0, 0.0]));
            *scale = Some(PerFeature::Same(value));
        }
        let pointers: Vec<String> =
            spec.check().into_iter().map(|problem| problem.pointer).collect();
        assert_eq!(pointers, ["/weights/0", "/flip_y", "/class_sep", "/shift/1", "/scale"]);
    }
}

#[test]
fn problems_name_numbers_and_a_way_out() {
    let problems = made(json!({"n_informative": 3, "n_redundant": 20, "n_classes": 5})).check();
    assert_eq!(
        problems[0].detail,
        "n_informative + n_redundant + n_repeated = 3 + 20 + 0 is more than n_features = 20"
    );
    assert_eq!(
        problems[0].suggestion.as_deref(),
        Some("raise n_features to 23, or lower n_informative, n_redundant or n_repeated")
    );
    assert_eq!(
        problems[1].detail,
        "n_classes * n_clusters_per_class = 5 * 2 is more than 2 ** n_informative = 8 clusters"
    );
    assert_eq!(
        problems[1].suggestion.as_deref(),
        Some("raise n_informative to 4, or lower n_clusters_per_class or n_classes")
    );
    assert_eq!(problems.len(), 2);
}

#[test]
fn the_largest_numbers_stay_finite() {
    let generated = made(json!({
        "class_sep": 1e100, "shift": 1e100, "scale": 1e100, "n_features": 60,
        "n_informative": 40, "n_redundant": 20
    }))
    .generate()
    .unwrap();
    assert!(generated.x.iter().all(|value| value.is_finite()));
}

/// Asserts that labels are the recorded ones and features within the tolerance; gives the largest
/// relative deviation of a feature.
fn compare(generated: &Generated, case: &Value) -> f64 {
    let spec = &case["spec"];
    assert_eq!(json!(generated.x.dim()), case["shape"], "{spec}");
    let labels: String =
        generated.y.iter().map(|&label| char::from_digit(label, 36).unwrap()).collect();
    assert_eq!(labels, case["labels"].as_str().unwrap(), "{spec}");

    let mut largest = 0.0_f64;
    let rows = case["rows"].as_object().unwrap();
    assert!(!rows.is_empty());
    for (row, expected) in rows {
        let row: usize = row.parse().unwrap();
        let expected = floats(expected);
        assert_eq!(expected.len(), generated.x.ncols());
        for (column, (&actual, &expected)) in generated.x.row(row).iter().zip(&expected).enumerate()
        {
            if actual == expected {
                continue;
            }
            let deviation = (actual - expected).abs() / expected.abs();
            assert!(deviation <= TOLERANCE, "{spec}: [{row}, {column}] {actual} {expected}");
            largest = largest.max(deviation);
        }
    }
    for (column, expected) in generated.x.columns().into_iter().zip(floats(&case["weighted_sums"]))
    {
        let terms = || (1..).zip(column).map(|(position, value)| f64::from(position) * value);
        let scale: f64 = terms().map(f64::abs).sum();
        let sum: f64 = terms().sum();
        assert!((sum - expected).abs() <= TOLERANCE * scale, "{spec}: {sum} {expected}");
    }
    largest
}

fn floats(values: &Value) -> Vec<f64> {
    let values = values.as_array().unwrap();
    values.iter().map(|value| value.as_str().unwrap().parse().unwrap()).collect()
}

fn made(mut fields: Value) -> GeneratorSpec {
    fields["type"] = json!("make_classification");
    spec(&fields)
}

fn spec(value: &Value) -> GeneratorSpec {
    serde_json::from_value(value.clone()).unwrap()
}
