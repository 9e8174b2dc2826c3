//! A real receipt of a small real log, then everything that can be wrong with it.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::clock::{Clock, SystemClock, format_record_time};
use crate::digest::Digests;
use crate::package::{Ark, Body, Deposit, Location, fresh_salt};
use crate::spec::cms::{Anchors, Certificate};
use crate::spec::tlog::edge::Edge;
use crate::spec::tlog::note::{KeyType, NoteSigner, VerifierKey};
use crate::spec::tlog::tree::{self, TileSet};
use crate::timestamp::{Keyring, RevocationReason};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use ring::signature::{Ed25519KeyPair, KeyPair};
use std::sync::LazyLock;
use tempfile::TempDir;

const ORIGIN: &str = "archives.example/essai";
const INDEX: u64 = 700;
const SIZE: u64 = 1_000;

/// A log of a thousand entries with one real record in it, its receipt, and what to trust.
struct Fixture {
    keyring: Keyring,
    receipt: Receipt,
    trust: Trust,
    _keys: TempDir,
}

static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| {
    let keys = TempDir::new().unwrap();
    let keyring = Keyring::create_development(&keys.path().join("keys"), ORIGIN, &SystemClock).unwrap();
    let trust = Trust::parse(&keyring.trust_toml().unwrap()).unwrap();
    let now = SystemClock.now();
    let payloads = [("un.txt", &b"un document"[..]), ("deux.txt", b"un autre")].map(|(name, bytes)| Payload {
        name: name.into(),
        size_bytes: bytes.len() as u64,
        sha256: hex::encode(Digests::of(bytes).sha256),
        sha512: hex::encode(Digests::of(bytes).sha512),
        media_type: "text/plain".into(),
        puid: None,
        location: Location { object: "payload/a/b.zst".into(), offset: 0, length: 20 },
    });
    let record = Record {
        v: 1,
        time: format_record_time(now),
        agency: "200040475".into(),
        actor: "token:t1".into(),
        id: uuid::Uuid::nil(),
        references: vec![],
        salt: fresh_salt().unwrap(),
        body: Body::Deposit(Deposit {
            title: "Délibération".into(),
            document_type: "deliberation".into(),
            rule: "permanent".into(),
            content: "00".repeat(32),
            payloads: payloads.to_vec(),
            ..Deposit::default()
        }),
    };
    let record = record.to_canonical().unwrap();
    let mut leaves: Vec<_> = (0..SIZE).map(|i| leaf_hash(&i.to_be_bytes())).collect();
    leaves[usize::try_from(INDEX).unwrap()] = leaf_hash(&entry_of(&record));
    let (mut edge, mut tiles) = (Edge::empty(), TileSet::new());
    for (id, bytes) in edge.append(&leaves) {
        tiles.insert(id, bytes.into()).unwrap();
    }
    let checkpoint = Checkpoint { origin: ORIGIN.into(), size: SIZE, root: edge.root() };
    let note = keyring.log.sign(&checkpoint.text()).unwrap();
    let receipt = Receipt {
        archive: Ark::new("99999", "c1", INDEX),
        index: INDEX,
        record: record.into(),
        proof: tree::inclusion(INDEX, SIZE, &tiles).unwrap(),
        timestamps: vec![keyring.tsa.token(checkpoint.text().as_bytes(), now).unwrap().into()],
        seal: keyring.seal.seal(note.as_bytes(), now).unwrap().into(),
        checkpoint: note,
    };
    Fixture { keyring, receipt, trust, _keys: keys }
});

fn refused(receipt: &Receipt, trust: &Trust) -> Vec<CheckName> {
    let report = super::receipt(receipt, trust);
    assert_ne!(report.outcome, Outcome::Valid, "{report}");
    report.checks.iter().filter(|c| c.outcome == Outcome::Invalid).map(|c| c.name).collect()
}

