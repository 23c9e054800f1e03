//! Identifiers: a prefix that says of what, and a UUID of version 7.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

use super::clock::Clock;

/// The text is no identifier of the kind that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no id: expected {prefix} followed by a UUID")]
pub struct InvalidId {
    /// What an id of the kind begins with.
    pub prefix: &'static str,
    /// What such an id is of.
    pub of: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $of:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// A fresh id.
            pub fn new(clock: &Clock) -> Self {
                Self(clock.new_uuid())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let invalid = InvalidId { prefix: $prefix, of: $of };
                let uuid = text.strip_prefix($prefix).ok_or(invalid)?;
                // One id has one spelling: the one that `Display` writes.
                let id = Uuid::parse_str(uuid).map(Self).map_err(|_| invalid)?;
                if id.to_string() == text { Ok(id) } else { Err(invalid) }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                use utoipa::openapi::schema::{ObjectBuilder, Type};
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .description(Some(concat!("The id: `", $prefix, "` and a UUID of version 7.")))
                    .pattern(Some(concat!("^", $prefix, "[0-9a-f-]{36}$")))
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {}
    };
}

id!(
    /// A project: the owner of every row.
    ProjectId,
    "prj_",
    "project"
);
id!(
    /// A dataset.
    DatasetId,
    "ds_",
    "dataset"
);
id!(
    /// A job.
    JobId,
    "job_",
    "job"
);
id!(
    /// A model.
    ModelId,
    "mdl_",
    "model"
);

id!(
    /// A webhook.
    WebhookId,
    "wh_",
    "webhook"
);
id!(
    /// A worker: a process that trains.
    WorkerId,
    "wrk_",
    "worker"
);

impl ProjectId {
    /// The one project there is until keys name others; the first migration inserts it.
    pub const DEFAULT: Self = Self(Uuid::nil());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_another_kind_does_not() {
        let id = JobId::new(&Clock::system());
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(id.to_string().parse::<ModelId>().is_err());
        assert!(id.to_string().to_uppercase().parse::<JobId>().is_err());
        assert!("job_".parse::<JobId>().is_err());
    }
}
