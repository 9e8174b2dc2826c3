//! `POST /v1/archives/{id}/modifications`: another title, other rules. The record of the deposit never changes: the change is
//! a record of its own, with the notification to the originating agency (`ArchiveModificationNotification`).

use super::admin::{check_text, committed_and_followed, record_with};
use super::auth::Caller;
use super::deliveries::load;
use super::identifier::Identified;
use super::problem::Problem;
use super::requests::{self, json, second, whole, written};
use super::services::App;
use crate::admission::{Policies, parse_date};
use crate::package::{AppliedRule, Body as RecordBody, Modified, Scope};
use crate::spec::seda::manifest::Kind as RuleKind;
use crate::spec::seda::write::{Kind, Outgoing, Party};
use crate::transfer::check::end;
use crate::transfer::referentials::Referentials;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

/// The most rules of an archive: they are in one record.
const RULES_MAX: usize = 100;

/// The longest title, in characters.
const TITLE_CHARS_MAX: usize = 500;

/// What changes.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ModificationRequest {
    /// The title from now on.
    title: Option<String>,
    /// Every rule that applies from now on, in place of those of before; units below keep theirs.
    rules: Option<Vec<RuleRequest>>,
    /// Why.
    reason: String,
    /// Version of SEDA of the notification: `2.1`, `2.2` (default) or `2.3`.
    version: Option<String>,
}

/// A rule of an archive.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleRequest {
    /// `AppraisalRule`, `AccessRule`, `HoldRule`…
    category: String,
    /// Its identifier in the reference data, or in the retention schedule.
    rule: String,
    /// From when it runs, `YYYY-MM-DD`.
    start: Option<String>,
    /// When it ends: for a rule without a duration of its own.
    end: Option<String>,
    /// `Keep` or `Destroy` for an appraisal rule; `Transfer`, `Copy` or `RestrictAccess` for a storage rule.
    final_action: Option<String>,
}

/// An archive as it stands after a change.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ModificationDocument {
    /// The archive.
    archive: String,
    /// The record of the change; its payload 0 is the notification.
    record: String,
    /// The title.
    title: String,
    /// The rules, when they were ever changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    rules: Option<Vec<AppliedRule>>,
}

/// Changes the title or the rules of an archive.
#[utoipa::path(
    post, path = "/v1/archives/{id}/modifications", tag = "archives", request_body = ModificationRequest,
    params(("id" = String, Path, description = "ARK (percent-encoded) or its name part.")),
    responses(
        (status = 201, description = "Recorded; the originating agency's notification is payload 0 of the record.", body = ModificationDocument),
        (status = "4XX", body = super::openapi::Problem, content_type = "application/problem+json", description = "Refused."),
    ),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn modify(
    State(app): State<App>,
    caller: Caller,
    id: Identified,
    body: Body,
) -> Result<(StatusCode, axum::Json<ModificationDocument>), Problem> {
    caller.require(&[Scope::Archivist, Scope::Admin])?;
    let asked: ModificationRequest = json(&whole(&app, body).await?)?;
    check(&asked)?;
    let version = requests::version(asked.version.as_deref())?;
    let referentials = app.referentials().await?;
    let rules = asked.rules.as_deref().map(|rules| computed(rules, &referentials, &app.policies)).transpose()?;
    // What an elimination checked holds until it is recorded.
    let _turn = app.standing.lock().await;
    let ark = app.ark(id.index).to_string();
    let mut archives = load::present(load::asked(&app, &caller, std::slice::from_ref(&ark), false).await?)?;
    // The identifier of a transfer stands for its units: its messages do not change.
    let archive = archives.pop().filter(|archive| archive.index == id.index).ok_or_else(Problem::not_found)?;
    let unit = archive.deposit.unit.as_ref();
    let producer = unit.and_then(|unit| unit.originating_agency.clone()).unwrap_or_else(|| archive.agency.clone());
    let message = Outgoing {
        comment: Some(asked.reason.clone()),
        date: second(app.clock.now()),
        identifier: format!("MODIFICATION-{}", uuid::Uuid::now_v7()),
        unit_identifiers: vec![ark.clone()],
        archives: Party { identifier: app.identifier.clone() },
        other: Party { identifier: producer },
        ..Outgoing::default()
    };
    let text = written(Kind::ArchiveModificationNotification, version, &message)?;
    let notification = app.keep(&archive.agency, "notification.xml", "application/xml", text.into()).await?;
    let modified = Modified {
        archive: id.index,
        title: asked.title.clone(),
        rules,
        reason: asked.reason,
        payloads: vec![notification],
    };
    let body = RecordBody::Modified(Box::new(modified));
    let record = record_with(&archive.agency, &caller.actor, vec![ark.clone()], body, app.clock.now())?;
    let index = committed_and_followed(&app, record).await?;
    let standing = load::standing(&app, id.index).await?;
    let document = ModificationDocument {
        archive: ark,
        record: app.ark(index).to_string(),
        title: standing.title.unwrap_or(archive.deposit.title),
        rules: standing.rules,
    };
    Ok((StatusCode::CREATED, axum::Json(document)))
}

