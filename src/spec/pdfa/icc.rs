//! The sRGB profile of an output intent, written from the numbers of IEC 61966-2-1 (ICC.1:2004-10, version 4.2).

/// D50, the illuminant of the profile connection space (ICC.1 § 7.2.16), in s15Fixed16.
const D50: [u32; 3] = [0x0000_f6d6, 0x0001_0000, 0x0000_d32d];

/// The primaries, adapted to D50 by the linear Bradford transform.
const PRIMARIES: [[u32; 3]; 3] = [
    [0x0000_6fa2, 0x0000_38f5, 0x0000_0390],
    [0x0000_6299, 0x0000_b785, 0x0000_18da],
    [0x0000_24a0, 0x0000_0f84, 0x0000_b6cf],
];

/// That transform, from D65.
const ADAPTATION: [u32; 9] = [
    0x0001_0c42,
    0x0000_05de,
    0xffff_f325,
    0x0000_0793,
    0x0000_fd90,
    0xffff_fba2,
    0xffff_fda3,
    0x0000_03dc,
    0x0000_c06e,
];

/// The transfer curve: `((x + 0.055) / 1.055)^2.4` from 0.04045 on, `x / 12.92` below (function type 3 of § 10.16).
const CURVE: [u32; 5] = [0x0002_6666, 0x0000_f2a7, 0x0000_0d59, 0x0000_13d0, 0x0000_0a5b];

/// Where tags begin: header, count, and the entries of 12 bytes.
const TAGS_AT: usize = 128 + 4 + TAGS * 12;

const TAGS: usize = 10;

/// The profile.
pub(super) fn srgb() -> Vec<u8> {
    let mut tags = vec![
        (*b"desc", text("sRGB")),
        (*b"cprt", text("CC0")),
        (*b"wtpt", numbers(*b"XYZ ", &D50)),
        (*b"chad", numbers(*b"sf32", &ADAPTATION)),
    ];
    tags.extend([*b"rXYZ", *b"gXYZ", *b"bXYZ"].into_iter().zip(PRIMARIES.map(|primary| numbers(*b"XYZ ", &primary))));
    let mut curve = b"para\0\0\0\0\0\x03\0\0".to_vec();
    curve.extend(CURVE.iter().flat_map(|number| number.to_be_bytes()));

    let (mut table, mut data) = (Vec::new(), Vec::new());
    let mut entry = |name: [u8; 4], at: usize, length: usize| {
        table.extend_from_slice(&name);
        table.extend_from_slice(&size(TAGS_AT + at));
        table.extend_from_slice(&size(length));
    };
    for (name, content) in tags {
        entry(name, data.len(), content.len());
        data.extend_from_slice(&content);
        data.resize(data.len().next_multiple_of(4), 0);
    }
    // One curve for the three channels.
    for name in [*b"rTRC", *b"gTRC", *b"bTRC"] {
        entry(name, data.len(), curve.len());
    }
    data.extend_from_slice(&curve);
    let mut profile = header(TAGS_AT + data.len());
    profile.extend_from_slice(&size(TAGS));
    profile.extend_from_slice(&table);
    profile.extend_from_slice(&data);
    profile
}

fn header(length: usize) -> Vec<u8> {
    let mut header = vec![0; 128];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &size(length));
    put(8, &[4, 0x20, 0, 0]);
    put(12, b"mntrRGB XYZ ");
    // 1 January 2026, midnight.
    put(24, &[0x07, 0xea, 0, 1, 0, 1]);
    put(36, b"acsp");
    put(68, &D50.map(u32::to_be_bytes).concat());
    header
}

fn size(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

fn numbers(kind: [u8; 4], numbers: &[u32]) -> Vec<u8> {
    let mut tag = [kind, [0; 4]].concat();
    tag.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
    tag
}

/// multiLocalizedUnicodeType with one string, in English.
fn text(text: &str) -> Vec<u8> {
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let mut tag = b"mluc\0\0\0\0\0\0\0\x01\0\0\0\x0cenUS".to_vec();
    tag.extend_from_slice(&size(utf16.len()));
    tag.extend_from_slice(&size(28));
    tag.extend_from_slice(&utf16);
    tag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_is_as_long_as_it_says() {
        let profile = srgb();
        assert_eq!(profile[..4], size(profile.len()));
        assert!(profile.len() < 700);
    }
}
