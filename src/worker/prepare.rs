//! A job's data, ready to train on; made once for all its tasks.

use ndarray::Array2;
use trainyard_learn::model::{Truth, single};
use trainyard_learn::scalar::Scalar;
use trainyard_learn::scale::StandardScaler;
use trainyard_learn::splits::Folds;
use trainyard_learn::table::Table;
use trainyard_learn::training::Target;

use crate::domain::spec::ModelSpec;
use crate::store::tasks::JobContext;

/// A job's data, ready to train on.
#[derive(Debug)]
pub(super) struct Prepared {
    features: Features,
    n_features: usize,
    /// What each row really is.
    pub(super) truth: Truth,
    /// The same in single precision, where it holds values.
    values: Vec<f32>,
    n_outputs: usize,
    /// How much each row counts, if not all alike.
    pub(super) weights: Option<Vec<f32>>,
    pub(super) folds: Option<Folds>,
}

/// Rows × features.
#[derive(Debug)]
enum Features {
    /// As they are in the dataset, for models in double precision and for what is scaled first.
    Double(Array2<f64>),
    /// For networks that take the columns as they are.
    Single(Vec<f32>),
}

/// Rows as a network takes them, and which of them are meant.
pub(super) struct Batch<'a> {
    pub(super) x: std::borrow::Cow<'a, [f32]>,
    pub(super) rows: Vec<u32>,
}

impl Prepared {
    /// Takes from the table what the job asks for; `None` when the table has not got it.
    pub(super) fn new(job: &JobContext, table: &Table) -> Option<Self> {
        let spec = &job.spec;
        let names = spec.target.names();
        let (truth, values) = if job.classes.is_empty() {
            let values = table.matrix(names)?.into_raw_vec_and_offset().0;
            let singles = values.iter().map(|value| *value as f32).collect();
            (Truth::Values(values), singles)
        } else {
            let labels: Vec<String> = job.classes.iter().map(Scalar::text).collect();
            (Truth::Classes(table.class_indices(names.first()?, &labels)?), Vec::new())
        };
        let weights = match &spec.sample_weight {
            None => None,
            Some(name) => {
                let column = table.matrix(std::slice::from_ref(name))?;
                Some(column.iter().map(|weight| *weight as f32).collect())
            }
        };
        let x = table.matrix(&spec.features)?;
        let network = !matches!(spec.model, ModelSpec::Perceptron(_));
        let features = if network && !spec.preprocess.standardizes() {
            Features::Single(x.iter().map(|value| *value as f32).collect())
        } else {
            Features::Double(x)
        };
        let classes = match &truth {
            Truth::Classes(classes) => Some(classes.as_slice()),
            Truth::Values(_) => None,
        };
        let folds = spec.cv.as_ref().map(|cv| cv.assign(table.n_rows(), classes));
        Some(Self {
            features,
            n_features: spec.features.len(),
            truth,
            values,
            n_outputs: names.len(),
            weights,
            folds,
        })
    }

    pub(super) fn n_rows(&self) -> usize {
        match &self.truth {
            Truth::Classes(classes) => classes.len(),
            Truth::Values(values) => values.len() / self.n_outputs,
        }
    }

    /// Brings the features to one scale by what these rows are, if the job wants it.
    pub(super) fn scaler(&self, job: &JobContext, rows: &[u32]) -> Option<StandardScaler> {
        let Features::Double(x) = &self.features else { return None };
        let x = x.as_slice().filter(|_| job.spec.preprocess.standardizes())?;
        Some(StandardScaler::fit(x, self.n_features, rows))
    }

    /// The named rows in double precision, copied together and scaled.
    pub(super) fn double(&self, scaler: Option<&StandardScaler>, rows: &[u32]) -> Array2<f64> {
        let Features::Double(x) = &self.features else { return Array2::zeros((0, 0)) };
        let mut values = Vec::with_capacity(rows.len() * self.n_features);
        let mut scaled = vec![0.0; self.n_features];
        for &row in rows {
            let row = x.row(row as usize);
            match (scaler, row.as_slice()) {
                (Some(scaler), Some(row)) => {
                    scaler.transform_exact(&mut scaled, row);
                    values.extend_from_slice(&scaled);
                }
                _ => values.extend(row),
            }
        }
        Array2::from_shape_vec((rows.len(), self.n_features), values)
            .unwrap_or_else(|_| Array2::zeros((0, self.n_features)))
    }

    /// The named rows as a network takes them: where they are, or scaled copies.
    pub(super) fn single(&self, scaler: Option<&StandardScaler>, rows: &[u32]) -> Batch<'_> {
        match &self.features {
            Features::Single(x) => Batch { x: x.into(), rows: rows.to_vec() },
            Features::Double(x) => {
                let x = single(scaler, x.as_slice().unwrap_or_default(), self.n_features, rows);
                Batch { x: x.into(), rows: (0..rows.len() as u32).collect() }
            }
        }
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

    /// What the named rows should give, as a network takes it, in the order of a [`Batch`].
    pub(super) fn examples(&self, rows: &[u32]) -> Examples<'_> {
        let in_place = matches!(self.features, Features::Single(_));
        let n_outputs = self.n_outputs;
        let target = match &self.truth {
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

/// Targets and weights of the rows of a [`Batch`].
pub(super) struct Examples<'a> {
    target: Owned<'a>,
    pub(super) weights: Option<std::borrow::Cow<'a, [f32]>>,
}

enum Owned<'a> {
    Classes(std::borrow::Cow<'a, [u32]>),
    Values(std::borrow::Cow<'a, [f32]>, usize),
}

impl Examples<'_> {
    pub(super) fn target(&self, n_classes: usize) -> Target<'_> {
        match &self.target {
            Owned::Classes(classes) => Target::Classes { classes, n_classes },
            Owned::Values(values, n_outputs) => Target::Values { values, n_outputs: *n_outputs },
        }
    }
}

/// The named rows, `width` values each.
fn pick<T: Copy>(values: &[T], rows: &[u32], width: usize) -> Vec<T> {
    rows.iter().flat_map(|row| &values[*row as usize * width..][..width]).copied().collect()
}
