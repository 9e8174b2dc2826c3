//! `GET /v1/transmissions`: transmissions to the accountant, found by what is in them or by what changed; and whether the
//! bordereaux of a year are all there.

use super::auth::Caller;
use super::problem::Problem;
use super::services::App;
use crate::catalog::{Listing, Transmission};
use crate::clock::format_record_time;
use crate::digest::sha256;
use crate::package::{Direction, FlowBordereau, Scope};
use crate::producer::helios::State as Reached;
use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use time::{Duration, OffsetDateTime};

/// Transmissions of one page.
const PAGE_MAX: usize = 1_000;
/// Transmissions looked at for one year.
const YEAR_MAX: usize = 20_000;
/// Missing numbers told for one budget; beyond, they are counted.
const GAPS_MAX: usize = 1_000;

/// Which transmissions: one of `nom_fic`, `bordereau`, `piece`, `pj`, or a state; else all, by their last change.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// `NomFic`.
    nom_fic: Option<String>,
    /// `IdBord`.
    bordereau: Option<String>,
    /// `Exer`, with `bordereau`.
    exercice: Option<String>,
    /// `IdPce`.
    piece: Option<String>,
    /// `IdUnique` of an attachment.
    pj: Option<String>,
    /// State.
    state: Option<i8>,
    /// Only those that changed since: `cursor` of the answer before (without a term or a state).
    cursor: Option<u64>,
    /// Only numbers above: `next` of the page before (with a term).
    depuis: Option<u64>,
    /// How many to pass over (with a state).
    offset: Option<usize>,
    /// At most; 100 by default, 1000 at most.
    limit: Option<usize>,
}

/// A page of transmissions.
#[allow(clippy::struct_field_names, reason = "the name that clients know")]
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Transmissions {
    transmissions: Vec<TransmissionDocument>,
    /// What to give as `depuis` for the next page; none when this is the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
    /// What to give as `cursor` to be told what changes after this answer (without a term or a state). While a page is full,
    /// ask again at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<u64>,
}

/// A transmission.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct TransmissionDocument {
    /// Its number, the s2low interface's `id`.
    transaction: u64,
    /// Its state, as s2low numbers them.
    state: i8,
    /// The state in French.
    label: String,
    /// What is told of it.
    message: String,
    /// When it was received.
    received: String,
    /// The name it came under.
    file: String,
    size_bytes: u64,
    sha256: String,
    sha1: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    nom_fic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cod_col: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cod_bud: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_post: Option<String>,
    /// Its archive; none when it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    archive: Option<String>,
    /// The archive of the accountant's answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    acquit: Option<String>,
    /// States reached, oldest first.
    history: Vec<MoveDocument>,
}

/// A state reached.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct MoveDocument {
    state: i8,
    time: String,
    message: String,
}

