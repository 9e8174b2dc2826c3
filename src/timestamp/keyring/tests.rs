#![allow(clippy::unwrap_used)]

use super::*;
use crate::clock::SystemClock;
use crate::spec::cms::verify_attached;
use crate::spec::tlog::note::Note;
use crate::spec::tsp::verify_response;
use crate::timestamp::TimestampError;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use time::{Duration, UtcOffset};

const ORIGIN: &str = "archive.example/d1";

fn fresh() -> (tempfile::TempDir, Keyring) {
    let directory = tempfile::tempdir().unwrap();
    let keyring = Keyring::create_development(&directory.path().join("keys"), ORIGIN, &SystemClock).unwrap();
    (directory, keyring)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// What loading says after `spoil` has been at the folder.
fn refusal(spoil: impl FnOnce(&Path)) -> String {
    let (directory, _) = fresh();
    let keys = directory.path().join("keys");
    spoil(&keys);
    Keyring::load_with(&keys, None).unwrap_err().to_string()
}

#[test]
fn a_development_pki_stamps_and_seals() {
    let (directory, keyring) = fresh();
    let now = SystemClock.now();
    let token = keyring.tsa.token(b"text", now).unwrap();
    let info = verify_response(&token, b"text", keyring.anchors()).unwrap();
    assert_eq!(info.time.unix_timestamp_nanos() / 1_000_000, now.unix_timestamp_nanos() / 1_000_000);
    assert_eq!(info.policy, super::super::DEFAULT_POLICY);
    assert_eq!(info.accuracy, Some(Duration::seconds(1)));
    assert_eq!(info.signer.der(), keyring.tsa.certificate().der());
    assert!(info.signer.subject().contains("développement"));

    let seal = keyring.seal.seal(b"text", now).unwrap();
    let verified = verify_attached(&seal, keyring.anchors(), now).unwrap();
    assert_eq!(verified.content, b"text");
    assert_eq!(verified.signing_time, Some(now.replace_nanosecond(0).unwrap().to_offset(UtcOffset::UTC)));

    let note = keyring.log.sign("archive.example/d1\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n").unwrap();
    let vkey = fs::read_to_string(directory.path().join("keys/log.vkey")).unwrap();
    let keys = [VerifierKey::parse(vkey.trim()).unwrap()];
    assert_eq!(Note::parse(&note).unwrap().open(&keys).unwrap().len(), 1);
}

#[test]
fn tokens_have_different_serial_numbers() {
    let (_directory, keyring) = fresh();
    let now = SystemClock.now();
    let serial = || {
        let token = keyring.tsa.token(b"text", now).unwrap();
        verify_response(&token, b"text", keyring.anchors()).unwrap().serial
    };
    assert_ne!(serial(), serial());
}

#[test]
fn secrets_are_for_their_owner_and_nothing_is_overwritten() {
    let (directory, _) = fresh();
    let keys = directory.path().join("keys");
    assert_eq!(mode(&keys), 0o700);
    let mut found: Vec<_> =
        fs::read_dir(&keys).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    found.sort();
    let expected = "ca.pem log.key log.vkey seal.key seal.pem server.key server.pem trust.toml tsa.key tsa.pem";
    assert_eq!(found.join(" "), expected, "and no temporary file, and no key of the authority");
    for name in found.iter().filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "key")) {
        assert_eq!(mode(&keys.join(name)), 0o600, "{name}");
    }

    let before = fs::read(keys.join(names::LOG_KEY)).unwrap();
    let again = Keyring::create_development(&keys, ORIGIN, &SystemClock).unwrap_err();
    assert!(matches!(again, KeyringError::File(KeyFileError::Exists { .. })), "{again}");
    assert_eq!(fs::read(keys.join(names::LOG_KEY)).unwrap(), before);

    // One stray file is enough to refuse, and nothing is left beside it.
    let stray = directory.path().join("stray");
    fs::create_dir(&stray).unwrap();
    fs::write(stray.join(names::SEAL_KEY), "x").unwrap();
    assert!(Keyring::create_development(&stray, ORIGIN, &SystemClock).is_err());
    assert_eq!(fs::read_dir(&stray).unwrap().count(), 1);
    // The helper itself refuses, whatever was checked before.
    let taken = files::create(&stray, names::SEAL_KEY, b"y", Kind::Secret).unwrap_err();
    assert!(matches!(taken, KeyFileError::Exists { .. }), "{taken}");
    assert_eq!(fs::read(stray.join(names::SEAL_KEY)).unwrap(), b"x");
    assert_eq!(fs::read_dir(&stray).unwrap().count(), 1);
}