#[test]
fn a_good_receipt_passes_every_check() {
    use CheckName::{Checkpoint, Inclusion, Record, Seal, Timestamp};
    let report = receipt(&FIXTURE.receipt, &FIXTURE.trust);
    assert_eq!(report.outcome, Outcome::Valid, "{report}");
    let names: Vec<_> = report.checks.iter().map(|c| c.name).collect();
    assert_eq!(names, [Record, Checkpoint, Inclusion, Timestamp, Seal]);
    let parsed = Receipt::parse(&FIXTURE.receipt.to_json().unwrap()).unwrap();
    assert_eq!(receipt(&parsed, &FIXTURE.trust).outcome.exit_code(), 0);
    assert!(parsed.to_string().contains("Horodaté le"), "{parsed}");
}

#[test]
fn each_document_is_found_among_several() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("nom quelconque");
    for (content, outcome) in
        [(&b"un document"[..], 0), (b"un autre", 0), (b"un document ", 1), (b"Un document", 1), (b"", 1)]
    {
        std::fs::write(&path, content).unwrap();
        let report = file(&path, &FIXTURE.receipt, &FIXTURE.trust);
        assert_eq!(report.outcome.exit_code(), outcome, "{report}");
    }
    let missing = file(&directory.path().join("absent"), &FIXTURE.receipt, &FIXTURE.trust);
    assert_eq!(missing.outcome.exit_code(), 2, "{missing}");
    assert_eq!(missing.check(CheckName::Payload).unwrap().outcome, Outcome::Unusable);
}

#[test]
fn each_part_changed_is_named() {
    let good = &FIXTURE.receipt;
    let trust = &FIXTURE.trust;
    let mut changed = good.clone();
    changed.record = String::from_utf8(good.record.to_vec()).unwrap().replace("Délib", "Delib").into();
    assert_eq!(refused(&changed, trust), [CheckName::Inclusion]);
    let mut changed = good.clone();
    changed.archive = Ark::new("99999", "c1", INDEX + 1);
    assert_eq!(refused(&changed, trust), [CheckName::Record]);
    let mut changed = good.clone();
    changed.index += 1;
    assert_eq!(refused(&changed, trust), [CheckName::Record, CheckName::Inclusion]);
    let mut changed = good.clone();
    changed.proof[3][0] ^= 1;
    assert_eq!(refused(&changed, trust), [CheckName::Inclusion]);
    let mut changed = good.clone();
    changed.proof.pop();
    assert_eq!(refused(&changed, trust), [CheckName::Inclusion]);
    let mut changed = good.clone();
    changed.checkpoint = good.checkpoint.replace("\n1000\n", "\n1001\n");
    assert_eq!(refused(&changed, trust).first(), Some(&CheckName::Checkpoint));
    let mut changed = good.clone();
    changed.checkpoint = "rien".into();
    assert_eq!(refused(&changed, trust), [CheckName::Checkpoint]);
    let mut changed = good.clone();
    changed.timestamps.push(vec![0x30, 0].into());
    assert_eq!(refused(&changed, trust), [CheckName::Timestamp]);
    let mut changed = good.clone();
    changed.seal = changed.seal.slice(..good.seal.len() - 1);
    assert_eq!(refused(&changed, trust), [CheckName::Seal]);
}

#[test]
fn proofs_of_something_else_prove_nothing() {
    let now = SystemClock.now();
    let other = Checkpoint { origin: ORIGIN.into(), size: SIZE, root: [7; 32] };
    let note = FIXTURE.keyring.log.sign(&other.text()).unwrap();
    let mut changed = FIXTURE.receipt.clone();
    changed.timestamps = vec![FIXTURE.keyring.tsa.token(other.text().as_bytes(), now).unwrap().into()];
    assert_eq!(refused(&changed, &FIXTURE.trust), [CheckName::Timestamp]);
    let mut changed = FIXTURE.receipt.clone();
    changed.seal = FIXTURE.keyring.seal.seal(note.as_bytes(), now).unwrap().into();
    assert_eq!(refused(&changed, &FIXTURE.trust), [CheckName::Seal]);
    let mut changed = FIXTURE.receipt.clone();
    changed.checkpoint = note;
    assert_eq!(refused(&changed, &FIXTURE.trust), [CheckName::Inclusion, CheckName::Timestamp, CheckName::Seal]);
}

