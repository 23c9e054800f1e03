//! scikit-learn's `make_classification`, draw for draw.
//!
//! The method is Guyon's ("Design of experiments for the NIPS 2003 variable selection benchmark",
//! 2003): clusters of normal points around distinct vertices of a hypercube, each cluster with a
//! random covariance, then combined, duplicated and useless features, and labels flipped at random.
//! Every random number is drawn in the order in which scikit-learn draws it; that order, and not
//! convenience, explains the order of the steps here.
//!
//! Nothing is checked here: [`super::check`] has done so.

use std::collections::HashSet;
use std::iter;

use ndarray::Array2;

use super::{Generated, PerFeature};
use crate::random::RandomState;

/// scikit-learn gets at most this many bits of a vertex from one integer.
const MAX_CODE_BITS: usize = 30;

/// The fields of `GeneratorSpec::MakeClassification`, borrowed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameters<'a> {
    pub(super) n_samples: usize,
    pub(super) n_features: usize,
    pub(super) n_informative: usize,
    pub(super) n_redundant: usize,
    pub(super) n_repeated: usize,
    pub(super) n_classes: usize,
    pub(super) n_clusters_per_class: usize,
    pub(super) weights: Option<&'a [f64]>,
    pub(super) flip_y: f64,
    pub(super) class_sep: f64,
    pub(super) hypercube: bool,
    pub(super) shift: Option<&'a PerFeature>,
    pub(super) scale: Option<&'a PerFeature>,
    pub(super) shuffle: bool,
    pub(super) random_state: u32,
}

/// Makes the dataset that the parameters describe.
pub(super) fn make_classification(parameters: &Parameters<'_>) -> Generated {
    let &Parameters { n_samples, n_features, n_informative, n_redundant, n_repeated, .. } =
        parameters;
    let mut random = RandomState::new(parameters.random_state);
    // The rows of `x`, one after the other.
    let mut cells = vec![0.0; n_samples * n_features];

    let centroids = centroids(parameters, &mut random);
    for row in cells.chunks_exact_mut(n_features) {
        row[..n_informative].fill_with(|| random.standard_normal());
    }
    let mut y = place_clusters(&mut cells, &centroids, parameters, &mut random);
    if n_redundant > 0 {
        let mut combinations = vec![0.0; n_informative * n_redundant];
        combinations.fill_with(|| symmetric_sample(&mut random));
        for row in cells.chunks_exact_mut(n_features) {
            let (informative, others) = row.split_at_mut(n_informative);
            multiply(informative, &combinations, &mut others[..n_redundant]);
        }
    }
    let n_original = n_informative + n_redundant;
    // Rounded to the nearest index, which makes the first and the last one half as likely.
    let originals: Vec<usize> = (0..n_repeated)
        .map(|_| ((n_original - 1) as f64 * random.random_sample() + 0.5) as usize)
        .collect();
    for row in cells.chunks_exact_mut(n_features) {
        let (original, others) = row.split_at_mut(n_original);
        let (repeated, useless) = others.split_at_mut(n_repeated);
        for (copy, &index) in repeated.iter_mut().zip(&originals) {
            *copy = original[index];
        }
        useless.fill_with(|| random.standard_normal());
    }
    flip_labels(&mut y, parameters, &mut random);
    shift_and_scale(&mut cells, parameters, &mut random);

    let (mut rows, mut columns): (Vec<_>, Vec<_>) =
        ((0..n_samples).collect(), (0..n_features).collect());
    if parameters.shuffle {
        random.shuffle(&mut rows);
        random.shuffle(&mut columns);
    }
    Generated {
        feature_names: (0..n_features).map(|column| format!("x{column}")).collect(),
        target_name: "y".to_owned(),
        x: Array2::from_shape_fn((n_samples, n_features), |(i, j)| {
            cells[rows[i] * n_features + columns[j]]
        }),
        y: rows.iter().map(|&row| y[row]).collect(),
        class_names: None,
    }
}

