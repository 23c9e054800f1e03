//! How many values fall between equally distant edges.

use serde::{Deserialize, Serialize};

use super::Bound;
use super::ordered::Ordered;

/// A histogram has at most so many bins.
pub const MAX_BINS: usize = 50;

/// Counts between equally distant edges: a value at an edge belongs to the bin above it, and the
/// last bin has both of its edges.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Histogram {
    /// Ascending, one more than there are bins; of a datetime column moments.
    pub edges: Vec<Bound>,
    /// The rows of each bin.
    pub counts: Vec<usize>,
}

/// As `numpy.histogram(values, bins="auto")` with at most [`MAX_BINS`] bins; `iqr` is what the
/// middle half of the values spans. `None` where the values span more than the finite numbers, and
/// without a value.
pub(super) fn of_numbers(values: &Ordered<'_, f64>, iqr: f64) -> Option<Histogram> {
    let (mut first, mut last) = values.ends()?;
    let n_bins = n_bins(last - first, iqr, values.len())?;
    if first == last {
        (first, last) = (first - 0.5, last + 0.5);
    }
    let step = (last - first) / n_bins as f64;
    let mut edges: Vec<f64> = (0..n_bins).map(|i| i as f64 * step + first).collect();
    edges.push(last);
    Some(Histogram {
        counts: counts(values, &edges),
        edges: edges.into_iter().map(Bound::Number).collect(),
    })
}

/// The same of moments, with edges at whole microseconds.
pub(super) fn of_moments(values: &Ordered<'_, i64>) -> Option<Histogram> {
    let (first, last) = values.ends()?;
    let span = last.checked_sub(first)?;
    let n = values.len();
    let middle = values.at(n - 1 - n / 4)?.checked_sub(values.at(n / 4)?)?;
    let n_bins = n_bins(span as f64, middle as f64, n)?;
    let at = |i: usize| {
        let (span, i, n_bins) = (i128::from(span), i as i128, n_bins as i128);
        first + (span * i / n_bins) as i64
    };
    let mut edges: Vec<i64> = (0..=n_bins).map(at).collect();
    edges.dedup();
    if edges.len() == 1 {
        edges.push(last);
    }
    Some(Histogram {
        counts: counts(values, &edges),
        edges: edges.into_iter().map(Bound::moment).collect::<Option<_>>()?,
    })
}

/// numpy's rule "auto": the narrower of Sturges' bins and Freedman's and Diaconis', these at most
/// twice the square root of the number of values.
fn n_bins(span: f64, iqr: f64, n: usize) -> Option<usize> {
    if !span.is_finite() || !iqr.is_finite() {
        return None;
    }
    let n = n as f64;
    let sturges = span / (n.log2() + 1.0);
    let freedman_diaconis = 2.0 * iqr * n.powf(-1.0 / 3.0);
    let width = freedman_diaconis.max(span / n.sqrt() / 2.0).min(sturges);
    // Of a single value the width is 0; so it is where a span has no digits left to divide.
    let bins = if width > 0.0 { (span / width).ceil() } else { 1.0 };
    Some((bins as usize).clamp(1, MAX_BINS))
}

fn counts<T>(values: &Ordered<'_, T>, edges: &[T]) -> Vec<usize>
where
    T: super::ordered::Ordinal + PartialOrd,
{
    let inner = &edges[1..edges.len() - 1];
    let mut before = 0;
    let upto = inner.iter().map(|edge| values.n_below(*edge)).chain([values.len()]);
    upto.map(|upto| upto - std::mem::replace(&mut before, upto)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64], iqr: f64) -> Histogram {
        of_numbers(&Ordered::new(values.iter().copied(), &mut Vec::new()), iqr).unwrap()
    }

    fn numbers(histogram: &Histogram) -> Vec<f64> {
        histogram.edges.iter().map(|edge| edge.as_number().unwrap()).collect()
    }

    #[test]
    fn bins_are_those_of_numpy() {
        // numpy 2.4: histogram([float(i * i % 97) for i in range(40)], bins="auto").
        let values: Vec<f64> = (0..40).map(|i| f64::from(i * i % 97)).collect();
        let found = of(&values, 46.5);
        assert_eq!(found.counts, [9, 5, 4, 7, 5, 3, 7]);
        for (index, found) in numbers(&found).iter().enumerate() {
            let expected = 96.0 / 7.0 * index as f64;
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
    }

    #[test]
    fn a_single_value_has_one_bin_about_it() {
        let found = of(&[3.0; 4], 0.0);
        assert_eq!((numbers(&found), found.counts), (vec![2.5, 3.5], vec![4]));
    }

    #[test]
    fn an_edge_belongs_to_the_bin_above_and_the_last_to_the_last() {
        let found = of(&[0.0, 1.0, 2.0, 3.0], 1.5);
        assert_eq!(numbers(&found), [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(found.counts, [1, 1, 2]);
    }

    #[test]
    fn bins_are_bounded() {
        let values: Vec<f64> = (0..1_000_000).map(|i| f64::from(i % 1_000)).collect();
        let found = of(&values, 499.5);
        assert_eq!((found.counts.len(), found.counts.iter().sum()), (MAX_BINS, 1_000_000));
        assert_eq!(found.counts[0], 20_000);
    }

    #[test]
    fn values_too_far_apart_have_none() {
        let mut buffer = Vec::new();
        let values = Ordered::new([-f64::MAX, f64::MAX].into_iter(), &mut buffer);
        assert_eq!(of_numbers(&values, f64::MAX), None);
    }

    #[test]
    fn moments_have_moments_as_edges() {
        let of = |times: &[i64]| {
            of_moments(&Ordered::new(times.iter().copied(), &mut Vec::new())).unwrap()
        };
        let found = of(&[0, 10, 20, 30]);
        assert_eq!(found.edges, [0, 10, 20, 30].map(Bound::Moment));
        assert_eq!(found.counts, [1, 1, 2]);
        let found = of(&[7, 7]);
        assert_eq!((found.edges, found.counts), (vec![Bound::Moment(7); 2], vec![2]));
        // Two neighbours have no moment between them for an edge.
        let found = of(&[7, 8, 8, 8, 8, 8, 8, 8]);
        assert_eq!(
            (found.edges, found.counts),
            (vec![Bound::Moment(7), Bound::Moment(8)], vec![8])
        );
    }
}
