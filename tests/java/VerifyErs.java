// Checks evidence records (RFC 4998) with BouncyCastle: VerifyErs RECORD DOCUMENT…  Exits 0 when it holds.
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Date;
import java.util.List;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.operator.jcajce.JcaDigestCalculatorProviderBuilder;
import org.bouncycastle.tsp.ers.ERSByteData;
import org.bouncycastle.tsp.ers.ERSData;
import org.bouncycastle.tsp.ers.ERSDataGroup;
import org.bouncycastle.tsp.ers.ERSEvidenceRecord;

public class VerifyErs {
    public static void main(String[] arguments) throws Exception {
        var digests = new JcaDigestCalculatorProviderBuilder().setProvider(new BouncyCastleProvider()).build();
        var record = new ERSEvidenceRecord(Files.readAllBytes(Path.of(arguments[0])), digests);
        var verifier = new JcaSimpleSignerInfoVerifierBuilder().setProvider(new BouncyCastleProvider());
        record.validate(verifier.build(record.getSigningCertificate()));
        List<ERSData> documents = new ArrayList<>();
        for (int n = 1; n < arguments.length; n++) {
            documents.add(new ERSByteData(Files.readAllBytes(Path.of(arguments[n]))));
        }
        // Later than any of the time-stamps of the tests.
        Date later = new Date(System.currentTimeMillis() + 20L * 365 * 24 * 3600 * 1000);
        ERSData data = documents.size() == 1 ? documents.get(0) : new ERSDataGroup(documents);
        record.validatePresent(data, later);
        System.out.println("ok");
    }
}
