//! Promise: what the archive stamps and seals, `openssl` checks without us; what `openssl` makes, we check; and neither
//! accepts the other's once a bit has moved.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use archiland::clock::{Clock, SystemClock};
use archiland::spec::cms::{Anchors, CmsError, verify_attached, verify_detached};
use archiland::spec::tsp::{TspError, verify_response, verify_token};
use archiland::timestamp::Keyring;
use std::path::Path;
use support::{require_tool, run, run_ok};

const MESSAGE: &[u8] = b"archive.example/d1\n70000\nt2nKwqvuQ8vNYyd4OG9XmQlaRZdDHFWpHEy5VvYKCn0=\n";

fn keyring(directory: &Path) -> Keyring {
    Keyring::create_development(&directory.join("keys"), "archive.example/d1", &SystemClock).unwrap()
}

fn openssl(directory: &Path, command: &str) -> Vec<u8> {
    run_ok(directory, "openssl", &command.split_whitespace().collect::<Vec<_>>())
}

fn refuses(directory: &Path, command: &str) -> bool {
    !run(directory, "openssl", &command.split_whitespace().collect::<Vec<_>>()).status.success()
}

/// Writes `bytes` with one bit moved at `position`.
fn write_tampered(path: &Path, bytes: &[u8], position: usize) {
    let mut bytes = bytes.to_vec();
    bytes[position] ^= 0x01;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn openssl_checks_our_tokens() {
    if !require_tool("openssl") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let keyring = keyring(at);
    let token = keyring.tsa.token(MESSAGE, SystemClock.now()).unwrap();
    std::fs::write(at.join("message"), MESSAGE).unwrap();
    std::fs::write(at.join("token.tsr"), &token).unwrap();
    openssl(at, "ts -verify -data message -in token.tsr -CAfile keys/ca.pem");
    openssl(at, "ts -reply -in token.tsr -text");

    std::fs::write(at.join("other"), b"another").unwrap();
    assert!(refuses(at, "ts -verify -data other -in token.tsr -CAfile keys/ca.pem"));
    write_tampered(&at.join("tampered.tsr"), &token, token.len() - 5);
    assert!(refuses(at, "ts -verify -data message -in tampered.tsr -CAfile keys/ca.pem"));
}

#[test]
fn openssl_checks_our_answers_to_its_requests() {
    if !require_tool("openssl") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let keyring = keyring(at);
    std::fs::write(at.join("message"), MESSAGE).unwrap();
    for digest in ["sha256", "sha384", "sha512"] {
        openssl(at, &format!("ts -query -data message -{digest} -cert -out query.tsq"));
        let answer = keyring.tsa.answer(&std::fs::read(at.join("query.tsq")).unwrap(), SystemClock.now()).unwrap();
        std::fs::write(at.join("answer.tsr"), &answer).unwrap();
        openssl(at, "ts -verify -queryfile query.tsq -in answer.tsr -CAfile keys/ca.pem");
        verify_response(&answer, MESSAGE, keyring.anchors()).unwrap();
    }

    // Without certReq the token comes without certificates, and whoever checks it brings them.
    openssl(at, "ts -query -data message -sha256 -out query.tsq");
    let answer = keyring.tsa.answer(&std::fs::read(at.join("query.tsq")).unwrap(), SystemClock.now()).unwrap();
    std::fs::write(at.join("bare.tsr"), &answer).unwrap();
    assert!(refuses(at, "ts -verify -queryfile query.tsq -in bare.tsr -CAfile keys/ca.pem"));
    openssl(at, "ts -verify -queryfile query.tsq -in bare.tsr -CAfile keys/ca.pem -untrusted keys/tsa.pem");

    // What cannot be honoured gets a rejection openssl can read.
    for (query, words) in [
        ("ts -query -data message -sha1 -out query.tsq", "algorithm"),
        ("ts -query -data message -sha256 -tspolicy 1.2.3.4 -out query.tsq", "policy"),
    ] {
        openssl(at, query);
        let refusal = keyring.tsa.answer(&std::fs::read(at.join("query.tsq")).unwrap(), SystemClock.now()).unwrap_err();
        std::fs::write(at.join("refusal.tsr"), &refusal.response).unwrap();
        let text = openssl(at, "ts -reply -in refusal.tsr -text");
        let text = String::from_utf8_lossy(&text);
        assert!(text.contains("Rejected") && text.contains(words), "{text}");
        assert!(matches!(
            verify_response(&refusal.response, MESSAGE, keyring.anchors()),
            Err(TspError::Refused { .. })
        ));
    }
}

#[test]
fn openssl_checks_our_seals() {
    if !require_tool("openssl") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let keyring = keyring(at);
    let seal = keyring.seal.seal(MESSAGE, SystemClock.now()).unwrap();
    std::fs::write(at.join("seal.p7s"), &seal).unwrap();
    let content = openssl(at, "cms -verify -binary -inform DER -in seal.p7s -CAfile keys/ca.pem");
    assert_eq!(content, MESSAGE);
    openssl(at, "cms -verify -binary -inform DER -in seal.p7s -CAfile keys/ca.pem -purpose any -out /dev/null");
    openssl(at, "cms -verify -cades -binary -inform DER -in seal.p7s -CAfile keys/ca.pem -out /dev/null");

    let inside = seal.windows(5).position(|window| window == b"70000").unwrap();
    for position in [inside, seal.len() - 5] {
        write_tampered(&at.join("tampered.p7s"), &seal, position);
        assert!(refuses(at, "cms -verify -binary -inform DER -in tampered.p7s -CAfile keys/ca.pem -out /dev/null"));
        let tampered = std::fs::read(at.join("tampered.p7s")).unwrap();
        assert!(verify_attached(&tampered, keyring.anchors(), SystemClock.now()).is_err());
    }
}

#[test]
fn openssl_reads_our_keys() {
    if !require_tool("openssl") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let keyring = keyring(at);
    for name in ["log", "tsa", "seal", "server"] {
        openssl(at, &format!("pkey -in keys/{name}.key -noout"));
    }
    for name in ["tsa", "seal", "server"] {
        openssl(at, &format!("verify -x509_strict -CAfile keys/ca.pem keys/{name}.pem"));
    }
    openssl(at, "verify -CAfile keys/ca.pem -purpose timestampsign keys/tsa.pem");
    openssl(at, "verify -CAfile keys/ca.pem -purpose smimesign keys/seal.pem");
    openssl(at, "verify -CAfile keys/ca.pem -purpose sslserver -verify_hostname localhost keys/server.pem");
    openssl(at, "verify -CAfile keys/ca.pem -purpose sslserver -verify_ip 127.0.0.1 keys/server.pem");
    assert!(refuses(at, "verify -CAfile keys/ca.pem -purpose timestampsign keys/seal.pem"));
    // The inventory shows the fingerprint openssl shows.
    let shown = String::from_utf8(openssl(at, "x509 -in keys/tsa.pem -noout -fingerprint -sha256")).unwrap();
    let shown = shown.trim().rsplit('=').next().unwrap().replace(':', "").to_lowercase();
    let inventory = keyring.inventory();
    assert_eq!(inventory.iter().find(|entry| entry.name == "tsa").unwrap().fingerprint, shown);
}

/// An authority, and under it a signer and a time-stamping authority, all made by openssl with one kind of key.
fn foreign_pki(at: &Path, key: &str) {
    std::fs::write(
        at.join("openssl.cnf"),
        "[req]\ndistinguished_name=dn\nprompt=no\n[dn]\nCN=x\n\
         [ca]\nbasicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n\
         [seal]\nkeyUsage=critical,digitalSignature\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n\
         [server]\nextendedKeyUsage=serverAuth\n\
         [stamp]\nextendedKeyUsage=critical,timeStamping\nkeyUsage=critical,digitalSignature\n\
         [stamp_lax]\nextendedKeyUsage=timeStamping\n\
         [tsa]\ndefault_tsa=t\n[t]\nserial=serial\ncrypto_device=builtin\ndefault_policy=1.2.3.4.1\n\
         digests=sha256,sha384,sha512\naccuracy=secs:1,millisecs:500,microsecs:100\nordering=yes\ntsa_name=yes\n\
         ess_cert_id_chain=no\nclock_precision_digits=3\n",
    )
    .unwrap();
    openssl(at, &format!("genpkey {key} -out ca.key"));
    openssl(at, "req -x509 -new -config openssl.cnf -extensions ca -subj /CN=AC -days 30 -key ca.key -out ca.pem");
    openssl(
        at,
        "req -x509 -new -config openssl.cnf -extensions ca -subj /CN=AC -days 30 -newkey rsa:2048 -nodes -keyout fake.key -out fake.pem",
    );
    for (name, extensions) in [("seal", "seal"), ("server", "server"), ("tsa", "stamp"), ("lax", "stamp_lax")] {
        openssl(at, &format!("genpkey {key} -out {name}.key"));
        openssl(at, &format!("req -new -config openssl.cnf -subj /CN={name} -key {name}.key -out {name}.csr"));
        openssl(
            at,
            &format!(
                "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 20 \
                 -extfile openssl.cnf -extensions {extensions} -out {name}.pem"
            ),
        );
    }
}

const KINDS: [&str; 3] = [
    "-algorithm EC -pkeyopt ec_paramgen_curve:P-256",
    "-algorithm EC -pkeyopt ec_paramgen_curve:P-384",
    "-algorithm RSA -pkeyopt rsa_keygen_bits:2048",
];

#[test]
fn we_check_what_openssl_signs() {
    if !require_tool("openssl") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    std::fs::write(at.join("document"), MESSAGE).unwrap();
    for kind in KINDS {
        foreign_pki(at, kind);
        let anchors = Anchors::from_pem(&std::fs::read(at.join("ca.pem")).unwrap()).unwrap();
        let sign = "cms -sign -binary -in document -outform DER -signer seal.pem -inkey seal.key -md sha256";
        let mut variants = vec![" -nodetach", " -nodetach -cades", " -nodetach -keyid"];
        if kind.contains("RSA") {
            variants.extend([" -nodetach -keyopt rsa_padding_mode:pss -keyopt rsa_pss_saltlen:digest"]);
        }
        for variant in variants {
            openssl(at, &format!("{sign} {variant} -out cms.p7s"));
            let cms = std::fs::read(at.join("cms.p7s")).unwrap();
            let verified = verify_attached(&cms, &anchors, SystemClock.now());
            let verified = verified.unwrap_or_else(|error| panic!("{kind}{variant}: {error}"));
            assert_eq!(verified.content, MESSAGE);
            assert_eq!(verified.signer.subject(), "CN=seal");
            assert!(verified.signing_time.is_some());
            // Any byte of the content or of the signature.
            let inside = cms.windows(5).position(|window| window == b"70000").unwrap();
            for position in [inside, cms.len() - 5] {
                write_tampered(&at.join("tampered"), &cms, position);
                let tampered = std::fs::read(at.join("tampered")).unwrap();
                assert!(verify_attached(&tampered, &anchors, SystemClock.now()).is_err());
            }
        }

        openssl(at, &format!("{sign} -out cms.p7s"));
        let cms = std::fs::read(at.join("cms.p7s")).unwrap();
        verify_detached(&cms, MESSAGE, &anchors, SystemClock.now()).unwrap();
        let other = verify_detached(&cms, b"other", &anchors, SystemClock.now());
        assert_eq!(other.unwrap_err(), CmsError::ContentAltered);
        // An authority that only bears the same name; a date when the certificate was not valid; none at all.
        let fake = Anchors::from_pem(&std::fs::read(at.join("fake.pem")).unwrap()).unwrap();
        assert!(matches!(verify_detached(&cms, MESSAGE, &fake, SystemClock.now()), Err(CmsError::Path(_))));
        let past = SystemClock.now() - time::Duration::days(400);
        assert!(matches!(verify_detached(&cms, MESSAGE, &anchors, past), Err(CmsError::Path(_))));
        assert!(verify_detached(&cms, MESSAGE, &Anchors::default(), SystemClock.now()).is_err());

        // Certificates for something else; a signature without signed attributes.
        for (signer, option) in [("server", "-nodetach"), ("tsa", "-nodetach"), ("seal", "-nodetach -noattr")] {
            let with = format!("-signer {signer}.pem -inkey {signer}.key -md sha256 {option} -out cms.p7s");
            openssl(at, &format!("cms -sign -binary -in document -outform DER {with}"));
            let cms = std::fs::read(at.join("cms.p7s")).unwrap();
            assert!(verify_attached(&cms, &anchors, SystemClock.now()).is_err(), "{kind} {signer} {option}");
        }
    }
}

#[test]
fn we_check_the_tokens_openssl_makes() {
    if !require_tool("openssl") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    std::fs::write(at.join("message"), MESSAGE).unwrap();
    for kind in KINDS {
        foreign_pki(at, kind);
        let anchors = Anchors::from_pem(&std::fs::read(at.join("ca.pem")).unwrap()).unwrap();
        openssl(at, "ts -query -data message -sha256 -cert -out query.tsq");
        let reply = "ts -reply -config openssl.cnf -queryfile query.tsq -signer tsa.pem -inkey tsa.key -sha256";
        openssl(at, &format!("{reply} -out reply.tsr"));
        let response = std::fs::read(at.join("reply.tsr")).unwrap();
        let token = verify_response(&response, MESSAGE, &anchors);
        let token = token.unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert_eq!(token.policy, "1.2.3.4.1");
        assert_eq!(token.accuracy, Some(time::Duration::microseconds(1_500_100)));
        assert_eq!(token.signer.subject(), "CN=tsa");
        assert!(token.nonce.is_some());
        assert!((SystemClock.now() - token.time).abs() < time::Duration::minutes(1));
        openssl(at, &format!("{reply} -token_out -out token.der"));
        verify_token(&std::fs::read(at.join("token.der")).unwrap(), MESSAGE, &anchors).unwrap();

        assert_eq!(verify_response(&response, b"other", &anchors).unwrap_err(), TspError::WrongImprint);
        assert!(verify_response(&response, MESSAGE, &Anchors::default()).is_err());
        write_tampered(&at.join("tampered"), &response, response.len() - 5);
        let tampered = std::fs::read(at.join("tampered")).unwrap();
        assert!(verify_response(&tampered, MESSAGE, &anchors).is_err());

        // SHA-1 references to the certificate are old but in use; a request refused stays refused.
        std::fs::write(
            at.join("old.cnf"),
            std::fs::read_to_string(at.join("openssl.cnf")).unwrap() + "ess_cert_id_alg=sha1\n",
        )
        .unwrap();
        openssl(
            at,
            "ts -reply -config old.cnf -queryfile query.tsq -signer tsa.pem -inkey tsa.key -sha256 -out old.tsr",
        );
        verify_response(&std::fs::read(at.join("old.tsr")).unwrap(), MESSAGE, &anchors).unwrap();
        openssl(at, "ts -query -data message -sha1 -out query.tsq");
        openssl(at, &format!("{reply} -out refused.tsr"));
        let refused = verify_response(&std::fs::read(at.join("refused.tsr")).unwrap(), MESSAGE, &anchors);
        assert!(matches!(refused, Err(TspError::Refused { status: 2, .. })), "{refused:?}");
    }
}

#[test]
fn a_token_signed_as_a_message_is_not_a_token() {
    if !require_tool("openssl") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let keyring = keyring(at);
    foreign_pki(at, KINDS[0]);
    let anchors = Anchors::from_pem(&std::fs::read(at.join("ca.pem")).unwrap()).unwrap();
    std::fs::write(at.join("message"), MESSAGE).unwrap();
    // The TSTInfo of a good token, signed again with certificates that are not for time-stamping.
    std::fs::write(at.join("token.tsr"), keyring.tsa.token(MESSAGE, SystemClock.now()).unwrap()).unwrap();
    openssl(at, "ts -reply -in token.tsr -token_out -out token.der");
    openssl(at, "cms -verify -noverify -inform DER -in token.der -purpose any -out info.der");
    for signer in ["seal", "server", "lax", "tsa"] {
        openssl(
            at,
            &format!(
                "cms -sign -cades -binary -nodetach -econtent_type 1.2.840.113549.1.9.16.1.4 -in info.der \
                 -outform DER -signer {signer}.pem -inkey {signer}.key -out forged.der"
            ),
        );
        let verdict = verify_token(&std::fs::read(at.join("forged.der")).unwrap(), MESSAGE, &anchors);
        assert_eq!(verdict.is_ok(), signer == "tsa", "{signer}: {verdict:?}");
    }
    // A seal is not a token, a token is not a seal.
    let now = SystemClock.now();
    assert!(verify_token(&keyring.seal.seal(MESSAGE, now).unwrap(), MESSAGE, keyring.anchors()).is_err());
    assert!(verify_attached(&std::fs::read(at.join("token.der")).unwrap(), keyring.anchors(), now).is_err());
}
