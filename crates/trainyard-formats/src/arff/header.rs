//! What the header says of one attribute.

use super::rows::fields;
use crate::error::short;

/// An attribute's name and type.
pub(super) struct Attribute {
    pub(super) name: String,
    pub(super) kind: Kind,
}

/// An attribute's type.
pub(super) enum Kind {
    Numeric,
    Text,
    /// One of these.
    Nominal(Vec<String>),
    /// In chrono's notation; whether there is a time besides the date.
    Date {
        form: String,
        with_time: bool,
    },
}

/// What is wrong, and the way out.
type Wrong = (String, &'static str);

/// The first word of a line, and the rest.
pub(super) fn keyword(line: &str) -> (&str, &str) {
    let end = line.find(|c: char| c.is_ascii_whitespace()).unwrap_or(line.len());
    (&line[..end], line[end..].trim())
}

pub(super) fn attribute(rest: &str) -> Result<Attribute, Wrong> {
    let (name, kind) = match rest.chars().next() {
        Some(quote @ ('\'' | '"')) => {
            let end = quoted_end(&rest[1..], quote)
                .ok_or_else(|| ("a quote that is never closed".to_owned(), "'a name'"))?;
            (rest[1..=end].replace('\\', ""), &rest[end + 2..])
        }
        Some(_) => {
            let (name, kind) = keyword(rest);
            // The braces of a nominal attribute may follow at once.
            match name.find('{') {
                Some(brace) => (name[..brace].to_owned(), &rest[brace..]),
                None => (name.to_owned(), kind),
            }
        }
        None => return Err(("an attribute without a name".to_owned(), "@attribute name numeric")),
    };
    let kind = kind.trim();
    if let Some(inside) = kind.strip_prefix('{') {
        let inside = inside
            .strip_suffix('}')
            .ok_or_else(|| ("a brace that is never closed".to_owned(), "{yes, no}"))?;
        let values = fields(inside, ',').map_err(|what| (what, "{yes, no}"))?;
        let values = values.into_iter().map(|value| value.text).collect();
        return Ok(Attribute { name, kind: Kind::Nominal(values) });
    }
    let (word, rest) = keyword(kind);
    let kind = match word.to_ascii_lowercase().as_str() {
        "numeric" | "real" | "integer" => Kind::Numeric,
        "string" => Kind::Text,
        "date" => date(rest.trim_matches(['"', '\'']))?,
        "relational" => {
            let way = "write its attributes as attributes of their own";
            return Err((format!("the attribute {:?} is relational", short(&name)), way));
        }
        other => {
            let what = format!("the attribute {:?} is of type {:?}", short(&name), short(other));
            return Err((what, "numeric, string, date or {yes, no}"));
        }
    };
    Ok(Attribute { name, kind })
}

/// Where the quote ends, with a backslash before those that do not end it.
fn quoted_end(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, c)| {
        let end = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        end.then_some(at)
    })
}

/// Java's patterns in chrono's notation.
fn date(pattern: &str) -> Result<Kind, Wrong> {
    let pattern = if pattern.is_empty() { "yyyy-MM-dd'T'HH:mm:ss" } else { pattern };
    let (mut form, mut with_time) = (String::new(), false);
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        let n = rest.chars().take_while(|c| *c == first).count() * first.len_utf8();
        let (run, after) = rest.split_at(n);
        rest = after;
        match run {
            "yyyy" | "y" => form.push_str("%Y"),
            "yy" => form.push_str("%y"),
            "MM" | "M" => form.push_str("%m"),
            "MMM" => form.push_str("%b"),
            "dd" | "d" => form.push_str("%d"),
            "HH" | "H" => {
                form.push_str("%H");
                with_time = true;
            }
            "mm" => form.push_str("%M"),
            "ss" => form.push_str("%S"),
            "SSS" => form.push_str("%3f"),
            "'" => {
                let (text, after) = rest.split_once('\'').unwrap_or((rest, ""));
                form.push_str(&text.replace('%', "%%"));
                rest = after;
            }
            run if first.is_ascii_alphabetic() => {
                return Err((
                    format!("the date's format {:?}, of which {run:?} is not read", short(pattern)),
                    "\"yyyy-MM-dd HH:mm:ss\" or \"yyyy-MM-dd\"",
                ));
            }
            run => form.push_str(&run.replace('%', "%%")),
        }
    }
    Ok(Kind::Date { form, with_time })
}
