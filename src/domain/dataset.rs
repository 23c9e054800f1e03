//! A dataset: immutable bytes, how to read them, and what is in them.

use serde::{Deserialize, Serialize};
use trainyard_formats::ReadOptions;
use trainyard_formats::csv::CsvNote;
use trainyard_learn::describe::DescribedColumn;
use trainyard_learn::findings::Finding;
use trainyard_learn::table::Table;

use super::clock::Timestamp;
use super::ids::DatasetId;

/// A stored dataset.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Its id.
    pub id: DatasetId,
    /// What the client calls it.
    pub name: Option<String>,
    /// Bytes as uploaded.
    pub size_bytes: u64,
    /// SHA-256 of the bytes as uploaded, in hexadecimal; also the blob's name.
    pub sha256: String,
    /// How to read it, nothing left to be found.
    pub reading: ReadOptions,
    /// What is in it.
    pub content: Content,
    /// When it was stored.
    pub created_at: Timestamp,
}

/// What is in a dataset; stored as one JSON document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Content {
    /// How many rows there are.
    pub n_rows: usize,
    /// Each column, described.
    pub columns: Vec<DescribedColumn>,
    /// What the user should know about it.
    pub warnings: Vec<Warning>,
    /// The generator that made it, as it was asked for.
    pub generator: Option<serde_json::Value>,
    /// How large its table is; none where an earlier version has stored it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<TableBytes>,
}

/// How many bytes a parsed table takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableBytes {
    /// All of it.
    pub total: u64,
    /// What has to be in memory; numbers can lie in a file.
    pub in_memory: u64,
}

impl TableBytes {
    /// Those of a table.
    pub fn of(table: &Table) -> Self {
        Self { total: table.n_bytes() as u64, in_memory: table.memory_bytes() as u64 }
    }
}

impl Content {
    /// Memory that the parsed table takes where one of more than `most` bytes lies in a file.
    pub fn table_memory_bytes(&self, most: u64) -> u64 {
        let TableBytes { total, in_memory } = self.table.unwrap_or_else(|| TableBytes {
            total: self.n_rows as u64 * self.columns.len() as u64 * 8,
            in_memory: 0,
        });
        if total <= most { total } else { in_memory }
    }
}

impl Dataset {
    /// How many rows there are.
    pub fn n_rows(&self) -> usize {
        self.content.n_rows
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&DescribedColumn> {
        self.content.columns.iter().find(|column| column.description.name == name)
    }

    /// All names, in the file's order.
    pub fn column_names(&self) -> impl Iterator<Item = &str> {
        self.content.columns.iter().map(|column| column.description.name.as_str())
    }
}

/// Something that is allowed and that the user should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Warning {
    /// Stable and machine-readable.
    pub code: String,
    /// The column it is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub column: Option<String>,
    /// What it is, in a sentence.
    pub detail: String,
    /// The figures that it rests on, by kind.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(value_type = Option<Object>)]
    pub evidence: Option<serde_json::Value>,
}

impl Warning {
    /// A warning about everything.
    pub fn new(code: &str, detail: impl Into<String>) -> Self {
        Self { code: code.to_owned(), column: None, detail: detail.into(), evidence: None }
    }

    /// The same about one column.
    #[must_use]
    pub fn column(mut self, name: &str) -> Self {
        self.column = Some(name.to_owned());
        self
    }
}

impl From<&CsvNote> for Warning {
    fn from(note: &CsvNote) -> Self {
        let warning = Self::new(note.code, &note.detail);
        note.column.iter().fold(warning, |warning, name| warning.column(name))
    }
}

impl From<Finding> for Warning {
    fn from(finding: Finding) -> Self {
        let Finding { code, column, detail, evidence } = finding;
        Self { code: code.to_owned(), column, detail, evidence: Some(evidence) }
    }
}
