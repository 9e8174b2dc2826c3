//! Integrity reports and attestations: `GET /v1/archives/{id}/report`, `GET /v1/archives/{id}/attestation.pdf`,
//! `POST /v1/reports`. Every check is made again while the caller waits; nothing is stored.

use super::admin;
use super::archives::parse_query;
use super::auth::Caller;
use super::code::Code;
use super::deposits::name_of;
use super::identifier::Identified;
use super::problem::Problem;
use super::services::{App, Services};
use super::{receipts, revalidations};
use crate::clock::format_record_time;
use crate::package::{Record, Scope};
use crate::report::{
    ARCHIVES_MAX, ArchiveReport, Attestation, AttestationError, CheckKind, DOCUMENTS_BYTES_MAX, Examiner, Indication,
    Line, Report, SealedReport, Subject, attestation, to_pdf,
};
use crate::search::{Audience, Order, Query as Search};
use crate::spec::pdfa::{Document, SealField};
use crate::timestamp::{SealForm, TimestampError};
use crate::validation::indication::Indication as Verdict;
use crate::verify::Trust;
use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use bytes::Bytes;
use futures::{StreamExt, stream};
use serde::Deserialize;
use time::OffsetDateTime;

/// Archives examined at the same time.
const EXAMINED_MAX: usize = 4;
/// Room for the seal in a PDF, in bytes: a signature of RSA 4096 and a chain of certificates.
const SEAL_BYTES_MAX: usize = 16 * 1024;

/// Which form of the report.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Options {
    /// `json` or `pdf`; by default what `Accept` prefers, JSON if it says nothing.
    format: Option<Form>,
}

/// The forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Form {
    /// The report and its detached CMS seal.
    Json,
    /// PDF/A-3b, sealed (PAdES), with the JSON report and its seal attached.
    Pdf,
}

/// A sealed report.
#[derive(utoipa::ToSchema)]
#[allow(dead_code)]
pub(super) struct SealedReportDocument {
    /// Format version: 1.
    v: u8,
    /// The report; the seal is over its canonical form (RFC 8785).
    report: Report,
    /// Detached CMS SignedData (DER), base64.
    seal: String,
}

/// What to report on: one of the three.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReportRequest {
    /// Identifiers, at most 500.
    archives: Option<Vec<String>>,
    /// A search, as the query string of `GET /v1/archives`: `type=pes-aller&from=2026-01-01&to=2026-01-31`.
    query: Option<String>,
    /// A SEDA transfer: its operation.
    transfer: Option<String>,
    /// `json` (default) or `pdf`.
    format: Option<Form>,
}

