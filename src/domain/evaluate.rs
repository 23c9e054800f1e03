//! A stored model on another dataset: what the dataset lacks, and what the model says of its rows.

use trainyard_learn::artifact::TrainedModel;
use trainyard_learn::kernels::Crew;
use trainyard_learn::losses::TargetKind;
use trainyard_learn::metrics::Scorer;
use trainyard_learn::model::Truth;
use trainyard_learn::preprocess::Report;
use trainyard_learn::problem::Problem;
use trainyard_learn::scalar::Scalar;
use trainyard_learn::table::{Column, Table};

use super::dataset::{Dataset, Warning};
use super::inputs::from_table;
use super::pooled::Pooled;
use super::predictions::FoldPredictions;
use super::spec::weight_column;
use super::suggest::{nearest, shown};

/// Rows are predicted so many at a time.
const BLOCK_ROWS: usize = 8_192;

/// A warning for a dataset that the model was trained on.
pub fn trained_on_these(n_rows: usize) -> Warning {
    let detail = "the model was trained on these rows: its scores on them say little";
    let evidence = serde_json::json!({ "share": 1.0, "n_rows": n_rows });
    Warning { evidence: Some(evidence), ..Warning::new("train_test_overlap", detail) }
}

/// Numbers predicted of a row.
pub fn width(model: &TrainedModel) -> usize {
    model.classes.len().max(model.targets.len())
}

/// What the dataset lacks, and what is no score of such a target.
pub fn problems(
    model: &TrainedModel,
    dataset: &Dataset,
    scoring: &[Scorer],
    weight: Option<&str>,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    problems.extend(weight.and_then(|name| weight_column("/scoring_weight", name, dataset)));
    for (index, scorer) in scoring.iter().enumerate() {
        if weight.is_some() && !scorer.takes_weights() {
            let detail = format!("`{}` takes no weights", scorer.name());
            let problem = Problem::new(format!("/scoring/{index}"), detail);
            problems.push(problem.suggest("leave out `scoring_weight`, or this score"));
        }
    }
    let wanted = model.preprocessor.inputs();
    for name in wanted.chain(model.targets.iter().map(String::as_str)) {
        let Some(column) = dataset.column(name) else {
            let detail = format!("the dataset has no column {}", shown(name));
            let problem = Problem::new("/dataset_id", detail);
            problems.push(match nearest(name, dataset.column_names()) {
                Some(near) => problem.suggest(format!("it has {}", shown(near))),
                None => problem,
            });
            continue;
        };
        if model.targets.iter().any(|target| target == name) && column.description.n_missing > 0 {
            let n = column.description.n_missing;
            let detail = format!("column {} has {n} missing values", shown(name));
            let problem = Problem::new("/dataset_id", detail);
            problems.push(problem.suggest("upload the rows whose target is known"));
        }
    }
    for (index, scorer) in scoring.iter().enumerate().filter(|(_, s)| !s.fits(model.kind())) {
        let detail = format!("`{}` does not fit what the model predicts", scorer.name());
        let problem = Problem::new(format!("/scoring/{index}"), detail);
        problems.push(match scorer.instead(model.kind()) {
            Some(near) => problem.suggest(near.name()),
            None => problem,
        });
    }
    problems
}

/// How much each row counts in the scores, if not all alike.
pub fn weights(table: &Table, column: Option<&str>) -> Option<Vec<f64>> {
    let column = table.matrix(&[column?.to_owned()])?;
    Some(column.into_raw_vec_and_offset().0)
}

