//! Files signed for the occasion, by the peers' own hands: a PES by `xmlsec1`, CMS and PDF by `openssl cms`.

use super::files::Case;
use crate::cli::terminal;
use anyhow::{Context, ensure};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const PES: &str = "http://www.minefi.gouv.fr/cp/helios/pes_v2/Rev0/aller";
/// Octets kept for the CMS of each PDF signature.
const ROOM: usize = 4096;

/// Makes the samples; those whose program is missing are said and left out.
pub(super) fn make(folder: &Path, large_bytes: usize) -> anyhow::Result<Vec<Case>> {
    fs::create_dir_all(folder)?;
    let signing = "req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=banc";
    let mut cases = Vec::new();
    if !present(folder, "openssl", signing) {
        terminal::note("openssl manque : aucun échantillon");
        return Ok(cases);
    }
    if present(folder, "xmlsec1", "--version") {
        pes(folder, large_bytes, &mut cases)?;
    } else {
        terminal::note("xmlsec1 manque : pas de PES");
    }
    cms(folder, &mut cases)?;
    if present(folder, "pdfsig", "-v") {
        pdf(folder, large_bytes, &mut cases)?;
    } else {
        terminal::note("pdfsig (poppler-utils) manque : pas de PDF");
    }
    Ok(cases)
}

fn present(folder: &Path, program: &str, arguments: &str) -> bool {
    run(folder, program, arguments).is_ok()
}

fn run(folder: &Path, program: &str, arguments: &str) -> anyhow::Result<()> {
    let mut command = Command::new(program);
    command.args(arguments.split_whitespace()).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null());
    let status = command.stderr(Stdio::null()).status().with_context(|| format!("lancement de {program}"))?;
    ensure!(status.success(), "{program} {arguments} : {status}");
    Ok(())
}

/// A PES of 9 KB and a large one, each signed as a whole.
fn pes(folder: &Path, large_bytes: usize, cases: &mut Vec<Case>) -> anyhow::Result<()> {
    for (name, attachment, large) in [("PES, 9 Ko", 3000, false), ("PES, gros", large_bytes, true)] {
        let (template, file) = (folder.join("template.xml"), folder.join(format!("pes-{attachment}.xml")));
        fs::write(&template, template_of(attachment))?;
        let output = file.display();
        run(
            folder,
            "xmlsec1",
            &format!(
                "--sign --privkey-pem key.pem,cert.pem --id-attr:Id {PES}:PES_Aller --output {output} template.xml"
            ),
        )?;
        fs::remove_file(&template)?;
        let mut case = Case::xml(name, &file, &[format!("{PES}:PES_Aller")]);
        case.large = large;
        cases.push(case);
    }
    Ok(())
}

fn template_of(attachment_bytes: usize) -> String {
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<n:PES_Aller xmlns:n=\"{PES}\" Id=\"P\"><EnTetePES><IdPost V=\"034000\"/></EnTetePES>\
         <PES_DepenseAller><Bordereau Id=\"B\"><BlocBordereau><IdBord V=\"1\"/></BlocBordereau>"
    );
    for piece in 0..60 {
        _ = writeln!(text, "<Piece><IdPce V=\"{piece}\"/><MtHT V=\"{piece}.75\"/></Piece>");
    }
    text.push_str("</Bordereau></PES_DepenseAller><PES_PJ><PJ><Contenu><Fichier>");
    text.push_str(&"QUJD".repeat(attachment_bytes / 4));
    _ = write!(
        text,
        "</Fichier></Contenu></PJ></PES_PJ><ds:Signature xmlns:ds=\"{DSIG}\"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm=\"{EXCLUSIVE}\"/>\
         <ds:SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256\"/><ds:Reference URI=\"#P\"><ds:Transforms>\
         <ds:Transform Algorithm=\"{DSIG}enveloped-signature\"/><ds:Transform Algorithm=\"{EXCLUSIVE}\"/></ds:Transforms>\
         <ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/><ds:DigestValue/></ds:Reference></ds:SignedInfo>\
         <ds:SignatureValue/><ds:KeyInfo><ds:X509Data><ds:X509Certificate/></ds:X509Data></ds:KeyInfo></ds:Signature></n:PES_Aller>"
    );
    text
}

/// The four forms of CMS.
fn cms(folder: &Path, cases: &mut Vec<Case>) -> anyhow::Result<()> {
    let content = folder.join("content");
    fs::write(&content, "Bordereau 42, 1 234,56\n".repeat(400))?;
    let sign = "cms -sign -binary -in content -signer cert.pem -inkey key.pem -md sha256 -cades";
    for (name, form, options) in [
        ("CAdES attaché, DER", "DER", " -nodetach"),
        ("CAdES attaché, PEM", "PEM", " -nodetach"),
        ("CAdES détaché, DER", "DER", ""),
        ("CAdES détaché, PEM", "PEM", ""),
    ] {
        let file = format!("cms{}{form}", options.trim());
        run(folder, "openssl", &format!("{sign} -outform {form} -out {file}{options}"))?;
        let beside = options.is_empty().then_some(content.as_path());
        cases.push(Case::cms(name, &folder.join(file), form, beside));
    }
    Ok(())
}

