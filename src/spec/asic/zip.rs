//! ZIP as containers use it (APPNOTE 6.3.x): stored or deflated members, from the central directory.
//!
//! A library that maps names to members hides what matters here: two members of one name, a name that says one thing in
//! the directory and another before the data, a path that leaves the container. Those are refused; sizes are believed
//! only as far as the data bear them out.

use flate2::read::DeflateDecoder;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::Read as _;

/// Members of one container.
pub const MAX_MEMBERS: usize = 65_536;
/// Expansion of the whole container.
pub const MAX_RATIO: u64 = 200;
/// Expanded octets that are never refused for their ratio.
const RATIO_FLOOR_BYTES: u64 = 16 * 1024 * 1024;
/// Expanded octets of the whole container.
pub const MAX_EXPANDED_BYTES: u64 = 2 * 1024 * 1024 * 1024;
/// How far from the end the directory's own record is looked for: its size and the longest comment.
const TAIL: usize = 22 + 65_535;

/// Why a container cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ZipError {
    /// No central directory, or a damaged one.
    #[error("ZIP invalide : {0}")]
    Malformed(&'static str),
    /// More than is looked at, or a bomb.
    #[error("ZIP refusé : {0}")]
    Limit(&'static str),
    /// Something that only tricks are made of.
    #[error("ZIP refusé : {what} ({name})")]
    Trick {
        /// What.
        what: &'static str,
        /// In which member.
        name: String,
    },
}

/// A container.
#[derive(Debug, Clone)]
pub struct Archive<'a> {
    /// The members, in the order of the directory.
    pub members: Vec<Member<'a>>,
    /// The comment, where ASiC allows a copy of the type.
    pub comment: &'a [u8],
    /// Octets in front of the first member.
    pub prefix_bytes: usize,
}

/// One member.
#[derive(Debug, Clone)]
pub struct Member<'a> {
    /// Its name; directories end with a slash.
    pub name: String,
    /// Where its local header begins.
    pub offset: usize,
    /// Whether it is stored without compression.
    pub stored: bool,
    /// Expanded size the directory announces.
    pub size_bytes: u64,
    crc: u32,
    data: &'a [u8],
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn double(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

struct Directory<'a> {
    count: u64,
    start: u64,
    end: u64,
    comment: &'a [u8],
}

impl<'a> Archive<'a> {
    /// Reads the directory.
    pub fn open(bytes: &'a [u8]) -> Result<Self, ZipError> {
        let directory = directory(bytes)?;
        if directory.count > u64::try_from(MAX_MEMBERS).unwrap_or(u64::MAX) {
            return Err(ZipError::Limit("plus de 65536 fichiers"));
        }
        let range = usize::try_from(directory.start).ok().zip(usize::try_from(directory.end).ok());
        let range = range.filter(|(start, end)| start <= end && *end <= bytes.len());
        let (mut at, end) = range.ok_or(ZipError::Malformed("répertoire central hors du fichier"))?;
        let mut members = Vec::new();
        let mut names = BTreeSet::new();
        while at < end {
            if members.len() == MAX_MEMBERS {
                return Err(ZipError::Limit("plus de 65536 fichiers"));
            }
            let (member, next) = member(bytes, at, end)?;
            // Readers on some systems do not tell case apart; two names that differ by it only are one name there.
            if !names.insert(member.name.to_lowercase()) {
                return Err(ZipError::Trick { what: "deux fichiers du même nom", name: member.name });
            }
            members.push(member);
            at = next;
        }
        if u64::try_from(members.len()).ok() != Some(directory.count) {
            return Err(ZipError::Malformed("nombre de fichiers"));
        }
        bounded(&members, bytes.len())?;
        apart(&members)?;
        let prefix_bytes = members.iter().map(|member| member.offset).min().unwrap_or(0);
        Ok(Self { members, comment: directory.comment, prefix_bytes })
    }

    /// The member of this name.
    pub fn member(&self, name: &str) -> Option<&Member<'a>> {
        self.members.iter().find(|member| member.name == name)
    }
}

