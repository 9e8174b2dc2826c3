//! The object identifiers of CMS, X.509 and their algorithms.

use const_oid::ObjectIdentifier;

macro_rules! identifiers {
    ($($(#[$doc:meta])* $name:ident = $dotted:literal;)*) => {
        $($(#[$doc])* pub const $name: ObjectIdentifier = ObjectIdentifier::new_unwrap($dotted);)*
    };
}

identifiers! {
    /// id-data (RFC 5652 § 4)
    DATA = "1.2.840.113549.1.7.1";
    /// id-signedData (RFC 5652 § 5.1)
    SIGNED_DATA = "1.2.840.113549.1.7.2";
    /// id-contentType (RFC 5652 § 11.1)
    CONTENT_TYPE = "1.2.840.113549.1.9.3";
    /// id-messageDigest (RFC 5652 § 11.2)
    MESSAGE_DIGEST = "1.2.840.113549.1.9.4";
    /// id-signingTime (RFC 5652 § 11.3)
    SIGNING_TIME = "1.2.840.113549.1.9.5";
    /// id-aa-signingCertificate (RFC 2634 § 5.4), whose digest is SHA-1
    SIGNING_CERTIFICATE = "1.2.840.113549.1.9.16.2.12";
    /// id-aa-signingCertificateV2 (RFC 5035 § 3)
    SIGNING_CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.47";
    /// id-countersignature (RFC 5652 § 11.4)
    COUNTER_SIGNATURE = "1.2.840.113549.1.9.6";
    /// id-aa-CMSAlgorithmProtect (RFC 6211 § 2)
    ALGORITHM_PROTECTION = "1.2.840.113549.1.9.52";
    /// id-pkix-ocsp-basic (RFC 6960 § 4.2.1)
    OCSP_BASIC = "1.3.6.1.5.5.7.48.1.1";
    /// id-ri-ocsp-response (RFC 5940 § 2.1)
    OCSP_RESPONSE = "1.3.6.1.5.5.7.16.2";
    /// id-ct-TSTInfo (RFC 3161 § 2.4.2)
    TST_INFO = "1.2.840.113549.1.9.16.1.4";

    /// id-sha256 (RFC 5754 § 2.2)
    SHA256 = "2.16.840.1.101.3.4.2.1";
    /// id-sha384
    SHA384 = "2.16.840.1.101.3.4.2.2";
    /// id-sha512
    SHA512 = "2.16.840.1.101.3.4.2.3";
    /// rsaEncryption (RFC 8017, appendix C)
    RSA = "1.2.840.113549.1.1.1";
    /// id-mgf1
    MGF1 = "1.2.840.113549.1.1.8";
    /// id-RSASSA-PSS
    RSA_PSS = "1.2.840.113549.1.1.10";
    /// sha256WithRSAEncryption
    RSA_SHA256 = "1.2.840.113549.1.1.11";
    /// sha384WithRSAEncryption
    RSA_SHA384 = "1.2.840.113549.1.1.12";
    /// sha512WithRSAEncryption
    RSA_SHA512 = "1.2.840.113549.1.1.13";
    /// id-ecPublicKey (RFC 5480 § 2.1.1)
    EC_PUBLIC_KEY = "1.2.840.10045.2.1";
    /// secp256r1
    P256 = "1.2.840.10045.3.1.7";
    /// secp384r1
    P384 = "1.3.132.0.34";
    /// ecdsa-with-SHA256 (RFC 5758 § 3.2)
    ECDSA_SHA256 = "1.2.840.10045.4.3.2";
    /// ecdsa-with-SHA384
    ECDSA_SHA384 = "1.2.840.10045.4.3.3";
    /// id-Ed25519 (RFC 8410)
    ED25519 = "1.3.101.112";

    /// basicConstraints (RFC 5280 § 4.2.1.9)
    BASIC_CONSTRAINTS = "2.5.29.19";
    /// keyUsage (RFC 5280 § 4.2.1.3)
    KEY_USAGE = "2.5.29.15";
    /// extKeyUsage (RFC 5280 § 4.2.1.12)
    EXTENDED_KEY_USAGE = "2.5.29.37";
    /// anyExtendedKeyUsage
    ANY_USAGE = "2.5.29.37.0";
    /// id-kp-timeStamping
    TIME_STAMPING = "1.3.6.1.5.5.7.3.8";
    /// id-kp-emailProtection
    EMAIL_PROTECTION = "1.3.6.1.5.5.7.3.4";
    /// id-kp-documentSigning (RFC 9336)
    DOCUMENT_SIGNING = "1.3.6.1.5.5.7.3.36";
    /// Document signing as Microsoft names it
    DOCUMENT_SIGNING_MICROSOFT = "1.3.6.1.4.1.311.10.3.12";
    /// Authentic documents as Adobe names them
    DOCUMENT_SIGNING_ADOBE = "1.2.840.113583.1.1.5";
}
