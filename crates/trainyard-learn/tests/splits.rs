//! Splits against scikit-learn's, row by row.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::Deserialize;
use trainyard_learn::random::RandomState;
use trainyard_learn::splits::{
    NEVER_TESTED, RowCounts, ShuffleSplitError, SplitRows, SplitSpec, stratified_shuffle_split,
};

#[derive(Deserialize)]
struct Golden {
    targets: BTreeMap<String, String>,
    folds: Vec<FoldCase>,
    splits: Vec<SplitCase>,
    groups: BTreeMap<String, Vec<u32>>,
    group_splits: Vec<GroupCase>,
    shuffle_splits: Vec<ShuffleCase>,
}

#[derive(Deserialize)]
struct FoldCase {
    target: String,
    spec: SplitSpec,
    /// For each repeat the test fold of each row.
    folds: Vec<Vec<usize>>,
}

#[derive(Deserialize)]
struct SplitCase {
    target: String,
    spec: SplitSpec,
    /// The training and test rows of each split; none where scikit-learn refuses.
    splits: Option<Vec<(Vec<u32>, Vec<u32>)>>,
}

#[derive(Deserialize)]
struct GroupCase {
    /// The groups, or the folds that test the rows.
    groups: String,
    /// Absent where the split has none.
    target: Option<String>,
    spec: SplitSpec,
    /// As of the splits.
    splits: Option<Vec<(Vec<u32>, Vec<u32>)>>,
}

#[derive(Deserialize)]
struct ShuffleCase {
    target: String,
    test_size: f64,
    random_state: u32,
    train: Option<Vec<u32>>,
    test: Option<Vec<u32>>,
}

#[test]
fn folds_are_scikit_learns() {
    let golden = golden();
    assert!(golden.folds.len() >= 80);
    for case in &golden.folds {
        let y = digits(&golden.targets[&case.target]);
        let folds = case.spec.assign(&SplitRows::new(y.len(), Some(&y)));
        assert_eq!(case.spec.check(), [], "{:?}", case.spec);
        assert_eq!(folds.len(), case.spec.n_folds(&RowCounts::of_rows(y.len())));
        for split in folds.iter() {
            let is_test = |row: &u32| case.folds[split.repeat][*row as usize] == split.fold;
            let (test, train): (Vec<u32>, Vec<u32>) = (0..y.len() as u32).partition(is_test);
            assert_eq!(split.test, test, "{} {:?}", case.target, case.spec);
            assert_eq!(split.train, train, "{} {:?}", case.target, case.spec);
        }
        let least = folds.iter().map(|split| split.train.len()).min();
        assert_eq!(
            least,
            Some(case.spec.smallest_train(&RowCounts::of_rows(y.len()))),
            "{:?}",
            case.spec
        );
        let last = folds.get(folds.len() - 1);
        assert_eq!(last.repeat + 1, case.folds.len());
    }
}

#[test]
fn splits_that_are_not_into_folds_are_scikit_learns() {
    let golden = golden();
    assert!(golden.splits.len() >= 70);
    for SplitCase { target, spec, splits } in golden.splits {
        let y = digits(&golden.targets[&target]);
        assert_eq!(spec.check(), [], "{spec:?}");
        let mut problems = spec.check_rows(y.len());
        problems.extend(spec.check_target(&class_counts(&y)));
        let Some(splits) = splits else {
            assert_ne!(problems, [], "{target} {spec:?}");
            continue;
        };
        assert_eq!(problems, [], "{target} {spec:?}");
        let folds = spec.assign(&SplitRows::new(y.len(), Some(&y)));
        let least = folds.iter().map(|split| split.train.len()).min();
        assert_eq!(least, Some(spec.smallest_train(&RowCounts::of_rows(y.len()))), "{spec:?}");
        assert_eq!(
            (folds.len(), spec.n_folds(&RowCounts::of_rows(y.len()))),
            (splits.len(), splits.len())
        );
        for (fold, (split, (train, mut test))) in folds.iter().zip(splits).enumerate() {
            assert_eq!((split.repeat, split.fold), (0, fold));
            assert_eq!(split.train, train, "{target} {spec:?}: in the order of the draw");
            assert!(split.train.len() >= spec.smallest_train(&RowCounts::of_rows(y.len())));
            test.sort_unstable();
            assert_eq!(split.test, test, "{target} {spec:?}");
        }
    }
}