#[test]
fn what_is_wrong_is_said() {
    for name in [names::LOG_KEY, names::LOG_VKEY, names::AUTHORITIES, names::TSA_KEY, names::SEAL_CERTIFICATE] {
        let said = refusal(|keys| fs::remove_file(keys.join(name)).unwrap());
        assert!(said.contains(name) && said.contains("introuvable") && said.contains("archiland init"), "{said}");
    }
    let said = refusal(|keys| {
        fs::set_permissions(keys.join(names::TSA_KEY), fs::Permissions::from_mode(0o644)).unwrap();
    });
    assert!(said.contains("chmod 600"), "{said}");

    let said = refusal(|keys| fs::write(keys.join(names::SEAL_KEY), "not a key").unwrap());
    assert!(said.contains("PKCS#8"), "{said}");

    let said = refusal(|keys| fs::write(keys.join(names::TSA_CERTIFICATE), "not a certificate").unwrap());
    assert!(said.contains("tsa.pem") && said.contains("BEGIN CERTIFICATE"), "{said}");

    let said = refusal(|keys| fs::write(keys.join(names::TSA_CERTIFICATE), vec![b'x'; 300_000]).unwrap());
    assert!(said.contains("256 Kio"), "{said}");

    // The seal's certificate in the place of the authority's: not for time-stamping.
    let said = refusal(|keys| {
        fs::copy(keys.join(names::SEAL_CERTIFICATE), keys.join(names::TSA_CERTIFICATE)).unwrap();
    });
    assert!(said.contains("timeStamping"), "{said}");

    // And the other way round.
    let said = refusal(|keys| {
        fs::copy(keys.join(names::TSA_CERTIFICATE), keys.join(names::SEAL_CERTIFICATE)).unwrap();
    });
    assert!(said.contains("extendedKeyUsage"), "{said}");

    // Somebody else's key for our certificate.
    let said = refusal(|keys| {
        fs::copy(keys.join(names::SEAL_KEY), keys.join(names::TSA_KEY)).unwrap();
    });
    assert!(said.contains("ne correspond pas au certificat"), "{said}");

    let said = refusal(|keys| {
        fs::copy(keys.join(names::LOG_KEY), keys.join(names::TSA_KEY)).unwrap();
    });
    assert!(said.contains("P-256"), "{said}");

    // Another archive's authority, another archive's log.
    let (other, _) = fresh();
    let said = refusal(|keys| {
        fs::copy(other.path().join("keys").join(names::AUTHORITIES), keys.join(names::AUTHORITIES)).unwrap();
    });
    assert!(said.contains("ca.pem") && said.contains("autorité"), "{said}");
    let said = refusal(|keys| {
        fs::copy(other.path().join("keys").join(names::LOG_VKEY), keys.join(names::LOG_VKEY)).unwrap();
    });
    assert!(said.contains("n'est pas la clé publique de la clé privée"), "{said}");
}

#[test]
fn secrets_may_come_from_systemd() {
    let (directory, _) = fresh();
    let keys = directory.path().join("keys");
    let credentials = directory.path().join("credentials");
    fs::create_dir(&credentials).unwrap();
    for name in [names::LOG_KEY, names::TSA_KEY, names::SEAL_KEY] {
        fs::rename(keys.join(name), credentials.join(name)).unwrap();
    }
    assert!(Keyring::load_with(&keys, None).is_err());
    Keyring::load_with(&keys, Some(&credentials)).unwrap();
}

