//! Whole fits: against PyTorch from the same weights and batches, and against themselves.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use trainyard_learn::activation::Activation;
use trainyard_learn::kernels::Crew;
use trainyard_learn::losses::LossSpec;
use trainyard_learn::metrics::{Judged, Scorer, scores};
use trainyard_learn::network::{LayerSpec, MlpSpec, Network};
use trainyard_learn::optim::{AdamSpec, OptimizerSpec, SgdSpec};
use trainyard_learn::random::stream::Stream;
use trainyard_learn::training::{
    Averaging, Control, EarlyStopping, End, Examples, Fit, FitError, Fitted, GradientNoise,
    History, Observer, Target, TrainingSpec, Unobserved, fit, outputs,
};

#[derive(Deserialize)]
struct Golden {
    epochs: u32,
    batch_size: u32,
    n_features: usize,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    layers: Vec<LayerSpec>,
    loss: LossSpec,
    optimizer: OptimizerSpec,
    /// What of the training is not at its default.
    training: TrainingSpec,
    row_weights: Option<Vec<f32>>,
    class_weight: Option<Vec<f32>>,
    n_classes: usize,
    n_outputs: usize,
    x: Vec<f32>,
    classes: Option<Vec<u32>>,
    values: Option<Vec<f32>>,
    initial: Vec<f32>,
    losses: Vec<f64>,
    r#final: Vec<f32>,
    buffers: Vec<f32>,
    outputs: Vec<f32>,
}

fn worst(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(a, b)| (a - b).abs() / (1.0 + b.abs())).fold(0.0, f32::max)
}

#[test]
fn whole_fits_are_pytorchs() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/training.json");
    let text = fs::read_to_string(path).expect("the golden file");
    let golden: Golden = serde_json::from_str(&text).expect("the golden file's form");
    assert!(golden.cases.len() >= 76);
    for case in &golden.cases {
        let name = &case.name;
        let target = match (&case.classes, &case.values) {
            (Some(classes), _) => Target::Classes { classes, n_classes: case.n_classes },
            (_, Some(values)) => Target::Values { values, n_outputs: case.n_outputs },
            _ => panic!("{name}: no target"),
        };
        let n_outputs = case.loss.n_outputs(target.kind()).expect("a loss that fits");
        let network = Network::new(&case.layers, golden.n_features, n_outputs).expect("a network");
        let rows: Vec<u32> = (0..(case.x.len() / golden.n_features) as u32).collect();
        let training =
            TrainingSpec { epochs: golden.epochs, shuffle: false, ..case.training.clone() };
        let spec = Fit {
            network: &network,
            loss: &case.loss,
            optimizer: &case.optimizer,
            training: &training,
            batch_size: golden.batch_size as usize,
            scorers: &[],
            seed: 0,
            initial: Some(&case.initial),
        };
        let examples = Examples {
            x: (&case.x).into(),
            target,
            weights: case.row_weights.as_deref(),
            class_weights: case.class_weight.as_deref(),
            train: &rows,
            validation: &[],
        };
        let mut crew = Crew::new(1);
        let fitted = fit(&spec, &examples, &mut crew, &mut Unobserved).expect("a fit");
        let losses = fitted.history.series("train_loss").expect("losses");
        assert_eq!(losses.len(), case.losses.len());
        for (epoch, (found, expected)) in losses.iter().zip(&case.losses).enumerate() {
            assert!((found - expected).abs() < 1e-4, "{name}, epoch {epoch}: {found} {expected}");
        }
        let z = outputs(
            &network,
            &fitted.parameters,
            &fitted.buffers,
            (&case.x).into(),
            &rows[..10],
            &mut crew,
        );
        assert!(worst(&fitted.parameters, &case.r#final) < 2e-4, "{name}: parameters");
        assert!(worst(&fitted.buffers, &case.buffers) < 1e-4, "{name}: running moments");
        assert!(worst(&z, &case.outputs) < 5e-4, "{name}: outputs");
    }
}

/// Rows of two clouds, an odd number of them.
struct Clouds {
    x: Vec<f32>,
    classes: Vec<u32>,
    rows: Vec<u32>,
}

const N_FEATURES: usize = 37;

impl Clouds {
    fn new(n_rows: usize) -> Self {
        let mut stream = Stream::new(5, [1, 1]);
        let classes: Vec<u32> = (0..n_rows).map(|_| stream.below(3)).collect();
        let x = classes
            .iter()
            .flat_map(|class| vec![*class as f32 * 0.4; N_FEATURES])
            .map(|centre| centre + stream.normal() as f32)
            .collect();
        Self { x, classes, rows: (0..n_rows as u32).collect() }
    }

    fn examples<'a>(&'a self, train: &'a [u32], validation: &'a [u32]) -> Examples<'a> {
        Examples {
            x: (&self.x).into(),
            target: Target::Classes { classes: &self.classes, n_classes: 3 },
            weights: None,
            class_weights: None,
            train,
            validation,
        }
    }

    /// Fits a network of everything, with so many threads.
    fn fit(
        &self,
        training: &TrainingSpec,
        optimizer: &OptimizerSpec,
        observer: &mut dyn Observer,
    ) -> Result<Fitted, FitError> {
        let mlp = MlpSpec {
            hidden: vec![200, 150],
            activation: Activation::Silu.into(),
            dropout: 0.2,
            batch_norm: true,
            layer_norm: true,
            ..MlpSpec::default()
        };
        let network = Network::new(&mlp.layers(), N_FEATURES, 3).expect("a network");
        let spec = Fit {
            network: &network,
            loss: &LossSpec::cross_entropy(),
            optimizer,
            training,
            batch_size: training.batch_size.map_or(32, |size| size as usize),
            scorers: &[Scorer::Accuracy],
            seed: 3,
            initial: None,
        };
        let (train, validation) = self.rows.split_at(self.rows.len() * 4 / 5);
        fit(&spec, &self.examples(train, validation), &mut Crew::new(4), observer)
    }
}

