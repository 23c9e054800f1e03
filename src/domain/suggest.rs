//! Names in messages: as they are shown, and the nearest valid one to one that is not.

pub use trainyard_learn::nearest::nearest;

/// What is longer is no name.
const MAX_CHARACTERS: usize = 100;

/// A name as a message shows it: quoted, and cut where it is too long to be one.
pub fn shown(name: &str) -> String {
    match name.char_indices().nth(MAX_CHARACTERS) {
        None => format!("{name:?}"),
        Some((end, _)) => format!("{:?}…", &name[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_shown_in_part() {
        assert_eq!(shown("a\"b"), "\"a\\\"b\"");
        assert_eq!(shown(&"é".repeat(1_000)).chars().count(), MAX_CHARACTERS + 3);
    }
}
