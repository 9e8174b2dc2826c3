//! A limit on everything: the defaults are safe, each can be set in `[limits]`.

use serde::Deserialize;

/// The largest `limits.body_bytes_max` accepted: 64 GiB.
pub const BODY_BYTES_CEILING: u64 = 64 << 30;

/// Limits of the edge and of the pool.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Longest body of a deposit, all files together.
    pub body_bytes_max: u64,
    /// Most files in one deposit.
    pub files_per_deposit_max: usize,
    /// Longest `metadata` part.
    pub metadata_bytes_max: usize,
    /// Longest record; never above [`crate::package::RECORD_BYTES_MAX`].
    pub record_bytes_max: usize,
    /// Most deposits waiting for the sequencer; above, 503 with Retry-After.
    pub pool_entries_max: usize,
    /// A batch closes at this many entries.
    pub batch_entries_max: usize,
    /// Most deposits being received or committed at once; above, 503 with Retry-After.
    pub deposits_in_flight_max: usize,
    /// Most bytes of small documents held in memory at once, all deposits together; above, 503 with Retry-After.
    pub buffered_bytes_max: usize,
    /// Most large documents streaming to the store at once (each takes some 50 MiB); others wait their turn.
    pub large_uploads_max: usize,
    /// Most connections at once; above, new ones wait in the kernel's queue.
    pub connections_max: usize,
    /// Requests one agency may make per second, on average.
    pub agency_requests_per_second_max: u32,
    /// Requests one agency may make at once after a quiet time.
    pub agency_requests_burst_max: u32,
    /// A request's headers arrive within this time.
    pub header_ms_max: u64,
    /// A body is never silent for longer than this.
    pub body_idle_ms_max: u64,
    /// Once a deposit is received, its receipt is ready within this time, else 503 and the depositor retries.
    pub commit_ms_max: u64,
    /// Any other request is answered within this time (streamed answers excepted).
    pub request_ms_max: u64,
    /// A stopping daemon waits this long for requests under way.
    pub drain_ms_max: u64,
    /// `/readyz` fails when deposits have been waiting without a new checkpoint for this long.
    pub checkpoint_age_ms_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 2 << 30,
            files_per_deposit_max: 128,
            metadata_bytes_max: 32 * 1024,
            record_bytes_max: crate::package::RECORD_BYTES_MAX,
            pool_entries_max: 8_192,
            batch_entries_max: 4_096,
            deposits_in_flight_max: 8_192,
            buffered_bytes_max: 256 << 20,
            large_uploads_max: 8,
            connections_max: 16_384,
            agency_requests_per_second_max: 10_000,
            agency_requests_burst_max: 20_000,
            header_ms_max: 10_000,
            body_idle_ms_max: 30_000,
            commit_ms_max: 60_000,
            request_ms_max: 60_000,
            drain_ms_max: 30_000,
            checkpoint_age_ms_max: 30_000,
        }
    }
}

impl Limits {
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        let record_max = u64::try_from(crate::package::RECORD_BYTES_MAX).unwrap_or(u64::MAX);
        // One hour is longer than any of these waits makes sense; 4,096 entries keep a batch's staging object small.
        for (key, value, low, high) in [
            ("limits.body_bytes_max", self.body_bytes_max, 1, BODY_BYTES_CEILING),
            ("limits.files_per_deposit_max", wide(self.files_per_deposit_max), 1, 1_000),
            ("limits.metadata_bytes_max", wide(self.metadata_bytes_max), 256, 1 << 20),
            ("limits.record_bytes_max", wide(self.record_bytes_max), 1_024, record_max),
            ("limits.pool_entries_max", wide(self.pool_entries_max), 1, 1 << 20),
            ("limits.batch_entries_max", wide(self.batch_entries_max), 1, 65_536),
            ("limits.deposits_in_flight_max", wide(self.deposits_in_flight_max), 1, 1 << 20),
            ("limits.buffered_bytes_max", wide(self.buffered_bytes_max), 4 << 20, 64 << 30),
            ("limits.large_uploads_max", wide(self.large_uploads_max), 1, 1_024),
            ("limits.connections_max", wide(self.connections_max), 1, 1 << 20),
            ("limits.agency_requests_per_second_max", self.agency_requests_per_second_max.into(), 1, 1_000_000),
            ("limits.agency_requests_burst_max", self.agency_requests_burst_max.into(), 1, 1_000_000),
            ("limits.header_ms_max", self.header_ms_max, 1, 3_600_000),
            ("limits.body_idle_ms_max", self.body_idle_ms_max, 1, 3_600_000),
            ("limits.commit_ms_max", self.commit_ms_max, 1, 3_600_000),
            ("limits.request_ms_max", self.request_ms_max, 1, 3_600_000),
            ("limits.drain_ms_max", self.drain_ms_max, 1, 3_600_000),
            ("limits.checkpoint_age_ms_max", self.checkpoint_age_ms_max, 1, 86_400_000),
        ] {
            if !(low..=high).contains(&value) {
                return Err((key, format!("{value} est hors des bornes : de {low} à {high}")));
            }
        }
        Ok(())
    }
}

fn wide(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
