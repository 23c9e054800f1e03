//! Where fields and rows begin and end.

use memchr::{memchr, memchr_iter, memchr2, memchr3};

/// How a file marks its fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dialect {
    /// Between fields; a space stands for any number of them.
    pub(super) delimiter: u8,
    /// Around fields.
    pub(super) quote: Option<u8>,
    /// Before what is meant literally.
    pub(super) escape: Option<u8>,
    /// At the beginning of lines that are no rows.
    pub(super) comment: Option<Vec<u8>>,
    /// Whether spaces after a delimiter are no part of the field.
    pub(super) trim: bool,
}

impl Default for Dialect {
    fn default() -> Self {
        Self { delimiter: b',', quote: Some(b'"'), escape: None, comment: None, trim: false }
    }
}

/// What ends a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    Delimiter,
    Line,
    /// The end of the file.
    File,
    /// A row that is longer than the limit.
    TooLong,
    /// The end of the file within a quoted field.
    Open,
}

/// How a field is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As it is.
    Plain,
    /// Between quotes, with nothing in it that stands for something else.
    Quoted,
    /// With quotes or escapes in it that are not meant literally; its text has to be made.
    Marked,
    /// As [`Form::Marked`], because there is more after the quote that closes it.
    Loose,
}

/// One field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    /// Where its text begins; the opening quote where it is [`Form::Marked`].
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) form: Form,
    pub(super) stop: Stop,
    /// Where the next field or row begins.
    pub(super) next: usize,
}

/// The text of a file with its dialect.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scanner<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) dialect: &'a Dialect,
    pub(super) max_row_bytes: usize,
}

impl<'a> Scanner<'a> {
    /// Passes over empty lines and comments that begin before `end`, and counts them. Whether a row
    /// begins there then.
    #[inline]
    pub(super) fn row_start(&self, position: &mut usize, end: usize, n_lines: &mut usize) -> bool {
        while *position < end {
            match self.bytes[*position] {
                b'\n' | b'\r' => *position = self.after_line_end(*position),
                first if self.is_comment(first, *position) => {
                    let rest = &self.bytes[*position..];
                    let Some(length) = memchr2(b'\n', b'\r', rest) else {
                        *position = self.bytes.len();
                        return false;
                    };
                    *position = self.after_line_end(*position + length);
                }
                b' ' if self.dialect.delimiter == b' ' => {
                    *position += 1;
                    continue;
                }
                _ => return true,
            }
            *n_lines += 1;
        }
        false
    }

    #[inline]
    fn is_comment(&self, first: u8, position: usize) -> bool {
        self.dialect
            .comment
            .as_ref()
            .is_some_and(|mark| mark[0] == first && self.bytes[position..].starts_with(mark))
    }

    #[inline]
    pub(super) fn after_line_end(&self, position: usize) -> usize {
        let both = self.bytes[position] == b'\r' && self.bytes.get(position + 1) == Some(&b'\n');
        position + 1 + usize::from(both)
    }

    /// The field that begins at a place, of the row that begins at another.
    #[inline]
    pub(super) fn field(&self, row: usize, mut position: usize) -> Field {
        let limit = row.saturating_add(self.max_row_bytes).min(self.bytes.len());
        if position > limit {
            let (start, end, form) = (limit, limit, Form::Plain);
            return Field { start, end, form, stop: Stop::TooLong, next: limit };
        }
        let dialect = self.dialect;
        if dialect.trim && dialect.delimiter != b' ' {
            while self.bytes[..limit].get(position) == Some(&b' ') {
                position += 1;
            }
        }
        if let (Some(quote), Some(first)) = (dialect.quote, self.bytes.get(position))
            && quote == *first
        {
            return self.quoted(position, limit, quote);
        }
        let end = self.plain_end(position, limit);
        let form = match dialect.escape {
            Some(escape) if memchr(escape, &self.bytes[position..end]).is_some() => Form::Marked,
            _ => Form::Plain,
        };
        self.stop(position, end, limit, end, form)
    }

    /// Where a field that is not quoted ends.
    fn plain_end(&self, mut position: usize, limit: usize) -> usize {
        let delimiter = self.dialect.delimiter;
        let Some(escape) = self.dialect.escape else {
            let rest = &self.bytes[position.min(limit)..limit];
            // Most fields are short, and then a loop is faster than a call.
            if let Some(near) =
                rest.iter().take(16).position(|b| *b == delimiter || matches!(b, b'\n' | b'\r'))
            {
                return position + near;
            }
            return memchr3(delimiter, b'\n', b'\r', rest).map_or(limit, |n| position + n);
        };
        while position < limit {
            match self.bytes[position] {
                byte if byte == delimiter || matches!(byte, b'\n' | b'\r') => return position,
                byte if byte == escape => position += 2,
                _ => position += 1,
            }
        }
        limit
    }

