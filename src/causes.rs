//! An error in words, with all that caused it.

use std::error::Error;

/// The error and its causes, from the outermost to the first; one that its effect has told already is
/// not told again.
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let told = cause.to_string();
        if !text.ends_with(&told) {
            text = format!("{text}: {told}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Layers {
        #[error("the room is full")]
        Full,
        #[error("nobody came in: {0}")]
        Telling(#[source] Box<Layers>),
        #[error("the party failed")]
        Silent(#[source] Box<Layers>),
    }

    #[test]
    fn each_cause_is_told_once() {
        let error = Layers::Silent(Layers::Telling(Layers::Full.into()).into());
        assert_eq!(with_causes(&error), "the party failed: nobody came in: the room is full");
    }
}
