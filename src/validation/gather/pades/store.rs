//! The document security store (EN 319 142-1 § 5.4.2): certificates and revocation data kept in the PDF.

use crate::spec::pdf::object::{Dictionary, Object};
use crate::spec::pdf::{Pdf, PdfError};
use crate::validation::facts::{Der, Fault, FaultKind, Material};
use std::collections::BTreeSet;

/// Values of each kind looked at.
const MAX_VALUES: usize = 2048;
/// The largest value.
const MAX_VALUE_BYTES: usize = 16 * 1024 * 1024;

/// Everything in `/DSS`, its per-signature part (`/VRI`) included.
pub(super) fn material(pdf: &Pdf<'_>, faults: &mut Vec<Fault>) -> Material {
    let mut found = Material::default();
    if pdf.is_encrypted() {
        return found;
    }
    if let Err(error) = read(pdf, &mut found) {
        faults.push(Fault::new(FaultKind::Note, format!("données de validation du PDF illisibles : {error}")));
    }
    found
}

fn read(pdf: &Pdf<'_>, found: &mut Material) -> Result<(), PdfError> {
    let catalog = pdf.catalog()?;
    let Some(catalog) = catalog.dictionary() else { return Ok(()) };
    let store = pdf.value(catalog, b"DSS")?;
    let Some(store) = store.dictionary() else { return Ok(()) };
    let mut seen = BTreeSet::new();
    values(pdf, store, [b"Certs", b"CRLs", b"OCSPs"], &mut seen, found)?;
    let related = pdf.value(store, b"VRI")?;
    let Some(related) = related.dictionary() else { return Ok(()) };
    let keys: Vec<Vec<u8>> = related.keys().take(MAX_VALUES).map(<[u8]>::to_vec).collect();
    for key in keys {
        let one = pdf.value(related, &key)?;
        if let Some(one) = one.dictionary() {
            values(pdf, one, [b"Cert", b"CRL", b"OCSP"], &mut seen, found)?;
        }
    }
    Ok(())
}

fn values(
    pdf: &Pdf<'_>,
    store: &Dictionary,
    keys: [&[u8]; 3],
    seen: &mut BTreeSet<u32>,
    found: &mut Material,
) -> Result<(), PdfError> {
    for (key, into) in keys.into_iter().zip([&mut found.certificates, &mut found.crls, &mut found.ocsps]) {
        let list = pdf.value(store, key)?;
        for item in list.array().unwrap_or_default() {
            if into.len() >= MAX_VALUES || matches!(item, Object::Reference(number, _) if !seen.insert(*number)) {
                continue;
            }
            let resolved = pdf.resolve(item)?;
            if let Object::Stream(dictionary, data) = &*resolved {
                let value = pdf.decode(dictionary, data)?;
                if value.len() <= MAX_VALUE_BYTES {
                    into.push(Der::from(value));
                }
            }
        }
    }
    Ok(())
}
