//! The record that ends a transfer: what was received, what was found, and the messages said.

use super::messages::{self, Told};
use super::operations::Operation;
use super::process::{Stop, Work};
use super::{RULE, TRANSFER_TYPE, message_key};
use crate::admission::{Declared, Deposit, Format, Metadata, Provenance, SHORT_CHARS_MAX, TITLE_CHARS_MAX, cleaned};
use crate::api::problem::Problem;
use crate::api::services::App;
use crate::clock::format_record_time;
use crate::package::{Location, Received, Transfer, TransferDocuments, UnitLine, fresh_salt};
use crate::sequencer::{Submission, SubmitError};
use crate::spec::seda::manifest::Manifest;
use crate::store::{SealedPayload, StoreError};
use crate::timestamp::SealForm;
use crate::transfer::event::{Outcome, Report};
use bytes::Bytes;
use futures::future::try_join_all;
use uuid::Uuid;

/// A transfer that has ended.
pub(super) struct Conclusion<'a> {
    pub(super) report: &'a Report,
    /// What the bordereau says, when it was read.
    pub(super) manifest: Option<&'a Manifest>,
    /// Accepted: what, and where each unit is in the log.
    pub(super) accepted: Option<(&'a Work, &'a [u64])>,
}

/// Writes the record; returns its index.
pub(super) async fn conclude(app: &App, operation: &Operation, conclusion: &Conclusion<'_>) -> Result<u64, Stop> {
    let job = &operation.job;
    let now = app.clock.now();
    let date = format_record_time(now);
    let outcome = if job.test { "Test " } else { "" }.to_owned() + conclusion.report.outcome.name();
    let documents = documents(app, operation, conclusion, &outcome, &date).await?;
    let transfer = transfer(operation, conclusion, outcome, documents.roles);
    let head = operation.head();
    let message = head.and_then(|head| head.identifier.as_deref());
    let comment = conclusion.manifest.and_then(|manifest| manifest.header.comment.as_deref()).unwrap_or_default();
    let title = [comment, message.unwrap_or_default(), &job.package.name].map(|text| cleaned(text, TITLE_CHARS_MAX));
    let metadata = Metadata {
        title: title.into_iter().find(|title| !title.is_empty()).unwrap_or_else(|| "Transfert".to_owned()),
        document_type: TRANSFER_TYPE.to_owned(),
        rule: Some(RULE.to_owned()),
        external_id: message.map(|message| cleaned(message, SHORT_CHARS_MAX)).filter(|message| !message.is_empty()),
        ..Metadata::default()
    };
    let mut deposit = Deposit::receive(metadata, &job.agency, &app.policies, &app.limits, now)?;
    let mut sealed = Vec::with_capacity(documents.files.len());
    for file in documents.files {
        let mut writer = app.store.payload(&job.agency, RULE)?;
        writer.write(Bytes::from(file.content)).await?;
        let payload = writer.seal().await?;
        let format = Format { media_type: file.media_type, puid: None };
        let (digests, size_bytes) = (*payload.digests(), payload.size_bytes());
        deposit.arrived(file.name.to_owned(), &Declared::default(), digests, size_bytes, format)?;
        sealed.push(payload);
    }
    let mut deposit = deposit.admit()?;
    deposit.of_transfer(transfer);
    let locations: Vec<Location> = try_join_all(sealed.into_iter().map(durable)).await?;
    // One message is accepted once, on whichever node; refusals and tests have no such key.
    let key = message.filter(|_| conclusion.accepted.is_some()).map(|message| message_key(&job.agency, message));
    let provenance = Provenance {
        actor: job.actor.clone(),
        time: now,
        id: Uuid::now_v7(),
        salt: fresh_salt().map_err(|e| Problem::internal(&e))?,
        idempotency: key,
    };
    let record = deposit.into_record(locations, provenance).map_err(|e| Problem::internal(&e))?;
    let waiting = app.pulse.wait();
    match app.sequencer.submit(Submission { record: record.into(), idempotency: key }).await {
        Ok(committed) => {
            waiting.answered();
            Ok(committed.index)
        }
        Err(SubmitError::Duplicate { index }) => Ok(index),
        Err(error) => Err(Problem::from(error).into()),
    }
}

async fn durable(payload: SealedPayload) -> Result<Location, StoreError> {
    Ok(payload.store().await?.location)
}

