//! How much of a target of amounts a column alone explains.

use super::MIN_ROWS;

/// The correlation of the values and that of their ranks, over the rows that have a value; `None`
/// where those are too few or one side does not vary.
pub(super) fn correlations(numbers: &[f64], amounts: &[f64]) -> Option<(f64, f64)> {
    let pairs = numbers.iter().zip(amounts).filter(|(number, _)| !number.is_nan());
    let (x, y): (Vec<f64>, Vec<f64>) = pairs.unzip();
    if x.len() < MIN_ROWS {
        return None;
    }
    Some((correlation(&x, &y)?, correlation(&ranks(&x), &ranks(&y))?))
}

fn correlation(x: &[f64], y: &[f64]) -> Option<f64> {
    let standard = |values: &[f64]| {
        // Divided first, so that nothing overflows.
        let largest = values.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
        let scaled: Vec<f64> = values.iter().map(|v| v / largest).collect();
        let mean = scaled.iter().sum::<f64>() / scaled.len() as f64;
        let centred: Vec<f64> = scaled.iter().map(|v| v - mean).collect();
        let norm = centred.iter().map(|v| v * v).sum::<f64>().sqrt();
        (norm > 1e-12).then_some((centred, norm))
    };
    let ((x, x_norm), (y, y_norm)) = (standard(x)?, standard(y)?);
    Some(x.iter().zip(&y).map(|(x, y)| x * y).sum::<f64>() / x_norm / y_norm)
}

/// Places in the order; equal values share the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut place = 0;
    for run in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let rank = place as f64 + (run.len() - 1) as f64 / 2.0;
        run.iter().for_each(|index| ranks[*index] = rank);
        place += run.len();
    }
    ranks
}

/// The share of the variance that the means of the groups explain, each row judged by the others of
/// its group; a row alone in its group explains nothing.
pub(super) fn explained_by(groups: &[u32], amounts: &[f64]) -> f64 {
    let n = amounts.len() as f64;
    let mean = amounts.iter().sum::<f64>() / n;
    let n_groups = groups.iter().max().map_or(0, |most| *most as usize + 1);
    let mut sums = vec![(0.0, 0.0); n_groups];
    for (group, amount) in groups.iter().zip(amounts) {
        let (sum, count) = &mut sums[*group as usize];
        (*sum, *count) = (*sum + (amount - mean), *count + 1.0);
    }
    let (mut left, mut all) = (0.0, 0.0);
    for (group, amount) in groups.iter().zip(amounts) {
        let (sum, count) = sums[*group as usize];
        let centred = amount - mean;
        all += centred * centred;
        let rest =
            if count > 1.0 { (centred - sum / count) * count / (count - 1.0) } else { centred };
        left += rest * rest;
    }
    1.0 - left / all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn correlations_of_values_and_ranks() {
        let x: Vec<f64> = (0..40).map(f64::from).collect();
        let y: Vec<f64> = x.iter().map(|v| (v / 4.0).exp()).collect();
        let (plain, ranked) = correlations(&x, &y).unwrap();
        // numpy: corrcoef(arange(40), exp(arange(40) / 4)).
        assert!((plain - 0.694_424_912_007_896_4).abs() < 1e-12, "{plain}");
        assert!((ranked - 1.0).abs() < 1e-12, "{ranked}");
        assert_eq!(correlations(&x[..29], &y[..29]), None);
        assert_eq!(correlations(&[1.0; 40], &y), None);
        let huge: Vec<f64> = x.iter().map(|v| v * 1e306).collect();
        assert!((correlations(&huge, &x).unwrap().0 - 1.0).abs() < 1e-12);
        assert_eq!(ranks(&[5.0, 1.0, 5.0, 0.0]), [2.5, 1.0, 2.5, 0.0]);
    }

    #[test]
    fn groups_of_one_explain_nothing() {
        assert_eq!(explained_by(&[0, 1, 2, 3], &[1.0, 2.0, 3.0, 4.0]), 0.0);
        assert_eq!(explained_by(&[0, 0, 1, 1], &[1.0, 1.0, 3.0, 3.0]), 1.0);
    }
}
