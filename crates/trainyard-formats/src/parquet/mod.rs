//! Apache Parquet, a few columns of a group of rows at a time, so that no more of it is in memory
//! than what becomes the table and a page of each of them.
//!
//! The library decodes pages; what a file claims before that (rows, sizes, values) is held against
//! the limits here. It reads no encrypted files, and no columns that are no column of a table.

mod pages;
mod source;

use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow_schema::{DataType, Field, Fields, Schema};
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use parquet::arrow::{
    FieldLevels, ProjectionMask, parquet_to_arrow_field_levels, parquet_to_arrow_schema,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use trainyard_learn::table::{Column, Table};

use crate::arrow::convert::Builder;
use crate::column::{TextBudget, check_names};
use crate::error::{FormatError, Limits, Problems, contained, invalid};
use crate::read::Notes;
use pages::{Budget, Group, has_prefixed};
use source::Shared;

/// Metadata longer than this is refused; that of 10 000 columns in ten groups is shorter.
const MAX_METADATA_BYTES: u32 = 32 << 20;

/// Columns that are decoded side by side.
const COLUMNS_AT_ONCE: usize = 16;

/// Rows that are decoded at once, and where each may be as long as a page.
const BATCH_ROWS: usize = 8_192;
const BATCH_ROWS_OF_LONG_VALUES: usize = 64;

/// Reads a file.
///
/// # Errors
/// [`FormatError::Invalid`] for what is damaged, beyond the limits or no table, all columns that are
/// none at once; [`FormatError::Io`] when the source fails.
pub(crate) fn read<R: Read + Seek + Send + 'static>(
    source: R,
    limits: &Limits,
) -> Result<(Table, Notes), FormatError> {
    contained("Parquet", || File::open(source, limits)?.read(limits))
}

struct File<R> {
    source: Arc<Shared<R>>,
    metadata: Arc<ParquetMetaData>,
    schema: Schema,
    /// The schema that the library is asked for.
    hint: Fields,
    n_rows: usize,
    budget: Arc<Budget>,
    texts: TextBudget,
}

impl<R: Read + Seek + Send + 'static> File<R> {
    fn open(mut source: R, limits: &Limits) -> Result<Self, FormatError> {
        let n_bytes = check_end(&mut source)?;
        let source = Shared::new(source)?;
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&source).map_err(damaged)?;
        let about = metadata.file_metadata();
        let schema = parquet_to_arrow_schema(about.schema_descr(), about.key_value_metadata())
            .map_err(damaged)?;
        let mut n_rows = 0_usize;
        for group in metadata.row_groups() {
            let rows = usize::try_from(group.num_rows()).unwrap_or(usize::MAX);
            n_rows = n_rows.saturating_add(rows);
        }
        limits.check(n_rows, schema.fields().len())?;
        if n_rows == 0 {
            return Err(invalid("the file has columns and no rows", "upload at least one row"));
        }
        let budget = Budget {
            bytes: AtomicU64::new(limits.max_decompressed_bytes),
            // Dictionaries have values of their own.
            values: AtomicU64::new((limits.max_cells as u64).saturating_mul(2)),
        };
        Ok(Self {
            source: source.into(),
            hint: schema.fields().iter().map(|field| viewed(field)).collect(),
            schema,
            metadata: metadata.into(),
            n_rows,
            budget: budget.into(),
            texts: TextBudget::of_file(n_bytes, limits),
        })
    }

    fn read(self, limits: &Limits) -> Result<(Table, Notes), FormatError> {
        let fields = self.schema.fields();
        let (names, unnamed) = check_names(fields.iter().map(|field| field.name().clone()))?;
        if names.is_empty() {
            return Err(invalid("the file has no columns", "upload at least one"));
        }
        let mut builders = Vec::with_capacity(names.len());
        let mut problems = Problems::default();
        let room = limits.room(self.n_rows);
        for (name, field) in names.iter().zip(fields) {
            match Builder::new(name, field, &room, &self.texts) {
                Ok(builder) => builders.push(builder),
                Err((what, way)) => problems.push(what, way),
            }
        }
        problems.finish()?;
        for (at, builders) in builders.chunks_mut(COLUMNS_AT_ONCE).enumerate() {
            self.read_columns(at * COLUMNS_AT_ONCE, builders, limits)?;
        }
        let mut notes = Notes { unnamed, ..Notes::default() };
        let mut columns = Vec::with_capacity(names.len());
        for (name, builder) in names.into_iter().zip(builders) {
            if builder.n_rows() != self.n_rows {
                return Err(invalid(
                    format!(
                        "the file says that it has {} rows, and column {name:?} has {}",
                        self.n_rows,
                        builder.n_rows()
                    ),
                    "write the file anew",
                ));
            }
            columns.push(Column { name, values: builder.finish(&mut notes)? });
        }
        Ok((Table::new(columns), notes))
    }

    /// Some columns next to each other, from the one with that index on.
    fn read_columns(
        &self,
        first: usize,
        builders: &mut [Builder],
        limits: &Limits,
    ) -> Result<(), FormatError> {
        let descriptor = self.metadata.file_metadata().schema_descr();
        let roots = first..first + builders.len();
        let mask = ProjectionMask::roots(descriptor, roots.clone());
        let levels = parquet_to_arrow_field_levels(descriptor, mask.clone(), Some(&self.hint))
            .map_err(damaged)?;
        let leaves: Vec<usize> =
            (0..descriptor.num_columns()).filter(|leaf| mask.leaf_included(*leaf)).collect();
        for (index, rows) in self.metadata.row_groups().iter().enumerate() {
            let long = leaves.iter().any(|leaf| has_prefixed(rows, *leaf));
            let batch_rows = if long { BATCH_ROWS_OF_LONG_VALUES } else { BATCH_ROWS };
            self.read_group(index, &levels, batch_rows, builders, limits)?;
        }
        Ok(())
    }

    fn read_group(
        &self,
        index: usize,
        levels: &FieldLevels,
        batch_rows: usize,
        builders: &mut [Builder],
        limits: &Limits,
    ) -> Result<(), FormatError> {
        let group = Group {
            source: self.source.clone(),
            metadata: self.metadata.clone(),
            index,
            budget: self.budget.clone(),
        };
        let batches =
            ParquetRecordBatchReader::try_new_with_row_groups(levels, &group, batch_rows, None)
                .map_err(damaged)?;
        for batch in batches {
            let batch = batch.map_err(|error| match error {
                arrow_schema::ArrowError::ExternalError(error) => match error.downcast() {
                    Ok(error) => damaged(*error),
                    Err(error) => damaged(ParquetError::General(error.to_string())),
                },
                error => damaged(ParquetError::General(error.to_string())),
            })?;
            if batch.num_columns() != builders.len() {
                return Err(damaged(ParquetError::General("columns are missing".to_owned())));
            }
            for (builder, array) in builders.iter_mut().zip(batch.columns()) {
                builder.extend(array.as_ref())?;
                limits.check(builder.n_rows(), builder.width())?;
            }
        }
        Ok(())
    }
}

