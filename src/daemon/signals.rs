//! The life of `archiland serve`: until a signal, told to systemd.

use super::boot::Node;
use super::error::DaemonError;
use crate::clock::SharedClock;
use crate::config::Config;
use sd_notify::NotifyState;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Boots, serves until SIGTERM or SIGINT or until a background task fails, then drains.
pub async fn serve_until_signal(config: Config, clock: SharedClock) -> Result<(), DaemonError> {
    let cannot = |source| DaemonError::file("signal", source);
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    let booted = tokio::select! {
        booted = Node::boot(config, clock) => booted?,
        // Nothing has been promised yet: a rebuild that is interrupted goes on at the next start.
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    let mut running = booted.serve().await?;
    notify(&[NotifyState::Ready, NotifyState::Status(running.url())]);
    let failure = tokio::select! {
        error = running.failed() => Some(error),
        () = watchdog() => None,
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
    };
    notify(&[NotifyState::Stopping]);
    tracing::info!("arrêt demandé : les requêtes en cours se terminent");
    match failure {
        None => running.stop().await,
        Some(error) => {
            tracing::error!(%error, "arrêt sur défaillance");
            // What can still end well, ends well; the reason is the failure all the same.
            let _ = running.stop().await;
            Err(error)
        }
    }
}

/// Tells systemd that a long boot is not a dead one.
pub(super) fn still_starting(for_another: Duration) {
    notify(&[NotifyState::ExtendTimeoutUsec(u32::try_from(for_another.as_micros()).unwrap_or(u32::MAX))]);
}

/// Pets systemd's watchdog when it has one; never returns.
async fn watchdog() {
    let Some(period) = sd_notify::watchdog_enabled() else { return std::future::pending().await };
    loop {
        notify(&[NotifyState::Watchdog]);
        tokio::time::sleep(period / 2).await;
    }
}

fn notify(states: &[NotifyState<'_>]) {
    // Without systemd there is nobody to tell.
    let _ = sd_notify::notify(states);
}
