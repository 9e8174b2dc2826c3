//! Makes signed PES v2 files, for tests and benches: what a parapheur does, and whatever an attacker with a certificate of
//! his own could sign.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use archiland::spec::xml::c14n::{Method, write};
use archiland::spec::xml::{Document, Limits, Selection};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, SigningKey as _};

pub const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
pub const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
pub const ECDSA: &str = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256";
pub const TAIL: &str = "</n:PES_Aller>";
/// What follows the XML declaration of [`head`].
const ROOT: &str = "<n:PES_Aller xmlns:n=\"http://www.minefi.gouv.fr/cp/helios/pes_v2/Rev0/aller\" Id=\"P\">";

/// A PES signed as a whole, with an attachment of this many bytes of base64.
pub fn signed(attachment_bytes: usize) -> Vec<u8> {
    with_attachment(&"QUJD".repeat(attachment_bytes / 4))
}

/// A PES signed as a whole, with this attachment.
pub fn with_attachment(base64: &str) -> Vec<u8> {
    let head = head(base64);
    let own = reference("#P", &transforms(), &digest(&format!("{head}{TAIL}")));
    format!("{head}{}{TAIL}", signature(&own, ECDSA)).into_bytes()
}

/// A PES up to where a whole-file signature stands.
pub fn head(attachment: &str) -> String {
    let lines = (0..60).map(|n| format!("<Piece><IdPce V=\"{n}\"/><MtHT V=\"{n}.75\"/></Piece>\n"));
    format!(
        "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n{ROOT}<EnTetePES><IdPost V=\"034000\"/></EnTetePES>\
         <PES_DepenseAller><Bordereau Id=\"B\"><BlocBordereau><IdBord V=\"1\"/></BlocBordereau>{}</Bordereau>\
         </PES_DepenseAller><PES_PJ><PJ><Contenu><Fichier>{attachment}</Fichier></Contenu></PJ></PES_PJ>",
        lines.collect::<Vec<_>>().concat()
    )
}

/// The two transforms of the PES profile.
pub fn transforms() -> String {
    format!("<ds:Transform Algorithm=\"{DSIG}enveloped-signature\"/><ds:Transform Algorithm=\"{EXCLUSIVE}\"/>")
}

/// A reference by SHA-256.
pub fn reference(uri: &str, transforms: &str, digest: &str) -> String {
    format!(
        "<ds:Reference URI=\"{uri}\"><ds:Transforms>{transforms}</ds:Transforms>\
         <ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/><ds:DigestValue>{digest}</ds:DigestValue></ds:Reference>"
    )
}

/// A signature over these references by a key made for it, whatever its method says.
pub fn signature(references: &str, method: &str) -> String {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let certificate = CertificateParams::new(vec!["essai".to_owned()]).unwrap().self_signed(&key).unwrap();
    let info = format!(
        "<ds:SignedInfo><ds:CanonicalizationMethod Algorithm=\"{EXCLUSIVE}\"/><ds:SignatureMethod Algorithm=\"{method}\"/>{references}</ds:SignedInfo>"
    );
    let mut octets = Vec::new();
    let alone = info.replacen("<ds:SignedInfo>", &format!("<ds:SignedInfo xmlns:ds=\"{DSIG}\">"), 1);
    canonicalise(&alone, &mut |part| octets.extend_from_slice(part));
    let value = raw(&key.sign(&octets).unwrap());
    format!(
        "<ds:Signature xmlns:ds=\"{DSIG}\">{info}<ds:SignatureValue>{}</ds:SignatureValue><ds:KeyInfo><ds:X509Data><ds:X509Certificate>{}\
         </ds:X509Certificate></ds:X509Data></ds:KeyInfo></ds:Signature>",
        BASE64_STANDARD.encode(value),
        BASE64_STANDARD.encode(certificate.der())
    )
}

/// The SHA-256 of the exclusive canonical form, base64.
pub fn digest(xml: &str) -> String {
    let mut hasher = archiland::spec::crypto::DigestAlgorithm::Sha256.hasher().unwrap();
    canonicalise(xml, &mut |part| hasher.update(part));
    BASE64_STANDARD.encode(hasher.finish())
}

fn canonicalise(xml: &str, sink: &mut dyn FnMut(&[u8])) {
    let document = Document::parse(xml.as_bytes(), &Limits::default()).unwrap();
    let method = Method::of_uri(EXCLUSIVE).unwrap();
    write(&document, &Selection::subtree(&document.root(), false), &method, sink);
}

/// `r ‖ s` of an ECDSA signature in DER.
fn raw(der: &[u8]) -> Vec<u8> {
    let mut numbers = Vec::new();
    let mut at = 2;
    for _ in 0..2 {
        let length = usize::from(der[at + 1]);
        let number = &der[at + 2..at + 2 + length];
        let number = &number[number.len().saturating_sub(32)..];
        numbers.extend(std::iter::repeat_n(0, 32 - number.len()).chain(number.iter().copied()));
        at += 2 + length;
    }
    numbers
}
