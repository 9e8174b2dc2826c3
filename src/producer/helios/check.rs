//! What a file for Hélios must be, in the order and with the words of s2low, and what is kept of it.

use crate::admission::{file_name, parse_date};
use crate::package::{Dates, Direction, Flow, FlowBordereau};
use crate::spec::pes::{self, Aller, Attachment, Content, ContentLimits, Domain, Pes};
use crate::spec::xml;
use std::ops::Range;

/// The largest file that Hélios takes: 128 MiB.
pub const BYTES_MAX: usize = 128 << 20;

/// Attachments archived as documents of their own; the others stay in the file.
const EXTRACTS_MAX: usize = 2_000;
/// What attachments may be altogether, decompressed.
const EXTRACTED_BYTES_MAX: u64 = 1 << 30;
/// Decompressed at most: one attachment.
const CONTENT: ContentLimits = ContentLimits { bytes_max: 512 << 20, ratio_max: 200 };
/// Bordereaux, pièces and attachments named in the record, in bytes.
const NAMED_BYTES_MAX: usize = 40 * 1024;
/// The file's own limits: a node costs 20 bytes.
const XML: xml::Limits = xml::Limits {
    size_bytes_max: BYTES_MAX,
    depth_max: 128,
    nodes_max: 4 << 20,
    attributes_max: 4_096,
    namespaces_max: 4_096,
};

/// Why a file is not transmitted, found once it was received.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It does not say within its first fifty characters that it is in ISO-8859-1.
    #[error("ce fichier n'est pas encodé en ISO-8859-1")]
    Encoding,
    /// It does not parse.
    #[error("ce fichier n'est pas en XML ({0})")]
    Xml(String),
    /// It is something else, or over a limit.
    #[error("ce fichier n'est pas un PES_Aller ({0})")]
    Other(String),
    /// Nothing to transmit.
    #[error("ce fichier ne contient ni bordereau, ni PJ, ni marché")]
    Empty,
    /// `NomFic` is missing.
    #[error("La balise Enveloppe/Parametres/NomFic n'est pas présente ou est vide")]
    NomFic,
    /// A value of the header is missing.
    #[error("La balise EnTetePES/{0} n'est pas présente ou est vide")]
    Missing(&'static str),
    /// A value of the header is too long.
    #[error("La balise EnTetePES/{0} est trop longue")]
    TooLong(&'static str),
    /// Another transmission has the same `NomFic` and `CodCol`.
    #[error("ce fichier existe déjà sur la plateforme")]
    Seen,
    /// A signature does not hold, or a required one is missing.
    #[error("La signature du fichier est invalide : {0}")]
    Signature(String),
    /// The antivirus found something.
    #[error("virus détecté ({0})")]
    Virus(String),
    /// What the archive itself refuses.
    #[error("l'archive refuse ce fichier : {0}")]
    Archive(String),
}

impl Fault {
    /// Its stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Encoding => "helios-encoding",
            Self::Xml(_) => "helios-xml",
            Self::Other(_) => "helios-not-a-pes",
            Self::Empty => "helios-empty",
            Self::NomFic => "helios-nom-fic",
            Self::Missing(_) => "helios-header-missing",
            Self::TooLong(_) => "helios-header-too-long",
            Self::Seen => "helios-name-seen",
            Self::Signature(_) => "signature-invalid",
            Self::Virus(_) => "virus",
            Self::Archive(_) => "helios-archive",
        }
    }
}

/// A file that may be transmitted.
#[derive(Debug)]
pub struct Inspected {
    /// What the record says of it; file name and digests are the caller's to set.
    pub flow: Flow,
    /// What a reader would call it.
    pub title: String,
    /// Its own dates: when it was made (not in the future), and the years it is about.
    pub dates: Dates,
    /// Attachments to archive as documents of their own.
    pub extracts: Vec<Extract>,
    /// Attachments that could not be taken out: name and reason.
    pub left_in: Vec<String>,
}

/// An attachment to archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extract {
    /// A file name, distinct from the others'.
    pub name: String,
    /// Where its base64 stands in the file.
    pub place: Range<usize>,
}

impl Extract {
    /// Its content; `file` is the whole file.
    pub fn content<T: AsRef<[u8]>>(&self, text: T) -> Content<T> {
        Content::new(text, CONTENT)
    }
}

/// Checks a file; `today` as `YYYY-MM-DD`. Takes time in proportion to the file: off the runtime.
pub fn inspect(file: &[u8], today: &str) -> Result<Inspected, Fault> {
    if !pes::declares_latin1(file) {
        return Err(Fault::Encoding);
    }
    let document = xml::Document::parse(file, &XML).map_err(|error| Fault::Xml(error.to_string()))?;
    let read = Pes::read(&document, &pes::Limits::default()).map_err(|error| Fault::Other(error.to_string()))?;
    let Pes::Aller(aller) = read else {
        return Err(Fault::Other(format!("l'élément racine est « {} »", document.root().name())));
    };
    if aller.is_empty() {
        return Err(Fault::Empty);
    }
    let flow = flow(&aller)?;
    let (extracts, left_in) = extracts(&aller.attachments, file);
    let dates = dates(&aller, today);
    Ok(Inspected { title: title(&flow, &aller), flow, dates, extracts, left_in })
}

