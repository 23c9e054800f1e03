//! A text as its n-grams, of words or of characters, as scikit-learn's vectorizers cut it.

use super::{Analyzer, TextSpec};

/// Calls `token` with each n-gram of a text.
///
/// Words are runs of two and more letters, digits and underscores. A letter here is what Unicode
/// calls alphabetic, with the vowel signs of Indic scripts, at which Python's `\w` ends a word.
pub(super) fn tokens(text: &str, spec: &TextSpec, mut token: impl FnMut(&str)) {
    let lowered;
    let text = if spec.lowercase {
        lowered = text.to_lowercase();
        &lowered
    } else {
        text
    };
    match spec.analyzer {
        Analyzer::Word => {
            let words: Vec<&str> = text
                .split(|c: char| !(c.is_alphanumeric() || c == '_'))
                .filter(|word| word.chars().nth(1).is_some())
                .collect();
            for n in lengths(spec) {
                words.windows(n).for_each(|window| match window {
                    [word] => token(word),
                    words => token(&words.join(" ")),
                });
            }
        }
        Analyzer::Char => {
            let text = single_spaced(text);
            let ends = character_ends(&text);
            for n in lengths(spec) {
                ends.windows(n + 1).for_each(|window| token(&text[window[0]..window[n]]));
            }
        }
        Analyzer::CharWb => {
            for word in text.split(is_space).filter(|word| !word.is_empty()) {
                let padded = format!(" {word} ");
                let ends = character_ends(&padded);
                for n in lengths(spec) {
                    if ends.len() <= n + 1 {
                        // Shorter than the n-gram, or just as long: once, and no longer n-grams.
                        token(&padded);
                        break;
                    }
                    ends.windows(n + 1).for_each(|window| token(&padded[window[0]..window[n]]));
                }
            }
        }
    }
}

fn lengths(spec: &TextSpec) -> std::ops::RangeInclusive<usize> {
    let [least, most] = spec.ngram_range;
    least as usize..=most as usize
}

/// Where characters begin, and the end of the text.
fn character_ends(text: &str) -> Vec<usize> {
    text.char_indices().map(|(at, _)| at).chain([text.len()]).collect()
}

/// Runs of several spaces as one space; a single one of another kind stays.
fn single_spaced(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        if is_space(c) && characters.peek().is_some_and(|next| is_space(*next)) {
            while characters.next_if(|next| is_space(*next)).is_some() {}
            out.push(' ');
        } else {
            out.push(c);
        }
    }
    out
}

/// What Python calls a space: Unicode's and four separators of ASCII.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}
