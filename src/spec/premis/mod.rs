//! PREMIS 3.0 (Library of Congress, namespace `http://www.loc.gov/premis/v3`; 2 is read too): the objects of a package, what
//! happened to them, and who did it. Elements outside the namespace are not looked at. Bounded by the document's own
//! limits, [`OBJECTS_MAX`] and [`EVENTS_MAX`]; linear in the document.

use super::xml::{Document, Element, Limits, XmlError};
use std::collections::HashMap;
use thiserror::Error;

/// Most objects, and most agents.
pub const OBJECTS_MAX: usize = 5_000;
/// Most events.
pub const EVENTS_MAX: usize = 5_000;

const NAMESPACES: [&str; 2] = ["http://www.loc.gov/premis/v3", "info:lc/xmlns/premis-v2"];
const INSTANCE: &str = "type";
const LIMITS: Limits = Limits {
    size_bytes_max: 16 << 20,
    depth_max: 64,
    nodes_max: 1 << 19,
    attributes_max: 1 << 8,
    namespaces_max: 1 << 8,
};

/// A PREMIS document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Premis {
    /// Its objects, in order.
    pub objects: Vec<Object>,
    /// Its events, in order.
    pub events: Vec<Event>,
}

/// An object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Object {
    /// Its `xsi:type` without prefix: `file`, `intellectualEntity`, …
    pub kind: String,
    /// `originalName`.
    pub name: Option<String>,
    /// `significantPropertiesType` and `…Value`.
    pub properties: Vec<(String, String)>,
    /// `messageDigestAlgorithm` and `messageDigest` of every `fixity`.
    pub fixity: Vec<(String, String)>,
}

/// An event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// `eventType`.
    pub kind: String,
    /// `eventDateTime`.
    pub time: Option<String>,
    /// `eventOutcome`.
    pub outcome: Option<String>,
    /// `eventOutcomeDetailNote`, or `eventDetail`.
    pub note: Option<String>,
    /// Name of the agent linked, or its identifier, with its role.
    pub agent: Option<String>,
}

