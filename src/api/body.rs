//! A request's body, read under limits: its length, and the time it may be silent.

use crate::admission::Reason;
use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt;
use std::time::Duration;
use tokio::time::timeout;

/// What is read and thrown away after a refusal, so that the client hears the answer before the connection closes.
const DRAIN_BYTES_MAX: u64 = 8 << 20;
const DRAIN_TIME_MAX: Duration = Duration::from_secs(2);

/// A body on its way in.
#[derive(Debug)]
pub(super) struct Incoming {
    body: Body,
    bytes_max: u64,
    received: u64,
    idle_max: Duration,
}

impl Incoming {
    pub(super) fn new(body: Body, bytes_max: u64, idle_max: Duration) -> Self {
        Self { body, bytes_max, received: 0, idle_max }
    }

    /// The next bytes; `None` at the end.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, Reason> {
        loop {
            let frame = match timeout(self.idle_max, self.body.frame()).await {
                Err(_) => return Err(Reason::BodyIdle),
                Ok(None) => return Ok(None),
                Ok(Some(Err(_))) => return Err(Reason::BodyCut),
                Ok(Some(Ok(frame))) => frame,
            };
            let Ok(data) = frame.into_data() else { continue };
            if data.is_empty() {
                continue;
            }
            self.received += u64::try_from(data.len()).unwrap_or(u64::MAX);
            if self.received > self.bytes_max {
                return Err(Reason::BodyTooLarge { bytes_max: self.bytes_max });
            }
            return Ok(Some(data));
        }
    }

    /// The whole body, at most `bytes_max` of it.
    pub(super) async fn whole(mut self) -> Result<Vec<u8>, Reason> {
        let mut whole = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            whole.extend_from_slice(&chunk);
        }
        Ok(whole)
    }

    /// Bytes received so far.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// Reads on for a moment after a refusal: closing on a client that is still sending would lose the answer.
    pub(super) async fn drain(mut self) {
        let mut left = DRAIN_BYTES_MAX;
        let read = async {
            while let Some(Ok(frame)) = self.body.frame().await {
                let length = frame.data_ref().map_or(0, |data| u64::try_from(data.len()).unwrap_or(u64::MAX));
                left = left.saturating_sub(length);
                if left == 0 {
                    break;
                }
            }
        };
        let _ = timeout(DRAIN_TIME_MAX, read).await;
    }
}
