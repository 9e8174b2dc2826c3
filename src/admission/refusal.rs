//! Why a deposit is refused: always the producer's to mend, always located, and never quoting the document itself.

use std::fmt;

/// A reason to refuse a deposit, with the place in what was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong.
    pub reason: Reason,
    /// Where: a JSON pointer into the metadata (RFC 6901), `#/payloads/<n>` for a file, or a header's name.
    pub pointer: Option<String>,
}

/// What is wrong with a deposit.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The body is no well-formed multipart message.
    Multipart(String),
    /// The first part is not `metadata`.
    MetadataMissing,
    /// The metadata is no JSON of the expected shape.
    MetadataSyntax {
        /// What the parser says.
        detail: String,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// The metadata part is too long.
    MetadataTooLong {
        /// The limit in bytes.
        bytes_max: usize,
    },
    /// A field or header that must be there is absent or empty.
    FieldMissing {
        /// Its name.
        field: &'static str,
    },
    /// A text is too long.
    FieldTooLong {
        /// Its name.
        field: &'static str,
        /// The limit in characters.
        chars_max: usize,
    },
    /// A text holds control characters, or a header is not percent-encoded UTF-8.
    FieldCharacters {
        /// Its name.
        field: &'static str,
    },
    /// A list is too long.
    TooMany {
        /// Its name.
        field: &'static str,
        /// The limit.
        count_max: usize,
    },
    /// No agency has this code.
    UnknownAgency {
        /// The code, shortened.
        code: String,
    },
    /// The token does not allow deposits for this agency.
    ForeignAgency,
    /// No document type has this code.
    UnknownType {
        /// The code, shortened.
        code: String,
    },
    /// No retention rule has this code.
    UnknownRule {
        /// The code, shortened.
        code: String,
    },
    /// Not a day of the calendar written `YYYY-MM-DD`.
    DateInvalid {
        /// The text, shortened.
        value: String,
    },
    /// The period ends before it starts.
    DateOrder,
    /// The document would have been made in the future.
    DateFuture,
    /// A file name that is empty, a path, or holds control characters.
    NameInvalid,
    /// A file name that is not UTF-8.
    NameEncoding,
    /// A file name of more than 255 bytes.
    NameTooLong,
    /// Two files have the same name.
    NameTwice,
    /// No file at all.
    NoPayload,
    /// The metadata announces other files than those sent.
    PayloadsDiffer {
        /// How many were announced.
        declared: usize,
        /// How many came.
        received: usize,
    },
    /// A file without a byte.
    EmptyPayload,
    /// A declared digest is not written as it should.
    DigestSyntax,
    /// The bytes received do not have the declared digest.
    DigestMismatch {
        /// `SHA-256` or `SHA-512`.
        algorithm: &'static str,
        /// Hexadecimal, of what was received.
        computed: String,
    },
    /// The bytes received are not as many as declared.
    SizeMismatch {
        /// As declared.
        declared_bytes: u64,
        /// As received.
        received_bytes: u64,
    },
    /// The body is over the limit.
    BodyTooLarge {
        /// The limit in bytes.
        bytes_max: u64,
    },
    /// The connection ended in the middle of the body.
    BodyCut,
    /// The body was silent for too long.
    BodyIdle,
    /// The metadata makes a record over the limit.
    RecordTooLong {
        /// The limit in bytes.
        bytes_max: usize,
    },
    /// The idempotency key is not 1 to 255 visible ASCII characters.
    IdempotencyKey,
    /// The idempotency key was used for another content.
    IdempotencyConflict,
    /// The body has a content coding.
    ContentEncoding,
    /// The policy requires a valid signature, and there is none.
    Signature {
        /// What the validation says, in French.
        detail: String,
    },
}

impl Refusal {
    /// A refusal without a more precise place than the request.
    pub fn new(reason: Reason) -> Self {
        Self { reason, pointer: None }
    }

    /// A refusal at a place.
    pub fn at(pointer: impl Into<String>, reason: Reason) -> Self {
        Self { reason, pointer: Some(pointer.into()) }
    }