/// PDFs of one page: signed once, signed 24 times, large.
fn pdf(folder: &Path, large_bytes: usize, cases: &mut Vec<Case>) -> anyhow::Result<()> {
    for (name, signatures, stream, large) in [
        ("PDF, une signature", 1, 100_000, false),
        ("PDF, 24 signatures", 24, 100_000, false),
        ("PDF, gros, une signature", 1, large_bytes, true),
        ("PDF, gros, 24 signatures", 24, large_bytes, true),
    ] {
        let file = folder.join(format!("pdf-{signatures}-{stream}.pdf"));
        let mut pdf = Pdf::new(stream);
        for rank in 0..signatures {
            pdf.sign(folder, rank)?;
        }
        fs::write(&file, &pdf.bytes)?;
        let mut case = Case::pdf(name, &file);
        case.large = large;
        cases.push(case);
    }
    Ok(())
}

/// A PDF being made: objects 1 to 5 are catalog, pages, page, content, and a stream nobody draws; each signature adds two.
struct Pdf {
    bytes: Vec<u8>,
    last_table: usize,
}

impl Pdf {
    fn new(stream_bytes: usize) -> Self {
        let mut pdf = Self { bytes: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n".to_vec(), last_table: 0 };
        let stream = format!("<< /Length {stream_bytes} >>\nstream\n{}\nendstream", "x".repeat(stream_bytes));
        pdf.update(&[
            (1, "<< /Type /Catalog /Pages 2 0 R /PieceInfo << /A << /Private 5 0 R >> >> >>"),
            (2, "<< /Type /Pages /Kids [3 0 R] /Count 1 >>"),
            (3, "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] /Contents 4 0 R >>"),
            (4, "<< /Length 14 >>\nstream\nBT (bon) Tj ET\nendstream"),
            (5, &stream),
        ]);
        pdf
    }

    /// Adds objects in an update of their own, and gives where the last begins.
    fn update(&mut self, objects: &[(usize, &str)]) -> usize {
        let mut table =
            if self.last_table == 0 { "xref\n0 1\n0000000000 65535 f \n".to_owned() } else { "xref\n".to_owned() };
        let mut last = 0;
        for (number, body) in objects {
            last = self.bytes.len();
            _ = write!(table, "{number} 1\n{last:010} 00000 n \n");
            self.bytes.extend(format!("{number} 0 obj\n").bytes().chain(body.bytes()).chain(*b"\nendobj\n"));
        }
        let at = self.bytes.len();
        let previous = if self.last_table > 0 { format!(" /Prev {}", self.last_table) } else { String::new() };
        _ = write!(table, "trailer\n<< /Size 100 /Root 1 0 R{previous} >>\nstartxref\n{at}\n%%EOF\n");
        self.bytes.extend(table.bytes());
        self.last_table = at;
        last
    }

    /// Adds a signature field, and signs everything so far with `openssl cms`.
    fn sign(&mut self, folder: &Path, rank: usize) -> anyhow::Result<()> {
        let fields = (0..=rank).map(|rank| format!("{} 0 R", 10 + 2 * rank)).collect::<Vec<_>>().join(" ");
        let (field, value) = (10 + 2 * rank, 11 + 2 * rank);
        let hole = "0".repeat(2 * ROOM);
        let signature = format!(
            "<< /Type /Sig /Filter /Adobe.PPKLite /SubFilter /ETSI.CAdES.detached /ByteRange [0 0000000000 0000000000 0000000000] /Contents <{hole}> >>"
        );
        let start = self.update(&[
            (1, &format!("<< /Type /Catalog /Pages 2 0 R /PieceInfo << /A << /Private 5 0 R >> >> /AcroForm << /Fields [{fields}] /SigFlags 3 >> >>")),
            (3, &format!("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] /Contents 4 0 R /Annots [{fields}] >>")),
            (field, &format!("<< /Type /Annot /Subtype /Widget /FT /Sig /T (S{field}) /Rect [0 0 0 0] /P 3 0 R /V {value} 0 R >>")),
            (value, &signature),
        ]);
        let text = |what: &[u8]| memchr::memmem::find(&self.bytes[start..], what).map(|at| start + at + what.len());
        let (numbers, open) = text(b"/ByteRange [").zip(text(b"/Contents <")).context("signature du PDF")?;
        let (before, after) = (open - 1, open + hole.len() + 1);
        let range = format!("0 {before:010} {after:010} {:010}", self.bytes.len() - after);
        self.bytes[numbers..numbers + range.len()].copy_from_slice(range.as_bytes());
        fs::write(folder.join("range"), [&self.bytes[..before], &self.bytes[after..]].concat())?;
        run(
            folder,
            "openssl",
            "cms -sign -binary -in range -signer cert.pem -inkey key.pem -md sha256 -cades -outform DER -out range.p7s",
        )?;
        let digits = hex::encode(fs::read(folder.join("range.p7s"))?);
        ensure!(digits.len() <= hole.len(), "signature de {} octets", digits.len() / 2);
        self.bytes[open..open + digits.len()].copy_from_slice(digits.as_bytes());
        Ok(())
    }
}
