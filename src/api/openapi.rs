//! The contract: OpenAPI, made from the handlers. `tests/openapi.rs` compares it with the committed snapshot.

use axum::response::{IntoResponse, Response};
use std::sync::OnceLock;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi, ToSchema};

/// The form of a multipart deposit.
#[derive(ToSchema)]
#[allow(dead_code)]
pub(super) struct DepositForm {
    /// First part: what is deposited.
    metadata: MetadataDocument,
    /// Then the files; each part's file name is kept.
    #[schema(value_type = Vec<String>, format = Binary)]
    files: Vec<Vec<u8>>,
}

/// Metadata of a deposit.
#[derive(ToSchema)]
#[allow(dead_code)]
pub(super) struct MetadataDocument {
    /// What a reader would call it.
    #[schema(max_length = 500)]
    title: String,
    /// Code of the document type (`policies/document-types.toml`).
    r#type: String,
    /// Code of the retention rule (`policies/retention.toml`); that of the type by default.
    rule: Option<String>,
    /// The producer's own identifier.
    #[schema(max_length = 255)]
    external_id: Option<String>,
    /// Free description.
    #[schema(max_length = 4000)]
    description: Option<String>,
    /// Dates of the document, `YYYY-MM-DD`.
    dates: Option<DatesDocument>,
    /// People and bodies with a role.
    #[schema(max_items = 100)]
    agents: Option<Vec<AgentDocument>>,
    /// Related archives or outside references.
    #[schema(max_items = 100)]
    links: Option<Vec<LinkDocument>>,
    /// The agency, when it is not the token's (admin).
    agency: Option<String>,
    /// What the files are expected to be, in the order sent.
    payloads: Option<Vec<AnnouncedDocument>>,
}

/// Dates of the document.
#[derive(ToSchema)]
#[allow(dead_code)]
pub(super) struct DatesDocument {
    /// When it was made.
    created: Option<String>,
    /// First day of the period it covers.
    start: Option<String>,
    /// Last day of the period it covers.
    end: Option<String>,
}

/// A person or body with a role.
#[derive(ToSchema)]
#[allow(dead_code)]
pub(super) struct AgentDocument {
    /// `author`, `addressee`, `originating-agency`, …
    role: String,
    /// Name.
    name: String,
}

/// A relation to another archive or to something outside.
#[derive(ToSchema)]
#[allow(dead_code)]
pub(super) struct LinkDocument {
    /// `replies-to`, `replaces`, `part-of`, …
    relation: String,
    /// ARK or other identifier.
    target: String,
}

/// A file announced.
#[derive(ToSchema)]
#[allow(dead_code)]
pub(super) struct AnnouncedDocument {
    /// Its name.
    name: String,
    /// SHA-256, hexadecimal; checked.
    sha256: Option<String>,
    /// SHA-512, hexadecimal; checked.
    sha512: Option<String>,
    /// Length in bytes; checked.
    size_bytes: Option<u64>,
}

/// A receipt: verifies offline, for ever (`archiland verify`).
#[derive(ToSchema)]
#[allow(dead_code)]
pub(super) struct ReceiptDocument {
    /// Format version: 1.
    v: u8,
    /// The archive's identifier (ARK).
    archive: String,
    /// Index of the entry in the log.
    index: u64,
    /// The record.
    record: serde_json::Value,
    /// Inclusion proof, base64, from the leaf's sibling up.
    proof: Vec<String>,
    /// C2SP signed note.
    checkpoint: String,
    /// RFC 3161 responses over the checkpoint's text, base64.
    timestamps: Vec<String>,
    /// CMS SignedData around the checkpoint, base64.
    seal: String,
}

/// A problem document (RFC 9457).
#[derive(ToSchema)]
#[allow(dead_code)]
pub(super) struct Problem {
    /// `urn:archiland:problem:<code>`.
    r#type: String,
    /// Short title of the code.
    title: String,
    /// HTTP status.
    status: u16,
    /// Stable code.
    code: String,
    /// What happened and what to do: French, or English with `Accept-Language: en`.
    detail: String,
    /// Where in what was sent: a JSON pointer into the metadata, or a header's or parameter's name.
    pointer: Option<String>,
}

