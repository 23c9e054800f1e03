//! Each kind with a case just below its threshold and one just above.

use serde_json::json;

use super::*;
use crate::table::{Column, Values};

mod two_sides;

fn numeric(name: &str, values: impl IntoIterator<Item = f64>) -> Column {
    Column { name: name.into(), values: Values::Numeric(values.into_iter().collect()) }
}

fn categorical(name: &str, values: &[&str]) -> Column {
    let mut categories: Vec<String> = values.iter().map(ToString::to_string).collect();
    categories.sort_unstable();
    categories.dedup();
    let code = |value: &&str| categories.iter().position(|c| c == value).unwrap() as u32;
    let codes = values.iter().map(code).collect();
    Column { name: name.into(), values: Values::Categorical { codes, categories } }
}

fn texts(name: &str, values: &[&str]) -> Column {
    let values = values.iter().map(|text| Some((*text).into())).collect();
    Column { name: name.into(), values: Values::Text(values) }
}

/// Numbers between 0 and 1 that look random, other ones for each seed.
fn noise(seed: u64, n: usize) -> Vec<f64> {
    let number = |i: usize| sample::mix(seed << 32 | i as u64) as f64 / u64::MAX as f64;
    (0..n).map(number).collect()
}

/// The codes and columns of what is found at upload.
fn found(columns: Vec<Column>) -> Vec<(&'static str, Option<String>)> {
    at_upload(&Table::new(columns)).into_iter().map(|f| (f.code, f.column)).collect()
}

fn codes(column: Column) -> Vec<&'static str> {
    found(vec![column]).into_iter().map(|(code, _)| code).collect()
}

#[test]
fn a_constant_column_is_found_and_one_with_a_second_value_is_not() {
    assert_eq!(codes(numeric("a", [2.0, 2.0])), ["constant_column"]);
    assert_eq!(codes(numeric("a", [f64::NAN, f64::NAN])), ["constant_column"]);
    assert_eq!(codes(categorical("a", &["x", "x", "x"])), ["constant_column"]);
    assert!(codes(numeric("a", [2.0, 3.0])).is_empty());
    // That a value is missing may tell something.
    assert!(codes(numeric("a", [2.0, 2.0, f64::NAN])).is_empty());
    assert!(codes(numeric("a", [2.0])).is_empty());
}

#[test]
fn numbers_that_name_rows_are_found() {
    let shuffled = |n: u64, factor: u64| (0..n).map(move |i| (i * 7 % n * factor) as f64);
    let rising = |n: u64| (0..n).map(|i| (i * i) as f64);
    assert_eq!(codes(numeric("a", rising(20))), ["id_like"]);
    assert!(codes(numeric("a", rising(19))).is_empty(), "too few rows");
    assert!(codes(numeric("a", rising(20).chain([0.0]))).is_empty(), "one comes again");
    assert_eq!(codes(numeric("a", (0..20).map(|i| -f64::from(i)))), ["id_like"]);
    assert!(codes(numeric("a", (0..20).map(|i| f64::from(i) / 2.0))).is_empty(), "not whole");
    assert_eq!(codes(numeric("a", shuffled(20, 1))), ["id_like"], "a run without a hole");
    assert!(codes(numeric("a", shuffled(20, 2))).is_empty(), "a run with holes");
    for name in ["id", "customer_id", "customerId", "Row Index", "UUID"] {
        assert_eq!(codes(numeric(name, shuffled(20, 2))), ["id_like"], "{name}");
    }
    for name in ["paid", "humid", "id_age", "monkey"] {
        assert!(codes(numeric(name, shuffled(20, 2))).is_empty(), "{name}");
    }
}

#[test]
fn short_texts_that_all_differ_name_rows_and_prose_does_not() {
    let names =
        |n: usize, words: &str| -> Vec<String> { (0..n).map(|i| format!("{words}{i}")).collect() };
    let of = |texts_of: &[String]| {
        let all: Vec<&str> = texts_of.iter().map(String::as_str).collect();
        codes(texts("a", &all))
    };
    assert_eq!(of(&names(20, "a b ")), ["id_like"]);
    assert!(of(&names(20, "a b c ")).is_empty(), "four words");
    assert!(of(&names(19, "a b ")).is_empty(), "too few rows");
    let mut twice = names(20, "a b ");
    twice.push(twice[0].clone());
    assert!(of(&twice).is_empty(), "one comes again");
}

