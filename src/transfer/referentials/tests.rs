//! VITAM's files are read; what is wrong in one is told with its line and column; one state has one digest.
#![allow(clippy::unwrap_used)]

use super::*;

fn load(files: &[(&str, &str)]) -> Result<Referentials, ReferentialError> {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    Referentials::load(directory.path())
}

fn faults(text: &str) -> Vec<String> {
    read_file("f", text.as_bytes(), None).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn files_of_every_kind_add_up() {
    let rules = "RuleId,RuleType,RuleValue,RuleDescription,RuleDuration,RuleMeasurement\n\
                 APP-1,AppraisalRule,Dossiers,\"Deux\nlignes, et \"\"guillemets\"\"\",10,YEAR\n\
                 HOL-2,HoldRule,Gel,,,\nHOL-4,HoldRule,Gel,,unlimited,Year\n";
    let loaded = load(&[
        ("r.csv", rules),
        ("a.csv", "Identifier;Name;Description\nA;Mairie;x\n"),
        ("b.csv", "Identifier,Name,Description\nB,Préfecture,y\n"),
        ("c.json", r#"[{"Identifier":"IC","Name":"n","Status":"INACTIVE","ArchiveProfiles":["P"]}]"#),
        ("p.json", r#"[{"Identifier":"P","Format":"RNG","Status":"ACTIVE"}]"#),
    ])
    .unwrap();
    let rules = loaded.rules.unwrap();
    assert_eq!(rules["APP-1"].duration, Duration::Of(10, Measure::Year));
    assert_eq!((rules["HOL-2"].duration, rules["HOL-4"].duration), (Duration::Undefined, Duration::Unlimited));
    assert_eq!(loaded.agencies.unwrap().len(), 2);
    assert_eq!(loaded.contracts.unwrap()["IC"].status, Status::Inactive);
    assert!(loaded.profiles.unwrap().contains_key("P"));
}

#[test]
fn every_fault_is_told_with_its_line_and_column() {
    let told = faults(
        "RuleId,RuleType,RuleDuration,RuleMeasurement\nX,Foo,1,Year\nY,HoldRule,un,Year\nZ,HoldRule,1,Year\nZ,HoldRule,1,Year\n",
    );
    assert_eq!(
        told,
        [
            "ligne 2, colonne 2 (RuleType) : type de règle inconnu : « Foo »",
            "ligne 3, colonne 3 (RuleDuration) : durée « un »",
            "ligne 5, colonne 1 (RuleId) : « Z » est déjà donné ligne 4",
        ]
    );
    assert_eq!(faults("RuleId,RuleType\nX,HoldRule\n").len(), 2);
    assert!(faults("RuleId,RuleType\n\"X,HoldRule\n")[0].contains("jamais fermé"));
    assert!(faults("Nom\nX\n")[0].contains("ni règles"));
    assert_eq!(faults("Identifier,Name\nA,\n"), ["ligne 2, colonne 2 (Name) : le service « A » n'a pas de nom"]);
    assert_eq!(faults(""), ["le fichier est vide"]);
}

#[test]
fn faults_of_json_have_their_line_and_member() {
    let text = "[\n {\"Identifier\":\"A\",\"Status\":\"ACTIVE\"},\n {\"Identifier\":\"B\",\n  \"Status\":\"PARFOIS\"},\n {\"Name\":\"C\",\"Status\":\"ACTIVE\"}\n]";
    let told = faults(text);
    assert!(told[0].starts_with("ligne 4, colonne Status : valeur inconnue « PARFOIS »"), "{told:?}");
    assert_eq!(told[1], "ligne 5, colonne Identifier : identifiant absent ou vide");
    assert!(faults("[{\"Identifier\":\n]")[0].starts_with("ligne 2, colonne "));
    let mixed = "[{\"Identifier\":\"A\",\"Status\":\"ACTIVE\"},{\"Identifier\":\"P\",\"Format\":\"RNG\"}]";
    assert_eq!(faults(mixed), ["ligne 1 : profils d'archivage et non contrats d'entrée"]);
}

#[test]
fn contracts_come_from_tables_too() {
    let table = "Identifier;Status;FormatType;EveryFormatType;UnitsMax;SignatureVerification\n\
                 IC-1;ACTIVE;fmt/18|fmt/354;non;100;REQUIRE\n";
    let given = read_file("c.csv", table.as_bytes(), Some(List::Contracts)).unwrap();
    let read = referentials([(given.list, &given.entries)]).unwrap();
    let contract = &read.contracts.unwrap()["IC-1"];
    assert_eq!(contract.format_type.len(), 2);
    assert_eq!((contract.every_format_type, contract.units_max), (Some(false), Some(100)));
    assert_eq!(contract.signature_verification, SignatureVerification::Require);
    assert_eq!(
        faults("Identifier;Status;UnitsMax\nIC;ACTIVE;cent\n"),
        ["ligne 2, colonne 3 (UnitsMax) : « cent » : un nombre est attendu"]
    );
}

#[test]
fn a_change_says_what_it_does_and_a_state_has_one_digest() {
    let read = |text: &str| read_file("a.csv", text.as_bytes(), None).unwrap().entries;
    let before = read("Identifier,Name\nA,a\nB,b\n");
    let change = apply(&before, read("Identifier,Name\nB,bb\nC,c\n"), Mode::Merge);
    assert_eq!(
        (&change.added[..], &change.changed[..], change.removed.len()),
        (&["C".into()][..], &["B".into()][..], 0)
    );
    assert_eq!(change.after.len(), 3);
    let replaced = apply(&before, read("Identifier,Name\nB,b\n"), Mode::Replace);
    assert_eq!((replaced.changed.len(), &replaced.removed[..]), (0, &["A".to_owned()][..]));
    let bytes = to_bytes(&change.after).unwrap();
    let again = from_bytes(List::Agencies, &bytes).unwrap();
    assert_eq!(again, change.after);
    assert_eq!(to_bytes(&again).unwrap(), bytes);
    // An empty list is still a list of its kind.
    assert_eq!(from_bytes(List::Rules, &to_bytes(&Entries::new()).unwrap()).unwrap(), Entries::new());
}

#[test]
fn names_of_nothing_are_told() {
    let given = |text: &str| read_file("f", text.as_bytes(), None).unwrap();
    let contracts = given(r#"[{"Identifier":"IC","Status":"ACTIVE","ArchiveProfiles":["P","Q"]}]"#);
    let profiles = given(r#"[{"Identifier":"P","Format":"RNG","Path":"p.rng"}]"#);
    let known = referentials([(profiles.list, &profiles.entries)]).unwrap();
    assert_eq!(dangling(List::Contracts, &contracts.entries, &known), ["« IC » nomme le profil « Q », inconnu"]);
    assert_eq!(dangling(List::Profiles, &profiles.entries, &known), ["« P » nomme la grammaire « p.rng », inconnu"]);
}
