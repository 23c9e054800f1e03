//! Where the database is, as `--database-url` says it.

use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;

/// Where the database is.
#[derive(Clone, PartialEq, Eq)]
pub enum Place {
    /// A file of SQLite's, of one server at a time.
    Sqlite(PathBuf),
    /// A URL of PostgreSQL's, which several processes may share.
    Postgres(String),
}

/// It is at no place that there is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "--database-url is a postgres:// URL, as in postgres://user:password@host/name, or sqlite://PATH \
     of a file and nothing behind it, as in sqlite:///var/lib/trainyard.db; without it, SQLite is \
     used in --data-dir"
)]
pub struct NoPlace;

impl Place {
    /// The place that a URL names; without one, a file in the data directory.
    ///
    /// # Errors
    /// When the URL is of something else.
    pub fn of(url: Option<&str>, data_dir: &Path) -> Result<Self, NoPlace> {
        let Some(url) = url else { return Ok(Self::Sqlite(data_dir.join("trainyard.db"))) };
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Postgres(url.to_owned()));
        }
        let path = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:"));
        let path = path.filter(|path| !path.contains('?')).ok_or(NoPlace)?;
        let path = percent_decode_str(path).decode_utf8().map_err(|_| NoPlace)?;
        // In memory it would be gone with the process.
        let is_file = !matches!(&*path, "" | ":memory:") && !path.ends_with('/');
        if is_file { Ok(Self::Sqlite(PathBuf::from(&*path))) } else { Err(NoPlace) }
    }

    /// The file, of SQLite's.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(path) => Some(path),
            Self::Postgres(_) => None,
        }
    }
}

impl std::fmt::Debug for Place {
    /// Without a URL's password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "Sqlite({})", path.display()),
            Self::Postgres(_) => f.write_str("Postgres"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_file_or_a_server() {
        let of = |url| Place::of(Some(url), Path::new("data"));
        let file = |path: &str| Ok(Place::Sqlite(PathBuf::from(path)));
        assert_eq!(Place::of(None, Path::new("data")), file("data/trainyard.db"));
        for (url, path) in [
            ("sqlite:///var/lib/t.db", "/var/lib/t.db"),
            ("sqlite://t.db", "t.db"),
            ("sqlite:t.db", "t.db"),
            ("sqlite:///two%20words.db", "/two words.db"),
        ] {
            assert_eq!(of(url), file(path), "{url}");
        }
        let url = "postgres://trainyard:secret@db/trainyard";
        assert_eq!(of(url), Ok(Place::Postgres(url.to_owned())));
        assert!(!format!("{:?}", of(url)).contains("secret"));
        for url in [
            "mysql://db/x",
            "sqlite:",
            "sqlite://",
            "sqlite://:memory:",
            "sqlite:///folder/",
            "sqlite://t.db?mode=memory",
            "t.db",
            "",
        ] {
            assert_eq!(of(url), Err(NoPlace), "{url}");
        }
    }
}
