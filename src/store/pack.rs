//! A pack: a tar archive compressed with zstd so that each member's content is a frame of its own.
//!
//! `tar --zstd -x` restores every member under the name of its SHA-256; `tail -c +OFFSET+1 | head -c LENGTH | zstd -d`
//! restores one. POSIX ustar headers, mode 0444, no owner, no date: the record tells the story, not the tar.

use super::compress::{compress_brief, decompress};
use crate::digest::sha256;
use std::io;

const BLOCK: usize = 512;

/// Where a member's content frame lies within the pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberPlace {
    /// First byte of the frame.
    pub offset: u64,
    /// Length of the frame.
    pub length: u64,
}

/// Puts a pack together from frames compressed beforehand.
#[derive(Debug, Default)]
pub struct PackBuilder {
    bytes: Vec<u8>,
    /// Zeros still owed to the tar after the last member.
    padding: usize,
}

impl PackBuilder {
    /// Adds a member whose content of `size_bytes` and digest `sha256` is compressed in `frame`.
    pub fn push(&mut self, sha256: &[u8; 32], size_bytes: u64, frame: &[u8]) -> io::Result<MemberPlace> {
        let mut between = vec![0; self.padding];
        between.extend_from_slice(&tar_header(sha256, size_bytes)?);
        self.bytes.extend_from_slice(&compress_brief(&between)?);
        let place = MemberPlace { offset: self.bytes.len() as u64, length: frame.len() as u64 };
        self.bytes.extend_from_slice(frame);
        self.padding = usize::try_from(size_bytes.next_multiple_of(BLOCK as u64) - size_bytes).unwrap_or(0);
        Ok(place)
    }

    /// The finished object.
    pub fn finish(mut self) -> io::Result<Vec<u8>> {
        let end = compress_brief(&vec![0; self.padding + 2 * BLOCK])?;
        self.bytes.extend_from_slice(&end);
        Ok(self.bytes)
    }
}

fn tar_header(sha256: &[u8; 32], size_bytes: u64) -> io::Result<[u8; BLOCK]> {
    let mut header = tar::Header::new_ustar();
    header.set_path(hex::encode(sha256))?;
    header.set_size(size_bytes);
    header.set_mode(0o444);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_entry_type(tar::EntryType::Regular);
    header.set_cksum();
    Ok(*header.as_bytes())
}

/// A pack read whole, for audits: every member checked against its name.
#[derive(Debug)]
pub struct Pack {
    /// SHA-256 and size in bytes of each member, in order.
    pub members: Vec<([u8; 32], u64)>,
}

impl Pack {
    /// Reads a pack of at most `content_bytes_max` uncompressed bytes. Errors say which member is wrong.
    pub fn parse(bytes: &[u8], content_bytes_max: usize) -> io::Result<Self> {
        let content = decompress_bounded(bytes, content_bytes_max)?;
        let mut archive = tar::Archive::new(content.as_slice());
        let mut members = Vec::new();
        for entry in archive.entries()? {
            let mut entry = entry?;
            let name = entry.path()?.to_string_lossy().into_owned();
            let mut member = Vec::new();
            io::Read::read_to_end(&mut entry, &mut member)?;
            let digest = sha256(&member);
            if hex::encode(digest) != name {
                return Err(io::Error::new(io::ErrorKind::InvalidData, format!("membre « {name} » altéré")));
            }
            members.push((digest, member.len() as u64));
        }
        Ok(Self { members })
    }
}

/// Decompresses without trusting the announced size.
fn decompress_bounded(bytes: &[u8], content_bytes_max: usize) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let limit = content_bytes_max as u64 + 1;
    io::Read::read_to_end(&mut io::Read::take(zstd::Decoder::new(bytes)?, limit), &mut content)?;
    if content.len() > content_bytes_max {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "paquet plus grand que permis une fois décompressé"));
    }
    Ok(content)
}

/// The content of one member's frame, checked against its size and digest.
pub(super) fn read_member(frame: &[u8], size_bytes: u64, digest: Option<&[u8; 32]>) -> io::Result<Vec<u8>> {
    let size = usize::try_from(size_bytes).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    let content = decompress(frame, size)?;
    if content.len() != size || digest.is_some_and(|expected| sha256(&content) != *expected) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "taille ou empreinte différente de l'enregistrement"));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::store::compress;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_member_reads_back_alone_and_through_tar(contents in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..2000), 1..20)) {
            let mut builder = PackBuilder::default();
            let mut places = Vec::new();
            for content in &contents {
                places.push(builder.push(&sha256(content), content.len() as u64, &compress(content).unwrap()).unwrap());
            }
            let bytes = builder.finish().unwrap();
            for (content, place) in contents.iter().zip(&places) {
                let start = usize::try_from(place.offset).unwrap();
                let frame = &bytes[start..start + usize::try_from(place.length).unwrap()];
                prop_assert_eq!(&read_member(frame, content.len() as u64, Some(&sha256(content))).unwrap(), content);
            }
            let pack = Pack::parse(&bytes, 1 << 20).unwrap();
            prop_assert_eq!(pack.members.len(), contents.len());
        }

        #[test]
        fn hostile_bytes_do_not_panic(bytes: Vec<u8>) {
            let _ = Pack::parse(&bytes, 1 << 16);
        }
    }
}
