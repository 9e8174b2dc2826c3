//! WACZ 1.1.1 (Webrecorder): a ZIP with `datapackage.json`, which lists its files with their digests, WARC files in
//! `archive/`, indexes, and the pages captured in `pages/pages.jsonl`.

use super::{Capture, Refusal, Refusals, host_of, unreadable};
use crate::digest::One;
use crate::transfer::container::{Container, ContainerError, Kind, Limits};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::Path;

const LIMITS: Limits = Limits { members_max: 20_000, ratio_max: 200, bytes_max: 64 << 30 };
const PACKAGE: &str = "datapackage.json";
const PACKAGE_DIGEST: &str = "datapackage-digest.json";
/// Longest `datapackage.json`, in bytes.
const PACKAGE_BYTES_MAX: u64 = 16 << 20;
/// Longest list of pages, in bytes.
const PAGES_BYTES_MAX: u64 = 64 << 20;
/// Most pages of a list.
const PAGES_MAX: usize = 200_000;

#[derive(Debug, Deserialize)]
struct Package {
    #[serde(default)]
    resources: Vec<Resource>,
    #[serde(rename = "mainPageUrl")]
    main_page: Option<String>,
    software: Option<String>,
    description: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Resource {
    path: String,
    hash: String,
}

#[derive(Debug, Deserialize)]
struct PackageDigest {
    hash: String,
}

#[derive(Debug, Deserialize)]
struct Page {
    url: Option<String>,
}

pub(super) fn read(path: &Path, capture: &mut Capture) -> Result<(), Refusals> {
    let container = Container::open(path, LIMITS).map_err(|error| unreadable(&error))?;
    if container.kind != Kind::Zip {
        return Err(Refusal::new("producer-syntax", "ni WARC, ni WACZ").by("entree").into());
    }
    let bytes = member(&container, PACKAGE, PACKAGE_BYTES_MAX)?.ok_or_else(|| {
        Refusals::from(Refusal::new("producer-manifest", "« datapackage.json » n'est pas à la racine").at(PACKAGE))
    })?;
    let mut package: Package = serde_json::from_slice(&bytes).map_err(|error| {
        let place = format!("{PACKAGE}, ligne {}, colonne {}", error.line(), error.column());
        Refusals::from(Refusal::new("producer-manifest", "liste des fichiers mal formée").at(place))
    })?;
    sealed(&container, &bytes, capture)?;
    for (name, value) in [("software", package.software.take()), ("description", package.description.take())] {
        if let Some(value) = value {
            capture.info.insert(name.to_owned(), value.chars().take(super::CHARS_MAX).collect());
        }
    }
    pages(&container, capture)?;
    let main = package.main_page.as_deref().or_else(|| capture.listed.keys().next().map(String::as_str));
    capture.site = main.and_then(host_of);
    members(&container, &package, capture)
}

/// `datapackage-digest.json`, where there is one, has the digest of `datapackage.json`.
fn sealed(container: &Container, package: &[u8], capture: &mut Capture) -> Result<(), Refusals> {
    let Some(bytes) = member(container, PACKAGE_DIGEST, PACKAGE_BYTES_MAX)? else { return Ok(()) };
    let digest = serde_json::from_slice::<PackageDigest>(&bytes).ok();
    let hash = digest.map(|digest| digest.hash).unwrap_or_default();
    if !same(&hash, &crate::digest::sha256(package)) {
        let refusal = Refusal::new("digest-mismatch", "l'empreinte de « datapackage.json » n'est pas celle annoncée");
        capture.refusals.push(refusal.at(PACKAGE_DIGEST).by("entree"));
    }
    Ok(())
}

fn pages(container: &Container, capture: &mut Capture) -> Result<(), Refusals> {
    let Some(bytes) = member(container, "pages/pages.jsonl", PAGES_BYTES_MAX)? else { return Ok(()) };
    // The first line says the format.
    for (line, n) in bytes.split(|byte| *byte == b'\n').zip(1usize..).skip(1) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let Ok(page) = serde_json::from_slice::<Page>(line) else {
            let place = format!("pages/pages.jsonl, ligne {n}");
            capture.refusals.push(Refusal::new("producer-manifest", "page mal écrite").at(place).by("entree"));
            continue;
        };
        let Some(url) = page.url else { continue };
        if capture.listed.len() >= PAGES_MAX {
            let refusal = Refusal::new("producer-zip-limits", format!("plus de {PAGES_MAX} pages"));
            capture.refusals.push(refusal.at("pages/pages.jsonl").by("entree"));
            break;
        }
        if let Some(host) = host_of(&url).filter(|_| capture.hosts.len() < super::HOSTS_MAX) {
            capture.hosts.entry(host).or_default();
        }
        capture.listed.insert(url, false);
    }
    Ok(())
}

