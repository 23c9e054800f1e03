//! Whose turn it is: projects go side by side, whatever a line was before and whoever comes back to it.

use serde_json::json;
use trainyard::domain::ids::{JobId, WorkerId};
use trainyard::domain::labels::Labels;
use trainyard::store::tasks::ClaimedTask;
use trainyard::store::workers::NewWorker;

use crate::scheduling::{empty, next, publish};
use crate::yard::{Database, PROJECT, Yard, on_both};

async fn a_project_with_many_tasks_does_not_starve_one_with_few(on: Database) {
    let yard = empty(on).await;
    let other = yard.other_project().await;
    let big: Vec<JobId> = vec![yard.submit(20).await, yard.submit(20).await];
    // It has come a part of its way when the other one comes.
    for _ in 0..10 {
        assert_eq!(next(&yard).await.job.id, big[0]);
    }
    let mut small = vec![
        yard.submit_with(other, 2, json!({})).await,
        yard.submit_with(other, 2, json!({})).await,
    ];
    let mut order = Vec::new();
    for _ in 0..8 {
        order.push(next(&yard).await.job.id);
    }
    let n_small = order.iter().filter(|job| small.contains(job)).count();
    assert_eq!(n_small, 4, "turn and turn about: {order:?}");
    assert_eq!(order[0..2].iter().filter(|job| small.contains(job)).count(), 1, "{order:?}");
    // Whoever was away has saved nothing up, and owes nothing.
    small.push(yard.submit_with(other, 2, json!({})).await);
    let mut order = Vec::new();
    for _ in 0..4 {
        order.push(next(&yard).await.job.id);
    }
    assert_eq!(order.iter().filter(|job| small.contains(job)).count(), 2, "{order:?}");
}

/// Of whose the next six tasks are.
async fn next_six(yard: &Yard, job: JobId) -> usize {
    let mut n = 0;
    for _ in 0..6 {
        n += usize::from(next(yard).await.job.id == job);
    }
    n
}

async fn who_rested_has_saved_nothing_up(on: Database) {
    let yard = empty(on).await;
    let other = yard.other_project().await;
    let rests = yard.submit(20).await;
    let works = yard.submit_with(other, 20, json!({})).await;
    assert_eq!([next(&yard).await.job.id, next(&yard).await.job.id], [rests, works]);
    yard.store.pause_job(PROJECT, rests).await.unwrap();
    for _ in 0..10 {
        assert_eq!(next(&yard).await.job.id, works);
    }
    yard.store.resume_job(PROJECT, rests).await.unwrap();
    assert_eq!(next_six(&yard, works).await, 3, "turn and turn about");
}

async fn what_nobody_can_take_lets_nobody_pass(on: Database) {
    let yard = empty(on).await;
    let other = yard.other_project().await;
    yard.submit_with(PROJECT, 2, json!({"requires": {"gpu": "true"}})).await;
    let first = yard.submit(20).await;
    for _ in 0..10 {
        assert_eq!(next(&yard).await.job.id, first);
    }
    yard.submit_with(other, 20, json!({})).await;
    assert_eq!(next_six(&yard, first).await, 3, "turn and turn about");
}

/// Takes so many tasks, one after another.
async fn take(yard: &Yard, n: usize) -> Vec<ClaimedTask> {
    let mut taken = Vec::new();
    while taken.len() < n {
        taken.push(next(yard).await);
    }
    taken
}

async fn what_comes_back_to_an_empty_line_is_as_far_as_it_was(on: Database) {
    for is_lost in [false, true] {
        let yard = empty(on).await;
        let other = yard.other_project().await;
        let works = yard.submit(20).await;
        let taken = take(&yard, 20).await;
        // Nothing waits when the others come.
        let comes = yard.submit_with(other, 20, json!({})).await;
        if is_lost {
            yard.store.take_back_leases().await.unwrap();
        } else {
            yard.hand_back(&taken[14..]).await;
        }
        assert_eq!(next_six(&yard, works).await, 6, "it was their turn before");
        if !is_lost {
            assert_eq!(next_six(&yard, comes).await, 6);
        }
    }
}

