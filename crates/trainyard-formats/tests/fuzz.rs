//! Damaged files, made from good ones by seeded dice: no reader panics, hangs, or takes memory for what
//! a file claims.
//!
//! Here each file of the kept corpus is damaged some times. With `FUZZ_SECONDS` in the environment each
//! format gets so long; `SEED` says where the dice begin. A file that is read wrongly is kept under
//! `target/fuzz`, and belongs into `tests/golden/formats` once it is mended.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::io::{Cursor, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use trainyard_formats::{FormatError, Limits, ReadOptions, read};
use trainyard_learn::kernels::Mapping;

/// Damaged so many times each, in the short form.
const SHORT: usize = 200;

/// Small enough that a reader which keeps to them is quick, and large enough for the corpus.
fn limits() -> Limits {
    Limits {
        max_rows: 100_000,
        max_columns: 2_000,
        max_cells: 1_000_000,
        max_row_bytes: 1 << 20,
        max_decompressed_bytes: 16 << 20,
        n_threads: 2,
        ..Limits::default()
    }
}

/// A reader that takes longer for a small file hangs.
const LONGEST: Duration = Duration::from_secs(20);

const MOST_MEGABYTES: usize = 400;

/// A sequence by Steele, Lea and Flood's SplitMix64: the same files everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n.max(1) as u64) as usize
    }
}

/// Numbers at which code that counts goes wrong.
const ODD: [i64; 10] =
    [0, 1, -1, 127, 255, 65_535, i32::MAX as i64, i32::MIN as i64, i64::MAX, 1 << 40];

/// Words that mean something to one reader or another.
const WORDS: [&str; 24] = [
    "\"",
    "\"\"",
    "\r\n",
    "\n\n",
    ",",
    ";",
    "\t",
    "{",
    "}",
    "[",
    "]",
    ":",
    "\\u",
    "null",
    "NaN",
    "1e999",
    "-0",
    "@data\n",
    "@attribute a {",
    "1:1",
    "\0",
    "\u{feff}",
    "'shape': (",
    "%",
];

fn damage(bytes: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    for _ in 0..=dice.below(6) {
        let at = dice.below(bytes.len());
        let length = dice.below(64).min(bytes.len() - at);
        match dice.below(9) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << dice.below(8),
            1 if !bytes.is_empty() => bytes[at] = dice.below(256) as u8,
            2 => _ = bytes.drain(at..at + length),
            3 => {
                let piece = bytes[at..at + length].to_vec();
                bytes.splice(at..at, piece.repeat(1 + dice.below(20)));
            }
            4 => {
                let odd = ODD[dice.below(ODD.len())];
                let width = [1, 2, 4, 8][dice.below(4)].min(bytes.len() - at);
                let odd = if dice.below(2) == 0 { odd.to_le_bytes() } else { odd.to_be_bytes() };
                bytes[at..at + width].copy_from_slice(&odd[..width]);
            }
            5 => _ = bytes.splice(at..at, WORDS[dice.below(WORDS.len())].bytes()),
            6 => {
                let from = dice.below(other.len());
                let piece = &other[from..(from + 256).min(other.len())];
                bytes.splice(at..at + length, piece.iter().copied());
            }
            7 => _ = bytes.splice(at..at, ODD[dice.below(ODD.len())].to_string().bytes()),
            // Rarely, as little is left to find beyond the cut.
            _ if dice.below(4) == 0 => bytes.truncate(at),
            _ => {}
        }
    }
}

/// Files below a folder of the kept corpus whose names end so.
fn corpus(endings: &[&str]) -> Vec<Vec<u8>> {
    let mut folders: Vec<PathBuf> = ["golden/formats", "corpus"]
        .map(|folder| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder))
        .into();
    let mut paths = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if endings.iter().any(|ending| path.to_string_lossy().ends_with(ending)) {
                paths.push(path);
            }
        }
    }
    paths.sort();
    let files: Vec<Vec<u8>> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
    files.into_iter().filter(|bytes| bytes.len() < 200_000).collect()
}

/// What the process has had in memory at most, in megabytes; 0 where the system does not tell.
fn peak_megabytes() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|rest| rest.split_whitespace().next()?.parse::<usize>().ok());
    peak.unwrap_or_default() >> 10
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|n| n.parse().unwrap())
}