#[test]
fn splits_by_groups_are_scikit_learns() {
    let golden = golden();
    assert!(golden.group_splits.len() >= 90);
    let mut n_exact = 0;
    for GroupCase { groups, target, spec, splits } in golden.group_splits {
        let y = target.as_ref().map(|target| digits(&golden.targets[target]));
        let n_classes = y.as_ref().map_or(0, |y| class_counts(y).len());
        let groups = &golden.groups[&groups];
        let n_groups = groups.iter().filter(|g| **g != NEVER_TESTED).max().map_or(0, |g| g + 1);
        let of_groups: Vec<usize> =
            (0..n_groups).map(|group| groups.iter().filter(|g| **g == group).count()).collect();
        let counts = RowCounts {
            n_rows: groups.len(),
            n_groups: n_groups as usize,
            of_groups: Some(&of_groups),
        };
        let what = format!("{groups:?} {spec:?}");
        let mut problems = spec.check();
        problems.extend(spec.check_rows(groups.len()));
        problems.extend(spec.check_groups(&counts, n_classes));
        problems.extend(y.as_ref().map_or(Vec::new(), |y| spec.check_target(&class_counts(y))));
        let Some(splits) = splits else {
            assert_ne!(problems, [], "{what}");
            continue;
        };
        assert_eq!(problems, [], "{what}");
        let rows = SplitRows { groups: Some(groups), ..SplitRows::new(groups.len(), y.as_deref()) };
        let folds = spec.assign(&rows);
        assert_eq!((folds.len(), spec.n_folds(&counts)), (splits.len(), splits.len()), "{what}");
        let least = splits.iter().map(|(train, _)| train.len()).min();
        if !matches!(
            spec,
            SplitSpec::GroupShuffleSplit { .. } | SplitSpec::StratifiedGroupKfold { .. }
        ) {
            assert_eq!(least, Some(spec.smallest_train(&counts)), "{what}");
            n_exact += 1;
        }
        for (split, (train, test)) in folds.iter().zip(splits) {
            assert_eq!((split.train, split.test), (train, test), "{what}");
        }
    }
    assert!(n_exact >= 40);
}

#[test]
fn without_classes_the_rows_are_split_all_the_same() {
    for json in [
        r#"{"type": "kfold"}"#,
        r#"{"type": "repeated_kfold", "n_repeats": 2}"#,
        r#"{"type": "shuffle_split"}"#,
        r#"{"type": "holdout", "stratify": false}"#,
        r#"{"type": "holdout", "shuffle": false}"#,
    ] {
        let spec: SplitSpec = serde_json::from_str(json).expect("parses");
        assert!(!spec.is_stratified(), "{json}");
        assert_eq!(spec.check_target(&[]), []);
        assert_eq!(
            spec.assign(&SplitRows::new(50, None)),
            spec.assign(&SplitRows::new(50, Some(&[0; 50]))),
            "{json}"
        );
        assert_eq!(
            spec.assign(&SplitRows::new(50, None)).get(0).train.len(),
            spec.smallest_train(&RowCounts::of_rows(50))
        );
    }
    for json in [
        r#"{"type": "stratified_kfold"}"#,
        r#"{"type": "repeated_stratified_kfold"}"#,
        r#"{"type": "holdout", "stratify": true}"#,
    ] {
        let spec: SplitSpec = serde_json::from_str(json).expect("parses");
        assert!(spec.is_stratified(), "{json}");
        let folds = spec.assign(&SplitRows::new(20, None));
        assert_eq!(
            folds.get(0).train.len(),
            spec.smallest_train(&RowCounts::of_rows(20)),
            "{json}: as of one class"
        );
    }
}

