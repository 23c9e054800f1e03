//! The server's own copy of a table, derived from what was uploaded: an uncompressed Arrow file with
//! every buffer on 64 bytes, so that it can be mapped and any Arrow reader can look into it.
//!
//! What is written comes back exactly: NaN with its bits, categories in their order, tensors with
//! their shape. It is no archive: a file of another version is written anew from the upload.

use std::io::Write;
use std::sync::Arc;

use arrow_array::builder::BooleanBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, TimestampMicrosecondType, UInt32Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, DictionaryArray, FixedSizeListArray, Float32Array, Float64Array,
    LargeStringArray, RecordBatch, StringArray, TimestampMicrosecondArray, UInt32Array,
};
use arrow_buffer::Buffer;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::{FileDecoder, read_footer_length};
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use arrow_ipc::{Block, MetadataVersion, root_as_footer};
use arrow_schema::extension::{EXTENSION_TYPE_METADATA_KEY, EXTENSION_TYPE_NAME_KEY};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};
use bytes::Bytes;
use trainyard_learn::table::{Column, MISSING_CODE, MISSING_TIME, Table, Values};

use crate::arrow::tensors::{FIXED_SHAPE_TENSOR, TensorMetadata};
use crate::error::{FormatError, contained, invalid};

/// Rows of a batch: a mini-batch is within one or two, and a copy of one is soon made.
const BATCH_ROWS: usize = 1 << 16;

/// What each buffer begins on.
const ALIGNMENT: usize = 64;

/// Writes a table.
///
/// # Errors
/// [`FormatError::Io`] when the writer fails, and [`FormatError::Invalid`] for tensors of more numbers
/// than the format counts.
pub fn write(table: &Table, mut out: impl Write) -> Result<(), FormatError> {
    let fields = table.columns().iter().map(field).collect::<Result<Vec<Field>, _>>()?;
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    let dictionaries: Vec<Option<ArrayRef>> = table.columns().iter().map(dictionary).collect();
    let options = IpcWriteOptions::try_new(ALIGNMENT, false, MetadataVersion::V5);
    let mut writer = options
        .and_then(|options| FileWriter::try_new_with_options(&mut out, &schema, options))
        .map_err(unwritten)?;
    let mut start = 0;
    // Without rows there is a batch too: with it come the categories.
    while !table.columns().is_empty() && (start < table.n_rows() || start == 0) {
        let end = table.n_rows().min(start + BATCH_ROWS);
        let mut arrays = Vec::with_capacity(dictionaries.len());
        for (column, dictionary) in table.columns().iter().zip(&dictionaries) {
            arrays.push(array(&column.values, dictionary.as_ref(), start, end).map_err(unwritten)?);
        }
        let batch = RecordBatch::try_new(schema.clone(), arrays).map_err(unwritten)?;
        writer.write(&batch).map_err(unwritten)?;
        start = end.max(1);
    }
    writer.finish().map_err(unwritten)
}

fn unwritten(error: ArrowError) -> FormatError {
    match error {
        ArrowError::IoError(_, error) => FormatError::Io(error),
        error => FormatError::Io(std::io::Error::other(error)),
    }
}

fn field(column: &Column) -> Result<Field, FormatError> {
    let kind = match &column.values {
        Values::Numeric(_) => return Ok(Field::new(&column.name, DataType::Float64, false)),
        Values::Boolean(_) => DataType::Boolean,
        Values::Categorical { .. } => {
            DataType::Dictionary(DataType::UInt32.into(), DataType::Utf8.into())
        }
        Values::Datetime(_) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Values::Text(_) => DataType::LargeUtf8,
        Values::Tensor { shape, .. } => {
            let kind = DataType::FixedSizeList(item(), width(shape)?);
            let about = TensorMetadata { shape: shape.clone(), permutation: None };
            let about = serde_json::to_string(&about).map_err(std::io::Error::other)?;
            let metadata = [
                (EXTENSION_TYPE_NAME_KEY.to_owned(), FIXED_SHAPE_TENSOR.to_owned()),
                (EXTENSION_TYPE_METADATA_KEY.to_owned(), about),
            ];
            return Ok(Field::new(&column.name, kind, false).with_metadata(metadata));
        }
    };
    Ok(Field::new(&column.name, kind, true))
}

