//! The nearest valid name to one that is not.

/// The candidate most like `given`, if any is like it at all.
pub fn nearest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = given.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| {
            (
                strsim::jaro_winkler(&lower, &candidate.to_lowercase()),
                candidate,
            )
        })
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
    }
}
