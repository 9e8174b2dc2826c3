//! tar (POSIX ustar and pax, GNU long names), read as a stream.

use super::name::{NameFault, refused};
use super::{ContainerError, Limits, Member, Place, Visit, fill, told};
use std::io::{self, Read};

const BLOCK_BYTES: usize = 512;
/// The longest long name or pax header, in bytes.
const EXTENDED_BYTES_MAX: u64 = 64 * 1024;

/// Whether a first block is a header, by its checksum.
pub(super) fn is_header(block: &[u8]) -> bool {
    block.len() == BLOCK_BYTES
        && block[0] != 0
        && checksum(block).is_some_and(|sum| number(&block[148..156]) == Some(sum))
}

/// Lists the members.
pub(super) fn list(input: impl Read, limits: &Limits) -> Result<Vec<Member>, ContainerError> {
    let mut members: Vec<Member> = Vec::new();
    walk(input, &mut |entry, _| {
        if members.len() == limits.members_max {
            return Err(ContainerError::TooMany(limits.members_max));
        }
        let folder = match entry.kind {
            b'0' | 0 | b'7' => entry.name.ends_with('/'),
            b'5' => true,
            _ => return Err(refused(&entry.name, NameFault::Special)),
        };
        // `./` before a name, and for the folder itself, is how many tools write the current folder.
        let name = entry.name.strip_prefix("./").unwrap_or(&entry.name);
        if !(folder && matches!(name, "" | ".")) {
            members.push(Member { name: name.to_owned(), size_bytes: entry.size_bytes, folder, place: Place::Tar });
        }
        Ok(true)
    })?;
    Ok(members)
}

/// Reads the wanted members.
pub(super) fn each(
    input: impl Read,
    members: &[Member],
    wanted: &dyn Fn(usize) -> bool,
    visit: &mut Visit<'_>,
) -> Result<(), ContainerError> {
    let mut index = 0;
    walk(input, &mut |entry, content| {
        let name = entry.name.strip_prefix("./").unwrap_or(&entry.name);
        if members.get(index).is_none_or(|member| member.name != name) {
            // The folder itself was not listed.
            return if matches!(name, "" | ".") { Ok(true) } else { Err(damaged("changé pendant la lecture")) };
        }
        index += 1;
        if wanted(index - 1) { visit(index - 1, content).map_err(told) } else { Ok(true) }
    })
}

struct Entry {
    name: String,
    size_bytes: u64,
    kind: u8,
}

type Each<'a> = dyn FnMut(&Entry, &mut dyn Read) -> Result<bool, ContainerError> + 'a;

fn walk(mut input: impl Read, each: &mut Each<'_>) -> Result<(), ContainerError> {
    let (mut long_name, mut pax) = (None, Pax::default());
    loop {
        let mut block = [0; BLOCK_BYTES];
        match fill(&mut input, &mut block).map_err(told)? {
            0 => return Ok(()),
            BLOCK_BYTES => {}
            _ => return Err(damaged("bloc tronqué")),
        }
        if block.iter().all(|&b| b == 0) {
            return Ok(());
        }
        if !is_header(&block) {
            return Err(damaged("en-tête de somme fausse"));
        }
        let declared = number(&block[124..136]).ok_or_else(|| damaged("taille illisible"))?;
        match block[156] {
            b'L' => long_name = Some(text(&extended(&mut input, declared)?)),
            b'x' => pax = Pax::parse(&extended(&mut input, declared)?),
            b'g' | b'K' => _ = extended(&mut input, declared)?,
            kind => {
                let size_bytes = pax.size_bytes.take().unwrap_or(declared);
                let name = pax.path.take().or_else(|| long_name.take()).unwrap_or_else(|| header_name(&block));
                long_name = None;
                let entry = Entry { name, size_bytes: if kind == b'5' { 0 } else { size_bytes }, kind };
                let mut content = Exactly { inner: (&mut input).take(entry.size_bytes), left_bytes: entry.size_bytes };
                if !each(&entry, &mut content)? {
                    return Ok(());
                }
                io::copy(&mut content, &mut io::sink()).map_err(told)?;
                skip_padding(&mut input, entry.size_bytes)?;
            }
        }
    }
}

