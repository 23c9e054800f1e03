//! Splitters over the API: the rows that scikit-learn would train and test on, and what is refused.

use serde_json::{Value, json};

use crate::support::{Answer, World};

fn spec(dataset: &str, cv: &Value) -> Value {
    json!({"dataset_id": dataset, "target": "y", "model": {"type": "perceptron"}, "cv": cv,
           "random_state": 1})
}

/// What each fold trains and tests on, by number of rows.
fn sizes(job: &Value) -> Vec<(u64, u64)> {
    let n = |fold: &Value, name: &str| fold[name].as_u64().unwrap();
    let folds = job["result"]["folds"].as_array().unwrap();
    folds.iter().map(|fold| (n(fold, "n_train"), n(fold, "n_test"))).collect()
}

#[test]
fn time_series_train_on_what_was_before() {
    let world = World::new();
    let dataset = world.api.demo_dataset();
    let job = world.api.run(&spec(
        &dataset,
        &json!({"type": "time_series_split", "n_splits": 3, "test_size": 100, "gap": 10}),
    ));
    assert_eq!(job["status"], "succeeded", "{}", job["error"]);
    assert_eq!(sizes(&job), [(690, 100), (790, 100), (890, 100)]);
    let id = job["id"].as_str().unwrap();
    let page = world.api.get(&format!("/v1/jobs/{id}/predictions?limit=300")).expect(200);
    let rows = page["data"].as_array().unwrap().iter().map(|row| row["row"].as_u64().unwrap());
    assert!(rows.eq(700..1000));
    let (pointer, detail) = &world
        .api
        .post("/v1/jobs", &spec(&dataset, &json!({"type": "time_series_split", "test_size": 300})))
        .errors(422, "invalid_request")[0];
    assert!(pointer.starts_with("/cv"), "{pointer}: {detail}");
}

#[test]
fn stratified_shuffles_draw_anew_for_every_split() {
    let world = World::new();
    let dataset = world.api.demo_dataset();
    let cv = json!({"type": "stratified_shuffle_split", "n_splits": 4, "test_size": 0.2});
    let job = world.api.run(&spec(&dataset, &cv));
    assert_eq!(job["status"], "succeeded", "{}", job["error"]);
    assert_eq!(sizes(&job), [(800, 200); 4]);
    assert_eq!(job["resolved_spec"]["cv"]["random_state"], 1);
}

/// Six visits of each of ten patients, two of them ill, with a day that goes back and a fold.
fn visits(world: &World) -> String {
    let mut csv = "patient,day,fold,weight,y\n".to_owned();
    for row in 0..60 {
        let patient = row % 10;
        let ill = if patient < 2 { "ill" } else { "well" };
        let (day, fold) = (1 + (row * 7) % 28, row % 4 - 1);
        let weight = f64::from(row * 13 % 17) + if patient < 2 { 30.0 } else { 0.0 };
        csv += &format!("p{patient},2024-02-{day:02},{fold},{weight},{ill}\n");
    }
    world.api.dataset(&csv)
}

fn warnings(job: &Value) -> Vec<&str> {
    let warnings = job["result"]["warnings"].as_array().unwrap();
    warnings.iter().map(|warning| warning["code"].as_str().unwrap()).collect()
}

#[test]
fn groups_stay_together() {
    let world = World::new();
    let dataset = visits(&world);
    let run = |cv: Value| world.api.run(&spec(&dataset, &cv));
    let job = run(json!({"type": "group_kfold", "n_splits": 5, "groups": "patient"}));
    assert_eq!(job["status"], "succeeded", "{}", job["error"]);
    assert_eq!(sizes(&job), [(48, 12); 5]);
    assert_eq!(job["resolved_spec"]["features"], json!(["day", "fold", "weight"]));
    let id = job["id"].as_str().unwrap();
    let page = world.api.get(&format!("/v1/jobs/{id}/predictions?limit=100")).expect(200);
    for fold in 0..5 {
        let rows = page["data"].as_array().unwrap().iter().filter(|row| row["fold"] == fold);
        let mut patients: Vec<u64> = rows.map(|row| row["row"].as_u64().unwrap() % 10).collect();
        patients.sort_unstable();
        assert_eq!(patients.chunk_by(|a, b| a == b).map(<[u64]>::len).collect::<Vec<_>>(), [6, 6]);
    }
    let job = run(json!({"type": "leave_one_group_out", "groups": "patient"}));
    assert_eq!(sizes(&job), [(54, 6); 10]);
    assert_eq!(job["tasks"]["total"], 11);
    let job = run(json!({"type": "leave_p_groups_out", "groups": "patient", "n_groups": 2}));
    assert_eq!(job["tasks"]["total"], 46);
    // In the choice of the first two patients nobody who trains is ill, and so nobody can tell.
    assert_eq!(job["status"], "failed");
    assert_eq!((&job["error"]["code"], &job["error"]["fold"]), (&json!("one_class"), &json!(0)));
}

