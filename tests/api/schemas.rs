//! Both databases have the same tables.

use crate::yard::{Database, Yard};

#[tokio::test]
async fn both_databases_have_the_same_columns() {
    if !Database::Postgres.is_there() {
        return;
    }
    let sqlite = Yard::new(Database::Sqlite).await;
    let mut sqlite = sqlite
        .texts(
            "SELECT tables.name || '.' || columns.name FROM sqlite_master AS tables
             JOIN pragma_table_info(tables.name) AS columns
             WHERE tables.type = 'table' AND tables.name NOT LIKE '%sqlx%'",
        )
        .await;
    let postgres = Yard::new(Database::Postgres).await;
    let mut postgres = postgres
        .texts(
            "SELECT table_name || '.' || column_name FROM information_schema.columns
             WHERE table_schema = 'public' AND table_name NOT LIKE '%sqlx%'",
        )
        .await;
    sqlite.sort();
    postgres.sort();
    assert!(sqlite.len() > 70, "{sqlite:?}");
    assert_eq!(sqlite, postgres);
}
