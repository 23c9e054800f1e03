//! Sends webhooks' messages: takes what is due from the outbox, POSTs it signed, notes how it went.
//!
//! A receiver is somebody else's machine, named by a client. So the name is looked up here, all of its
//! addresses must be the internet's, exactly those are connected to, and no redirection is followed.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};
use tokio::task::{self, JoinSet};
use tokio::time::{sleep, timeout};

use crate::causes::with_causes;
use crate::domain::clock::Clock;
use crate::domain::webhook::{is_public, signature};
use crate::store::Store;
use crate::store::webhooks::{Due, Sent};

/// Whom messages may be sent to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Receivers {
    /// Nobody: there are no webhooks.
    #[default]
    Off,
    /// Addresses of the internet, by HTTPS.
    Public,
    /// Any address, also this machine's and its network's, by HTTP too.
    Any,
}

impl Receivers {
    /// What is wrong with a URL, if anything can be said before it is looked up.
    pub fn refuse(self, url: &str) -> Option<String> {
        let Ok(url) = Url::parse(url) else { return Some("is no URL".to_owned()) };
        if !url.username().is_empty() || url.password().is_some() {
            return Some("must not hold a name or password".to_owned());
        }
        let any = self == Self::Any;
        if url.scheme() != "https" && !(any && url.scheme() == "http") {
            return Some("must begin with https://".to_owned());
        }
        match (url.host_str(), literal(&url)) {
            (None, _) => Some("names no host".to_owned()),
            (_, Some(address)) if !any && !is_public(address) => {
                Some(format!("{address} is not an address of the internet"))
            }
            _ => None,
        }
    }
}

fn literal(url: &Url) -> Option<IpAddr> {
    url.host_str()?.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// The outbox is looked at this often.
const POLL: Duration = Duration::from_secs(1);

/// A receiver gets so long to answer, as the specification recommends.
const PATIENCE: Duration = Duration::from_secs(15);

/// Messages under way at once, and of them to one webhook: one that hangs should hold back no other.
const AT_ONCE: usize = 16;
const AT_ONCE_EACH: usize = 2;

/// Sends for ever; ended by aborting it.
pub async fn send(store: Store, clock: Clock, receivers: Receivers) {
    // The one provider of TLS that is compiled in; whoever set it before set the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut sending = JoinSet::new();
    let mut under_way: HashMap<task::Id, String> = HashMap::new();
    loop {
        let due = match store.due_deliveries(&room(&under_way), AT_ONCE - sending.len()).await {
            Ok(due) => due,
            Err(error) => {
                tracing::error!(%error, "the outbox cannot be read");
                Vec::new()
            }
        };
        for due in due {
            let (webhook, now_s) = (due.webhook.clone(), clock.now().0 / 1_000);
            let task = sending.spawn(send_one(store.clone(), due, now_s, receivers));
            under_way.insert(task.id(), webhook);
        }
        // Whichever comes first: room for another message, or the time to look for others.
        tokio::select! {
            Some(ended) = sending.join_next_with_id() => {
                let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
                under_way.remove(&id);
            }
            () = sleep(POLL) => {}
        }
    }
}

/// How many messages more may be under way to a webhook.
fn room(under_way: &HashMap<task::Id, String>) -> impl Fn(&str) -> usize {
    |webhook| {
        let n = under_way.values().filter(|other| *other == webhook).count();
        AT_ONCE_EACH.saturating_sub(n)
    }
}

async fn send_one(store: Store, due: Due, now_s: i64, receivers: Receivers) {
    let sent = post(&due, now_s, receivers).await;
    if let Some(error) = &sent.error {
        let url = Url::parse(&due.url).ok();
        let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
        tracing::warn!(error, host, message = due.message_id, "a webhook was not delivered");
    }
    if let Err(error) = store.settle_delivery(&due, &sent).await {
        tracing::error!(%error, "how a webhook went could not be noted");
    }
}

async fn post(due: &Due, now_s: i64, receivers: Receivers) -> Sent {
    let late = |_| Err(format!("no answer within {} s", PATIENCE.as_secs()));
    // Around all of it: a name can be as slow to look up as its owner likes.
    match timeout(PATIENCE, try_post(due, now_s, receivers)).await.unwrap_or_else(late) {
        Ok(status) if status.is_success() => {
            Sent { status: Some(status.as_u16()), error: None, is_final: false }
        }
        Ok(status) => Sent {
            status: Some(status.as_u16()),
            error: Some(format!("the receiver answered {status}")),
            // It says that it will never want this.
            is_final: status == StatusCode::GONE,
        },
        Err(error) => Sent { status: None, error: Some(error), is_final: false },
    }
}

async fn try_post(due: &Due, now_s: i64, receivers: Receivers) -> Result<StatusCode, String> {
    if let Some(reason) = receivers.refuse(&due.url) {
        return Err(format!("the URL {reason}"));
    }
    let url = Url::parse(&due.url).map_err(|error| error.to_string())?;
    let host = url.host_str().unwrap_or_default().to_owned();
    let port = url.port_or_known_default().unwrap_or(443);
    let addresses: Vec<SocketAddr> = match literal(&url) {
        Some(address) => vec![SocketAddr::new(address, port)],
        None => tokio::net::lookup_host((host.as_str(), port))
            .await
            .map_err(|error| format!("{host} was not found: {error}"))?
            .collect(),
    };
    if let Some(private) = addresses.iter().find(|address| !is_public(address.ip()))
        && receivers != Receivers::Any
    {
        return Err(format!("{host} is at {}, which is not the internet's", private.ip()));
    }
    let signature = signature(&due.secret, &due.message_id, now_s, &due.payload);
    let client = Client::builder()
        .resolve_to_addrs(&host, &addresses)
        .redirect(Policy::none())
        .no_proxy()
        .user_agent(concat!("trainyard/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| error.to_string())?;
    let answer = client
        .post(url)
        .header("content-type", "application/json")
        .header("webhook-id", &due.message_id)
        .header("webhook-timestamp", now_s.to_string())
        .header("webhook-signature", signature.ok_or("the secret cannot be read")?)
        .body(due.payload.clone())
        .send()
        .await;
    // What the receiver writes is never read, and its URL, which may be a secret, not repeated.
    answer.map(|answer| answer.status()).map_err(|error| with_causes(&error.without_url()))
}
