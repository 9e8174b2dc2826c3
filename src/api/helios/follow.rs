//! What became of a transmission, the accountant's files, and what an archivist says of them.

use super::account::Account;
use super::form::Form;
use super::{DENIED, UNKNOWN, json, plain, told, with_status, xml};
use crate::admission::parse_date;
use crate::api::auth::Caller;
use crate::api::problem::Problem;
use crate::api::services::App;
use crate::catalog::{Listing, Transmission};
use crate::package::{self, Ark, Direction, Payload, Record, Scope};
use crate::producer::helios::{self, State as Reached, json_text};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use time::macros::format_description;
use time::{Duration, OffsetDateTime};

/// What s2low says.
const NO_NUMBER: &str = "Pas de numéro de transaction.";
const WRONG_NUMBER: &str = "Numéro de transaction invalide";
const STATE_UNREADABLE: &str = "Erreur consultation statut";
/// States of a `PES_Retour`.
pub(super) const UNREAD: i8 = 0;
const READ: i8 = 1;
/// Transmissions listed at once.
const LIST_MAX: u64 = 1_000;

/// A request understood: who, and with what parameters.
struct Asked {
    account: Account,
    form: Form,
}

/// `None` when nobody is asking.
async fn asked(app: &App, request: Request) -> Option<Asked> {
    let (parts, body) = request.into_parts();
    let account = Account::identify(app, &parts)?;
    let form = Form::read(app, &parts, body).await.unwrap_or_default();
    Some(Asked { account, form })
}

impl Asked {
    fn may(&self, scopes: &[Scope]) -> bool {
        scopes.iter().any(|scope| self.account.caller.has(*scope))
    }
}

/// Why no transmission is told of.
enum Untold {
    /// None has this number.
    Unknown,
    /// Another agency's: s2low says that there is one.
    NotTheirs,
    /// The catalog failed.
    Unreadable,
}