fn adam() -> OptimizerSpec {
    OptimizerSpec::Adam(AdamSpec::default())
}

/// Grants so many threads; zero for a number that changes with every step.
struct Threads(usize, std::cell::Cell<usize>);

impl Observer for Threads {
    fn threads(&self) -> usize {
        self.1.set(self.1.get() + 1);
        if self.0 == 0 { 1 + self.1.get() % 4 } else { self.0 }
    }
}

#[test]
fn the_number_of_threads_does_not_show_in_the_bits() {
    let clouds = Clouds::new(1001);
    let training = TrainingSpec {
        epochs: 3,
        batch_size: Some(160),
        averaging: Some(Averaging { decay: 0.9 }),
        gradient_noise: Some(GradientNoise::default()),
        max_norm: Some(2.0),
        l1: 1e-4,
        ..TrainingSpec::default()
    };
    let bits = |threads: usize| {
        let mut threads = Threads(threads, 0.into());
        let fitted = clouds.fit(&training, &adam(), &mut threads).expect("a fit");
        let bits: Vec<u32> = fitted.parameters.iter().map(|w| w.to_bits()).collect();
        (bits, fitted.history.pack())
    };
    let one = bits(1);
    for threads in [2, 4, 0] {
        assert!(bits(threads) == one, "{threads} threads");
    }
}

#[test]
fn early_stopping_keeps_the_weights_of_the_best_epoch() {
    let clouds = Clouds::new(300);
    let stopping = EarlyStopping { patience: 3, ..EarlyStopping::default() };
    let training =
        TrainingSpec { epochs: 200, early_stopping: Some(stopping), ..TrainingSpec::default() };
    let fitted = clouds.fit(&training, &adam(), &mut Unobserved).expect("a fit");
    assert_eq!(fitted.end, End::EarlyStopping);
    let best = fitted.best_epoch.expect("a best epoch");
    assert_eq!(fitted.epochs, best + 3);
    let losses = fitted.history.series("val_loss").expect("losses");
    assert!(losses.iter().all(|loss| *loss >= losses[best as usize - 1]));
    // Training for just so long ends in the same weights.
    let short = TrainingSpec { epochs: best, ..training };
    let again = clouds.fit(&short, &adam(), &mut Unobserved).expect("a fit");
    assert!(again.parameters == fitted.parameters && again.buffers == fitted.buffers);
}

