//! The one entry: any file that this crate reads, to a table. It finds out what the file is unless
//! it is told, and says what it understood in a form that can be given back as what it is told.

use std::any::Any;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use serde::{Deserialize, Serialize};
use tempfile::SpooledTempFile;
use trainyard_learn::kernels::Mapping;
use trainyard_learn::problem::Problem;
use trainyard_learn::table::Table;

use crate::compression::decompress;
use crate::csv::{self, CsvNote, CsvOptions};
use crate::detect::{self, Compression, Format, HEAD_BYTES};
use crate::error::{FormatError, Limits};
use crate::json;
use crate::room::Bytes;
use crate::{arff, arrow, npy, parquet, svmlight};

/// What the caller says about a file; anything left out is found. What was found has the same form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ReadOptions {
    /// How the table is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// What is around it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compression: Option<Compression>,
    /// Of CSV and TSV.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub csv: Option<CsvOptions>,
    /// Of svmlight: whether columns are counted from 0. Left out, they are where an index 0 occurs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zero_based: Option<bool>,
}

impl ReadOptions {
    /// What is said that means nothing for a format, and so would be passed over in silence.
    pub fn misplaced(&self, format: Format) -> Vec<Problem> {
        let mut problems = Vec::new();
        let is_text = matches!(format, Format::Csv | Format::Tsv);
        if !is_text && self.csv.as_ref().is_some_and(|csv| *csv != CsvOptions::default()) {
            let detail = format!("say how text is read, and this is {}", format.name());
            let way_out = "leave them out, or name the format";
            problems.push(Problem::new("/options", detail).suggest(way_out));
        }
        if format != Format::Svmlight && self.zero_based.is_some() {
            let detail = format!("is of svmlight alone, and this is {}", format.name());
            let way_out = "leave it out, or name the format";
            problems.push(Problem::new("/options/zero_based", detail).suggest(way_out));
        }
        problems
    }
}

/// What a reader has to say beside the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// Columns whose name was empty and which were named by their position.
    pub unnamed: Vec<String>,
    /// Columns of numbers that are read as text, since a whole number in them is beyond 2⁵³ and
    /// would lose its last digits: it is an identifier rather than a quantity.
    pub kept_as_text: Vec<String>,
    /// What text that could be read in more than one way was taken for.
    pub told: Vec<CsvNote>,
}

/// A file that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// What is in it.
    pub table: Table,
    /// How it is written.
    pub format: Format,
    /// What is around it.
    pub compression: Compression,
    /// What was understood, all of it; with these options reading it again decides nothing anew.
    pub options_used: ReadOptions,
    /// What else there is to say.
    pub notes: Notes,
}

