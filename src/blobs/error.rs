//! What can go wrong with blobs.

/// Why a blob could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// There is no such store.
    #[error("the artifact URL: {0}")]
    Url(String),
    /// The store failed.
    #[error("blob store: {0}")]
    Store(#[from] object_store::Error),
    /// Reading or writing failed.
    #[error("blob: {0}")]
    Io(#[from] std::io::Error),
    /// The bytes are not those that the name stands for.
    #[error("blob {name} has changed: its SHA-256 is {found}")]
    Changed {
        /// Its name.
        name: String,
        /// What it hashes to.
        found: String,
    },
    /// More bytes than allowed.
    #[error("more than {0} bytes")]
    TooLarge(u64),
    /// The sender stopped before the end.
    #[error("the body broke off: {0}")]
    BrokenOff(String),
}

impl BlobError {
    /// Whether there is no such blob.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Store(object_store::Error::NotFound { .. }))
    }

    /// Whether a store elsewhere does not answer now, or not as it should.
    pub fn is_unreachable(&self) -> bool {
        let error = match self {
            Self::Store(error) => Some(error),
            Self::Io(error) => error.get_ref().and_then(|inner| inner.downcast_ref()),
            _ => None,
        };
        let Some(object_store::Error::Generic { store, .. }) = error else { return false };
        ["S3", "GCS", "MicrosoftAzure"].contains(store)
    }

    /// Whether the disk is full.
    pub fn is_disk_full(&self) -> bool {
        let mut source: Option<&(dyn std::error::Error + 'static)> = Some(self);
        while let Some(error) = source {
            if error
                .downcast_ref::<std::io::Error>()
                .is_some_and(|e| e.kind() == std::io::ErrorKind::StorageFull)
            {
                return true;
            }
            source = error.source();
        }
        false
    }
}
