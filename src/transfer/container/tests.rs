//! Good containers are read whole; hostile ones are refused before anything of them is used.
#![allow(clippy::unwrap_used)]

use super::*;
use std::io::Write as _;

/// A member of a zip made by hand: name, announced size, content as stored, method, flags.
type Made<'a> = (&'a [u8], u32, &'a [u8], u16, u16);

fn zip_of(members: &[Made<'_>]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, size, content, method, flags) in members {
        let offset = u32::try_from(bytes.len()).unwrap();
        let crc = if *method == 0 { crc32fast::hash(content) } else { 0 };
        let name_length = u16::try_from(name.len()).unwrap();
        let packed = u32::try_from(content.len()).unwrap();
        let mut fields = Vec::new();
        fields.extend([20, 0]);
        fields.extend(flags.to_le_bytes());
        fields.extend(method.to_le_bytes());
        fields.extend([0; 4]);
        fields.extend(crc.to_le_bytes());
        fields.extend(packed.to_le_bytes());
        fields.extend(size.to_le_bytes());
        fields.extend(name_length.to_le_bytes());
        fields.extend([0; 2]);
        bytes.extend(b"PK\x03\x04");
        bytes.extend(&fields);
        bytes.extend(*name);
        bytes.extend(*content);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&fields);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(*name);
    }
    let count = u16::try_from(members.len()).unwrap();
    let offset = u32::try_from(bytes.len()).unwrap();
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend(count.to_le_bytes());
    bytes.extend(count.to_le_bytes());
    bytes.extend(u32::try_from(directory.len()).unwrap().to_le_bytes());
    bytes.extend(offset.to_le_bytes());
    bytes.extend([0; 2]);
    bytes
}

fn stored<'a>(name: &'a str, content: &'a [u8]) -> Made<'a> {
    (name.as_bytes(), u32::try_from(content.len()).unwrap(), content, 0, 0)
}

fn open(bytes: &[u8]) -> Result<Container, ContainerError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    // Kept until the end of the test process: containers are read again by path.
    let (_, path) = file.keep().unwrap();
    let opened = Container::open(&path, Limits { members_max: 100, ..Limits::default() });
    if opened.is_err() {
        std::fs::remove_file(path).unwrap();
    }
    opened
}

fn contents(container: &Container) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    container
        .each(&|index| !container.members[index].folder, &mut |index, input| {
            let mut content = Vec::new();
            input.read_to_end(&mut content)?;
            found.push((container.members[index].name.clone(), content));
            Ok(true)
        })
        .unwrap();
    std::fs::remove_file(container.path()).unwrap();
    found
}

fn expected() -> Vec<(String, Vec<u8>)> {
    vec![("manifest.xml".into(), b"<a/>".to_vec()), ("content/a.txt".into(), vec![b'x'; 3000])]
}

#[test]
fn every_kind_is_read_whole() {
    let mut zip = ::zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    let mut tar = ::tar::Builder::new(Vec::new());
    for (name, content) in expected() {
        zip.start_file(name.as_str(), ::zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(&content).unwrap();
        let mut header = ::tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, format!("./{name}"), &content[..]).unwrap();
    }
    let tar = tar.into_inner().unwrap();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&tar).unwrap();
    let mut bz2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bz2.write_all(&tar).unwrap();
    for (kind, bytes) in [
        (Kind::Zip, zip.finish().unwrap().into_inner()),
        (Kind::Tar, tar),
        (Kind::TarGz, gz.finish().unwrap()),
        (Kind::TarBz2, bz2.finish().unwrap()),
    ] {
        let container = open(&bytes).unwrap();
        assert_eq!(container.kind, kind);
        assert_eq!(container.read(1, |input| io::copy(input, &mut io::sink())).unwrap(), 3000);
        assert_eq!(contents(&container), expected(), "{kind:?}");
        // Cut anywhere, it is refused or its content is.
        for at in (1..bytes.len()).step_by(bytes.len() / 40 + 1) {
            if let Ok(container) = open(&bytes[..at]) {
                let read = container.each(&|_| true, &mut |_, input| io::copy(input, &mut io::sink()).map(|_| true));
                let whole = container.members.len() == 2 && kind != Kind::Zip;
                assert!(read.is_err() || whole || container.members.len() < 2, "{kind:?} cut at {at}");
                std::fs::remove_file(container.path()).unwrap();
            }
        }
    }
}

#[test]
fn long_names_of_tar() {
    let name = format!("content/{}.txt", "n".repeat(180));
    let mut tar = ::tar::Builder::new(Vec::new());
    let mut header = ::tar::Header::new_gnu();
    header.set_size(2);
    tar.append_data(&mut header, &name, &b"ok"[..]).unwrap();
    assert_eq!(contents(&open(&tar.into_inner().unwrap()).unwrap()), [(name, b"ok".to_vec())]);
}

