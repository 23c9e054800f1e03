use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::*;

#[test]
fn every_part_is_done_once() {
    let mut crew = Crew::new(4);
    for round in 0..3000 {
        crew.set_active(1 + round % 4);
        let n_parts = round % 23;
        let counts: Vec<AtomicUsize> = (0..n_parts).map(|_| AtomicUsize::new(0)).collect();
        crew.run(n_parts, &|part| {
            counts[part].fetch_add(1, Ordering::Relaxed);
        });
        assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1), "round {round}");
    }
}

#[test]
fn helpers_that_fell_asleep_come_back() {
    let mut crew = Crew::new(3);
    for _ in 0..5 {
        let threads = std::sync::Mutex::new(std::collections::HashSet::new());
        // A part ends when all three have begun, so none can take another's; a busy machine has time.
        let deadline = Instant::now() + Duration::from_secs(20);
        crew.run(3, &|_| {
            threads.lock().unwrap().insert(thread::current().id());
            while threads.lock().unwrap().len() < 3 && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(1));
            }
        });
        assert_eq!(threads.lock().unwrap().len(), 3);
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn blocks_cover_slices_once_at_any_number_of_threads() {
    for n_threads in [1, 2, 4] {
        let mut crew = Crew::new(n_threads);
        for len in [0, 1, 7, 8, 9, 64, 1000] {
            let (mut x, mut y) = (vec![1.0; len], vec![2.0; len]);
            crew.for_blocks([&mut x, &mut y], 8, |index, [x, y]| {
                assert!(x.len() == y.len() && x.len() <= 8);
                for (i, (x, y)) in x.iter_mut().zip(y).enumerate() {
                    *x += (index * 8 + i) as f32;
                    *y += *x;
                }
            });
            for (i, (x, y)) in x.into_iter().zip(y).enumerate() {
                assert_eq!((x, y), (1.0 + i as f32, 3.0 + i as f32));
            }
        }
    }
}

#[test]
fn a_panic_in_any_part_resumes_in_the_caller_and_the_crew_goes_on() {
    let mut crew = Crew::new(3);
    for bad in 0..40 {
        let result = catch_unwind(AssertUnwindSafe(|| {
            crew.run(40, &|part| {
                thread::yield_now();
                assert!(part != bad, "part {bad} fails");
            });
        }));
        let message = result.unwrap_err().downcast::<String>().unwrap();
        assert_eq!(*message, format!("part {bad} fails"));
        let count = AtomicUsize::new(0);
        crew.run(10, &|_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(count.into_inner(), 10);
    }
}

#[test]
fn more_threads_than_cores_are_no_trouble() {
    let mut crew = Crew::new(16);
    let count = AtomicUsize::new(0);
    for _ in 0..500 {
        crew.run(64, &|_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
    }
    assert_eq!(count.into_inner(), 500 * 64);
}

#[test]
fn a_crew_moves_to_another_thread() {
    let mut crew = Crew::new(2);
    crew.run(2, &|_| {});
    thread::spawn(move || crew.run(2, &|_| {})).join().unwrap();
}

#[test]
fn buffers_begin_at_a_cache_line_and_are_kept() {
    let mut buffer = Buffer::default();
    let first = buffer.take(1000).as_ptr();
    assert_eq!(first.align_offset(64), 0);
    assert_eq!(buffer.take(10).as_ptr(), first);
    assert_eq!(buffer.take(1000).as_ptr(), first);
}
