//! What a fit allocates: nothing in a step, and in all no more than was promised.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs::File;
use std::io::Seek;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use trainyard_learn::kernels::Crew;
use trainyard_learn::losses::LossSpec;
use trainyard_learn::metrics::Scorer;
use trainyard_learn::network::{LayerSpec, MlpSpec, Network};
use trainyard_learn::optim::{AdamSpec, Clip, OptimizerSpec};
use trainyard_learn::training::{
    Averaging, EarlyStopping, Examples, Fit, FitState, GradientNoise, Observer, SavedFit, Target,
    TrainingSpec, fit, memory_bytes, state_bytes,
};

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

const N_ROWS: usize = 256;
const N_FEATURES: usize = 64;

/// Rows of three classes, with weights.
struct Rows {
    x: Vec<f32>,
    classes: Vec<u32>,
    values: Vec<f32>,
    weights: Vec<f32>,
    rows: Vec<u32>,
}

impl Rows {
    fn new() -> Self {
        Self {
            x: (0..N_ROWS * N_FEATURES).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect(),
            classes: (0..N_ROWS as u32).map(|row| row % 3).collect(),
            values: (0..N_ROWS * 3).map(|i| (i * 29 % 83) as f32 / 40.0 - 1.0).collect(),
            weights: (0..N_ROWS).map(|row| 0.5 + (row % 4) as f32).collect(),
            rows: (0..N_ROWS as u32).collect(),
        }
    }
}

/// Saves the state before a step to a file, or goes on from one.
#[derive(Default)]
struct Saves {
    steps_until: Option<usize>,
    saved: Option<File>,
    /// Besides one.
    n_helpers: usize,
}

impl Observer for Saves {
    fn threads(&self) -> usize {
        1 + self.n_helpers
    }

    fn resume(&mut self) -> Option<SavedFit> {
        let mut file = self.saved.take()?;
        file.rewind().expect("a file");
        let n_bytes = file.metadata().expect("a file").len();
        Some(SavedFit { bytes: Box::new(file), n_bytes })
    }

    fn began_anew(&mut self) {
        panic!("the state is the fit's");
    }

    fn wants_checkpoint(&mut self) -> bool {
        self.steps_until = self.steps_until.and_then(|n| n.checked_sub(1));
        self.steps_until == Some(0)
    }

    fn checkpoint(&mut self, _: u32, state: &FitState<'_>) {
        let mut file = tempfile::tempfile().expect("a file");
        state.write_to(&mut file).expect("it is written");
        self.saved = Some(file);
    }
}

/// A fit: how often it allocated, and its peak in bytes beyond what was there before.
fn measure(
    network: &Network,
    (loss, optimizer, training): (&LossSpec, &OptimizerSpec, &TrainingSpec),
    batch_size: usize,
    rows: &Rows,
    crew: &mut Crew,
    saves: &mut Saves,
) -> (usize, usize) {
    let is_of_values = matches!(loss, LossSpec::Mse);
    let spec = Fit {
        network,
        loss,
        optimizer,
        training,
        batch_size,
        scorers: if is_of_values { &[Scorer::R2] } else { &[Scorer::Accuracy, Scorer::NegLogLoss] },
        seed: 1,
        initial: None,
    };
    let n_train = N_ROWS - (N_ROWS as f64 * training.validation_share()) as usize;
    let (train, validation) = rows.rows.split_at(n_train);
    let examples = Examples {
        x: (&rows.x).into(),
        target: if is_of_values {
            Target::Values { values: &rows.values, n_outputs: 3 }
        } else {
            Target::Classes { classes: &rows.classes, n_classes: 3 }
        },
        weights: Some(&rows.weights),
        class_weights: None,
        train,
        validation,
    };
    let before = BYTES.load(Relaxed);
    PEAK.store(before, Relaxed);
    N_ALLOCATIONS.store(0, Relaxed);
    let fitted = fit(&spec, &examples, crew, saves).expect("a fit");
    let n_allocations = N_ALLOCATIONS.load(Relaxed);
    drop(fitted);
    (n_allocations, PEAK.load(Relaxed) - before)
}

