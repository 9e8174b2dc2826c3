//! Web captures: a WARC file or a WACZ package read to its last record, and the pages in it listed.
//!
//! What is archived is the capture as received, and `pages.csv`, made here: one line per page (HTML or PDF) with its URL,
//! its date and the record it is in.

mod pages;
mod wacz;

pub use pages::Pages;

use super::profile::{Content, Described, DraftPayload, Input, Refusal, Refusals, Severity, Web};
use crate::spec::warc::{self, Fault, Record, WarcError};
use crate::transfer::container::ContainerError;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Remarks kept; beyond, they are counted.
const REMARKS_MAX: usize = 20;
/// Hosts whose pages are counted; a capture of more is not one site's.
const HOSTS_MAX: usize = 10_000;
/// Longest text taken from a capture, in characters.
const CHARS_MAX: usize = 200;

/// Reads a capture; files are made in `folder`.
pub fn describe(path: &Path, folder: &Path, input: &Input, web: &Web) -> Result<Described, Refusals> {
    if let Some(file) = input.files.first() {
        let refusal = Refusal::new("producer-files", "ce profil reçoit un fichier, sans autre à côté");
        return Err(refusal.at(file.name.clone()).by("entree").into());
    }
    let unread = |error: std::io::Error| Refusals::from(Refusal::new("producer-syntax", error.to_string()));
    let mut start = Vec::new();
    File::open(path).and_then(|file| file.take(4).read_to_end(&mut start)).map_err(unread)?;
    let list = folder.join("pages.csv");
    let mut capture = Capture::new(Pages::create(&list).map_err(unread)?);
    let name = if start.starts_with(b"PK") {
        wacz::read(path, &mut capture)?;
        "capture.wacz"
    } else {
        let file = File::open(path).map_err(unread)?;
        capture.warc(file, "");
        if start.starts_with(&[0x1f, 0x8b]) { "capture.warc.gz" } else { "capture.warc" }
    };
    let value = capture.conclude(web).map_err(unread)?;
    let (refusals, mut warnings) = (std::mem::take(&mut capture.refusals), capture.remarks);
    if !refusals.is_empty() {
        return Err(refusals);
    }
    if capture.more_remarks > 0 {
        warnings.push(format!("et {} autres remarques", capture.more_remarks));
    }
    let payload =
        |name: &str, path: &Path| DraftPayload { name: name.to_owned(), content: Content::File(path.to_owned()) };
    let mut payloads = vec![payload(name, path)];
    if capture.pages_count > 0 {
        payloads.push(payload("pages.csv", &list));
    }
    Ok(Described { value, payloads, warnings })
}

/// What is known of a capture, as its records pass.
struct Capture {
    pages: Pages,
    pages_count: u64,
    records: u64,
    responses: u64,
    /// Records whose digests were checked.
    proven: u64,
    first: Option<String>,
    last: Option<String>,
    /// Of the software.
    info: BTreeMap<String, String>,
    /// Pages by host.
    hosts: BTreeMap<String, u64>,
    /// Host of the page the capture is about.
    site: Option<String>,
    /// The pages that a package says it has, and whether a record has them.
    listed: BTreeMap<String, bool>,
    refusals: Refusals,
    remarks: Vec<String>,
    more_remarks: usize,
}

impl Capture {
    fn new(pages: Pages) -> Self {
        Self {
            pages,
            pages_count: 0,
            records: 0,
            responses: 0,
            proven: 0,
            first: None,
            last: None,
            info: BTreeMap::new(),
            hosts: BTreeMap::new(),
            site: None,
            listed: BTreeMap::new(),
            refusals: Refusals::default(),
            remarks: Vec::new(),
            more_remarks: 0,
        }
    }

    /// Reads WARC records; `within` says of which file of a package.
    fn warc(&mut self, input: impl Read, within: &str) {
        let read = warc::check(input, &warc::Limits::default(), &mut |record| self.record(&record, within));
        if let Err(error) = read {
            let code = match error {
                WarcError::Bomb(_) | WarcError::TooLarge(_) | WarcError::TooMany(_) => "producer-zip-limits",
                WarcError::Cut { .. } | WarcError::Gzip { .. } => "producer-web-cut",
                _ => "producer-syntax",
            };
            let place = if within.is_empty() { "capture" } else { within };
            self.refusals.push(Refusal::new(code, error.to_string()).at(place).by("entree"));
        }
    }

    fn record(&mut self, record: &Record, within: &str) {
        self.records += 1;
        self.proven += u64::from(record.proven);
        let within = if within.is_empty() { String::new() } else { format!("{within}, ") };
        for fault in &record.faults {
            let place = format!("{within}enregistrement {}", record.number);
            if fault.is_grave() {
                let code =
                    if matches!(fault, Fault::Digest { .. }) { "digest-mismatch" } else { "producer-web-record" };
                self.refusals.push(Refusal::new(code, fault.to_string()).at(place).by("entree"));
            } else {
                self.remark(format!("{place} : {fault}"));
            }
        }
        if record.date.len() >= 10 {
            let date = &record.date;
            if self.first.as_ref().is_none_or(|first| date < first) {
                self.first = Some(date.clone());
            }
            if self.last.as_ref().is_none_or(|last| date > last) {
                self.last = Some(date.clone());
            }
        }
        for (name, value) in &record.info {
            self.info.entry(name.clone()).or_insert_with(|| value.chars().take(CHARS_MAX).collect());
        }
        if let Some(uri) = &record.uri
            && matches!(record.kind.as_str(), "response" | "resource" | "revisit")
        {
            self.answer(record, uri);
        }
    }

