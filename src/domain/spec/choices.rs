//! The parts of a spec that clients may write in more than one way.

use serde::{Deserialize, Deserializer, Serialize};
use trainyard_learn::losses::LossSpec;
use trainyard_learn::named::Named;
use utoipa::openapi::{ObjectBuilder, OneOfBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// One column to predict, or several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum TargetColumns {
    /// One column.
    One(String),
    /// Several columns of numbers or booleans.
    Several(Vec<String>),
}

impl TargetColumns {
    /// The columns' names.
    pub fn names(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Several(names) => names,
        }
    }
}

/// What to minimise: a loss, or the one that fits the target.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum LossChoice {
    /// The one that fits the target.
    #[default]
    Auto,
    /// This one.
    Loss(Named<LossSpec>),
}

impl<'de> Deserialize<'de> for LossChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Option::<serde_json::Value>::deserialize(deserializer)?;
        match value {
            None => Ok(Self::Auto),
            Some(value) if value == "auto" => Ok(Self::Auto),
            Some(value) => {
                serde_json::from_value(value).map(Self::Loss).map_err(serde::de::Error::custom)
            }
        }
    }
}

impl ToSchema for LossChoice {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Named::<LossSpec>::schemas(schemas);
    }
}

impl PartialSchema for LossChoice {
    fn schema() -> RefOr<Schema> {
        let auto = ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .enum_values(Some(["auto"]))
            .build();
        let null = ObjectBuilder::new().schema_type(utoipa::openapi::schema::Type::Null).build();
        let RefOr::T(Schema::OneOf(named)) = Named::<LossSpec>::schema() else {
            return Named::<LossSpec>::schema();
        };
        let builder = OneOfBuilder::new().item(auto).item(null);
        let all = named.items.into_iter().fold(builder, OneOfBuilder::item);
        RefOr::T(Schema::OneOf(all.build()))
    }
}
