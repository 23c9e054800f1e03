//! How scorers are written: as a name, or as an object where there is a parameter.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::{Serialize, Serializer};

use super::Scorer;
use super::scorer::Share;

/// What scikit-learn has called `neg_max_error` before.
const OLD_NAME: &str = "max_error";

/// A scorer with its parameter.
#[derive(serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum WithParameter {
    /// The share of rows whose class is among the `k` most likely ones; 1 of them is `accuracy`.
    TopKAccuracy {
        /// How many; fewer than there are classes.
        #[serde(default = "two")]
        #[cfg_attr(feature = "openapi", schema(value_type = i64, minimum = 2, maximum = 65535, default = 2))]
        k: u32,
    },
    /// The mean pinball loss, negated, which is least at a quantile of the target.
    NegMeanPinballLoss {
        /// Which quantile.
        #[serde(default = "half")]
        #[cfg_attr(feature = "openapi", schema(minimum = 0.0, maximum = 1.0, default = 0.5))]
        alpha: f64,
    },
}

fn two() -> u32 {
    2
}

fn half() -> f64 {
    0.5
}

impl Serialize for Scorer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::TopK(k) => WithParameter::TopKAccuracy { k }.serialize(serializer),
            Self::Pinball(alpha) => {
                WithParameter::NegMeanPinballLoss { alpha: alpha.get() }.serialize(serializer)
            }
            named => serializer.serialize_str(&named.name()),
        }
    }
}

impl<'de> Deserialize<'de> for Scorer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameOrFields;
        impl<'de> Visitor<'de> for NameOrFields {
            type Value = Scorer;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a scorer's name or an object with a `type`")
            }
            fn visit_str<E: Error>(self, name: &str) -> Result<Scorer, E> {
                if name == OLD_NAME {
                    return Ok(Scorer::NegMaxError);
                }
                let known = Scorer::ALL.into_iter().find(|scorer| scorer.name() == name);
                known.ok_or_else(|| E::custom(format!("there is no scorer `{name}`")))
            }
            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Scorer, A::Error> {
                match WithParameter::deserialize(MapAccessDeserializer::new(fields))? {
                    WithParameter::TopKAccuracy { k } if k >= 2 => Ok(Scorer::top_k(k)),
                    WithParameter::TopKAccuracy { .. } => {
                        Err(Error::custom("k must be at least 2"))
                    }
                    WithParameter::NegMeanPinballLoss { alpha } => {
                        let alpha = Share::new(alpha);
                        alpha.map(Scorer::pinball).ok_or_else(|| Error::custom("alpha is no share"))
                    }
                }
            }
        }
        deserializer.deserialize_any(NameOrFields)
    }
}

#[cfg(feature = "openapi")]
mod schema {
    use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};
    use utoipa::openapi::{RefOr, Schema};
    use utoipa::{PartialSchema, ToSchema};

    use super::{OLD_NAME, Scorer, WithParameter};

    impl ToSchema for Scorer {}

    /// Either one of the names, or one of the objects.
    impl PartialSchema for Scorer {
        fn schema() -> RefOr<Schema> {
            let names = Scorer::ALL.into_iter().map(|scorer| scorer.name().into_owned());
            let names = names.chain([OLD_NAME.to_owned()]);
            let name =
                ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).build();
            let RefOr::T(Schema::OneOf(objects)) = WithParameter::schema() else {
                return WithParameter::schema();
            };
            let builder = OneOfBuilder::new()
                .item(name)
                .description(Some("A score of which more is better, by scikit-learn's name."));
            RefOr::T(Schema::OneOf(
                objects.items.into_iter().fold(builder, OneOfBuilder::item).build(),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_scorer_is_read_as_it_is_written() {
        let read = |value| serde_json::from_value::<Scorer>(value);
        for scorer in Scorer::ALL {
            assert_eq!(serde_json::to_value(scorer).unwrap(), json!(scorer.name()));
            assert_eq!(read(json!(scorer.name())).unwrap(), scorer);
        }
        for (written, name) in [
            (json!({"type": "top_k_accuracy", "k": 3}), "top_k_accuracy(k=3)"),
            (
                json!({"type": "neg_mean_pinball_loss", "alpha": 0.9}),
                "neg_mean_pinball_loss(alpha=0.9)",
            ),
        ] {
            let scorer = read(written.clone()).unwrap();
            assert_eq!(
                (scorer.name(), serde_json::to_value(scorer).unwrap()),
                (name.into(), written)
            );
        }
        // What a name says all of is the scorer of that name.
        assert_eq!(read(json!({"type": "top_k_accuracy"})).unwrap(), Scorer::TopKAccuracy);
        let half = json!({"type": "neg_mean_pinball_loss", "alpha": 0.5});
        assert_eq!(read(half).unwrap(), Scorer::NegMeanPinballLoss);
        assert_eq!(read(json!("max_error")).unwrap(), Scorer::NegMaxError);
        for wrong in [
            json!("acuracy"),
            json!({"type": "accuracy"}),
            json!({"type": "top_k_accuracy", "k": 1}),
            json!({"type": "neg_mean_pinball_loss", "alpha": 1.5}),
            json!(3),
        ] {
            assert!(read(wrong).is_err());
        }
    }
}
