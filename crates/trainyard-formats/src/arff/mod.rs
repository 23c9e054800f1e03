//! Weka's attribute-relation files: a header of typed attributes, then rows, dense or sparse.
//!
//! Nominal attributes are categories (booleans if they are `true` and `false`), dates are moments
//! in UTC. Relational attributes and weights of rows are refused.

mod header;
mod rows;
#[cfg(test)]
mod tests;

use std::io::Read;

use trainyard_learn::table::{Column, Table};

use crate::column::check_names;
use crate::error::{FormatError, Limits, Problems, invalid, short};
use crate::lines::Lines;
use crate::read::Notes;
use header::{Attribute, attribute, keyword};
use rows::{Builder, Field, fields};

/// Reads a file.
///
/// # Errors
/// [`FormatError::Invalid`] with every line that is no row, and for what is beyond the limits.
pub(crate) fn read(source: impl Read, limits: &Limits) -> Result<(Table, Notes), FormatError> {
    let mut lines = Lines::new(source, limits.max_row_bytes);
    let attributes = attributes(&mut lines, limits)?;
    let (names, unnamed) = check_names(attributes.iter().map(|a| a.name.clone()))?;
    let room = limits.room(limits.max_rows.min(limits.max_cells / names.len().max(1)));
    let mut builders: Vec<Builder> =
        attributes.into_iter().map(|attribute| Builder::new(attribute.kind, &room)).collect();
    let mut problems = Problems::default();
    // Rows, and of these the ones that are none.
    let (mut n_rows, mut n_bad) = (0, 0);
    while let Some((number, line)) = lines.next()? {
        if line.is_empty() || line.starts_with('%') {
            continue;
        }
        n_rows += 1;
        limits.check(n_rows, builders.len())?;
        let n_kept = n_rows - n_bad;
        if let Err((column, what, way)) = row(line, &mut builders) {
            let name = column.and_then(|column| names.get(column));
            let place = name.map_or_else(String::new, |n| format!(", column {:?}", short(n)));
            problems.push(format!("row {n_rows} (line {number}){place}: {what}"), way);
            builders.iter_mut().for_each(|builder| builder.cut_to(n_kept));
            n_bad += 1;
        } else {
            builders.iter_mut().for_each(Builder::settle);
        }
    }
    problems.finish()?;
    if n_rows == 0 {
        return Err(invalid("the file has attributes and no rows", "at least one row"));
    }
    let mut notes = Notes { unnamed, ..Notes::default() };
    let mut columns = Vec::with_capacity(names.len());
    for (name, builder) in names.into_iter().zip(builders) {
        let values = builder.finish(&name, &mut notes)?;
        columns.push(Column { name, values });
    }
    Ok((Table::new(columns), notes))
}

fn attributes<R: Read>(
    lines: &mut Lines<R>,
    limits: &Limits,
) -> Result<Vec<Attribute>, FormatError> {
    let mut attributes = Vec::new();
    while let Some((number, line)) = lines.next()? {
        if line.is_empty() || line.starts_with('%') {
            continue;
        }
        let (word, rest) = keyword(line);
        match word.to_ascii_lowercase().as_str() {
            "@relation" => {}
            "@attribute" => {
                limits.check_columns(attributes.len() + 1)?;
                let found = attribute(rest)
                    .map_err(|(what, way)| invalid(format!("line {number}: {what}"), way))?;
                attributes.push(found);
            }
            "@data" if attributes.is_empty() => break,
            "@data" => return Ok(attributes),
            _ => {
                return Err(invalid(
                    format!("line {number}: {:?} where an attribute is expected", short(word)),
                    "@attribute name numeric, and @data before the rows",
                ));
            }
        }
    }
    Err(invalid("the header has no attributes, or no @data after them", "@data"))
}

/// The column at fault if there is one, what is wrong, and the way out.
type Wrong = (Option<usize>, String, &'static str);

fn row(line: &str, builders: &mut [Builder]) -> Result<(), Wrong> {
    if let Some(sparse) = line.strip_prefix('{') {
        let sparse = sparse
            .strip_suffix('}')
            .ok_or_else(|| (None, "a brace that is never closed".to_owned(), "{1 x, 3 y}"))?;
        return sparse_row(sparse, builders);
    }
    let n_columns = builders.len();
    let found = fields(line, ',').map_err(|what| (None, what, ""))?;
    if found.len() != n_columns {
        return Err((
            None,
            format!("{} values, where there are {n_columns} attributes", found.len()),
            "quote a value that holds a comma",
        ));
    }
    for (column, (field, builder)) in found.iter().zip(builders).enumerate() {
        builder.push(field).map_err(|(what, way)| (Some(column), what, way))?;
    }
    Ok(())
}

fn sparse_row(inside: &str, builders: &mut [Builder]) -> Result<(), Wrong> {
    let pairs = match inside.trim() {
        "" => Vec::new(),
        inside => fields(inside, ',').map_err(|what| (None, what, ""))?,
    };
    let mut next = 0;
    for pair in pairs {
        let (index, value) = pair
            .sparse()
            .ok_or_else(|| (None, format!("{:?} is no pair", short(&pair.text)), "{1 x, 3 y}"))?;
        if index < next || index >= builders.len() {
            return Err((
                None,
                format!("the index {index}, which is none or not after the one before"),
                "each index once, the least first, from 0 on",
            ));
        }
        builders[next..index].iter_mut().for_each(Builder::push_zero);
        builders[index].push(&value).map_err(|(what, way)| (Some(index), what, way))?;
        next = index + 1;
    }
    builders[next..].iter_mut().for_each(Builder::push_zero);
    Ok(())
}

impl Field {
    /// The index and the value of `index value`.
    fn sparse(&self) -> Option<(usize, Field)> {
        let (index, value) = self.raw.trim().split_once(|c: char| c.is_ascii_whitespace())?;
        let mut value = fields(value, '\0').ok()?;
        Some((index.parse().ok()?, value.pop()?))
    }
}
