//! A pack, read as the POSIX tar that it is, frame by frame: the content of each member is one frame of its own.

use super::content::Hashing;
use super::frame::Sink;

const BLOCK: usize = 512;

/// Blocks of zeros accepted at the end: tar programs round an archive up to 20 blocks.
const ZEROS_MAX: usize = 64;

/// A member of a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    /// First byte of its frame in the pack.
    pub(super) offset: u64,
    /// Length of the frame.
    pub(super) length: u64,
    /// Length of the content.
    pub(super) size_bytes: u64,
    pub(super) sha256: [u8; 32],
}

/// Follows a tar through the frames of a pack.
pub(super) struct Tar {
    at: At,
    header: Box<[u8; BLOCK]>,
    /// The frame being read began where a member's content begins.
    content: Option<Hashing>,
    /// Blocks of zeros since the last member; two end the archive.
    zeros: usize,
}

enum At {
    /// So many bytes of a header block are there.
    Header(usize),
    /// A member begins at the next frame.
    Content { name: String, size_bytes: u64 },
    /// So many zeros complete the last block of a member.
    Padding(usize),
}

impl Tar {
    pub(super) fn new() -> Self {
        Self { at: At::Header(0), header: Box::new([0; BLOCK]), content: None, zeros: 0 }
    }

    /// Call before each frame.
    pub(super) fn frame_begins(&mut self) {
        self.content = match &self.at {
            At::Content { size_bytes, .. } => Some(Hashing::new(*size_bytes)),
            _ => None,
        };
    }

    /// Call after each frame; returns the member whose content it was.
    pub(super) fn frame_ends(&mut self, offset: u64, length: u64) -> Result<Option<Member>, String> {
        let Some(content) = self.content.take() else { return Ok(None) };
        let At::Content { name, size_bytes: expected } = std::mem::replace(&mut self.at, At::Header(0)) else {
            return Ok(None);
        };
        let (sha256, size_bytes) = content.finish();
        if size_bytes != expected {
            return Err(format!("membre de {size_bytes} octets, l'en-tête tar en annonce {expected}"));
        }
        // A member that an elimination emptied: whether it was to be is the records' to say.
        if hex::encode(sha256) != name && !is_zeros(&sha256, size_bytes) {
            return Err(format!("le contenu du membre n'a pas l'empreinte qui lui sert de nom ({name})"));
        }
        let past = usize::try_from(size_bytes % BLOCK as u64).unwrap_or(0);
        if past > 0 {
            self.at = At::Padding(BLOCK - past);
        }
        Ok(Some(Member { offset, length, size_bytes, sha256 }))
    }

    /// Call at the end of the pack.
    pub(super) fn finish(&self) -> Result<(), String> {
        match self.at {
            At::Header(0) if self.zeros >= 2 => Ok(()),
            _ => Err("l'archive tar n'a pas sa fin".to_owned()),
        }
    }

    fn block(&mut self) -> Result<At, String> {
        if self.header.iter().all(|&b| b == 0) {
            self.zeros += 1;
            if self.zeros > ZEROS_MAX {
                return Err("fin d'archive tar démesurée".to_owned());
            }
            return Ok(At::Header(0));
        }
        if self.zeros > 0 {
            return Err("contenu après la fin de l'archive tar".to_owned());
        }
        let (name, size_bytes) = read_header(&self.header).ok_or("en-tête tar altéré")?;
        Ok(At::Content { name, size_bytes })
    }
}

impl Sink for Tar {
    fn content(&mut self, mut bytes: &[u8]) -> Result<(), String> {
        if let Some(content) = &mut self.content {
            return content.content(bytes);
        }
        while !bytes.is_empty() {
            match self.at {
                At::Header(have) => {
                    let taken = bytes.len().min(BLOCK - have);
                    self.header[have..have + taken].copy_from_slice(&bytes[..taken]);
                    bytes = &bytes[taken..];
                    self.at = if have + taken == BLOCK { self.block()? } else { At::Header(have + taken) };
                }
                At::Padding(left) => {
                    let taken = bytes.len().min(left);
                    if bytes[..taken].iter().any(|&b| b != 0) {
                        return Err("bourrage tar non nul".to_owned());
                    }
                    bytes = &bytes[taken..];
                    self.at = if taken == left { At::Header(0) } else { At::Padding(left - taken) };
                }
                At::Content { .. } => return Err("le contenu d'un membre ne commence pas sa propre trame".to_owned()),
            }
        }
        Ok(())
    }
}

/// Whether a digest is that of so many zeros.
fn is_zeros(sha256: &[u8; 32], size_bytes: u64) -> bool {
    const PIECE: [u8; 4096] = [0; 4096];
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    let mut left = size_bytes;
    while left > 0 {
        let piece = left.min(PIECE.len() as u64);
        context.update(&PIECE[..usize::try_from(piece).unwrap_or(PIECE.len())]);
        left -= piece;
    }
    context.finish().as_ref() == sha256
}

/// Name and size of a regular member of a POSIX ustar archive (POSIX.1-2017 pax § ustar Interchange Format).
fn read_header(block: &[u8; BLOCK]) -> Option<(String, u64)> {
    let sum: u32 = block.iter().zip(0..).map(|(&b, at)| if (148..156).contains(&at) { 32 } else { u32::from(b) }).sum();
    let regular = block[156] == b'0' && block[257..265] == *b"ustar\x0000";
    if u64::from(sum) != octal(&block[148..156])? || !regular {
        return None;
    }
    let name = block[..100].split(|&b| b == 0).next()?;
    Some((String::from_utf8(name.to_vec()).ok()?, octal(&block[124..136])?))
}

fn octal(field: &[u8]) -> Option<u64> {
    let digits: Vec<u8> = field.iter().copied().skip_while(|&b| b == b' ').take_while(u8::is_ascii_digit).collect();
    u64::from_str_radix(std::str::from_utf8(&digits).ok()?, 8).ok()
}
