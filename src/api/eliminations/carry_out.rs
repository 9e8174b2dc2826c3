//! The documents of an elimination that is in the log are destroyed, and that is recorded too. Doing it again does no harm:
//! what a stop left is taken up at the next start.

use super::super::admin::record_with;
use super::super::deliveries::load;
use super::super::problem::Problem;
use super::super::services::App;
use super::PURPOSE;
use crate::catalog::Delivery;
use crate::package::{Body as RecordBody, Deposit, Eliminated, EliminationCompleted, Payload, Record};
use crate::search::{Audience, PAGE_HITS_MAX, Query};
use crate::sequencer::Submission;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::OwnedMutexGuard;

/// Pauses between two attempts after a start.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// After so long the search view has whatever was in the log before.
const FRESH: Duration = Duration::from_secs(3);

/// Goes on with the eliminations that a stop left.
pub(in crate::api) fn resume(app: &App) {
    let app = app.clone();
    tokio::spawn(async move {
        let size = app.log_size();
        let mut views = app.views.clone();
        if views.wait_for(|progress| progress.applied() >= size).await.is_err() {
            return;
        }
        let left = app.catalog.deliveries(None).into_iter();
        for asked in left.filter(|one| one.asked.purpose == PURPOSE && one.eliminated.is_some() && one.given == 0) {
            let mut pause = PAUSE_FIRST;
            loop {
                let turn = app.standing.clone().lock_owned().await;
                let Err(problem) = carry_out(&app, &asked, turn).await else { break };
                tracing::warn!(elimination = asked.index, error = problem.detail, "élimination à reprendre");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    });
}

/// Destroys the documents of a recorded elimination and records that it is done.
pub(super) async fn carry_out(app: &App, asked: &Delivery, turn: OwnedMutexGuard<()>) -> Result<(), Problem> {
    let eliminated = recorded(app, asked).await?;
    let gone: BTreeSet<u64> = eliminated.archives.iter().copied().collect();
    // What shares bytes is looked up in a view that is seconds fresh.
    tokio::time::sleep(FRESH).await;
    let (mut going, mut shared) = (Vec::new(), 0);
    for index in &eliminated.archives {
        let deposit = deposit(app, *index).await?;
        let used = used_elsewhere(app, &asked.agency, &deposit, &gone).await?;
        for payload in deposit.payloads {
            let place = (payload.location.object.clone(), payload.location.offset);
            if used.contains(&place) {
                shared += 1;
            } else {
                going.push(payload);
            }
        }
    }
    let erased = app.store.erase(&going).await?;
    let completed = EliminationCompleted {
        request: asked.index,
        documents: going.len() as u64,
        shared,
        objects_deleted: erased.objects_deleted,
        objects_rewritten: erased.objects_rewritten,
    };
    let about = vec![app.ark(asked.index).to_string()];
    let body = RecordBody::EliminationCompleted(completed);
    let record = record_with(&asked.agency, "system:elimination", about, body, app.clock.now())?;
    let committed = app.sequencer.submit(Submission { record: record.into(), idempotency: None }).await?;
    let mut views = app.views.clone();
    let followed = views.wait_for(|progress| progress.applied() > committed.index).await;
    followed.map_err(|e| Problem::internal(&e))?;
    drop(turn);
    tracing::info!(elimination = asked.index, documents = going.len(), "élimination achevée");
    Ok(())
}

/// The record of an elimination.
pub(super) async fn recorded(app: &App, asked: &Delivery) -> Result<Eliminated, Problem> {
    let index = asked.eliminated.ok_or_else(Problem::not_found)?;
    match read(app, index).await?.body {
        RecordBody::Eliminated(eliminated) => Ok(*eliminated),
        _ => Err(Problem::internal(&"enregistrement d'élimination attendu")),
    }
}

/// Places of a unit's documents that units which are kept have too: one object described by several units is stored once.
async fn used_elsewhere(
    app: &App,
    agency: &str,
    deposit: &Deposit,
    gone: &BTreeSet<u64>,
) -> Result<BTreeSet<(String, u64)>, Problem> {
    let mut used = BTreeSet::new();
    let Some(unit) = &deposit.unit else { return Ok(used) };
    let documents: BTreeMap<&str, &Payload> = deposit.payloads.iter().map(|p| (p.sha256.as_str(), p)).collect();
    for (digest, _) in documents {
        let mut sha256 = [0; 32];
        hex::decode_to_slice(digest, &mut sha256).map_err(|e| Problem::internal(&e))?;
        let mut after = None;
        loop {
            let query = Query {
                operation: Some(unit.transfer.clone()),
                sha256: Some(sha256),
                after,
                limit: PAGE_HITS_MAX,
                ..Query::new(Audience::Agency(agency.to_owned()))
            };
            let searching = app.clone();
            let page = tokio::task::spawn_blocking(move || searching.search.find(&query)).await;
            let page = page.map_err(|e| Problem::internal(&e))?.map_err(|e| Problem::internal(&e))?;
            for hit in page.hits.iter().filter(|hit| !gone.contains(&hit.index)) {
                if load::standing(app, hit.index).await?.eliminated.is_none() {
                    let others = self::deposit(app, hit.index).await?.payloads;
                    used.extend(others.into_iter().map(|p| (p.location.object, p.location.offset)));
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(used)
}

async fn deposit(app: &App, index: u64) -> Result<Deposit, Problem> {
    match read(app, index).await?.body {
        RecordBody::Deposit(deposit) => Ok(deposit),
        _ => Err(Problem::internal(&"enregistrement d'archive attendu")),
    }
}

async fn read(app: &App, index: u64) -> Result<Record, Problem> {
    let bytes = app.log.record(index, app.log_size()).await?.ok_or_else(Problem::not_found)?;
    Record::parse(&bytes).map_err(|e| Problem::internal(&e))
}
