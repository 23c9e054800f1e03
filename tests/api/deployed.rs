//! What the files of `docker/` say of each other is true, and what they start answers as they ask.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use object_store::aws::AmazonS3ConfigKey;
use serde_json::json;
use yaml_serde::Value;

use crate::cluster::Cluster;
use crate::deploy::{ROOT, documents, texts};
use crate::process::Process;
use crate::support::World;

fn text_of(name: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join("docker").join(name)).unwrap()
}

/// The only document of a file.
fn document(name: &str) -> Value {
    let path = Path::new(ROOT).join("docker").join(name);
    documents().into_iter().find(|(found, _)| *found == path).unwrap().1
}

fn of_kind(kind: &str) -> Vec<Value> {
    let all = documents().into_iter().map(|(_, document)| document);
    all.filter(|document| document["kind"] == kind).collect()
}

fn names(list: &Value) -> impl Iterator<Item = &str> {
    list.as_sequence().into_iter().flatten().filter_map(|one| one["name"].as_str())
}

/// A number or text as a variable has it.
fn shown(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| yaml_serde::to_string(value).unwrap().trim().to_owned(), str::to_owned)
}

/// What an image's last stage sets.
fn image_variables() -> BTreeMap<String, String> {
    let text = text_of("Dockerfile");
    let (_, image) = text.rsplit_once("\nFROM ").unwrap();
    let (_, variables) = image.split_once("\nENV ").unwrap();
    let variables = variables.replace("\\\n", " ");
    let variables = variables.lines().next().unwrap();
    let pairs = variables.split_whitespace().map(|pair| pair.split_once('=').unwrap());
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The port on which the image's process listens.
fn image_port() -> String {
    image_variables()["TRAINYARD_BIND"].rsplit_once(':').unwrap().1.to_owned()
}

/// A process as a file has it started.
struct Start {
    what: String,
    arguments: Vec<String>,
    variables: BTreeMap<String, String>,
    /// Paths that somebody asks for, by this address.
    probes: BTreeSet<String>,
    host: String,
}

fn arguments(list: &Value) -> Vec<String> {
    list.as_sequence().unwrap().iter().map(shown).collect()
}

const POD_IP: &str = "10.1.2.3";

/// Of the manifests for Kubernetes, with what the kubelet fills in.
fn pods() -> Vec<Start> {
    let secrets = of_kind("Secret");
    let mut all = Vec::new();
    for deployment in of_kind("Deployment") {
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        let mut variables = image_variables();
        for from in container["envFrom"].as_sequence().unwrap() {
            let name = &from["secretRef"]["name"];
            let secret = secrets.iter().find(|secret| secret["metadata"]["name"] == *name);
            for (name, value) in secret.unwrap()["stringData"].as_mapping().unwrap() {
                variables.insert(shown(name), shown(value));
            }
        }
        for variable in container["env"].as_sequence().unwrap() {
            let from = &variable["valueFrom"];
            let mut value = match from["fieldRef"]["fieldPath"].as_str() {
                Some("status.podIP") => POD_IP.to_owned(),
                Some(other) => panic!("what is {other}?"),
                None => match from["resourceFieldRef"]["resource"].as_str() {
                    Some("requests.cpu") => shown(&container["resources"]["requests"]["cpu"]),
                    Some(other) => panic!("what is {other}?"),
                    None => shown(&variable["value"]),
                },
            };
            for (name, known) in &variables {
                value = value.replace(&format!("$({name})"), known);
            }
            assert!(!value.contains("$("), "{value}: nothing before it has this name");
            variables.insert(shown(&variable["name"]), value);
        }
        let ports = container["ports"].as_sequence().unwrap();
        assert_eq!(shown(&ports[0]["containerPort"]), image_port());
        let mut probes = BTreeSet::from(["/metrics".to_owned()]);
        for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
            let get = &container[probe]["httpGet"];
            assert_eq!(get["port"], ports[0]["name"], "{probe}");
            probes.insert(shown(&get["path"]));
        }
        let annotations = &deployment["spec"]["template"]["metadata"]["annotations"];
        assert_eq!(shown(&annotations["prometheus.io/port"]), image_port());
        let mounts = container["volumeMounts"].as_sequence().unwrap();
        let data = image_variables()["TRAINYARD_DATA_DIR"].clone();
        assert!(mounts.iter().any(|mount| mount["mountPath"] == data.as_str()), "{mounts:?}");
        all.push(Start {
            what: shown(&deployment["metadata"]["name"]),
            arguments: arguments(&container["args"]),
            variables,
            probes,
            host: format!("{POD_IP}:{}", image_port()),
        });
    }
    all
}

