//! Promise: software that speaks to s2low speaks to Archiland without a change but the address and the certificate, and is
//! never told of a state that was not reached. Pastell's s2low connector is played request for request over mutual TLS.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/node.rs"]
mod node;
#[path = "support/platform.rs"]
mod platform;

use archiland::config::HeliosMode;
use archiland::digest::sha256;
use archiland::spec::xml::{Document, Limits};
use base64::Engine as _;
use flate2::Compression;
use flate2::write::GzEncoder;
use platform::{IMPORT, Platform, builder};
use reqwest::Client;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use std::io::Write as _;

const STATUS: &str = "/modules/helios/api/helios_transac_get_status.php?transaction=";
const INVOICE: &[u8] = b"%PDF-1.7 facture";

/// A PES_Aller of one bordereau and one compressed attachment.
fn pes(nom_fic: &str) -> String {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(INVOICE).unwrap();
    let content = base64::engine::general_purpose::STANDARD.encode(gzip.finish().unwrap());
    format!(
        r#"<?xml version="1.0" encoding="ISO-8859-1"?>
<n:PES_Aller xmlns:n="http://www.minefi.gouv.fr/cp/helios/pes_v2/Rev0/aller">
<Enveloppe><Parametres><Version V="2"/><TypFic V="PESALR2"/><NomFic V="{nom_fic}"/></Parametres></Enveloppe>
<EnTetePES><DteStr V="2026-03-05"/><IdPost V="040999"/><IdColl V="21409999800019"/><CodCol V="999"/><CodBud V="00"/></EnTetePES>
<PES_DepenseAller><Bordereau><BlocBordereau><Exer V="2026"/><IdBord V="37"/><NbrPce V="1"/></BlocBordereau>
<Piece><BlocPiece><InfoPce><IdPce V="412"/></InfoPce></BlocPiece></Piece></Bordereau></PES_DepenseAller>
<PES_PJ><PJ><Contenu><Fichier MIMEType="application/pdf">{content}</Fichier></Contenu><IdUnique V="2026-PJ-1"/><NomPJ V="facture.pdf"/></PJ></PES_PJ>
</n:PES_Aller>"#
    )
}

fn acquit(nom_fic: &str, block: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="ISO-8859-1"?><n:PES_ACQUIT xmlns:n="http://www.minefi.gouv.fr/cp/helios/pes_v2/Rev0/retour/v2">
<Enveloppe><Parametres><NomFic V="{nom_fic}"/></Parametres></Enveloppe><EnTetePES><CodCol V="999"/></EnTetePES>{block}</n:PES_ACQUIT>"#
    )
}

impl Platform {
    async fn get(&self, client: &Client, path: &str) -> String {
        let response = client.get(self.url(path)).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        response.text().await.unwrap()
    }

    /// Sends a file as the connector does; the fields of the reply.
    async fn import(&self, client: &Client, file: impl Into<Vec<u8>>) -> Reply {
        let part = Part::bytes(file.into()).file_name("PES 1.xml");
        self.import_form(client, Form::new().part("enveloppe", part)).await
    }

    async fn import_form(&self, client: &Client, form: Form) -> Reply {
        let response = client.post(self.url(IMPORT)).multipart(form).send().await.unwrap();
        assert_eq!(response.status(), 200);
        Reply::parse(&response.text().await.unwrap(), "import")
    }

    async fn status(&self, client: &Client, number: &str) -> Reply {
        Reply::parse(&self.get(client, &format!("{STATUS}{number}")).await, "transaction")
    }
}

/// `<root><name>value</name>…</root>`.
#[derive(Debug)]
struct Reply(Vec<(String, String)>);

impl Reply {
    fn parse(text: &str, root: &str) -> Self {
        assert!(text.is_ascii() && text.starts_with("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>"), "{text}");
        let document = Document::parse(text.as_bytes(), &Limits::default()).unwrap();
        assert_eq!(document.root().name(), root, "{text}");
        let fields = document.root().children().map(|field| (field.name().into_owned(), field.text().into_owned()));
        Self(fields.collect())
    }

    fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value)
    }

    fn names(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| name.as_str()).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pastell_posts_a_pes_and_follows_it() {
    let mut platform = Platform::start().await;
    let client = platform.client(0);
    // ensureLogin, testConnexion, then sendHelios and getStatusHelios of the connector.
    assert_eq!(platform.get(&client, "/admin/users/api-list-login.php").await, "compta\n");
    assert_eq!(platform.get(&client, "/api/test-connexion.php").await, "OK");
    let information: Value = serde_json::from_str(&platform.get(&client, "/api/info-connexion.php").await).unwrap();
    assert_eq!((&information["login"], &information["authority_id"]), (&json!("compta"), &json!("aa")));
    let sent = platform.import(&client, pes("PESALR2_1")).await;
    assert_eq!(sent.names(), ["id", "resultat", "message"]);
    assert_eq!((sent.get("resultat"), sent.get("message")), ("OK", "Téléchargement du fichier réussi."));
    let number = sent.get("id").to_owned();
    assert!(number.parse::<u64>().unwrap() > 0);

    // Nothing was transmitted, and nobody says so.
    let status = platform.status(&client, &number).await;
    assert_eq!(status.names(), ["id", "resultat", "message", "status"]);
    assert_eq!((status.get("id"), status.get("resultat"), status.get("status")), (number.as_str(), "OK", "14"));
    assert_eq!(status.get("message"), "Fichier en attente d'être télétransmis");
    assert_eq!(
        platform.get(&client, &format!("/modules/helios/helios_download_file.php?id={number}")).await,
        pes("PESALR2_1")
    );
    let none = platform.get(&client, &format!("/modules/helios/helios_download_acquit.php?id={number}")).await;
    assert!(none.starts_with("KO\n"), "no client may take this for an answer: {none}");

    // The archive has the file, and its attachment as a document of its own.
    let (token, _) = platform.archive.token(json!({ "agency": "aa", "scopes": ["read", "deposit"] })).await;
    let found: Value = platform.archive.get("/v1/archives?external_id=PESALR2_1", &token).await.json().await.unwrap();
    let found = wait_for_hit(&platform, &token, found).await;
    assert_eq!(found["type"], "pes-aller");
    let id = node::percent(found["archive"].as_str().unwrap());
    let record: Value = platform.archive.get(&format!("/v1/archives/{id}"), &token).await.json().await.unwrap();
    let payloads = record["record"]["body"]["payloads"].as_array().unwrap();
    assert_eq!((&payloads[0]["name"], &payloads[1]["name"]), (&json!("PES 1.xml"), &json!("PJ-0001-facture.pdf")));
    assert_eq!(record["record"]["body"]["dates"]["end"], "2026-12-31");
    let invoice = platform.archive.get(&format!("/v1/archives/{id}/payloads/1"), &token).await.bytes().await.unwrap();
    assert_eq!(invoice, INVOICE);

    // Found by what is in it.
    for question in ["bordereau=37&exercice=2026", "bordereau=37", "piece=412", "pj=2026-PJ-1", "nom_fic=PESALR2_1"] {
        let found = platform.archive.get(&format!("/v1/transmissions?{question}"), &token).await;
        let etag = found.headers()["etag"].clone();
        let found: Value = found.json().await.unwrap();
        assert_eq!(found["transmissions"][0]["transaction"].to_string(), number, "{question}: {found}");
        let same = platform.archive.request(reqwest::Method::GET, &format!("/v1/transmissions?{question}"), &token);
        assert_eq!(same.header("if-none-match", etag).send().await.unwrap().status(), 304);
    }
    let none: Value = platform.archive.get("/v1/transmissions?piece=413", &token).await.json().await.unwrap();
    assert_eq!(none["transmissions"], json!([]));
    let year = "/v1/transmissions/completeness?exercice=2026&domaine=depense";
    let year: Value = platform.archive.get(year, &token).await.json().await.unwrap();
    assert_eq!((&year["budgets"][0]["last"], &year["budgets"][0]["missing_count"]), (&json!(37), &json!(36)), "{year}");

    // States survive the machine: they are in the log.
    platform.archive.stop().await;
    std::fs::remove_dir_all(&platform.archive.config.state).unwrap();
    platform.archive.restart().await;
    let status = platform.status(&client, &number).await;
    assert_eq!(status.get("status"), "14", "{status:?}");
    let again = platform.import(&client, pes("PESALR2_1")).await;
    assert_eq!((again.get("resultat"), again.get("id")), ("KO", ""));
    platform.archive.stop().await;
}

