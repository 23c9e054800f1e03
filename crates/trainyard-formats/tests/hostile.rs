//! Small files that claim to be huge, or lie about what is where: each is an error that says so, and
//! none takes memory for what it claims.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow_ipc::{root_as_footer, root_as_message};
use flate2::Compression;
use flate2::write::GzEncoder;
use parquet::file::metadata::{ParquetMetaDataReader, ParquetMetaDataWriter};
use trainyard_formats::{FormatError, Limits, ReadOptions, read};
use trainyard_learn::table::Values;

#[track_caller]
fn refused(bytes: Vec<u8>, limits: &Limits, says: &str) {
    match read(Cursor::new(bytes), None, &ReadOptions::default(), limits) {
        Err(FormatError::Invalid(problems)) => {
            let found = format!("{problems:?}");
            assert!(found.contains(says), "{says:?} is not in {found}");
        }
        Err(FormatError::Io(error)) => panic!("{error}"),
        Ok(loaded) => panic!("{} rows", loaded.table.n_rows()),
    }
}

fn golden(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/formats").join(name);
    fs::read(path).unwrap()
}

/// What the process has had in memory at most, in megabytes; 0 where the system does not tell.
fn peak_megabytes() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|rest| rest.split_whitespace().next()?.parse::<usize>().ok());
    peak.unwrap_or_default() >> 10
}

#[test]
fn claims_are_refused_in_little_memory() {
    let before = peak_megabytes();
    parquet_with_claimed_rows();
    parquet_with_a_claimed_end();
    parquet_pages_that_become_too_much();
    parquet_texts_that_become_too_much();
    parquet_texts_that_many_rows_have();
    arrow_with_lying_offsets();
    arrow_with_claimed_lengths();
    npy_with_a_claimed_shape();
    archives_that_become_too_much();
    text_that_becomes_too_much();
    wide_tables_of_few_bytes();
    short_rows_below_a_wide_one();
    a_run_of_spaces_longer_than_a_row();
    let grown = peak_megabytes() - before;
    assert!(grown < 300, "{grown} MB");
}

fn parquet_with_claimed_rows() {
    let bytes = bytes::Bytes::from(golden("int96.parquet"));
    let metadata = ParquetMetaDataReader::new().parse_and_finish(&bytes).unwrap();
    for (claimed, says) in [(1 << 40, "rows or"), (1_000_000, "says that it has"), (-1, "rows or")]
    {
        let group = metadata.row_group(0).clone().into_builder().set_num_rows(claimed).build();
        let claiming = metadata.clone().into_builder().set_row_groups(vec![group.unwrap()]).build();
        let length = u32::from_le_bytes(bytes[bytes.len() - 8..][..4].try_into().unwrap()) as usize;
        let mut file = bytes[..bytes.len() - 8 - length].to_vec();
        ParquetMetaDataWriter::new(&mut file, &claiming).finish().unwrap();
        refused(file, &Limits::default(), says);
    }
}