/// Reads each file, and it damaged; a panic says with which bytes.
fn fuzz(name: &str, files: &[Vec<u8>], read: impl Fn(Vec<u8>)) {
    assert!(!files.is_empty(), "there is no corpus of {name}");
    let seed = number("SEED").unwrap_or(1);
    let mut dice = Dice(seed);
    let (start, before) = (Instant::now(), peak_megabytes());
    let until = number("FUZZ_SECONDS").map(|seconds| start + Duration::from_secs(seconds));
    let (mut n, mut slowest) = (0, Duration::ZERO);
    loop {
        let is_over = match until {
            Some(until) => Instant::now() >= until && n >= files.len(),
            None => n >= files.len() * (SHORT + 1),
        };
        if is_over {
            break;
        }
        let mut bytes = files[n % files.len()].clone();
        // As it is at first.
        if n >= files.len() {
            let other = &files[dice.below(files.len())];
            damage(&mut bytes, other, &mut dice);
        }
        let (kept, once) = (bytes.clone(), Instant::now());
        let done = catch_unwind(AssertUnwindSafe(|| read(bytes)));
        slowest = slowest.max(once.elapsed());
        let grown = peak_megabytes() - before;
        if done.is_err() || once.elapsed() > LONGEST || grown > MOST_MEGABYTES {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/fuzz");
            fs::create_dir_all(&folder).unwrap();
            let path = folder.join(format!("{name}-{seed}-{n}"));
            fs::write(&path, kept).unwrap();
            panic!("{}: {:?}, {grown} MB more", path.display(), once.elapsed());
        }
        n += 1;
    }
    let grown = peak_megabytes() - before;
    let seen = format!(
        "{:.0} s, no panic, slowest {:.1} s, {grown} MB more at most",
        start.elapsed().as_secs_f64(),
        slowest.as_secs_f64()
    );
    if let Some(path) = std::env::var_os("RELIABILITY_REPORT") {
        let mut file = fs::File::options().create(true).append(true).open(path).unwrap();
        writeln!(file, "| fuzzing: {name} | {seed} | {n} | {seen} |").unwrap();
    }
}

/// With the format told, and found.
fn read_as(format: Option<&str>, bytes: Vec<u8>) {
    let options = match format {
        Some(format) => serde_json::from_str(&format!("{{\"format\": \"{format}\"}}")).unwrap(),
        None => ReadOptions::default(),
    };
    match read(Cursor::new(bytes), None, &options, &limits()) {
        Ok(loaded) => {
            let (rows, columns) = (loaded.table.n_rows(), loaded.table.columns().len());
            assert!(rows <= limits().max_rows && columns <= limits().max_columns);
        }
        Err(FormatError::Invalid(problems)) => assert!(!problems.is_empty()),
        Err(FormatError::Io(error)) => panic!("the bytes are in memory: {error}"),
    }
}

macro_rules! formats {
    ($($name:ident: $endings:expr, $more:expr;)*) => {
        $(#[test]
        fn $name() {
            let mut files = corpus(&$endings);
            let more: &[&str] = &$more;
            files.extend(more.iter().map(|text| text.as_bytes().to_vec()));
            fuzz(stringify!($name), &files, |bytes| {
                read_as(Some(stringify!($name)), bytes.clone());
                read_as(None, bytes);
            });
        })*
    };
}

formats! {
    csv: [".csv"], ["a;b\n1,5;x\n", "# c\na|b\n'1'|\"2\n3\"\n", "d\n2024-01-01T00:00:00Z\n"];
    tsv: [".tsv"], ["a\tb\n1\t2\n", "a\tb\n\"x\ty\"\t\\N\n"];
    json_lines: [".jsonl", ".ndjson"], ["{\"a\":1,\"b\":\"x\"}\n{\"a\":2.5}\n", "{\"a\":[1,[2]]}\n"];
    json: [".json"], ["[{\"a\":1},{\"a\":null,\"b\":true}]", "[{\"a\":\"\\ud83d\\ude00\"}]"];
    parquet: [".parquet"], [];
    arrow: [".arrow", ".feather"], [];
    npy: [".npy"], [];
    npz: [".npz"], [];
    arff: [".arff"], ["@relation r\n@attribute a numeric\n@attribute b {x,'y z'}\n@data\n1,x\n?,'y z'\n"];
    svmlight: [".svm", ".svmlight", ".libsvm"], ["1 1:0.5 7:2\n-1 3:1 # c\n", "1,2 qid:3 1:1e-3\n"];
}

/// Compressed as a whole: what is damaged is the compressed bytes.
#[test]
fn compressed() {
    let mut files = corpus(&[".gz", ".zst"]);
    let text = b"a,b\n1,2\n3,4\n".repeat(50);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&text).unwrap();
    files.push(gzip.finish().unwrap());
    files.push(zstd::bulk::compress(&text, 1).unwrap());
    fuzz("compressed", &files, |bytes| read_as(None, bytes));
}

/// The server's own copies of tables, which nobody else writes.
#[test]
fn columnar() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("table");
    let mut files = Vec::new();
    for bytes in corpus(&["a.csv", "s.csv", "cube.npy", "pandas.parquet"]) {
        let options = ReadOptions::default();
        let Ok(loaded) = read(Cursor::new(bytes), None, &options, &limits()) else { continue };
        trainyard_formats::columnar::write(&loaded.table, &path).unwrap();
        files.push(fs::read(&path).unwrap());
    }
    fuzz("columnar", &files, |bytes| {
        // A file that is mapped is not written to.
        let path = directory.path().join("damaged");
        let _ = fs::remove_file(&path);
        fs::write(&path, bytes).unwrap();
        let Ok(mapping) = Mapping::new(&fs::File::open(&path).unwrap()) else { return };
        let _ = trainyard_formats::columnar::read(&mapping.into());
    });
}
