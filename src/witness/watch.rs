//! The witness: what it has seen of each log, and whether it cosigns what it is shown.

use super::WitnessError;
use crate::sequencer::head::HeadStore;
use crate::spec::tlog::checkpoint::Checkpoint;
use crate::spec::tlog::note::{Cosigner, Note, VerifierKey};
use crate::spec::tlog::proof::verify_consistency;
use crate::spec::tlog::witness::AddCheckpoint;
use crate::spec::tlog::{EMPTY_ROOT, Hash};
use crate::store::StoreError;
use futures::TryStreamExt;
use object_store::ObjectStore;
use object_store::path::Path;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Tries at a swap; each failed one has re-read what is there.
const TRIES_MAX: usize = 8;

const FOLDER: &str = "witness";

/// A log that is watched, and the largest checkpoint of it that was cosigned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watched {
    /// Its origin.
    pub origin: String,
    /// Its key.
    pub vkey: String,
    /// Size of that checkpoint; 0 before the first.
    pub size: u64,
    /// Its root, hexadecimal.
    pub root: String,
    /// The checkpoint as its log signed it; empty before the first.
    pub note: String,
}

/// Why a checkpoint is not cosigned (C2SP tlog-witness gives each its status).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// 400
    #[error("demande de cosignature irrecevable : {0}")]
    Malformed(String),
    /// 404
    #[error("ce journal n'est pas surveillé ici")]
    Unknown,
    /// 403
    #[error("le point de contrôle n'est pas signé par la clé connue de ce journal")]
    Signature,
    /// 409: the size to start from.
    #[error("le dernier point de contrôle cosigné est de taille {0}")]
    Conflict(u64),
    /// 409: another history of the same size. To be told to people.
    #[error("ce journal montre deux histoires : une autre racine a été cosignée à la taille {0}")]
    Split(u64),
    /// 422: a proof where there is nothing to prove.
    #[error("preuve de trop : depuis l'arbre vide, ou vers le même, il n'y a rien à prouver")]
    Proof,
    /// 409: the log shows less than what was cosigned: an old copy of it, or an old checkpoint that someone shows again.
    #[error("point de contrôle de {shown} entrées, alors que {cosigned} ont été cosignées")]
    Rollback {
        /// The size shown.
        shown: u64,
        /// The size cosigned last.
        cosigned: u64,
    },
    /// 422: the log does not extend what was cosigned. To be told to people.
    #[error("ce point de contrôle ne prolonge pas celui de taille {0} qui a été cosigné")]
    Fork(u64),
}

impl Refusal {
    /// What is to be told to people, by a stable name: `split` (two roots of one size, both signed by the log: it lied, or
    /// its key is elsewhere too), `fork` (no proof that it goes on from what was cosigned), `rollback` (smaller than what
    /// was cosigned).
    pub fn alarm(&self) -> Option<&'static str> {
        match self {
            Self::Split(_) => Some("split"),
            Self::Fork(_) => Some("fork"),
            Self::Rollback { .. } => Some("rollback"),
            _ => None,
        }
    }

    /// A proof of two histories weighs more than a suspicion.
    fn gravity(&self) -> u8 {
        match self {
            Self::Split(_) => 3,
            Self::Fork(_) => 2,
            Self::Rollback { .. } => 1,
            _ => 0,
        }
    }
}

/// A witness.
pub struct Watch {
    heads: Arc<dyn HeadStore>,
    objects: Arc<dyn ObjectStore>,
    /// The gravest alarm of each log since the start; as many as there are logs watched.
    alarms: Mutex<BTreeMap<String, Refusal>>,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Watch({})", self.objects)
    }
}

impl Watch {
    /// The witness whose memory is in this bucket.
    pub fn new(heads: Arc<dyn HeadStore>, objects: Arc<dyn ObjectStore>) -> Self {
        Self { heads, objects, alarms: Mutex::default() }
    }

    /// Logs that contradicted themselves since the start, and how.
    pub fn alarms(&self) -> Vec<(String, Refusal)> {
        let alarms = self.alarms.lock().unwrap_or_else(PoisonError::into_inner);
        alarms.iter().map(|(origin, refusal)| (origin.clone(), refusal.clone())).collect()
    }

    fn remember(&self, origin: &str, refusal: &Refusal) {
        let mut alarms = self.alarms.lock().unwrap_or_else(PoisonError::into_inner);
        if refusal.gravity() > alarms.get(origin).map_or(0, Refusal::gravity) {
            alarms.insert(origin.to_owned(), refusal.clone());
        }
    }

    /// Watches a log from now on. Asked again with the same key, does nothing.
    pub async fn add(&self, origin: &str, vkey: &VerifierKey) -> Result<Watched, WitnessError> {
        let key = cell_of(origin);
        let fresh = Watched {
            origin: origin.to_owned(),
            vkey: vkey.to_string(),
            size: 0,
            root: hex::encode(EMPTY_ROOT),
            note: String::new(),
        };
        for _ in 0..TRIES_MAX {
            match self.read(&key).await? {
                Some((found, _)) if found.vkey == fresh.vkey && found.origin == fresh.origin => return Ok(found),
                Some(_) => return Err(WitnessError::Watched(origin.to_owned())),
                // The answer is a hint; what is read next decides.
                None => self.heads.swap(&key, None, to_bytes(&fresh)).await?,
            };
        }
        Err(WitnessError::Contended)
    }

