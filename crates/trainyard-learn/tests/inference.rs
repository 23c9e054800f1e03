//! Tests between models, against scipy's, statsmodels' and baycomp's.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use trainyard_learn::inference::{
    cohens_d, corrected_paired_t, corrected_t_factor, corrected_t_interval, correlated_t, holm,
    mcnemar, naive_paired_t,
};

#[derive(Deserialize)]
struct Golden {
    paired: Vec<Paired>,
    mcnemar: Vec<Counts>,
    holm: Vec<Adjusted>,
}

#[derive(Deserialize)]
struct Paired {
    differences: Vec<f64>,
    n_train: f64,
    n_test: f64,
    rope: f64,
    confidence: f64,
    t: f64,
    p_value: f64,
    interval: [f64; 2],
    /// The naive test's t and p-value.
    naive: [f64; 2],
    cohens_d: f64,
    posterior: [f64; 3],
    posterior_of: String,
}

#[derive(Deserialize)]
struct Counts {
    counts: [u64; 2],
    exact: bool,
    statistic: f64,
    p_value: f64,
}

#[derive(Deserialize)]
struct Adjusted {
    p_values: Vec<f64>,
    adjusted: Vec<f64>,
}

fn golden() -> Golden {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/inference.json");
    serde_json::from_str(&fs::read_to_string(path).expect("a file")).expect("golden cases")
}

#[track_caller]
fn assert_near(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-11 + 1e-10 * expected.abs(), "{found}, not {expected}");
}

#[test]
fn paired_tests_are_the_references() {
    let golden = golden().paired;
    assert!(golden.iter().filter(|case| case.posterior_of == "baycomp").count() >= 3);
    for case in golden {
        let Paired { differences, n_train, n_test, confidence, .. } = &case;
        let found = corrected_paired_t(differences, *n_train, *n_test, *confidence).expect("folds");
        assert_near(found.t.expect("they differ"), case.t);
        assert_near(found.p_value, case.p_value);
        let factor = corrected_t_factor(differences.len(), *n_train, *n_test, *confidence);
        let interval = corrected_t_interval(differences, factor.expect("folds")).expect("folds");
        <[f64; 2]>::from(interval)
            .into_iter()
            .zip(case.interval)
            .for_each(|(a, b)| assert_near(a, b));
        found.interval.into_iter().zip(case.interval).for_each(|(a, b)| assert_near(a, b));
        let naive = naive_paired_t(differences, *confidence).expect("folds");
        assert_near(naive.t.expect("they differ"), case.naive[0]);
        assert_near(naive.p_value, case.naive[1]);
        assert_near(cohens_d(differences).expect("they differ"), case.cohens_d);
        let posterior = correlated_t(differences, *n_train, *n_test, case.rope).expect("folds");
        let found = [posterior.below, posterior.within, posterior.above];
        found.into_iter().zip(case.posterior).for_each(|(a, b)| assert_near(a, b));
    }
}

#[test]
fn counts_of_rows_are_statsmodels() {
    for case in golden().mcnemar {
        let found = mcnemar(case.counts[0], case.counts[1]);
        assert_eq!((found.exact, [found.only_first, found.only_second]), (case.exact, case.counts));
        assert_near(found.statistic, case.statistic);
        assert_near(found.p_value, case.p_value);
    }
    assert_eq!(mcnemar(0, 0).p_value, 1.0);
    assert!(mcnemar(u64::MAX, u64::MAX).p_value.is_finite());
}

#[test]
fn many_p_values_are_statsmodels() {
    for case in golden().holm {
        holm(&case.p_values).into_iter().zip(case.adjusted).for_each(|(a, b)| assert_near(a, b));
    }
    assert!(holm(&[]).is_empty());
    let found = holm(&[f64::NAN, 0.01]);
    assert!(found[0].is_nan() && found[1] == 0.02);
}

#[test]
fn folds_that_do_not_differ_have_no_spread() {
    let equal = corrected_paired_t(&[0.1 + 0.2; 7], 90.0, 10.0, 0.95).expect("folds");
    assert_eq!((equal.t, equal.p_value, equal.standard_error), (None, 0.0, 0.0));
    assert_eq!(equal.interval, [equal.mean_difference; 2]);
    assert_eq!(
        corrected_paired_t(&[0.0; 4], 90.0, 10.0, 0.95).map(|found| found.p_value),
        Some(1.0)
    );
    assert_eq!(cohens_d(&[0.5; 3]), None);
    let posterior = |mean: f64| {
        correlated_t(&[mean; 4], 90.0, 10.0, 0.01).map(|p| [p.below, p.within, p.above])
    };
    assert_eq!(posterior(0.0), Some([0.0, 1.0, 0.0]));
    assert_eq!(posterior(-0.5), Some([1.0, 0.0, 0.0]));
    assert_eq!(posterior(0.5), Some([0.0, 0.0, 1.0]));
}

#[test]
fn what_says_nothing() {
    assert_eq!(corrected_t_factor(1, 80.0, 20.0, 0.95), None);
    assert_eq!(corrected_t_factor(2, 0.0, 20.0, 0.95), None);
    assert_eq!(corrected_t_factor(2, 80.0, 20.0, 1.0), None);
    assert_eq!(corrected_t_interval(&[0.8], 2.0), None);
    assert_eq!(corrected_t_interval(&[0.5, 0.5], 2.0), Some((0.5, 0.5)));
    for differences in [&[][..], &[0.1], &[0.1, f64::NAN], &[f64::INFINITY, 1.0], &[1e300, -1e300]]
    {
        assert_eq!(corrected_paired_t(differences, 90.0, 10.0, 0.95), None, "{differences:?}");
        assert_eq!(correlated_t(differences, 90.0, 10.0, 0.01), None, "{differences:?}");
        assert_eq!(cohens_d(differences), None, "{differences:?}");
    }
    let differences = [0.1, 0.2];
    assert_eq!(corrected_paired_t(&differences, 0.0, 10.0, 0.95), None);
    assert_eq!(corrected_paired_t(&differences, 90.0, 10.0, 1.0), None);
    assert_eq!(correlated_t(&differences, 90.0, 10.0, -1.0), None);
    assert_eq!(correlated_t(&differences, 0.0, 10.0, 0.1), None);
}
