//! Reading one large file of numbers, and one of words and dates, by threads.
//!
//! The files are made once, in the directory that `TRAINYARD_BENCH_DIRECTORY` names or else in the
//! one for temporary files; `benches/csv_peers.py` reads the same with other libraries.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use divan::Bencher;
use divan::counter::BytesCount;
use trainyard_formats::csv::{self, CsvLimits, CsvOptions};

const FILE_BYTES: usize = 500 << 20;

const N_THREADS: [usize; 2] = [1, 2];

static NUMBERS: LazyLock<Vec<u8>> = LazyLock::new(|| file("numbers", numbers));
static MIXED: LazyLock<Vec<u8>> = LazyLock::new(|| file("mixed", mixed));

fn main() {
    divan::main();
}

#[divan::bench(args = N_THREADS, sample_count = 5, sample_size = 1)]
fn numbers_500_mb(bencher: Bencher<'_, '_>, n_threads: usize) {
    read(bencher, &NUMBERS, n_threads);
}

#[divan::bench(args = N_THREADS, sample_count = 3, sample_size = 1)]
fn mixed_500_mb(bencher: Bencher<'_, '_>, n_threads: usize) {
    read(bencher, &MIXED, n_threads);
}

fn read(bencher: Bencher<'_, '_>, bytes: &[u8], n_threads: usize) {
    bencher.counter(BytesCount::new(bytes.len())).bench_local(|| {
        let (options, limits) = (CsvOptions::default(), CsvLimits::default());
        csv::read(bytes, &options, &limits, n_threads).expect("a table")
    });
}

/// The file of that name, made if it is not there.
fn file(name: &str, row: fn(&mut Random, &mut String)) -> Vec<u8> {
    let directory = std::env::var_os("TRAINYARD_BENCH_DIRECTORY")
        .map_or_else(std::env::temp_dir, PathBuf::from);
    let path = directory.join(format!("trainyard-csv-{name}.csv"));
    if !path.exists() {
        write(&path, row);
    }
    fs::read(path).expect("the file was written")
}

fn write(path: &Path, row: fn(&mut Random, &mut String)) {
    let mut text = String::new();
    row(&mut Random(1), &mut text);
    let n_columns = text.matches(',').count() + 1;
    let names: Vec<String> = (0..n_columns).map(|column| format!("c{column}")).collect();
    text = names.join(",");
    text.push('\n');
    let mut random = Random(1);
    let mut file = fs::File::create(path).expect("a file");
    let mut n_bytes = 0;
    while n_bytes < FILE_BYTES {
        while text.len() < 1 << 20 {
            row(&mut random, &mut text);
            text.push('\n');
        }
        file.write_all(text.as_bytes()).expect("room for the file");
        n_bytes += text.len();
        text.clear();
    }
}

/// Sixteen floats of 6 to 17 digits, and four whole numbers.
fn numbers(random: &mut Random, text: &mut String) {
    for column in 0..20 {
        let comma = if column == 0 { "" } else { "," };
        let value = (random.unit() - 0.5) * 2_000.0;
        let written = match column % 5 {
            0 => write!(text, "{comma}{value:.3}"),
            1 => write!(text, "{comma}{value:.6}"),
            2 => write!(text, "{comma}{value:.10}"),
            3 => write!(text, "{comma}{value}"),
            _ => write!(text, "{comma}{}", (value * 50.0) as i64),
        };
        written.expect("strings can be written to");
    }
}

/// Two numbers, a category, a quoted one, a day, a second and a gap.
fn mixed(random: &mut Random, text: &mut String) {
    let city = ["Berlin", "Paris", "\"Washington, D.C.\"", "Rome"][random.below(4)];
    let gap = ["", "NA", "1", "2.5"][random.below(4)];
    let (id, value) = (random.below(1 << 40), random.unit());
    let (month, day, hour) = (random.below(12) + 1, random.below(28) + 1, random.below(24));
    let second = random.below(60);
    let grade = random.below(300);
    write!(
        text,
        "{id},{value:.6},grade {grade},{city},2024-{month:02}-{day:02},2024-{month:02}-{day:02}T\
         {hour:02}:{second:02}:{second:02}Z,{gap}"
    )
    .expect("strings can be written to");
}

/// Marsaglia's xorshift, which is random enough for digits.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: u64) -> usize {
        (self.next() % end) as usize
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}
