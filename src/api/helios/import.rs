//! A PES_Aller in: received, checked, archived by the path of every deposit, and its state put in the log.
//!
//! What cannot be received is refused at once (`KO`); what was received and is no good gets a number and ends in state -1
//! with the reason, as s2low does it: nothing of its content is kept.

use super::account::Account;
use super::antivirus::scanned;
use super::form::{File, Form, Unusable, length};
use super::{DENIED, Own, UNKNOWN, plain, xml};
use crate::admission::{Metadata, SHORT_CHARS_MAX, file_name, key_hash};
use crate::api::auth::Caller;
use crate::api::code::Code;
use crate::api::deposits;
use crate::api::problem::Problem;
use crate::api::services::App;
use crate::api::source::Document;
use crate::config::HeliosMode;
use crate::digest::sha256;
use crate::package::{Link, Scope, Transmission};
use crate::producer::helios::{self, BYTES_MAX, Fault, Inspected, State as Reached};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::response::Response;
use bytes::Bytes;
use sha1::{Digest as _, Sha1};
use std::time::Duration;
use time::macros::format_description;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

/// Documents of one deposit: more go to further deposits, part of the first.
const DOCUMENTS_MAX: usize = 60;

/// What is told of a duplicate: clients look for the word.
const DUPLICATE: &str = "doublon détecté. Ce fichier a déjà été posté.";

/// `POST /modules/helios/api/helios_importer_fichier.php`.
pub(super) async fn import(State(app): State<App>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Some(account) = Account::identify(&app, &parts) else { return plain(format!("KO\n{UNKNOWN}")) };
    if !account.caller.has(Scope::Deposit) {
        return plain(format!("KO\n{DENIED}"));
    }
    let (number, result, message) = match receive(&app, &account, &parts, body).await {
        Ok(number) => (number.to_string(), "OK", "Téléchargement du fichier réussi.".to_owned()),
        Err(refused) => {
            if let Some(code) = refused.journal {
                let (caller, now) = (&account.caller, app.clock.now());
                app.refusals.record(&caller.agency, &caller.actor, code, &refused.message, now);
            }
            (String::new(), "KO", refused.message)
        }
    };
    xml(helios::xml("import", &[("id", &number), ("resultat", result), ("message", &message)]))
}

/// Refused at once.
pub(super) struct Refused {
    pub(super) message: String,
    /// The code it has in the journal of refusals; none when nothing is wrong with the file.
    pub(super) journal: Option<&'static str>,
    /// When to try again, in seconds, where that helps.
    pub(super) retry_after_s: Option<u32>,
}

