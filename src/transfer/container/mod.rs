//! The containers a transfer comes in: zip, tar, tar.gz, tar.bz2, or a bordereau alone. Nothing is ever written under a
//! name found inside: members are listed, judged, and read one after the other.

mod name;
mod tar;
mod zip;

pub use name::NameFault;

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Bounds of a container.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Members.
    pub members_max: usize,
    /// Bytes out for one byte in, once more than [`RATIO_FREE_BYTES`] are out.
    pub ratio_max: u64,
    /// Bytes of all members together.
    pub bytes_max: u64,
}

/// What may come out before the ratio is looked at: a short text compresses well and harms nobody.
pub const RATIO_FREE_BYTES: u64 = 1 << 20;

impl Default for Limits {
    fn default() -> Self {
        Self { members_max: 200_000, ratio_max: 200, bytes_max: 64 << 30 }
    }
}

/// The kind of a container, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// ZIP.
    Zip,
    /// tar.
    Tar,
    /// tar within gzip.
    TarGz,
    /// tar within bzip2.
    TarBz2,
    /// A bordereau alone (practice of 0.2 and 1.0).
    Bordereau,
}

impl Kind {
    /// Its name, for people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Zip => "ZIP",
            Self::Tar => "TAR",
            Self::TarGz => "TAR.GZ",
            Self::TarBz2 => "TAR.BZ2",
            Self::Bordereau => "bordereau seul",
        }
    }
}

/// A member of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name, `/` between folders.
    pub name: String,
    /// Its announced size, in bytes.
    pub size_bytes: u64,
    /// Whether it is a folder.
    pub folder: bool,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Local header's offset, compressed size, method, CRC-32.
    Zip {
        offset: u64,
        packed_bytes: u64,
        method: u16,
        crc: u32,
    },
    /// The nth entry.
    Tar,
    Whole,
}

/// Why a container cannot be used.
#[derive(Debug, Error)]
pub enum ContainerError {
    /// It cannot be read.
    #[error("lecture impossible : {0}")]
    Io(#[from] io::Error),
    /// Neither of the known kinds.
    #[error("ce n'est ni un ZIP, ni un TAR (gzip ou bzip2 compris), ni un bordereau XML")]
    Unknown,
    /// Of a known kind, and damaged.
    #[error("conteneur endommagé : {0}")]
    Damaged(String),
    /// A member whose name or nature is not acceptable.
    #[error("membre « {name} » : {fault}")]
    Member {
        /// Its name, made readable.
        name: String,
        /// What is wrong with it.
        fault: NameFault,
    },
    /// More members than allowed.
    #[error("plus de {0} membres")]
    TooMany(usize),
    /// A decompression bomb.
    #[error("membre « {name} » : se décompresse de plus de {ratio_max} fois")]
    Bomb {
        /// Its name.
        name: String,
        /// The bound.
        ratio_max: u64,
    },
    /// More bytes than allowed.
    #[error("plus de {0} octets une fois décompressé")]
    TooLarge(u64),
}

/// A container, listed and judged.
#[derive(Debug)]
pub struct Container {
    path: PathBuf,
    limits: Limits,
    /// Its kind.
    pub kind: Kind,
    /// Its members, in its order.
    pub members: Vec<Member>,
}

/// What is done with each member read; returns whether to go on.
pub type Visit<'a> = dyn FnMut(usize, &mut dyn Read) -> io::Result<bool> + 'a;

impl Container {
    /// Lists a container and judges its members.
    pub fn open(path: &Path, limits: Limits) -> Result<Self, ContainerError> {
        let mut file = File::open(path)?;
        let kind = identify(&mut file)?;
        let members = match kind {
            Kind::Zip => zip::list(&mut file, &limits)?,
            Kind::Bordereau => {
                let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
                let size_bytes = file.metadata()?.len();
                vec![Member { name, size_bytes, folder: false, place: Place::Whole }]
            }
            _ => tar::list(unpacked(file, kind, &limits)?, &limits)?,
        };
        name::judge(&members)?;
        Ok(Self { path: path.to_owned(), limits, kind, members })
    }

