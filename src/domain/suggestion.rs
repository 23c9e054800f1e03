//! A job to begin with, from what is in a dataset: which column to predict, from which others, how.
//!
//! It is meant to run as it is and to be understood, not to be the best there is: every choice has
//! its reason in words. Start reading at [`suggest`].

mod columns;
mod recipe;

use serde::Serialize;
use serde_json::{Value, json};
use trainyard_learn::describe::{DescribedColumn, is_whole};
use trainyard_learn::findings;
use trainyard_learn::problem::Problem;
use trainyard_learn::table::{ColumnType, Table};
use utoipa::ToSchema;

use super::dataset::{Dataset, Warning};
use super::limits::Limits;
use super::spec::{JobRequest, TaskRequest, check};
use columns::Target;

/// A job spec that runs, with the reasons for what is in it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Suggestion {
    /// The column to predict.
    pub target: String,
    /// Whether it holds classes or amounts.
    pub task: TaskRequest,
    /// What `POST /v1/jobs` takes as it is.
    #[schema(value_type = Object)]
    pub spec: Value,
    /// Why each part of the spec is what it is.
    pub reasons: Vec<Reason>,
    /// The columns that are not predicted from, each with the reason.
    pub left_out: Vec<LeftOut>,
    /// What the user should know before training.
    pub warnings: Vec<Warning>,
}

/// Why a part of a spec is what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Reason {
    /// The part, as a JSON pointer into the spec.
    pub pointer: String,
    /// Why, in a sentence.
    pub detail: String,
}

/// A column that is not predicted from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LeftOut {
    /// The column.
    pub column: String,
    /// The code of the finding that keeps it out.
    pub code: String,
    /// Why, in a sentence.
    pub detail: String,
}

impl Reason {
    fn new(pointer: &str, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.to_owned(), detail: detail.into() }
    }
}

/// Where the target is named in a request.
pub const TARGET_POINTER: &str = "/query/target";

/// Suggests a job on a dataset; without a target the likeliest column is taken. `table` is the
/// dataset's own.
///
/// # Errors
/// Everything that keeps a job from being suggested, where there is no such column or nothing is
/// left to predict it from.
pub fn suggest(
    dataset: &Dataset,
    table: &Table,
    target: Option<&str>,
    limits: &Limits,
) -> Result<Suggestion, Vec<Problem>> {
    let described = &dataset.content.columns;
    let Target { column, reason } = columns::target(dataset, target, limits)?;
    let name = column.description.name.as_str();
    let mut reasons = vec![reason];
    let task = task(column);
    reasons.push(Reason::new("/task", task_reason(column, task)));

    let mut about_target = findings::about_target(table, described, name);
    about_target.retain(|f| task == TaskRequest::Classification || f.code != "class_imbalance");
    let mut out = findings::unfit_columns(table, described);
    out.extend(about_target.iter().filter(|f| f.code == "gives_target_away").cloned());
    let (features, left_out) = columns::features(dataset, name, &out);
    if features.is_empty() {
        let why: Vec<&str> = left_out.iter().take(5).map(|out| out.detail.as_str()).collect();
        let detail = format!("no column is left to predict {name:?} from: {}", why.join("; "));
        let way_out = "name another target, or upload other columns";
        return Err(vec![Problem::new(TARGET_POINTER, detail).suggest(way_out)]);
    }
    let n_out = left_out.len();
    if n_out > 0 {
        let detail = format!("{} columns are used; {n_out} are left out", features.len());
        reasons.push(Reason::new("/features", detail));
    }
    let mut spec = json!({
        "dataset_id": dataset.id,
        "target": name,
        "features": features,
        "task": task,
    });
    let used = || features.iter().filter_map(|name| dataset.column(name)).map(|c| &c.description);
    let described = || features.iter().filter_map(|name| dataset.column(name));
    let is_crowded = |column: &&DescribedColumn| {
        findings::too_many_categories(column, dataset.n_rows()).is_some()
            || column.description.column_type == ColumnType::Categorical
                && column.description.n_unique > recipe::MAX_ONE_HOT
    };
    let crowded = described().filter(is_crowded).map(|c| c.description.name.as_str()).collect();
    // Found at upload, and kept with the dataset.
    let outliers = dataset.content.warnings.iter().filter(|warning| warning.code == "outliers");
    let far_out = outliers.filter_map(|warning| warning.column.as_deref());
    let far_out = far_out.filter(|name| features.iter().any(|feature| feature == name)).collect();
    let data = recipe::Data {
        crowded,
        far_out,
        has_gaps: used().any(|column| column.column_type.is_number() && column.n_missing > 0),
        has_categories: used().any(|column| column.column_type == ColumnType::Categorical),
        target: column,
        task,
        n_rows: dataset.n_rows(),
        is_unbalanced: about_target.iter().any(|f| f.code == "class_imbalance"),
    };
    recipe::fill(&data, &mut spec, &mut reasons);

    // Whatever is suggested is checked as if it had been sent.
    let request: JobRequest = serde_json::from_value(spec.clone())
        .map_err(|error| vec![Problem::new("", error.to_string())])?;
    let checked = check(request, dataset, limits).map_err(|problems| moved(problems, name))?;
    let mut warnings: Vec<Warning> = about_target.into_iter().map(Warning::from).collect();
    for warning in checked.warnings {
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
    Ok(Suggestion { target: name.to_owned(), task, spec, reasons, left_out, warnings })
}

/// What is wrong with a suggested spec is told of the one thing that was asked for.
fn moved(problems: Vec<Problem>, target: &str) -> Vec<Problem> {
    let told = |mut problem: Problem| {
        let about = std::mem::replace(&mut problem.pointer, TARGET_POINTER.to_owned());
        if about != "/target" {
            problem.detail = format!("no job on {target:?} would run: {about} {}", problem.detail);
        }
        problem
    };
    problems.into_iter().map(told).collect()
}

/// Whole numbers of more distinct values are amounts, as for `"task": "auto"`.
const MAX_INFERRED_CLASSES: usize = 32;

/// Classes, unless they are numbers that no one would call so.
fn task(column: &DescribedColumn) -> TaskRequest {
    let few = is_whole(column) && column.description.n_unique <= MAX_INFERRED_CLASSES;
    if column.description.column_type == ColumnType::Numeric && !(few && smallest_class(column) > 1)
    {
        TaskRequest::Regression
    } else {
        TaskRequest::Classification
    }
}

fn task_reason(column: &DescribedColumn, task: TaskRequest) -> String {
    let n = column.description.n_unique;
    match (column.description.column_type, task) {
        (ColumnType::Numeric, TaskRequest::Regression) => {
            format!("the target holds amounts: {n} distinct numbers")
        }
        (ColumnType::Numeric, _) => {
            format!("the target holds {n} whole numbers that come again and again, as classes do")
        }
        _ => format!("the target holds {n} classes"),
    }
}

/// The rows of the rarest class.
fn smallest_class(column: &DescribedColumn) -> usize {
    let classes = column.values.as_deref().unwrap_or_default();
    classes.iter().map(|class| class.count).min().unwrap_or(0)
}

#[cfg(test)]
mod tests;
