//! A limit on everything, with its default. Each is a flag of `trainyard serve`.

use trainyard_formats::Limits as FormatLimits;
use trainyard_formats::csv::CsvLimits;

/// How much a client may ask for.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
pub struct Limits {
    /// Bytes of one uploaded dataset.
    #[arg(long, env = "TRAINYARD_MAX_UPLOAD_BYTES", default_value_t = 1 << 30)]
    pub max_upload_bytes: u64,
    /// Bytes that a compressed dataset may become.
    #[arg(long, env = "TRAINYARD_MAX_DECOMPRESSED_BYTES", default_value_t = 8 << 30)]
    pub max_decompressed_bytes: u64,
    /// Bytes of a prediction request's body.
    #[arg(long, env = "TRAINYARD_MAX_BODY_BYTES", default_value_t = 32 << 20)]
    pub max_body_bytes: usize,
    /// Bytes of any other JSON body.
    #[arg(long, env = "TRAINYARD_MAX_SPEC_BYTES", default_value_t = 1 << 20)]
    pub max_spec_bytes: usize,
    /// Rows of a dataset.
    #[arg(long, env = "TRAINYARD_MAX_ROWS", default_value_t = 10_000_000)]
    pub max_rows: usize,
    /// Columns of a dataset.
    #[arg(long, env = "TRAINYARD_MAX_COLUMNS", default_value_t = 10_000)]
    pub max_columns: usize,
    /// Rows × columns of a dataset.
    #[arg(long, env = "TRAINYARD_MAX_CELLS", default_value_t = 200_000_000)]
    pub max_cells: usize,
    /// Bytes of one row of a CSV file.
    #[arg(long, env = "TRAINYARD_MAX_ROW_BYTES", default_value_t = 4 << 20)]
    pub max_row_bytes: usize,
    /// Classes of a target.
    #[arg(long, env = "TRAINYARD_MAX_CLASSES", default_value_t = 200)]
    pub max_classes: usize,
    /// Rows of one prediction request.
    #[arg(long, env = "TRAINYARD_MAX_PREDICTION_ROWS", default_value_t = 100_000)]
    pub max_prediction_rows: usize,
    /// Jobs of a project that are queued or running.
    #[arg(long, env = "TRAINYARD_MAX_UNFINISHED_JOBS", default_value_t = 10_000)]
    pub max_unfinished_jobs: i64,
    /// Megabytes that one running task may need, by estimate.
    #[arg(long, env = "TRAINYARD_MAX_TASK_MEGABYTES", default_value_t = 8_192)]
    pub max_task_megabytes: u64,
    /// Megabytes of a table, or of what a task makes of it, that are kept in memory; what is larger
    /// is kept in files and trained on from there.
    #[arg(long, env = "TRAINYARD_MAX_TABLE_MEGABYTES", default_value_t = 512)]
    pub max_table_megabytes: u64,
    /// Seconds that one task may train.
    #[arg(long, env = "TRAINYARD_MAX_TASK_SECONDS", default_value_t = 86_400)]
    pub max_task_seconds: u64,
    /// Connections at once.
    #[arg(long, env = "TRAINYARD_MAX_CONNECTIONS", default_value_t = 2_048)]
    pub max_connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        #[derive(clap::Parser)]
        struct Defaults {
            #[command(flatten)]
            limits: Limits,
        }
        <Defaults as clap::Parser>::parse_from(["limits"]).limits
    }
}

impl Limits {
    /// The part that readers of files keep.
    pub fn formats(&self) -> FormatLimits {
        FormatLimits {
            max_rows: self.max_rows,
            max_columns: self.max_columns,
            max_cells: self.max_cells,
            max_row_bytes: self.max_row_bytes,
            max_decompressed_bytes: self.max_decompressed_bytes,
            ..FormatLimits::default()
        }
    }

    /// The part that the CSV reader keeps.
    pub fn csv(&self) -> CsvLimits {
        self.formats().csv()
    }
}
