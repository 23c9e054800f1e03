//! Sparse rows of text: a label, maybe a query, and `index:value` pairs, as SVM-light and LIBSVM
//! read them. The table is dense: columns `x0` …, then `qid` if there are queries, then `y`. It
//! reads one label a row.

use std::io::Read;

use trainyard_learn::table::{Column, Table, Values};

use crate::column::{Numbers, numbered};
use crate::error::{FormatError, Limits, Problems, invalid, short};
use crate::lines::Lines;
use crate::read::Notes;
use crate::room::{Growing, Room};

/// What comes before a query's number.
const QUERY: &str = "qid:";

/// Reads rows; says also whether columns were counted from 0.
///
/// # Errors
/// [`FormatError::Invalid`] with every line that is no row, and for what is beyond the limits.
pub(crate) fn read(
    source: impl Read,
    zero_based: Option<bool>,
    limits: &Limits,
) -> Result<(Table, Notes, bool), FormatError> {
    let mut lines = Lines::new(source, limits.max_row_bytes);
    let mut rows = Sparse::new(limits.room(limits.max_rows));
    let mut problems = Problems::default();
    let mut n_lines = 0;
    while let Some((number, line)) = lines.next()? {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        n_lines += 1;
        limits.check(n_lines, rows.columns.len().max(1))?;
        if let Err((what, way)) = rows.add(line, limits.max_columns) {
            problems.push(format!("line {number}: {what}"), way);
        }
    }
    problems.finish()?;
    rows.finish(zero_based, limits)
}

/// Rows so far.
struct Sparse {
    labels: Growing,
    queries: Vec<i64>,
    /// By its index, each column up to the last row that has a value of it.
    columns: Vec<Growing>,
    least: Option<u32>,
    room: Room,
}

impl Sparse {
    fn new(room: Room) -> Self {
        let labels = Growing::new(&room);
        Self { labels, queries: Vec::new(), columns: Vec::new(), least: None, room }
    }

    fn add(&mut self, line: &str, max_columns: usize) -> Result<(), (String, &'static str)> {
        let mut words = line.split_ascii_whitespace();
        let label = words.next().unwrap_or_default();
        if label.contains(',') {
            return Err(("more than one label".to_owned(), "one label a row"));
        }
        let label: f64 = label
            .parse()
            .map_err(|_| (format!("the label {:?} is no number", short(label)), "1 3:0.5 7:2"))?;
        let mut words = words.peekable();
        if let Some(query) = words.peek().and_then(|word| word.strip_prefix(QUERY)) {
            let query = query
                .parse()
                .map_err(|_| (format!("the query {:?} is no whole number", short(query)), ""))?;
            if self.queries.len() < self.labels.len() {
                return Err((
                    "a query, where rows before have none".to_owned(),
                    "a query in each row, or in none",
                ));
            }
            self.queries.push(query);
            words.next();
        } else if !self.queries.is_empty() {
            return Err(("no query".to_owned(), "a query in each row, or in none"));
        }
        let mut last = None;
        for word in words {
            let (index, value) = word
                .split_once(':')
                .ok_or_else(|| (format!("{:?} is no pair", short(word)), "index:value"))?;
            let index: u32 =
                index.parse().map_err(|_| (format!("the index {:?} is none", short(index)), ""))?;
            let value: f64 = value
                .parse()
                .map_err(|_| (format!("the value {:?} is no number", short(value)), ""))?;
            if last.is_some_and(|last| index <= last) {
                return Err((
                    format!("the index {index} comes after one that is as large"),
                    "each index once, the least first",
                ));
            }
            if index as usize > max_columns {
                return Err((
                    format!("the index {index}, more than the limit of {max_columns} columns"),
                    "leave out columns that the model does not need",
                ));
            }
            last = Some(index);
            self.least = Some(self.least.map_or(index, |least| least.min(index)));
            let (index, row) = (index as usize, self.labels.len());
            if index >= self.columns.len() {
                let room = &self.room;
                self.columns.resize_with(index + 1, || Growing::new(room));
            }
            let column = &mut self.columns[index];
            column.fill(row.saturating_sub(column.len()), 0.0);
            column.push(value);
            column.settle_now_and_then();
        }
        self.labels.push(label);
        self.labels.settle_now_and_then();
        Ok(())
    }

    fn finish(
        self,
        zero_based: Option<bool>,
        limits: &Limits,
    ) -> Result<(Table, Notes, bool), FormatError> {
        let n_rows = self.labels.len();
        let Some(least) = self.least else {
            return Err(invalid("the file has no pairs", "1 3:0.5 7:2"));
        };
        let zero_based = zero_based.unwrap_or(least == 0);
        let first = usize::from(!zero_based);
        if least == 0 && !zero_based {
            return Err(FormatError::Invalid(vec![
                trainyard_learn::problem::Problem::new(
                    "/options/zero_based",
                    "there is an index 0, but columns are to be counted from 1",
                )
                .suggest("true"),
            ]));
        }
        let n_columns = self.columns.len() - first;
        limits.check(n_rows, n_columns + 1 + usize::from(!self.queries.is_empty()))?;
        let mut notes = Notes::default();
        let mut columns = Vec::with_capacity(n_columns + 2);
        for (name, mut values) in numbered(n_columns).zip(self.columns.into_iter().skip(first)) {
            values.fill(n_rows - values.len(), 0.0);
            let values = Numbers::Floats(values).finish(&name, &mut notes)?;
            columns.push(Column { name, values });
        }
        if !self.queries.is_empty() {
            let mut queries = Numbers::with_capacity(n_rows);
            queries.extend_whole(self.queries.iter().copied().map(Some));
            let values = queries.finish("qid", &mut notes)?;
            columns.push(Column { name: "qid".to_owned(), values });
        }
        let values: Values = Numbers::Floats(self.labels).finish("y", &mut notes)?;
        columns.push(Column { name: "y".to_owned(), values });
        Ok((Table::new(columns), notes, zero_based))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str, zero_based: Option<bool>, expected: &str) {
        match read(text.as_bytes(), zero_based, &Limits::default()) {
            Err(FormatError::Invalid(problems)) => {
                let found = format!("{problems:?}");
                assert!(found.contains(expected), "{found}");
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_line_that_is_no_row_is_named() {
        wrong("1 1:2\nx 1:2\n", None, "line 2: the label");
        wrong("1,2 1:2\n", None, "one label");
        wrong("1 1\n", None, "no pair");
        wrong("1 a:1\n", None, "index");
        wrong("1 1:b\n", None, "value");
        wrong("1 2:1 2:1\n", None, "as large");
        wrong("1 3:1 2:1\n", None, "as large");
        wrong("1 4000000000:1\n", None, "limit of 10000 columns");
        wrong("1 qid:1 1:1\n2 1:1\n", None, "line 2: no query");
        wrong("1 1:1\n2 qid:1 1:1\n", None, "line 2: a query");
        wrong("1 0:1\n", Some(false), "zero_based");
        wrong("1 1:inf\n", None, "finite");
        wrong("# only this\n1\n", None, "no pairs");
        wrong("", None, "no pairs");
    }

    #[test]
    fn few_bytes_become_no_huge_table() {
        let text = "1 9999:1\n".repeat(60_000);
        wrong(&text, None, "cells");
    }

    #[test]
    fn where_columns_begin_is_found_or_told() {
        let read = |zero_based| {
            let (table, _, zero) =
                read("1 1:5\n".as_bytes(), zero_based, &Limits::default()).unwrap();
            (table.columns().len(), zero)
        };
        assert_eq!(read(None), (2, false));
        assert_eq!(read(Some(true)), (3, true));
    }
}