    fn quoted(&self, start: usize, limit: usize, quote: u8) -> Field {
        let mut position = start + 1;
        let mut marked = false;
        loop {
            let rest = &self.bytes[position.min(limit)..limit];
            let found = match self.dialect.escape {
                Some(escape) => memchr2(quote, escape, rest),
                None => memchr(quote, rest),
            };
            let Some(found) = found else {
                let stop = if limit < self.bytes.len() { Stop::TooLong } else { Stop::Open };
                return Field { start, end: limit, form: Form::Marked, stop, next: limit };
            };
            position += found;
            let twice = self.bytes.get(position + 1) == Some(&quote);
            if self.bytes[position] == quote && !twice {
                break;
            }
            // An escape or a quote, and what it makes literal.
            marked = true;
            position += 2;
        }
        let closed = position;
        let mut end = self.plain_end(closed + 1, limit);
        let loose = end != closed + 1;
        if loose && self.dialect.trim && self.bytes[closed + 1..end].iter().all(|b| *b == b' ') {
            let field = if marked {
                self.stop(start, closed + 1, limit, end, Form::Marked)
            } else {
                self.stop(start + 1, closed, limit, end, Form::Quoted)
            };
            return field;
        }
        if loose || marked {
            let form = if loose { Form::Loose } else { Form::Marked };
            return self.stop(start, end, limit, end, form);
        }
        std::mem::swap(&mut end, &mut position);
        self.stop(start + 1, end, limit, position, Form::Quoted)
    }

    /// A field whose text ends in one place and which is ended by what is in another.
    #[inline]
    fn stop(&self, start: usize, end: usize, limit: usize, at: usize, form: Form) -> Field {
        let (stop, next) = match self.bytes.get(at) {
            None => (Stop::File, at),
            Some(_) if at >= limit => (Stop::TooLong, at),
            Some(b'\n' | b'\r') => (Stop::Line, self.after_line_end(at)),
            Some(_) if self.dialect.delimiter == b' ' => self.after_spaces(at, limit),
            Some(_) => (Stop::Delimiter, at + 1),
        };
        Field { start, end, form, stop, next }
    }

    /// Any number of spaces is one delimiter, and at the end of a line none.
    fn after_spaces(&self, mut position: usize, limit: usize) -> (Stop, usize) {
        while position < limit && self.bytes[position] == b' ' {
            position += 1;
        }
        match self.bytes.get(position) {
            None => (Stop::File, position),
            Some(_) if position >= limit => (Stop::TooLong, position),
            Some(b'\n' | b'\r') => (Stop::Line, self.after_line_end(position)),
            Some(_) => (Stop::Delimiter, position),
        }
    }

    /// The text of a field; where it has to be made, in `scratch`.
    #[inline]
    pub(super) fn text<'s>(&'s self, field: &Field, scratch: &'s mut Vec<u8>) -> &'s [u8] {
        let raw = &self.bytes[field.start..field.end];
        if matches!(field.form, Form::Plain | Form::Quoted) {
            return raw;
        }
        scratch.clear();
        let quote = self.dialect.quote.filter(|quote| raw.first() == Some(quote));
        let mut inside = quote.is_some();
        let mut bytes = raw.iter().skip(usize::from(inside)).copied().peekable();
        while let Some(byte) = bytes.next() {
            if Some(byte) == self.dialect.escape {
                scratch.extend(bytes.next());
            } else if inside && Some(byte) == quote {
                if bytes.peek() == Some(&byte) {
                    scratch.extend(bytes.next());
                } else {
                    inside = false;
                }
            } else {
                scratch.push(byte);
            }
        }
        scratch
    }

    /// How many lines end within a field.
    #[inline]
    pub(super) fn lines_within(&self, field: &Field) -> usize {
        if field.form == Form::Plain {
            return 0;
        }
        memchr_iter(b'\n', &self.bytes[field.start..field.end]).count()
    }

    /// The fields of the row that begins in a place, and where the next begins.
    pub(super) fn row(&self, start: usize, max_fields: usize) -> (Vec<Field>, usize) {
        let mut fields = Vec::new();
        let mut position = start;
        loop {
            let field = self.field(start, position);
            position = field.next;
            fields.push(field);
            if field.stop != Stop::Delimiter || fields.len() >= max_fields {
                return (fields, position);
            }
        }
    }

    /// Where the line that holds a place ends, where no newline can be in a field.
    pub(super) fn line_end(&self, position: usize) -> usize {
        let rest = &self.bytes[position..];
        memchr2(b'\n', b'\r', rest)
            .map_or(self.bytes.len(), |length| self.after_line_end(position + length))
    }

    /// Where the first row begins at or after a place in the middle, if the quotes before the byte
    /// before it are balanced, or not; `bound` if none begins before that. It looks no further, since
    /// a quote that is never closed would have every part look to the end of the file.
    pub(super) fn guess_row_start(&self, from: usize, bound: usize, mut inside: bool) -> usize {
        let mut position = from.saturating_sub(1);
        let quote = self.dialect.quote.unwrap_or(b'\n');
        while let Some(found) =
            memchr3(b'\n', b'\r', quote, &self.bytes[position.min(bound)..bound])
        {
            position += found;
            match self.bytes[position] {
                b'\n' | b'\r' if !inside => return self.after_line_end(position),
                byte if byte == quote && quote != b'\n' => inside = !inside,
                _ => {}
            }
            position += 1;
        }
        bound
    }

    /// Whether quotes in a part of the file leave one open. A guess: quotes within unquoted fields
    /// count as well.
    pub(super) fn has_odd_quotes(&self, start: usize, end: usize) -> bool {
        let Some(quote) = self.dialect.quote else { return false };
        let escaped =
            |at: usize| at > 0 && self.dialect.escape.is_some_and(|e| self.bytes[at - 1] == e);
        memchr_iter(quote, &self.bytes[start..end]).filter(|at| !escaped(start + at)).count() % 2
            == 1
    }
}
