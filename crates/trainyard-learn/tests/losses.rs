//! Losses and their gradients against PyTorch's, row by row.

mod common;

use std::collections::HashMap;

use common::{golden, variants};
use serde::Deserialize;
use serde_json::Value;
use trainyard_learn::losses::{LossSpec, TargetKind, TargetRows, Weights};

/// By how much a value may differ, relative to it: about 30 roundings of single precision, 6e-8 each.
const RELATIVE: f64 = 2e-6;
/// By how much it may differ where it is small, relative to the largest term that it is a sum of: a
/// few roundings (those of p, of p times a weight, and of what is left of the weight).
const ABSOLUTE: f64 = 2e-7;
/// What gradients are multiplied by, as if a batch had four rows.
const SCALE: f32 = 0.25;

#[derive(Deserialize)]
struct Golden {
    grids: HashMap<String, Grid>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Grid {
    n_outputs: usize,
    z: Vec<f32>,
    classes: Option<Vec<u32>>,
    values: Option<Vec<f32>>,
}

impl Grid {
    /// The target of some rows.
    fn target(&self, rows: std::ops::Range<usize>) -> TargetRows<'_> {
        match (&self.classes, &self.values) {
            (Some(classes), _) => TargetRows::Classes(&classes[rows]),
            (_, Some(values)) => {
                let n = self.n_outputs;
                TargetRows::Values(&values[rows.start * n..rows.end * n])
            }
            _ => panic!("no target"),
        }
    }

    fn kind(&self) -> TargetKind {
        let n_outputs = self.n_outputs;
        match self.classes {
            Some(_) => TargetKind::Classes { n_classes: n_outputs.max(2) },
            None => TargetKind::Values { n_outputs },
        }
    }
}

#[derive(Deserialize)]
struct Case {
    spec: Value,
    grid: String,
    row_weights: Option<Vec<f32>>,
    class_weights: Option<Vec<f32>>,
    /// Of each row, with its weight.
    losses: Vec<f64>,
    dz: Vec<f64>,
}

impl Case {
    fn loss(&self) -> LossSpec {
        LossSpec::deserialize(&self.spec).unwrap_or_else(|e| panic!("{}: {e}", self.spec))
    }

    fn weights(&self, rows: std::ops::Range<usize>) -> Weights<'_> {
        Weights {
            rows: self.row_weights.as_ref().map(|weights| &weights[rows]),
            classes: self.class_weights.as_deref(),
        }
    }

    /// The largest terms that the loss of a row and its derivatives are sums of: 1, as the probability
    /// that 1 is taken from; for counts, which e^z is compared with, y·z and y; for log-cosh, nothing that
    /// single precision holds. Times the weight.
    fn largest_terms(&self, grid: &Grid, row: usize) -> (f64, f64) {
        let n = grid.n_outputs;
        let weight = self.row_weights.as_ref().map_or(1.0, |weights| f64::from(weights[row]))
            * self.class_weights.iter().flatten().fold(1.0, |most, w| f64::from(*w).max(most));
        let (mut of_loss, mut of_derivative) = (1.0_f64, 1.0_f64);
        if let (LossSpec::Poisson, TargetRows::Values(y)) = (self.loss(), grid.target(row..row + 1))
        {
            for (y, z) in y.iter().zip(&grid.z[row * n..]) {
                of_loss = of_loss.max(f64::from(y * z).abs() / n as f64);
                of_derivative = of_derivative.max(f64::from(*y) / n as f64);
            }
        }
        if self.loss() == LossSpec::LogCosh {
            // Nothing cancels; only what single precision cannot hold is lost.
            of_loss = f64::from(f32::MIN_POSITIVE);
        }
        (weight * of_loss, weight * of_derivative)
    }

    /// All that differs from what PyTorch found, as text.
    fn differences(&self, grid: &Grid) -> Vec<String> {
        let (loss, n) = (self.loss(), grid.n_outputs);
        let n_rows = grid.z.len() / n;
        assert!(self.losses.len() == n_rows && self.dz.len() == grid.z.len());
        let mut wrong = Vec::new();
        let mut compare = |what: &str, row: usize, found: f64, expected: f64, term: f64| {
            // NaN is no less than anything.
            let near = (found - expected).abs() <= RELATIVE * expected.abs() + ABSOLUTE * term;
            if !near {
                let z = &grid.z[row * n..(row + 1) * n];
                let y = grid.target(row..row + 1);
                wrong.push(format!("{what} {found:e}, not {expected:e}, of {z:?} for {y:?}"));
            }
        };
        let mut dz = vec![f32::NAN; grid.z.len()];
        let target = grid.target(0..n_rows);
        let sum = loss.rows(Some(&mut dz), &grid.z, n, target, self.weights(0..n_rows), SCALE);
        let mut sum_of_rows = 0.0;
        for row in 0..n_rows {
            let (of_loss, of_derivative) = self.largest_terms(grid, row);
            let (rows, at) = (row..row + 1, row * n..(row + 1) * n);
            let (target, weights) = (grid.target(rows.clone()), self.weights(rows));
            let alone = loss.rows(None, &grid.z[at.clone()], n, target, weights, 1.0);
            sum_of_rows += alone;
            compare("loss", row, alone, self.losses[row], of_loss);
            for (dz, expected) in dz[at.clone()].iter().zip(&self.dz[at]) {
                let unscaled = f64::from(*dz) / f64::from(SCALE);
                compare("gradient", row, unscaled, *expected, of_derivative);
            }
        }
        if sum != sum_of_rows {
            wrong.push(format!("all rows with gradients are {sum:e}, one by one {sum_of_rows:e}"));
        }
        wrong
    }
}