/// Two columns of noise, the last rows of which are copies of the first, moved by so much.
fn copies(n_rows: usize, n_copies: usize, shift: f64) -> Vec<Column> {
    let column = |name: &str, seed| {
        let mut values = noise(seed, n_rows - n_copies);
        values.extend_from_within(..n_copies);
        values[n_rows - n_copies..].iter_mut().for_each(|v| *v += shift);
        numeric(name, values)
    };
    vec![column("a", 1), column("b", 2)]
}

#[test]
fn rows_that_repeat_are_found_from_a_hundredth_on() {
    assert!(found(copies(1_000, 9, 0.0)).is_empty());
    let found = at_upload(&Table::new(copies(1_000, 10, 0.0)));
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].code, &found[0].column), ("near_duplicate_rows", &None));
    assert_eq!(found[0].evidence["share"], 0.01);
    assert_eq!(found[0].evidence["share_exact"], 0.01);
    assert_eq!(found[0].evidence["example"], json!([0, 990]));
}

#[test]
fn rows_that_nearly_repeat_are_found() {
    let found = at_upload(&Table::new(copies(1_000, 200, 1e-9)));
    assert_eq!((found.len(), found[0].code), (1, "near_duplicate_rows"));
    assert_eq!(found[0].evidence["share_exact"], 0.0);
    assert!(found[0].evidence["share"].as_f64().unwrap() > 0.19);
    assert!(self::found(copies(1_000, 200, 1e-3)).is_empty(), "not so near");
}

#[test]
fn identifiers_hide_no_copies_and_few_values_make_none() {
    let mut columns = copies(1_000, 100, 0.0);
    columns.push(numeric("id", (0..1_000).map(f64::from)));
    let codes: Vec<_> = found(columns).into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, ["id_like", "near_duplicate_rows"]);
    // 1,000 rows of n × 10 possible ones: copies are a surprise from 100 times as many on.
    let few = |n: usize| {
        let digits =
            |seed, n: usize| noise(seed, 1_000).into_iter().map(move |v| (v * n as f64).floor());
        let column = |seed| numeric(&format!("c{seed}"), digits(seed, 10));
        let mut columns: Vec<Column> = (0..4).map(column).collect();
        columns.push(numeric("last", digits(9, n)));
        columns
    };
    assert!(found(few(9)).is_empty());
    let mut columns = few(10);
    for column in &mut columns {
        let Values::Numeric(rows) = &mut column.values else { unreachable!() };
        rows.copy_within(0..50, 900);
    }
    assert_eq!(found(columns), [("near_duplicate_rows", None)]);
}

#[test]
fn categories_need_five_rows_each() {
    let of = |n_categories: usize, n_rows: usize| {
        let names: Vec<String> = (0..n_rows).map(|i| format!("c{}", i % n_categories)).collect();
        codes(categorical("a", &names.iter().map(String::as_str).collect::<Vec<_>>()))
    };
    assert_eq!(of(20, 99), ["too_many_categories"]);
    assert!(of(20, 100).is_empty());
    assert_eq!(of(11, 30), ["too_many_categories"]);
    assert!(of(10, 30).is_empty(), "so few are never too many");
    assert_eq!(of(30, 30), ["id_like"], "those that all differ are identifiers");
}

#[test]
fn dates_are_found_where_nine_of_ten_texts_are_one() {
    let of = |n_dates: usize| {
        let text =
            |i: usize| if i < n_dates { format!("{}/1/2024", i + 1) } else { format!("x{i}") };
        let values: Vec<String> = (0..10).flat_map(|i| [text(i), text(i)]).collect();
        codes(texts("a", &values.iter().map(String::as_str).collect::<Vec<_>>()))
    };
    assert_eq!(of(9), ["dates_as_text"]);
    assert!(of(8).is_empty());
    assert_eq!(codes(categorical("a", &["2024-01-31", "2024-02-29"])), ["dates_as_text"]);
    assert!(codes(categorical("a", &["2024-01-31", "2024-02-30"])).is_empty(), "no such date");
}