    /// Every log watched, in no particular order.
    pub async fn list(&self) -> Result<Vec<Watched>, WitnessError> {
        let backend = |error| StoreError::backend(FOLDER, error);
        let found: Vec<_> = self.objects.list(Some(&Path::from(FOLDER))).try_collect().await.map_err(backend)?;
        let mut watched = Vec::new();
        for object in found {
            let key = object.location.to_string();
            // A local cell has a lock beside it.
            if key.rsplit('/').next().is_some_and(|name| name.len() == 64)
                && let Some((log, _)) = self.read(&key).await?
            {
                watched.push(log);
            }
        }
        Ok(watched)
    }

    /// Cosigns a checkpoint, if it extends what was cosigned before; the new state is durable before the signature is
    /// made. `time`: POSIX seconds.
    pub async fn cosign(
        &self,
        request: &AddCheckpoint,
        cosigner: &Cosigner,
        time: u64,
    ) -> Result<Result<String, Refusal>, WitnessError> {
        let malformed = |error: &dyn std::fmt::Display| Ok(Err(Refusal::Malformed(error.to_string())));
        let note = match Note::parse(&request.note) {
            Ok(note) => note,
            Err(error) => return malformed(&error),
        };
        let checkpoint = match Checkpoint::parse(&note.text) {
            Ok(checkpoint) => checkpoint,
            Err(error) => return malformed(&error),
        };
        if note.text != checkpoint.text() {
            return malformed(&"les lignes d'extension ne sont pas cosignées");
        }
        let key = cell_of(&checkpoint.origin);
        for _ in 0..TRIES_MAX {
            let Some((known, version)) = self.read(&key).await? else { return Ok(Err(Refusal::Unknown)) };
            let vkey = VerifierKey::parse(&known.vkey)?;
            if known.origin != checkpoint.origin {
                return Ok(Err(Refusal::Unknown));
            }
            // Lines of other keys are passed over: a log may bring the cosignatures it has already.
            if note.open(std::slice::from_ref(&vkey)).is_err() {
                return Ok(Err(Refusal::Signature));
            }
            if let Err(refusal) = extends(&known, request, &checkpoint)? {
                self.remember(&known.origin, &refusal);
                return Ok(Err(refusal));
            }
            if known.size < checkpoint.size {
                let next = Watched {
                    size: checkpoint.size,
                    root: hex::encode(checkpoint.root),
                    note: request.note.clone(),
                    ..known
                };
                self.heads.swap(&key, Some(&version), to_bytes(&next)).await?;
                // Only an observed state counts; another's may have come between.
                match self.read(&key).await? {
                    Some((observed, _)) if observed == next => {}
                    _ => continue,
                }
            }
            return Ok(Ok(cosigner.cosign(&note.text, time)?));
        }
        Err(WitnessError::Contended)
    }

    async fn read(&self, key: &str) -> Result<Option<(Watched, crate::sequencer::head::Version)>, WitnessError> {
        let Some((bytes, version)) = self.heads.read(key).await? else { return Ok(None) };
        let watched = serde_json::from_slice(&bytes).map_err(|_| WitnessError::Corrupt { key: key.to_owned() })?;
        Ok(Some((watched, version)))
    }
}

/// Whether a checkpoint extends the one cosigned last, in the order of checks that tlog-witness gives.
fn extends(known: &Watched, request: &AddCheckpoint, next: &Checkpoint) -> Result<Result<(), Refusal>, WitnessError> {
    if request.old > next.size {
        return Ok(Err(Refusal::Malformed("« old » dépasse la taille du point de contrôle".to_owned())));
    }
    if request.old != known.size {
        let (shown, cosigned) = (next.size, known.size);
        return Ok(Err(if shown < cosigned {
            Refusal::Rollback { shown, cosigned }
        } else {
            Refusal::Conflict(cosigned)
        }));
    }
    let root = root_of(known)?;
    if next.size == known.size && next.root != root {
        return Ok(Err(Refusal::Split(known.size)));
    }
    let held = if known.size == 0 || next.size == known.size {
        // Nothing to prove: from the empty tree, or to the same one.
        request.proof.is_empty()
    } else {
        verify_consistency(known.size, next.size, &request.proof, &root, &next.root).is_ok()
    };
    // From nothing there is nothing to contradict: only the request is wrong.
    Ok(match held {
        true => Ok(()),
        false if known.size == 0 || next.size == known.size => Err(Refusal::Proof),
        false => Err(Refusal::Fork(known.size)),
    })
}

fn root_of(known: &Watched) -> Result<Hash, WitnessError> {
    let mut root = [0; 32];
    hex::decode_to_slice(&known.root, &mut root).map_err(|_| WitnessError::Corrupt { key: cell_of(&known.origin) })?;
    Ok(root)
}

/// The cell of a log: origins are URLs, cells are names.
fn cell_of(origin: &str) -> String {
    format!("{FOLDER}/{}", hex::encode(digest(&SHA256, origin.as_bytes())))
}

fn to_bytes(watched: &Watched) -> bytes::Bytes {
    // Strings and a number always serialise.
    serde_json::to_vec(watched).unwrap_or_default().into()
}