impl Untold {
    /// In the words of s2low, which differ from route to route where no transmission has the number.
    fn words(&self, unknown: &'static str) -> &'static str {
        match self {
            Self::Unknown => unknown,
            Self::NotTheirs => DENIED,
            Self::Unreadable => STATE_UNREADABLE,
        }
    }
}

/// The transmission of a number, for who may know of it.
async fn find(app: &App, caller: &Caller, number: u64, direction: Direction) -> Result<Transmission, Untold> {
    let found = super::row(app, number).await.map_err(|_| Untold::Unreadable)?;
    let found = found.filter(|row| row.flow.direction == direction).ok_or(Untold::Unknown)?;
    if found.agency == caller.agency { Ok(found) } else { Err(Untold::NotTheirs) }
}

fn state_of(row: &Transmission) -> Reached {
    Reached::of_code(row.state()).unwrap_or(Reached::Error).told(row.acquit.is_some())
}

fn message_of(row: &Transmission) -> String {
    if row.state() == Reached::Error.code() {
        return format!("Transaction {} : {}", row.number, row.message());
    }
    row.message().to_owned()
}

/// `helios_transac_get_status.php?transaction=`.
pub(super) async fn status(State(app): State<App>, request: Request) -> Response {
    let told = Form::of_address(request.uri()).number("transaction");
    // Without a number s2low does not even look who is asking.
    let unknown = if told == 0 { NO_NUMBER } else { UNKNOWN };
    let Some(asked) = asked(&app, request).await else { return transaction(told, "KO", unknown, "") };
    let number = asked.form.number("transaction");
    if number == 0 {
        return transaction(0, "KO", NO_NUMBER, "");
    }
    if !asked.may(&[Scope::Deposit, Scope::Read, Scope::Archivist]) {
        return transaction(number, "KO", DENIED, "");
    }
    match find(&app, &asked.account.caller, number, Direction::Aller).await {
        // The number 0 is no state to s2low.
        Ok(row) if row.state() == Reached::Cancelled.code() => transaction(number, "KO", STATE_UNREADABLE, "0"),
        Ok(row) => transaction(number, "OK", &message_of(&row), &state_of(&row).code().to_string()),
        Err(why) => transaction(number, "KO", why.words(WRONG_NUMBER), ""),
    }
}

fn transaction(number: u64, result: &str, message: &str, status: &str) -> Response {
    let number = number.to_string();
    let fields = [("id", number.as_str()), ("resultat", result), ("message", message), ("status", status)];
    xml(helios::xml("transaction", &fields))
}

/// `helios_download_acquit.php?id=`: the accountant's answer. What is not there is said as text: a client would take any
/// XML for the answer.
pub(super) async fn acquit(State(app): State<App>, request: Request) -> Response {
    let Some(asked) = asked(&app, request).await else { return refused(UNKNOWN) };
    if !asked.may(&[Scope::Deposit, Scope::Read, Scope::Archivist]) {
        return refused(DENIED);
    }
    match find(&app, &asked.account.caller, asked.form.number("id"), Direction::Aller).await {
        Ok(row) => match row.acquit {
            Some(archive) => document(&app, &archive).await.unwrap_or_else(|problem| refused(&problem.detail)),
            None => refused("Aucun acquittement n'est disponible pour cette transaction"),
        },
        Err(why) => refused(why.words(WRONG_NUMBER)),
    }
}

/// `helios_download_file.php?id=`: the PES.
pub(super) async fn file(State(app): State<App>, request: Request) -> Response {
    let Some(asked) = asked(&app, request).await else { return refused(UNKNOWN) };
    if !asked.may(&[Scope::Deposit, Scope::Read, Scope::Archivist]) {
        return refused(DENIED);
    }
    match find(&app, &asked.account.caller, asked.form.number("id"), Direction::Aller).await {
        Ok(row) => match row.archive {
            Some(archive) => document(&app, &archive).await.unwrap_or_else(|problem| refused(&problem.detail)),
            None => refused("Ce fichier a été refusé : il n'est pas conservé"),
        },
        Err(why) => refused(why.words(WRONG_NUMBER)),
    }
}

fn refused(why: &str) -> Response {
    plain(format!("KO\n{why}"))
}

/// The first document of an archive.
async fn document(app: &App, archive: &str) -> Result<Response, Problem> {
    let ark: Ark = archive.parse().map_err(|error| Problem::internal(&error))?;
    let record = app.log.record(ark.index(), app.log_size()).await?.ok_or_else(Problem::not_found)?;
    let record = Record::parse(&record).map_err(|error| Problem::internal(&error))?;
    let payload: &Payload =
        record.deposit().and_then(|deposit| deposit.payloads.first()).ok_or_else(Problem::not_found)?;
    let bytes = app.store.read(payload, 0..payload.size_bytes).await?;
    let mut response = told("text/xml", Body::from_stream(bytes));
    response.headers_mut().insert(CONTENT_LENGTH, payload.size_bytes.into());
    let safe: String = payload.name.chars().map(|c| if c.is_ascii_graphic() && c != '"' { c } else { '_' }).collect();
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{safe}\"")) {
        response.headers_mut().insert(CONTENT_DISPOSITION, value);
    }
    app.metrics.read();
    Ok(response)
}