fn item() -> Arc<Field> {
    Arc::new(Field::new("item", DataType::Float32, false))
}

fn width(shape: &[usize]) -> Result<i32, FormatError> {
    let width = shape.iter().try_fold(1_usize, |n, length| n.checked_mul(*length));
    width
        .and_then(|width| i32::try_from(width).ok())
        .ok_or_else(|| invalid("tensors of more than two thousand million numbers", "smaller ones"))
}

/// The categories, once for all batches.
fn dictionary(column: &Column) -> Option<ArrayRef> {
    let Values::Categorical { categories, .. } = &column.values else { return None };
    Some(Arc::new(StringArray::from_iter_values(categories)))
}

fn array(
    values: &Values,
    dictionary: Option<&ArrayRef>,
    start: usize,
    end: usize,
) -> Result<ArrayRef, ArrowError> {
    Ok(match values {
        Values::Numeric(rows) => {
            Arc::new(Float64Array::new(Buffer::from_slice_ref(&rows[start..end]).into(), None))
        }
        Values::Boolean(rows) => {
            let mut array = BooleanBuilder::with_capacity(end - start);
            rows[start..end].iter().for_each(|row| array.append_option(*row));
            Arc::new(array.finish())
        }
        Values::Categorical { codes, .. } => {
            let present = |code: &u32| (*code != MISSING_CODE).then_some(*code);
            let keys: UInt32Array = codes[start..end].iter().map(present).collect();
            let none = || ArrowError::InvalidArgumentError("no categories".to_owned());
            let values = dictionary.ok_or_else(none)?.clone();
            Arc::new(DictionaryArray::try_new(keys, values)?)
        }
        Values::Datetime(rows) => {
            let present = |time: &i64| (*time != MISSING_TIME).then_some(*time);
            let times: TimestampMicrosecondArray = rows[start..end].iter().map(present).collect();
            Arc::new(times.with_timezone("UTC"))
        }
        Values::Text(rows) => {
            Arc::new(rows[start..end].iter().map(Option::as_deref).collect::<LargeStringArray>())
        }
        Values::Tensor { shape, values } => {
            let width: usize = shape.iter().product();
            let numbers = Buffer::from_slice_ref(&values[start * width..end * width]);
            let numbers = Float32Array::new(numbers.into(), None);
            let length = i32::try_from(width)
                .map_err(|error| ArrowError::InvalidArgumentError(error.to_string()))?;
            Arc::new(FixedSizeListArray::try_new_with_length(
                item(),
                length,
                Arc::new(numbers),
                None,
                end - start,
            )?)
        }
    })
}

/// Reads what [`write()`] wrote. The bytes may be a mapped file (`Bytes::from_owner`), of which nothing
/// but the table's own values is copied.
///
/// # Errors
/// [`FormatError::Invalid`] when they are something else.
pub fn read(bytes: Bytes) -> Result<Table, FormatError> {
    contained("the columnar copy", || {
        let buffer = Buffer::from(bytes);
        let end = buffer.len().checked_sub(10).ok_or_else(|| broken("it is too short"))?;
        let tail = buffer[end..].try_into().map_err(broken)?;
        let length = read_footer_length(tail).map_err(broken)?;
        let start = end.checked_sub(length).ok_or_else(|| broken("it is too short"))?;
        let footer = root_as_footer(&buffer[start..end]).map_err(broken)?;
        let schema = footer.schema().ok_or_else(|| broken("it has no schema"))?;
        let schema: SchemaRef = Arc::new(try_fb_to_schema(schema).map_err(broken)?);
        let mut columns: Vec<Column> =
            schema.fields().iter().map(|field| empty(field)).collect::<Result<_, _>>()?;
        let mut decoder = FileDecoder::new(schema, footer.version());
        for block in footer.dictionaries().iter().flatten() {
            decoder.read_dictionary(block, &part(&buffer, block)?).map_err(broken)?;
        }
        for block in footer.recordBatches().iter().flatten() {
            let batch = decoder.read_record_batch(block, &part(&buffer, block)?);
            let batch = batch.map_err(broken)?.ok_or_else(|| broken("a batch is missing"))?;
            for (column, array) in columns.iter_mut().zip(batch.columns()) {
                extend(&mut column.values, array.as_ref())?;
            }
        }
        Ok(Table::new(columns))
    })
}

