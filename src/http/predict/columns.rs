//! From what a client sent to the columns that a model takes, or everything that is wrong with it.

use std::collections::HashMap;

use serde_json::{Map, Value};
use trainyard_learn::preprocess::Preprocessor;
use trainyard_learn::problem::Problem;
use trainyard_learn::table::{
    Column, ColumnType, MISSING_CODE, MISSING_TIME, Table, Values, number_text, parse_time,
};

use super::Input;
use super::rows::{Cell, Rows};
use crate::domain::suggest::{nearest, shown};

/// At most this many problems of rows are told; the rest are counted.
const MAX_PROBLEMS: usize = 50;

/// The columns that the preparation takes, in its order, or everything that is wrong with them. A
/// missing value is none of it; a missing column is.
pub(super) fn columns(
    input: Input,
    preprocessor: &Preprocessor,
) -> Result<Vec<Column>, Vec<Problem>> {
    let wanted: Vec<Wanted<'_>> = preprocessor
        .columns()
        .enumerate()
        .map(|(place, (name, kind))| Wanted { name, kind, width: preprocessor.width(place) })
        .collect();
    let mut problems = Problems::default();
    let columns = match input {
        Input::Rows(rows) => from_rows(&rows, &wanted, At::Rows, &mut problems),
        Input::Records(records) => {
            let rows = in_order(&records.0, &wanted, &mut problems);
            match problems.told.is_empty() {
                true => from_rows(&rows, &wanted, At::Records, &mut problems),
                false => Vec::new(),
            }
        }
        Input::Table(table) => from_table(&table, &wanted, &mut problems),
    };
    if problems.told.is_empty() { Ok(columns) } else { Err(problems.finish()) }
}

/// A column that the model takes.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    name: &'a str,
    kind: ColumnType,
    /// Numbers of each array, of a column of tensors.
    width: usize,
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
        let Wanted { name, kind, .. } = wanted[column];
        problems.push(|| wrong(at.pointer(row, column, name), name, kind));
    }
    let number = |row: usize, column: usize| rows.values[place(row, column)];
    wanted
        .iter()
        .enumerate()
        .map(|(column, wanted)| {
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

/// One column as it was given.
struct Given<'a> {
    n_rows: usize,
    /// The number of a row, NaN where it is none.
    number: &'a dyn Fn(usize) -> f64,
    /// By rows, ascending.
    texts: &'a [(usize, &'a str)],
    arrays: &'a [(usize, &'a [f32])],
}

impl Given<'_> {
    /// As the type that is wanted; `refuse` is told of the rows whose value is of another.
    fn values(&self, wanted: &Wanted<'_>, mut refuse: impl FnMut(usize)) -> Values {
        if wanted.kind != ColumnType::Tensor {
            self.arrays.iter().for_each(|(row, _)| refuse(*row));
        }
        let numbers = || (0..self.n_rows).map(|row| (self.number)(row));
        match wanted.kind {
            ColumnType::Numeric => {
                self.texts.iter().for_each(|(row, _)| refuse(*row));
                Values::Numeric(numbers().collect())
            }
            ColumnType::Boolean => {
                self.texts.iter().for_each(|(row, _)| refuse(*row));
                let mut flag = |(row, number): (usize, f64)| match number {
                    0.0 => Some(false),
                    1.0 => Some(true),
                    number => {
                        if !number.is_nan() {
                            refuse(row);
                        }
                        None
                    }
                };
                Values::Boolean(numbers().enumerate().map(&mut flag).collect())
            }
            ColumnType::Categorical => categories(&self.as_texts()),
            ColumnType::Text => {
                let text = |text: Option<String>| text.map(String::into_boxed_str);
                Values::Text(self.as_texts().into_iter().map(text).collect())
            }
            ColumnType::Datetime => {
                let mut times = vec![MISSING_TIME; self.n_rows];
                for (row, text) in self.texts {
                    match parse_time(text) {
                        Some(time) => times[*row] = time,
                        None => refuse(*row),
                    }
                }
                numbers().enumerate().filter(|(_, n)| !n.is_nan()).for_each(|(row, _)| refuse(row));
                Values::Datetime(times)
            }
            ColumnType::Tensor => {
                let mut values = vec![0.0; self.n_rows * wanted.width];
                let mut given = vec![false; self.n_rows];
                for (row, numbers) in self.arrays.iter().filter(|(_, n)| n.len() == wanted.width) {
                    values[row * wanted.width..][..wanted.width].copy_from_slice(numbers);
                    given[*row] = true;
                }
                (0..self.n_rows).filter(|row| !given[*row]).for_each(refuse);
                Values::Tensor { shape: vec![wanted.width], values: values.into() }
            }
        }
    }

    /// Texts as they are, and numbers as the shortest text.
    fn as_texts(&self) -> Vec<Option<String>> {
        let number = |row| Some((self.number)(row)).filter(|n| !n.is_nan()).map(number_text);
        let mut texts: Vec<Option<String>> = (0..self.n_rows).map(number).collect();
        self.texts.iter().for_each(|(row, text)| texts[*row] = Some((*text).to_owned()));
        texts
    }
}

