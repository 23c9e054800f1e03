//! Statements that are asked all the time, or of very many rows, find what they look for by an index of it, on
//! both databases; and those that are put together say on both what was meant.

use super::db::{Arg, Db, Dialect, Statement, Tx, among, composed, rows, sql};
use super::hints::Hints;
use super::jobs::{self, JobFilter, overdue, ready};
use super::{Store, webhooks};
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::ids::{DatasetId, ProjectId, WebhookId};
use crate::domain::job::JobStatus;
use crate::domain::webhook::DeliveryState;

impl Store {
    /// Changes what is stored, for a test that is not about the store.
    pub(crate) async fn change(&self, text: &str) {
        let mut tx = self.db.begin().await.unwrap();
        composed(text.to_owned()).execute(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
    }
}

/// Stores in both databases, or in the one that is there; empty, with a folder that goes with them.
async fn stores() -> (Vec<Store>, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("test.db");
    let mut stores = vec![Store::open(&path, Hints::default()).await.unwrap()];
    // As `scripts/postgres` sets it.
    if let Ok(server) = std::env::var("TRAINYARD_TEST_POSTGRES_URL") {
        let name = Clock::system().new_uuid().to_string();
        let admin = sqlx::PgPool::connect(&server).await.unwrap();
        let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE \"{name}\""));
        sqlx::query(create).execute(&admin).await.unwrap();
        let (server, _) = server.rsplit_once('/').unwrap();
        stores.push(Store::connect(&format!("{server}/{name}"), Hints::default()).await.unwrap());
    }
    (stores, directory)
}

/// How the database carries a statement out, whatever its values.
async fn plan(db: &Db, statement: Statement) -> String {
    let mut tx = db.begin().await.unwrap();
    let (text, n_values) = statement.shape();
    if let Tx::Sqlite(_) = tx {
        let lines: Vec<(i64, i64, i64, String)> =
            composed(format!("EXPLAIN QUERY PLAN {text}")).all(&mut tx).await.unwrap();
        return lines.into_iter().map(|(.., line)| line + "\n").collect();
    }
    composed(format!("PREPARE planned AS {text}")).execute(&mut tx).await.unwrap();
    let values = vec!["NULL"; n_values].join(", ");
    let explain = format!("EXPLAIN EXECUTE planned ({values})");
    let lines: Vec<String> = composed(explain).column(&mut tx).await.unwrap();
    sql("DEALLOCATE planned").execute(&mut tx).await.unwrap();
    lines.join("\n")
}

/// Two thousand jobs of five projects, of which few have not ended, and as many messages.
async fn fill(db: &Db) {
    let numbers = "WITH RECURSIVE numbers (n) AS (
        SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ";
    let fill = [
        format!(
            "{numbers} 5) INSERT INTO projects (id, name, created_at)
             SELECT 'prj_' || n, 'project ' || n, 0 FROM numbers"
        ),
        format!(
            "{numbers} 2000) INSERT INTO jobs (id, project_id, dataset_id, status, spec, resolved_spec,
                 classes, warnings, n_pending, result, created_at, started_at, finished_at, max_ms)
             SELECT 'job_' || (10000 + n), 'prj_' || (1 + n % 5), 'ds_' || n % 50,
                    CASE n % 100 WHEN 1 THEN 'running' WHEN 2 THEN 'waiting' ELSE 'succeeded' END,
                    '', '', '', '', 0, CASE WHEN n % 100 IN (1, 2) THEN NULL ELSE '' END, n,
                    CASE n % 100 WHEN 2 THEN NULL ELSE n END,
                    CASE WHEN n % 100 IN (1, 2) THEN NULL ELSE n END,
                    CASE n % 2 WHEN 0 THEN NULL ELSE 1000 END
             FROM numbers"
        ),
        format!(
            "{numbers} 5) INSERT INTO webhooks (id, project_id, url, events, secret, created_at)
             SELECT 'wh_' || n, 'prj_' || n, '', '[]', '', 0 FROM numbers"
        ),
        format!(
            "{numbers} 2000) INSERT INTO deliveries (webhook_id, project_id, job_id, seq, type, payload,
                 state, attempt, next_at, created_at)
             SELECT 'wh_' || (1 + n % 5), 'prj_' || (1 + n % 5), 'job_' || (10000 + n), 1, '', '',
                    'delivered', 1, n, n FROM numbers"
        ),
    ];
    let mut tx = db.begin().await.unwrap();
    for fill in fill {
        composed(fill).execute(&mut tx).await.unwrap();
    }
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn what_is_listed_or_looked_for_all_the_time_is_found_by_an_index() {
    let clock = Clock::system();
    let jobs = |status, dataset| {
        let filter = JobFilter { after: None, status, dataset, limit: 20 };
        jobs::listed(ProjectId::DEFAULT, filter)
    };
    let webhook = (ProjectId::DEFAULT, WebhookId::new(&clock));
    let cases = || {
        let dataset = Some(DatasetId::new(&clock));
        [
            ("all jobs", jobs(None, None), "jobs_by_project"),
            ("jobs of a status", jobs(Some(JobStatus::Failed), None), "jobs_by_status"),
            ("jobs of a dataset", jobs(None, dataset), "jobs_by_dataset"),
            ("jobs that are ready", ready(), "jobs_resting"),
            ("jobs that are overdue", overdue(Timestamp(0)), "jobs_limited"),
            ("messages", webhooks::listed(webhook, (None, Some(9)), 20), "deliveries_by_webhook"),
            (
                "messages of a state",
                webhooks::listed(webhook, (Some(DeliveryState::Failed), None), 20),
                "deliveries_by_webhook",
            ),
        ]
    };
    let (stores, _directory) = stores().await;
    for store in stores {
        fill(&store.db).await;
        for (what, statement, index) in cases() {
            let plan = plan(&store.db, statement).await;
            assert!(plan.contains(index), "{what}: not {index} but\n{plan}");
            assert!(!plan.contains("Sort") && !plan.contains("TEMP B-TREE"), "{what}:\n{plan}");
        }
    }
}

#[tokio::test]
async fn among_none_is_nothing() {
    let (stores, _directory) = stores().await;
    for Store { db, .. } in &stores {
        let (texts, args) = among(db.dialect(), [""; 0], 0);
        assert!(args.is_empty());
        let n = format!("SELECT COUNT(*) FROM projects WHERE id {texts}");
        assert_eq!(composed(n).scalar::<i64>(db).await.unwrap(), 0);
    }
}

#[test]
#[should_panic(expected = "no array of Some(Double(0.5))")]
fn a_column_of_a_type_without_an_array_is_noticed() {
    rows(Dialect::Postgres, [[Arg::from(0.5)]]);
}

#[test]
#[should_panic(expected = "no rows are no table")]
fn no_rows_are_noticed() {
    rows::<1>(Dialect::Sqlite, []);
}
