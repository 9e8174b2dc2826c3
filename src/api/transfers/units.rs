//! The records of a transfer's units: each a deposit like any other, many of them on their way at once, so that they share
//! the batches of the log.

use super::operations::Operation;
use super::pieces::Pieces;
use super::process::{Stop, Work};
use super::{RULE, UNIT_TYPE};
use crate::admission::{
    Declared, Deposit, Format, KeyHash, Metadata, NAME_BYTES_MAX, Provenance, SHORT_CHARS_MAX, TITLE_CHARS_MAX,
    cleaned, key_hash, parse_date,
};
use crate::api::problem::Problem;
use crate::api::services::App;
use crate::package::{Agent, Dates, Link, Location, Unit, fresh_salt};
use crate::sequencer::{Submission, SubmitError};
use crate::spec::seda::manifest::Object;
use futures::stream::{self, StreamExt as _};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Records on their way to the log at once: a share of its pool.
const AT_ONCE: usize = 1_024;

/// How long a full pool is waited for.
const FULL_PAUSE: Duration = Duration::from_millis(20);

/// The name of a unit's first payload.
const DESCRIPTION: &str = "description.xml";

/// The key of a unit's record: the operation and its place.
pub(super) fn unit_key(operation: &Operation, unit: usize) -> KeyHash {
    key_hash(&operation.job.agency, &format!("seda-unit\0{}\0{unit}", operation.job.operation))
}

/// Archives every unit that is not in the log yet; returns the index of each.
pub(super) async fn archive(
    app: &App,
    operation: &Arc<Operation>,
    work: &Arc<Work>,
    pieces: &Pieces,
    known: &[Option<u64>],
) -> Result<Vec<u64>, Stop> {
    let mut indices = vec![0; known.len()];
    let mut left = Vec::new();
    for (unit, known) in known.iter().enumerate() {
        match known {
            Some(index) => indices[unit] = *index,
            None => left.push(unit),
        }
    }
    let total = u32::try_from(known.len()).unwrap_or(u32::MAX);
    let mut done = total - u32::try_from(left.len()).unwrap_or(total);
    let mut archiving =
        stream::iter(left).map(|unit| one(app, operation, work, pieces, unit)).buffer_unordered(AT_ONCE);
    while let Some(archived) = archiving.next().await {
        let (unit, index) = archived?;
        indices[unit] = index;
        done += 1;
        operation.progress.send_modify(|progress| progress.units = (done, total));
    }
    Ok(indices)
}

async fn one(
    app: &App,
    operation: &Arc<Operation>,
    work: &Arc<Work>,
    pieces: &Pieces,
    unit: usize,
) -> Result<(usize, u64), Stop> {
    let key = unit_key(operation, unit);
    let record = bytes::Bytes::from(record(app, operation, work, pieces, unit, key)?);
    let waiting = app.pulse.wait();
    loop {
        match app.sequencer.submit(Submission { record: record.clone(), idempotency: Some(key) }).await {
            Ok(committed) => {
                waiting.answered();
                app.metrics.deposited();
                return Ok((unit, committed.index));
            }
            Err(SubmitError::Duplicate { index }) => return Ok((unit, index)),
            Err(SubmitError::Full) => tokio::time::sleep(FULL_PAUSE).await,
            Err(error) => return Err(Problem::from(error).into()),
        }
    }
}