/// Why a PREMIS document cannot be read.
#[derive(Debug, Error)]
pub enum PremisError {
    /// It is not well-formed, or beyond limits.
    #[error("XML : {0}")]
    Xml(#[from] XmlError),
    /// Its root is another.
    #[error("la racine n'est pas celle de PREMIS 3.0")]
    NotPremis,
    /// More objects, agents or events than allowed.
    #[error("plus de {0} objets ou événements")]
    TooMany(usize),
}

impl Object {
    /// The value of a property.
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Premis {
    /// Reads a document.
    ///
    /// # Errors
    ///
    /// What is no PREMIS, or beyond the limits.
    pub fn parse(bytes: &[u8]) -> Result<Self, PremisError> {
        let document = Document::parse(bytes, &LIMITS)?;
        let root = document.root();
        if root.name() != "premis" || !NAMESPACES.contains(&root.namespace()) {
            return Err(PremisError::NotPremis);
        }
        let mut premis = Self::default();
        let mut agents = HashMap::new();
        for child in children(&root) {
            match child.name().as_ref() {
                "object" => premis.objects.push(object(&child)),
                "event" => premis.events.push(event(&child)),
                "agent" => agent(&child, &mut agents),
                _ => {}
            }
            if premis.objects.len().max(agents.len()) > OBJECTS_MAX || premis.events.len() > EVENTS_MAX {
                return Err(PremisError::TooMany(OBJECTS_MAX));
            }
        }
        for event in &mut premis.events {
            if let Some(linked) = event.agent.take() {
                let (id, role) = linked.split_once('\n').unwrap_or((&linked, ""));
                let name = agents.get(id).map_or(id, String::as_str);
                event.agent = Some(if role.is_empty() { name.to_owned() } else { format!("{name} ({role})") });
            }
        }
        Ok(premis)
    }
}

fn children<'d>(element: &Element<'d>) -> impl Iterator<Item = Element<'d>> + use<'d> {
    element.children().filter(|child| NAMESPACES.contains(&child.namespace()))
}

/// The text at a path of names below.
fn text(element: &Element<'_>, path: &[&str]) -> Option<String> {
    let Some((first, rest)) = path.split_first() else {
        let text = element.text();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        return (!text.is_empty()).then_some(text);
    };
    children(element).filter(|child| child.name() == *first).find_map(|child| text(&child, rest))
}

fn object(element: &Element<'_>) -> Object {
    let kind = element.attribute(INSTANCE).or_else(|| element.attribute("xsi:type")).unwrap_or_default();
    let kind = kind.rsplit(':').next().unwrap_or_default().to_owned();
    let mut object = Object { kind, name: text(element, &["originalName"]), ..Object::default() };
    for child in children(element) {
        if child.name() == "significantProperties" {
            let name = text(&child, &["significantPropertiesType"]);
            let value = text(&child, &["significantPropertiesValue"]);
            object.properties.extend(name.zip(value));
        } else if child.name() == "objectCharacteristics" {
            for fixity in children(&child).filter(|child| child.name() == "fixity") {
                let algorithm = text(&fixity, &["messageDigestAlgorithm"]);
                object.fixity.extend(algorithm.zip(text(&fixity, &["messageDigest"])));
            }
        }
    }
    object
}

fn event(element: &Element<'_>) -> Event {
    let outcome = |path: &[&str]| text(element, &[&["eventOutcomeInformation"], path].concat());
    let agent = text(element, &["linkingAgentIdentifier", "linkingAgentIdentifierValue"]);
    let role = text(element, &["linkingAgentIdentifier", "linkingAgentRole"]);
    Event {
        kind: text(element, &["eventType"]).unwrap_or_default(),
        time: text(element, &["eventDateTime"]),
        outcome: outcome(&["eventOutcome"]),
        note: outcome(&["eventOutcomeDetail", "eventOutcomeDetailNote"])
            .or_else(|| text(element, &["eventDetailInformation", "eventDetail"])),
        // A name has no line end (`text`): the two come apart again once the agents are known.
        agent: agent.map(|id| format!("{id}\n{}", role.unwrap_or_default())),
    }
}

fn agent(element: &Element<'_>, agents: &mut HashMap<String, String>) {
    let id = text(element, &["agentIdentifier", "agentIdentifierValue"]);
    if let Some((id, name)) = id.zip(text(element, &["agentName"])) {
        agents.insert(id, name);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SAMPLE: &str = r#"<premis xmlns="http://www.loc.gov/premis/v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" version="3.0">
      <object xsi:type="intellectualEntity">
        <significantProperties><significantPropertiesType>i_Parapheur_reserved_type</significantPropertiesType>
          <significantPropertiesValue>Actes</significantPropertiesValue></significantProperties>
        <originalName>Arrêté 12</originalName></object>
      <object xsi:type="file"><objectCharacteristics><fixity><messageDigestAlgorithm>SHA-256</messageDigestAlgorithm>
        <messageDigest>ab</messageDigest></fixity></objectCharacteristics><originalName>arrete.pdf</originalName></object>
      <event><eventType>SIGNATURE</eventType><eventDateTime>2026-03-02T10:00:00+01:00</eventDateTime>
        <eventOutcomeInformation><eventOutcome>success</eventOutcome><eventOutcomeDetail>
          <eventOutcomeDetailNote>Bon pour accord</eventOutcomeDetailNote></eventOutcomeDetail></eventOutcomeInformation>
        <linkingAgentIdentifier><linkingAgentIdentifierValue>u1</linkingAgentIdentifierValue>
          <linkingAgentRole>Maire</linkingAgentRole></linkingAgentIdentifier></event>
      <agent><agentIdentifier><agentIdentifierValue>u1</agentIdentifierValue></agentIdentifier><agentName>A. Ndiaye</agentName></agent>
    </premis>"#;

    #[test]
    fn objects_events_and_agents() {
        let premis = Premis::parse(SAMPLE.as_bytes()).unwrap();
        assert_eq!(premis.objects[0].property("i_Parapheur_reserved_type"), Some("Actes"));
        assert_eq!((premis.objects[0].kind.as_str(), premis.objects[1].kind.as_str()), ("intellectualEntity", "file"));
        assert_eq!(premis.objects[1].fixity, [("SHA-256".to_owned(), "ab".to_owned())]);
        let event = &premis.events[0];
        assert_eq!(event.agent.as_deref(), Some("A. Ndiaye (Maire)"));
        assert_eq!((event.kind.as_str(), event.note.as_deref()), ("SIGNATURE", Some("Bon pour accord")));
    }

    #[test]
    fn what_is_no_premis() {
        assert!(matches!(Premis::parse(b"<premis/>"), Err(PremisError::NotPremis)));
        assert!(matches!(Premis::parse(b"<a"), Err(PremisError::Xml(_))));
    }

    proptest! {
        #[test]
        fn any_damage(at in 0..SAMPLE.len(), byte in any::<u8>()) {
            let mut bytes = SAMPLE.as_bytes().to_vec();
            bytes[at] = byte;
            let _ = Premis::parse(&bytes);
            let _ = Premis::parse(&bytes[..at]);
        }
    }
}
