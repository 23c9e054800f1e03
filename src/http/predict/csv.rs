//! Rows to predict as CSV, read as the training data were: what stands for a missing value, how
//! numbers and dates are written and which columns are words is known, and nothing of it is guessed
//! from a few rows.

use trainyard_formats::csv::{self, CsvError, CsvLimits, CsvOptions};
use trainyard_learn::table::ColumnType;

use super::{Asked, Input};
use crate::domain::dataset::Warning;
use crate::http::loaded::LoadedModel;
use crate::http::problem::ApiError;

pub(super) fn read(
    bytes: &[u8],
    model: &LoadedModel,
    limits: &CsvLimits,
) -> Result<Asked, ApiError> {
    let mut options = CsvOptions { day_first_columns: None, ..model.values.clone() };
    let names = csv::column_names(bytes, &options, limits).map_err(unreadable)?;
    // What the file lacks is told of as the model's input, not as an option.
    let is_there = |name: &str| names.iter().any(|there| there == name);
    let inputs = model.preprocessor.columns().enumerate();
    let inputs: Vec<(&str, ColumnType)> = inputs
        .filter(|(place, (name, _))| !model.preprocessor.is_dropped(*place) && is_there(name))
        .map(|(_, input)| input)
        .collect();
    let day_first = |(name, kind): &(&str, ColumnType)| {
        let known = model.values.day_first_of(name).filter(|_| *kind == ColumnType::Datetime);
        known.map(|day_first| ((*name).to_owned(), day_first))
    };
    options.day_first_columns = Some(inputs.iter().filter_map(day_first).collect());
    let read = inputs.iter().filter(|(_, kind)| *kind != ColumnType::Tensor);
    options.types = Some(read.map(|(name, kind)| ((*name).to_owned(), *kind)).collect());
    let found = csv::read(bytes, &options, limits, 1).map_err(unreadable)?;
    let warnings = found.notes.iter().map(Warning::from).collect();
    let input = Input::Table(found.table);
    Ok(Asked { input, named: None, coverage: None, warnings })
}

fn unreadable(error: CsvError) -> ApiError {
    match error {
        CsvError::Io(error) => ApiError::internal(error),
        CsvError::Invalid(problems) => ApiError::invalid_data(problems),
    }
}