fn broken(what: impl std::fmt::Display) -> FormatError {
    invalid(format!("the columnar copy cannot be read: {what}"), "")
}

fn part(buffer: &Buffer, block: &Block) -> Result<Buffer, FormatError> {
    let start = usize::try_from(block.offset()).map_err(broken)?;
    let head = usize::try_from(block.metaDataLength()).map_err(broken)?;
    let body = usize::try_from(block.bodyLength()).map_err(broken)?;
    let length = head.checked_add(body).ok_or_else(|| broken("a block is too long"))?;
    if start.checked_add(length).is_none_or(|end| end > buffer.len()) {
        return Err(broken("a block is beyond its end"));
    }
    Ok(buffer.slice_with_length(start, length))
}

fn empty(field: &Field) -> Result<Column, FormatError> {
    let values = match field.data_type() {
        DataType::Float64 => Values::Numeric(Vec::new()),
        DataType::Boolean => Values::Boolean(Vec::new()),
        DataType::Dictionary(..) => {
            Values::Categorical { codes: Vec::new(), categories: Vec::new() }
        }
        DataType::Timestamp(..) => Values::Datetime(Vec::new()),
        DataType::LargeUtf8 => Values::Text(Vec::new()),
        DataType::FixedSizeList(..) => {
            let about = field.metadata().get(EXTENSION_TYPE_METADATA_KEY);
            let about = about.ok_or_else(|| broken("a tensor has no shape"))?;
            let about: TensorMetadata = serde_json::from_str(about).map_err(broken)?;
            Values::Tensor { shape: about.shape, values: Vec::new() }
        }
        other => return Err(broken(format!("a column of type {other}"))),
    };
    Ok(Column { name: field.name().clone(), values })
}

fn extend(values: &mut Values, array: &dyn Array) -> Result<(), FormatError> {
    let other = || broken("a column is of another type");
    match values {
        Values::Numeric(rows) => {
            let array = array.as_primitive_opt::<Float64Type>().ok_or_else(other)?;
            rows.extend_from_slice(array.values());
        }
        Values::Boolean(rows) => {
            let array: &BooleanArray = array.as_boolean_opt().ok_or_else(other)?;
            rows.extend(array.iter());
        }
        Values::Categorical { codes, categories } => {
            let array = array.as_dictionary_opt::<UInt32Type>().ok_or_else(other)?;
            codes.extend(array.keys().iter().map(|code| code.unwrap_or(MISSING_CODE)));
            let found = array.values().as_string_opt::<i32>().ok_or_else(other)?;
            if categories.is_empty() {
                categories.extend(found.iter().flatten().map(str::to_owned));
            }
        }
        Values::Datetime(rows) => {
            let array = array.as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(other)?;
            rows.extend(array.iter().map(|time| time.unwrap_or(MISSING_TIME)));
        }
        Values::Text(rows) => {
            let array = array.as_string_opt::<i64>().ok_or_else(other)?;
            rows.extend(array.iter().map(|text| text.map(Box::from)));
        }
        Values::Tensor { values, .. } => {
            let lists = array.as_fixed_size_list_opt().ok_or_else(other)?;
            let numbers = lists.values().as_primitive_opt::<Float32Type>().ok_or_else(other)?;
            values.extend_from_slice(numbers.values());
        }
    }
    Ok(())
}
