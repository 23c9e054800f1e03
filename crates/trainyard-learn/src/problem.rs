//! What is wrong with a spec, said so that its author can put it right.
//!
//! Checks collect problems instead of stopping at the first one. A problem knows where in the spec
//! it is; it does not know HTTP, and turning it into a response is the service's business.

/// One thing that is wrong with a spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// JSON pointer to the offending value, relative to the spec, such as `/n_informative`.
    pub pointer: String,
    /// What is wrong, with the numbers that show it.
    pub detail: String,
    /// A way out, where there is one to name.
    pub suggestion: Option<String>,
}

impl Problem {
    /// A problem at `pointer`, so far without a suggestion.
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            detail: detail.into(),
            suggestion: None,
        }
    }

    /// The same problem with a way out.
    #[must_use]
    pub fn suggest(mut self, text: impl Into<String>) -> Self {
        self.suggestion = Some(text.into());
        self
    }
}
