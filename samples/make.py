"""Writes the sample documents (see make.sh): invented commune, invented people, the shapes of the real formats.

Usage: make.py WORK_DIR SIGNER_CERTIFICATE_PEM. Only the standard library; same input, same bytes.
"""

import base64
import email.message
import email.policy
import gzip
import hashlib
import io
import json
import random
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

COMMUNE = "Sainte-Quitterie-les-Pins"
SIREN = "214099996"
SIRET = "21409999600016"
HERE = Path(".")


def pdf(title, author, created, lines):
    """A one-font PDF 1.7 (Helvetica, WinAnsi): lines are (size, text), an empty text is a blank line."""
    pages, page, y = [], [], 780
    for size, text in lines:
        for piece in textwrap.wrap(text, int(880 / size)) or [""]:
            if y < 70:
                pages.append(page)
                page, y = [], 780
            if piece:
                page.append((size, y, piece))
            y -= size * 1.45
    pages.append(page)
    objects = [b"<< /Type /Catalog /Pages 2 0 R /Lang (fr-FR) >>"]
    kids = " ".join(f"{5 + 2 * i} 0 R" for i in range(len(pages)))
    objects.append(f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode())
    objects.append(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>")
    info = f"<< /Title {pdf_text(title)} /Author {pdf_text(author)} /CreationDate (D:{created}) >>"
    objects.append(info.encode("latin-1"))
    for content in pages:
        body = io.BytesIO()
        for size, y, text in content:
            escaped = text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)").encode("cp1252")
            body.write(b"BT /F1 %d Tf 70 %d Td (%s) Tj ET\n" % (size, y, escaped))
        stream = body.getvalue()
        number = len(objects) + 1
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {number + 1} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>".encode()
        )
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
    out = io.BytesIO()
    out.write(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, content in enumerate(objects, 1):
        offsets.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, content))
    xref = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    for offset in offsets:
        out.write(b"%010d 00000 n \n" % offset)
    ident = hashlib.md5(b"".join(objects)).hexdigest()
    out.write(f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R /Info 4 0 R /ID [<{ident}> <{ident}>] >>\n".encode())
    out.write(b"startxref\n%d\n%%%%EOF\n" % xref)
    return out.getvalue()


def pdf_text(text):
    """A text string in UTF-16 with its mark, in hexadecimal."""
    return "<FEFF" + text.encode("utf-16-be").hex().upper() + ">"


def deliberation():
    rows = [
        (11, "République française - Département des Landes"),
        (11, f"Commune de {COMMUNE}"),
        (11, ""),
        (16, "Extrait du registre des délibérations du conseil municipal"),
        (13, "Séance du 12 novembre 2025 - Délibération n° 2025-11-041"),
        (11, ""),
        (12, "Objet : convention d'archivage électronique des pièces comptables et des actes"),
        (11, ""),
        (11, "L'an deux mille vingt-cinq, le douze novembre à dix-huit heures trente, le conseil municipal, légalement "
             "convoqué le 5 novembre 2025, s'est réuni en salle du conseil sous la présidence de Mme Aurélie Castaignos, "
             "maire."),
        (11, ""),
        (11, "Membres en exercice : 11. Présents : 9. Pouvoirs : 1 (M. Lesbats à Mme Darrigade). Votants : 10."),
        (11, "Présents : Mmes Castaignos, Darrigade, Labadie-Lahitte, Pémoulié ; MM. Dubosque, Ducasse-Hontang, "
             "Lacrouts, Saubestre, Tauziède. Absente excusée : Mme Niautou. Secrétaire de séance : M. Saubestre."),
        (11, ""),
        (11, "Vu le code général des collectivités territoriales, notamment ses articles L. 2121-29 et L. 2131-1 ;"),
        (11, "Vu le code du patrimoine, notamment ses articles L. 211-1 et L. 212-4 ;"),
        (11, "Considérant que la commune conserve sous forme électronique ses bordereaux de titres et de mandats "
             "(protocole PES v2), ses délibérations, son courrier et sa liste électorale ;"),
        (11, "Considérant qu'il lui faut pouvoir en prouver l'intégrité et la date pendant toute la durée d'utilité "
             "administrative, sans dépendre du logiciel qui les a produits ;"),
        (11, ""),
        (11, "Après en avoir délibéré, le conseil municipal, par 9 voix pour, 0 contre et 1 abstention :"),
        (11, ""),
        (11, "Article 1 - Approuve la convention d'archivage électronique jointe à la présente, pour une durée de "
             "quatre ans à compter du 1er janvier 2026."),
        (11, "Article 2 - Dit que la dépense, soit 1 240,00 € par an, est inscrite au budget principal, article 6156."),
        (11, "Article 3 - Autorise Mme la maire à signer la convention et tout document qui s'y rapporte."),
        (11, ""),
        (11, "Fait et délibéré les jour, mois et an susdits. Pour extrait conforme,"),
        (11, "La maire, Aurélie Castaignos. Le secrétaire de séance, Bastien Saubestre."),
        (11, ""),
        (9, "Acte rendu exécutoire après transmission au représentant de l'État le 17 novembre 2025 et publication le "
            "18 novembre 2025. La présente délibération peut faire l'objet d'un recours devant le tribunal "
            "administratif dans un délai de deux mois."),
        (9, "Document d'essai : la commune, les personnes et la convention sont inventées."),
    ]
    title = "Délibération n° 2025-11-041 : convention d'archivage électronique"
    content = pdf(title, f"Commune de {COMMUNE}", "20251117093000+01'00'", rows)
    (HERE / "deliberation-2025-11-041.pdf").write_bytes(content)


def letter():
    scan = pdf("Demande de permission de voirie", "SARL Hontang Terrassement", "20251103151200+01'00'", [
        (13, "SARL Hontang Terrassement"),
        (11, "12 chemin des Gemmeurs, 40998 Sainte-Quitterie-les-Pins"),
        (11, ""),
        (11, "À Madame la Maire de Sainte-Quitterie-les-Pins, le 3 novembre 2025"),
        (11, ""),
        (12, "Objet : demande de permission de voirie, route du Lavoir"),
        (11, ""),
        (11, "Madame la Maire,"),
        (11, "Nous devons raccorder au réseau d'eau la parcelle AB 117, route du Lavoir. Nous sollicitons l'autorisation "
             "d'ouvrir une tranchée de 14 mètres sur l'accotement, du 1er au 5 décembre 2025, avec circulation "
             "alternée par feux."),
        (11, "Vous trouverez le plan de situation au verso. Nous vous prions d'agréer, Madame la Maire, nos salutations "
             "respectueuses."),
        (11, "Éloi Hontang, gérant"),
    ])
    message = email.message.EmailMessage(policy=email.policy.SMTP)
    message["From"] = "Éloi Hontang <e.hontang@hontang-terrassement.example>"
    message["To"] = "Mairie de Sainte-Quitterie-les-Pins <accueil@sainte-quitterie.example>"
    message["Subject"] = "Demande de permission de voirie, route du Lavoir (parcelle AB 117)"
    message["Date"] = "Tue, 04 Nov 2025 08:41:27 +0100"
    message["Message-ID"] = "<20251104084127.4127@hontang-terrassement.example>"
    message["X-Chrono"] = "MAIRIE/2025A/118"
    message.set_content(
        "Madame la Maire,\n\nVeuillez trouver ci-joint notre demande de permission de voirie, pour des travaux prévus du "
        "1er au 5 décembre 2025.\nNous restons à votre disposition au 05 00 00 00 00.\n\nBien cordialement,\n"
        "Éloi Hontang\nSARL Hontang Terrassement\n",
        cte="quoted-printable",
    )
    message.add_attachment(scan, maintype="application", subtype="pdf", filename="demande-voirie.pdf")
    message.set_boundary("=_courrier_2025A_118")
    (HERE / "courrier-2025A-118.eml").write_bytes(message.as_bytes())


COLUMNS = [
    "code de l'ugle", "libellé de l'ugle", "libellé du type de liste", "nom de naissance", "nom d'usage", "prénoms",
    "sexe", "date de naissance", "code commune de naissance", "libellé commune de naissance",
    "code département de naissance", "pays de naissance", "libellé nationalité", "numéro de voie", "libellé de voie",
    "complément 1", "complément 2", "lieu-dit", "code postal", "commune", "pays", "code du bureau de vote",
    "libellé du bureau de vote", "code circonscription législative", "libellé canton",
    "libellé circonscription métropolitaine", "numéro d'ordre",
]


def electoral_roll():
    pick = random.Random(40999)
    heads = ["Cas", "Dar", "Lab", "Lac", "Sau", "Tau", "Pém", "Hon", "Bir", "Cap", "Des", "Esc", "Gar", "Lam", "Mar"]
    tails = ["taignos", "rigade", "adie", "routs", "bestre", "ziède", "oulié", "tang", "aben", "deville", "pouys",
             "coubet", "dères", "othe", "quebielle"]
    girls = ["Aurélie", "Maïlys", "Odette", "Pauline", "Célestine", "Noémie", "Graziella", "Thérèse", "Inès", "Zoé"]
    boys = ["Bastien", "Éloi", "Germain", "Jean-Noël", "Loïc", "Maxence", "Octave", "Théo", "Yannick", "Gaël"]
    streets = ["route du Lavoir", "chemin des Gemmeurs", "rue de l'Église", "impasse des Résiniers", "allée du Fronton"]
    places = ["Le Bourg", "Lahitte", "Hountagnère", "Petit Bernède", ""]
    births = [("40998", "Sainte-Quitterie-les-Pins"), ("40997", "Saint-Girons-du-Lac"), ("64999", "Ousse-sur-Gave")]
    people = set()
    while len(people) < 240:
        woman = pick.random() < 0.52
        people.add((
            (pick.choice(heads) + pick.choice(tails)).upper(),
            " ".join(pick.sample(girls if woman else boys, 2)),
            "F" if woman else "M",
        ))
    rows = []
    for order, (name, given, sex) in enumerate(sorted(people), 1):
        code, town = pick.choice(births)
        used = (pick.choice(heads) + pick.choice(tails)).upper() if sex == "F" and pick.random() < 0.4 else ""
        born = f"{pick.randint(1, 28):02}/{pick.randint(1, 12):02}/{pick.randint(1931, 2008)}"
        office = pick.choice([("0001", "Mairie"), ("0002", "Foyer rural")])
        rows.append([
            "40998", COMMUNE, "Liste principale", name, used, given, sex, born, code, town, code[:2], "France",
            "Française", str(pick.randint(1, 120)), pick.choice(streets), "", "", pick.choice(places), "40998", COMMUNE,
            "France", office[0], office[1], "03", "Pays des Pins", "", str(order),
        ])

    def line(cells):
        # As the national register exports it: every field quoted but the last, empty ones bare.
        quoted = ['"' + c.replace('"', '""') + '"' if c else "" for c in cells[:-1]]
        return ";".join([*quoted, cells[-1]]) + "\n"

    text = line(COLUMNS) + "".join(line(r) for r in rows)
    (HERE / "liste-electorale-40998-2025.csv").write_bytes(text.encode())


def ticket():
    closed = "2025-10-22T10:20:00+02:00"
    body = {
        "event": "update",
        "item": {
            "id": 4127, "name": "Imprimante de la mairie en panne", "status": {"id": 6, "name": "Clos"},
            "entity": {"name": COMMUNE, "siren": SIREN}, "urgency": 3, "category": "Matériel > Impression",
            "date": "2025-10-20T08:52:10+02:00", "date_solve": "2025-10-21T16:05:00+02:00", "date_close": closed,
            "requester": "secrétariat de mairie", "technician": "M. Tauziède",
            "solution": "Remplacement du kit de fusion, page de test conforme.", "closure_reason": "résolu",
        },
        "followups": [
            {"date": "2025-10-20T09:15:00+02:00", "author": "support", "content": "Prise en charge, pièce commandée."},
            {"date": "2025-10-21T16:05:00+02:00", "author": "technicien", "content": "Kit de fusion remplacé sur place."},
        ],
    }
    report = pdf("Rapport d'intervention, ticket 4127", "Support aux collectivités", "20251021161500+02'00'", [
        (15, "Rapport d'intervention - ticket n° 4127"),
        (11, f"Collectivité : {COMMUNE} (SIREN {SIREN})"),
        (11, "Matériel : imprimante multifonction du secrétariat, n° d'inventaire SQP-IMP-02"),
        (11, "Intervention du 21 octobre 2025, de 15 h 10 à 16 h 05, sur site."),
        (11, "Constat : bourrages répétés, kit de fusion usé (182 000 pages)."),
        (11, "Travaux : remplacement du kit, nettoyage du chemin papier, page de test conforme."),
        (11, "Signature du client : secrétariat de mairie. Signature du technicien : P. Tauziède."),
    ])
    journal = "date;auteur;action\n2025-10-20 08:52;mairie;ouverture\n2025-10-20 09:15;support;prise en charge\n" \
        "2025-10-21 16:05;technicien;résolution\n2025-10-22 10:20;mairie;clôture\n"
    members = [
        ("ticket-4127/ticket.json", json.dumps(body, ensure_ascii=False, indent=1).encode()),
        ("ticket-4127/journal.csv", journal.encode()),
        ("ticket-4127/rapport-intervention.pdf", report),
    ]
    with zipfile.ZipFile(HERE / "ticket-4127.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            entry = zipfile.ZipInfo(name, (2025, 10, 22, 10, 20, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)


MANDATS = [
    ("412", "60612", "020", "Électricité de la mairie, octobre 2025", "318.40", "63.68", "Énergies des Pins", "31"),
    ("413", "615231", "821", "Point à temps, voirie communale n° 4", "4870.00", "974.00", "SARL Hontang Terrassement", "31"),
    ("414", "6067", "211", "Fournitures scolaires, école du Bourg", "642.15", "128.43", "Librairie des Gemmeurs", "31"),
]


def pes(work, certificate_pem):
    invoice = pdf("Facture 2025-1187", "SARL Hontang Terrassement", "20251030110000+01'00'", [
        (14, "Facture n° 2025-1187 du 30 octobre 2025"),
        (11, "SARL Hontang Terrassement - SIRET 99999999900006"),
        (11, f"Client : commune de {COMMUNE}, SIRET {SIRET}"),
        (11, "Point à temps sur la voie communale n° 4 : 4 870,00 € HT"),
        (11, "TVA 20 % : 974,00 € - Total TTC : 5 844,00 €"),
    ])
    packed = base64.encodebytes(gzip.compress(invoice, 9, mtime=0)).decode().strip()
    pieces = "".join(piece(*mandat) for mandat in MANDATS)
    total = sum(float(m[4]) for m in MANDATS)
    text = f"""<?xml version="1.0" encoding="ISO-8859-1"?>
<n:PES_Aller xmlns:n="http://www.minefi.gouv.fr/cp/helios/pes_v2/Rev0/aller" xmlns:ds="http://www.w3.org/2000/09/xmldsig#" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" Id="PES_{SIREN}_037">
 <Enveloppe>
  <Parametres>
   <Version V="1"/>
   <TypFic V="PESALR2"/>
   <NomFic V="PESALR2_{SIREN}_251117_037"/>
  </Parametres>
  <Emetteur>
   <Sigle V="ARCHI-ESSAI"/>
   <Adresse V="Logiciel comptable d'essai"/>
  </Emetteur>
  <Recepteur>
   <Sigle V="HELIOS"/>
   <Adresse V="Helios"/>
  </Recepteur>
 </Enveloppe>
 <EnTetePES>
  <DteStr V="2025-11-17"/>
  <IdPost V="040999"/>
  <IdColl V="{SIRET}"/>
  <CodCol V="999"/>
  <CodBud V="00"/>
  <LibelleColBud V="Commune de {COMMUNE}"/>
 </EnTetePES>
 <PES_DepenseAller>
  <EnTeteDepense>
   <IdVer V="2"/>
   <InfoDematerialisee V="1"/>
  </EnTeteDepense>
  <Bordereau Id="BORD-2025-37">
   <BlocBordereau>
    <Exer V="2025"/>
    <IdBord V="37"/>
    <DteBordEm V="2025-11-17"/>
    <TypBord V="01"/>
    <NbrPce V="{len(MANDATS)}"/>
    <MtCumulAnnuel V="184210.77"/>
    <MtBordHT V="{total:.2f}"/>
   </BlocBordereau>
{pieces}  {signature_template("BORD-2025-37", certificate_pem)}</Bordereau>
 </PES_DepenseAller>
 <PES_PJ>
  <EnTetePES_PJ>
   <IdVer V="1"/>
  </EnTetePES_PJ>
  <PJ>
   <Contenu>
    <Fichier MIMEType="application/pdf">{packed}</Fichier>
   </Contenu>
   <IdUnique V="{SIREN}-2025-1187"/>
   <NomPJ V="facture-2025-1187.pdf"/>
   <TypePJ V="007"/>
  </PJ>
 </PES_PJ>
</n:PES_Aller>
"""
    (work / "pes-template.xml").write_bytes(text.encode("iso-8859-1"))


def piece(number, nature, function, purpose, net, vat, payee, category):
    attached = ""
    if number == "413":
        attached = f"""
      <PJRef>
       <Support V="01"/>
       <IdUnique V="{SIREN}-2025-1187"/>
       <NomPJ V="facture-2025-1187.pdf"/>
      </PJRef>"""
    return f"""   <Piece>
    <BlocPiece>
     <InfoPce>
      <IdPce V="{number}"/>
      <TypPce V="01"/>
      <NatPce V="01"/>
      <Obj V="{purpose}"/>{attached}
     </InfoPce>
    </BlocPiece>
    <LigneDePiece>
     <BlocLignePiece>
      <InfoLignePce>
       <IdLigne V="1"/>
       <Nature V="{nature}"/>
       <Fonction V="{function}"/>
       <LibVir1 V="Mandat {number} du 17/11/2025"/>
       <ModRegl V="03"/>
       <TVAIntraCom V="0"/>
       <TxTva V="20"/>
       <MtTVA V="{vat}"/>
       <MtHT V="{net}"/>
      </InfoLignePce>
     </BlocLignePiece>
     <Tiers>
      <InfoTiers>
       <CatTiers V="{category}"/>
       <NatJur V="03"/>
       <Nom V="{payee}"/>
      </InfoTiers>
      <Adresse>
       <TypAdr V="1"/>
       <Adr2 V="12 chemin des Gemmeurs"/>
       <CP V="40998"/>
       <Ville V="{COMMUNE.upper()}"/>
       <CodRes V="0"/>
      </Adresse>
     </Tiers>
    </LigneDePiece>
   </Piece>
"""


def signature_template(target, certificate_pem):
    """XAdES 1.2.2 with the DGFiP's policy, as accounting software signs a bordereau; xmlsec1 fills the digests."""
    def openssl(*arguments):
        done = subprocess.run(["openssl", "x509", "-in", certificate_pem, *arguments], check=True, capture_output=True)
        return done.stdout

    digest = base64.b64encode(hashlib.sha256(openssl("-outform", "DER")).digest()).decode()
    issuer = openssl("-noout", "-issuer", "-nameopt", "RFC2253,utf8,-esc_msb").decode().strip().removeprefix("issuer=")
    serial = int(openssl("-noout", "-serial").decode().strip().removeprefix("serial="), 16)
    sig = f"{target}_SIG_1"
    c14n = "http://www.w3.org/2001/10/xml-exc-c14n#"
    sha256 = "http://www.w3.org/2001/04/xmlenc#sha256"
    return (
        f'<ds:Signature Id="{sig}"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="{c14n}"/>'
        '<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/>'
        f'<ds:Reference URI="#{target}"><ds:Transforms>'
        '<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>'
        f'<ds:Transform Algorithm="{c14n}"/></ds:Transforms>'
        f'<ds:DigestMethod Algorithm="{sha256}"/><ds:DigestValue></ds:DigestValue></ds:Reference>'
        f'<ds:Reference Type="http://uri.etsi.org/01903/v1.2.2#SignedProperties" URI="#{sig}_SP"><ds:Transforms>'
        f'<ds:Transform Algorithm="{c14n}"/></ds:Transforms>'
        f'<ds:DigestMethod Algorithm="{sha256}"/><ds:DigestValue></ds:DigestValue></ds:Reference></ds:SignedInfo>'
        f'<ds:SignatureValue Id="{sig}_SV"></ds:SignatureValue>'
        '<ds:KeyInfo><ds:X509Data><ds:X509Certificate></ds:X509Certificate></ds:X509Data></ds:KeyInfo>'
        f'<ds:Object><xad:QualifyingProperties xmlns:xad="http://uri.etsi.org/01903/v1.2.2#" Target="#{sig}">'
        f'<xad:SignedProperties Id="{sig}_SP"><xad:SignedSignatureProperties>'
        '<xad:SigningTime>2025-11-17T09:42:08Z</xad:SigningTime><xad:SigningCertificate><xad:Cert><xad:CertDigest>'
        f'<xad:DigestMethod Algorithm="{sha256}"/><xad:DigestValue>{digest}</xad:DigestValue></xad:CertDigest>'
        f'<xad:IssuerSerial><ds:X509IssuerName>{issuer}</ds:X509IssuerName>'
        f'<ds:X509SerialNumber>{serial}</ds:X509SerialNumber></xad:IssuerSerial></xad:Cert></xad:SigningCertificate>'
        '<xad:SignaturePolicyIdentifier><xad:SignaturePolicyId><xad:SigPolicyId>'
        '<xad:Identifier>urn:oid:1.2.250.1.131.1.5.18.21.1.7</xad:Identifier>'
        '<xad:Description>Politique de signature Helios de la DGFiP</xad:Description></xad:SigPolicyId>'
        f'<xad:SigPolicyHash><xad:DigestMethod Algorithm="{sha256}"/>'
        '<xad:DigestValue>roF9+cfRHNPtVJolhdqfIqGMVuUXX8aR4rpiquf0u5E=</xad:DigestValue></xad:SigPolicyHash>'
        '</xad:SignaturePolicyId></xad:SignaturePolicyIdentifier>'
        f'<xad:SignatureProductionPlace><xad:City>{COMMUNE}</xad:City><xad:PostalCode>40998</xad:PostalCode>'
        '<xad:CountryName>France</xad:CountryName></xad:SignatureProductionPlace>'
        '<xad:SignerRole><xad:ClaimedRoles><xad:ClaimedRole>Ordonnateur</xad:ClaimedRole></xad:ClaimedRoles>'
        '</xad:SignerRole></xad:SignedSignatureProperties></xad:SignedProperties></xad:QualifyingProperties></ds:Object>'
        '</ds:Signature>'
    )


if __name__ == "__main__":
    deliberation()
    letter()
    electoral_roll()
    ticket()
    pes(Path(sys.argv[1]), sys.argv[2])