/// The content of an entry: as long as announced, or an error.
struct Exactly<R> {
    inner: io::Take<R>,
    left_bytes: u64,
}

impl<R: Read> Read for Exactly<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left_bytes -= count as u64;
        if count == 0 && self.left_bytes > 0 && !buffer.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "membre tronqué"));
        }
        Ok(count)
    }
}

/// What a pax header says of the next entry.
#[derive(Default)]
struct Pax {
    path: Option<String>,
    size_bytes: Option<u64>,
}

impl Pax {
    /// Records `<length> <key>=<value>\n`.
    fn parse(mut records: &[u8]) -> Self {
        let mut pax = Self::default();
        while let Some(space) = memchr::memchr(b' ', records) {
            let length = std::str::from_utf8(&records[..space]).ok().and_then(|n| n.parse::<usize>().ok());
            let Some(record) = length.and_then(|length| records.get(space + 1..length)) else { break };
            if let Some(equals) = memchr::memchr(b'=', record) {
                let value = text(record[equals + 1..].strip_suffix(b"\n").unwrap_or(&record[equals + 1..]));
                match &record[..equals] {
                    b"path" => pax.path = Some(value),
                    b"size" => pax.size_bytes = value.parse().ok(),
                    _ => {}
                }
            }
            records = length.and_then(|length| records.get(length..)).unwrap_or_default();
        }
        pax
    }
}

fn extended(input: &mut impl Read, size_bytes: u64) -> Result<Vec<u8>, ContainerError> {
    if size_bytes > EXTENDED_BYTES_MAX {
        return Err(damaged("en-tête étendu trop long"));
    }
    let mut bytes = Vec::new();
    input.take(size_bytes).read_to_end(&mut bytes).map_err(told)?;
    if bytes.len() as u64 != size_bytes {
        return Err(damaged("en-tête étendu tronqué"));
    }
    skip_padding(input, size_bytes)?;
    Ok(bytes)
}

fn skip_padding(input: &mut impl Read, size_bytes: u64) -> Result<(), ContainerError> {
    let padding = size_bytes.next_multiple_of(BLOCK_BYTES as u64) - size_bytes;
    let skipped = io::copy(&mut input.take(padding), &mut io::sink()).map_err(told)?;
    if skipped == padding { Ok(()) } else { Err(damaged("membre tronqué")) }
}

fn header_name(block: &[u8]) -> String {
    let name = text(&block[..100]);
    let prefix = if &block[257..262] == b"ustar" { text(&block[345..500]) } else { String::new() };
    // GNU tar puts times where POSIX has the prefix.
    if prefix.is_empty() || &block[257..265] == b"ustar  \0" { name } else { format!("{prefix}/{name}") }
}

fn text(bytes: &[u8]) -> String {
    let end = memchr::memchr(0, bytes).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// Octal digits, or base 256 when the first bit is set.
fn number(field: &[u8]) -> Option<u64> {
    if field.first().is_some_and(|b| b & 0x80 != 0) {
        let value = field[1..].iter().try_fold(u64::from(field[0] & 0x7F), |value, &b| {
            value.checked_mul(256).map(|value| value + u64::from(b))
        })?;
        return (value < 1 << 62).then_some(value);
    }
    let digits = text(field);
    let digits = digits.trim_matches([' ', '\0']);
    if digits.is_empty() { Some(0) } else { u64::from_str_radix(digits, 8).ok() }
}

fn checksum(block: &[u8]) -> Option<u64> {
    let sum = |part: &[u8]| part.iter().map(|&b| u64::from(b)).sum::<u64>();
    Some(sum(block.get(..148)?) + 8 * u64::from(b' ') + sum(block.get(156..)?))
}

fn damaged(what: &str) -> ContainerError {
    ContainerError::Damaged(format!("TAR : {what}"))
}
