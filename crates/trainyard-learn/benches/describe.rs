//! Descriptions of a large table, by kind of column: `cargo bench -p trainyard-learn --bench
//! describe`. Twenty columns of three million rows each; the least of three runs.

use std::time::Instant;

use trainyard_learn::describe::describe_on;
use trainyard_learn::random::stream::Stream;
use trainyard_learn::table::{Column, Table, Values};

const N_COLUMNS: usize = 20;
const N_ROWS: usize = 3_000_000;

/// A way to make values of numbers between 0 and 1.
type Kind = (&'static str, fn(f64) -> f64);

const KINDS: [Kind; 4] = [
    ("continuous", |u| (u / (1.0 - u)).ln()),
    ("prices", |u| (u * 1e5).floor() / 100.0),
    ("counts", |u| (u * 1e3).floor()),
    ("flags", |u| (u * 2.0).floor()),
];

fn table(of: fn(f64) -> f64) -> Table {
    let column = |index: usize| {
        let mut stream = Stream::new(index as u64, [0, 0]);
        let values = (0..N_ROWS).map(|_| of(stream.uniform_f64())).collect();
        Column { name: format!("x{index}"), values: Values::Numeric(values) }
    };
    Table::new((0..N_COLUMNS).map(column).collect())
}

#[expect(clippy::print_stdout, reason = "figures are what a benchmark is for")]
fn main() {
    for (name, of) in KINDS {
        let table = table(of);
        for n_threads in [1, 2] {
            let time = || {
                let start = Instant::now();
                assert_eq!(describe_on(&table, n_threads).len(), N_COLUMNS);
                start.elapsed().as_secs_f64()
            };
            let least = (0..3).map(|_| time()).fold(f64::INFINITY, f64::min);
            println!("{name:<12} {n_threads} threads {least:>7.2} s");
        }
    }
}
