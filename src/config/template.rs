//! The file that `archiland init` writes: every setting that matters, said in French.

use super::{Config, HeliosMode, Limits, StoreConfig};
use std::fmt::Write;
use std::path::Path;

pub(super) fn render(config: &Config) -> String {
    let mut out = String::with_capacity(4096);
    // Writing into a String does not fail.
    let _ = write(&mut out, config);
    out
}

fn write(out: &mut String, config: &Config) -> std::fmt::Result {
    let base = config.base.as_path();
    writeln!(
        out,
        "# Archiland. Les chemins relatifs partent du dossier de ce fichier ; une clé inconnue est refusée."
    )?;
    writeln!(out, "# Vérifier : archiland config check\n")?;
    writeln!(out, "[archive]")?;
    writeln!(
        out,
        "# Ces trois noms sont dans chaque identifiant et chaque preuve : ils ne changent plus après « init »."
    )?;
    writeln!(out, "# naan : autorité nommante des ARK (99999 = essais ; demander le sien à arks.org).")?;
    writeln!(out, "naan = {}", text(&config.archive.naan))?;
    writeln!(out, "log = {}", text(&config.archive.log))?;
    writeln!(out, "origin = {}\n", text(&config.archive.origin))?;
    write_store(out, config)?;
    writeln!(
        out,
        "# Vues reconstruites depuis le compartiment, verrou, plus grand journal vu, journal des signatures (signatures/)."
    )?;
    writeln!(out, "[state]\npath = {}\n", path(&config.state, base))?;
    writeln!(
        out,
        "# Clés du journal, de l'horodatage et du cachet. À sauvegarder hors ligne ; jamais dans le compartiment."
    )?;
    super::keys::render(out, &path(&config.keys, base), config.key_warn_days, config.pkcs11.as_ref())?;
    config.timestamp.render(out, base)?;
    writeln!(out, "# Témoins qui cosignent nos points de contrôle (politique C2SP tlog-policy) : docs/temoins.md.")?;
    match &config.witness.policy {
        None => writeln!(out, "# [witness]\n# policy = \"temoins.txt\"\n# mode = \"open\"\n")?,
        Some(file) => {
            let mode = if config.witness.mode == super::WitnessMode::Closed { "closed" } else { "open" };
            writeln!(out, "[witness]\npolicy = {}\nmode = \"{mode}\"", path(file, base))?;
            writeln!(out, "every_s = {}\n", config.witness.every_s)?;
        }
    }
    let mark = if config.evidence == super::Evidence::default() { "# " } else { "" };
    writeln!(
        out,
        "# Preuves RFC 4998 : secondes pendant lesquelles on attend des voisins avant d'horodater leur arbre."
    )?;
    writeln!(out, "[evidence]\n{mark}every_s = {}\n", config.evidence.every_s)?;
    write_transfers(out, &config.transfers)?;
    writeln!(out, "[http]\nlisten = {}\n", text(&config.http.listen.to_string()))?;
    match &config.http.tls {
        Some(tls) => {
            writeln!(
                out,
                "[http.tls]\ncertificate = {}\nkey = {}",
                path(&tls.certificate, base),
                path(&tls.key, base)
            )?;
            if let Some(ca) = &tls.client_ca {
                writeln!(out, "client_ca = {}", path(ca, base))?;
            }
            writeln!(out)?;
        }
        None => writeln!(
            out,
            "# [http.tls]\n# certificate = \"tls/chaine.pem\"\n# key = \"tls/cle.pem\"\n# client_ca = \"tls/clients.pem\" # certificats de client acceptés\n"
        )?,
    }
    let (mode, mark) = match config.helios.mode {
        HeliosMode::Archive => ("archive", "# "),
        HeliosMode::Sandbox => ("sandbox", ""),
    };
    writeln!(out, "# Télétransmission : archive, ou sandbox (réponses simulées, pour les essais seulement).")?;
    writeln!(out, "{mark}[helios]\n{mark}mode = \"{mode}\"\n")?;
    super::producers::render(out, &config.producers, base)?;
    let policies = &config.policies;
    let files = [
        ("retention", &policies.retention),
        ("document_types", &policies.document_types),
        ("renewal", &policies.renewal),
        ("signature", &policies.signature),
        ("certificates", &policies.certificates),
    ];
    if files.iter().any(|(_, file)| file.is_some()) {
        writeln!(out, "[policies]")?;
        for (key, file) in files {
            if let Some(file) = file {
                writeln!(out, "{key} = {}", path(file, base))?;
            }
        }
        writeln!(out)?;
    }
    config.trust.render(out)?;
    write_limits(out, &config.limits)
}

fn write_transfers(out: &mut String, transfers: &super::TransfersConfig) -> std::fmt::Result {
    writeln!(out, "# Transferts SEDA : antivirus clamd, « hôte:port » ou chemin de son socket (docs/seda.md).")?;
    writeln!(
        out,
        "# identifier, control_authority : comment les messages SEDA nomment l'archive et le service de contrôle."
    )?;
    writeln!(out, "[transfers]")?;
    for (key, value, example) in [
        ("clamd", &transfers.clamd, "/run/clamav/clamd.ctl"),
        ("identifier", &transfers.identifier, "FRAD040_SAE"),
        ("control_authority", &transfers.control_authority, "FRAD040"),
    ] {
        match value {
            None => writeln!(out, "# {key} = {}", text(example))?,
            Some(value) => writeln!(out, "{key} = {}", text(value))?,
        }
    }
    writeln!(out)
}

