//! What the tasks of a job need to know, kept: it never changes, and a claim need not read it again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::JobContext;
use crate::domain::ids::JobId;

/// The jobs that tasks were claimed of last.
#[derive(Clone, Debug, Default)]
pub(in crate::store) struct Contexts(Arc<Mutex<VecDeque<Arc<JobContext>>>>);

/// Enough for a worker whose claims are of many small jobs.
const MOST: usize = 64;

impl Contexts {
    pub(super) fn get(&self, id: JobId) -> Option<Arc<JobContext>> {
        self.lock().iter().find(|context| context.id == id).cloned()
    }

    pub(super) fn put(&self, context: JobContext) -> Arc<JobContext> {
        let context = Arc::new(context);
        let mut kept = self.lock();
        if kept.len() >= MOST {
            kept.pop_front();
        }
        kept.push_back(Arc::clone(&context));
        context
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<JobContext>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
