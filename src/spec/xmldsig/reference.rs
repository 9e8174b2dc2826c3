//! Dereferencing, transforming and digesting what a `ds:Reference` names (XMLDSig §4.4.3, §4.4.3.2).

use super::transform::{Filter, Transform};
use super::{DSIG_NS, Reference, path::Selected};
use crate::spec::xml::c14n::{self, Method, Rules};
use crate::spec::xml::{Document, Element, Identified, Limits, Selection, unbase64};
use std::borrow::Cow;
use std::cell::Cell;

/// What digesting a reference says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Outcome {
    /// The digest is that of what it names.
    Intact,
    /// It is not.
    Broken,
    /// What it names is not there.
    #[default]
    Missing,
    /// Its algorithm or a transform is not known here.
    Unsupported(String),
    /// It is refused: why, in French.
    Refused(String),
    /// Several elements have the identifier that it names.
    Ambiguous(String),
}

/// A reference that has been digested, and what it covers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// What came out.
    pub outcome: Outcome,
    /// What of the document it covers; `None` when it names something else, or nothing.
    pub selection: Option<Selection>,
    /// Whether only the text of the selection is covered, not its elements (base64).
    pub text_only: bool,
    /// The content beside the document that it names: its name, empty for the one without.
    pub content: Option<String>,
}

/// Content beside the document, by name; `None` asks for the one that a reference without URI means.
pub type Contents<'c> = &'c dyn Fn(Option<&str>) -> Option<&'c [u8]>;

/// Where octets to digest go.
pub type Sink<'s> = &'s mut dyn FnMut(&[u8]);

/// Digests references of one document, within a budget: canonicalising the same hundred megabytes for each of a thousand
/// references is refused, not done.
pub struct Checker<'d, 'c> {
    document: &'d Document<'d>,
    contents: Contents<'c>,
    left_bytes: Cell<u64>,
}

/// What a reference costs of the budget, however little it names: being looked at, told, and placed for people.
const REFERENCE_BYTES: usize = 16 << 10;

/// What goes from one transform to the next.
enum Data<'c> {
    /// Nodes of the signature's document.
    Here(Selection),
    /// Those of another document, whole.
    Elsewhere(Box<Document<'c>>),
    /// Octets.
    Octets(Cow<'c, [u8]>),
}

/// What a reference names, as far as it is known.
struct Named<'c> {
    data: Data<'c>,
    selection: Option<Selection>,
    content: Option<String>,
}

impl<'d, 'c> Checker<'d, 'c> {
    /// Over a document, with the content beside it. The budget is some twenty times their size.
    pub fn new(document: &'d Document<'d>, contents: Contents<'c>) -> Self {
        let left_bytes = Cell::new((256 << 20) + 20 * document.size_bytes() as u64);
        Self { document, contents, left_bytes }
    }

    /// Digests what `reference` names and compares. `signature` is the element that enveloped-signature takes out.
    pub fn check(&self, reference: &Reference<'d>, signature: &Element<'d>) -> Checked {
        let mut checked = Checked::default();
        if let Err(outcome) = self.spend(REFERENCE_BYTES) {
            checked.outcome = outcome;
            return checked;
        }
        let Some(algorithm) = reference.digest else {
            checked.outcome = Outcome::Unsupported(reference.digest_uri.clone());
            return checked;
        };
        let mut hasher = match algorithm.hasher() {
            Ok(hasher) => hasher,
            Err(unsupported) => {
                checked.outcome = Outcome::Unsupported(unsupported.0);
                return checked;
            }
        };
        let default = Method { rules: Rules::Inclusive10, comments: false, prefixes: Vec::new() };
        let sink = &mut |part: &[u8]| hasher.update(part);
        let poured = self.pour(reference, signature, &default, sink, &mut checked);
        checked.outcome = match poured {
            Err(outcome) => outcome,
            Ok(()) if reference.value.as_ref() == Some(&hasher.finish()) => Outcome::Intact,
            Ok(()) => Outcome::Broken,
        };
        checked
    }

    /// Writes what a reference's digest is over: also what some time-stamps are over. Nodes that no transform
    /// has canonicalised are, by `default`.
    ///
    /// # Errors
    ///
    /// Any [`Outcome`] but the first two.
    pub fn pour(
        &self,
        reference: &Reference<'d>,
        signature: &Element<'d>,
        default: &Method,
        sink: Sink<'_>,
        checked: &mut Checked,
    ) -> Result<(), Outcome> {
        let transforms = reference.transforms.as_ref().map_err(|error| Outcome::Refused(error.to_string()))?;
        let named = self.dereference(reference.uri.as_deref())?;
        checked.selection = named.selection;
        checked.content = named.content;
        let mut data = named.data;
        // The last canonical form goes straight to the sink.
        let (last, before) = match transforms.split_last() {
            Some((Transform::Canonical(method), before)) => (Some(method), before),
            _ => (None, transforms.as_slice()),
        };
        for transform in before {
            data = self.transform(data, transform, signature, checked)?;
        }
        if last.is_some() {
            data = readable(data)?;
        }
        let method = last.unwrap_or(default);
        match &data {
            Data::Here(selection) => self.canonical(self.document, selection, method, sink),
            Data::Elsewhere(document) => {
                let selection = Selection::document(document, true);
                self.canonical(document, &selection, method, sink)
            }
            Data::Octets(octets) => {
                self.spend(octets.len())?;
                sink(octets);
                Ok(())
            }
        }
    }