impl<'a> Member<'a> {
    /// Its content. The announced size and checksum must be those of the data.
    pub fn read(&self) -> Result<Cow<'a, [u8]>, ZipError> {
        let content = if self.stored {
            Cow::Borrowed(self.data)
        } else {
            let mut content = Vec::new();
            let limit = self.size_bytes.saturating_add(1);
            DeflateDecoder::new(self.data)
                .take(limit)
                .read_to_end(&mut content)
                .map_err(|_| ZipError::Malformed("données compressées"))?;
            Cow::Owned(content)
        };
        if u64::try_from(content.len()).ok() != Some(self.size_bytes) {
            return Err(ZipError::Malformed("taille d'un fichier"));
        }
        if crc32fast::hash(&content) != self.crc {
            return Err(ZipError::Malformed("somme de contrôle d'un fichier"));
        }
        Ok(content)
    }
}

/// The end of central directory record, and its ZIP64 form.
fn directory(bytes: &[u8]) -> Result<Directory<'_>, ZipError> {
    let missing = ZipError::Malformed("pas de répertoire central");
    let tail = bytes.len().saturating_sub(TAIL);
    let found = memchr::memmem::rfind_iter(&bytes[tail..], b"PK\x05\x06").take(64).find_map(|at| {
        let record = bytes.get(tail + at..)?;
        let comment = record.get(22..22 + usize::from(short(record, 20)?))?;
        // The record with its comment ends the file; anything else is a text that looks like one.
        (22 + comment.len() == record.len()).then_some((tail + at, record, comment))
    });
    let (at, record, comment) = found.ok_or_else(|| missing.clone())?;
    let field = |offset| short(record, offset).map(u64::from).ok_or_else(|| missing.clone());
    let count = field(10)?;
    let size = long(record, 12).map(u64::from).ok_or_else(|| missing.clone())?;
    let start = long(record, 16).map(u64::from).ok_or_else(|| missing.clone())?;
    if field(4)? != 0 && field(4)? != 0xffff {
        return Err(ZipError::Malformed("archive en plusieurs volumes"));
    }
    if count != 0xffff && size != 0xffff_ffff && start != 0xffff_ffff {
        return Ok(Directory { count, start, end: start.saturating_add(size), comment });
    }
    let wide = || {
        let locator = bytes.get(at.checked_sub(20)?..at)?;
        let place = locator.starts_with(b"PK\x06\x07").then(|| double(locator, 8))??;
        let record = bytes.get(usize::try_from(place).ok()?..)?;
        let (count, size, start) = (double(record, 32)?, double(record, 40)?, double(record, 48)?);
        record.starts_with(b"PK\x06\x06").then(|| Directory { count, start, end: start.saturating_add(size), comment })
    };
    wide().ok_or(ZipError::Malformed("répertoire ZIP64"))
}

/// The directory entry at `at`, and where the next one begins.
fn member(bytes: &[u8], at: usize, end: usize) -> Result<(Member<'_>, usize), ZipError> {
    let damaged = || ZipError::Malformed("entrée du répertoire central");
    let entry = bytes.get(at..end).filter(|entry| entry.starts_with(b"PK\x01\x02")).ok_or_else(damaged)?;
    let half = |offset| short(entry, offset).ok_or_else(damaged);
    let whole = |offset| long(entry, offset).ok_or_else(damaged);
    let (flags, method) = (half(8)?, half(10)?);
    let lengths = [half(28)?, half(30)?, half(32)?].map(usize::from);
    let raw = entry.get(46..46 + lengths[0]).ok_or_else(damaged)?;
    let extra = entry.get(46 + lengths[0]..46 + lengths[0] + lengths[1]).ok_or_else(damaged)?;
    let name = name(raw)?;
    let (packed, size, offset) = wide(extra, whole(20)?, whole(24)?, whole(42)?).ok_or_else(damaged)?;
    if flags & 0x41 != 0 {
        return Err(ZipError::Trick { what: "fichier chiffré", name });
    }
    if ![0, 8].contains(&method) {
        return Err(ZipError::Trick { what: "compression non prise en charge", name });
    }
    let offset = usize::try_from(offset).map_err(|_| damaged())?;
    let packed = usize::try_from(packed).map_err(|_| damaged())?;
    let local = bytes.get(offset..).filter(|local| local.starts_with(b"PK\x03\x04"));
    let local = local.ok_or(ZipError::Malformed("en-tête local"))?;
    let lengths_local = short(local, 26).zip(short(local, 28)).ok_or_else(damaged)?;
    let (name_length, extra_length) = (usize::from(lengths_local.0), usize::from(lengths_local.1));
    if local.get(30..30 + name_length) != Some(raw) || short(local, 8) != Some(method) {
        return Err(ZipError::Trick { what: "le répertoire et l'en-tête local se contredisent", name });
    }
    let data_start = 30 + name_length + extra_length;
    let data =
        local.get(data_start..data_start.saturating_add(packed)).ok_or(ZipError::Malformed("données tronquées"))?;
    let stored = method == 0;
    if stored && u64::try_from(data.len()).ok() != Some(size) {
        return Err(ZipError::Malformed("taille d'un fichier non compressé"));
    }
    let found = Member { name, offset, stored, size_bytes: size, crc: whole(16)?, data };
    Ok((found, at + 46 + lengths.iter().sum::<usize>()))
}

