//! What the tests of reliability share: how often (few times here, many by `scripts/reliability`), the
//! dice, one at a time, and what is written down of a run.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many rounds: what the environment says, or so many.
pub fn rounds(variable: &str, short: usize) -> usize {
    std::env::var(variable).map_or(short, |n| n.parse().unwrap())
}

/// Where the dice begin; `SEED` in the environment says another place.
pub fn seed() -> u64 {
    rounds("SEED", 1) as u64
}

/// A sequence by Steele, Lea and Flood's SplitMix64: the same rounds everywhere.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Tests that start many processes or keep times wait for each other.
pub fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    // One that has failed is no reason for the others to.
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells what was done and seen; a line of the table that `scripts/reliability` prints, where
/// `RELIABILITY_REPORT` names its file.
pub fn report(what: &str, n: usize, seen: &str) {
    let line = format!("| {what} | {} | {n} | {seen} |", seed());
    told(&line);
    if let Some(path) = std::env::var_os("RELIABILITY_REPORT") {
        let mut file = File::options().create(true).append(true).open(path).unwrap();
        writeln!(file, "{line}").unwrap();
    }
}

/// What a test needs and the machine has not: said loudly, and a failure where all must be tested.
pub fn there(what: &str, is_there: bool) -> bool {
    let missing = format!("NOT TESTED: {what}");
    assert!(is_there || std::env::var_os("CI").is_none(), "{missing}");
    if !is_there {
        told(&missing);
    }
    is_there
}

/// Says something to whoever runs the tests.
#[expect(clippy::print_stderr, reason = "whoever runs the tests should see it")]
pub fn told(line: &str) {
    eprintln!("{line}");
}

/// Where servers write their logs, which are shown where a test fails.
#[derive(Debug)]
pub struct Log(pub PathBuf);

impl Log {
    pub fn append(&self) -> File {
        File::options().create(true).append(true).open(&self.0).unwrap()
    }

    pub fn text(&self) -> String {
        fs::read_to_string(&self.0).unwrap_or_default()
    }

    #[track_caller]
    pub fn tells_of_no_panic(&self) {
        assert!(!self.text().contains("panicked"), "{}", self.text());
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if std::thread::panicking() {
            told(&self.text());
        }
    }
}
