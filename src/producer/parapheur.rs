//! A folder of i-Parapheur v5, as `GET folder/{id}/zip` gives it: documents, detached signatures, bordereau and a PREMIS 3.0
//! summary. The summary may come beside the ZIP instead (`GET folder/{id}/premis`).
//!
//! What the summary lists must be there, with the digests it gives; a folder whose circuit ended with a rejection is not a
//! signed one. Signatures themselves are validated where every deposit's are, against the documents beside them.

use super::profile::{Content, Described, DraftPayload, Input, Refusal, Refusals};
use crate::digest::Hasher;
use crate::spec::premis::{Event, Object, Premis};
use crate::transfer::container::{Container, ContainerError, Kind, Limits};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

const LIMITS: Limits = Limits { members_max: 2_000, ratio_max: 200, bytes_max: 4 << 30 };
/// Longest summary, in bytes.
const PREMIS_BYTES_MAX: u64 = 16 << 20;
const TYPE: &str = "i_Parapheur_reserved_type";
const SUBTYPE: &str = "i_Parapheur_reserved_subtype";
const MAIN: &str = "i_Parapheur_reserved_mainDocument";

/// A document of the folder, on disk.
#[derive(Debug)]
struct Part {
    /// Its path in the ZIP.
    member: String,
    /// Its name in the archive.
    name: String,
    path: PathBuf,
    sha256: String,
    sha512: String,
    size_bytes: u64,
}

/// Reads a folder; its documents are put in `scratch`.
pub fn describe(path: &Path, scratch: &Path, input: &Input) -> Result<Described, Refusals> {
    let container = Container::open(path, LIMITS).map_err(|error| unreadable(&error))?;
    if container.kind != Kind::Zip {
        return Err(Refusal::new("producer-syntax", "un ZIP est attendu").by("entree").into());
    }
    let (place, bytes) = summary(&container, input)?;
    let premis = Premis::parse(&bytes).map_err(|error| {
        Refusals::from(Refusal::new("producer-premis", error.to_string()).at(place.clone()).by("entree"))
    })?;
    let parts = take(&container, scratch)?;
    let mut refusals = Refusals::default();
    let mut warnings = Vec::new();
    listed(&premis, &parts, &place, &mut refusals, &mut warnings);
    if let Some(rejection) = rejected(&premis.events) {
        let by = rejection.agent.as_deref().map_or_else(String::new, |agent| format!(" par {agent}"));
        let detail = format!("dossier rejeté{by} : un dossier rejeté ne s'archive pas comme un dossier signé");
        refusals.push(Refusal::new("producer-parapheur-rejected", detail).at(place).by("entree"));
    }
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let value = told(&premis, &parts);
    let mut payloads: Vec<DraftPayload> =
        parts.into_iter().map(|part| DraftPayload { name: part.name, content: Content::File(part.path) }).collect();
    if !input.files.is_empty() {
        payloads.push(DraftPayload { name: "premis.xml".to_owned(), content: Content::Bytes(bytes.into()) });
    }
    Ok(Described { value, payloads, warnings })
}

/// The PREMIS summary: the file beside the ZIP, or the one in it.
fn summary(container: &Container, input: &Input) -> Result<(String, Vec<u8>), Refusals> {
    if let [file, more @ ..] = input.files.as_slice() {
        if let Some(other) = more.first() {
            let refusal = Refusal::new("producer-files", "un seul fichier accompagne le ZIP : son PREMIS");
            return Err(refusal.at(other.name.clone()).by("entree").into());
        }
        return Ok((file.name.clone(), file.content.to_vec()));
    }
    let named = |name: &str| {
        let name = name.to_ascii_lowercase();
        let last = name.rsplit('/').next().unwrap_or_default();
        last.contains("premis") && last.rsplit_once('.').is_some_and(|(_, end)| end == "xml")
    };
    let index = container.members.iter().position(|member| !member.folder && named(&member.name)).ok_or_else(|| {
        let detail = "aucun PREMIS, ni dans le ZIP ni à côté : demandez-le (GET folder/{id}/premis)";
        Refusals::from(Refusal::new("producer-premis", detail).by("entree"))
    })?;
    let mut bytes = Vec::new();
    let read = container.read(index, |input| input.take(PREMIS_BYTES_MAX).read_to_end(&mut bytes).map(drop));
    read.map_err(|error| unreadable(&error))?;
    let name = container.members.get(index).map(|member| member.name.clone()).unwrap_or_default();
    Ok((name, bytes))
}

