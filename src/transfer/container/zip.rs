//! ZIP (APPNOTE.TXT 6.3): the central directory decides, each member is read between bounds that do not overlap another.

use super::name::{NameFault, decoded, refused};
use super::{ContainerError, Kind, Limits, Member, Place, RATIO_FREE_BYTES, Visit, told};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

/// The longest central directory, in bytes: 200,000 members with long names.
const DIRECTORY_BYTES_MAX: u64 = 64 << 20;
const END_BYTES: usize = 22;

/// Lists the members.
pub(super) fn list(file: &mut File, limits: &Limits) -> Result<Vec<Member>, ContainerError> {
    let length = file.seek(SeekFrom::End(0))?;
    let end = End::find(file, length)?;
    if end.count > limits.members_max as u64 {
        return Err(ContainerError::TooMany(limits.members_max));
    }
    if end.size_bytes > DIRECTORY_BYTES_MAX || end.offset.saturating_add(end.size_bytes) > length {
        return Err(damaged("répertoire central hors du fichier"));
    }
    file.seek(SeekFrom::Start(end.offset))?;
    let mut directory = Vec::new();
    file.take(end.size_bytes).read_to_end(&mut directory)?;
    let mut members = Vec::new();
    let mut rest = directory.as_slice();
    let (mut total, mut spans) = (0_u64, Vec::new());
    while !rest.is_empty() {
        let (member, next) = entry(rest)?;
        rest = next;
        if members.len() == limits.members_max {
            return Err(ContainerError::TooMany(limits.members_max));
        }
        total = total.saturating_add(member.size_bytes);
        if total > limits.bytes_max {
            return Err(ContainerError::TooLarge(limits.bytes_max));
        }
        if let Place::Zip { offset, packed_bytes, .. } = member.place {
            spans.push((offset, packed_bytes));
            let large = member.size_bytes > RATIO_FREE_BYTES;
            if large && member.size_bytes / packed_bytes.max(1) >= limits.ratio_max {
                return Err(ContainerError::Bomb { name: member.name, ratio_max: limits.ratio_max });
            }
        }
        members.push(member);
    }
    if members.len() as u64 != end.count {
        return Err(damaged("le répertoire central n'a pas le nombre de membres annoncé"));
    }
    apart(&mut spans, end.offset)?;
    Ok(members)
}

/// No member begins before the previous one ends, nor ends in the directory (30: a local header without its name).
fn apart(spans: &mut [(u64, u64)], directory: u64) -> Result<(), ContainerError> {
    spans.sort_unstable();
    let ends = spans.iter().skip(1).map(|(offset, _)| *offset).chain([directory]);
    for (&(offset, packed_bytes), next) in spans.iter().zip(ends) {
        if offset.saturating_add(30).saturating_add(packed_bytes) > next {
            return Err(damaged("membres qui se chevauchent"));
        }
    }
    Ok(())
}

/// Reads the wanted members.
pub(super) fn each(
    file: File,
    members: &[Member],
    limits: &Limits,
    wanted: &dyn Fn(usize) -> bool,
    visit: &mut Visit<'_>,
) -> Result<(), ContainerError> {
    let mut input = BufReader::with_capacity(1 << 16, file);
    for (index, member) in members.iter().enumerate().filter(|(index, _)| wanted(*index)) {
        let Place::Zip { offset, packed_bytes, method, crc } = member.place else { continue };
        input.seek(SeekFrom::Start(offset))?;
        let mut header = [0; 30];
        input.read_exact(&mut header).map_err(told)?;
        if !header.starts_with(b"PK\x03\x04") {
            return Err(damaged("en-tête local absent"));
        }
        input.seek_relative(i64::from(u16_at(&header, 26)) + i64::from(u16_at(&header, 28)))?;
        let packed = input.by_ref().take(packed_bytes);
        let unpacked: Box<dyn Read + '_> =
            if method == 0 { Box::new(packed) } else { Box::new(flate2::read::DeflateDecoder::new(packed)) };
        let mut checked =
            Checked { inner: unpacked, left_bytes: member.size_bytes, crc: crc32fast::Hasher::new(), expected: crc };
        let go_on = visit(index, &mut checked).map_err(told)?;
        debug_assert!(member.size_bytes <= limits.bytes_max);
        if !go_on {
            break;
        }
    }
    Ok(())
}

/// A member's content: exactly as long as announced, and of the announced CRC-32.
struct Checked<'a> {
    inner: Box<dyn Read + 'a>,
    left_bytes: u64,
    crc: crc32fast::Hasher,
    expected: u32,
}

impl Read for Checked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what);
        if buffer.is_empty() {
            return Ok(0);
        }
        let count = self.inner.read(buffer)?;
        self.crc.update(&buffer[..count]);
        match self.left_bytes.checked_sub(count as u64) {
            None => Err(invalid("membre plus long qu'annoncé")),
            Some(left) if count == 0 && left > 0 => Err(invalid("membre plus court qu'annoncé")),
            Some(left) => {
                self.left_bytes = left;
                if count == 0 && self.crc.clone().finalize() != self.expected {
                    return Err(invalid("somme de contrôle (CRC-32) fausse"));
                }
                Ok(count)
            }
        }
    }
}

