//! A thread's scratch memory.

/// Scratch memory that only grows, so that a step which was done once allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    values: Vec<f32>,
}

impl Buffer {
    /// This many values, whatever they hold, at the start of a cache line.
    pub(crate) fn take(&mut self, len: usize) -> &mut [f32] {
        const LINE: usize = 64;
        let len_with_slack = len + LINE / size_of::<f32>();
        if self.values.len() < len_with_slack {
            self.values.resize(len_with_slack, 0.0);
        }
        let start = self.values.as_ptr().align_offset(LINE);
        &mut self.values[start..start + len]
    }
}
