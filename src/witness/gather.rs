//! Having our checkpoints cosigned: every witness of the policy is asked, from the size it says it knows.

use super::WitnessError;
use crate::clock::SharedClock;
use crate::sequencer::LogReader;
use crate::spec::tlog::checkpoint::Checkpoint;
use crate::spec::tlog::note::{Note, VerifierKey};
use crate::spec::tlog::parse_decimal;
use crate::spec::tlog::policy::{Policy, Witness};
use crate::spec::tlog::witness::AddCheckpoint;
use futures::future::join_all;
use reqwest::StatusCode;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::timeout;

/// The longest answer read: a few signature lines, or a size.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// How long a witness may take.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Times a witness is asked again from the size it says.
const ROUNDS_MAX: usize = 3;

/// How far the time of a cosignature may be from ours, in seconds.
const APART_MAX_S: i64 = 300;

/// Asks the witnesses of a policy.
pub struct Gatherer {
    policy: Policy,
    log: LogReader,
    http: reqwest::Client,
    clock: SharedClock,
    /// What each witness cosigned last, as far as we know; by key.
    known: Mutex<HashMap<VerifierKey, u64>>,
}

impl std::fmt::Debug for Gatherer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.policy.witnesses.iter().map(|witness| &witness.name)).finish()
    }
}

/// A checkpoint and the cosignatures it got.
#[derive(Debug, Clone)]
pub struct Gathered {
    /// The signed note, with the cosignatures under the log's own signature.
    pub note: String,
    /// Whether they are enough for the policy.
    pub enough: bool,
    /// Witnesses that know something else than what we show. To be told to people.
    pub doubts: Vec<Doubt>,
}

/// A witness that knows something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// Its name in the policy.
    pub witness: String,
    /// The size it cosigned: larger than ours (we went back in time), or not above it (another history).
    pub size: u64,
}

/// What a witness answered.
enum Answer {
    Line(String),
    Doubt(u64),
    Silent(String),
}

impl Gatherer {
    /// Asks by this policy.
    pub fn new(policy: Policy, log: LogReader, clock: SharedClock) -> Result<Self, WitnessError> {
        // Another part of the process may have installed it already: the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .user_agent(concat!("archiland/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| WitnessError::Http(error.to_string()))?;
        Ok(Self { policy, log, http, clock, known: Mutex::default() })
    }

    /// Has a checkpoint cosigned by whoever answers in time: all are asked at once, each for [`ANSWER_MAX`] in all.
    pub async fn gather(&self, note: &str, checkpoint: &Checkpoint) -> Result<Gathered, WitnessError> {
        let asked: Vec<&Witness> = self.policy.witnesses.iter().filter(|witness| witness.url.is_some()).collect();
        let answers =
            join_all(asked.iter().map(|witness| timeout(ANSWER_MAX, self.ask(witness, note, checkpoint)))).await;
        let (mut whole, mut cosigned, mut doubts) = (note.to_owned(), Vec::new(), Vec::new());
        for (witness, answer) in asked.into_iter().zip(answers) {
            match answer.unwrap_or_else(|_| Answer::Silent("pas de réponse à temps".to_owned())) {
                Answer::Line(line) => {
                    whole.push_str(&line);
                    cosigned.push(witness.key.clone());
                }
                Answer::Doubt(size) => {
                    tracing::error!(witness = %witness.name, size, ours = checkpoint.size, "un témoin connaît une autre histoire de notre journal");
                    doubts.push(Doubt { witness: witness.name.clone(), size });
                }
                Answer::Silent(why) => tracing::warn!(witness = %witness.name, %why, "témoin sans cosignature"),
            }
        }
        // What is not a note any more would be refused by everybody.
        Note::parse(&whole)?;
        Ok(Gathered { note: whole, enough: self.policy.is_satisfied(&cosigned), doubts })
    }

    async fn ask(&self, witness: &Witness, note: &str, checkpoint: &Checkpoint) -> Answer {
        let mut old = self.known().get(&witness.key).copied().unwrap_or(0).min(checkpoint.size);
        for _ in 0..ROUNDS_MAX {
            let answer = match self.add_checkpoint(witness, note, checkpoint, old).await {
                Ok(answer) => answer,
                Err(why) => return Answer::Silent(why),
            };
            match answer {
                (StatusCode::OK, body) => {
                    let line = self.cosignature(witness, note, &body);
                    if line.is_some() {
                        self.known().insert(witness.key.clone(), checkpoint.size);
                    }
                    return line.map_or_else(|| Answer::Silent("cosignature fausse".to_owned()), Answer::Line);
                }
                (StatusCode::CONFLICT, body) => match parse_decimal(body.trim_end_matches('\n')) {
                    Some(size) if size > checkpoint.size => return self.ahead(size).await,
                    // It was told that very size, and has another root there.
                    Some(size) if size == old && size == checkpoint.size => return Answer::Doubt(size),
                    Some(size) if size == old => return Answer::Silent("409 avec la taille annoncée".to_owned()),
                    Some(size) => old = size,
                    None => return Answer::Silent("409 sans taille".to_owned()),
                },
                // From the empty tree there is nothing to contradict.
                (StatusCode::UNPROCESSABLE_ENTITY, _) if old > 0 => return Answer::Doubt(old),
                (status, _) => return Answer::Silent(format!("statut HTTP {}", status.as_u16())),
            }
        }
        Answer::Silent("le témoin change d'avis".to_owned())
    }

    /// A witness says that it cosigned more than what we show: another node of ours may have gone on meanwhile. Otherwise
    /// it knows better than our bucket, or lies; people must tell which.
    async fn ahead(&self, size: u64) -> Answer {
        match self.log.published().await {
            Ok(now) if now.size >= size => Answer::Silent("dépassé par un autre nœud".to_owned()),
            _ => Answer::Doubt(size),
        }
    }

    async fn add_checkpoint(
        &self,
        witness: &Witness,
        note: &str,
        checkpoint: &Checkpoint,
        old: u64,
    ) -> Result<(StatusCode, String), String> {
        let url = format!("{}/add-checkpoint", witness.url.as_deref().unwrap_or_default());
        let proof = if old == 0 || old == checkpoint.size {
            Vec::new()
        } else {
            self.log.consistency(old, checkpoint.size).await.map_err(|error| error.to_string())?
        };
        let request = AddCheckpoint { old, proof, note: note.to_owned() }.to_text();
        let told = |error: reqwest::Error| error.without_url().to_string();
        let mut answer = self.http.post(url).body(request).send().await.map_err(told)?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(told)? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err("réponse trop longue".to_owned());
            }
            body.extend_from_slice(&chunk);
        }
        Ok((answer.status(), String::from_utf8(body).map_err(|_| "réponse hors UTF-8".to_owned())?))
    }

    /// The witness's line among those it answered, if it holds, at a time near ours.
    fn cosignature(&self, witness: &Witness, note: &str, body: &str) -> Option<String> {
        let (text, _) = note.split_once("\n\n")?;
        for line in body.lines() {
            let Ok(alone) = Note::parse(&format!("{text}\n\n{line}\n")) else { continue };
            let Ok(verified) = alone.open(std::slice::from_ref(&witness.key)) else { continue };
            let time = i64::try_from(verified.first()?.cosigned_at?).ok()?;
            if (time - self.clock.now().unix_timestamp()).abs() <= APART_MAX_S {
                return Some(format!("{line}\n"));
            }
        }
        None
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<VerifierKey, u64>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
