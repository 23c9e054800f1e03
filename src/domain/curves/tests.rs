use super::*;

const DETAIL: Detail = Detail { max_points: 100, n_bins: 2, strategy: Strategy::Uniform };

fn words(words: &[&str]) -> Vec<Scalar> {
    words.iter().map(|word| Scalar::Text((*word).to_owned())).collect()
}

/// scikit-learn 1.9.1: `roc_curve`, `roc_auc_score`, `precision_recall_curve`,
/// `average_precision_score`, `calibration_curve(n_bins=2)`, `confusion_matrix`.
#[test]
fn two_classes() {
    let p = [0.1, 0.4, 0.35, 0.8, 0.7];
    let pooled = Pooled {
        rows: (0..5).collect(),
        ends: vec![5],
        truth: Truth::Classes(vec![0, 0, 1, 1, 0]),
        predicted: Predicted::Probabilities {
            prediction: vec![0, 0, 0, 1, 1],
            probabilities: p.iter().flat_map(|p| [1.0 - p, *p]).collect(),
            n_classes: 2,
        },
    };
    let found = curves(&pooled, &words(&["no", "yes"]), &["y".to_owned()], DETAIL);
    let matrix = found.confusion_matrix.unwrap();
    assert_eq!(matrix.counts, [[2, 1], [1, 1]]);
    let [roc] = &found.roc[..] else { panic!("{:?}", found.roc) };
    assert_eq!(roc.class, Scalar::Text("yes".to_owned()));
    assert!((roc.area - 2.0 / 3.0).abs() < 1e-15);
    assert_eq!(roc.true_positive_rate, [0.0, 0.5, 0.5, 1.0, 1.0]);
    let thirds = [0.0, 0.0, 2.0 / 3.0, 2.0 / 3.0, 1.0];
    assert_eq!(roc.false_positive_rate, thirds);
    let [curve] = &found.precision_recall[..] else { panic!("one") };
    assert!((curve.average_precision - 0.75).abs() < 1e-15);
    assert_eq!(curve.recall, [1.0, 1.0, 0.5, 0.5, 0.5, 0.0]);
    assert_eq!(curve.precision, [0.4, 0.5, 1.0 / 3.0, 0.5, 1.0, 1.0]);
    assert_eq!(curve.thresholds.last(), Some(&None));
    let [curve] = &found.calibration[..] else { panic!("one") };
    assert_eq!(curve.prob_true, [1.0 / 3.0, 0.5]);
    assert!((curve.prob_pred[1] - 0.75).abs() < 1e-7);
    assert_eq!(found.residuals, []);
}

#[test]
fn amounts() {
    let pooled = Pooled {
        rows: vec![7, 3, 5],
        ends: vec![3],
        truth: Truth::Values(vec![1.0, 10.0, 2.0, 20.0, 4.0, 30.0]),
        predicted: Predicted::Values {
            values: vec![1.5, 10.0, 2.0, 21.0, 1.0, 30.0],
            n_outputs: 2,
        },
    };
    let found = curves(&pooled, &[], &["a".to_owned(), "b".to_owned()], DETAIL);
    assert_eq!(found.confusion_matrix, None);
    let [a, b] = &found.residuals[..] else { panic!("two") };
    assert_eq!((a.distribution.min, b.target.as_str()), (a.distribution.min, "b"));
    assert_eq!(a.distribution.mean, Some((-0.5 + 0.0 + 3.0) / 3.0));
    let rows: Vec<u32> = a.points.iter().map(|point| point.row).collect();
    assert_eq!(rows, [5, 7, 3], "by their predictions");
    assert_eq!((a.points[0].target, a.points[0].prediction), (4.0, 1.0));
}

#[test]
fn what_is_undefined_is_left_out() {
    let truth = Truth::Classes(vec![1, 1, 1]);
    let predicted = Predicted::Decisions {
        prediction: vec![1, 1, 0],
        decision: vec![1.0, 2.0, -1.0],
        n_values: 1,
    };
    let pooled = Pooled { rows: vec![0, 1, 2], ends: vec![3], truth, predicted };
    let found = curves(&pooled, &words(&["no", "yes"]), &["y".to_owned()], DETAIL);
    assert_eq!((found.roc.len(), found.precision_recall.len(), found.calibration.len()), (0, 1, 0));
    assert_eq!(found.confusion_matrix.unwrap().counts, [[0, 0], [1, 2]]);
}

#[test]
fn long_curves_keep_their_ends() {
    assert_eq!(thinned(3, 5), [0, 1, 2]);
    assert_eq!(thinned(101, 5), [0, 25, 50, 75, 100]);
    assert_eq!(thinned(0, 5), [0_usize; 0]);
}
