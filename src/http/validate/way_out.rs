//! What was most likely meant by whoever writes what other libraries would take: a scorer by the name
//! of scikit-learn's function, a number of folds for a splitter, a name for an object with a `type`,
//! one value for a list, a field one level too high.
//!
//! It decides nothing: what is wrong is found by `validate`, which asks here for a way out.

use serde_json::{Map, Value, json};

use super::{resolve, type_fits};
use crate::domain::suggest::{nearest, shown};

/// Names that other libraries, or papers, have for what is called otherwise here: without case, and
/// letters and digits only. The first that is known where the name stands is meant.
const OTHER_NAMES: &[(&str, &[&str])] = &[
    // Scorers.
    ("ap", &["average_precision"]),
    ("auc", &["roc_auc"]),
    ("auroc", &["roc_auc"]),
    ("prauc", &["average_precision"]),
    ("brierscoreloss", &["neg_brier_score"]),
    ("ece", &["neg_expected_calibration_error"]),
    ("kappa", &["cohen_kappa"]),
    ("logloss", &["neg_log_loss", "cross_entropy"]),
    ("mcc", &["matthews_corrcoef"]),
    ("mae", &["neg_mean_absolute_error"]),
    ("mape", &["neg_mean_absolute_percentage_error"]),
    ("medae", &["neg_median_absolute_error"]),
    ("mse", &["neg_mean_squared_error"]),
    ("msle", &["neg_mean_squared_log_error"]),
    ("rmse", &["neg_root_mean_squared_error"]),
    ("rmsle", &["neg_root_mean_squared_log_error"]),
    ("rsquared", &["r2"]),
    // Losses.
    ("bce", &["binary_cross_entropy"]),
    ("binarycrossentropy", &["binary_cross_entropy"]),
    ("bcewithlogitsloss", &["binary_cross_entropy"]),
    ("categoricalcrossentropy", &["cross_entropy"]),
    ("crossentropyloss", &["cross_entropy"]),
    ("sparsecategoricalcrossentropy", &["cross_entropy"]),
    ("l1loss", &["mae"]),
    ("meanabsoluteerror", &["neg_mean_absolute_error", "mae"]),
    ("meansquarederror", &["neg_mean_squared_error", "mse"]),
    ("squarederror", &["mse"]),
    // Models.
    ("dnn", &["mlp"]),
    ("mlpclassifier", &["mlp"]),
    ("mlpregressor", &["mlp"]),
    ("neuralnetwork", &["mlp"]),
    ("nn", &["mlp"]),
    ("linearregression", &["linear"]),
    ("logisticregression", &["linear"]),
    ("softmaxregression", &["linear"]),
    ("sequential", &["network"]),
    // Preparation.
    ("minmaxscaler", &["min_max"]),
    ("standardscaler", &["standard"]),
    ("zscore", &["standard"]),
    ("onehotencoder", &["one_hot"]),
    ("dummies", &["one_hot"]),
    ("ordinalencoder", &["ordinal"]),
    // Fields.
    ("alpha", &["l2"]),
    ("batch", &["batch_size"]),
    ("classifier", &["model"]),
    ("estimator", &["model"]),
    ("criterion", &["loss"]),
    ("crossvalidation", &["cv"]),
    ("data", &["dataset_id"]),
    ("dataset", &["dataset_id"]),
    ("eta", &["learning_rate", "eta0"]),
    ("hiddenlayers", &["hidden", "layers"]),
    ("hiddenlayersizes", &["hidden"]),
    ("k", &["n_splits"]),
    ("label", &["target"]),
    ("learningrate", &["learning_rate", "eta0"]),
    ("learningrateinit", &["learning_rate", "eta0"]),
    ("lr", &["learning_rate", "eta0"]),
    ("maxepochs", &["epochs", "max_iter"]),
    ("maxiter", &["epochs"]),
    ("metric", &["scoring"]),
    ("metrics", &["scoring"]),
    ("nepochs", &["epochs", "max_iter"]),
    ("nfolds", &["n_splits"]),
    ("paramgrid", &["space"]),
    ("seed", &["random_state"]),
    ("solver", &["optimizer"]),
    ("x", &["features"]),
    ("y", &["target"]),
];

/// What a name stands for that is none of those that are known.
pub(super) fn meant<'a>(
    given: &str,
    known: &(impl Iterator<Item = &'a str> + Clone),
) -> Option<&'a str> {
    let find = |name: &str| known.clone().find(|known| *known == name);
    let by_other_name = other_names(given).iter().find_map(|name| find(name));
    by_other_name.or_else(|| {
        // scikit-learn's functions have longer names than its scorers, and lack what negates those.
        let name = given.to_lowercase();
        let short = name.strip_suffix("_score").unwrap_or(&name);
        find(short)
            .or_else(|| find(&format!("neg_{name}")))
            .or_else(|| find(&format!("neg_{short}")))
    })
}

