//! Electoral lists: the export of the register, checked by row and column; voters stay in the file.

use super::{archive, deposited, errors, record, send};

const COLUMNS: &str = "\"code de l'ugle\";\"libellé de l'ugle\";\"libellé du type de liste\";\"nom de naissance\";\"nom d'usage\";\"prénoms\";\"sexe\";\"date de naissance\";\"code commune de naissance\";\"libellé commune de naissance\";\"code département de naissance\";\"pays de naissance\";\"libellé nationalité\";\"numéro de voie\";\"libellé de voie\";\"complément 1\";\"complément 2\";\"lieu-dit\";\"code postal\";\"commune\";\"pays\";\"code du bureau de vote\";\"libellé du bureau de vote\";\"code circonscription législative\";\"libellé canton\";\"libellé circonscription métropolitaine\";numéro d'ordre\n";

fn voter(name: &str, birth: &str, office: &str, number: &str) -> String {
    format!(
        "\"99999\";\"ESSAI-SUR-ADOUR\";\"Liste principale\";\"{name}\";;\"Ane\";\"F\";\"{birth}\";\"40999\";\"ESSAI\";\"40\";\"FRANCE\";\"Française\";\"1\";\"rue du Test\";;;;\"40999\";\"ESSAI\";\"FRANCE\";\"{office}\";\"Mairie\";\"01\";\"Canton\";;{number}\n"
    )
}

#[tokio::test]
async fn a_list_is_a_version_and_its_voters_are_in_no_index() {
    let (mut archive, token) = archive("mairie", &["listes-electorales"]).await;
    let first =
        format!("{COLUMNS}{}{}", voter("DUPONTEL", "01/02/1960", "1", "1"), voter("MARTINET", "03/04/1971", "2", "1"));
    let made = deposited(send(&archive, &token, "listes-electorales", first.clone()).await, 201).await;
    assert_eq!(made[0]["title"], "Liste électorale de ESSAI-SUR-ADOUR : Liste principale, 2 électeurs");
    assert_eq!(made[0]["warnings"], serde_json::Value::Null, "the same number in two offices is no duplicate");
    let kept = record(&archive, &token, &made[0]).await;
    assert!(!kept["produced"].to_string().contains("DUPONTEL"));
    let later = first + &voter("NOUVEAU", "00/00/1953", "", "1") + &voter("ENCORE", "05/06/1980", "2", "1");
    let made = deposited(send(&archive, &token, "listes-electorales", later).await, 201).await;
    let warnings = made[0]["warnings"].to_string();
    for place in ["ligne 4", "date de naissance", "code du bureau de vote", "ligne 5", "ligne 3"] {
        assert!(warnings.contains(place), "{place}: {warnings}");
    }
    let kept = record(&archive, &token, &made[0]).await;
    assert_eq!(
        (kept["produced"]["fields"]["version"].as_str(), kept["links"][0]["relation"].as_str()),
        (Some("2"), Some("replaces"))
    );
    archive.stop().await;
}

#[tokio::test]
async fn another_file_is_refused_by_row_and_column() {
    let (mut archive, token) = archive("mairie", &["listes-electorales"]).await;
    let good = voter("A", "01/02/1960", "1", "1");
    let missing = COLUMNS.replace("\"lieu-dit\";", "");
    let cases = [
        (COLUMNS.replace("nom de naissance", "NOM FAMILLE") + &good, "producer-column @ ligne 1, colonne 4"),
        (format!("{COLUMNS}{good}").replace(';', ","), "producer-column @ ligne 1"),
        (format!("PK\u{3}\u{4}{COLUMNS}"), "producer-syntax @ -"),
        (missing + &good, "producer-column @ ligne 1"),
        (COLUMNS.replace("\"pays\"", "\"commune\"") + &good, "producer-column @ ligne 1, colonne 21"),
        (
            format!("{COLUMNS}{}", good.replace("\"A\"", "\"\"")),
            "producer-field-missing @ ligne 2, colonne « nom de naissance »",
        ),
    ];
    for (sent, expected) in cases {
        let refused = errors(send(&archive, &token, "listes-electorales", sent).await, 422).await;
        assert!(refused.iter().any(|one| one == expected), "{expected}: {refused:?}");
    }
    // As the register itself writes some of its columns.
    let other = COLUMNS
        .replace("code de l'ugle", "code du l'ugle")
        .replace("numéro d'ordre", "numéro d'ordre dans le bureau de vote")
        .replace("\"libellé canton\"", "\"libellé canton du bureau de vote\"");
    deposited(send(&archive, &token, "listes-electorales", other + &good).await, 201).await;
    archive.stop().await;
}