fn parquet_with_a_claimed_end() {
    let mut bytes = golden("int96.parquet");
    let end = bytes.len() - 8;
    bytes[end..end + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    refused(bytes, &Limits::default(), "metadata of 4294967295 bytes");
}

fn parquet_pages_that_become_too_much() {
    let few = Limits { max_decompressed_bytes: 100, ..Limits::default() };
    for name in ["snappy.parquet", "zstd.parquet", "gzip.parquet", "lz4.parquet"] {
        refused(golden(name), &few, "damaged");
    }
    let few = Limits { max_cells: 200, ..Limits::default() };
    refused(golden("pandas.parquet"), &few, "200 cells");
}

/// Less than a kilobyte that says a hundred megabytes, each text beginning as the one before it.
fn parquet_texts_that_become_too_much() {
    refused(golden("prefixes.parquet"), &Limits::default(), "far more text");
}

/// What is once in the file is once in memory, and looked at once a batch.
fn parquet_texts_that_many_rows_have() {
    for (name, n_rows, n_distinct) in
        [("one_text.parquet", 200_000, 1), ("repeated.parquet", 2_150, 1_101)]
    {
        let bytes = Cursor::new(golden(name));
        let loaded = read(bytes, None, &ReadOptions::default(), &Limits::default()).unwrap();
        assert_eq!(loaded.table.n_rows(), n_rows);
        let Values::Categorical { categories, .. } = &loaded.table.columns()[0].values else {
            panic!("{name} is prose");
        };
        assert_eq!(categories.len(), n_distinct);
    }
}

fn arrow_file(column: ArrayRef) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter([("a", column)]).unwrap();
    let mut bytes = Vec::new();
    let mut writer = arrow_ipc::writer::FileWriter::try_new(&mut bytes, &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    drop(writer);
    bytes
}

/// Where the first batch's message is, its body, and that body's buffers.
fn places(bytes: &[u8]) -> (usize, usize, Vec<(usize, usize)>) {
    let end = bytes.len() - 10;
    let length = i32::from_le_bytes(bytes[end..end + 4].try_into().unwrap()) as usize;
    let footer = root_as_footer(&bytes[end - length..end]).unwrap();
    let block = footer.recordBatches().unwrap().get(0);
    let start = block.offset() as usize;
    let body = start + block.metaDataLength() as usize;
    let message = root_as_message(&bytes[start + 8..body]).unwrap();
    let buffers = message.header_as_record_batch().unwrap().buffers().unwrap();
    let buffers = buffers.iter().map(|b| (b.offset() as usize, b.length() as usize)).collect();
    (start, body, buffers)
}

fn arrow_with_lying_offsets() {
    let bytes = arrow_file(Arc::new(StringArray::from(vec!["one", "two", "three"])));
    let (_, body, buffers) = places(&bytes);
    let (offsets, length) = buffers[1];
    for at in (offsets..offsets + length.min(16)).step_by(4) {
        for lie in [i32::MAX, -1, 12] {
            let mut lying = bytes.clone();
            lying[body + at..body + at + 4].copy_from_slice(&lie.to_le_bytes());
            match read(Cursor::new(lying), None, &ReadOptions::default(), &Limits::default()) {
                // Twelve is beyond the end, or not in order, or where the last one is in truth.
                Ok(_) => assert!(lie == 12),
                Err(FormatError::Invalid(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// Each eight bytes of the message in turn, which are its lengths and places among other things.
fn arrow_with_claimed_lengths() {
    let bytes = arrow_file(Arc::new(Float64Array::from(vec![1.0; 50])));
    let (start, body, _) = places(&bytes);
    let mut n_refused = 0;
    for at in (start + 8..body - 8).step_by(8) {
        for lie in [1_i64 << 40, i64::MAX, -1] {
            let mut lying = bytes.clone();
            lying[at..at + 8].copy_from_slice(&lie.to_le_bytes());
            match read(Cursor::new(lying), None, &ReadOptions::default(), &Limits::default()) {
                Ok(_) => {}
                Err(FormatError::Invalid(_)) => n_refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
    }
    assert!(n_refused > 10, "{n_refused}");
}

fn npy(shape: &str) -> Vec<u8> {
    let head = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend_from_slice(&(head.len() as u16).to_le_bytes());
    bytes.extend_from_slice(head.as_bytes());
    bytes.extend_from_slice(&[0; 64]);
    bytes
}

fn npy_of_zeros(n: usize) -> Vec<u8> {
    let mut bytes = npy(&format!("({n},)"));
    bytes.resize(bytes.len() - 64 + n * 8, 0);
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn npy_with_a_claimed_shape() {
    let limits = Limits::default();
    refused(npy("(1099511627776,)"), &limits, "too short");
    refused(npy("(1000000, 400)"), &limits, "too short");
    refused(npy("(18446744073709551615, 18446744073709551615)"), &limits, "limit");
    refused(npy("(340282366920938463463374607431768211456,)"), &limits, "cannot be understood");
    refused(npy("(3, 100000000)"), &limits, "too short");
    // Compressed, its length is not known before it is read.
    refused(gzip(&npy("(1099511627776,)")), &limits, "limit");
    refused(gzip(&npy("(40000000, 10)")), &limits, "ends before");
    refused(gzip(&npy("(1000, 1000, 400)")), &limits, "ends before");
    let mut long = npy("(1,)");
    long[8..10].copy_from_slice(&u16::MAX.to_le_bytes());
    refused(long, &limits, "a header of 65535 bytes");
}

fn archives_that_become_too_much() {
    let few = Limits { max_decompressed_bytes: 100, ..Limits::default() };
    refused(golden("packed.npz"), &few, "100 bytes");
    let few = Limits { max_cells: 10, ..Limits::default() };
    refused(golden("packed.npz"), &few, "10 cells");
    let zeros = npy_of_zeros(1 << 19);
    let archive = |n_members: usize| {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for index in 0..n_members {
            let name = format!("a{index}.npy");
            writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(&zeros).unwrap();
        }
        writer.finish().unwrap().into_inner()
    };
    // Four megabytes each: alone within the limit, together beyond it.
    let few = Limits { max_decompressed_bytes: 6 << 20, ..Limits::default() };
    assert!(read(Cursor::new(archive(1)), None, &ReadOptions::default(), &few).is_ok());
    refused(archive(2), &few, "once decompressed, which is the limit");
    let zeros = npy_of_zeros(3 << 20);
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file("a.npy", zip::write::SimpleFileOptions::default()).unwrap();
    writer.write_all(&zeros).unwrap();
    let bomb = writer.finish().unwrap().into_inner();
    refused(bomb, &Limits::default(), "200 times as large");
}

fn text_that_becomes_too_much() {
    let bomb = gzip(&vec![b'1'; 1 << 20]).repeat(64);
    for start in ["{\"a\": \"", "a\n", "@relation r\n", "1 1:"] {
        let bomb = [gzip(start.as_bytes()), bomb.clone()].concat();
        refused(bomb, &Limits::default(), "");
    }
}

fn wide_tables_of_few_bytes() {
    let wide =
        format!("{{\"a\": 1{}}}", (0..20_000).map(|i| format!(",\"{i}\":1")).collect::<String>());
    refused(wide.into_bytes(), &Limits::default(), "more than the limit of 10000");
    let sparse: String = "1 9000:1\n".repeat(100_000);
    refused(sparse.into_bytes(), &Limits::default(), "cells");
}

/// Were each filled up to the header's width, a megabyte would take forty gigabytes.
fn short_rows_below_a_wide_one() {
    for first in ["1", "word"] {
        let names: Vec<String> = (0..10_000).map(|i| format!("c{i}")).collect();
        let full = vec![first; 10_000].join(",");
        let text = format!("{}\n{full}\n{}", names.join(","), "1\n".repeat(500_000));
        refused(
            text.into_bytes(),
            &Limits::default(),
            "more than 50000000 rows or 500000000 cells",
        );
        let text = format!("{}\n{full}\n{}", names.join(","), "1\n".repeat(40_000));
        refused(text.into_bytes(), &Limits::default(), "row 2 (line 3) has 1 field, where");
    }
}

fn a_run_of_spaces_longer_than_a_row() {
    let few = Limits { max_row_bytes: 10_000, ..Limits::default() };
    for text in [
        format!("1 2 3\n4 5 6\n7 {}8 9\n", " ".repeat(20_000)),
        format!("1 {}2 3\n4 5 6\n", " ".repeat(20_000)),
        format!("a,b\n1,{}2\n", " ".repeat(20_000)),
    ] {
        refused(text.into_bytes(), &few, "longer than the limit of a row");
    }
}
