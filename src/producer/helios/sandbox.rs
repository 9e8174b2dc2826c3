//! The answers of the sandbox: what an accountant's system might send, each labelled as made up.

use crate::package::Flow;

/// What every title and message of a sandbox begins with.
pub const SANDBOX: &str = "[BAC À SABLE] ";

/// The answer that a file gets, by its name: `REFUS` in `NomFic` is refused, `ERREUR` acknowledged with an anomaly,
/// `SIMPLE` acknowledged without details, and all the others acknowledged bordereau by bordereau. ISO-8859-1 declared,
/// ASCII written.
pub fn sandbox_answer(flow: &Flow) -> String {
    let name = flow.nom_fic.as_deref().unwrap_or_default();
    let value =
        |tag: &str, text: &str| format!("<{tag} V=\"{}\"/>", super::reply::escaped(text).replace('"', "&quot;"));
    let field = |tag: &str, text: &Option<String>| text.as_ref().map(|text| value(tag, text)).unwrap_or_default();
    let (root, block) = if name.contains("REFUS") {
        ("PES_NonAcquit", String::new())
    } else if name.contains("SIMPLE") {
        ("PES_ACQUIT", String::new())
    } else {
        let anomaly = name.contains("ERREUR");
        let state = if anomaly { "<EtatAck V=\"0\"/>" } else { "<EtatAck V=\"1\"/>" };
        let error = "<Erreur><NumAnoAck V=\"0\"/><LibelleAnoAck V=\"Anomalie simulee (bac a sable)\"/></Erreur>";
        let error = if anomaly { error } else { "" };
        let bordereaux = flow.bordereaux.iter().map(|bordereau| {
            let (number, year) = (field("NumBord", &bordereau.number), field("ExerciceBord", &bordereau.exercice));
            format!("<ElementACQUIT><DomaineAck V=\"5\"/>{state}{number}{year}{error}</ElementACQUIT>\n")
        });
        let attachments = flow.attachments.iter().map(|attachment| {
            let identifier = value("IdUnique", attachment);
            format!("<ElementACQUIT><DomaineAck V=\"4\"/>{state}{identifier}{error}</ElementACQUIT>\n")
        });
        let elements: String = bordereaux.chain(attachments).collect();
        ("PES_ACQUIT", format!("<ACQUIT><EnTeteAcquit><IdVer V=\"2\"/></EnTeteAcquit>\n{elements}</ACQUIT>\n"))
    };
    let header = [
        field("DteStr", &flow.dte_str),
        field("IdPost", &flow.id_post),
        field("IdColl", &flow.id_coll),
        field("CodCol", &flow.cod_col),
        field("CodBud", &flow.cod_bud),
    ];
    format!(
        "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<!-- BAC A SABLE : reponse simulee, rien n'a ete transmis -->\n\
         <n:{root} xmlns:n=\"http://www.minefi.gouv.fr/cp/helios/pes_v2/Rev0/retour/v2\">\n\
         <Enveloppe><Parametres><Version V=\"2\"/><TypFic V=\"PESALR2\"/>{}</Parametres>\
         <Emetteur><Sigle V=\"BAC A SABLE\"/></Emetteur></Enveloppe>\n<EnTetePES>{}</EnTetePES>\n{block}</n:{root}>\n",
        value("NomFic", name),
        header.concat()
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::package::FlowBordereau;
    use crate::spec::pes::{Limits, Pes};
    use crate::spec::xml::{self, Document};

    #[test]
    fn the_sandbox_answers_by_name_and_says_what_it_is() {
        for (name, refused, detailed, accepted) in [
            ("P\"1&é", false, true, true),
            ("P_REFUS", true, false, true),
            ("P_SIMPLE", false, false, true),
            ("P_ERREUR", false, true, false),
        ] {
            let bordereau = FlowBordereau { number: Some("37".into()), ..FlowBordereau::default() };
            let flow = Flow {
                nom_fic: Some(name.into()),
                cod_col: Some("999".into()),
                bordereaux: vec![bordereau],
                attachments: vec!["PJ-1".into()],
                ..Flow::default()
            };
            let text = sandbox_answer(&flow);
            assert!(text.is_ascii() && text.contains("BAC A SABLE"));
            let document = Document::parse(text.as_bytes(), &xml::Limits::default()).unwrap();
            let Pes::Acquit(read) = Pes::read(&document, &Limits::default()).unwrap() else { panic!("{text}") };
            assert_eq!((read.refused, read.detailed), (refused, detailed), "{name}");
            assert_eq!(read.parameters.nom_fic.as_deref(), Some(name));
            assert_eq!(read.header.cod_col.as_deref(), Some("999"));
            assert!(read.elements.iter().all(|element| element.accepted == accepted), "{name}");
            assert_eq!(read.elements.len(), if detailed { 2 } else { 0 });
        }
    }
}
