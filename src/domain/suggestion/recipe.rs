//! How to train: preparation, model, optimizer, folds and scores, by the size of the data.

use serde_json::{Value, json};
use trainyard_learn::describe::DescribedColumn;

use super::{Reason, smallest_class};
use crate::domain::spec::TaskRequest;
use crate::domain::suggest::shown;

/// What the choices depend on.
pub(super) struct Data<'d> {
    pub(super) target: &'d DescribedColumn,
    pub(super) task: TaskRequest,
    pub(super) n_rows: usize,
    pub(super) is_unbalanced: bool,
    /// Whether a number to predict from is missing somewhere.
    pub(super) has_gaps: bool,
    /// Whether there are categories to predict from.
    pub(super) has_categories: bool,
    /// Columns of more categories than the rows support, or than there should be features of.
    pub(super) crowded: Vec<&'d str>,
    /// Columns of numbers of which some lie far beyond the others.
    pub(super) far_out: Vec<&'d str>,
}

/// With fewer rows hidden layers learn the rows by heart.
const MIN_ROWS_OF_HIDDEN_LAYERS: usize = 1_000;

/// Amounts further than this from 0, or spread wider, are found by a linear model only, whose
/// learning rate can follow them.
const MAX_HIDDEN_AMOUNT: f64 = 10.0;

const BATCH_SIZE: usize = 32;

/// About so many steps are taken, within these bounds of epochs.
const N_STEPS: usize = 4_000;
const EPOCHS: (usize, usize) = (10, 300);

/// Learning rates for targets of scale 1.
const LINEAR_LEARNING_RATE: f64 = 0.01;
const HIDDEN_LEARNING_RATE: f64 = 0.001;

const N_FOLDS: usize = 5;

/// With fewer rows folds are made several times over, since single scores vary much.
const FEW_ROWS: usize = 500;
const N_REPEATS: usize = 3;

/// With more rows one split says enough, and folds would cost their number.
const MANY_ROWS: usize = 100_000;

/// A category that is encoded by the target has a feature a class, which is too much of many.
const MAX_CLASSES_OF_TARGET_ENCODING: usize = 20;

/// With more categories a feature for each would be most of the model.
pub(super) const MAX_ONE_HOT: usize = 100;

