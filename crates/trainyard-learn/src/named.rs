//! Specs that may be written as a bare name.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::de::value::{MapAccessDeserializer, MapDeserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::{Serialize, Serializer};

/// A spec that may be written as its name alone, `"relu"`, where its parameters stand at their
/// defaults, or in full, `{"type": "leaky_relu", "negative_slope": 0.2}`. It is shown in full.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Named<T>(T);

impl<T> From<T> for Named<T> {
    fn from(spec: T) -> Self {
        Self(spec)
    }
}

impl<T> Deref for Named<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Serialize> Serialize for Named<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameOrFields<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for NameOrFields<T> {
            type Value = T;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name or an object with a `type`")
            }
            fn visit_str<E: Error>(self, name: &str) -> Result<T, E> {
                T::deserialize(MapDeserializer::new(std::iter::once(("type", name))))
            }
            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(fields))
            }
        }
        deserializer.deserialize_any(NameOrFields(PhantomData)).map(Self)
    }
}

#[cfg(feature = "openapi")]
mod schema {
    use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};
    use utoipa::openapi::{RefOr, Schema};
    use utoipa::{__dev::ComposeSchema, PartialSchema, ToSchema};

    use super::Named;

    impl<T: ToSchema> ToSchema for Named<T> {
        fn name() -> std::borrow::Cow<'static, str> {
            format!("Named{}", T::name()).into()
        }
        fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
            T::schemas(schemas);
        }
    }

    /// Either one of the names, or one of the tagged variants.
    impl<T: PartialSchema> ComposeSchema for Named<T> {
        fn compose(_: Vec<RefOr<Schema>>) -> RefOr<Schema> {
            let RefOr::T(Schema::OneOf(variants)) = T::schema() else { return T::schema() };
            let names = variants.items.iter().filter_map(name_of);
            let name =
                ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).build();
            let builder = OneOfBuilder::new().item(name);
            let all = variants.items.iter().cloned().fold(builder, OneOfBuilder::item);
            RefOr::T(Schema::OneOf(all.build()))
        }
    }

    /// The tag of a variant: an object whose `type` has one value, or all of such an object and of a
    /// struct with the other fields.
    fn name_of(variant: &RefOr<Schema>) -> Option<String> {
        let variant = serde_json::to_value(variant).ok()?;
        let parts = variant["allOf"].as_array().cloned().unwrap_or_else(|| vec![variant]);
        let tag = |part: &serde_json::Value| {
            Some(part.pointer("/properties/type/enum/0")?.as_str()?.to_owned())
        };
        parts.iter().find_map(tag)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "type", rename_all = "snake_case")]
    enum Shape {
        Round,
        Long {
            #[serde(default)]
            length: f64,
        },
    }

    #[test]
    fn a_name_is_the_spec_with_its_defaults() {
        let read = |value| serde_json::from_value::<Named<Shape>>(value);
        assert_eq!(*read(json!("round")).unwrap(), Shape::Round);
        assert_eq!(*read(json!("long")).unwrap(), Shape::Long { length: 0.0 });
        let full = json!({"type": "long", "length": 2.5});
        let long = read(full.clone()).unwrap();
        assert_eq!(*long, Shape::Long { length: 2.5 });
        assert_eq!(serde_json::to_value(long).unwrap(), full);
        assert!(read(json!("square")).is_err() && read(json!(3)).is_err());
    }
}
