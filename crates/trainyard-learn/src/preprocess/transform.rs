//! Rows of columns as rows of features.
//!
//! The matrix is row-major and the columns are not, so rows are taken in blocks that stay in a
//! core's cache, and each column writes its features of a block at once: what a column is, is asked
//! once a block, and not once a value.

use std::convert::Infallible;

use super::encode::{Finder, TrainingRows};
use super::fit::Preprocessor;
use super::fit_column::{FittedColumn, Kind, is_missing};
use super::polynomial::Polynomial;
use super::report::{Report, Rows, Unseen};
use super::scale::StandardScaler;
use super::slots::{Element, Met, Slots, Tally, each};
use super::variance::Spread;
use crate::table::{Column, ColumnType, Values};

/// What columns encode training rows as, for those that encode them in another way; empty where
/// the rows are no training rows.
#[derive(Debug, Default)]
pub struct Training(pub(super) Vec<Option<TrainingRows>>);

impl Training {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The numbers of a block of rows, about what half a core's second cache holds.
const BLOCK_VALUES: usize = 1 << 15;

impl Preprocessor {
    /// The columns that it was fitted on, and that it takes, in this order.
    pub fn columns(&self) -> impl Iterator<Item = (&str, ColumnType)> {
        self.columns.iter().map(|column| (column.name.as_str(), column.column_type))
    }

    /// The names of those whose values it looks at: all that are not dropped.
    pub fn inputs(&self) -> impl Iterator<Item = &str> {
        let is_used = |column: &&FittedColumn| !matches!(column.kind, Kind::Dropped);
        self.columns.iter().filter(is_used).map(|column| column.name.as_str())
    }

    /// The names of those that miss no value in any training row, and whose missing ones have something
    /// that stands for them all the same.
    pub fn whole_inputs(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().filter(|column| column.is_whole).map(|column| column.name.as_str())
    }

    /// The rows whose missing values something stands for though no training row missed one, of columns
    /// as [`transform`](Self::transform) takes them.
    pub fn imputed(&self, columns: &[&Column]) -> Vec<Rows> {
        let whole = self.columns.iter().zip(columns).filter(|(fitted, _)| fitted.is_whole);
        let rows = |(fitted, column): (&FittedColumn, &&Column)| {
            let missing = (0..column.values.len()).filter(|row| is_missing(&column.values, *row));
            let mut met = Met::default();
            missing.for_each(|row| met.add(row as u32));
            let Met { count, first_row } = met;
            (count > 0).then(|| Rows { column: fitted.name.clone(), count, first_row })
        };
        whole.filter_map(rows).collect()
    }

    /// How many features a row has.
    pub fn n_features(&self) -> usize {
        self.n_features
    }

    /// The names of the features, scikit-learn's where it has such.
    pub fn feature_names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.columns.iter().flat_map(FittedColumn::feature_names).collect();
        if let Some(Polynomial { spec, inputs }) = &self.polynomial {
            let factors: Vec<String> = inputs.iter().map(|i| names[*i as usize].clone()).collect();
            let others = others(names.len(), inputs).map(|i| names[i].clone());
            names = spec.products(inputs.len()).names(&factors).into_iter().chain(others).collect();
        }
        match &self.kept {
            Some(kept) => kept.iter().map(|i| names[*i as usize].clone()).collect(),
            None => names,
        }
    }

    /// The same as one scaler of [`Table::matrix`](crate::table::Table::matrix), if every column is
    /// one of numbers or booleans whose only feature is (x − center) / scale: where no value is
    /// missing, it gives the same bits from a matrix that many folds share.
    pub fn as_scaler(&self) -> Option<StandardScaler> {
        if self.polynomial.is_some() || self.kept.is_some() {
            return None;
        }
        let line = |column: &FittedColumn| match &column.kind {
            Kind::Number { scaler, .. } if !column.indicator => scaler.line(),
            _ => None,
        };
        let lines: Option<Vec<(f64, f64)>> = self.columns.iter().map(line).collect();
        let (mean, scale) = lines?.into_iter().unzip();
        Some(StandardScaler { mean, scale })
    }

    /// Writes the features of the given rows, row-major, rows × features, and says what has no
    /// proper number.
    ///
    /// The columns are those of [`columns`](Self::columns), in their order, with types and shapes
    /// as they were; the categories of a column may be others. Of a column that is
    /// [dropped](Self::is_dropped), nothing is looked at.
    ///
    /// # Panics
    /// When a column does not have such a row or is of another type, or `out` has not rows ×
    /// features places.
    pub fn transform(&self, columns: &[&Column], rows: &[u32], out: &mut [f64]) -> Report {
        self.write(columns, rows, &Training::default(), out)
    }

