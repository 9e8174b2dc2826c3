//! Makes ZIP containers byte by byte, for tests: stored members, and the tricks that libraries would not write.
#![allow(dead_code, unreachable_pub, clippy::new_without_default)]

/// A container of stored members, in this order.
pub fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    zip_with(members, |_, _| {})
}

/// The same, each central directory entry given to `change` with its rank before it is written.
pub fn zip_with(members: &[(&str, &[u8])], change: impl Fn(usize, &mut Vec<u8>)) -> Vec<u8> {
    let mut made = Vec::new();
    let mut directory = Vec::new();
    for (rank, (name, content)) in members.iter().enumerate() {
        let offset = u32::try_from(made.len()).unwrap_or(0);
        let size = u32::try_from(content.len()).unwrap_or(0).to_le_bytes();
        let name_length = u16::try_from(name.len()).unwrap_or(0).to_le_bytes();
        // Method 0, no time, the checksum, both sizes, the name's length, no extra field.
        let common =
            [&[0, 0, 0, 0, 0, 0][..], &crc(content).to_le_bytes(), &size, &size, &name_length, &[0, 0]].concat();
        made.extend([&b"PK\x03\x04\x14\x00\x00\x08"[..], &common, name.as_bytes(), content].concat());
        let mut entry = [&b"PK\x01\x02\x14\x00\x14\x00\x00\x08"[..], &common, &[0; 10], &offset.to_le_bytes()].concat();
        entry.extend(name.as_bytes());
        change(rank, &mut entry);
        directory.extend(entry);
    }
    let start = u32::try_from(made.len()).unwrap_or(0).to_le_bytes();
    let size = u32::try_from(directory.len()).unwrap_or(0).to_le_bytes();
    let count = u16::try_from(members.len()).unwrap_or(0).to_le_bytes();
    made.extend(directory);
    made.extend([&b"PK\x05\x06\0\0\0\0"[..], &count, &count, &size, &start, &[0, 0]].concat());
    made
}

/// CRC-32, bit by bit: the tests' own.
pub fn crc(content: &[u8]) -> u32 {
    !content.iter().fold(!0_u32, |crc, octet| {
        (0..8).fold(crc ^ u32::from(*octet), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}
