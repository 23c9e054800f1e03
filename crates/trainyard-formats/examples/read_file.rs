//! Reads a file some times and says how long each took: `read_file PATH [TIMES]`.

use std::error::Error;
use std::fs::File;
use std::io::{Write, stdout};
use std::time::Instant;

use trainyard_formats::{Limits, ReadOptions, read};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("read_file PATH [TIMES]")?;
    let times = arguments.next().map_or(Ok(5), |times| times.parse())?;
    for _ in 0..times {
        let start = Instant::now();
        let loaded =
            read(File::open(&path)?, Some(&path), &ReadOptions::default(), &Limits::default())
                .map_err(|error| format!("{error:?}"))?;
        let (rows, columns) = (loaded.table.n_rows(), loaded.table.columns().len());
        let took = start.elapsed().as_secs_f64();
        writeln!(stdout(), "{:?} {rows} x {columns}: {took:.3} s", loaded.format)?;
    }
    Ok(())
}
