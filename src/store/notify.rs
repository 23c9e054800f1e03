//! Carries hints between processes by PostgreSQL's LISTEN and NOTIFY.
//!
//! Each process sends what it was given, gathered, and hears what the others send. While the database
//! is away hints are lost; who waits for one polls anyway.

use std::collections::HashSet;
use std::time::Duration;

use sqlx::Executor;
use sqlx::postgres::{PgListener, PgPool};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::hints::{Audience, Hint, Hints};
use super::{Result, SAYS_SO};

/// NOTIFY takes a lock that all of the database's transactions share: a process sends no more often.
const GATHER: Duration = Duration::from_millis(20);

/// A message has room for 8,000 bytes, of which a job takes 41.
const MOST: usize = 150;

/// After a failure this is waited.
const PAUSE: Duration = Duration::from_secs(1);

/// Who has heard nothing for so long asks whether the connection stands.
const QUIET: Duration = Duration::from_secs(10);

/// Sends what is given to these hints to other processes, and gives them what those send.
pub(super) async fn share(pool: &PgPool, hints: Hints) -> Result<Hints> {
    let me: String = sqlx::query_scalar("SELECT gen_random_uuid()::text").fetch_one(pool).await?;
    let listener = listener(pool, &hints).await?;
    let (hints, given) = hints.shared();
    tokio::spawn(hear(pool.clone(), listener, me.clone(), hints.clone()));
    tokio::spawn(tell(pool.clone(), me, given));
    Ok(hints)
}

async fn listener(pool: &PgPool, hints: &Hints) -> sqlx::Result<PgListener> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen_all(hints.hears.iter().map(|audience| channel(*audience))).await?;
    Ok(listener)
}

/// Ends with the pool.
async fn hear(pool: PgPool, mut listener: PgListener, me: String, hints: Hints) {
    loop {
        let heard = match timeout(QUIET, listener.recv()).await {
            Ok(heard) => heard.map(Some),
            // A connection that the other end has forgotten is as quiet as one on which nothing is said.
            Err(_) => match timeout(SAYS_SO, listener.execute("SELECT 1")).await {
                Ok(asked) => asked.map(|_| None),
                Err(_) => self::listener(&pool, &hints).await.map(|anew| {
                    listener = anew;
                    None
                }),
            },
        };
        match heard {
            Ok(None) => {}
            Ok(Some(message)) => {
                let Some((from, words)) = message.payload().split_once(' ') else { continue };
                if from != me {
                    words.split(' ').filter_map(read).for_each(|hint| hints.heard(hint));
                }
            }
            Err(sqlx::Error::PoolClosed) => return,
            Err(error) => {
                tracing::warn!(%error, "hints of other processes are not heard");
                sleep(PAUSE).await;
            }
        }
    }
}

/// Ends with the pool, or with the last clone of the hints.
async fn tell(pool: PgPool, me: String, mut given: mpsc::Receiver<Hint>) {
    let mut batch = Vec::new();
    while given.recv_many(&mut batch, MOST).await > 0 {
        let mut known = HashSet::new();
        batch.retain(|hint| known.insert(*hint));
        let (mut channels, mut messages) = (Vec::new(), Vec::new());
        for audience in Audience::ALL {
            let of_them = batch.iter().filter(|hint| hint.audience() == *audience);
            let words: Vec<String> = of_them.map(|hint| written(*hint)).collect();
            if !words.is_empty() {
                channels.push(channel(*audience));
                messages.push(format!("{me} {}", words.join(" ")));
            }
        }
        batch.clear();
        let sent = sqlx::query(
            "SELECT pg_notify(channel, message) FROM unnest($1, $2) AS told (channel, message)",
        )
        .bind(channels)
        .bind(messages);
        match sent.execute(&pool).await {
            Ok(_) => sleep(GATHER).await,
            Err(sqlx::Error::PoolClosed) => return,
            Err(error) => {
                tracing::warn!(%error, "hints are not told to other processes");
                sleep(PAUSE).await;
            }
        }
    }
}

fn channel(audience: Audience) -> &'static str {
    match audience {
        Audience::Workers => "trainyard_workers",
        Audience::Watchers => "trainyard_watchers",
    }
}

fn written(hint: Hint) -> String {
    match hint {
        Hint::Work => "work".to_owned(),
        Hint::Stop => "stop".to_owned(),
        Hint::MoveOn => "move".to_owned(),
        Hint::Job(job) => job.to_string(),
    }
}

fn read(word: &str) -> Option<Hint> {
    match word {
        "work" => Some(Hint::Work),
        "stop" => Some(Hint::Stop),
        "move" => Some(Hint::MoveOn),
        job => job.parse().ok().map(Hint::Job),
    }
}
