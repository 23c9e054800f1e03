//! Gzip and Zstandard as readers that end in an error before they become too much: there is a
//! limit on what comes out, and on how many times as much that is as what went in. It decodes
//! whole files; pages within a Parquet or Arrow file have their own bounds.

use std::cell::Cell;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;

use crate::detect::Compression;
use crate::error::{Limits, invalid_io};

/// Up to here no ratio is looked at: a small file of one value repeated is no bomb.
pub const RATIO_FREE_BYTES: u64 = 16 << 20;

/// Zstandard may ask for a window of this power of two bytes, as its own tools allow.
const MAX_WINDOW_LOG: u32 = 27;

/// What of a file the decoder has taken, and at most how much it may give.
#[derive(Debug)]
pub(crate) struct Bounded<D> {
    decoder: D,
    taken: Rc<Cell<u64>>,
    given: u64,
    max_bytes: u64,
    max_ratio: u64,
}

/// The decompressed content of a reader.
///
/// # Errors
/// When the decoder cannot be made. The reader that is returned fails on damaged content and once
/// it is beyond the limits.
pub(crate) fn decompress<'r>(
    source: impl Read + 'r,
    compression: Compression,
    limits: &Limits,
) -> io::Result<Box<dyn Read + 'r>> {
    let taken = Rc::new(Cell::new(0));
    let counted = BufReader::with_capacity(128 << 10, Counted { source, taken: taken.clone() });
    let (max_bytes, max_ratio) = (limits.max_decompressed_bytes, limits.max_ratio);
    Ok(match compression {
        Compression::None => Box::new(counted),
        Compression::Gzip => {
            let decoder = MultiGzDecoder::new(counted);
            Box::new(Bounded { decoder, taken, given: 0, max_bytes, max_ratio })
        }
        Compression::Zstd => {
            let mut decoder = zstd::Decoder::with_buffer(counted)?;
            decoder.window_log_max(MAX_WINDOW_LOG)?;
            Box::new(Bounded { decoder, taken, given: 0, max_bytes, max_ratio })
        }
    })
}

/// What an archive's member of so many bytes decompresses to, up to `max_bytes`.
pub(crate) fn member<D: Read>(
    decoder: D,
    n_bytes: u64,
    max_bytes: u64,
    limits: &Limits,
) -> Bounded<D> {
    let taken = Rc::new(Cell::new(n_bytes));
    Bounded { decoder, taken, given: 0, max_bytes, max_ratio: limits.max_ratio }
}

impl<D> Bounded<D> {
    /// How many bytes have come out.
    pub(crate) fn given(&self) -> u64 {
        self.given
    }
}

/// A source for a library that reads archives: its failures are told apart from what
/// [`member`] finds wrong with the content.
pub(crate) struct Tagged<R>(pub(crate) R);

impl<R: Read> Read for Tagged<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(tagged)
    }
}

impl<R: Seek> Seek for Tagged<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

fn tagged(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::Interrupted => error,
        kind => io::Error::new(kind, SourceFailed(error)),
    }
}

#[derive(Debug)]
struct Counted<R> {
    source: R,
    taken: Rc<Cell<u64>>,
}

/// A failure of the source goes through the decoder as it is; all else that the decoder says is
/// about the content.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct SourceFailed(io::Error);

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.source.read(buffer).map_err(tagged)?;
        self.taken.set(self.taken.get() + n as u64);
        Ok(n)
    }
}

impl<D: Read> Read for Bounded<D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.decoder.read(buffer).map_err(|error| {
            if error.kind() == io::ErrorKind::Interrupted {
                return error;
            }
            match error.downcast::<SourceFailed>() {
                Ok(SourceFailed(error)) => error,
                Err(error) => invalid_io(
                    format!("what is compressed is damaged: {error}"),
                    "compress and upload it again, whole",
                ),
            }
        })?;
        self.given += n as u64;
        if self.given > self.max_bytes {
            return Err(invalid_io(
                format!("more than {} bytes once decompressed, which is the limit", self.max_bytes),
                "upload a sample of the rows",
            ));
        }
        let most = self.taken.get().max(1).saturating_mul(self.max_ratio).max(RATIO_FREE_BYTES);
        if self.given > most {
            return Err(invalid_io(
                format!("becomes more than {} times as large once decompressed", self.max_ratio),
                "upload it uncompressed",
            ));
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::error::FormatError;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: &[u8], compression: Compression, limits: &Limits) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        match decompress(bytes, compression, limits).unwrap().read_to_end(&mut out) {
            Ok(n) if n > 1_000 => Ok(format!("{n} bytes").into_bytes()),
            Ok(_) => Ok(out),
            Err(error) => match FormatError::from(error) {
                FormatError::Invalid(problems) => Err(problems[0].detail.clone()),
                FormatError::Io(error) => panic!("{error}"),
            },
        }
    }

    #[test]
    fn members_are_read_one_after_the_other() {
        let both = [gzip(b"a,b\n"), gzip(b"1,2\n")].concat();
        let limits = Limits::default();
        assert_eq!(read(&both, Compression::Gzip, &limits).unwrap(), b"a,b\n1,2\n");
        let frames = [zstd::bulk::compress(b"a\n", 1), zstd::bulk::compress(b"1\n", 1)];
        let both = frames.map(Result::unwrap).concat();
        assert_eq!(read(&both, Compression::Zstd, &limits).unwrap(), b"a\n1\n");
    }

    #[test]
    fn a_bomb_is_an_error() {
        let zeros = vec![0; 1 << 20];
        let n = (RATIO_FREE_BYTES >> 20) as usize + 1;
        let limits = Limits::default();
        for (bytes, compression) in [
            (gzip(&zeros).repeat(n), Compression::Gzip),
            (zstd::bulk::compress(&zeros, 1).unwrap().repeat(n), Compression::Zstd),
        ] {
            let error = read(&bytes, compression, &limits).unwrap_err();
            assert!(error.contains("200 times"), "{error}");
            let few = Limits { max_decompressed_bytes: 1_000, ..limits.clone() };
            let error = read(&bytes, compression, &few).unwrap_err();
            assert!(error.contains("1000 bytes"), "{error}");
        }
    }

    #[test]
    fn damage_and_a_missing_end_are_errors() {
        for (whole, compression) in [
            (gzip(b"some text that is long enough"), Compression::Gzip),
            (zstd::bulk::compress(b"some text that is long", 1).unwrap(), Compression::Zstd),
        ] {
            for length in 1..whole.len() {
                let read = read(&whole[..length], compression, &Limits::default());
                assert!(read.is_err(), "{compression:?} {length}");
            }
        }
    }

    #[test]
    fn a_source_that_fails_is_no_bad_content() {
        struct Failing;
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::ConnectionReset.into())
            }
        }
        for compression in [Compression::Gzip, Compression::Zstd] {
            let mut reader = decompress(Failing, compression, &Limits::default()).unwrap();
            let error = reader.read(&mut [0; 8]).unwrap_err();
            assert!(matches!(FormatError::from(error), FormatError::Io(_)), "{compression:?}");
        }
    }
}
