//! Webhooks: who is told when something happens to a job, by the Standard Webhooks specification
//! (version 1.0.0, <https://www.standardwebhooks.com>).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::clock::Timestamp;
use super::ids::{JobId, WebhookId};

/// What can be told of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum WebhookEvent {
    /// Its first task was claimed.
    #[serde(rename = "job.started")]
    Started,
    /// It rests.
    #[serde(rename = "job.paused")]
    Paused,
    /// It goes on.
    #[serde(rename = "job.unpaused")]
    Unpaused,
    /// All its tasks succeeded.
    #[serde(rename = "job.succeeded")]
    Succeeded,
    /// It failed.
    #[serde(rename = "job.failed")]
    Failed,
    /// It was cancelled, and nothing of it runs any more.
    #[serde(rename = "job.cancelled")]
    Cancelled,
}

impl WebhookEvent {
    /// What is told of an event of a job's log, if anything.
    pub fn of(kind: &str) -> Option<Self> {
        Some(match kind {
            "started" => Self::Started,
            "paused" => Self::Paused,
            "unpaused" => Self::Unpaused,
            "succeeded" => Self::Succeeded,
            "failed" => Self::Failed,
            "cancelled" => Self::Cancelled,
            _ => return None,
        })
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Started => "job.started",
            Self::Paused => "job.paused",
            Self::Unpaused => "job.unpaused",
            Self::Succeeded => "job.succeeded",
            Self::Failed => "job.failed",
            Self::Cancelled => "job.cancelled",
        }
    }
}

/// Who is told.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Where messages are POSTed to.
    pub url: String,
    /// What is told; all of it if empty.
    pub events: Vec<WebhookEvent>,
    /// By which the receiver knows the sender; shown when the webhook is made, and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// How far a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// To be sent, perhaps again.
    Pending,
    /// The receiver has answered 2xx.
    Delivered,
    /// Given up.
    Failed,
}

impl DeliveryState {
    /// The name that JSON and the database have for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }

    /// The state of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Pending, Self::Delivered, Self::Failed]
            .into_iter()
            .find(|state| state.name() == name)
    }
}

/// A message, and how it went.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Delivery {
    /// By which it can be sent again.
    pub id: i64,
    /// What the receiver sees as `webhook-id`: the same at every attempt.
    pub message_id: String,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: String,
    /// To which job.
    pub job_id: JobId,
    /// How far it is.
    pub state: DeliveryState,
    /// How often it was sent.
    pub attempt: i64,
    /// When it is sent next; null once it was delivered or given up.
    pub next_attempt_at: Option<Timestamp>,
    /// What the receiver answered last.
    pub last_status: Option<i64>,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// When it came up.
    pub created_at: Timestamp,
    /// When the receiver took it.
    pub delivered_at: Option<Timestamp>,
}

/// The pauses before each attempt after the first, in seconds: the specification's own example, which
/// gives a receiver three days to come back.
pub const PAUSES_S: [i64; 9] =
    [5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600];

const SECRET_PREFIX: &str = "whsec_";

/// A secret of these bytes, as the receiver is told it.
pub fn secret(bytes: &[u8; 24]) -> String {
    format!("{SECRET_PREFIX}{}", STANDARD.encode(bytes))
}

/// The `webhook-signature` of a message; `None` where the secret is none.
pub fn signature(
    secret: &str,
    message_id: &str,
    timestamp_s: i64,
    payload: &str,
) -> Option<String> {
    let key = STANDARD.decode(secret.strip_prefix(SECRET_PREFIX)?).ok()?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let tag = hmac::sign(&key, format!("{message_id}.{timestamp_s}.{payload}").as_bytes());
    Some(format!("v1,{}", STANDARD.encode(tag)))
}

/// Whether an address is one of the internet's, and not of this machine, its network, or nobody's.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => match embedded(v6) {
            Some(v4) => is_public_v4(v4),
            // Only 2000::/3 is in use, of which these parts are for documents and tunnels.
            None => {
                let [first, second, ..] = v6.segments();
                first & 0xe000 == 0x2000
                    && !(first == 0x2001 && (second < 0x0200 || second == 0x0db8))
                    && first != 0x3fff
            }
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 198 && (b == 18 || b == 19))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99))
}

/// The address of version 4 that one of version 6 leads to: mapped, by NAT64, or by 6to4.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let of = |high: u16, low: u16| Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    match segments {
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] => of(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => of(high, low),
        [0x2002, high, low, ..] => of(high, low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_the_standards_own_library() {
        let golden = include_str!("../../tests/api/data/webhooks.json");
        let golden: serde_json::Value = serde_json::from_str(golden).unwrap();
        let cases = golden["cases"].as_array().unwrap();
        assert_eq!(cases.len(), 2);
        for case in cases {
            let text = |name: &str| case[name].as_str().unwrap();
            let timestamp_s = case["timestamp"].as_i64().unwrap();
            let ours = signature(text("secret"), text("id"), timestamp_s, text("payload"));
            assert_eq!(ours.as_deref(), Some(text("signature")));
        }
        assert_eq!(signature("nothing", "id", 0, ""), None);
        let secret = secret(&[7; 24]);
        assert!(signature(&secret, "id", 0, "").is_some());
    }

    #[test]
    fn only_addresses_of_the_internet_are_public() {
        for public in ["1.1.1.1", "8.8.8.8", "192.0.1.1", "2606:4700::1111", "64:ff9b::808:808"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "198.18.0.1",
            "192.0.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "203.0.113.1",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
            "::7f00:1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
    }
}
