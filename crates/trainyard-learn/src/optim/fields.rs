//! Structs of hyperparameters, each field with its default and its limits in one place: the
//! [`Default`], the check and the API's document are made from them.

use crate::named::Named;
use crate::problem::Problem;
use crate::schedule::ScheduleSpec;

/// Defines a struct of hyperparameters with [`Default`] and `check`.
///
/// A field reads `name: type = default [limits] schema(more),` with the limits of its numbers by
/// JSON Schema's names, and more that is only for the document.
macro_rules! fields {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $(
                $(#[$field_meta:meta])*
                pub $field:ident: $type:ty = $default:tt
                    $([$($bound:ident = $limit:tt),+])?
                    $(schema($($extra:tt)+))?,
            )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $(
                $(#[$field_meta])*
                #[cfg_attr(
                    feature = "openapi",
                    schema(
                        $($($bound = $limit,)+)?
                        $($($extra)+,)?
                        default = json!($name::default().$field)
                    )
                )]
                pub $field: $type,
            )+
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default),+ }
            }
        }

        impl $name {
            /// Everything that is wrong with these fields, with pointers relative to them.
            pub fn check(&self) -> Vec<$crate::problem::Problem> {
                let mut problems = Vec::new();
                $(
                    let range = $crate::optim::fields::range!($($($bound = $limit),+)?);
                    $crate::optim::fields::Field::check(
                        &self.$field,
                        stringify!($field),
                        range,
                        &mut problems,
                    );
                )+
                problems
            }
        }
    };
}

/// A [`Range`] by its limits.
macro_rules! range {
    ($($bound:ident = $limit:tt),*) => {
        $crate::optim::fields::Range {
            $($bound: Some(f64::from($limit)),)*
            ..$crate::optim::fields::Range::default()
        }
    };
}

pub(crate) use {fields, range};

/// What a number may be, by JSON Schema's names. It is always finite.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Range {
    pub(crate) minimum: Option<f64>,
    pub(crate) exclusive_minimum: Option<f64>,
    pub(crate) maximum: Option<f64>,
    pub(crate) exclusive_maximum: Option<f64>,
}

impl Range {
    fn contains(self, x: f64) -> bool {
        x.is_finite()
            && self.minimum.is_none_or(|limit| x >= limit)
            && self.exclusive_minimum.is_none_or(|limit| x > limit)
            && self.maximum.is_none_or(|limit| x <= limit)
            && self.exclusive_maximum.is_none_or(|limit| x < limit)
    }

    fn describe(self) -> String {
        let limits = [
            ("at least", self.minimum),
            ("greater than", self.exclusive_minimum),
            ("at most", self.maximum),
            ("less than", self.exclusive_maximum),
        ];
        let limits: Vec<String> = limits
            .iter()
            .filter_map(|(words, limit)| limit.map(|limit| format!("{words} {}", shown(limit))))
            .collect();
        if limits.is_empty() { "finite".to_owned() } else { limits.join(" and ") }
    }
}

fn shown(x: f64) -> String {
    if x != 0.0 && x.abs() < 1e-6 { format!("{x:e}") } else { x.to_string() }
}

/// A field that can be checked against the limits of its numbers.
pub(crate) trait Field {
    fn check(&self, name: &str, range: Range, problems: &mut Vec<Problem>);
}

impl Field for f64 {
    fn check(&self, name: &str, range: Range, problems: &mut Vec<Problem>) {
        if !range.contains(*self) {
            let field = name.split('/').next().unwrap_or(name);
            let detail = format!("{field} is {}; it must be {}", shown(*self), range.describe());
            problems.push(Problem::new(format!("/{name}"), detail));
        }
    }
}

impl Field for u32 {
    fn check(&self, name: &str, range: Range, problems: &mut Vec<Problem>) {
        Field::check(&f64::from(*self), name, range, problems);
    }
}

/// Fields of which every value is right.
macro_rules! unlimited {
    ($($type:ty),+) => {$(
        impl $crate::optim::fields::Field for $type {
            fn check(
                &self,
                _: &str,
                _: $crate::optim::fields::Range,
                _: &mut Vec<$crate::problem::Problem>,
            ) {
            }
        }
    )+};
}

pub(crate) use unlimited;

unlimited!(bool);

impl<T: Field> Field for Named<T> {
    fn check(&self, name: &str, range: Range, problems: &mut Vec<Problem>) {
        (**self).check(name, range, problems);
    }
}

impl<T: Field> Field for [T; 2] {
    fn check(&self, name: &str, range: Range, problems: &mut Vec<Problem>) {
        for (i, x) in self.iter().enumerate() {
            x.check(&format!("{name}/{i}"), range, problems);
        }
    }
}

impl<T: Field> Field for Option<T> {
    fn check(&self, name: &str, range: Range, problems: &mut Vec<Problem>) {
        if let Some(value) = self {
            value.check(name, range, problems);
        }
    }
}

/// Fields that know their limits themselves.
macro_rules! nested {
    ($($type:ty),+) => {$(
        impl $crate::optim::fields::Field for $type {
            fn check(
                &self,
                name: &str,
                _: $crate::optim::fields::Range,
                problems: &mut Vec<$crate::problem::Problem>,
            ) {
                let prefix = format!("/{name}");
                problems.extend(self.check().into_iter().map(|problem| problem.below(&prefix)));
            }
        }
    )+};
}

pub(crate) use nested;

nested!(ScheduleSpec);

/// [`fields!`] of an optimizer: those given and those that every optimizer has.
macro_rules! optimizer {
    (
        $(#[$meta:meta])*
        pub struct $name:ident(learning_rate = $learning_rate:tt, weight_decay = $weight_decay:tt) {
            $($field:tt)*
        }
    ) => {
        $crate::optim::fields::fields! {
            $(#[$meta])*
            pub struct $name {
                /// The size of a step, which `schedule` may change during training.
                pub learning_rate: f64 = $learning_rate [exclusive_minimum = 0.0],
                /// How strongly the parameters are pulled towards zero.
                pub weight_decay: f64 = $weight_decay [minimum = 0.0],
                $($field)*
                /// How the learning rate changes during training.
                pub schedule: $crate::schedule::ScheduleSpec =
                    ($crate::schedule::ScheduleSpec::default()) schema(no_recursion),
                /// The limits of the gradients; `null` for none.
                pub clip: Option<$crate::optim::Clip> = None schema(no_recursion),
            }
        }
    };
}

pub(crate) use optimizer;
