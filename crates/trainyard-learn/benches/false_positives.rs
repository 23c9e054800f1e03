//! How often the tests of folds find a difference between two learners where there is none.
//!
//! Each simulation draws a dataset anew and compares two classifiers that are equally good in
//! expectation: each is a nearest centroid of its own half of the features, and the halves are
//! drawn alike. A test at 5 % should then reject in 5 % of the simulations. The corrected resampled t
//! is set beside the naive one.
//!
//! `cargo bench -p trainyard-learn --bench false_positives`

use trainyard_learn::inference::{corrected_paired_t, correlated_t, naive_paired_t};
use trainyard_learn::random::RandomState;
use trainyard_learn::splits::{SplitRows, SplitSpec};

const N_SIMULATIONS: u32 = 4_000;
const N_ROWS: usize = 300;
/// Of each learner.
const N_FEATURES: usize = 5;
/// How far the classes' means are apart, in standard deviations of a feature.
const APART: f64 = 0.6;
const LEVEL: f64 = 0.05;

#[expect(clippy::print_stdout, reason = "figures are what a benchmark is for")]
fn main() {
    let designs = [
        (
            "15 random splits, 9 : 1",
            r#"{"type": "shuffle_split", "n_splits": 15, "test_size": 0.1}"#,
        ),
        (
            "15 random splits, 2 : 1",
            r#"{"type": "shuffle_split", "n_splits": 15, "test_size": 100}"#,
        ),
        ("10 folds", r#"{"type": "stratified_kfold", "n_splits": 10, "shuffle": true}"#),
        (
            "10 folds, 3 times",
            r#"{"type": "repeated_stratified_kfold", "n_splits": 10, "n_repeats": 3}"#,
        ),
        ("10 folds, 10 times", r#"{"type": "repeated_stratified_kfold", "n_splits": 10}"#),
    ];
    println!(
        "{N_SIMULATIONS} simulations of {N_ROWS} rows; how many are rejected at {:.0} %",
        100.0 * LEVEL
    );
    println!("{:<26} {:>18} {:>10} {:>22}", "", "corrected t", "naive t", "Bayes, rope 0, 95 %");
    for (name, spec) in designs {
        let spec: SplitSpec = serde_json::from_str(spec).expect("a spec");
        let [corrected, naive, bayes] = rejected(&spec);
        let error = (corrected * (1.0 - corrected) / f64::from(N_SIMULATIONS)).sqrt();
        println!(
            "{name:<26} {:>9.2} ± {:.2} % {:>8.2} % {:>20.2} %",
            100.0 * corrected,
            100.0 * error,
            100.0 * naive,
            100.0 * bayes
        );
    }
}

/// The shares of simulations in which each test finds a difference.
fn rejected(spec: &SplitSpec) -> [f64; 3] {
    let mut n_rejected = [0_u32; 3];
    for simulation in 0..N_SIMULATIONS {
        let data = Data::draw(simulation);
        let folds = spec
            .clone()
            .with_default_seed(simulation)
            .assign(&SplitRows::new(N_ROWS, Some(&data.y)));
        let mut differences = Vec::with_capacity(folds.len());
        let (mut n_train, mut n_test) = (0.0, 0.0);
        for split in folds.iter() {
            let [a, b] = [0, 1].map(|half| data.accuracy(half, &split.train, &split.test));
            differences.push(a - b);
            n_train += split.train.len() as f64 / folds.len() as f64;
            n_test += split.test.len() as f64 / folds.len() as f64;
        }
        let corrected = corrected_paired_t(&differences, n_train, n_test, 0.95).expect("folds");
        let naive = naive_paired_t(&differences, 0.95).expect("folds");
        let bayes = correlated_t(&differences, n_train, n_test, 0.0).expect("folds");
        let found = [
            corrected.p_value < LEVEL,
            naive.p_value < LEVEL,
            bayes.below.max(bayes.above) > 1.0 - LEVEL / 2.0,
        ];
        n_rejected.iter_mut().zip(found).for_each(|(n, found)| *n += u32::from(found));
    }
    n_rejected.map(|n| f64::from(n) / f64::from(N_SIMULATIONS))
}

struct Data {
    y: Vec<u32>,
    /// Rows × both learners' features.
    x: Vec<f64>,
}

impl Data {
    fn draw(seed: u32) -> Self {
        let mut random = RandomState::new(seed);
        let y: Vec<u32> = (0..N_ROWS).map(|row| row as u32 % 2).collect();
        let mut x = Vec::with_capacity(N_ROWS * 2 * N_FEATURES);
        for class in &y {
            for _ in 0..2 * N_FEATURES {
                x.push(random.standard_normal() + APART * (f64::from(*class) - 0.5));
            }
        }
        Self { y, x }
    }

    /// The features of a learner in a row.
    fn features(&self, half: usize, row: u32) -> &[f64] {
        &self.x[(2 * row as usize + half) * N_FEATURES..][..N_FEATURES]
    }

    /// How often the nearer of both classes' means is the right one's.
    fn accuracy(&self, half: usize, train: &[u32], test: &[u32]) -> f64 {
        let mut means = [[0.0; N_FEATURES]; 2];
        let mut counts = [0.0; 2];
        for row in train {
            let class = self.y[*row as usize] as usize;
            counts[class] += 1.0;
            means[class].iter_mut().zip(self.features(half, *row)).for_each(|(m, x)| *m += x);
        }
        for (mean, count) in means.iter_mut().zip(counts) {
            mean.iter_mut().for_each(|m| *m /= f64::max(count, 1.0));
        }
        let is_right = |row: &&u32| {
            let x = self.features(half, **row);
            let distance = |mean: &[f64; N_FEATURES]| -> f64 {
                mean.iter().zip(x).map(|(m, x)| (m - x) * (m - x)).sum()
            };
            let said = u32::from(distance(&means[1]) < distance(&means[0]));
            said == self.y[**row as usize]
        };
        test.iter().filter(is_right).count() as f64 / test.len() as f64
    }
}
