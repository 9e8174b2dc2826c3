//! CHECK_DIGEST, CHECK_OBJECT_SIZE, OG_OBJECTS_FORMAT_CHECK: each object read once, in the container's order.

use super::format::{self, Compared, Shown, Windows};
use super::{at, header};
use crate::admission::{Format, identify};
use crate::digest::{self, Digests};
use crate::spec::seda::fragment;
use crate::spec::seda::manifest::{Manifest, Object};
use crate::transfer::container::{Container, ContainerError};
use crate::transfer::digest::{Algorithm, Hasher};
use crate::transfer::event::Journal;
use crate::transfer::referentials::{Contract, Referentials};
use std::collections::HashMap;
use std::io::{self, Read};

const CHUNK_BYTES: usize = 64 * 1024;

/// Where the content of objects is looked for.
pub(super) struct Holding<'a> {
    container: Option<&'a Container>,
    bordereau: Option<usize>,
    names: HashMap<String, usize>,
}

/// What was seen of an object.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The member that holds it, in the container or in that of the attachments.
    pub member: Option<usize>,
    /// Its size, in bytes.
    pub size_bytes: u64,
    /// Its format by content.
    pub format: Option<Format>,
    /// The digest of the announced algorithm.
    pub digest: Option<(Algorithm, Vec<u8>)>,
    /// Both digests an archive is known by, when the objects are going to be stored.
    pub digests: Option<Digests>,
}

/// Where the objects are whose content is in the bordereau itself.
pub(super) struct Inline<'a> {
    pub(super) container: &'a Container,
    pub(super) bordereau: usize,
    pub(super) bytes_max: u64,
}

impl<'a> Holding<'a> {
    pub(super) fn new(container: &'a Container, attachments: Option<&'a Container>, bordereau: usize) -> Self {
        use crate::transfer::container::Kind;
        let (held, bordereau) = match (container.kind, attachments) {
            (_, Some(attachments)) => (Some(attachments), None),
            (Kind::Bordereau, None) => (None, None),
            _ => (Some(container), Some(bordereau)),
        };
        let members = held.map(|held| held.members.as_slice()).unwrap_or_default();
        let names = members
            .iter()
            .enumerate()
            .filter(|(index, member)| !member.folder && Some(*index) != bordereau)
            .map(|(index, member)| (folded(&member.name), index))
            .collect();
        Self { container: held, bordereau, names }
    }

    /// No content came with the bordereau.
    pub(super) fn is_nothing(&self) -> bool {
        self.container.is_none()
    }

    /// The members that are files, the bordereau left out.
    pub(super) fn files(&self) -> Vec<usize> {
        let members = self.container.map(|held| held.members.as_slice()).unwrap_or_default();
        let file = |index: &usize| !members[*index].folder && Some(*index) != self.bordereau;
        (0..members.len()).filter(file).collect()
    }

    pub(super) fn name(&self, member: usize) -> &str {
        self.container.and_then(|held| held.members.get(member)).map_or("", |member| &member.name)
    }

    /// The member a URI names: as written, or with its escapes undone.
    pub(super) fn find(&self, uri: &str) -> Option<usize> {
        let uri = uri.trim_start_matches("./");
        let plain = || percent_encoding::percent_decode_str(uri).decode_utf8().ok().map(|plain| folded(&plain));
        self.names.get(&folded(uri)).or_else(|| self.names.get(&plain()?)).copied()
    }

    /// The whole of a member, when it is no longer than `bytes_max`.
    pub(super) fn whole(&self, member: usize, bytes_max: u64) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = self.container?.read(member, |input| input.take(bytes_max + 1).read_to_end(&mut bytes));
        (read.is_ok() && bytes.len() as u64 <= bytes_max).then_some(bytes)
    }

    fn each(
        &self,
        wanted: &dyn Fn(usize) -> bool,
        visit: &mut dyn FnMut(usize, &mut dyn Read) -> io::Result<bool>,
    ) -> Result<(), ContainerError> {
        self.container.map_or(Ok(()), |held| held.each(wanted, visit))
    }
}

/// A name with its first folder in lower case: manifests write `Content/` and packages `content/`.
fn folded(name: &str) -> String {
    match name.split_once('/') {
        Some((folder, rest)) if folder.eq_ignore_ascii_case("content") => format!("content/{rest}"),
        _ => name.to_owned(),
    }
}