#[test]
fn a_class_that_a_fold_never_trained_on_is_named() {
    let world = World::new();
    let dataset = visits(&world);
    let spec = json!({"dataset_id": dataset, "target": "patient", "features": ["weight"],
        "model": {"type": "perceptron"}, "cv": {"type": "leave_one_group_out", "groups": "y"}});
    let job = world.api.run(&spec);
    assert_eq!(job["status"], "succeeded", "{}", job["error"]);
    let folds = job["result"]["folds"].as_array().unwrap();
    assert_eq!(folds[0]["untrained_classes"], json!(["p0", "p1"]));
    assert_eq!(folds[1]["untrained_classes"].as_array().unwrap().len(), 8);
    assert_eq!(folds[0]["scores"]["accuracy"], 0.0);
    assert_eq!(warnings(&job).iter().filter(|code| **code == "untrained_class").count(), 10);
}

#[test]
fn folds_that_a_column_names() {
    let world = World::new();
    let dataset = visits(&world);
    let job = world.api.run(&spec(&dataset, &json!({"type": "predefined", "test_fold": "fold"})));
    assert_eq!(job["status"], "succeeded", "{}", job["error"]);
    assert_eq!(sizes(&job), [(45, 15); 3]);
    let id = job["id"].as_str().unwrap();
    let page = world.api.get(&format!("/v1/jobs/{id}/predictions?limit=100")).expect(200);
    let tested: Vec<u64> =
        page["data"].as_array().unwrap().iter().map(|row| row["row"].as_u64().unwrap()).collect();
    assert_eq!(tested.len(), 45);
    assert!(tested.iter().all(|row| row % 4 != 0));
}

#[test]
fn rows_are_put_in_the_order_of_time() {
    let world = World::new();
    let dataset = visits(&world);
    let cv = json!({"type": "time_series_split", "n_splits": 2, "time": "day"});
    let job = world.api.run(&spec(&dataset, &cv));
    assert_eq!(job["status"], "succeeded", "{}", job["error"]);
    assert_eq!(warnings(&job), ["constant_scores"]);
    let id = job["id"].as_str().unwrap();
    let page = world.api.get(&format!("/v1/jobs/{id}/predictions?limit=100")).expect(200);
    let day = |row: &Value| 1 + (row["row"].as_u64().unwrap() * 7) % 28;
    let days = |fold: u64| {
        let rows = page["data"].as_array().unwrap().iter().filter(move |row| row["fold"] == fold);
        rows.map(day).collect::<Vec<_>>()
    };
    assert!(days(0).iter().max() <= days(1).iter().min(), "{:?} {:?}", days(0), days(1));
    let job = world.api.run(&spec(&dataset, &json!({"type": "time_series_split", "n_splits": 2})));
    assert!(warnings(&job).contains(&"times_out_of_order"), "{job}");
}

