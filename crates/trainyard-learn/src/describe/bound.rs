//! An end of a range: a number, or a moment.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::table::time_text;

/// A number, or a moment of a datetime column; in JSON a number, or text by RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// Finite.
    Number(f64),
    /// Microseconds since 1970 in UTC, within the calendar.
    Moment(i64),
}

impl Bound {
    /// A finite number, or nothing.
    pub fn number(value: f64) -> Option<Self> {
        value.is_finite().then_some(Self::Number(value))
    }

    /// A moment that has a date, or nothing.
    pub fn moment(microseconds: i64) -> Option<Self> {
        DateTime::from_timestamp_micros(microseconds).map(|_| Self::Moment(microseconds))
    }

    /// The number, or nothing of a moment.
    pub fn as_number(self) -> Option<f64> {
        match self {
            Self::Number(value) => Some(value),
            Self::Moment(_) => None,
        }
    }
}

impl Serialize for Bound {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(value) => serializer.serialize_f64(*value),
            Self::Moment(time) => serializer.serialize_str(&time_text(*time).unwrap_or_default()),
        }
    }
}

impl<'de> Deserialize<'de> for Bound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Bound;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number or a moment by RFC 3339")
            }
            fn visit_i64<E>(self, v: i64) -> Result<Bound, E> {
                Ok(Bound::Number(v as f64))
            }
            fn visit_u64<E>(self, v: u64) -> Result<Bound, E> {
                Ok(Bound::Number(v as f64))
            }
            fn visit_f64<E>(self, v: f64) -> Result<Bound, E> {
                Ok(Bound::Number(v))
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<Bound, E> {
                // Unlike the parser named after RFC 3339, this one reads years beyond 9999.
                let time: DateTime<Utc> = v.parse().map_err(E::custom)?;
                Ok(Bound::Moment(time.timestamp_micros()))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(feature = "openapi")]
mod openapi {
    use utoipa::openapi::{OneOfBuilder, RefOr, schema};

    impl utoipa::PartialSchema for super::Bound {
        fn schema() -> RefOr<schema::Schema> {
            let of = |kind| schema::ObjectBuilder::new().schema_type(kind);
            let format = schema::SchemaFormat::KnownFormat(schema::KnownFormat::DateTime);
            OneOfBuilder::new()
                .item(of(schema::Type::Number))
                .item(of(schema::Type::String).format(Some(format)))
                .description(Some("A number, or of a datetime column a moment by RFC 3339."))
                .into()
        }
    }

    impl utoipa::ToSchema for super::Bound {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_reads_back_as_it_was() {
        let far = 8_210_266_876_799_999_999;
        for (bound, text) in [
            (Bound::Number(1.5), "1.5".to_owned()),
            (Bound::Number(-3.0), "-3.0".to_owned()),
            (Bound::Moment(0), "\"1970-01-01T00:00:00Z\"".to_owned()),
            (Bound::Moment(-1), "\"1969-12-31T23:59:59.999999Z\"".to_owned()),
            (Bound::moment(far).unwrap(), format!("\"{}\"", time_text(far).unwrap())),
        ] {
            assert_eq!(serde_json::to_string(&bound).unwrap(), text);
            assert_eq!(serde_json::from_str::<Bound>(&text).unwrap(), bound);
        }
        assert_eq!(serde_json::from_str::<Bound>("7").unwrap(), Bound::Number(7.0));
        assert!(serde_json::from_str::<Bound>("\"2024-02-30T00:00:00Z\"").is_err());
    }

    #[test]
    fn what_no_calendar_holds_is_no_bound() {
        assert_eq!(Bound::moment(i64::MAX), None);
        assert_eq!(Bound::number(f64::INFINITY), None);
    }
}
