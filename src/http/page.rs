//! Lists come in pages: `?limit=` and `?after=`, answered with `next_cursor`.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::problem::ApiError;

/// Which page of a list, newest first.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// At most so many.
    #[param(minimum = 1, maximum = 100, default = 20)]
    pub(super) limit: Option<i64>,
    /// Those after this cursor: the `next_cursor` of the page before.
    pub(super) after: Option<String>,
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page<T> {
    /// The items.
    pub(super) data: Vec<T>,
    /// Where the next page begins; null on the last one.
    pub(super) next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// A page of at most `limit` items, from one item more than that where there are more.
    pub(super) fn of(mut items: Vec<T>, limit: i64, cursor: impl Fn(&T) -> String) -> Self {
        let more = items.len() > limit as usize;
        items.truncate(limit as usize);
        let next_cursor = items.last().filter(|_| more).map(cursor);
        Self { data: items, next_cursor }
    }
}

/// The limit asked for, or the default.
pub(super) fn limit(asked: Option<i64>, default: i64, most: i64) -> Result<i64, ApiError> {
    match asked {
        None => Ok(default),
        Some(limit) if (1..=most).contains(&limit) => Ok(limit),
        Some(_) => Err(ApiError::invalid_parameter("query/limit", format!("must be 1 to {most}"))),
    }
}

/// The cursor asked for, if any.
pub(super) fn cursor<T: std::str::FromStr>(after: Option<&str>) -> Result<Option<T>, ApiError> {
    after
        .map(|text| {
            text.parse().map_err(|_| {
                ApiError::invalid_parameter("query/after", "must be a `next_cursor` of this list")
            })
        })
        .transpose()
}
