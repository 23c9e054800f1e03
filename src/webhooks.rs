//! Sends webhooks' messages: takes what is due from the outbox, POSTs it signed, notes how it went.
//!
//! A receiver is somebody else's machine, named by a client. So the name is looked up here, all of its
//! addresses must be the internet's, exactly those are connected to, and no redirection is followed.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};
use tokio::task::{self, JoinSet};
use tokio::time::{Instant, sleep, timeout};

use crate::causes::with_causes;
use crate::domain::clock::Clock;
use crate::domain::webhook::{is_public, signature};
use crate::store::Store;
use crate::store::webhooks::{Due, Sent, Waiting};

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
            (_, Some(address)) if !any && !is_public(address) => Some(format!(
                "{address} is not an address of the internet; `serve --webhooks any` allows it"
            )),
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

/// Messages under way at once, and of them to one webhook.
const AT_ONCE: usize = 16;
const AT_ONCE_EACH: usize = 2;

/// Most receivers have answered by then. A message that has not been makes room for others, of other
/// webhooks: many receivers that hang at once should hold back nobody else for long.
const SOON: Duration = Duration::from_secs(2);

/// With messages that have waited for longer.
const AT_ONCE_IN_ALL: usize = 4 * AT_ONCE;

/// To webhooks that gave no answer in time before, one each: they are asked again and again for days.
const AT_ONCE_HANGING: usize = AT_ONCE / 4;

/// Sends for ever; ended by aborting it.
pub async fn send(store: Store, clock: Clock, receivers: Receivers) {
    // The one provider of TLS that is compiled in; whoever set it before set the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut sending = JoinSet::new();
    let mut under_way: HashMap<task::Id, UnderWay> = HashMap::new();
    loop {
        let being_sent: Vec<&UnderWay> = under_way.values().collect();
        let of = |waiting: &[Waiting]| shares(waiting, &being_sent, Instant::now());
        let due = match store.due_deliveries(of).await {
            Ok(due) => due,
            Err(error) => {
                tracing::error!(%error, "the outbox cannot be read");
                Vec::new()
            }
        };
        let found_some = !due.is_empty();
        for due in due {
            let (webhook, now_s) = (due.webhook.clone(), clock.now().0 / 1_000);
            let message = UnderWay { webhook, hangs: due.hangs, since: Instant::now() };
            let task = sending.spawn(send_one(store.clone(), due, now_s, receivers));
            under_way.insert(task.id(), message);
        }
        if found_some {
            // Not everybody had as many as they might have been sent.
            continue;
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

/// A message that is being sent.
struct UnderWay {
    webhook: String,
    /// Whether no answer came in time to the one before.
    hangs: bool,
    since: Instant,
}

/// How many messages each of those who wait may be sent now. One that has fewer under way comes first, and
/// then one that has waited longer.
fn shares(waiting: &[Waiting], under_way: &[&UnderWay], now: Instant) -> Vec<usize> {
    let is_late = |message: &UnderWay| now.duration_since(message.since) >= SOON;
    let count = |is: &dyn Fn(&UnderWay) -> bool| under_way.iter().filter(|one| is(one)).count();
    let mut in_all = AT_ONCE_IN_ALL.saturating_sub(under_way.len());
    let mut quick = AT_ONCE.saturating_sub(count(&|one| !one.hangs && !is_late(one)));
    let mut hanging = AT_ONCE_HANGING.saturating_sub(count(&|one| one.hangs));
    let room = |webhook: &Waiting| {
        let is_own = |message: &UnderWay| message.webhook == webhook.id;
        // For all that can be told, it hangs.
        if count(&|one| is_own(one) && is_late(one)) > 0 {
            return 0;
        }
        let most = if webhook.hangs { 1 } else { AT_ONCE_EACH };
        most.saturating_sub(count(&is_own))
    };
    let rooms: Vec<usize> = waiting.iter().map(room).collect();
    let mut order: Vec<usize> = (0..waiting.len()).collect();
    order.sort_by_key(|i| (Reverse(rooms[*i]), waiting[*i].since));
    let mut shares = vec![0; waiting.len()];
    for i in order {
        let places = if waiting[i].hangs { &mut hanging } else { &mut quick };
        shares[i] = rooms[i].min(*places).min(in_all);
        *places -= shares[i];
        in_all -= shares[i];
    }
    shares
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
    let answer = timeout(PATIENCE, try_post(due, now_s, receivers)).await;
    let hung = answer.is_err();
    match answer.unwrap_or_else(late) {
        Ok(status) if status.is_success() => {
            Sent { status: Some(status.as_u16()), error: None, is_final: false, hung: false }
        }
        Ok(status) => Sent {
            status: Some(status.as_u16()),
            error: Some(format!("the receiver answered {status}")),
            // It says that it will never want this.
            is_final: status == StatusCode::GONE,
            hung: false,
        },
        Err(error) => Sent { status: None, error: Some(error), is_final: false, hung },
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

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(id: &str, hangs: bool) -> Waiting {
        let (id, url, secret) = (id.to_owned(), String::new(), String::new());
        Waiting { id, hangs, since: 0, url, secret }
    }

    fn many(n: usize, hang: bool) -> Vec<Waiting> {
        (0..n).map(|i| waiting(&format!("{hang} {i}"), hang)).collect()
    }

    /// Sends what may be sent, and says how much of it goes to those of whom a name says so.
    fn sent(under_way: &mut Vec<UnderWay>, waiting: &[Waiting], now: Instant, to: &str) -> usize {
        let shares = shares(waiting, &under_way.iter().collect::<Vec<_>>(), now);
        let mut n_sent = 0;
        for (webhook, share) in waiting.iter().zip(shares) {
            n_sent += if webhook.id.starts_with(to) { share } else { 0 };
            let message =
                |_| UnderWay { webhook: webhook.id.clone(), hangs: webhook.hangs, since: now };
            under_way.extend((0..share).map(message));
        }
        n_sent
    }

    #[test]
    fn who_is_known_to_hang_gets_one_place_each_and_a_quarter_together() {
        let (mut under_way, now) = (Vec::new(), Instant::now());
        assert_eq!(sent(&mut under_way, &many(1, true), now, "true"), 1);
        assert_eq!(
            sent(&mut under_way, &many(100, true), now, "true"),
            3,
            "of whom one has a place"
        );
        let all = [many(100, true), many(100, false)].concat();
        assert_eq!(sent(&mut under_way, &all, now, "true"), 0);
        assert_eq!(
            under_way.len(),
            AT_ONCE_HANGING + AT_ONCE,
            "others have all places of their own"
        );
    }

    #[test]
    fn those_who_turn_out_to_hang_make_room_in_two_seconds() {
        let (mut under_way, now) = (Vec::new(), Instant::now());
        assert_eq!(sent(&mut under_way, &many(14, false), now, "false"), AT_ONCE);
        let all = [many(14, false), vec![waiting("healthy", false)]].concat();
        assert_eq!(sent(&mut under_way, &all, now + SOON / 2, "healthy"), 0);
        // The other six have their turn before, and nobody who hangs gets a third.
        assert_eq!(sent(&mut under_way, &all, now + SOON, "healthy"), 2);
        assert_eq!(under_way.len(), 2 * 15);
        // There is an end to how many wait at once.
        for i in 2..20 {
            sent(&mut under_way, &many(200, false), now + SOON * i, "false");
        }
        assert_eq!(under_way.len(), AT_ONCE_IN_ALL);
    }
}
