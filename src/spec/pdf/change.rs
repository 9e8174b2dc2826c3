//! What changed between two revisions of one file (ISO 32000-1 § 7.5.6), told by what a reader would see.
//!
//! Both revisions are walked from their catalogs side by side. An object stored at the same place in both is the same
//! object; what it refers to may still have changed, so the walk goes on through it. Every difference has an area by the
//! keys that led to it: pages, content, annotations, form fields, signatures, validation material.

use super::object::{Dictionary, Object};
use super::steady::{self, Steady};
use super::{Pdf, PdfError};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

/// Pairs of objects compared in one file, at most, however many revisions it has.
pub const MAX_PAIRS: usize = 4_000_000;
/// Pages of a document looked at.
const MAX_PAGES: usize = 200_000;
/// Details kept.
const MAX_DETAILS: usize = 8;

/// The differences, by area.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Pages that were not there.
    pub pages_added: usize,
    /// Pages that are not there any more.
    pub pages_removed: usize,
    /// The same pages in another order.
    pub reordered: bool,
    /// Visible content: of a page, its resources, optional content, what opens with the document.
    pub content: Vec<String>,
    /// Annotations added, removed or changed, other than signature fields.
    pub annotations: Vec<String>,
    /// Form fields added, removed, or with another value or look.
    pub fields: Vec<String>,
    /// Signatures that were there and are not the same any more.
    pub signatures: Vec<String>,
    /// Signature fields added or signed.
    pub signed_fields: usize,
    /// The document security store was added or changed.
    pub security_store: bool,
    /// Metadata, and other entries that do not show.
    pub invisible: Vec<String>,
}

impl Changes {
    /// Whether a reader may see something else than before.
    pub fn is_visible(&self) -> bool {
        self.pages_added + self.pages_removed > 0
            || self.reordered
            || !(self.content.is_empty()
                && self.annotations.is_empty()
                && self.fields.is_empty()
                && self.signatures.is_empty())
    }

    /// Whether there is nothing at all.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds those of a later revision.
    pub fn add(&mut self, later: &Self) {
        self.pages_added += later.pages_added;
        self.pages_removed += later.pages_removed;
        self.reordered |= later.reordered;
        self.signed_fields += later.signed_fields;
        self.security_store |= later.security_store;
        for (mine, theirs) in [
            (&mut self.content, &later.content),
            (&mut self.annotations, &later.annotations),
            (&mut self.fields, &later.fields),
            (&mut self.signatures, &later.signatures),
            (&mut self.invisible, &later.invisible),
        ] {
            for detail in theirs {
                note(mine, detail.clone());
            }
        }
    }

    /// In French, for people: empty when nothing changed.
    pub fn describe(&self) -> String {
        let mut parts = Vec::new();
        let mut count = |number: usize, what: &str| {
            if number > 0 {
                parts.push(format!("{number} {what}"));
            }
        };
        count(self.pages_added, "page(s) ajoutée(s)");
        count(self.pages_removed, "page(s) retirée(s)");
        count(self.signed_fields, "champ(s) de signature ajouté(s) ou signé(s)");
        if self.reordered {
            parts.push("pages réordonnées".to_owned());
        }
        for (what, details) in [
            ("contenu modifié", &self.content),
            ("annotations modifiées", &self.annotations),
            ("champs de formulaire modifiés", &self.fields),
            ("signatures modifiées", &self.signatures),
            ("entrées sans effet visible", &self.invisible),
        ] {
            if !details.is_empty() {
                parts.push(format!("{what} ({})", details.join(", ")));
            }
        }
        if self.security_store {
            parts.push("données de validation (/DSS)".to_owned());
        }
        parts.join(" ; ")
    }
}

fn note(details: &mut Vec<String>, detail: String) {
    if details.len() < MAX_DETAILS && !details.contains(&detail) {
        details.push(detail);
    }
}

/// Where a difference would show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Area {
    Catalog,
    Content,
    Annotations,
    Annotation,
    Form,
    Fields,
    Field,
    Signature,
    Invisible,
}

