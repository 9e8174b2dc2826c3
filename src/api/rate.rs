//! Requests per agency: a token bucket each, refilled by time passing.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use tokio::time::Instant;

/// Buckets kept; beyond, full ones (agencies that have been quiet) are forgotten.
const BUCKETS_MAX: usize = 4_096;

/// The buckets.
#[derive(Debug)]
pub(super) struct Rates {
    per_second: f64,
    burst: f64,
    buckets: Mutex<HashMap<String, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Rates {
    pub(super) fn new(per_second: u32, burst: u32) -> Self {
        Self { per_second: f64::from(per_second), burst: f64::from(burst.max(1)), buckets: Mutex::default() }
    }

    /// Takes one request from an agency's bucket; when it is empty, says in how many seconds to come back.
    pub(super) fn take(&self, agency: &str, now: Instant) -> Result<(), u32> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get_mut(agency) {
            return self.draw(bucket, now);
        }
        if buckets.len() >= BUCKETS_MAX {
            buckets.retain(|_, bucket| self.level(bucket, now) < self.burst);
        }
        let mut bucket = Bucket { left: self.burst, at: now };
        let drawn = self.draw(&mut bucket, now);
        buckets.insert(agency.to_owned(), bucket);
        drawn
    }

    fn level(&self, bucket: &Bucket, now: Instant) -> f64 {
        let elapsed = now.saturating_duration_since(bucket.at).as_secs_f64();
        (bucket.left + elapsed * self.per_second).min(self.burst)
    }

    fn draw(&self, bucket: &mut Bucket, now: Instant) -> Result<(), u32> {
        *bucket = Bucket { left: self.level(bucket, now), at: now };
        if bucket.left < 1.0 {
            // At least one a second: the wait is never over one second.
            return Err(1);
        }
        bucket.left -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_burst_then_the_rate() {
        let rates = Rates::new(10, 3);
        let start = Instant::now();
        for _ in 0..3 {
            assert_eq!(rates.take("a", start), Ok(()));
        }
        assert_eq!(rates.take("a", start), Err(1));
        assert_eq!(rates.take("b", start), Ok(()));
        assert_eq!(rates.take("a", start + Duration::from_millis(150)), Ok(()));
        assert_eq!(rates.take("a", start + Duration::from_millis(150)), Err(1));
    }

    #[test]
    fn quiet_agencies_are_forgotten() {
        let rates = Rates::new(10, 1);
        let start = Instant::now();
        for n in 0..BUCKETS_MAX {
            assert_eq!(rates.take(&n.to_string(), start), Ok(()));
        }
        assert_eq!(rates.take("x", start + Duration::from_secs(1)), Ok(()));
        assert_eq!(rates.buckets.lock().map(|b| b.len()).unwrap_or_default(), 1);
    }
}
