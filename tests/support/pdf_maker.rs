//! Makes small PDFs with incremental updates and signatures, for tests: what a producer of signed PDFs does, and nothing
//! more.
#![allow(dead_code, unreachable_pub, clippy::new_without_default)]

use std::fmt::Write as _;

/// A PDF being made. Objects 1 to 4 are its catalog, page tree, only page, and that page's content.
pub struct PdfMaker {
    pub bytes: Vec<u8>,
    last_xref: usize,
    size: u32,
}

/// The signature dictionary to be added.
pub struct Seal<'a> {
    /// Object numbers from here on are used: field and widget, signature.
    pub number: u32,
    pub kind: &'a str,
    pub sub_filter: &'a str,
    /// Fields of the form already there.
    pub others: &'a [u32],
    /// Room for the signature, in bytes.
    pub room: usize,
}

impl Default for Seal<'_> {
    fn default() -> Self {
        Self { number: 10, kind: "Sig", sub_filter: "ETSI.CAdES.detached", others: &[], room: 8192 }
    }
}

impl PdfMaker {
    pub fn new() -> Self {
        let mut made = Self { bytes: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n".to_vec(), last_xref: 0, size: 5 };
        made.update(&[
            (1, "<< /Type /Catalog /Pages 2 0 R >>".to_owned()),
            (2, "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned()),
            (3, "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] /Contents 4 0 R >>".to_owned()),
            (4, "<< /Length 14 >>\nstream\nBT (bon) Tj ET\nendstream".to_owned()),
        ]);
        made
    }

    /// Adds objects in an update of their own, and gives where each begins.
    pub fn update(&mut self, objects: &[(u32, String)]) -> Vec<usize> {
        let mut offsets = Vec::new();
        let mut table = String::from("xref\n");
        for (number, body) in objects {
            offsets.push(self.bytes.len());
            _ = write!(table, "{number} 1\n{:010} 00000 n \n", self.bytes.len());
            self.bytes.extend(format!("{number} 0 obj\n{body}\nendobj\n").bytes());
            self.size = self.size.max(number + 1);
        }
        let at = self.bytes.len();
        let previous = if self.last_xref > 0 { format!(" /Prev {}", self.last_xref) } else { String::new() };
        _ = write!(table, "trailer\n<< /Size {} /Root 1 0 R{previous} >>\nstartxref\n{at}\n%%EOF\n", self.size);
        self.bytes.extend(table.bytes());
        self.last_xref = at;
        offsets
    }

    /// Adds a signature field and signs with what `sign` makes of the bytes covered.
    pub fn sign(&mut self, seal: &Seal<'_>, sign: impl FnOnce(&[u8]) -> Vec<u8>) {
        let (field, value) = (seal.number, seal.number + 1);
        let fields: Vec<String> = seal.others.iter().chain([&field]).map(|n| format!("{n} 0 R")).collect();
        let fields = fields.join(" ");
        let hole = "0".repeat(seal.room * 2);
        let signature = format!(
            "<< /Type /{} /Filter /Adobe.PPKLite /SubFilter /{} /ByteRange [0 0000000000 0000000000 0000000000] /Contents <{hole}> >>",
            seal.kind, seal.sub_filter
        );
        let offsets = self.update(&[
            (1, format!("<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [{fields}] /SigFlags 3 >> >>")),
            (3, format!("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] /Contents 4 0 R /Annots [{fields}] >>")),
            (
                field,
                format!(
                    "<< /Type /Annot /Subtype /Widget /FT /Sig /T (S{field}) /Rect [0 0 0 0] /P 3 0 R /V {value} 0 R >>"
                ),
            ),
            (value, signature),
        ]);
        let find = |bytes: &[u8], what: &[u8], from: usize| {
            from + bytes[from..].windows(what.len()).position(|window| window == what).unwrap_or(0)
        };
        let start = find(&self.bytes, b"/Contents <", offsets[3]) + b"/Contents ".len();
        let end = start + hole.len() + 2;
        let numbers = find(&self.bytes, b"/ByteRange [", offsets[3]) + b"/ByteRange [".len();
        let range = format!("0 {start:010} {end:010} {:010}", self.bytes.len() - end);
        self.bytes[numbers..numbers + range.len()].copy_from_slice(range.as_bytes());
        let covered = [&self.bytes[..start], &self.bytes[end..]].concat();
        let mut digits = String::new();
        for octet in sign(&covered) {
            _ = write!(digits, "{octet:02x}");
        }
        self.bytes[start + 1..start + 1 + digits.len()].copy_from_slice(digits.as_bytes());
    }
}