/// A name that stays inside the container.
fn name(raw: &[u8]) -> Result<String, ZipError> {
    // Without the flag for UTF-8 names are in code page 437; what is not UTF-8 is shown as Latin-1.
    let text = String::from_utf8(raw.to_vec()).unwrap_or_else(|_| raw.iter().map(|octet| char::from(*octet)).collect());
    let shown: String = text.chars().map(|c| if c.is_control() { '?' } else { c }).take(300).collect();
    let trick = |what| Err(ZipError::Trick { what, name: shown.clone() });
    if text.is_empty() || text.chars().any(char::is_control) {
        return trick("nom vide ou avec des caractères de commande");
    }
    let climbs = text.split(['/', '\\']).any(|part| part == "..");
    let drive = text.as_bytes().get(1) == Some(&b':') && text.as_bytes()[0].is_ascii_alphabetic();
    if climbs || drive || text.starts_with(['/', '\\']) || text.contains('\\') {
        return trick("chemin qui sort du conteneur");
    }
    Ok(text)
}

/// Sizes and offset, from the ZIP64 extra field where the plain ones overflow.
fn wide(mut extra: &[u8], packed: u32, size: u32, offset: u32) -> Option<(u64, u64, u64)> {
    let mut values = [u64::from(size), u64::from(packed), u64::from(offset)];
    if values.iter().all(|value| *value != 0xffff_ffff) {
        return Some((values[1], values[0], values[2]));
    }
    while extra.len() >= 4 {
        let length = usize::from(short(extra, 2)?);
        let field = extra.get(4..4 + length)?;
        if short(extra, 0)? == 1 {
            let mut at = 0;
            for value in values.iter_mut().filter(|value| **value == 0xffff_ffff) {
                *value = double(field, at)?;
                at += 8;
            }
            return Some((values[1], values[0], values[2]));
        }
        extra = &extra[4 + length..];
    }
    None
}

/// The whole must not be a bomb.
fn bounded(members: &[Member<'_>], size_bytes: usize) -> Result<(), ZipError> {
    let total = members.iter().fold(0_u64, |total, member| total.saturating_add(member.size_bytes));
    let packed = u64::try_from(size_bytes).unwrap_or(u64::MAX);
    if total > MAX_EXPANDED_BYTES || total > packed.saturating_mul(MAX_RATIO).max(RATIO_FLOOR_BYTES) {
        return Err(ZipError::Limit("taille décompressée excessive"));
    }
    Ok(())
}

/// Members must not share data: a few octets cannot be the content of a thousand files.
fn apart(members: &[Member<'_>]) -> Result<(), ZipError> {
    let mut places: Vec<(usize, usize, &str)> = members
        .iter()
        .map(|member| (member.offset, member.offset + 30 + member.data.len(), member.name.as_str()))
        .collect();
    places.sort_unstable();
    for pair in places.windows(2) {
        if pair[0].1 > pair[1].0 {
            return Err(ZipError::Trick { what: "fichiers qui se recouvrent", name: pair[1].2.to_owned() });
        }
    }
    Ok(())
}