/// Of the files for Compose. What asks for a path of a process is the image's health check, the proxy, and
/// of a cluster's, by whatever address it has, Prometheus.
fn services(name: &str) -> Vec<Start> {
    let document = document(name);
    let mut all = Vec::new();
    for (service, told) in document["services"].as_mapping().unwrap() {
        if told["image"] != "trainyard" {
            continue;
        }
        let mut variables = image_variables();
        for (name, value) in told["environment"].as_mapping().unwrap() {
            variables.insert(shown(name), shown(value));
        }
        let is_cluster = variables.contains_key("TRAINYARD_DATABASE_URL");
        let command = &told["command"];
        all.push(Start {
            what: format!("{} of {name}", shown(service)),
            arguments: if command.is_null() {
                vec!["serve".to_owned()]
            } else {
                arguments(command)
            },
            variables,
            probes: ["/readyz", "/livez", "/metrics"].map(str::to_owned).into(),
            host: format!(
                "{}:{}",
                if is_cluster { "172.18.0.7" } else { "localhost" },
                image_port()
            ),
        });
    }
    all
}

/// Of the units for systemd, which an operator's file completes.
fn units() -> Vec<Start> {
    let is_unit = |path: &Path| path.extension().is_some_and(|ending| ending == "service");
    let units = texts().into_iter().filter(|(path, _)| is_unit(path));
    let of_unit = |(path, text): (_, String)| {
        let told =
            text.lines().filter_map(|line| line.strip_prefix("Environment=")?.split_once('='));
        let start = text.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
        let what = format!("{path:?}");
        let asked_by = if what.contains("api") { "trainyard.example.com" } else { "127.0.0.1" };
        Start {
            what,
            arguments: start.split(' ').skip(1).map(str::to_owned).collect(),
            variables: told.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            probes: ["/readyz", "/livez"].map(str::to_owned).into(),
            host: asked_by.to_owned(),
        }
    };
    units.map(of_unit).collect()
}

#[test]
fn what_the_files_start_answers_what_it_is_asked() {
    let Some(cluster) = Cluster::new() else { return };
    let alone = services("compose.yaml");
    assert_eq!(alone.len(), 1);
    let together = [pods(), services("compose.cluster.yaml"), units()];
    let together: Vec<Start> = together.into_iter().flatten().collect();
    assert_eq!(together.len(), 6, "an API and a worker each");
    for start in alone.into_iter().chain(together) {
        let Start { what, arguments, mut variables, probes, host } = start;
        let [command, arguments @ ..] = &arguments[..] else { panic!("{what} starts nothing") };
        assert_eq!(command, "serve", "{what}");
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        // Where things are is the test's own; an operator's file says it for systemd.
        if !what.ends_with("of compose.yaml") {
            variables.insert("TRAINYARD_DATABASE_URL".to_owned(), cluster.database_url.clone());
            variables.insert("TRAINYARD_ARTIFACT_URL".to_owned(), cluster.artifact_url.clone());
        }
        let directory = tempfile::tempdir().unwrap();
        let process =
            Process::start_as(directory.path(), &arguments, |command| command.envs(&variables));
        for path in probes {
            let answer = process.api.get_with(&path, &[("host", &host)]);
            assert_eq!(answer.status, 200, "{what}: {path}: {}", answer.text());
        }
        process.stop();
    }
}

