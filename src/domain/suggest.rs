//! The nearest valid name to one that is not.

/// Longer texts are no slips of a name, and likeness costs the square of the length.
const MAX_CHARACTERS: usize = 100;

/// A name as a message shows it: quoted, and cut where it is too long to be one.
pub fn shown(name: &str) -> String {
    match name.char_indices().nth(MAX_CHARACTERS) {
        None => format!("{name:?}"),
        Some((end, _)) => format!("{:?}…", &name[..end]),
    }
}

/// The candidate most like `given`, if any is like it at all.
pub fn nearest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if given.chars().nth(MAX_CHARACTERS).is_some() {
        return None;
    }
    let lower = given.to_lowercase();
    candidates
        .into_iter()
        .filter(|candidate| candidate.chars().nth(MAX_CHARACTERS).is_none())
        .map(|candidate| (strsim::jaro_winkler(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness >= 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
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
    fn a_long_name_is_shown_in_part() {
        assert_eq!(shown("a\"b"), "\"a\\\"b\"");
        assert_eq!(shown(&"é".repeat(1_000)).chars().count(), MAX_CHARACTERS + 3);
    }
}
