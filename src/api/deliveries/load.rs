//! The archives of a request: found by their identifiers, with the units within them, as far as the caller may see.

use super::super::auth::Caller;
use super::super::code::Code;
use super::super::identifier::Found;
use super::super::problem::Problem;
use super::super::services::App;
use crate::catalog::Standing;
use crate::dissemination::{Archived, EXPORTED_MAX, rights};
use crate::package::{Ark, Deposit, Payload, Record};
use crate::search::{Audience, PAGE_HITS_MAX, Query};
use futures::{StreamExt, TryStreamExt, stream};
use std::collections::{BTreeMap, BTreeSet};

/// The longest description of a unit, in bytes.
const FRAGMENT_BYTES_MAX: u64 = 16 << 20;

/// The archives asked for; with `descendants`, the units within them too.
pub(in crate::api) async fn asked(
    app: &App,
    caller: &Caller,
    identifiers: &[String],
    descendants: bool,
) -> Result<Vec<Archived>, Problem> {
    if identifiers.is_empty() {
        let detail = "Donnez au moins une archive.";
        return Err(Problem::request("/archives", detail, "Give at least one archive."));
    }
    let mut indexes = BTreeSet::new();
    let mut operations: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for identifier in identifiers.iter().take(EXPORTED_MAX + 1) {
        let ark: Ark = identifier.trim().parse().map_err(|_| unknown(identifier))?;
        if ark.naan() != app.archive.naan || ark.log() != app.archive.log {
            return Err(unknown(identifier));
        }
        let found = record(app, ark.index()).await?.filter(|(record, _)| caller.sees(&record.agency));
        let Some((record, deposit)) = found else { return Err(unknown(identifier)) };
        if let Some(transfer) = &deposit.transfer {
            // All its units: what is within nobody's identifier is within the transfer's.
            operations.entry((record.agency, transfer.operation.clone())).or_default().insert(String::new());
            continue;
        }
        indexes.insert(ark.index());
        if let Some(unit) = deposit.unit.filter(|_| descendants) {
            operations.entry((record.agency, unit.transfer)).or_default().insert(unit.id);
        }
    }
    for ((agency, operation), tops) in operations {
        indexes.extend(within(app, &agency, &operation, tops).await?);
    }
    load(app, indexes).await
}

/// Whether the documents of an archive may be read: they are there, and whoever is not of its agency waits for the end of
/// its access rules, as with a delivery. Where no rule is known, an auditor reads.
pub(in crate::api) async fn readable(app: &App, caller: &Caller, found: &Found) -> Result<(), Problem> {
    let standing = standing(app, found.index).await?;
    if standing.eliminated.is_some() {
        return Err(eliminated());
    }
    let Some(deposit) = found.record.deposit().filter(|_| caller.agency != found.record.agency) else {
        return Ok(());
    };
    let archive = Archived {
        ark: app.ark(found.index).to_string(),
        agency: found.record.agency.clone(),
        deposit: deposit.clone(),
        rules: standing.rules,
        ..Archived::default()
    };
    match rights::withheld(&archive, &caller.agency, app.clock.now().date()).filter(|kept| kept.rule.is_some()) {
        None => Ok(()),
        Some(kept) => Err(Problem::new(
            Code::NotCommunicable,
            format!("Pas encore communicable à un autre service : {kept}. Demandez-la (/v1/deliveries)."),
            "Not communicable to another agency yet: ask for it (/v1/deliveries).",
        )),
    }
}

/// Those that were not eliminated.
pub(in crate::api) fn present(mut archives: Vec<Archived>) -> Result<Vec<Archived>, Problem> {
    archives.retain(|archive| !archive.eliminated);
    if archives.is_empty() { Err(eliminated()) } else { Ok(archives) }
}

/// The answer about an archive whose documents are no more.
pub(in crate::api) fn eliminated() -> Problem {
    Problem::new(
        Code::Eliminated,
        "Archive éliminée : ses documents ont été détruits, son enregistrement et sa preuve restent.",
        "Eliminated: its documents were destroyed, its record and its proof remain.",
    )
}

/// The archives of a request made before, from the list it kept.
pub(in crate::api) async fn again(app: &App, payloads: &[Payload]) -> Result<Vec<Archived>, Problem> {
    let list = payloads.first().ok_or_else(Problem::not_found)?;
    let text = String::from_utf8(app.read_payload(list).await?).map_err(|e| Problem::internal(&e))?;
    let indexes = text.lines().filter_map(|line| line.parse::<Ark>().ok()).map(|ark| ark.index());
    load(app, indexes.collect()).await
}

