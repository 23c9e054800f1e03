//! One way to run a statement on either database: SQLite in the data directory, or PostgreSQL.
//!
//! Statements are plain text with `$1` and portable types (64-bit integers, doubles, booleans, text,
//! bytes). What differs is here: how a writing transaction begins, the clock, and row locks, which
//! SQLite does not need because one connection writes.

use std::fmt::Write as _;

use sqlx::postgres::{PgPool, PgRow};
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{
    AssertSqlSafe, FromRow, PgConnection, Postgres, SqlSafeStr, SqlStr, Sqlite, SqliteConnection,
    Transaction,
};

use super::Result;
use crate::domain::clock::Timestamp;

/// Connections to a database.
#[derive(Clone, Debug)]
pub(super) enum Db {
    Sqlite { writer: SqlitePool, readers: SqlitePool },
    Postgres(PgPool),
}

/// A transaction, undone when it is dropped.
pub(super) enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Db {
    /// A transaction that writes.
    pub(super) async fn begin(&self) -> Result<Tx> {
        Ok(match self {
            Self::Sqlite { writer, .. } => Tx::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?),
            Self::Postgres(pool) => Tx::Postgres(pool.begin().await?),
        })
    }

    /// A transaction that only reads, and sees one state of the database all along.
    pub(super) async fn begin_read(&self) -> Result<Tx> {
        Ok(match self {
            Self::Sqlite { readers, .. } => Tx::Sqlite(readers.begin().await?),
            Self::Postgres(pool) => Tx::Postgres(
                pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?,
            ),
        })
    }

    /// Where one statement that writes runs by itself.
    pub(super) fn writer(&self) -> On<'_> {
        match self {
            Self::Sqlite { writer, .. } => On::SqlitePool(writer),
            Self::Postgres(pool) => On::PostgresPool(pool),
        }
    }

    pub(super) fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite { .. } => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

impl Tx {
    pub(super) async fn commit(self) -> Result<()> {
        match self {
            Self::Sqlite(tx) => tx.commit().await?,
            Self::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }

    /// The database's clock, so that workers on machines with other clocks agree about leases.
    pub(super) async fn now(&mut self) -> Result<Timestamp> {
        Ok(Timestamp(composed(format!("SELECT {}", self.dialect().clock())).scalar(self).await?))
    }

    pub(super) fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }
}

/// What the databases say in their own words.
#[derive(Clone, Copy, Debug)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// The database's clock as an expression, which has one value throughout a statement.
    pub(super) fn clock(self) -> &'static str {
        match self {
            Self::Sqlite => "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
            Self::Postgres => "CAST(EXTRACT(EPOCH FROM statement_timestamp()) * 1000 AS BIGINT)",
        }
    }

    /// An expression that is true, and that has a statement by itself not wait for the disk: for what
    /// nobody has been promised and is done again, should a crash of the database take it back.
    pub(super) fn unsynced(self) -> &'static str {
        match self {
            Self::Sqlite => "TRUE",
            Self::Postgres => "set_config('synchronous_commit', 'off', TRUE) = 'off'",
        }
    }

    /// Ends a SELECT whose rows nobody else may change until the transaction ends. Others may go on adding
    /// what refers to them, as each event does to its job and its project.
    pub(super) fn for_update(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " FOR NO KEY UPDATE",
        }
    }

    /// Ends a SELECT that passes over rows which another transaction is changing.
    pub(super) fn for_update_skip_locked(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " FOR NO KEY UPDATE SKIP LOCKED",
        }
    }

    /// Ends a SELECT whose rows nobody may change or delete until the transaction ends.
    pub(super) fn for_share(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " FOR SHARE",
        }
    }
}

/// Where a statement runs: in a transaction, or by itself.
pub(super) enum On<'a> {
    Sqlite(&'a mut SqliteConnection),
    Postgres(&'a mut PgConnection),
    SqlitePool(&'a SqlitePool),
    PostgresPool(&'a PgPool),
}

impl On<'_> {
    pub(super) fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) | Self::SqlitePool(_) => Dialect::Sqlite,
            Self::Postgres(_) | Self::PostgresPool(_) => Dialect::Postgres,
        }
    }
}

impl<'a> From<&'a mut Tx> for On<'a> {
    fn from(tx: &'a mut Tx) -> Self {
        match tx {
            Tx::Sqlite(tx) => Self::Sqlite(tx),
            Tx::Postgres(tx) => Self::Postgres(tx),
        }
    }
}

