//! A certificate authority of openssl, for tests whose keys and certificates we did not make.
#![allow(dead_code, unreachable_pub, clippy::expect_used)]

use crate::support::run_ok;
use std::fs;
use std::path::{Path, PathBuf};

/// Extensions of a time-stamping certificate.
pub const TIME_STAMPING: &str = "keyUsage=critical,digitalSignature\nextendedKeyUsage=critical,timeStamping\n";
/// Extensions of a seal's certificate.
pub const SEAL: &str = "keyUsage=critical,digitalSignature,nonRepudiation\n";

/// A kind of key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    P256,
    P384,
    Rsa2048,
    Rsa3072,
}

impl Algorithm {
    fn arguments(self) -> [&'static str; 4] {
        match self {
            Self::P256 => ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
            Self::P384 => ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
            Self::Rsa2048 => ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
            Self::Rsa3072 => ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"],
        }
    }
}

/// An authority whose files are `<name>.*` in a folder.
pub struct Issuer {
    at: PathBuf,
    name: String,
}

impl Issuer {
    pub fn new(at: &Path, name: &str) -> Self {
        let (key, certificate, subject) = (format!("{name}.key"), format!("{name}.pem"), format!("/CN=AC {name}"));
        let generate = [&["genpkey"][..], &Algorithm::P256.arguments(), &["-out", &key]].concat();
        run_ok(at, "openssl", &generate);
        let x509 = ["req", "-new", "-x509", "-key", &key, "-out", &certificate, "-subj", &subject, "-days", "3650"];
        let usages = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"];
        run_ok(at, "openssl", &[&x509[..], &usages].concat());
        Self { at: at.to_owned(), name: name.to_owned() }
    }

    pub fn certificate(&self) -> PathBuf {
        self.at.join(format!("{}.pem", self.name))
    }

    /// A private key (PKCS#8 PEM, its owner's) and its certificate, which ends in so many days.
    pub fn issue(&self, name: &str, algorithm: Algorithm, extensions: &str, days: u32) -> (PathBuf, PathBuf) {
        use std::os::unix::fs::PermissionsExt as _;
        let file = |extension: &str| format!("{name}.{extension}");
        let (key, request, certificate, options) = (file("key"), file("csr"), file("pem"), file("ext"));
        run_ok(&self.at, "openssl", &[&["genpkey"][..], &algorithm.arguments(), &["-out", &key]].concat());
        fs::set_permissions(self.at.join(&key), fs::Permissions::from_mode(0o600)).expect("a mode");
        let subject = format!("/CN={name}");
        run_ok(&self.at, "openssl", &["req", "-new", "-key", &key, "-subj", &subject, "-out", &request]);
        let text = format!("basicConstraints=CA:FALSE\n{extensions}authorityKeyIdentifier=keyid\n");
        fs::write(self.at.join(&options), text).expect("a file");
        let (ca, ca_key, days) = (format!("{}.pem", self.name), format!("{}.key", self.name), days.to_string());
        let sign = ["x509", "-req", "-in", &request, "-CA", &ca, "-CAkey", &ca_key, "-CAcreateserial"];
        let into = ["-out", &certificate, "-days", &days, "-extfile", &options, "-sha256"];
        run_ok(&self.at, "openssl", &[&sign[..], &into].concat());
        (self.at.join(key), self.at.join(certificate))
    }
}