/// The units within those given, wherever their transfer put them.
pub(in crate::api) async fn below(app: &App, archives: &[Archived]) -> Result<BTreeSet<u64>, Problem> {
    let mut operations: BTreeMap<(&str, &str), BTreeSet<String>> = BTreeMap::new();
    for archive in archives {
        if let Some(unit) = &archive.deposit.unit {
            operations.entry((&archive.agency, &unit.transfer)).or_default().insert(unit.id.clone());
        }
    }
    let mut found = BTreeSet::new();
    for ((agency, operation), tops) in operations {
        for index in within(app, agency, operation, tops).await? {
            if standing(app, index).await?.eliminated.is_none() {
                found.insert(index);
            }
        }
    }
    Ok(found)
}

/// The units of an operation that are `tops` or within them.
async fn within(app: &App, agency: &str, operation: &str, mut tops: BTreeSet<String>) -> Result<Vec<u64>, Problem> {
    let mut units = Vec::new();
    let mut after = None;
    loop {
        let query = Query {
            operation: Some(operation.to_owned()),
            after,
            limit: PAGE_HITS_MAX,
            ..Query::new(Audience::Agency(agency.to_owned()))
        };
        let searching = app.clone();
        let page = tokio::task::spawn_blocking(move || searching.search.find(&query)).await;
        let page = page.map_err(|e| Problem::internal(&e))?.map_err(|e| Problem::internal(&e))?;
        for hit in &page.hits {
            if let Some((_, Deposit { unit: Some(unit), .. })) = record(app, hit.index).await? {
                units.push((hit.index, unit.id, unit.parents, unit.attached_to.is_empty()));
            }
        }
        after = page.next;
        if after.is_none() || units.len() > EXPORTED_MAX {
            break;
        }
    }
    // The whole transfer when its own identifier was given.
    let all = tops.contains("");
    // Parents may come after their children: until nothing more is found.
    let mut grown = true;
    while grown && !all {
        let before = tops.len();
        let found: Vec<String> = units
            .iter()
            .filter(|(_, _, parents, _)| parents.iter().any(|parent| tops.contains(parent)))
            .map(|(_, id, ..)| id.clone())
            .collect();
        tops.extend(found);
        grown = tops.len() > before;
    }
    Ok(units.into_iter().filter(|(_, id, ..)| all || tops.contains(id)).map(|(index, ..)| index).collect())
}

async fn load(app: &App, indexes: BTreeSet<u64>) -> Result<Vec<Archived>, Problem> {
    if indexes.len() > EXPORTED_MAX {
        let detail = format!("Plus de {EXPORTED_MAX} archives à la fois : demandez-les en plusieurs fois.");
        return Err(Problem::request("/archives", detail, format!("More than {EXPORTED_MAX} archives at once.")));
    }
    // In order, a few at a time: each may be a read of the bucket.
    stream::iter(indexes).map(|index| one(app, index)).buffered(8).try_collect().await
}

async fn one(app: &App, index: u64) -> Result<Archived, Problem> {
    let (record, mut deposit) = record(app, index).await?.ok_or_else(Problem::not_found)?;
    let standing = standing(app, index).await?;
    if let Some(title) = &standing.title {
        deposit.title.clone_from(title);
    }
    if let (Some(rules), Some(unit)) = (&standing.rules, &mut deposit.unit) {
        unit.rules.clone_from(rules);
    }
    let mut fragment = None;
    if deposit.unit.is_some()
        && standing.eliminated.is_none()
        && let Some(payload) = deposit.payloads.first().filter(|payload| payload.size_bytes <= FRAGMENT_BYTES_MAX)
    {
        fragment = Some(app.read_payload(payload).await?);
    }
    deposit.links.clear();
    Ok(Archived {
        ark: app.ark(index).to_string(),
        index,
        agency: record.agency,
        time: record.time,
        deposit,
        fragment,
        title: standing.title,
        rules: standing.rules,
        eliminated: standing.eliminated.is_some(),
    })
}

/// What became of an archive since its deposit.
pub(in crate::api) async fn standing(app: &App, index: u64) -> Result<Standing, Problem> {
    let reading = app.clone();
    let read = tokio::task::spawn_blocking(move || reading.catalog.standing(index)).await;
    Ok(read.map_err(|e| Problem::internal(&e))?.map_err(|e| Problem::internal(&e))?.unwrap_or_default())
}

async fn record(app: &App, index: u64) -> Result<Option<(Record, Deposit)>, Problem> {
    let Some(bytes) = app.log.record(index, app.log_size()).await? else { return Ok(None) };
    let record = Record::parse(&bytes).map_err(|e| Problem::internal(&e))?;
    let deposit = record.deposit().cloned();
    Ok(deposit.map(|deposit| (record, deposit)))
}

fn unknown(identifier: &str) -> Problem {
    let shown: String = identifier.chars().filter(|c| !c.is_control()).take(80).collect();
    Problem::new(
        Code::NotFound,
        format!("« {shown} » n'est pas une archive de votre organisme."),
        format!("\"{shown}\" is not an archive of your agency."),
    )
    .at("/archives")
}
