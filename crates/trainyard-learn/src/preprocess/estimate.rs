//! What a preparation will come to, as far as can be said before rows are looked at.

use super::check::is_multiplied;
use super::encode::EncodeSpec;
use super::fit::Preprocessor;
use super::fit_column::Kind;
use super::impute::{CategoricalImpute, DatetimeImpute, NumericImpute};
use super::scale::ScaleSpec;
use super::spec::PreprocessSpec;
use super::treatment::Treatment;
use crate::table::ColumnType;

/// What is known of a column.
#[derive(Clone, Copy, Debug)]
pub struct ColumnFacts<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it holds.
    pub column_type: ColumnType,
    /// Distinct values.
    pub n_unique: usize,
    /// Whether some rows have no value.
    pub has_gaps: bool,
    /// Of a tensor, its numbers; else 1.
    pub width: usize,
}

impl PreprocessSpec {
    /// How many features the columns become, at most: training rows may lack a category. There are
    /// `n_classes` classes, or 0 of a target of numbers.
    pub fn most_features(&self, columns: &[ColumnFacts<'_>], n_classes: usize) -> usize {
        let (mut n_features, mut n_factors) = (0_usize, 0);
        for column in columns {
            let (treatment, _) = self.treatment(column.name, column.column_type);
            n_factors += usize::from(is_multiplied(&treatment, column.column_type));
            n_features = n_features.saturating_add(most_of(&treatment, column, n_classes));
        }
        match &self.polynomial {
            None => n_features,
            Some(spec) => (n_features - n_factors).saturating_add(spec.n_products(n_factors)),
        }
    }

    /// Whether missing values of the column stay missing, so that no model can learn from its rows.
    pub fn leaves_gaps(&self, column: &ColumnFacts<'_>) -> bool {
        column.has_gaps
            && match self.treatment(column.name, column.column_type).0 {
                Treatment::Drop | Treatment::Text(_) | Treatment::Tensor(_) => false,
                Treatment::Passthrough => true,
                Treatment::Number(spec) => matches!(*spec.impute, NumericImpute::None),
                Treatment::Category(spec) => {
                    matches!(*spec.impute, CategoricalImpute::None)
                        && matches!(*spec.encode, EncodeSpec::Ordinal)
                }
                Treatment::Moment(spec) => spec.impute == DatetimeImpute::None,
            }
    }

    /// Whether a category is encoded by the target, so that training rows are prepared in another
    /// way than others.
    pub fn encodes_by_target(&self, columns: &[ColumnFacts<'_>]) -> bool {
        columns.iter().any(|column| {
            let (treatment, _) = self.treatment(column.name, column.column_type);
            matches!(treatment, Treatment::Category(spec)
                if matches!(*spec.encode, EncodeSpec::Target(_)))
        })
    }

    /// Whether the features are the columns' own numbers, the same whatever the training rows are.
    pub fn keeps_numbers(&self, columns: &[ColumnFacts<'_>]) -> bool {
        self.polynomial.is_none()
            && self.variance_threshold.is_none()
            && columns.iter().all(|column| {
                !column.has_gaps
                    && match self.treatment(column.name, column.column_type).0 {
                        Treatment::Passthrough => column.column_type.is_number(),
                        Treatment::Number(spec) => {
                            matches!(spec.scale.as_deref(), None | Some(ScaleSpec::None))
                        }
                        _ => false,
                    }
            })
    }
}

impl Preprocessor {
    /// How many numbers each array of a column has; 1 of a column of another type.
    pub fn width(&self, column: usize) -> usize {
        match self.columns.get(column).map(|column| &column.kind) {
            Some(Kind::Tensor { width, .. }) => *width,
            _ => 1,
        }
    }

    /// Whether no feature is made of a column, because the spec drops it: its values are not looked
    /// at.
    pub fn is_dropped(&self, column: usize) -> bool {
        matches!(self.columns.get(column).map(|column| &column.kind), Some(Kind::Dropped))
    }
}

fn most_of(treatment: &Treatment, column: &ColumnFacts<'_>, n_classes: usize) -> usize {
    let with_indicator = |n: usize, indicator: bool| n + usize::from(indicator && column.has_gaps);
    match treatment {
        Treatment::Drop => 0,
        Treatment::Passthrough | Treatment::Tensor(_) => column.width,
        Treatment::Number(spec) => with_indicator(1, spec.indicator),
        Treatment::Category(spec) => match &*spec.encode {
            // A missing value, or one that stands for it, may be a category of its own.
            EncodeSpec::OneHot(_) => {
                let levels = column.n_unique + usize::from(column.has_gaps);
                spec.max_categories.map_or(levels, |most| levels.min(most as usize))
            }
            EncodeSpec::Target(_) if n_classes > 2 => n_classes,
            EncodeSpec::Hashing(spec) => spec.n_features as usize,
            EncodeSpec::Ordinal | EncodeSpec::Frequency | EncodeSpec::Target(_) => 1,
        },
        Treatment::Moment(spec) => {
            let a_part = 1 + usize::from(spec.cyclic);
            with_indicator(spec.parts.len() * a_part, spec.indicator)
        }
        Treatment::Text(spec) => spec.n_features as usize,
    }
}