#[test]
fn hostile_names() {
    for (name, expected) in [
        ("../x", NameFault::Climbs),
        ("content/../../x", NameFault::Climbs),
        ("/etc/passwd", NameFault::Absolute),
        ("C:/x", NameFault::Absolute),
        ("content\\x", NameFault::Backslash),
        ("a\u{7}", NameFault::Control),
        ("", NameFault::Length),
    ] {
        let refused = open(&zip_of(&[stored(name, b"x")]));
        assert!(
            matches!(refused, Err(ContainerError::Member { fault, .. }) if fault == expected),
            "{name}: {refused:?}"
        );
    }
    let twice = open(&zip_of(&[stored("a", b"x"), stored("a", b"y")]));
    assert!(matches!(twice, Err(ContainerError::Member { fault: NameFault::Twice, .. })));
    let both = open(&zip_of(&[stored("a", b"x"), stored("a/b", b"y")]));
    assert!(matches!(both, Err(ContainerError::Member { fault: NameFault::FileAndFolder, .. })));
}

#[test]
fn encrypted_bombs_overlaps_and_lies() {
    let fault = |bytes: &[u8]| open(bytes).map(|_| ()).unwrap_err();
    let encrypted = zip_of(&[(b"a", 1, b"x", 0, 1)]);
    assert!(matches!(fault(&encrypted), ContainerError::Member { fault: NameFault::Encrypted, .. }));
    assert!(matches!(
        fault(&zip_of(&[(b"a", 1, b"x", 97, 0)])),
        ContainerError::Member { fault: NameFault::Method, .. }
    ));
    assert!(matches!(fault(&zip_of(&[(b"a", 1 << 30, b"xx", 8, 0)])), ContainerError::Bomb { .. }));
    let many: Vec<String> = (0..101).map(|n| n.to_string()).collect();
    let many: Vec<_> = many.iter().map(|name| stored(name, b"x")).collect();
    assert!(matches!(fault(&zip_of(&many)), ContainerError::TooMany(100)));
    // Two entries of the directory for one same local member.
    let mut overlapping = zip_of(&[stored("a", b"x"), stored("b", b"y")]);
    let second = memchr::memmem::rfind(&overlapping, b"PK\x01\x02").unwrap();
    overlapping[second + 42..second + 46].copy_from_slice(&0_u32.to_le_bytes());
    assert!(matches!(fault(&overlapping), ContainerError::Damaged(_)));
    // A size that lies, in both directions, and a content that is not the one of the checksum.
    for (size, content) in [(2, &b"x"[..]), (1, &b"xy"[..])] {
        let container = open(&zip_of(&[(b"a", size, content, 0, 0)])).unwrap();
        assert!(container.read(0, |input| io::copy(input, &mut io::sink())).is_err());
        std::fs::remove_file(container.path()).unwrap();
    }
    let mut altered = zip_of(&[stored("a", b"hello")]);
    altered[31] ^= 1;
    let container = open(&altered).unwrap();
    assert!(container.read(0, |input| io::copy(input, &mut io::sink())).is_err());
    std::fs::remove_file(container.path()).unwrap();
    assert!(matches!(fault(b"%PDF-1.4 not a package"), ContainerError::Unknown));
}

#[test]
fn a_gzip_bomb_stops_early() {
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let mut header = ::tar::Header::new_ustar();
    header.set_path("content/zero").unwrap();
    header.set_size(1 << 28);
    header.set_cksum();
    gz.write_all(header.as_bytes()).unwrap();
    for _ in 0..(1 << 8) {
        gz.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let refused = open(&gz.finish().unwrap());
    assert!(matches!(refused, Err(ContainerError::TooLarge(_))), "{refused:?}");
}

#[test]
fn links_of_tar_are_refused() {
    let mut tar = ::tar::Builder::new(Vec::new());
    let mut header = ::tar::Header::new_ustar();
    header.set_entry_type(::tar::EntryType::Symlink);
    header.set_size(0);
    tar.append_link(&mut header, "content/a", "/etc/passwd").unwrap();
    let refused = open(&tar.into_inner().unwrap());
    assert!(matches!(refused, Err(ContainerError::Member { fault: NameFault::Special, .. })), "{refused:?}");
}

#[test]
fn names_of_old_windows() {
    let container = open(&zip_of(&[(b"content/\x82t\x82.txt", 1, b"x", 0, 0)])).unwrap();
    assert_eq!(container.members[0].name, "content/été.txt");
    std::fs::remove_file(container.path()).unwrap();
}
