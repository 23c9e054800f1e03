//! Whatever a table holds, its columnar copy gives it back bit by bit, is an error where it is broken.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::io::Write;
use std::sync::Arc;

use trainyard_formats::{FormatError, columnar};
use trainyard_learn::kernels::Mapping;
use trainyard_learn::table::{Column, MISSING_CODE, MISSING_TIME, Table, Values};

/// A generator of Lehmer's, so that each run does the same.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0 * 48_271 % 0x7fff_ffff;
        self.0 % n
    }

    fn bits(&mut self) -> u64 {
        (0..4).fold(0, |bits, _| bits << 16 | self.below(1 << 16))
    }

    fn text(&mut self) -> String {
        (0..self.below(9))
            .map(|_| ['a', 'ä', '€', '𝄞', '\n', '"'][self.below(6) as usize])
            .collect()
    }

    fn values(&mut self, n_rows: usize) -> Values {
        match self.below(6) {
            0 => Values::Numeric((0..n_rows).map(|_| f64::from_bits(self.bits())).collect()),
            1 => {
                let rows = [None, Some(true), Some(false)];
                Values::Boolean((0..n_rows).map(|_| rows[self.below(3) as usize]).collect())
            }
            2 => {
                let mut categories: Vec<String> = (0..self.below(7)).map(|_| self.text()).collect();
                categories.sort();
                categories.dedup();
                let n = categories.len() as u64;
                let mut code = || self.below(n + 1) as u32;
                let missing = |code: u32| if u64::from(code) == n { MISSING_CODE } else { code };
                let codes = (0..n_rows).map(|_| missing(code())).collect();
                Values::Categorical { codes, categories }
            }
            3 => {
                let mut time = || match self.below(4) {
                    0 => MISSING_TIME,
                    _ => self.bits() as i64,
                };
                Values::Datetime((0..n_rows).map(|_| time()).collect())
            }
            4 => {
                let mut text = || (self.below(4) > 0).then(|| self.text().into());
                Values::Text((0..n_rows).map(|_| text()).collect())
            }
            _ => {
                let shape: Vec<usize> =
                    (0..self.below(4)).map(|_| 1 + self.below(3) as usize).collect();
                let n = n_rows * shape.iter().product::<usize>();
                let values = (0..n).map(|_| f32::from_bits(self.bits() as u32)).collect();
                Values::Tensor { shape, values }
            }
        }
    }

    fn table(&mut self, n_rows: usize) -> Table {
        let columns = (0..self.below(6)).map(|at| Column {
            name: format!("{at} {}", self.text()),
            values: self.values(n_rows),
        });
        Table::new(columns.collect())
    }
}

fn written(table: &Table) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("copy");
    columnar::write(table, &path).unwrap();
    std::fs::read(path).unwrap()
}

fn read(bytes: &[u8]) -> Result<Table, FormatError> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    // Nothing can be mapped of an empty file, which the caller hears before it comes to this.
    Mapping::new(&file).map_err(FormatError::Io).and_then(|file| columnar::read(&Arc::new(file)))
}

/// With NaN as its bits, so that it equals itself.
fn exactly(table: &Table) -> Vec<(String, String)> {
    let bits = |values: &Values| match values {
        Values::Numeric(rows) => {
            format!("{:?}", rows.iter().map(|v| v.to_bits()).collect::<Vec<_>>())
        }
        Values::Tensor { shape, values } => {
            format!("{shape:?} {:?}", values.iter().map(|v| v.to_bits()).collect::<Vec<_>>())
        }
        other => format!("{other:?}"),
    };
    table.columns().iter().map(|c| (c.name.clone(), bits(&c.values))).collect()
}

#[test]
fn any_table_comes_back_exactly() {
    let mut random = Random(1);
    for round in 0..300 {
        let n_rows = [0, 1, 7, 100][round % 4];
        let table = random.table(n_rows);
        let read = read(&written(&table)).unwrap();
        assert_eq!(exactly(&read), exactly(&table), "round {round}");
        assert_eq!(read.n_rows(), table.n_rows());
    }
    // More than a batch.
    for _ in 0..3 {
        let table = random.table(70_000);
        let read = read(&written(&table)).unwrap();
        assert!(exactly(&read) == exactly(&table));
    }
}

#[test]
fn a_broken_copy_is_an_error_and_never_a_panic() {
    let mut random = Random(9);
    let bytes = written(&random.table(40));
    for end in 0..bytes.len() {
        assert!(read(&bytes[..end]).is_err());
    }
    for _ in 0..2_000 {
        let mut broken = bytes.clone();
        let at = random.below(bytes.len() as u64) as usize;
        broken[at] ^= 1 << random.below(8);
        if let Err(error) = read(&broken) {
            assert!(matches!(error, FormatError::Invalid(_)));
        }
    }
}
