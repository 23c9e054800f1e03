//! What out-of-fold predictions look like: confusion matrix, curves, residuals.
//!
//! The points are scikit-learn's; of long curves some are left out.

use serde::Serialize;
use trainyard_learn::describe::{ColumnDescription, describe};
use trainyard_learn::metrics::curves::{
    Strategy, calibration_curve, confusion_matrix, precision_recall_curve, roc_curve,
};
use trainyard_learn::model::{Predicted, Truth};
use trainyard_learn::scalar::Scalar;
use trainyard_learn::table::{Column, Table, Values};
use utoipa::ToSchema;

use super::pooled::Pooled;

/// How the points of curves are chosen.
#[derive(Clone, Copy, Debug)]
pub struct Detail {
    /// Curves have at most so many points each.
    pub max_points: usize,
    /// Bins of a calibration curve.
    pub n_bins: usize,
    /// How these are chosen.
    pub strategy: Strategy,
}

/// What out-of-fold predictions look like; what does not apply to the target is empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Curves {
    /// Predictions that this is of: a row counts as often as it was tested.
    pub n_rows: usize,
    /// Of classes, how often each was predicted for each.
    pub confusion_matrix: Option<ConfusionMatrix>,
    /// ROC curves: of the second of two classes, of each of more against the rest, of each label.
    pub roc: Vec<Roc>,
    /// Precision-recall curves of the same.
    pub precision_recall: Vec<PrecisionRecall>,
    /// Calibration curves of the same, where there are probabilities.
    pub calibration: Vec<Calibration>,
    /// Of amounts, the errors of each column of the target.
    pub residuals: Vec<Residuals>,
}

/// How often each class was predicted for each.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ConfusionMatrix {
    /// The classes, in the order of rows and columns.
    pub classes: Vec<Scalar>,
    /// A row for each true class: how often each class was predicted.
    pub counts: Vec<Vec<u64>>,
}

/// A ROC curve, by falling threshold.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Roc {
    /// The class, or the label's column.
    pub class: Scalar,
    /// The area under all of it.
    pub area: f64,
    /// The share of rows of other classes at each threshold or above.
    pub false_positive_rate: Vec<f64>,
    /// The share of the class's rows at each threshold or above.
    pub true_positive_rate: Vec<f64>,
    /// The thresholds; the first, where no row is, is null.
    #[schema(value_type = Vec<Option<f64>>)]
    pub thresholds: Vec<f64>,
}

/// A precision-recall curve, by rising threshold.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct PrecisionRecall {
    /// The class, or the label's column.
    pub class: Scalar,
    /// The mean precision over the steps of recall of all of it.
    pub average_precision: f64,
    /// The share of the class's rows among those at each threshold or above; the last is 1.
    pub precision: Vec<f64>,
    /// The share of the class's rows at each threshold or above; the last is 0.
    pub recall: Vec<f64>,
    /// The thresholds; the last, where no row is, is null.
    pub thresholds: Vec<Option<f64>>,
}

/// A calibration curve, a point for each bin that has rows.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Calibration {
    /// The class, or the label's column.
    pub class: Scalar,
    /// The mean probability of each bin.
    pub prob_pred: Vec<f64>,
    /// The share of the class's rows in each bin.
    pub prob_true: Vec<f64>,
}

/// The errors of a column of amounts: what it is less what was predicted.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Residuals {
    /// The column of the target.
    pub target: String,
    /// The errors as a column: mean, deviation, quantiles, histogram.
    pub distribution: ColumnDescription,
    /// Some rows, evenly spaced by their predictions, and of each what it is and what was predicted.
    pub points: Vec<ResidualPoint>,
}

/// A row's error.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ResidualPoint {
    /// The row of the dataset, from 0.
    pub row: u32,
    /// What it is.
    pub target: f64,
    /// What was predicted.
    pub prediction: f64,
}

/// What predictions look like, of these classes (of labels, the two words for not having and having
/// one) and these columns of the target.
pub fn curves(pooled: &Pooled, classes: &[Scalar], targets: &[String], detail: Detail) -> Curves {
    let mut found = Curves { n_rows: pooled.rows.len(), ..Curves::default() };
    match (&pooled.truth, &pooled.predicted) {
        (Truth::Classes(target), Predicted::Decisions { prediction, decision, n_values }) => {
            found.confusion_matrix = confusion(target, prediction, classes);
            let scores = Scores { values: decision, width: *n_values };
            of_classes(&mut found, target, &scores, classes, false, detail);
        }
        (
            Truth::Classes(target),
            Predicted::Probabilities { prediction, probabilities, n_classes },
        ) => {
            found.confusion_matrix = confusion(target, prediction, classes);
            let values: Vec<f64> = probabilities.iter().map(|p| f64::from(*p)).collect();
            let scores = Scores { values: &values, width: *n_classes };
            of_classes(&mut found, target, &scores, classes, true, detail);
        }
        (Truth::Values(target), Predicted::Labels { probabilities, n_labels }) => {
            let values: Vec<f64> = probabilities.iter().map(|p| f64::from(*p)).collect();
            let scores = Scores { values: &values, width: *n_labels };
            for (label, name) in targets.iter().enumerate() {
                let is: Vec<bool> =
                    target.iter().skip(label).step_by(*n_labels).map(|v| *v > 0.5).collect();
                found.add(Scalar::Text(name.clone()), &is, &scores.column(label), true, detail);
            }
        }
        (Truth::Values(target), Predicted::Values { values, n_outputs }) => {
            let of_output = |(output, name): (usize, &String)| {
                let target = target.iter().skip(output).step_by(*n_outputs).copied();
                let said = values.iter().skip(output).step_by(*n_outputs).map(|v| f64::from(*v));
                let pairs: Vec<(f64, f64)> = target.zip(said).collect();
                residuals(name, &pooled.rows, &pairs, detail.max_points)
            };
            found.residuals = targets.iter().enumerate().map(of_output).collect();
        }
        _ => {}
    }
    found
}

