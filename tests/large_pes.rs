//! Promise: a large PES with a whole-file signature is validated in the memory that its bytes take, and little more,
//! whatever its encoding and line ends.
#![allow(clippy::unwrap_used, clippy::panic)]

use archiland::validation::Input;
use archiland::validation::facts::ReferenceState;
use archiland::validation::gather::xades::gather;
use std::fs;

const SIZE: usize = 48 << 20;

/// A PES of which one text has nearly all the bytes. What is signed is not what is digested: it costs the same.
fn pes(line: &str, label: &[u8]) -> Vec<u8> {
    let head = b"<?xml version='1.0' encoding='ISO-8859-1'?><n:PES_Aller xmlns:n='http://www.minefi.gouv.fr/cp/helios/pes_v2/Rev0/aller' Id='P'><EnTetePES><LibelleColBud V='";
    let tail = "</Fichier></Contenu></PJ></PES_PJ><d:Signature xmlns:d='http://www.w3.org/2000/09/xmldsig#'><d:SignedInfo><d:CanonicalizationMethod Algorithm='http://www.w3.org/2001/10/xml-exc-c14n#'/><d:SignatureMethod Algorithm='http://www.w3.org/2001/04/xmldsig-more#rsa-sha256'/><d:Reference URI='#P'><d:Transforms><d:Transform Algorithm='http://www.w3.org/2000/09/xmldsig#enveloped-signature'/><d:Transform Algorithm='http://www.w3.org/2001/10/xml-exc-c14n#'/></d:Transforms><d:DigestMethod Algorithm='http://www.w3.org/2001/04/xmlenc#sha256'/><d:DigestValue>AA==</d:DigestValue></d:Reference></d:SignedInfo><d:SignatureValue>AA==</d:SignatureValue></d:Signature></n:PES_Aller>";
    let mut bytes = Vec::with_capacity(SIZE + 4096);
    bytes.extend_from_slice(head);
    bytes.extend_from_slice(label);
    bytes.extend_from_slice(b"'/></EnTetePES><PES_PJ><PJ><Contenu><Fichier>");
    while bytes.len() < SIZE {
        bytes.extend_from_slice(line.as_bytes());
    }
    bytes.extend_from_slice(tail.as_bytes());
    bytes
}

/// The most memory this process has held, in bytes.
fn peak_bytes() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<usize>().unwrap() * 1024
}

#[test]
fn a_large_pes_takes_little_more_than_its_bytes() {
    let line = "QUJD".repeat(19);
    for (line, label) in [
        (line.clone(), &b"COMMUNE"[..]),
        (format!("{line}\r\n"), b"COMMUNE"),
        // Accents: the whole file is ISO-8859-1, and no copy of it is made in UTF-8.
        (format!("{line}\r\n"), b"COMMUNAUT\xC9"),
    ] {
        let bytes = pes(&line, label);
        let before = peak_bytes();
        let facts = gather(&Input { name: None, bytes: &bytes, contents: &[], certificates: &[] });
        let more = peak_bytes() - before;
        assert_eq!(facts.signatures[0].references[0].state, ReferenceState::Broken);
        assert!(facts.members.len() == 2, "{:?}", facts.members);
        assert!(more < SIZE / 4, "{more} bytes more for a file of {SIZE}");
    }
}