/// No change is large enough, so the first epoch stays the best.
#[test]
fn a_least_change_is_waited_for() {
    let clouds = Clouds::new(300);
    let stopped = |min_delta: f64, restore_best: bool| {
        let stopping =
            EarlyStopping { patience: 4, min_delta, restore_best, ..EarlyStopping::default() };
        let training =
            TrainingSpec { epochs: 200, early_stopping: Some(stopping), ..TrainingSpec::default() };
        clouds.fit(&training, &adam(), &mut Unobserved).expect("a fit")
    };
    let (patient, strict) = (stopped(0.0, true), stopped(10.0, true));
    assert_eq!((strict.best_epoch, strict.epochs), (Some(1), 5));
    assert!(patient.epochs > strict.epochs, "{}", patient.epochs);
    // Without the best weights those of the last epoch are kept.
    let last = stopped(10.0, false);
    assert_eq!((last.best_epoch, last.epochs), (None, 5));
    let five = TrainingSpec { epochs: 5, ..TrainingSpec::default() };
    let five = clouds.fit(&five, &adam(), &mut Unobserved).expect("a fit");
    assert!(last.parameters == five.parameters && last.parameters != strict.parameters);
}

#[test]
fn rows_that_weigh_nothing_train_nothing() {
    let clouds = Clouds::new(60);
    let (train, validation) = clouds.rows.split_at(40);
    let layers = [LayerSpec::Dense { units: None, bias: true, init: None }];
    let network = Network::new(&layers, N_FEATURES, 3).expect("a network");
    let spec = Fit {
        network: &network,
        loss: &LossSpec::cross_entropy(),
        optimizer: &adam(),
        training: &TrainingSpec { epochs: 2, shuffle: false, ..TrainingSpec::default() },
        batch_size: 20,
        scorers: &[],
        seed: 1,
        initial: None,
    };
    let fit_with = |weights: &[f32]| {
        let examples = Examples { weights: Some(weights), ..clouds.examples(train, validation) };
        fit(&spec, &examples, &mut Crew::new(1), &mut Unobserved)
    };
    let weights =
        |first: f32, second: f32, last: f32| [[first; 20], [second; 20], [last; 20]].concat();
    assert_eq!(fit_with(&weights(0.0, 0.0, 1.0)).err(), Some(FitError::NoWeight("train on")));
    assert_eq!(fit_with(&weights(1.0, 1.0, 0.0)).err(), Some(FitError::NoWeight("validate on")));
    // A first batch without weight is none to compare later losses with.
    let fitted = fit_with(&weights(0.0, 1.0, 1.0)).expect("a fit");
    assert!(fitted.history.series("train_loss").expect("losses").iter().all(|l| l.is_finite()));
}

#[test]
fn a_diverging_fit_says_when_and_keeps_its_history() {
    let clouds = Clouds::new(300);
    let training = TrainingSpec { epochs: 50, ..TrainingSpec::default() };
    let wild = OptimizerSpec::Sgd(SgdSpec { learning_rate: 1e30, ..SgdSpec::default() });
    let error = clouds.fit(&training, &wild, &mut Unobserved).expect_err("no fit");
    let FitError::Diverged { epoch, history, .. } = error else { panic!("{error}") };
    assert_eq!(history.epochs().last(), Some(&epoch));
}

#[test]
fn a_loss_held_out_that_is_no_number_ends_a_fit() {
    let layers = [LayerSpec::Dense { units: None, bias: false, init: None }];
    let network = Network::new(&layers, 1, 1).expect("a network");
    // Of the last row, which is held out, e^200 is expected, which is more than there are numbers for.
    let (x, y) = ([0.5, 1.0, 0.25, 200.0], [1.0, 2.0, 1.0, 1.0]);
    let examples = Examples {
        x: (&x[..]).into(),
        target: Target::Values { values: &y, n_outputs: 1 },
        weights: None,
        class_weights: None,
        train: &[0, 1, 2],
        validation: &[3],
    };
    let spec = Fit {
        network: &network,
        loss: &LossSpec::Poisson,
        optimizer: &OptimizerSpec::Sgd(SgdSpec { learning_rate: 1e-3, ..SgdSpec::default() }),
        training: &TrainingSpec { epochs: 3, ..TrainingSpec::default() },
        batch_size: 3,
        scorers: &[],
        seed: 1,
        initial: Some(&[1.0]),
    };
    let error = fit(&spec, &examples, &mut Crew::new(1), &mut Unobserved).expect_err("no fit");
    let FitError::Diverged { epoch, history, reason } = error else { panic!("{error}") };
    assert!(reason.contains("held out"), "{reason}");
    assert_eq!((epoch, history.epochs()), (1, &[1][..]));
}

/// Ends a fit in its own way after so many steps.
struct Ends(u32, Control);

impl Observer for Ends {
    fn step(&mut self, _: f64, _: &History) -> Control {
        self.0 = self.0.saturating_sub(1);
        if self.0 == 0 { self.1 } else { Control::Continue }
    }
}

