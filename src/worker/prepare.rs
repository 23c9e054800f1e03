//! A job's data, ready to train on; made once for all its tasks.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use ndarray::Array2;
use trainyard_learn::losses::TargetKind;
use trainyard_learn::model::Truth;
use trainyard_learn::preprocess::{
    ColumnFacts, FitProblem, PreprocessTarget, Preprocessor, Report, TargetTransform,
};
use trainyard_learn::scalar::Scalar;
use trainyard_learn::splits::{Folds, NEVER_TESTED, SplitRows, SplitSpec};
use trainyard_learn::table::{Column, MISSING_TIME, Table, Values};
use trainyard_learn::training::Target;

use crate::domain::dataset::Warning;
use crate::domain::spec::ModelSpec;
use crate::domain::suggest::shown;
use crate::scratch::{Matrix, Scratch};
use crate::store::tasks::JobContext;

/// A job's data, ready to train on.
#[derive(Debug)]
pub(super) struct Prepared {
    table: Arc<Table>,
    scratch: Scratch,
    /// The places of the features' columns in the table.
    features: Vec<usize>,
    /// What networks take of columns that are features as they are, whatever the training rows.
    as_they_are: Option<Arc<Matrix>>,
    /// What each row really is.
    pub(super) truth: Truth,
    /// The same in single precision, where it holds values.
    values: Vec<f32>,
    n_outputs: usize,
    n_classes: usize,
    /// How much each row counts, if not all alike.
    pub(super) weights: Option<Vec<f32>>,
    /// How much each row counts in the scores, if not all alike.
    scoring_weights: Option<Vec<f64>>,
    pub(super) folds: Option<Folds>,
    /// What the user should know of how the rows are split.
    pub(super) warnings: Vec<Warning>,
}

/// Rows as a network takes them, and which of them are meant.
pub(super) struct Batch {
    pub(super) x: Arc<Matrix>,
    pub(super) rows: Vec<u32>,
}

/// Why data cannot be prepared.
#[derive(Debug)]
pub(super) enum Unprepared {
    /// The table has not got what the job asks for.
    Changed,
    /// Its rows do not hold what the spec needs.
    Fit(FitProblem),
    /// The room for it cannot be had.
    Scratch(io::Error),
}

impl From<FitProblem> for Unprepared {
    fn from(problem: FitProblem) -> Self {
        Self::Fit(problem)
    }
}

impl From<io::Error> for Unprepared {
    fn from(error: io::Error) -> Self {
        Self::Scratch(error)
    }
}

/// Rows are prepared in double precision so many at a time.
const BLOCK_ROWS: usize = 1024;

/// So many numbers are taken from a table that lies in a file before its pages are given back.
const LOOKED_AT: usize = 8 << 20;

impl Prepared {
    /// Takes from the table what the job asks for.
    pub(super) fn new(
        job: &JobContext,
        table: Arc<Table>,
        scratch: Scratch,
    ) -> Result<Self, Unprepared> {
        let spec = &job.spec;
        let names = spec.target.names();
        let is_classes = matches!(job.target_kind(), TargetKind::Classes { .. });
        let (truth, values) = if !is_classes {
            let values =
                table.matrix(names).ok_or(Unprepared::Changed)?.into_raw_vec_and_offset().0;
            let singles = values.iter().map(|value| *value as f32).collect();
            (Truth::Values(values), singles)
        } else {
            let labels: Vec<String> = job.classes.iter().map(Scalar::text).collect();
            let classes = names.first().and_then(|name| table.class_indices(name, &labels));
            (Truth::Classes(classes.ok_or(Unprepared::Changed)?), Vec::new())
        };
        let column = |name: &Option<String>| match name {
            None => Ok(None),
            Some(name) => {
                let column = table.matrix(std::slice::from_ref(name)).ok_or(Unprepared::Changed)?;
                Ok::<_, Unprepared>(Some(column.into_raw_vec_and_offset().0))
            }
        };
        let weights = column(&spec.sample_weight)?;
        let weights = weights.map(|all| all.into_iter().map(|weight| weight as f32).collect());
        let scoring_weights = column(&spec.scoring_weight)?;
        let place = |name: &String| table.columns().iter().position(|column| column.name == *name);
        let features: Option<Vec<usize>> = spec.features.iter().map(place).collect();
        let features = features.ok_or(Unprepared::Changed)?;
        let is_network = !matches!(spec.model, ModelSpec::Perceptron(_));
        let as_they_are = if is_network && keeps_numbers(job, &table, &features) {
            Some(Arc::new(as_they_are(&table, &features, &scratch)?))
        } else {
            None
        };
        let classes = match &truth {
            Truth::Classes(classes) => Some(classes.as_slice()),
            Truth::Values(_) => None,
        };
        let folds = spec.cv.as_ref().map(|cv| folds(cv, &table, classes)).transpose()?;
        let warnings = spec.cv.as_ref().map_or(Vec::new(), |cv| not_in_order(cv, &table));
        table.let_go();
        Ok(Self {
            scratch,
            features,
            as_they_are,
            truth,
            values,
            n_outputs: names.len(),
            n_classes: job.classes.len(),
            weights,
            scoring_weights,
            folds,
            warnings,
            table,
        })
    }

