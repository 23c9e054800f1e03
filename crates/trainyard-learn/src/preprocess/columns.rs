//! Columns that are not treated as their type is.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::datetime::DatetimePart;
use super::encode::EncodeSpec;
use super::scale::ScaleSpec;
use super::spec::UnseenCategory;
use super::text::{Analyzer, Norm};
use crate::named::Named;
use crate::scalar::Scalar;

/// How one column is treated.
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnSpec {
    /// It is left out.
    Drop,
    /// Its numbers are taken as they are, missing ones as well.
    Passthrough,
    /// As its type is, with these options instead.
    Options(Box<ColumnOptions>),
}

/// Options of one column: of those that its type has, each that is given replaces the one that
/// all columns of the type share.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ColumnOptions {
    /// The type that it is treated as: numbers, booleans and texts as categories, or categories as
    /// texts.
    #[serde(rename = "as", skip_serializing_if = "Option::is_none")]
    pub treat_as: Option<TreatAs>,
    /// What stands for a missing value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub impute: Option<Named<ColumnImpute>>,
    /// Whether missing values get a feature of their own: numbers and moments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub indicator: Option<bool>,
    /// How numbers are brought to a scale: numbers, moments and tensors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<Named<ScaleSpec>>,
    /// How a category becomes numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encode: Option<Named<EncodeSpec>>,
    /// Categories with fewer training rows count as one: a share below 1, or a number.
    #[cfg_attr(feature = "openapi", schema(exclusive_minimum = 0.0))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_frequency: Option<f64>,
    /// At most so many categories.
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_categories: Option<u32>,
    /// What becomes of a category that no training row has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unseen: Option<UnseenCategory>,
    /// The parts of a moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<Vec<DatetimePart>>,
    /// Whether parts that come round again become sine and cosine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cyclic: Option<bool>,
    /// The features of a text.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 65536))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_features: Option<u32>,
    /// The least and the most words or characters of an n-gram.
    #[cfg_attr(feature = "openapi", schema(min_items = 2, max_items = 2))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ngram_range: Option<[u32; 2]>,
    /// What an n-gram is made of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analyzer: Option<Analyzer>,
    /// Whether case makes no difference in texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lowercase: Option<bool>,
    /// What is brought to 1 in every row of a text's features.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub norm: Option<Norm>,
    /// Whether an n-gram counts the less the more rows have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idf: Option<bool>,
    /// Whether a count c becomes 1 + ln c.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sublinear_tf: Option<bool>,
    /// Whether the hash of an n-gram also chooses a sign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alternate_sign: Option<bool>,
}

/// What a column is treated as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TreatAs {
    /// Categories; numbers are ordered as numbers.
    Categorical,
    /// Texts.
    Text,
}

/// What stands for a missing value of a column of any type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ColumnImpute {
    /// The mean: numbers.
    Mean,
    /// The median: numbers and moments.
    Median,
    /// The most frequent value.
    MostFrequent,
    /// A value: numbers and categories.
    Constant {
        /// That value; 0 or `"missing"` if it is not given.
        #[serde(default)]
        value: Option<Scalar>,
    },
    /// Nothing.
    None,
}

impl Serialize for ColumnSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Drop => serializer.serialize_str("drop"),
            Self::Passthrough => serializer.serialize_str("passthrough"),
            Self::Options(options) => options.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ColumnSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordOrOptions;
        impl<'de> Visitor<'de> for WordOrOptions {
            type Value = ColumnSpec;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"drop\", \"passthrough\" or an object with options")
            }
            fn visit_str<E: Error>(self, word: &str) -> Result<ColumnSpec, E> {
                match word {
                    "drop" => Ok(ColumnSpec::Drop),
                    "passthrough" => Ok(ColumnSpec::Passthrough),
                    _ => Err(E::unknown_variant(word, &["drop", "passthrough"])),
                }
            }
            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<ColumnSpec, A::Error> {
                let options = ColumnOptions::deserialize(MapAccessDeserializer::new(fields))?;
                Ok(ColumnSpec::Options(Box::new(options)))
            }
        }
        deserializer.deserialize_any(WordOrOptions)
    }
}

#[cfg(feature = "openapi")]
mod schema {
    use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, Type};
    use utoipa::openapi::{Ref, RefOr};
    use utoipa::{PartialSchema, ToSchema};

    use super::{ColumnOptions, ColumnSpec};

    impl PartialSchema for ColumnSpec {
        fn schema() -> RefOr<Schema> {
            let words = ["drop", "passthrough"];
            OneOfBuilder::new()
                .item(ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)))
                .item(Ref::from_schema_name(ColumnOptions::name()))
                .description(Some("How one column is treated, where its type does not say it."))
                .into()
        }
    }

    impl ToSchema for ColumnSpec {
        fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
            schemas.push((ColumnOptions::name().into(), ColumnOptions::schema()));
            ColumnOptions::schemas(schemas);
        }
    }
}

#[cfg(all(test, feature = "openapi"))]
mod tests {
    use utoipa::{PartialSchema, ToSchema};

    use crate::preprocess::PreprocessSpec;

    /// Every schema that another refers to is in the document.
    #[test]
    fn the_document_is_whole() {
        let mut schemas = vec![(PreprocessSpec::name().into_owned(), PreprocessSpec::schema())];
        PreprocessSpec::schemas(&mut schemas);
        let written = serde_json::to_string(&schemas).expect("is written");
        for reference in written.split("#/components/schemas/").skip(1) {
            let name = reference.split('"').next().unwrap_or_default();
            assert!(schemas.iter().any(|(known, _)| known == name), "{name}");
        }
        assert!(written.contains("passthrough") && written.contains("quantile_range"));
    }
}
