//! Drafts to archives, by the path of every deposit: links that must be known, identifiers archived before, versions.

use super::bids::{self, Stamped};
use super::receive::Held;
use crate::admission::{Metadata, key_hash, parse_date};
use crate::api::auth::Caller;
use crate::api::problem::Problem;
use crate::api::services::App;
use crate::api::source::Document;
use crate::api::{deposits, receipts};
use crate::digest::One;
use crate::package::{Link, Record, term};
use crate::producer::profile::{Content, Draft, DraftLink, Duplicates, Loaded, Refusal, Refusals, Severity};
use crate::receipt::Receipt;
use crate::search::{Audience, Hit, Order, Query};
use axum::body::Body;
use std::collections::BTreeSet;
use std::io::Read as _;
use std::time::Duration;
use tokio::time::timeout;
use tokio_util::io::ReaderStream;

/// How long is waited for this node's views: what comes next is looked up in them.
const FOLLOW_MAX: Duration = Duration::from_secs(10);
/// Between two looks at them.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// An archive made.
pub(super) struct Archived {
    pub(super) receipt: Receipt,
    pub(super) external_id: Option<String>,
    pub(super) title: String,
    /// Not archived before.
    pub(super) fresh: bool,
    pub(super) warnings: Vec<String>,
    /// When, against its deadline.
    pub(super) stamped: Option<Stamped>,
}

/// Archives drafts; nothing is, when one of them must not be.
pub(super) async fn archive(
    app: &App,
    caller: &Caller,
    loaded: &Loaded,
    held: Held,
) -> Result<Result<Vec<Archived>, Refusals>, Problem> {
    let Held { mut drafts, received } = held;
    // Sendings of one profile and agency take turns where what was archived before matters.
    let watched = loaded.profile.duplicates != Duplicates::Admettre || drafts.iter().any(|d| !d.links.is_empty());
    let _turn = if watched {
        let key = key_hash(&caller.agency, &format!("producer\0{}", loaded.profile.code));
        Some(app.in_flight.turn(key).await)
    } else {
        None
    };
    let (mut refusals, mut prior) = (Refusals::default(), Vec::with_capacity(drafts.len()));
    known_links(app, caller, loaded, &mut drafts, &mut refusals).await?;
    for (draft, n) in drafts.iter().zip(1usize..) {
        if let Some(refusal) = bids::undated(loaded, draft) {
            refusals.push(refusal.at(format!("dépôt {n}")));
        }
        let key = content_key(&loaded.profile.code, draft).await?;
        let before = before(app, &caller.agency, &key).await?;
        if before.is_none()
            && loaded.profile.duplicates == Duplicates::Refuser
            && same_identifier(app, caller, loaded, draft).await?.is_some()
        {
            let detail = "cet identifiant a déjà été archivé, avec un autre contenu";
            let refusal = Refusal::new("producer-duplicate", detail).at(format!("dépôt {n}"));
            refusals.push(refusal.by("doublons"));
        }
        prior.push((key, before));
    }
    if !refusals.is_empty() {
        return Ok(Err(refusals));
    }
    let (mut archived, mut last) = (Vec::with_capacity(drafts.len()), None);
    for (draft, (key, before)) in drafts.into_iter().zip(prior) {
        let one = one(app, caller, loaded, draft, &key, before).await?;
        last = last.max(one.fresh.then_some(one.receipt.index));
        archived.push(one);
    }
    drop(received);
    if let Some(index) = last.filter(|_| watched) {
        // The turn is not given up before the look-up view shows what was archived: the next sending looks there.
        shown(app, caller, index).await?;
    }
    Ok(Ok(archived))
}