    pub(super) fn n_rows(&self) -> usize {
        self.table.n_rows()
    }

    /// Bytes of memory that it takes, its table included.
    pub(super) fn n_bytes(&self) -> usize {
        let truth = match &self.truth {
            Truth::Classes(classes) => size_of_val(&**classes),
            Truth::Values(values) => size_of_val(&**values),
        };
        let matrix = match self.as_they_are.as_deref() {
            Some(Matrix::Memory(values)) => size_of_val(&**values),
            Some(Matrix::Stored(_)) | None => 0,
        };
        let weights = self.weights.as_ref().map_or(0, |weights| size_of_val(&**weights));
        let scoring = self.scoring_weights.as_ref().map_or(0, |weights| size_of_val(&**weights));
        let folds = self.folds.as_ref().map_or(0, Folds::n_bytes);
        let values = size_of_val(&*self.values);
        self.table.size_bytes() + truth + matrix + values + weights + scoring + folds
    }

    /// Finds how to prepare columns in these rows. What is needed for predictions alone is left out
    /// where it changes no feature, unless it is `kept`.
    pub(super) fn preprocessor(
        &self,
        job: &JobContext,
        rows: &[u32],
        kept: bool,
    ) -> Result<Option<Preprocessor>, FitProblem> {
        if self.as_they_are.is_some() && !kept {
            return Ok(None);
        }
        let (spec, seed) = (&job.spec.preprocess, job.spec.random_state);
        let found = Preprocessor::fit(spec, &self.columns(), rows, self.target(), seed)?;
        Ok(Some(found.0))
    }

    /// The rank of each of these rows' value in a column, among theirs and without gaps.
    pub(super) fn ranks(&self, name: &str, rows: &[u32]) -> Result<Vec<u32>, Unprepared> {
        let all = self.table.ranks(name).ok_or(Unprepared::Changed)?;
        let ranks: Vec<u32> = rows.iter().map(|row| all[*row as usize]).collect();
        Ok(dense(&ranks))
    }

    fn columns(&self) -> Vec<&Column> {
        self.features.iter().map(|place| &self.table.columns()[*place]).collect()
    }