#[test]
fn folds_in_an_order_that_gives_them_one_class_are_told_of_before_they_train() {
    let world = World::new();
    let rows = |class: &dyn Fn(u32) -> &'static str| -> String {
        (0..60).map(|i| format!("{},2024-03-{:02},{}\n", i * 7 % 13, 1 + i / 2, class(i))).collect()
    };
    let upload = |rows: String| world.api.dataset(&format!("a,day,y\n{rows}"));
    let by_class = upload(rows(&|i| if i < 40 { "no" } else { "yes" }));
    let mixed = upload(rows(&|i| if i % 3 == 0 { "no" } else { "yes" }));
    let plan = |dataset: &str, model: &str, cv: &Value| {
        let job = json!({"dataset_id": dataset, "target": "y", "model": {"type": model},
            "features": ["a"], "cv": cv});
        world.api.post("/v1/jobs?dry_run=true", &job)
    };
    let codes = |answer: Answer| -> Vec<String> {
        let warnings = answer.expect(200)["warnings"].as_array().unwrap().clone();
        warnings.iter().map(|warning| warning["code"].as_str().unwrap().to_owned()).collect()
    };
    let kfold = json!({"type": "kfold", "n_splits": 4});
    let told = "sorted_by_target".to_owned();
    assert!(codes(plan(&by_class, "perceptron", &kfold)).contains(&told));
    assert!(codes(plan(&by_class, "linear", &kfold)).contains(&told));
    let holdout = json!({"type": "holdout", "shuffle": false});
    assert!(codes(plan(&by_class, "linear", &holdout)).contains(&told));
    for (dataset, cv) in [
        (&mixed, kfold),
        (&by_class, json!({"type": "kfold", "shuffle": true})),
        (&by_class, json!({"type": "stratified_kfold"})),
        (&by_class, json!({"type": "time_series_split", "n_splits": 2})),
    ] {
        assert!(!codes(plan(dataset, "linear", &cv)).contains(&told), "{cv}");
    }
    let amounts: String = (0..60).map(|i| format!("{},{}.5\n", i * 7 % 13, 60 - i)).collect();
    let amounts = world.api.dataset(&format!("a,y\n{amounts}"));
    let kfold = json!({"type": "kfold"});
    assert!(codes(plan(&amounts, "linear", &kfold)).contains(&told));

    // A perceptron cannot learn from one class, and is not tried on it.
    for (dataset, cv, fold, way_out) in [
        (
            &by_class,
            json!({"type": "time_series_split"}),
            "fold 0 trains on 10 rows",
            "fewer splits",
        ),
        (
            &by_class,
            json!({"type": "time_series_split", "n_splits": 2, "time": "day", "max_train_size": 10}),
            "fold 0 trains on 10 rows",
            "max_train_size",
        ),
        (
            &by_class,
            json!({"type": "holdout", "shuffle": false, "test_size": 20}),
            "40 rows",
            "shuffle",
        ),
        (
            &by_class,
            json!({"type": "kfold", "n_splits": 3}),
            "fold 2 trains on 40 rows",
            "stratified",
        ),
    ] {
        let problem = plan(dataset, "perceptron", &cv).problem(422, "invalid_request");
        let error = &problem["errors"][0];
        assert_eq!(error["pointer"], "/cv", "{problem}");
        let detail = error["detail"].as_str().unwrap();
        assert!(detail.contains(fold) && detail.contains("class \"no\""), "{cv}: {detail}");
        assert!(error["suggestion"].as_str().unwrap().contains(way_out), "{cv}: {error}");
    }
    plan(&mixed, "perceptron", &json!({"type": "time_series_split", "time": "day"})).expect(200);
    plan(&by_class, "perceptron", &json!({"type": "time_series_split", "n_splits": 1}))
        .problem(422, "invalid_request");
}

#[test]
fn folds_that_all_score_alike_say_that_their_interval_says_nothing() {
    let world = World::new();
    let rows: String = (0..60).map(|i| format!("{},{}\n", i % 2 * 10, i % 2)).collect();
    let dataset = world.api.dataset(&format!("a,y\n{rows}"));
    let job = world.api.run(&json!({"dataset_id": dataset, "target": "y",
        "model": {"type": "perceptron"}, "cv": {"type": "stratified_kfold"}}));
    assert_eq!(job["result"]["cv"]["accuracy"]["ci95"], json!([1.0, 1.0]), "{job}");
    assert!(warnings(&job).contains(&"constant_scores"), "{job}");
    let noisy: String = (0..60).map(|i| format!("{},{}\n", i * 37 % 11, i * i % 7 % 2)).collect();
    let dataset = world.api.dataset(&format!("a,y\n{noisy}"));
    let job = world.api.run(&json!({"dataset_id": dataset, "target": "y",
        "model": {"type": "perceptron"}, "cv": {"type": "stratified_kfold"}}));
    assert!(!warnings(&job).contains(&"constant_scores"), "{job}");
}

