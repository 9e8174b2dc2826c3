//! Trying again while the store fails, until a deadline; anything else is final.

use super::LogError;
use crate::store::StoreError;
use std::future::Future;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// First and longest wait between tries at the store.
const WAIT_MIN: Duration = Duration::from_millis(50);
const WAIT_MAX: Duration = Duration::from_secs(2);

/// Evaluates an expression that makes a future until it succeeds. A macro, because each attempt borrows its surroundings
/// anew, which closures that return futures cannot yet promise to be `Send`.
macro_rules! retrying {
    ($deadline:expr, $attempt:expr) => {{
        let mut patience = $crate::sequencer::retry::Patience::until($deadline);
        loop {
            match patience.bounded($attempt).await {
                Ok(value) => break Ok(value),
                Err(error) => {
                    if let Err(last) = patience.after(error).await {
                        break Err(last);
                    }
                }
            }
        }
    }};
}
pub(super) use retrying;

/// How long to go on, and how long to wait next.
pub(super) struct Patience {
    deadline: Instant,
    wait: Duration,
}

impl Patience {
    pub(super) fn until(deadline: Instant) -> Self {
        Self { deadline, wait: WAIT_MIN }
    }

    /// An attempt, given up at the deadline.
    pub(super) async fn bounded<T>(&self, attempt: impl Future<Output = Result<T, LogError>>) -> Result<T, LogError> {
        match timeout_at(self.deadline, attempt).await {
            Ok(outcome) => outcome,
            Err(_) => Err(StoreError::Timeout { key: "journal".to_owned() }.into()),
        }
    }

    /// Waits before the next attempt, or gives the error back when it is final or no time is left.
    pub(super) async fn after(&mut self, error: LogError) -> Result<(), LogError> {
        let transient = matches!(&error, LogError::Store(error) if error.is_transient());
        if !transient || Instant::now() + self.wait >= self.deadline {
            return Err(error);
        }
        sleep(self.wait).await;
        self.wait = (self.wait * 2).min(WAIT_MAX);
        Ok(())
    }
}
