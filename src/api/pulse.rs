//! Whether deposits that wait for the log see it move.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Deposits at the sequencer, and since when none of them has been answered.
#[derive(Debug, Default)]
pub(super) struct Pulse(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    waiting: usize,
    still_since: Option<Instant>,
}

/// A deposit waiting; whatever becomes of it, dropping it ends the wait.
#[derive(Debug)]
pub(super) struct Waiting<'p> {
    pulse: &'p Pulse,
}

impl Pulse {
    /// A deposit begins to wait.
    pub(super) fn wait(&self) -> Waiting<'_> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.waiting += 1;
        state.still_since.get_or_insert_with(Instant::now);
        Waiting { pulse: self }
    }

    /// Whether deposits have been waiting for this long without one of them being answered by the log.
    pub(super) fn is_stale(&self, age_max: Duration) -> bool {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.still_since.is_some_and(|since| since.elapsed() > age_max)
    }
}

impl Waiting<'_> {
    /// The log has answered: it moves.
    pub(super) fn answered(self) {
        let mut state = self.pulse.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.still_since = Some(Instant::now());
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.pulse.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.waiting = state.waiting.saturating_sub(1);
        if state.waiting == 0 {
            state.still_since = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn stale_only_while_somebody_waits_in_vain() {
        let (pulse, age) = (Pulse::default(), Duration::from_secs(30));
        let first = pulse.wait();
        let second = pulse.wait();
        tokio::time::advance(Duration::from_secs(20)).await;
        first.answered();
        tokio::time::advance(Duration::from_secs(20)).await;
        assert!(!pulse.is_stale(age));
        tokio::time::advance(Duration::from_secs(20)).await;
        assert!(pulse.is_stale(age));
        drop(second);
        assert!(!pulse.is_stale(age));
    }
}
