//! The scores of a job's folds as text for a terminal: aligned columns, then a line a scorer.
//!
//! Knows nothing of where it is printed: no colours, no widths of terminals.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::client::{Curve, CurvePoint, Fold, JobResult, Score};

/// Beyond that many folds (leave-one-out has one a row) the rest is only counted.
const MAX_ROWS: usize = 100;

/// The table of the folds and, under it, each scorer's mean and standard deviation.
///
/// Of a curve, the table of its points. Empty without folds; a value that is missing or undefined is a
/// dash.
pub fn render(result: &JobResult) -> String {
    if let Some(curve) = &result.curve {
        return point_table(curve);
    }
    let mut text = String::new();
    if !result.folds.is_empty() {
        text.push_str(&fold_table(&result.folds));
    }
    let n_hidden = result.folds.len().saturating_sub(MAX_ROWS);
    if n_hidden > 0 {
        text.push_str(&format!("… and {n_hidden} more\n"));
    }
    if !result.cv.is_empty() && !text.is_empty() {
        text.push('\n');
    }
    let width = result.cv.keys().map(|name| name.chars().count()).max();
    for (name, score) in &result.cv {
        text.push_str(&summary_line(name, width.unwrap_or_default(), score));
    }
    text
}

/// A number to 3 decimals, or a dash.
pub fn decimals(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"))
}

fn summary_line(name: &str, width: usize, score: &Score) -> String {
    let [mean, std, min, max] = [score.mean, score.std, score.min, score.max].map(decimals);
    format!("{name:<width$}  {mean} ± {std}  (min {min}, max {max})\n")
}

/// A line a point: what it is at, and the means of the scores on the rows trained on and on others.
fn point_table(curve: &Curve) -> String {
    let scorers: BTreeSet<&str> =
        curve.points.iter().flat_map(|point| point.test.keys()).map(String::as_str).collect();
    let head = curve.param.iter().cloned().chain(["trained".to_owned()]);
    let of_scorer = |name: &&str| [format!("{name} (train)"), format!("{name} (test)")];
    let head = head.chain(scorers.iter().flat_map(of_scorer));
    let mean = |scores: &BTreeMap<String, Score>, name: &str| {
        decimals(scores.get(name).and_then(|score| score.mean))
    };
    let cells = |point: &CurvePoint| {
        let value = point.value.as_ref().map(ToString::to_string);
        let value = curve.param.as_ref().map(|_| value.unwrap_or_else(|| "-".to_owned()));
        let n_train = point.n_train.map_or_else(|| "-".to_owned(), |rows| format!("{rows:.0}"));
        let scores =
            scorers.iter().flat_map(|name| [mean(&point.train, name), mean(&point.test, name)]);
        value.into_iter().chain([n_train]).chain(scores).collect()
    };
    let mut rows: Vec<Vec<String>> = vec![head.collect()];
    rows.extend(curve.points.iter().map(cells));
    aligned(&rows)
}

fn fold_table(folds: &[Fold]) -> String {
    let mut scorers: Vec<&str> = Vec::new();
    for name in folds.iter().flat_map(|fold| fold.scores.keys()) {
        if !scorers.contains(&name.as_str()) {
            scorers.push(name);
        }
    }
    let head = ["repeat", "fold", "trained", "tested"]
        .into_iter()
        .chain(scorers.iter().copied())
        .chain(["epochs", "fit_ms"]);
    let mut rows: Vec<Vec<String>> = vec![head.map(str::to_owned).collect()];
    rows.extend(folds.iter().take(MAX_ROWS).map(|fold| cells(fold, &scorers)));
    aligned(&rows)
}

fn cells(fold: &Fold, scorers: &[&str]) -> Vec<String> {
    let counts = [fold.repeat, fold.fold, fold.n_train, fold.n_test].map(count);
    let scores = scorers.iter().map(|name| decimals(fold.scores.get(*name).copied().flatten()));
    let fit_ms = decimals(fold.fit_s.map(|seconds| seconds * 1e3));
    counts.into_iter().chain(scores).chain([count(fold.epochs), fit_ms]).collect()
}

fn count(value: Option<u64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// Rows of equally many cells, each column as wide as its widest and aligned to the right.
fn aligned(rows: &[Vec<String>]) -> String {
    let n_columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..n_columns)
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in rows {
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let gap = if column == 0 { "" } else { "  " };
            // Writing to a String cannot fail.
            let _ = write!(text, "{gap}{cell:>width$}");
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn result(value: serde_json::Value) -> JobResult {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn numbers_stand_under_their_names() {
        let text = render(&result(json!({
            "cv": {
                "accuracy": {"mean": 0.84666, "std": 0.0523, "min": 0.72, "max": 0.93},
                "f1": {"mean": null, "std": null, "min": null, "max": null},
            },
            "folds": [
                {"repeat": 0, "fold": 0, "n_train": 900, "n_test": 100, "epochs": 11,
                 "scores": {"accuracy": 0.88, "f1": 0.8755}, "fit_s": 0.0012345, "converged": true},
                {"repeat": 0, "fold": 10, "n_train": 900, "n_test": 100, "epochs": 9,
                 "scores": {"accuracy": -1234.5, "f1": null}, "fit_s": 1.5},
            ],
            "model_id": null,
        })));
        assert_eq!(
            text,
            "\
repeat  fold  trained  tested   accuracy     f1  epochs    fit_ms
     0     0      900     100      0.880  0.875      11     1.234
     0    10      900     100  -1234.500      -       9  1500.000

accuracy  0.847 ± 0.052  (min 0.720, max 0.930)
f1        - ± -  (min -, max -)
"
        );
    }

    #[test]
    fn a_curve_has_a_line_a_point() {
        let scores = |mean: f64| json!({"accuracy": {"mean": mean}});
        let mut points = json!([
            {"n_train": 90.0, "train": scores(0.5), "test": scores(0.25), "value": 0.1},
            {"n_train": 90.0, "train": scores(1.0), "test": {"accuracy": {"mean": null}}, "value": "l2"},
        ]);
        let drawn = |curve: serde_json::Value| render(&result(json!({"cv": {}, "curve": curve})));
        assert_eq!(
            drawn(json!({"param": "model.alpha", "points": points.clone()})),
            "\
model.alpha  trained  accuracy (train)  accuracy (test)
        0.1       90             0.500            0.250
       \"l2\"       90             1.000                -
"
        );
        for point in points.as_array_mut().unwrap() {
            point.as_object_mut().unwrap().remove("value");
        }
        assert!(drawn(json!({"points": points})).starts_with("trained  accuracy (train)"));
    }

    #[test]
    fn a_result_without_folds_has_no_table() {
        assert_eq!(render(&result(json!({"cv": {}, "folds": []}))), "");
        assert_eq!(render(&result(json!({"cv": null, "folds": null}))), "");
    }

    #[test]
    fn very_many_folds_are_counted() {
        let folds = vec![json!({"scores": {"r2": null}}); 1000];
        let text = render(&result(json!({"folds": folds})));
        assert_eq!(text.lines().count(), 102);
        assert!(text.ends_with("… and 900 more\n"), "{text}");
    }
}