#[test]
fn types_are_mixed_where_most_texts_are_numbers_and_not_all() {
    let of = |values: &[&str]| [codes(categorical("a", values)), codes(texts("a", values))];
    assert_eq!(of(&["1", "2.5", "?"]), [["mixed_types"]; 2]);
    assert_eq!(of(&["1", "1", "?", "none"]), [[""; 0]; 2], "just half");
    assert_eq!(of(&["01", "02", "03"]), [[""; 0]; 2], "all");
    assert_eq!(of(&["inf", "NaN", "1"]), [[""; 0]; 2], "words are no numbers");
    let finding = at_upload(&Table::new(vec![texts("a", &["1", "2", "3", "?"])])).remove(0);
    assert_eq!(finding.evidence, json!({"share": 0.75, "n_others": 1, "others": ["?"]}));
}

#[test]
fn outliers_are_beyond_ten_interquartile_ranges() {
    // Of 0 … 100 the quartiles are 25 and 75; a value more moves them by a quarter.
    let of = |extreme: f64| {
        at_upload(&Table::new(vec![numeric(
            "a",
            (0..=100).map(|i| f64::from(i * 37 % 101)).chain([extreme]),
        )]))
    };
    let high = 75.75 + 10.0 * 50.5;
    assert!(of(high).is_empty());
    let found = of(high + 0.1);
    assert_eq!((found.len(), found[0].code), (1, "outliers"));
    assert_eq!(found[0].evidence["n_rows"], 1);
    assert_eq!(found[0].evidence["most_extreme"], high + 0.1);
    let low = 24.25 - 10.0 * 50.5;
    assert!(of(low).is_empty());
    assert_eq!(of(low - 0.1)[0].evidence["most_extreme"], low - 0.1);
    assert!(codes(numeric("a", [1.0, 1.0, 1.0, 1.0, 1.0, 9e9])).is_empty(), "no range at all");
}

#[test]
fn many_columns_of_a_kind_are_told_of_together() {
    let columns = |n: usize| (0..n).map(|i| numeric(&format!("c{i}"), [1.0, 1.0])).collect();
    assert_eq!(found(columns(100)).len(), 100);
    let found = at_upload(&Table::new(columns(103)));
    assert_eq!((found.len(), &found[100].column), (101, &None));
    assert_eq!(
        (found[100].code, &found[100].evidence),
        ("constant_column", &json!({"n_columns": 3}))
    );
    assert_eq!(
        unfit_columns(&Table::new(columns(103)), &describe(&Table::new(columns(103)))).len(),
        103
    );
}

/// Equal rows are found whichever part of them is kept.
#[test]
fn equal_rows_are_kept_or_left_out_together() {
    let table = Table::new(copies(1_000, 200, 0.0));
    let columns = describe(&table);
    let rows = rows::Hasher::new(&table, &["a", "b"], &columns).rows(4);
    assert!((150..350).contains(&rows.len()), "{}", rows.len());
    let has = |row: usize| rows.iter().any(|hash| hash.row == row);
    for row in 0..200 {
        assert_eq!(has(row), has(row + 800), "{row}");
    }
}

/// Small real sets that are known to be sound.
#[test]
fn sound_data_raise_no_alarm() {
    for (name, target, outliers) in
        [("iris", "species", 0), ("wine", "cultivar", 0), ("breast_cancer", "diagnosis", 4)]
    {
        let spec: crate::generators::GeneratorSpec =
            serde_json::from_value(json!({ "type": name })).unwrap();
        let made = spec.generate().unwrap();
        let features = made.feature_names.iter().zip(made.x.columns());
        let mut columns: Vec<Column> =
            features.map(|(name, values)| numeric(name, values.iter().copied())).collect();
        columns.push(numeric(&made.target_name, made.y.iter().map(|class| f64::from(*class))));
        let table = Table::new(columns);
        let described = describe(&table);
        let found = at_upload_described(&table, &described);
        assert!(found.iter().all(|finding| finding.code == "outliers"), "{found:?}");
        assert_eq!(found.len(), outliers, "{name}");
        assert_eq!(about_target(&table, &described, target), [], "{name}");
    }
}