async fn wait_for_hit(platform: &Platform, token: &str, first: Value) -> Value {
    let mut page = first;
    for _ in 0..100 {
        if let Some(hit) = page["archives"].as_array().and_then(|hits| hits.first()) {
            return hit.clone();
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        page = platform.archive.get("/v1/archives?external_id=PESALR2_1", token).await.json().await.unwrap();
    }
    panic!("the archive is not found: {page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_is_told_at_once_or_after_in_the_words_of_s2low() {
    let mut platform = Platform::start().await;
    let client = platform.client(0);
    // At once.
    let none = platform.import_form(&client, Form::new().text("must_signed", "1")).await;
    assert!(none.get("message").starts_with("Aucune enveloppe trouvée"), "{none:?}");
    let empty = platform.import(&client, "").await;
    assert_eq!((empty.get("resultat"), empty.get("message")), ("KO", "Le fichier présenté est vide (0 octet)"));
    let first = platform.import(&client, pes("PESALR2_1")).await;
    let twice = platform.import(&client, pes("PESALR2_1")).await;
    assert_eq!((twice.get("id"), twice.get("resultat")), ("", "KO"));
    assert_eq!(twice.get("message"), "doublon détecté. Ce fichier a déjà été posté.");

    // After an OK: a number, and the state -1 with the reason.
    let good = pes("PESALR2_2");
    let header = |from: &str, to: &str| good.replace(from, to);
    let bordereau_end = good.find("<PES_DepenseAller>").unwrap();
    let empty_pes = format!("{}</n:PES_Aller>", &good[..bordereau_end]);
    for (file, why) in [
        (header("ISO-8859-1", "UTF-8"), "ce fichier n'est pas encodé en ISO-8859-1"),
        (header("</n:PES_Aller>", ""), "ce fichier n'est pas en XML"),
        (header("n:PES_Aller", "n:PES_Autre"), "ce fichier n'est pas un PES_Aller"),
        (empty_pes, "ce fichier ne contient ni bordereau, ni PJ, ni marché"),
        (header("PESALR2_2", ""), "La balise Enveloppe/Parametres/NomFic n'est pas présente ou est vide"),
        (header("<CodCol V=\"999\"/>", ""), "La balise EnTetePES/CodCol n'est pas présente ou est vide"),
        (header("<IdPost V=\"040999\"/>", ""), "La balise EnTetePES/IdPost"),
        (header("<CodBud V=\"00\"/>", ""), "La balise EnTetePES/CodBud"),
        (header("PESALR2_2", "PESALR2_1").replace("412", "413"), "ce fichier existe déjà sur la plateforme"),
    ] {
        let sent = platform.import(&client, file).await;
        assert_eq!(sent.get("resultat"), "OK", "{why}: {sent:?}");
        let status = platform.status(&client, sent.get("id")).await;
        assert_eq!((status.get("resultat"), status.get("status")), ("OK", "-1"), "{why}: {status:?}");
        assert!(status.get("message").contains(why), "{why}: {status:?}");
        let file =
            platform.get(&client, &format!("/modules/helios/helios_download_file.php?id={}", sent.get("id"))).await;
        assert!(file.starts_with("KO\n"), "nothing of it is kept");
    }
    assert_eq!(platform.status(&client, first.get("id")).await.get("status"), "14");

    // A file to be signed waits for that; a name seen in an error is free.
    let part = Part::bytes(good.into_bytes()).file_name("../PES.xml");
    let form = Form::new().text("must_signed", "1").part("enveloppe", part);
    let sent = platform.import_form(&client, form).await;
    assert_eq!(platform.status(&client, sent.get("id")).await.get("status"), "13");

    // Questions that have no answer.
    assert_eq!(platform.status(&client, "").await.get("message"), "Pas de numéro de transaction.");
    assert_eq!(platform.status(&client, "999999").await.get("message"), "Numéro de transaction invalide");
    platform.archive.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signature_that_does_not_hold_ends_in_error() {
    let mut platform = Platform::start().await;
    let client = platform.client(0);
    let signed = include_bytes!("../samples/PESALR2_214099996_251117_037.xml");
    let sent = platform.import(&client, &signed[..]).await;
    let status = platform.status(&client, sent.get("id")).await;
    assert_eq!(status.get("status"), "14", "{status:?}");
    // One amount changed under the signature, in a file of another name.
    let latin1: String = signed.iter().copied().map(char::from).collect();
    let at = latin1.find("<MtHT V=\"").unwrap() + "<MtHT V=\"".len();
    let mut changed: Vec<char> = latin1.replace("NomFic V=\"PESALR2", "NomFic V=\"AUTREP2").chars().collect();
    changed[at] = if changed[at] == '9' { '8' } else { '9' };
    let changed: Vec<u8> = changed.into_iter().map(|c| u8::try_from(c).unwrap()).collect();
    let sent = platform.import(&client, changed).await;
    let status = platform.status(&client, sent.get("id")).await;
    assert_eq!((sent.get("resultat"), status.get("status")), ("OK", "-1"), "{status:?}");
    assert!(status.get("message").contains("La signature du fichier est invalide"), "{status:?}");
    platform.archive.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_are_certificates_logins_and_nonces() {
    let mut platform = Platform::start().await;
    let (own, shared, nobody) = (platform.client(0), platform.client(1), platform.client(2));
    let bare = builder(&platform.server).build().unwrap();
    let logins = platform.get(&shared, "/admin/users/api-list-login.php").await;
    let mut logins: Vec<_> = logins.lines().collect();
    logins.sort_unstable();
    assert_eq!(logins, ["agent-aa", "agent-bb"]);
    assert_eq!(platform.get(&nobody, "/admin/users/api-list-login.php").await, "");

    // Without an account, nothing goes in.
    for client in [&shared, &nobody, &bare] {
        let part = || Form::new().part("enveloppe", Part::bytes(pes("P").into_bytes()).file_name("p.xml"));
        let refused = client.post(platform.url(IMPORT)).multipart(part()).send().await.unwrap();
        assert_eq!(
            (refused.status().as_u16(), refused.text().await.unwrap()),
            (200, "KO\nÉchec de l'authentification".to_owned())
        );
    }
    assert_eq!(platform.status(&nobody, "3").await.get("message"), "Échec de l'authentification");
    // A number is asked for before a name.
    let numberless = platform.status(&nobody, "").await;
    assert_eq!((numberless.get("id"), numberless.get("message")), ("0", "Pas de numéro de transaction."));

    // The login chooses the account; the password is worth nothing over another's certificate.
    let send = async |client: &Client, login: &str, password: &str, name: &str| {
        let form = Form::new().part("enveloppe", Part::bytes(pes(name).into_bytes()).file_name("p.xml"));
        let request = client.post(platform.url(IMPORT)).basic_auth(login, Some(password)).multipart(form);
        request.send().await.unwrap().text().await.unwrap()
    };
    let password = platform.password("agent-bb");
    let sent = Reply::parse(&send(&shared, "agent-bb", &password, "P1").await, "import");
    assert_eq!(sent.get("resultat"), "OK", "{sent:?}");
    for (client, login, password) in
        [(&own, "agent-bb", &*password), (&shared, "agent-aa", &*password), (&shared, "agent-bb", "archi_x")]
    {
        assert!(send(client, login, password, "P2").await.starts_with("KO\n"), "{login}");
    }
    // Another commune's number is refused.
    let other = platform.status(&own, sent.get("id")).await;
    assert_eq!((other.get("resultat"), other.get("message"), other.get("status")), ("KO", "Accès refusé", ""));

    // A nonce stands for the password once.
    let asked = shared.get(platform.url("/api/get-nounce.php")).send().await.unwrap();
    assert_eq!(asked.status(), 401);
    assert!(asked.headers().contains_key("www-authenticate"));
    let asked = shared.get(platform.url("/api/get-nounce.php?api=1")).basic_auth("agent-bb", Some(&password));
    let nonce: Value = asked.send().await.unwrap().json().await.unwrap();
    let nonce = nonce["nounce"].as_str().unwrap();
    let hash = hex::encode(sha256(format!("{password}:{nonce}").as_bytes()));
    let path = format!("{STATUS}{}&nounce={nonce}&login=agent-bb&hash={hash}", sent.get("id"));
    let status = Reply::parse(&platform.get(&shared, &path).await, "transaction");
    assert_eq!(status.get("status"), "14", "{status:?}");
    let again = Reply::parse(&platform.get(&shared, &path).await, "transaction");
    assert_eq!(again.get("resultat"), "KO", "{again:?}");
    platform.archive.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_accountants_files_give_the_states_and_the_archivist_follows() {
    let mut platform = Platform::start().await;
    let client = platform.client(0);
    let (token, _) = platform.archive.token(json!({ "agency": "aa", "scopes": ["deposit"] })).await;
    let answer = async |file: String| {
        let request = platform.archive.request(reqwest::Method::POST, "/v1/transmissions/answers", &token);
        let response = request.header("content-type", "application/xml").body(file).send().await.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap())
    };
    let mut numbers = Vec::new();
    for name in ["P1", "P2", "P3"] {
        numbers.push(platform.import(&client, pes(name)).await.get("id").to_owned());
    }
    let detailed = "<ACQUIT><ElementACQUIT><DomaineAck V=\"5\"/><EtatAck V=\"1\"/></ElementACQUIT></ACQUIT>";
    let files = [acquit("P1", detailed), acquit("P2", ""), acquit("P3", "").replace("PES_ACQUIT", "PES_NonAcquit")];
    for ((number, file), state) in numbers.iter().zip(&files).zip(["8", "4", "6"]) {
        let (status, answered) = answer(file.clone()).await;
        assert_eq!((status, answered["transaction"].to_string()), (201, number.clone()), "{answered}");
        assert_eq!(platform.status(&client, number).await.get("status"), state);
        let fetched = platform.get(&client, &format!("/modules/helios/helios_download_acquit.php?id={number}")).await;
        assert_eq!(&fetched, file);
        assert_eq!(answer(file.clone()).await.0, 200, "sent twice");
    }
    assert_eq!(answer(acquit("INCONNU", "")).await.0, 400, "of no transmission");
    assert_eq!(answer(pes("P9")).await.0, 400, "no answer");

    // list_pes_aller and the change of state, as Pastell's client for archivists asks.
    let list = async |client: &Client, state: &str| {
        let path = format!("/modules/helios/api/list_pes_aller.php?status_id={state}&offset=0&limit=10");
        serde_json::from_str::<Value>(&platform.get(client, &path).await).unwrap()
    };
    let found = list(&client, "8").await;
    let expected = json!({ "status_id": "8", "authority_id": "aa", "offset": "0", "limit": "10", "transactions": [{ "id": numbers[0] }] });
    assert_eq!(found, expected);
    let change = async |number: &str, state: &str| {
        let form = [("api", "1"), ("transaction_id", number), ("status_id", state)];
        let body: Vec<_> = form.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = client.post(platform.url("/modules/helios/helios_transac_change_status_sae.php"));
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(body.join("&"));
        request.send().await.unwrap().text().await.unwrap()
    };
    let done = r#"{"status":"ok","message":"Le status de la transaction a \u00e9t\u00e9 modifi\u00e9e"}"#;
    let impossible = r#"{"status":"error","error-message":"Impossible de changer le status de la transaction"}"#;
    assert_eq!(change(&numbers[0], "10").await, impossible);
    assert_eq!(change(&numbers[0], "3").await, impossible);
    assert_eq!(change("", "10").await, r#"{"status":"error","error-message":"transaction_id incorrect"}"#);
    assert_eq!(change("999999", "10").await, r#"{"status":"error","error-message":"Acc\u00e8s refus\u00e9"}"#);
    assert_eq!(change(&numbers[0], "19").await, done);
    assert_eq!(change(&numbers[0], "10").await, done);
    assert_eq!(platform.status(&client, &numbers[0]).await.get("status"), "10");
    assert_eq!(list(&client, "8").await["transactions"], json!([]));
    assert_eq!(list(&client, "10").await["transactions"], json!([{ "id": numbers[0] }]));

    // Who is no archivist.
    let (login, password) = ("agent-aa", platform.password("agent-aa"));
    let shared = platform.client(1);
    let request = shared.get(platform.url("/modules/helios/api/list_pes_aller.php?status_id=8"));
    let refused = request.basic_auth(login, Some(&password)).send().await.unwrap();
    assert_eq!(refused.status(), 400);
    assert_eq!(refused.text().await.unwrap(), r#"{"error":"L'utilisateur n'est pas archiviste"}"#);

    // A PES_Retour waits to be read, once.
    let retour = "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><n:PES_Retour xmlns:n=\"http://www.minefi.gouv.fr/cp/helios/pes_v2/Rev0/retour\"><Enveloppe><Parametres><NomFic V=\"RETOUR1\"/></Parametres></Enveloppe><EnTetePES><IdColl V=\"21409999800019\"/></EnTetePES></n:PES_Retour>";
    let (status, received) = answer(retour.to_owned()).await;
    assert_eq!(status, 201, "{received}");
    let number = received["transaction"].to_string();
    let listed = platform.get(&client, "/modules/helios/api/helios_get_list.php").await;
    let listed = Reply::parse(&listed, "liste");
    assert_eq!(listed.names(), ["idColl", "resultat", "message", "dateDemande", "pes_retour"]);
    assert_eq!((listed.get("idColl"), listed.get("resultat"), listed.get("message")), ("aa", "", "liste réussi"));
    let fetched = platform.get(&client, &format!("/modules/helios/api/helios_get_retour.php?id={number}")).await;
    assert_eq!(fetched, retour);
    let lost = platform.get(&client, "/modules/helios/api/helios_get_retour.php?id=999999").await;
    let lost = Reply::parse(&lost, "get_retour");
    let words = (lost.get("id"), lost.get("resultat"), lost.get("message"));
    assert_eq!(words, ("999999", "KO", "retour id n'est pas correcte"));
    let path = format!("/modules/helios/api/helios_change_status.php?id={number}");
    let read = Reply::parse(&platform.get(&client, &path).await, "transaction");
    assert_eq!((read.get("idRetour"), read.get("resultat")), (number.as_str(), "OK"));
    let listed = Reply::parse(&platform.get(&client, "/modules/helios/api/helios_get_list.php").await, "liste");
    assert_eq!(listed.names(), ["idColl", "resultat", "message", "dateDemande"]);
    let unknown = platform.get(&client, "/modules/helios/api/helios_get_retour.php?id=1").await;
    assert_eq!(Reply::parse(&unknown, "get_retour").get("resultat"), "KO");
    platform.archive.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sandbox_answers_and_everything_says_that_it_is_one() {
    let mut platform = Platform::start_in(HeliosMode::Sandbox).await;
    let client = platform.client(0);
    let information: Value = serde_json::from_str(&platform.get(&client, "/api/info-connexion.php").await).unwrap();
    assert_eq!(information["mode"], "sandbox");
    let (token, _) = platform.archive.token(json!({ "agency": "aa", "scopes": ["read"] })).await;
    for (name, state) in [("P1", "8"), ("P_SIMPLE", "4"), ("P_REFUS", "6"), ("P_ERREUR", "8")] {
        let number = platform.import(&client, pes(name)).await.get("id").to_owned();
        let mut status = platform.status(&client, &number).await;
        for _ in 0..200 {
            assert!(status.get("message").starts_with("[BAC À SABLE] "), "{status:?}");
            if status.get("status") == state {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            status = platform.status(&client, &number).await;
        }
        assert_eq!(status.get("status"), state, "{name}: {status:?}");
        let answer = platform.get(&client, &format!("/modules/helios/helios_download_acquit.php?id={number}")).await;
        assert!(answer.contains("BAC A SABLE"), "{answer}");
        let told: Value =
            platform.archive.get(&format!("/v1/transmissions/{number}"), &token).await.json().await.unwrap();
        let states: Vec<_> = told["history"].as_array().unwrap().iter().map(|step| step["state"].to_string()).collect();
        assert_eq!(states, ["1", "2", "3", state], "{told}");
        let id = node::percent(told["archive"].as_str().unwrap());
        let record: Value = platform.archive.get(&format!("/v1/archives/{id}"), &token).await.json().await.unwrap();
        assert!(record["record"]["body"]["title"].as_str().unwrap().starts_with("[BAC À SABLE] "));
    }
    platform.archive.stop().await;
}
