//! A ZIP file of a few small members, stored (APPNOTE.TXT 6.3.10 §4.3): all that the `.zip` form needs, since digests and
//! signatures do not compress. The same members give the same bytes: no clock in it.

/// 1 January 1980, the first date the format knows.
const DOS_DATE: u16 = 0x0021;

/// Bits set to "made on Unix, regular file, rw-r--r--", so that unpacking gives readable files.
const UNIX_FILE: u32 = 0o100_644 << 16;

/// Members written one after the other.
#[derive(Debug, Default)]
pub(super) struct Stored {
    bytes: Vec<u8>,
    directory: Vec<u8>,
    members: u16,
}

impl Stored {
    /// Adds a member. `None` when it does not fit the format's 32 bits; a receipt is a thousand times smaller.
    pub(super) fn add(&mut self, name: &str, content: &[u8]) -> Option<()> {
        let offset = u32::try_from(self.bytes.len()).ok()?;
        let common = common(name, content)?;
        self.members = self.members.checked_add(1)?;
        self.bytes.extend_from_slice(b"PK\x03\x04");
        self.bytes.extend_from_slice(&common);
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.extend_from_slice(content);
        self.directory.extend_from_slice(b"PK\x01\x02");
        self.directory.extend_from_slice(&[0x0a, 0x03]);
        self.directory.extend_from_slice(&common);
        // No comment, disk 0, binary.
        self.directory.extend_from_slice(&[0; 6]);
        self.directory.extend_from_slice(&UNIX_FILE.to_le_bytes());
        self.directory.extend_from_slice(&offset.to_le_bytes());
        self.directory.extend_from_slice(name.as_bytes());
        Some(())
    }

    /// The file.
    pub(super) fn finish(mut self) -> Option<Vec<u8>> {
        let start = u32::try_from(self.bytes.len()).ok()?;
        let length = u32::try_from(self.directory.len()).ok()?;
        self.bytes.append(&mut self.directory);
        self.bytes.extend_from_slice(b"PK\x05\x06\0\0\0\0");
        self.bytes.extend_from_slice(&self.members.to_le_bytes());
        self.bytes.extend_from_slice(&self.members.to_le_bytes());
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(&start.to_le_bytes());
        self.bytes.extend_from_slice(&[0; 2]);
        Some(self.bytes)
    }
}

/// What the local header and the directory say alike: version 1.0, no flag, stored, time, CRC-32, both sizes, name length.
fn common(name: &str, content: &[u8]) -> Option<Vec<u8>> {
    let size = u32::try_from(content.len()).ok()?.to_le_bytes();
    let mut header = vec![0x0a, 0, 0, 0, 0, 0, 0, 0];
    header.extend_from_slice(&DOS_DATE.to_le_bytes());
    header.extend_from_slice(&crc32fast::hash(content).to_le_bytes());
    header.extend_from_slice(&size);
    header.extend_from_slice(&size);
    header.extend_from_slice(&u16::try_from(name.len()).ok()?.to_le_bytes());
    header.extend_from_slice(&[0; 2]);
    Some(header)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn known_bytes() {
        // As Info-ZIP's `zip -0 -X` writes a member dated 1980-01-01, but for the text/binary bit.
        let mut zip = Stored::default();
        zip.add("a.txt", b"abc").unwrap();
        let bytes = zip.finish().unwrap();
        let local = "504b03040a0000000000000021 00c2412435030000000300000005000000612e747874616263";
        assert!(hex::encode(&bytes).starts_with(&local.replace(' ', "")));
        let directory =
            "504b01020a030a0000000000000021 00c24124350300000003000000050000000000000000000000a48100000000612e747874";
        assert_eq!(hex::encode(&bytes[38..38 + 51]), directory.replace(' ', ""));
        assert_eq!(hex::encode(&bytes[89..]), "504b0506000000000100010033000000260000000000");
    }
}