pub(super) fn check(
    journal: &mut Journal,
    manifest: &Manifest,
    holding: &Holding<'_>,
    places: &[Option<usize>],
    inline: &Inline<'_>,
    referentials: Option<&Referentials>,
    storing: bool,
) -> Vec<Seen> {
    let mut seen = vec![Seen::default(); manifest.objects.len()];
    let contract = header::contract(manifest, referentials);
    let by_member: HashMap<usize, usize> =
        places.iter().enumerate().filter_map(|(object, member)| member.map(|member| (member, object))).collect();
    let mut tally = Tally::default();
    let mut inline_document = None;
    let result = holding.each(&|member| by_member.contains_key(&member), &mut |member, content| {
        if let Some(&object) = by_member.get(&member) {
            let one = &manifest.objects[object];
            let (mut found, shown) = look(manifest, one, content, storing)?;
            found.member = Some(member);
            tally.judge(journal, manifest, one, &found, &shown, contract);
            seen[object] = found;
        }
        Ok(true)
    });
    if let Err(error) = result {
        journal.ko("STP_UPLOAD_SIP", format!("lecture des objets : {error}"), None);
        return seen;
    }
    for (object, seen) in manifest.objects.iter().zip(&mut seen).filter(|(object, _)| object.inline.is_some()) {
        if inline_document.is_none() {
            inline_document = inline.document();
        }
        let content = inline_document.as_deref().and_then(|document| attached(document, object));
        let Some(content) = content else {
            let detail = format!("objet {} : contenu (Attachment) illisible en base64", manifest.text(object.id));
            journal.ko("CHECK_DIGEST", detail, at(object.position));
            continue;
        };
        if let Ok((found, shown)) = look(manifest, object, &mut content.as_slice(), storing) {
            tally.judge(journal, manifest, object, &found, &shown, contract);
            *seen = found;
        }
    }
    tally.conclude(journal, holding.is_nothing() && !manifest.objects.is_empty());
    seen
}

impl Inline<'_> {
    /// The bordereau, as its extents count it.
    pub(super) fn document(&self) -> Option<Vec<u8>> {
        self.container.read(self.bordereau, |input| fragment::decoded(input, self.bytes_max)).ok()
    }
}

/// The content of an object that is in the bordereau, which `document` is.
pub fn attached(document: &[u8], object: &Object) -> Option<Vec<u8>> {
    use base64::Engine as _;
    let extent = object.inline?;
    let element = document.get(usize::try_from(extent.start).ok()?..usize::try_from(extent.end).ok()?)?;
    // Between the tags; a `>` cannot be in base64.
    let start = memchr::memchr(b'>', element)? + 1;
    let end = memchr::memrchr(b'<', element)?;
    let text: Vec<u8> = element.get(start..end)?.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
    base64::engine::general_purpose::STANDARD.decode(text).ok()
}

/// Reads an object to its end.
fn look(manifest: &Manifest, object: &Object, content: &mut dyn Read, storing: bool) -> io::Result<(Seen, Shown)> {
    let algorithm = manifest.optional(object.algorithm).and_then(Algorithm::of_name);
    let mut both = storing.then(digest::Hasher::new);
    // What is computed anyway is not computed twice.
    let apart = algorithm.filter(|one| !(storing && matches!(one, Algorithm::Sha256 | Algorithm::Sha512)));
    let mut hasher = apart.map(|algorithm| (algorithm, Hasher::new(algorithm)));
    let (mut windows, mut size_bytes) = (Windows::default(), 0_u64);
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let count = content.read(&mut chunk)?;
        if count == 0 {
            break;
        }
        size_bytes += count as u64;
        windows.take(&chunk[..count]);
        if let Some((_, hasher)) = &mut hasher {
            hasher.update(&chunk[..count]);
        }
        if let Some(both) = &mut both {
            both.update(&chunk[..count]);
        }
    }
    let digests = both.map(digest::Hasher::finish);
    let shown = windows.shown();
    let mut format = identify(&windows.head, object.uri.as_deref().unwrap_or_default());
    if let [only] = shown.entries.as_slice() {
        format.puid = Some(only.puid);
        if format.media_type == "application/octet-stream" && !only.media_type.is_empty() {
            format.media_type = only.media_type;
        }
    }
    let digest = match (hasher, algorithm, &digests) {
        (Some((algorithm, hasher)), ..) => Some((algorithm, hasher.finish())),
        (None, Some(Algorithm::Sha256), Some(both)) => Some((Algorithm::Sha256, both.sha256.to_vec())),
        (None, Some(Algorithm::Sha512), Some(both)) => Some((Algorithm::Sha512, both.sha512.to_vec())),
        _ => None,
    };
    Ok((Seen { member: None, size_bytes, format: Some(format), digest, digests }, shown))
}

