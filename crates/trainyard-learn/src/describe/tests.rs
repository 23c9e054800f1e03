use super::*;
use crate::table::MISSING_CODE;

fn numeric(values: Vec<f64>) -> DescribedColumn {
    describe_column(
        &Column { name: "a".into(), values: Values::Numeric(values.into()) },
        &mut Vec::new(),
    )
}

#[test]
fn a_numeric_column() {
    // numpy: mean, std, quantile([.05, .25, .5, .75, .95]) of [4, 1, 2, 2].
    let found = numeric(vec![4.0, 1.0, f64::NAN, 2.0, 2.0]);
    let d = &found.description;
    assert_eq!((d.n_missing, d.n_unique), (1, 3));
    assert_eq!((d.mean, d.least(), d.most()), (Some(2.25), Some(1.0), Some(4.0)));
    assert!((d.std.unwrap() - 1.089_724_735_885_168_3).abs() < 1e-15);
    let q = d.quantiles.unwrap();
    for (found, expected) in
        [(q.q05, 1.15), (q.q25, 1.75), (q.q50, 2.0), (q.q75, 2.5), (q.q95, 3.7)]
    {
        assert!((found.unwrap() - expected).abs() < 1e-12, "{found:?} {expected}");
    }
    assert_eq!(d.top_values[0], ValueCount { value: Scalar::Number(2.0), count: 2 });
    assert!(is_whole(&found));
}

#[test]
fn zero_has_one_sign() {
    assert_eq!(numeric(vec![0.0, -0.0]).description.n_unique, 1);
}

#[test]
fn nothing_present_has_no_moments() {
    let found = numeric(vec![f64::NAN]);
    assert_eq!((found.description.n_missing, found.description.mean), (1, None));
}

#[test]
fn values_are_counted_only_while_they_are_few() {
    let found = numeric((0..1001).map(f64::from).collect());
    assert_eq!((found.description.n_unique, found.values), (1001, None));
}
#[test]
fn moments_of_the_largest_numbers_are_found() {
    let found = numeric(vec![1.7e308, -1.7e308]).description;
    assert_eq!((found.mean, found.std), (Some(0.0), Some(1.7e308)));
    let q = found.quantiles.unwrap();
    assert_eq!(q.q50, Some(0.0));
    assert!((q.q25.unwrap() / -0.85e308 - 1.0).abs() < 1e-12);

    let found = numeric(vec![f64::MAX; 3]).description;
    assert_eq!((found.mean, found.std), (Some(f64::MAX), Some(0.0)));
    assert_eq!(found.quantiles.unwrap().q95, Some(f64::MAX));
}

#[test]
fn a_quantile_at_a_value_is_that_value() {
    let found = numeric(vec![-f64::MAX, -0.1, 0.1, 0.3, f64::MAX]).description;
    let q = found.quantiles.unwrap();
    assert_eq!((q.q25, q.q50, q.q75), (Some(-0.1), Some(0.1), Some(0.3)));
    let q = numeric(vec![0.1; 7]).description.quantiles.unwrap();
    assert_eq!((q.q05, q.q95), (Some(0.1), Some(0.1)));
}

#[test]
fn descriptions_of_extreme_columns_read_back() {
    let extreme =
        [f64::MAX, -f64::MAX, 1.7e308, -1e200, 1e16, 0.1, -0.0, f64::MIN_POSITIVE, 5e-324];
    let n = extreme.len();
    for index in 0..n * n * n {
        let [a, b, c] = [index / n / n, index / n % n, index % n].map(|i| extreme[i]);
        for values in [vec![a], vec![a, b], vec![a, b, c, f64::NAN], vec![c, b, b, a, a, c]] {
            let found = numeric(values.clone());
            assert!(!found.overflowed(), "{values:?}");
            let json = serde_json::to_string(&found).unwrap();
            assert_eq!(serde_json::from_str::<DescribedColumn>(&json).unwrap(), found, "{json}");
        }
    }
}

#[test]
fn what_is_not_finite_is_absent_and_said_to_be() {
    let found = numeric(vec![1.0, f64::INFINITY]).description;
    assert_eq!((found.mean, found.std, found.max), (None, None, None));
    assert_eq!((found.least(), found.quantiles.unwrap().q50), (Some(1.0), None));

    let mut column = numeric(vec![1.0, 2.0]);
    assert!(!column.overflowed());
    column.description.quantiles.as_mut().unwrap().q05 = None;
    assert!(column.overflowed());
    let json = serde_json::to_string(&column).unwrap();
    assert!(json.contains("\"q05\":null"), "{json}");
    assert_eq!(serde_json::from_str::<DescribedColumn>(&json).unwrap(), column);

    assert!(!numeric(vec![f64::NAN]).overflowed());
    assert!(!text(vec!["a".into()]).overflowed());
}

fn text(categories: Vec<String>) -> DescribedColumn {
    let codes = (0..categories.len() as u32).chain([0, MISSING_CODE]).collect();
    let values = Values::Categorical { codes, categories };
    describe_column(&Column { name: "a".into(), values }, &mut Vec::new())
}