/// The same field with texts as views, of which many share one text of the file's.
fn viewed(field: &Field) -> Field {
    match field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 => field.clone().with_data_type(DataType::Utf8View),
        DataType::Dictionary(_, value)
            if matches!(**value, DataType::Utf8 | DataType::LargeUtf8) =>
        {
            field.clone().with_data_type(DataType::Utf8View)
        }
        _ => field.clone(),
    }
}

/// Looks at the last bytes, which say how long the metadata is, before anything is made of it; says
/// how long the file is.
fn check_end(source: &mut (impl Read + Seek)) -> Result<u64, FormatError> {
    let n_bytes = source.seek(SeekFrom::End(0))?;
    let cut =
        || invalid("the file has not the end that a Parquet file has", "upload it again, whole");
    if n_bytes < 12 {
        return Err(cut());
    }
    source.seek(SeekFrom::Start(n_bytes - 8))?;
    let mut end = [0; 8];
    source.read_exact(&mut end)?;
    let [a, b, c, d, mark @ ..] = end;
    match &mark {
        b"PAR1" => {}
        b"PARE" => return Err(invalid("the file is encrypted", "upload it in the clear")),
        _ => return Err(cut()),
    }
    let length = u32::from_le_bytes([a, b, c, d]);
    if length > MAX_METADATA_BYTES {
        return Err(invalid(
            format!("metadata of {length} bytes, more than the limit of {MAX_METADATA_BYTES}"),
            "fewer columns, or larger groups of rows",
        ));
    }
    Ok(n_bytes)
}

/// A source that fails is told apart from content that is damaged.
fn damaged(error: ParquetError) -> FormatError {
    match error {
        ParquetError::External(error) => match error.downcast::<std::io::Error>() {
            Ok(error) => (*error).into(),
            Err(error) => damaged(ParquetError::General(error.to_string())),
        },
        error => {
            let text = error.to_string();
            let what = text.split_once(": ").map_or(text.as_str(), |(_, what)| what);
            invalid(
                format!("the file is damaged: {what}"),
                "write it anew, and upload it again, whole",
            )
        }
    }
}
