//! A fit that is broken off and goes on from its saved state ends in the bits of one that is not.

use std::io::Cursor;

use serde_json::{Value, json};
use trainyard_learn::kernels::Crew;
use trainyard_learn::losses::LossSpec;
use trainyard_learn::metrics::Scorer;
use trainyard_learn::network::{MlpSpec, Network};
use trainyard_learn::optim::OptimizerSpec;
use trainyard_learn::random::stream::Stream;
use trainyard_learn::training::{
    Control, Examples, Fit, FitError, FitState, Fitted, History, Observer, SavedFit, Target,
    TrainingSpec, Unobserved, fit,
};

const OPTIMIZERS: [&str; 14] = [
    "gradient_descent",
    "sgd",
    "minibatch_sgd",
    "momentum",
    "nesterov",
    "adagrad",
    "adadelta",
    "rmsprop",
    "adam",
    "adamw",
    "nadam",
    "amsgrad",
    "adamax",
    "lion",
];

const N_FEATURES: usize = 5;

struct Rows {
    x: Vec<f32>,
    classes: Vec<u32>,
    rows: Vec<u32>,
}

impl Rows {
    fn new(n_rows: usize) -> Self {
        let mut stream = Stream::new(11, [1, 1]);
        let x: Vec<f32> = (0..n_rows * N_FEATURES).map(|_| stream.normal() as f32).collect();
        let classes = x.chunks(N_FEATURES).map(|x| u32::from(x[0] * x[1] > 0.1)).collect();
        Self { x, classes, rows: (0..n_rows as u32).collect() }
    }

    fn fit(
        &self,
        optimizer: &Value,
        training: &Value,
        observer: &mut dyn Observer,
    ) -> Result<Fitted, FitError> {
        let mlp = MlpSpec {
            hidden: vec![9, 6],
            dropout: 0.2,
            batch_norm: true,
            layer_norm: true,
            ..MlpSpec::default()
        };
        let network = Network::new(&mlp.layers(), N_FEATURES, 2).expect("a network");
        let optimizer: OptimizerSpec =
            serde_json::from_value(optimizer.clone()).expect("an optimizer");
        let training: TrainingSpec = serde_json::from_value(training.clone()).expect("a training");
        let spec = Fit {
            network: &network,
            loss: &LossSpec::cross_entropy(),
            optimizer: &optimizer,
            training: &training,
            batch_size: 16,
            scorers: &[Scorer::Accuracy, Scorer::RocAuc],
            seed: 3,
            initial: None,
        };
        let (train, validation) = self.rows.split_at(self.rows.len() * 4 / 5);
        let examples = Examples {
            x: (&self.x).into(),
            target: Target::Classes { classes: &self.classes, n_classes: 2 },
            weights: None,
            class_weights: None,
            train,
            validation,
        };
        fit(&spec, &examples, &mut Crew::new(2), observer)
    }
}

/// Saves the state before a step, and is killed there.
#[derive(Default)]
struct Killed {
    saved: Option<Vec<u8>>,
    /// Steps until then.
    n_left: usize,
    threads: usize,
    /// How often it heard that its state is none of the fit.
    n_anew: usize,
}

impl Observer for Killed {
    fn threads(&self) -> usize {
        self.threads
    }

    fn resume(&mut self) -> Option<SavedFit> {
        let saved = self.saved.take()?;
        let n_bytes = saved.len() as u64;
        Some(SavedFit { bytes: Box::new(Cursor::new(saved)), n_bytes })
    }

    fn began_anew(&mut self) {
        self.n_anew += 1;
    }

    fn wants_checkpoint(&mut self) -> bool {
        self.n_left == 0
    }

    fn checkpoint(&mut self, _: u32, state: &FitState<'_>) {
        let mut saved = Vec::new();
        state.write_to(&mut saved).expect("it is written to memory");
        self.saved = Some(saved);
    }

    fn step(&mut self, _: f64, _: &History) -> Control {
        if self.n_left == 0 {
            return Control::Cancel;
        }
        self.n_left -= 1;
        Control::Continue
    }
}

impl Rows {
    /// The same fit in as many lives as it takes, each of so many steps; how many these were.
    fn in_lives(&self, optimizer: &Value, training: &Value, n_steps: usize) -> (Fitted, usize) {
        let mut saved = None;
        for n_lives in 1.. {
            let threads = 1 + n_lives % 2;
            let mut life = Killed { saved, n_left: n_steps, threads, n_anew: 0 };
            match self.fit(optimizer, training, &mut life) {
                Ok(fitted) => return (fitted, n_lives),
                Err(error) => assert_eq!(error, FitError::Cancelled),
            }
            saved = life.saved;
            assert_eq!(life.n_anew, 0, "the state is the fit's");
            assert!(saved.is_some(), "nothing was saved");
        }
        unreachable!("a fit ends")
    }
}

fn bits(fitted: &Fitted) -> (Vec<u32>, Vec<u32>, Vec<u8>, [u32; 2]) {
    let of = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<u32>>();
    let epochs = [fitted.epochs, fitted.best_epoch.unwrap_or_default()];
    (of(&fitted.parameters), of(&fitted.buffers), fitted.history.pack(), epochs)
}