#[test]
fn values_are_kept_only_while_their_text_is_short() {
    let half = MAX_COUNTED_BYTES / 2;
    let found = text(vec!["a".repeat(half), "b".repeat(half)]);
    assert_eq!((found.description.n_missing, found.description.n_unique), (1, 2));
    assert_eq!(found.values.unwrap()[0].count, 2);
    assert_eq!(found.description.top_values.len(), 2);

    let found = text(vec!["a".repeat(half), "b".repeat(half + 1)]);
    assert_eq!((found.description.n_missing, found.description.n_unique), (1, 2));
    assert_eq!((found.values, found.description.top_values.len()), (None, 0));

    let found = text((0..1001).map(|i| format!("{i:04}")).collect());
    assert_eq!((found.description.n_missing, found.description.n_unique), (1, 1001));
    assert_eq!(found.values, None);
    // The first is there twice.
    let often = ValueCount { value: Scalar::Text("0000".into()), count: 2 };
    assert_eq!(found.description.top_values, [often]);
}

/// Counted or sorted, the frequent ones among many values are the same, the lesser first of equals.
#[test]
fn frequent_values_are_found_among_many() {
    for n_unique in [1_500, 5_000] {
        let mut rows: Vec<f64> = (0..n_unique).map(f64::from).collect();
        for often in 0..20 {
            rows.extend(vec![f64::from(often); 1 + often as usize % 15]);
        }
        let top = numeric(rows).description.top_values;
        let found: Vec<(f64, usize)> = top
            .iter()
            .map(|top| match top.value {
                Scalar::Number(value) => (value, top.count),
                _ => panic!("{top:?} is no number"),
            })
            .collect();
        let expected: Vec<(f64, usize)> =
            (5..15).rev().map(|often| (f64::from(often), 2 + often as usize)).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn a_datetime_column_has_moments_as_bounds() {
    let day = 86_400_000_000;
    let values = Values::Datetime(vec![2 * day, MISSING_TIME, 0, day, day]);
    let found = describe_column(&Column { name: "a".into(), values }, &mut Vec::new());
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(json["min"], "1970-01-01T00:00:00Z");
    assert_eq!(json["max"], "1970-01-03T00:00:00Z");
    assert_eq!((&json["n_missing"], &json["n_unique"]), (&1.into(), &3.into()));
    assert_eq!(json["top_values"][0]["value"], "1970-01-02T00:00:00Z");
    let counts = &found.description.histogram.as_ref().unwrap().counts;
    assert_eq!((counts.iter().sum::<usize>(), found.description.mean), (4, None));
    assert_eq!(serde_json::from_value::<DescribedColumn>(json).unwrap(), found);
}

#[test]
fn a_tensor_column_has_its_shape_and_moments() {
    let values = Values::Tensor { shape: vec![2, 2], values: (0..8).map(|i| i as f32).collect() };
    let found = describe_column(&Column { name: "a".into(), values }, &mut Vec::new()).description;
    assert_eq!((found.shape, found.n_missing, found.n_unique), (Some(vec![2, 2]), 0, 2));
    assert_eq!(
        (found.mean, found.min, found.max),
        (Some(3.5), Bound::number(0.0), Bound::number(7.0))
    );
    // numpy: std(arange(8)).
    assert!((found.std.unwrap() - 2.291_287_847_477_92).abs() < 1e-14);
    let values = Values::Tensor { shape: vec![1], values: vec![1.0, f32::NAN].into() };
    let found = describe_column(&Column { name: "a".into(), values }, &mut Vec::new()).description;
    assert_eq!((found.mean, found.std), (None, None));
}

/// What was stored before histograms came reads back without one.
#[test]
fn an_older_description_is_read() {
    let mut json = serde_json::to_value(numeric(vec![1.0, 2.0])).unwrap();
    json.as_object_mut().unwrap().remove("histogram").unwrap();
    let found: DescribedColumn = serde_json::from_value(json).unwrap();
    assert_eq!((found.description.histogram, found.description.mean), (None, Some(1.5)));
}

/// Columns of every kind, sorted and counted ones among them.
#[test]
fn threads_change_nothing() {
    let n = 20_000;
    let column = |index: usize| {
        let name = format!("c{index}");
        let at = |row: usize| (row * (index + 3)) as f64;
        let values = match index % 4 {
            0 => Values::Numeric((0..n).map(|row| at(row).sin()).collect()),
            1 => Values::Numeric((0..n).map(|row| at(row) % 7.0).collect()),
            2 => Values::Datetime((0..n).map(|row| at(row) as i64).collect()),
            _ => {
                Values::Boolean((0..n).map(|row| (row % 3 != 0).then_some(row % 2 == 0)).collect())
            }
        };
        Column { name, values }
    };
    let table = Table::new((0..13).map(column).collect());
    let alone = describe(&table);
    assert_eq!(alone.len(), 13);
    assert!(alone.iter().enumerate().all(|(i, c)| c.description.name == format!("c{i}")));
    for n_threads in [0, 2, 5, 40] {
        assert_eq!(describe_on(&table, n_threads), alone);
    }
    assert!(describe_on(&Table::new(vec![]), 4).is_empty());
}
