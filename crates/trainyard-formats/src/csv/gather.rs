//! Parts of a file, read in any order, become columns in the file's order.
//!
//! Each part is taken in as soon as all before it are, so that only a few are in memory beside the
//! columns. A part that did not begin where the one before it ends is read again, so that what comes
//! out is what one thread would have read from the beginning.

use std::collections::BTreeMap;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use trainyard_learn::table::{MISSING_CODE, MISSING_TIME};

use super::chunk::Plan;
use super::parallel;
use super::part::{Chunk, Ending, Fault, Faults, Numbers, Part, Place, Times};
use super::words::Words;
use crate::room::{Growing, Room};

/// Parts that wait for one before them, for each thread, before their readers wait as well.
const WAITING_PER_THREAD: usize = 4;

/// All rows of a file.
pub(super) struct Gathered<'a> {
    pub(super) columns: Vec<Part<'a>>,
    pub(super) n_rows: usize,
    pub(super) faults: Faults,
    /// With a place in the file.
    pub(super) ending: Ending,
    chunks: Vec<Read>,
}

/// A part that was taken in.
#[derive(Clone, Copy)]
struct Read {
    start: usize,
    end: usize,
    n_rows: usize,
    rows_before: usize,
    lines_before: usize,
}

/// Reads the rows from `body` on, with up to so many threads, in parts of so many bytes.
pub(super) fn read<'a>(
    plan: &Plan<'a>,
    body: usize,
    n_lines: usize,
    quotes: bool,
    n_threads: usize,
    chunk_bytes: usize,
) -> Gathered<'a> {
    let parts = parts(plan, body, quotes, n_threads, chunk_bytes);
    let gather = Mutex::new(Gather {
        plan,
        position: body,
        n_rows: 0,
        n_lines,
        chunks: Vec::with_capacity(parts.len()),
        columns: plan.columns.iter().map(|_| Column { part: Part::Missing(0), again: 0 }).collect(),
        faults: Faults::default(),
        ending: Ending::Complete,
    });
    let waiting = Mutex::new(BTreeMap::new());
    let ended = AtomicBool::new(false);
    let take_in = |gather: &mut Gather<'_, 'a>| {
        loop {
            let Some(chunk) = lock(&waiting).remove(&gather.chunks.len()) else { return };
            if gather.ending == Ending::Complete {
                gather.take_in(chunk);
            }
            ended.fetch_or(gather.ending != Ending::Complete, Ordering::Relaxed);
        }
    };
    let items: Vec<_> = parts.into_iter().enumerate().collect();
    parallel::map(n_threads, items, |(index, Piece { start, bound, inside })| {
        if ended.load(Ordering::Relaxed) {
            return;
        }
        let start = match index {
            0 => start,
            _ => plan.scanner.guess_row_start(start, bound, inside),
        };
        let chunk = plan.read(start, bound);
        let n_waiting = {
            let mut waiting = lock(&waiting);
            waiting.insert(index, chunk);
            waiting.len()
        };
        // Whoever is there takes in what is ready; the others read on, unless too much waits.
        if n_waiting > WAITING_PER_THREAD * n_threads {
            take_in(&mut lock(&gather));
        } else if let Ok(mut gather) = gather.try_lock() {
            take_in(&mut gather);
        }
    });
    let mut gather = gather.into_inner().unwrap_or_else(PoisonError::into_inner);
    take_in(&mut gather);
    gather.finish(n_threads)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A part of the file before it is read.
struct Piece {
    start: usize,
    bound: usize,
    /// Whether a quote seems to be open before it.
    inside: bool,
}

