//! Reference data over HTTP: the lists as they are, their history, and their change by a file. The answers of changes wait
//! until this node knows of them.

use super::admin::{committed_and_followed, record_with};
use super::auth::Caller;
use super::body::Incoming;
use super::code::Code;
use super::problem::Problem;
use super::services::{App, Services};
use crate::catalog::Register;
use crate::clock::format_record_time;
use crate::digest::sha256;
use crate::package::{Body as RecordBody, Payload, Record, ReferentialChange, Scope};
use crate::transfer::referentials::{
    Change, Entries, Fault, Given, List, Mode, Referentials, apply, dangling, from_bytes, read_file, referentials,
    to_bytes,
};
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_TYPE, ETAG};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use tokio::sync::Mutex;

/// The longest file, in bytes.
const FILE_BYTES_MAX: u64 = 32 << 20;

/// Retention rule the files are kept under: the history of reference data is never destroyed.
const RULE: &str = "definitive";

/// The most changes told at once.
const CHANGES_MAX: usize = 100;

/// The reference data last read, kept until the log has others.
#[derive(Debug, Default)]
pub(super) struct Registry {
    loaded: Mutex<Arc<Loaded>>,
    /// Changes take turns on this node.
    changing: Mutex<()>,
}

/// The lists of some moment, and what they come to.
#[derive(Debug, Default)]
struct Loaded {
    /// By list, the index of the record that made it what it is.
    made_by: BTreeMap<String, u64>,
    entries: BTreeMap<List, Arc<Entries>>,
    referentials: Arc<Referentials>,
}

impl Services {
    /// The reference data as this node knows them now: what the checks of a transfer are given.
    pub async fn referentials(&self) -> Result<Arc<Referentials>, Problem> {
        Ok(self.loaded().await?.referentials.clone())
    }

    async fn loaded(&self) -> Result<Arc<Loaded>, Problem> {
        let mut loaded = self.registry.loaded.lock().await;
        let registers = self.catalog.referentials();
        let made_by: BTreeMap<String, u64> =
            registers.iter().map(|register| (register.change.referential.clone(), register.index)).collect();
        if loaded.made_by == made_by {
            return Ok(loaded.clone());
        }
        let mut entries = BTreeMap::new();
        for register in &registers {
            // A list from the future is left alone.
            let Some(list) = List::of_name(&register.change.referential) else { continue };
            let known = loaded.entries.get(&list);
            let same = loaded.made_by.get(list.name()) == Some(&register.index);
            let read = match known.filter(|_| same) {
                Some(known) => known.clone(),
                None => Arc::new(self.read_list(list, register).await?),
            };
            entries.insert(list, read);
        }
        let read = entries.iter().map(|(list, entries)| (*list, &**entries));
        let referentials = Arc::new(referentials(read).map_err(|e| Problem::internal(&e))?);
        *loaded = Arc::new(Loaded { made_by, entries, referentials });
        Ok(loaded.clone())
    }

    async fn read_list(&self, list: List, register: &Register) -> Result<Entries, Problem> {
        let Some(payload) = register.change.list() else { return Ok(Entries::default()) };
        let bytes = self.read_payload(payload).await?;
        off_runtime(move || from_bytes(list, &bytes)).await?.map_err(|faults| Problem::internal(&told(&faults)))
    }

    /// The whole of a payload that is known to be short.
    pub(super) async fn read_payload(&self, payload: &Payload) -> Result<Vec<u8>, Problem> {
        let stream = self.store.read(payload, 0..payload.size_bytes).await?;
        let chunks: Vec<Bytes> = stream.try_collect().await?;
        Ok(chunks.concat())
    }

    /// Makes bytes a payload, durable.
    pub(super) async fn keep(
        &self,
        agency: &str,
        name: &str,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<Payload, Problem> {
        let mut writer = self.store.payload(agency, RULE)?;
        writer.write(bytes).await?;
        let stored = writer.finish().await?;
        Ok(Payload {
            name: name.to_owned(),
            size_bytes: stored.size_bytes,
            sha256: hex::encode(stored.digests.sha256),
            sha512: hex::encode(stored.digests.sha512),
            media_type: media_type.to_owned(),
            puid: None,
            location: stored.location,
        })
    }
}

/// How a file is to be taken.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Import {
    /// The list it must be of.
    list: Option<String>,
    /// `merge` or `replace`.
    mode: Option<String>,
    /// The file's name; that of a grammar is what profiles name it by.
    name: Option<String>,
    /// Whether to say what would change, and change nothing.
    #[serde(default)]
    dry_run: bool,
}

