//! A small list, written for the occasion.
#![allow(clippy::unwrap_used)]

use super::*;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use time::macros::datetime;

const HEAD: &str = r#"<TrustServiceStatusList xmlns="http://uri.etsi.org/02231/v2#" xmlns:q="http://uri.etsi.org/TrstSvc/SvcInfoExt/eSigDir-1999-93-EC-TrustedList/#" xmlns:x="http://uri.etsi.org/01903/v1.3.2#" xmlns:a="http://uri.etsi.org/02231/v2/additionaltypes#" Id="L">"#;

fn list(version: u32, certificate: &str) -> String {
    format!(
        r#"{HEAD}<SchemeInformation><TSLVersionIdentifier>{version}</TSLVersionIdentifier>
<TSLSequenceNumber>7</TSLSequenceNumber><TSLType>{LIST_OF_LISTS}</TSLType>
<SchemeOperatorName><Name xml:lang="fr">Opérateur</Name><Name xml:lang="en">Operator</Name></SchemeOperatorName>
<SchemeTerritory>FR</SchemeTerritory>
<PointersToOtherTSL><OtherTSLPointer><ServiceDigitalIdentities><ServiceDigitalIdentity><DigitalId>
<X509Certificate>{certificate}</X509Certificate></DigitalId></ServiceDigitalIdentity></ServiceDigitalIdentities>
<TSLLocation>https://exemple.fr/tl.xml</TSLLocation><AdditionalInformation><OtherInformation>
<SchemeTerritory>FR</SchemeTerritory></OtherInformation><OtherInformation><a:MimeType>application/vnd.etsi.tsl+xml</a:MimeType>
</OtherInformation></AdditionalInformation></OtherTSLPointer></PointersToOtherTSL>
<ListIssueDateTime>2026-01-01T00:00:00Z</ListIssueDateTime><NextUpdate><dateTime>2026-06-01T00:00:00Z</dateTime></NextUpdate>
</SchemeInformation><TrustServiceProviderList><TrustServiceProvider><TSPInformation><TSPName><Name xml:lang="en">Prov</Name>
</TSPName></TSPInformation><TSPServices><TSPService><ServiceInformation><ServiceTypeIdentifier>{CA_QC}</ServiceTypeIdentifier>
<ServiceName><Name xml:lang="en">CA</Name></ServiceName><ServiceDigitalIdentity><DigitalId>
<X509Certificate>{certificate}</X509Certificate></DigitalId></ServiceDigitalIdentity>
<ServiceStatus>http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/withdrawn</ServiceStatus>
<StatusStartingTime>2025-01-01T00:00:00Z</StatusStartingTime></ServiceInformation><ServiceHistory><ServiceHistoryInstance>
<ServiceTypeIdentifier>{CA_QC}</ServiceTypeIdentifier>
<ServiceStatus>http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/granted</ServiceStatus>
<StatusStartingTime>2017-01-01T00:00:00Z</StatusStartingTime><ServiceInformationExtensions><Extension Critical="true">
<AdditionalServiceInformation><URI xml:lang="en">http://uri.etsi.org/TrstSvc/TrustedList/SvcInfoExt/ForeSignatures</URI>
</AdditionalServiceInformation></Extension><Extension Critical="true"><q:Qualifications><q:QualificationElement><q:Qualifiers>
<q:Qualifier uri="http://uri.etsi.org/TrstSvc/TrustedList/SvcInfoExt/QCWithQSCD"/></q:Qualifiers>
<q:CriteriaList assert="all"><q:KeyUsage><q:KeyUsageBit name="nonRepudiation">true</q:KeyUsageBit></q:KeyUsage>
<q:CriteriaList assert="none"><q:PolicySet><q:PolicyIdentifier><x:Identifier Qualifier="OIDAsURN">urn:oid:1.2.3</x:Identifier>
</q:PolicyIdentifier></q:PolicySet></q:CriteriaList></q:CriteriaList></q:QualificationElement></q:Qualifications></Extension>
</ServiceInformationExtensions></ServiceHistoryInstance></ServiceHistory></TSPService></TSPServices></TrustServiceProvider>
</TrustServiceProviderList></TrustServiceStatusList>"#
    )
}

fn certificate(usages: Vec<rcgen::KeyUsagePurpose>) -> Certificate {
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.key_usages = usages;
    let made = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
    Certificate::from_der(made.der()).unwrap()
}

#[test]
fn a_list_is_read_with_its_history_and_its_qualifiers() {
    let signer = certificate(vec![rcgen::KeyUsagePurpose::ContentCommitment]);
    let read = read(list(6, &BASE64_STANDARD.encode(signer.der())).as_bytes()).unwrap();
    assert_eq!((read.territory.as_str(), read.operator.as_str(), read.sequence), ("FR", "Operator", 7));
    assert!(read.is_stale(datetime!(2026-06-02 00:00 UTC)) && !read.is_stale(datetime!(2026-05-31 00:00 UTC)));
    assert_eq!(read.pointers[0].signers, std::slice::from_ref(&signer));
    assert_eq!(read.pointers[0].media_type, "application/vnd.etsi.tsl+xml");
    let service = &read.services[0];
    assert_eq!(service.provider, "Prov");
    assert!(!service.at(datetime!(2026-01-01 00:00 UTC)).unwrap().is_granted());
    let before = service.at(datetime!(2020-01-01 00:00 UTC)).unwrap();
    assert!(before.is_granted() && service.at(datetime!(2016-01-01 00:00 UTC)).is_none());
    assert!(before.additional[0].ends_with("ForeSignatures"));
    assert_eq!(before.qualifiers(&signer), ["QCWithQSCD"]);
    assert!(before.qualifiers(&certificate(vec![rcgen::KeyUsagePurpose::DigitalSignature])).is_empty());
}

#[test]
fn what_is_not_a_list_is_refused() {
    assert_eq!(read(b"<a/>").unwrap_err(), ListError::OtherRoot);
    assert_eq!(read(list(4, "").as_bytes()).unwrap_err(), ListError::Version("4".to_owned()));
    assert!(matches!(read(b"<!DOCTYPE a><a/>").unwrap_err(), ListError::Xml(_)));
}
