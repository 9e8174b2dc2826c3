//! PES v2 (DGFiP, protocole d'échange standard): the parts that a reader takes for the file's, and whether they are signed.
//!
//! The bordereaux are those that stand where the schema has them, `PES_Aller/PES_DepenseAller/Bordereau` and its like: a
//! `Bordereau` anywhere else is not one that an accountant's software reads, however well it is signed.

use super::{Covered, tidy};
use crate::spec::pes;
use crate::spec::xml::{Document, Element};
use crate::spec::xmldsig::DSIG_NS;
use crate::validation::facts::{Coverage, CoverageKind, Facts, Fault, FaultKind, SignatureFacts};
use std::collections::HashSet;

/// Units that one signature leaves out which are told one by one.
const LEFT_OUT_MAX: usize = 64;

/// The parts of a PES.
pub(super) struct Units<'d> {
    document: &'d Document<'d>,
    parts: Vec<Unit<'d>>,
    /// Elements called `Bordereau` that are not where one is read.
    strays: Vec<Element<'d>>,
}

struct Unit<'d> {
    kind: CoverageKind,
    element: Element<'d>,
    name: String,
    detail: Option<String>,
}

/// The parts of a document, if it is a PES.
pub(super) fn units<'d>(document: &'d Document<'d>) -> Option<Units<'d>> {
    let root = document.root();
    if !pes::is_aller(&root) {
        return None;
    }
    let mut units = Vec::new();
    for part in root.children() {
        let kind = match part.name().as_ref() {
            "Enveloppe" | "EnTetePES" => CoverageKind::PesHeader,
            "PES_PJ" | "PJ" => CoverageKind::PesAttachment,
            _ => {
                let bordereaux = part.children().filter(|child| child.name() == "Bordereau");
                units.extend(bordereaux.map(bordereau));
                continue;
            }
        };
        units.push(Unit { kind, element: part, name: part.name().into_owned(), detail: None });
    }
    let placed: HashSet<u32> = units.iter().map(|unit| unit.element.order()).collect();
    let strays = document
        .elements()
        .filter(|element| element.name() == "Bordereau" && !placed.contains(&element.order()))
        .take(LEFT_OUT_MAX)
        .collect();
    Some(Units { document, parts: units, strays })
}

fn bordereau(element: Element<'_>) -> Unit<'_> {
    let value = |name: &str| pes::value(&element, &["BlocBordereau", name]).map(|value| tidy(&value));
    let mut detail = Vec::new();
    for (name, label) in [("Exer", "exercice"), ("TypBord", "type"), ("DteBordEm", "émis le"), ("NbrPce", "pièces :")]
    {
        detail.extend(value(name).map(|value| format!("{label} {value}")));
    }
    let name = value("IdBord").or_else(|| element.identifier().map(|id| tidy(&id)));
    Unit {
        kind: CoverageKind::PesBordereau,
        element,
        name: name.unwrap_or_else(|| tidy(&element.path())),
        detail: (!detail.is_empty()).then(|| detail.join(", ")),
    }
}

impl Units<'_> {
    /// The coverage of one signature, and whether it covers anything that is read.
    pub(super) fn of_signature(&self, covered: &[Covered], facts: &mut SignatureFacts) {
        let marks = self.marks(covered);
        let (mut left_out, mut more) = (Vec::new(), 0);
        for (unit, &covered) in self.parts.iter().zip(&marks) {
            if covered {
                facts.covers.push(unit.coverage(true));
            } else if left_out.len() < LEFT_OUT_MAX {
                left_out.push(unit.coverage(false));
            } else {
                more += 1;
            }
        }
        facts.covers.append(&mut left_out);
        if more > 0 {
            facts.covers.push(Coverage {
                kind: CoverageKind::PesBordereau,
                name: "autres".to_owned(),
                covered: false,
                detail: Some(format!("{more} autres parties ne sont pas couvertes par cette signature")),
            });
        }
        for stray in &self.strays {
            if covered.iter().any(|covered| covered.selection.apex(self.document) == *stray) {
                let text = format!("le bordereau signé n'est pas à la place d'un bordereau : {}", tidy(&stray.path()));
                facts.faults.push(Fault::new(FaultKind::Wrapping, text));
            }
        }
        if !marks.contains(&true) && !facts.faults.iter().any(|fault| fault.kind == FaultKind::Wrapping) {
            facts.faults.push(Fault::new(FaultKind::Wrapping, "la signature ne couvre aucune partie du PES"));
        }
    }

    /// What the signatures that hold cover together.
    pub(super) fn summarise(&self, covered: &[Covered], facts: &mut Facts) {
        let marks = self.marks(covered);
        facts.members = self.parts.iter().zip(&marks).map(|(unit, &covered)| unit.coverage(covered)).collect();
        if facts.signatures.is_empty() {
            return;
        }
        let open = |(unit, covered): &(&Unit<'_>, &bool)| unit.kind == CoverageKind::PesBordereau && !**covered;
        for (unit, _) in self.parts.iter().zip(&marks).filter(open).take(LEFT_OUT_MAX) {
            let text = format!("le bordereau {} n'est couvert par aucune signature valable", unit.name);
            facts.faults.push(Fault::new(FaultKind::Uncovered, text));
        }
    }

    /// Which units are covered. A unit is, when all of it is selected but signatures.
    fn marks(&self, covered: &[Covered]) -> Vec<bool> {
        let mut marks = vec![false; self.parts.len()];
        for one in covered.iter().filter(|one| !one.text_only) {
            let apex = one.selection.apex(self.document);
            // Units are in document order and apart from one another: those of a subtree stand together.
            let first = self.parts.partition_point(|unit| unit.element.order() < apex.order());
            let inside = self.parts[first..].iter().take_while(|unit| apex.contains(&unit.element)).count();
            let taken_out: Vec<_> =
                one.selection.excluded(self.document).filter(|element| !element.is(DSIG_NS, "Signature")).collect();
            for (mark, unit) in marks[first..first + inside].iter_mut().zip(&self.parts[first..]) {
                let next = taken_out.partition_point(|element| element.order() < unit.element.order());
                let whole = taken_out.get(next).is_none_or(|element| !unit.element.contains(element));
                *mark |= whole && one.selection.has(&unit.element);
            }
        }
        marks
    }
}

impl Unit<'_> {
    fn coverage(&self, covered: bool) -> Coverage {
        Coverage { kind: self.kind, name: self.name.clone(), covered, detail: self.detail.clone() }
    }
}
