//! Pages for people: the API's document rendered from bytes in this binary, and the list of errors
//! that `type` in an error points to.

use axum::Router;
use axum::response::{Html, Redirect};
use axum::routing::get;
use http::{HeaderValue, header};
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::problem::Code;

/// Only what this server sends; the viewer sets styles from its script and draws icons inline.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

pub(super) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    // "none" keeps the viewer from asking a validator on the internet.
    let config = Config::from("/openapi.json")
        .validator_url("none")
        .try_it_out_enabled(true);
    let viewer: Router<S> = SwaggerUi::new("/docs").config(config).into();
    viewer
        .route("/docs/errors", get(errors))
        .route("/", get(|| async { Redirect::to("/docs") }))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(POLICY),
        ))
}

/// Every code that an error can have.
async fn errors() -> Html<String> {
    let rows: String = Code::ALL
        .iter()
        .map(|code| {
            let (name, title) = (code.name(), code.title());
            format!(
                "<tr id=\"{name}\"><td><code>{name}</code></td><td>{}</td><td>{title}</td></tr>",
                code.status().as_u16()
            )
        })
        .collect();
    Html(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>trainyard: errors</title>\
         <h1>Errors</h1><p>Every answer that is not a success is an \
         <code>application/problem+json</code> (RFC 9457) whose <code>code</code> is one of \
         these.</p><table><tr><th>code</th><th>status</th><th>meaning</th></tr>{rows}</table></html>"
    ))
}