struct Credentials;

impl Modify for Credentials {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        let token = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("API token of an agency: `archi_…`"))
            .build();
        components.add_security_scheme("token", SecurityScheme::Http(token));
        components.add_security_scheme(
            "certificate",
            SecurityScheme::MutualTls {
                description: Some("Client certificate".to_owned()),
                deprecated: None,
                extensions: None,
            },
        );
    }
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Archiland", description = "Electronic archive: documents in, proofs out. Errors are problem documents (RFC 9457) with a stable code, in French unless `Accept-Language: en`.", license(name = "EUPL-1.2")),
    paths(
        super::deposits::create, super::deposits::state, super::receipts::fetch,
        super::transfers::create, super::transfers::state, super::transfers::document, super::transfers::cancel,
        super::archives::find, super::archives::fetch, super::ers::fetch, super::ers::renew,
        super::reports::fetch, super::reports::create, super::reports::attest, super::payloads::fetch,
        super::admin::register, super::admin::agencies, super::admin::issue, super::admin::tokens, super::admin::revoke,
        super::deliveries::request_dip, super::deliveries::dips, super::deliveries::request_transfer, super::deliveries::transfers,
        super::deliveries::state, super::deliveries::package, super::deliveries::question, super::deliveries::answer, super::deliveries::reply,
        super::eliminations::request, super::eliminations::list, super::eliminations::state, super::eliminations::question,
        super::eliminations::answer, super::eliminations::execute, super::eliminations::notification, super::modifications::modify,
        super::referentials::import, super::referentials::lists, super::referentials::list, super::referentials::entry, super::referentials::changes,
        super::helios::native::transmit, super::producers::list, super::producers::deposit,
        super::producers::webhook::challenge, super::producers::webhook::announced,
        super::validations::validate, super::revalidations::validate, super::helios::answers::deposit,
        super::transmissions::find, super::transmissions::fetch, super::transmissions::completeness,
        super::tsa::stamp, super::witness::add_checkpoint,
        super::log::fetch, super::health::healthz, super::health::readyz, super::health::metrics,
    ),
    components(schemas(
        DepositForm, MetadataDocument, DatesDocument, AgentDocument, LinkDocument, AnnouncedDocument, ReceiptDocument, Problem,
    )),
    modifiers(&Credentials),
    tags(
        (name = "deposits", description = "Documents in, receipts out"),
        (name = "producers", description = "What the systems of producers send, by their profiles"),
        (name = "transfers", description = "SEDA packages in, replies out"),
        (name = "archives", description = "Reading and looking up"),
        (name = "deliveries", description = "Archives as SEDA packages: communication and restitution"),
        (name = "eliminations", description = "Final disposition: nothing is destroyed without an expired rule, a visa and a record"),
        (name = "validations", description = "What signatures are worth (ETSI EN 319 102-1)"),
        (name = "transmissions", description = "Télétransmission to Hélios"),
        (name = "timestamps", description = "Time-stamp tokens (RFC 3161)"),
        (name = "witness", description = "Cosignatures for other logs (C2SP tlog-witness)"),
        (name = "log", description = "The public log (C2SP tlog-tiles)"),
        (name = "administration", description = "Agencies and tokens"),
        (name = "operation", description = "Health and metrics"),
    ),
)]
struct Contract;

/// The OpenAPI document, pretty-printed JSON.
pub fn document() -> &'static str {
    static DOCUMENT: OnceLock<String> = OnceLock::new();
    // The document is made of constants: it serialises or the snapshot test fails.
    DOCUMENT.get_or_init(|| Contract::openapi().to_pretty_json().unwrap_or_default())
}

/// The contract.
pub(super) async fn fetch() -> Response {
    ([(axum::http::header::CONTENT_TYPE, "application/json")], document()).into_response()
}