#[test]
fn a_configuration_names_the_keys_and_the_policy() {
    let (directory, _) = fresh();
    let mut config = Config::for_directory(directory.path());
    let said = Keyring::open(&config).unwrap_err().to_string();
    assert!(said.contains(ORIGIN) && said.contains(&config.archive.origin), "{said}");
    config.archive.origin = ORIGIN.to_owned();
    config.timestamp.policy = Some("1.2.250.1.9999.1".to_owned());
    let keyring = Keyring::open(&config).unwrap();
    let token = keyring.tsa.token(b"x", SystemClock.now()).unwrap();
    assert_eq!(verify_response(&token, b"x", keyring.anchors()).unwrap().policy, "1.2.250.1.9999.1");
}

#[test]
fn the_server_certificate_is_optional() {
    let (directory, keyring) = fresh();
    let keys = directory.path().join("keys");
    assert_eq!(
        keyring.inventory().iter().map(|entry| entry.name).collect::<Vec<_>>(),
        ["log", "tsa", "seal", "server", "ca"]
    );
    fs::remove_file(keys.join(names::SERVER_CERTIFICATE)).unwrap();
    fs::remove_file(keys.join(names::SERVER_KEY)).unwrap();
    let inventory = Keyring::load_with(&keys, None).unwrap().inventory();
    assert_eq!(inventory.len(), 4);
    for entry in inventory {
        assert_eq!(entry.not_after.is_some(), entry.name != "log");
        assert_eq!(entry.fingerprint.len(), 64);
        assert_eq!(entry.algorithm, if entry.name == "log" { "Ed25519" } else { "ECDSA P-256" });
    }
}

#[test]
fn trust_is_written_for_those_who_check() {
    let (directory, keyring) = fresh();
    let written = fs::read_to_string(directory.path().join("keys").join(names::TRUST)).unwrap();
    assert_eq!(written, keyring.trust_toml().unwrap());
    let table: toml::Table = written.parse().unwrap();
    assert_eq!(table["origin"].as_str(), Some(ORIGIN));
    assert_eq!(table["log_keys"][0].as_str(), Some(keyring.log.vkey().to_string().as_str()));
    let anchors = Anchors::from_pem(table["anchors"].as_str().unwrap().as_bytes()).unwrap();
    assert_eq!(anchors.certificates(), keyring.anchors().certificates());
    assert!(!written.contains("PRIVATE"));
}

#[test]
fn a_clock_that_goes_backward_stops_everything() {
    let (_directory, mut keyring) = fresh();
    let now = SystemClock.now();
    let earlier = now - Duration::milliseconds(2);
    keyring.tsa.token(b"a", now).unwrap();
    keyring.tsa.token(b"b", now).unwrap();
    let refused = keyring.tsa.token(b"c", earlier).unwrap_err();
    assert!(matches!(refused, TimestampError::ClockWentBackward { .. }), "{refused}");
    let answer = keyring.tsa.answer(&request(b"c"), earlier).unwrap_err();
    assert!(matches!(*answer.cause, TimestampError::ClockWentBackward { .. }));
    keyring.tsa.token(b"c", now + Duration::seconds(1)).unwrap();
    keyring.seal.seal(b"a", now).unwrap();
    assert!(matches!(keyring.seal.seal(b"a", earlier), Err(TimestampError::ClockWentBackward { .. })));

    let later = now + Duration::days(4000);
    assert!(matches!(keyring.tsa.token(b"d", later), Err(TimestampError::CertificateNotValid { .. })));
    assert!(matches!(keyring.seal.seal(b"d", later), Err(TimestampError::CertificateNotValid { .. })));
    // What was refused does not count as the latest time.
    keyring.tsa.token(b"e", now + Duration::seconds(1)).unwrap();

    assert!(keyring.tsa.set_policy("1.2.250.1.9999.1").is_ok());
    assert!(matches!(keyring.tsa.set_policy("une politique"), Err(TimestampError::Policy(_))));
    let token = keyring.tsa.token(b"f", now + Duration::seconds(2)).unwrap();
    assert_eq!(verify_response(&token, b"f", keyring.anchors()).unwrap().policy, "1.2.250.1.9999.1");
}