/// What a file changed, or would change.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Imported {
    /// The list.
    list: &'static str,
    /// Identifiers added.
    added: Vec<String>,
    /// Identifiers whose entry changed.
    changed: Vec<String>,
    /// Identifiers removed.
    removed: Vec<String>,
    /// Entries of the list after.
    entries: usize,
    /// SHA-256 of the list before; absent for the first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    /// SHA-256 of the list after.
    after: String,
    /// The record of the change; absent when nothing changed, or for a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<String>,
    /// What is worth looking at: names that nothing is registered under.
    warnings: Vec<String>,
}

/// Changes a list of reference data by a file: CSV or JSON as VITAM imports them, or a RELAX NG grammar. All or nothing.
#[utoipa::path(
    post, path = "/v1/referentials", tag = "administration",
    params(
        ("list" = Option<String>, Query, description = "`agencies`, `rules`, `contracts`, `profiles`, `unit-profiles` or `grammars`: a file of another list is refused. The list is told by the file's columns or members."),
        ("mode" = Option<String>, Query, description = "`merge` (default): entries are added or replaced, none removed; `replace`: the list is that of the file."),
        ("name" = Option<String>, Query, description = "The file's name."),
        ("dry_run" = Option<bool>, Query, description = "Only say what would change."),
    ),
    request_body(description = "The file.", content((String = "text/csv"), (String = "application/json"), (String = "application/xml"))),
    responses(
        (status = 201, description = "Changed; the change is a record of the log.", body = Imported),
        (status = 200, description = "Nothing to change, or a dry run.", body = Imported),
        (status = "4XX", body = super::openapi::Problem, content_type = "application/problem+json", description = "Refused; nothing is changed. `detail` has a line for each fault, with its line and column."),
    ),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn import(
    State(app): State<App>,
    caller: Caller,
    Query(import): Query<Import>,
    body: Body,
) -> Result<Response, Problem> {
    caller.require(&[Scope::Admin])?;
    let expected = import.list.as_deref().map(list_named).transpose()?;
    let mode = match import.mode.as_deref().map(Mode::of_name) {
        None => Mode::Merge,
        Some(Some(mode)) => mode,
        Some(None) => return Err(Problem::request("mode", "« merge » ou « replace ».", "\"merge\" or \"replace\".")),
    };
    let name = file_name(import.name.as_deref())?;
    let idle_max = Duration::from_millis(app.limits.body_idle_ms_max);
    let bytes = Incoming::new(body, FILE_BYTES_MAX, idle_max).whole().await.map_err(crate::admission::Refusal::from)?;
    let bytes = Bytes::from(bytes);
    let given = {
        let (name, bytes) = (name.clone(), bytes.clone());
        off_runtime(move || read_file(&name, &bytes, expected)).await?.map_err(|faults| refused(&faults))?
    };
    let _turn = app.registry.changing.lock().await;
    let proposal = propose(&app, given, mode).await?;
    if import.dry_run || proposal.before.as_ref() == Some(&proposal.after) {
        return Ok((StatusCode::OK, axum::Json(proposal.answer(None))).into_response());
    }
    let index = write(&app, &caller, &name, bytes, &proposal).await?;
    let mut answer = proposal.answer(Some(app.ark(index).to_string()));
    answer.warnings.sort();
    Ok((StatusCode::CREATED, axum::Json(answer)).into_response())
}

/// A change about to be made.
struct Proposal {
    list: List,
    mode: Mode,
    change: Change,
    bytes: Vec<u8>,
    before: Option<String>,
    after: String,
    warnings: Vec<String>,
}

impl Proposal {
    fn answer(self, record: Option<String>) -> Imported {
        Imported {
            list: self.list.name(),
            added: self.change.added,
            changed: self.change.changed,
            removed: self.change.removed,
            entries: self.change.after.len(),
            before: self.before,
            after: self.after,
            record,
            warnings: self.warnings,
        }
    }
}

async fn propose(app: &App, given: Given, mode: Mode) -> Result<Proposal, Problem> {
    let loaded = app.loaded().await?;
    let register = current(app, given.list);
    let before = register.map(|register| register.change.after);
    let internal = |e: serde_json::Error| Problem::internal(&e);
    off_runtime(move || {
        let list = given.list;
        let nothing = Arc::default();
        let change = apply(loaded.entries.get(&list).unwrap_or(&nothing), given.entries, mode);
        let bytes = to_bytes(&change.after).map_err(internal)?;
        let warnings = dangling(list, &change.after, &loaded.referentials);
        let after = hex::encode(sha256(&bytes));
        Ok(Proposal { list, mode, change, bytes, before, after, warnings })
    })
    .await?
}

