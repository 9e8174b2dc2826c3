//! What the archive deposits by itself: the evidence that its own answers rest on. Once per key, whatever restarts.

use super::problem::Problem;
use super::services::App;
use crate::admission::{Declared, Deposit, KeyHash, Metadata, Provenance, identify, key_hash};
use crate::package::fresh_salt;
use crate::search::{Audience, Query};
use crate::sequencer::{Submission, SubmitError};
use bytes::Bytes;
use serde_json::json;
use uuid::Uuid;

/// A document of the archive's own.
#[derive(Debug, Clone)]
pub struct Own<'a> {
    /// The agency it is deposited under.
    pub agency: &'a str,
    /// Who does it: `system:<task>`.
    pub actor: &'a str,
    /// Title.
    pub title: &'a str,
    /// Document types, the preferred one first: the first that the policies know.
    pub types: &'a [&'a str],
    /// File name.
    pub name: &'a str,
    /// Its bytes.
    pub content: Bytes,
    /// What makes it the same document as one deposited before.
    pub key: &'a str,
}

/// Archives a document of the archive's own; where it is in the log, and whether it is new there.
pub async fn archive_own(app: &App, own: Own<'_>) -> Result<(u64, bool), Problem> {
    let key = key_hash(own.agency, own.key);
    if let Some(index) = before(app, own.agency, key).await? {
        return Ok((index, false));
    }
    let known = own.types.iter().find(|code| app.policies.document_type(code).is_some());
    let metadata = json!({ "title": own.title, "type": known.or(own.types.first()) });
    let metadata = Metadata::parse(metadata.to_string().as_bytes())?;
    let now = app.clock.now();
    let mut deposit = Deposit::receive(metadata, own.agency, &app.policies, &app.limits, now)?;
    let (name, _) = deposit.expect(own.name.as_bytes())?;
    let format = identify(&own.content, &name);
    let mut writer = app.store.payload(own.agency, deposit.rule())?;
    writer.write(own.content).await?;
    let sealed = writer.seal().await?;
    deposit.arrived(name, &Declared::default(), *sealed.digests(), sealed.size_bytes(), format)?;
    let deposit = deposit.admit()?;
    let location = sealed.store().await?.location;
    let salt = fresh_salt().map_err(|e| Problem::internal(&e))?;
    let actor = own.actor.to_owned();
    let provenance = Provenance { actor, time: app.clock.now(), id: Uuid::now_v7(), salt, idempotency: Some(key) };
    let record = deposit.into_record(vec![location], provenance).map_err(|e| Problem::internal(&e))?;
    match app.sequencer.submit(Submission { record: record.into(), idempotency: Some(key) }).await {
        Ok(committed) => Ok((committed.index, true)),
        Err(SubmitError::Duplicate { index }) => Ok((index, false)),
        Err(error) => Err(error.into()),
    }
}

/// Where a document with this key already is.
async fn before(app: &App, agency: &str, key: KeyHash) -> Result<Option<u64>, Problem> {
    let (app, agency) = (app.clone(), agency.to_owned());
    // Both views may read the disk.
    tokio::task::spawn_blocking(move || {
        if let Some(prior) = app.catalog.prior(&agency, &key).map_err(|e| Problem::internal(&e))? {
            return Ok(Some(prior.index));
        }
        let query = Query { idempotency: Some(key), limit: 1, ..Query::new(Audience::Agency(agency)) };
        let page = app.search.find(&query).map_err(|e| Problem::internal(&e))?;
        Ok(page.hits.first().map(|hit| hit.index))
    })
    .await
    .map_err(|e| Problem::internal(&e))?
}
