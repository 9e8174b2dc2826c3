//! The sample documents of `samples/`, in the program: the demonstration needs nothing else.

/// A sample document and what is said of it when it is deposited.
#[derive(Debug)]
pub(super) struct Sample {
    /// File name.
    pub(super) name: &'static str,
    /// Content.
    pub(super) content: &'static [u8],
    /// Code of the document type.
    pub(super) document_type: &'static str,
    /// Title.
    pub(super) title: &'static str,
    /// The producer's identifier.
    pub(super) external_id: &'static str,
    /// Date of the document, `YYYY-MM-DD`.
    pub(super) created: &'static str,
}

/// The agency the samples belong to: an invented commune, its SIREN and name.
pub(super) const AGENCY: (&str, &str) = ("214099996", "Commune de Sainte-Quitterie-les-Pins (essai)");

/// All of them.
pub(super) const SAMPLES: [Sample; 5] = [
    Sample {
        name: "PESALR2_214099996_251117_037.xml",
        content: include_bytes!("../../samples/PESALR2_214099996_251117_037.xml"),
        document_type: "pes-aller",
        title: "Bordereau de mandats n° 37, exercice 2025",
        external_id: "PESALR2_214099996_251117_037",
        created: "2025-11-17",
    },
    Sample {
        name: "deliberation-2025-11-041.pdf",
        content: include_bytes!("../../samples/deliberation-2025-11-041.pdf"),
        document_type: "deliberation",
        title: "Délibération n° 2025-11-041 : convention d'archivage électronique",
        external_id: "2025-11-041",
        created: "2025-11-12",
    },
    Sample {
        name: "courrier-2025A-118.eml",
        content: include_bytes!("../../samples/courrier-2025A-118.eml"),
        document_type: "courrier-arrive",
        title: "Demande de permission de voirie, route du Lavoir",
        external_id: "MAIRIE/2025A/118",
        created: "2025-11-04",
    },
    Sample {
        name: "liste-electorale-40998-2025.csv",
        content: include_bytes!("../../samples/liste-electorale-40998-2025.csv"),
        document_type: "liste-electorale",
        title: "Liste électorale générale, 2025",
        external_id: "REU-40998-2025",
        created: "2025-11-17",
    },
    Sample {
        name: "ticket-4127.zip",
        content: include_bytes!("../../samples/ticket-4127.zip"),
        document_type: "ticket",
        title: "Ticket n° 4127 : imprimante de la mairie en panne",
        external_id: "GLPI-4127",
        created: "2025-10-22",
    },
];

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_what_they_say_and_small() {
        let total: usize = SAMPLES.iter().map(|s| s.content.len()).sum();
        assert!(total < 300 * 1024, "{total} bytes in the binary");
        let starts: [&[u8]; 5] = [
            b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>",
            b"%PDF-1.7",
            b"From:",
            b"\"code de l'ugle\";",
            b"PK\x03\x04",
        ];
        for (sample, start) in SAMPLES.iter().zip(starts) {
            assert!(sample.content.starts_with(start), "{}", sample.name);
        }
        assert_eq!(std::str::from_utf8(SAMPLES[3].content).unwrap().lines().count(), 241);
    }

    #[test]
    fn samples_have_types_the_archive_knows() {
        let policies = crate::admission::Policies::embedded().unwrap();
        for sample in &SAMPLES {
            assert!(policies.document_type(sample.document_type).is_some(), "{}", sample.document_type);
        }
    }
}
