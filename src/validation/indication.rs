//! Indications and sub-indications (EN 319 102-1 § 5.1.3, tables 5 and 6).

use serde::{Serialize, Serializer};
use std::fmt;

/// The main indication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Indication {
    /// Every check passed.
    TotalPassed,
    /// What is at hand does not suffice to say.
    Indeterminate,
    /// It does not hold.
    TotalFailed,
}

impl Indication {
    /// As the standard writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::TotalPassed => "TOTAL-PASSED",
            Self::Indeterminate => "INDETERMINATE",
            Self::TotalFailed => "TOTAL-FAILED",
        }
    }

    /// Its identifier in TS 119 102-2 reports.
    pub fn urn(self) -> &'static str {
        match self {
            Self::TotalPassed => "urn:etsi:019102:mainindication:total-passed",
            Self::Indeterminate => "urn:etsi:019102:mainindication:indeterminate",
            Self::TotalFailed => "urn:etsi:019102:mainindication:total-failed",
        }
    }

    /// For people.
    pub fn french(self) -> &'static str {
        match self {
            Self::TotalPassed => "valide",
            Self::Indeterminate => "indéterminée",
            Self::TotalFailed => "non valide",
        }
    }
}

impl fmt::Display for Indication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Indication {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

macro_rules! sub_indications {
    ($($variant:ident $name:literal $indication:ident $french:literal;)*) => {
        /// The sub-indication.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum SubIndication {
            $(#[doc = $french] $variant,)*
        }

        impl SubIndication {
            /// As the standard writes it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The indication it belongs to.
            pub fn indication(self) -> Indication {
                match self { $(Self::$variant => Indication::$indication,)* }
            }

            /// For people.
            pub fn french(self) -> &'static str {
                match self { $(Self::$variant => $french,)* }
            }
        }
    };
}

sub_indications! {
    FormatFailure "FORMAT_FAILURE" TotalFailed "le format n'est pas respecté";
    HashFailure "HASH_FAILURE" TotalFailed "le contenu signé a été modifié";
    SigCryptoFailure "SIG_CRYPTO_FAILURE" TotalFailed "la valeur de la signature n'est pas bonne";
    Revoked "REVOKED" TotalFailed "le certificat était révoqué au moment de la signature";
    Expired "EXPIRED" TotalFailed "le certificat était expiré au moment de la signature";
    NotYetValid "NOT_YET_VALID" TotalFailed "la signature est antérieure au certificat";
    SignedDataNotFound "SIGNED_DATA_NOT_FOUND" Indeterminate "le contenu signé n'a pas été trouvé";
    NoSigningCertificateFound "NO_SIGNING_CERTIFICATE_FOUND" Indeterminate "le certificat du signataire manque";
    NoCertificateChainFound "NO_CERTIFICATE_CHAIN_FOUND" Indeterminate "aucune autorité de confiance n'a émis le certificat";
    NoCertificateChainFoundNoPoe "NO_CERTIFICATE_CHAIN_FOUND_NO_POE" Indeterminate "l'autorité n'est plus de confiance et rien ne prouve la date de la signature";
    CertificateChainGeneralFailure "CERTIFICATE_CHAIN_GENERAL_FAILURE" Indeterminate "la chaîne de certificats ne peut pas être validée";
    ChainConstraintsFailure "CHAIN_CONSTRAINTS_FAILURE" Indeterminate "la chaîne de certificats ne respecte pas la politique";
    SigConstraintsFailure "SIG_CONSTRAINTS_FAILURE" Indeterminate "la signature ne respecte pas la politique";
    CryptoConstraintsFailure "CRYPTO_CONSTRAINTS_FAILURE" Indeterminate "un algorithme ou une clé n'est pas accepté";
    CryptoConstraintsFailureNoPoe "CRYPTO_CONSTRAINTS_FAILURE_NO_POE" Indeterminate "un algorithme n'est plus sûr et rien ne prouve que la signature date d'avant";
    RevokedNoPoe "REVOKED_NO_POE" Indeterminate "le certificat est révoqué et rien ne prouve que la signature date d'avant";
    RevokedCaNoPoe "REVOKED_CA_NO_POE" Indeterminate "une autorité de la chaîne est révoquée et rien ne prouve que la signature date d'avant";
    OutOfBoundsNoPoe "OUT_OF_BOUNDS_NO_POE" Indeterminate "le certificat n'est pas dans sa période de validité et rien ne prouve la date de la signature";
    OutOfBoundsNotRevoked "OUT_OF_BOUNDS_NOT_REVOKED" Indeterminate "le certificat a expiré sans être révoqué, et rien ne prouve la date de la signature";
    RevocationOutOfBoundsNoPoe "REVOCATION_OUT_OF_BOUNDS_NO_POE" Indeterminate "l'information de révocation est hors de sa période et rien ne prouve sa date";
    TryLater "TRY_LATER" Indeterminate "l'information de révocation manque ou n'est pas assez récente";
    TimestampOrderFailure "TIMESTAMP_ORDER_FAILURE" Indeterminate "les horodatages se contredisent";
    NoPoe "NO_POE" Indeterminate "rien ne prouve que la signature existait à temps";
    SignaturePolicyNotAvailable "SIGNATURE_POLICY_NOT_AVAILABLE" Indeterminate "la politique de signature n'est pas connue";
    PolicyProcessingError "POLICY_PROCESSING_ERROR" Indeterminate "la politique de signature ne correspond pas à son empreinte";
}

impl SubIndication {
    /// Its identifier in TS 119 102-2 reports.
    pub fn urn(self) -> String {
        format!("urn:etsi:019102:subindication:{}", self.name())
    }
}

impl fmt::Display for SubIndication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for SubIndication {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
