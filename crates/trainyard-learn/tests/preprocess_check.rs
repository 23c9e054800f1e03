//! What is wrong with a preparation before it begins, and what it tells of rows.

use serde_json::{Value, json};
use trainyard_learn::preprocess::{PreprocessSpec, Preprocessor, Rows};
use trainyard_learn::scale::StandardScaler;
use trainyard_learn::table::{Column, ColumnType, MISSING_CODE, Table, Values};

fn spec(value: Value) -> PreprocessSpec {
    serde_json::from_value(value).expect("parses")
}

fn columns() -> Vec<(String, ColumnType)> {
    [
        ("age", ColumnType::Numeric),
        ("smokes", ColumnType::Boolean),
        ("city", ColumnType::Categorical),
        ("born", ColumnType::Datetime),
        ("note/text", ColumnType::Text),
        ("image", ColumnType::Tensor),
    ]
    .map(|(name, of)| (name.to_owned(), of))
    .to_vec()
}

fn pointers(value: Value) -> Vec<String> {
    spec(value).check(&columns()).into_iter().map(|problem| problem.pointer).collect()
}

#[test]
fn every_problem_is_found_at_once() {
    let found = pointers(json!({
        "numeric": {"scale": {"type": "min_max", "feature_range": [1, 0]}},
        "categorical": {"encode": "hashing", "min_frequency": 2.5, "max_categories": 0,
                        "unseen": "error"},
        "datetime": {"parts": []},
        "text": {"ngram_range": [3, 2], "sublinear_tf": true, "alternate_sign": true},
        "tensor": {"scale": {"type": "quantile", "n_quantiles": 0}},
        "polynomial": {"degree": 99},
        "variance_threshold": -1.0,
        "columns": {
            "Age": "drop",
            "city": {"impute": "mean", "scale": "standard"},
            "born": "passthrough",
            "smokes": {"as": "text"},
            "note/text": {"n_features": 0},
            "age": {"as": "categorical", "impute": "constant", "encode": "one_hot"}
        }
    }));
    let mut expected = vec![
        "/numeric/scale/feature_range",
        "/categorical/max_categories",
        "/categorical/min_frequency",
        "/categorical/min_frequency",
        "/categorical/max_categories",
        "/categorical/unseen",
        "/datetime/parts",
        "/text/ngram_range",
        "/text/alternate_sign",
        "/tensor/scale/n_quantiles",
        "/polynomial/degree",
        "/variance_threshold",
        "/columns/Age",
        "/columns/city/impute",
        "/columns/city/scale",
        "/columns/born",
        "/columns/smokes/as",
        "/columns/note~1text/n_features",
        "/columns/age/impute",
    ];
    let mut found: Vec<&str> = found.iter().map(String::as_str).collect();
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn what_means_nothing_to_a_hash_is_refused_where_it_is_asked_of_the_column() {
    for (option, value) in
        [("min_frequency", json!(2)), ("max_categories", json!(3)), ("unseen", json!("rare"))]
    {
        let asked = json!({"columns": {"city": {"encode": "hashing", option: value}}});
        assert_eq!(pointers(asked), [format!("/columns/city/{option}")]);
        // What other columns share is theirs, and the spec claims nothing else.
        let shared = json!({
            "categorical": {option: value}, "columns": {"city": {"encode": "hashing"}}
        });
        assert_eq!(pointers(shared.clone()), Vec::<String>::new(), "{option}");
        let written = serde_json::to_value(spec(shared)).unwrap();
        let hashing = json!({"encode": {"type": "hashing", "n_features": 32}});
        assert_eq!(written["columns"]["city"], hashing);
    }
}

#[test]
fn what_is_right_has_no_problem() {
    for value in [
        json!({}),
        json!({"columns": {"age": "passthrough", "image": "passthrough", "city": "drop"}}),
        json!({"columns": {"age": {"as": "categorical", "encode": "target", "unseen": "error"}}}),
        json!({"columns": {"city": {"as": "text", "n_features": 8, "analyzer": "char_wb"}}}),
        json!({"columns": {"smokes": {"impute": {"type": "constant", "value": true}}}}),
        json!({"polynomial": {"degree": 3}, "variance_threshold": 0.0}),
        json!({
            "categorical": {"unseen": "error"},
            "columns": {"city": {"encode": "hashing", "unseen": "ignore"}}
        }),
    ] {
        assert_eq!(pointers(value.clone()), Vec::<String>::new(), "{value}");
    }
}

#[test]
fn a_problem_names_its_way_out() {
    let problems = spec(json!({"columns": {"Age": "drop"}})).check(&columns());
    assert_eq!(problems[0].suggestion.as_deref(), Some("age"));
    let problems = spec(json!({"columns": {"age": {"encode": "ordinal"}}})).check(&columns());
    assert_eq!(problems[0].pointer, "/columns/age/encode");
    let way_out = "its options are impute, indicator, scale";
    assert_eq!(problems[0].suggestion.as_deref(), Some(way_out));
    let hashed = json!({
        "categorical": {"unseen": "error"}, "columns": {"city": {"encode": "hashing"}}
    });
    let problems = spec(hashed).check(&columns());
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].pointer, "/columns/city/encode");
    assert!(problems[0].suggestion.as_deref().is_some_and(|s| s.contains("\"ignore\"")));
    let only = [("city".to_owned(), ColumnType::Categorical)];
    let of = |value| spec(value).check(&only).into_iter().map(|p| p.pointer).collect::<Vec<_>>();
    assert_eq!(of(json!({"columns": {"city": "drop"}})), ["/columns"]);
    assert_eq!(of(json!({"polynomial": {}})), ["/polynomial"]);
    let many: Vec<(String, ColumnType)> =
        (0..500).map(|i| (i.to_string(), ColumnType::Numeric)).collect();
    let problems = spec(json!({"polynomial": {"degree": 4}})).check(&many);
    assert_eq!(problems[0].pointer, "/polynomial/degree");
}

