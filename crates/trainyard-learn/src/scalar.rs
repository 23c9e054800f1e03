//! A single value as the user wrote it: a number, a boolean or text.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::table::number_text;

/// A number, a boolean or text; in JSON itself, so that a class `1` stays a number and a class
/// `"1"` stays text.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// Finite. Whole numbers are written to JSON without a fraction.
    Number(f64),
    /// `true` or `false`.
    Boolean(bool),
    /// Any text.
    Text(String),
}

impl Scalar {
    /// The text by which classes are matched; see [`crate::table::Values::text`].
    pub fn text(&self) -> String {
        match self {
            Self::Number(value) => number_text(*value),
            Self::Boolean(value) => value.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

/// Whole numbers up to 2⁵³ are exact in `f64` and read better without a fraction.
const LARGEST_EXACT_INTEGER: f64 = 9_007_199_254_740_992.0;

impl Serialize for Scalar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(v) if v.fract() == 0.0 && v.abs() <= LARGEST_EXACT_INTEGER => {
                serializer.serialize_i64(*v as i64)
            }
            Self::Number(v) => serializer.serialize_f64(*v),
            Self::Boolean(v) => serializer.serialize_bool(*v),
            Self::Text(v) => serializer.serialize_str(v),
        }
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Scalar;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number, a boolean or text")
            }
            fn visit_bool<E>(self, v: bool) -> Result<Scalar, E> {
                Ok(Scalar::Boolean(v))
            }
            fn visit_i64<E>(self, v: i64) -> Result<Scalar, E> {
                Ok(Scalar::Number(v as f64))
            }
            fn visit_u64<E>(self, v: u64) -> Result<Scalar, E> {
                Ok(Scalar::Number(v as f64))
            }
            fn visit_f64<E>(self, v: f64) -> Result<Scalar, E> {
                Ok(Scalar::Number(v))
            }
            fn visit_str<E>(self, v: &str) -> Result<Scalar, E> {
                Ok(Scalar::Text(v.to_owned()))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(feature = "openapi")]
mod openapi {
    use utoipa::openapi::{OneOfBuilder, RefOr, schema};

    impl utoipa::PartialSchema for super::Scalar {
        fn schema() -> RefOr<schema::Schema> {
            let of = |kind| schema::ObjectBuilder::new().schema_type(kind);
            OneOfBuilder::new()
                .item(of(schema::Type::Number))
                .item(of(schema::Type::Boolean))
                .item(of(schema::Type::String))
                .description(Some("A value as the user wrote it: a number, a boolean or text."))
                .into()
        }
    }

    impl utoipa::ToSchema for super::Scalar {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_the_kind_of_a_value() {
        for text in ["1", "-3", "0.5", "true", "\"1\"", "\"setosa\""] {
            let scalar: Scalar = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&scalar).unwrap(), text);
        }
        assert_eq!(serde_json::to_string(&Scalar::Number(2.0)).unwrap(), "2");
    }
}