    fn target(&self) -> Option<PreprocessTarget<'_>> {
        match &self.truth {
            Truth::Classes(classes) => {
                Some(PreprocessTarget::Classes { classes, n_classes: self.n_classes })
            }
            // Which of several values a category should be encoded by, nobody said.
            Truth::Values(values) if self.n_outputs == 1 => Some(PreprocessTarget::Values(values)),
            Truth::Values(_) => None,
        }
    }

    /// The features of the named rows in double precision, and what had no proper number.
    pub(super) fn double(
        &self,
        preprocessor: Option<&Preprocessor>,
        rows: &[u32],
    ) -> (Array2<f64>, Report) {
        let Some(preprocessor) = preprocessor else {
            return (Array2::zeros((0, 0)), Report::default());
        };
        let mut x = Array2::zeros((rows.len(), preprocessor.n_features()));
        let report = match x.as_slice_mut() {
            Some(out) => preprocessor.transform(&self.columns(), rows, out),
            None => Report::default(),
        };
        (x, report)
    }

    /// The features of the named rows as a network takes them: where they are, or prepared; and
    /// what had no proper number.
    pub(super) fn single(
        &self,
        preprocessor: Option<&Preprocessor>,
        rows: &[u32],
    ) -> io::Result<(Batch, Report)> {
        let mut report = Report::default();
        if let Some(x) = &self.as_they_are {
            return Ok((Batch { x: Arc::clone(x), rows: rows.to_vec() }, report));
        }
        let n_features = preprocessor.map_or(0, Preprocessor::n_features);
        let mut x = self.scratch.matrix(rows.len() * n_features)?;
        if let Some(preprocessor) = preprocessor {
            let columns = self.columns();
            let mut block = vec![0.0; BLOCK_ROWS.min(rows.len()) * n_features];
            let mut looked_at = 0;
            for rows in rows.chunks(BLOCK_ROWS) {
                let block = &mut block[..rows.len() * n_features];
                report.absorb(preprocessor.transform(&columns, rows, block));
                x.extend(block.iter().map(|value| *value as f32))?;
                looked_at += rows.len() * columns.len();
                if looked_at > LOOKED_AT {
                    self.table.let_go();
                    looked_at = 0;
                }
            }
            self.table.let_go();
        }
        let rows = (0..rows.len() as u32).collect();
        Ok((Batch { x: Arc::new(x.finish()?), rows }, report))
    }

    /// The same for training rows, which a category encoded by the target sees in another way.
    pub(super) fn fit_single(
        &self,
        job: &JobContext,
        rows: &[u32],
        kept: bool,
    ) -> Result<(Option<Preprocessor>, Batch), Unprepared> {
        if !self.encodes_by_target(job) {
            let preprocessor = self.preprocessor(job, rows, kept)?;
            let (batch, _) = self.single(preprocessor.as_ref(), rows)?;
            return Ok((preprocessor, batch));
        }
        let (spec, seed) = (&job.spec.preprocess, job.spec.random_state);
        let columns = self.columns();
        let (preprocessor, _, training) =
            Preprocessor::fit_training(spec, &columns, rows, self.target(), seed)?;
        let mut x = self.scratch.matrix(rows.len() * preprocessor.n_features())?;
        let mut looked_at = 0;
        preprocessor.transform_training(&columns, rows, &training, |features| {
            looked_at += features.len();
            if looked_at > LOOKED_AT {
                self.table.let_go();
                looked_at = 0;
            }
            x.extend(features.iter().map(|value| *value as f32))
        })?;
        self.table.let_go();
        let batch = Batch { x: Arc::new(x.finish()?), rows: (0..rows.len() as u32).collect() };
        Ok((Some(preprocessor), batch))
    }

    /// The preparation that these rows give, and their features in double precision.
    pub(super) fn fit_double(
        &self,
        job: &JobContext,
        rows: &[u32],
    ) -> Result<(Preprocessor, Array2<f64>), FitProblem> {
        let (preprocessor, x) = self.fit_transform(job, rows)?;
        let shape = (rows.len(), preprocessor.n_features());
        let x = Array2::from_shape_vec(shape, x).map_err(|_| FitProblem::NoFeatures)?;
        Ok((preprocessor, x))
    }

    fn fit_transform(
        &self,
        job: &JobContext,
        rows: &[u32],
    ) -> Result<(Preprocessor, Vec<f64>), FitProblem> {
        let (spec, seed) = (&job.spec.preprocess, job.spec.random_state);
        let (preprocessor, _, x) =
            Preprocessor::fit_transform(spec, &self.columns(), rows, self.target(), seed)?;
        Ok((preprocessor, x))
    }

    fn encodes_by_target(&self, job: &JobContext) -> bool {
        job.spec.preprocess.encodes_by_target(&facts(&self.table, &self.features))
    }

    /// What the named rows really are.
    pub(super) fn truth_of(&self, rows: &[u32]) -> Truth {
        match &self.truth {
            Truth::Classes(classes) => {
                Truth::Classes(rows.iter().map(|row| classes[*row as usize]).collect())
            }
            Truth::Values(values) => Truth::Values(pick(values, rows, self.n_outputs)),
        }
    }

    /// How much the named rows count in the scores, if not all alike.
    pub(super) fn scoring_weights_of(&self, rows: &[u32]) -> Option<Vec<f64>> {
        Some(pick(self.scoring_weights.as_deref()?, rows, 1))
    }

    /// How these rows' amounts are transformed before they are learned, if they are.
    pub(super) fn target_transform(
        &self,
        job: &JobContext,
        rows: &[u32],
    ) -> Result<Option<TargetTransform>, FitProblem> {
        match &self.truth {
            Truth::Classes(_) => Ok(None),
            Truth::Values(values) => {
                job.spec.target_transform.fit(values, job.spec.target.names(), rows)
            }
        }
    }

    /// What the named rows should give, as a network takes it, in the order of a [`Batch`].
    pub(super) fn examples(
        &self,
        rows: &[u32],
        transform: Option<&TargetTransform>,
    ) -> Examples<'_> {
        let in_place = self.as_they_are.is_some();
        let n_outputs = self.n_outputs;
        let target = match &self.truth {
            Truth::Values(values) if let Some(transform) = transform => {
                let values = if in_place {
                    transform.transform(values.iter().copied())
                } else {
                    transform.transform(pick(values, rows, n_outputs).into_iter())
                };
                Owned::Values(values.into(), n_outputs)
            }
            Truth::Classes(classes) if in_place => Owned::Classes(classes.into()),
            Truth::Classes(classes) => {
                Owned::Classes(rows.iter().map(|row| classes[*row as usize]).collect())
            }
            Truth::Values(_) if in_place => Owned::Values((&self.values).into(), n_outputs),
            Truth::Values(_) => {
                Owned::Values(pick(&self.values, rows, n_outputs).into(), n_outputs)
            }
        };
        let weights = self
            .weights
            .as_ref()
            .map(|weights| if in_place { weights.into() } else { pick(weights, rows, 1).into() });
        Examples { target, weights }
    }
}

