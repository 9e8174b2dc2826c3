//! Refuses, at start-up, a store that claims conditional writes and does not have them (Garage 2.5 ignores the headers;
//! others check and then write without atomicity).

use super::{HeadStore, Swap, Version};
use crate::store::StoreError;
use bytes::Bytes;
use futures::future::join_all;
use thiserror::Error;
use uuid::Uuid;

/// Writers racing for one version.
const RACERS: usize = 32;

/// Races for each of create and update: a check-then-write store was seen to pass 3 % of single races.
const ROUNDS: usize = 2;

/// Why a store cannot carry the head.
#[derive(Debug, Error)]
pub enum ProbeError {
    /// It broke a rule.
    #[error(
        "ce stockage n'honore pas les écritures conditionnelles ({0}) : le journal pourrait se dédoubler. \
         Utilisez un stockage qui les honore (disque local, AWS S3, Ceph, SeaweedFS, MinIO…)"
    )]
    Lies(&'static str),
    /// It could not be asked.
    #[error("le stockage n'a pas pu être éprouvé : {0}")]
    Store(#[from] StoreError),
}

/// Tries a stale version, an absent cell and races of 32 on cells of its own.
pub async fn probe(head: &dyn HeadStore) -> Result<(), ProbeError> {
    for _ in 0..ROUNDS {
        let key = format!("probe/{}", Uuid::now_v7());
        let phantom = Version("\"00000000000000000000000000000000\"".to_owned());
        if head.swap(&key, Some(&phantom), content(&key, 0)).await.is_ok_and(|swap| swap == Swap::Taken) {
            return Err(ProbeError::Lies("mise à jour d'un objet absent acceptée"));
        }
        race(head, &key, None).await?;
        let first = head.read(&key).await?.ok_or(ProbeError::Lies("objet créé puis introuvable"))?.1;
        race(head, &key, Some(&first)).await?;
        if head.swap(&key, Some(&first), content(&key, 0)).await? == Swap::Taken {
            return Err(ProbeError::Lies("version périmée acceptée"));
        }
        if head.swap(&key, None, content(&key, 0)).await? == Swap::Taken {
            return Err(ProbeError::Lies("création d'un objet existant acceptée"));
        }
    }
    Ok(())
}

/// Exactly one of 32 writers may win, and what is read afterwards is what the winner wrote.
async fn race(head: &dyn HeadStore, key: &str, expected: Option<&Version>) -> Result<(), ProbeError> {
    let run = Uuid::now_v7().to_string();
    let run = run.as_str();
    let writers = (1..=RACERS).map(|n| async move { (n, head.swap(key, expected, content(run, n)).await) });
    let answers = join_all(writers).await;
    let winners: Vec<usize> =
        answers.iter().filter(|(_, answer)| matches!(answer, Ok(Swap::Taken))).map(|(n, _)| *n).collect();
    let unsure = answers.iter().any(|(_, answer)| answer.is_err());
    let (found, _) = head.read(key).await?.ok_or(ProbeError::Lies("objet écrit puis introuvable"))?;
    match winners[..] {
        [winner] if found == content(run, winner) => Ok(()),
        // An unanswered or retried request may be the winner.
        [] => Ok(()),
        [_] if unsure => Ok(()),
        [_] => Err(ProbeError::Lies("le contenu n'est pas celui du gagnant")),
        _ => Err(ProbeError::Lies("plusieurs gagnants pour une même version")),
    }
}

/// Never twice the same bytes: an ETag depends on the content, and a second winner would be no lie then.
fn content(run: &str, writer: usize) -> Bytes {
    Bytes::from(format!("sonde {run} {writer}\n"))
}