impl<'a> From<&'a Db> for On<'a> {
    fn from(db: &'a Db) -> Self {
        match db {
            Db::Sqlite { readers, .. } => Self::SqlitePool(readers),
            Db::Postgres(pool) => Self::PostgresPool(pool),
        }
    }
}

/// A value for a `$n`.
#[derive(Clone, Debug)]
pub(super) enum Arg {
    Bool(bool),
    Integer(Option<i64>),
    Double(f64),
    Text(Option<String>),
    Bytes(Vec<u8>),
    /// Many at once, which PostgreSQL takes as one.
    Integers(Vec<Option<i64>>),
    Texts(Vec<Option<String>>),
    ManyBytes(Vec<Vec<u8>>),
}

impl Arg {
    /// All of one type, of those that have an array.
    fn array(values: impl Iterator<Item = Self>) -> Self {
        let mut values = values.peekable();
        match values.peek() {
            Some(Self::Bytes(_)) => Self::ManyBytes(
                values
                    .map(|value| if let Self::Bytes(value) = value { value } else { Vec::new() })
                    .collect(),
            ),
            Some(Self::Text(_)) => Self::Texts(
                values
                    .map(|value| if let Self::Text(value) = value { value } else { None })
                    .collect(),
            ),
            first => {
                debug_assert!(matches!(first, Some(Self::Integer(_))), "no array of {first:?}");
                Self::Integers(
                    values
                        .map(|value| if let Self::Integer(value) = value { value } else { None })
                        .collect(),
                )
            }
        }
    }

    /// Null of the same type, or what is least.
    fn to_nothing(&self) -> Self {
        match self {
            Self::Bool(_) => Self::Bool(false),
            Self::Integer(_) => Self::Integer(None),
            Self::Double(_) => Self::Double(0.0),
            Self::Text(_) => Self::Text(None),
            Self::Bytes(_) => Self::Bytes(Vec::new()),
            Self::Integers(_) => Self::Integers(Vec::new()),
            Self::Texts(_) => Self::Texts(Vec::new()),
            Self::ManyBytes(_) => Self::ManyBytes(Vec::new()),
        }
    }
}

macro_rules! arg_from {
    ($($type:ty => |$value:ident| $arg:expr),* $(,)?) => {
        $(impl From<$type> for Arg {
            fn from($value: $type) -> Self {
                $arg
            }
        })*
    };
}

arg_from! {
    bool => |value| Self::Bool(value),
    i64 => |value| Self::Integer(Some(value)),
    Option<i64> => |value| Self::Integer(value),
    f64 => |value| Self::Double(value),
    &str => |value| Self::Text(Some(value.to_owned())),
    String => |value| Self::Text(Some(value)),
    &String => |value| Self::Text(Some(value.clone())),
    Option<String> => |value| Self::Text(value),
    &Option<String> => |value| Self::Text(value.clone()),
    Option<&str> => |value| Self::Text(value.map(str::to_owned)),
    Vec<u8> => |value| Self::Bytes(value),
    &Vec<u8> => |value| Self::Bytes(value.clone()),
}

/// A row that can be read from either database: tuples, and structs that derive `FromRow`.
pub(super) trait Row:
    for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{
}

impl<T> Row for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{}

/// A value of one column.
pub(super) trait Value:
    for<'r> sqlx::Decode<'r, Sqlite>
    + sqlx::Type<Sqlite>
    + for<'r> sqlx::Decode<'r, Postgres>
    + sqlx::Type<Postgres>
    + Send
    + Unpin
{
}

impl<T> Value for T where
    T: for<'r> sqlx::Decode<'r, Sqlite>
        + sqlx::Type<Sqlite>
        + for<'r> sqlx::Decode<'r, Postgres>
        + sqlx::Type<Postgres>
        + Send
        + Unpin
{
}

/// A statement with its values.
#[must_use = "a statement does nothing until it runs"]
pub(super) struct Statement {
    text: SqlStr,
    args: Vec<Arg>,
}

/// A statement of fixed text.
pub(super) fn sql(text: &'static str) -> Statement {
    Statement { text: text.into_sql_str(), args: Vec::new() }
}

/// A statement put together from fixed texts, such as the database's lock.
pub(super) fn composed(text: String) -> Statement {
    Statement { text: AssertSqlSafe(text).into_sql_str(), args: Vec::new() }
}