/// The end of the central directory.
struct End {
    count: u64,
    size_bytes: u64,
    offset: u64,
}

impl End {
    fn find(file: &mut File, length: u64) -> Result<Self, ContainerError> {
        let tail_bytes = length.min(END_BYTES as u64 + 0xFFFF);
        file.seek(SeekFrom::Start(length - tail_bytes))?;
        let mut tail = Vec::new();
        file.take(tail_bytes).read_to_end(&mut tail)?;
        let at = memchr::memmem::rfind_iter(&tail, b"PK\x05\x06")
            .find(|&at| {
                tail.len() - at >= END_BYTES && usize::from(u16_at(&tail, at + 20)) == tail.len() - at - END_BYTES
            })
            .ok_or_else(|| damaged("fin du répertoire central introuvable"))?;
        let end = &tail[at..];
        let plain = Self {
            count: u64::from(u16_at(end, 10)),
            size_bytes: u64::from(u32_at(end, 12)),
            offset: u64::from(u32_at(end, 16)),
        };
        if plain.count != 0xFFFF && plain.size_bytes != 0xFFFF_FFFF && plain.offset != 0xFFFF_FFFF {
            return Ok(plain);
        }
        let Some(locator) = at.checked_sub(20).map(|at| &tail[at..]).filter(|l| l.starts_with(b"PK\x06\x07")) else {
            return Ok(plain);
        };
        let offset = u64_at(locator, 8);
        if offset.saturating_add(56) > length {
            return Err(damaged("répertoire central ZIP64 hors du fichier"));
        }
        file.seek(SeekFrom::Start(offset))?;
        let mut wide = [0; 56];
        file.read_exact(&mut wide).map_err(told)?;
        if !wide.starts_with(b"PK\x06\x06") {
            return Err(damaged("répertoire central ZIP64 introuvable"));
        }
        Ok(Self { count: u64_at(&wide, 32), size_bytes: u64_at(&wide, 40), offset: u64_at(&wide, 48) })
    }
}

/// One entry of the central directory, and what follows it.
fn entry(bytes: &[u8]) -> Result<(Member, &[u8]), ContainerError> {
    if bytes.len() < 46 || !bytes.starts_with(b"PK\x01\x02") {
        return Err(damaged("entrée du répertoire central illisible"));
    }
    let (flags, method) = (u16_at(bytes, 8), u16_at(bytes, 10));
    let lengths = [28, 30, 32].map(|at| usize::from(u16_at(bytes, at)));
    let name_end = 46 + lengths[0];
    let extra_end = name_end + lengths[1];
    let end = extra_end + lengths[2];
    let (Some(name), Some(extra), Some(rest)) =
        (bytes.get(46..name_end), bytes.get(name_end..extra_end), bytes.get(end..))
    else {
        return Err(damaged("entrée du répertoire central tronquée"));
    };
    let name = decoded(name, flags & 0x0800 != 0);
    let (mut size_bytes, mut packed_bytes, mut offset) =
        (u64::from(u32_at(bytes, 24)), u64::from(u32_at(bytes, 20)), u64::from(u32_at(bytes, 42)));
    widen(extra, [&mut size_bytes, &mut packed_bytes, &mut offset]);
    if flags & 0x0041 != 0 {
        return Err(refused(&name, NameFault::Encrypted));
    }
    if !matches!(method, 0 | 8) {
        return Err(refused(&name, NameFault::Method));
    }
    // A link, when the file was made on Unix (host system 3, or macOS's 19).
    let unix_mode = u32_at(bytes, 38) >> 16;
    if matches!(bytes[5], 3 | 19) && !matches!(unix_mode & 0o170_000, 0 | 0o100_000 | 0o040_000) {
        return Err(refused(&name, NameFault::Special));
    }
    let folder = name.ends_with('/');
    let place = Place::Zip { offset, packed_bytes, method, crc: u32_at(bytes, 16) };
    Ok((Member { name, size_bytes, folder, place }, rest))
}

/// ZIP64: the fields that were too large for their place, in this order.
fn widen(mut extra: &[u8], fields: [&mut u64; 3]) {
    while extra.len() >= 4 {
        let (tag, length) = (u16_at(extra, 0), usize::from(u16_at(extra, 2)));
        let Some(body) = extra.get(4..4 + length) else { return };
        if tag == 1 {
            let mut values = body.chunks_exact(8).map(|chunk| u64_at(chunk, 0));
            for field in fields {
                if *field == 0xFFFF_FFFF {
                    *field = values.next().unwrap_or(*field);
                }
            }
            return;
        }
        extra = &extra[4 + length..];
    }
}

fn damaged(what: &str) -> ContainerError {
    ContainerError::Damaged(format!("{} : {what}", Kind::Zip.label()))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).map_or(0, |b| u16::from_le_bytes([b[0], b[1]]))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
