//! Trusted lists fetched again at intervals: the lists of lists that were named, then the national lists they point to.

use super::{Cache, Client};
use crate::spec::tsl::{LIST_OF_LISTS, Pointer};
use crate::validation::lists::{ListRefusal, Lists};
use reqwest::Url;
use time::OffsetDateTime;

/// The longest list read, in bytes.
const LIST_BYTES_MAX: usize = 40 << 20;
/// The most lists fetched in one pass.
const LISTS_MAX: usize = 100;

/// What to fetch.
#[derive(Debug, Clone)]
pub struct Refresh {
    /// Where the lists of lists are, or lists without one.
    pub urls: Vec<String>,
    /// The territories whose lists are wanted; none means all.
    pub territories: Vec<String>,
}

/// What a pass found.
#[derive(Debug, Default)]
pub struct Found {
    /// Lists accepted that were not held before: how many.
    pub accepted: usize,
    /// What was refused or not reached, in French.
    pub refused: Vec<String>,
}

impl Refresh {
    /// Takes in what an earlier run fetched, so that a restart needs no network. What has become unacceptable is left out.
    pub fn resume(&self, cache: &Cache, lists: &mut Lists) -> Found {
        let mut found = Found::default();
        for url in &self.urls {
            if let Some(xml) = cache.get(&key(url)) {
                found.note(url, accept(lists, &xml, None, None));
            }
        }
        for pointer in self.pointers(lists) {
            if let Some(xml) = cache.get(&key(&pointer.location)) {
                found.note(&pointer.location, accept(lists, &xml, Some(&pointer.territory), None));
            }
        }
        found
    }

    /// Fetches every list wanted, and accepts what it may into `lists`. A list that cannot be reached or accepted leaves the
    /// one held in place.
    pub async fn pass(&self, client: &Client, cache: &Cache, lists: &mut Lists, now: OffsetDateTime) -> Found {
        let mut found = Found::default();
        for url in &self.urls {
            let accepted = fetch(client, cache, lists, url, None, now).await;
            found.note(url, accepted);
        }
        for pointer in self.pointers(lists).into_iter().take(LISTS_MAX) {
            let accepted = fetch(client, cache, lists, &pointer.location, Some(&pointer.territory), now).await;
            found.note(&pointer.location, accepted);
        }
        found
    }

    /// The national lists, in XML, that the lists of lists held point to.
    fn pointers(&self, lists: &Lists) -> Vec<Pointer> {
        let wanted = |pointer: &&Pointer| {
            let national = pointer.kind != LIST_OF_LISTS;
            let xml = pointer.media_type.is_empty() || pointer.media_type.to_ascii_lowercase().contains("xml");
            let named = self.territories.is_empty()
                || self.territories.iter().any(|territory| territory.eq_ignore_ascii_case(&pointer.territory));
            national && xml && named
        };
        let lists = lists.all().iter().filter(|list| list.kind == LIST_OF_LISTS);
        lists.flat_map(|list| &list.pointers).filter(wanted).cloned().collect()
    }
}

impl Found {
    fn note(&mut self, url: &str, accepted: Result<bool, String>) {
        match accepted {
            Ok(new) => self.accepted += usize::from(new),
            Err(why) => self.refused.push(format!("{url} : {why}")),
        }
    }
}

async fn fetch(
    client: &Client,
    cache: &Cache,
    lists: &mut Lists,
    url: &str,
    territory: Option<&str>,
    now: OffsetDateTime,
) -> Result<bool, String> {
    let parsed = Url::parse(url).map_err(|error| error.to_string())?;
    let xml = client.fetch(&parsed, None, LIST_BYTES_MAX).await?;
    let new = accept(lists, &xml, territory, Some(now))?;
    if new {
        cache.put(&key(url), &xml).map_err(|error| error.to_string())?;
    }
    Ok(new)
}

/// Accepts a list into those held; whether it is a new one. One that is overdue at `now` is refused.
fn accept(lists: &mut Lists, xml: &[u8], territory: Option<&str>, now: Option<OffsetDateTime>) -> Result<bool, String> {
    if lists.holds(xml) {
        return Ok(false);
    }
    let mut tried = lists.clone();
    let list = tried.accept(xml, territory).map_err(|error| error.to_string())?;
    if let Some(next) = list.next_update.filter(|next| now.is_some_and(|now| *next < now)) {
        return Err(ListRefusal::Stale(next).to_string());
    }
    *lists = tried;
    Ok(true)
}

fn key(url: &str) -> String {
    format!("liste {url}")
}
