//! From what a client sent to the columns that a model takes, or everything that is wrong with it.

use std::collections::HashMap;

use serde_json::{Map, Value};
use trainyard_formats::csv::CsvOptions;
use trainyard_learn::preprocess::Preprocessor;
use trainyard_learn::problem::Problem;
use trainyard_learn::table::{Column, ColumnType};

use super::Input;
use super::rows::{Cell, Rows};
use crate::domain::inputs::{self, Given, Problems, Wanted, missing, unknown, words};
use crate::domain::suggest::shown;

/// The columns that the preparation takes, in its order, or everything that is wrong with them. A
/// missing value is none of it; a missing column is.
pub(super) fn columns(
    input: Input,
    preprocessor: &Preprocessor,
    values: &CsvOptions,
) -> Result<Vec<Column>, Vec<Problem>> {
    let wanted = Wanted::written(preprocessor, values);
    let mut problems = Problems::default();
    let columns = match input {
        Input::Rows(rows) => {
            // A column that is dropped has no place in a row, but in one that has them all.
            let is_whole = rows.n_rows() > 0 && rows.widths().all(|width| width == wanted.len());
            let given = if is_whole { wanted.clone() } else { used(&wanted) };
            let columns = from_rows(&rows, &given, At::Rows, &mut problems);
            with_dropped(columns, &wanted, is_whole)
        }
        Input::Records(records) => {
            let rows = in_order(&records.0, &wanted, &mut problems);
            match problems.told.is_empty() {
                true => {
                    let columns = from_rows(&rows, &used(&wanted), At::Records, &mut problems);
                    with_dropped(columns, &wanted, false)
                }
                false => Vec::new(),
            }
        }
        Input::Table(table) => return inputs::from_table(&table, preprocessor),
    };
    if problems.told.is_empty() { Ok(columns) } else { Err(problems.finish()) }
}

/// The columns that features are made of.
fn used<'a>(wanted: &[Wanted<'a>]) -> Vec<Wanted<'a>> {
    wanted.iter().filter(|column| !column.is_dropped).copied().collect()
}

/// All columns of the preparation; `has_all` says that those to drop are among these already.
fn with_dropped(columns: Vec<Column>, wanted: &[Wanted<'_>], has_all: bool) -> Vec<Column> {
    if has_all {
        return columns;
    }
    let mut columns = columns.into_iter();
    let column = |wanted: &Wanted<'_>| match wanted.is_dropped {
        true => Some(wanted.nothing()),
        false => columns.next(),
    };
    wanted.iter().filter_map(column).collect()
}

/// How a client wrote rows, for pointers.
#[derive(Clone, Copy)]
enum At {
    Rows,
    Records,
}

impl At {
    fn pointer(self, row: usize, column: usize, name: &str) -> String {
        match self {
            Self::Rows => format!("/rows/{row}/{column}"),
            Self::Records => format!("/records/{row}/{}", escaped(name)),
        }
    }
}

fn from_rows(rows: &Rows, wanted: &[Wanted<'_>], at: At, problems: &mut Problems) -> Vec<Column> {
    let width = wanted.len();
    for (row, found) in rows.widths().enumerate().filter(|(_, found)| *found != width) {
        problems.push(|| {
            let detail = format!("has {found} values; the model takes {width}");
            let some: Vec<&str> = wanted.iter().take(20).map(|column| column.name).collect();
            let more = if width > some.len() { ", …" } else { "" };
            Problem::new(format!("/rows/{row}"), detail)
                .suggest(format!("[{}{more}]", some.join(", ")))
        });
    }
    if !problems.told.is_empty() {
        // Rows of the wrong width are told of already, and their columns have no names.
        let places: Vec<(usize, usize)> = rows.places_of_words().collect();
        for (row, column) in places.into_iter().filter(|(row, _)| rows.width(*row) == width) {
            let Wanted { name, kind, .. } = wanted[column];
            if kind.is_number() {
                problems.push(|| wrong(at.pointer(row, column, name), name, kind));
            }
        }
        return Vec::new();
    }
    let place = |row: usize, column: usize| row * width + column;
    // Texts and arrays of all columns are in one list each; here by their columns.
    let mut texts: Vec<Vec<(usize, &str)>> = vec![Vec::new(); width];
    rows.texts().for_each(|(at, text)| texts[at % width].push((at / width, text)));
    let mut arrays: Vec<Vec<(usize, &[f32])>> = vec![Vec::new(); width];
    for (at, numbers) in &rows.arrays {
        arrays[*at as usize % width].push((*at as usize / width, numbers));
    }
    for odd in &rows.odd {
        let (row, column) = (*odd as usize / width, *odd as usize % width);
        let Wanted { name, kind, is_dropped, .. } = wanted[column];
        if is_dropped {
            continue;
        }
        problems.push(|| wrong(at.pointer(row, column, name), name, kind));
    }
    let number = |row: usize, column: usize| rows.values[place(row, column)];
    wanted
        .iter()
        .enumerate()
        .map(|(column, wanted)| {
            if wanted.is_dropped {
                return wanted.nothing();
            }
            let given = Given {
                n_rows: rows.n_rows(),
                number: &|row| number(row, column),
                texts: &texts[column],
                arrays: &arrays[column],
            };
            let values = given.values(wanted, |row| {
                let pointer = at.pointer(row, column, wanted.name);
                problems.push(|| wrong(pointer, wanted.name, wanted.kind));
            });
            Column { name: wanted.name.to_owned(), values }
        })
        .collect()
}

/// Records as rows of what is used, in the model's order.
fn in_order(
    records: &[Map<String, Value>],
    wanted: &[Wanted<'_>],
    problems: &mut Problems,
) -> Rows {
    let index: HashMap<&str, usize> =
        wanted.iter().enumerate().map(|(index, column)| (column.name, index)).collect();
    let mut rows = Rows::default();
    let mut given: Vec<Option<&Value>> = vec![None; wanted.len()];
    let n_used = wanted.iter().filter(|column| !column.is_dropped).count();
    for (row, record) in records.iter().enumerate() {
        given.fill(None);
        let mut n_given = 0;
        for (name, value) in record {
            match index.get(name.as_str()) {
                Some(column) if wanted[*column].is_dropped => {}
                Some(column) => {
                    given[*column] = Some(value);
                    n_given += 1;
                }
                None => problems.push(|| unknown(&format!("/records/{row}"), name, wanted)),
            }
        }
        let n_missing = n_used - n_given;
        if n_missing > 0 && problems.is_full() {
            problems.n_more += n_missing;
        } else if n_missing > 0 {
            let lacks = |(column, given): &(&Wanted<'_>, &Option<&Value>)| {
                given.is_none() && !column.is_dropped
            };
            for (column, _) in wanted.iter().zip(&given).filter(lacks) {
                problems.push(|| missing(&format!("/records/{row}"), column.name));
            }
        }
        // Values are kept only while they may be used, so that they never outgrow the body.
        if problems.told.is_empty() {
            given.iter().flatten().for_each(|value| rows.push(Cell::from(*value)));
            rows.end_row();
        }
    }
    rows
}

/// A name inside a JSON pointer (RFC 6901).
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn wrong(pointer: String, name: &str, kind: ColumnType) -> Problem {
    Problem::new(pointer, format!("the value of {} must be a {}", shown(name), words(kind)))
}