fn flow(aller: &Aller<'_>) -> Result<Flow, Fault> {
    let header = &aller.header;
    let nom_fic = aller.parameters.nom_fic.clone().ok_or(Fault::NomFic)?;
    let required = |value: &Option<String>, name| value.clone().ok_or(Fault::Missing(name));
    let cod_col = required(&header.cod_col, "CodCol")?;
    let (id_post, cod_bud) = (required(&header.id_post, "IdPost")?, required(&header.cod_bud, "CodBud")?);
    if cod_col.chars().count() > 3 {
        return Err(Fault::TooLong("CodCol"));
    }
    if header.id_coll.as_ref().is_some_and(|siret| siret.chars().count() > 14) {
        return Err(Fault::TooLong("IdColl"));
    }
    let mut flow = Flow {
        direction: Direction::Aller,
        nom_fic: Some(nom_fic),
        cod_col: Some(cod_col),
        id_post: Some(id_post),
        cod_bud: Some(cod_bud),
        id_coll: header.id_coll.clone(),
        dte_str: header.dte_str.clone(),
        ..Flow::default()
    };
    let mut left = NAMED_BYTES_MAX;
    // What one name costs in the record, in canonical JSON: escapes make six bytes of one at most.
    let mut fits = |texts: &[Option<&String>], fixed: usize| {
        let cost = fixed + texts.iter().flatten().map(|text| 3 + 2 * text.len()).sum::<usize>();
        let fits = cost <= left;
        left = if fits { left - cost } else { 0 };
        fits
    };
    for bordereau in &aller.bordereaux {
        let texts = [bordereau.exercice.as_ref(), bordereau.number.as_ref(), bordereau.kind.as_ref()];
        if !fits(&texts, 80) {
            flow.shortened = true;
            break;
        }
        let mut kept = FlowBordereau {
            domain: match bordereau.domain {
                Domain::Expense => "depense",
                Domain::Income => "recette",
                Domain::Other => "autre",
            }
            .to_owned(),
            exercice: bordereau.exercice.clone(),
            number: bordereau.number.clone(),
            kind: bordereau.kind.clone(),
            pieces: Vec::new(),
        };
        for number in bordereau.pieces.iter().filter_map(|piece| piece.number.as_ref()) {
            if fits(&[Some(number)], 0) {
                kept.pieces.push(number.clone());
            } else {
                flow.shortened = true;
            }
        }
        flow.bordereaux.push(kept);
    }
    for identifier in aller.attachments.iter().filter_map(|attachment| attachment.identifier.as_ref()) {
        if fits(&[Some(identifier)], 0) {
            flow.attachments.push(identifier.clone());
        } else {
            flow.shortened = true;
        }
    }
    Ok(flow)
}