/// `before`, an INSERT, of one row or more, of integers, texts and bytes, with `after` behind it.
pub(super) fn values<const N: usize>(
    dialect: Dialect,
    before: &'static str,
    added: impl IntoIterator<Item = [Arg; N]>,
    after: &'static str,
) -> Statement {
    let (added, args) = rows(dialect, added);
    // Without a condition SQLite would take an ON CONFLICT for one of a join.
    Statement { args, ..composed(format!("{before} SELECT * FROM {added} WHERE TRUE {after}")) }
}

/// One row or more, of integers, texts and bytes, for a FROM, `AS added` with columns `column1`, `column2` and
/// so on, and the values of the `$1`, … in it. The first column of no row is null.
///
/// A connection knows statements that it has seen, and reads and plans each other anew: so PostgreSQL is given
/// an array for each column, whatever the number of rows, which it also reads with less effort. For SQLite
/// rows with a null in the first column are added and left out, so that there are few statements.
pub(super) fn rows<const N: usize>(
    dialect: Dialect,
    rows: impl IntoIterator<Item = [Arg; N]>,
) -> (String, Vec<Arg>) {
    let mut rows: Vec<[Arg; N]> = rows.into_iter().collect();
    debug_assert!(!rows.is_empty(), "no rows are no table");
    match dialect {
        Dialect::Sqlite => {
            if let Some(last) = rows.last().map(|last| last.each_ref().map(Arg::to_nothing)) {
                rows.resize(padded(rows.len()), last);
            }
            let (tuples, args) = tuples(rows, 0);
            let text = format!(
                "(SELECT * FROM (VALUES {tuples}) AS padded WHERE column1 IS NOT NULL) AS added"
            );
            (text, args)
        }
        Dialect::Postgres => {
            let numbered = |before: &str| {
                let names: Vec<String> = (1..=N).map(|n| format!("{before}{n}")).collect();
                names.join(", ")
            };
            let text = format!("unnest({}) AS added ({})", numbered("$"), numbered("column"));
            let mut columns: [Vec<Arg>; N] =
                std::array::from_fn(|_| Vec::with_capacity(rows.len()));
            for (column, value) in rows.into_iter().flat_map(|row| row.into_iter().enumerate()) {
                columns[column].push(value);
            }
            (text, columns.into_iter().map(|column| Arg::array(column.into_iter())).collect())
        }
    }
}

/// The next of 1, 4, 16, 64, …
fn padded(n: usize) -> usize {
    let mut length = 1;
    while length < n {
        length *= 4;
    }
    length
}

/// What stands behind a column that should be among `values`, `IN (…)` or `= ANY (…)`, with numbers that
/// follow `n_before`, and the values that they stand for. SQLite is given the last one several times, so
/// that there are few such statements.
pub(super) fn among(
    dialect: Dialect,
    values: impl IntoIterator<Item = impl Into<Arg>>,
    n_before: usize,
) -> (String, Vec<Arg>) {
    let mut values: Vec<Arg> = values.into_iter().map(Into::into).collect();
    if values.is_empty() {
        // Nothing equals null, of whatever type; an array of none would have to say of which.
        return ("IN (NULL)".to_owned(), values);
    }
    match dialect {
        Dialect::Sqlite => {
            if let Some(last) = values.last().cloned() {
                values.resize(padded(values.len()), last);
            }
            let (tuples, args) = tuples(values.into_iter().map(|value| [value]), n_before);
            (format!("IN (VALUES {tuples})"), args)
        }
        Dialect::Postgres => {
            (format!("= ANY (${})", n_before + 1), vec![Arg::array(values.into_iter())])
        }
    }
}

/// `($1, …), …`, with numbers that follow `n_before`, and the values that they stand for.
fn tuples<const N: usize>(
    rows: impl IntoIterator<Item = [Arg; N]>,
    n_before: usize,
) -> (String, Vec<Arg>) {
    let mut text = String::new();
    let mut args = Vec::new();
    for row in rows {
        text.push_str(if args.is_empty() { "(" } else { ", (" });
        for (column, arg) in row.into_iter().enumerate() {
            args.push(arg);
            let comma = if column == 0 { "" } else { ", " };
            // Writing to a string cannot fail.
            let _ = write!(text, "{comma}${}", n_before + args.len());
        }
        text.push(')');
    }
    (text, args)
}

