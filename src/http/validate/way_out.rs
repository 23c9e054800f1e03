//! What was most likely meant by whoever writes what other libraries would take: a scorer by the name
//! of scikit-learn's function, a number of folds for a splitter, a name for an object with a `type` or
//! with a field that takes it, one value or a text with commas for a list, null for a default, a field
//! one level too high.
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
    // Activations.
    ("linear", &["identity"]),
    ("logistic", &["sigmoid", "platt"]),
    ("none", &["identity"]),
    ("swish", &["silu"]),
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
    // Calibrations.
    ("sigmoid", &["platt"]),
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
    ("layers", &["hidden"]),
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
    ("units", &["hidden"]),
    ("x", &["features"]),
    ("y", &["target"]),
];

/// What a name stands for that is none of those that are known.
pub(super) fn meant<'a>(
    given: &str,
    known: &(impl Iterator<Item = &'a str> + Clone),
) -> Option<&'a str> {
    let given = without_path(given);
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

/// `ReLU` of `nn.ReLU`.
fn without_path(given: &str) -> &str {
    given.rsplit('.').next().unwrap_or(given)
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
    let name = without_path(name);
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
pub(super) fn typed(variants: &[(&str, &Value)], value: &Value) -> String {
    let known = || variants.iter().map(|(name, _)| *name);
    let is_splitter = known().any(|name| name == "stratified_kfold");
    if let Some(splitter) = splitter(value).filter(|_| is_splitter) {
        return splitter;
    }
    let name = value.as_str().and_then(|given| {
        let exact = known().find(|name| *name == given);
        exact.or_else(|| meant(given, &known())).or_else(|| nearest(given, known()))
    });
    match name {
        Some(name) => json!({"type": name}).to_string(),
        None => format!("a `type` of {}", known().collect::<Vec<_>>().join(", ")),
    }
}

/// The splitter that is meant by a number of folds, which scikit-learn stratifies for classes, by `true`,
/// or by a share of rows to test on.
fn splitter(value: &Value) -> Option<String> {
    let folds = |n_splits: Option<u64>| {
        let of = |name: &str| match n_splits {
            Some(n_splits) => json!({"type": name, "n_splits": n_splits}).to_string(),
            None => json!({"type": name}).to_string(),
        };
        format!("{}, or of amounts {}", of("stratified_kfold"), of("kfold"))
    };
    let value = unquoted(value).unwrap_or_else(|| value.clone());
    match value {
        Value::Bool(true) => Some(folds(None)),
        Value::Number(number) => {
            let share = number.as_f64().filter(|share| *share > 0.0 && *share < 1.0);
            let holdout = |share: f64| json!({"type": "holdout", "test_size": share}).to_string();
            number.as_u64().map(|n_splits| folds(Some(n_splits))).or_else(|| share.map(holdout))
        }
        _ => None,
    }
}

/// A number, `true` or `false` that stands in quotes.
fn unquoted(value: &Value) -> Option<Value> {
    let value: Value = serde_json::from_str(value.as_str()?).ok()?;
    (value.is_number() || value.is_boolean()).then_some(value)
}

/// What to do with a field that is null, or `auto`, and may be left out instead.
pub(super) fn left_out(schema: &Value, value: &Value) -> Option<String> {
    if !value.is_null() && value != "auto" {
        return None;
    }
    Some(match &schema["default"] {
        Value::Null => "leave it out".to_owned(),
        default => format!("leave it out for its default, {}", cut(default)),
    })
}

/// The list, or the object, that is meant by what would be in it; `accepts` says whether a schema takes
/// a value.
pub(super) fn wrapped(
    schema: &Value,
    value: &Value,
    accepts: impl Fn(&Value, &Value) -> bool,
) -> Option<String> {
    let whole =
        value.as_f64().filter(|number| number.fract() == 0.0).map(|number| json!(number as i64));
    if let Some(plain) = unquoted(value).or(whole).filter(|plain| accepts(schema, plain)) {
        return Some(plain.to_string());
    }
    if value.is_null() {
        return None;
    }
    if type_fits(schema, &json!([])) && !value.is_array() {
        return list(schema, value, accepts);
    }
    if !type_fits(schema, &json!({})) {
        return None;
    }
    if *value == Value::Bool(true) {
        return accepts(schema, &json!({})).then(|| "{} for its defaults".to_owned());
    }
    if let Some(name) = value.as_str() {
        let objects: Vec<String> = with_name(schema, name)
            .iter()
            .filter(|object| accepts(schema, object))
            .map(Value::to_string)
            .collect();
        if !objects.is_empty() {
            return Some(objects.join(" or "));
        }
    }
    let [field] = schema["required"].as_array()?.as_slice() else { return None };
    let object = Value::Object(Map::from_iter([(field.as_str()?.to_owned(), value.clone())]));
    accepts(schema, &object).then(|| cut(&object))
}

/// The list that is meant by its only item, or by a text with commas.
fn list(schema: &Value, value: &Value, accepts: impl Fn(&Value, &Value) -> bool) -> Option<String> {
    let item = &schema["items"];
    let plain = unquoted(value).filter(|plain| accepts(item, plain));
    if let Some(only) = plain.as_ref().or_else(|| accepts(item, value).then_some(value)) {
        let several = only.as_str().and_then(|name| of_several(name, &names(item)));
        return Some(cut(&json!([only])) + several.as_deref().unwrap_or_default());
    }
    let text = value.as_str()?;
    let known = names(item);
    if let Some(name) = meant(text, &known.iter().copied()) {
        return Some(json!([name]).to_string() + &of_several(name, &known).unwrap_or_default());
    }
    let parts = text.trim_matches(['[', '(', ')', ']']).split(',').map(str::trim);
    let part = |part: &str| unquoted(&json!(part)).unwrap_or_else(|| json!(part));
    let list: Value = parts.filter(|part| !part.is_empty()).map(part).collect();
    accepts(schema, &list).then(|| cut(&list))
}

/// Where a scorer is of two classes, the one of several.
fn of_several(name: &str, known: &[&str]) -> Option<String> {
    let mut several = ["macro", "ovr"].iter().map(|kind| format!("{name}_{kind}"));
    let name = several.find(|name| known.contains(&name.as_str()))?;
    Some(format!(", or of several classes {}", json!([name])))
}

/// The objects that have one field, or one within one, which may be such a name.
fn with_name(schema: &Value, name: &str) -> Vec<Value> {
    let object =
        |field: &str, value: Value| Value::Object(Map::from_iter([(field.to_owned(), value)]));
    let fields = resolve(schema)["properties"].as_object().into_iter().flatten();
    let found = fields.flat_map(|(field, schema)| {
        let known = names(schema);
        let exact = known.iter().copied().find(|known| *known == name);
        match exact.or_else(|| meant(name, &known.iter().copied())) {
            Some(name) => vec![object(field, json!(name))],
            None => with_name(schema, name).into_iter().map(|value| object(field, value)).collect(),
        }
    });
    found.collect()
}

/// The names that a text may be.
fn names(schema: &Value) -> Vec<&str> {
    let schema = resolve(schema);
    match schema["oneOf"].as_array() {
        Some(variants) => variants.iter().flat_map(names).collect(),
        None => schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str).collect(),
    }
}

/// JSON as a message shows it.
fn cut(value: &Value) -> String {
    const MAX_CHARACTERS: usize = 200;
    let text = value.to_string();
    if text.chars().nth(MAX_CHARACTERS).is_some() { shown(&text) } else { text }
}
