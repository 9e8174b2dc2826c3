//! What a deposit has to do with a deadline, and with the bytes of the one it is about: sealed bids and their opening.
//!
//! A bid is archived as it comes and never looked into. Late is no refusal: the record says `hors_delai`, by the clock of the
//! record, and the time-stamp over it is compared with the deadline each time it is told. An opening says which bid it is
//! of: its document is read again from the store, held against the digest the log has had since the deposit, and against
//! the digest that the opening gives.

use crate::api::problem::Problem;
use crate::api::receipts;
use crate::api::services::App;
use crate::package::Record;
use crate::producer::profile::{Draft, DraftLink, Loaded, Refusal};
use crate::receipt::Receipt;
use crate::spec::tsp::received::{Token, token_bytes};
use crate::store::StoreError;
use futures::TryStreamExt as _;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// When a deposit was time-stamped, and whether that is late.
pub(super) struct Stamped {
    pub(super) time: OffsetDateTime,
    pub(super) late: bool,
}

/// What the target of a link makes of the deposit.
#[derive(Default)]
pub(super) struct Told {
    pub(super) refusals: Vec<Refusal>,
    /// Kept with the deposit, in French.
    pub(super) kept: Vec<String>,
}

/// A deadline without its zone is none.
pub(super) fn undated(loaded: &Loaded, draft: &Draft) -> Option<Refusal> {
    let deadline = loaded.profile.deadline.as_ref()?;
    let text = draft.produced.fields.get(&deadline.limit)?;
    let detail = format!("« {} » : date et heure avec leur fuseau attendues (RFC 3339)", deadline.limit);
    moment(text).is_none().then(|| Refusal::new("producer-field-invalid", detail).by("delai.limite"))
}

/// Says in the draft whether it is late, by the clock that dates its record.
pub(super) fn flag(loaded: &Loaded, draft: &mut Draft, now: OffsetDateTime) {
    let Some(deadline) = &loaded.profile.deadline else { return };
    let Some(limit) = draft.produced.fields.get(&deadline.limit).and_then(|text| moment(text)) else { return };
    let late = now > limit;
    draft.produced.fields.insert(deadline.field.clone(), if late { "oui" } else { "non" }.to_owned());
    if late {
        draft.produced.warnings.push("hors délai : reçu après la date limite".to_owned());
    }
}

/// The time-stamp of a receipt against the deadline of its deposit.
pub(super) fn stamped(loaded: &Loaded, receipt: &Receipt, warnings: &mut Vec<String>) -> Option<Stamped> {
    let deadline = loaded.profile.deadline.as_ref()?;
    let record = receipt.record().ok()?;
    let fields = &record.deposit()?.produced.as_ref()?.fields;
    let limit = moment(fields.get(&deadline.limit)?)?;
    let time = stamp_of(receipt)?;
    let late = time > limit;
    let flagged = fields.get(&deadline.field).is_some_and(|flag| flag == "oui");
    if late && !flagged {
        warnings.push("horodaté après la date limite, alors que l'enregistrement est daté d'avant".to_owned());
    }
    Some(Stamped { time, late })
}

/// The earliest time of the receipt's tokens.
fn stamp_of(receipt: &Receipt) -> Option<OffsetDateTime> {
    let times = receipt.timestamps.iter().filter_map(|response| {
        let token = token_bytes(response).ok()?;
        Some(Token::parse(token).ok()?.info.time)
    });
    times.min()
}

/// A date and time that says its zone.
fn moment(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok()
}

/// Holds a deposit against the one its link names.
pub(super) async fn target(app: &App, link: &DraftLink, index: u64) -> Result<Told, Problem> {
    let mut told = Told::default();
    if link.digest.is_none() && link.after.is_none() {
        return Ok(told);
    }
    let receipt = receipts::load(app, index).await?;
    let record = receipt.record().map_err(|error| Problem::internal(&error))?;
    if let Some((date, field)) = &link.after {
        after(&record, date, field, &mut told);
    }
    if let Some(digest) = &link.digest {
        unchanged(app, &record, digest, &receipt, &mut told).await?;
    }
    Ok(told)
}

fn after(record: &Record, date: &str, field: &str, told: &mut Told) {
    let produced = record.deposit().and_then(|deposit| deposit.produced.as_ref());
    let limit = produced.and_then(|produced| moment(produced.fields.get(field)?));
    let refusal = match (moment(date), limit) {
        (Some(date), Some(limit)) if date >= limit => return,
        (Some(_), Some(_)) => {
            Refusal::new("producer-too-early", format!("ouvert avant la date limite du dépôt visé (« {field} »)"))
        }
        _ => Refusal::new(
            "producer-field-invalid",
            "date et heure avec leur fuseau attendues, ici et dans le dépôt visé",
        ),
    };
    told.refusals.push(refusal.at("lien").by("lien.apres"));
}

/// The document is the one deposited: by the log, by the store, by who opens it.
async fn unchanged(
    app: &App,
    record: &Record,
    digest: &str,
    receipt: &Receipt,
    told: &mut Told,
) -> Result<(), Problem> {
    let Some(payload) = record.payloads().iter().find(|payload| payload.sha256 == digest) else {
        let refusal =
            Refusal::new("digest-mismatch", "aucun document du dépôt visé n'a cette empreinte : pli remplacé");
        told.refusals.push(refusal.at("lien").by("lien.empreinte"));
        return Ok(());
    };
    // Read whole, the store checks it against the digest of the record.
    let read = async {
        let mut bytes = app.store.read(payload, 0..payload.size_bytes).await?;
        while bytes.try_next().await?.is_some() {}
        Ok::<_, StoreError>(())
    };
    if let Err(error) = read.await {
        if error.is_transient() {
            return Err(error.into());
        }
        tracing::error!(%error, archive = %receipt.archive, "un pli archivé ne se relit pas");
        let refusal = Refusal::new("digest-mismatch", "le document archivé ne se relit pas à l'identique : à signaler");
        told.refusals.push(refusal.at("lien").by("lien.empreinte"));
        return Ok(());
    }
    let stamped = stamp_of(receipt).and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default();
    told.kept.push(format!(
        "inchangé depuis son dépôt : « {} » de {}, horodaté {stamped}, SHA-256 {digest}, relu à l'ouverture",
        payload.name, receipt.archive
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::moment;

    #[test]
    fn a_deadline_says_its_zone() {
        assert!(moment("2026-04-10T12:00:00+02:00") < moment("2026-04-10T10:00:01Z"));
        assert_eq!(moment("2026-04-10 12:00:00"), None);
        assert_eq!(moment("2026-04-10"), None);
    }
}
