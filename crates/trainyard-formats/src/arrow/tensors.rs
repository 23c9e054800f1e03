//! Lists of numbers, all of one length, as tensors: lists within lists are further dimensions, and
//! so is what a field of Arrow's fixed-shape tensors says of itself.

use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use arrow_array::{Array, ArrayRef, OffsetSizeTrait};
use arrow_schema::extension::{EXTENSION_TYPE_METADATA_KEY, EXTENSION_TYPE_NAME_KEY};
use arrow_schema::{DataType, Field};

use super::convert::{doubles_of, is_number};
use crate::room::Growing;

/// Lists within lists, no deeper than this.
const MAX_DIMENSIONS: usize = 8;

/// The name under which Arrow knows tensors of one shape.
pub(crate) const FIXED_SHAPE_TENSOR: &str = "arrow.fixed_shape_tensor";

/// A row, what is wrong with it, and the way out.
type Wrong = (usize, String, &'static str);

/// What the extension says of a tensor.
#[derive(serde::Deserialize, serde::Serialize)]
pub(crate) struct TensorMetadata {
    pub(crate) shape: Vec<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) permutation: Option<Vec<usize>>,
}

/// The shape by a field's type; a length that only the lists tell is 0 for now.
pub(super) fn shape_of(field: &Field) -> Result<Vec<usize>, &'static str> {
    let mut shape = Vec::new();
    let mut kind = field.data_type();
    loop {
        let item = match kind {
            DataType::FixedSizeList(item, length) => {
                shape.push(usize::try_from(*length).map_err(|_| "lists of one length")?);
                if *length == 0 {
                    return Err("lists of numbers with something in them");
                }
                item
            }
            DataType::List(item) | DataType::LargeList(item) => {
                shape.push(0);
                item
            }
            kind if is_number(kind) || *kind == DataType::Boolean => break,
            _ => return Err("lists of numbers, or a column for each value"),
        };
        if shape.len() > MAX_DIMENSIONS {
            return Err("flatten it: lists within lists within lists are too deep");
        }
        kind = item.data_type();
    }
    Ok(declared(field, &shape).unwrap_or(shape))
}

/// What a field of fixed-shape tensors says, if it agrees with the length of its lists.
fn declared(field: &Field, shape: &[usize]) -> Option<Vec<usize>> {
    let metadata = field.metadata();
    if metadata.get(EXTENSION_TYPE_NAME_KEY)? != FIXED_SHAPE_TENSOR {
        return None;
    }
    let declared: TensorMetadata =
        serde_json::from_str(metadata.get(EXTENSION_TYPE_METADATA_KEY)?).ok()?;
    let in_order = |order: Vec<usize>| order.is_sorted();
    let n = declared.shape.iter().try_fold(1_usize, |n, length| n.checked_mul(*length))?;
    (declared.permutation.is_none_or(in_order) && [n] == shape).then_some(declared.shape)
}

/// Adds a row for each list.
pub(super) fn extend(
    shape: &mut [usize],
    values: &mut Growing<f32>,
    array: &dyn Array,
) -> Result<(), Wrong> {
    if array.is_empty() {
        return Ok(());
    }
    let n_rows = array.len();
    let mut leaf = children(array, 1)?.1;
    let mut lengths = vec![leaf.len() / n_rows];
    while matches!(
        leaf.data_type(),
        DataType::FixedSizeList(..) | DataType::List(_) | DataType::LargeList(_)
    ) {
        let (length, inner) = children(leaf.as_ref(), leaf.len() / n_rows)?;
        lengths.push(length);
        leaf = inner;
    }
    if leaf.null_count() > 0 {
        let first = (0..leaf.len()).position(|at| leaf.is_null(at)).unwrap_or_default();
        return Err((
            first / (leaf.len() / n_rows),
            "a list with a missing number".to_owned(),
            "leave these rows out, or fill them with numbers",
        ));
    }
    // A shape that was declared has the same product, though maybe other dimensions.
    if shape.contains(&0) {
        for (known, length) in shape.iter_mut().zip(&lengths) {
            if *known == 0 {
                *known = *length;
            }
        }
    }
    let width: usize = shape.iter().product();
    if width != leaf.len() / n_rows || shape.len() == lengths.len() && *shape != lengths[..] {
        return Err((
            0,
            format!("a list of shape {lengths:?}, where the first is of {shape:?}"),
            "lists of one length, or a column for each value",
        ));
    }
    if let Some(floats) = leaf.as_primitive_opt::<Float32Type>() {
        values.extend_by(|values| values.extend_from_slice(floats.values()));
    } else {
        let floats = doubles_of(leaf.as_ref()).into_iter().map(|value| value as f32);
        values.extend_by(|values| values.extend(floats));
    }
    Ok(())
}

/// How long each list is, and what all of them hold.
fn children(array: &dyn Array, lists_a_row: usize) -> Result<(usize, ArrayRef), Wrong> {
    if array.null_count() > 0 {
        let first = (0..array.len()).position(|at| array.is_null(at)).unwrap_or_default();
        return Err((
            first / lists_a_row,
            "a missing list".to_owned(),
            "leave these rows out, or fill them with numbers",
        ));
    }
    match array.data_type() {
        DataType::FixedSizeList(_, length) => {
            let lists = array.as_fixed_size_list();
            let length = usize::try_from(*length).unwrap_or_default();
            let start = lists.value_offset_at(0);
            Ok((length, lists.values().slice(start, length * array.len())))
        }
        DataType::LargeList(_) => ragged::<i64>(array, lists_a_row),
        _ => ragged::<i32>(array, lists_a_row),
    }
}

fn ragged<O: OffsetSizeTrait>(
    array: &dyn Array,
    lists_a_row: usize,
) -> Result<(usize, ArrayRef), Wrong> {
    let lists = array.as_list::<O>();
    let offsets = lists.value_offsets();
    let start = offsets[0].as_usize();
    let length = offsets[1].as_usize() - start;
    let other = offsets.windows(2).position(|pair| (pair[1] - pair[0]).as_usize() != length);
    if let Some(at) = other {
        let found = lists.value_length(at).as_usize();
        return Err((
            at / lists_a_row,
            format!("a list of {found} values, where the first is of {length}"),
            "lists of one length, or a column for each value",
        ));
    }
    if length == 0 {
        return Err((0, "an empty list".to_owned(), "lists of one length with numbers in them"));
    }
    Ok((length, lists.values().slice(start, length * array.len())))
}
