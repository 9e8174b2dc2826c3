//! PES files as software makes them, and as it should not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::spec::xml;
use base64::Engine as _;
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use std::io::Write as _;

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn base64(content: &[u8]) -> String {
    // In lines, as most software writes it.
    let text = base64::engine::general_purpose::STANDARD.encode(content);
    let lines: Vec<_> = text.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
    lines.join("\r\n")
}

fn aller(attachment: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="ISO-8859-1"?>
<n:PES_Aller xmlns:n="http://www.minefi.gouv.fr/cp/helios/pes_v2/Rev0/aller">
 <Enveloppe><Parametres><Version V="2"/><TypFic V="PESALR2"/><NomFic V=" PESALR2_1 "/></Parametres></Enveloppe>
 <EnTetePES><DteStr V="2026-03-05"/><IdPost V="040999"/><IdColl V="21409999800019"/><CodCol V="999"/><CodBud V="00"/></EnTetePES>
 <PES_DepenseAller><Bordereau Id="B1"><BlocBordereau><Exer V="2026"/><IdBord V="37"/><TypBord V="01"/><NbrPce V="2"/></BlocBordereau>
  <Piece><BlocPiece><InfoPce><IdPce V="412"/><PJRef><IdUnique V="PJ-1"/></PJRef></InfoPce></BlocPiece></Piece>
  <Piece><BlocPiece><IdPce V="413"/></BlocPiece></Piece></Bordereau></PES_DepenseAller>
 <PES_RecetteAller><Bordereau><BlocBordereau><Exer V="2026"/><IdBord V="8"/><NbrPce V="3"/></BlocBordereau></Bordereau></PES_RecetteAller>
 <PES_PJ><EnTetePES_PJ><IdVer V="1"/></EnTetePES_PJ><PJ><Contenu><Fichier MIMEType="application/pdf">{attachment}</Fichier></Contenu>
  <IdUnique V="PJ-1"/><NomPJ V="facture.pdf"/><TypePJ V="007"/></PJ></PES_PJ>
</n:PES_Aller>"#
    )
}

fn document(text: &[u8]) -> Document<'_> {
    Document::parse(text, &xml::Limits::default()).unwrap()
}

#[test]
fn a_flow_tells_its_bordereaux_its_pieces_and_its_attachments() {
    let content = b"%PDF-1.7 une facture".repeat(100);
    let text = aller(&base64(&gzip(&content)));
    let document = document(text.as_bytes());
    let Pes::Aller(aller) = Pes::read(&document, &Limits::default()).unwrap() else { panic!("not a PES_Aller") };
    assert!(is_aller(&document.root()) && declares_latin1(text.as_bytes()) && !aller.is_empty());
    assert_eq!(aller.parameters.nom_fic.as_deref(), Some("PESALR2_1"), "trimmed");
    assert_eq!(aller.header.cod_col.as_deref(), Some("999"));
    assert_eq!((aller.header.libelle, aller.contracts), (None, false));
    let [expense, income] = &aller.bordereaux[..] else { panic!("two bordereaux") };
    assert_eq!((expense.domain, income.domain), (Domain::Expense, Domain::Income));
    assert_eq!((expense.is_complete(), income.is_complete()), (Some(true), Some(false)));
    let pieces: Vec<_> = expense.pieces.iter().map(|piece| piece.number.as_deref().unwrap()).collect();
    assert_eq!(pieces, ["412", "413"]);
    assert_eq!(expense.pieces[0].attachments, ["PJ-1"]);
    let [attachment] = &aller.attachments[..] else { panic!("one attachment") };
    assert_eq!(attachment.name.as_deref(), Some("facture.pdf"));
    assert_eq!((attachment.kind.as_deref(), attachment.media_type.as_deref()), (Some("007"), Some("application/pdf")));
    assert_eq!(attachment.content().unwrap().whole().unwrap(), content);
    let place = attachment.place(text.as_bytes()).unwrap();
    let slice = &text.as_bytes()[place];
    assert_eq!(Content::new(slice, ContentLimits::default()).whole().unwrap(), content);
    let copy = text.clone();
    assert!(attachment.place(copy.as_bytes()).is_none(), "the same text elsewhere in memory");
}

#[test]
fn a_content_that_was_not_compressed_comes_as_it_is() {
    for content in [&b""[..], b"a", b"%PDF-1.4", &[0x1f]] {
        assert_eq!(Content::new(base64(content), ContentLimits::default()).whole().unwrap(), content);
    }
}