/// Reads a file to a table. `name` is the file's, if it has one: it is looked at where the content
/// does not tell.
///
/// # Errors
/// [`FormatError::Invalid`] for content that is no table or is beyond the limits, with all that is
/// wrong as far as the format lets a reader go on; [`FormatError::Io`] when the source fails.
pub fn read<R: Read + Seek + Send + 'static>(
    mut source: R,
    name: Option<&str>,
    options: &ReadOptions,
    limits: &Limits,
) -> Result<Loaded, FormatError> {
    let compression = match options.compression {
        Some(compression) => compression,
        None => detect::compression(&head(&mut source, Compression::None, limits, 4)?),
    };
    let format = match options.format {
        Some(format) => format,
        None => detect::format(&head(&mut source, compression, limits, HEAD_BYTES)?, name),
    };
    let misplaced = options.misplaced(format);
    if !misplaced.is_empty() {
        return Err(FormatError::Invalid(misplaced));
    }
    let mut used = ReadOptions {
        format: Some(format),
        compression: Some(compression),
        ..ReadOptions::default()
    };
    let (table, notes) = match format {
        Format::Csv | Format::Tsv => {
            let mut dialect = options.csv.clone().unwrap_or_default();
            if format == Format::Tsv && dialect.delimiter.is_none() {
                dialect.delimiter = Some("\t".to_owned());
            }
            let bytes = whole(&mut source, compression, limits)?;
            let is_large = limits.room.is_wanted_for(bytes.len() as u64);
            let done = |start, n_bytes| {
                if is_large {
                    bytes.let_go(start, n_bytes);
                }
            };
            let found = csv::read_in_room(
                &bytes,
                &dialect,
                &limits.csv(),
                limits.n_threads,
                &limits.room,
                &done,
            )?;
            used.csv = Some(found.options);
            (found.table, Notes { told: found.notes, ..Notes::default() })
        }
        Format::JsonLines | Format::Json => {
            let records = open(&mut source, compression, limits)?;
            json::read(records, format == Format::Json, limits)?
        }
        Format::Npy => {
            let n_bytes = length(&mut source, compression)?;
            npy::read(open(&mut source, compression, limits)?, n_bytes, limits)?
        }
        Format::Npz => npy::read_archive(seekable(source, compression, limits)?, limits)?,
        Format::Parquet => parquet::read(seekable(source, compression, limits)?, limits)?,
        Format::Arrow => {
            let n_bytes = length(&mut source, compression)?;
            arrow::read(open(&mut source, compression, limits)?, n_bytes, limits)?
        }
        Format::Arff => arff::read(open(&mut source, compression, limits)?, limits)?,
        Format::Svmlight => {
            let rows = open(&mut source, compression, limits)?;
            let (table, notes, zero_based) = svmlight::read(rows, options.zero_based, limits)?;
            used.zero_based = Some(zero_based);
            (table, notes)
        }
    };
    Ok(Loaded { table, format, compression, options_used: used, notes })
}

/// What can be read in any order.
pub(crate) trait Source: Read + Seek + Send + 'static {}

impl<R: Read + Seek + Send + 'static> Source for R {}

/// The decompressed content, to be read in any order.
fn seekable<R: Source>(
    mut source: R,
    compression: Compression,
    limits: &Limits,
) -> Result<Box<dyn Source>, FormatError> {
    if compression == Compression::None {
        return Ok(Box::new(source));
    }
    let mut spooled = spooled(&mut source, compression, limits)?;
    spooled.rewind()?;
    Ok(Box::new(spooled))
}

/// The decompressed content, put aside.
fn spooled(
    source: &mut impl Source,
    compression: Compression,
    limits: &Limits,
) -> Result<SpooledTempFile, FormatError> {
    let mut spooled = limits.room.spool();
    std::io::copy(&mut open(source, compression, limits)?, &mut spooled)?;
    Ok(spooled)
}

/// A smaller file is read in less time than it is mapped.
const MAPPED_FROM_BYTES: u64 = 1 << 20;

/// The decompressed content at once: a file of some size as it lies, anything else put aside.
fn whole<R: Source>(
    source: &mut R,
    compression: Compression,
    limits: &Limits,
) -> Result<Bytes, FormatError> {
    let n_bytes = length(source, compression)?.unwrap_or(0);
    if n_bytes >= MAPPED_FROM_BYTES
        && let Some(file) = (source as &dyn Any).downcast_ref::<File>()
        && let Ok(mapping) = Mapping::new(file)
    {
        return Ok(Bytes::Mapped(mapping));
    }
    Ok(Bytes::of(spooled(source, compression, limits)?)?)
}

/// How long the decompressed content is, where that is known before it is read.
fn length(source: &mut impl Seek, compression: Compression) -> Result<Option<u64>, FormatError> {
    Ok(match compression {
        Compression::None => Some(source.seek(SeekFrom::End(0))?),
        _ => None,
    })
}

/// The first bytes of the decompressed content.
fn head(
    source: &mut (impl Read + Seek),
    compression: Compression,
    limits: &Limits,
    n_bytes: usize,
) -> Result<Vec<u8>, FormatError> {
    let mut head = Vec::new();
    open(source, compression, limits)?.take(n_bytes as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// The decompressed content from its beginning.
fn open<'a>(
    source: &'a mut (impl Read + Seek),
    compression: Compression,
    limits: &Limits,
) -> Result<Box<dyn Read + 'a>, FormatError> {
    source.seek(SeekFrom::Start(0))?;
    Ok(decompress(source, compression, limits)?)
}
