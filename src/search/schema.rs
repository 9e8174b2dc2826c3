//! Fields of the index, documents, and questions as tantivy sees them.

use super::{Audience, Hit, Query};
use crate::views::{Cursor, Deposited, Entry};
use std::ops::Bound;
use tantivy::query::{AllQuery, BooleanQuery, Query as TantivyQuery, RangeQuery, TermQuery};
use tantivy::schema::{
    BytesOptions, FAST, Field, IndexRecordOption, STORED, Schema, TextFieldIndexing, TextOptions, Value,
};
use tantivy::{TantivyDocument, Term};

/// Name of the field by which pages are ordered.
pub(super) const INDEX: &str = "index";

/// Changes whenever fields or stored hits do; another number in a commit means rebuild.
const VERSION: u8 = 3;

/// The index's fields. Conditions are exact terms or ranges over columns; what is shown is one stored field.
#[derive(Clone)]
pub(super) struct Fields {
    pub(super) schema: Schema,
    index: Field,
    time: Field,
    created: Field,
    agency: Field,
    document_type: Field,
    external_id: Field,
    sha256: Field,
    idempotency: Field,
    operation: Field,
    term: Field,
    hit: Field,
}

impl Fields {
    pub(super) fn new() -> Self {
        let exact = || {
            let indexing = TextFieldIndexing::default()
                .set_tokenizer("raw")
                .set_fieldnorms(false)
                .set_index_option(IndexRecordOption::Basic);
            TextOptions::default().set_indexing_options(indexing)
        };
        let mut schema = Schema::builder();
        let index = schema.add_u64_field(INDEX, FAST);
        let time = schema.add_u64_field("time", FAST);
        let created = schema.add_u64_field("created", FAST);
        let agency = schema.add_text_field("agency", exact());
        let document_type = schema.add_text_field("document_type", exact());
        let external_id = schema.add_text_field("external_id", exact());
        let sha256 = schema.add_bytes_field("sha256", BytesOptions::default().set_indexed());
        let idempotency = schema.add_bytes_field("idempotency", BytesOptions::default().set_indexed());
        let operation = schema.add_text_field("operation", exact());
        let term = schema.add_text_field("term", exact());
        let hit = schema.add_bytes_field("hit", STORED);
        let schema = schema.build();
        Self {
            schema,
            index,
            time,
            created,
            agency,
            document_type,
            external_id,
            sha256,
            idempotency,
            operation,
            term,
            hit,
        }
    }

    pub(super) fn document(&self, entry: &Entry, deposit: &Deposited) -> TantivyDocument {
        let mut document = TantivyDocument::new();
        document.add_u64(self.index, entry.index);
        document.add_u64(self.time, entry.time_ms);
        if let Some(created) = deposit.created {
            document.add_u64(self.created, u64::from(created));
        }
        document.add_text(self.agency, &entry.agency);
        document.add_text(self.document_type, &deposit.document_type);
        if let Some(external_id) = &deposit.external_id {
            document.add_text(self.external_id, external_id);
        }
        for sha256 in &deposit.sha256 {
            document.add_bytes(self.sha256, sha256);
        }
        if let Some(idempotency) = &deposit.idempotency {
            document.add_bytes(self.idempotency, idempotency);
        }
        if let Some(operation) = &deposit.operation {
            document.add_text(self.operation, operation);
        }
        for term in &deposit.terms {
            document.add_text(self.term, term);
        }
        let hit = Hit {
            index: entry.index,
            time_ms: entry.time_ms,
            agency: entry.agency.to_string(),
            title: deposit.title.to_string(),
            document_type: deposit.document_type.to_string(),
            external_id: deposit.external_id.as_deref().map(str::to_owned),
            created: deposit.created,
            sha256: deposit.sha256.iter().map(hex::encode).collect(),
        };
        // Text and numbers: no failing case.
        document.add_bytes(self.hit, &serde_json::to_vec(&hit).unwrap_or_default());
        document
    }

    pub(super) fn hit(&self, document: &TantivyDocument) -> Option<Hit> {
        serde_json::from_slice(document.get_first(self.hit)?.as_bytes()?).ok()
    }

    pub(super) fn query(&self, query: &Query) -> Box<dyn TantivyQuery> {
        let mut clauses: Vec<Box<dyn TantivyQuery>> = Vec::new();
        let mut term = |term: Term| clauses.push(Box::new(TermQuery::new(term, IndexRecordOption::Basic)));
        match &query.audience {
            Audience::Agency(code) => term(Term::from_field_text(self.agency, code)),
            Audience::AllAgencies => {}
        }
        if let Some(digest) = &query.sha256 {
            term(Term::from_field_bytes(self.sha256, digest));
        }
        if let Some(digest) = &query.idempotency {
            term(Term::from_field_bytes(self.idempotency, digest));
        }
        if let Some(external_id) = &query.external_id {
            term(Term::from_field_text(self.external_id, external_id));
        }
        if let Some(document_type) = &query.document_type {
            term(Term::from_field_text(self.document_type, document_type));
        }
        if let Some(operation) = &query.operation {
            term(Term::from_field_text(self.operation, operation));
        }
        for wanted in &query.terms {
            term(Term::from_field_text(self.term, wanted));
        }
        let mut range = |field, from: Bound<u64>, to: Bound<u64>| {
            if (from, to) != (Bound::Unbounded, Bound::Unbounded) {
                let bound = |b: Bound<u64>| b.map(|value| Term::from_field_u64(field, value));
                clauses.push(Box::new(RangeQuery::new(bound(from), bound(to))));
            }
        };
        let included = |value: Option<u64>| value.map_or(Bound::Unbounded, Bound::Included);
        let excluded = |value: Option<u64>| value.map_or(Bound::Unbounded, Bound::Excluded);
        range(self.time, included(query.from_ms), excluded(query.to_ms));
        range(self.created, included(query.created_from.map(u64::from)), included(query.created_to.map(u64::from)));
        match query.order {
            super::Order::OldestFirst => range(self.index, excluded(query.after), Bound::Unbounded),
            super::Order::NewestFirst => range(self.index, Bound::Unbounded, excluded(query.after)),
        }
        match clauses.len() {
            0 => Box::new(AllQuery),
            _ => Box::new(BooleanQuery::intersection(clauses)),
        }
    }
}

/// The cursor as a commit's payload: `archiland-search/1 <size> <root>`.
pub(super) fn payload(cursor: Cursor) -> String {
    format!("archiland-search/{VERSION} {} {}", cursor.size, hex::encode(cursor.root))
}

/// `None` when the payload is not of this version or not ours.
pub(super) fn parse_payload(text: &str) -> Option<Cursor> {
    let (size, root) = text.strip_prefix(&format!("archiland-search/{VERSION} "))?.split_once(' ')?;
    let mut cursor = Cursor { size: size.parse().ok()?, root: [0; 32] };
    hex::decode_to_slice(root, &mut cursor.root).ok()?;
    Some(cursor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn payload_reads_back(size: u64, root: [u8; 32]) {
            let cursor = Cursor { size, root };
            prop_assert_eq!(parse_payload(&payload(cursor)), Some(cursor));
        }

        #[test]
        fn any_payload_is_refused_or_read(text: String) {
            let _ = parse_payload(&text);
        }
    }
}