/// Puts every document on disk, under names of ours.
fn take(container: &Container, scratch: &Path) -> Result<Vec<Part>, Refusals> {
    let (mut parts, mut names) = (Vec::new(), BTreeSet::new());
    let want = |at: usize| container.members.get(at).is_some_and(|member| !member.folder);
    let read = container.each(&want, &mut |at, input| {
        let Some(member) = container.members.get(at) else { return Ok(true) };
        let path = scratch.join(format!("document-{at}"));
        let mut file = File::create_new(&path)?;
        let (mut hasher, mut size_bytes, mut buffer) = (Hasher::new(), 0u64, vec![0; 1 << 16]);
        loop {
            let count = input.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            hasher.update(&buffer[..count]);
            file.write_all(&buffer[..count])?;
            size_bytes += u64::try_from(count).unwrap_or(0);
        }
        let digests = hasher.finish();
        let name = own_name(&member.name, &mut names);
        let (sha256, sha512) = (hex::encode(digests.sha256), hex::encode(digests.sha512));
        parts.push(Part { member: member.name.clone(), name, path, sha256, sha512, size_bytes });
        Ok(true)
    });
    read.map_err(|error| unreadable(&error))?;
    if let Some(empty) = parts.iter().find(|part| part.size_bytes == 0) {
        return Err(Refusal::new("empty-payload", "fichier vide").at(empty.member.clone()).into());
    }
    Ok(parts)
}

/// The last part of a path; where two are the same, the folder tells them apart.
fn own_name(member: &str, names: &mut BTreeSet<String>) -> String {
    let mut parts = member.rsplit('/');
    let last = parts.next().unwrap_or(member).to_owned();
    let folder = parts.next().unwrap_or_default();
    let (stem, end) = last.rsplit_once('.').map_or((last.as_str(), ""), |(stem, end)| (stem, end));
    let joined = |n: usize| match (n, end) {
        (0, _) => last.clone(),
        (1, _) => format!("{folder} - {last}"),
        (n, "") => format!("{folder} - {stem} ({n})"),
        (n, end) => format!("{folder} - {stem} ({n}).{end}"),
    };
    let free = (0..=names.len().saturating_add(1)).map(joined).find(|name| !names.contains(name));
    let name = free.unwrap_or_else(|| member.replace('/', " - "));
    names.insert(name.clone());
    name
}

/// What the summary lists is there, and is what it says.
fn listed(premis: &Premis, parts: &[Part], place: &str, refusals: &mut Refusals, warnings: &mut Vec<String>) {
    let files = premis.objects.iter().filter(|object| object.kind == "file");
    let mut count = 0usize;
    for object in files {
        count += 1;
        let Some(name) = &object.name else { continue };
        let last = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
        let found: Vec<&Part> = parts.iter().filter(|part| last(&part.member) == last(name)).collect();
        if found.is_empty() {
            let detail = "ce fichier est dans le PREMIS et pas dans le ZIP";
            refusals
                .push(Refusal::new("producer-file-missing", detail).at(format!("{place}, « {name} »")).by("entree"));
            continue;
        }
        for (algorithm, digest) in &object.fixity {
            let digest = digest.to_ascii_lowercase();
            let is = |own: fn(&Part) -> &String| found.iter().any(|part| *own(part) == digest);
            let right = match algorithm.to_ascii_uppercase().replace(['-', '_'], "").as_str() {
                "SHA256" => is(|part| &part.sha256),
                "SHA512" => is(|part| &part.sha512),
                _ => {
                    warnings.push(format!("empreinte {algorithm} du PREMIS non vérifiée"));
                    true
                }
            };
            if !right {
                let detail = "l'empreinte du PREMIS n'est pas celle du fichier";
                refusals.push(Refusal::new("digest-mismatch", detail).at(format!("{place}, « {name} »")).by("entree"));
            }
        }
    }
    if count == 0 {
        let refusal = Refusal::new("producer-premis", "le PREMIS ne liste aucun fichier").at(place.to_owned());
        refusals.push(refusal.by("entree"));
    }
}