    /// Canonicalises an element, within the budget.
    ///
    /// # Errors
    ///
    /// [`Outcome::Refused`] when the budget is spent.
    pub fn pour_element(&self, element: &Element<'d>, method: &Method, sink: Sink<'_>) -> Result<(), Outcome> {
        let selection = Selection::subtree(element, true);
        self.canonical(self.document, &selection, method, sink)
    }

    /// The element that a same-document URI (`#id`, `#xpointer(id('…'))`) names.
    pub fn target(&self, uri: &str) -> Option<Element<'d>> {
        match same_document(uri)? {
            Place::Element(id, _) => match self.document.identified(&id) {
                Identified::One(element) => Some(element),
                Identified::Nothing | Identified::Several => None,
            },
            Place::Whole(_) => Some(self.document.root()),
        }
    }

    fn dereference(&self, uri: Option<&str>) -> Result<Named<'c>, Outcome> {
        let Some(uri) = uri else { return self.beside(None) };
        match same_document(uri) {
            Some(Place::Whole(comments)) => {
                let selection = Selection::document(self.document, comments);
                Ok(Named { data: Data::Here(selection.clone()), selection: Some(selection), content: None })
            }
            Some(Place::Element(id, comments)) => match self.document.identified(&id) {
                Identified::One(element) => {
                    let selection = Selection::subtree(&element, comments);
                    Ok(Named { data: Data::Here(selection.clone()), selection: Some(selection), content: None })
                }
                Identified::Several => Err(Outcome::Ambiguous(id)),
                Identified::Nothing => Err(Outcome::Missing),
            },
            None if uri.starts_with('#') => Err(Outcome::Unsupported(format!("pointeur {uri}"))),
            None => self.beside(Some(uri)),
        }
    }

    /// Content beside the document. It is never fetched.
    fn beside(&self, name: Option<&str>) -> Result<Named<'c>, Outcome> {
        let content = (self.contents)(name);
        let octets = content.ok_or_else(|| match name.and_then(|name| name.split_once(':')) {
            Some((scheme, _)) if scheme.len() > 1 && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                Outcome::Refused(format!("adresse extérieure en « {scheme}: » : rien n'est jamais cherché ailleurs"))
            }
            _ => Outcome::Missing,
        })?;
        let content = Some(name.unwrap_or_default().to_owned());
        Ok(Named { data: Data::Octets(Cow::Borrowed(octets)), selection: None, content })
    }

    fn transform(
        &self,
        data: Data<'c>,
        transform: &Transform<'d>,
        signature: &Element<'d>,
        checked: &mut Checked,
    ) -> Result<Data<'c>, Outcome> {
        // What selects nodes must have nodes of the document before it: of a copy, what is covered could not be said.
        let here = |data: Data<'c>, what: &str| match data {
            Data::Here(selection) => Ok(selection),
            Data::Elsewhere(_) | Data::Octets(_) => {
                Err(Outcome::Refused(format!("{what} sur autre chose que les nœuds du document")))
            }
        };
        let selection = match transform {
            Transform::Canonical(method) => return self.to_octets(&readable(data)?, method).map(Data::Octets),
            Transform::Base64 => {
                checked.text_only = true;
                return self.decoded(&data).map(|octets| Data::Octets(Cow::Owned(octets)));
            }
            Transform::Enveloped => {
                let mut selection = here(data, "enveloped-signature")?;
                selection.exclude(signature);
                selection
            }
            Transform::Without(names) => {
                let mut selection = here(data, "un filtre XPath")?;
                self.spend(self.document.size_bytes())?;
                let apex = selection.apex(self.document);
                for element in apex.descendants() {
                    if names.iter().any(|(namespace, name)| element.is(namespace, name)) {
                        selection.exclude(&element);
                    }
                }
                selection
            }
            Transform::Filters(filters) => {
                let mut selection = here(data, "un filtre XPath")?;
                for filter in filters {
                    self.filter(&mut selection, filter)?;
                }
                selection
            }
            Transform::Unsupported(name) => return Err(Outcome::Unsupported(name.clone())),
            Transform::Refused(why) => return Err(Outcome::Refused((*why).to_owned())),
        };
        checked.selection = Some(selection.clone());
        Ok(Data::Here(selection))
    }

    fn filter(&self, selection: &mut Selection, filter: &Filter<'d>) -> Result<(), Outcome> {
        self.spend(self.document.size_bytes())?;
        let elements = match filter.path.select(self.document, &filter.here) {
            Selected::Elements(elements) => elements,
            Selected::Document if filter.keeps => return Ok(()),
            Selected::Document => return Err(Outcome::Refused("un filtre XPath qui ne laisse rien".to_owned())),
        };
        match (filter.keeps, elements.as_slice()) {
            (false, elements) => elements.iter().for_each(|element| selection.exclude(element)),
            (true, [only]) if selection.intersect(only) => {}
            (true, [] | [_]) => return Err(Outcome::Refused("un filtre XPath qui ne laisse rien".to_owned())),
            (true, _) => return Err(Outcome::Unsupported("un filtre XPath qui garde plusieurs éléments".to_owned())),
        }
        Ok(())
    }

    fn to_octets(&self, data: &Data<'c>, method: &Method) -> Result<Cow<'c, [u8]>, Outcome> {
        let mut octets = Vec::new();
        let mut sink = |part: &[u8]| octets.extend_from_slice(part);
        match data {
            Data::Here(selection) => self.canonical(self.document, selection, method, &mut sink)?,
            Data::Elsewhere(document) => {
                self.canonical(document, &Selection::document(document, true), method, &mut sink)?;
            }
            Data::Octets(_) => {}
        }
        Ok(Cow::Owned(octets))
    }

    fn decoded(&self, data: &Data<'c>) -> Result<Vec<u8>, Outcome> {
        let bad = || Outcome::Refused("le contenu n'est pas du base64".to_owned());
        let text: Vec<u8> = match data {
            Data::Here(selection) => {
                self.spend(selection.size_bytes(self.document))?;
                let mut text = Vec::new();
                self.document.write_text(selection, &mut |part| text.extend_from_slice(part));
                text
            }
            Data::Elsewhere(document) => {
                self.spend(document.size_bytes())?;
                let mut text = Vec::new();
                document.write_text(&Selection::document(document, true), &mut |part| text.extend_from_slice(part));
                text
            }
            Data::Octets(octets) => octets.to_vec(),
        };
        unbase64(std::str::from_utf8(&text).map_err(|_| bad())?).ok_or_else(bad)
    }

    fn canonical(
        &self,
        document: &Document<'_>,
        selection: &Selection,
        method: &Method,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<(), Outcome> {
        self.spend(selection.size_bytes(document))?;
        c14n::write(document, selection, method, sink);
        Ok(())
    }

    fn spend(&self, bytes: usize) -> Result<(), Outcome> {
        match self.left_bytes.get().checked_sub(bytes as u64) {
            Some(left) => {
                self.left_bytes.set(left);
                Ok(())
            }
            None => Err(Outcome::Refused("trop de travail demandé pour la taille du document".to_owned())),
        }
    }
}

/// Octets read as a document.
fn readable(data: Data<'_>) -> Result<Data<'_>, Outcome> {
    let refused = |error| Outcome::Refused(format!("contenu à canonicaliser : {error}"));
    let Data::Octets(octets) = data else { return Ok(data) };
    let document = match octets {
        Cow::Borrowed(octets) => Document::parse(octets, &Limits::default()).map_err(refused)?,
        Cow::Owned(octets) => Document::parse(&octets, &Limits::default()).map_err(refused)?.into_owned(),
    };
    Ok(Data::Elsewhere(Box::new(document)))
}

/// A place in the same document, and whether its comments count.
enum Place {
    Whole(bool),
    Element(String, bool),
}

/// Reads a same-document URI (XMLDSig §4.4.3.3): a bare name leaves comments out, an XPointer keeps them.
fn same_document(uri: &str) -> Option<Place> {
    if uri.is_empty() {
        return Some(Place::Whole(false));
    }
    let fragment = uri.strip_prefix('#')?;
    let fragment = percent_encoding::percent_decode_str(fragment).decode_utf8().ok()?;
    let Some(pointer) = fragment.strip_prefix("xpointer(").and_then(|rest| rest.strip_suffix(')')) else {
        return (!fragment.is_empty() && !fragment.contains('(')).then(|| Place::Element(fragment.into_owned(), false));
    };
    if pointer == "/" {
        return Some(Place::Whole(true));
    }
    let id = pointer.strip_prefix("id(")?.strip_suffix(')')?;
    let quoted = |quote| id.strip_prefix(quote).and_then(|id: &str| id.strip_suffix(quote));
    let id = quoted('\'').or_else(|| quoted('"'))?;
    Some(Place::Element(id.to_owned(), true))
}

/// The `ds:Signature` elements of a document, outermost and inner, in document order.
pub fn signatures<'d>(document: &'d Document<'d>) -> impl Iterator<Item = Element<'d>> {
    document.elements().filter(|element| element.is(DSIG_NS, "Signature"))
}