struct Pair {
    area: Area,
    place: Rc<str>,
    old: Object,
    new: Object,
}

struct Walk<'w, 'a> {
    old: &'w Pdf<'a>,
    new: &'w Pdf<'a>,
    changes: Changes,
    steady: Steady,
    seen: HashSet<(u32, u32, Area)>,
    pending: Vec<Pair>,
}

/// Compares two revisions of one file, the older first. `pairs_left` begins at [`MAX_PAIRS`] and is shared by all the
/// comparisons of a file.
pub fn between(old: &Pdf<'_>, new: &Pdf<'_>, pairs_left: &mut usize) -> Result<Changes, PdfError> {
    let (before, after) = (old.catalog()?, new.catalog()?);
    let pages = leaves(new)?;
    let mut roots = Vec::new();
    for page in &pages {
        let object = new.resolve(&page.object)?;
        page.inherited.iter().chain([&*object]).for_each(|object| steady::references(object, &mut roots));
    }
    for (key, value) in after.dictionary().into_iter().flat_map(Dictionary::entries) {
        if area_of(Area::Catalog, key).is_some_and(|area| area != Area::Invisible) {
            steady::references(value, &mut roots);
        }
    }
    let steady = Steady::of(old, new, roots);
    let mut walk = Walk { old, new, changes: Changes::default(), steady, seen: HashSet::new(), pending: Vec::new() };
    walk.pages(&leaves(old)?, &pages)?;
    walk.push(Area::Catalog, "catalogue", &before, &after);
    while let Some(pair) = walk.pending.pop() {
        let left = pairs_left.checked_sub(1).ok_or(PdfError::Limit("objets comparés entre révisions"))?;
        *pairs_left = left;
        walk.compare(&pair)?;
    }
    Ok(walk.changes)
}

/// Whether an update added or replaced any object at all.
pub fn adds_objects(old: &Pdf<'_>, new: &Pdf<'_>) -> bool {
    new.numbers().any(|number| old.place(number) != new.place(number))
}

impl Walk<'_, '_> {
    fn push(&mut self, area: Area, place: &str, old: &Object, new: &Object) {
        self.pending.push(Pair { area, place: Rc::from(place), old: old.clone(), new: new.clone() });
    }

    fn differs(&mut self, area: Area, place: &str) {
        let changes = &mut self.changes;
        let into = match area {
            Area::Catalog | Area::Content => &mut changes.content,
            Area::Annotations | Area::Annotation => &mut changes.annotations,
            Area::Form | Area::Fields | Area::Field => &mut changes.fields,
            Area::Signature => &mut changes.signatures,
            Area::Invisible => &mut changes.invisible,
        };
        note(into, place.to_owned());
    }

    fn compare(&mut self, pair: &Pair) -> Result<(), PdfError> {
        if let (Object::Reference(old, _), Object::Reference(new, _)) = (&pair.old, &pair.new)
            && (old == new && self.steady.has(*old) || !self.seen.insert((*old, *new, pair.area)))
        {
            return Ok(());
        }
        let (old, new) = (self.old.resolve(&pair.old)?, self.new.resolve(&pair.new)?);
        match (&*old, &*new) {
            (Object::Stream(before, old_data), Object::Stream(after, new_data)) => {
                let same = old_data == new_data
                    || self.old.bytes().get(old_data.clone()) == self.new.bytes().get(new_data.clone());
                if !same {
                    self.differs(pair.area, &pair.place);
                }
                self.dictionaries(pair, before, after)
            }
            (Object::Dictionary(before), Object::Dictionary(after)) => self.dictionaries(pair, before, after),
            (Object::Array(before), Object::Array(after)) => self.arrays(pair, before, after),
            (before, after) if before == after => Ok(()),
            // A list that was empty may have been left out, and the other way round.
            (Object::Null, Object::Array(after)) => self.arrays(pair, &[], after),
            (Object::Array(before), Object::Null) => self.arrays(pair, before, &[]),
            (Object::Null, after) if pair.area == Area::Form => {
                // A form that was not there: what it holds decides.
                let empty = Dictionary::default();
                match after.dictionary() {
                    Some(after) => self.dictionaries(pair, &empty, after),
                    None => Ok(()),
                }
            }
            _ => {
                self.differs(pair.area, &pair.place);
                Ok(())
            }
        }
    }