#[test]
fn queries_that_are_none_get_a_rejection_that_reads_and_nothing_is_signed() {
    use crate::spec::cms::asn1;
    use crate::spec::tsp::{Failure, TspError, token_of};
    let (_directory, keyring) = fresh();
    let good = request(b"text");
    let refused = |query: &[u8]| {
        let refusal = keyring.tsa.answer(query, SystemClock.now()).unwrap_err();
        assert!(matches!(token_of(&refusal.response), Err(TspError::Refused { .. })), "the rejection does not read");
        refusal.failure
    };
    // Cut anywhere, one byte too many, BER's indefinite length, a length on more bytes than needed.
    for cut in 0..good.len() {
        assert_eq!(refused(&good[..cut]), Failure::BadDataFormat, "cut at {cut}");
    }
    assert_eq!(refused(&[&good[..], &[0]].concat()), Failure::BadDataFormat);
    let content = &good[2..];
    assert_eq!(refused(&[&[0x30, 0x80], content, &[0, 0]].concat()), Failure::BadDataFormat);
    let length = u8::try_from(content.len()).unwrap();
    assert_eq!(refused(&[&[0x30, 0x81, length], content].concat()), Failure::BadDataFormat);
    // Algorithms: one that nobody knows, and those of yesterday.
    let of = |oid: &str, size: usize| {
        let oid = const_oid::ObjectIdentifier::new(oid).unwrap();
        let algorithm = asn1::sequence(&[&asn1::oid(&oid), &[0x05, 0x00]]);
        let imprint = asn1::sequence(&[&algorithm, &asn1::encode(asn1::tag::OCTET_STRING, &[&vec![7; size]])]);
        asn1::sequence(&[&asn1::unsigned(&[1]), &imprint])
    };
    for (oid, size) in [("1.2.3.4", 32), ("1.2.840.113549.2.5", 16), ("1.3.14.3.2.26", 20)] {
        assert_eq!(refused(&of(oid, size)), Failure::BadAlgorithm, "{oid}");
    }
    // A digest of another length than its algorithm's.
    for size in [0, 31, 33, 64] {
        assert_eq!(refused(&of("2.16.840.1.101.3.4.2.1", size)), Failure::BadDataFormat, "{size}");
    }
    // The same nonce again is no fault: each answer is a token of its own.
    let serial = || {
        let token = keyring.tsa.answer(&good, SystemClock.now()).unwrap();
        verify_response(&token, b"text", keyring.anchors()).unwrap().serial
    };
    assert_ne!(serial(), serial());
}

fn request(message: &[u8]) -> Vec<u8> {
    use crate::spec::cms::algorithm::Digest;
    crate::spec::tsp::Request::encode(Digest::Sha256, Digest::Sha256.of(message).as_ref(), Some(&[7; 8]))
}

/// Tokens for others are made while a checkpoint is announced, and replies are sealed while one is signed.
#[test]
fn several_may_sign_at_once() {
    let (_directory, keyring) = fresh();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..2_000 {
                    keyring.tsa.now(&SystemClock).unwrap();
                }
                for _ in 0..20 {
                    keyring.seal.seal_now(b"a", &SystemClock).unwrap();
                }
            });
        }
    });
    let taken = keyring.tsa.now(&SystemClock).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(5));
    keyring.tsa.now(&SystemClock).unwrap();
    keyring.tsa.token_then(b"announced before", taken).unwrap();
}
