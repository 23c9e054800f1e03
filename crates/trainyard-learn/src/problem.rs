//! One thing that is wrong with an input, and the way out.

/// One thing that is wrong with an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, as a JSON pointer (RFC 6901) relative to the input that was checked.
    pub pointer: String,
    /// What is wrong, as a phrase about the value that the pointer names.
    pub detail: String,
    /// What would be right.
    pub suggestion: Option<String>,
}

impl Problem {
    /// A problem at `pointer`, without a suggestion.
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into(), suggestion: None }
    }

    /// The same problem with a way out.
    #[must_use]
    pub fn suggest(mut self, suggestion: impl Into<String>) -> Self {
        self.suggestion = Some(suggestion.into());
        self
    }

    /// The same problem below `prefix`, for a check of a part that knows nothing of the whole.
    #[must_use]
    pub fn below(mut self, prefix: &str) -> Self {
        self.pointer.insert_str(0, prefix);
        self
    }
}