    pub(super) fn write(
        &self,
        columns: &[&Column],
        rows: &[u32],
        training: &Training,
        out: &mut [f64],
    ) -> Report {
        assert_eq!(out.len(), rows.len() * self.n_features, "a place for every feature");
        let mut writer = Writer::new(self, columns, rows.len());
        for (number, rows) in rows.chunks(writer.block).enumerate() {
            let start = number * writer.block;
            let out = &mut out[start * self.n_features..(start + rows.len()) * self.n_features];
            writer.write(rows, (training, start), out);
        }
        self.report(writer.tallies)
    }

    /// Hands on the features of the training rows, some rows at a time.
    ///
    /// # Errors
    /// What `take` says.
    ///
    /// # Panics
    /// As [`transform`](Self::transform).
    pub fn transform_training<E>(
        &self,
        columns: &[&Column],
        rows: &[u32],
        training: &Training,
        mut take: impl FnMut(&[f64]) -> Result<(), E>,
    ) -> Result<Report, E> {
        let mut writer = Writer::new(self, columns, rows.len());
        let mut features = vec![0.0; writer.block.min(rows.len()) * self.n_features];
        for (number, rows) in rows.chunks(writer.block).enumerate() {
            let features = &mut features[..rows.len() * self.n_features];
            writer.write(rows, (training, number * writer.block), features);
            take(features)?;
        }
        Ok(self.report(writer.tallies))
    }

    /// The places of the features whose variance over the training rows is above the threshold.
    ///
    /// Means and squares are carried along row by row (Welford 1962); a constant feature is one
    /// whose values are all the same, whatever rounding makes of its variance.
    pub(super) fn features_above(
        &self,
        threshold: f64,
        columns: &[&Column],
        rows: &[u32],
        training: &Training,
    ) -> Vec<u32> {
        let mut found = vec![Spread::default(); self.n_features];
        let Ok(_) = self.transform_training(columns, rows, training, |features| {
            for row in features.chunks_exact(self.n_features.max(1)) {
                found.iter_mut().zip(row).for_each(|(spread, value)| spread.add(*value));
            }
            Ok::<_, Infallible>(())
        });
        let varies = (0..).zip(found).filter(|(_, spread)| spread.is_above(threshold));
        varies.map(|(place, _)| place).collect()
    }

    fn report(&self, tallies: Vec<Tally>) -> Report {
        let mut report = Report::default();
        for (fitted, tally) in self.columns.iter().zip(tallies) {
            let column = &fitted.name;
            let rows = |met: Met| Rows {
                column: column.clone(),
                count: met.count,
                first_row: met.first_row,
            };
            if tally.missing.count > 0 {
                report.missing.push(rows(tally.missing));
            }
            if tally.not_finite.count > 0 {
                report.not_finite.push(rows(tally.not_finite));
            }
            if tally.unseen.count > 0 {
                report.unseen.push(Unseen {
                    column: column.clone(),
                    count: tally.unseen.count,
                    first_row: tally.unseen.first_row,
                    first_value: tally.unseen_value.unwrap_or_default(),
                    is_refused: matches!(&fitted.kind, Kind::Category(c) if c.refuses_unseen()),
                });
            }
        }
        report
    }
}

/// What blocks of rows are written with, one after the other.
struct Writer<'a> {
    preprocessor: &'a Preprocessor,
    columns: &'a [&'a Column],
    finders: Vec<Option<Finder<'a>>>,
    tallies: Vec<Tally>,
    arrange: Arrange<'a>,
    /// Features of a row before they are arranged.
    width: usize,
    /// Those of a block of rows, where they have to be.
    wide: Vec<f64>,
    /// Rows that are written at once.
    block: usize,
}

