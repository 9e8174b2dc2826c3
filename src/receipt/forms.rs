//! The forms of a receipt: JSON (the whole), and its proofs one by one as the tools of others read them.

use super::zip::Stored;
use super::{Receipt, ReceiptError};
use crate::spec::tlog::note::Note;
use crate::spec::tlog::tlog_proof::TlogProof;
use std::str::FromStr;

/// The README inside the `.zip` form.
const README: &str = include_str!("LISEZMOI.txt");

/// A form of a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// Everything, as JSON.
    Json,
    /// Index, inclusion proof and checkpoint (C2SP tlog-proof); the record is its `extra` line.
    TlogProof,
    /// The first timestamp: an RFC 3161 response over the checkpoint's text.
    Tsr,
    /// The seal: a CMS SignedData around the signed checkpoint.
    P7s,
    /// All of these, the record and the checkpoint's text as files, and how to check them.
    Zip,
}

impl Form {
    /// Every form.
    pub const ALL: [Self; 5] = [Self::Json, Self::TlogProof, Self::Tsr, Self::P7s, Self::Zip];

    /// File extension, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::TlogProof => "tlog-proof",
            Self::Tsr => "tsr",
            Self::P7s => "p7s",
            Self::Zip => "zip",
        }
    }

    /// Media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::TlogProof => "text/plain; charset=utf-8",
            Self::Tsr => "application/timestamp-reply",
            Self::P7s => "application/pkcs7-mime; smime-type=signed-data",
            Self::Zip => "application/zip",
        }
    }
}

impl FromStr for Form {
    type Err = UnknownForm;

    fn from_str(extension: &str) -> Result<Self, UnknownForm> {
        Self::ALL.into_iter().find(|form| form.extension() == extension).ok_or(UnknownForm)
    }
}

/// An extension that no form has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("forme de récépissé inconnue : json, tlog-proof, tsr, p7s ou zip")]
pub struct UnknownForm;

impl Receipt {
    /// The receipt in a form.
    pub fn render(&self, form: Form) -> Result<Vec<u8>, ReceiptError> {
        match form {
            Form::Json => self.to_json(),
            Form::TlogProof => Ok(self.to_tlog_proof().to_string().into_bytes()),
            Form::Tsr => Ok(self.timestamps.first().map(|t| t.to_vec()).unwrap_or_default()),
            Form::P7s => Ok(self.seal.to_vec()),
            Form::Zip => self.to_zip(),
        }
    }

    /// The inclusion proof as C2SP writes it.
    pub fn to_tlog_proof(&self) -> TlogProof {
        TlogProof {
            extra: Some(self.record.to_vec()),
            index: self.index,
            hashes: self.proof.clone(),
            checkpoint: self.checkpoint.clone(),
        }
    }

    /// `c1-3-x.json`: the identifier's name part, which file systems take.
    pub fn file_name(&self, form: Form) -> String {
        let ark = self.archive.to_string();
        let name = ark.rsplit_once('/').map_or(ark.as_str(), |(_, name)| name);
        format!("{name}.{}", form.extension())
    }

    fn to_zip(&self) -> Result<Vec<u8>, ReceiptError> {
        let mut zip = Stored::default();
        let mut add = |name: &str, bytes: &[u8]| zip.add(name, bytes).ok_or(ReceiptError::TooLong(bytes.len()));
        add("LISEZMOI.txt", README.as_bytes())?;
        for form in [Form::Json, Form::TlogProof] {
            add(&format!("recepisse.{}", form.extension()), &self.render(form)?)?;
        }
        for (number, timestamp) in self.timestamps.iter().enumerate() {
            let name = if number == 0 { "recepisse.tsr".to_owned() } else { format!("recepisse-{}.tsr", number + 1) };
            add(&name, timestamp)?;
        }
        add("recepisse.p7s", &self.seal)?;
        add("enregistrement.json", &self.record)?;
        if let Ok(note) = Note::parse(&self.checkpoint) {
            add("checkpoint.txt", note.text.as_bytes())?;
        }
        add("checkpoint.note", self.checkpoint.as_bytes())?;
        zip.finish().ok_or(ReceiptError::TooLong(usize::MAX))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::tests::shaped;
    use super::*;

    #[test]
    fn the_zip_holds_every_piece() {
        let receipt = shaped();
        let bytes = receipt.render(Form::Zip).unwrap();
        assert_eq!(bytes, receipt.render(Form::Zip).unwrap());
        let holds = |name: &str, content: &[u8]| {
            let member = [name.as_bytes(), content].concat();
            assert!(bytes.windows(member.len()).any(|w| w == member), "{name}");
        };
        holds("recepisse.json", &receipt.to_json().unwrap());
        holds("enregistrement.json", &receipt.record);
        holds("recepisse.tsr", &receipt.timestamps[0]);
        holds("recepisse.p7s", &receipt.seal);
        holds("checkpoint.note", receipt.checkpoint.as_bytes());
        holds("checkpoint.txt", b"journal.example/a\n4\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n");
        holds("recepisse.tlog-proof", &receipt.render(Form::TlogProof).unwrap());
        let proof = TlogProof::parse(std::str::from_utf8(&receipt.render(Form::TlogProof).unwrap()).unwrap()).unwrap();
        assert_eq!((proof.extra.unwrap(), proof.hashes), (receipt.record.to_vec(), receipt.proof));
    }

    #[test]
    fn forms_by_extension() {
        for form in Form::ALL {
            assert_eq!(form.extension().parse(), Ok(form));
        }
        assert_eq!("pdf".parse::<Form>(), Err(UnknownForm));
        assert!(shaped().file_name(Form::TlogProof).starts_with("c1-3-"));
    }
}
