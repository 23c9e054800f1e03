//! Preparation: columns of a [`Table`](crate::table::Table) in, a matrix of features out, by what
//! was found in given training rows and no others.
//!
//! A [`PreprocessSpec`] is what a caller asks for, and [`PreprocessSpec::check`] what is wrong with
//! it for a table's columns. [`Preprocessor::fit`] sees the training rows only; the
//! [`Preprocessor`] is part of the model and prepares any rows of such columns,
//! [`transform`](Preprocessor::transform) row-major, rows × features. Options, defaults and results
//! are scikit-learn's.
//!
//! Features come in the order of the columns, those of a column together; with polynomials, those
//! come first. The missing indicator of a column follows its other features.
//!
//! Not here: which columns there are to learn from, and how the rows were split. Start reading at
//! `fit.rs`, then `transform.rs`.

mod check;
mod columns;
mod datetime;
mod encode;
mod estimate;
mod fit;
mod fit_column;
mod hash;
mod impute;
mod polynomial;
mod quantiles;
mod report;
pub mod scale;
mod slots;
mod spec;
mod target_transform;
mod text;
mod transform;
mod treatment;
mod variance;

pub use columns::{ColumnImpute, ColumnOptions, ColumnSpec, TreatAs};
pub use datetime::{DatetimePart, DatetimeSpec};
pub use encode::{DropCategory, EncodeSpec, HashingSpec, OneHotSpec, TargetSpec};
pub use estimate::ColumnFacts;
pub use fit::{PreprocessTarget, Preprocessor};
pub use impute::{CategoricalImpute, DatetimeImpute, NumericImpute};
pub use polynomial::PolynomialSpec;
pub use report::{FitProblem, FitReport, Report, Rows, Unseen};
pub use spec::{CategoricalSpec, NumericSpec, PreprocessSpec, TensorSpec, UnseenCategory};
pub use target_transform::{TargetPowerSpec, TargetTransform, TargetTransformSpec};
pub use text::{Analyzer, Norm, TextSpec};
pub use transform::Training;

/// The most features that columns may become.
pub const MAX_FEATURES: usize = 1_000_000;

/// A name as a message shows it: quoted, and cut where it is too long to be one.
fn shown(name: &str) -> String {
    const MAX_CHARACTERS: usize = 100;
    match name.char_indices().nth(MAX_CHARACTERS) {
        None => format!("{name:?}"),
        Some((end, _)) => format!("{:?}…", &name[..end]),
    }
}