#[test]
fn an_observer_ends_a_fit() {
    let clouds = Clouds::new(300);
    let training = TrainingSpec::default();
    let cancelled = clouds.fit(&training, &adam(), &mut Ends(12, Control::Cancel));
    assert_eq!(cancelled.map(|_| ()), Err(FitError::Cancelled));
    let finished = clouds.fit(&training, &adam(), &mut Ends(12, Control::Finish)).expect("a fit");
    assert_eq!((finished.end, finished.epochs), (End::Finished, 2));
    assert_eq!(finished.history.epochs(), [1, 2]);
}

/// How far the fit was before each step, and how many epochs were known of then.
#[derive(Default)]
struct Far(Vec<(f64, usize)>);

impl Observer for Far {
    fn step(&mut self, done: f64, history: &History) -> Control {
        self.0.push((done, history.epochs().len()));
        Control::Continue
    }
}

#[test]
fn an_observer_hears_within_an_epoch_how_far_it_is() {
    let clouds = Clouds::new(300);
    let training = TrainingSpec { epochs: 3, ..TrainingSpec::default() };
    let mut far = Far::default();
    clouds.fit(&training, &adam(), &mut far).expect("a fit");
    let n_steps = far.0.len() / 3;
    assert!(n_steps > 1, "{n_steps}");
    for (i, (done, n_known)) in far.0.into_iter().enumerate() {
        assert!((done - i as f64 / n_steps as f64).abs() < 1e-12, "{done} before step {i}");
        assert_eq!(n_known, i / n_steps);
    }
}

#[test]
fn the_history_tells_of_every_layer() {
    let clouds = Clouds::new(300);
    let training = TrainingSpec { epochs: 4, ..TrainingSpec::default() };
    let history: History = clouds.fit(&training, &adam(), &mut Unobserved).expect("a fit").history;
    for name in [
        "train_loss",
        "val_loss",
        "train_accuracy",
        "val_accuracy",
        "learning_rate",
        "grad_norm",
        "grad_norm.0",
        "weight_norm.0",
        "update_ratio.0",
        "dead_units.3",
    ] {
        let values = history.series(name).unwrap_or_else(|| panic!("{name} of {history:?}"));
        assert_eq!(values.len(), 4);
        assert!(values.iter().all(|value| value.is_finite()), "{name}: {values:?}");
    }
    let ratio = history.series("update_ratio.0").expect("ratios");
    assert!(ratio.iter().all(|ratio| (1e-6..1.0).contains(ratio)), "{ratio:?}");
}

/// All batches of an epoch make one step, so the training scores are those of the first weights
/// and the validation scores those of the last.
#[test]
fn probabilities_are_scored_after_every_epoch() {
    let cases = [
        (LossSpec::Focal { gamma: 2.0 }, 3),
        (LossSpec::BinaryCrossEntropy { label_smoothing: 0.1 }, 2),
    ];
    for (loss, n_classes) in cases {
        let mut clouds = Clouds::new(300);
        clouds.classes.iter_mut().for_each(|class| *class %= n_classes);
        let n_classes = n_classes as usize;
        let target = Target::Classes { classes: &clouds.classes, n_classes };
        let n_outputs = loss.n_outputs(target.kind()).expect("a loss that fits");
        let layers = [LayerSpec::Dense { units: None, bias: true, init: None }];
        let network = Network::new(&layers, N_FEATURES, n_outputs).expect("a network");
        let initial = network.initial(1);
        let training =
            TrainingSpec { epochs: 1, accumulation_steps: 100, ..TrainingSpec::default() };
        let spec = Fit {
            network: &network,
            loss: &loss,
            optimizer: &OptimizerSpec::Sgd(SgdSpec { learning_rate: 0.5, ..SgdSpec::default() }),
            training: &training,
            batch_size: 32,
            scorers: &[Scorer::Accuracy, Scorer::NegLogLoss],
            seed: 1,
            initial: Some(&initial),
        };
        let (train, validation) = clouds.rows.split_at(210);
        let examples = Examples { target, ..clouds.examples(train, validation) };
        let mut crew = Crew::new(1);
        let fitted = fit(&spec, &examples, &mut crew, &mut Unobserved).expect("a fit");
        for (name, parameters, rows) in [
            ("train_neg_log_loss", &initial, train),
            ("val_neg_log_loss", &fitted.parameters, validation),
        ] {
            let z =
                outputs(&network, parameters, &fitted.buffers, (&clouds.x).into(), rows, &mut crew);
            let mut probabilities = vec![0.0; rows.len() * n_classes];
            loss.probabilities(&mut probabilities, &z, n_outputs, n_classes);
            let of_rows: Vec<u32> = rows.iter().map(|row| clouds.classes[*row as usize]).collect();
            let judged = Judged::Classes {
                target: &of_rows,
                prediction: &of_rows,
                n_classes,
                probabilities: Some(&probabilities),
                decision: None,
                weights: None,
            };
            let expected = scores(&[Scorer::NegLogLoss], &judged)[0].expect("a score");
            let found = fitted.history.series(name).expect("scores")[0];
            assert!((found - expected).abs() < 1e-6, "{name} of {loss:?}: {found} {expected}");
        }
    }
}

