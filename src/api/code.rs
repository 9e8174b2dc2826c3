//! The stable codes of problem documents: producers' software may rely on them. A code is never renamed or given another
//! meaning; new ones may come. `type` in the document is `urn:archiland:problem:<code>`.

use crate::admission::Reason;
use axum::http::StatusCode;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $slug:literal, $status:literal, $french:literal, $english:literal;)*) => {
        /// What went wrong, for programs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[$doc])* $variant,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The stable text.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $slug),* }
            }

            /// The HTTP status it comes with.
            pub fn status(self) -> StatusCode {
                let status: u16 = match self { $(Self::$variant => $status),* };
                StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }

            /// The French title.
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $french),* }
            }

            /// The English title.
            pub fn title_in_english(self) -> &'static str {
                match self { $(Self::$variant => $english),* }
            }
        }
    };
}

codes! {
    // The deposit itself: the producer mends it.
    /// The multipart body cannot be read.
    MalformedBody = "malformed-body", 400, "Corps mal formé", "Malformed body";
    /// No `metadata` part, or not first.
    MetadataMissing = "metadata-missing", 400, "Métadonnées absentes", "Metadata missing";
    /// The metadata are no JSON of the expected shape.
    MetadataSyntax = "metadata-syntax", 400, "Métadonnées illisibles", "Metadata unreadable";
    /// The metadata part is over the limit.
    MetadataTooLong = "metadata-too-long", 413, "Métadonnées trop longues", "Metadata too long";
    /// A required field is absent or empty.
    FieldMissing = "field-missing", 422, "Champ obligatoire absent", "Required field missing";
    /// A text is over its limit.
    FieldTooLong = "field-too-long", 422, "Champ trop long", "Field too long";
    /// A text holds characters that are not accepted.
    FieldCharacters = "field-characters", 422, "Caractères refusés", "Characters refused";
    /// A list has too many elements.
    TooMany = "too-many", 422, "Trop d'éléments", "Too many elements";
    /// No agency has this code.
    UnknownAgency = "unknown-agency", 422, "Organisme inconnu", "Unknown agency";
    /// The token is another agency's.
    ForeignAgency = "foreign-agency", 403, "Organisme non autorisé", "Agency not allowed";
    /// No document type has this code.
    UnknownType = "unknown-type", 422, "Type de document inconnu", "Unknown document type";
    /// No retention rule has this code.
    UnknownRule = "unknown-rule", 422, "Règle de conservation inconnue", "Unknown retention rule";
    /// Not a date of the calendar.
    DateInvalid = "date-invalid", 422, "Date invalide", "Invalid date";
    /// The period ends before it starts.
    DateOrder = "date-order", 422, "Dates dans le désordre", "Dates out of order";
    /// Made in the future.
    DateFuture = "date-future", 422, "Date dans le futur", "Date in the future";
    /// The file name is empty, a path, or holds control characters.
    NameInvalid = "name-invalid", 422, "Nom de fichier refusé", "File name refused";
    /// The file name is not UTF-8.
    NameEncoding = "name-encoding", 422, "Nom de fichier hors UTF-8", "File name not UTF-8";
    /// The file name is over 255 bytes.
    NameTooLong = "name-too-long", 422, "Nom de fichier trop long", "File name too long";
    /// Two files have the same name.
    NameTwice = "name-twice", 422, "Nom de fichier en double", "Duplicate file name";
    /// No file in the deposit.
    NoPayload = "no-payload", 422, "Aucun fichier", "No file";
    /// Not the files the metadata announced.
    PayloadsDiffer = "payloads-differ", 422, "Fichiers différents de l'annonce", "Files differ from the announcement";
    /// A file without a byte.
    EmptyPayload = "empty-payload", 422, "Fichier vide", "Empty file";
    /// A declared digest cannot be read.
    DigestSyntax = "digest-syntax", 422, "Empreinte illisible", "Unreadable digest";
    /// The digest is not the declared one.
    DigestMismatch = "digest-mismatch", 422, "Empreinte différente", "Digest mismatch";
    /// The length is not the declared one.
    SizeMismatch = "size-mismatch", 422, "Taille différente", "Size mismatch";
    /// The body is over the limit.
    BodyTooLarge = "body-too-large", 413, "Dépôt trop volumineux", "Deposit too large";
    /// The body ended too early.
    BodyCut = "body-cut", 400, "Envoi interrompu", "Upload interrupted";
    /// The body was silent for too long.
    BodyIdle = "body-idle", 408, "Envoi trop lent", "Upload too slow";
    /// The record would be over the limit.
    RecordTooLong = "record-too-long", 413, "Enregistrement trop long", "Record too long";
    /// The idempotency key is malformed.
    IdempotencyKey = "idempotency-key", 400, "Clé d'idempotence mal formée", "Malformed idempotency key";
    /// The idempotency key was used for another content.
    IdempotencyConflict = "idempotency-conflict", 409, "Clé d'idempotence déjà employée", "Idempotency key already used";
    /// The body has a content coding.
    ContentEncoding = "content-encoding", 415, "Codage de contenu refusé", "Content coding refused";
    /// The policy requires a valid signature.
    SignatureInvalid = "signature-invalid", 422, "Signature absente ou non valide", "Signature missing or invalid";
    /// What a producer sent does not fit its profile; every error is told.
    ProducerRefused = "producer-refused", 422, "Envoi non conforme au profil", "Sending does not fit the profile";
    /// The producer's identifier was archived before with another content.
    ProducerDuplicate = "producer-duplicate", 409, "Identifiant déjà archivé", "Identifier already archived";
    /// Archives that may not be given yet.
    NotCommunicable = "not-communicable", 403, "Non communicable", "Not communicable";
    /// The archives were eliminated: their documents are no more.
    Eliminated = "eliminated", 410, "Archive éliminée", "Archive eliminated";
    /// Archives that may not be eliminated, or not yet.
    NotDue = "not-due", 409, "Élimination impossible", "Not to be eliminated";
    /// The control authority has not given its visa.
    VisaMissing = "visa-missing", 409, "Visa absent", "Visa missing";
    /// A file of reference data is wrong.
    ReferentialInvalid = "referential-invalid", 422, "Référentiel refusé", "Reference data refused";
    /// Reference data were changed at the same moment elsewhere.
    ReferentialConflict = "referential-conflict", 409, "Référentiel changé entre-temps", "Reference data changed meanwhile";
    /// Not the media type expected here.
    MediaTypeUnsupported = "media-type", 415, "Type de contenu refusé", "Media type refused";

    // The request: who asks, for what.
    /// No credential, or an unknown one.
    Unauthenticated = "unauthenticated", 401, "Authentification requise", "Authentication required";
    /// The credential has ended.
    TokenExpired = "token-expired", 401, "Jeton expiré", "Token expired";
    /// The credential was revoked.
    TokenRevoked = "token-revoked", 401, "Jeton révoqué", "Token revoked";
    /// The credential does not allow this.
    Forbidden = "forbidden", 403, "Action non autorisée", "Not allowed";
    /// Nothing there, or nothing of this agency's.
    NotFound = "not-found", 404, "Introuvable", "Not found";
    /// The path exists, not for this method.
    MethodNotAllowed = "method-not-allowed", 405, "Méthode non admise", "Method not allowed";
    /// Not an identifier of this archive.
    IdentifierInvalid = "identifier-invalid", 400, "Identifiant mal formé", "Malformed identifier";
    /// A query parameter or JSON body is wrong.
    RequestInvalid = "request-invalid", 400, "Demande mal formée", "Malformed request";
    /// No byte of the document in this range.
    RangeUnsatisfiable = "range-unsatisfiable", 416, "Plage hors du document", "Range not satisfiable";
    /// The transfer is archived, or being archived.
    TransferBegun = "transfer-begun", 409, "Transfert déjà archivé", "Transfer already archived";
    /// The transfer has no reply yet.
    TransferUnderWay = "transfer-under-way", 409, "Transfert en cours", "Transfer under way";
    /// Too many requests from this agency.
    RateLimited = "rate-limited", 429, "Trop de requêtes", "Too many requests";

    // The archive: the depositor comes back, the operator mends it.
    /// Too much at once.
    Busy = "busy", 503, "Archive occupée", "Archive busy";
    /// No room left in the store.
    StoreFull = "store-full", 507, "Stockage plein", "Storage full";
    /// The store does not answer, or with errors.
    StoreUnavailable = "store-unavailable", 503, "Stockage indisponible", "Storage unavailable";
    /// The log cannot be extended.
    LogStopped = "log-stopped", 503, "Journal arrêté", "Log stopped";
    /// The seal cannot be made: its key or the clock.
    SealUnavailable = "seal-unavailable", 503, "Cachet indisponible", "Seal unavailable";
    /// The deposit may or may not be archived: the same idempotency key tells.
    OutcomeUnknown = "outcome-unknown", 503, "Issue incertaine", "Outcome unknown";
    /// What was read is not what was written.
    Corrupt = "corrupt", 500, "Contenu altéré", "Corrupt content";
    /// A fault of ours.
    Internal = "internal", 500, "Erreur interne", "Internal error";
}