impl<'a> Writer<'a> {
    fn new(preprocessor: &'a Preprocessor, columns: &'a [&'a Column], n_rows: usize) -> Self {
        let fitted = &preprocessor.columns;
        assert_eq!(columns.len(), fitted.len(), "as many columns as it was fitted on");
        let width: usize = fitted.iter().map(FittedColumn::n_features).sum();
        let finder = |(fitted, column): (&'a FittedColumn, &&'a Column)| match &fitted.kind {
            Kind::Category(category) => Some(category.finder(&column.values, n_rows)),
            _ => None,
        };
        let finders = fitted.iter().zip(columns).map(finder).collect();
        let tallies = vec![Tally::default(); columns.len()];
        let block = (BLOCK_VALUES / width.max(1)).clamp(1, 4096);
        let arrange = Arrange::of(preprocessor, width);
        let wide = vec![0.0; if arrange.is_identity() { 0 } else { block * width }];
        Self { preprocessor, columns, finders, tallies, arrange, width, wide, block }
    }

    /// Writes a block that begins so many rows after the first.
    fn write(&mut self, rows: &[u32], (training, start): (&Training, usize), out: &mut [f64]) {
        let Self { preprocessor, arrange, width, wide, .. } = self;
        let target =
            if arrange.is_identity() { &mut *out } else { &mut wide[..rows.len() * *width] };
        let mut first = 0;
        for (i, (fitted, column)) in preprocessor.columns.iter().zip(self.columns).enumerate() {
            let mut slots = Slots { values: target, stride: *width, first };
            let known = training.0.get(i).and_then(Option::as_ref).map(|rows| (rows, start));
            let source = (&column.values, self.finders[i].as_ref());
            fitted.write(source, rows, known, &mut slots, &mut self.tallies[i]);
            first += fitted.n_features();
        }
        if !arrange.is_identity() {
            let n_features = preprocessor.n_features;
            let pairs = wide.chunks_exact((*width).max(1)).zip(out.chunks_exact_mut(n_features));
            pairs.for_each(|(wide, out)| arrange.row(wide, out));
        }
    }
}

impl FittedColumn {
    /// Writes the column's features of a block of rows.
    fn write(
        &self,
        (values, finder): (&Values, Option<&Finder<'_>>),
        rows: &[u32],
        training: Option<(&TrainingRows, usize)>,
        out: &mut Slots<'_>,
        tally: &mut Tally,
    ) {
        match (&self.kind, values) {
            (Kind::Dropped, _) => {}
            (Kind::Number { fill, scaler }, Values::Numeric(numbers)) => {
                scaler.write(&numbers[..], rows, fill.unwrap_or(f64::NAN), out, tally);
            }
            (Kind::Number { fill, scaler }, Values::Boolean(flags)) => {
                scaler.write(&flags[..], rows, fill.unwrap_or(f64::NAN), out, tally);
            }
            (Kind::Category(category), _) => {
                let Some(finder) = finder else { return };
                category.write((values, finder), rows, training, out, tally);
            }
            (Kind::Moment(moments), Values::Datetime(times)) => {
                moments.write(times, rows, out, tally);
            }
            (Kind::Text(texts), _) => texts.write(values, rows, out),
            (Kind::Tensor { width, scalers }, Values::Tensor { values, .. }) => {
                for index in 0..*width {
                    let element = Element { values, width: *width, index };
                    let mut out = out.skip(index);
                    match scalers.get(index) {
                        Some(scaler) => scaler.write(element, rows, f64::NAN, &mut out, tally),
                        None => each(element, rows, f64::NAN, &mut out, tally, |x| x),
                    }
                }
            }
            _ => panic!("column {:?} is not of the type that it was fitted on", self.name),
        }
        if self.indicator {
            let mut last = out.skip(self.n_features() - 1);
            for (out, &row) in last.rows().zip(rows) {
                out[0] = f64::from(u8::from(is_missing(values, row as usize)));
            }
        }
    }
}

/// How the features of the columns become those of the matrix.
struct Arrange<'a> {
    products: Option<(super::polynomial::Products, &'a Polynomial)>,
    others: Vec<usize>,
    kept: Option<&'a [u32]>,
}

impl<'a> Arrange<'a> {
    fn of(preprocessor: &'a Preprocessor, width: usize) -> Self {
        let polynomial = preprocessor.polynomial.as_ref();
        let inputs = polynomial.map_or(&[][..], |polynomial| &polynomial.inputs);
        Self {
            products: polynomial.map(|p| (p.spec.products(p.inputs.len()), p)),
            others: others(width, inputs).collect(),
            kept: preprocessor.kept.as_deref(),
        }
    }

    fn is_identity(&self) -> bool {
        self.products.is_none() && self.kept.is_none()
    }

    fn row(&self, wide: &[f64], out: &mut [f64]) {
        let Some((products, polynomial)) = &self.products else {
            return self.keep(wide, out);
        };
        let factors: Vec<f64> = polynomial.inputs.iter().map(|i| wide[*i as usize]).collect();
        let n_products = polynomial.spec.n_products(factors.len());
        if self.kept.is_none() {
            products.write(&factors, &mut out[..n_products]);
            let others = self.others.iter().map(|i| wide[*i]);
            out[n_products..].iter_mut().zip(others).for_each(|(out, value)| *out = value);
        } else {
            let mut all = vec![0.0; n_products];
            products.write(&factors, &mut all);
            all.extend(self.others.iter().map(|i| wide[*i]));
            self.keep(&all, out);
        }
    }

    fn keep(&self, all: &[f64], out: &mut [f64]) {
        let kept = self.kept.unwrap_or_default();
        out.iter_mut().zip(kept).for_each(|(out, place)| *out = all[*place as usize]);
    }
}

/// The features that are no factors.
fn others(width: usize, inputs: &[u32]) -> impl Iterator<Item = usize> {
    (0..width).filter(move |place| inputs.binary_search(&(*place as u32)).is_err())
}
