//! The columns that a model takes, of a table that has them, or everything that is wrong with it.

use trainyard_formats::csv::{CsvOptions, parse_moment};
use trainyard_learn::preprocess::Preprocessor;
use trainyard_learn::problem::Problem;
use trainyard_learn::table::{
    Column, ColumnType, MISSING_CODE, MISSING_TIME, Table, Values, number_text, parse_time,
};

use super::suggest::{nearest, shown};

/// At most this many problems of rows are told; the rest are counted.
const MAX_PROBLEMS: usize = 50;

/// A column that the model takes.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub name: &'a str,
    pub kind: ColumnType,
    /// Numbers of each array, of a column of tensors.
    pub width: usize,
    /// Whether its dates have the day first, where the training data told.
    pub day_first: Option<bool>,
    /// Whether the preparation drops it: it may be there, and nothing is asked of it.
    pub is_dropped: bool,
}

impl<'a> Wanted<'a> {
    /// Those of a preparation, in its order.
    pub(crate) fn of(preprocessor: &'a Preprocessor) -> Vec<Self> {
        let wanted = |(place, (name, kind))| {
            let (width, is_dropped) = (preprocessor.width(place), preprocessor.is_dropped(place));
            Self { name, kind, width, day_first: None, is_dropped }
        };
        preprocessor.columns().enumerate().map(wanted).collect()
    }

    /// The same, with dates as they were written in training data that were CSV.
    pub(crate) fn written(preprocessor: &'a Preprocessor, values: &CsvOptions) -> Vec<Self> {
        let mut wanted = Self::of(preprocessor);
        for column in &mut wanted {
            column.day_first = values.day_first_of(column.name);
        }
        wanted
    }

    /// What stands for a column that is dropped.
    pub(crate) fn nothing(&self) -> Column {
        Column { name: self.name.to_owned(), values: Values::Numeric(Vec::new().into()) }
    }
}

/// What is wrong: the first of it in full, the rest counted.
#[derive(Default)]
pub(crate) struct Problems {
    pub told: Vec<Problem>,
    pub n_more: usize,
}

impl Problems {
    pub(crate) fn push(&mut self, problem: impl FnOnce() -> Problem) {
        if self.is_full() {
            self.n_more += 1;
        } else {
            self.told.push(problem());
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.told.len() >= MAX_PROBLEMS
    }

    pub(crate) fn finish(mut self) -> Vec<Problem> {
        if self.n_more > 0 {
            self.told.push(Problem::new("", format!("and {} more like these", self.n_more)));
        }
        self.told
    }
}

/// One column as it was given.
pub(crate) struct Given<'a> {
    pub n_rows: usize,
    /// The number of a row, NaN where it is none.
    pub number: &'a dyn Fn(usize) -> f64,
    /// By rows, ascending.
    pub texts: &'a [(usize, &'a str)],
    pub arrays: &'a [(usize, &'a [f32])],
}

impl Given<'_> {
    /// As the type that is wanted; `refuse` is told of the rows whose value is of another.
    pub(crate) fn values(&self, wanted: &Wanted<'_>, mut refuse: impl FnMut(usize)) -> Values {
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
                    let time = parse_time(text).or_else(|| parse_moment(text, wanted.day_first));
                    match time {
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
    pub(crate) fn as_texts(&self) -> Vec<Option<String>> {
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

/// The columns that the preparation takes, in its order, or everything that is wrong with them. A
/// missing value is none of it; a missing column is.
///
/// # Errors
/// With a pointer to `/file`.
pub(crate) fn from_table(
    table: &Table,
    preprocessor: &Preprocessor,
) -> Result<Vec<Column>, Vec<Problem>> {
    let wanted = &Wanted::of(preprocessor);
    let mut problems = Problems::default();
    let is_wanted = |column: &&Column| wanted.iter().any(|wanted| wanted.name == column.name);
    for column in table.columns().iter().filter(|column| !is_wanted(column)) {
        problems.push(|| unknown("/file", &column.name, wanted));
    }
    let mut columns = Vec::new();
    for wanted in wanted {
        if wanted.is_dropped {
            columns.push(wanted.nothing());
            continue;
        }
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
    if problems.told.is_empty() { Ok(columns) } else { Err(problems.finish()) }
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

pub(crate) fn words(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Numeric => "number",
        ColumnType::Boolean => "boolean",
        ColumnType::Categorical => "category, which is a text or a number",
        ColumnType::Datetime => "moment, such as 2024-05-31T12:00:00Z",
        ColumnType::Text => "text",
        ColumnType::Tensor => "array of numbers of the model's shape",
    }
}

pub(crate) fn unknown(pointer: &str, name: &str, wanted: &[Wanted<'_>]) -> Problem {
    let problem = Problem::new(pointer, format!("{} is no input of the model", shown(name)));
    match nearest(name, wanted.iter().map(|column| column.name)) {
        Some(near) => problem.suggest(near),
        None => problem.suggest("leave it out"),
    }
}

pub(crate) fn missing(pointer: &str, name: &str) -> Problem {
    Problem::new(pointer, format!("{} is missing", shown(name)))
}
