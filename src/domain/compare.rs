//! Which of several jobs' models is better, and how sure that is.
//!
//! Jobs are compared on the folds that they share: the same rows trained on and tested. The tests
//! are [`trainyard_learn::inference`]'s; here is who may be compared, and how it is told.

use serde::{Deserialize, Serialize};
use trainyard_learn::inference::{
    McNemar, PairedT, Posterior, cohens_d, corrected_paired_t, correlated_t, holm, mcnemar,
};
use trainyard_learn::metrics::Scorer;
use trainyard_learn::model::{Predicted, Truth};
use trainyard_learn::problem::Problem;
use utoipa::ToSchema;

use super::ids::{DatasetId, JobId};
use super::job::{FoldResult, JobStatus, ScoreSummary};
use super::pooled::Pooled;
use super::spec::JobSpec;
use super::suggest::shown;

/// What to compare.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "job_ids": ["job_01890a5d-ac96-774b-bcce-b302099a8057", "job_01890a5d-ac96-774b-bcce-b302099a8058"],
    "metric": "accuracy"
}))]
pub struct CompareRequest {
    /// Two jobs or more that have succeeded, on the same data with the same target and folds.
    #[schema(min_items = 2, max_items = 20, value_type = Vec<JobId>)]
    pub job_ids: Vec<String>,
    /// The score to compare them by; each job must have it in its `scoring`.
    pub metric: Scorer,
    /// Half the width of the region of practical equivalence, in the score's units: differences
    /// within it do not matter.
    #[serde(default = "default_rope")]
    #[schema(minimum = 0.0, default = 0.01)]
    pub rope: f64,
    /// Of the intervals.
    #[serde(default = "default_confidence")]
    #[schema(exclusive_minimum = 0.0, exclusive_maximum = 1.0, default = 0.95)]
    pub confidence: f64,
}

/// A job to compare, and all that is needed of it.
#[derive(Clone, Debug)]
pub struct Contender {
    /// The job.
    pub id: JobId,
    /// Where it stands.
    pub status: JobStatus,
    /// What it ran.
    pub spec: JobSpec,
    /// The bytes it ran on, and how they were read, in words that differ where these do.
    pub data: String,
    /// Its folds, in order.
    pub folds: Vec<FoldResult>,
    /// Whether each row was predicted rightly, as [`right`] says; nothing where the predictions are too
    /// many.
    pub right: Option<Vec<(u32, bool)>>,
}

/// How jobs compare.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Comparison {
    /// The score that they are compared by; more is better.
    pub metric: Scorer,
    /// The dataset of the first of them.
    pub dataset_id: DatasetId,
    /// Folds that they share.
    pub n_folds: usize,
    /// The jobs, the best mean first.
    pub jobs: Vec<Compared>,
    /// Every two of them, in the order of `jobs`.
    pub pairs: Vec<Pair>,
    /// Half the width of the region of practical equivalence.
    pub rope: f64,
    /// Of the intervals.
    pub confidence: f64,
    /// What there is to say, in a sentence.
    pub summary: String,
}

/// One of the jobs compared.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Compared {
    /// The job.
    pub job_id: JobId,
    /// What its client calls it.
    pub name: Option<String>,
    /// The model's name in its spec.
    pub model: String,
    /// Its scores over the folds.
    #[serde(flatten)]
    pub score: ScoreSummary,
}

/// Two jobs, the first of them with the better mean.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Pair {
    /// The one with the better mean.
    pub first: JobId,
    /// The other.
    pub second: JobId,
    /// The corrected resampled t-test of the differences of their scores, fold by fold (Nadeau and
    /// Bengio): it allows for the rows that folds share.
    pub corrected_t: PairedT,
    /// Its p-value by Holm's correction for all pairs.
    pub p_value_holm: f64,
    /// How probable it is that `second` is better, that they are as good as equal, and that `first` is
    /// better, by more than `rope` each (Corani and Benavoli's Bayesian correlated t-test).
    pub bayes: Posterior,
    /// The mean difference over its standard deviation from fold to fold (Cohen's d of paired
    /// samples); null where all differences are equal.
    pub effect_size: Option<f64>,
    /// McNemar's test of the rows that only one of them has right, each row as it was tested first;
    /// null of amounts, and where the predictions are too many to be looked at.
    pub mcnemar: Option<McNemar>,
    /// McNemar's p-value by Holm's correction for all pairs.
    pub mcnemar_p_value_holm: Option<f64>,
    /// The same in a sentence.
    pub summary: String,
}