#[test]
fn sizes_that_are_neither_shares_nor_numbers_of_rows() {
    let pointers = |json: &str| -> Vec<String> {
        let spec: SplitSpec = serde_json::from_str(json).expect("parses");
        spec.check().into_iter().map(|problem| problem.pointer).collect()
    };
    for size in ["0", "-0.5", "1.5", "1e300"] {
        let holdout = format!(r#"{{"type": "holdout", "test_size": {size}}}"#);
        assert_eq!(pointers(&holdout), ["/test_size"], "{size}");
        let both = format!(
            r#"{{"type": "shuffle_split", "n_splits": 0, "test_size": {size}, "train_size": {size}}}"#
        );
        assert_eq!(pointers(&both), ["/n_splits", "/test_size", "/train_size"], "{size}");
    }
    assert_eq!(pointers(r#"{"type": "holdout", "test_size": 1}"#), [""; 0]);
    assert_eq!(
        pointers(r#"{"type": "shuffle_split", "test_size": 0.6, "train_size": 0.5}"#),
        ["/train_size"]
    );
    assert_eq!(pointers(r#"{"type": "shuffle_split", "n_splits": 10001}"#), ["/n_splits"]);
    assert_eq!(
        pointers(r#"{"type": "holdout", "shuffle": false, "stratify": true, "random_state": 1}"#),
        ["/random_state", "/stratify"]
    );
}

#[test]
fn rows_that_are_too_few_or_too_many() {
    let problem = |json: &str, n_rows| {
        let spec: SplitSpec = serde_json::from_str(json).expect("parses");
        let mut found = spec.check_rows(n_rows);
        assert!(found.len() < 2, "{found:?}");
        found.pop().map(|problem| (problem.pointer, problem.detail))
    };
    let at = |pointer: &str, detail: &str| Some((pointer.to_owned(), detail.to_owned()));
    for kind in ["kfold", "repeated_kfold", "stratified_kfold", "repeated_stratified_kfold"] {
        let spec = format!(r#"{{"type": "{kind}"}}"#);
        let detail = "there are 4 rows, fewer than the 5 folds";
        assert_eq!(problem(&spec, 4), at("/n_splits", detail));
        assert_eq!(problem(&spec, 5), None);
    }
    let spec = r#"{"type": "repeated_kfold", "n_repeats": 2000}"#;
    let detail = "1000000 rows dealt out 2000 times are more than the 200000000 allowed";
    assert_eq!(problem(spec, 1_000_000), at("/n_repeats", detail));
    let spec = r#"{"type": "shuffle_split", "n_splits": 2000}"#;
    assert_eq!(problem(spec, 1_000_000), at("/n_splits", detail));
    assert_eq!(problem(spec, 100_000), None);
    let spec = r#"{"type": "holdout", "test_size": 7}"#;
    assert_eq!(problem(spec, 6), at("/test_size", "asks for 7 rows of 6"));
    assert_eq!(problem(spec, 7), at("/test_size", "leaves none of 7 rows to train on"));
    assert_eq!(problem(spec, 8), None);
    for kind in ["shuffle_split", "holdout"] {
        let spec = format!(r#"{{"type": "{kind}", "train_size": 7}}"#);
        assert_eq!(problem(&spec, 7), at("/train_size", "leaves none of 7 rows to test on"));
    }
}

#[test]
fn a_stratified_holdout_needs_every_class_on_both_sides() {
    let spec = |json: &str| serde_json::from_str::<SplitSpec>(json).expect("parses");
    let counts = [("ant", 50), ("bee", 1), ("cat", 9)].map(|(label, n)| (label.to_owned(), n));
    let pointers = |json: &str| -> Vec<String> {
        spec(json).check_target(&counts).into_iter().map(|problem| problem.pointer).collect()
    };
    assert_eq!(pointers(r#"{"type": "holdout", "stratify": true}"#), ["/stratify"]);
    assert_eq!(
        pointers(r#"{"type": "holdout", "stratify": true, "test_size": 2}"#),
        ["/stratify", "/test_size"]
    );
    assert_eq!(pointers(r#"{"type": "holdout"}"#), [""; 0]);
    assert_eq!(pointers(r#"{"type": "holdout", "stratify": null}"#), [""; 0]);
    assert_eq!(pointers(r#"{"type": "kfold"}"#), [""; 0]);
}

#[test]
fn shuffle_splits_are_scikit_learns() {
    let golden = golden();
    assert!(golden.shuffle_splits.len() >= 20);
    for case in &golden.shuffle_splits {
        let y = digits(&golden.targets[&case.target]);
        let split = stratified_shuffle_split(&y, case.test_size, case.random_state);
        let name = format!("{} {} {}", case.target, case.test_size, case.random_state);
        match (&case.train, &case.test) {
            (Some(train), Some(test)) => {
                assert_eq!(split, Ok((train.clone(), test.clone())), "{name}");
            }
            _ => assert!(matches!(split, Err(ShuffleSplitError::TooFewRows { .. })), "{name}"),
        }
    }
}

#[test]
fn folds_partition_the_rows_and_spread_every_class() {
    let mut random = RandomState::new(5);
    for _ in 0..200 {
        let n_classes = random.randint(1, 7);
        let n_rows = random.randint(1, 120);
        let y: Vec<u32> = (0..n_rows).map(|_| random.randint(0, n_classes) as u32).collect();
        let n_splits = random.randint(2, 9) as u32;
        let spec = match random.randint(0, 3) {
            0 => SplitSpec::StratifiedKfold { n_splits, shuffle: false, random_state: None },
            1 => SplitSpec::StratifiedKfold {
                n_splits,
                shuffle: true,
                random_state: Some(random.next_u32()),
            },
            _ => SplitSpec::RepeatedStratifiedKfold {
                n_splits,
                n_repeats: 3,
                random_state: Some(random.next_u32()),
            },
        };
        let folds = spec.assign(&SplitRows::new(y.len(), Some(&y)));
        for repeat in 0..folds.len() / n_splits as usize {
            let splits: Vec<_> = (0..n_splits as usize)
                .map(|fold| folds.get(repeat * n_splits as usize + fold))
                .collect();
            let mut tested = BTreeSet::new();
            for split in &splits {
                assert!(split.test.iter().all(|&row| tested.insert(row)), "tested once");
                let rows: BTreeSet<u32> = split.test.iter().chain(&split.train).copied().collect();
                assert_eq!(rows.len(), y.len());
                assert_eq!(split.test.len() + split.train.len(), y.len());
                assert!(split.test.is_sorted() && split.train.is_sorted());
            }
            assert_eq!(tested.len(), y.len());
            for class in 0..n_classes as u32 {
                let of_class =
                    |rows: &[u32]| rows.iter().filter(|&&row| y[row as usize] == class).count();
                let counts: Vec<usize> = splits.iter().map(|split| of_class(&split.test)).collect();
                let spread = counts.iter().max().zip(counts.iter().min());
                assert!(spread.is_some_and(|(most, least)| most - least <= 1), "{counts:?}");
            }
        }
    }
}

#[test]
fn a_shuffle_split_takes_no_row_twice() {
    let y: Vec<u32> = (0..97).map(|row| row % 5).collect();
    for random_state in 0..50 {
        let (train, test) = stratified_shuffle_split(&y, 0.3, random_state).expect("splits");
        let rows: BTreeSet<u32> = train.iter().chain(&test).copied().collect();
        assert_eq!((train.len(), test.len(), rows.len()), (67, 30, 97));
    }
}

#[test]
fn unusable_shuffle_splits_are_refused() {
    let refusal =
        |y: &[u32], test_size| stratified_shuffle_split(y, test_size, 0).expect_err("refused");
    for test_size in [0.0, 1.0, -0.5, f64::NAN, f64::INFINITY] {
        assert!(matches!(refusal(&[0, 0, 1, 1], test_size), ShuffleSplitError::TestSize(_)));
    }
    assert_eq!(refusal(&[0, 0, 3], 0.5), ShuffleSplitError::ClassTooSmall { class: 3 });
    assert!(matches!(refusal(&[], 0.5), ShuffleSplitError::TooFewRows { .. }));
}

#[test]
fn a_spec_reads_with_defaults_and_nothing_unknown() {
    let read = serde_json::from_str::<SplitSpec>;
    assert_eq!(
        read(r#"{"type": "stratified_kfold"}"#).expect("parses"),
        SplitSpec::StratifiedKfold { n_splits: 5, shuffle: false, random_state: None }
    );
    let repeated = read(r#"{"type": "repeated_stratified_kfold", "random_state": 3}"#);
    let repeated = repeated.expect("parses");
    assert_eq!(
        repeated,
        SplitSpec::RepeatedStratifiedKfold { n_splits: 5, n_repeats: 10, random_state: Some(3) }
    );
    let written = serde_json::to_string(&repeated).expect("serializes");
    assert_eq!(read(&written).expect("parses"), repeated);
    assert!(read(r#"{"type": "stratified_kfold", "n_repeats": 2}"#).is_err());
    assert!(read(r#"{"type": "kfolds"}"#).is_err());
    assert!(read(r#"{"type": "kfold", "n_repeats": 2}"#).is_err());
    assert_eq!(
        read(r#"{"type": "shuffle_split"}"#).expect("parses"),
        SplitSpec::ShuffleSplit {
            n_splits: 10,
            test_size: None,
            train_size: None,
            random_state: None
        }
    );
    assert_eq!(
        read(r#"{"type": "holdout"}"#).expect("parses"),
        SplitSpec::Holdout {
            test_size: None,
            train_size: None,
            stratify: false,
            shuffle: true,
            random_state: None
        }
    );
    assert!(read(r#"{"n_splits": 2}"#).is_err());
}

#[test]
fn the_default_seed_goes_where_a_seed_is_used_and_missing() {
    let read = |json: &str| serde_json::from_str::<SplitSpec>(json).expect("parses");
    let seeded = |json: &str| read(json).with_default_seed(9);
    let plain = r#"{"type": "stratified_kfold"}"#;
    assert_eq!(seeded(plain), read(plain));
    assert_eq!(
        seeded(r#"{"type": "stratified_kfold", "shuffle": true}"#),
        read(r#"{"type": "stratified_kfold", "shuffle": true, "random_state": 9}"#)
    );
    assert_eq!(
        seeded(r#"{"type": "repeated_stratified_kfold"}"#),
        read(r#"{"type": "repeated_stratified_kfold", "random_state": 9}"#)
    );
    for kind in ["shuffle_split", "holdout", "repeated_kfold"] {
        let with_seed = format!(r#"{{"type": "{kind}", "random_state": 9}}"#);
        assert_eq!(seeded(&format!(r#"{{"type": "{kind}"}}"#)), read(&with_seed));
    }
    let in_order = r#"{"type": "holdout", "shuffle": false}"#;
    assert_eq!(seeded(in_order), read(in_order));
    let own = r#"{"type": "repeated_stratified_kfold", "random_state": 2}"#;
    assert_eq!(seeded(own), read(own));
}

#[test]
fn a_spec_reports_every_problem_at_once() {
    let pointers = |json: &str| -> Vec<String> {
        let spec: SplitSpec = serde_json::from_str(json).expect("parses");
        spec.check().into_iter().map(|problem| problem.pointer).collect()
    };
    assert_eq!(
        pointers(r#"{"type": "stratified_kfold", "n_splits": 1, "random_state": 0}"#),
        ["/n_splits", "/random_state"]
    );
    assert_eq!(
        pointers(r#"{"type": "repeated_stratified_kfold", "n_splits": 0, "n_repeats": 0}"#),
        ["/n_splits", "/n_repeats"]
    );
    assert_eq!(
        pointers(r#"{"type": "repeated_stratified_kfold", "n_splits": 101, "n_repeats": 100}"#),
        ["/n_splits"]
    );
    assert_eq!(
        pointers(r#"{"type": "repeated_stratified_kfold", "n_splits": 100, "n_repeats": 100}"#),
        [""; 0]
    );
    assert_eq!(
        pointers(
            r#"{"type": "repeated_stratified_kfold", "n_splits": 4294967295,
                "n_repeats": 4294967295}"#
        ),
        ["/n_splits"]
    );
}

#[test]
fn a_class_with_fewer_rows_than_folds_is_a_problem() {
    let spec: SplitSpec = serde_json::from_str(r#"{"type": "stratified_kfold"}"#).expect("parses");
    let counts = [("ant", 5), ("bee", 4), ("cat", 1)].map(|(label, n)| (label.to_owned(), n));
    let problems = spec.check_target(&counts);
    assert_eq!(problems.len(), 2);
    assert_eq!(problems[0].pointer, "/n_splits");
    assert_eq!(problems[0].detail, "class \"bee\" has 4 rows, fewer than the 5 folds");
    assert!(problems[0].suggestion.as_ref().is_some_and(|text| text.contains("at most 4")));
    assert_eq!(problems[1].detail, "class \"cat\" has 1 row, fewer than the 5 folds");
}

#[test]
fn there_are_no_folds_beyond_the_last_and_none_of_nothing() {
    let spec: SplitSpec = serde_json::from_str(r#"{"type": "stratified_kfold"}"#).expect("parses");
    let folds = spec.assign(&SplitRows::new(5, Some(&[0, 1, 0, 1, 1])));
    assert_eq!(folds.len(), 5);
    assert!(folds.get(5).test.is_empty() && folds.get(5).train.is_empty());
    assert!(spec.assign(&SplitRows::new(0, Some(&[]))).is_empty());
    assert!(spec.assign(&SplitRows::new(0, Some(&[]))).get(0).train.is_empty());
}

/// Each class with its rows, as a description of the target has them.
fn class_counts(y: &[u32]) -> Vec<(String, usize)> {
    let mut counts = BTreeMap::new();
    y.iter().for_each(|class| *counts.entry(class.to_string()).or_insert(0) += 1);
    counts.into_iter().collect()
}

fn digits(text: &str) -> Vec<u32> {
    text.chars().filter_map(|digit| digit.to_digit(10)).collect()
}

fn golden() -> Golden {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/splits.json");
    let text = fs::read_to_string(path).expect("the golden file");
    serde_json::from_str(&text).expect("the golden file's form")
}