#[test]
fn a_content_is_refused_when_it_is_not_what_it_says_or_too_much() {
    let limits = ContentLimits::default();
    assert_eq!(Content::new("pas du base64 !", limits).whole(), Err(PesError::Base64));
    assert_eq!(Content::new("YQ==YQ==", limits).whole(), Err(PesError::Base64), "two contents in one");
    let mut cut = gzip(&vec![7; 100_000]);
    cut.truncate(cut.len() - 9);
    assert_eq!(Content::new(base64(&cut), limits).whole(), Err(PesError::Gzip));
    let bomb = base64(&gzip(&vec![0; 50 << 20]));
    assert!(matches!(Content::new(&bomb, limits).whole(), Err(PesError::Expanded(_))), "{} characters", bomb.len());
    let small = ContentLimits { bytes_max: 10, ratio_max: 200 };
    let mut content = Content::new(base64(b"eleven byte"), small);
    assert_eq!(content.piece(), Err(PesError::Expanded(10)));
    assert_eq!(content.piece(), Ok(None));
}

#[test]
fn elements_elsewhere_do_not_count() {
    let text =
        b"<PES_Aller><Autre><Enveloppe><Parametres><NomFic V='x'/></Parametres></Enveloppe><PES_PJ><PJ/></PES_PJ>
        <PES_DepenseAller><Bordereau/></PES_DepenseAller></Autre><CodCol V='1'/></PES_Aller>";
    let document = document(text);
    assert_eq!(Pes::read(&document, &Limits::default()), Ok(Pes::Aller(Aller::default())));
    assert!(Aller::default().is_empty());
}

#[test]
fn limits_are_limits() {
    let pieces = "<Piece/>".repeat(5);
    let text = format!("<PES_Aller><PES_DepenseAller><Bordereau>{pieces}</Bordereau></PES_DepenseAller></PES_Aller>");
    let document = document(text.as_bytes());
    let limits = |pieces_max| Limits { pieces_max, ..Limits::default() };
    assert!(Pes::read(&document, &limits(5)).is_ok());
    assert_eq!(Pes::read(&document, &limits(4)), Err(PesError::Limit { what: "pièces", limit: 4 }));
}

#[test]
fn an_answer_is_matched_and_read() {
    let text = br#"<n:PES_ACQUIT xmlns:n="http://www.minefi.gouv.fr/cp/helios/pes_v2/Rev0/retour/v2">
      <Enveloppe><Parametres><NomFic V="PESALR2_1"/></Parametres></Enveloppe><EnTetePES><CodCol V="999"/></EnTetePES>
      <ACQUIT><ElementACQUIT><DomaineAck V="5"/><EtatAck V="1"/><NumBord V="37"/><ExerciceBord V="2026"/></ElementACQUIT>
      <ElementACQUIT><EtatAck V="0"/><IdUnique V="PJ-1"/><DetailPiece><Erreur><NumAnoAck V="12"/><LibelleAnoAck V="illisible"/></Erreur></DetailPiece></ElementACQUIT>
      </ACQUIT></n:PES_ACQUIT>"#;
    let first = document(text);
    let Pes::Acquit(acquit) = Pes::read(&first, &Limits::default()).unwrap() else { panic!("not an answer") };
    assert_eq!((acquit.refused, acquit.detailed, acquit.elements.len()), (false, true, 2));
    assert_eq!(acquit.elements[0].bordereau.as_deref(), Some("37"));
    assert_eq!((acquit.elements[0].accepted, acquit.elements[1].accepted), (true, false));
    assert_eq!(acquit.elements[1].anomaly.as_deref(), Some("12 illisible"));
    for refusal in [&b"<PES_NonAcquit/>"[..], b"<PES_ACQUIT><NonAcquit/></PES_ACQUIT>"] {
        let document = document(refusal);
        let read = Pes::read(&document, &Limits::default()).unwrap();
        assert!(matches!(read, Pes::Acquit(Acquit { refused: true, .. })));
    }
    let retour = document(b"<PES_Retour><PES_DepenseRetour/><PES_DepenseRetour/><PES_RecetteRetour/></PES_Retour>");
    let Pes::Retour(retour) = Pes::read(&retour, &Limits::default()).unwrap() else { panic!("not a PES_Retour") };
    assert_eq!(retour.blocks, ["PES_DepenseRetour", "PES_RecetteRetour"]);
    assert_eq!(Pes::read(&document(b"<autre/>"), &Limits::default()), Err(PesError::Root("autre".into())));
}

proptest! {
    #[test]
    fn any_content_comes_back(content: Vec<u8>, compressed: bool) {
        let plain_gzip_start = !compressed && content.starts_with(b"\x1f\x8b");
        prop_assume!(!plain_gzip_start);
        let sent = if compressed { gzip(&content) } else { content.clone() };
        prop_assert_eq!(Content::new(base64(&sent), ContentLimits::default()).whole(), Ok(content));
    }

    #[test]
    fn any_text_ends(text: Vec<u8>) {
        let _ = Content::new(text, ContentLimits::default()).whole();
    }
}
