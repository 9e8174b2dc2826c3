//! Whether the clock may be relied on. It may until something says otherwise: a step against the monotonic clock, or NTP
//! servers, a quorum of which must agree with it.
//!
//! A step is trusted again once a quorum has confirmed the new time; without servers to ask, not before a restart, which
//! is an operator's decision.

use super::TimestampError;
use crate::clock::SharedClock;
use futures::future::join_all;
use rsntp::AsyncSntpClient;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// How often the wall clock is held against the monotonic one.
const TICK: Duration = Duration::from_secs(1);

/// A server that has not answered by then did not answer.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// Rounds without a quorum before the last good one is too old.
pub const ROUNDS_MISSED_MAX: u32 = 3;

/// What the clock is held against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockOptions {
    /// NTP servers, `host` or `host:port`; none means that only steps are noticed.
    pub servers: Vec<String>,
    /// How many of them must agree with our clock.
    pub quorum: usize,
    /// How far it may be from them, and how far it may step.
    pub drift_max: Duration,
    /// How often they are asked.
    pub every: Duration,
}

/// What is known of the clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClockState {
    /// Nothing speaks against it.
    Trusted,
    /// Not enough servers answer, and why that matters. Nothing says that it is wrong.
    Unknown(String),
    /// It is wrong, or was set by hand.
    Wrong(String),
}

/// The state of the clock, as it changes.
#[derive(Debug, Clone)]
pub struct ClockTrust(Option<watch::Receiver<ClockState>>);

impl ClockTrust {
    /// Relies on the clock as it is: for commands that make what they use at once.
    pub fn blind() -> Self {
        Self(None)
    }

    /// What is known now.
    pub fn state(&self) -> ClockState {
        self.0.as_ref().map_or(ClockState::Trusted, |state| state.borrow().clone())
    }

    /// Fails unless the clock is trusted: what is signed for others.
    pub fn require(&self) -> Result<(), TimestampError> {
        match &self.0 {
            None => Ok(()),
            Some(state) => match &*state.borrow() {
                ClockState::Trusted => Ok(()),
                ClockState::Unknown(why) | ClockState::Wrong(why) => Err(TimestampError::ClockUntrusted(why.clone())),
            },
        }
    }

    /// Fails when the clock is known to be wrong: what cannot wait for servers that do not answer.
    pub fn refuse_wrong(&self) -> Result<(), TimestampError> {
        match &self.0 {
            None => Ok(()),
            Some(state) => match &*state.borrow() {
                ClockState::Wrong(why) => Err(TimestampError::ClockUntrusted(why.clone())),
                ClockState::Trusted | ClockState::Unknown(_) => Ok(()),
            },
        }
    }
}

/// Starts watching the clock, until `cancel`. With servers, the first answer is waited for: nothing is stamped before.
pub fn watch_clock(options: ClockOptions, clock: SharedClock, cancel: CancellationToken) -> ClockTrust {
    let first = if options.servers.is_empty() {
        ClockState::Trusted
    } else {
        ClockState::Unknown("les serveurs de temps n'ont pas encore répondu".to_owned())
    };
    let (publish, state) = watch::channel(first);
    let watcher = Watcher { options, clock, publish, missed: 0 };
    tokio::spawn(async move { cancel.run_until_cancelled(watcher.run()).await });
    ClockTrust(Some(state))
}

struct Watcher {
    options: ClockOptions,
    clock: SharedClock,
    publish: watch::Sender<ClockState>,
    /// Rounds since the last quorum.
    missed: u32,
}

impl Watcher {
    async fn run(mut self) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut before = (self.clock.now(), Instant::now());
        let mut asked: Option<Instant> = None;
        loop {
            ticks.tick().await;
            let now = (self.clock.now(), Instant::now());
            let (wall, elapsed) = (now.0 - before.0, now.1 - before.1);
            before = now;
            let step = wall - elapsed;
            let stepped = step.unsigned_abs() > self.options.drift_max;
            if stepped {
                let ms = step.whole_milliseconds();
                self.set(&ClockState::Wrong(format!("elle a été décalée de {ms} ms d'un coup")));
            }
            if self.options.servers.is_empty() {
                continue;
            }
            if stepped || asked.is_none_or(|asked| asked.elapsed() >= self.options.every) {
                self.ask().await;
                asked = Some(Instant::now());
                // What the round took is not a step.
                before = (self.clock.now(), Instant::now());
            }
        }
    }

    /// One round of the servers.
    async fn ask(&mut self) {
        let client = AsyncSntpClient::with_config(rsntp::Config::default().timeout(ANSWER_MAX));
        let answers = join_all(self.options.servers.iter().map(|server| client.synchronize(with_port(server)))).await;
        let mut offsets = Vec::new();
        for (server, answer) in self.options.servers.iter().zip(answers) {
            match answer {
                Ok(answer) => {
                    offsets.push((answer.clock_offset().as_secs_f64(), answer.round_trip_delay().as_secs_f64()));
                }
                Err(error) => tracing::debug!(%server, %error, "serveur de temps sans réponse utilisable"),
            }
        }
        let limit = self.options.drift_max.as_secs_f64();
        // The true offset is within half the round trip of the measured one.
        let agree = offsets.iter().filter(|(offset, delay)| offset.abs() <= limit + delay.abs() / 2.0).count();
        let quorum = self.options.quorum;
        if agree >= quorum {
            self.missed = 0;
            self.set(&ClockState::Trusted);
        } else if offsets.len() - agree >= quorum {
            let mut apart: Vec<f64> = offsets.iter().map(|(offset, _)| *offset).collect();
            apart.sort_by(f64::total_cmp);
            let median = apart.get(apart.len() / 2).copied().unwrap_or_default();
            self.set(&ClockState::Wrong(format!("les serveurs de temps s'en écartent de {median:+.3} s")));
        } else {
            self.missed = self.missed.saturating_add(1);
            let wrong = matches!(&*self.publish.borrow(), ClockState::Wrong(_));
            // A clock known to be wrong stays so until a quorum says otherwise.
            if !wrong && (self.missed > ROUNDS_MISSED_MAX || *self.publish.borrow() != ClockState::Trusted) {
                let (answered, asked) = (offsets.len(), self.options.servers.len());
                let why = format!(
                    "{answered} serveur(s) de temps sur {asked} répondent et {agree} la confirment ; il en faut {quorum}"
                );
                self.set(&ClockState::Unknown(why));
            }
        }
    }

    fn set(&self, state: &ClockState) {
        self.publish.send_if_modified(|known| {
            if known == state {
                return false;
            }
            match state {
                ClockState::Trusted => tracing::info!("l'horloge est sûre : l'horodatage est ouvert"),
                ClockState::Unknown(why) | ClockState::Wrong(why) => {
                    tracing::error!(%why, "l'horloge n'est pas sûre : l'horodatage est fermé");
                }
            }
            *known = state.clone();
            true
        });
    }
}

fn with_port(server: &str) -> String {
    let has_port = server.rsplit_once(':').is_some_and(|(host, port)| {
        !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) && (!host.contains(':') || host.ends_with(']'))
    });
    if has_port { server.to_owned() } else { format!("{server}:123") }
}

#[cfg(test)]
mod tests;