/// Every file, once: its digest, and its records where it is WARC.
fn members(container: &Container, package: &Package, capture: &mut Capture) -> Result<(), Refusals> {
    let wanted: BTreeMap<&str, &str> = package.resources.iter().map(|r| (r.path.as_str(), r.hash.as_str())).collect();
    let mut seen = BTreeSet::new();
    let names: Vec<String> = container.members.iter().map(|member| member.name.clone()).collect();
    let want = |at: usize| container.members.get(at).is_some_and(|member| !member.folder);
    let read = container.each(&want, &mut |at, input| {
        let Some(name) = names.get(at) else { return Ok(true) };
        let mut input = Digesting { input, digest: One::sha256() };
        if is_warc(name) {
            capture.warc(&mut input, name);
        }
        io::copy(&mut input, &mut io::sink())?;
        seen.insert(name.clone());
        let digest: [u8; 32] = input.digest.finish();
        match wanted.get(name.as_str()) {
            Some(hash) if same(hash, &digest) => {}
            Some(_) => {
                let refusal = Refusal::new("digest-mismatch", "l'empreinte n'est pas celle de « datapackage.json »");
                capture.refusals.push(refusal.at(name.clone()).by("entree"));
            }
            None if name == PACKAGE || name == PACKAGE_DIGEST => {}
            None => capture.remark(format!("« {name} » n'est pas dans la liste de datapackage.json")),
        }
        Ok(true)
    });
    read.map_err(|error: ContainerError| unreadable(&error))?;
    for missing in wanted.keys().filter(|path| !seen.contains(**path)) {
        let refusal = Refusal::new("producer-file-missing", "fichier annoncé par datapackage.json, absent du ZIP");
        capture.refusals.push(refusal.at((*missing).to_owned()).by("entree"));
    }
    Ok(())
}

fn is_warc(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let plain = name.strip_suffix(".gz").unwrap_or(&name);
    plain.starts_with("archive/") && plain.rsplit_once('.').is_some_and(|(_, end)| end == "warc")
}

/// `sha256:` and hexadecimal.
fn same(hash: &str, digest: &[u8; 32]) -> bool {
    hash.strip_prefix("sha256:").is_some_and(|hash| hash.eq_ignore_ascii_case(&hex::encode(digest)))
}

fn member(container: &Container, name: &str, bytes_max: u64) -> Result<Option<Vec<u8>>, Refusals> {
    let Some(index) = container.members.iter().position(|member| member.name == name) else { return Ok(None) };
    let mut bytes = Vec::new();
    let read = container.read(index, |input| input.take(bytes_max + 1).read_to_end(&mut bytes).map(drop));
    read.map_err(|error| unreadable(&error))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > bytes_max {
        return Err(Refusal::new("producer-zip-limits", format!("plus de {bytes_max} octets")).at(name).into());
    }
    Ok(Some(bytes))
}

struct Digesting<'a> {
    input: &'a mut dyn Read,
    digest: One<32>,
}

impl Read for Digesting<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.digest.update(&buffer[..count]);
        Ok(count)
    }
}