/// Binds the values to a query of either database's type.
macro_rules! bound {
    (Sqlite, $query:expr, $args:expr) => {
        bound!($query, $args, |query, arg| match arg {
            // They are made for PostgreSQL alone.
            Arg::Integers(_) | Arg::Texts(_) | Arg::ManyBytes(_) => query.bind(None::<i64>),
        })
    };
    (Postgres, $query:expr, $args:expr) => {
        bound!($query, $args, |query, arg| match arg {
            Arg::Integers(values) => query.bind(values),
            Arg::Texts(values) => query.bind(values),
            Arg::ManyBytes(values) => query.bind(values),
        })
    };
    ($query:expr, $args:expr, |$bound:ident, $arg:ident| match arg { $($many:tt)* }) => {{
        let mut $bound = $query;
        for $arg in $args {
            $bound = match $arg {
                Arg::Bool(value) => $bound.bind(value),
                Arg::Integer(value) => $bound.bind(value),
                Arg::Double(value) => $bound.bind(value),
                Arg::Text(value) => $bound.bind(value),
                Arg::Bytes(value) => $bound.bind(value),
                $($many)*
            };
        }
        $bound
    }};
}

/// Runs a query made by `$make` where it should run, by `$fetch`.
macro_rules! run {
    ($self:ident, $on:ident, $make:ident$(::<$row:ty>)?, $fetch:ident) => {{
        let Statement { text, args } = $self;
        match $on.into() {
            On::Sqlite(on) => bound!(Sqlite, sqlx::$make::<Sqlite $(, $row)?>(text), args).$fetch(on).await?,
            On::Postgres(on) => bound!(Postgres, sqlx::$make::<Postgres $(, $row)?>(text), args).$fetch(on).await?,
            On::SqlitePool(on) => bound!(Sqlite, sqlx::$make::<Sqlite $(, $row)?>(text), args).$fetch(on).await?,
            On::PostgresPool(on) => bound!(Postgres, sqlx::$make::<Postgres $(, $row)?>(text), args).$fetch(on).await?,
        }
    }};
}

impl Statement {
    /// Its text, and how many values it has.
    #[cfg(test)]
    pub(super) fn shape(&self) -> (&str, usize) {
        (self.text.as_str(), self.args.len())
    }

    /// Gives the next `$n` its value.
    pub(super) fn bind(mut self, value: impl Into<Arg>) -> Self {
        self.args.push(value.into());
        self
    }

    /// Gives the next ones theirs.
    pub(super) fn bind_all(mut self, values: impl IntoIterator<Item = Arg>) -> Self {
        self.args.extend(values);
        self
    }

    /// All rows.
    pub(super) async fn all<T: Row>(self, on: impl Into<On<'_>>) -> Result<Vec<T>> {
        Ok(run!(self, on, query_as::<T>, fetch_all))
    }

    /// The only row.
    pub(super) async fn one<T: Row>(self, on: impl Into<On<'_>>) -> Result<T> {
        Ok(run!(self, on, query_as::<T>, fetch_one))
    }

    /// The first row, if there is one.
    pub(super) async fn optional<T: Row>(self, on: impl Into<On<'_>>) -> Result<Option<T>> {
        Ok(run!(self, on, query_as::<T>, fetch_optional))
    }

    /// The only row's only value.
    pub(super) async fn scalar<T: Value>(self, on: impl Into<On<'_>>) -> Result<T> {
        let (value,): (T,) = self.one(on).await?;
        Ok(value)
    }

    /// The only column of all rows.
    pub(super) async fn column<T: Value>(self, on: impl Into<On<'_>>) -> Result<Vec<T>> {
        let rows: Vec<(T,)> = self.all(on).await?;
        Ok(rows.into_iter().map(|(value,)| value).collect())
    }

    /// How many rows it changed.
    pub(super) async fn execute(self, on: &mut Tx) -> Result<u64> {
        let Statement { text, args } = self;
        Ok(match on {
            Tx::Sqlite(tx) => bound!(Sqlite, sqlx::query::<Sqlite>(text), args)
                .execute(&mut **tx)
                .await?
                .rows_affected(),
            Tx::Postgres(tx) => {
                let query = bound!(Postgres, sqlx::query::<Postgres>(text), args);
                query.execute(&mut **tx).await?.rows_affected()
            }
        })
    }
}