    fn dictionaries(&mut self, pair: &Pair, old: &Dictionary, new: &Dictionary) -> Result<(), PdfError> {
        // A page is compared as a page, wherever else something points to it.
        if [&b"Page"[..], b"Pages"].iter().any(|kind| old.is(b"Type", kind) && new.is(b"Type", kind)) {
            return Ok(());
        }
        if matches!(pair.area, Area::Field | Area::Annotation) && self.is_signature_field(new)? {
            self.signature_field(pair, old, new);
            return Ok(());
        }
        let area = if pair.area == Area::Annotation && is_widget(new) { Area::Field } else { pair.area };
        let keys: BTreeSet<&[u8]> = old.keys().chain(new.keys()).collect();
        for key in keys {
            let (before, after) = (old.get(key).unwrap_or(&Object::Null), new.get(key).unwrap_or(&Object::Null));
            if pair.area == Area::Catalog && key == b"DSS" {
                self.changes.security_store |= !self.same(before, after);
                continue;
            }
            let Some(area) = area_of(area, key) else { continue };
            let place = match pair.area {
                Area::Catalog => format!("/{}", String::from_utf8_lossy(key)),
                _ => pair.place.to_string(),
            };
            if area == Area::Invisible {
                // What does not show is not followed: that it is another object is all there is to say.
                if !self.same(before, after) {
                    self.differs(area, &place);
                }
                continue;
            }
            self.push(area, &place, before, after);
        }
        Ok(())
    }

    fn arrays(&mut self, pair: &Pair, old: &[Object], new: &[Object]) -> Result<(), PdfError> {
        let member = match pair.area {
            Area::Annotations => Area::Annotation,
            Area::Fields => Area::Field,
            area => {
                if old.len() != new.len() {
                    self.differs(area, &pair.place);
                }
                for (before, after) in old.iter().zip(new) {
                    self.pending.push(Pair {
                        area,
                        place: Rc::clone(&pair.place),
                        old: before.clone(),
                        new: after.clone(),
                    });
                }
                return Ok(());
            }
        };
        for before in old {
            match new.iter().find(|after| same_reference(before, after)) {
                Some(after) => self.push(member, &pair.place, before, after),
                None if new.contains(before) => {}
                None => self.differs(member, &pair.place),
            }
        }
        for after in
            new.iter().filter(|after| !old.iter().any(|before| same_reference(before, after) || before == *after))
        {
            let object = self.new.resolve(after)?;
            match object.dictionary() {
                Some(dictionary) if self.is_signature_field(dictionary)? => self.changes.signed_fields += 1,
                Some(dictionary) if is_widget(dictionary) => self.differs(Area::Field, &pair.place),
                _ => self.differs(member, &pair.place),
            }
        }
        Ok(())
    }