/// Whatever the layer, and with everything that holds a step back: of more steps no more allocations.
fn a_step_allocates_nothing(rows: &Rows, crew: &mut Crew) {
    let clip = Clip { value: Some(1.0), norm: Some(0.5), global_norm: Some(0.7) };
    let adam = OptimizerSpec::Adam(AdamSpec { clip: Some(clip), ..AdamSpec::default() });
    let plain = TrainingSpec { epochs: 1, ..TrainingSpec::default() };
    let full = TrainingSpec {
        l1: 1e-4,
        l2: 1e-4,
        max_norm: Some(1.0),
        gradient_noise: Some(GradientNoise::default()),
        accumulation_steps: 2,
        averaging: Some(Averaging { decay: 0.9 }),
        validation_fraction: Some(0.25),
        ..plain.clone()
    };
    let classes = LossSpec::cross_entropy();
    let dense = |units| LayerSpec::Dense { units, bias: true, init: None };
    let mut steps = |layers: &[LayerSpec], training: &TrainingSpec, loss: &LossSpec, n_helpers| {
        let network = Network::new(layers, N_FEATURES, 3).expect("a network");
        let mut count = |batch_size| {
            let mut saves = Saves { n_helpers, ..Saves::default() };
            let spec = (loss, &adam, training);
            measure(&network, spec, batch_size, rows, crew, &mut saves).0
        };
        // The least of some: the first warm up the products' buffers, which are the crew's, and start its
        // threads, and what else the process does (the harness prints) is counted now and then. What a step
        // allocated would be in each.
        let mut least = |batch_size| [(); 4].map(|()| count(batch_size)).into_iter().min();
        assert_eq!(least(64), least(4), "{layers:?} {training:?} {loss:?} {n_helpers}");
    };
    for layer in LayerSpec::examples() {
        let layers = [dense(Some(40)), layer, dense(None)];
        for training in [&plain, &full] {
            for loss in [&classes, &LossSpec::Mse] {
                steps(&layers, training, loss, 0);
            }
        }
    }
    // Wide enough for two threads to share its products and its updates.
    let wide = MlpSpec { hidden: vec![512, 512], ..MlpSpec::default() }.layers();
    for training in [&plain, &full] {
        steps(&wide, training, &classes, 1);
    }
}

/// Whatever the optimizer and whatever is kept, also of a fit that is saved, and of one that goes on from
/// there: no more than [`memory_bytes`] says, which is at most six times the parameters but for one case.
fn a_fit_takes_what_was_promised(rows: &Rows, crew: &mut Crew) {
    let mlp = MlpSpec { hidden: vec![512, 512], ..MlpSpec::default() };
    let network = Network::new(&mlp.layers(), N_FEATURES, 3).expect("a network");
    let batch_size = 16;
    let of_parameters = 4 * network.n_parameters() as u64;
    let (classes, switch) = (LossSpec::cross_entropy(), [false, true]);
    let mut closest = 0.0_f64;
    for optimizer in OptimizerSpec::examples() {
        for (averages, keeps_best, validates) in
            switch.iter().flat_map(|a| switch.iter().flat_map(move |b| switch.map(|c| (*a, *b, c))))
        {
            let monitor = if validates { "val_loss" } else { "train_loss" };
            let training = TrainingSpec {
                epochs: 2,
                averaging: averages.then_some(Averaging { decay: 0.9 }),
                early_stopping: keeps_best.then(|| EarlyStopping {
                    monitor: monitor.to_owned(),
                    ..EarlyStopping::default()
                }),
                validation_fraction: Some(if validates { 0.25 } else { 0.0 }),
                ..TrainingSpec::default()
            };
            let promised = memory_bytes(&network, &optimizer, &training, (batch_size, N_ROWS));
            let n_vectors = promised / of_parameters;
            let three_slots = optimizer.build().n_slots() == 3;
            let most = 6 + u64::from(averages && keeps_best && three_slots);
            assert!(n_vectors <= most, "{n_vectors} times the parameters: {optimizer:?}");
            let mut peak = |saves: &mut Saves| {
                let spec = (&classes, &optimizer, &training);
                measure(&network, spec, batch_size, rows, crew, saves).1 as u64
            };
            let mut saves = Saves { steps_until: Some(20), ..Saves::default() };
            let whole = peak(&mut Saves::default());
            let saved = peak(&mut saves);
            let file = saves.saved.as_ref().expect("a state").metadata().expect("a file");
            let most = state_bytes(&network, &optimizer, &training, N_ROWS);
            assert!(file.len() <= most, "{} of {most} bytes: {optimizer:?}", file.len());
            let resumed = peak(&mut Saves { steps_until: None, ..saves });
            for peak in [whole, saved, resumed] {
                assert!(peak <= promised, "{peak} of {promised} bytes: {optimizer:?} {training:?}");
                closest = closest.max(peak as f64 / promised as f64);
            }
        }
    }
    // One vector less would not be enough.
    assert!(closest > 0.9, "{closest}");
}

/// One test only: others beside it would be counted too.
#[test]
fn a_step_allocates_nothing_and_a_fit_no_more_than_promised() {
    let (rows, mut crew) = (Rows::new(), Crew::new(2));
    a_step_allocates_nothing(&rows, &mut crew);
    a_fit_takes_what_was_promised(&rows, &mut crew);
}