#[test]
fn a_clusters_services_name_what_there_is() {
    let compose = document("compose.cluster.yaml");
    let services = compose["services"].as_mapping().unwrap();
    let has = |name: &str| services.contains_key(name);
    let mut targets = BTreeMap::new();
    for (name, service) in services {
        for (other, _) in service["depends_on"].as_mapping().into_iter().flatten() {
            assert!(has(&shown(other)), "{name:?} depends on {other:?}");
        }
        for volume in service["volumes"].as_sequence().into_iter().flatten() {
            let volume = shown(volume);
            let mut parts = volume.split(':');
            let (from, to) = (parts.next().unwrap(), parts.next().unwrap());
            let is_there = match from.strip_prefix("./") {
                Some(file) => Path::new(ROOT).join("docker").join(file).is_file(),
                None => compose["volumes"].as_mapping().unwrap().contains_key(from),
            };
            assert!(is_there, "{volume}");
            targets.insert(to.to_owned(), from.to_owned());
        }
        let networks = service["networks"].as_sequence().unwrap().iter().map(shown);
        let known = compose["networks"].as_mapping().unwrap();
        assert!(networks.into_iter().all(|network| known.contains_key(network)), "{name:?}");
    }
    // Variables that the operator fills in.
    let example = text_of("cluster/example.env");
    let asked = text_of("compose.cluster.yaml");
    let asked: BTreeSet<&str> =
        asked.split("${").skip(1).map(|text| text.split([':', '}']).next().unwrap()).collect();
    let told = example
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='));
    assert_eq!(asked, told.map(|(name, _)| name).collect());
    // Whom Prometheus and the proxy ask.
    let prometheus = document("cluster/prometheus.yaml");
    for file in prometheus["rule_files"].as_sequence().unwrap() {
        assert!(targets.contains_key(&format!("/etc/prometheus/{}", shown(file))), "{file:?}");
    }
    let proxy = text_of("cluster/Caddyfile");
    for scraped in prometheus["scrape_configs"].as_sequence().unwrap() {
        for by_name in scraped["dns_sd_configs"].as_sequence().into_iter().flatten() {
            assert!(by_name["names"].as_sequence().unwrap().iter().all(|name| has(&shown(name))));
            assert_eq!(shown(&by_name["port"]), image_port());
        }
        for fixed in scraped["static_configs"].as_sequence().into_iter().flatten() {
            for target in fixed["targets"].as_sequence().unwrap() {
                let target = shown(target);
                let (host, port) = target.split_once(':').unwrap();
                assert!(host == "proxy" && proxy.contains(&format!("\n:{port} {{")), "{target}");
            }
        }
    }
    let asked = format!("dynamic a api {} {{", image_port());
    assert!(has("api") && proxy.contains(&asked), "{proxy}");
    // Where Grafana finds its source and its dashboard.
    let source = &document("cluster/grafana/datasource.yaml")["datasources"][0];
    let url = shown(&source["url"]);
    let (host, port) = url.strip_prefix("http://").unwrap().split_once(':').unwrap();
    let health = &services[host]["healthcheck"]["test"];
    assert!(arguments(health).iter().any(|word| word.contains(&format!(":{port}/"))), "{health:?}");
    let dashboard =
        shown(&services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]);
    assert_eq!(targets[&dashboard], "./cluster/grafana/trainyard.json");
    let folder =
        shown(&document("cluster/grafana/dashboards.yaml")["providers"][0]["options"]["path"]);
    assert!(dashboard.strip_prefix(&folder).is_some_and(|rest| rest.starts_with('/')), "{folder}");
    let panels: serde_json::Value =
        serde_json::from_str(&text_of("cluster/grafana/trainyard.json")).unwrap();
    for panel in panels["panels"].as_array().unwrap() {
        assert_eq!(
            panel["datasource"]["uid"],
            *source["uid"].as_str().unwrap(),
            "{}",
            panel["title"]
        );
    }
}

