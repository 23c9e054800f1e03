//! Bringing a matrix to one scale; the other ways of scaling are in [`crate::preprocess`].

pub use crate::preprocess::scale::StandardScaler;