/// `helios_get_list.php`: the `PES_Retour` nobody has read yet.
pub(super) async fn retours(State(app): State<App>, request: Request) -> Response {
    let Some(asked) = asked(&app, request).await else { return list_refused(UNKNOWN) };
    if !asked.may(&[Scope::Deposit, Scope::Read, Scope::Archivist]) {
        return list_refused(DENIED);
    }
    let agency = asked.account.caller.agency.clone();
    let listing = Listing::State {
        direction: Direction::Retour,
        state: UNREAD,
        offset: 0,
        limit: usize::try_from(LIST_MAX).unwrap_or(usize::MAX),
        from_ms: 0,
        to_ms: u64::MAX,
    };
    let (catalog, whose) = (app.catalog.clone(), agency.clone());
    let found = tokio::task::spawn_blocking(move || catalog.transmissions(&whose, &listing)).await;
    let Some(rows) = found.ok().and_then(Result::ok) else { return list_refused(STATE_UNREADABLE) };
    let now = moment(app.clock.now());
    let head = [("idColl", agency.as_str()), ("resultat", ""), ("message", "liste réussi"), ("dateDemande", &now)];
    let mut text = helios::xml("liste", &head);
    text.truncate(text.len() - "</liste>\n".len());
    for row in rows {
        let at = i64::try_from(row.received_ms).unwrap_or(0);
        let (number, at) = (row.number.to_string(), moment(OffsetDateTime::UNIX_EPOCH + Duration::milliseconds(at)));
        let one = helios::xml("pes_retour", &[("id", &number), ("nom", &row.flow.file), ("date", &at)]);
        text.push_str(one.split_once('\n').map_or("", |(_, element)| element));
    }
    text.push_str("</liste>\n");
    xml(text)
}

fn list_refused(why: &str) -> Response {
    xml(helios::xml("liste", &[("resultat", "KO"), ("message", why)]))
}

fn moment(at: OffsetDateTime) -> String {
    at.format(format_description!("[year]-[month]-[day] [hour]:[minute]:[second]")).unwrap_or_default()
}

/// `helios_get_retour.php?id=`.
pub(super) async fn retour(State(app): State<App>, request: Request) -> Response {
    let refused = |number: u64, why: &str| {
        let number = number.to_string();
        xml(helios::xml("get_retour", &[("id", &number), ("resultat", "KO"), ("message", why)]))
    };
    let Some(asked) = asked(&app, request).await else { return refused(0, UNKNOWN) };
    let number = asked.form.number("id");
    if !asked.may(&[Scope::Deposit, Scope::Read, Scope::Archivist]) {
        return refused(number, DENIED);
    }
    match find(&app, &asked.account.caller, number, Direction::Retour).await {
        Ok(row) => match document(&app, row.archive.as_deref().unwrap_or_default()).await {
            Ok(response) => response,
            Err(problem) => refused(number, &problem.detail),
        },
        Err(why) => refused(number, why.words("retour id n'est pas correcte")),
    }
}

/// `helios_change_status.php?id=`: that `PES_Retour` was read.
pub(super) async fn read_retour(State(app): State<App>, request: Request) -> Response {
    let answer = |number: u64, result: &str, message: &str| {
        let number = number.to_string();
        xml(helios::xml("transaction", &[("idRetour", &number), ("resultat", result), ("message", message)]))
    };
    let Some(asked) = asked(&app, request).await else { return answer(0, "KO", UNKNOWN) };
    let (caller, number) = (&asked.account.caller, asked.form.number("id"));
    if !asked.may(&[Scope::Deposit, Scope::Archivist]) {
        return answer(number, "KO", DENIED);
    }
    match find(&app, caller, number, Direction::Retour).await {
        Ok(row) if row.state() == READ => answer(number, "OK", "Fichier déjà marqué comme lu"),
        Ok(_) => match say(&app, caller, number, READ, "Fichier lu").await {
            Ok(()) => answer(number, "OK", "Changement de statut réussi"),
            Err(problem) => answer(number, "KO", &problem.detail),
        },
        Err(why) => answer(number, "KO", why.words(WRONG_NUMBER)),
    }
}

async fn say(app: &App, caller: &Caller, number: u64, state: i8, message: &str) -> Result<(), Problem> {
    let body = package::Transmission { transaction: Some(number), state, message: message.to_owned(), flow: None };
    super::record(app, &caller.agency, &caller.actor, Vec::new(), body).await?;
    Ok(())
}