fn default_rope() -> f64 {
    0.01
}

fn default_confidence() -> f64 {
    0.95
}

/// Compares jobs.
///
/// # Errors
/// A problem for each job that cannot be compared with the first, with pointers into the request.
pub fn compare(
    request: &CompareRequest,
    contenders: &[Contender],
    summaries: &[ScoreSummary],
) -> Result<Comparison, Vec<Problem>> {
    let mut problems = Vec::new();
    for (index, contender) in contenders.iter().enumerate() {
        let found = cannot_be_compared(contender, &contenders[0], request.metric);
        problems.extend(found.map(|problem| problem.below(&format!("/job_ids/{index}"))));
        if contenders[..index].iter().any(|other| other.id == contender.id) {
            problems.push(Problem::new(format!("/job_ids/{index}"), "is there already"));
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut scores = Vec::with_capacity(contenders.len());
    for (index, contender) in contenders.iter().enumerate() {
        let of_fold =
            |fold: &FoldResult| fold.scores.get(&*request.metric.name()).copied().flatten();
        let found: Option<Vec<f64>> = contender.folds.iter().map(of_fold).collect();
        if found.is_none() {
            let detail = format!(
                "`{}` is undefined in some of its folds; it needs {}",
                request.metric.name(),
                request.metric.needs()
            );
            problems.push(Problem::new(format!("/job_ids/{index}"), detail));
        }
        scores.push(found.unwrap_or_default());
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mean = |index: usize| summaries[index].mean.unwrap_or(f64::NEG_INFINITY);
    let mut order: Vec<usize> = (0..contenders.len()).collect();
    order.sort_by(|a, b| mean(*b).total_cmp(&mean(*a)));
    let mut pairs = Vec::new();
    for (place, first) in order.iter().enumerate() {
        for second in &order[place + 1..] {
            let differences: Vec<f64> =
                scores[*first].iter().zip(&scores[*second]).map(|(a, b)| a - b).collect();
            let (a, b) = (&contenders[*first], &contenders[*second]);
            pairs.extend(pair(request, [a, b], &differences));
        }
    }
    if pairs.is_empty() {
        let detail = "the jobs share one fold only; two are needed to compare them";
        return Err(vec![Problem::new("/job_ids", detail).suggest("a `cv` of several folds")]);
    }
    correct_for_many(&mut pairs);
    for pair in &mut pairs {
        pair.summary = sentence(request, pair, contenders);
    }
    let compared = |index: &usize| {
        let Contender { id, spec, .. } = &contenders[*index];
        let (name, model) = (spec.name.clone(), spec.model.name().to_owned());
        Compared { job_id: *id, name, model, score: summaries[*index] }
    };
    Ok(Comparison {
        metric: request.metric,
        dataset_id: contenders[0].spec.dataset_id,
        n_folds: contenders[0].folds.len(),
        jobs: order.iter().map(compared).collect(),
        rope: request.rope,
        confidence: request.confidence,
        summary: overall(request, &pairs, contenders),
        pairs,
    })
}

/// Why a job cannot be compared with the first; of one problem the others would follow.
fn cannot_be_compared(contender: &Contender, first: &Contender, metric: Scorer) -> Option<Problem> {
    let (spec, reference) = (&contender.spec, &first.spec);
    let problem = |detail: &str| Some(Problem::new("", detail));
    if contender.status != JobStatus::Succeeded {
        return problem("has not succeeded");
    }
    if spec.cv.is_none() {
        return problem("has no `cv`, and so no scores on rows that it was not trained on");
    }
    if spec.curve.is_some() {
        return problem("draws a curve, and keeps no model to be compared");
    }
    if !spec.scoring.contains(&metric) {
        let known: Vec<_> = spec.scoring.iter().map(|scorer| scorer.name()).collect();
        let detail = format!("does not have `{}` in its `scoring`", metric.name());
        let way_out = format!("run it again with it, or compare by one of: {}", known.join(", "));
        return Some(Problem::new("", detail).suggest(way_out));
    }
    let way_out = "run it again with the first job's";
    if contender.data != first.data {
        return problem("ran on other data than the first job: their folds hold other rows");
    }
    if spec.target != reference.target || spec.task != reference.task {
        return problem("predicts another target than the first job");
    }
    if spec.scoring_weight != reference.scoring_weight {
        let detail = "its scores weigh rows in another way than the first job's";
        return Some(Problem::new("", detail).suggest(format!("{way_out} `scoring_weight`")));
    }
    if spec.cv != reference.cv {
        let detail = "its folds differ from the first job's: scores are compared fold by fold";
        return Some(Problem::new("", detail).suggest(format!("{way_out} `cv`, seed included")));
    }
    let rows = |fold: &FoldResult| (fold.repeat, fold.fold, fold.n_train, fold.n_test);
    if !contender.folds.iter().map(rows).eq(first.folds.iter().map(rows)) {
        return problem("its folds differ from the first job's");
    }
    None
}

/// Whether each row was predicted rightly, as it was tested first, by the rows' numbers; nothing of
/// amounts.
pub fn right(pooled: &Pooled) -> Option<Vec<(u32, bool)>> {
    let is_right: Vec<bool> = match (&pooled.truth, &pooled.predicted) {
        (
            Truth::Classes(target),
            Predicted::Decisions { prediction, .. } | Predicted::Probabilities { prediction, .. },
        ) => target.iter().zip(prediction).map(|(a, b)| a == b).collect(),
        (Truth::Values(target), Predicted::Labels { probabilities, n_labels }) => {
            let of_row = |(target, said): (&[f64], &[f32])| {
                target.iter().zip(said).all(|(a, b)| (*a > 0.5) == (*b > 0.5))
            };
            let width = (*n_labels).max(1);
            target.chunks_exact(width).zip(probabilities.chunks_exact(width)).map(of_row).collect()
        }
        _ => return None,
    };
    let mut rows: Vec<(u32, bool)> = pooled.rows.iter().copied().zip(is_right).collect();
    // Of a row that was tested again, the first test stays the first.
    rows.sort_by_key(|(row, _)| *row);
    rows.dedup_by_key(|(row, _)| *row);
    Some(rows)
}

fn pair(
    request: &CompareRequest,
    [first, second]: [&Contender; 2],
    differences: &[f64],
) -> Option<Pair> {
    let n = first.folds.len() as f64;
    let mean = |rows: fn(&FoldResult) -> u32| {
        first.folds.iter().map(|fold| f64::from(rows(fold))).sum::<f64>() / n
    };
    let (n_train, n_test) = (mean(|fold| fold.n_train), mean(|fold| fold.n_test));
    let corrected_t = corrected_paired_t(differences, n_train, n_test, request.confidence)?;
    let by_rows = first.right.as_deref().zip(second.right.as_deref()).map(|(a, b)| {
        let only = |one: &[(u32, bool)], other: &[(u32, bool)]| {
            let is_wrong = |row: u32| other.binary_search(&(row, false)).is_ok();
            one.iter().filter(|(row, right)| *right && is_wrong(*row)).count() as u64
        };
        mcnemar(only(a, b), only(b, a))
    });
    Some(Pair {
        first: first.id,
        second: second.id,
        p_value_holm: corrected_t.p_value,
        corrected_t,
        bayes: correlated_t(differences, n_train, n_test, request.rope)?,
        effect_size: cohens_d(differences),
        mcnemar_p_value_holm: by_rows.map(|found| found.p_value),
        mcnemar: by_rows,
        summary: String::new(),
    })
}

fn correct_for_many(pairs: &mut [Pair]) {
    let p_values: Vec<f64> = pairs.iter().map(|pair| pair.corrected_t.p_value).collect();
    for (pair, p) in pairs.iter_mut().zip(holm(&p_values)) {
        pair.p_value_holm = p;
    }
    let p_values: Option<Vec<f64>> =
        pairs.iter().map(|pair| pair.mcnemar.map(|found| found.p_value)).collect();
    for (pair, p) in pairs.iter_mut().zip(holm(&p_values.unwrap_or_default())) {
        pair.mcnemar_p_value_holm = Some(p);
    }
}

/// A p-value below this is called significant, and a probability above its complement certain.
const LEVEL: f64 = 0.05;

/// A job as its client calls it, or by its model.
fn name(id: JobId, contenders: &[Contender]) -> String {
    let found = contenders.iter().find(|contender| contender.id == id);
    match found.map(|contender| (&contender.spec.name, contender.spec.model.name())) {
        Some((Some(name), _)) => shown(name),
        Some((None, model)) => format!("{model} ({id})"),
        None => id.to_string(),
    }
}

fn sentence(request: &CompareRequest, pair: &Pair, contenders: &[Contender]) -> String {
    let PairedT { mean_difference, interval: [low, high], .. } = pair.corrected_t;
    let Posterior { below, within, above } = pair.bayes;
    let p = pair.p_value_holm;
    let verdict =
        if p < LEVEL { "which is more than folds differ by chance" } else { "which may be chance" };
    let share = |p: f64| format!("{:.1} %", 100.0 * p);
    let practice = if within > 1.0 - LEVEL {
        format!("in practice they are equal ({} within {})", share(within), request.rope)
    } else if above > 1.0 - LEVEL {
        format!("the first is better by more than {} ({})", request.rope, share(above))
    } else {
        format!(
            "that the first is better by more than {rope} has a probability of {}, that they are \
             equal within it one of {}, that the second is better one of {}",
            share(above),
            share(within),
            share(below),
            rope = request.rope
        )
    };
    format!(
        "{} is {mean_difference:.4} above {} in {} ({:.0} % interval {low:.4} to {high:.4}), {verdict} \
         (p = {p:.3}); {practice}.",
        name(pair.first, contenders),
        name(pair.second, contenders),
        request.metric.name(),
        100.0 * request.confidence
    )
}

fn overall(request: &CompareRequest, pairs: &[Pair], contenders: &[Contender]) -> String {
    let (of_best, n_others) = (&pairs[..contenders.len() - 1], contenders.len() - 1);
    let n_found = pairs.iter().filter(|pair| pair.p_value_holm < LEVEL).count();
    let n_better = of_best.iter().filter(|pair| pair.p_value_holm < LEVEL).count();
    let n_equal = of_best.iter().filter(|pair| pair.bayes.within > 1.0 - LEVEL).count();
    let best = name(pairs[0].first, contenders);
    let found = match (n_better, n_others) {
        (0, 1) => format!("{best} has the better mean, and the difference may be chance"),
        (1, 1) => format!("{best} is better than the other"),
        (0, _) => format!(
            "{best} has the best mean; it is told apart from none of the others, and {n_found} of {} \
             pairs are",
            pairs.len()
        ),
        (better, others) if better == others => format!("{best} is better than all the others"),
        (better, others) => {
            format!("{best} has the best mean, and is told apart from {better} of {others} others")
        }
    };
    let rope = request.rope;
    match (n_equal, n_others) {
        (0, _) => format!("{found}."),
        (_, 1) => format!("{found}; in practice both are equal (within {rope})."),
        (equal, others) => {
            format!("{found}; in practice it is equal to {equal} of {others} (within {rope}).")
        }
    }
}
