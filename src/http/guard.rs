//! Refuses requests that were meant for another host: a page on the internet whose name has been
//! pointed at this machine (DNS rebinding), or one that sends a form across origins.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::uri::Authority;
use http::{HeaderMap, Uri, header};

use super::problem::{ApiError, Code};

/// Which hosts a request may name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// Names beside the loopback's, in lower case and without ports.
    pub hosts: Vec<String>,
    /// Any name: a proxy in front has checked.
    pub any: bool,
}

impl Allowed {
    fn host(&self, authority: &str) -> bool {
        // A user before the host has no business in a Host header.
        let parsed = authority.parse::<Authority>().ok().filter(|a| !a.as_str().contains('@'));
        let Some(authority) = parsed else { return false };
        let host = authority.host().to_ascii_lowercase();
        self.any
            || matches!(host.as_str(), "localhost" | "127.0.0.1" | "[::1]")
            || self.hosts.contains(&host)
    }

    fn request(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), &'static str> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let (first, second) = (hosts.next(), hosts.next());
        let named = first.and_then(|value| value.to_str().ok());
        let in_uri = uri.authority().map(Authority::as_str);
        // An absolute URI counts more than the header (RFC 9112, section 3.2.2).
        let Some(host) = in_uri.or(named).filter(|_| second.is_none()) else {
            return Err("the request names no host, or two");
        };
        if !self.host(host) {
            return Err("the Host header names a host that this server does not answer for; \
                 --allowed-host adds one");
        }
        // Browsers send an origin across sites and with every POST; other clients send none.
        let own = |origin: &http::HeaderValue| {
            let origin: Option<Uri> = origin.to_str().ok().and_then(|text| text.parse().ok());
            let authority = origin.as_ref().and_then(Uri::authority);
            authority.is_some_and(|authority| authority.as_str().eq_ignore_ascii_case(host))
        };
        if headers.get_all(header::ORIGIN).iter().all(own) {
            Ok(())
        } else {
            Err("the Origin header names another site than the Host header")
        }
    }
}

/// Lets requests through whose host is allowed.
pub(super) async fn check(
    State(allowed): State<Arc<Allowed>>,
    request: Request,
    next: Next,
) -> Response {
    match allowed.request(request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(reason) => ApiError::new(Code::HostNotAllowed, reason).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn answer(allowed: &Allowed, host: &str, origin: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
        }
        allowed.request(&Uri::from_static("/"), &headers).is_ok()
    }

    #[test]
    fn only_this_host_and_this_origin() {
        let allowed = Allowed::default();
        assert!(answer(&allowed, "localhost:8080", None));
        assert!(answer(&allowed, "[::1]:8080", Some("http://[::1]:8080")));
        assert!(!answer(&allowed, "evil.example:8080", None));
        assert!(!answer(&allowed, "evil@localhost", None));
        assert!(!answer(&allowed, "localhost:8080", Some("http://evil.example")));
        assert!(!answer(&allowed, "localhost:8080", Some("null")));
        assert!(!answer(&allowed, "localhost:8080", Some("http://localhost:9000")));
    }

    #[test]
    fn two_hosts_are_none_and_the_uri_counts_more() {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static("localhost"));
        let asked = |uri, headers: &HeaderMap| {
            Allowed::default().request(&Uri::from_static(uri), headers).is_ok()
        };
        assert!(asked("/", &headers) && asked("http://localhost/", &headers));
        assert!(!asked("http://evil.example/", &headers));
        headers.append(header::HOST, HeaderValue::from_static("evil.example"));
        assert!(!asked("/", &headers));
    }

    #[test]
    fn named_hosts_and_a_checking_proxy() {
        let named = Allowed { hosts: vec!["train.example".into()], any: false };
        assert!(answer(&named, "Train.Example", None));
        assert!(!answer(&named, "other.example", None));
        assert!(answer(&Allowed { hosts: vec![], any: true }, "other.example", None));
    }
}