/// What became of a file taken in.
pub(super) enum Taken {
    /// It has a number; with a fault, the transmission is in state -1.
    New { number: u64, fault: Option<&'static str> },
    /// The same file has had this number before.
    Before(u64),
}

pub(super) fn refused(code: &'static str, message: impl Into<String>) -> Refused {
    Refused { message: message.into(), journal: Some(code), retry_after_s: None }
}

impl Refused {
    /// Nothing is wrong with the file; not now.
    pub(super) fn later(message: &str) -> Self {
        Self { message: message.to_owned(), journal: None, retry_after_s: Some(60) }
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self { message: problem.detail, journal: None, retry_after_s: Some(problem.retry_after_s.unwrap_or(1)) }
    }
}

async fn receive(app: &App, account: &Account, parts: &Parts, body: Body) -> Result<u64, Refused> {
    if account.certificate.is_none() {
        let message = "Votre certificat n'est pas RGS et ne vous permet donc pas de télétransmettre";
        return Err(refused("helios-certificate", message));
    }
    let _held = hold(app, parts).await?;
    let form = Form::read(app, parts, body).await.map_err(unusable)?;
    let must_signed = form.get("must_signed").is_some_and(|value| !matches!(value, "" | "0" | "false"));
    let (mut envelope, mut signature) = (None, None);
    for file in form.files {
        match file.field.as_str() {
            "enveloppe" => envelope = Some(file),
            "signature" => signature = Some(file).filter(|file| !file.bytes.is_empty()),
            _ => {}
        }
    }
    let Some(envelope) = envelope else {
        let message = "Aucune enveloppe trouvée : la taille de l'enveloppe dépasse probablement la taille maximum";
        return Err(refused("helios-envelope", message));
    };
    if envelope.bytes.is_empty() {
        return Err(refused("empty-payload", "Le fichier présenté est vide (0 octet)"));
    }
    // From here on it goes to its end, whatever becomes of the client.
    let (app, actor) = (app.clone(), account.caller.clone());
    let state = if must_signed { Reached::AwaitingSignature } else { first_state(&app) };
    let task = tokio::spawn(async move {
        let intake = Intake { app, caller: actor, envelope, signature, state, key: None };
        intake.take().await
    });
    match task.await.map_err(|error| Problem::internal(&error))?? {
        Taken::New { number, .. } => Ok(number),
        Taken::Before(_) => Err(refused("helios-duplicate", DUPLICATE)),
    }
}

/// The state of a file just received that needs no other signature.
pub(super) fn first_state(app: &App) -> Reached {
    match app.helios_mode {
        HeliosMode::Archive => Reached::AwaitingPost,
        HeliosMode::Sandbox => Reached::Posted,
    }
}

pub(super) fn unusable(unusable: Unusable) -> Refused {
    match unusable {
        Unusable::TooLarge => {
            let mebibytes = BYTES_MAX >> 20;
            let message = format!("Taille de fichier supérieure à la limite autorisée ({mebibytes} Mo maximum).");
            refused("body-too-large", message)
        }
        Unusable::Broken => refused("body-cut", "Échec lors du téléchargement du fichier"),
    }
}

/// Memory for a file of the length announced.
pub(super) async fn hold(app: &App, parts: &Parts) -> Result<OwnedSemaphorePermit, Refused> {
    let largest = u64::try_from(BYTES_MAX).unwrap_or(u64::MAX);
    let kib = u32::try_from(length(parts).unwrap_or(largest).min(largest).div_ceil(1024)).unwrap_or(u32::MAX);
    let wait_max = Duration::from_millis(app.limits.commit_ms_max);
    match timeout(wait_max, app.helios.held.clone().acquire_many_owned(kib)).await {
        Ok(Ok(permit)) => Ok(permit),
        _ => Err(Problem::busy().into()),
    }
}

/// A file received.
pub(super) struct Intake {
    pub(super) app: App,
    pub(super) caller: Caller,
    pub(super) envelope: File,
    pub(super) signature: Option<File>,
    /// Its state, if nothing is wrong with it.
    pub(super) state: Reached,
    /// The idempotency key that the sender gave.
    pub(super) key: Option<String>,
}

impl Intake {
    pub(super) async fn take(self) -> Result<Taken, Refused> {
        let (app, agency) = (&self.app, self.caller.agency.clone());
        let (bytes, today) = (self.envelope.bytes.clone(), today(app));
        let looked = tokio::task::spawn_blocking(move || {
            let (sha1, sha256) = (hex::encode(Sha1::digest(&bytes)), hex::encode(sha256(&bytes)));
            (sha1, sha256, helios::inspect(&bytes, &today))
        });
        let (sha1, sha256, inspected) = looked.await.map_err(|error| Problem::internal(&error))?;
        // The same file, and then the same name, take turns: the second sees the first.
        let _same = app.in_flight.turn(key_hash(&agency, &format!("helios-sha1\0{sha1}"))).await;
        if let Some(number) = super::with(app, &agency, Own::Sha1(sha1.clone())).await? {
            return Ok(Taken::Before(number));
        }
        let file = file_name(&self.envelope.name).unwrap_or_else(|_| format!("PES-{}.xml", &sha1[..8]));
        let size_bytes = u64::try_from(self.envelope.bytes.len()).unwrap_or(u64::MAX);
        let mut inspected = match inspected {
            Ok(inspected) => inspected,
            Err(fault) => {
                let flow = crate::package::Flow { file, size_bytes, sha1, sha256, ..Default::default() };
                return self.write(flow, Err(fault)).await;
            }
        };
        let flow = &mut inspected.flow;
        (flow.file, flow.size_bytes, flow.sha1, flow.sha256) = (file, size_bytes, sha1, sha256);
        let (name, code) = (flow.nom_fic.clone().unwrap_or_default(), flow.cod_col.clone().unwrap_or_default());
        let _named = app.in_flight.turn(key_hash(&agency, &format!("helios-name\0{name}\0{code}"))).await;
        if super::with(app, &agency, Own::Name(name, code)).await?.is_some() {
            return self.write(inspected.flow, Err(Fault::Seen)).await;
        }
        if let Some(fault) = scanned(app, &self.envelope.bytes, &inspected.extracts).await? {
            return self.write(inspected.flow, Err(fault)).await;
        }
        match self.archive(&inspected).await {
            Ok(archive) => {
                let flow = inspected.flow.clone();
                let taken = self.write(inspected.flow, Ok(archive)).await?;
                if let Taken::New { number, .. } = taken
                    && self.state == Reached::Posted
                {
                    tokio::spawn(super::sandbox::play(app.clone(), self.caller.clone(), number, flow));
                }
                Ok(taken)
            }
            Err(problem) if problem.code == Code::IdempotencyConflict => {
                Err(refused(Code::IdempotencyConflict.as_str(), problem.detail))
            }
            Err(problem) if problem.code == Code::SignatureInvalid => {
                self.write(inspected.flow, Err(Fault::Signature(problem.detail))).await
            }
            // The file is at fault, not the moment.
            Err(problem) if problem.code.status().is_client_error() && problem.retry_after_s.is_none() => {
                self.write(inspected.flow, Err(Fault::Archive(problem.detail))).await
            }
            Err(problem) => Err(problem.into()),
        }
    }

