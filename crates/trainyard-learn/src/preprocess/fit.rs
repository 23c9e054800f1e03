//! What is found in training rows.

use serde::{Deserialize, Serialize};

use super::check::is_multiplied;
use super::encode::TrainingRows;
use super::fit_column::{FittedColumn, Kind, is_missing, known_moments};
use super::polynomial::Polynomial;
use super::report::{FitProblem, FitReport};
use super::spec::PreprocessSpec;
use super::treatment::Treatment;
use super::{MAX_FEATURES, transform::Training};
use crate::table::Column;

/// The target by which categories may be encoded, one value a row of the table.
#[derive(Clone, Copy, Debug)]
pub enum PreprocessTarget<'a> {
    /// Classes by their indices.
    Classes {
        /// The class of each row.
        classes: &'a [u32],
        /// How many classes there are.
        n_classes: usize,
    },
    /// Numbers.
    Values(&'a [f64]),
}

/// A preparation that was fitted: part of a model, and written with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preprocessor {
    pub(super) columns: Vec<FittedColumn>,
    pub(super) polynomial: Option<Polynomial>,
    /// The features that are kept, where some are not.
    pub(super) kept: Option<Vec<u32>>,
    pub(super) n_features: usize,
}

impl Preprocessor {
    /// Finds in the given rows of the columns, and in no others, what the spec asks for.
    ///
    /// The spec is expected to have passed [`PreprocessSpec::check`] for these columns. The seed
    /// is that of the folds by which training rows are encoded by a target.
    ///
    /// # Errors
    /// Where the rows do not hold what the spec needs; see [`FitProblem`].
    ///
    /// # Panics
    /// When a column or the target does not have such a row.
    pub fn fit(
        spec: &PreprocessSpec,
        columns: &[&Column],
        rows: &[u32],
        target: Option<PreprocessTarget<'_>>,
        seed: u32,
    ) -> Result<(Self, FitReport), FitProblem> {
        let (preprocessor, report, _) = Self::find(spec, columns, rows, target, seed)?;
        Ok((preprocessor, report))
    }

    /// [`fit`](Self::fit), and the features of the training rows: those that
    /// [`transform`](Self::transform) gives, except that a category encoded by the target is
    /// encoded by the folds of the training rows that the row is not in.
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    ///
    /// # Panics
    /// As [`fit`](Self::fit).
    pub fn fit_transform(
        spec: &PreprocessSpec,
        columns: &[&Column],
        rows: &[u32],
        target: Option<PreprocessTarget<'_>>,
        seed: u32,
    ) -> Result<(Self, FitReport, Vec<f64>), FitProblem> {
        let (preprocessor, report, training) =
            Self::fit_training(spec, columns, rows, target, seed)?;
        let mut features = vec![0.0; rows.len() * preprocessor.n_features];
        preprocessor.write(columns, rows, &training, &mut features);
        Ok((preprocessor, report, features))
    }

    /// [`fit`](Self::fit), and what [`transform_training`](Self::transform_training) needs to give
    /// the features of the training rows without having all of them in memory.
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    ///
    /// # Panics
    /// As [`fit`](Self::fit).
    pub fn fit_training(
        spec: &PreprocessSpec,
        columns: &[&Column],
        rows: &[u32],
        target: Option<PreprocessTarget<'_>>,
        seed: u32,
    ) -> Result<(Self, FitReport, Training), FitProblem> {
        let (preprocessor, report, mut training) = Self::find(spec, columns, rows, target, seed)?;
        if training.is_empty() {
            training = preprocessor.encode_training_rows(spec, columns, rows, target, seed);
        }
        Ok((preprocessor, report, training))
    }

    fn find(
        spec: &PreprocessSpec,
        columns: &[&Column],
        rows: &[u32],
        target: Option<PreprocessTarget<'_>>,
        seed: u32,
    ) -> Result<(Self, FitReport, Training), FitProblem> {
        if rows.is_empty() {
            return Err(FitProblem::NoRows);
        }
        let mut report = FitReport::default();
        let mut fitted = Vec::with_capacity(columns.len());
        let (mut factors, mut n_features) = (Vec::new(), 0_usize);
        let treatments: Vec<Treatment> =
            columns.iter().map(|c| spec.treatment(&c.name, c.values.column_type()).0).collect();
        let known = known_moments(columns, &treatments, rows);
        for ((column, treatment), known) in columns.iter().zip(treatments).zip(known) {
            let column_type = column.values.column_type();
            let found = FittedColumn::fit(column, &treatment, rows, target, known)?;
            column.values.let_go();
            if treatment != Treatment::Drop {
                if rows.iter().all(|&row| is_missing(&column.values, row as usize)) {
                    report.all_missing.push(column.name.clone());
                }
                if found.n_features() == 0 {
                    report.without_features.push(column.name.clone());
                }
            }
            if spec.polynomial.is_some() && is_multiplied(&treatment, column_type) {
                factors.push(n_features as u32);
            }
            n_features = n_features.saturating_add(found.n_features());
            fitted.push(found);
        }
        let polynomial = spec.polynomial.clone().map(|spec| Polynomial { spec, inputs: factors });
        if let Some(Polynomial { spec, inputs }) = &polynomial {
            let n_products = spec.n_products(inputs.len());
            n_features = (n_features - inputs.len()).saturating_add(n_products);
        }
        if n_features > MAX_FEATURES {
            return Err(FitProblem::TooManyFeatures { n_features });
        }
        let mut preprocessor = Self { columns: fitted, polynomial, kept: None, n_features };
        let mut training = Training::default();
        if let Some(threshold) = spec.variance_threshold {
            training = preprocessor.encode_training_rows(spec, columns, rows, target, seed);
            let varies = preprocessor.features_above(threshold, columns, rows, &training);
            if varies.len() < n_features {
                preprocessor.n_features = varies.len();
                preprocessor.kept = Some(varies);
            }
        }
        if preprocessor.n_features == 0 {
            return Err(FitProblem::NoFeatures);
        }
        Ok((preprocessor, report, training))
    }

    /// For each column that encodes its training rows in another way, what it encodes them as.
    fn encode_training_rows(
        &self,
        spec: &PreprocessSpec,
        columns: &[&Column],
        rows: &[u32],
        target: Option<PreprocessTarget<'_>>,
        seed: u32,
    ) -> Training {
        let encode = |(fitted, column): (&FittedColumn, &&Column)| -> Option<TrainingRows> {
            let Kind::Category(category) = &fitted.kind else { return None };
            let (treatment, _) = spec.treatment(&column.name, column.values.column_type());
            let Treatment::Category(spec) = treatment else { return None };
            category.fit_training_rows(&spec.encode, &column.values, rows, target, seed)
        };
        Training(self.columns.iter().zip(columns).map(encode).collect())
    }
}