fn transfer(
    operation: &Operation,
    conclusion: &Conclusion<'_>,
    outcome: String,
    documents: TransferDocuments,
) -> Transfer {
    let head = operation.head().cloned().unwrap_or_default();
    let short = |text: &Option<String>| text.as_deref().map(|text| cleaned(text, SHORT_CHARS_MAX));
    let management = conclusion.manifest.map(|manifest| &manifest.management);
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let received = operation.job.sent().map(|sent| Received {
        name: sent.name.clone(),
        size_bytes: sent.size_bytes,
        sha256: sent.sha256.clone(),
    });
    Transfer {
        operation: operation.job.operation.clone(),
        message: short(&head.identifier),
        version: head.version.map(|version| version.number().to_owned()),
        outcome,
        archival_agency: short(&head.archival_agency),
        transferring_agency: short(&head.transferring_agency),
        originating_agency: management.and_then(|management| short(&management.originating_agency)),
        submission_agency: management.and_then(|management| short(&management.submission_agency)),
        agreement: conclusion.manifest.and_then(|manifest| short(&manifest.header.agreement)),
        profile: management.and_then(|management| short(&management.profile)),
        received: received.collect(),
        units: conclusion.accepted.map_or(0, |(work, _)| work.plan.count()),
        objects: conclusion.accepted.map_or(0, |(work, _)| count(work.stored_objects())),
        documents,
    }
}

/// A payload of the record.
struct File {
    name: &'static str,
    media_type: &'static str,
    content: Vec<u8>,
}

struct Documents {
    files: Vec<File>,
    roles: TransferDocuments,
}

impl Documents {
    fn add(&mut self, name: &'static str, media_type: &'static str, content: Vec<u8>) -> u32 {
        self.files.push(File { name, media_type, content });
        u32::try_from(self.files.len() - 1).unwrap_or(u32::MAX)
    }
}

async fn documents(
    app: &App,
    operation: &Operation,
    conclusion: &Conclusion<'_>,
    outcome: &str,
    date: &str,
) -> Result<Documents, Problem> {
    const XML: &str = "application/xml";
    let mut documents = Documents { files: Vec::new(), roles: TransferDocuments::default() };
    let archives: Vec<String> = match conclusion.accepted {
        Some((_, indices)) => indices.iter().map(|index| app.ark(*index).to_string()).collect(),
        None => Vec::new(),
    };
    if let Some((work, indices)) = conclusion.accepted {
        let bordereau = work.bordereau.clone().unwrap_or_else(|| work.document.clone());
        documents.roles.manifest = Some(documents.add("manifest.xml", XML, bordereau));
        let lines = lines(work, indices, &archives)?;
        documents.roles.units = Some(documents.add("unites.jsonl", "application/jsonl", lines));
    }
    let report = serde_json::to_vec(conclusion.report).map_err(|e| Problem::internal(&e))?;
    documents.roles.report = documents.add("controles.json", "application/json", report);
    let acknowledged = operation.acknowledged.get().map_or(date, String::as_str);
    if let Some(text) = operation.head().and_then(|head| messages::acknowledgement(head, acknowledged)) {
        documents.roles.acknowledgement = Some(documents.add("accuse-reception.xml", XML, text.into_bytes()));
    }
    let accepted = conclusion.accepted.map(|(work, _)| (work, archives.as_slice()));
    let reply = messages::reply(&Told {
        operation,
        archives: &app.identifier,
        report: conclusion.report,
        outcome,
        date,
        accepted,
    })?
    .into_bytes();
    let sealed = app.seals.seal("seda-reply", Bytes::from(reply.clone()), SealForm::Around).await;
    let seal = sealed.map_err(|e| Problem::internal(&e))?;
    documents.roles.reply = documents.add("reponse.xml", XML, reply);
    documents.roles.seal = documents.add("reponse.p7s", "application/pkcs7-mime", seal);
    Ok(documents)
}

/// The units, a line each.
fn lines(work: &Work, indices: &[u64], archives: &[String]) -> Result<Vec<u8>, Problem> {
    let manifest = &work.message.manifest;
    let mut lines = Vec::with_capacity(160 * indices.len());
    for (place, ((unit, index), archive)) in manifest.units.iter().zip(indices).zip(archives).enumerate() {
        let line = UnitLine {
            id: manifest.text(unit.id).to_owned(),
            archive: archive.clone(),
            index: *index,
            parents: work.parents(place),
            level: manifest.optional(unit.level).map(str::to_owned),
            title: manifest.optional(unit.title).map(str::to_owned),
            existing: work.plan.units[place].existing.is_some(),
            start: unit.whole.start,
            end: unit.whole.end,
        };
        serde_json::to_writer(&mut lines, &line).map_err(|e| Problem::internal(&e))?;
        lines.push(b'\n');
    }
    Ok(lines)
}

/// The refusal in the agency's journal: why, in a sentence.
pub(super) fn journal(app: &App, operation: &Operation, report: &Report) {
    let first = report.events.iter().find(|event| event.outcome == Outcome::Ko);
    let (event, detail) = first.map_or(("", ""), |event| (event.event.as_str(), event.detail.as_str()));
    let id = &operation.job.operation;
    let detail: String = format!("transfert {id} : {event} : {detail}").chars().take(500).collect();
    app.refusals.record(&operation.job.agency, &operation.job.actor, "transfer-refused", &detail, app.clock.now());
}
