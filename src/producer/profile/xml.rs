//! XML, alone or with files: one document, one deposit. No DTD, no entity but those of XML itself.

use super::compose::{draft, fields};
use super::json::files;
use super::load::Loaded;
use super::record::Xml;
use super::{Content, Draft, DraftPayload, Input, Refusal, Refusals};
use crate::spec::xml::{Document, Limits};

const LIMITS: Limits = Limits {
    size_bytes_max: 64 << 20,
    depth_max: 128,
    nodes_max: 2 << 20,
    attributes_max: 1 << 12,
    namespaces_max: 1 << 10,
};

pub(super) fn drafts(loaded: &Loaded, input: &Input) -> Result<Vec<Draft>, Refusals> {
    let document = Document::parse(&input.data, &LIMITS)
        .map_err(|error| Refusal::new("producer-syntax", error.to_string()).by("entree"))?;
    let record = Xml(&document);
    let mut refusals = Refusals::default();
    let name = format!("{}.xml", loaded.profile.files.data_name);
    let mut payloads = vec![DraftPayload { name, content: Content::Bytes(input.data.clone()) }];
    payloads.extend(files(loaded, None, input, &mut refusals));
    let fields = fields(loaded, &record, &mut refusals);
    let draft = draft(loaded, &record, fields, payloads, &mut refusals);
    if refusals.is_empty() { Ok(vec![draft]) } else { Err(refusals) }
}