/// The middle of each cluster, `n_informative` numbers a cluster.
fn centroids(parameters: &Parameters<'_>, random: &mut RandomState) -> Vec<f64> {
    let &Parameters { n_informative, class_sep, .. } = parameters;
    let n_clusters = parameters.n_classes * parameters.n_clusters_per_class;
    let mut centroids = hypercube_vertices(n_clusters, n_informative, random);
    for coordinate in &mut centroids {
        *coordinate = *coordinate * (2.0 * class_sep) - class_sep;
    }
    if !parameters.hypercube {
        for centroid in centroids.chunks_exact_mut(n_informative) {
            let factor = random.random_sample();
            for coordinate in centroid {
                *coordinate *= factor;
            }
        }
        let factors: Vec<f64> = (0..n_informative).map(|_| random.random_sample()).collect();
        for centroid in centroids.chunks_exact_mut(n_informative) {
            for (coordinate, factor) in centroid.iter_mut().zip(&factors) {
                *coordinate *= factor;
            }
        }
    }
    centroids
}

/// Distinct corners of the unit hypercube, `n_dimensions` numbers a corner.
fn hypercube_vertices(
    n_vertices: usize,
    n_dimensions: usize,
    random: &mut RandomState,
) -> Vec<f64> {
    let code_bits = n_dimensions.min(MAX_CODE_BITS);
    let n_leading = n_dimensions - code_bits;
    let mut vertices = vec![0.0; n_vertices * n_dimensions];
    // Beyond the bits of one integer, the leading coordinates are independent coin tosses.
    for vertex in vertices.chunks_exact_mut(n_dimensions) {
        vertex[..n_leading].fill_with(|| random.interval(1) as f64);
    }
    let codes = sample_without_replacement(1 << code_bits, n_vertices, random);
    for (vertex, code) in vertices.chunks_exact_mut(n_dimensions).zip(codes) {
        for (bit, coordinate) in vertex[n_leading..].iter_mut().rev().enumerate() {
            *coordinate = ((code >> bit) & 1) as f64;
        }
    }
    vertices
}

/// `size` different integers below `population`, by the method that scikit-learn's function of this
/// name chooses: rejection for small shares, a permutation, and a reservoir for nearly all.
fn sample_without_replacement(
    population: usize,
    size: usize,
    random: &mut RandomState,
) -> Vec<usize> {
    let share = size as f64 / population as f64;
    if share > 0.01 && share < 0.99 {
        return random.choice_without_replacement(population, size);
    }
    if share < 0.2 {
        let mut selected = HashSet::with_capacity(size);
        let mut sample = Vec::with_capacity(size);
        while sample.len() < size {
            let candidate = random.randint(0, population as i64) as usize;
            if selected.insert(candidate) {
                sample.push(candidate);
            }
        }
        return sample;
    }
    let mut sample: Vec<usize> = (0..size).collect();
    for candidate in size..population {
        let place = random.randint(0, candidate as i64 + 1) as usize;
        if let Some(slot) = sample.get_mut(place) {
            *slot = candidate;
        }
    }
    sample
}

/// Gives each cluster its covariance and its place, and returns the labels.
fn place_clusters(
    cells: &mut [f64],
    centroids: &[f64],
    parameters: &Parameters<'_>,
    random: &mut RandomState,
) -> Vec<u32> {
    let &Parameters { n_samples, n_features, n_informative, n_classes, .. } = parameters;
    let mut y = vec![0; n_samples];
    let mut product = vec![0.0; n_informative];
    let mut transform = vec![0.0; n_informative * n_informative];
    let mut start = 0;
    let clusters = cluster_sizes(parameters).into_iter().zip(centroids.chunks_exact(n_informative));
    for (cluster, (size, centroid)) in clusters.enumerate() {
        // The sizes of weights whose sum rounds to more than 1 could run over the end.
        let stop = (start + size).min(n_samples);
        // The limit on clusters lets every label fit.
        y[start..stop].fill((cluster % n_classes) as u32);
        // An empty cluster draws its matrix as well.
        transform.fill_with(|| symmetric_sample(random));
        for row in cells[start * n_features..stop * n_features].chunks_exact_mut(n_features) {
            let informative = &mut row[..n_informative];
            multiply(informative, &transform, &mut product);
            for ((value, offset), middle) in informative.iter_mut().zip(&product).zip(centroid) {
                *value = offset + middle;
            }
        }
        start = stop;
    }
    y
}

