//! Cross-validation: which rows train a model and which test it.
//!
//! The rows are scikit-learn's, one for one. A splitter is a variant of [`SplitSpec`] with a file of
//! its own; it divides the rows once, and [`Folds`] lists those of a fold when asked. Start reading
//! at [`SplitSpec::assign`].
//!
//! It is deliberately not about data: all it sees is how many rows there are, and the class and the
//! group of each where there are such.

mod check;
mod check_groups;
mod counts;
mod deal;
mod folds;
mod groups;
mod kfold;
mod leave_out;
mod shuffle_split;
mod spec;
mod stratified_kfold;
mod stratified_shuffle_split;
mod time_series_split;

pub use counts::RowCounts;
pub use deal::{NEVER_TESTED, SplitRows};
pub use folds::{Folds, Split};
pub use spec::SplitSpec;
pub use stratified_shuffle_split::{ShuffleSplitError, stratified_shuffle_split};

/// The most folds, over all repeats, that a split may have.
pub const MAX_FOLDS: u32 = 10_000;

/// The most rows that a split may deal out, counted once for each repeat or shuffling.
pub const MAX_DEALT_ROWS: usize = 200_000_000;