/// Transmissions found by what is in them.
#[utoipa::path(
    get, path = "/v1/transmissions", tag = "transmissions", params(Wanted),
    responses(
        (status = 200, description = "Those found, by number; `ETag` tells whether anything changed.", body = Transmissions),
        (status = 304, description = "Nothing changed since `If-None-Match`."),
        (status = "4XX", description = "Not allowed, or no usable question.", body = super::openapi::Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn find(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Problem> {
    caller.require(&[Scope::Deposit, Scope::Read, Scope::Archivist])?;
    let limit = wanted.limit.unwrap_or(100).clamp(1, PAGE_MAX);
    let (term, agency) = (term_of(&wanted), caller.agency.clone());
    let (state, offset, after) = (wanted.state, wanted.offset.unwrap_or(0), wanted.depuis.unwrap_or(0));
    let (paged, since) = (term.is_some(), wanted.cursor);
    if !paged && state.is_none() {
        let listing = move |catalog: &dyn crate::catalog::Catalog| {
            catalog.transmissions(&agency, &Listing::Changed { after: since, limit })
        };
        let rows = ask(&app, listing).await?;
        let cursor = rows.last().map(|row| row.changed).or(since);
        let transmissions = rows.into_iter().map(document).collect();
        return tagged(&headers, &Transmissions { transmissions, next: None, cursor });
    }
    let rows = ask(&app, move |catalog| {
        if let Some(term) = &term {
            return catalog.transmissions(&agency, &Listing::Term { term, after, limit: limit + 1 });
        }
        let (direction, state) = (Direction::Aller, state.unwrap_or_default());
        let listing = Listing::State { direction, state, offset, limit: limit + 1, from_ms: 0, to_ms: u64::MAX };
        catalog.transmissions(&agency, &listing)
    })
    .await?;
    let more = rows.len() > limit;
    let rows: Vec<_> = rows.into_iter().take(limit).collect();
    let next = rows.last().map(|row| row.number).filter(|_| more && paged);
    let rows = rows.into_iter().filter(|row| !paged || state.is_none_or(|state| row.state() == state));
    tagged(&headers, &Transmissions { transmissions: rows.map(document).collect(), next, cursor: None })
}

fn term_of(wanted: &Wanted) -> Option<String> {
    let bordereau = wanted.bordereau.as_ref().map(|number| match &wanted.exercice {
        Some(exercice) => format!("bordereau:{exercice}/{number}"),
        None => format!("bordereau:{number}"),
    });
    let named = |name: &str, value: &Option<String>| value.as_ref().map(|value| format!("{name}:{value}"));
    named("nomfic", &wanted.nom_fic)
        .or_else(|| named("pj", &wanted.pj))
        .or_else(|| named("piece", &wanted.piece))
        .or(bordereau)
}

/// One transmission.
#[utoipa::path(
    get, path = "/v1/transmissions/{transaction}", tag = "transmissions",
    params(("transaction" = u64, Path, description = "Its number.")),
    responses(
        (status = 200, description = "The transmission; `ETag` tells whether it changed.", body = TransmissionDocument),
        (status = 304, description = "Nothing changed since `If-None-Match`."),
        (status = "4XX", description = "Not found, or not allowed.", body = super::openapi::Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn fetch(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Path(number): Path<u64>,
) -> Result<Response, Problem> {
    caller.require(&[Scope::Deposit, Scope::Read, Scope::Archivist])?;
    let row = ask(&app, move |catalog| catalog.transmission(number)).await?;
    let row = row.filter(|row| caller.sees(&row.agency)).ok_or_else(Problem::not_found)?;
    tagged(&headers, &document(row))
}

/// Which year.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Year {
    /// `Exer`.
    exercice: String,
    /// `depense` (mandats) or `recette` (titres).
    domaine: String,
}

/// The bordereaux of a year.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Completeness {
    exercice: String,
    domaine: String,
    /// One per authority and budget.
    budgets: Vec<Budget>,
    /// Some records name only part of what they hold, or there are more than were looked at: what is missing here may be
    /// there.
    partial: bool,
}

/// The bordereaux of one budget.
#[derive(Debug, Default, Serialize, utoipa::ToSchema)]
pub(super) struct Budget {
    cod_col: String,
    cod_bud: String,
    /// How many different numbers are archived.
    bordereaux: usize,
    /// The largest.
    last: u64,
    /// Numbers from 1 to the largest that are not archived; at most a thousand.
    missing: Vec<u64>,
    /// How many in all.
    missing_count: u64,
    /// Numbers that are no integer.
    others: Vec<String>,
    /// Nothing is missing up to the largest.
    complete: bool,
}

/// Whether the bordereaux of a year are all there.
#[utoipa::path(
    get, path = "/v1/transmissions/completeness", tag = "transmissions", params(Year),
    responses(
        (status = 200, description = "The numbers that are missing, for each budget.", body = Completeness),
        (status = "4XX", description = "Not allowed, or no usable question.", body = super::openapi::Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn completeness(
    State(app): State<App>,
    caller: Caller,
    Query(year): Query<Year>,
) -> Result<axum::Json<Completeness>, Problem> {
    caller.require(&[Scope::Deposit, Scope::Read, Scope::Archivist])?;
    if !["depense", "recette"].contains(&year.domaine.as_str()) {
        let detail = "Le domaine est « depense » ou « recette ».";
        return Err(Problem::request("domaine", detail, "The domain is \"depense\" or \"recette\"."));
    }
    let (agency, term) = (caller.agency.clone(), format!("exercice:{}/{}", year.exercice, year.domaine));
    let listed = move |catalog: &dyn crate::catalog::Catalog| {
        catalog.transmissions(&agency, &Listing::Term { term: &term, after: 0, limit: YEAR_MAX + 1 })
    };
    let rows = ask(&app, listed).await?;
    let partial = rows.len() > YEAR_MAX || rows.iter().any(|row| row.flow.shortened);
    let mut budgets: BTreeMap<(String, String), Vec<&FlowBordereau>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.state() != Reached::Error.code()) {
        let of = |value: &Option<String>| value.clone().unwrap_or_default();
        let known = budgets.entry((of(&row.flow.cod_col), of(&row.flow.cod_bud))).or_default();
        let own = |bordereau: &&FlowBordereau| {
            bordereau.domain == year.domaine && bordereau.exercice.as_deref() == Some(&year.exercice)
        };
        known.extend(row.flow.bordereaux.iter().filter(own));
    }
    let budgets = budgets.into_iter().map(|((cod_col, cod_bud), found)| budget(cod_col, cod_bud, &found)).collect();
    Ok(axum::Json(Completeness { exercice: year.exercice, domaine: year.domaine, budgets, partial }))
}

fn budget(cod_col: String, cod_bud: String, found: &[&FlowBordereau]) -> Budget {
    let mut numbers = BTreeSet::new();
    let mut others = BTreeSet::new();
    for number in found.iter().filter_map(|bordereau| bordereau.number.as_ref()) {
        match number.parse::<u64>() {
            Ok(number) if number > 0 => _ = numbers.insert(number),
            _ => _ = others.insert(number.clone()),
        }
    }
    let last = numbers.last().copied().unwrap_or(0);
    let (mut missing, mut missing_count, mut next) = (Vec::new(), 0u64, 1u64);
    for &number in &numbers {
        missing_count += number - next;
        missing.extend((next..number).take(GAPS_MAX - missing.len()));
        next = number.saturating_add(1);
    }
    Budget {
        cod_col,
        cod_bud,
        bordereaux: numbers.len() + others.len(),
        last,
        missing,
        missing_count,
        others: others.into_iter().take(GAPS_MAX).collect(),
        complete: missing_count == 0,
    }
}

/// The catalog may read the disk.
async fn ask<T: Send + 'static>(
    app: &App,
    question: impl FnOnce(&dyn crate::catalog::Catalog) -> Result<T, crate::catalog::CatalogError> + Send + 'static,
) -> Result<T, Problem> {
    let catalog = app.catalog.clone();
    let answer = tokio::task::spawn_blocking(move || question(&*catalog)).await.map_err(|e| Problem::internal(&e))?;
    answer.map_err(|e| Problem::internal(&e))
}

fn tagged(headers: &HeaderMap, document: &impl Serialize) -> Result<Response, Problem> {
    let body = serde_json::to_vec(document).map_err(|error| Problem::internal(&error))?;
    let etag = format!("\"{}\"", hex::encode(&sha256(&body)[..16]));
    let known = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let same = known.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag);
    let mut response = if same {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(CONTENT_TYPE, "application/json")], body).into_response()
    };
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        response.headers_mut().insert(ETAG, etag);
    }
    Ok(response)
}