    fn answer(&mut self, record: &Record, uri: &str) {
        self.responses += 1;
        if let Some(found) = self.listed.get_mut(uri) {
            *found = true;
        }
        let kind = record.media_type.as_deref().unwrap_or_default();
        let is_page = matches!(kind, "text/html" | "application/xhtml+xml" | "application/pdf");
        let answered = record.status.is_none_or(|status| (200..300).contains(&status));
        if !is_page || !answered {
            return;
        }
        let Some(host) = host_of(uri) else { return };
        self.pages_count += 1;
        if self.site.is_none() {
            self.site = Some(host.clone());
        }
        if self.hosts.len() < HOSTS_MAX || self.hosts.contains_key(&host) {
            *self.hosts.entry(host).or_default() += 1;
        }
        self.pages.add(record, uri);
    }

    fn remark(&mut self, text: String) {
        if self.remarks.len() < REMARKS_MAX {
            self.remarks.push(text);
        } else {
            self.more_remarks += 1;
        }
    }

    /// What the whole says, once every record was seen.
    fn conclude(&mut self, web: &Web) -> std::io::Result<Value> {
        self.pages.end()?;
        if self.pages_count == 0 && self.refusals.is_empty() {
            let refusal = Refusal::new("producer-web-empty", "aucune page (HTML ou PDF) dans cette capture");
            self.refusals.push(refusal.at("capture").by("entree"));
        }
        self.foreign(web);
        let missing = self.listed.values().filter(|found| !**found).count();
        if missing > 0 {
            self.remark(format!("{missing} page(s) de pages.jsonl sans enregistrement dans la capture"));
        }
        let unproven = self.responses.saturating_sub(self.proven);
        if self.proven == 0 && self.responses > 0 {
            self.remark(
                "aucune empreinte dans cette capture : rien ne prouve qu'elle est celle du logiciel".to_owned(),
            );
        }
        let info = |name: &str| self.info.get(name).cloned();
        Ok(json!({
            "site": self.site,
            "debut": self.first,
            "fin": self.last,
            "enregistrements": self.records,
            "reponses": self.responses,
            "pages": self.pages_count,
            "hotes": self.hosts.len(),
            "sans_empreinte": unproven,
            "logiciel": info("software"),
            "operateur": info("operator"),
            "collection": info("ispartof"),
            "description": info("description"),
        }))
    }

    /// Pages of another site than the one the capture is about.
    fn foreign(&mut self, web: &Web) {
        let Some(site) = self.site.clone() else { return };
        let admitted =
            |host: &str| same_site(host, &site) || web.hosts.iter().any(|pattern| super::profile::glob(pattern, host));
        let foreign: Vec<(String, u64)> =
            self.hosts.iter().filter(|(host, _)| !admitted(host)).map(|(host, count)| (host.clone(), *count)).collect();
        for (host, count) in foreign {
            let detail = format!("{count} page(s) d'un autre hôte que « {site} » : {host}");
            match web.foreign_pages {
                Severity::Refuser => {
                    let refusal = Refusal::new("producer-web-foreign", detail);
                    self.refusals.push(refusal.at("capture").by("web.pages_etrangeres"));
                }
                Severity::Avertir => self.remark(detail),
            }
        }
    }
}

/// The host of an `http` or `https` address, in lower case.
fn host_of(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let fits = !host.is_empty() && host.len() <= 253 && host.bytes().all(|b| b.is_ascii_graphic());
    fits.then_some(host)
}

/// Whether a host is the site's, or one below it; `www.` makes no difference.
fn same_site(host: &str, site: &str) -> bool {
    let bare = |host: &str| host.strip_prefix("www.").unwrap_or(host).to_owned();
    let (host, site) = (bare(host), bare(site));
    host == site || host.strip_suffix(&site).is_some_and(|sub| sub.ends_with('.'))
}

/// Why a package cannot be read, as it is told.
pub(super) fn unreadable(error: &ContainerError) -> Refusals {
    let code = match error {
        ContainerError::Member { .. } => "producer-member-name",
        ContainerError::Bomb { .. } | ContainerError::TooLarge(_) | ContainerError::TooMany(_) => "producer-zip-limits",
        _ => "producer-syntax",
    };
    Refusal::new(code, error.to_string()).by("entree").into()
}

#[cfg(test)]
mod tests {
    use super::{host_of, same_site};

    #[test]
    fn hosts() {
        assert_eq!(host_of("https://u@WWW.Mairie.Example:8443/a?b").as_deref(), Some("www.mairie.example"));
        assert_eq!(host_of("http://[2001:db8::1]:80/").as_deref(), Some("[2001:db8::1]"));
        assert_eq!(host_of("dns:mairie.example"), None);
        assert_eq!(host_of("http:///x"), None);
        assert!(same_site("mairie.example", "www.mairie.example") && same_site("a.mairie.example", "mairie.example"));
        assert!(!same_site("autremairie.example", "mairie.example") && !same_site("example", "mairie.example"));
    }
}
