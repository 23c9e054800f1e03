//! Webhooks, with a receiver that checks what it gets as Standard Webhooks says.

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use trainyard::domain::clock::Clock;
use trainyard::domain::ids::WebhookId;
use trainyard::domain::webhook::{DeliveryState, Webhook, signature};
use trainyard::store::webhooks::{NewWebhook, Sent, Waiting};

use crate::process::Process;
use crate::receiver::{Message, hanging, header, receiver};
use crate::support::World;
use crate::yard::{Database, PROJECT, Yard, on_both};

fn next(messages: &Receiver<Message>) -> Message {
    messages.recv_timeout(Duration::from_secs(20)).expect("a message")
}

/// What the message says, once it is known whose it is.
fn verified((headers, body): &Message, secret: &str) -> (String, Value) {
    let id = header(headers, "webhook-id");
    let timestamp: i64 = header(headers, "webhook-timestamp").parse().unwrap();
    assert!((Clock::system().now().0 / 1_000 - timestamp).abs() < 60);
    let body = str::from_utf8(body).unwrap();
    let expected = signature(secret, id, timestamp, body).unwrap();
    assert_eq!(header(headers, "webhook-signature"), expected);
    assert_eq!(header(headers, "content-type"), "application/json");
    (id.to_owned(), serde_json::from_str(body).unwrap())
}

fn job(world: &World) -> String {
    let dataset = world.api.demo_dataset();
    let spec = json!({"dataset_id": dataset, "target": "y", "name": "told",
                      "model": {"type": "perceptron"}});
    let id = world.api.submit(&spec);
    assert_eq!(world.api.finished(&id)["status"], "succeeded");
    id
}

fn deliveries(world: &World, webhook: &str, query: &str) -> Vec<Value> {
    let path = format!("/v1/webhooks/{webhook}/deliveries{query}");
    world.api.get(&path).expect(200)["data"].as_array().unwrap().clone()
}