/// What an event of the circuit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Act {
    Visa,
    Signature,
    Seal,
    Rejection,
    Other,
}

impl Act {
    fn of(event: &Event) -> Self {
        let text = format!("{} {}", event.kind, event.outcome.as_deref().unwrap_or_default()).to_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
        if has(&["reject", "rejet", "refus"]) {
            Self::Rejection
        } else if has(&["seal", "cachet"]) {
            Self::Seal
        } else if has(&["signature", "signed", "signé"]) {
            Self::Signature
        } else if has(&["visa"]) {
            Self::Visa
        } else {
            Self::Other
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Visa => "visas",
            Self::Signature => "signatures",
            Self::Seal => "cachets",
            Self::Rejection => "rejets",
            Self::Other => "autres",
        }
    }
}

/// The rejection that ended the circuit: nothing was decided after it.
fn rejected(events: &[Event]) -> Option<&Event> {
    let decided = events.iter().filter(|event| Act::of(event) != Act::Other);
    // Without times, the order of the summary.
    let last = decided.max_by(|a, b| a.time.cmp(&b.time))?;
    (Act::of(last) == Act::Rejection).then_some(last)
}

fn told(premis: &Premis, parts: &[Part]) -> Value {
    let folder = premis.objects.iter().find(|object| object.kind == "intellectualEntity");
    let property = |name: &str| folder.and_then(|folder| folder.property(name)).map(str::to_owned);
    let main = |object: &&Object| object.property(MAIN).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let documents: Vec<&str> = premis.objects.iter().filter(main).filter_map(|object| object.name.as_deref()).collect();
    let mut events: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for event in &premis.events {
        let told = json!({
            "type": event.kind, "date": event.time, "agent": event.agent,
            "resultat": event.outcome, "annotation": event.note,
        });
        events.entry(Act::of(event).name()).or_default().push(told);
    }
    let signed = premis.events.iter().filter(|event| Act::of(event) == Act::Signature);
    let last = signed.clone().filter_map(|event| event.time.as_deref()).max();
    let detached = parts.iter().filter(|part| is_signature(&part.name)).count();
    json!({
        "dossier": folder.and_then(|folder| folder.name.clone()),
        "type": property(TYPE),
        "sous_type": property(SUBTYPE),
        "document": documents.first(),
        "documents": documents.len(),
        "signe_le": last,
        "signataire": signed.clone().filter_map(|event| event.agent.as_deref()).next_back(),
        "signatures_detachees": detached,
        "bordereau": parts.iter().find(|part| part.name.to_lowercase().contains("bordereau")).map(|part| &part.name),
        "evenements": events,
    })
}

fn is_signature(name: &str) -> bool {
    let end = name.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase()).unwrap_or_default();
    ["p7s", "p7m", "pkcs7", "sig"].contains(&end.as_str())
}

fn unreadable(error: &ContainerError) -> Refusals {
    super::web::unreadable(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str, time: &str) -> Event {
        Event { kind: kind.into(), time: Some(time.into()), ..Event::default() }
    }

    #[test]
    fn a_folder_taken_up_again_after_a_rejection_is_not_rejected() {
        let again = [event("REJECT", "2026-03-01"), event("VISA", "2026-03-02"), event("ARCHIVE", "2026-03-03")];
        assert_eq!(rejected(&again), None);
        assert!(
            rejected(&[event("VISA", "2026-03-01"), event("REJECT", "2026-03-02"), event("END", "2026-03-03")])
                .is_some()
        );
        assert_eq!(rejected(&[]), None);
    }

    #[test]
    fn names_are_apart() {
        let mut names = BTreeSet::new();
        let mut name = |member: &str| own_name(member, &mut names);
        assert_eq!(name("Documents principaux/a.pdf"), "a.pdf");
        assert_eq!(name("Annexes/a.pdf"), "Annexes - a.pdf");
        assert_eq!(name("x/Annexes/a.pdf"), "Annexes - a (2).pdf");
    }
}
