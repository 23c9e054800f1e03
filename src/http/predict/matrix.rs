//! From what a client sent to the values that a model takes, or everything that is wrong with it.

use std::collections::HashMap;

use serde_json::{Map, Value};
use trainyard_learn::problem::Problem;
use trainyard_learn::table::Table;

use super::Input;
use super::rows::Rows;
use crate::domain::suggest::{nearest, shown};

/// At most this many problems of rows are told; the rest are counted.
const MAX_PROBLEMS: usize = 50;

/// The values row by row, in the order of `names`, or everything that is wrong with them.
pub(super) fn matrix(input: Input, names: &[String]) -> Result<Vec<f64>, Vec<Problem>> {
    let mut problems = Problems::default();
    let x = match input {
        Input::Rows(rows) => from_rows(rows, names, &mut problems),
        Input::Records(records) => from_records(&records.0, names, &mut problems),
        Input::Table(table) => from_table(&table, names, &mut problems),
    };
    if problems.told.is_empty() { Ok(x) } else { Err(problems.finish()) }
}

/// What is wrong: the first of it in full, the rest counted.
#[derive(Default)]
struct Problems {
    told: Vec<Problem>,
    n_more: usize,
}

impl Problems {
    fn push(&mut self, problem: impl FnOnce() -> Problem) {
        if self.is_full() {
            self.n_more += 1;
        } else {
            self.told.push(problem());
        }
    }

    fn is_full(&self) -> bool {
        self.told.len() >= MAX_PROBLEMS
    }

    fn finish(mut self) -> Vec<Problem> {
        if self.n_more > 0 {
            self.told.push(Problem::new("", format!("and {} more like these", self.n_more)));
        }
        self.told
    }
}

fn from_rows(rows: Rows, names: &[String], problems: &mut Problems) -> Vec<f64> {
    for (row, width) in rows.widths().enumerate().filter(|(_, width)| *width != names.len()) {
        problems.push(|| {
            let detail = format!("has {width} values; the model takes {}", names.len());
            let some: Vec<&str> = names.iter().take(20).map(String::as_str).collect();
            let more = if names.len() > some.len() { ", …" } else { "" };
            Problem::new(format!("/rows/{row}"), detail)
                .suggest(format!("[{}{more}]", some.join(", ")))
        });
    }
    for odd in &rows.odd {
        // A row of the wrong width is told of already, and its columns have no names.
        if let Some(name) = names.get(odd.column) {
            let pointer = format!("/rows/{}/{}", odd.row, odd.column);
            problems.push(|| no_number(pointer, name, odd.missing));
        }
    }
    problems.n_more += rows.n_odd - rows.odd.len();
    rows.values
}

fn from_records(
    records: &[Map<String, Value>],
    names: &[String],
    problems: &mut Problems,
) -> Vec<f64> {
    let index: HashMap<&str, usize> =
        names.iter().enumerate().map(|(index, name)| (name.as_str(), index)).collect();
    let mut x = Vec::new();
    let mut values = vec![f64::NAN; names.len()];
    let mut given = vec![usize::MAX; names.len()];
    for (row, record) in records.iter().enumerate() {
        let mut n_given = 0;
        for (name, value) in record {
            let Some(&column) = index.get(name.as_str()) else {
                problems.push(|| unknown(&format!("/records/{row}"), name, names));
                continue;
            };
            given[column] = row;
            n_given += 1;
            let number = match value {
                Value::Bool(value) => Some(f64::from(u8::from(*value))),
                other => other.as_f64(),
            };
            match number {
                Some(number) => values[column] = number,
                None => {
                    let pointer = || format!("/records/{row}/{}", escaped(name));
                    problems.push(|| no_number(pointer(), name, value.is_null()));
                }
            }
        }
        let n_missing = names.len() - n_given;
        if n_missing > 0 && problems.is_full() {
            problems.n_more += n_missing;
        } else if n_missing > 0 {
            for (name, _) in names.iter().zip(&given).filter(|(_, last)| **last != row) {
                problems.push(|| missing(&format!("/records/{row}"), name));
            }
        }
        // Values are kept only while they may be used, so that they never outgrow the body.
        if problems.told.is_empty() {
            x.extend_from_slice(&values);
        }
    }
    x
}

fn from_table(table: &Table, names: &[String], problems: &mut Problems) -> Vec<f64> {
    let columns = table.columns();
    for column in columns.iter().filter(|column| !names.contains(&column.name)) {
        problems.push(|| unknown("/file", &column.name, names));
    }
    for name in names {
        match table.column(name) {
            None => problems.push(|| missing("/file", name)),
            Some(column) if table.matrix(std::slice::from_ref(name)).is_none() => {
                let gap = (0..table.n_rows()).find(|row| column.values.text(*row).is_none());
                problems.push(|| {
                    let detail = match gap {
                        Some(row) => {
                            format!("column {} has no value in row {}", shown(name), row + 1)
                        }
                        None => format!("column {} holds text", shown(name)),
                    };
                    Problem::new("/file", detail)
                });
            }
            Some(_) => {}
        }
    }
    table.matrix(names).map(|x| x.into_raw_vec_and_offset().0).unwrap_or_default()
}

/// A name inside a JSON pointer (RFC 6901).
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn no_number(pointer: String, name: &str, missing: bool) -> Problem {
    let name = shown(name);
    let detail = if missing {
        format!("the value of {name} is missing, and the model was trained without missing values")
    } else {
        format!("the value of {name} must be a number")
    };
    Problem::new(pointer, detail)
}

fn unknown(pointer: &str, name: &str, names: &[String]) -> Problem {
    let problem = Problem::new(pointer, format!("{} is no input of the model", shown(name)));
    match nearest(name, names.iter().map(String::as_str)) {
        Some(near) => problem.suggest(near),
        None => problem.suggest("leave it out"),
    }
}

fn missing(pointer: &str, name: &str) -> Problem {
    Problem::new(pointer, format!("{} is missing", shown(name)))
}