/// Waits until the sender has noted how it went.
fn settled(world: &World, webhook: &str, is: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..100 {
        let found = deliveries(world, webhook, "");
        if let Some(delivery) = found.first().filter(|delivery| is(delivery)) {
            return delivery.clone();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{:?}", deliveries(world, webhook, ""))
}

#[test]
fn a_receiver_is_told_signed_and_again_until_it_answers() {
    let world = World::new();
    let (url, messages) = receiver(&["503 Service Unavailable"]);
    let body = json!({"url": url, "events": ["job.succeeded"]});
    let key = ("Idempotency-Key", "hook");
    let made = world.api.post_with("/v1/webhooks", key, &body).expect(201);
    let again = world.api.post_with("/v1/webhooks", key, &body).expect(201);
    assert_eq!(made["id"], again["id"]);
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    assert!(world.api.get(&format!("/v1/webhooks/{id}")).expect(200).get("secret").is_none());
    let job = job(&world);
    let (message, told) = verified(&next(&messages), secret);
    assert_eq!((&told["type"], &told["data"]["job_id"]), (&json!("job.succeeded"), &json!(job)));
    assert_eq!(told["data"]["name"], "told");
    let failed = settled(&world, id, |delivery| delivery["last_status"] == 503);
    assert_eq!((&failed["state"], &failed["attempt"]), (&json!("pending"), &json!(1)));
    // Five seconds later, under the same id.
    let (second, same) = verified(&next(&messages), secret);
    assert_eq!((second, same), (message, told));
    let delivered = settled(&world, id, |delivery| delivery["state"] == "delivered");
    assert_eq!((&delivered["attempt"], &delivered["last_error"]), (&json!(2), &json!(null)));
    assert_eq!(deliveries(&world, id, "?state=failed").len(), 0);
    // Asked for, it comes once more.
    let path = format!("/v1/webhooks/{id}/deliveries/{}/replay", delivered["id"]);
    world.api.post(&path, &json!({})).expect(202);
    verified(&next(&messages), secret);
    world.api.post(&path.replace("replay", "again"), &json!({})).problem(404, "not_found");
    assert_eq!(world.api.delete(&format!("/v1/webhooks/{id}")).status, 204);
    world.api.get(&format!("/v1/webhooks/{id}/deliveries")).problem(404, "not_found");
}

#[test]
fn what_is_not_wanted_is_not_told_and_who_is_gone_is_given_up() {
    let world = World::new();
    let (url, messages) = receiver(&["410 Gone"]);
    let made = world.api.post("/v1/webhooks", &json!({"url": url})).expect(201);
    let (other, others) = receiver(&[]);
    let only = json!({"url": other, "events": ["job.failed", "job.cancelled"]});
    world.api.post("/v1/webhooks", &only).expect(201);
    job(&world);
    let secret = made["secret"].as_str().unwrap();
    let mut told = Vec::new();
    for _ in 0..2 {
        told.push(verified(&next(&messages), secret).1["type"].as_str().unwrap().to_owned());
    }
    told.sort();
    assert_eq!(told, ["job.started", "job.succeeded"]);
    let id = made["id"].as_str().unwrap();
    for _ in 0..100 {
        if deliveries(&world, id, "?state=failed").len() == 1 {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let failed = deliveries(&world, id, "?state=failed");
    assert_eq!(failed[0]["last_status"], 410, "{failed:?}");
    assert!(others.try_recv().is_err(), "nothing of what it wants to hear of has happened");
}

#[test]
fn a_url_that_leads_inside_is_refused_and_without_permission_all_are() {
    let directory = tempfile::tempdir().unwrap();
    let off = Process::start(&directory.path().join("off"));
    let body = json!({"url": "https://example.com/hook"});
    off.api.post("/v1/webhooks", &body).problem(403, "webhooks_off");
    let public = Process::start_with(&directory.path().join("public"), &["--webhooks", "public"]);
    public.api.post("/v1/webhooks", &body).expect(201);
    // What is kept is what was understood.
    let blanks = json!({"url": "  https://example.com/ho\tok\n"});
    let made = public.api.post("/v1/webhooks", &blanks).expect(201);
    assert_eq!(made["url"], "https://example.com/hook");
    for url in [
        "http://example.com/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://10.0.0.1:8443/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:127.0.0.1]/",
        "https://2130706433/",
        "https://user:password@example.com/",
        "file:///etc/passwd",
        "nonsense",
        "",
    ] {
        let answer = public.api.post("/v1/webhooks", &json!({"url": url}));
        assert_eq!(answer.errors(422, "invalid_request")[0].0, "/url", "{url}");
    }
    // A name that leads inside is found out when it is looked up.
    let (url, messages) = receiver(&[]);
    let port = url.split(':').nth(2).unwrap().split('/').next().unwrap().to_owned();
    let url = format!("https://localhost:{port}/");
    let made = public.api.post("/v1/webhooks", &json!({"url": url})).expect(201);
    let dataset = public.api.demo_dataset();
    let spec = json!({"dataset_id": dataset, "target": "y", "model": {"type": "perceptron"}});
    public.api.finished(&public.api.submit(&spec));
    let path = format!("/v1/webhooks/{}/deliveries", made["id"].as_str().unwrap());
    let mut error = String::new();
    for _ in 0..100 {
        let found = public.api.get(&path).expect(200);
        if let Some(text) = found["data"][0]["last_error"].as_str() {
            error = text.to_owned();
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(error.contains("not the internet's"), "{error}");
    assert!(messages.try_recv().is_err());
}

#[test]
fn a_receiver_that_hangs_holds_back_no_other() {
    let world = World::new();
    let (stuck, connections) = hanging();
    let (url, messages) = receiver(&[]);
    for url in [stuck, url] {
        world.api.post("/v1/webhooks", &json!({"url": url})).expect(201);
    }
    let n_jobs = 10;
    for _ in 0..n_jobs {
        job(&world);
    }
    let ended = Instant::now();
    // That each has started, and that it has succeeded.
    for _ in 0..2 * n_jobs {
        next(&messages);
    }
    // The one that hangs is given up after fifteen seconds.
    assert!(ended.elapsed() < Duration::from_secs(10), "{:?}", ended.elapsed());
    assert!((1..=2).contains(&connections.try_iter().count()), "of twenty, two at a time");
}

#[test]
fn many_receivers_that_hang_at_once_hold_back_no_other() {
    let world = World::new();
    // All that a project may have; they have as many places as there are, twice and more.
    let stuck: Vec<_> = (1..20).map(|_| hanging()).collect();
    let (url, messages) = receiver(&[]);
    for url in stuck.iter().map(|(url, _)| url).chain([&url]) {
        world.api.post("/v1/webhooks", &json!({"url": url})).expect(201);
    }
    let n_jobs = 3;
    for _ in 0..n_jobs {
        job(&world);
    }
    let ended = Instant::now();
    for _ in 0..2 * n_jobs {
        next(&messages);
    }
    // They are given up after fifteen seconds.
    assert!(ended.elapsed() < Duration::from_secs(10), "{:?}", ended.elapsed());
    let n_stuck = stuck.iter().map(|(_, connections)| connections.try_iter().count());
    let n_stuck: Vec<usize> = n_stuck.collect();
    assert!(n_stuck.iter().all(|n| (1..=2).contains(n)), "{n_stuck:?}");
}

async fn what_nobody_sends_is_given_up(on: Database) {
    let yard = Yard::new(on).await;
    let webhook = Webhook {
        id: WebhookId::new(&yard.clock),
        url: "https://example.com/hook".to_owned(),
        events: vec![],
        secret: Some("whsec_".to_owned()),
        created_at: yard.clock.now(),
    };
    let id = webhook.id;
    let made = yard.store.create_webhook(PROJECT, webhook, None).await.unwrap();
    assert!(matches!(made, NewWebhook::Webhook(_)));
    // The job starts, of which the webhook should hear; but no sender is there.
    assert!(!yard.claim(60_000, 1).await.is_empty());
    let all = async || yard.store.deliveries(PROJECT, id, (None, None), 10).await.unwrap();
    yard.store.forget_old_deliveries().await.unwrap();
    assert_eq!(all().await[0].state, DeliveryState::Pending);
    let four_days = "UPDATE deliveries SET next_at = next_at - 345600000";
    assert_eq!(yard.change(four_days).await, 1);
    yard.store.forget_old_deliveries().await.unwrap();
    let given_up = &all().await[0];
    assert_eq!((given_up.state, given_up.attempt), (DeliveryState::Failed, 0));
    assert!(given_up.last_error.as_ref().unwrap().contains("turned off"), "{given_up:?}");
    assert!(yard.store.due_deliveries(two_each).await.unwrap().is_empty(), "none is left");
    // Whoever wants it after all can ask for it.
    assert!(yard.store.replay(PROJECT, id, given_up.id).await.unwrap());
    yard.store.forget_old_deliveries().await.unwrap();
    assert_eq!(yard.store.due_deliveries(two_each).await.unwrap().len(), 1);
}

fn two_each(waiting: &[Waiting]) -> Vec<usize> {
    vec![2; waiting.len()]
}

/// Webhooks that hear of everything, and three jobs that have started.
async fn with_webhooks(yard: &Yard, n_webhooks: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for _ in 0..n_webhooks {
        let webhook = Webhook {
            id: WebhookId::new(&yard.clock),
            url: "https://example.com/hook".to_owned(),
            events: vec![],
            secret: Some("whsec_".to_owned()),
            created_at: yard.clock.now(),
        };
        ids.push(webhook.id.to_string());
        yard.store.create_webhook(PROJECT, webhook, None).await.unwrap();
    }
    yard.submit(4).await;
    yard.submit(4).await;
    assert_eq!(yard.claim(60_000, 1_000_000).await.len(), 12);
    ids
}

async fn a_webhook_gets_no_more_than_its_share(on: Database) {
    let yard = Yard::new(on).await;
    let ids = with_webhooks(&yard, 2).await;
    // Each of the two has three messages to get.
    let second = |waiting: &[Waiting]| {
        waiting.iter().map(|webhook| if webhook.id == ids[0] { 0 } else { 2 }).collect()
    };
    let due = yard.store.due_deliveries(second).await.unwrap();
    assert_eq!(due.iter().map(|due| &due.webhook).collect::<Vec<_>>(), [&ids[1], &ids[1]]);
    assert_eq!(yard.store.due_deliveries(two_each).await.unwrap().len(), 3);
    let due = yard.store.due_deliveries(two_each).await.unwrap();
    assert_eq!(due.len(), 1, "six in all, and none of them twice");
}

async fn a_webhook_hangs_until_it_answers(on: Database) {
    let yard = Yard::new(on).await;
    with_webhooks(&yard, 1).await;
    let ends = [(None, true), (Some(503), false), (None, true)];
    let mut seen = Vec::new();
    for (status, hung) in ends {
        let one = |waiting: &[Waiting]| vec![1; waiting.len()];
        let due = yard.store.due_deliveries(one).await.unwrap().remove(0);
        seen.push(due.hangs);
        let sent = Sent { status, error: Some("late".to_owned()), is_final: true, hung };
        yard.store.settle_delivery(&due, &sent).await.unwrap();
    }
    assert_eq!(seen, [false, true, false], "an answer is an answer, whatever it says");
}

on_both!(
    what_nobody_sends_is_given_up,
    a_webhook_gets_no_more_than_its_share,
    a_webhook_hangs_until_it_answers,
);