fn title(flow: &Flow, aller: &Aller<'_>) -> String {
    let name = flow.nom_fic.as_deref().unwrap_or_default();
    let of = |domain| aller.bordereaux.iter().filter(|bordereau| bordereau.domain == domain).count();
    let mut parts = Vec::new();
    for (count, what) in [
        (of(Domain::Expense), "bordereau(x) de mandats"),
        (of(Domain::Income), "bordereau(x) de titres"),
        (aller.attachments.len(), "pièce(s) jointe(s)"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    let name: String = name.chars().take(255).collect();
    if parts.is_empty() { format!("PES {name}") } else { format!("PES {name} : {}", parts.join(", ")) }
}

fn dates(aller: &Aller<'_>, today: &str) -> Dates {
    let years: Vec<u16> = aller
        .bordereaux
        .iter()
        .filter_map(|bordereau| bordereau.exercice.as_ref()?.parse().ok())
        .filter(|year| (1900..=2200).contains(year))
        .collect();
    let made = aller.header.dte_str.as_deref();
    Dates {
        created: made.filter(|day| parse_date(day).is_some() && *day <= today).map(str::to_owned),
        start: years.iter().min().map(|year| format!("{year}-01-01")),
        end: years.iter().max().map(|year| format!("{year}-12-31")),
    }
}

/// The attachments that come out whole, each decompressed once here so that the deposit meets no surprise.
fn extracts(attachments: &[Attachment<'_>], file: &[u8]) -> (Vec<Extract>, Vec<String>) {
    let (mut extracts, mut left_in, mut total) = (Vec::new(), Vec::new(), 0u64);
    for (n, attachment) in (1..).zip(attachments) {
        let name = extract_name(n, attachment);
        let Some(place) = attachment.place(file) else {
            if attachment.text().is_some_and(|text| !text.trim().is_empty()) {
                left_in.push(format!("{name} : contenu en plusieurs morceaux"));
            }
            continue;
        };
        if extracts.len() >= EXTRACTS_MAX {
            left_in.push(format!("{name} : plus de {EXTRACTS_MAX} pièces jointes"));
            continue;
        }
        let (mut content, mut bytes) = (Content::new(&file[place.clone()], CONTENT), 0u64);
        let fault = loop {
            match content.piece() {
                Ok(Some(piece)) => bytes = bytes.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX)),
                Ok(None) => break None,
                Err(error) => break Some(error.to_string()),
            }
            if total.saturating_add(bytes) > EXTRACTED_BYTES_MAX {
                break Some(format!("plus de {EXTRACTED_BYTES_MAX} octets de pièces jointes"));
            }
        };
        match fault {
            Some(fault) => left_in.push(format!("{name} : {fault}")),
            // Nothing in it: nothing to archive beside the file.
            None if bytes == 0 => {}
            None => {
                total += bytes;
                extracts.push(Extract { name, place });
            }
        }
    }
    (extracts, left_in)
}

/// `PJ-0001-facture.pdf`: the name given, made safe, after its rank.
fn extract_name(n: usize, attachment: &Attachment<'_>) -> String {
    let given = attachment.name.as_ref().or(attachment.identifier.as_ref()).map_or("sans-nom", String::as_str);
    let safe = |c: char| if c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ' ') { c } else { '_' };
    let cleaned: String = given.chars().map(safe).collect();
    // The end has the extension.
    let skipped = cleaned.chars().count().saturating_sub(50);
    let cleaned: String = cleaned.chars().skip(skipped).collect();
    let name = format!("PJ-{n:04}-{}", cleaned.trim());
    if file_name(name.as_bytes()).is_ok() { name } else { format!("PJ-{n:04}") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn file(inside: &str) -> String {
        format!("<?xml version=\"1.0\" encoding=\"iso-8859-1\"?><PES_Aller>{inside}</PES_Aller>")
    }

    const ENVELOPE: &str = "<Enveloppe><Parametres><NomFic V='F'/></Parametres></Enveloppe>";
    const HEADER: &str =
        "<EnTetePES><DteStr V='2026-03-05'/><IdPost V='040999'/><CodCol V='999'/><CodBud V='00'/></EnTetePES>";
    const BORDEREAU: &str = "<PES_DepenseAller><Bordereau><BlocBordereau><Exer V='2026'/><IdBord V='37'/></BlocBordereau>\
        <Piece><BlocPiece><InfoPce><IdPce V='412'/></InfoPce></BlocPiece></Piece></Bordereau></PES_DepenseAller>";

    #[test]
    fn each_fault_has_its_words() {
        let fault = |text: &str| inspect(text.as_bytes(), "2026-11-24").unwrap_err();
        assert_eq!(fault("<PES_Aller/>"), Fault::Encoding);
        assert!(matches!(fault(&file("<a>")), Fault::Xml(_)));
        assert!(matches!(fault("<?xml version='1.0' encoding='ISO-8859-1'?><PES_Retour/>"), Fault::Other(_)));
        assert_eq!(fault(&file(&format!("{ENVELOPE}{HEADER}"))), Fault::Empty);
        assert_eq!(fault(&file(&format!("{HEADER}{BORDEREAU}"))), Fault::NomFic);
        let without = |name: &str| HEADER.replace(name, "Autre");
        for name in ["CodCol", "IdPost", "CodBud"] {
            assert_eq!(fault(&file(&format!("{ENVELOPE}{}{BORDEREAU}", without(name)))), Fault::Missing(name));
        }
        let long = HEADER.replace("999'/><CodBud", "9999'/><CodBud");
        assert_eq!(fault(&file(&format!("{ENVELOPE}{long}{BORDEREAU}"))), Fault::TooLong("CodCol"));
    }

    #[test]
    fn a_good_file_is_described_and_its_attachments_come_out() {
        let attachments = "<PES_PJ><PJ><Contenu><Fichier>YWJj</Fichier></Contenu><IdUnique V='U1'/><NomPJ V='../a/facture.pdf'/></PJ>\
            <PJ><Contenu><Fichier>?</Fichier></Contenu><IdUnique V='U2'/></PJ><PJ><IdUnique V='U3'/></PJ></PES_PJ>";
        let text = file(&format!("{ENVELOPE}{HEADER}{BORDEREAU}{attachments}"));
        let found = inspect(text.as_bytes(), "2026-11-24").unwrap();
        assert_eq!(found.title, "PES F : 1 bordereau(x) de mandats, 3 pièce(s) jointe(s)");
        assert_eq!(found.dates.end.as_deref(), Some("2026-12-31"));
        assert_eq!(found.dates.created.as_deref(), Some("2026-03-05"));
        assert_eq!(inspect(text.as_bytes(), "2026-01-01").unwrap().dates.created, None, "in the future");
        let [extract] = &found.extracts[..] else { panic!("{:?}", found.extracts) };
        assert_eq!(extract.name, "PJ-0001-.._a_facture.pdf");
        let base64 = &text.as_bytes()[extract.place.clone()];
        assert_eq!(extract.content(base64).whole().unwrap(), b"abc");
        assert_eq!(found.left_in.len(), 1);
        let terms = found.flow.terms();
        for term in ["bordereau:2026/37", "bordereau:37", "piece:412", "pj:U1", "pj:U3", "nomfic:F"] {
            assert!(terms.iter().any(|known| known == term), "{term}: {terms:?}");
        }
    }
}
