//! JSON, alone or with files: one document, one deposit; a list of documents, a deposit each.

use super::answers;
use super::compose::{draft, fields};
use super::load::Loaded;
use super::model::Files;
use super::readable;
use super::record::{Json, scalar};
use super::{Content, Draft, DraftPayload, Input, Refusal, Refusals};
use crate::admission::file_name;
use crate::digest::sha256;
use serde_json::Value;

/// Most documents of one list.
const DOCUMENTS_MAX: usize = 1_000;

pub(super) fn drafts(loaded: &Loaded, input: &Input) -> Result<Vec<Draft>, Refusals> {
    let value: Value = serde_json::from_slice(&input.data).map_err(|error| {
        let place = format!("ligne {}, colonne {}", error.line(), error.column());
        Refusal::new("producer-syntax", "JSON mal formé").at(place).by("entree")
    })?;
    let Value::Array(list) = &value else { return Ok(vec![one(loaded, &value, input, input.data.clone())?]) };
    if !input.files.is_empty() {
        return Err(Refusal::new("producer-files", "une liste de documents ne s'accompagne pas de fichiers").into());
    }
    if list.is_empty() || list.len() > DOCUMENTS_MAX {
        return Err(Refusal::new("producer-syntax", format!("de 1 à {DOCUMENTS_MAX} documents attendus")).into());
    }
    let (mut drafts, mut refusals) = (Vec::new(), Refusals::default());
    for (document, n) in list.iter().zip(0usize..) {
        // Each is archived as it was written, but for spaces and the order of members.
        let bytes = serde_json::to_vec(document).unwrap_or_default();
        match one(loaded, document, input, bytes.into()) {
            Ok(draft) => drafts.push(draft),
            Err(found) => {
                refusals.more += found.more;
                for mut refusal in found.list {
                    refusal.location = Some(format!("/{n}{}", refusal.location.unwrap_or_default()));
                    refusals.push(refusal);
                }
            }
        }
    }
    if refusals.is_empty() { Ok(drafts) } else { Err(refusals) }
}

fn one(loaded: &Loaded, value: &Value, input: &Input, bytes: bytes::Bytes) -> Result<Draft, Refusals> {
    if !value.is_object() {
        return Err(Refusal::new("producer-syntax", "objet JSON attendu").at("").by("entree").into());
    }
    let mut refusals = Refusals::default();
    let record = Json(value);
    let mut payloads =
        vec![DraftPayload { name: format!("{}.json", loaded.profile.files.data_name), content: Content::Bytes(bytes) }];
    if loaded.profile.files.readable {
        let page = readable::page(&loaded.profile.title, value);
        let name = format!("{}.html", loaded.profile.files.data_name);
        payloads.push(DraftPayload { name, content: Content::Bytes(page.into()) });
    }
    payloads.extend(files(loaded, Some(value), input, &mut refusals));
    let fields = fields(loaded, &record, &mut refusals);
    if let (Some(answers), Some(model)) = (&loaded.profile.questionnaire, &loaded.questionnaire) {
        let names: Vec<&str> = input.files.iter().map(|file| file.name.as_str()).collect();
        answers::check(answers, model, value, &names, &mut refusals);
    }
    let draft = draft(loaded, &record, fields, payloads, &mut refusals);
    if refusals.is_empty() { Ok(draft) } else { Err(refusals) }
}

/// The files beside the data, judged.
pub(super) fn files(
    loaded: &Loaded,
    value: Option<&Value>,
    input: &Input,
    refusals: &mut Refusals,
) -> Vec<DraftPayload> {
    let wanted = &loaded.profile.files;
    let count = input.files.len();
    if count < wanted.count_min || count > wanted.count_max {
        let detail = format!("{count} fichier(s) reçus, de {} à {} attendus", wanted.count_min, wanted.count_max);
        refusals.push(Refusal::new("producer-files", detail).by("fichiers"));
    }
    let mut payloads = Vec::new();
    for (file, n) in input.files.iter().zip(1usize..) {
        let place = format!("fichier {n}");
        if u64::try_from(file.content.len()).unwrap_or(u64::MAX) > wanted.bytes_max {
            let detail = format!("fichier de plus de {} octets", wanted.bytes_max);
            refusals.push(Refusal::new("producer-file-too-large", detail).at(place).by("fichiers.octets_max"));
        } else if file.content.is_empty() {
            refusals.push(Refusal::new("empty-payload", "fichier vide").at(place));
        } else if let Err(reason) = file_name(file.name.as_bytes()) {
            refusals.push(Refusal::new("name-invalid", reason.in_french()).at(place));
        } else if ["json", "html"].iter().any(|end| file.name == format!("{}.{end}", wanted.data_name)) {
            refusals.push(Refusal::new("name-twice", "ce nom est celui des données").at(place).by("fichiers.donnees"));
        } else {
            payloads.push(DraftPayload { name: file.name.clone(), content: Content::Bytes(file.content.clone()) });
        }
    }
    if let Some(value) = value {
        named(wanted, value, input, refusals);
        digests(wanted, value, input, refusals);
    }
    payloads
}

/// What the data name must be there.
fn named(wanted: &Files, value: &Value, input: &Input, refusals: &mut Refusals) {
    for pointer in &wanted.named_by {
        // `/liste/*/nom`: the name in every member of a list.
        let found: Vec<(String, String)> = match pointer.split_once("/*") {
            Some((list, member)) => {
                let members = value.pointer(list).and_then(Value::as_array).into_iter().flatten().zip(0usize..);
                let name =
                    |(one, n): (&Value, usize)| Some((format!("{list}/{n}{member}"), scalar(one.pointer(member)?)?));
                members.filter_map(name).collect()
            }
            None => value.pointer(pointer).and_then(scalar).map(|name| (pointer.clone(), name)).into_iter().collect(),
        };
        for (place, name) in found {
            if !input.files.iter().any(|file| file.name == name) {
                let detail = "ce fichier n'est pas dans l'envoi";
                refusals.push(Refusal::new("producer-file-missing", detail).at(place).by("fichiers.nommes_par"));
            }
        }
    }
}

/// The digests that the data give are those of the files.
fn digests(wanted: &Files, value: &Value, input: &Input, refusals: &mut Refusals) {
    for place in &wanted.digests {
        let members = value.pointer(&place.list).and_then(Value::as_array).into_iter().flatten();
        for (member, n) in members.zip(0usize..) {
            let at = |pointer: &str| member.pointer(pointer).and_then(scalar);
            let (Some(name), Some(digest)) = (at(&place.name), at(&place.sha256)) else { continue };
            let Some(file) = input.files.iter().find(|file| file.name == name) else { continue };
            if !hex::encode(sha256(&file.content)).eq_ignore_ascii_case(&digest) {
                let detail = "l'empreinte SHA-256 n'est pas celle du fichier reçu";
                let location = format!("{}/{n}{}", place.list, place.sha256);
                refusals.push(Refusal::new("digest-mismatch", detail).at(location).by("fichiers.empreintes"));
            }
        }
    }
}