#[test]
fn a_fit_of_many_lives_ends_in_the_bits_of_one() {
    let rows = Rows::new(150);
    let trainings = [
        // Five batches, the last of them short, two to a step.
        json!({"epochs": 4, "accumulation_steps": 2}),
        json!({"epochs": 5, "averaging": {"decay": 0.9}, "gradient_noise": {}, "max_norm": 1.0}),
        json!({"epochs": 30, "early_stopping": {"patience": 2}, "shuffle": false}),
    ];
    let schedules = [
        json!({"type": "reduce_on_plateau", "patience": 0, "factor": 0.5}),
        json!({"type": "one_cycle", "max_factor": 5.0}),
        json!({"type": "cosine"}),
    ];
    let mut most_lives = 0;
    for name in OPTIMIZERS {
        for (training, schedule) in trainings.iter().zip(&schedules) {
            let optimizer = json!({"type": name, "schedule": schedule});
            let whole = rows.fit(&optimizer, training, &mut Unobserved).expect("a fit");
            for n_steps in [1, 3, 8] {
                let (fitted, n_lives) = rows.in_lives(&optimizer, training, n_steps);
                assert!(bits(&fitted) == bits(&whole), "{optimizer} {training} {n_steps}");
                assert_eq!(fitted.end, whole.end);
                most_lives = most_lives.max(n_lives);
            }
        }
    }
    assert!(most_lives > 20, "at the most {most_lives} lives");
}

#[test]
fn what_is_no_state_of_the_fit_is_passed_over() {
    let rows = Rows::new(150);
    let (adam, training) = (json!({"type": "adam"}), json!({"epochs": 2}));
    let whole = bits(&rows.fit(&adam, &training, &mut Unobserved).expect("a fit"));
    let mut life = Killed { n_left: 3, threads: 1, ..Killed::default() };
    assert_eq!(rows.fit(&adam, &training, &mut life), Err(FitError::Cancelled));
    let saved = life.saved.expect("a state");
    let resumed = |saved: Vec<u8>, optimizer: &Value, n_anew: usize| {
        let mut life = Killed { saved: Some(saved), n_left: usize::MAX, threads: 1, n_anew: 0 };
        let fitted = rows.fit(optimizer, &training, &mut life).expect("a fit");
        assert_eq!(life.n_anew, n_anew, "it is told whether it began anew");
        bits(&fitted)
    };
    assert!(resumed(saved.clone(), &adam, 0) == whole);
    // Of another version, cut, and of another fit: it has no moments.
    let mut other = saved.clone();
    other[0] += 1;
    assert!(resumed(other, &adam, 1) == whole);
    for n in [0, 1, 7, saved.len() / 2, saved.len() - 1] {
        assert!(resumed(saved[..n].to_vec(), &adam, 1) == whole, "{n} bytes");
    }
    let sgd = json!({"type": "sgd"});
    let whole = bits(&rows.fit(&sgd, &training, &mut Unobserved).expect("a fit"));
    assert!(resumed(saved, &sgd, 1) == whole);
}

/// Bytes of a state and of a history, damaged by seeded dice: none of them panics, and none is taken for
/// a state that does not fit. `FUZZ_SECONDS` in the environment says for how long, `SEED` where the dice
/// begin.
#[test]
fn damaged_states_and_histories_are_passed_over_or_gone_on_from() {
    let number = |name| std::env::var(name).ok().map(|n| n.parse::<u64>().expect("a number"));
    let seed = number("SEED").unwrap_or(1);
    let until = number("FUZZ_SECONDS")
        .map(|seconds| std::time::Instant::now() + std::time::Duration::from_secs(seconds));
    let rows = Rows::new(60);
    let optimizer = json!({"type": "adam", "schedule": {"type": "reduce_on_plateau"}});
    let training =
        json!({"epochs": 3, "early_stopping": {"patience": 1}, "averaging": {"decay": 0.9}});
    let mut life = Killed { n_left: 5, threads: 1, ..Killed::default() };
    assert_eq!(rows.fit(&optimizer, &training, &mut life), Err(FitError::Cancelled));
    let saved = life.saved.expect("a state");
    let whole = rows.fit(&optimizer, &training, &mut Unobserved).expect("a fit");
    let packed = whole.history.pack();
    let mut stream = Stream::new(seed, [7, 7]);
    let mut below = |n: usize| stream.below(n as u32) as usize;
    let mut n = 0;
    while until.map_or(n < 400, |until| std::time::Instant::now() < until) {
        let (mut state, mut history) = (saved.clone(), packed.clone());
        for bytes in [&mut state, &mut history] {
            for _ in 0..=below(4) {
                let at = below(bytes.len());
                match below(4) {
                    0 => bytes[at] ^= 1 << below(8),
                    1 => bytes[at] = [0, 1, 127, 128, 255][below(5)],
                    2 => bytes.truncate(at.max(1)),
                    _ => _ = bytes.splice(at..at, [255; 9].into_iter().take(1 + below(9))),
                }
            }
        }
        let mut life = Killed { saved: Some(state), n_left: usize::MAX, threads: 1, n_anew: 0 };
        // Whatever numbers are in it, the fit ends: well, or because they diverge.
        let ended = rows.fit(&optimizer, &training, &mut life);
        assert!(!matches!(ended, Err(FitError::Cancelled)), "seed {seed}, {n}");
        if let Some(history) = History::unpack(&history) {
            (0..history.epochs().len())
                .for_each(|i| assert!(history.row(i).len() == history.names().len()));
        }
        n += 1;
    }
    if let Some(path) = std::env::var_os("RELIABILITY_REPORT") {
        use std::io::Write;
        let mut file =
            std::fs::File::options().append(true).create(true).open(path).expect("a file");
        writeln!(file, "| fuzzing: states of fits and histories | {seed} | {n} | no panic |")
            .expect("a line");
    }
}