#[test]
fn another_archive_is_not_believed() {
    let keys = TempDir::new().unwrap();
    let other = Keyring::create_development(&keys.path().join("keys"), ORIGIN, &SystemClock).unwrap();
    let trust = Trust::parse(&other.trust_toml().unwrap()).unwrap();
    assert_eq!(refused(&FIXTURE.receipt, &trust), [CheckName::Checkpoint, CheckName::Timestamp, CheckName::Seal]);
    let mut trust = FIXTURE.trust.clone();
    trust.origin = "archives.example/autre".into();
    assert_eq!(refused(&FIXTURE.receipt, &trust), [CheckName::Checkpoint]);
}

#[test]
fn witnesses_are_counted() {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[5; 32]).unwrap();
    let public = pair.public_key().as_ref().try_into().unwrap();
    let witness = VerifierKey::new("temoin.example/t1", KeyType::CosignatureV1, public).unwrap();
    let mut trust = FIXTURE.trust.clone();
    trust.witness_keys = vec![witness.clone()];
    trust.witness_quorum = 1;
    assert_eq!(refused(&FIXTURE.receipt, &trust), [CheckName::Witnesses]);

    let text = Note::parse(&FIXTURE.receipt.checkpoint).unwrap().text;
    let signature = pair.sign(format!("cosignature/v1\ntime 1700000000\n{text}").as_bytes());
    let line = [&witness.id()[..], &1_700_000_000_u64.to_be_bytes(), signature.as_ref()].concat();
    let mut cosigned = FIXTURE.receipt.clone();
    cosigned.checkpoint.push_str(&["— ", witness.name(), " ", &STANDARD.encode(line), "\n"].concat());
    // Witnesses cosign what was sealed: nothing has to be sealed again.
    let report = receipt(&cosigned, &trust);
    assert_eq!(report.outcome, Outcome::Valid, "{report}");
    let now = SystemClock.now();
    cosigned.seal = FIXTURE.keyring.seal.seal(cosigned.checkpoint.as_bytes(), now).unwrap().into();
    let report = receipt(&cosigned, &trust);
    assert_eq!(report.outcome, Outcome::Valid, "{report}");
    assert!(report.check(CheckName::Witnesses).is_some());
}

#[test]
fn only_cosignatures_may_stand_under_what_was_sealed() {
    let good = &FIXTURE.receipt;
    let line = |name: &str, bytes: &[u8]| ["— ", name, " ", &STANDARD.encode(bytes), "\n"].concat();
    let with = |checkpoint: String| Receipt { checkpoint, ..good.clone() };
    let cosignature = line("temoin.example/t1", &[7; 76]);
    assert_eq!(receipt(&with(good.checkpoint.clone() + &cosignature), &FIXTURE.trust).outcome, Outcome::Valid);
    // A line that is no cosignature: longer, shorter, or the form of a log's own signature.
    for length in [5, 68, 75, 77] {
        let changed = with(good.checkpoint.clone() + &line("temoin.example/t1", &vec![7; length]));
        assert_eq!(refused(&changed, &FIXTURE.trust), [CheckName::Seal], "{length}");
    }
    // A cosignature above the log's own line, or a second line of the log before it.
    let (text, lines) = good.checkpoint.split_once("\n\n").unwrap();
    assert_eq!(refused(&with([text, "\n\n", &cosignature, lines].concat()), &FIXTURE.trust), [CheckName::Seal]);
    // A seal over a beginning of the note, whatever it ends with: the archive's seal says more than a few lines.
    let now = SystemClock.now();
    for cut in [1, text.find('\n').unwrap() + 1, text.len() + 1, text.len() + 2, good.checkpoint.len() - 1] {
        let seal = FIXTURE.keyring.seal.seal(&good.checkpoint.as_bytes()[..cut], now).unwrap().into();
        let changed = Receipt { seal, ..good.clone() };
        assert_eq!(refused(&changed, &FIXTURE.trust), [CheckName::Seal], "{cut}");
        let changed = Receipt { checkpoint: good.checkpoint.clone() + &cosignature, ..changed };
        assert_eq!(refused(&changed, &FIXTURE.trust), [CheckName::Seal], "{cut}");
    }
    // A note that was sealed with its cosignatures must keep them.
    let seal = FIXTURE.keyring.seal.seal((good.checkpoint.clone() + &cosignature).as_bytes(), now).unwrap().into();
    assert_eq!(refused(&Receipt { seal, ..good.clone() }, &FIXTURE.trust), [CheckName::Seal]);
}

