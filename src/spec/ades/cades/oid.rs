//! Object identifiers of CAdES attributes (EN 319 122-1, TS 101 733, RFC 5126, RFC 5544, RFC 4998).

use const_oid::ObjectIdentifier;

macro_rules! identifiers {
    ($($(#[$doc:meta])* $name:ident = $dotted:literal;)*) => {
        $($(#[$doc])* pub const $name: ObjectIdentifier = ObjectIdentifier::new_unwrap($dotted);)*
    };
}

identifiers! {
    /// id-aa-contentHint
    CONTENT_HINTS = "1.2.840.113549.1.9.16.2.4";
    /// id-aa-contentIdentifier
    CONTENT_IDENTIFIER = "1.2.840.113549.1.9.16.2.7";
    /// id-aa-contentReference
    CONTENT_REFERENCE = "1.2.840.113549.1.9.16.2.10";
    /// id-aa-signatureTimeStampToken
    SIGNATURE_TIME_STAMP = "1.2.840.113549.1.9.16.2.14";
    /// SPC_RFC3161_OBJID, Microsoft's signature time-stamp
    SIGNATURE_TIME_STAMP_MICROSOFT = "1.3.6.1.4.1.311.3.3.1";
    /// id-aa-ets-sigPolicyId
    SIGNATURE_POLICY = "1.2.840.113549.1.9.16.2.15";
    /// id-aa-ets-commitmentType
    COMMITMENT_TYPE = "1.2.840.113549.1.9.16.2.16";
    /// id-aa-ets-signerLocation
    SIGNER_LOCATION = "1.2.840.113549.1.9.16.2.17";
    /// id-aa-ets-signerAttr
    SIGNER_ATTRIBUTES = "1.2.840.113549.1.9.16.2.18";
    /// id-aa-ets-signerAttrV2
    SIGNER_ATTRIBUTES_V2 = "0.4.0.19122.1.1";
    /// id-aa-ets-contentTimestamp
    CONTENT_TIME_STAMP = "1.2.840.113549.1.9.16.2.20";
    /// id-aa-ets-certificateRefs
    CERTIFICATE_REFS = "1.2.840.113549.1.9.16.2.21";
    /// id-aa-ets-revocationRefs
    REVOCATION_REFS = "1.2.840.113549.1.9.16.2.22";
    /// id-aa-ets-certValues
    CERTIFICATE_VALUES = "1.2.840.113549.1.9.16.2.23";
    /// id-aa-ets-revocationValues
    REVOCATION_VALUES = "1.2.840.113549.1.9.16.2.24";
    /// id-aa-ets-escTimeStamp: CAdES-C-timestamp
    CADES_C_TIME_STAMP = "1.2.840.113549.1.9.16.2.25";
    /// id-aa-ets-certCRLTimestamp
    REFERENCES_TIME_STAMP = "1.2.840.113549.1.9.16.2.26";
    /// id-aa-ets-archiveTimestamp, first version
    ARCHIVE_TIME_STAMP = "1.2.840.113549.1.9.16.2.27";
    /// id-aa-ets-archiveTimestampV2 (TS 101 733 § 6.4.1)
    ARCHIVE_TIME_STAMP_V2 = "1.2.840.113549.1.9.16.2.48";
    /// id-aa-ets-archiveTimestampV3 (EN 319 122-1 § 5.5.3)
    ARCHIVE_TIME_STAMP_V3 = "0.4.0.1733.2.4";
    /// id-aa-ATSHashIndex (TS 101 733 § 6.4.2)
    HASH_INDEX = "0.4.0.1733.2.5";
    /// id-aa-ATSHashIndex-v2
    HASH_INDEX_V2 = "0.4.0.19122.1.4";
    /// id-aa-ATSHashIndex-v3 (EN 319 122-1 § 5.5.2)
    HASH_INDEX_V3 = "0.4.0.19122.1.5";
    /// id-aa-ets-mimeType
    MIME_TYPE = "0.4.0.1733.2.1";
    /// id-aa-ets-longTermValidation (TS 101 733 § 6.5)
    LONG_TERM_VALIDATION = "0.4.0.1733.2.2";
    /// id-aa-er-internal (RFC 4998, appendix A)
    EVIDENCE_RECORD_INTERNAL = "1.2.840.113549.1.9.16.2.49";
    /// id-aa-er-external
    EVIDENCE_RECORD_EXTERNAL = "1.2.840.113549.1.9.16.2.50";
    /// id-spq-ets-uri: where the policy is
    POLICY_URI = "1.2.840.113549.1.9.16.5.1";
    /// id-spq-ets-unotice: what a person must be told of the policy
    POLICY_NOTICE = "1.2.840.113549.1.9.16.5.2";
    /// adbe-revocationInfoArchival: material in a PDF's signed attributes
    ADOBE_REVOCATION = "1.2.840.113583.1.1.8";
}