/// Writes the rest of the spec.
pub(super) fn fill(data: &Data<'_>, spec: &mut Value, reasons: &mut Vec<Reason>) {
    let scale = scale(data.target);
    let classes = data.task == TaskRequest::Classification;
    let hidden =
        data.n_rows >= MIN_ROWS_OF_HIDDEN_LAYERS && (classes || scale <= MAX_HIDDEN_AMOUNT);
    let mut because = |pointer: &str, detail: String| reasons.push(Reason::new(pointer, detail));

    spec["preprocess"] = json!({"numeric": {"scale": "standard"}});
    because("/preprocess", "networks learn best from columns of mean 0 and deviation 1".to_owned());
    if data.has_gaps {
        spec["preprocess"]["numeric"]["impute"] = json!("median");
        spec["preprocess"]["numeric"]["indicator"] = json!(true);
        because(
            "/preprocess/numeric/indicator",
            "that a number is missing may say something by itself".to_owned(),
        );
    }
    if data.has_categories {
        spec["preprocess"]["categorical"] = json!({"encode": "one_hot", "min_frequency": 2});
        because(
            "/preprocess/categorical",
            "each category is a feature; those of a single row count as one".to_owned(),
        );
    }

    if !data.crowded.is_empty() {
        let n_classes = if classes { data.target.description.n_unique } else { 1 };
        let (encode, why) = if n_classes <= MAX_CLASSES_OF_TARGET_ENCODING {
            ("target", "become what the target is on average where they are")
        } else {
            ("hashing", "share a few features")
        };
        for name in &data.crowded {
            spec["preprocess"]["columns"][*name] = json!({"encode": encode});
        }
        let names = listed(&data.crowded);
        because("/preprocess/columns", format!("the many categories of {names} {why}"));
    }
    if !data.far_out.is_empty() {
        for name in &data.far_out {
            spec["preprocess"]["columns"][*name] = json!({"scale": "robust"});
        }
        let names = listed(&data.far_out);
        let why = "so they are scaled by their middle half";
        because("/preprocess/columns", format!("a few values of {names} are far beyond, {why}"));
    }

    spec["model"] = if hidden {
        because("/model", format!("{} rows are enough for two hidden layers", data.n_rows));
        json!({"type": "mlp", "hidden": [64, 32]})
    } else if data.n_rows < MIN_ROWS_OF_HIDDEN_LAYERS {
        because(
            "/model",
            format!("{} rows are few: a linear model is hard to mislead", data.n_rows),
        );
        json!({"type": "linear"})
    } else {
        because("/model", "amounts this far from 0 are learned best by a linear model".to_owned());
        json!({"type": "linear"})
    };

    let mut learning_rate = if hidden { HIDDEN_LEARNING_RATE } else { LINEAR_LEARNING_RATE };
    if !classes && !hidden {
        learning_rate = rounded(learning_rate * scale.clamp(1e-6, 1e6));
        because(
            "/optimizer",
            format!("the learning rate follows the target's scale of {scale:.3}"),
        );
    }
    let schedule = json!({"type": "cosine"});
    spec["optimizer"] =
        json!({"type": "adam", "learning_rate": learning_rate, "schedule": schedule});

    // A fold trains on four fifths of the rows, and a batch is no larger than that.
    let batch_size = BATCH_SIZE.min(data.n_rows * 3 / 4).max(1);
    let steps_an_epoch = data.n_rows.div_ceil(batch_size).max(1);
    let epochs = (N_STEPS / steps_an_epoch).clamp(EPOCHS.0, EPOCHS.1);
    spec["training"] = json!({"epochs": epochs, "batch_size": batch_size});
    if data.is_unbalanced {
        spec["training"]["class_weight"] = json!("balanced");
        because("/training/class_weight", "a class is much rarer than another".to_owned());
    }
    spec["cv"] = folds(data, &mut because);
    spec["scoring"] = match (classes, data.is_unbalanced) {
        (true, true) => json!(["balanced_accuracy", "f1_macro", "accuracy"]),
        (true, false) => json!(["accuracy", "f1_macro"]),
        (false, _) => json!(["r2", "neg_root_mean_squared_error"]),
    };
    spec["random_state"] = json!(1);
}

fn folds(data: &Data<'_>, because: &mut impl FnMut(&str, String)) -> Value {
    let classes = data.task == TaskRequest::Classification;
    let rarest = smallest_class(data.target);
    if data.n_rows > MANY_ROWS {
        because("/cv", format!("with {} rows one split says enough", data.n_rows));
        let stratify = classes && rarest > 1;
        return json!({"type": "holdout", "test_size": 0.2, "stratify": stratify});
    }
    let repeats = data.n_rows < FEW_ROWS;
    if repeats {
        because("/cv", format!("with {} rows single scores vary much", data.n_rows));
    }
    if classes && rarest > 1 {
        let n_splits = N_FOLDS.min(rarest);
        if n_splits < N_FOLDS {
            because("/cv/n_splits", format!("the rarest class has {rarest} rows, one a fold"));
        }
        return if repeats {
            json!({"type": "repeated_stratified_kfold", "n_splits": n_splits, "n_repeats": N_REPEATS})
        } else {
            json!({"type": "stratified_kfold", "n_splits": n_splits, "shuffle": true})
        };
    }
    if classes {
        because("/cv/type", "a class of one row cannot be shared out to folds".to_owned());
    }
    let n_splits = N_FOLDS.min(data.n_rows).max(2);
    if repeats {
        json!({"type": "repeated_kfold", "n_splits": n_splits, "n_repeats": N_REPEATS})
    } else {
        json!({"type": "kfold", "n_splits": n_splits, "shuffle": true})
    }
}

/// The first few of some columns.
fn listed(names: &[&str]) -> String {
    let some: Vec<String> = names.iter().take(3).map(|name| shown(name)).collect();
    let more = if names.len() > some.len() { " and others" } else { "" };
    format!("{}{more}", some.join(", "))
}

/// How far amounts are from 0, or how widely they spread, whichever is more.
fn scale(target: &DescribedColumn) -> f64 {
    let found = &target.description;
    found.mean.unwrap_or(1.0).abs().max(found.std.unwrap_or(1.0))
}

/// To one digit: more would claim more than is known.
fn rounded(value: f64) -> f64 {
    format!("{value:.0e}").parse().unwrap_or(value)
}
