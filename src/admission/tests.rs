#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2026-11-23 20:06:13.042 UTC);

fn receive(json: &str) -> Result<Deposit<Received>, Refusal> {
    let policies = Policies::embedded().unwrap();
    Deposit::receive(Metadata::parse(json.as_bytes())?, "200040475", &policies, &Limits::default(), NOW)
}

fn pass(deposit: &mut Deposit<Received>, name: &str, content: &[u8]) -> Result<(), Refusal> {
    let (name, declared) = deposit.expect(name.as_bytes())?;
    let format = identify(content, &name);
    deposit.arrived(name, &declared, Digests::of(content), content.len() as u64, format)
}

fn provenance() -> Provenance {
    Provenance {
        actor: "token:t1".into(),
        time: NOW,
        id: Uuid::nil(),
        salt: "00".repeat(32),
        idempotency: Some([7; 32]),
    }
}

const MINIMAL: &str = r#"{"title":"Délibération n° 12","type":"deliberation"}"#;

#[test]
fn a_deposit_becomes_a_record() {
    let mut deposit = receive(MINIMAL).unwrap();
    pass(&mut deposit, "12.pdf", b"%PDF-1.7 ...").unwrap();
    let admitted = deposit.admit().unwrap();
    let content = admitted.content();
    let location = Location { object: "payload/200040475/deliberation-x.tar.zst".into(), offset: 0, length: 9 };
    let bytes = admitted.into_record(vec![location.clone()], provenance()).unwrap();
    let record = Record::parse(&bytes).unwrap();
    let deposit = record.deposit().unwrap();
    assert_eq!(deposit.rule, "deliberation");
    assert_eq!(deposit.content, hex::encode(content));
    assert_eq!(deposit.idempotency.as_deref(), Some("07".repeat(32).as_str()));
    assert_eq!(deposit.payloads[0].media_type, "application/pdf");
    assert_eq!(deposit.payloads[0].location, location);
    assert_eq!(record.time, "2026-11-23T20:06:13.042Z");
}

#[test]
fn codes_must_be_known() {
    let reason = |json: &str| receive(json).unwrap_err();
    assert_eq!(
        reason(r#"{"title":"x","type":"inconnu"}"#),
        Refusal::at("/type", Reason::UnknownType { code: "inconnu".into() })
    );
    assert_eq!(
        reason(r#"{"title":"x","type":"ticket","rule":"nulle"}"#),
        Refusal::at("/rule", Reason::UnknownRule { code: "nulle".into() })
    );
    assert_eq!(
        reason(r#"{"title":" ","type":"ticket"}"#),
        Refusal::at("/title", Reason::FieldMissing { field: "title" })
    );
    assert_eq!(
        reason(r#"{"title":"x","type":"ticket","dates":{"created":"2026-02-30"}}"#),
        Refusal::at("/dates/created", Reason::DateInvalid { value: "2026-02-30".into() })
    );
}

#[test]
fn what_was_announced_must_come() {
    let announced = r#"{"title":"x","type":"ticket","payloads":[{"name":"a.txt","size_bytes":2},{"name":"b.txt"}]}"#;
    let mut deposit = receive(announced).unwrap();
    assert!(matches!(pass(&mut deposit, "b.txt", b"x").unwrap_err().reason, Reason::PayloadsDiffer { .. }));
    assert_eq!(pass(&mut deposit, "a.txt", b"x").unwrap_err().pointer.as_deref(), Some("/payloads/0/size_bytes"));
    pass(&mut deposit, "a.txt", b"xx").unwrap();
    assert!(matches!(deposit.clone().admit().unwrap_err().reason, Reason::PayloadsDiffer { declared: 2, received: 1 }));
    pass(&mut deposit, "b.txt", b"y").unwrap();
    assert!(matches!(pass(&mut deposit, "c.txt", b"y").unwrap_err().reason, Reason::PayloadsDiffer { .. }));
    assert!(deposit.admit().is_ok());
}

#[test]
fn empty_twice_and_none_are_refused() {
    let mut deposit = receive(MINIMAL).unwrap();
    assert_eq!(pass(&mut deposit, "a", b"").unwrap_err(), Refusal::payload(0, "", Reason::EmptyPayload));
    pass(&mut deposit, "a", b"x").unwrap();
    assert_eq!(pass(&mut deposit, "a", b"y").unwrap_err(), Refusal::payload(1, "name", Reason::NameTwice));
    assert_eq!(receive(MINIMAL).unwrap().admit().unwrap_err().reason, Reason::NoPayload);
}

#[test]
fn content_tells_a_retry_from_a_reuse() {
    let content = |json: &str, bytes: &[u8]| {
        let mut deposit = receive(json).unwrap();
        pass(&mut deposit, "a", bytes).unwrap();
        deposit.admit().unwrap().content()
    };
    let spaced = r#"{ "type":"deliberation", "title":"Délibération n° 12" }"#;
    assert_eq!(content(MINIMAL, b"x"), content(spaced, b"x"));
    assert_ne!(content(MINIMAL, b"x"), content(MINIMAL, b"y"));
    assert_ne!(content(MINIMAL, b"x"), content(r#"{"title":"Autre","type":"deliberation"}"#, b"x"));
}

#[test]
fn a_record_over_the_limit_is_refused_before_it_is_stored() {
    let mut deposit = receive(MINIMAL).unwrap();
    for n in 0..128 {
        pass(&mut deposit, &format!("{n}{}", "x".repeat(240)), b"x").unwrap();
    }
    assert!(matches!(pass(&mut deposit, "z", b"x").unwrap_err().reason, Reason::TooMany { .. }));
    assert_eq!(deposit.admit().unwrap_err().reason, Reason::RecordTooLong { bytes_max: 65_536 });
}

#[test]
fn the_bound_on_a_record_holds() {
    let agency = "a".repeat(64);
    let policies = Policies::embedded().unwrap();
    let metadata = Metadata::parse(MINIMAL.as_bytes()).unwrap();
    let mut deposit = Deposit::receive(metadata, &agency, &policies, &Limits::default(), NOW).unwrap();
    let docx = "application/vnd.openxmlformats-officedocument.presentationml.presentation";
    for n in 0..20 {
        let format = Format { media_type: docx, puid: Some("x-fmt/9999") };
        deposit.arrived(format!("{n}"), &Declared::default(), Digests::of(b"x"), u64::MAX, format).unwrap();
    }
    let asked = deposit.asked().unwrap().len();
    let object = format!("payload/{agency}/{}-{}.tar.zst", "r".repeat(64), Uuid::nil());
    let location = Location { object, offset: u64::MAX, length: u64::MAX };
    let provenance = Provenance { actor: format!("certificate:{}", "f".repeat(64)), ..provenance() };
    let record = deposit.admit().unwrap().into_record(vec![location; 20], provenance).unwrap();
    assert!(record.len() <= asked + RECORD_FIXED_BYTES + 20 * RECORD_PAYLOAD_BYTES);
}
