//! Whole fits of the reference networks, without a server: seconds, and GFLOP/s of their matrix
//! products, at one thread and at two. `cargo bench -p trainyard-learn --bench fit`.

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
    for workload in &WORKLOADS {
        run(workload, repeats);
    }
}

#[expect(clippy::print_stdout, reason = "the result")]
fn run(workload: &Workload, repeats: usize) {
    let Workload { name, n_rows, n_features, n_classes, hidden, batch_size, epochs } = *workload;
    let mut stream = Stream::new(7, [0, 0]);
    let x: Vec<f32> = (0..n_rows * n_features).map(|_| stream.normal() as f32).collect();
    let classes: Vec<u32> = (0..n_rows).map(|_| stream.below(n_classes as u32)).collect();
    let mlp = MlpSpec {
        hidden: hidden.to_vec(),
        activation: Activation::Relu.into(),
        ..MlpSpec::default()
    };
    let Ok(network) = Network::new(&mlp.layers(), n_features, n_classes) else { return };
    let rows: Vec<u32> = (0..n_rows as u32).collect();
    let training = TrainingSpec { epochs, batch_size: Some(batch_size), ..TrainingSpec::default() };
    let examples = Examples {
        x: &x,
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
        batch_size: batch_size as usize,
        scorers: &[Scorer::Accuracy],
        seed: 1,
        initial: None,
    };
    let gflop = network.flops() as f64 * n_rows as f64 * f64::from(epochs) / 1e9;
    for n_threads in [1, 2] {
        let mut best = f64::INFINITY;
        for _ in 0..repeats {
            let started = Instant::now();
            let mut crew = Crew::new(n_threads);
            let fitted = fit(&spec, &examples, &mut crew, &mut Threads(n_threads));
            assert!(fitted.is_ok());
            best = best.min(started.elapsed().as_secs_f64());
        }
        println!("{name}, {n_threads} threads: {:.1} ms, {:.1} GFLOP/s", best * 1e3, gflop / best);
    }
}