fn record(
    app: &App,
    operation: &Operation,
    work: &Work,
    pieces: &Pieces,
    unit: usize,
    key: KeyHash,
) -> Result<Vec<u8>, Stop> {
    let manifest = &work.message.manifest;
    let now = app.clock.now();
    let metadata = metadata(app, work, unit);
    let mut deposit = Deposit::receive(metadata, &operation.job.agency, &app.policies, &app.limits, now)?;
    let missing = || Problem::internal(&"une unité est archivée avant ses documents");
    let description = pieces.descriptions[unit].as_ref().ok_or_else(missing)?;
    let mut locations = vec![description.location.clone()];
    let xml = Format { media_type: "application/xml", puid: Some("fmt/101") };
    let nothing = Declared::default();
    deposit.arrived(DESCRIPTION.to_owned(), &nothing, description.digests, description.size_bytes, xml)?;
    let mut names = vec![DESCRIPTION.to_owned()];
    let mut place = |object: u32| -> Option<(String, usize, Location)> {
        let index = object as usize;
        let location = pieces.objects.get(index)?.clone()?;
        let name = name(manifest.objects.get(index)?, &names);
        names.push(name.clone());
        Some((name, index, location))
    };
    let (mut payloads, mut count) = (Vec::new(), 1);
    for object in &work.plan.units[unit].objects {
        let Some((name, index, location)) = place(*object) else {
            payloads.push((*object, None));
            continue;
        };
        let seen = &work.seen[index];
        let (Some(digests), Some(format)) = (seen.digests, seen.format) else { return Err(missing().into()) };
        deposit.arrived(name, &nothing, digests, seen.size_bytes, format)?;
        locations.push(location);
        payloads.push((*object, Some(count)));
        count += 1;
    }
    let mut deposit = deposit.admit()?;
    let payload = |object: u32| payloads.iter().find(|(of, _)| *of == object).and_then(|(_, place)| *place);
    deposit.of_unit(said(app, operation, work, unit, payload));
    let provenance = Provenance {
        actor: operation.job.actor.clone(),
        time: now,
        id: Uuid::now_v7(),
        salt: fresh_salt().map_err(|e| Problem::internal(&e))?,
        idempotency: Some(key),
    };
    Ok(deposit.into_record(locations, provenance).map_err(|e| Problem::internal(&e))?)
}

fn metadata(app: &App, work: &Work, unit: usize) -> Metadata {
    let manifest = &work.message.manifest;
    let one = &manifest.units[unit];
    let id = manifest.text(one.id);
    let title = manifest.optional(one.title).map(|title| cleaned(title, TITLE_CHARS_MAX)).filter(|t| !t.is_empty());
    let day = |text: Option<crate::spec::seda::Text>| {
        let day = manifest.optional(text)?.get(..10)?;
        parse_date(day).map(|_| day.to_owned())
    };
    let (start, end) = (day(one.start), day(one.end));
    let ordered = start.is_none() || end.is_none() || start <= end;
    let agency = manifest.optional(one.originating_agency).or(manifest.management.originating_agency.as_deref());
    let agents = agency.map(|name| cleaned(name, SHORT_CHARS_MAX)).filter(|name| !name.is_empty());
    let attached = work.attached_to(unit);
    Metadata {
        title: title.unwrap_or_else(|| cleaned(id, TITLE_CHARS_MAX)),
        document_type: UNIT_TYPE.to_owned(),
        rule: Some(RULE.to_owned()),
        external_id: Some(cleaned(&format!("{}#{id}", work.identifier()), SHORT_CHARS_MAX)),
        dates: if ordered { Dates { created: None, start, end } } else { Dates::default() },
        agents: agents.map(|name| Agent { role: "originating-agency".to_owned(), name }).into_iter().collect(),
        links: attached
            .map(|index| Link { relation: "part-of".to_owned(), target: app.ark(index).to_string() })
            .take(16)
            .collect(),
        ..Metadata::default()
    }
}

/// What the record says of the unit as such.
fn said(app: &App, operation: &Operation, work: &Work, unit: usize, payload: impl Fn(u32) -> Option<u32>) -> Unit {
    let manifest = &work.message.manifest;
    let one = &manifest.units[unit];
    let text = |text: Option<crate::spec::seda::Text>| manifest.optional(text).map(str::to_owned);
    Unit {
        transfer: operation.job.operation.clone(),
        message: work.identifier().to_owned(),
        id: manifest.text(one.id).to_owned(),
        rank: u32::try_from(unit).unwrap_or(u32::MAX),
        parents: work.parents(unit),
        attached_to: work.attached_to(unit).map(|index| app.ark(index).to_string()).collect(),
        level: text(one.level),
        start: text(one.start),
        end: text(one.end),
        originating_agency: text(one.originating_agency).or_else(|| manifest.management.originating_agency.clone()),
        rules: work.plan.applied(manifest, unit),
        objects: work.plan.described(manifest, unit, payload),
    }
}

/// A name for an object, among those its unit has already.
fn name(object: &Object, taken: &[String]) -> String {
    let given = object.file_name.as_deref().or(object.uri.as_deref()).unwrap_or_default();
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut name = cleaned(last, NAME_BYTES_MAX);
    while name.len() > NAME_BYTES_MAX - 16 {
        // From the front: the extension says more.
        name.remove(0);
    }
    if !matches!(name.as_str(), "" | "." | "..") && !taken.contains(&name) {
        return name;
    }
    format!("{}-{}", taken.len(), if name.trim_matches('.').is_empty() { "objet" } else { &name })
}