fn parts(
    plan: &Plan<'_>,
    body: usize,
    quotes: bool,
    n_threads: usize,
    chunk_bytes: usize,
) -> Vec<Piece> {
    let end = plan.scanner.bytes.len();
    let starts: Vec<usize> = (body..end).step_by(chunk_bytes.max(1)).collect();
    let ends = || starts.iter().skip(1).copied().chain([end]);
    // Without a quote at the beginning there is most likely none anywhere, and a wrong guess only
    // costs time.
    let odd = if quotes && starts.len() > 1 {
        let before = |at: usize| at.saturating_sub(1).max(body);
        let ranges = starts.iter().copied().zip(ends()).collect();
        parallel::map(n_threads, ranges, |(start, end)| {
            plan.scanner.has_odd_quotes(before(start), before(end))
        })
    } else {
        vec![false; starts.len()]
    };
    let mut inside = false;
    let mut parts = Vec::with_capacity(starts.len());
    for ((start, bound), odd) in starts.iter().copied().zip(ends()).zip(odd) {
        parts.push(Piece { start, bound, inside });
        inside ^= odd;
    }
    parts
}

struct Gather<'p, 'a> {
    plan: &'p Plan<'a>,
    /// Where the next part has to begin.
    position: usize,
    n_rows: usize,
    n_lines: usize,
    chunks: Vec<Read>,
    columns: Vec<Column<'a>>,
    faults: Faults,
    ending: Ending,
}

struct Column<'a> {
    part: Part<'a>,
    /// So many parts at the beginning are not in it: they were no words, and have to be.
    again: usize,
}

impl<'a> Gather<'_, 'a> {
    fn take_in(&mut self, mut chunk: Chunk<'a>) {
        if chunk.start != self.position {
            chunk = self.plan.read(self.position, chunk.bound);
        }
        let place =
            |place: Place| Place { row: self.n_rows + place.row, line: self.n_lines + place.line };
        let index = self.chunks.len();
        let mut no_words = Vec::new();
        for (number, (column, part)) in
            self.columns.iter_mut().zip(mem::take(&mut chunk.parts)).enumerate()
        {
            if let Err(Conflict) = column.append(part, index, self.plan.room, &place) {
                self.plan.columns[number].words.store(true, Ordering::Relaxed);
                no_words.push(number);
            }
        }
        let (words, faults) = self.plan.words(chunk.start, chunk.end, chunk.n_rows, &no_words);
        for (number, words) in no_words.iter().zip(words) {
            self.columns[*number].append_words(words, index);
        }
        self.faults.add(chunk.faults, &place);
        self.faults.add(faults, &place);
        self.ending = match chunk.ending {
            Ending::Open(at) => Ending::Open(place(at)),
            Ending::TooLong(at) => Ending::TooLong(place(at)),
            ending => ending,
        };
        self.chunks.push(Read {
            start: chunk.start,
            end: chunk.end,
            n_rows: chunk.n_rows,
            rows_before: self.n_rows,
            lines_before: self.n_lines,
        });
        self.position = chunk.end;
        (self.plan.done)(chunk.start, chunk.end - chunk.start);
        self.n_rows += chunk.n_rows;
        self.n_lines += chunk.n_lines;
        if self.n_rows > self.plan.max_rows {
            self.ending = Ending::TooMany;
        }
    }

    /// Reads again what has to be words after all.
    fn finish(mut self, n_threads: usize) -> Gathered<'a> {
        for (column, planned) in self.columns.iter_mut().zip(&self.plan.columns) {
            let identifiers = matches!(&column.part, Part::Numbers(n) if n.are_identifiers());
            if identifiers && planned.demanded.is_none() {
                *column = Column { part: Part::Missing(0), again: self.chunks.len() };
            }
        }
        let again = |index: usize| -> Vec<usize> {
            let columns = 0..self.columns.len();
            columns.filter(|number| self.columns[*number].again > index).collect()
        };
        let items: Vec<(Read, Vec<usize>)> = self
            .chunks
            .iter()
            .enumerate()
            .map(|(index, read)| (*read, again(index)))
            .take_while(|(_, columns)| !columns.is_empty())
            .collect();
        let found = parallel::map(n_threads, items, |(read, columns)| {
            let (words, faults) = self.plan.words(read.start, read.end, read.n_rows, &columns);
            (read, columns, words, faults)
        });
        let mut before: Vec<Words<'a>> = self.columns.iter().map(|_| Words::default()).collect();
        for (read, columns, words, faults) in found {
            for (number, words) in columns.into_iter().zip(words) {
                before[number].absorb(words);
            }
            self.faults.add(faults, &|place: Place| Place {
                row: read.rows_before + place.row,
                line: read.lines_before + place.line,
            });
        }
        let columns = self.columns.into_iter().zip(before).map(|(column, mut before)| {
            if column.again == 0 {
                return column.part;
            }
            match column.part {
                Part::Words(words) => before.absorb(words),
                part => (0..part.len()).for_each(|_| before.push_missing()),
            }
            Part::Words(before)
        });
        Gathered {
            columns: columns.collect(),
            n_rows: self.n_rows,
            faults: self.faults,
            ending: self.ending,
            chunks: self.chunks,
        }
    }
}

