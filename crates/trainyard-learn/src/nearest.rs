//! The name that was most likely meant by one that is none.

/// Longer texts are no slips of a name, and likeness costs the square of the length.
const MAX_CHARACTERS: usize = 100;

/// How alike two names are whose beginnings are; names that share some letters only are less.
const CLOSE: f64 = 0.8;

/// How alike names are that one slip of a finger parts: Jaro and Winkler's measure does not see it in short
/// ones.
const ONE_EDIT: f64 = 0.9;

/// The candidate most like `given`, if any is close to it.
pub fn nearest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let is_long = |name: &str| name.chars().nth(MAX_CHARACTERS).is_some();
    if is_long(given) {
        return None;
    }
    let lower = given.to_lowercase();
    candidates
        .into_iter()
        .filter(|candidate| !is_long(candidate))
        .map(|candidate| (likeness(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness >= CLOSE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

fn likeness(one: &str, other: &str) -> f64 {
    let likeness = strsim::jaro_winkler(one, other);
    if is_one_edit(one, other) { likeness.max(ONE_EDIT) } else { likeness }
}

/// Whether a letter too many, too few or another, or two neighbours in the wrong order, is all that parts
/// names of three letters and more.
fn is_one_edit(one: &str, other: &str) -> bool {
    let [one, other]: [Vec<char>; 2] = [one, other].map(|name| name.chars().collect());
    if one.len().min(other.len()) < 3 {
        return false;
    }
    let begin = one.iter().zip(&other).take_while(|(a, b)| a == b).count();
    let (one, other) = (&one[begin..], &other[begin..]);
    let end = one.iter().rev().zip(other.iter().rev()).take_while(|(a, b)| a == b).count();
    match (&one[..one.len() - end], &other[..other.len() - end]) {
        ([a, b], [c, d]) => a == d && b == c,
        (one, other) => one.len().max(other.len()) <= 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_name_and_nonsense_finds_none() {
        let names = ["learning_rate", "momentum", "Species"];
        assert_eq!(nearest("learningrate", names), Some("learning_rate"));
        assert_eq!(nearest("species", names), Some("Species"));
        assert_eq!(nearest("qqq", names), None);
        assert_eq!(nearest(&"learning_rate".repeat(100), names), None);
    }

    #[test]
    fn one_slip_of_a_short_name_is_close_and_some_letters_in_common_are_not() {
        let models = ["perceptron", "linear", "mlp", "network"];
        for given in ["mpl", "mlpp", "lmp", "nlp"] {
            assert_eq!(nearest(given, models), Some("mlp"), "{given}");
        }
        assert_eq!(nearest("plm", models), None);
        assert_eq!(nearest("digits", ["iris", "wine", "breast_cancer"]), None);
        assert_eq!(nearest("adma", ["adamw", "adam", "adamax"]), Some("adam"));
    }
}
