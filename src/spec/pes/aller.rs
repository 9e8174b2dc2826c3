//! `PES_Aller`: bordereaux, pièces and attachments.

use super::{Content, Header, Limits, Parameters, PesError, child, named, own_value, push, value};
use crate::spec::xml::Element;
use std::borrow::Cow;
use std::ops::Range;

/// A flow to the accountant.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Aller<'d> {
    /// What it is called.
    pub parameters: Parameters,
    /// Whose it is.
    pub header: Header,
    /// Bordereaux, in document order.
    pub bordereaux: Vec<Bordereau>,
    /// Attachments that travel in it, in document order.
    pub attachments: Vec<Attachment<'d>>,
    /// It has a block of public contracts (`PES_Marche…`).
    pub contracts: bool,
}

/// What a bordereau is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// Mandats (`PES_DepenseAller`).
    Expense,
    /// Titres (`PES_RecetteAller`).
    Income,
    /// Something else.
    Other,
}

/// A bordereau of mandats or titres.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bordereau {
    /// What it is about.
    pub domain: Domain,
    /// `Exer`: the year.
    pub exercice: Option<String>,
    /// `IdBord`: its number in the year.
    pub number: Option<String>,
    /// `TypBord`: `01` ordinary, `02` cancellation or reduction…
    pub kind: Option<String>,
    /// `DteBordEm`: when it was issued.
    pub issued: Option<String>,
    /// `NbrPce`: how many pièces it says it has.
    pub pieces_declared: Option<String>,
    /// The pièces it has.
    pub pieces: Vec<Piece>,
}

/// A mandat or a titre.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// `IdPce`.
    pub number: Option<String>,
    /// `IdUnique` of the attachments it refers to, here or in another file.
    pub attachments: Vec<String>,
}

/// An attachment (`PES_PJ/PJ`).
#[derive(Debug, Clone, PartialEq)]
pub struct Attachment<'d> {
    /// `IdUnique`.
    pub identifier: Option<String>,
    /// `NomPJ`: a file name.
    pub name: Option<String>,
    /// `TypePJ` (`TypPJ`): `007` for an invoice…
    pub kind: Option<String>,
    /// `Description`.
    pub description: Option<String>,
    /// `MIMEType` of the file.
    pub media_type: Option<String>,
    /// The element that holds the content, when it travels in the file.
    file: Option<Element<'d>>,
}

impl<'d> Aller<'d> {
    pub(super) fn read(root: &Element<'d>, limits: &Limits) -> Result<Self, PesError> {
        let mut aller = Self { parameters: Parameters::read(root), header: Header::read(root), ..Self::default() };
        let mut left = Left { pieces: limits.pieces_max, references: limits.attachments_max, limits };
        for part in root.children() {
            let name = part.name();
            if name == "PES_PJ" {
                for attachment in named(&part, "PJ") {
                    let read = Attachment::read(&attachment);
                    push(&mut aller.attachments, read, limits.attachments_max, "pièces jointes")?;
                }
                continue;
            }
            aller.contracts |= name.starts_with("PES_Marche") && part.children().next().is_some();
            let domain = match name.as_ref() {
                "PES_DepenseAller" => Domain::Expense,
                "PES_RecetteAller" => Domain::Income,
                _ => Domain::Other,
            };
            for element in named(&part, "Bordereau") {
                let read = Bordereau::read(&element, domain, &mut left)?;
                push(&mut aller.bordereaux, read, limits.bordereaux_max, "bordereaux")?;
            }
        }
        Ok(aller)
    }

    /// Whether there is nothing to transmit in it: neither bordereau, attachment nor contract.
    pub fn is_empty(&self) -> bool {
        self.bordereaux.is_empty() && self.attachments.is_empty() && !self.contracts
    }
}

/// What may still be read.
struct Left<'l> {
    pieces: usize,
    references: usize,
    limits: &'l Limits,
}

impl Bordereau {
    fn read(element: &Element<'_>, domain: Domain, left: &mut Left<'_>) -> Result<Self, PesError> {
        let field = |name| value(element, &["BlocBordereau", name]);
        let mut bordereau = Self {
            domain,
            exercice: field("Exer"),
            number: field("IdBord"),
            kind: field("TypBord"),
            issued: field("DteBordEm"),
            pieces_declared: field("NbrPce"),
            pieces: Vec::new(),
        };
        for piece in named(element, "Piece") {
            if left.pieces == 0 {
                return Err(PesError::Limit { what: "pièces", limit: left.limits.pieces_max });
            }
            left.pieces -= 1;
            bordereau.pieces.push(Piece::read(&piece, left)?);
        }
        Ok(bordereau)
    }

    /// Whether it has as many pièces as it says; `None` when it says nothing that is a number.
    pub fn is_complete(&self) -> Option<bool> {
        Some(self.pieces_declared.as_ref()?.parse::<usize>().ok()? == self.pieces.len())
    }
}

impl Piece {
    fn read(element: &Element<'_>, left: &mut Left<'_>) -> Result<Self, PesError> {
        let block = child(element, "BlocPiece");
        let number = block.and_then(|block| value(&block, &["InfoPce", "IdPce"]).or_else(|| value(&block, &["IdPce"])));
        let mut attachments = Vec::new();
        for reference in element.descendants().filter(|inner| inner.name() == "PJRef") {
            let Some(identifier) = value(&reference, &["IdUnique"]) else { continue };
            if left.references == 0 {
                let limit = left.limits.attachments_max;
                return Err(PesError::Limit { what: "références à des pièces jointes", limit });
            }
            left.references -= 1;
            attachments.push(identifier);
        }
        Ok(Self { number, attachments })
    }
}

impl<'d> Attachment<'d> {
    fn read(element: &Element<'d>) -> Self {
        let file = child(element, "Contenu").and_then(|content| child(&content, "Fichier"));
        let media_type = file.and_then(|file| Some(file.attribute("MIMEType")?.trim().to_owned()));
        Self {
            identifier: value(element, &["IdUnique"]),
            name: value(element, &["NomPJ"]),
            kind: value(element, &["TypePJ"]).or_else(|| value(element, &["TypPJ"])),
            description: child(element, "Description").and_then(|found| own_value(&found)),
            media_type: media_type.filter(|found| !found.is_empty() && found.len() <= 127),
            file,
        }
    }

    /// Where its content stands in `input`, the very bytes the document was read from; `None` without content, and when
    /// its text is not in one piece there (then [`Attachment::text`]).
    pub fn place(&self, input: &[u8]) -> Option<Range<usize>> {
        self.file?.text_in(input)
    }

    /// The text of its content, base64.
    pub fn text(&self) -> Option<Cow<'d, str>> {
        Some(self.file?.text())
    }

    /// Its content as it was before it was put in.
    pub fn content(&self) -> Option<Content<Vec<u8>>> {
        Some(Content::new(self.text()?.into_owned().into_bytes(), super::ContentLimits::default()))
    }
}