    /// A signature field may be signed once: its value appears, and its look with it. Afterwards it stays as it is.
    fn signature_field(&mut self, pair: &Pair, old: &Dictionary, new: &Dictionary) {
        // Whether there is a value is known without reading it, which would be thousands of digits each.
        let signed = |pdf: &Pdf<'_>, dictionary: &Dictionary| match dictionary.get(b"V") {
            None | Some(Object::Null) => false,
            Some(Object::Reference(number, _)) => pdf.place(*number).is_some(),
            Some(_) => true,
        };
        if !signed(self.old, old) {
            self.changes.signed_fields += usize::from(signed(self.new, new));
            return;
        }
        let value = |dictionary: &Dictionary| dictionary.get(b"V").cloned().unwrap_or(Object::Null);
        // The same place is the same dictionary, and nothing in it is looked at through a reference.
        if !self.same(&value(old), &value(new)) {
            self.push(Area::Signature, &pair.place, &value(old), &value(new));
        }
        for key in [&b"AP"[..], b"Rect", b"Kids"] {
            let (before, after) = (old.get(key).unwrap_or(&Object::Null), new.get(key).unwrap_or(&Object::Null));
            let area = if key == b"Kids" { Area::Fields } else { Area::Annotation };
            self.push(area, &pair.place, before, after);
        }
    }

    /// Whether a dictionary is a signature field, or the widget of one.
    fn is_signature_field(&self, dictionary: &Dictionary) -> Result<bool, PdfError> {
        if dictionary.is(b"FT", b"Sig") {
            return Ok(true);
        }
        if dictionary.get(b"FT").is_some() {
            return Ok(false);
        }
        let parent = self.new.value(dictionary, b"Parent")?;
        Ok(parent.dictionary().is_some_and(|parent| parent.is(b"FT", b"Sig")))
    }

    fn same(&self, old: &Object, new: &Object) -> bool {
        match (old, new) {
            (Object::Reference(one, _), Object::Reference(other, _)) => {
                one == other && self.old.place(*one) == self.new.place(*other)
            }
            _ => old == new,
        }
    }

    /// The pages, in order; those in both revisions are compared one by one.
    fn pages(&mut self, before: &[Leaf], after: &[Leaf]) -> Result<(), PdfError> {
        let known: HashSet<u32> = before.iter().filter_map(|page| page.number).collect();
        let kept: HashSet<u32> = after.iter().filter_map(|page| page.number).collect();
        self.changes.pages_added = after.iter().filter(|page| page.number.is_none_or(|n| !known.contains(&n))).count();
        self.changes.pages_removed =
            before.iter().filter(|page| page.number.is_none_or(|n| !kept.contains(&n))).count();
        let order = |pages: &[Leaf], others: &HashSet<u32>| -> Vec<u32> {
            pages.iter().filter_map(|page| page.number).filter(|number| others.contains(number)).collect()
        };
        self.changes.reordered = order(before, &kept) != order(after, &known);
        let numbered: HashMap<u32, &Leaf> = after.iter().filter_map(|page| Some((page.number?, page))).collect();
        for (rank, page) in before.iter().enumerate() {
            if let Some((number, other)) = page.number.and_then(|number| Some((number, *numbered.get(&number)?)))
                && !self.is_steady(number, page, other)?
            {
                self.page(&format!("page {}", rank + 1), page, other)?;
            }
        }
        Ok(())
    }

    /// Whether a page is the same in both, and all it draws.
    fn is_steady(&self, number: u32, old: &Leaf, new: &Leaf) -> Result<bool, PdfError> {
        Ok(old.inherited == new.inherited
            && self.old.place(number) == self.new.place(number)
            && new.inherited.iter().all(|object| self.steady.has_all_of(object))
            && self.steady.has_all_of(&*self.new.resolve(&new.object)?))
    }

    fn page(&mut self, place: &str, old: &Leaf, new: &Leaf) -> Result<(), PdfError> {
        for (before, after) in old.inherited.iter().zip(&new.inherited) {
            self.push(Area::Content, place, before, after);
        }
        let (before, after) = (self.old.resolve(&old.object)?, self.new.resolve(&new.object)?);
        let (Some(before), Some(after)) = (before.dictionary(), after.dictionary()) else { return Ok(()) };
        let keys: BTreeSet<&[u8]> = before.keys().chain(after.keys()).collect();
        for key in keys {
            let area = match key {
                b"Parent" => continue,
                b"Annots" => Area::Annotations,
                b"Metadata" | b"LastModified" | b"PieceInfo" | b"StructParents" | b"Tabs" | b"B" | b"Thumb" | b"ID" => {
                    Area::Invisible
                }
                _ => Area::Content,
            };
            let (one, other) = (before.get(key).unwrap_or(&Object::Null), after.get(key).unwrap_or(&Object::Null));
            self.push(area, place, one, other);
        }
        Ok(())
    }
}