impl From<&Reason> for Code {
    fn from(reason: &Reason) -> Self {
        match reason {
            Reason::Multipart(_) => Self::MalformedBody,
            Reason::MetadataMissing => Self::MetadataMissing,
            Reason::MetadataSyntax { .. } => Self::MetadataSyntax,
            Reason::MetadataTooLong { .. } => Self::MetadataTooLong,
            Reason::FieldMissing { .. } => Self::FieldMissing,
            Reason::FieldTooLong { .. } => Self::FieldTooLong,
            Reason::FieldCharacters { .. } => Self::FieldCharacters,
            Reason::TooMany { .. } => Self::TooMany,
            Reason::UnknownAgency { .. } => Self::UnknownAgency,
            Reason::ForeignAgency => Self::ForeignAgency,
            Reason::UnknownType { .. } => Self::UnknownType,
            Reason::UnknownRule { .. } => Self::UnknownRule,
            Reason::DateInvalid { .. } => Self::DateInvalid,
            Reason::DateOrder => Self::DateOrder,
            Reason::DateFuture => Self::DateFuture,
            Reason::NameInvalid => Self::NameInvalid,
            Reason::NameEncoding => Self::NameEncoding,
            Reason::NameTooLong => Self::NameTooLong,
            Reason::NameTwice => Self::NameTwice,
            Reason::NoPayload => Self::NoPayload,
            Reason::PayloadsDiffer { .. } => Self::PayloadsDiffer,
            Reason::EmptyPayload => Self::EmptyPayload,
            Reason::DigestSyntax => Self::DigestSyntax,
            Reason::DigestMismatch { .. } => Self::DigestMismatch,
            Reason::SizeMismatch { .. } => Self::SizeMismatch,
            Reason::BodyTooLarge { .. } => Self::BodyTooLarge,
            Reason::BodyCut => Self::BodyCut,
            Reason::BodyIdle => Self::BodyIdle,
            Reason::RecordTooLong { .. } => Self::RecordTooLong,
            Reason::IdempotencyKey => Self::IdempotencyKey,
            Reason::IdempotencyConflict => Self::IdempotencyConflict,
            Reason::ContentEncoding => Self::ContentEncoding,
            Reason::Signature { .. } => Self::SignatureInvalid,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Code;
    use std::collections::HashSet;

    #[test]
    fn codes_are_distinct_and_complete() {
        let slugs: HashSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(slugs.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!(code.as_str().bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{code:?}");
            assert!(code.status().is_client_error() || code.status().is_server_error(), "{code:?}");
            assert!(!code.title().is_empty() && !code.title_in_english().is_empty());
        }
    }
}
