//! What a fit allocates: nothing in a step, and in all no more than was promised.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use trainyard_learn::kernels::Crew;
use trainyard_learn::losses::LossSpec;
use trainyard_learn::metrics::Scorer;
use trainyard_learn::network::{MlpSpec, Network};
use trainyard_learn::optim::{AdamSpec, OptimizerSpec};
use trainyard_learn::training::{Examples, Fit, Target, TrainingSpec, Unobserved, fit};

struct Counting;

static N_ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);
static BYTES: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        N_ALLOCATIONS.fetch_add(1, Relaxed);
        let now = BYTES.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(now, Relaxed);
        // SAFETY: the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const N_ROWS: usize = 2048;
const N_FEATURES: usize = 64;

/// Fits one epoch in batches of this size: how often it allocated, its peak in bytes beyond what was
/// there before, and what was promised.
fn measure(batch_size: usize) -> (usize, usize, usize) {
    let x: Vec<f32> =
        (0..N_ROWS * N_FEATURES).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect();
    let classes: Vec<u32> = (0..N_ROWS as u32).map(|row| row % 3).collect();
    let rows: Vec<u32> = (0..N_ROWS as u32).collect();
    let mlp = MlpSpec { hidden: vec![512, 512], ..MlpSpec::default() };
    let network = Network::new(&mlp.layers(), N_FEATURES, 3).expect("a network");
    let training = TrainingSpec { epochs: 1, ..TrainingSpec::default() };
    let spec = Fit {
        network: &network,
        loss: &LossSpec::cross_entropy(),
        optimizer: &OptimizerSpec::Adam(AdamSpec::default()),
        training: &training,
        batch_size,
        scorers: &[Scorer::Accuracy, Scorer::NegLogLoss],
        seed: 1,
        initial: None,
    };
    let examples = Examples {
        x: (&x).into(),
        target: Target::Classes { classes: &classes, n_classes: 3 },
        weights: None,
        class_weights: None,
        train: &rows,
        validation: &[],
    };
    let mut crew = Crew::new(1);
    let before = BYTES.load(Relaxed);
    PEAK.store(before, Relaxed);
    N_ALLOCATIONS.store(0, Relaxed);
    let fitted = fit(&spec, &examples, &mut crew, &mut Unobserved).expect("a fit");
    let n_allocations = N_ALLOCATIONS.load(Relaxed);
    drop(fitted);
    let activations = (network.n_activations() + N_FEATURES) * batch_size;
    let promised = 4 * (6 * network.n_parameters() + 3 * activations + N_ROWS * N_FEATURES);
    (n_allocations, PEAK.load(Relaxed) - before, promised)
}

/// One test only: others beside it would be counted too.
#[test]
fn a_step_allocates_nothing_and_a_fit_no_more_than_promised() {
    let (few_steps, ..) = measure(256);
    let (many_steps, peak, promised) = measure(16);
    // Eight steps, and 128; what grows on the way are the matrix products' buffers, once.
    assert!(many_steps <= few_steps + 8, "{many_steps} allocations, and {few_steps}");
    assert!(peak <= promised, "{peak} bytes, {promised} promised");
}