fn is_widget(dictionary: &Dictionary) -> bool {
    dictionary.is(b"Subtype", b"Widget")
}

fn same_reference(one: &Object, other: &Object) -> bool {
    matches!((one, other), (Object::Reference(a, _), Object::Reference(b, _)) if a == b)
}

/// Entries of the catalog that do not show, or that pages and the form already answer for.
const INVISIBLE: [&[u8]; 14] = [
    b"Metadata",
    b"Extensions",
    b"Version",
    b"Perms",
    b"PageLabels",
    b"Outlines",
    b"StructTreeRoot",
    b"MarkInfo",
    b"PieceInfo",
    b"Lang",
    b"Type",
    b"PageMode",
    b"PageLayout",
    b"ViewerPreferences",
];

/// Where the value of `key` shows, inside an area; `None` when it is followed elsewhere or says nothing.
fn area_of(area: Area, key: &[u8]) -> Option<Area> {
    match (area, key) {
        // Pages are compared page by page, and page content never leads back up, or a whole document would hang on one
        // annotation.
        (Area::Catalog, b"Pages")
        | (Area::Form, b"SigFlags")
        | (Area::Annotation | Area::Field, b"P" | b"Parent" | b"StructParent" | b"M" | b"Popup")
        | (Area::Content, b"Parent" | b"P" | b"StructParent" | b"StructParents" | b"Popup") => None,
        (Area::Catalog, b"AcroForm") => Some(Area::Form),
        (Area::Catalog, key) if INVISIBLE.contains(&key) => Some(Area::Invisible),
        (Area::Catalog, _) => Some(Area::Content),
        (Area::Form, b"Fields") | (Area::Field, b"Kids") => Some(Area::Fields),
        // Defaults for looks yet to be made: every look that is shown has its own resources, compared with it.
        (Area::Form, b"DR" | b"DA" | b"Q") => Some(Area::Invisible),
        (area, _) => Some(area),
    }
}

/// A page: its reference, and what it inherits.
struct Leaf {
    object: Object,
    number: Option<u32>,
    inherited: Vec<Object>,
}

/// Attributes a page may inherit (§ 7.7.3.4).
const INHERITED: [&[u8]; 4] = [b"Resources", b"MediaBox", b"CropBox", b"Rotate"];

fn leaves(pdf: &Pdf<'_>) -> Result<Vec<Leaf>, PdfError> {
    let catalog = pdf.catalog()?;
    let root = catalog.dictionary().and_then(|catalog| catalog.get(b"Pages")).cloned().unwrap_or(Object::Null);
    let mut pending = vec![(root, vec![Object::Null; INHERITED.len()])];
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    while let Some((object, inherited)) = pending.pop() {
        let number = if let Object::Reference(number, _) = object { Some(number) } else { None };
        if number.is_some_and(|number| !seen.insert(number)) {
            continue;
        }
        if found.len() + pending.len() > MAX_PAGES {
            return Err(PdfError::Limit("nombre de pages"));
        }
        let node = pdf.resolve(&object)?;
        let Some(dictionary) = node.dictionary() else { continue };
        let kids = pdf.value(dictionary, b"Kids")?;
        if let Some(kids) = kids.array() {
            let passed: Vec<Object> = INHERITED
                .iter()
                .zip(&inherited)
                .map(|(key, above)| dictionary.get(key).unwrap_or(above).clone())
                .collect();
            pending.extend(kids.iter().rev().map(|kid| (kid.clone(), passed.clone())));
        } else {
            // What the page has itself is compared with the page.
            let inherited = INHERITED
                .iter()
                .zip(inherited)
                .map(|(key, above)| if dictionary.get(key).is_some() { Object::Null } else { above })
                .collect();
            found.push(Leaf { object, number, inherited });
        }
    }
    Ok(found)
}
