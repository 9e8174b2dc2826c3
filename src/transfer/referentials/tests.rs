//! VITAM's files are read; what is wrong in one is told with its line.
#![allow(clippy::unwrap_used)]

use super::*;

fn load(files: &[(&str, &str)]) -> Result<Referentials, ReferentialError> {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    Referentials::load(directory.path())
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
fn faults_are_located() {
    let told = |text: &str| load(&[("r.csv", text)]).unwrap_err().detail;
    assert!(told("RuleId,RuleType,RuleDuration,RuleMeasurement\nX,Foo,1,Year\n").starts_with("ligne 2"));
    assert!(told("RuleId,RuleType,RuleDuration,RuleMeasurement\nX,HoldRule,un,Year\n").contains("« un »"));
    assert!(told("RuleId,RuleType\n\"X,HoldRule\n").contains("jamais fermé"));
    assert!(told("Nom\nX\n").contains("ni règles"));
}