/// Texts as a column of categories.
fn categories(texts: &[Option<String>]) -> Values {
    let mut categories: Vec<&String> = texts.iter().flatten().collect();
    categories.sort_unstable();
    categories.dedup();
    let code = |text: &Option<String>| {
        let place = text.as_ref().and_then(|text| categories.binary_search(&text).ok());
        place.map_or(MISSING_CODE, |place| place as u32)
    };
    let codes = texts.iter().map(code).collect();
    Values::Categorical { codes, categories: categories.into_iter().cloned().collect() }
}

/// Records as rows in the model's order.
fn in_order(
    records: &[Map<String, Value>],
    wanted: &[Wanted<'_>],
    problems: &mut Problems,
) -> Rows {
    let index: HashMap<&str, usize> =
        wanted.iter().enumerate().map(|(index, column)| (column.name, index)).collect();
    let mut rows = Rows::default();
    let mut given: Vec<Option<&Value>> = vec![None; wanted.len()];
    for (row, record) in records.iter().enumerate() {
        given.fill(None);
        let mut n_given = 0;
        for (name, value) in record {
            match index.get(name.as_str()) {
                Some(column) => {
                    given[*column] = Some(value);
                    n_given += 1;
                }
                None => problems.push(|| unknown(&format!("/records/{row}"), name, wanted)),
            }
        }
        let n_missing = wanted.len() - n_given;
        if n_missing > 0 && problems.is_full() {
            problems.n_more += n_missing;
        } else if n_missing > 0 {
            for (column, _) in wanted.iter().zip(&given).filter(|(_, given)| given.is_none()) {
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

fn from_table(table: &Table, wanted: &[Wanted<'_>], problems: &mut Problems) -> Vec<Column> {
    let is_wanted = |column: &&Column| wanted.iter().any(|wanted| wanted.name == column.name);
    for column in table.columns().iter().filter(|column| !is_wanted(column)) {
        problems.push(|| unknown("/file", &column.name, wanted));
    }
    let mut columns = Vec::new();
    for wanted in wanted {
        let Some(column) = table.column(wanted.name) else {
            problems.push(|| missing("/file", wanted.name));
            continue;
        };
        let mut n_wrong = 0;
        let mut first_wrong = 0;
        let values = converted(&column.values, wanted, |row| {
            if n_wrong == 0 {
                first_wrong = row;
            }
            n_wrong += 1;
        });
        if n_wrong > 0 {
            let (name, what) = (shown(wanted.name), words(wanted.kind));
            let row = first_wrong + 1;
            problems.push(|| {
                let detail = format!("column {name} has no {what} in row {row}");
                Problem::new("/file", detail)
            });
        }
        columns.push(Column { name: wanted.name.to_owned(), values });
    }
    columns
}

/// A column of a file as the type that is wanted: the file shows less of it than the training data
/// did, and may have been taken for something else.
fn converted(values: &Values, wanted: &Wanted<'_>, mut refuse: impl FnMut(usize)) -> Values {
    if values.column_type() == wanted.kind {
        return values.clone();
    }
    let n_rows = values.len();
    let texts: Vec<Option<String>> = (0..n_rows).map(|row| values.text(row)).collect();
    let numbers: Vec<f64> = match (values, wanted.kind) {
        (Values::Numeric(numbers), _) => numbers.to_vec(),
        (Values::Boolean(flags), _) => flags
            .iter()
            .map(|flag| flag.map_or(f64::NAN, |flag| f64::from(u8::from(flag))))
            .collect(),
        (_, ColumnType::Numeric) => {
            // A whole number too long for a double is the nearest that there is, as in JSON.
            let number = |text: &Option<String>| text.as_ref().and_then(|t| t.trim().parse().ok());
            texts.iter().map(|text| number(text).unwrap_or(f64::NAN)).collect()
        }
        _ => vec![f64::NAN; n_rows],
    };
    let is_text = |row: &usize| texts[*row].is_some() && numbers[*row].is_nan();
    let given: Vec<(usize, &str)> = match wanted.kind {
        // Words for a category or a text, whatever the column was taken for.
        ColumnType::Categorical | ColumnType::Text => {
            texts.iter().enumerate().filter_map(|(row, t)| Some((row, t.as_deref()?))).collect()
        }
        _ => (0..n_rows)
            .filter(is_text)
            .map(|row| (row, texts[row].as_deref().unwrap_or_default()))
            .collect(),
    };
    let given = Given { n_rows, number: &|row| numbers[row], texts: &given, arrays: &[] };
    given.values(wanted, &mut refuse)
}

/// A name inside a JSON pointer (RFC 6901).
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn words(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Numeric => "number",
        ColumnType::Boolean => "boolean",
        ColumnType::Categorical => "category, which is a text or a number",
        ColumnType::Datetime => "moment, such as 2024-05-31T12:00:00Z",
        ColumnType::Text => "text",
        ColumnType::Tensor => "array of numbers of the model's shape",
    }
}

fn wrong(pointer: String, name: &str, kind: ColumnType) -> Problem {
    Problem::new(pointer, format!("the value of {} must be a {}", shown(name), words(kind)))
}

fn unknown(pointer: &str, name: &str, wanted: &[Wanted<'_>]) -> Problem {
    let problem = Problem::new(pointer, format!("{} is no input of the model", shown(name)));
    match nearest(name, wanted.iter().map(|column| column.name)) {
        Some(near) => problem.suggest(near),
        None => problem.suggest("leave it out"),
    }
}

fn missing(pointer: &str, name: &str) -> Problem {
    Problem::new(pointer, format!("{} is missing", shown(name)))
}