    /// A refusal of the `n`-th file (from 0).
    pub fn payload(n: usize, member: &str, reason: Reason) -> Self {
        let member = if member.is_empty() { String::new() } else { format!("/{member}") };
        Self::at(format!("/payloads/{n}{member}"), reason)
    }
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self::new(reason)
    }
}

impl std::error::Error for Refusal {}

impl fmt::Display for Refusal {
    /// In French.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason.in_french())
    }
}

impl Reason {
    /// The sentence for the depositor, which says what to do next.
    pub fn in_french(&self) -> String {
        match self {
            Self::Multipart(detail) => format!("Corps multipart mal formé : {detail}."),
            Self::MetadataMissing => {
                "La première partie doit s'appeler « metadata » et contenir les métadonnées en JSON.".into()
            }
            Self::MetadataSyntax { detail, line, column } => {
                format!("Métadonnées JSON refusées, ligne {line}, colonne {column} : {detail}.")
            }
            Self::MetadataTooLong { bytes_max } => {
                format!("Les métadonnées dépassent {bytes_max} octets : raccourcissez la description.")
            }
            Self::FieldMissing { field } => format!("« {field} » est obligatoire et ne peut être vide."),
            Self::FieldTooLong { field, chars_max } => format!("« {field} » dépasse {chars_max} caractères."),
            Self::FieldCharacters { field } => {
                format!(
                    "« {field} » contient un caractère de commande ou n'est pas de l'UTF-8 (en-têtes : UTF-8 codé en %)."
                )
            }
            Self::TooMany { field, count_max } => format!("« {field} » compte plus de {count_max} éléments."),
            Self::UnknownAgency { code } => {
                format!(
                    "Aucun organisme n'a le code « {code} » : vérifiez-le ou faites-le enregistrer par l'exploitant."
                )
            }
            Self::ForeignAgency => "Ce jeton ne permet pas de verser pour un autre organisme que le sien.".into(),
            Self::UnknownType { code } => {
                format!("Type de document « {code} » inconnu : voir policies/document-types.toml.")
            }
            Self::UnknownRule { code } => {
                format!("Règle de conservation « {code} » inconnue : voir policies/retention.toml.")
            }
            Self::DateInvalid { value } => {
                format!("« {value} » n'est pas une date du calendrier : écrivez AAAA-MM-JJ.")
            }
            Self::DateOrder => "La période se termine avant d'avoir commencé.".into(),
            Self::DateFuture => "La date de création est dans le futur.".into(),
            Self::NameInvalid => {
                "Nom de fichier refusé : un nom seul, sans chemin ni caractère de commande, est attendu.".into()
            }
            Self::NameEncoding => "Le nom de fichier n'est pas en UTF-8.".into(),
            Self::NameTooLong => "Le nom de fichier dépasse 255 octets.".into(),
            Self::NameTwice => "Deux fichiers du dépôt portent le même nom.".into(),
            Self::NoPayload => "Le dépôt ne contient aucun fichier.".into(),
            Self::PayloadsDiffer { declared, received } => {
                format!("Les métadonnées annoncent {declared} fichier(s), {received} reçu(s) ou leurs noms diffèrent.")
            }
            Self::EmptyPayload => "Le fichier est vide : rien à archiver.".into(),
            Self::DigestSyntax => {
                "Empreinte déclarée illisible : hexadécimal dans les métadonnées, RFC 9530 dans Content-Digest.".into()
            }
            Self::DigestMismatch { algorithm, computed } => format!(
                "L'empreinte {algorithm} du contenu reçu ({computed}) n'est pas celle déclarée : renvoyez le fichier."
            ),
            Self::SizeMismatch { declared_bytes, received_bytes } => {
                format!("{received_bytes} octets reçus, {declared_bytes} déclarés : renvoyez le fichier.")
            }
            Self::BodyTooLarge { bytes_max } => format!("Le dépôt dépasse la limite de {bytes_max} octets."),
            Self::BodyCut => {
                "La connexion s'est interrompue avant la fin du dépôt : rien n'est archivé, recommencez.".into()
            }
            Self::BodyIdle => "L'envoi s'est arrêté trop longtemps : rien n'est archivé, recommencez.".into(),
            Self::RecordTooLong { bytes_max } => {
                format!("L'ensemble des métadonnées dépasse {bytes_max} octets : réduisez-les ou scindez le dépôt.")
            }
            Self::IdempotencyKey => "Idempotency-Key : 1 à 255 caractères ASCII visibles sont attendus.".into(),
            Self::IdempotencyConflict => {
                "Cette clé d'idempotence a déjà servi pour un autre contenu : prenez-en une nouvelle.".into()
            }
            Self::ContentEncoding => "Envoyez le contenu tel quel, sans Content-Encoding.".into(),
            Self::Signature { detail } => {
                format!("Une signature valide est exigée pour ce type de document : {detail}.")
            }
        }
    }

