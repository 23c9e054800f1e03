//! Files of many formats, as a client uploads them.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use trainyard::domain::limits::Limits;

use crate::support::World;

const RAW: [(&str, &str); 1] = [("content-type", "application/octet-stream")];

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_compressed_csv_is_read_kept_as_it_came_and_trained_on() {
    let world = World::new();
    let rows: String = (0..40).map(|i| format!("{i},{}\n", i % 2)).collect();
    let bytes = gzip(format!("a,y\n{rows}").as_bytes());
    let answer = world.api.send("/v1/datasets?name=small", &RAW, &bytes).expect(201);
    assert_eq!((&answer["format"], &answer["compression"]), (&json!("csv"), &json!("gzip")));
    assert_eq!((&answer["n_rows"], &answer["n_columns"]), (&json!(40), &json!(2)));
    let id = answer["id"].as_str().unwrap();
    let content = world.api.get(&format!("/v1/datasets/{id}/content"));
    assert_eq!(content.header("content-type"), "application/gzip");
    assert_eq!(
        content.header("content-disposition"),
        format!("attachment; filename=\"{id}.csv.gz\"")
    );
    let job = json!({"dataset_id": id, "target": "y", "model": {"type": "perceptron"}});
    assert_eq!(world.api.run(&job)["status"], "succeeded");
}

#[test]
fn records_become_columns_with_gaps_where_a_key_is_missing() {
    let world = World::new();
    let lines = "{\"a\": 1, \"kind\": \"x\"}\n{\"a\": 2.5}\n{\"kind\": \"y\", \"late\": true}\n";
    let answer = world.api.send("/v1/datasets", &RAW, lines.as_bytes()).expect(201);
    assert_eq!(answer["format"], "json_lines");
    let columns: Vec<_> = answer["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| json!([column["name"], column["type"], column["n_missing"]]))
        .collect();
    let expected = [
        json!(["a", "numeric", 1]),
        json!(["kind", "categorical", 1]),
        json!(["late", "boolean", 2]),
    ];
    assert_eq!(columns, expected);
    let path = format!("/v1/datasets/{}/rows", answer["id"].as_str().unwrap());
    let rows = world.api.get(&path).expect(200);
    assert_eq!(rows["data"], json!([[1, "x", null], [2.5, null, null], [null, "y", true]]));
}

#[test]
fn a_preview_says_what_would_be_understood_and_stores_nothing() {
    let world = World::new();
    let answer = world.api.send("/v1/datasets?preview=true", &RAW, b"a;b\n1;x\n2;y\n").expect(200);
    assert_eq!(answer["n_rows"], 2);
    assert_eq!(answer["rows"].as_array().unwrap().len(), 2);
    assert_eq!(answer["format_options"]["header"], true);
    assert!(answer.get("id").is_none());
    assert_eq!(world.api.get("/v1/datasets").expect(200)["data"], json!([]));
    assert_eq!((world.n_files("staging"), world.n_files("blobs")), (0, 0));
}

#[test]
fn what_breaks_off_or_explodes_is_refused_and_nothing_is_left() {
    let limits = Limits { max_decompressed_bytes: 1 << 20, ..Limits::default() };
    let world = World::with_limits(limits);
    let whole = gzip("a,b\n1,2\n".repeat(1_000).as_bytes());
    let bomb = gzip(&vec![b'1'; 4 << 20]);
    for bytes in [&whole[..whole.len() / 2], &bomb] {
        let problems = world.api.send("/v1/datasets", &RAW, bytes).errors(422, "invalid_data");
        assert_eq!(problems[0].0, "/file");
    }
    assert_eq!((world.n_files("staging"), world.n_files("blobs")), (0, 0));
}

/// 24 rows of 2 × 3 numbers, as NumPy saves them.
#[test]
fn an_array_of_matrices_is_a_column_of_tensors() {
    let world = World::new();
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 2, 3), }";
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    let length = (header.len() + 1 + 10).next_multiple_of(64) - 10;
    bytes.extend((length as u16).to_le_bytes());
    bytes.extend(format!("{header:width$}\n", width = length - 1).bytes());
    bytes.extend((0..24).flat_map(|i| (i as f32).to_le_bytes()));
    let answer = world.api.send("/v1/datasets", &RAW, &bytes).expect(201);
    assert_eq!(answer["format"], "npy");
    assert_eq!(answer["columns"][0]["type"], "tensor");
    let path = format!("/v1/datasets/{}/rows?offset=1&limit=1", answer["id"].as_str().unwrap());
    let rows = world.api.get(&path).expect(200);
    assert_eq!(rows["data"], json!([[[[6.0, 7.0, 8.0], [9.0, 10.0, 11.0]]]]));
}

/// A row of an image has as many values as the image.
#[test]
fn an_answer_holds_few_rows_of_large_tensors() {
    let world = World::new();
    let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (12, 300, 400), }";
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16 + 1).to_le_bytes());
    bytes.extend(format!("{header}\n").bytes());
    bytes.resize(bytes.len() + 12 * 300 * 400, 7);
    let preview = world.api.send("/v1/datasets?preview=true", &RAW, &bytes).expect(200);
    assert_eq!(preview["rows"].as_array().unwrap().len(), 4);
    let answer = world.api.send("/v1/datasets", &RAW, &bytes).expect(201);
    let path = format!("/v1/datasets/{}/rows?limit=12", answer["id"].as_str().unwrap());
    assert_eq!(world.api.get(&path).expect(200)["data"].as_array().unwrap().len(), 4);
}

/// What is said of another format than the file turns out to be is told, and not passed over.
#[test]
fn options_of_another_format_are_refused() {
    let world = World::new();
    let send = |options: &str, bytes: &[u8]| {
        let options: String = url::form_urlencoded::byte_serialize(options.as_bytes()).collect();
        world.api.send(&format!("/v1/datasets?options={options}"), &RAW, bytes)
    };
    let json = b"{\"a\": 1}\n{\"a\": 2}\n";
    let errors = send("{\"delimiter\": \";\"}", json).errors(422, "invalid_data");
    assert_eq!(errors[0].0, "/options");
    assert!(errors[0].1.contains("json_lines"), "{errors:?}");
    let errors = send("{\"zero_based\": true}", b"a,b\n1,2\n").errors(422, "invalid_data");
    assert_eq!(errors[0].0, "/options/zero_based");
    assert_eq!((world.n_files("staging"), world.n_files("blobs")), (0, 0));
    send("{\"delimiter\": \",\"}", b"a,b\n1,2\n").expect(201);
}

/// Every media type that the document names is taken, and no other.
#[test]
fn media_types_are_those_of_the_document() {
    let world = World::new();
    let document = world.api.get("/openapi.json").expect(200);
    let content = &document["paths"]["/v1/datasets"]["post"]["requestBody"]["content"];
    let named: Vec<&String> = content.as_object().unwrap().keys().collect();
    assert!(named.len() > 10, "{named:?}");
    for media_type in named.into_iter().filter(|name| *name != "multipart/form-data") {
        let kind = [("content-type", media_type.as_str())];
        world.api.send("/v1/datasets?preview=true", &kind, b"a\n1\n").expect(200);
    }
    let options = &document["components"]["schemas"]["UploadOptions"].to_string();
    assert!(options.contains("compression") && options.contains("zero_based"), "{options}");
}