/// Splits the rows, by the columns that the split names.
fn folds(cv: &SplitSpec, table: &Table, classes: Option<&[u32]>) -> Result<Folds, Unprepared> {
    let ranks = |name| table.ranks(name).ok_or(Unprepared::Changed);
    let mut groups = cv.group_column().map(ranks).transpose()?;
    if let (SplitSpec::Predefined { test_fold }, Some(folds)) = (cv, &mut groups) {
        let Some(Values::Numeric(values)) = table.column(test_fold).map(|column| &column.values)
        else {
            return Err(Unprepared::Changed);
        };
        // Rows that no fold tests have the least of all values.
        if values.contains(&-1.0) {
            folds.iter_mut().for_each(|fold| *fold = fold.checked_sub(1).unwrap_or(NEVER_TESTED));
        }
    }
    let order = cv.time_column().map(ranks).transpose()?.map(|ranks| {
        let mut rows: Vec<u32> = (0..table.n_rows() as u32).collect();
        rows.sort_by_key(|row| ranks[*row as usize]);
        rows
    });
    let rows = SplitRows {
        n_rows: table.n_rows(),
        classes,
        groups: groups.as_deref(),
        order: order.as_deref(),
    };
    Ok(cv.assign(&rows))
}

/// Numbers in the same order, counted from 0 without gaps.
pub(super) fn dense(numbers: &[u32]) -> Vec<u32> {
    let mut known = numbers.to_vec();
    known.sort_unstable();
    known.dedup();
    let place = |number: &u32| known.partition_point(|other| other < number) as u32;
    numbers.iter().map(place).collect()
}