/// Keeps the file and the list, writes the record, and waits until this node has it.
async fn write(app: &App, caller: &Caller, name: &str, file: Bytes, proposal: &Proposal) -> Result<u64, Problem> {
    let media_type = match file.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'<') => "application/xml",
        Some(b'[' | b'{') => "application/json",
        _ => "text/csv",
    };
    let list = format!("{}.json", proposal.list.name());
    // The file may have the very name of the list.
    let name = if name == list { format!("_{name}") } else { name.to_owned() };
    let payloads = vec![
        app.keep(&caller.agency, &name, media_type, file).await?,
        app.keep(&caller.agency, &list, "application/json", Bytes::from(proposal.bytes.clone())).await?,
    ];
    let count = |ids: &[String]| ids.len() as u64;
    let change = ReferentialChange {
        referential: proposal.list.name().to_owned(),
        mode: proposal.mode.name().to_owned(),
        before: proposal.before.clone(),
        after: proposal.after.clone(),
        entries: proposal.change.after.len() as u64,
        added: count(&proposal.change.added),
        changed: count(&proposal.change.changed),
        removed: count(&proposal.change.removed),
        payloads,
    };
    let references = current(app, proposal.list).map(|register| app.ark(register.index).to_string());
    let body = RecordBody::ReferentialChanged(Box::new(change));
    let references: Vec<String> = references.into_iter().collect();
    let record = record_with(&caller.agency, &caller.actor, references, body, app.clock.now())?;
    let index = committed_and_followed(app, record).await?;
    match current(app, proposal.list) {
        Some(register) if register.index >= index && register.change.after == proposal.after => Ok(index),
        _ => Err(Problem::new(
            Code::ReferentialConflict,
            "La liste a été changée au même moment par ailleurs : relisez-la et recommencez.",
            "The list was changed elsewhere at the same moment: read it again and start over.",
        )),
    }
}

/// A list of reference data.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ListDocument {
    /// Its name.
    list: &'static str,
    /// What it is, in French.
    label: &'static str,
    /// How many entries it has.
    entries: u64,
    /// SHA-256 of the list.
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    /// When it was last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<String>,
    /// The record of its last change.
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<String>,
}

/// Every list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Lists {
    referentials: Vec<ListDocument>,
}

/// Every list of reference data.
#[utoipa::path(
    get, path = "/v1/referentials", tag = "administration",
    responses((status = 200, description = "Every list.", body = Lists), (status = "4XX", body = super::openapi::Problem, content_type = "application/problem+json", description = "Not allowed.")),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn lists(State(app): State<App>, caller: Caller) -> Result<axum::Json<Lists>, Problem> {
    caller.require(&[Scope::Admin, Scope::Audit])?;
    let document = |list: List| {
        let register = current(&app, list);
        ListDocument {
            list: list.name(),
            label: list.label(),
            entries: register.as_ref().map_or(0, |register| register.change.entries),
            changed: register.as_ref().map(|register| time_of(register.time_ms)),
            record: register.as_ref().map(|register| app.ark(register.index).to_string()),
            sha256: register.map(|register| register.change.after),
        }
    };
    Ok(axum::Json(Lists { referentials: List::ALL.into_iter().map(document).collect() }))
}

/// A list of reference data, as JSON that can be imported again.
#[utoipa::path(
    get, path = "/v1/referentials/{list}", tag = "administration",
    params(("list" = String, Path, description = "The list's name.")),
    responses(
        (status = 200, description = "The entries, by identifier.", body = Vec<Object>, headers(("ETag" = String, description = "SHA-256 of the list."))),
        (status = "4XX", body = super::openapi::Problem, content_type = "application/problem+json", description = "Not found, or not allowed."),
    ),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    caller.require(&[Scope::Admin, Scope::Audit])?;
    let list = List::of_name(&name).ok_or_else(Problem::not_found)?;
    let Some(register) = current(&app, list) else { return Ok(axum::Json(Vec::<()>::new()).into_response()) };
    let bytes = match register.change.list() {
        Some(payload) => app.read_payload(payload).await?,
        None => b"[]".to_vec(),
    };
    let mut response = ([(CONTENT_TYPE, "application/json")], bytes).into_response();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", register.change.after)) {
        response.headers_mut().insert(ETAG, tag);
    }
    Ok(response)
}