/// What the model says of all rows, beside what they are, and what in them had no proper value.
///
/// Nothing once somebody wants it to `stop`, which is asked before each few thousand rows.
///
/// # Errors
/// What the rows hold that the model does not take, or does not predict.
pub fn predict_all(
    model: &TrainedModel,
    table: &Table,
    stop: &dyn Fn() -> bool,
) -> Result<Option<(Pooled, Report)>, Vec<Problem>> {
    let missing = |name: &str| {
        let detail = format!("column {} holds what the model does not predict", shown(name));
        vec![Problem::new("/dataset_id", detail)]
    };
    let truth = match model.kind() {
        TargetKind::Classes { .. } => {
            let labels: Vec<String> = model.classes.iter().map(Scalar::text).collect();
            let name = &model.targets[0];
            Truth::Classes(table.class_indices(name, &labels).ok_or_else(|| {
                let detail = format!(
                    "column {} holds a class that the model does not know; it knows {}",
                    shown(name),
                    labels.join(", ")
                );
                vec![Problem::new("/dataset_id", detail)]
            })?)
        }
        TargetKind::Values { .. } | TargetKind::Labels { .. } => {
            let values = table.matrix(&model.targets);
            let values = values.ok_or_else(|| missing(&model.targets[0]))?;
            Truth::Values(values.into_raw_vec_and_offset().0)
        }
    };
    let wanted = model.preprocessor.inputs().filter_map(|name| table.column(name));
    let own = Table::new(wanted.cloned().collect::<Vec<Column>>());
    let columns = from_table(&own, &model.preprocessor).map_err(|problems| {
        let of_dataset =
            |problem: Problem| Problem { pointer: "/dataset_id".to_owned(), ..problem };
        problems.into_iter().map(of_dataset).collect::<Vec<Problem>>()
    })?;
    let columns: Vec<&Column> = columns.iter().collect();
    let n_features = model.preprocessor.n_features();
    let rows: Vec<u32> = (0..table.n_rows() as u32).collect();
    let mut met = Report::default();
    let mut crew = Crew::new(1);
    let mut x = vec![0.0; BLOCK_ROWS.min(rows.len()) * n_features];
    let mut parts = Vec::new();
    for rows in rows.chunks(BLOCK_ROWS) {
        if stop() {
            return Ok(None);
        }
        let x = &mut x[..rows.len() * n_features];
        met.absorb(model.preprocessor.transform(&columns, rows, x));
        let predicted = model.predict(x, n_features, &mut crew);
        parts.push(FoldPredictions {
            rows: rows.to_vec(),
            truth: part(&truth, rows, model.targets.len()),
            predicted,
        });
    }
    let refused = refused(&met);
    if !refused.is_empty() {
        return Err(refused);
    }
    Ok(Some((Pooled::of(parts).ok_or_else(|| missing(&model.targets[0]))?, met)))
}

fn part(truth: &Truth, rows: &[u32], n_outputs: usize) -> Truth {
    let range = |width: usize| {
        let first = rows.first().map_or(0, |row| *row as usize);
        first * width..(first + rows.len()) * width
    };
    match truth {
        Truth::Classes(classes) => Truth::Classes(classes[range(1)].to_vec()),
        Truth::Values(values) => Truth::Values(values[range(n_outputs)].to_vec()),
    }
}

/// Rows that the model cannot speak of.
pub fn refused(met: &Report) -> Vec<Problem> {
    let mut problems = Vec::new();
    for rows in &met.missing {
        let detail = format!(
            "the value of {} is missing in {} rows, first in row {}, and nothing stands for it",
            shown(&rows.column),
            rows.count,
            rows.first_row
        );
        let way_out = "give the value, or train with `impute`";
        problems.push(Problem::new("", detail).suggest(way_out));
    }
    for unseen in met.refused() {
        let detail = format!(
            "{} of {} in row {} is a category that the model was not trained on",
            shown(&unseen.first_value),
            shown(&unseen.column),
            unseen.first_row
        );
        problems.push(Problem::new("", detail));
    }
    problems
}

/// Columns of the dataset with missing values, of which no row that the model was trained on missed one.
pub fn gaps(model: &TrainedModel, dataset: &Dataset) -> Vec<Warning> {
    let gap = |name| {
        let column = &dataset.column(name)?.description;
        (column.n_missing > 0).then(|| filled(name, column.n_missing))
    };
    model.preprocessor.whole_inputs().filter_map(gap).collect()
}

/// The same of rows to predict, in columns as the model takes them.
pub fn imputed(model: &TrainedModel, columns: &[&Column]) -> Vec<Warning> {
    let rows = model.preprocessor.imputed(columns);
    rows.iter().map(|rows| filled(&rows.column, rows.count)).collect()
}

fn filled(column: &str, n_rows: usize) -> Warning {
    let detail = format!(
        "column {}: {n_rows} rows have no value, which none of the rows that the model was trained on \
         lacked; what stands for it was found in theirs",
        shown(column)
    );
    Warning::new("imputed", detail).column(column)
}

/// Categories that the model was not trained on, where the spec allows them.
pub fn unseen(met: &Report) -> Vec<Warning> {
    met.unseen
        .iter()
        .map(|unseen| {
            let detail = format!(
                "column {}: {} rows have a category that the model was not trained on, first {} in \
                 row {}",
                shown(&unseen.column),
                unseen.count,
                shown(&unseen.first_value),
                unseen.first_row
            );
            Warning::new("unseen_category", detail).column(&unseen.column)
        })
        .collect()
}
