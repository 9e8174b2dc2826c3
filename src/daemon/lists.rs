//! Keeps the trusted lists: archives each list accepted, once, as evidence of what validations relied on, and fetches them
//! again at intervals where the configuration says from whom.

use super::init::OPERATOR;
use crate::api::{App, Own, archive_own};
use crate::config::TrustFetch;
use crate::spec::tsl::TrustedList;
use crate::trust::Refresh;
use crate::validation::Rules;
use bytes::Bytes;
use std::time::Duration;
use tokio::time::sleep;

const ACTOR: &str = "system:trust";

/// Document types of an archived list, the preferred one first.
const TYPES: [&str; 3] = ["liste-de-confiance", "preuve", "document"];

/// Runs for ever: ended by whoever started it. Holds a way into the sequencer only while a list is archived.
pub(super) async fn keep(app: App, config: TrustFetch) {
    let refresh = Refresh { urls: config.lists.clone(), territories: config.territories.clone() };
    let fetching = app.fetcher.clone().filter(|_| !refresh.urls.is_empty());
    if let Some(fetcher) = &fetching {
        let rules = app.signatures.current();
        let mut lists = rules.trust.lists.clone();
        let found = refresh.resume(fetcher.cache(), &mut lists);
        told(&found.refused);
        put(&app, lists).await;
    } else {
        let lists = app.signatures.current().trust.lists.clone();
        put(&app, lists).await;
    }
    while let Some(fetcher) = &fetching {
        let mut lists = app.signatures.current().trust.lists.clone();
        let found = refresh.pass(fetcher.client(), fetcher.cache(), &mut lists, app.clock.now()).await;
        told(&found.refused);
        tracing::info!(accepted = found.accepted, held = lists.all().len(), "listes de confiance relues");
        put(&app, lists).await;
        sleep(Duration::from_secs(config.every_s)).await;
    }
}

fn told(refused: &[String]) {
    for refused in refused {
        tracing::warn!(%refused, "liste de confiance non retenue ; celle qui était tenue le reste");
    }
}

/// Archives the lists that are new, and puts them in force. A list that could not be archived is in force all the same:
/// it is tried again at the next start.
async fn put(app: &App, mut lists: crate::validation::lists::Lists) {
    for (list, bytes) in lists.take_new() {
        if let Err(problem) = archive(app, &list, Bytes::copy_from_slice(&bytes)).await {
            tracing::error!(territory = %list.territory, detail = %problem, "liste de confiance non archivée");
        }
    }
    let rules = app.signatures.current();
    let mut trust = rules.trust.clone();
    trust.lists = lists;
    app.signatures.replace(Rules { policy: rules.policy.clone(), trust });
}

async fn archive(app: &App, list: &TrustedList, content: Bytes) -> Result<(), String> {
    let title = format!("Liste de confiance {} n° {} du {}", list.territory, list.sequence, list.issued.date());
    let name = format!("liste-{}-{}.xml", list.territory, list.sequence);
    let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || "-.".contains(*c)).collect();
    let key = format!("liste-de-confiance {}", list.sha256);
    let own = Own { agency: OPERATOR, actor: ACTOR, title: &title, types: &TYPES, name: &name, content, key: &key };
    let (index, new) = archive_own(app, own).await.map_err(|problem| problem.detail)?;
    if new {
        tracing::info!(territory = %list.territory, sequence = list.sequence, index, "liste de confiance archivée");
    }
    Ok(())
}