    /// Reads one member.
    pub fn read<T>(
        &self,
        index: usize,
        reading: impl FnOnce(&mut dyn Read) -> io::Result<T>,
    ) -> Result<T, ContainerError> {
        let (mut reading, mut result) = (Some(reading), None);
        self.each(&|at| at == index, &mut |_, input| {
            if let Some(reading) = reading.take() {
                result = Some(reading(input)?);
            }
            Ok(false)
        })?;
        result.ok_or_else(|| ContainerError::Damaged("membre introuvable à la relecture".into()))
    }

    /// Reads the wanted members, in the container's order.
    pub fn each(&self, wanted: &dyn Fn(usize) -> bool, visit: &mut Visit<'_>) -> Result<(), ContainerError> {
        let file = File::open(&self.path)?;
        match self.kind {
            Kind::Zip => zip::each(file, &self.members, &self.limits, wanted, visit),
            Kind::Bordereau => {
                if wanted(0) {
                    visit(0, &mut BufReader::new(file)).map_err(told)?;
                }
                Ok(())
            }
            kind => tar::each(unpacked(file, kind, &self.limits)?, &self.members, wanted, visit),
        }
    }

    /// The path it was opened at.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn identify(file: &mut File) -> Result<Kind, ContainerError> {
    let mut head = [0; 512];
    let count = fill(file, &mut head)?;
    file.seek(SeekFrom::Start(0))?;
    let head = &head[..count];
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
    Ok(match head {
        [b'P', b'K', 3 | 5, 4 | 6, ..] => Kind::Zip,
        [0x1F, 0x8B, ..] => Kind::TarGz,
        [b'B', b'Z', b'h', ..] => Kind::TarBz2,
        [0xFF, 0xFE, b'<', 0, ..] | [0xFE, 0xFF, 0, b'<', ..] => Kind::Bordereau,
        _ if text.starts_with(b"<") => Kind::Bordereau,
        _ if tar::is_header(head) => Kind::Tar,
        _ => return Err(ContainerError::Unknown),
    })
}

/// The tar stream within, never longer than the limits allow.
fn unpacked(file: File, kind: Kind, limits: &Limits) -> io::Result<Box<dyn Read>> {
    let packed_bytes = file.metadata()?.len();
    let input = BufReader::with_capacity(1 << 16, file);
    let out_max = packed_bytes.saturating_mul(limits.ratio_max).max(RATIO_FREE_BYTES).min(limits.bytes_max);
    Ok(match kind {
        Kind::TarGz => Box::new(Bounded::new(flate2::bufread::MultiGzDecoder::new(input), out_max)),
        Kind::TarBz2 => Box::new(Bounded::new(bzip2::bufread::MultiBzDecoder::new(input), out_max)),
        _ => Box::new(Bounded::new(input, limits.bytes_max)),
    })
}

/// Reads until the buffer is full or the input ends.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// An input that fails rather than give more than so many bytes.
#[derive(Debug)]
struct Bounded<R> {
    inner: R,
    left_bytes: u64,
    bytes_max: u64,
}

/// More came out than the bound.
#[derive(Debug, Error)]
#[error("plus de {0} octets")]
struct Beyond(u64);

impl<R> Bounded<R> {
    fn new(inner: R, bytes_max: u64) -> Self {
        Self { inner, left_bytes: bytes_max, bytes_max }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left_bytes =
            self.left_bytes.checked_sub(count as u64).ok_or_else(|| io::Error::other(Beyond(self.bytes_max)))?;
        Ok(count)
    }
}

/// What an error of reading says of the container: a bound passed, or damage.
fn told(error: io::Error) -> ContainerError {
    if let Some(Beyond(bytes_max)) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
        return ContainerError::TooLarge(*bytes_max);
    }
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
            ContainerError::Damaged(error.to_string())
        }
        _ => ContainerError::Io(error),
    }
}

#[cfg(test)]
mod tests;