/// How many objects were right, and what was wrong with the others.
#[derive(Debug, Default)]
struct Tally {
    looked: usize,
    digests: usize,
    digest_faults: usize,
    size_faults: usize,
    format_faults: usize,
}

impl Tally {
    fn judge(
        &mut self,
        journal: &mut Journal,
        manifest: &Manifest,
        object: &Object,
        seen: &Seen,
        shown: &Shown,
        contract: Option<&Contract>,
    ) {
        self.looked += 1;
        let id = manifest.text(object.id);
        let location = || object.uri.as_deref().map(str::to_owned).or_else(|| at(object.position));
        match digest_fault(manifest, object, seen) {
            Some((false, detail)) => {
                self.digest_faults += 1;
                journal.ko("CHECK_DIGEST", format!("objet {id} : {detail}"), location());
            }
            Some((true, detail)) => {
                self.digest_faults += 1;
                journal.warning("CHECK_DIGEST", format!("objet {id} : {detail}"), location());
            }
            None => self.digests += 1,
        }
        if let Some(declared) = object.size_bytes.filter(|declared| *declared != seen.size_bytes) {
            self.size_faults += 1;
            let detail = format!("objet {id} : {declared} octets annoncés, {} reçus", seen.size_bytes);
            journal.ko("CHECK_OBJECT_SIZE", detail, location());
        }
        let announced = manifest.optional(object.format);
        let Some(found) = seen.format else { return };
        match format::compare(announced, found, shown, contract) {
            Compared::Same => {}
            Compared::Differs(detail) => {
                self.format_faults += 1;
                journal.warning("OG_OBJECTS_FORMAT_CHECK", format!("objet {id} : {detail}"), location());
            }
            Compared::Refused(detail) => {
                self.format_faults += 1;
                journal.ko("OG_OBJECTS_FORMAT_CHECK", format!("objet {id} : {detail}"), location());
            }
        }
    }

    fn conclude(&self, journal: &mut Journal, nothing: bool) {
        if nothing {
            journal.ok("CHECK_DIGEST", "bordereau reçu sans ses pièces jointes : objets non contrôlés");
            return;
        }
        if self.looked == 0 {
            return;
        }
        if self.digest_faults == 0 {
            journal.ok("CHECK_DIGEST", format!("{} empreintes exactes", self.digests));
        }
        if self.size_faults == 0 {
            journal.ok("CHECK_OBJECT_SIZE", format!("{} tailles contrôlées", self.looked));
        }
        if self.format_faults == 0 {
            journal.ok("OG_OBJECTS_FORMAT_CHECK", format!("{} formats contrôlés", self.looked));
        }
    }
}

/// What is wrong with a digest, and whether it is only something to look at.
fn digest_fault(manifest: &Manifest, object: &Object, seen: &Seen) -> Option<(bool, String)> {
    let second = manifest.version.is_some_and(crate::spec::seda::Version::is_second);
    let Some(announced) = object.digest.as_deref() else {
        return second.then(|| (true, "aucune empreinte annoncée".to_owned()));
    };
    if announced.is_empty() {
        return Some((false, "empreinte vide".into()));
    }
    let name = manifest.optional(object.algorithm).unwrap_or("non précisé");
    let Some((algorithm, found)) = &seen.digest else {
        return Some((false, format!("algorithme d'empreinte « {name} » inconnu")));
    };
    match algorithm.parse(announced) {
        None => Some((false, format!("l'empreinte annoncée n'a pas la longueur d'une empreinte {}", algorithm.name()))),
        Some(expected) if expected != *found => Some((
            false,
            format!(
                "empreinte {} calculée {} : le fichier n'est pas celui annoncé",
                algorithm.name(),
                hex::encode(found)
            ),
        )),
        Some(_) => None,
    }
}
