//! Checking the archive's seal beside a document: a report, an attestation.

use super::Trust;
use super::keys::{Standing, standing};
use crate::receipt::{french_time, printable};
use crate::spec::cms::{self, SignedData};
use crate::timestamp::KeyUse;

/// Checks a CMS signature that stands beside `content`, at the time it claims: nobody else dates such a document. Who sealed
/// and when, in French; or why it does not hold.
pub fn seal_beside(seal: &[u8], content: &[u8], trust: &Trust) -> Result<String, String> {
    let signed = SignedData::parse(seal).map_err(|error| error.to_string())?;
    let claimed = signed.signers.first().and_then(|signer| signer.signing_time().ok()?);
    let at = claimed.ok_or("le cachet ne dit pas sa date")?;
    let verified = cms::verify_detached(seal, content, &trust.anchors, at).map_err(|error| error.to_string())?;
    let told = format!("par {}, le {}", printable(verified.signer.subject()), french_time(at));
    match standing(trust, &verified.signer, KeyUse::Seal, at) {
        Standing::Good => Ok(told),
        Standing::Worthless(why) => Err(format!("{told} : {why}")),
        Standing::Doubtful(since) => Err(format!(
            "{told} : clé compromise depuis le {}, et rien d'autre ne date ce document ; redemandez-le à l'archive",
            french_time(since)
        )),
    }
}
