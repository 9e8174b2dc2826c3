//! When to close a batch: at once for a lone depositor, in larger and larger groups as work piles up.
//!
//! A group written at once costs as many requests as a single item. After a group of several, the next one therefore
//! waits until some time has passed since the last one started: a quarter more than that one took, between 12 ms and the
//! configured maximum. On a local disk groups follow each other closely, on a distant store each carries more.

use std::time::Duration;
use tokio::time::Instant;

/// Shortest interval between two groups under load.
const INTERVAL_MIN: Duration = Duration::from_millis(12);

/// A group of at most this size does not slow the next one: somebody works alone.
const LONE_MAX: usize = 4;

/// The rhythm of one group committer.
#[derive(Debug, Clone)]
pub struct Pace {
    interval_max: Duration,
    next: Option<Instant>,
}

impl Pace {
    /// A rhythm whose groups are never further apart than `interval_max` while work waits.
    pub fn new(interval_max: Duration) -> Self {
        Self { interval_max, next: None }
    }

    /// When the next group may be closed, if it has to wait.
    pub fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Records that a group of `items` started at `started` and is done now.
    pub fn done(&mut self, started: Instant, items: usize) {
        if items <= LONE_MAX {
            self.next = None;
            return;
        }
        let interval = (started.elapsed() * 5 / 4).max(INTERVAL_MIN).min(self.interval_max);
        self.next = Some(started + interval);
    }
}