#[test]
fn groups_that_do_not_do() {
    let world = World::new();
    let dataset = visits(&world);
    let refused = |cv: Value| -> (String, String) {
        let errors =
            world.api.post("/v1/jobs", &spec(&dataset, &cv)).errors(422, "invalid_request");
        assert_eq!(errors.len(), 1, "{cv}: {errors:?}");
        errors[0].clone()
    };
    let is = |cv: Value, pointer: &str, detail: &str| {
        let found = refused(cv);
        assert_eq!((found.0.as_str(), found.1.as_str()), (pointer, detail));
    };
    is(json!({"type": "group_kfold"}), "/cv/groups", "is required");
    is(
        json!({"type": "group_kfold", "groups": "patients"}),
        "/cv/groups",
        "the dataset has no column \"patients\"",
    );
    is(json!({"type": "group_kfold", "groups": "y"}), "/cv/groups", "column \"y\" is the target");
    is(
        json!({"type": "group_kfold", "groups": "patient", "n_splits": 11}),
        "/cv/n_splits",
        "there are 10 groups, fewer than the 11 folds",
    );
    is(
        json!({"type": "leave_p_groups_out", "groups": "patient", "n_groups": 10}),
        "/cv/n_groups",
        "leaves none of 10 groups to train on",
    );
    is(
        json!({"type": "leave_p_out", "p": 5}),
        "/cv/p",
        "there are more than 10000 choices of 5 of 60 rows",
    );
    is(
        json!({"type": "predefined", "test_fold": "patient"}),
        "/cv/test_fold",
        "column \"patient\" holds no numbers; folds are whole numbers, and -1",
    );
    is(
        json!({"type": "time_series_split", "time": "patient"}),
        "/cv/time",
        "column \"patient\" holds neither moments nor numbers",
    );
}

#[test]
fn columns_with_gaps_and_too_few_of_anything() {
    let world = World::new();
    let row = |i: u32| {
        let (day, site) = (
            if i == 7 { String::new() } else { format!("2026-01-{:02}", 1 + i) },
            if i.is_multiple_of(9) { "" } else { "north" },
        );
        format!("{i},{day},{site},all,{}\n", if i < 3 { "rare" } else { "common" })
    };
    let rows: String = (0..24).map(row).collect();
    let dataset = world.api.dataset(&format!("x,day,site,one,y\n{rows}"));
    let is = |cv: Value, pointer: &str, detail: &str, way_out: &str| {
        let answer = world.api.post(
            "/v1/jobs",
            &json!({
                "dataset_id": dataset, "target": "y", "features": ["x"], "cv": cv,
                "model": {"type": "perceptron"}
            }),
        );
        let problem = answer.problem(422, "invalid_request");
        let errors = problem["errors"].as_array().unwrap();
        let [error] = &errors[..] else { panic!("{cv}: {errors:?}") };
        assert_eq!((&error["pointer"], &error["detail"]), (&json!(pointer), &json!(detail)));
        let suggestion = error["suggestion"].as_str().unwrap_or_default();
        assert!(suggestion.contains(way_out), "{error}");
    };
    is(
        json!({"type": "group_kfold", "groups": "site"}),
        "/cv/groups",
        "column \"site\" has 3 missing values",
        "`unknown`",
    );
    is(
        json!({"type": "group_kfold", "groups": "one", "n_splits": 2}),
        "/cv/n_splits",
        "there is 1 group, fewer than the 2 folds",
        "",
    );
    is(
        json!({"type": "stratified_kfold", "n_splits": 4}),
        "/cv/n_splits",
        "class \"rare\" has 3 rows, fewer than the 4 folds",
        "at most 3",
    );
    is(
        json!({"type": "time_series_split", "time": "day"}),
        "/cv/time",
        "column \"day\" has 1 missing values",
        "",
    );
}