fn other_names(given: &str) -> &'static [&'static str] {
    let plain = given.chars().filter(char::is_ascii_alphanumeric);
    let plain: String = plain.take(40).collect::<String>().to_ascii_lowercase();
    OTHER_NAMES.iter().find(|(name, _)| *name == plain).map_or(&[], |(_, meant)| meant)
}

/// Where a field belongs that stands at `pointer`, in an object that may have others: in one of these, at
/// the top of the body, or in another part of it.
pub(super) fn elsewhere(
    body: &Value,
    here: &Map<String, Value>,
    (name, pointer): (&str, &str),
) -> Option<String> {
    let top = resolve(body)["properties"].as_object()?;
    let mut steps = pointer.split('/').skip(1);
    let part = steps.next().filter(|_| steps.next().is_some());
    let into = |fields: &Map<String, Value>, name: &str| {
        let others = fields.iter().filter(|(field, _)| part != Some(field.as_str()));
        let having = others.filter(|(_, schema)| has_field(schema, name));
        let parts: Vec<String> = having.map(|(field, _)| format!("`{field}`")).collect();
        (!parts.is_empty()).then(|| format!("put it into {}, as `{name}`", parts.join(" or ")))
    };
    let beside = |name: &str| {
        let part = part.filter(|_| top.contains_key(name))?;
        Some(format!("put it beside `{part}`, as `{name}`"))
    };
    let place = |name: &str| into(here, name).or_else(|| beside(name)).or_else(|| into(top, name));
    other_names(name).iter().copied().chain([name]).find_map(place)
}

/// Whether an object of such a schema may have the field.
fn has_field(schema: &Value, name: &str) -> bool {
    let schema = resolve(schema);
    match schema["oneOf"].as_array() {
        Some(variants) => variants.iter().any(|variant| has_field(variant, name)),
        None => schema["properties"].as_object().is_some_and(|fields| fields.contains_key(name)),
    }
}

/// The object with a `type` that is meant by a value that is none.
pub(super) fn typed(variants: &[(&str, &Value)], value: &Value) -> Option<String> {
    let known = || variants.iter().map(|(name, _)| *name);
    if let Some(given) = value.as_str() {
        let exact = known().find(|name| *name == given);
        let name = exact.or_else(|| meant(given, &known())).or_else(|| nearest(given, known()));
        return Some(match name {
            Some(name) => json!({"type": name}).to_string(),
            None => format!("a `type` of {}", known().collect::<Vec<_>>().join(", ")),
        });
    }
    // A whole number for a splitter is scikit-learn's number of folds, of classes stratified.
    let is_splitter = known().any(|name| name == "stratified_kfold");
    let n_splits = value.as_u64().filter(|_| is_splitter)?;
    let folds = |name: &str| json!({"type": name, "n_splits": n_splits}).to_string();
    Some(format!("{}, or of amounts {}", folds("stratified_kfold"), folds("kfold")))
}

/// The list, or the object, that is meant by what would be in it; `accepts` says whether a schema takes
/// a value.
pub(super) fn wrapped(
    schema: &Value,
    value: &Value,
    accepts: impl Fn(&Value, &Value) -> bool,
) -> Option<String> {
    // A number in quotes.
    if let Some(number) = value.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok()) {
        return (number.is_number() && accepts(schema, &number)).then(|| number.to_string());
    }
    if value.is_null() {
        return None;
    }
    if type_fits(schema, &json!([])) && !value.is_array() {
        let item = resolve(&schema["items"]);
        if accepts(item, value) {
            return Some(cut(&json!([value])));
        }
        let name = meant(value.as_str()?, &names(item).into_iter())?;
        return Some(json!([name]).to_string());
    }
    if !type_fits(schema, &json!({})) {
        return None;
    }
    if *value == Value::Bool(true) {
        return accepts(schema, &json!({})).then(|| "{} for its defaults".to_owned());
    }
    let [field] = schema["required"].as_array()?.as_slice() else { return None };
    let object = Value::Object(Map::from_iter([(field.as_str()?.to_owned(), value.clone())]));
    accepts(schema, &object).then(|| cut(&object))
}

/// The names that a text may be.
fn names(schema: &Value) -> Vec<&str> {
    let variants = schema["oneOf"].as_array().into_iter().flatten().map(resolve);
    let lists = variants.chain([schema]).filter_map(|variant| variant["enum"].as_array());
    lists.flatten().filter_map(Value::as_str).collect()
}

/// JSON as a message shows it.
fn cut(value: &Value) -> String {
    const MAX_CHARACTERS: usize = 200;
    let text = value.to_string();
    if text.chars().nth(MAX_CHARACTERS).is_some() { shown(&text) } else { text }
}