    /// The same in English, for `Accept-Language: en`.
    pub fn in_english(&self) -> String {
        match self {
            Self::Multipart(_) => "Malformed multipart body.".into(),
            Self::MetadataMissing => "The first part must be named \"metadata\" and hold the metadata as JSON.".into(),
            Self::MetadataSyntax { line, column, .. } => {
                format!("Metadata JSON refused at line {line}, column {column}.")
            }
            Self::MetadataTooLong { bytes_max } => format!("The metadata exceed {bytes_max} bytes."),
            Self::FieldMissing { field } => format!("\"{field}\" is required and cannot be empty."),
            Self::FieldTooLong { field, chars_max } => format!("\"{field}\" exceeds {chars_max} characters."),
            Self::FieldCharacters { field } => {
                format!("\"{field}\" holds a control character or is not UTF-8 (headers: percent-encoded UTF-8).")
            }
            Self::TooMany { field, count_max } => format!("\"{field}\" has more than {count_max} elements."),
            Self::UnknownAgency { code } => format!("No agency has the code \"{code}\"."),
            Self::ForeignAgency => "This token does not allow deposits for another agency.".into(),
            Self::UnknownType { code } => format!("Unknown document type \"{code}\"."),
            Self::UnknownRule { code } => format!("Unknown retention rule \"{code}\"."),
            Self::DateInvalid { value } => format!("\"{value}\" is no calendar date: write YYYY-MM-DD."),
            Self::DateOrder => "The period ends before it starts.".into(),
            Self::DateFuture => "The creation date is in the future.".into(),
            Self::NameInvalid => {
                "File name refused: a bare name without path or control characters is expected.".into()
            }
            Self::NameEncoding => "The file name is not UTF-8.".into(),
            Self::NameTooLong => "The file name exceeds 255 bytes.".into(),
            Self::NameTwice => "Two files of the deposit have the same name.".into(),
            Self::NoPayload => "The deposit holds no file.".into(),
            Self::PayloadsDiffer { declared, received } => {
                format!("The metadata announce {declared} file(s); {received} received, or under other names.")
            }
            Self::EmptyPayload => "The file is empty: nothing to archive.".into(),
            Self::DigestSyntax => "A declared digest cannot be read.".into(),
            Self::DigestMismatch { algorithm, computed } => {
                format!("The {algorithm} of the content received ({computed}) is not the declared one: send it again.")
            }
            Self::SizeMismatch { declared_bytes, received_bytes } => {
                format!("{received_bytes} bytes received, {declared_bytes} declared: send it again.")
            }
            Self::BodyTooLarge { bytes_max } => format!("The deposit exceeds the limit of {bytes_max} bytes."),
            Self::BodyCut => "The connection ended before the deposit did: nothing is archived, try again.".into(),
            Self::BodyIdle => "The upload was silent for too long: nothing is archived, try again.".into(),
            Self::RecordTooLong { bytes_max } => format!("The metadata exceed {bytes_max} bytes altogether."),
            Self::IdempotencyKey => "Idempotency-Key: 1 to 255 visible ASCII characters are expected.".into(),
            Self::IdempotencyConflict => "This idempotency key was used for another content.".into(),
            Self::ContentEncoding => "Send the content as it is, without Content-Encoding.".into(),
            Self::Signature { detail } => {
                format!("A valid signature is required for this type of document: {detail}.")
            }
        }
    }
}

/// At most 64 characters of what the producer wrote, without control characters: enough to recognise it in a message.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(64).map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}
