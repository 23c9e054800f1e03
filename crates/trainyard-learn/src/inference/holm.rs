//! Many tests at once.

/// The p-values of several tests, each as it is when all of them are made (Holm, "A simple
/// sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6, 1979): the
/// smallest times their number, the next times one fewer, and so on; none below one before it, and
/// none above 1. What is NaN stays so, and comes last.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let mut adjusted = p_values.to_vec();
    let mut least = 0.0;
    for (rank, index) in order.into_iter().enumerate() {
        let p = p_values[index];
        if !p.is_nan() {
            least = f64::max(least, p * (p_values.len() - rank) as f64).min(1.0);
            adjusted[index] = least;
        }
    }
    adjusted
}
