//! Datasets: what goes in is understood, kept and shown; what is no table leaves nothing.

use serde_json::json;

use crate::support::World;

const IRIS: &str = "\
petal_length,petal_width,wild,species
1.4,0.2,true,setosa
4.7,1.4,false,versicolor
6.0,,true,virginica
";

#[test]
fn a_table_is_understood_and_shown() {
    let world = World::new();
    let answer = world.api.send(
        "/v1/datasets?name=iris",
        &[("content-type", "text/csv; charset=utf-8")],
        IRIS.as_bytes(),
    );
    let dataset = answer.expect(201);
    let path = format!("/v1/datasets/{}", dataset["id"].as_str().unwrap());
    assert_eq!(answer.header("location"), path);
    assert_eq!(world.api.get(&path).expect(200), dataset);
    assert_eq!(dataset["name"], "iris");
    assert_eq!(dataset["format"], "csv");
    let options = &dataset["format_options"];
    assert_eq!((&options["header"], &options["delimiter"]), (&json!(true), &json!(",")));
    assert_eq!((&options["encoding"], &options["decimal"]), (&json!("utf-8"), &json!(".")));
    assert_eq!((&dataset["n_rows"], &dataset["n_columns"]), (&json!(3), &json!(4)));
    assert_eq!(dataset["size_bytes"], IRIS.len());
    let types: Vec<&str> = dataset["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| column["type"].as_str().unwrap())
        .collect();
    assert_eq!(types, ["numeric", "numeric", "boolean", "categorical"]);
    let width = &dataset["columns"][1];
    assert_eq!(width["n_missing"], 1);
    assert!((width["mean"].as_f64().unwrap() - 0.8).abs() < 1e-12);

    let rows = world.api.get(&format!("{path}/rows?offset=2&limit=5")).expect(200);
    assert_eq!(rows["data"], json!([[6, null, true, "virginica"]]));
    assert_eq!((&rows["offset"], &rows["n_rows"]), (&json!(2), &json!(3)));
    let list = world.api.get("/v1/datasets").expect(200);
    assert_eq!(list, json!({"data": [dataset], "next_cursor": null}));
}

#[test]
fn the_bytes_come_back_as_they_went_in() {
    let world = World::new();
    let id = world.api.dataset(IRIS);
    let path = format!("/v1/datasets/{id}/content");
    let whole = world.api.get(&path);
    assert_eq!((whole.status, whole.text().as_str()), (200, IRIS));
    let etag = whole.header("etag").to_owned();
    assert_eq!(world.api.get_with(&path, &[("if-none-match", &etag)]).status, 304);
    let part = world.api.get_with(&path, &[("range", "bytes=6-11")]);
    assert_eq!((part.status, part.text().as_str()), (206, "length"));
    assert_eq!(part.header("content-range"), format!("bytes 6-11/{}", IRIS.len()));
    let none = world.api.get_with(&path, &[("range", "bytes=9999-")]);
    none.problem(416, "range_not_satisfiable");
    let stale = world.api.get_with(&path, &[("range", "bytes=0-1"), ("if-range", "\"old\"")]);
    assert_eq!(stale.status, 200);
}

fn form(parts: &[(&str, &str)]) -> (String, Vec<u8>) {
    let mut body = String::new();
    for (disposition, value) in parts {
        body +=
            &format!("--BOUND\r\ncontent-disposition: form-data; {disposition}\r\n\r\n{value}\r\n");
    }
    ("multipart/form-data; boundary=BOUND".to_owned(), (body + "--BOUND--\r\n").into_bytes())
}

#[test]
fn a_form_brings_a_file_with_its_name_and_options() {
    let world = World::new();
    let (kind, body) = form(&[
        ("name=\"options\"", "{\"header\": false, \"delimiter\": \";\"}"),
        ("name=\"file\"; filename=\"points.csv\"", "1;2\n3;4\n"),
    ]);
    let dataset = world.api.send("/v1/datasets", &[("content-type", &kind)], &body).expect(201);
    assert_eq!(dataset["name"], "points.csv");
    assert_eq!(dataset["columns"][1]["name"], "x1");
    assert_eq!(dataset["n_rows"], 2);
}

#[test]
fn a_form_that_is_wrong_leaves_nothing() {
    let world = World::new();
    let send = |parts: &[(&str, &str)]| {
        let (kind, body) = form(parts);
        world.api.send("/v1/datasets", &[("content-type", &kind)], &body)
    };
    let file = ("name=\"file\"; filename=\"a.csv\"", IRIS);
    assert_eq!(send(&[("name=\"name\"", "x")]).errors(422, "invalid_request")[0].0, "/file");
    let unknown = send(&[file, ("name=\"colour\"", "red")]);
    assert_eq!(unknown.errors(422, "invalid_request")[0].0, "/colour");
    let twice = send(&[file, file]);
    assert_eq!(twice.errors(422, "invalid_request")[0].1, "is there twice");
    let options = send(&[file, ("name=\"options\"", "{\"headr\": true}")]);
    assert_eq!(options.errors(422, "invalid_request")[0].0, "/options/headr");
    let (kind, body) = form(&[file]);
    let cut = &body[..body.len() - 30];
    world.api.send("/v1/datasets", &[("content-type", &kind)], cut).problem(400, "incomplete_body");
    assert_eq!(world.api.get("/v1/datasets").expect(200)["data"], json!([]));
    assert_eq!((world.n_files("staging"), world.n_files("blobs")), (0, 0));
}

#[test]
fn what_is_no_table_is_refused_with_every_reason_and_leaves_nothing() {
    let world = World::new();
    let details = |csv: &[u8]| -> Vec<String> {
        let answer = world.api.send("/v1/datasets", &[("content-type", "text/csv")], csv);
        answer.errors(422, "invalid_data").into_iter().map(|(_, detail)| detail).collect()
    };
    assert_eq!(details(b""), ["the file is empty"]);
    assert_eq!(details(b"a,b\n"), ["the file has a header and no rows"]);
    assert_eq!(
        details(b"a,b\n1,2\n3\n4,5,6\n"),
        [
            "row 2 (line 3) has 1 field, where the header has 2",
            "row 3 (line 4) has 3 fields, where the header has 2",
        ]
    );
    assert!(details(b"a,b\n1,inf\n2,-Infinity\n")[0].contains("beyond the finite numbers"));
    assert!(details(b"a\n\x00\n")[0].contains("a NUL byte"));
    assert!(details(b"a\n\xff\xfe\n")[0].contains("not UTF-8"));
    assert_eq!(details(b"a,a\n1,2\n"), ["two columns are named \"a\""]);
    assert_eq!(world.api.get("/v1/datasets").expect(200)["data"], json!([]));
    assert_eq!((world.n_files("staging"), world.n_files("blobs")), (0, 0));
}

#[test]
fn other_formats_and_media_types_are_refused_by_name() {
    let world = World::new();
    let image = world.api.send("/v1/datasets", &[("content-type", "image/png")], b"a\n1\n");
    image.problem(415, "unsupported_media_type");
    let raw = [("content-type", "application/octet-stream")];
    let path =
        "/v1/datasets?format=paquet&options=%7B%22compression%22:%22zip%22,%22zero_based%22:1%7D";
    let wrong = world.api.send(path, &raw, b"a\n1\n");
    let problems: Vec<String> =
        wrong.errors(422, "invalid_request").into_iter().map(|problem| problem.0).collect();
    assert_eq!(problems, ["/format", "/options/compression", "/options/zero_based"]);
    let parquet = world.api.send("/v1/datasets?format=parquet", &raw, b"a\n1\n");
    assert_eq!(parquet.errors(422, "invalid_data")[0].0, "/file");
    let unknown = world.api.send("/v1/datasets?nmae=x", &[("content-type", "text/csv")], b"a\n1\n");
    let problem = unknown.problem(422, "invalid_request");
    assert_eq!(problem["errors"][0]["pointer"], "/query/nmae");
    assert_eq!(problem["errors"][0]["suggestion"], "name");
    let gzip = [("content-type", "text/csv"), ("content-encoding", "gzip")];
    world.api.send("/v1/datasets", &gzip, b"a\n1\n").problem(415, "unsupported_media_type");
}

#[test]
fn a_generated_dataset_is_the_same_every_time() {
    let world = World::new();
    let one = world.api.demo_dataset();
    let two = world.api.demo_dataset();
    let get = |id: &str| world.api.get(&format!("/v1/datasets/{id}")).expect(200);
    assert_ne!(one, two);
    assert_eq!(get(&one)["sha256"], get(&two)["sha256"]);
    assert_eq!(world.n_files("blobs"), 1, "the same bytes are kept once");
    let names: Vec<String> = get(&one)["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| column["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names.join(" "), "x0 x1 x2 x3 x4 x5 x6 x7 x8 x9 y");
    assert_eq!(get(&one)["generator"]["n_informative"], 10);
}

#[test]
fn small_real_datasets_are_there() {
    let world = World::new();
    for (name, n_rows, n_columns, target) in [
        ("iris", 150, 5, "species"),
        ("wine", 178, 14, "cultivar"),
        ("breast_cancer", 569, 31, "diagnosis"),
    ] {
        let request = json!({"generator": {"type": name}});
        let dataset = world.api.post("/v1/datasets/generate", &request).expect(201);
        assert_eq!(dataset["n_rows"], n_rows);
        assert_eq!(dataset["n_columns"], n_columns);
        assert_eq!(dataset["columns"][n_columns - 1]["name"], target);
        assert_eq!(dataset["name"], name);
    }
}

#[test]
fn a_generator_is_checked_before_it_runs() {
    let world = World::new();
    let answer = world.api.post(
        "/v1/datasets/generate",
        &json!({"generator": {
            "type": "make_classification", "n_samples": 0, "n_informative": 30, "flip_y": 2,
            "n_class": 3
        }, "nme": "x"}),
    );
    let pointers: Vec<String> =
        answer.errors(422, "invalid_request").into_iter().map(|(pointer, _)| pointer).collect();
    for pointer in ["/generator/n_samples", "/generator/flip_y", "/generator/n_class", "/nme"] {
        assert!(pointers.iter().any(|found| found == pointer), "{pointer} in {pointers:?}");
    }
    assert!(pointers.iter().any(|found| found == "/generator/n_features"), "{pointers:?}");
    let unknown = world.api.post("/v1/datasets/generate", &json!({"generator": {"type": "irs"}}));
    assert_eq!(unknown.problem(422, "invalid_request")["errors"][0]["suggestion"], "iris");
}

#[test]
fn lists_come_in_pages_newest_first() {
    let world = World::new();
    let ids: Vec<String> = (0..5).map(|i| world.api.dataset(&format!("a\n{i}\n"))).collect();
    let mut seen = Vec::new();
    let mut path = "/v1/datasets?limit=2".to_owned();
    loop {
        let page = world.api.get(&path).expect(200);
        let data = page["data"].as_array().unwrap();
        seen.extend(data.iter().map(|dataset| dataset["id"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("/v1/datasets?limit=2&after={cursor}");
    }
    assert_eq!(seen, ids.into_iter().rev().collect::<Vec<_>>());
    world.api.get("/v1/datasets?limit=101").problem(422, "invalid_request");
    world.api.get("/v1/datasets?after=nonsense").problem(422, "invalid_request");
}

#[test]
fn a_dataset_can_be_deleted_once_nothing_needs_it() {
    let world = World::new();
    let id = world.api.dataset(IRIS);
    let path = format!("/v1/datasets/{id}");
    assert_eq!(world.api.delete(&path).status, 204);
    world.api.delete(&path).problem(404, "not_found");
    world.api.get(&path).problem(404, "not_found");
    world.api.get("/v1/datasets/nonsense").problem(404, "not_found");
}

#[test]
fn the_same_key_with_the_same_upload_creates_once() {
    let world = World::new();
    let send = |key: &str, csv: &str| {
        let headers = [("content-type", "text/csv"), ("idempotency-key", key)];
        world.api.send("/v1/datasets", &headers, csv.as_bytes())
    };
    let first = send("k1", IRIS).expect(201);
    assert_eq!(send("k1", IRIS).expect(201), first);
    send("k1", "a\n1\n").problem(422, "idempotency_key_reused");
    assert_ne!(send("k2", IRIS).expect(201)["id"], first["id"]);
    let long = "k".repeat(256);
    assert_eq!(send(&long, IRIS).status, 422);
    assert_eq!(world.n_files("staging"), 0);
}

#[test]
fn a_quote_that_never_closes_is_refused_where_it_opens() {
    let world = World::new();
    let errors = world.api.upload("a,b\n1,\"2\n3,4\n5,6\n").errors(422, "invalid_data");
    assert!(errors[0].1.contains("line 2"), "{errors:?}");
    assert_eq!(world.api.get("/v1/datasets").expect(200)["data"], json!([]));
}

#[test]
fn numbers_at_the_edge_are_described_and_read_back() {
    let world = World::new();
    let dataset = world.api.upload("a,y\n-1.7e308,0\n1.7e308,1\n").expect(201);
    let path = format!("/v1/datasets/{}", dataset["id"].as_str().unwrap());
    assert_eq!(world.api.get(&path).expect(200), dataset);
    assert_eq!(world.api.get("/v1/datasets").expect(200)["data"][0], dataset);
    assert_eq!(world.api.get(&format!("{path}/rows")).expect(200)["data"][1], json!([1.7e308, 1]));
}

#[test]
fn long_numbers_keep_their_digits_and_another_delimiter_is_found() {
    let world = World::new();
    let ids = world.api.upload("id,y\n9007199254740992,0\n9007199254740993,1\n").expect(201);
    assert_eq!(ids["columns"][0]["type"], "categorical");
    assert_eq!(ids["columns"][0]["n_unique"], 2);
    assert_eq!(ids["warnings"][0]["code"], "kept_as_text");
    let semicolons = world.api.upload("a;b;y\n1;2;0\n").expect(201);
    assert_eq!(semicolons["n_columns"], 3);
    assert_eq!(semicolons["format_options"]["delimiter"], ";");
}
