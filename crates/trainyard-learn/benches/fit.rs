//! Whole fits of the reference networks, without a server: seconds, and GFLOP/s of their matrix
//! products, at one thread and at two. `cargo bench -p trainyard-learn --bench fit`, with a part of a name
//! behind `--` to run less.

use std::time::Instant;

use trainyard_learn::activation::Activation;
use trainyard_learn::kernels::Crew;
use trainyard_learn::losses::LossSpec;
use trainyard_learn::metrics::Scorer;
use trainyard_learn::network::{MlpSpec, Network};
use trainyard_learn::optim::{AdamSpec, OptimizerSpec};
use trainyard_learn::random::stream::Stream;
use trainyard_learn::training::{Examples, Fit, Observer, Target, TrainingSpec, fit};

struct Workload {
    name: &'static str,
    n_rows: usize,
    n_features: usize,
    n_classes: usize,
    hidden: &'static [u32],
    batch_size: u32,
    epochs: u32,
}

const WORKLOADS: [Workload; 3] = [
    Workload {
        name: "mlp_small",
        n_rows: 10_000,
        n_features: 20,
        n_classes: 2,
        hidden: &[64, 64],
        batch_size: 32,
        epochs: 5,
    },
    Workload {
        name: "mlp_mnist",
        n_rows: 20_000,
        n_features: 784,
        n_classes: 10,
        hidden: &[256, 128],
        batch_size: 128,
        epochs: 3,
    },
    Workload {
        name: "mlp_wide",
        n_rows: 8_000,
        n_features: 512,
        n_classes: 10,
        hidden: &[1024, 1024, 1024],
        batch_size: 256,
        epochs: 2,
    },
];

/// Grants a fixed number of threads.
struct Threads(usize);

impl Observer for Threads {
    fn threads(&self) -> usize {
        self.0
    }
}

fn main() {
    // `cargo test --benches` only wants to see that it runs.
    let repeats = if std::env::args().any(|arg| arg == "--bench") { 3 } else { 0 };
    let part = std::env::args().skip(1).find(|arg| !arg.starts_with('-')).unwrap_or_default();
    let wanted = || WORKLOADS.iter().filter(|workload| workload.name.contains(&part));
    for workload in wanted() {
        speeds(workload, repeats);
    }
    for workload in wanted() {
        share_of_history(workload, 3 * repeats);
    }
}

#[expect(clippy::print_stdout, reason = "the result")]
fn speeds(workload: &Workload, repeats: usize) {
    let Workload { name, n_rows, epochs, .. } = *workload;
    let Some(network) = workload.network() else { return };
    let gflop = network.flops() as f64 * n_rows as f64 * f64::from(epochs) / 1e9;
    for n_threads in [1, 2] {
        let scorers = &[Scorer::Accuracy];
        let best = workload.best_seconds(n_rows, epochs, scorers, n_threads, repeats);
        println!("{name}, {n_threads} threads: {:.1} ms, {:.1} GFLOP/s", best * 1e3, gflop / best);
    }
}

/// What the history takes of an epoch: the scoring, seen by leaving it out, and what is done once an
/// epoch (the norms of the layers, the order of the rows), seen by cutting the same steps into ten
/// times as many epochs. The two timings of a difference take turns, since machines are noisy.
#[expect(clippy::print_stdout, reason = "the result")]
fn share_of_history(workload: &Workload, repeats: usize) {
    let Workload { name, n_rows, epochs, batch_size, .. } = *workload;
    let short = (n_rows / 10).next_multiple_of(batch_size as usize);
    let long = 10 * short;
    let mut best = [f64::INFINITY; 3];
    for _ in 0..repeats {
        for (best, (n_rows, epochs, scorers)) in best.iter_mut().zip([
            (long, epochs, &[Scorer::Accuracy][..]),
            (long, epochs, &[]),
            (short, 10 * epochs, &[]),
        ]) {
            *best = best.min(workload.best_seconds(n_rows, epochs, scorers, 1, 1));
        }
    }
    let [scored, bare, cut] = best;
    let scoring = (scored - bare) / f64::from(epochs);
    let once = (cut - bare) / f64::from(9 * epochs);
    println!(
        "{name}, history: {:.2} % of an epoch ({:.0} µs scores, {:.0} µs norms and order)",
        (scoring + once) / (scored / f64::from(epochs)) * 100.0,
        scoring * 1e6,
        once * 1e6,
    );
}

impl Workload {
    fn network(&self) -> Option<Network> {
        let mlp = MlpSpec {
            hidden: self.hidden.to_vec(),
            activation: Activation::Relu.into(),
            ..MlpSpec::default()
        };
        Network::new(&mlp.layers(), self.n_features, self.n_classes).ok()
    }

    /// The fastest of some fits.
    fn best_seconds(
        &self,
        n_rows: usize,
        epochs: u32,
        scorers: &[Scorer],
        n_threads: usize,
        repeats: usize,
    ) -> f64 {
        let mut stream = Stream::new(7, [0, 0]);
        let x: Vec<f32> = (0..n_rows * self.n_features).map(|_| stream.normal() as f32).collect();
        let n_classes = self.n_classes;
        let classes: Vec<u32> = (0..n_rows).map(|_| stream.below(n_classes as u32)).collect();
        let Some(network) = self.network() else { return f64::INFINITY };
        let rows: Vec<u32> = (0..n_rows as u32).collect();
        let batch_size = Some(self.batch_size);
        let training = TrainingSpec { epochs, batch_size, ..TrainingSpec::default() };
        let examples = Examples {
            x: (&x).into(),
            target: Target::Classes { classes: &classes, n_classes },
            weights: None,
            class_weights: None,
            train: &rows,
            validation: &[],
        };
        let spec = Fit {
            network: &network,
            loss: &LossSpec::cross_entropy(),
            optimizer: &OptimizerSpec::Adam(AdamSpec::default()),
            training: &training,
            batch_size: self.batch_size as usize,
            scorers,
            seed: 1,
            initial: None,
        };
        let mut best = f64::INFINITY;
        for _ in 0..repeats {
            let started = Instant::now();
            let mut crew = Crew::new(n_threads);
            let fitted = fit(&spec, &examples, &mut crew, &mut Threads(n_threads));
            assert!(fitted.is_ok());
            best = best.min(started.elapsed().as_secs_f64());
        }
        best
    }
}
