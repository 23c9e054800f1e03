//! Both databases have the same tables, and PostgreSQL's indexes serve their joins.

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

/// An index of one collation is no help in a comparison by another, and what refers to a row would be found
/// by looking at all of them.
#[tokio::test]
async fn what_refers_to_a_row_is_compared_as_its_id_is() {
    if !Database::Postgres.is_there() {
        return;
    }
    let yard = Yard::new(Database::Postgres).await;
    let collated = |more: &str| {
        format!(
            "SELECT table_name || '.' || column_name FROM information_schema.columns
             WHERE table_schema = 'public' AND data_type = 'text' {more}"
        )
    };
    let ids = "AND column_name = 'id' AND table_name IN ('jobs', 'datasets', 'webhooks')";
    assert_eq!(yard.texts(&collated(&format!("{ids} AND collation_name = 'C'"))).await.len(), 3);
    let refer =
        "AND column_name IN ('job_id', 'after_id', 'dataset_id', 'webhook_id', 'resource_id')";
    assert!(yard.texts(&collated(refer)).await.len() > 8);
    let others = format!("{refer} AND collation_name IS DISTINCT FROM 'C'");
    assert_eq!(yard.texts(&collated(&others)).await, Vec::<String>::new());
}