async fn the_next_of_few_at_once_waits_for_no_more_than_its_turn(on: Database) {
    let yard = empty(on).await;
    let other = yard.other_project().await;
    let few = yard.submit_with(PROJECT, 20, json!({"max_parallel": 1})).await;
    for _ in 0..10 {
        publish(&yard, &next(&yard).await).await;
    }
    let running = next(&yard).await;
    yard.submit_with(other, 20, json!({})).await;
    publish(&yard, &running).await;
    let taken = take(&yard, 2).await;
    assert!(taken.iter().any(|task| task.job.id == few), "the others have only just come");
}

async fn a_last_task_waits_for_no_more_than_its_turn(on: Database) {
    let yard = empty(on).await;
    let other = yard.other_project().await;
    let ends = yard.submit(20).await;
    let taken = take(&yard, 20).await;
    // The first takes longest, and others come when it alone is left.
    for task in &taken[1..] {
        publish(&yard, task).await;
    }
    yard.submit_with(other, 20, json!({})).await;
    publish(&yard, &taken[0]).await;
    let taken = take(&yard, 2).await;
    assert!(taken.iter().any(|task| task.job.id == ends), "the others have only just come");
}

async fn who_rested_owes_nothing_to_a_line_that_is_new(on: Database) {
    let yard = empty(on).await;
    let other = yard.other_project().await;
    let rests = yard.submit(20).await;
    for task in take(&yard, 10).await {
        publish(&yard, &task).await;
    }
    yard.store.pause_job(PROJECT, rests).await.unwrap();
    let works = yard.submit_with(other, 20, json!({})).await;
    yard.store.resume_job(PROJECT, rests).await.unwrap();
    assert_eq!(next_six(&yard, works).await, 3, "turn and turn about");
}

/// What a task may need that is too large for most.
const LARGE: i64 = 1 << 40;

async fn large(yard: &Yard) {
    let job = yard.submit(2).await;
    let large = format!("UPDATE tasks SET memory_bytes = {LARGE} WHERE job_id = '{job}'");
    assert_eq!(yard.change(&large).await, 3);
}

/// Of whose the next six are for such a worker.
async fn next_six_for(yard: &Yard, labels: &str, max_memory_bytes: i64, job: JobId) -> usize {
    let mut n = 0;
    for _ in 0..6 {
        n += usize::from(yard.next_for(labels, max_memory_bytes).await.unwrap().job.id == job);
    }
    n
}

async fn what_is_too_large_lets_nobody_pass(on: Database) {
    for is_for_somebody in [false, true] {
        let yard = empty(on).await;
        let other = yard.other_project().await;
        let worker = NewWorker {
            id: WorkerId::new(&yard.clock),
            name: "small:1".to_owned(),
            labels: Labels::default(),
            n_cores: 2,
            n_threads: 2,
            memory_bytes: if is_for_somebody { LARGE as u64 } else { 1 << 30 },
            lease_ms: 60_000,
        };
        yard.store.beat(&worker).await.unwrap();
        large(&yard).await;
        let works = yard.submit(20).await;
        for _ in 0..10 {
            let task = yard.next_for("", LARGE - 1).await.unwrap();
            assert_eq!(task.job.id, works);
            // Whoever could take it is busy; where there is nobody, nothing need run to tell.
            if !is_for_somebody {
                publish(&yard, &task).await;
            }
        }
        yard.submit_with(other, 20, json!({})).await;
        assert_eq!(next_six_for(&yard, "", LARGE - 1, works).await, 3, "turn and turn about");
    }
}

async fn a_new_line_begins_where_the_others_are(on: Database) {
    let yard = empty(on).await;
    let other = yard.other_project().await;
    let gpu = yard.submit_with(PROJECT, 20, json!({"requires": {"gpu": "true"}})).await;
    for _ in 0..10 {
        let task = yard.next_for("gpu=true", i64::MAX).await.unwrap();
        publish(&yard, &task).await;
    }
    yard.submit_with(other, 20, json!({})).await;
    assert_eq!(next_six_for(&yard, "gpu=true", i64::MAX, gpu).await, 3, "turn and turn about");
}

on_both! {
    a_project_with_many_tasks_does_not_starve_one_with_few,
    who_rested_has_saved_nothing_up,
    what_nobody_can_take_lets_nobody_pass,
    what_comes_back_to_an_empty_line_is_as_far_as_it_was,
    the_next_of_few_at_once_waits_for_no_more_than_its_turn,
    a_last_task_waits_for_no_more_than_its_turn,
    who_rested_owes_nothing_to_a_line_that_is_new,
    what_is_too_large_lets_nobody_pass,
    a_new_line_begins_where_the_others_are,
}