    /// The transmission's first record; its number.
    async fn write(&self, flow: crate::package::Flow, outcome: Result<String, Fault>) -> Result<Taken, Refused> {
        let fault = outcome.as_ref().err().map(Fault::code);
        let (state, message, references) = match outcome {
            Ok(archive) => (self.state, received(self.state).to_owned(), vec![archive]),
            Err(fault) => (Reached::Error, fault.to_string(), Vec::new()),
        };
        let body = Transmission { transaction: None, state: state.code(), message, flow: Some(Box::new(flow)) };
        let number = super::record(&self.app, &self.caller.agency, &self.caller.actor, references, body).await?;
        Ok(Taken::New { number, fault })
    }

    /// Archives the file, its detached signature and its attachments; the archive's identifier.
    async fn archive(&self, inspected: &Inspected) -> Result<String, Problem> {
        let documents_max = DOCUMENTS_MAX.min(self.app.limits.files_per_deposit_max.max(3)) - 2;
        let mut groups = inspected.extracts.chunks(documents_max);
        let mut documents = vec![held(&inspected.flow.file, self.envelope.bytes.clone())];
        if let Some(signature) = &self.signature {
            let name = file_name(&signature.name).ok().filter(|name| *name != inspected.flow.file);
            documents.push(held(&name.unwrap_or_else(|| "signature.p7s".to_owned()), signature.bytes.clone()));
        }
        documents.extend(groups.next().into_iter().flatten().map(|extract| self.extracted(extract)));
        let first = self.deposit(self.described(inspected), 0, documents).await?;
        for (n, group) in (1usize..).zip(groups) {
            let mut metadata = self.described(inspected);
            metadata.title = format!("{} (pièces jointes, suite {n})", metadata.title);
            metadata.description = None;
            metadata.links = vec![Link { relation: "part-of".to_owned(), target: first.clone() }];
            let documents = group.iter().map(|extract| self.extracted(extract)).collect();
            self.deposit(metadata, n, documents).await?;
        }
        Ok(first)
    }

    fn described(&self, inspected: &Inspected) -> Metadata {
        let mut metadata = metadata(inspected);
        metadata.title = super::labelled(&self.app, metadata.title);
        metadata
    }

    /// A retry after a stop between archive and state finds the same archive by its key.
    async fn deposit(&self, metadata: Metadata, n: usize, documents: Vec<Document>) -> Result<String, Problem> {
        let asked = format!("{}\0{:?}\0{n}", metadata.title, metadata.dates);
        let key = self.key.as_ref().map_or_else(
            || {
                let asked = sha256([asked.as_bytes(), &self.envelope.name].concat().as_slice());
                format!("helios-{}-{}", hex::encode(sha256(&self.envelope.bytes)), hex::encode(&asked[..8]))
            },
            // Within the length of a key, whatever was given.
            |own| format!("transmission-{}-{n}", hex::encode(sha256(own.as_bytes()))),
        );
        let (_, receipt) = deposits::deposit(&self.app, &self.caller, metadata, Some(&key), documents).await?;
        Ok(receipt.archive.to_string())
    }

    fn extracted(&self, extract: &helios::Extract) -> Document {
        let mut content = extract.content(self.envelope.bytes.slice(extract.place.clone()));
        let pieces = std::iter::from_fn(move || match content.piece() {
            Ok(piece) => piece.map(|piece| Ok(Bytes::from(piece))),
            Err(error) => Some(Err(std::io::Error::other(error))),
        });
        Document { name: extract.name.clone(), content: Body::from_stream(futures::stream::iter(pieces)) }
    }
}

fn metadata(inspected: &Inspected) -> Metadata {
    let external_id = inspected.flow.nom_fic.as_ref().map(|name| name.chars().take(SHORT_CHARS_MAX).collect());
    let left_in = inspected.left_in.join(" ; ").chars().take(3_000).collect::<String>();
    let description = (!left_in.is_empty()).then(|| format!("Pièces jointes restées dans le fichier : {left_in}"));
    Metadata {
        title: inspected.title.clone(),
        document_type: "pes-aller".to_owned(),
        external_id,
        description,
        dates: inspected.dates.clone(),
        ..Metadata::default()
    }
}

fn held(name: &str, bytes: Bytes) -> Document {
    Document { name: name.to_owned(), content: Body::from(bytes) }
}

fn received(state: Reached) -> &'static str {
    match state {
        Reached::AwaitingSignature => "Fichier en attente d'être signé",
        Reached::Posted => "Fichier bien reçu par la plate-forme",
        _ => "Fichier en attente d'être télétransmis",
    }
}

pub(super) fn today(app: &App) -> String {
    app.clock.now().format(format_description!("[year]-[month]-[day]")).unwrap_or_default()
}
