//! One array as NumPy saves it, or several in a ZIP archive. The first axis are the rows; with a
//! second one there are columns `x0`, `x1` …, and with more a single column of tensors.
//!
//! The header is read here rather than by a library: the ones there are bring a parser generator for
//! a line of three keys, know the elements' type when they are compiled, or read no text.

mod array;
mod header;

use std::io::{Read, Seek, SeekFrom};

use trainyard_learn::table::{Column, Table};

use crate::column::check_names;
use crate::compression::{Tagged, member as member_reader};
use crate::error::{FormatError, Limits, Problems, contained, invalid, short};
use crate::read::Notes;
use array::{Named, read_array};
use header::Header;

/// Arrays that an archive may hold.
const MAX_MEMBERS: usize = 10_000;

/// Reads one array. `n_bytes` is how long the source is, where it is known.
pub(crate) fn read(
    mut source: impl Read,
    n_bytes: Option<u64>,
    limits: &Limits,
) -> Result<(Table, Notes), FormatError> {
    let header = Header::read(&mut source)?;
    let n_rows = n_rows(&header, "the array")?;
    let mut notes = Notes::default();
    let columns = read_array(&mut source, &header, n_bytes, Named::AsX, limits, &mut notes)?;
    if source.read(&mut [0])? > 0 {
        return Err(invalid("there is more after the array", "several arrays as an NPZ file"));
    }
    limits.check(n_rows, columns.len())?;
    Ok((Table::new(columns), notes))
}

/// Reads an archive: `X` as the columns of one array are, `y` and what else there is by its name.
pub(crate) fn read_archive<R: Read + Seek>(
    mut source: R,
    limits: &Limits,
) -> Result<(Table, Notes), FormatError> {
    let n_file_bytes = source.seek(SeekFrom::End(0))?;
    source.seek(SeekFrom::Start(0))?;
    contained("NPZ", move || {
        let mut archive = zip::ZipArchive::new(Tagged(source)).map_err(damaged)?;
        no_workbook(&archive)?;
        if archive.len() > MAX_MEMBERS {
            return Err(invalid(format!("an archive of {} files", archive.len()), "fewer arrays"));
        }
        let heads = heads(&mut archive, limits)?;
        let mut columns: Vec<Column> = Vec::new();
        let mut notes = Notes::default();
        // All members together have the limit of one file.
        let mut n_left = limits.max_decompressed_bytes;
        for (index, name, _) in heads {
            let mut member = archive.by_index(index).map_err(damaged)?;
            let n_bytes = member.size();
            // What a member claims, it can have of the file at most.
            let n_packed = member.compressed_size().min(n_file_bytes);
            let mut bounded = member_reader(&mut member, n_packed, n_left, limits);
            let header = Header::read(&mut bounded)?;
            n_rows(&header, &name)?;
            let named = if name == "X" || name == "x" { Named::AsX } else { Named::By(&name) };
            // What an archive says of a size is no reason to take memory.
            if n_bytes < header.n_elements().unwrap_or(usize::MAX) as u64 {
                return Err(invalid("an array is cut short", "upload the file again, whole"));
            }
            let found = read_array(&mut bounded, &header, None, named, limits, &mut notes)?;
            columns.extend(found);
            n_left -= bounded.given().min(n_left);
        }
        let n_rows = columns.first().map_or(0, |column| column.values.len());
        limits.check(n_rows, columns.len())?;
        let (_, _) = check_names(columns.iter().map(|column| column.name.clone()))?;
        Ok((Table::new(columns), notes))
    })
}

/// Spreadsheets are ZIP archives too.
fn no_workbook<R: Read + Seek>(archive: &zip::ZipArchive<R>) -> Result<(), FormatError> {
    let holds = |start: &str| {
        archive.file_names().any(|name| name.is_ok_and(|name| name.starts_with(start)))
    };
    let what = if holds("xl/") {
        "an Excel workbook"
    } else if holds("content.xml") {
        "an OpenDocument file"
    } else {
        return Ok(());
    };
    let what = format!("the file is {what}, which is not read");
    Err(invalid(what, "export the sheet as CSV or Parquet, and upload that"))
}

/// The arrays with their names and lengths, `X` first and `y` last; all of one length.
fn heads<R: Read + Seek>(
    archive: &mut zip::ZipArchive<R>,
    limits: &Limits,
) -> Result<Vec<(usize, String, usize)>, FormatError> {
    let mut heads = Vec::new();
    let mut problems = Problems::default();
    let mut n_cells = 0_usize;
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).map_err(damaged)?;
        let file = member.name().map_err(damaged)?.into_owned();
        let Some(name) = file.strip_suffix(".npy").map(str::to_owned) else {
            let what = format!("the archive holds {:?}, which is no array", short(&file));
            let way_out =
                "a table by itself (gzip and zstd are read), or numpy.savez(\"x.npz\", X=X, y=y)";
            return Err(invalid(what, way_out));
        };
        let n_packed = member.compressed_size();
        let mut bounded =
            member_reader(&mut member, n_packed, limits.max_decompressed_bytes, limits);
        match Header::read(&mut bounded).and_then(|header| {
            n_cells = n_cells.saturating_add(header.n_elements().unwrap_or(usize::MAX));
            n_rows(&header, &format!("the array {:?}", short(&name)))
        }) {
            Ok(n_rows) => heads.push((index, name, n_rows)),
            Err(FormatError::Invalid(found)) => {
                for problem in found {
                    let way = problem.suggestion.unwrap_or_default();
                    problems.push(format!("{:?}: {}", short(&name), problem.detail), &way);
                }
            }
            Err(error) => return Err(error),
        }
    }
    problems.finish()?;
    if n_cells > limits.max_cells {
        limits.check(usize::MAX, 1)?;
    }
    let Some((_, first, n_rows)) = heads.first() else {
        return Err(invalid("the archive holds no array", "numpy.savez(\"x.npz\", X=X, y=y)"));
    };
    if let Some((_, name, other)) = heads.iter().find(|(_, _, other)| other != n_rows) {
        return Err(invalid(
            format!(
                "the array {:?} has {n_rows} rows and {:?} has {other}",
                short(first),
                short(name)
            ),
            "arrays of one length in a file; training and test rows as datasets of their own",
        ));
    }
    heads.sort_by_key(|(index, name, _)| match name.as_str() {
        "X" | "x" => (0, *index),
        "y" => (2, *index),
        _ => (1, *index),
    });
    Ok(heads)
}

fn n_rows(header: &Header, name: &str) -> Result<usize, FormatError> {
    match header.shape.first() {
        None => Err(invalid(format!("{name} is a single value"), "an array of rows")),
        Some(0) => Err(invalid(format!("{name} has no rows"), "at least one")),
        Some(_) if header.n_elements() == Some(0) => {
            Err(invalid(format!("{name} has no columns"), "at least one"))
        }
        Some(n_rows) => Ok(*n_rows),
    }
}

fn damaged(error: zip::result::ZipError) -> FormatError {
    match error {
        zip::result::ZipError::Io(error) => error.into(),
        error => invalid(
            format!("the archive cannot be read: {error}"),
            "numpy.savez(\"x.npz\", X=X, y=y), uploaded whole",
        ),
    }
}