impl Gathered<'_> {
    /// The line in which a row begins. Reads the part that it is in once more.
    pub(super) fn line_of(&self, row: usize, plan: &Plan<'_>) -> usize {
        let index = self.chunks.partition_point(|read| read.rows_before <= row).saturating_sub(1);
        self.chunks.get(index).map_or(0, |read| {
            read.lines_before + plan.lines_before(read.start, read.end, row - read.rows_before) + 1
        })
    }
}

/// A part of a column that has to be read again as words.
struct Conflict;

impl<'a> Column<'a> {
    fn append(
        &mut self,
        part: Part<'a>,
        index: usize,
        room: &Room,
        place: &dyn Fn(Place) -> Place,
    ) -> Result<(), Conflict> {
        let n_missing = match &self.part {
            Part::Missing(n_rows) => Some(*n_rows),
            _ => None,
        };
        if let (Some(n_missing), Part::Numbers(_) | Part::Times(_)) = (n_missing, &part) {
            self.part = match part {
                Part::Numbers(_) => {
                    let mut values = Growing::new(room);
                    values.fill(n_missing, f64::NAN);
                    Part::Numbers(Numbers { values, ..Numbers::default() })
                }
                _ => {
                    Part::Times(Times { values: vec![MISSING_TIME; n_missing], ..Times::default() })
                }
            };
        }
        match (&mut self.part, part) {
            (Part::Numbers(all), Part::Numbers(numbers)) => {
                all.any_identifier |= numbers.any_identifier;
                all.n_infinite += numbers.n_infinite;
                all.first_infinite = all.first_infinite.or(numbers.first_infinite.map(place));
                all.values.append(numbers.values.into_vec());
            }
            (Part::Times(all), Part::Times(times)) => {
                all.any_zoned |= times.any_zoned;
                all.any_local |= times.any_local;
                all.values.extend_from_slice(&times.values);
            }
            (Part::Missing(all), Part::Missing(n)) => *all += n,
            (Part::Numbers(all), Part::Missing(n)) => {
                all.values.fill(n, f64::NAN);
            }
            (Part::Times(all), Part::Missing(n)) => {
                all.values.resize(all.values.len() + n, MISSING_TIME);
            }
            (Part::Words(all), Part::Missing(n)) => {
                all.codes.resize(all.codes.len() + n, MISSING_CODE);
            }
            (_, Part::Words(words)) => self.append_words(words, index),
            _ => return Err(Conflict),
        }
        Ok(())
    }

    fn append_words(&mut self, words: Words<'a>, index: usize) {
        match &mut self.part {
            Part::Words(all) => all.absorb(words),
            Part::Missing(n_rows) => {
                let mut all = Words::missing(*n_rows);
                all.absorb(words);
                self.part = Part::Words(all);
            }
            _ => *self = Self { part: Part::Words(words.indexed()), again: index },
        }
    }
}

impl Faults {
    fn add(&mut self, more: Self, place: &dyn Fn(Place) -> Place) {
        let moved = |fault: Fault| Fault { place: place(fault.place), ..fault };
        self.found.extend(more.found.into_iter().map(moved));
        self.n_more += more.n_more;
    }
}
