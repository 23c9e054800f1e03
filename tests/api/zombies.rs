//! A worker that stops (SIGSTOP) past its lease and wakes when another has done its work: whatever it
//! then publishes is refused.
//!
//! `ZOMBIES` in the environment says how many late commits are wanted.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::cluster::Cluster;
use crate::kills::published_once;
use crate::process::Process;
use crate::rounds::{alone, report, rounds};

const N_SLEEPERS: usize = 3;

/// What all processes have published of all jobs, by their own count.
fn n_published(workers: &[&Process]) -> u64 {
    let name = "trainyard_tasks_published_total{outcome=\"succeeded\"}";
    workers.iter().map(|worker| worker.metric(name)).sum()
}

fn n_refused(worker: &Process) -> u64 {
    worker.metric("trainyard_late_results_refused_total")
}

#[test]
fn what_a_worker_publishes_after_its_lease_is_refused() {
    let _alone = alone();
    let n_wanted = rounds("ZOMBIES", 3);
    let Some(cluster) = Cluster::new() else { return };
    let api = cluster.start("api", "api");
    let sleepers: Vec<Process> =
        (0..N_SLEEPERS).map(|n| cluster.start(&format!("sleeper-{n}"), "worker")).collect();
    let other = cluster.start("other", "worker");
    let workers: Vec<&Process> = sleepers.iter().chain([&other]).collect();
    let dataset = api.api.demo_dataset();
    let (mut n_late, mut n_rounds, mut n_tasks) = (0, 0, 0);
    while n_late < n_wanted {
        n_rounds += 1;
        // A worker is as likely to be stopped in a fit, of which it hears that it is lost before it
        // ends, as between a fit and its publication.
        assert!(n_rounds <= 3 * n_wanted + 5, "{n_late} late commits in {n_rounds} rounds");
        let job = api.api.submit(&json!({
            "dataset_id": dataset, "target": "y", "random_state": n_rounds,
            "model": {"type": "perceptron", "tol": null, "max_iter": 1_000},
            "cv": {"type": "repeated_kfold", "n_splits": 10, "n_repeats": 10, "random_state": 1}
        }));
        n_tasks += 101;
        api.api.until(&job, |job| job["tasks"]["succeeded"].as_u64() >= Some(10));
        let before: Vec<u64> = sleepers.iter().map(n_refused).collect();
        sleepers.iter().for_each(|sleeper| sleeper.signal("-STOP"));
        let ended = api.api.finished(&job);
        sleepers.iter().for_each(|sleeper| sleeper.signal("-CONT"));
        assert_eq!(ended["status"], "succeeded", "{ended}");
        // They have come to themselves when they hold nothing any more.
        let deadline = Instant::now() + Duration::from_secs(20);
        while n_published(&workers) < n_tasks {
            assert!(Instant::now() < deadline, "{} of {n_tasks}", n_published(&workers));
            std::thread::sleep(Duration::from_millis(50));
        }
        // And would work on: of the next job each takes its part.
        let small = api.api.submit(&json!({
            "dataset_id": dataset, "target": "y", "model": {"type": "perceptron"},
            "cv": {"type": "repeated_kfold", "n_splits": 10, "n_repeats": 3, "random_state": 1}
        }));
        n_tasks += 31;
        api.api.finished(&small);
        assert_eq!(api.api.finished(&job), ended, "nothing of it has changed");
        published_once(&api.api, &job, Some(100));
        published_once(&api.api, &small, Some(30));
        let woken = sleepers.iter().zip(before).filter(|(sleeper, before)| {
            sleeper.api.get("/readyz").expect(200);
            n_refused(sleeper) > *before
        });
        n_late += woken.count();
    }
    // By the workers' own count too, each task was accepted once.
    let deadline = Instant::now() + Duration::from_secs(20);
    while n_published(&workers) < n_tasks && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(n_published(&workers), n_tasks);
    let n_results: u64 = sleepers.iter().map(n_refused).sum();
    let seen = format!(
        "{n_late} workers committed late in {n_rounds} rounds of {N_SLEEPERS}: all {n_results} results \
         refused, each fold published once"
    );
    report("SIGSTOP past the lease, SIGCONT", n_wanted, &seen);
}
