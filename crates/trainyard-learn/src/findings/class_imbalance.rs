//! A class that is much rarer than another: a model can be right most of the time without it.

use serde_json::json;

use super::{Finding, shown};
use crate::describe::DescribedColumn;

/// The largest class may have so many times the rows of the smallest.
const MAX_RATIO: f64 = 20.0;

/// The column holds the classes to tell apart; whether it does is the caller's knowledge.
pub fn class_imbalance(target: &DescribedColumn) -> Option<Finding> {
    let classes = target.values.as_deref().filter(|classes| classes.len() >= 2)?;
    let largest = classes.iter().max_by_key(|class| class.count)?;
    let smallest = classes.iter().min_by_key(|class| class.count)?;
    let ratio = largest.count as f64 / smallest.count.max(1) as f64;
    if ratio <= MAX_RATIO {
        return None;
    }
    let (large, small) = (largest.value.text(), smallest.value.text());
    let detail = format!(
        "class {} has {ratio:.0} times the rows of class {}; judge by balanced_accuracy or \
         f1_macro, keep folds stratified, and consider class_weight \"balanced\"",
        shown(&large),
        shown(&small)
    );
    let evidence = json!({
        "ratio": ratio,
        "largest": { "class": large, "count": largest.count },
        "smallest": { "class": small, "count": smallest.count },
    });
    Some(Finding::of_column("class_imbalance", &target.description.name, &detail, evidence))
}