/// A warning for each column of moments that goes back where rows are split in the order of time.
fn not_in_order(cv: &SplitSpec, table: &Table) -> Vec<Warning> {
    if !matches!(cv, SplitSpec::TimeSeriesSplit { time: None, .. }) {
        return Vec::new();
    }
    let warning = |column: &Column| {
        let Values::Datetime(moments) = &column.values else { return None };
        let present = |moment: &i64| *moment != MISSING_TIME;
        let in_order = moments.iter().copied().filter(present).is_sorted();
        (!in_order).then(|| {
            let name = &column.name;
            let detail = format!(
                "rows are taken in the order of the file, and the moments of column {} go back \
                 there: folds may train on rows later than those that they test; name it as \
                 `cv.time` if it says when rows came about",
                shown(name)
            );
            Warning::new("times_out_of_order", detail).column(name)
        })
    };
    table.columns().iter().filter_map(warning).collect()
}

/// The named columns, of numbers and booleans without gaps, as a matrix.
fn as_they_are(table: &Table, features: &[usize], scratch: &Scratch) -> io::Result<Matrix> {
    let (n_rows, width) = (table.n_rows(), features.len());
    let mut x = scratch.matrix(n_rows * width)?;
    let mut block = vec![0.0; BLOCK_ROWS.min(n_rows) * width];
    let mut looked_at = 0;
    for start in (0..n_rows).step_by(BLOCK_ROWS) {
        let rows = start..n_rows.min(start + BLOCK_ROWS);
        let block = &mut block[..rows.len() * width];
        for (column, place) in features.iter().enumerate() {
            let places = block[column..].iter_mut().step_by(width);
            match &table.columns()[*place].values {
                Values::Numeric(values) => {
                    let values = &values[rows.clone()];
                    places.zip(values).for_each(|(to, from)| *to = *from as f32);
                }
                Values::Boolean(values) => {
                    let values = &values[rows.clone()];
                    let number = |flag: &Option<bool>| f32::from(u8::from(*flag == Some(true)));
                    places.zip(values).for_each(|(to, from)| *to = number(from));
                }
                _ => {}
            }
        }
        x.extend(block.iter().copied())?;
        looked_at += block.len();
        if looked_at > LOOKED_AT {
            table.let_go();
            looked_at = 0;
        }
    }
    x.finish()
}

fn keeps_numbers(job: &JobContext, table: &Table, features: &[usize]) -> bool {
    job.spec.preprocess.keeps_numbers(&facts(table, features))
}

/// What is known of the features' columns.
fn facts<'t>(table: &'t Table, features: &[usize]) -> Vec<ColumnFacts<'t>> {
    let fact = |place: &usize| {
        let Column { name, values } = &table.columns()[*place];
        let has_gaps = values.has_gaps();
        values.let_go();
        ColumnFacts { name, column_type: values.column_type(), n_unique: 0, has_gaps, width: 1 }
    };
    features.iter().map(fact).collect()
}

/// Targets and weights of the rows of a [`Batch`].
pub(super) struct Examples<'a> {
    target: Owned<'a>,
    pub(super) weights: Option<Cow<'a, [f32]>>,
}

enum Owned<'a> {
    Classes(Cow<'a, [u32]>),
    Values(Cow<'a, [f32]>, usize),
}

impl Examples<'_> {
    pub(super) fn target(&self, kind: TargetKind) -> Target<'_> {
        match (&self.target, kind) {
            (Owned::Classes(classes), TargetKind::Classes { n_classes }) => {
                Target::Classes { classes, n_classes }
            }
            (Owned::Classes(classes), _) => Target::Classes { classes, n_classes: 0 },
            (Owned::Values(values, n_outputs), TargetKind::Labels { .. }) => {
                Target::Labels { values, n_outputs: *n_outputs }
            }
            (Owned::Values(values, n_outputs), _) => {
                Target::Values { values, n_outputs: *n_outputs }
            }
        }
    }
}

/// The named rows, `width` values each.
fn pick<T: Copy>(values: &[T], rows: &[u32], width: usize) -> Vec<T> {
    rows.iter().flat_map(|row| &values[*row as usize * width..][..width]).copied().collect()
}