fn check(asked: &ModificationRequest) -> Result<(), Problem> {
    check_text("/reason", &asked.reason, true)?;
    if asked.title.is_none() && asked.rules.is_none() {
        let detail = "Donnez un intitulé ou des règles.";
        return Err(Problem::request("", detail, "Give a title or rules."));
    }
    if let Some(title) = &asked.title
        && (title.trim().is_empty() || title.chars().count() > TITLE_CHARS_MAX || title.chars().any(char::is_control))
    {
        let detail = "De 1 à 500 caractères, sans caractère de commande.";
        return Err(Problem::request("/title", detail, "1 to 500 characters, no control characters."));
    }
    if asked.rules.as_ref().is_some_and(|rules| rules.len() > RULES_MAX) {
        let detail = format!("Plus de {RULES_MAX} règles.");
        return Err(Problem::request("/rules", detail, format!("More than {RULES_MAX} rules.")));
    }
    Ok(())
}

/// The rules as a record says them, their ends computed from the reference data.
fn computed(
    rules: &[RuleRequest],
    referentials: &Referentials,
    policies: &Policies,
) -> Result<Vec<AppliedRule>, Problem> {
    let one = |(n, rule): (usize, &RuleRequest)| {
        let wrong = |field: &str, detail: String| {
            Problem::request(&format!("/rules/{n}/{field}"), detail, "This rule cannot be applied.")
        };
        let kind = RuleKind::of_name(&rule.category)
            .ok_or_else(|| wrong("category", format!("« {} » n'est pas une sorte de règle.", rule.category)))?;
        for (field, date) in [("start", &rule.start), ("end", &rule.end)] {
            if date.as_deref().is_some_and(|date| parse_date(date).is_none()) {
                return Err(wrong(field, "date AAAA-MM-JJ attendue.".into()));
            }
        }
        let actions: &[&str] = match kind {
            RuleKind::Appraisal => &["Keep", "Destroy"],
            RuleKind::Storage => &["Transfer", "Copy", "RestrictAccess"],
            _ => &[],
        };
        if rule.final_action.as_deref().is_some_and(|action| !actions.contains(&action)) {
            return Err(wrong("final_action", format!("sort final attendu : {}.", actions.join(", "))));
        }
        let known = referentials.rules.as_ref().and_then(|rules| rules.get(&rule.rule));
        let end = match known {
            Some(known) if known.kind == kind => end(known, &rule.rule, rule.start.as_deref(), rule.end.as_deref())
                .map_err(|detail| wrong("rule", format!("{detail}.")))?
                .map(|end| end.to_string()),
            Some(known) => {
                let detail = format!("« {} » est une règle {}.", rule.rule, known.kind.name());
                return Err(wrong("rule", detail));
            }
            // The retention schedule names rules too: their end is then said, not computed.
            None if kind == RuleKind::Appraisal && policies.rule(&rule.rule).is_some() => rule.end.clone(),
            None => return Err(wrong("rule", format!("« {} » n'est pas dans le référentiel des règles.", rule.rule))),
        };
        Ok(AppliedRule {
            category: rule.category.clone(),
            rule: rule.rule.clone(),
            start: rule.start.clone(),
            end,
            final_action: rule.final_action.clone(),
            origin: None,
        })
    };
    rules.iter().enumerate().map(one).collect()
}