#[test]
fn every_loss_and_its_gradient_is_pytorchs() {
    let Golden { grids, cases } = golden("losses.json");
    let mut wrong = Vec::new();
    for case in &cases {
        let weights = (case.row_weights.is_some(), case.class_weights.is_some());
        let of_case = case.differences(&grids[&case.grid]);
        let name = format!("{} over {}, weighted {weights:?}", case.spec, case.grid);
        wrong.extend(of_case.into_iter().map(|difference| format!("{name}: {difference}")));
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn no_loss_but_that_of_counts_is_below_zero() {
    let Golden { grids, cases } = golden("losses.json");
    for case in cases.iter().filter(|case| case.loss() != LossSpec::Poisson) {
        let grid = &grids[&case.grid];
        let n = grid.n_outputs;
        for row in 0..grid.z.len() / n {
            let z = &grid.z[row * n..(row + 1) * n];
            let target = grid.target(row..row + 1);
            let loss = case.loss().rows(None, z, n, target, case.weights(row..row + 1), 1.0);
            assert!(loss >= 0.0, "{}: {loss:e} of {z:?} for {target:?}", case.spec);
        }
    }
}

#[test]
fn every_loss_has_a_golden_case() {
    let Golden { grids, cases } = golden("losses.json");
    let examples = LossSpec::examples();
    for name in variants::<LossSpec>() {
        let among = |spec: &LossSpec| serde_json::to_value(spec).unwrap()["type"] == *name;
        assert!(examples.iter().any(among), "{name} is not among the examples");
    }
    let kinds = [
        TargetKind::Classes { n_classes: 2 },
        TargetKind::Classes { n_classes: 3 },
        TargetKind::Values { n_outputs: 1 },
        TargetKind::Values { n_outputs: 3 },
    ];
    for loss in examples {
        let mut n_kinds = 0;
        for kind in kinds {
            let Ok(n_outputs) = loss.n_outputs(kind) else { continue };
            n_kinds += 1;
            let of_classes = matches!(kind, TargetKind::Classes { .. });
            for (by_row, by_class) in [(false, false), (true, false), (false, true), (true, true)] {
                let found = cases.iter().any(|case| {
                    let grid = &grids[&case.grid];
                    case.loss() == loss
                        && (grid.kind(), grid.n_outputs) == (kind, n_outputs)
                        && case.row_weights.is_some() == by_row
                        && case.class_weights.is_some() == by_class
                });
                let needed = of_classes || !by_class;
                assert!(found || !needed, "{loss:?} {kind:?} {by_row} {by_class}");
            }
        }
        assert!(n_kinds > 0, "{loss:?}");
    }
}