/// How many samples each cluster gets; cluster `k` belongs to class `k % n_classes`.
///
/// Shares are rounded down and the samples left over go to the clusters in turn, so a class can get
/// a sample more or less than its weight says.
fn cluster_sizes(parameters: &Parameters<'_>) -> Vec<usize> {
    let &Parameters { n_samples, n_classes, n_clusters_per_class, .. } = parameters;
    let mut weights = match parameters.weights {
        Some(weights) => weights.to_vec(),
        None => vec![1.0 / n_classes as f64; n_classes],
    };
    if weights.len() + 1 == n_classes {
        // One rounding at a time, as numpy arrays and Python before 3.12 add. Newer Pythons
        // compensate when they add a list, which can move a sample to another class.
        weights.push(1.0 - weights.iter().sum::<f64>());
    }
    let n_clusters = n_classes * n_clusters_per_class;
    let mut sizes: Vec<usize> = (0..n_clusters)
        .map(|cluster| {
            let samples = n_samples as f64 * weights[cluster % n_classes];
            (samples / n_clusters_per_class as f64) as usize
        })
        .collect();
    let left_over = n_samples.saturating_sub(sizes.iter().sum());
    for turn in 0..left_over {
        sizes[turn % n_clusters] += 1;
    }
    sizes
}

/// Draws the labels of a random share of the samples anew.
fn flip_labels(y: &mut [u32], parameters: &Parameters<'_>, random: &mut RandomState) {
    // All the samples to flip are chosen before the first one is flipped.
    let flipped: Vec<usize> =
        (0..y.len()).filter(|_| random.random_sample() < parameters.flip_y).collect();
    for sample in flipped {
        y[sample] = random.interval(parameters.n_classes as u64 - 1) as u32;
    }
}

fn shift_and_scale(cells: &mut [f64], parameters: &Parameters<'_>, random: &mut RandomState) {
    let &Parameters { n_features, class_sep, .. } = parameters;
    let shifts = per_feature(parameters.shift, n_features, || symmetric_sample(random) * class_sep);
    let scales = per_feature(parameters.scale, n_features, || 1.0 + 100.0 * random.random_sample());
    for row in cells.chunks_exact_mut(n_features) {
        for ((value, shift), scale) in row.iter_mut().zip(&shifts).zip(&scales) {
            *value = (*value + shift) * scale;
        }
    }
}

/// The number of each feature as it was given, or as `draw` makes it.
fn per_feature(
    given: Option<&PerFeature>,
    n_features: usize,
    draw: impl FnMut() -> f64,
) -> Vec<f64> {
    match given {
        Some(PerFeature::Same(value)) => vec![*value; n_features],
        Some(PerFeature::Each(values)) => values.clone(),
        None => iter::repeat_with(draw).take(n_features).collect(),
    }
}

/// A uniform number in `[-1, 1)`.
fn symmetric_sample(random: &mut RandomState) -> f64 {
    2.0 * random.random_sample() - 1.0
}

/// Writes the product of a row and a matrix, whose rows follow each other, to `product`.
///
/// Each sum is fused and runs from the first term to the last, because the libraries that multiply
/// for numpy do so: nearly every value then has scikit-learn's very bits. Where such a library adds
/// in another order (an odd row out, a single column), the last bits of the largest term differ.
fn multiply(row: &[f64], matrix: &[f64], product: &mut [f64]) {
    product.fill(0.0);
    for (&value, factors) in row.iter().zip(matrix.chunks_exact(product.len())) {
        for (sum, &factor) in product.iter_mut().zip(factors) {
            *sum = value.mul_add(factor, *sum);
        }
    }
}