/// An entry of a list.
#[utoipa::path(
    get, path = "/v1/referentials/{list}/entries/{id}", tag = "administration",
    params(("list" = String, Path, description = "The list's name."), ("id" = String, Path, description = "The entry's identifier.")),
    responses((status = 200, description = "The entry.", body = Object), (status = "4XX", body = super::openapi::Problem, content_type = "application/problem+json", description = "Not found, or not allowed.")),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn entry(
    State(app): State<App>,
    caller: Caller,
    Path((name, id)): Path<(String, String)>,
) -> Result<Response, Problem> {
    caller.require(&[Scope::Admin, Scope::Audit])?;
    let list = List::of_name(&name).ok_or_else(Problem::not_found)?;
    let loaded = app.loaded().await?;
    let entry = loaded.entries.get(&list).and_then(|entries| entries.get(&id)).ok_or_else(Problem::not_found)?;
    Ok(axum::Json(entry).into_response())
}

/// A change of a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ChangeDocument {
    /// Its record: the file given is payload 0, the list after it payload 1.
    record: String,
    /// When.
    time: String,
    /// Who.
    actor: String,
    /// `merge` or `replace`.
    mode: String,
    /// The file's name.
    file: String,
    /// SHA-256 of the list before.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    /// SHA-256 of the list after.
    after: String,
    added: u64,
    changed: u64,
    removed: u64,
}

/// The changes of a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Changes {
    changes: Vec<ChangeDocument>,
}

/// The last changes of a list, newest first: who, when, from what to what.
#[utoipa::path(
    get, path = "/v1/referentials/{list}/changes", tag = "administration",
    params(("list" = String, Path, description = "The list's name.")),
    responses((status = 200, description = "At most 100.", body = Changes), (status = "4XX", body = super::openapi::Problem, content_type = "application/problem+json", description = "Not found, or not allowed.")),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn changes(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<axum::Json<Changes>, Problem> {
    caller.require(&[Scope::Admin, Scope::Audit])?;
    let list = List::of_name(&name).ok_or_else(Problem::not_found)?;
    let (mut changes, mut next) = (Vec::new(), current(&app, list).map(|register| register.index));
    while let Some(index) = next.take().filter(|_| changes.len() < CHANGES_MAX) {
        let Some(bytes) = app.log.record(index, app.log_size()).await? else { break };
        let record = Record::parse(&bytes).map_err(|e| Problem::internal(&e))?;
        let RecordBody::ReferentialChanged(change) = record.body else { break };
        let before = record.references.first().and_then(|ark| ark.parse::<crate::package::Ark>().ok());
        next = before.map(|ark| ark.index()).filter(|before| *before < index);
        changes.push(ChangeDocument {
            record: app.ark(index).to_string(),
            time: record.time,
            actor: record.actor,
            mode: change.mode,
            file: change.payloads.first().map(|payload| payload.name.clone()).unwrap_or_default(),
            before: change.before,
            after: change.after,
            added: change.added,
            changed: change.changed,
            removed: change.removed,
        });
    }
    Ok(axum::Json(Changes { changes }))
}

fn current(app: &Services, list: List) -> Option<Register> {
    app.catalog.referentials().into_iter().find(|register| register.change.referential == list.name())
}

fn list_named(name: &str) -> Result<List, Problem> {
    List::of_name(name).ok_or_else(|| {
        let names = List::ALL.map(List::name).join(", ");
        Problem::request("list", format!("Listes : {names}."), format!("Lists: {names}."))
    })
}

/// The name the file is kept under: its last component.
fn file_name(given: Option<&str>) -> Result<String, Problem> {
    let name = given.unwrap_or("fichier").rsplit(['/', '\\']).next().unwrap_or_default().trim();
    if name.is_empty() || name.len() > 255 || name.chars().any(char::is_control) || name == "." || name == ".." {
        return Err(Problem::request("name", "Nom de fichier refusé.", "File name refused."));
    }
    Ok(name.to_owned())
}

fn refused(faults: &[Fault]) -> Problem {
    let pointer = faults.first().map(|fault| fault.line).filter(|line| *line > 0).map(|line| format!("line {line}"));
    let problem = Problem::new(Code::ReferentialInvalid, told(faults), told(faults));
    match pointer {
        Some(pointer) => problem.at(pointer),
        None => problem,
    }
}

fn told(faults: &[Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn time_of(ms: u64) -> String {
    let since = time::Duration::milliseconds(i64::try_from(ms).unwrap_or(i64::MAX));
    format_record_time(OffsetDateTime::UNIX_EPOCH.checked_add(since).unwrap_or(OffsetDateTime::UNIX_EPOCH))
}

/// Parsing thousands of entries is not for the runtime's threads.
pub(super) async fn off_runtime<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|e| Problem::internal(&e))
}
