//! What a threshold should be best for.

use serde::{Deserialize, Serialize};

use super::{Confusion, ThresholdError};
use crate::metrics::{Scorer, score_of_two};

/// What the threshold of a classifier of two classes should be best for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ThresholdSpec {
    /// The highest value of a metric.
    Metric {
        /// The metric.
        metric: ThresholdMetric,
    },
    /// The lowest mean cost of a row.
    Cost(CostMatrix),
    /// The highest precision where the recall is at least so high; of equal precisions the one with
    /// the highest recall.
    PrecisionAtRecall {
        /// The least recall, from 0 to 1.
        #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 1))]
        recall: f64,
    },
    /// The highest recall where the precision is at least so high; of equal recalls the one with the
    /// highest precision.
    RecallAtPrecision {
        /// The least precision, from 0 to 1.
        #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 1))]
        precision: f64,
    },
}

/// A number of which more is better, read off the confusion matrix of two classes. A division by 0
/// counts 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ThresholdMetric {
    /// The share of right rows.
    Accuracy,
    /// The mean of both classes' recalls.
    BalancedAccuracy,
    /// The F1 score of the positive class.
    F1,
    /// The Jaccard index of the positive class.
    Jaccard,
    /// The correlation of target and prediction; 0 where all are predicted the same.
    MatthewsCorrcoef,
    /// The share of right rows among those predicted positive.
    Precision,
    /// The share of the positive rows that are found.
    Recall,
    /// Agreement beyond what chance would give.
    CohenKappa,
    /// Youden's J: the recalls of both classes less 1, which is how far the ROC curve is above the
    /// diagonal.
    Youden,
}

/// What a row costs, by what it is and what it is predicted to be. A gain is a cost below 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CostMatrix {
    /// Of a negative row that is predicted positive.
    pub false_positive: f64,
    /// Of a positive row that is predicted negative.
    pub false_negative: f64,
    /// Of a positive row that is predicted so.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(default = 0.0))]
    pub true_positive: f64,
    /// Of a negative row that is predicted so.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(default = 0.0))]
    pub true_negative: f64,
}

impl ThresholdSpec {
    /// The number that it asks for: the metric, the mean cost, the precision or the recall.
    pub fn value(&self, confusion: &Confusion) -> f64 {
        match self {
            Self::Metric { metric } => metric.value(confusion),
            Self::Cost(costs) => costs.mean(confusion),
            Self::PrecisionAtRecall { .. } => ThresholdMetric::Precision.value(confusion),
            Self::RecallAtPrecision { .. } => ThresholdMetric::Recall.value(confusion),
        }
    }

    /// What decides between thresholds, more being better: its number, and the next one where that
    /// is equal. `None` for a threshold that it does not allow.
    pub(super) fn rank(&self, confusion: &Confusion) -> Option<(f64, f64)> {
        let value = self.value(confusion);
        match self {
            Self::Metric { .. } => Some((value, 0.0)),
            Self::Cost(_) => Some((-value, 0.0)),
            Self::PrecisionAtRecall { recall: least } => {
                let recall = ThresholdMetric::Recall.value(confusion);
                (recall >= *least).then_some((value, recall))
            }
            Self::RecallAtPrecision { precision: least } => {
                let precision = ThresholdMetric::Precision.value(confusion);
                (precision >= *least).then_some((value, precision))
            }
        }
    }

    /// What is wrong with it by itself.
    pub(super) fn check(&self) -> Result<(), ThresholdError> {
        let is_share = |share: f64| (0.0..=1.0).contains(&share);
        match *self {
            Self::Metric { .. } => Ok(()),
            Self::Cost(costs) if costs.are_finite() => Ok(()),
            Self::Cost(_) => Err(ThresholdError::Cost),
            Self::PrecisionAtRecall { recall: share }
            | Self::RecallAtPrecision { precision: share } => {
                if is_share(share) {
                    Ok(())
                } else {
                    Err(ThresholdError::Share(share))
                }
            }
        }
    }
}

impl ThresholdMetric {
    /// The metric of a confusion matrix.
    pub fn value(self, confusion: &Confusion) -> f64 {
        let Confusion { true_negative, false_positive, false_negative, true_positive } = *confusion;
        let matrix = [[true_negative, false_positive], [false_negative, true_positive]];
        let score = |scorer| score_of_two(scorer, matrix).unwrap_or(0.0);
        match self {
            Self::Accuracy => score(Scorer::Accuracy),
            Self::BalancedAccuracy => score(Scorer::BalancedAccuracy),
            Self::F1 => score(Scorer::F1),
            Self::Jaccard => score(Scorer::Jaccard),
            Self::MatthewsCorrcoef => score(Scorer::MatthewsCorrcoef),
            Self::Precision => score(Scorer::Precision),
            Self::Recall => score(Scorer::Recall),
            Self::CohenKappa => score(Scorer::CohenKappa),
            Self::Youden => 2.0 * score(Scorer::BalancedAccuracy) - 1.0,
        }
    }
}

impl CostMatrix {
    /// The mean cost of a row.
    pub fn mean(&self, confusion: &Confusion) -> f64 {
        let of = [
            (confusion.false_positive, self.false_positive),
            (confusion.false_negative, self.false_negative),
            (confusion.true_positive, self.true_positive),
            (confusion.true_negative, self.true_negative),
        ];
        let total: f64 = of.iter().map(|(weight, _)| weight).sum();
        of.iter().map(|(weight, cost)| weight / total * cost).sum()
    }

    fn are_finite(&self) -> bool {
        [self.false_positive, self.false_negative, self.true_positive, self.true_negative]
            .iter()
            .all(|cost| cost.is_finite())
    }
}