#[test]
fn what_a_replaced_or_revoked_key_signed() {
    use time::Duration;
    let now = SystemClock.now();
    let key = |key_use, change: &dyn Fn(&mut TrustedKey)| {
        let certificate = match key_use {
            KeyUse::Tsa => FIXTURE.keyring.tsa.certificate(),
            KeyUse::Seal => FIXTURE.keyring.seal.certificate(),
        };
        let certificate = certificate.fingerprint();
        let mut key = TrustedKey { key_use, certificate, since: None, until: None, revoked_since: None, reason: None };
        change(&mut key);
        Trust { keys: vec![key], ..FIXTURE.trust.clone() }
    };
    let (hour, days) = (Duration::hours(1), Duration::days(3));
    let good = &FIXTURE.receipt;
    let replaced = |key_use, at| key(key_use, &|key| key.until = Some(at));
    assert_eq!(receipt(good, &replaced(KeyUse::Tsa, now)).outcome, Outcome::Valid);
    assert_eq!(refused(good, &replaced(KeyUse::Tsa, now - days)), [CheckName::Timestamp]);
    assert_eq!(refused(good, &replaced(KeyUse::Seal, now - days)), [CheckName::Seal]);
    let revoked = |key_use, since, reason| key(key_use, &|key| (key.revoked_since, key.reason) = (Some(since), reason));
    let (compromise, superseded) = (Some(RevocationReason::Compromise), Some(RevocationReason::Superseded));
    // No longer used from a later date: what it signed before counts. From an earlier one: no.
    assert_eq!(receipt(good, &revoked(KeyUse::Tsa, now + hour, superseded)).outcome, Outcome::Valid);
    assert_eq!(refused(good, &revoked(KeyUse::Tsa, now - hour, superseded)), [CheckName::Timestamp]);
    // In other hands: a token can bear any date, so an earlier one needs another proof; a seal has the token's time.
    for reason in [compromise, None] {
        assert_eq!(refused(good, &revoked(KeyUse::Tsa, now + hour, reason)), [CheckName::Timestamp]);
        assert_eq!(refused(good, &revoked(KeyUse::Tsa, now - hour, reason)), [CheckName::Timestamp]);
        assert_eq!(receipt(good, &revoked(KeyUse::Seal, now + hour, reason)).outcome, Outcome::Valid);
        assert_eq!(refused(good, &revoked(KeyUse::Seal, now - hour, reason)), [CheckName::Seal]);
    }
    // A token of an authority that nobody doubts.
    let directory = TempDir::new().unwrap();
    let other = Keyring::create_development(&directory.path().join("keys"), ORIGIN, &SystemClock).unwrap();
    let text = Note::parse(&good.checkpoint).unwrap().text;
    let mut stamped = good.clone();
    stamped.timestamps.push(other.tsa.token(text.as_bytes(), now).unwrap().into());
    let mut trust = revoked(KeyUse::Tsa, now + hour, compromise);
    let both: Vec<u8> =
        trust.anchors.certificates().iter().chain(other.anchors().certificates()).flat_map(pem).collect();
    trust.anchors = Anchors::from_pem(&both).unwrap();
    let report = receipt(&stamped, &trust);
    assert_eq!(report.outcome, Outcome::Valid, "{report}");
    // But not one that is later than the doubt.
    trust.keys[0].revoked_since = Some(now - Duration::minutes(1));
    assert_eq!(refused(&stamped, &trust), [CheckName::Timestamp]);
    // A witness.
    let pair = Ed25519KeyPair::from_seed_unchecked(&[5; 32]).unwrap();
    let public = pair.public_key().as_ref().try_into().unwrap();
    let witness = VerifierKey::new("temoin.example/t1", KeyType::CosignatureV1, public).unwrap();
    let time = u64::try_from(now.unix_timestamp()).unwrap();
    let signature = pair.sign(format!("cosignature/v1\ntime {time}\n{text}").as_bytes());
    let line = [&witness.id()[..], &time.to_be_bytes(), signature.as_ref()].concat();
    let mut cosigned = good.clone();
    cosigned.checkpoint.push_str(&["— ", witness.name(), " ", &STANDARD.encode(line), "\n"].concat());
    let mut trust = revoked(KeyUse::Tsa, now + hour, compromise);
    assert_eq!(refused(&cosigned, &trust), [CheckName::Timestamp]);
    trust.witness_keys = vec![witness];
    let report = receipt(&cosigned, &trust);
    assert_eq!(report.outcome, Outcome::Valid, "{report}");
}