/// Waits until the look-up view shows an entry of the log.
async fn shown(app: &App, caller: &Caller, index: u64) -> Result<(), Problem> {
    let query = Query {
        order: Order::NewestFirst,
        limit: 1,
        after: index.checked_add(1),
        ..Query::new(Audience::Agency(caller.agency.clone()))
    };
    let looking = async {
        loop {
            let (app, query) = (app.clone(), query.clone());
            let found = tokio::task::spawn_blocking(move || app.search.find(&query)).await;
            let page = found.map_err(|error| Problem::internal(&error))?.map_err(|error| Problem::internal(&error))?;
            if page.hits.first().is_some_and(|hit| hit.index == index) {
                return Ok(());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    timeout(FOLLOW_MAX, looking).await.map_err(|_| Problem::outcome_unknown())?
}

async fn one(
    app: &App,
    caller: &Caller,
    loaded: &Loaded,
    mut draft: Draft,
    key: &str,
    before: Option<u64>,
) -> Result<Archived, Problem> {
    if let Some(index) = before {
        let receipt = receipts::load(app, index).await?;
        let mut warnings = draft.produced.warnings;
        let stamped = bids::stamped(loaded, &receipt, &mut warnings);
        let (external_id, title) = (draft.external_id, draft.title);
        return Ok(Archived { receipt, external_id, title, fresh: false, warnings, stamped });
    }
    if loaded.profile.duplicates == Duplicates::Version {
        version(app, caller, loaded, &mut draft).await?;
    }
    bids::flag(loaded, &mut draft, app.clock.now());
    draft.produced.access_until = access_until(app, &draft);
    let (external_id, title) = (draft.external_id.clone(), draft.title.clone());
    let mut warnings = draft.produced.warnings.clone();
    let links = draft.links.into_iter().map(|link| Link { relation: link.relation, target: link.target });
    let metadata = Metadata {
        title: draft.title,
        document_type: draft.document_type,
        rule: draft.rule,
        external_id: draft.external_id,
        description: draft.description,
        dates: draft.dates,
        agents: draft.agents,
        links: links.collect(),
        produced: Some(Box::new(draft.produced)),
        ..Metadata::default()
    };
    let mut documents = Vec::with_capacity(draft.payloads.len());
    for payload in draft.payloads {
        let content = match payload.content {
            Content::Bytes(bytes) => Body::from(bytes),
            Content::File(path) => {
                let file = tokio::fs::File::open(path).await.map_err(|error| Problem::internal(&error))?;
                Body::from_stream(ReaderStream::with_capacity(file, 1 << 18))
            }
        };
        documents.push(Document { name: payload.name, content });
    }
    let (status, receipt) = deposits::deposit(app, caller, metadata, Some(key), documents).await?;
    let fresh = status == axum::http::StatusCode::CREATED;
    let stamped = bids::stamped(loaded, &receipt, &mut warnings);
    Ok(Archived { receipt, external_id, title, fresh, warnings, stamped })
}

/// When others than the producer may read a draft's documents: years after the latest of its dates, or after today.
fn access_until(app: &App, draft: &Draft) -> Option<String> {
    let years = app.policies.access(draft.produced.access.as_deref()?)?.years?;
    let dates = [&draft.dates.created, &draft.dates.start, &draft.dates.end];
    let latest = dates.into_iter().flatten().filter_map(|text| parse_date(text)).max();
    let from = latest.unwrap_or_else(|| app.clock.now().date());
    let year = from.year().saturating_add(i32::from(years));
    // The 29th of February ends on the 28th where there is none.
    let end = from.replace_year(year).or_else(|_| from.replace_day(28).and_then(|day| day.replace_year(year)));
    end.ok().map(|end| end.to_string())
}

/// The idempotency key of a draft: what it says and the digests of its documents.
async fn content_key(profile: &str, draft: &Draft) -> Result<String, Problem> {
    let (profile, draft) = (profile.to_owned(), draft.clone());
    let digesting = tokio::task::spawn_blocking(move || -> std::io::Result<String> {
        let mut digest = One::sha256();
        digest.update(draft.title.as_bytes());
        digest.update(draft.document_type.as_bytes());
        digest.update(draft.external_id.as_deref().unwrap_or_default().as_bytes());
        // Without what depends on the version of the profile: the same sending is the same archive after a change of it.
        digest.update(serde_json::to_string(&draft.produced.fields).unwrap_or_default().as_bytes());
        for payload in &draft.payloads {
            digest.update(payload.name.as_bytes());
            digest.update(&[0]);
            match &payload.content {
                Content::Bytes(bytes) => digest.update(bytes),
                Content::File(path) => {
                    let (mut file, mut buffer) = (std::fs::File::open(path)?, vec![0; 1 << 16]);
                    loop {
                        let count = file.read(&mut buffer)?;
                        if count == 0 {
                            break;
                        }
                        digest.update(&buffer[..count]);
                    }
                }
            }
        }
        let digest: [u8; 32] = digest.finish();
        Ok(format!("producer-{profile}-{}", hex::encode(digest)))
    });
    digesting.await.map_err(|error| Problem::internal(&error))?.map_err(|error| Problem::internal(&error))
}

/// Where a deposit with this key already is.
pub(super) async fn before(app: &App, agency: &str, key: &str) -> Result<Option<u64>, Problem> {
    let key = key_hash(agency, key);
    let turn = app.in_flight.turn(key).await;
    Ok(deposits::earlier(app, agency, key, &turn).await?.map(|earlier| earlier.index))
}

/// The latest archive with a producer's identifier, of this profile.
pub(super) async fn latest(app: &App, agency: &str, profile: &str, id: &str) -> Result<Option<Hit>, Problem> {
    let query = Query {
        external_id: Some(id.to_owned()),
        terms: vec![term("profil", profile)],
        order: Order::NewestFirst,
        limit: 1,
        ..Query::new(Audience::Agency(agency.to_owned()))
    };
    let app = app.clone();
    // The index reads the disk.
    let found = tokio::task::spawn_blocking(move || app.search.find(&query)).await;
    let page = found.map_err(|error| Problem::internal(&error))?.map_err(|error| Problem::internal(&error))?;
    Ok(page.hits.into_iter().next())
}

async fn same_identifier(app: &App, caller: &Caller, loaded: &Loaded, draft: &Draft) -> Result<Option<Hit>, Problem> {
    match &draft.external_id {
        Some(id) => latest(app, &caller.agency, &loaded.profile.code, id).await,
        None => Ok(None),
    }
}

/// A new version says which archive it replaces, and counts.
async fn version(app: &App, caller: &Caller, loaded: &Loaded, draft: &mut Draft) -> Result<(), Problem> {
    let mut number = 1u64;
    if let Some(hit) = same_identifier(app, caller, loaded, draft).await? {
        let bytes = app.log.record(hit.index, app.log_size()).await?.ok_or_else(Problem::not_found)?;
        let record = Record::parse(&bytes).map_err(|error| Problem::internal(&error))?;
        let produced = record.deposit().and_then(|deposit| deposit.produced.as_ref());
        let former = produced.and_then(|produced| produced.fields.get("version")?.parse::<u64>().ok()).unwrap_or(1);
        number = former.saturating_add(1);
        let target = app.ark(hit.index).to_string();
        let (relation, location) = ("replaces".to_owned(), String::new());
        draft.links.push(DraftLink {
            relation,
            target,
            profile: None,
            known: None,
            location,
            digest: None,
            after: None,
        });
    }
    draft.produced.fields.insert("version".to_owned(), number.to_string());
    Ok(())
}

/// Links whose target must be known: in this sending, or archived before.
async fn known_links(
    app: &App,
    caller: &Caller,
    loaded: &Loaded,
    drafts: &mut [Draft],
    refusals: &mut Refusals,
) -> Result<(), Problem> {
    let own: BTreeSet<String> = drafts.iter().filter_map(|draft| draft.external_id.clone()).collect();
    for (draft, n) in drafts.iter_mut().zip(1usize..) {
        for link in &draft.links {
            let profile = link.profile.as_ref().unwrap_or(&loaded.profile.code);
            let here = *profile == loaded.profile.code && own.contains(&link.target);
            let Some(severity) = link.known.filter(|_| !here) else { continue };
            if let Some(hit) = latest(app, &caller.agency, profile, &link.target).await? {
                let told = bids::target(app, link, hit.index).await?;
                draft.produced.warnings.extend(told.kept);
                told.refusals.into_iter().for_each(|refusal| refusals.push(refusal));
                continue;
            }
            let refusal = Refusal::new("producer-link-unknown", "aucun dépôt de ce producteur n'a cet identifiant");
            let refusal = refusal.at(format!("{} (dépôt {n})", link.location)).by("lien.connu");
            match severity {
                Severity::Refuser => refusals.push(refusal),
                Severity::Avertir => draft.produced.warnings.push(refusal.to_string()),
            }
        }
    }
    Ok(())
}
