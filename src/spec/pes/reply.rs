//! The accountant's answers: `PES_ACQUIT`, a refusal, and `PES_Retour`.

use super::{Header, Limits, Parameters, PesError, child, named, push, value};
use crate::spec::xml::Element;

/// The technical answer to one flow. Matched on `NomFic` and `CodCol`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Acquit {
    /// `NomFic` is the answered file's own.
    pub parameters: Parameters,
    /// Whose it is.
    pub header: Header,
    /// The flow is refused.
    pub refused: bool,
    /// There is an `ACQUIT` block: something to read in it beside the answer itself.
    pub detailed: bool,
    /// Its elements, in document order.
    pub elements: Vec<AcquitElement>,
}

/// The answer to one bordereau or one attachment (`ElementACQUIT`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcquitElement {
    /// `DomaineAck`: 1 recettes, 2 dépenses, 4 attachments, 5 bordereaux…
    pub domain: Option<String>,
    /// `EtatAck` is 1.
    pub accepted: bool,
    /// `ExerciceBord`.
    pub exercice: Option<String>,
    /// `NumBord`.
    pub bordereau: Option<String>,
    /// `IdUnique`, of an attachment.
    pub attachment: Option<String>,
    /// Why not: `NumAnoAck` and `LibelleAnoAck`, of the element or of its first pièce in error.
    pub anomaly: Option<String>,
}

impl Acquit {
    pub(super) fn read(root: &Element<'_>, refused: bool, limits: &Limits) -> Result<Self, PesError> {
        let inner = root.children().any(|child| child.name().eq_ignore_ascii_case("NonAcquit"));
        let block = child(root, "ACQUIT");
        let mut elements = Vec::new();
        for element in block.iter().flat_map(|block| named(block, "ElementACQUIT")) {
            push(&mut elements, AcquitElement::read(&element), limits.acquits_max, "éléments d'acquittement")?;
        }
        Ok(Self {
            parameters: Parameters::read(root),
            header: Header::read(root),
            refused: refused || inner,
            detailed: block.is_some(),
            elements,
        })
    }
}

impl AcquitElement {
    fn read(element: &Element<'_>) -> Self {
        let error = child(element, "Erreur").or_else(|| {
            let mut pieces = element.children().filter(|inner| inner.name() == "DetailPiece");
            pieces.find_map(|piece| child(&piece, "Erreur"))
        });
        let anomaly = error.map(|error| {
            let parts = [value(&error, &["NumAnoAck"]), value(&error, &["LibelleAnoAck"])];
            parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
        });
        Self {
            domain: value(element, &["DomaineAck"]),
            accepted: value(element, &["EtatAck"]).as_deref() == Some("1"),
            exercice: value(element, &["ExerciceBord"]),
            bordereau: value(element, &["NumBord"]),
            attachment: value(element, &["IdUnique"]),
            anomaly: anomaly.filter(|text| !text.is_empty()),
        }
    }
}

/// The accountant's own flow: payments, situation, balances. What is in it is for the accounting software.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retour {
    /// What it is called.
    pub parameters: Parameters,
    /// Whose it is: `IdColl` tells the authority, `IdPost` the accountant.
    pub header: Header,
    /// Names of its blocks, each once: `PES_DepenseRetour`, `PES_RecetteRetour`…
    pub blocks: Vec<String>,
}

/// Block names kept.
const BLOCKS_MAX: usize = 64;

impl Retour {
    pub(super) fn read(root: &Element<'_>) -> Self {
        let mut blocks: Vec<String> = Vec::new();
        for part in root.children() {
            let name = part.name();
            let told = name.starts_with("PES_") && !blocks.iter().any(|known| *known == name);
            if told && blocks.len() < BLOCKS_MAX {
                blocks.push(super::shortened(&name));
            }
        }
        Self { parameters: Parameters::read(root), header: Header::read(root), blocks }
    }
}