fn pem(certificate: &Certificate) -> Vec<u8> {
    let text = STANDARD.encode(certificate.der());
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n")).into_bytes()
}

#[test]
fn trust_files_that_cannot_be_relied_on() {
    let good = FIXTURE.keyring.trust_toml().unwrap();
    let log = NoteSigner::from_seed(ORIGIN, &[1; 32]).unwrap().vkey().to_string();
    let cosigner = VerifierKey::new("t", KeyType::CosignatureV1, [9; 32]).unwrap().to_string();
    let cases = [
        (format!("{good}surprise = 1\n"), "surprise"),
        (good.replace("archives.example/essai\"\n", "\"\n"), "origin"),
        ("origin = \"a\"\nlog_keys = []\nanchors = \"\"".into(), "log_keys"),
        (format!("origin = \"a\"\nlog_keys = [\"{log}\"]\nanchors = \"\""), "anchors"),
        (format!("origin = \"a\"\nlog_keys = [\"{cosigner}\"]\nanchors = \"\""), "témoins"),
        (format!("origin = \"a\"\nlog_keys = [\"{log}\", \"{log}\"]\nanchors = \"\""), "deux fois"),
        ("origin = \"a\"\nlog_keys = [\"a+b+c\"]\nanchors = \"\"".into(), "log_keys"),
        (format!("witness_quorum = 1\n{good}"), "witness_quorum"),
        (String::new(), "origin"),
    ];
    for (text, expected) in cases {
        let error = Trust::parse(&text).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }
    assert!(Trust::load(Path::new("no such file")).is_err());
}

#[test]
fn the_report_is_stable_json() {
    let json = serde_json::to_value(receipt(&FIXTURE.receipt, &FIXTURE.trust)).unwrap();
    assert_eq!((json["outcome"].as_str(), json["checks"][1]["name"].as_str()), (Some("valid"), Some("checkpoint")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever the damage, what verifies says the same: CMS leaves some bytes unsigned (certificates joined that nobody
    /// needs, status text), and a NAAN is a name, not a proof.
    #[test]
    fn a_damaged_receipt_proves_nothing_else(at: prop::sample::Index, bit in 0..8u32) {
        let mut json = FIXTURE.receipt.to_json().unwrap();
        let at = at.index(json.len());
        json[at] ^= 1 << bit;
        if let Ok(damaged) = Receipt::parse(&json)
            && receipt(&damaged, &FIXTURE.trust).outcome == Outcome::Valid
        {
            let good = &FIXTURE.receipt;
            prop_assert_eq!((&damaged.record, damaged.index, &damaged.proof), (&good.record, good.index, &good.proof));
            prop_assert_eq!((damaged.archive.index(), &damaged.checkpoint), (good.archive.index(), &good.checkpoint));
        }
    }
}
