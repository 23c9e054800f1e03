//! Numbers are exactly those that the standard library reads, to the last bit.

use trainyard_learn::table::Values;

use super::random::Random;
use super::*;

#[test]
fn numbers_are_those_that_the_standard_library_reads() {
    let mut random = Random(17);
    let mut texts: Vec<String> = [
        "1.",
        ".5",
        "-.5",
        "+1",
        "+.5e3",
        "1e5",
        "1E+5",
        "1e-5",
        "1e",
        "1e+",
        "e5",
        ".",
        "-",
        "+",
        "--1",
        "1-",
        "1e400",
        "-1e400",
        "1e-400",
        "5e-324",
        "2.4703282292062327e-324",
        "1.7976931348623157e308",
        "1.7976931348623159e308",
        "9007199254740993",
        "0x10",
        "1_000",
        "1f",
        "1d",
        "infinity",
        "-inf",
        "Inf",
        "iNfInItY",
        "infin",
        "nanx",
        "-nan",
        "+nan",
        " 1",
        "1 ",
        "1 2",
        "00",
        "0.0",
        "-0",
        "-0.0",
        "0e0",
        "1.e5",
        "1.0e0005",
        "123456789012345678901",
        "0.1e1x",
        "1.5.5",
        "１",
    ]
    .map(String::from)
    .to_vec();
    for _ in 0..200_000 {
        let bits = f64::from_bits(random.0 ^ (random.below(1 << 30) as u64));
        random.below(2);
        let small = (random.below(1 << 52) as f64) / 10f64.powi(random.below(20) as i32);
        texts.push(match random.below(6) {
            0 => format!("{bits:?}"),
            1 => format!("{bits:.*e}", random.below(25)),
            2 => format!("{small}"),
            3 => format!("{small:.*}", random.below(20)),
            4 => format!("{}", random.0),
            _ => (0..1 + random.below(8)).map(|_| random.of(b"0123456789.eE+-") as char).collect(),
        });
    }
    for text in &texts {
        let wanted = text.trim().parse::<f64>().ok();
        if let Some(found) = number::leading(text.as_bytes())
            && found.length == text.len()
        {
            let wanted = wanted.unwrap_or_else(|| panic!("{text:?} is no number"));
            assert_eq!(found.value.to_bits(), wanted.to_bits(), "{text:?}");
        }
        let parsed = number::NumberFormat::default().parse(text.as_bytes());
        assert_eq!(parsed.map(f64::to_bits), wanted.map(f64::to_bits), "{text:?}");
    }
    // As a column, with both ways of reading in it.
    let numbers: Vec<&String> = texts
        .iter()
        .filter(|text| text.parse::<f64>().is_ok_and(f64::is_finite))
        .filter(|text| !number::NumberFormat::default().is_identifier(text.as_bytes()))
        .collect();
    assert!(numbers.len() > 100_000);
    let file: String = numbers.iter().map(|text| format!("{text},{text}\n")).collect();
    let options = CsvOptions { header: Some(false), ..CsvOptions::default() };
    let found = read(file.as_bytes(), &options, &CsvLimits::default(), 2).unwrap();
    for column in found.table.columns() {
        let Values::Numeric(values) = &column.values else { panic!("{:?}", column.name) };
        for (value, text) in values.iter().zip(&numbers) {
            assert_eq!(value.to_bits(), text.parse::<f64>().unwrap().to_bits(), "{text}");
        }
    }
}