/// `list_pes_aller.php?status_id&offset&limit&min_date&max_date`: an archivist's.
pub(super) async fn list(State(app): State<App>, request: Request) -> Response {
    let error = |status, why: &str| with_status(json(format!("{{\"error\":{}}}", json_text(why))), status);
    let Some(asked) = asked(&app, request).await else { return error(StatusCode::UNAUTHORIZED, UNKNOWN) };
    if !asked.may(&[Scope::Archivist]) {
        return error(StatusCode::BAD_REQUEST, "L'utilisateur n'est pas archiviste");
    }
    let form = &asked.form;
    let status = form.get("status_id").and_then(|text| text.trim().parse::<i8>().ok()).unwrap_or(0);
    let limit = if form.get("limit").is_some() { form.number("limit").min(LIST_MAX) } else { 100 };
    let offset = form.number("offset");
    let day = |name: &str| form.get(name).and_then(|text| parse_date(text.get(..10)?));
    let start = |day: time::Date| u64::try_from(day.midnight().assume_utc().unix_timestamp()).unwrap_or(0) * 1_000;
    let listing = Listing::State {
        direction: Direction::Aller,
        state: status,
        offset: usize::try_from(offset).unwrap_or(usize::MAX),
        limit: usize::try_from(limit).unwrap_or(usize::MAX),
        from_ms: day("min_date").map_or(0, start),
        to_ms: day("max_date").and_then(time::Date::next_day).map_or(u64::MAX, |day| start(day).saturating_sub(1)),
    };
    let agency = asked.account.caller.agency.clone();
    let (catalog, whose) = (app.catalog.clone(), agency.clone());
    let found = tokio::task::spawn_blocking(move || catalog.transmissions(&whose, &listing)).await;
    let Some(rows) = found.ok().and_then(Result::ok) else {
        return error(StatusCode::INTERNAL_SERVER_ERROR, STATE_UNREADABLE);
    };
    let rows: Vec<_> = rows.iter().map(|row| format!("{{\"id\":\"{}\"}}", row.number)).collect();
    json(format!(
        "{{\"status_id\":\"{status}\",\"authority_id\":{},\"offset\":\"{offset}\",\"limit\":\"{limit}\",\"transactions\":[{}]}}",
        json_text(&agency),
        rows.join(",")
    ))
}

/// `helios_transac_change_status_sae.php`: what the archive made of it, by an archivist.
pub(super) async fn change_archive_state(State(app): State<App>, request: Request) -> Response {
    let error = |why: &str| json(format!("{{\"status\":\"error\",\"error-message\":{}}}", json_text(why)));
    let Some(asked) = asked(&app, request).await else { return error(UNKNOWN) };
    let caller = &asked.account.caller;
    if !asked.may(&[Scope::Archivist]) {
        return error(DENIED);
    }
    let number = asked.form.number("transaction_id");
    if number == 0 {
        return error("transaction_id incorrect");
    }
    // Two changes of one transmission take turns: the second sees the state that the first left.
    let key = crate::admission::key_hash(&caller.agency, &format!("helios-state\0{number}"));
    let _turn = app.in_flight.turn(key).await;
    let row = match find(&app, caller, number, Direction::Aller).await {
        Ok(row) => row,
        Err(why) => return error(why.words(DENIED)),
    };
    let wanted = asked.form.get("status_id").and_then(|text| text.trim().parse().ok()).and_then(Reached::of_code);
    let now = Reached::of_code(row.state());
    let Some(wanted) = wanted.filter(|wanted| now.is_some_and(|now| now.archivist_may(*wanted))) else {
        return error("Impossible de changer le status de la transaction");
    };
    let message = format!("Changement de statut par l'archiviste : {}", wanted.label());
    match say(&app, caller, number, wanted.code(), &message).await {
        Ok(()) => json(format!(
            "{{\"status\":\"ok\",\"message\":{}}}",
            json_text("Le status de la transaction a été modifiée")
        )),
        Err(problem) => error(&problem.detail),
    }
}