#[test]
fn manifests_name_what_there_is() {
    let (deployments, secrets) = (of_kind("Deployment"), of_kind("Secret"));
    for (path, document) in
        documents().iter().filter(|(_, document)| document["kind"] == "Kustomization")
    {
        for resource in document["resources"].as_sequence().unwrap() {
            assert!(path.parent().unwrap().join(shown(resource)).exists(), "{resource:?}");
        }
        for patch in document["patches"].as_sequence().into_iter().flatten() {
            let target = &patch["target"]["name"];
            assert!(deployments.iter().any(|one| one["metadata"]["name"] == *target), "{target:?}");
        }
        for image in document["images"].as_sequence().into_iter().flatten() {
            assert!(deployments.iter().all(|one| {
                names(&one["spec"]["template"]["spec"]["containers"])
                    .all(|name| image["name"] == name)
            }));
            assert_eq!(image["newTag"], env!("CARGO_PKG_VERSION"));
        }
    }
    let labels: Vec<&Value> =
        deployments.iter().map(|one| &one["spec"]["template"]["metadata"]["labels"]).collect();
    let is_of_a_pod = |selector: &Value| {
        let asked = selector["matchLabels"].as_mapping().or_else(|| selector.as_mapping());
        let has =
            |labels: &&Value| asked.unwrap().iter().all(|(name, value)| labels[name] == *value);
        labels.iter().any(has)
    };
    let selectors =
        of_kind("NetworkPolicy").into_iter().map(|one| one["spec"]["podSelector"].clone());
    let selectors: Vec<Value> = selectors
        .chain(of_kind("Service").into_iter().map(|one| one["spec"]["selector"].clone()))
        .chain(
            of_kind("PodDisruptionBudget").into_iter().map(|one| one["spec"]["selector"].clone()),
        )
        .collect();
    assert!(selectors.len() > 4 && selectors.iter().all(is_of_a_pod), "{selectors:?}");
    let ports: Vec<&str> = deployments
        .iter()
        .flat_map(|one| names(&one["spec"]["template"]["spec"]["containers"][0]["ports"]))
        .collect();
    for service in of_kind("Service") {
        let target = service["spec"]["ports"][0]["targetPort"].as_str().unwrap();
        assert!(ports.contains(&target), "{target}");
    }
    // As many workers as the queue is worth, by the threads that each has.
    let scaled = &of_kind("ScaledObject")[0]["spec"];
    let target = &scaled["scaleTargetRef"]["name"];
    let worker = deployments.iter().find(|one| one["metadata"]["name"] == *target).unwrap();
    let container = &worker["spec"]["template"]["spec"]["containers"][0];
    let trigger = &scaled["triggers"][0];
    let cpu = shown(&container["resources"]["requests"]["cpu"]);
    assert_eq!(shown(&trigger["metadata"]["targetQueryValue"]), cpu);
    let authentication = &of_kind("TriggerAuthentication")[0];
    assert_eq!(trigger["authenticationRef"]["name"], authentication["metadata"]["name"]);
    for reference in authentication["spec"]["secretTargetRef"].as_sequence().unwrap() {
        let secret =
            secrets.iter().find(|one| one["metadata"]["name"] == reference["name"]).unwrap();
        let key = reference["key"].as_str().unwrap();
        assert!(secret["stringData"].as_mapping().unwrap().contains_key(key), "{key}");
    }
}

/// The mebibytes that Kubernetes or Compose says.
fn mebibytes(amount: &Value) -> u64 {
    let amount = shown(amount);
    let digits: String = amount.chars().take_while(char::is_ascii_digit).collect();
    let number: u64 = digits.parse().unwrap();
    match amount.strip_prefix(&digits).unwrap() {
        "Gi" | "g" => number << 10,
        "Mi" | "m" => number,
        other => panic!("what is {other}?"),
    }
}

#[test]
fn what_an_api_accepts_a_worker_beside_it_may_take() {
    let deployments = of_kind("Deployment");
    let limit = || {
        let is_it = |one: &&Value| shown(&one["metadata"]["name"]).ends_with("-worker");
        let pod = &deployments.iter().find(is_it).unwrap()["spec"]["template"]["spec"];
        mebibytes(&pod["containers"][0]["resources"]["limits"]["memory"])
    };
    let compose = document("compose.cluster.yaml");
    let of_compose = |service: &str| {
        mebibytes(&compose["services"][service]["deploy"]["resources"]["limits"]["memory"])
    };
    let starts = [
        (pods(), "trainyard-api", limit()),
        (services("compose.cluster.yaml"), "api of compose.cluster.yaml", of_compose("worker")),
    ];
    for (all, api, memory) in starts {
        let variables = |is_it: &dyn Fn(&Start) -> bool| {
            all.iter().find(|one| is_it(one)).unwrap().variables.clone()
        };
        let worker = variables(&|one| one.what != api);
        assert!(!worker.contains_key("TRAINYARD_MEMORY_MEGABYTES"), "it is four fifths by itself");
        // Its four fifths, to the whole megabyte.
        let most = &variables(&|one| one.what == api)["TRAINYARD_MAX_TASK_MEGABYTES"];
        assert_eq!(*most, (memory * 4 / 5).to_string(), "{api}");
    }
    // Workers are not started for what none of them may take.
    let query = shown(&of_kind("ScaledObject")[0]["spec"]["triggers"][0]["metadata"]["query"]);
    let most = format!("memory_bytes <= {}", (limit() * 4 / 5) << 20);
    assert_eq!(query.matches(&most).count(), 2, "{query}");
}

