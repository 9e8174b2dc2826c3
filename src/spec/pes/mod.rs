//! PES v2, the protocole d'échange standard of the DGFiP: what a file that an accountant's software exchanges with Hélios
//! says of itself.
//!
//! * [`Aller`]: from the ordonnateur to the accountant. Parameters and header, the bordereaux of titres and mandats with
//!   their pièces, and the attachments, each with the place of its base64 (and mostly gzip) content.
//! * [`Acquit`]: the accountant's technical answer to one of them: `PES_ACQUIT`, or a refusal.
//! * [`Retour`]: what the accountant sends back of the execution.
//!
//! Values stand in attributes `V`, as `<CodCol V="123"/>`. What is read is where the schema has it (`PES_Aller.xsd`,
//! `PES_V2_Acquit_Autonome_V2.xsd`, `PES_Retour.xsd`): an element of the right name somewhere else is not what Hélios
//! reads. An absent or empty value is `None`; no schema is applied, nothing is refused but what is over a limit, so that
//! whoever asks can say what is missing. Bounded by [`Limits`]; linear in the document.

mod aller;
mod content;
mod reply;

#[cfg(test)]
mod tests;

pub use aller::{Aller, Attachment, Bordereau, Domain, Piece};
pub use content::{Content, ContentLimits};
pub use reply::{Acquit, AcquitElement, Retour};

use super::xml::{Document, Element};

/// What one file may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bordereaux.
    pub bordereaux_max: usize,
    /// Pièces, over all bordereaux.
    pub pieces_max: usize,
    /// Attachments, and references to attachments.
    pub attachments_max: usize,
    /// Elements of an acquittement.
    pub acquits_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bordereaux_max: 10_000, pieces_max: 200_000, attachments_max: 50_000, acquits_max: 200_000 }
    }
}

/// Longest value kept, in characters: the schema's are far shorter.
const VALUE_CHARS_MAX: usize = 500;

/// Why a document is not read as a PES.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PesError {
    /// Another document.
    #[error("ce n'est pas un fichier PES : l'élément racine est « {0} »")]
    Root(String),
    /// One of the [`Limits`].
    #[error("plus de {limit} {what} dans un fichier PES")]
    Limit {
        /// Of what, in French.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The content of an attachment is no base64.
    #[error("le contenu de la pièce jointe n'est pas du base64")]
    Base64,
    /// The content of an attachment says it is compressed and is not.
    #[error("le contenu compressé de la pièce jointe est abîmé")]
    Gzip,
    /// Decompressed, an attachment is over a limit: its length, or how much longer it is than what was sent.
    #[error("la pièce jointe décompressée dépasse {0} octets")]
    Expanded(u64),
}

/// A PES, by its root element.
#[derive(Debug, Clone, PartialEq)]
pub enum Pes<'d> {
    /// To the accountant.
    Aller(Aller<'d>),
    /// The accountant's technical answer.
    Acquit(Acquit),
    /// The accountant's own flow.
    Retour(Retour),
}

impl<'d> Pes<'d> {
    /// Reads a document.
    ///
    /// # Errors
    ///
    /// [`PesError::Root`] for another document, [`PesError::Limit`].
    pub fn read(document: &'d Document<'d>, limits: &Limits) -> Result<Self, PesError> {
        let root = document.root();
        match root.name().to_ascii_lowercase().as_str() {
            "pes_aller" => Ok(Self::Aller(Aller::read(&root, limits)?)),
            "pes_acquit" => Ok(Self::Acquit(Acquit::read(&root, false, limits)?)),
            // No public schema has it; senders know it by these names.
            "pes_nonacquit" | "pes_non_acquit" | "nonacquit" => Ok(Self::Acquit(Acquit::read(&root, true, limits)?)),
            "pes_retour" => Ok(Self::Retour(Retour::read(&root))),
            _ => Err(PesError::Root(shortened(&root.name()))),
        }
    }
}

/// `Enveloppe/Parametres`: what the file is called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameters {
    /// `Version`.
    pub version: Option<String>,
    /// `TypFic`: `PESALR2`, `PESRTR2`…
    pub typ_fic: Option<String>,
    /// `NomFic`: with `CodCol`, what an acquittement is matched on.
    pub nom_fic: Option<String>,
}

impl Parameters {
    fn read(root: &Element<'_>) -> Self {
        let field = |name| value(root, &["Enveloppe", "Parametres", name]);
        Self { version: field("Version"), typ_fic: field("TypFic"), nom_fic: field("NomFic") }
    }
}

/// `EnTetePES`: whose it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    /// `DteStr`: when it was made, `YYYY-MM-DD` when it follows the schema.
    pub dte_str: Option<String>,
    /// `IdPost`: the accountant's codique.
    pub id_post: Option<String>,
    /// `IdColl`: the SIRET.
    pub id_coll: Option<String>,
    /// `CodCol`: the authority's code at the accountant's, three digits.
    pub cod_col: Option<String>,
    /// `CodBud`: the budget's.
    pub cod_bud: Option<String>,
    /// `LibelleColBud`.
    pub libelle: Option<String>,
}

impl Header {
    fn read(root: &Element<'_>) -> Self {
        let field = |name| value(root, &["EnTetePES", name]);
        Self {
            dte_str: field("DteStr"),
            id_post: field("IdPost"),
            id_coll: field("IdColl"),
            cod_col: field("CodCol"),
            cod_bud: field("CodBud"),
            libelle: field("LibelleColBud").or_else(|| field("LibelleCodBud")),
        }
    }
}

/// Whether an element is the root of a PES that goes to the accountant, in a namespace of Hélios.
pub fn is_aller(root: &Element<'_>) -> bool {
    root.name() == "PES_Aller" && root.namespace().contains("/helios/pes_v2/")
}

/// Whether a file says within its first fifty characters that it is in ISO-8859-1, as Hélios wants it.
pub fn declares_latin1(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(50)];
    start.windows(10).any(|window| window.eq_ignore_ascii_case(b"ISO-8859-1"))
}

/// The value (attribute `V`) of the element at the end of a path of first children, by local names.
pub fn value(from: &Element<'_>, path: &[&str]) -> Option<String> {
    let mut at = *from;
    for name in path {
        at = child(&at, name)?;
    }
    own_value(&at)
}

/// The value of an element itself: trimmed, without control characters, cut at 500 characters.
fn own_value(element: &Element<'_>) -> Option<String> {
    let value = shortened(element.attribute("V")?.trim());
    (!value.is_empty()).then_some(value)
}

fn shortened(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(VALUE_CHARS_MAX).collect()
}

fn child<'d>(element: &Element<'d>, name: &str) -> Option<Element<'d>> {
    element.children().find(|child| child.name() == name)
}

fn named<'e, 'd: 'e>(element: &'e Element<'d>, name: &'e str) -> impl Iterator<Item = Element<'d>> + use<'e, 'd> {
    element.children().filter(move |child| child.name() == name)
}

/// Adds to a list that has a limit.
fn push<T>(list: &mut Vec<T>, item: T, limit: usize, what: &'static str) -> Result<(), PesError> {
    if list.len() >= limit {
        return Err(PesError::Limit { what, limit });
    }
    list.push(item);
    Ok(())
}
