//! What is found in training rows.

use serde::{Deserialize, Serialize};

use super::check::is_multiplied;
use super::columns::Treatment;
use super::datetime::Moments;
use super::encode::{Category, TrainingRows};
use super::polynomial::Polynomial;
use super::report::{FitProblem, FitReport};
use super::scale::{ScaleSpec, Scaler};
use super::slots::{Element, Numbers, gather};
use super::spec::{NumericSpec, PreprocessSpec};
use super::text::Texts;
use super::{MAX_FEATURES, transform::Training};
use crate::table::{Column, ColumnType, Values};

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

/// One column, and what was found in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct FittedColumn {
    pub(super) name: String,
    pub(super) column_type: ColumnType,
    pub(super) kind: Kind,
    /// Whether the last feature says where values are missing.
    pub(super) indicator: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Dropped,
    Number {
        fill: Option<f64>,
        scaler: Scaler,
    },
    Category(Category),
    Moment(Moments),
    Text(Texts),
    /// A scaler for each number, or none.
    Tensor {
        width: usize,
        scalers: Vec<Scaler>,
    },
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
        let (preprocessor, report, mut training) = Self::find(spec, columns, rows, target, seed)?;
        if training.is_empty() {
            training = preprocessor.encode_training_rows(spec, columns, rows, target, seed);
        }
        let mut features = vec![0.0; rows.len() * preprocessor.n_features];
        preprocessor.write(columns, rows, &training, &mut features);
        Ok((preprocessor, report, features))
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
        for column in columns {
            let column_type = column.values.column_type();
            let (treatment, _) = spec.treatment(&column.name, column_type);
            let found = FittedColumn::fit(column, &treatment, rows, target)?;
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

impl FittedColumn {
    fn fit(
        column: &Column,
        treatment: &Treatment,
        rows: &[u32],
        target: Option<PreprocessTarget<'_>>,
    ) -> Result<Self, FitProblem> {
        let (name, values) = (&column.name, &column.values);
        let has_gap = || rows.iter().any(|&row| is_missing(values, row as usize));
        let mut indicator = false;
        let kind = match (treatment, values) {
            (Treatment::Number(spec), Values::Numeric(numbers)) => {
                indicator = spec.indicator && has_gap();
                number(spec, name, &numbers[..], rows)?
            }
            (Treatment::Number(spec), Values::Boolean(flags)) => {
                indicator = spec.indicator && has_gap();
                number(spec, name, &flags[..], rows)?
            }
            (Treatment::Category(spec), _) => {
                Kind::Category(Category::fit(spec, (name, values), rows, target)?)
            }
            (Treatment::Moment(spec), Values::Datetime(times)) => {
                indicator = spec.indicator && has_gap();
                Kind::Moment(Moments::fit(spec, (name, times), rows)?)
            }
            (Treatment::Text(spec), _) => Kind::Text(Texts::fit(spec, values, rows)),
            (Treatment::Tensor(spec), Values::Tensor { shape, values }) => {
                tensor(&spec.scale, name, (shape.iter().product(), values), rows)?
            }
            (Treatment::Passthrough, Values::Numeric(_) | Values::Boolean(_)) => {
                Kind::Number { fill: None, scaler: Scaler::None }
            }
            (Treatment::Passthrough, Values::Tensor { shape, .. }) => {
                Kind::Tensor { width: shape.iter().product(), scalers: Vec::new() }
            }
            // What a check refuses has no features.
            _ => Kind::Dropped,
        };
        Ok(Self { name: name.clone(), column_type: values.column_type(), kind, indicator })
    }

    pub(super) fn n_features(&self) -> usize {
        let n_features = match &self.kind {
            Kind::Dropped => 0,
            Kind::Number { .. } => 1,
            Kind::Category(category) => category.n_features(),
            Kind::Moment(moments) => moments.n_features(),
            Kind::Text(texts) => texts.n_features(),
            Kind::Tensor { width, .. } => *width,
        };
        n_features + usize::from(self.indicator)
    }

    pub(super) fn feature_names(&self) -> Vec<String> {
        let mut names = match &self.kind {
            Kind::Dropped => Vec::new(),
            Kind::Number { .. } => vec![self.name.clone()],
            Kind::Category(category) => category.feature_names(&self.name),
            Kind::Moment(moments) => moments.feature_names(&self.name),
            Kind::Text(texts) => texts.feature_names(&self.name),
            Kind::Tensor { width, .. } => {
                (0..*width).map(|place| format!("{}_{place}", self.name)).collect()
            }
        };
        if self.indicator {
            names.push(format!("missingindicator_{}", self.name));
        }
        names
    }
}

fn number(
    spec: &NumericSpec,
    name: &str,
    numbers: impl Numbers,
    rows: &[u32],
) -> Result<Kind, FitProblem> {
    let mut values = gather(numbers, rows);
    let fill = spec.impute.fit(&values);
    if fill.is_some_and(|fill| !fill.is_finite()) {
        return Err(FitProblem::TooLarge { column: name.to_owned() });
    }
    let scaler = match spec.scale.as_deref() {
        None | Some(ScaleSpec::None) => Scaler::None,
        Some(scale) => {
            if let Some(fill) = fill {
                values.iter_mut().filter(|x| x.is_nan()).for_each(|x| *x = fill);
            }
            scale.fit(&values, name)?
        }
    };
    Ok(Kind::Number { fill, scaler })
}

fn tensor(
    scale: &ScaleSpec,
    name: &str,
    (width, values): (usize, &[f32]),
    rows: &[u32],
) -> Result<Kind, FitProblem> {
    let fit = |index| scale.fit(&gather(Element { values, width, index }, rows), name);
    let scalers = match scale {
        ScaleSpec::None => Vec::new(),
        _ => (0..width).map(fit).collect::<Result<_, _>>()?,
    };
    Ok(Kind::Tensor { width, scalers })
}

/// Whether a row has no value.
pub(super) fn is_missing(values: &Values, row: usize) -> bool {
    match values {
        Values::Numeric(numbers) => numbers[row].is_nan(),
        Values::Boolean(flags) => flags[row].is_none(),
        Values::Categorical { codes, .. } => codes[row] == crate::table::MISSING_CODE,
        Values::Datetime(times) => times[row] == crate::table::MISSING_TIME,
        Values::Text(texts) => texts[row].is_none(),
        Values::Tensor { .. } => false,
    }
}
