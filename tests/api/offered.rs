//! Everything that the OpenAPI document offers of networks trains, with cross-validation.

use serde_json::{Value, json};

use crate::support::World;

/// Rows of two numbers, three classes, two classes and an amount that is not negative.
fn table() -> String {
    let row = |i: u32| {
        let class = i % 3;
        let (a, b) = (f64::from(i * 37 % 100) / 100.0, f64::from(i * 53 % 100) / 100.0);
        let (x0, x1) = (f64::from(class) * 2.0 + a, b - f64::from(class));
        let (colour, light) =
            (["red", "green", "blue"][class as usize], ["on", "off"][(class / 2) as usize]);
        format!("{x0},{x1},{colour},{light},{},{}\n", x0 + 0.5 * b, 1 + i % 3)
    };
    let rows: String = (0..120).map(row).collect();
    format!("x0,x1,colour,light,amount,weight\n{rows}")
}

/// The names of what a schema of the document offers.
fn offered(document: &Value, schema: &str) -> Vec<String> {
    let variants = document["components"]["schemas"][schema]["oneOf"].as_array();
    let names = variants.unwrap_or_else(|| panic!("{schema} is no choice")).iter();
    let names = names.filter_map(|variant| variant["properties"]["type"]["enum"][0].as_str());
    let names: Vec<String> = names.map(str::to_owned).collect();
    assert!(names.len() > 4, "{schema}: {names:?}");
    names
}

/// One of that name, with no more than it must say.
fn named(name: &str) -> Value {
    let mut spec = match name {
        "dense" => json!({"units": 8}),
        "activation" => json!({"activation": "tanh"}),
        "dropout" | "alpha_dropout" => json!({"rate": 0.1}),
        "residual" => json!({"layers": [{"type": "dense", "units": 8}, {"type": "layer_norm"}]}),
        "step" => json!({"step_size": 1}),
        "multi_step" => json!({"milestones": [1]}),
        "exponential" => json!({"gamma": 0.9}),
        _ => json!({}),
    };
    spec["type"] = json!(name);
    spec
}

/// What differs from the least that a spec says.
fn changes(document: &Value) -> Vec<Value> {
    let offered = |schema| offered(document, schema);
    let mut all = Vec::new();
    for name in offered("NamedActivation_Activation") {
        all.push(json!({"model": {"type": "mlp", "hidden": [8], "activation": named(&name)}}));
    }
    for name in offered("NamedInitSpec_InitSpec") {
        let init =
            if name == "constant" { json!({"type": name, "value": 0.1}) } else { named(&name) };
        all.push(json!({"model": {"type": "mlp", "hidden": [8], "init": init}}));
    }
    for name in offered("LayerSpec") {
        let layers = json!([{"type": "dense", "units": 8}, named(&name), {"type": "dense"}]);
        all.push(json!({"model": {"type": "network", "layers": layers}}));
    }
    for name in offered("OptimizerSpec") {
        // It steps over all rows.
        let batch_size = if name == "gradient_descent" { Value::Null } else { json!(16) };
        let training = json!({"epochs": 2, "batch_size": batch_size});
        all.push(json!({"optimizer": {"type": name}, "training": training}));
    }
    for name in offered("ScheduleSpec") {
        let mut warmed_up = named(&name);
        warmed_up["warmup_epochs"] = json!(0.5);
        for schedule in [named(&name), warmed_up] {
            all.push(json!({"optimizer": {"type": "adam", "schedule": schedule}}));
        }
    }
    for name in offered("NamedLossSpec_LossSpec") {
        let target = match name.as_str() {
            "cross_entropy" | "focal" | "hinge" | "squared_hinge" => "colour",
            "binary_cross_entropy" => "light",
            _ => "amount",
        };
        all.push(json!({"target": target, "loss": named(&name)}));
    }
    let training = |more: Value| {
        let mut training = json!({"epochs": 2, "batch_size": 16});
        training.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"training": training})
    };
    all.extend([
        json!({"loss": {"type": "cross_entropy", "label_smoothing": 0.1}}),
        json!({"sample_weight": "weight", "features": ["x0", "x1"]}),
        json!({"target": "amount", "model": {"type": "linear"}}),
        json!({"optimizer": {"type": "adam", "schedule": {"type": "cosine", "restarts": {"period": 1}}}}),
        json!({"optimizer": {"type": "rmsprop", "centered": true, "momentum": 0.5}}),
        json!({"optimizer": {"type": "adam", "clip": {"norm": 1.0, "value": 0.5, "global_norm": 1.0}}}),
        training(json!({"l1": 1e-3, "l2": 1e-3, "max_norm": 2.0})),
        training(json!({"gradient_noise": {}, "accumulation_steps": 2, "drop_last": true})),
        training(json!({"averaging": {"decay": 0.9}, "class_weight": "balanced", "max_seconds": 60})),
        training(json!({"validation_fraction": 0.2, "early_stopping": {"patience": 1, "restore_best": true}})),
    ]);
    all
}

#[test]
fn everything_the_document_offers_trains() {
    let world = World::new();
    let dataset = world.api.dataset(&table());
    let document = world.api.get("/openapi.json").expect(200);
    let mut jobs = Vec::new();
    for changes in changes(&document) {
        let mut spec = json!({
            "dataset_id": dataset, "target": "colour", "features": ["x0", "x1"],
            "model": {"type": "mlp", "hidden": [8]}, "optimizer": {"type": "adam"},
            "training": {"epochs": 2, "batch_size": 16}, "random_state": 1,
            "cv": {"type": "kfold", "n_splits": 2, "shuffle": true}
        });
        spec.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        jobs.push((world.api.submit(&spec), changes));
    }
    for (id, changes) in jobs {
        let job = world.api.finished(&id);
        assert_eq!(job["status"], "succeeded", "{changes}: {job}");
        let result = &job["result"];
        assert!(result["model_id"].is_string(), "{changes}: {job}");
        let scores: Vec<&Value> = result["cv"].as_object().unwrap().values().collect();
        assert!(
            !scores.is_empty() && scores.iter().all(|s| s["mean"].is_f64()),
            "{changes}: {job}"
        );
    }
}