#[test]
fn words_are_read_as_what_they_stand_for() {
    for wrong in [
        json!({"columns": {"a": "keep"}}),
        json!({"columns": {"a": {"scal": "none"}}}),
        json!({"numeric": {"scale": "huge"}}),
        json!({"numeric": {"scale": {"type": "robust", "quantiles": [1, 2]}}}),
        json!({"numerical": {}}),
    ] {
        assert!(serde_json::from_value::<PreprocessSpec>(wrong.clone()).is_err(), "{wrong}");
    }
    let written = json!({"a": "drop", "b": "passthrough", "c": {"as": "text", "idf": false}});
    let read = spec(json!({"columns": written}));
    assert_eq!(serde_json::to_value(&read).expect("is written")["columns"], written);
}

#[test]
fn rows_tell_what_has_no_number() {
    let categorical = |codes: Vec<u32>, categories: &[&str]| Column {
        name: "city".into(),
        values: Values::Categorical {
            codes,
            categories: categories.iter().map(ToString::to_string).collect(),
        },
    };
    let numbers = |values: &[f64]| Column {
        name: "age".into(),
        values: Values::Numeric(values.to_vec().into()),
    };
    let spec = spec(json!({
        "numeric": {"impute": "none"},
        "categorical": {"encode": "ordinal", "unseen": "error"},
    }));
    let (city, age) = (categorical(vec![0, 1, 0], &["Bern", "Chur"]), numbers(&[1.0, 2.0, 3.0]));
    let (fitted, _) =
        Preprocessor::fit(&spec, &[&city, &age], &[0, 1, 2], None, 0).expect("is fitted");
    assert_eq!(fitted.feature_names(), ["city", "age"]);
    let city = categorical(vec![2, 0, 3, MISSING_CODE, 1], &["Bern", "Biel", "Chur", "Thun"]);
    let age = numbers(&[f64::NAN, 1.0, f64::NAN, 4.0, 5.0]);
    let mut out = vec![0.0; 10];
    let report = fitted.transform(&[&city, &age], &[0, 1, 2, 3, 4], &mut out);
    assert_eq!(report.missing, [Rows { column: "age".into(), count: 2, first_row: 0 }]);
    assert_eq!((report.unseen.len(), report.refused().count()), (1, 1));
    let unseen = &report.unseen[0];
    assert_eq!((unseen.count, unseen.first_row, unseen.first_value.as_str()), (2, 2, "Thun"));
    // Missing ones are the most frequent: Bern.
    assert_eq!([out[0], out[2], out[4], out[6], out[8]], [1.0, 0.0, -1.0, 0.0, -1.0]);
    assert!(report.not_finite.is_empty() && out[1].is_nan() && out[3] == 1.0);
}

#[test]
fn numbers_without_gaps_are_scaled_as_a_matrix_is() {
    let column = |i: usize| Column {
        name: format!("c{i}"),
        values: Values::Numeric((0..50).map(|row| ((row * 37 + i * 11) % 53) as f64).collect()),
    };
    let table = Table::new((0..11).map(column).collect());
    let names: Vec<String> = table.columns().iter().map(|c| c.name.clone()).collect();
    let matrix = table.matrix(&names).expect("has no gap");
    let matrix = matrix.as_slice().expect("is row-major");
    let rows: Vec<u32> = (0..50).rev().filter(|row| row % 3 != 0).collect();
    let columns: Vec<&Column> = table.columns().iter().collect();
    let spec = |value| serde_json::from_value::<PreprocessSpec>(value).expect("parses");
    let standard = spec(json!({"numeric": {"scale": "standard"}}));
    let (fitted, _, features) =
        Preprocessor::fit_transform(&standard, &columns, &rows, None, 0).expect("is fitted");
    let scaler = StandardScaler::fit(matrix, 11, &rows);
    assert_eq!(fitted.as_scaler().as_ref(), Some(&scaler));
    let mut expected = vec![0.0; rows.len() * 11];
    for (out, row) in expected.chunks_exact_mut(11).zip(&rows) {
        scaler.transform_exact(out, &matrix[*row as usize * 11..][..11]);
    }
    assert_eq!(features, expected);
    for other in [
        json!({"numeric": {"scale": "quantile"}}),
        json!({"polynomial": {}}),
        json!({"columns": {"c3": {"as": "categorical"}}}),
    ] {
        let fitted = Preprocessor::fit(&spec(other.clone()), &columns, &rows, None, 0);
        assert_eq!(fitted.expect("is fitted").0.as_scaler(), None, "{other}");
    }
}

#[test]
fn box_cox_of_booleans_is_refused_where_it_is_asked_for() {
    let box_cox = json!({"type": "power", "method": "box-cox"});
    assert_eq!(pointers(json!({"numeric": {"scale": box_cox}})), ["/numeric/scale"]);
    let of_column = json!({"columns": {"smokes": {"scale": box_cox}}});
    assert_eq!(pointers(of_column), ["/columns/smokes/scale"]);
    let kept = json!({"numeric": {"scale": box_cox}, "columns": {"smokes": "passthrough"}});
    assert_eq!(pointers(kept), Vec::<String>::new());
}