fn document(row: Transmission) -> TransmissionDocument {
    let at = |ms: u64| {
        let ms = i64::try_from(ms).unwrap_or(0);
        format_record_time(OffsetDateTime::UNIX_EPOCH + Duration::milliseconds(ms))
    };
    let (state, message) = (row.state(), row.message().to_owned());
    let history = row.history.iter().map(|step| MoveDocument {
        state: step.state,
        time: at(step.time_ms),
        message: step.message.clone(),
    });
    TransmissionDocument {
        transaction: row.number,
        state,
        label: Reached::of_code(state).map_or("", Reached::label).to_owned(),
        message,
        received: at(row.received_ms),
        history: history.collect(),
        file: row.flow.file,
        size_bytes: row.flow.size_bytes,
        sha256: row.flow.sha256,
        sha1: row.flow.sha1,
        nom_fic: row.flow.nom_fic,
        cod_col: row.flow.cod_col,
        cod_bud: row.flow.cod_bud,
        id_post: row.flow.id_post,
        archive: row.archive,
        acquit: row.acquit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_found_and_counted() {
        let numbered = |numbers: &[&str]| -> Vec<FlowBordereau> {
            numbers
                .iter()
                .map(|n| FlowBordereau { number: Some((*n).to_owned()), ..FlowBordereau::default() })
                .collect()
        };
        let of = |numbers: &[&str]| {
            let found = numbered(numbers);
            budget("999".into(), "00".into(), &found.iter().collect::<Vec<_>>())
        };
        let found = of(&["1", "2", "5", "05", "A7"]);
        assert_eq!((found.missing, found.missing_count, found.last, found.bordereaux), (vec![3, 4], 2, 5, 4));
        assert_eq!((found.others, found.complete), (vec!["A7".to_owned()], false));
        assert!(of(&["1", "2", "3"]).complete && of(&[]).complete);
        let far = of(&["18446744073709551615"]);
        assert_eq!((far.missing.len(), far.missing_count), (GAPS_MAX, u64::MAX - 1));
    }
}
