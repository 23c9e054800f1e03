//! Traces for OpenTelemetry: one from the POST of a job to its model.
//!
//! What happens is told in `tracing`'s spans; here they become OpenTelemetry's, and are sent by OTLP over
//! HTTP where the `OTEL_*` variables name a collector. A job keeps the place in its trace
//! (`traceparent`, W3C's Trace Context), so that its tasks go on with it in whichever process they run.
//! Without a collector all of this does nothing; one that cannot be reached is told of in the log.

use std::collections::HashMap;
use std::env;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData};
use tracing::{Level, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

/// What is left to send when the process ends has so long.
const FLUSH: Duration = Duration::from_secs(2);

/// That nothing can be sent is said so often.
const TELL_EVERY: Duration = Duration::from_secs(60);

const TRACEPARENT: &str = "traceparent";

/// What sends the traces; to be [`ended`](Self::end) after everything else.
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// As the `OTEL_*` variables say; `None` where they name no collector. To be called outside a
    /// runtime: the sender has a thread and a client of its own.
    ///
    /// # Errors
    /// When a variable holds what the exporter cannot use.
    pub fn start() -> Result<Option<Self>, ExporterBuildError> {
        let off = set("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
            || set("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none");
        let endpoint = set(opentelemetry_otlp::OTEL_EXPORTER_OTLP_TRACES_ENDPOINT)
            .or_else(|| set(opentelemetry_otlp::OTEL_EXPORTER_OTLP_ENDPOINT));
        if off || endpoint.is_none() {
            return Ok(None);
        }
        // The one provider of TLS that is compiled in; whoever set it before set the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let exporter = SpanExporter::builder().with_http().build()?;
        let mut resource = Resource::builder();
        if set("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name("trainyard");
        }
        let provider = SdkTracerProvider::builder()
            .with_resource(resource.build())
            .with_batch_exporter(Told { exporter, state: Mutex::default() })
            .build();
        Ok(Some(Self(provider)))
    }

    /// The protocol that a variable asks for, if it is another than the one that is spoken here.
    pub fn unspoken_protocol() -> Option<String> {
        set(opentelemetry_otlp::OTEL_EXPORTER_OTLP_TRACES_PROTOCOL)
            .or_else(|| set(opentelemetry_otlp::OTEL_EXPORTER_OTLP_PROTOCOL))
            .filter(|protocol| {
                protocol != opentelemetry_otlp::OTEL_EXPORTER_OTLP_PROTOCOL_HTTP_PROTOBUF
            })
    }

    /// Turns this program's spans into the trace's.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("trainyard"))
            .with_filter(Targets::new().with_target("trainyard", Level::INFO))
    }

    /// Sends what is left.
    pub fn end(self) {
        if let Err(error) = self.0.shutdown_with_timeout(FLUSH) {
            tracing::warn!(%error, "the last traces could not be sent");
        }
    }
}

/// A variable that says something.
fn set(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Sends spans, and says in the log when they cannot be sent.
#[derive(Debug)]
struct Told {
    exporter: SpanExporter,
    state: Mutex<Failing>,
}

/// How long no span could be sent.
#[derive(Debug, Default)]
struct Failing {
    /// Spans that were lost since the last one that was not.
    n_lost: usize,
    told: Option<Instant>,
}

impl opentelemetry_sdk::trace::SpanExporter for Told {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let n_spans = batch.len();
        let sent = self.exporter.export(batch).await;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.tell(sent.as_ref().err(), n_spans, Instant::now());
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl Failing {
    /// Batches leave every few seconds, and a collector may be away for days.
    fn tell(&mut self, error: Option<&OTelSdkError>, n_spans: usize, now: Instant) {
        let Some(error) = error else {
            if self.n_lost > 0 {
                tracing::info!(n_lost = self.n_lost, "traces are sent again");
            }
            self.n_lost = 0;
            return;
        };
        self.n_lost += n_spans;
        if self.told.is_none_or(|told| now.duration_since(told) >= TELL_EVERY) {
            self.told = Some(now);
            tracing::warn!(
                %error,
                n_lost = self.n_lost,
                "traces cannot be sent and are lost; is OTEL_EXPORTER_OTLP_ENDPOINT right?"
            );
        }
    }
}

/// Lets a span that has just been made go on a trace that began elsewhere.
pub fn follow(span: &Span, traceparent: Option<&str>) {
    let Some(traceparent) = traceparent else { return };
    let carrier = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
    // Without a collector there is nothing that would follow.
    let _ = span.set_parent(context);
}

/// Names a span after what is known only while the program runs.
pub fn rename(span: &Span, name: String) {
    span.context().span().update_name(name);
}

/// The place in its trace of the span that is entered now; `None` where no collector listens.
pub fn traceparent() -> Option<String> {
    let context = Span::current().context();
    if !context.span().span_context().is_valid() {
        return None;
    }
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&context, &mut carrier);
    carrier.remove(TRACEPARENT)
}