/// `object_store` passes over what it does not know.
#[test]
fn every_variable_of_the_object_store_is_one_that_it_reads() {
    let mut n_used = 0;
    for (path, text) in texts() {
        let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let words = text.split(|c: char| !is_of_name(c));
        for name in words.filter(|word| word.starts_with("AWS_") && word.len() > 4) {
            let is_known = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>().is_ok();
            // SeaweedFS reads the same.
            assert!(is_known, "{}: nobody reads {name}", path.display());
            n_used += 1;
        }
    }
    assert!(n_used > 8, "{n_used}");
}

/// The text in the brackets that a text begins with.
fn within(text: &str, open: char, close: char) -> Option<&str> {
    Some(text.strip_prefix(open)?.split_once(close)?.0)
}

#[test]
fn every_label_that_is_asked_for_is_written() {
    let world = World::with_threads(1);
    let dataset = world.api.demo_dataset();
    world.api.run(&json!({"dataset_id": dataset, "target": "y", "model": {"type": "perceptron"}}));
    // One that runs, and one that waits.
    for _ in 0..2 {
        world.api.submit(&json!({
            "dataset_id": dataset, "target": "y", "model": {"type": "mlp", "hidden": [8]},
            "training": {"epochs": 1_000_000}
        }));
    }
    let lines =
        || -> Vec<String> { world.api.get("/metrics").text().lines().map(str::to_owned).collect() };
    let has = |lines: &[String], name: &str, label: &str| {
        let is_it =
            |line: &&String| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{'));
        lines.iter().filter(is_it).any(|line| line.contains(label))
    };
    let mut written = lines();
    for _ in 0..100 {
        if ["queued", "running"]
            .iter()
            .all(|state| has(&written, "trainyard_queue_tasks", &format!("state=\"{state}\"")))
        {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
        written = lines();
    }
    let prometheus = text_of("cluster/prometheus.yaml");
    let jobs: Vec<&str> =
        prometheus.split("- job_name: ").skip(1).map(|text| text.lines().next().unwrap()).collect();
    let (mut n_selected, mut n_grouped) = (0, 0);
    for file in ["cluster/rules.yaml", "cluster/grafana/trainyard.json"] {
        let text = text_of(file).replace("\\\"", "\"");
        for (at, _) in text.match_indices("trainyard_") {
            let name: String =
                text[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            let Some(selected) = within(&text[at + name.len()..], '{', '}') else { continue };
            for label in selected.split(',') {
                assert!(has(&written, &name, label.trim()), "{file}: nothing is {name}{{{label}}}");
                n_selected += 1;
            }
        }
        for (at, begin) in text.match_indices("up{job=").chain(text.match_indices("up{job=~")) {
            let job = within(&text[at + begin.len()..], '"', '"')
                .unwrap_or_default()
                .trim_end_matches(".*");
            assert!(jobs.iter().any(|known| known.starts_with(job)), "{file}: {job}");
        }
        for (at, by) in text.match_indices("by (") {
            let labels = within(&text[at + by.len() - 1..], '(', ')').unwrap();
            for label in labels.split(", ") {
                // Those of Prometheus, and one of the proxy's.
                let is_given = ["job", "instance", "code"].contains(&label);
                let is_written = written.iter().any(|line| line.contains(&format!("{label}=\"")));
                assert!(is_given || is_written, "{file}: by {label}");
                n_grouped += 1;
            }
        }
    }
    assert!(n_selected >= 3 && n_grouped > 20, "{n_selected}, {n_grouped}");
}
