//! Tables that are not kept in memory: the same results to the bit, from files.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use trainyard::domain::limits::Limits;

use crate::support::World;

/// Numbers, gaps, a category, a flag and a date, and two targets.
fn mixed() -> String {
    let mut text = "a,b,city,member,since,amount,y\n".to_owned();
    for row in 0..600_u32 {
        let noise = row * 7919 % 101;
        let a = f64::from(noise) / 10.0;
        let b = if row % 13 == 0 { String::new() } else { (row % 37).to_string() };
        let city = ["Ulm", "Bonn", "Köln"][row as usize % 3];
        let (member, day) = (row % 2 == 0, 1 + row % 28);
        let y = if noise + row % 37 > 60 { "yes" } else { "no" };
        text += &format!("{a},{b},{city},{member},2024-03-{day:02},{},{y}\n", a * 2.0 + 1.0);
    }
    text
}

fn numbers() -> String {
    let row = |row: u32| {
        let x = f64::from(row * 7919 % 1009) / 1009.0;
        format!("{x},{},{}\n", x * x, u8::from(x + x * x > 0.9))
    };
    "u,v,y\n".to_owned() + &(0..800).map(row).collect::<String>()
}

fn jobs(dataset: &Value, target: &str, drop: &[&str]) -> Vec<Value> {
    let columns =
        dataset["columns"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap());
    let features: Vec<&str> = columns.filter(|c| *c != target && !drop.contains(c)).collect();
    let spec = |model: Value, more: Value| {
        let mut spec = json!({
            "dataset_id": dataset["id"], "target": target, "features": features,
            "model": model, "random_state": 3, "cv": {"type": "kfold", "n_splits": 3, "shuffle": true},
            "training": {"epochs": 4, "validation_fraction": 0.2}
        });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec
    };
    vec![
        spec(json!({"type": "mlp", "hidden": [8]}), json!({})),
        spec(
            json!({"type": "mlp", "hidden": [8], "batch_norm": true}),
            json!({"preprocess": {"numeric": {"scale": "none"}}, "sample_weight": null}),
        ),
        json!({"dataset_id": dataset["id"], "target": target, "features": features,
               "model": {"type": "linear"}, "training": {"epochs": 2}}),
    ]
}

/// What is in a world after these jobs: each job's folds, and the hashes of the model files.
fn outcome(limits: Limits) -> (Vec<Value>, BTreeSet<String>, World) {
    let world = World::with_limits(limits);
    let mut found = Vec::new();
    for (text, target, drop) in
        [(mixed(), "y", &["amount"][..]), (mixed(), "amount", &["y"]), (numbers(), "y", &[])]
    {
        let dataset = world.api.upload(&text).expect(201);
        for spec in jobs(&dataset, target, drop) {
            let job = world.api.run(&spec);
            assert_eq!(job["status"], "succeeded", "{}", job["error"]);
            for fold in job["result"]["folds"].as_array().into_iter().flatten() {
                found.push(fold["scores"].clone());
            }
            found.push(job["result"]["train"].clone());
        }
    }
    let mut blobs = BTreeSet::new();
    names(&world.directory.path().join("blobs"), &mut blobs);
    (found, blobs, world)
}

fn names(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            names(&path, found);
        } else {
            found.insert(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
}

#[test]
fn a_table_on_disk_gives_the_same_models_to_the_bit() {
    let (in_memory, models, world) = outcome(Limits::default());
    assert_eq!(world.n_files("tables"), 0, "small tables are parsed again sooner than copied");
    let (on_disk, same_models, world) =
        outcome(Limits { max_table_megabytes: 0, ..Limits::default() });
    assert_eq!(on_disk, in_memory);
    assert_eq!(same_models, models);
    // The mixed table was uploaded twice, and is there once.
    assert_eq!(world.n_files("tables"), 2);
    assert_eq!(world.n_files("scratch"), 0);
}