fn write_store(out: &mut String, config: &Config) -> std::fmt::Result {
    writeln!(out, "# Le compartiment : la vérité. Même disposition sur disque et sur S3.\n[store]")?;
    match &config.store {
        StoreConfig::Local { path: folder } => {
            writeln!(out, "kind = \"local\"\npath = {}\n", path(folder, &config.base))
        }
        StoreConfig::Memory => writeln!(out, "kind = \"memory\"\n"),
        StoreConfig::S3(s3) => {
            writeln!(out, "kind = \"s3\"\n\n[store.s3]\nendpoint = {}", text(&s3.endpoint))?;
            writeln!(out, "bucket = {}\nregion = {}", text(&s3.bucket), text(&s3.region))?;
            writeln!(out, "prefix = {}\nallow_http = {}", text(&s3.prefix), s3.allow_http)?;
            writeln!(out, "# Sans fichier : justificatifs systemd s3-access-key et s3-secret-key.")?;
            for (key, file) in [("access_key_file", &s3.access_key_file), ("secret_key_file", &s3.secret_key_file)] {
                if let Some(file) = file {
                    writeln!(out, "{key} = {}", path(file, &config.base))?;
                }
            }
            writeln!(out, "request_ms_max = {}\nconnect_ms_max = {}\n", s3.request_ms_max, s3.connect_ms_max)
        }
    }
}

fn write_limits(out: &mut String, limits: &Limits) -> std::fmt::Result {
    writeln!(
        out,
        "# Une limite à tout. Les valeurs ci-dessous sont celles du programme ; retirer « # » pour en changer."
    )?;
    writeln!(out, "[limits]")?;
    let default = Limits::default();
    let mut line = |key: &str, value: u64, default: u64, what: &str| {
        let mark = if value == default { "# " } else { "" };
        writeln!(out, "{mark}{key} = {value} # {what}")
    };
    let wide = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    line("body_bytes_max", limits.body_bytes_max, default.body_bytes_max, "octets par dépôt (64 Gio au plus)")?;
    line("files_per_deposit_max", wide(limits.files_per_deposit_max), wide(default.files_per_deposit_max), "fichiers")?;
    line("metadata_bytes_max", wide(limits.metadata_bytes_max), wide(default.metadata_bytes_max), "octets")?;
    line("record_bytes_max", wide(limits.record_bytes_max), wide(default.record_bytes_max), "octets")?;
    line("pool_entries_max", wide(limits.pool_entries_max), wide(default.pool_entries_max), "dépôts en attente")?;
    line("batch_entries_max", wide(limits.batch_entries_max), wide(default.batch_entries_max), "dépôts par lot")?;
    line(
        "deposits_in_flight_max",
        wide(limits.deposits_in_flight_max),
        wide(default.deposits_in_flight_max),
        "dépôts simultanés",
    )?;
    line(
        "buffered_bytes_max",
        wide(limits.buffered_bytes_max),
        wide(default.buffered_bytes_max),
        "octets de petits documents en mémoire",
    )?;
    line(
        "large_uploads_max",
        wide(limits.large_uploads_max),
        wide(default.large_uploads_max),
        "grands envois à la fois",
    )?;
    line("connections_max", wide(limits.connections_max), wide(default.connections_max), "connexions")?;
    line(
        "agency_requests_per_second_max",
        limits.agency_requests_per_second_max.into(),
        default.agency_requests_per_second_max.into(),
        "requêtes par seconde et par service versant",
    )?;
    line(
        "agency_requests_burst_max",
        limits.agency_requests_burst_max.into(),
        default.agency_requests_burst_max.into(),
        "rafale admise après un temps calme",
    )?;
    line("header_ms_max", limits.header_ms_max, default.header_ms_max, "réception des en-têtes")?;
    line("body_idle_ms_max", limits.body_idle_ms_max, default.body_idle_ms_max, "silence admis dans un corps")?;
    line("commit_ms_max", limits.commit_ms_max, default.commit_ms_max, "attente du récépissé")?;
    line("request_ms_max", limits.request_ms_max, default.request_ms_max, "autres requêtes")?;
    line("drain_ms_max", limits.drain_ms_max, default.drain_ms_max, "arrêt : attente des requêtes en cours")?;
    line(
        "checkpoint_age_ms_max",
        limits.checkpoint_age_ms_max,
        default.checkpoint_age_ms_max,
        "au-delà, /readyz refuse",
    )
}

/// A TOML basic string.
pub(super) fn text(value: &str) -> String {
    toml::Value::String(value.to_owned()).to_string()
}

/// A path, relative to the file's folder when it is inside it.
pub(super) fn path(value: &Path, base: &Path) -> String {
    text(&value.strip_prefix(base).unwrap_or(value).to_string_lossy())
}
