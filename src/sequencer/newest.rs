//! The newest records, as this process committed them: what follows the log reads them from here, and from the bucket only
//! after a restart, a neighbour's batch or a long delay.

use bytes::Bytes;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of records kept: some thirty thousand deposits, two evidence intervals at full load.
const BYTES_MAX: usize = 32 << 20;

/// A run of the newest records, shared by every clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Newest {
    run: Arc<Mutex<Run>>,
}

#[derive(Debug, Default)]
struct Run {
    /// Index of the first one kept.
    first: u64,
    records: VecDeque<Bytes>,
    bytes: usize,
}

impl Newest {
    /// Adds records that are in the log, durable, from index `first` on. A gap (a neighbour's batch) begins a new run.
    pub(super) fn extend(&self, first: u64, records: impl Iterator<Item = Bytes>) {
        let mut run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
        if run.end() != Some(first) {
            *run = Run { first, ..Run::default() };
        }
        for record in records {
            run.bytes += record.len();
            run.records.push_back(record);
        }
        while run.bytes > BYTES_MAX
            && let Some(oldest) = run.records.pop_front()
        {
            run.bytes -= oldest.len();
            run.first += 1;
        }
    }

    /// The records of a range, if all of them are here.
    pub(super) fn get(&self, range: &Range<u64>) -> Option<Vec<Bytes>> {
        let run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
        let from = usize::try_from(range.start.checked_sub(run.first)?).ok()?;
        let to = usize::try_from(range.end.checked_sub(run.first)?).ok()?;
        (from <= to && to <= run.records.len()).then(|| run.records.range(from..to).cloned().collect())
    }
}

impl Run {
    /// Index after the last one; `None` for an empty run.
    fn end(&self) -> Option<u64> {
        let count = u64::try_from(self.records.len()).ok().filter(|count| *count > 0)?;
        self.first.checked_add(count)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn records(range: Range<u64>) -> impl Iterator<Item = Bytes> {
        range.map(|n| Bytes::from(n.to_string()))
    }

    #[test]
    fn a_range_is_answered_whole_or_not_at_all() {
        let newest = Newest::default();
        assert_eq!(newest.get(&(0..1)), None);
        newest.extend(5, records(5..8));
        newest.extend(8, records(8..10));
        assert_eq!(newest.get(&(6..9)).unwrap(), records(6..9).collect::<Vec<_>>());
        assert_eq!(newest.get(&(5..10)).unwrap().len(), 5);
        assert_eq!((newest.get(&(4..6)), newest.get(&(9..11))), (None, None));
    }

    #[test]
    fn a_gap_begins_again() {
        let newest = Newest::default();
        newest.extend(0, records(0..4));
        newest.extend(6, records(6..8));
        assert_eq!((newest.get(&(0..4)), newest.get(&(3..7))), (None, None));
        assert_eq!(newest.get(&(6..8)).unwrap(), records(6..8).collect::<Vec<_>>());
    }

    #[test]
    fn memory_is_bounded() {
        let newest = Newest::default();
        let large = Bytes::from(vec![0; BYTES_MAX / 4]);
        for n in 0..9 {
            newest.extend(n, std::iter::once(large.clone()));
        }
        assert_eq!((newest.get(&(4..9)), newest.get(&(5..9)).unwrap().len()), (None, 4));
        newest.extend(9, std::iter::once(Bytes::from(vec![0; BYTES_MAX + 1])));
        assert_eq!(newest.get(&(9..10)), None);
    }
}
