//! Traces, with a collector that reads what is sent as OpenTelemetry's own messages.

use std::collections::HashMap;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::json;

use crate::process::Process;
use crate::receiver::receiver;
use crate::rounds::Log;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_collector_that_is_not_there_is_told_of_once() {
    // Whoever listened there has gone.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let log = Log(directory.path().join("log"));
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}")),
        ("OTEL_BSP_SCHEDULE_DELAY", "50".to_owned()),
    ];
    let data = directory.path().join("data");
    let process = Process::start_as(&data, &[], |command| {
        command.envs(environment.clone()).stderr(log.append())
    });
    let told = || {
        let text = std::fs::read_to_string(&log.0).unwrap();
        text.lines().filter(|line| line.contains("traces cannot be sent")).count()
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    while told() == 0 {
        assert!(Instant::now() < deadline, "nothing is told");
        process.api.get("/livez").expect(200);
        std::thread::sleep(Duration::from_millis(20));
    }
    // Many batches later it is still said once.
    for _ in 0..50 {
        process.api.get("/v1/jobs").expect(200);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(told(), 1);
    process.stop();
}

#[test]
fn a_protocol_that_is_not_spoken_is_told_of() {
    let directory = tempfile::tempdir().unwrap();
    for (protocol, n_told) in [("grpc", 1), ("http/protobuf", 0)] {
        let log = Log(directory.path().join(protocol.replace('/', "-")));
        let data = log.0.with_extension("data");
        let environment = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
        ];
        Process::start_as(&data, &[], |command| command.envs(environment).stderr(log.append()))
            .stop();
        let text = log.text();
        let told = text.lines().filter(|line| line.contains("OTEL_EXPORTER_OTLP_PROTOCOL"));
        assert_eq!(told.filter(|line| line.contains(protocol)).count(), n_told, "{text}");
    }
}

#[test]
fn one_trace_leads_from_the_post_of_a_job_to_its_model() {
    let (url, messages) = receiver(&[]);
    let directory = tempfile::tempdir().unwrap();
    let environment = [
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", url.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ("OTEL_SERVICE_NAME", "yard"),
    ];
    let process = Process::start_as(directory.path(), &[], |command| command.envs(environment));
    let api = &process.api;
    let dataset = api.demo_dataset();
    let spec = json!({
        "dataset_id": dataset, "target": "y", "model": {"type": "perceptron"},
        "cv": {"type": "stratified_kfold", "n_splits": 3},
    });
    let parent = format!("00-{TRACE}-b7ad6b7169203331-01");
    let job = api.post_with("/v1/jobs", ("traceparent", &parent), &spec).expect(202);
    let job = job["id"].as_str().unwrap();
    assert_eq!(api.finished(job)["status"], "succeeded");

    // What belongs to the client's trace, until the model is published.
    let mut spans: HashMap<String, Vec<Span>> = HashMap::new();
    let mut services = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !spans.contains_key("publish") {
        let left = deadline.saturating_duration_since(Instant::now());
        let (_, body) = messages.recv_timeout(left).expect("spans until the model's publication");
        let request = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
        for resource in request.resource_spans {
            services.extend(resource.resource.unwrap().attributes);
            for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                if hex(&span.trace_id) == TRACE {
                    spans.entry(span.name.clone()).or_default().push(span);
                }
            }
        }
    }
    let named = services.iter().any(|attribute| {
        attribute.key == "service.name" && format!("{:?}", attribute.value).contains("yard")
    });
    assert!(named, "{services:?}");
    let [post] = &spans["POST /v1/jobs"][..] else { panic!("{spans:?}") };
    assert_eq!(hex(&post.parent_span_id), "b7ad6b7169203331");
    let count = |name: &str| spans.get(name).map_or(0, Vec::len);
    assert_eq!((count("fold"), count("reduce"), count("publish")), (3, 1, 1), "{spans:?}");
    assert_eq!((count("fit"), count("score"), count("store_model")), (4, 3, 1), "{spans:?}");
    for task in spans["fold"].iter().chain(&spans["reduce"]).chain(&spans["publish"]) {
        assert_eq!(task.parent_span_id, post.span_id, "{task:?}");
        let of_job = task.attributes.iter().find(|attribute| attribute.key == "job").unwrap();
        assert!(format!("{of_job:?}").contains(job));
    }
    let inner = &spans["store_model"][0];
    assert_eq!(inner.parent_span_id, spans["reduce"][0].span_id);
    assert!(post.end_time_unix_nano <= spans["publish"][0].start_time_unix_nano);
}
