//! What is about a target, or about two tables.

use super::*;

fn away(columns: Vec<Column>) -> Vec<(String, String)> {
    let found = gives_target_away(&Table::new(columns), "target");
    assert!(found.iter().all(|finding| finding.code == "gives_target_away"));
    let of = |f: Finding| (f.column.unwrap(), f.evidence["measure"].as_str().unwrap().to_owned());
    found.into_iter().map(of).collect()
}

/// 400 rows of two classes, and a number that tells them apart but for the first few.
fn split(n_wrong: usize) -> Vec<Column> {
    let x = noise(3, 400);
    let above = |(i, v): (usize, &f64)| (*v > 0.5) != (i < n_wrong);
    let labels: Vec<&str> =
        x.iter().enumerate().map(|row| if above(row) { "yes" } else { "no" }).collect();
    vec![numeric("x", x.clone()), numeric("other", noise(4, 400)), categorical("target", &labels)]
}

#[test]
fn a_number_that_splits_the_classes_gives_them_away() {
    assert_eq!(away(split(0)), [("x".into(), "errors saved by an interval a class".into())]);
    // About 200 rows are of the rarer class: a hundredth of them are two.
    assert_eq!(away(split(1)).len(), 1);
    assert!(away(split(4)).is_empty());
}

#[test]
fn too_few_rows_of_the_rarer_class_say_nothing() {
    let of = |n_rare: usize| {
        let x = noise(5, 200);
        let mut sorted = x.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let label = |v: &f64| if *v < sorted[n_rare] { "rare" } else { "common" };
        let labels: Vec<&str> = x.iter().map(label).collect();
        away(vec![numeric("x", x.clone()), categorical("target", &labels)])
    };
    assert!(of(9).is_empty());
    assert_eq!(of(10).len(), 1);
}

#[test]
fn groups_give_classes_away_and_identifiers_do_not() {
    let labels: Vec<&str> =
        noise(6, 100).iter().map(|v| if *v > 0.5 { "yes" } else { "no" }).collect();
    let codes: Vec<String> =
        labels.iter().enumerate().map(|(i, label)| format!("{label}{}", i % 5)).collect();
    let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
    let ids: Vec<String> = (0..100).map(|i| format!("r{i}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    // A value that is there only for one class gives it away by being there.
    let gaps =
        labels.iter().zip(noise(7, 100)).map(|(l, v)| if *l == "yes" { v } else { f64::NAN });
    let columns = vec![
        categorical("code", &codes),
        texts("name", &ids),
        numeric("gaps", gaps),
        categorical("target", &labels),
    ];
    let found: Vec<String> = away(columns).into_iter().map(|(column, _)| column).collect();
    assert_eq!(found, ["code", "gaps"]);
}

#[test]
fn correlations_above_the_threshold_give_amounts_away() {
    let of = |share: f64| {
        let (y, e) = (noise(8, 2_000), noise(9, 2_000));
        let x: Vec<f64> = y.iter().zip(&e).map(|(y, e)| y + share * e).collect();
        away(vec![numeric("x", x), numeric("other", e), numeric("target", y)])
    };
    // Noise of a share s leaves a correlation of 1/√(1 + s²): 0.999 at s = 0.0447.
    assert_eq!(of(0.042).len(), 1);
    assert!(of(0.049).is_empty());
    let y = noise(8, 100);
    let x = y.iter().map(|v| (9.0 * v).exp()).collect::<Vec<_>>();
    let found = away(vec![numeric("x", x), numeric("target", y)]);
    assert_eq!(found, [("x".into(), "rank correlation".into())]);
    let grouped = |n: u32| {
        let y: Vec<f64> = (0..n).map(|i| f64::from(i / 2) + 0.5).collect();
        let names: Vec<String> = (0..n).map(|i| format!("g{}", i / 2)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        away(vec![categorical("x", &names), numeric("target", y)])
    };
    assert_eq!(grouped(100), [("x".into(), "variance explained by its groups".into())]);
    assert!(grouped(99).is_empty(), "the last row is alone in its group");
}

#[test]
fn nothing_gives_away_what_is_not_there() {
    assert!(away(vec![numeric("x", noise(1, 100))]).is_empty());
    let short = |n| away(vec![numeric("x", noise(1, n)), numeric("target", noise(1, n))]);
    assert!(short(29).is_empty());
    assert_eq!(short(30).len(), 1);
    let gaps =
        noise(1, 100).into_iter().enumerate().map(|(i, v)| if i < 71 { f64::NAN } else { v });
    assert!(away(vec![numeric("x", noise(1, 100)), numeric("target", gaps)]).is_empty());
}

#[test]
fn classes_are_out_of_balance_beyond_twenty_to_one() {
    let of = |n_large: usize, n_small: usize| {
        let labels = [vec!["a"; n_large], vec!["b"; n_small]].concat();
        let table = Table::new(vec![categorical("target", &labels)]);
        about_target(&table, &describe(&table), "target")
    };
    assert!(of(100, 5).is_empty());
    let found = of(101, 5);
    assert_eq!((found.len(), found[0].code), (1, "class_imbalance"));
    assert_eq!(found[0].evidence["ratio"], 20.2);
    assert_eq!(found[0].evidence["smallest"], json!({"class": "b", "count": 5}));
}

#[test]
fn amounts_are_never_out_of_balance() {
    let of = |small: f64| {
        let target = numeric("target", [vec![1.0; 200], vec![small; 5]].concat());
        let table = Table::new(vec![target]);
        about_target(&table, &describe(&table), "target").len()
    };
    assert_eq!((of(2.0), of(2.5)), (1, 0));
}

/// Noise of which so many rows are the first ones of the noise of another seed.
fn overlapping(n_shared: usize) -> [Table; 2] {
    let column = |name: &str, seed: u64| {
        let train = noise(seed, 2_000);
        let mut test = noise(seed + 100, 1_000);
        test[500..500 + n_shared].copy_from_slice(&train[..n_shared]);
        [numeric(name, train), numeric(name, test)]
    };
    let ([a, c], [b, d]) = (column("a", 1), column("b", 2));
    // What only one of them has, and the order of the columns, make no difference.
    let only = |n: usize| categorical("only", &vec!["x"; n]);
    let id = |n: u32| numeric("id", (0..n).map(f64::from));
    [Table::new(vec![a, b, id(2_000)]), Table::new(vec![only(1_000), d, c, id(1_000)])]
}

#[test]
fn rows_in_both_tables_are_found_from_a_hundredth_on() {
    let of = |n_shared| {
        let [train, test] = overlapping(n_shared);
        train_test_overlap(&train, &describe(&train), &test)
    };
    assert_eq!(of(0), None);
    assert_eq!(of(9), None);
    let found = of(10).unwrap();
    assert_eq!(found.code, "train_test_overlap");
    assert_eq!(found.evidence, json!({"share": 0.01, "n_rows": 10, "columns": 2}));
    assert!(found.detail.contains("row 500"), "{}", found.detail);
    let [train, _] = overlapping(0);
    let other = Table::new(vec![numeric("z", noise(1, 100))]);
    assert_eq!(train_test_overlap(&train, &describe(&train), &other), None);
}
