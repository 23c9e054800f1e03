use serde_json::{Value, json};
use trainyard_formats::{Limits as FormatLimits, ReadOptions, read};
use trainyard_learn::describe::describe;

use super::*;
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::dataset::{Content, TableBytes};
use crate::domain::ids::DatasetId;

fn suggested(text: &str, target: Option<&str>) -> Result<Suggestion, Vec<Problem>> {
    let source = std::io::Cursor::new(text.to_owned());
    let loaded = read(source, None, &ReadOptions::default(), &FormatLimits::default()).unwrap();
    let table = loaded.table;
    let dataset = Dataset {
        id: DatasetId::new(&Clock::system()),
        name: None,
        size_bytes: text.len() as u64,
        sha256: String::new(),
        reading: loaded.options_used,
        content: Content {
            n_rows: table.n_rows(),
            columns: describe(&table),
            warnings: vec![],
            generator: None,
            table: Some(TableBytes::of(&table)),
        },
        created_at: Timestamp(0),
    };
    suggest(&dataset, &table, target, &Limits::default())
}

/// Rows of a header and of what a function makes of their number.
fn rows(header: &str, n: u32, row: impl Fn(u32) -> String) -> String {
    let rows: String = (0..n).map(|i| row(i) + "\n").collect();
    format!("{header}\n{rows}")
}

/// A number that looks random.
fn noise(i: u32) -> f64 {
    f64::from(i.wrapping_mul(2_654_435_761) >> 8) / f64::from(1 << 24)
}

fn target_of(header: &str) -> String {
    let text = rows(header, 60, |i| format!("{},{},{}", noise(i), noise(i + 99), i % 2));
    suggested(&text, None).unwrap().target
}

#[test]
fn a_target_is_known_by_its_name_and_else_by_its_place() {
    assert_eq!(target_of("a,b,c"), "c");
    assert_eq!(target_of("a,Target,c"), "Target");
    assert_eq!(target_of("y,label,c"), "label");
    let gaps = rows("a,b,y", 60, |i| format!("{},{},", noise(i), i % 3));
    assert_eq!(suggested(&gaps, None).unwrap().target, "b");
    let text = rows("a,b,y", 60, |i| format!("{},{},{}", noise(i), i % 3, i % 2));
    let named = suggested(&text, Some("b")).unwrap();
    assert_eq!((named.target.as_str(), named.reasons[0].detail.as_str()), ("b", "you named it"));
}

#[test]
fn what_cannot_be_used_is_left_out_with_the_reason() {
    let row = |i: u32| {
        let (x, species) = (noise(i), if i.is_multiple_of(2) { "oak" } else { "elm" });
        let gap = if i == 7 { String::new() } else { noise(i + 7).to_string() };
        format!("{i},{x},1,{},{gap},{},{species}", ["red", "blue"][i as usize % 3 / 2], i % 2)
    };
    let found = suggested(&rows("row,x,one,colour,gap,code,species", 60, row), None).unwrap();
    assert_eq!(found.spec["features"], json!(["x", "colour", "gap"]));
    assert_eq!(found.spec["preprocess"]["numeric"]["indicator"], true);
    assert_eq!(found.spec["preprocess"]["categorical"]["encode"], "one_hot");
    let out: Vec<(&str, &str)> =
        found.left_out.iter().map(|out| (out.column.as_str(), out.code.as_str())).collect();
    assert_eq!(
        out,
        [("row", "id_like"), ("one", "constant_column"), ("code", "gives_target_away"),]
    );
    assert_eq!(found.warnings[0].code, "gives_target_away");
    assert_eq!(found.warnings[0].evidence.as_ref().unwrap()["value"], 1.0);
}

fn spec(n: u32, row: impl Fn(u32) -> String) -> Value {
    suggested(&rows("a,b,y", n, row), None).unwrap().spec
}