/// The integrity report of an archive: every check made again now.
#[utoipa::path(
    get, path = "/v1/archives/{id}/report", tag = "archives",
    params(("id" = String, Path, description = "ARK (percent-encoded) or its name part."), Options),
    responses(
        (status = 200, description = "The report, whatever it says.", content((SealedReportDocument = "application/json"), (Vec<u8> = "application/pdf"))),
        (status = "4XX", description = "Not found, or not allowed.", body = super::openapi::Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many reports at once.", body = super::openapi::Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn fetch(
    State(app): State<App>,
    caller: Caller,
    id: Identified,
    Query(options): Query<Options>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.require(&[Scope::Read, Scope::Audit])?;
    let form = options.format.unwrap_or_else(|| preferred(&headers));
    let ark = app.ark(id.index).to_string();
    let wanted = wanted(&app, &caller, id).await?;
    let name = name_of(&app.ark(wanted.index));
    let report = examine(&app, &caller, vec![wanted], format!("archive {ark}")).await?;
    respond(&app, report, form, &format!("rapport-{name}")).await
}

/// The integrity report of a set of archives: every check made again now.
#[utoipa::path(
    post, path = "/v1/reports", tag = "archives", request_body = ReportRequest,
    responses(
        (status = 200, description = "The report, whatever it says.", content((SealedReportDocument = "application/json"), (Vec<u8> = "application/pdf"))),
        (status = "4XX", description = "Not found, not allowed, or more than 500 archives or 4 GiB of documents.", body = super::openapi::Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many reports at once.", body = super::openapi::Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn create(State(app): State<App>, caller: Caller, request: Request) -> Result<Response, Problem> {
    caller.require(&[Scope::Read, Scope::Audit])?;
    let headers = request.headers().clone();
    let asked: ReportRequest = admin::read(&app, request.into_body()).await?;
    let form = asked.format.unwrap_or_else(|| preferred(&headers));
    let (indices, scope) = match asked {
        ReportRequest { archives: Some(ids), query: None, transfer: None, .. } => {
            if ids.len() > ARCHIVES_MAX {
                return Err(too_many());
            }
            let scope = format!("{} archive(s) désignée(s)", ids.len());
            let indices = ids.iter().enumerate().map(|(n, id)| {
                Identified::parse(&app, id).map(|id| id.index).map_err(|problem| problem.at(format!("/archives/{n}")))
            });
            (indices.collect::<Result<Vec<u64>, Problem>>()?, scope)
        }
        ReportRequest { archives: None, query: Some(query), transfer: None, .. } => {
            let search = parse_query(&query, &caller)?;
            (found(&app, search).await?, format!("recherche : {query}"))
        }
        ReportRequest { archives: None, query: None, transfer: Some(operation), .. } => {
            let everyones = caller.has(Scope::Audit);
            let audience = if everyones { Audience::AllAgencies } else { Audience::Agency(caller.agency.clone()) };
            let search = Search { operation: Some(operation.clone()), ..Search::new(audience) };
            (found(&app, search).await?, format!("transfert {operation}"))
        }
        _ => {
            let detail = "Donnez « archives », « query » ou « transfer », l'un des trois.";
            return Err(Problem::request("/", detail, "Give one of \"archives\", \"query\" and \"transfer\"."));
        }
    };
    if indices.is_empty() {
        return Err(Problem::not_found());
    }
    let mut all = Vec::with_capacity(indices.len());
    for (n, index) in indices.into_iter().enumerate() {
        let id = Identified { index, extension: None };
        all.push(wanted(&app, &caller, id).await.map_err(|problem| problem.at(format!("/archives/{n}")))?);
    }
    let scope: String = scope.chars().filter(|c| !c.is_control()).take(500).collect();
    let report = examine(&app, &caller, all, scope).await?;
    respond(&app, report, form, "rapport").await
}

/// The attestation of an archive, for people: one page, with its receipt attached.
#[utoipa::path(
    get, path = "/v1/archives/{id}/attestation.pdf", tag = "archives",
    params(("id" = String, Path, description = "ARK (percent-encoded) or its name part.")),
    responses(
        (status = 200, description = "PDF/A-3b, sealed (PAdES).", body = Vec<u8>, content_type = "application/pdf"),
        (status = "4XX", description = "Not found, not allowed, or the receipt does not hold.", body = super::openapi::Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn attest(State(app): State<App>, caller: Caller, id: Identified) -> Result<Response, Problem> {
    caller.require(&[Scope::Deposit, Scope::Read, Scope::Audit])?;
    let found = id.read(&app, &caller).await?;
    if found.record.deposit().is_none() {
        return Err(Problem::not_found());
    }
    let receipt = receipts::load(&app, found.index).await?;
    let (trust, at) = (trust(&app)?, app.clock.now());
    let (origin, agency_name) = (app.archive.origin.clone(), agency_name(&app, &found.record));
    let name = name_of(&receipt.archive);
    let made = tokio::task::spawn_blocking(move || {
        let asked = Attestation { receipt: &receipt, agency_name: agency_name.as_deref(), origin: &origin, at };
        attestation(&asked, &trust)
    });
    let document = made.await.map_err(|e| Problem::internal(&e))?.map_err(|error| match error {
        AttestationError::Refused(why) => {
            let detail = format!("Rien n'est attesté que les preuves ne montrent : {why}.");
            Problem::new(Code::Corrupt, detail, "Nothing is attested: the receipt does not hold.")
        }
        AttestationError::NoDeposit => Problem::not_found(),
        AttestationError::Receipt(error) => Problem::internal(&error),
    })?;
    let pdf = sealed_pdf(&app, document, "attestation", "Attestation d'archivage", at).await?;
    Ok(answer(pdf, "application/pdf", &format!("attestation-{name}.pdf")))
}

/// An archive to examine.
struct Wanted {
    index: u64,
    /// Absent when it cannot be read: the report says so.
    record: Option<Record>,
}

async fn wanted(app: &App, caller: &Caller, id: Identified) -> Result<Wanted, Problem> {
    match id.read(app, caller).await {
        Ok(found) if found.record.payloads().is_empty() => Err(Problem::not_found()),
        Ok(found) => Ok(Wanted { index: found.index, record: Some(found.record) }),
        // A record that cannot be read belongs to nobody known: whoever sees all is told so by the report.
        Err(problem) if caller.has(Scope::Audit) && id.index < app.log_size() => {
            tracing::warn!(index = id.index, detail = %problem.detail, "enregistrement illisible pour un rapport");
            Ok(Wanted { index: id.index, record: None })
        }
        Err(problem) => Err(problem),
    }
}

async fn found(app: &App, search: Search) -> Result<Vec<u64>, Problem> {
    let search = Search { order: Order::OldestFirst, limit: ARCHIVES_MAX, after: None, ..search };
    let searching = app.clone();
    let page = tokio::task::spawn_blocking(move || searching.search.find(&search))
        .await
        .map_err(|e| Problem::internal(&e))?
        .map_err(|e| Problem::internal(&e))?;
    if page.next.is_some() {
        return Err(too_many());
    }
    Ok(page.hits.into_iter().map(|hit| hit.index).collect())
}

fn too_many() -> Problem {
    let detail = format!("Plus de {ARCHIVES_MAX} archives : découpez, par exemple par mois.");
    Problem::new(Code::TooMany, detail, format!("More than {ARCHIVES_MAX} archives: split, by month for instance."))
}

async fn examine(app: &App, caller: &Caller, wanted: Vec<Wanted>, scope: String) -> Result<Report, Problem> {
    let payloads = wanted.iter().filter_map(|wanted| wanted.record.as_ref()).flat_map(Record::payloads);
    let bytes = payloads.map(|payload| payload.size_bytes).fold(0, u64::saturating_add);
    // One archive is reported on whatever its size.
    if bytes > DOCUMENTS_BYTES_MAX && wanted.len() > 1 {
        let detail = "Plus de 4 Gio de documents à relire : découpez.";
        return Err(Problem::new(Code::TooMany, detail, "More than 4 GiB of documents to read again: split."));
    }
    let Ok(_place) = app.reports.clone().try_acquire_owned() else {
        let detail = "Trop de rapports à la fois : réessayez dans quelques secondes.";
        return Err(Problem::new(Code::Busy, detail, "Too many reports at once: try again.").retry_after(5));
    };
    let at = app.clock.now();
    let examiner = Examiner::begin(app.store.objects().clone(), app.store.clone(), trust(app)?).await?;
    let reports = wanted.into_iter().map(|wanted| one(app, &examiner, wanted, at));
    let archives: Vec<ArchiveReport> = stream::iter(reports).buffered(EXAMINED_MAX).collect().await;
    let observed = examiner.observed().clone();
    Ok(Report::new(format_record_time(at), caller.actor.clone(), scope, observed, archives))
}

async fn one(app: &App, examiner: &Examiner, wanted: Wanted, at: OffsetDateTime) -> ArchiveReport {
    let agency_name = wanted.record.as_ref().and_then(|record| agency_name(app, record));
    let mut report = examiner.examine(&Subject { archive: app.ark(wanted.index), agency_name }).await;
    let signed = wanted.record.filter(|record| record.deposit().is_some_and(|deposit| deposit.signatures.is_some()));
    if let Some(record) = signed {
        report.judge_signatures(signatures_now(app, wanted.index, &record, at).await);
    }
    report
}

/// What the signatures of an archive are worth now.
async fn signatures_now(app: &App, index: u64, record: &Record, at: OffsetDateTime) -> Vec<Line> {
    let unknown = |why: &str| vec![Line::new(CheckKind::SignaturesNow, Indication::Indeterminate, why)];
    let validated = match revalidations::revalidate(app, index, record, at).await {
        Ok((_, validated)) => validated,
        Err(problem) => return unknown(&problem.detail),
    };
    let Some(validated) = validated else { return unknown("aucune signature trouvée") };
    let lines = validated.verdicts().map(|(name, verdict)| {
        let main = verdict.indication.unwrap_or(Verdict::Indeterminate);
        let indication = match main {
            Verdict::TotalPassed => Indication::Passed,
            Verdict::Indeterminate => Indication::Indeterminate,
            Verdict::TotalFailed => Indication::Failed,
        };
        let sub = verdict.sub_indication.map_or_else(String::new, |sub| format!(", {} ({sub})", sub.french()));
        let line = Line::new(CheckKind::SignaturesNow, indication, format!("{main}{sub}"));
        Line { subject: Some(name.to_owned()), ..line }
    });
    lines.collect()
}

/// What this archive relies on: its own authorities and keys, revoked ones included, and the other authorities that stamp for it.
fn trust(app: &Services) -> Result<Trust, Problem> {
    let text = app.keys.trust_toml().map_err(|e| Problem::internal(&e))?;
    let mut trust = Trust::parse(&text).map_err(|e| Problem::internal(&e))?;
    trust.anchors.extend(&app.stampers);
    Ok(trust)
}

fn agency_name(app: &Services, record: &Record) -> Option<String> {
    app.catalog.agency(&record.agency).map(|agency| agency.name)
}

async fn respond(app: &App, report: Report, form: Form, name: &str) -> Result<Response, Problem> {
    let indication = match report.indication {
        Indication::Passed => "passed",
        Indication::Indeterminate => "indeterminate",
        Indication::Failed => "failed",
    };
    let mut response = rendered(app, report, form, name).await?;
    response.headers_mut().insert("archiland-indication", HeaderValue::from_static(indication));
    Ok(response)
}

async fn rendered(app: &App, report: Report, form: Form, name: &str) -> Result<Response, Problem> {
    let json = Bytes::from(report.to_canonical().map_err(|e| Problem::internal(&e))?);
    let seal = app.seals.seal("report", json.clone(), SealForm::Beside).await.map_err(|e| unsealed(&e))?;
    let sealed = SealedReport { report: json, seal: seal.into() };
    if form == Form::Json {
        return Ok(answer(sealed.to_json(), "application/json", &format!("{name}.json")));
    }
    let at = app.clock.now();
    let set = tokio::task::spawn_blocking(move || to_pdf(&report, &sealed, at)).await;
    let document = set.map_err(|e| Problem::internal(&e))?;
    let pdf = sealed_pdf(app, document, "report-pdf", "Rapport d'intégrité", at).await?;
    Ok(answer(pdf, "application/pdf", &format!("{name}.pdf")))
}

/// A document with the archive's seal in it (PAdES baseline B-B, ETSI EN 319 142-1).
async fn sealed_pdf(
    app: &App,
    document: Document,
    kind: &'static str,
    reason: &str,
    at: OffsetDateTime,
) -> Result<Vec<u8>, Problem> {
    let field = SealField { name: app.archive.origin.clone(), reason: reason.to_owned(), at };
    let unsealed_pdf = tokio::task::spawn_blocking(move || document.write_for_seal(&field, SEAL_BYTES_MAX)).await;
    let unsealed_pdf = unsealed_pdf.map_err(|e| Problem::internal(&e))?;
    let covered = Bytes::from(unsealed_pdf.covered());
    let seal = app.seals.seal(kind, covered, SealForm::InPdf).await.map_err(|e| unsealed(&e))?;
    unsealed_pdf.sealed(&seal).map_err(|e| Problem::internal(&e))
}

/// A report that nobody answers for is not given.
fn unsealed(error: &TimestampError) -> Problem {
    tracing::error!(%error, "un document n'a pu être scellé");
    let detail = "Le cachet ne peut être apposé pour l'instant (clé ou horloge) : réessayez, et prévenez l'exploitant.";
    Problem::new(Code::SealUnavailable, detail, "The seal cannot be made now (key or clock): try again.")
        .retry_after(30)
}

fn preferred(headers: &HeaderMap) -> Form {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let pdf = accept.find("application/pdf");
    let json = accept.find("application/json");
    match (pdf, json) {
        (Some(pdf), Some(json)) if json < pdf => Form::Json,
        (Some(_), _) => Form::Pdf,
        _ => Form::Json,
    }
}

fn answer(bytes: Vec<u8>, media_type: &'static str, name: &str) -> Response {
    let mut response = Response::new(Body::from(bytes));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    response
}
