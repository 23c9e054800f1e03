//! Labels: what a worker has (`gpu=true,zone=a`), and what a job requires of one.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use trainyard_learn::problem::Problem;
use utoipa::ToSchema;

/// Names with their values, such as `{"gpu": "true"}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Labels(BTreeMap<String, String>);

/// A label has one value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the label {} is there twice; give it one value", crate::domain::suggest::shown(.0))]
pub struct RepeatedLabel(pub String);

/// Every part of a worker's labels is asked for by name, and there are two to the power of their
/// number.
const MOST: usize = 8;

const LONGEST: usize = 63;

impl Labels {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is wrong with them.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.0.len() > MOST {
            problems.push(Problem::new("", format!("at most {MOST} labels, not {}", self.0.len())));
        }
        let odd = |text: &str| {
            text.is_empty()
                || text.len() > LONGEST
                || !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._/-".contains(&b))
        };
        for (name, value) in &self.0 {
            if odd(name) || odd(value) {
                let detail = format!(
                    "the label {} is not 1 to {LONGEST} letters, digits or `._/-`, on both sides",
                    crate::domain::suggest::shown(&format!("{name}={value}"))
                );
                problems.push(Problem::new("", detail));
            }
        }
        problems
    }

    /// Whether a worker with these has what is required.
    pub fn include(&self, required: &Self) -> bool {
        required.0.iter().all(|(name, value)| self.0.get(name) == Some(value))
    }

    /// Everything that a worker with these may be required to have, as text.
    pub fn subsets(&self) -> Vec<String> {
        let all: Vec<_> = self.0.iter().take(MOST).collect();
        (0..1_usize << all.len())
            .map(|chosen| {
                let is_chosen = |(index, _): &(usize, _)| chosen >> index & 1 == 1;
                let parts = all.iter().enumerate().filter(is_chosen);
                parts
                    .map(|(_, (name, value))| format!("{name}={value}"))
                    .collect::<Vec<_>>()
                    .join(",")
            })
            .collect()
    }
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{name}={value}")?;
        }
        Ok(())
    }
}

impl FromStr for Labels {
    type Err = RepeatedLabel;

    /// Reads `name=value,name=value`; what else is wrong with them [`problems`](Self::problems) tells.
    fn from_str(text: &str) -> Result<Self, RepeatedLabel> {
        let mut labels = BTreeMap::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            if labels.insert(name.to_owned(), value.to_owned()).is_some() {
                return Err(RepeatedLabel(name.to_owned()));
            }
        }
        Ok(Self(labels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str) -> Labels {
        text.parse().unwrap()
    }

    #[test]
    fn a_worker_has_what_is_required_or_not() {
        let worker = labels("zone=a, gpu=true");
        for (required, has) in [
            ("", true),
            ("gpu=true", true),
            ("gpu=true,zone=a", true),
            ("gpu=false", false),
            ("x=1", false),
        ] {
            let required = labels(required);
            assert_eq!(worker.include(&required), has, "{required}");
            assert_eq!(worker.subsets().contains(&required.to_string()), has, "{required}");
        }
        assert_eq!(worker.subsets().len(), 4);
        assert_eq!(Labels::default().subsets(), [""]);
    }

    #[test]
    fn what_is_no_label_is_told() {
        assert_eq!(labels("gpu=true,cloud.example/zone=eu-1").problems(), []);
        assert_eq!(labels("gpu").problems().len(), 1);
        let twice: Result<Labels, _> = "gpu=true,zone=a,gpu=false".parse();
        assert_eq!(twice, Err(RepeatedLabel("gpu".to_owned())));
        assert_eq!(labels("a b=1,c=\u{0}").problems().len(), 2);
        let many: String = (0..9).map(|i| format!("l{i}=1,")).collect();
        assert_eq!(labels(&many).problems().len(), 1);
    }
}