#[test]
fn the_spec_follows_the_target_and_the_size() {
    let classes = spec(200, |i| format!("{},{},c{}", noise(i), noise(i + 5), i % 2));
    assert_eq!(
        (&classes["task"], &classes["model"]["type"]),
        (&json!("classification"), &json!("linear"))
    );
    assert_eq!(classes["cv"]["type"], "repeated_stratified_kfold");
    // Of few rows a batch takes no more than a fold trains on.
    for n in [10, 20, 33] {
        let few = spec(n, |i| format!("{},{},c{}", noise(i), noise(i + 5), i % 2));
        assert!(few["training"]["batch_size"].as_u64().unwrap() <= u64::from(n) * 4 / 5);
    }
    let many = spec(1_000, |i| format!("{},{},c{}", noise(i), noise(i + 5), i % 2));
    assert_eq!(
        (&many["model"]["type"], &many["cv"]["type"]),
        (&json!("mlp"), &json!("stratified_kfold"))
    );
    let amounts =
        spec(1_000, |i| format!("{},{},{}", noise(i), noise(i + 5), 400.0 + noise(i + 9)));
    assert_eq!(
        (&amounts["task"], &amounts["model"]["type"]),
        (&json!("regression"), &json!("linear"))
    );
    assert_eq!(amounts["optimizer"]["learning_rate"], 4.0);
    let near = spec(1_000, |i| format!("{},{},{}", noise(i), noise(i + 5), noise(i + 9)));
    assert_eq!((&near["model"]["type"], &near["cv"]["type"]), (&json!("mlp"), &json!("kfold")));
}

#[test]
fn rare_classes_bound_the_folds_and_are_weighed() {
    let rare =
        |n: u32| spec(300, move |i| format!("{},{},c{}", noise(i), noise(i + 5), u32::from(i < n)));
    assert_eq!(
        (&rare(3)["cv"]["n_splits"], &rare(3)["cv"]["type"]),
        (&json!(3), &json!("repeated_stratified_kfold"))
    );
    assert_eq!(rare(3)["training"]["class_weight"], "balanced");
    assert_eq!(rare(3)["scoring"][0], "balanced_accuracy");
    assert_eq!(rare(100)["training"].get("class_weight"), None);
    assert_eq!(rare(1)["cv"]["type"], "repeated_kfold");
    // Whole numbers of which one comes once are rather counts than classes.
    let counts =
        spec(300, |i| format!("{},{},{}", noise(i), noise(i + 5), if i == 5 { 9 } else { i % 3 }));
    assert_eq!(counts["task"], "regression");
}

#[test]
fn many_categories_become_means_of_few_classes_and_share_features_for_many() {
    for (n_classes, encode, why) in [
        (7, "target", "become what the target is on average"),
        (30, "hashing", "share a few features"),
    ] {
        let row = |i: u32| format!("{},k{},c{}", noise(i), i % 150, (i + i / 150) % n_classes);
        let found = suggested(&rows("a,kind,y", 1_500, row), None).unwrap();
        assert_eq!(found.spec["preprocess"]["columns"]["kind"], json!({"encode": encode}));
        let is_told = |reason: &&Reason| reason.pointer == "/preprocess/columns";
        let reason = found.reasons.iter().find(is_told).unwrap();
        assert!(reason.detail.contains("\"kind\"") && reason.detail.contains(why), "{reason:?}");
    }
}

#[test]
fn what_cannot_be_suggested_says_why() {
    let text = rows("length,name,bloom", 60, |i| format!("{},n{},{}", noise(i), i % 3, i % 2));
    let only = |target| {
        let mut found = suggested(&text, Some(target)).unwrap_err();
        assert_eq!((found.len(), found[0].pointer.as_str()), (1, "/query/target"), "{found:?}");
        found.remove(0)
    };
    assert_eq!(only("blom").suggestion.unwrap(), "bloom");
    let text = rows("name,y", 60, |i| format!("n,{}", i % 2));
    let found = suggested(&text, None).unwrap_err().remove(0);
    assert!(found.detail.contains("no column is left"), "{found:?}");
    let text = rows("a,y", 60, |i| format!("{},", noise(i)));
    let found = suggested(&text, Some("y")).unwrap_err().remove(0);
    assert_eq!(found.pointer, "/query/target");
    let text = rows("a,y", 3, |_| "1,2".to_owned());
    let found = suggested(&text, None).unwrap_err().remove(0);
    assert!(found.detail.contains("no column can be predicted"), "{found:?}");
}
