//! How much memory a fit takes beside its examples.

use super::TrainingSpec;
use super::batches::MAX_PORTION;
use super::learner::n_rows_at_once;
use crate::network::Network;
use crate::optim::OptimizerSpec;

/// The most bytes that a fit of `n_rows` rows takes beside the rows themselves.
///
/// As many times the parameters as there are vectors of their length: the parameters, their gradients,
/// up to three that the optimizer remembers, the averaged ones and the best ones. Three times the values of a
/// batch in every layer. And for each row its place in the order, what is predicted of it, and what the
/// scorers make of that.
pub fn memory_bytes(
    network: &Network,
    optimizer: &OptimizerSpec,
    training: &TrainingSpec,
    (batch_size, n_rows): (usize, usize),
) -> u64 {
    let portion = if network.has_batch_norm() { batch_size } else { batch_size.min(MAX_PORTION) };
    let n_validation = if training.validation_share() > 0.0 { n_rows } else { 0 };
    let at_once = n_rows_at_once(portion.min(n_rows), n_validation) as u64;
    let of_batch =
        (network.n_activations() as u64 + network.n_inputs() as u64).saturating_mul(at_once);
    (4 * n_vectors(optimizer, training))
        .saturating_mul(network.n_parameters() as u64)
        .saturating_add(of_batch.saturating_mul(3 * 4))
        .saturating_add(bytes_of_rows(network, n_rows))
}

/// About the most bytes that the state of such a fit is written to; its buffers and its history come to little
/// beside them, unless the network is small.
pub fn state_bytes(
    network: &Network,
    optimizer: &OptimizerSpec,
    training: &TrainingSpec,
    n_rows: usize,
) -> u64 {
    // All but the gradients, and what an epoch's rows were taken for.
    let of_parameters =
        (4 * (n_vectors(optimizer, training) - 1)).saturating_mul(network.n_parameters() as u64);
    of_parameters.saturating_add(bytes_of_rows(network, n_rows))
}

fn bytes_of_rows(network: &Network, n_rows: usize) -> u64 {
    n_rows as u64 * (BYTES_OF_ROW + BYTES_OF_OUTPUT * network.n_outputs() as u64)
}

/// A row's place, class, target and decision, each once or twice.
const BYTES_OF_ROW: u64 = 48;
/// A probability and an output, in single precision to keep and in double to score.
const BYTES_OF_OUTPUT: u64 = 24;

/// Vectors as long as the parameters.
fn n_vectors(optimizer: &OptimizerSpec, training: &TrainingSpec) -> u64 {
    let keeps_best = training.early_stopping.as_ref().is_some_and(|s| s.restore_best);
    2 + optimizer.build().n_slots() as u64
        + u64::from(training.averaging.is_some())
        + u64::from(keeps_best)
}