#[test]
fn two_classes_are_ranked_after_every_epoch_whatever_the_loss() {
    for loss in [
        LossSpec::cross_entropy(),
        LossSpec::BinaryCrossEntropy { label_smoothing: 0.0 },
        LossSpec::Hinge,
    ] {
        let mut clouds = Clouds::new(300);
        clouds.classes.iter_mut().for_each(|class| *class %= 2);
        let target = Target::Classes { classes: &clouds.classes, n_classes: 2 };
        let n_outputs = loss.n_outputs(target.kind()).expect("a loss that fits");
        let layers = [LayerSpec::Dense { units: None, bias: true, init: None }];
        let network = Network::new(&layers, N_FEATURES, n_outputs).expect("a network");
        let spec = Fit {
            network: &network,
            loss: &loss,
            optimizer: &adam(),
            training: &TrainingSpec { epochs: 1, ..TrainingSpec::default() },
            batch_size: 32,
            scorers: &[Scorer::RocAuc, Scorer::Accuracy, Scorer::AveragePrecision],
            seed: 1,
            initial: None,
        };
        let (train, rows) = clouds.rows.split_at(210);
        let examples = Examples { target, ..clouds.examples(train, rows) };
        let mut crew = Crew::new(1);
        let fitted = fit(&spec, &examples, &mut crew, &mut Unobserved).expect("a fit");
        let (x, parameters) = ((&clouds.x).into(), &fitted.parameters);
        let z = outputs(&network, parameters, &fitted.buffers, x, rows, &mut crew);
        let decision: Vec<f64> = z.iter().map(|z| f64::from(*z)).collect();
        let of_rows: Vec<u32> = rows.iter().map(|row| clouds.classes[*row as usize]).collect();
        let judged = Judged::Classes {
            target: &of_rows,
            prediction: &of_rows,
            n_classes: 2,
            probabilities: None,
            decision: Some(&decision),
            weights: None,
        };
        let expected = scores(&[Scorer::RocAuc, Scorer::AveragePrecision], &judged);
        for (name, expected) in ["val_roc_auc", "val_average_precision"].into_iter().zip(expected) {
            let found = fitted.history.series(name).expect("scores")[0];
            assert!((found - expected.expect("a score")).abs() < 1e-9, "{name} of {loss:?}");
        }
        assert!(fitted.history.series("train_roc_auc").expect("scores")[0] > 0.4, "{loss:?}");
    }
}

#[test]
fn relu_units_that_cannot_fire_are_counted_as_dead() {
    let layers = [
        LayerSpec::Dense { units: Some(4), bias: true, init: None },
        LayerSpec::Activation { activation: Activation::Relu.into() },
        LayerSpec::Dense { units: None, bias: true, init: None },
    ];
    let network = Network::new(&layers, N_FEATURES, 3).expect("a network");
    let mut initial = network.initial(1);
    // The biases of two of the four units are so low that nothing reaches them.
    initial[N_FEATURES * 4..N_FEATURES * 4 + 2].fill(-1e6);
    let clouds = Clouds::new(90);
    let training = TrainingSpec { epochs: 1, ..TrainingSpec::default() };
    let spec = Fit {
        network: &network,
        loss: &LossSpec::cross_entropy(),
        optimizer: &adam(),
        training: &training,
        batch_size: 30,
        scorers: &[],
        seed: 1,
        initial: Some(&initial),
    };
    let examples = clouds.examples(&clouds.rows, &[]);
    let fitted = fit(&spec, &examples, &mut Crew::new(1), &mut Unobserved).expect("a fit");
    assert_eq!(fitted.history.series("dead_units.1"), Some(vec![0.5]));
}
