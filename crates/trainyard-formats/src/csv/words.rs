//! A column of words in a part of a file: each distinct one once, and a number a row.

use std::borrow::Cow;

use hashbrown::HashMap;
use trainyard_learn::table::MISSING_CODE;

/// Words as indices into the distinct ones, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Words<'a> {
    pub(super) codes: Vec<u32>,
    pub(super) distinct: Vec<Cow<'a, str>>,
    index: HashMap<Cow<'a, [u8]>, u32>,
}

/// Why a text is no word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadText {
    Nul,
    /// So many bytes of it are UTF-8.
    NotUtf8(usize),
}

impl<'a> Words<'a> {
    /// Of so many rows that are missing.
    pub(super) fn missing(n_rows: usize) -> Self {
        Self { codes: vec![MISSING_CODE; n_rows], ..Self::default() }
    }

    pub(super) fn push_missing(&mut self) {
        self.codes.push(MISSING_CODE);
    }

    /// Adds a row; `make` is the text in a form to be kept, asked for when it is new.
    pub(super) fn push(
        &mut self,
        text: &[u8],
        make: impl FnOnce() -> Cow<'a, [u8]>,
    ) -> Result<(), BadText> {
        // Rows that are sorted, or of few categories, often repeat the one before.
        if let Some(code) = self.codes.last()
            && let Some(last) = self.distinct.get(*code as usize)
            && last.as_bytes() == text
        {
            self.codes.push(*code);
            return Ok(());
        }
        if let Some(code) = self.index.get(text) {
            self.codes.push(*code);
            return Ok(());
        }
        // A chunk has fewer rows than there are codes.
        let code = self.distinct.len() as u32;
        let key = make();
        let word = check(key.clone()).inspect_err(|_| self.codes.push(MISSING_CODE))?;
        self.distinct.push(word);
        self.index.insert(key, code);
        self.codes.push(code);
        Ok(())
    }

    /// Adds the rows of a later part.
    pub(super) fn absorb(&mut self, part: Self) {
        if self.distinct.is_empty() && self.codes.is_empty() {
            *self = part.indexed();
            return;
        }
        let codes: Vec<u32> = part
            .distinct
            .into_iter()
            .map(|word| {
                if let Some(code) = self.index.get(word.as_bytes()) {
                    return *code;
                }
                // The limit of rows is below the number of codes.
                let code = self.distinct.len() as u32;
                self.index.insert(key(&word), code);
                self.distinct.push(word);
                code
            })
            .collect();
        let code = |local: u32| codes.get(local as usize).copied().unwrap_or(MISSING_CODE);
        self.codes.extend(part.codes.into_iter().map(code));
    }

    /// Without what is needed to add rows, while it waits.
    pub(super) fn finish(&mut self) {
        self.index = HashMap::new();
    }

    /// With what is needed to add rows.
    pub(super) fn indexed(mut self) -> Self {
        if self.index.is_empty() {
            let keys =
                self.distinct.iter().enumerate().map(|(code, word)| (key(word), code as u32));
            self.index = keys.collect();
        }
        self
    }
}

fn key<'a>(word: &Cow<'a, str>) -> Cow<'a, [u8]> {
    match word {
        Cow::Borrowed(word) => Cow::Borrowed(word.as_bytes()),
        Cow::Owned(word) => Cow::Owned(word.as_bytes().to_vec()),
    }
}

fn check(bytes: Cow<'_, [u8]>) -> Result<Cow<'_, str>, BadText> {
    if memchr::memchr(0, &bytes).is_some() {
        return Err(BadText::Nul);
    }
    let not_utf8 = |error: std::str::Utf8Error| BadText::NotUtf8(error.valid_up_to());
    Ok(match bytes {
        Cow::Borrowed(bytes) => Cow::Borrowed(std::str::from_utf8(bytes).map_err(not_utf8)?),
        Cow::Owned(bytes) => {
            Cow::Owned(String::from_utf8(bytes).map_err(|error| not_utf8(error.utf8_error()))?)
        }
    })
}