/// Scores of rows, `width` each.
struct Scores<'a> {
    values: &'a [f64],
    width: usize,
}

impl Scores<'_> {
    fn column(&self, index: usize) -> Vec<f64> {
        self.values.iter().skip(index).step_by(self.width.max(1)).copied().collect()
    }
}

fn of_classes(
    found: &mut Curves,
    target: &[u32],
    scores: &Scores<'_>,
    classes: &[Scalar],
    probable: bool,
    detail: Detail,
) {
    // Of two classes the second says it all.
    let first = usize::from(classes.len() == 2);
    for (class, name) in classes.iter().enumerate().skip(first) {
        let is: Vec<bool> = target.iter().map(|target| *target as usize == class).collect();
        let column = if scores.width == 1 { 0 } else { class };
        if column < scores.width {
            found.add(name.clone(), &is, &scores.column(column), probable, detail);
        }
    }
}

impl Curves {
    /// Adds the curves of one side against the rest, those that are defined.
    fn add(&mut self, class: Scalar, is: &[bool], score: &[f64], probable: bool, detail: Detail) {
        if let Some(curve) = roc_curve(is, score, None, true) {
            let (x, y) = (&curve.false_positive_rate, &curve.true_positive_rate);
            let area = trapezoids(x, y);
            let kept = thinned(x.len(), detail.max_points);
            self.roc.push(Roc {
                class: class.clone(),
                area,
                false_positive_rate: pick(x, &kept),
                true_positive_rate: pick(y, &kept),
                thresholds: pick(&curve.thresholds, &kept),
            });
        }
        let has_any = is.contains(&true);
        if let Some(curve) = precision_recall_curve(is, score, None).filter(|_| has_any) {
            let steps = curve.recall.windows(2).zip(&curve.precision);
            let average_precision = steps.map(|(pair, p)| (pair[0] - pair[1]) * p).sum();
            let kept = thinned(curve.recall.len(), detail.max_points);
            let thresholds: Vec<Option<f64>> =
                curve.thresholds.iter().map(|threshold| Some(*threshold)).chain([None]).collect();
            self.precision_recall.push(PrecisionRecall {
                class: class.clone(),
                average_precision,
                precision: pick(&curve.precision, &kept),
                recall: pick(&curve.recall, &kept),
                thresholds: pick(&thresholds, &kept),
            });
        }
        let Detail { n_bins, strategy, .. } = detail;
        let curve = if probable { calibration_curve(is, score, n_bins, strategy) } else { None };
        if let Some(curve) = curve {
            let (prob_pred, prob_true) = (curve.prob_pred, curve.prob_true);
            self.calibration.push(Calibration { class, prob_pred, prob_true });
        }
    }
}

fn confusion(target: &[u32], prediction: &[u32], classes: &[Scalar]) -> Option<ConfusionMatrix> {
    let n_classes = classes.len();
    let counts = confusion_matrix(target, prediction, n_classes, None)?;
    let row = |row: &[f64]| row.iter().map(|count| *count as u64).collect();
    let counts = counts.chunks_exact(n_classes.max(1)).map(row).collect();
    Some(ConfusionMatrix { classes: classes.to_vec(), counts })
}

fn residuals(name: &str, rows: &[u32], pairs: &[(f64, f64)], max_points: usize) -> Residuals {
    let errors: Vec<f64> = pairs.iter().map(|(target, said)| target - said).collect();
    let column = Column { name: name.to_owned(), values: Values::Numeric(errors.into()) };
    let mut described = describe(&Table::new(vec![column]));
    let mut order: Vec<usize> = (0..pairs.len()).collect();
    order.sort_by(|a, b| pairs[*a].1.total_cmp(&pairs[*b].1));
    let point = |at: usize| {
        let (target, prediction) = pairs[order[at]];
        ResidualPoint { row: rows[order[at]], target, prediction }
    };
    Residuals {
        target: name.to_owned(),
        distribution: described.remove(0).description,
        points: thinned(pairs.len(), max_points).into_iter().map(point).collect(),
    }
}

/// The area under points, by straight lines between them.
fn trapezoids(x: &[f64], y: &[f64]) -> f64 {
    x.windows(2).zip(y.windows(2)).map(|(x, y)| (x[1] - x[0]) * (y[1] + y[0]) / 2.0).sum()
}

/// At most `most` places of `n`, evenly spaced, the first and the last among them.
fn thinned(n: usize, most: usize) -> Vec<usize> {
    let most = most.max(2);
    match n {
        n if n <= most => (0..n).collect(),
        n => (0..most).map(|place| place * (n - 1) / (most - 1)).collect(),
    }
}

fn pick<T: Copy>(values: &[T], places: &[usize]) -> Vec<T> {
    places.iter().map(|place| values[*place]).collect()
}

#[cfg(test)]
mod tests;
