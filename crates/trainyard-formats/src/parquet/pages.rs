//! The pages of a column's chunk, decompressed here rather than by the library, which takes the
//! memory that a page says it needs, and of gzip and Zstandard as much as comes out. What all pages
//! of a file become together is bounded, and so is how many values they may claim.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parquet::arrow::arrow_reader::RowGroups;
use parquet::basic::{Compression, Encoding};
use parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::ChunkReader;
use parquet::file::serialized_reader::SerializedPageReader;

/// No page that a writer makes is nearly as large.
const MAX_PAGE_BYTES: u64 = 1 << 30;

/// Snappy copies at most 64 bytes by a token of three.
const MAX_SNAPPY_RATIO: usize = 24;

/// An LZ4 token's length grows by at most 255 a byte.
const MAX_LZ4_RATIO: usize = 255;

/// Texts that share beginnings are written by how long these are: one page of this size may say that
/// each value is nearly as long as the page.
const MAX_PREFIXED_PAGE_BYTES: usize = 4 << 20;

/// What a file may still become.
#[derive(Debug)]
pub(super) struct Budget {
    pub(super) bytes: AtomicU64,
    pub(super) values: AtomicU64,
}

impl Budget {
    fn spend(left: &AtomicU64, n: u64, what: &str) -> Result<()> {
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(n))
            .map(|_| ())
            .map_err(|_| ParquetError::General(format!("{what}, which is the limit")))
    }
}

/// One group of rows.
pub(super) struct Group<S> {
    pub(super) source: Arc<S>,
    pub(super) metadata: Arc<ParquetMetaData>,
    pub(super) index: usize,
    pub(super) budget: Arc<Budget>,
}

impl<S: ChunkReader + 'static> RowGroups for Group<S> {
    fn num_rows(&self) -> usize {
        self.rows().num_rows().try_into().unwrap_or(0)
    }

    fn column_chunks(&self, column: usize) -> Result<Box<dyn PageIterator>> {
        let chunk = self.rows().column(column);
        let compression = chunk.compression();
        let prefixed = has_prefixed(self.rows(), column);
        // With that, what the library hands on is as it is in the file.
        let plain =
            chunk.clone().into_builder().set_compression(Compression::UNCOMPRESSED).build()?;
        let pages = SerializedPageReader::new(self.source.clone(), &plain, self.num_rows(), None)?;
        let budget = self.budget.clone();
        let pages = Pages { pages, compression, prefixed, budget };
        Ok(Box::new(Once(Some(Box::new(pages)))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(std::iter::once(self.rows()))
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.metadata
    }
}

impl<S> Group<S> {
    fn rows(&self) -> &RowGroupMetaData {
        self.metadata.row_group(self.index)
    }
}

/// Whether a chunk says that its texts share beginnings; it is then read few rows at a time.
pub(super) fn has_prefixed(rows: &RowGroupMetaData, column: usize) -> bool {
    rows.column(column).encodings().any(|encoding| encoding == Encoding::DELTA_BYTE_ARRAY)
}

/// The one chunk of a column in a group.
struct Once(Option<Box<dyn PageReader>>);

impl Iterator for Once {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.take().map(Ok)
    }
}

impl PageIterator for Once {}

struct Pages<S: ChunkReader> {
    pages: SerializedPageReader<S>,
    compression: Compression,
    prefixed: bool,
    budget: Arc<Budget>,
}

impl<S: ChunkReader> Pages<S> {
    fn page(&self, mut page: Page) -> Result<Page> {
        let n_values = page.num_values();
        Budget::spend(&self.budget.values, n_values.into(), "a page of more values than cells")?;
        match &mut page {
            Page::DataPage { buf, .. } => *buf = self.decompress(buf)?,
            Page::DictionaryPage { buf, num_values, .. } => {
                *buf = self.decompress(buf)?;
                if *num_values as usize > buf.len() {
                    return Err(damaged("a dictionary of more values than bytes"));
                }
            }
            Page::DataPageV2 {
                buf,
                def_levels_byte_len,
                rep_levels_byte_len,
                is_compressed,
                ..
            } if *is_compressed => {
                let levels = *def_levels_byte_len as usize + *rep_levels_byte_len as usize;
                if levels > buf.len() {
                    return Err(damaged("a page that is shorter than its levels"));
                }
                let values = self.decompress(&buf.slice(levels..))?;
                *buf = [&buf[..levels], &values].concat().into();
                *is_compressed = false;
            }
            Page::DataPageV2 { .. } => {}
        }
        if page.encoding() == Encoding::DELTA_BYTE_ARRAY
            && (!self.prefixed || page.buffer().len() > MAX_PREFIXED_PAGE_BYTES)
        {
            return Err(damaged("texts that share beginnings, in a page too large for it"));
        }
        Ok(page)
    }

    fn decompress(&self, bytes: &Bytes) -> Result<Bytes> {
        if self.compression == Compression::UNCOMPRESSED || bytes.is_empty() {
            return Ok(bytes.clone());
        }
        let most = self.budget.bytes.load(Ordering::Relaxed).min(MAX_PAGE_BYTES);
        let page = decompress(self.compression, bytes, most as usize)?;
        Budget::spend(&self.budget.bytes, page.len() as u64, "too much once decompressed")?;
        Ok(page.into())
    }
}

impl<S: ChunkReader> Iterator for Pages<S> {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl<S: ChunkReader> PageReader for Pages<S> {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        self.pages.get_next_page()?.map(|page| self.page(page)).transpose()
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.pages.at_record_boundary()
    }
}

fn decompress(compression: Compression, bytes: &[u8], most: usize) -> Result<Vec<u8>> {
    match compression {
        Compression::SNAPPY => {
            let n = snap::raw::decompress_len(bytes).map_err(damaged)?;
            if n > most || n > bytes.len().saturating_mul(MAX_SNAPPY_RATIO) {
                return Err(damaged("a page of Snappy that claims more than it can hold"));
            }
            snap::raw::Decoder::new().decompress_vec(bytes).map_err(damaged)
        }
        Compression::GZIP(_) => all(flate2::read::MultiGzDecoder::new(bytes), most),
        Compression::ZSTD(_) => all(zstd::Decoder::with_buffer(bytes)?, most),
        Compression::LZ4_RAW => {
            let mut n = bytes.len().saturating_mul(4);
            loop {
                let mut page = vec![0; n.min(most)];
                match lz4_flex::block::decompress_into(bytes, &mut page) {
                    Ok(length) => {
                        page.truncate(length);
                        return Ok(page);
                    }
                    Err(lz4_flex::block::DecompressError::OutputTooSmall { .. })
                        if n < most && n <= bytes.len().saturating_mul(MAX_LZ4_RATIO) =>
                    {
                        n = n.saturating_mul(4);
                    }
                    Err(error) => return Err(damaged(error)),
                }
            }
        }
        other => Err(ParquetError::NYI(format!(
            "compression {other}: write it with Zstandard, Snappy, gzip or none"
        ))),
    }
}

fn all(decoder: impl Read, most: usize) -> Result<Vec<u8>> {
    let mut page = Vec::new();
    decoder.take(most as u64 + 1).read_to_end(&mut page).map_err(damaged)?;
    if page.len() > most {
        return Err(damaged("too much once decompressed"));
    }
    Ok(page)
}

fn damaged(what: impl std::fmt::Display) -> ParquetError {
    ParquetError::General(what.to_string())
}
