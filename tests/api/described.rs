//! What a client is told of a table: the figures of each column, and what is suspicious about it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::World;

/// A table with something wrong in each column but the first two.
fn suspicious() -> String {
    let mut csv = "amount,kind,one,row_id,city,day,size,wage,zip,\n".to_owned();
    for i in 0..200_u32 {
        let day = match i {
            7 => "unknown".to_owned(),
            i => format!("2024-03-{:02}", 1 + i % 28),
        };
        let size = if i % 50 == 0 { "big".to_owned() } else { (i * 37 % 101).to_string() };
        let wage = if i == 3 { 1e9 } else { f64::from(i * 53 % 97) };
        let (amount, kind) = (f64::from(i * 7919 % 1009) / 8.0, ["a", "b"][i as usize % 2]);
        csv += &format!(
            "{amount},{kind},same,{i},city{},{day},{size},{wage},0{},{}\n",
            i * 31 % 67,
            1000 + i % 3,
            i % 5
        );
    }
    csv
}

#[test]
fn every_warning_comes_with_its_column_and_evidence() {
    let world = World::new();
    let dataset = world.api.upload(&suspicious()).expect(201);
    let mut told: BTreeMap<(&str, &str), &Value> = BTreeMap::new();
    for warning in dataset["warnings"].as_array().unwrap() {
        let of =
            (warning["code"].as_str().unwrap(), warning["column"].as_str().unwrap_or_default());
        assert!(told.insert(of, warning).is_none(), "twice: {warning}");
    }
    for (code, column, evidence, value) in [
        ("constant_column", "one", "/value", json!("same")),
        ("id_like", "row_id", "/n_unique", json!(200)),
        ("too_many_categories", "city", "/n_categories", json!(67)),
        ("dates_as_text", "day", "/other", json!("unknown")),
        ("mixed_types", "size", "/n_others", json!(4)),
        ("outliers", "wage", "/most_extreme", json!(1e9)),
    ] {
        let warning = told.get(&(code, column)).unwrap_or_else(|| panic!("no {code} in {told:?}"));
        let found = warning["evidence"].pointer(evidence).unwrap();
        assert!(*found == value || found.as_f64() == value.as_f64(), "{warning}");
        assert!(warning["detail"].as_str().unwrap().contains(column), "{warning}");
    }
    assert!(told.contains_key(&("kept_as_text", "zip")), "{told:?}");
    assert!(told.contains_key(&("unnamed_column", "unnamed_9")), "{told:?}");
    let mixed = told[&("mixed_types", "size")]["detail"].as_str().unwrap();
    assert!(mixed.contains("na_values"), "the reader's way out is not in {mixed}");

    let row = |i: u32| format!("{},{}\n", f64::from(i * 7919 % 1009) / 8.0, i * 31 % 997);
    let rows: String = (0..200).chain(0..10).map(row).collect();
    let repeated = world.api.upload(&format!("a,b\n{rows}")).expect(201);
    let warning = &repeated["warnings"][0];
    assert_eq!(warning["code"], "near_duplicate_rows", "{}", repeated["warnings"]);
    assert!(warning["evidence"]["share"].as_f64().unwrap() > 0.04, "{warning}");
}

#[test]
fn columns_come_with_quantiles_histograms_and_frequent_values() {
    let world = World::new();
    let row = |i: u32| {
        let word = match i % 4 {
            0 => format!("rare{i}"),
            1 => "often".to_owned(),
            _ => "most".to_owned(),
        };
        format!("{i},{word},2024-01-{:02}\n", 1 + i % 10)
    };
    let rows: String = (0..=8_000).map(row).collect();
    let dataset = world.api.upload(&format!("n,word,day\n{rows}")).expect(201);
    let [n, word, day] = dataset["columns"].as_array().unwrap().as_slice() else { panic!() };
    assert_eq!(
        n["quantiles"],
        json!({"q05": 400.0, "q25": 2000.0, "q50": 4000.0, "q75": 6000.0, "q95": 7600.0})
    );
    assert_eq!((&n["min"], &n["max"], &n["mean"]), (&json!(0.0), &json!(8000.0), &json!(4000.0)));
    let counts = |column: &Value| -> u64 {
        let counts = column["histogram"]["counts"].as_array().unwrap();
        counts.iter().map(|count| count.as_u64().unwrap()).sum()
    };
    assert_eq!((counts(n), counts(day)), (8_001, 8_001));
    assert!(word["histogram"].is_null() && word["quantiles"].is_null());
    assert_eq!(n["top_values"], json!([]), "none is there twice");
    // More than a thousand distinct ones, and still the frequent ones are told.
    assert_eq!(word["n_unique"], 2_003);
    assert_eq!(
        word["top_values"],
        json!([{"value": "most", "count": 4_000}, {"value": "often", "count": 2_000}])
    );
    assert_eq!(day["top_values"][0], json!({"value": "2024-01-01T00:00:00Z", "count": 801}));
}
